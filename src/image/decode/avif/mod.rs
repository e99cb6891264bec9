//! AVIF: the container in safe Rust, AV1 by `re_rav1d`.
//!
//! The way of a file: [`container`] finds the items, [`plan`] checks what an item claims, [`av1`] decodes its
//! tiles, [`colour`] turns their planes into pixels. What is not supported is refused: layer selection,
//! derived images other than grids, tiles with an alpha plane each.

#![forbid(unsafe_code)]

mod av1;
mod colour;
mod container;
mod obu;
mod plan;
mod profile;
mod property;
mod reader;
mod shrink;
mod transform;

use av1::Frame;
use colour::Target;
use container::Container;
use plan::{Place, Plan};
use property::Cicp;
use transform::Rect;

use crate::error::{Error, Result};
use crate::image::decode::{Band, Decoded, Header, Layout, Pixels, Rows};
use crate::image::limits::{Limits, Progress};

/// Reads the container and the AV1 sequence header; no pixel is decoded.
///
/// Width and height are those after `clap` and before `irot` and `imir`, which make up the orientation. An
/// Exif orientation is ignored, as the format demands and sharp does. `animated` means an image sequence;
/// its size is that of the still image that comes with it.
///
/// # Errors
/// [`Error::NotAnImage`] without the brand, [`Error::TooManyBytes`], [`Error::TooManyPixels`], and
/// [`Error::Decode`] for what is damaged or not supported.
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let image = Image::parse(input, limits)?;
    Ok(Header {
        width: image.crop.width,
        height: image.crop.height,
        orientation: image.orientation(),
        has_alpha: image.alpha.is_some(),
        animated: image.container.animated(),
        depth: image.colour.sequence.depth,
        decoded_bytes: image.decoded_bytes(input.len()),
    })
}

/// Decodes the primary image to 8 bits per sample: gray, RGB, or RGBA where a pixel is not opaque. Planes become pixels
/// as rows are asked for, unless the image is made of tiles or cropped.
///
/// Colour described by code points other than sRGB's comes with a profile that says the same.
///
/// With a `target` that is much smaller, planes may come out smaller than they are, and what would not show in it is left out.
///
/// # Errors
/// Those of [`header`], and what `progress` answers.
pub fn decode<'a>(
    input: &[u8],
    target: Option<super::Target>,
    limits: &Limits,
    progress: &'a Progress,
) -> Result<Decoded<'a>> {
    let image = Image::parse(input, limits)?;
    let whole = (image.crop.width, image.crop.height);
    let reduction = target.map_or(1.0, |target| shrink::reduction(whole, target));
    let coarse = reduction >= COARSE_FROM;
    let alpha = image.decode_alpha(coarse, progress)?;
    let icc = match image.colour.properties.icc {
        Some(icc) => Some(icc.to_vec()),
        None if image.colour.sequence.mono => None,
        None => profile::icc(image.colour.cicp),
    };
    let orientation = image.orientation();
    if image.is_plain() {
        let cicp = image.colour.cicp;
        let frame = image.colour.decode_single(&image.container, coarse, progress)?;
        // Colours count by their alpha, and a mean of planes does not know it.
        let by = if alpha.is_some() { 1 } else { shrink::factor(reduction) };
        let frame = frame.shrunk(whole, by);
        let (width, height) = (whole.0.div_ceil(by), whole.1.div_ceil(by));
        let layout = image.layout(alpha.is_some());
        let alpha = alpha.map(|levels| Alpha { levels, premultiplied: image.is_premultiplied() });
        let (size, data) = ((width, height), Vec::new());
        let rows = Bands { frame, cicp, layout, size, alpha, next: 0, data, progress };
        return Ok(Decoded {
            rows: Box::new(rows),
            width,
            height,
            source_width: f64::from(whole.0) / f64::from(by),
            source_height: f64::from(whole.1) / f64::from(by),
            icc,
            orientation,
        });
    }
    let mut pixels = image.decode_colour(alpha.is_some(), coarse, progress)?;
    if let Some(alpha) = alpha {
        apply_alpha(&mut pixels.data, &alpha, image.is_premultiplied());
    }
    crop(&mut pixels, image.crop);
    Ok(Decoded::whole(pixels, icc, orientation))
}

/// A picture this many times larger than the result is decoded without the filters that smooth its blocks. Over 34 results
/// from qualities 20 to 80 the SSIMULACRA2 stayed the same in the mean, and the worst lost 0.35.
const COARSE_FROM: f64 = 2.0;

/// Rows made at once; even, because two of them may share their chroma.
const BAND_ROWS: usize = 32;

/// The pixels of a single frame, as they are asked for.
struct Bands<'a> {
    frame: Frame,
    cicp: Cicp,
    layout: Layout,
    /// px
    size: (u32, u32),
    alpha: Option<Alpha>,
    /// the first row of the next band
    next: usize,
    data: Vec<u8>,
    progress: &'a Progress,
}

struct Alpha {
    levels: Vec<u8>,
    /// whether the colours are multiplied with it
    premultiplied: bool,
}

impl Rows for Bands<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        self.progress.check()?;
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let rows = BAND_ROWS.min(height - self.next);
        if rows == 0 {
            return Ok(None);
        }
        let channels = self.layout.channels();
        let stride = width * channels;
        self.data.resize(rows * stride, 0);
        let data = &mut self.data[..];
        colour::paint(
            &self.frame,
            self.cicp,
            &mut Target { data, stride, channels, width, height: rows, from: self.next },
        )?;
        if let Some(alpha) = &self.alpha {
            apply_alpha(&mut self.data, &alpha.levels[self.next * width..], alpha.premultiplied);
        }
        self.next += rows;
        Ok(Some(Band { data: &self.data, layout: self.layout }))
    }
}

/// A file whose claims have been checked.
struct Image<'a> {
    container: Container<'a>,
    primary: u32,
    colour: Plan<'a>,
    /// The item and its plan.
    alpha: Option<(u32, Plan<'a>)>,
    crop: Rect,
}

impl<'a> Image<'a> {
    fn parse(input: &'a [u8], limits: &Limits) -> Result<Self> {
        limits.check_bytes(input.len())?;
        let container = Container::parse(input)?;
        let primary = container.primary()?;
        let colour = Plan::of(&container, primary, limits)?;
        let alpha = match container.alpha_of(primary) {
            Some(item) => Some((item, Plan::of(&container, item, limits)?)),
            None => None,
        };
        if alpha
            .as_ref()
            .is_some_and(|(_, alpha)| (alpha.width, alpha.height) != (colour.width, colour.height))
        {
            return Err(damaged("an alpha plane of another size than its image"));
        }
        let crop = match colour.properties.clap {
            Some(clap) => clap.rect(colour.width, colour.height)?,
            None => Rect::whole(colour.width, colour.height),
        };
        Ok(Self { container, primary, colour, alpha, crop })
    }

    fn orientation(&self) -> u8 {
        self.colour.properties.orientation.exif()
    }

    fn is_premultiplied(&self) -> bool {
        self.alpha.as_ref().is_some_and(|(item, _)| self.container.is_premultiplied(self.primary, *item))
    }

    fn layout(&self, transparent: bool) -> Layout {
        match (transparent, self.colour.sequence.mono) {
            (true, _) => Layout::Rgba,
            (false, true) => Layout::Luma,
            (false, false) => Layout::Rgb,
        }
    }

    /// Whether the planes can become pixels as rows are asked for.
    fn is_plain(&self) -> bool {
        self.colour.is_single() && self.crop == Rect::whole(self.colour.width, self.colour.height)
    }

    fn decoded_bytes(&self, input_len: usize) -> u64 {
        let (width, height) = (u64::from(self.colour.width), u64::from(self.colour.height));
        let channels = self.layout(self.alpha.is_some()).channels() as u64;
        let rows = if self.is_plain() { height.min(BAND_ROWS as u64) } else { height };
        let (alpha_plane, alpha_decoder) =
            self.alpha.as_ref().map_or((0, 0), |(_, alpha)| (width * height, alpha.decoder_bytes()));
        // One copy of the item's bytes goes to the decoder.
        (width * rows * channels)
            .saturating_add(alpha_plane)
            .saturating_add(self.colour.decoder_bytes().max(alpha_decoder))
            .saturating_add(input_len as u64)
    }

    /// The alpha plane in 8 bits, or `None` where there is none or it is opaque throughout.
    fn decode_alpha(&self, coarse: bool, progress: &Progress) -> Result<Option<Vec<u8>>> {
        let Some((_, plan)) = &self.alpha else { return Ok(None) };
        let mut canvas = Canvas::new(plan, 1);
        plan.decode(&self.container, coarse, progress, |frame, place| {
            // Alpha is of full range by the specification; files by early writers say otherwise in the
            // stream, and mean it.
            colour::paint_gray(frame, plan.sequence.cicp.full_range, &mut canvas.target(place)?);
            Ok(())
        })?;
        let alpha = canvas.data;
        Ok(alpha.iter().any(|&alpha| alpha != 0xFF).then_some(alpha))
    }

    fn decode_colour(&self, transparent: bool, coarse: bool, progress: &Progress) -> Result<Pixels> {
        let plan = &self.colour;
        let layout = self.layout(transparent);
        let mut canvas = Canvas::new(plan, layout.channels());
        plan.decode(&self.container, coarse, progress, |frame, place| {
            colour::paint(frame, plan.cicp, &mut canvas.target(place)?)
        })?;
        Ok(Pixels { data: canvas.data, width: plan.width, height: plan.height, layout })
    }
}

/// The pixels to be. Memory is taken once a first tile has been decoded, so a few bytes that only claim a
/// large size cost none.
struct Canvas {
    data: Vec<u8>,
    width: usize,
    height: usize,
    channels: usize,
}

impl Canvas {
    fn new(plan: &Plan, channels: usize) -> Self {
        Self { data: Vec::new(), width: plan.width as usize, height: plan.height as usize, channels }
    }

    /// The part at `place`, which lies inside.
    fn target(&mut self, place: Place) -> Result<Target<'_>> {
        let stride = self.width * self.channels;
        if self.data.is_empty() {
            let bytes = (stride as u64).checked_mul(self.height as u64);
            let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
            self.data = vec![0; bytes.ok_or_else(|| damaged("an image too large for this machine"))?];
        }
        let start = place.y as usize * stride + place.x as usize * self.channels;
        Ok(Target {
            data: &mut self.data[start..],
            stride,
            channels: self.channels,
            width: place.width as usize,
            height: place.height as usize,
            from: 0,
        })
    }
}

/// Puts `alpha` into RGBA pixels; colours that are multiplied with it are divided again.
fn apply_alpha(rgba: &mut [u8], alpha: &[u8], premultiplied: bool) {
    let pixels = rgba.chunks_exact_mut(4).zip(alpha);
    if !premultiplied {
        pixels.for_each(|(pixel, &alpha)| pixel[3] = alpha);
        return;
    }
    for (pixel, &alpha) in pixels {
        let divisor = u16::from(alpha);
        for sample in &mut pixel[..3] {
            let straight = (u16::from(*sample) * 255 + divisor / 2).checked_div(divisor).unwrap_or(0);
            *sample = straight.min(255) as u8;
        }
        pixel[3] = alpha;
    }
}

/// Keeps the pixels inside of `rect`, moving rows within their memory.
fn crop(pixels: &mut Pixels, rect: Rect) {
    if rect == Rect::whole(pixels.width, pixels.height) {
        return;
    }
    let channels = pixels.layout.channels();
    let stride = pixels.width as usize * channels;
    let row = rect.width as usize * channels;
    for y in 0..rect.height as usize {
        let start = (rect.top as usize + y) * stride + rect.left as usize * channels;
        pixels.data.copy_within(start..start + row, y * row);
    }
    pixels.data.truncate(rect.height as usize * row);
    (pixels.width, pixels.height) = (rect.width, rect.height);
}

fn damaged(what: &str) -> Error {
    Error::Decode(format!("AVIF: {what}"))
}
