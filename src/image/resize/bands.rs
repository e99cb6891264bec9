//! Lanczos3 over a picture that comes from top to bottom, of which only a few rows are held.
//!
//! Columns are scaled first, as `fast_image_resize` does with bytes: a row of the result needs the source rows that
//! lie within three steps of its centre, and each source row is read where it lies. What comes out has the width of
//! the source still; it gathers in a strip, and a full strip is scaled along its rows. Nothing is computed twice
//! but the weights along the rows, once for each strip.

use std::f64::consts::PI;
use std::ops::Range;

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::{U8, U8x3, U8x4};
use fast_image_resize::{Filter, FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};
use crate::image::decode::{Decoded, Layout, Pixels, Rows};

/// How far Lanczos3 reaches, in steps of the scale.
const REACH: f64 = 3.0;

/// Strips of a result. Fewer take more memory and more time, having left the cache when they are read again; eight
/// cost a graphic up to 6 % more, since the weights along the rows are computed for each.
const STRIPS: u32 = 4;

/// Fewest rows of a strip.
const STRIP_ROWS: u32 = 16;

/// Fewest source rows that come together before columns are scaled.
const BATCH_ROWS: u32 = 16;

/// What is scaled to what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    /// px of the source
    pub(super) source: (u32, u32),
    /// px of the source that become the result, from its top left corner on
    pub(super) covered: (f64, f64),
    /// px of the result
    pub(super) target: (u32, u32),
}

impl Geometry {
    /// Source rows for one row of the result.
    fn step(&self) -> f64 {
        self.covered.1 / f64::from(self.target.1)
    }

    /// The source rows that row `y` of the result is made of, and one more on either side for what rounding does.
    fn span(&self, y: u32) -> Range<u32> {
        let centre = (f64::from(y) + 0.5) * self.step();
        let reach = REACH * self.step().max(1.0) + 1.0;
        let start = (centre - reach).floor().max(0.0) as u32;
        let end = (centre + reach).ceil().min(f64::from(self.source.1)) as u32;
        start..end
    }

    fn strip_rows(&self) -> u32 {
        self.target.1.div_ceil(STRIPS).max(STRIP_ROWS).min(self.target.1)
    }

    /// Source rows that are held at most: what one row of the result needs, and as many as come together.
    fn held_rows(&self) -> u32 {
        let span = (2.0 * (REACH * self.step().max(1.0) + 1.0)).ceil() as u32 + 1;
        span.saturating_add(BATCH_ROWS.max(span / 2)).min(self.source.1)
    }

    /// Bytes that are held beside the source and the result, at most.
    pub(super) fn memory_bytes(&self, channels: u64) -> u64 {
        let rows = u64::from(self.held_rows()) + u64::from(self.strip_rows());
        // Weights are f64 and then i16 in small blocks, of the rows and of the columns at once.
        let (sides, results) = (
            u64::from(self.source.0) + u64::from(self.source.1),
            u64::from(self.target.0) + u64::from(self.target.1),
        );
        let weights = (2 * REACH as u64 * sides + 3 * results) * 10 + results * 80;
        rows * u64::from(self.source.0) * channels + weights
    }
}

/// Scales `decoded` to the target of `geometry`.
///
/// # Errors
/// Those of the decoder, and [`Error::Decode`] when its rows do not fit its size.
pub(super) fn scale(mut decoded: Decoded, geometry: Geometry) -> Result<Pixels> {
    let mut scaler = Scaler::new(geometry);
    if let Some(mut whole) = decoded.rows.take_whole() {
        scaler.change_layout(whole.layout)?;
        if whole.layout == Layout::Rgba {
            scaler.premultiply(&mut whole.data)?;
        }
        scaler.advance(&mut whole.data, 0)?;
    } else {
        scale_rows(decoded.rows.as_mut(), &mut scaler)?;
    }
    scaler.finish()
}

fn scale_rows(rows: &mut dyn Rows, scaler: &mut Scaler) -> Result<()> {
    let height = scaler.geometry.source.1;
    let most = scaler.geometry.held_rows();
    // What is held, and the numbers of its first row and of the one after its last.
    let mut held = Vec::new();
    let (mut first, mut end) = (0, 0);
    while let Some(band) = rows.next_rows()? {
        if end == 0 {
            scaler.change_layout(band.layout)?;
        } else if band.layout != scaler.layout {
            scaler.layout.turn(&mut held, band.layout)?;
            scaler.change_layout(band.layout)?;
        }
        let row_bytes = scaler.row_bytes();
        if band.data.len() % row_bytes != 0 || band.data.len() / row_bytes > (height - end) as usize {
            return Err(Error::Decode(format!("{} bytes of rows after {end} rows", band.data.len())));
        }
        let mut rest = band.data;
        while !rest.is_empty() {
            let room = (most - (end - first)) as usize * row_bytes;
            let (part, after) = rest.split_at(room.min(rest.len()));
            rest = after;
            let start = held.len();
            held.reserve_exact(most as usize * row_bytes - start);
            held.extend_from_slice(part);
            if scaler.layout == Layout::Rgba {
                scaler.premultiply(&mut held[start..])?;
            }
            end += (part.len() / row_bytes) as u32;
            if end - first == most || end == height {
                scaler.advance(&mut held, first)?;
                let needed = scaler.first_needed().clamp(first, end);
                held.drain(..(needed - first) as usize * row_bytes);
                first = needed;
            }
        }
    }
    Ok(())
}

struct Scaler {
    geometry: Geometry,
    layout: Layout,
    resizer: Resizer,
    alpha: MulDiv,
    /// rows of the result, as wide as the source
    strip: Vec<u8>,
    /// rows in `strip`
    gathered: u32,
    /// rows of the result that are in `strip` or were
    begun: u32,
    /// the result's finished rows
    data: Vec<u8>,
}

impl Scaler {
    fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            layout: Layout::Luma,
            resizer: Resizer::new(),
            alpha: MulDiv::new(),
            strip: Vec::new(),
            gathered: 0,
            begun: 0,
            data: Vec::new(),
        }
    }

    /// From here on the source's rows have this layout, which once there were rows can only be RGBA.
    fn change_layout(&mut self, layout: Layout) -> Result<()> {
        let Geometry { source, target, .. } = self.geometry;
        let (from, gathered) = (self.layout, self.gathered as usize * self.row_bytes());
        self.layout = layout;
        let strip = self.geometry.strip_rows() as usize * source.0 as usize * layout.channels();
        let result = target.0 as usize * target.1 as usize * layout.channels();
        self.strip.truncate(gathered);
        self.strip.reserve_exact(strip - gathered);
        self.data.reserve_exact(result - self.data.len());
        if self.begun > 0 {
            from.turn(&mut self.strip, layout)?;
            from.turn(&mut self.data, layout)?;
        }
        self.strip.resize(strip, 0);
        Ok(())
    }

    /// Of the source and of the strip.
    fn row_bytes(&self) -> usize {
        self.geometry.source.0 as usize * self.layout.channels()
    }

    /// The first source row that the rest of the result needs.
    fn first_needed(&self) -> u32 {
        self.geometry.span(self.begun).start
    }

    /// Makes what can be made of `rows`, the source's from number `first` on.
    fn advance(&mut self, rows: &mut [u8], first: u32) -> Result<()> {
        let end = first + (rows.len() / self.row_bytes()) as u32;
        loop {
            let room = self.geometry.strip_rows() - self.gathered;
            let ready = (self.begun..self.geometry.target.1)
                .take(room as usize)
                .take_while(|y| self.geometry.span(*y).end <= end)
                .count() as u32;
            if ready == 0 {
                return Ok(());
            }
            self.scale_columns(rows, first..end, ready)?;
            if self.gathered == self.geometry.strip_rows() || self.begun == self.geometry.target.1 {
                self.scale_along_rows()?;
            }
        }
    }

    /// Adds `count` rows to the strip, of `rows`, which are those with these `numbers`.
    fn scale_columns(&mut self, rows: &mut [u8], numbers: Range<u32>, count: u32) -> Result<()> {
        let width = self.geometry.source.0;
        let row_bytes = self.row_bytes();
        let place = &mut self.strip[self.gathered as usize * row_bytes..][..count as usize * row_bytes];
        let step = self.geometry.step();
        let top = f64::from(self.begun) * step - f64::from(numbers.start);
        let mut height = f64::from(count) * step;
        // A box that rounding took beyond the rows would be refused.
        let available = f64::from(numbers.end - numbers.start);
        if top + height > available {
            height = available - top - 1e-9;
        }
        let options = lanczos3().crop(0.0, top, f64::from(width), height);
        let source = (width, numbers.end - numbers.start, rows);
        resize(&mut self.resizer, self.layout, source, (width, count, place), &options)?;
        self.gathered += count;
        self.begun += count;
        Ok(())
    }

    /// Empties the strip into the result.
    fn scale_along_rows(&mut self) -> Result<()> {
        let width = self.geometry.target.0;
        let start = self.data.len();
        self.data.resize(start + self.gathered as usize * width as usize * self.layout.channels(), 0);
        let place = &mut self.data[start..];
        let options = lanczos3().crop(0.0, 0.0, self.geometry.covered.0, f64::from(self.gathered));
        let source = (self.geometry.source.0, self.gathered, self.strip.as_mut_slice());
        resize(&mut self.resizer, self.layout, source, (width, self.gathered, &mut *place), &options)?;
        if self.layout == Layout::Rgba {
            let mut image = TypedImage::<U8x4>::from_buffer(width, self.gathered, place).map_err(failed)?;
            self.alpha.divide_alpha_inplace_typed(&mut image).map_err(failed)?;
        }
        self.gathered = 0;
        Ok(())
    }

    /// Multiplies whole rows of RGBA with their alpha.
    fn premultiply(&self, rows: &mut [u8]) -> Result<()> {
        let height = (rows.len() / self.row_bytes()) as u32;
        let mut image =
            TypedImage::<U8x4>::from_buffer(self.geometry.source.0, height, rows).map_err(failed)?;
        self.alpha.multiply_alpha_inplace_typed(&mut image).map_err(failed)
    }

    fn finish(self) -> Result<Pixels> {
        let (width, height) = self.geometry.target;
        if self.begun < height {
            return Err(Error::Decode("the picture ends too early".to_owned()));
        }
        Pixels::checked(self.data, width, height, self.layout)
    }
}

/// Scales one picture into another, each given as its width, its height and its bytes.
///
/// The library's own way from a value to a type of pixel would bring all thirteen of its types into the addon, two
/// megabytes of them. The source is of the type that the library's own buffer between rows and columns has, and given
/// for writing only because of that: with another, all of the library's code would be there twice, 0.8 MB of it.
fn resize(
    resizer: &mut Resizer,
    layout: Layout,
    source: (u32, u32, &mut [u8]),
    target: (u32, u32, &mut [u8]),
    options: &ResizeOptions,
) -> Result<()> {
    match layout {
        Layout::Luma => resize_typed::<U8>(resizer, source, target, options),
        Layout::Rgb => resize_typed::<U8x3>(resizer, source, target, options),
        Layout::Rgba | Layout::Cmyk => resize_typed::<U8x4>(resizer, source, target, options),
    }
}

fn resize_typed<P: PixelTrait>(
    resizer: &mut Resizer,
    (width, height, rows): (u32, u32, &mut [u8]),
    (target_width, target_height, place): (u32, u32, &mut [u8]),
    options: &ResizeOptions,
) -> Result<()> {
    let source = TypedImage::<P>::from_buffer(width, height, rows).map_err(failed)?;
    let mut target = TypedImage::<P>::from_buffer(target_width, target_height, place).map_err(failed)?;
    resizer.resize_typed(&source, &mut target, options).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Decode(format!("resize: {error}"))
}

/// The library's own Lanczos3 takes two sines a weight; this takes one, for weights that come in every strip anew.
fn lanczos3() -> ResizeOptions {
    // sinc(x) * sinc(x / 3) with sin(3t) = 3 sin t - 4 sin³ t.
    let weight = |x: f64| {
        if x == 0.0 {
            return 1.0;
        }
        if x.abs() >= REACH {
            return 0.0;
        }
        let t = x * (PI / REACH);
        let sine = t.sin();
        (3.0 - 4.0 * sine * sine) * sine * sine / (3.0 * t * t)
    };
    let filter = Filter::new("Lanczos3", weight, REACH);
    let filter = filter.map_or(FilterType::Lanczos3, FilterType::Custom);
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false)
}
