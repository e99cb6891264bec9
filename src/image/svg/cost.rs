//! What drawing a parsed SVG takes, computed by walking it as the renderer will.
//!
//! Work is counted in units of about a nanosecond: a pixel that is filled. The weights are rough; they need only
//! tell a page from a file that was made to keep a processor busy, which is a matter of orders of magnitude.

use resvg::tiny_skia::Transform;
use resvg::usvg::filter::{Filter, Kind, Primitive};
use resvg::usvg::{ClipPath, Group, Image, ImageKind, Mask, Node, Paint, Path, Pattern, Rect, Stroke, Tree};

use crate::error::{Error, Result};

/// Some ten seconds of one processor.
const MAX_WORK: u64 = 10_000_000_000;

/// Canvases that exist at the same time, beside the one of the result.
const MAX_LAYERS_BYTES: u64 = 512 << 20;

/// What the smallest thing that can be drawn costs.
const ELEMENT: u64 = 200;

/// What one of the dashes of a line costs, and how many the renderer makes at most.
const DASH: u64 = 500;
const MAX_DASHES: f64 = 1e6;

/// What it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// At the peak, beside the canvas of the result.
    pub(super) layers_bytes: u64,
}

/// # Errors
/// [`Error::Decode`] when it is too much.
pub(super) fn of(tree: &Tree, width: u32, height: u32, transform: Transform) -> Result<Cost> {
    let mut walk = Walk { work: 0, held_bytes: 0, peak_bytes: 0, width: width.into(), height: height.into() };
    let canvas = area(f64::from(width), f64::from(height));
    walk.group(tree.root(), transform, canvas)?;
    Ok(Cost { layers_bytes: walk.peak_bytes })
}

struct Walk {
    work: u64,
    held_bytes: u64,
    peak_bytes: u64,
    /// px of the whole result
    width: f64,
    /// px of the whole result
    height: f64,
}

/// Everything takes the `canvas` it draws on as its number of pixels.
impl Walk {
    fn children(&mut self, parent: &Group, transform: Transform, canvas: u64) -> Result<()> {
        parent.children().iter().try_for_each(|node| match node {
            Node::Group(group) => self.group(group, transform, canvas),
            Node::Path(path) => self.path(path, transform, canvas),
            Node::Image(image) => self.image(image, transform, canvas),
            Node::Text(text) => self.group(text.flattened(), transform, canvas),
        })
    }

    fn group(&mut self, group: &Group, transform: Transform, canvas: u64) -> Result<()> {
        self.spend(ELEMENT, 1)?;
        let transform = transform.pre_concat(group.transform());
        if !group.should_isolate() {
            return self.children(group, transform, canvas);
        }
        let Some(covered) = group.layer_bounding_box().transform(transform) else { return Ok(()) };
        let layer = self.layer(covered.to_rect());
        self.spend(layer, 6)?;
        self.with_canvases(layer, 1, |walk| {
            walk.children(group, transform, layer)?;
            group.filters().iter().try_for_each(|filter| walk.filter(filter, transform, layer))?;
            group.clip_path().map_or(Ok(()), |clip| walk.clip(clip, transform, layer))?;
            group.mask().map_or(Ok(()), |mask| walk.mask(mask, transform, layer))
        })
    }

    /// Pixels of a canvas for `covered`, which the renderer cuts at two widths and heights of the result around it.
    fn layer(&self, covered: Rect) -> u64 {
        let side = |length: f32, whole: f64| f64::from(length.ceil() + 4.0).min(whole * 5.0);
        area(side(covered.width(), self.width), side(covered.height(), self.height))
    }

    fn clip(&mut self, clip: &ClipPath, transform: Transform, canvas: u64) -> Result<()> {
        self.spend(canvas, 6)?;
        self.with_canvases(canvas, 2, |walk| {
            walk.clip_children(clip.root(), transform.pre_concat(clip.transform()), canvas)?;
            clip.clip_path().map_or(Ok(()), |clip| walk.clip(clip, transform, canvas))
        })
    }

    fn clip_children(&mut self, parent: &Group, transform: Transform, canvas: u64) -> Result<()> {
        self.spend(ELEMENT, 1)?;
        parent.children().iter().try_for_each(|node| match node {
            Node::Path(path) => self.path(path, transform, canvas),
            Node::Group(group) => {
                let transform = transform.pre_concat(group.transform());
                let Some(clip) = group.clip_path() else {
                    return self.clip_children(group, transform, canvas);
                };
                self.spend(canvas, 4)?;
                self.with_canvases(canvas, 1, |walk| {
                    walk.clip_children(group, transform, canvas)?;
                    walk.clip(clip, transform, canvas)
                })
            }
            Node::Text(text) => self.clip_children(text.flattened(), transform, canvas),
            Node::Image(_) => Ok(()),
        })
    }

    fn mask(&mut self, mask: &Mask, transform: Transform, canvas: u64) -> Result<()> {
        self.spend(canvas, 10)?;
        self.with_canvases(canvas, 2, |walk| {
            walk.children(mask.root(), transform, canvas)?;
            mask.mask().map_or(Ok(()), |mask| walk.mask(mask, transform, canvas))
        })
    }

    fn path(&mut self, path: &Path, transform: Transform, canvas: u64) -> Result<()> {
        if !path.is_visible() {
            return Ok(());
        }
        let covered = path.stroke_bounding_box().transform(transform);
        let pixels = covered.map_or(canvas, |covered| area_of(covered).min(canvas));
        let rows = covered.map_or(self.height, |covered| f64::from(covered.height()).min(self.height * 5.0));
        let edges = edges(path.data().points().len() as u64, rows as u64);
        if let Some(fill) = path.fill() {
            self.spend(edges, 1)?;
            self.spend(pixels, weight(fill.paint()))?;
            self.paint(fill.paint(), transform)?;
        }
        if let Some(stroke) = path.stroke() {
            self.spend(edges, 5)?;
            self.spend(dashes(path, stroke), DASH)?;
            self.spend(pixels, weight(stroke.paint()))?;
            self.paint(stroke.paint(), transform)?;
        }
        Ok(())
    }

    fn paint(&mut self, paint: &Paint, transform: Transform) -> Result<()> {
        if let Paint::Pattern(pattern) = paint { self.pattern(pattern, transform) } else { Ok(()) }
    }

    /// The renderer draws the tile anew for everything that is filled with it.
    fn pattern(&mut self, pattern: &Pattern, transform: Transform) -> Result<()> {
        let (sx, sy) = transform.pre_concat(pattern.transform()).get_scale();
        let (width, height) = (pattern.rect().width() * sx, pattern.rect().height() * sy);
        let tile = area(f64::from(width.round()), f64::from(height.round()));
        self.spend(tile, 2)?;
        self.with_canvases(tile, 1, |walk| walk.children(pattern.root(), Transform::from_scale(sx, sy), tile))
    }

    fn image(&mut self, image: &Image, transform: Transform, canvas: u64) -> Result<()> {
        if !image.is_visible() {
            return Ok(());
        }
        if let ImageKind::SVG(tree) = image.kind() {
            self.spend(canvas, 4)?;
            return self.with_canvases(canvas, 1, |walk| walk.group(tree.root(), transform, canvas));
        }
        let source = area_of(image.size().to_rect(0.0, 0.0).unwrap_or(image.bounding_box()));
        let covered = image.bounding_box().transform(transform);
        let pixels = covered.map_or(canvas, |covered| area_of(covered).min(canvas));
        self.spend(source, 8)?;
        self.spend(pixels, 60)
    }

    fn filter(&mut self, filter: &Filter, transform: Transform, canvas: u64) -> Result<()> {
        // The result of each step is kept for those after it.
        self.with_canvases(canvas, filter.primitives().len() as u64 + 3, |walk| {
            filter.primitives().iter().try_for_each(|step| walk.filter_step(step, transform, canvas))
        })
    }

    fn filter_step(&mut self, step: &Primitive, transform: Transform, canvas: u64) -> Result<()> {
        let (sx, sy) = transform.get_scale();
        let window =
            |radius: f32, scale: f32, whole: f64| (f64::from(radius * scale) * 2.0 + 1.0).min(whole * 10.0);
        let weight = match step.kind() {
            Kind::GaussianBlur(_)
            | Kind::DropShadow(_)
            | Kind::DiffuseLighting(_)
            | Kind::SpecularLighting(_) => 100,
            Kind::ConvolveMatrix(fe) => {
                u64::from(fe.matrix().columns()).saturating_mul(fe.matrix().rows().into()).saturating_mul(8)
            }
            Kind::Morphology(fe) => area(
                window(fe.radius_x().get(), sx, self.width),
                window(fe.radius_y().get(), sy, self.height),
            )
            .saturating_mul(2),
            Kind::Turbulence(fe) => u64::from(fe.num_octaves()).saturating_mul(150),
            Kind::Image(fe) => {
                self.group(fe.root(), transform, canvas)?;
                20
            }
            _ => 20,
        };
        self.spend(canvas, weight.saturating_add(20))
    }

    fn spend(&mut self, amount: u64, weight: u64) -> Result<()> {
        self.work = self.work.saturating_add(amount.saturating_mul(weight));
        if self.work > MAX_WORK {
            return Err(Error::Decode("svg: drawing it would take too long".to_owned()));
        }
        Ok(())
    }

    fn with_canvases(
        &mut self,
        pixels: u64,
        count: u64,
        draw: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let bytes = pixels.saturating_mul(4).saturating_mul(count);
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        self.peak_bytes = self.peak_bytes.max(self.held_bytes);
        if self.held_bytes > MAX_LAYERS_BYTES {
            return Err(Error::Decode("svg: drawing it would take too much memory".to_owned()));
        }
        draw(self)?;
        self.held_bytes -= bytes;
        Ok(())
    }
}

/// What the outline of a filled shape costs; that of a line is five times that. Measured on outlines that cross
/// themselves everywhere: in each of the rows every edge is looked at, and in the first they are sorted by insertion.
fn edges(points: u64, rows: u64) -> u64 {
    ELEMENT.saturating_add(points.saturating_mul(points) / 2).saturating_add(points.saturating_mul(rows) * 30)
}

/// What filling a pixel costs.
fn weight(paint: &Paint) -> u64 {
    match paint {
        Paint::Color(_) => 1,
        Paint::LinearGradient(_) | Paint::RadialGradient(_) => 8,
        Paint::Pattern(_) => 60,
    }
}

/// How many dashes the renderer makes of a line, at most: a curve is never longer than the way along its points.
fn dashes(path: &Path, stroke: &Stroke) -> u64 {
    let Some(dashes) = stroke.dasharray() else { return 0 };
    let points = path.data().points();
    let length: f64 = points.windows(2).map(|pair| f64::from(pair[0].distance(pair[1]))).sum();
    let period: f64 = dashes.iter().map(|dash| f64::from(*dash)).sum();
    // Every subpath may be closed by one more line.
    (length * 2.0 / period * dashes.len() as f64).min(MAX_DASHES) as u64
}

fn area_of(rect: Rect) -> u64 {
    area(f64::from(rect.width()).ceil() + 1.0, f64::from(rect.height()).ceil() + 1.0)
}

/// Too large or not a number at all counts as the most there is.
fn area(width: f64, height: f64) -> u64 {
    let area = width * height;
    if area.is_nan() { u64::MAX } else { area as u64 }
}
