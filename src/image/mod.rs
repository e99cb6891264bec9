//! The image core: bytes in, bytes out. Pure: no napi, tokio, http or file system.
//!
//! [`inspect`] reads the header, [`Job::memory_bytes`] says what the work will cost, and [`Job::run`] is the
//! whole way: decode, resize, colours, orientation, crop, encode.

pub mod color;
pub mod decode;
pub mod encode;
pub mod format;
pub mod limits;
pub mod orientation;
pub mod resize;
pub mod svg;
mod timings;

pub use decode::{Header, Layout, Pixels};
pub use encode::{AvifEngine, EncodeOptions};
pub use format::{Format, OutputFormat};
pub use limits::{Limits, Progress};
pub use timings::Timings;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use decode::Target;
use resize::Plan;
use timings::Timed;

/// The largest side of a result, px: what WebP can hold (14 bits).
pub const MAX_WIDTH: u32 = 16_383;

/// Stands for the image's own width, whatever that is.
pub const OWN_WIDTH: u32 = u32::MAX;

/// What is wanted of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// px, 1..=16383 or [`OWN_WIDTH`]; never enlarges.
    pub width: u32,
    /// px, 1..=16383; given, the image covers the box and its middle is kept.
    pub height: Option<u32>,
    /// `None` chooses what Next would without an Accept header: the source's own format, JPEG for WebP and AVIF.
    pub format: Option<OutputFormat>,
    /// How to encode.
    pub encode: EncodeOptions,
    /// Where sharp's rules differ from those of Next, and its are wanted.
    pub sharp: SharpRules,
}

/// What sharp does by itself and Next never sees, because it asks for something else or comes before it. The default
/// is Next's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four rules that have nothing to do with each other")]
pub struct SharpRules {
    /// Enlarges an image that is smaller than what is wanted.
    pub enlarge: bool,
    /// Leaves the pixels as they are stored, whatever the EXIF orientation says.
    pub as_stored: bool,
    /// Makes an image of everything that can be read: an SVG is drawn, of an animation the first frame is taken.
    pub draw: bool,
    /// Without a format, it is the source's, WebP and AVIF included, with sharp's default settings; PNG for SVG.
    pub own_format: bool,
}

impl Options {
    /// # Errors
    /// [`Error::InvalidOption`] that names the option, when one is out of its range.
    pub fn validate(&self) -> Result<()> {
        let side = 1..=MAX_WIDTH;
        if !side.contains(&self.width) && self.width != OWN_WIDTH {
            return Err(Error::InvalidOption(format!("width {} is not in 1..={MAX_WIDTH}", self.width)));
        }
        if let Some(height) = self.height.filter(|height| !side.contains(height)) {
            return Err(Error::InvalidOption(format!("height {height} is not in 1..={MAX_WIDTH}")));
        }
        if !(1..=100).contains(&self.encode.quality) {
            let quality = self.encode.quality;
            return Err(Error::InvalidOption(format!("quality {quality} is not in 1..=100")));
        }
        Ok(())
    }
}

/// What an input turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspected {
    /// It can be decoded.
    Image(Job),
    /// It is recognised and passed through untouched: a vector, an icon, an animation, or a kind that no Rust
    /// decoder here reads.
    Bypass {
        /// What it is.
        format: Format,
        /// Of an animation; the other kinds are not parsed.
        header: Option<Header>,
    },
}

/// An input whose header has been read and found within the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// By the bytes, not by a name.
    pub format: Format,
    /// What the file claims.
    pub header: Header,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optimized {
    /// The encoded image, free of metadata.
    pub data: Vec<u8>,
    /// What `data` is.
    pub format: OutputFormat,
    /// px
    pub width: u32,
    /// px
    pub height: u32,
    /// how long it took
    pub timings: Timings,
}

/// Recognises the bytes and reads the header, without decoding.
///
/// # Errors
/// [`Error::TooManyBytes`], [`Error::NotAnImage`], [`Error::TooManyPixels`], [`Error::Decode`].
pub fn inspect(input: &[u8], limits: &Limits) -> Result<Inspected> {
    limits.check_bytes(input.len())?;
    let format =
        format::detect(input).ok_or_else(|| Error::NotAnImage("no known magic number".to_owned()))?;
    if format.is_bypass() {
        return Ok(Inspected::Bypass { format, header: None });
    }
    let header = decode::header(input, format, limits)?;
    if header.animated {
        return Ok(Inspected::Bypass { format, header: Some(header) });
    }
    Ok(Inspected::Image(Job { format, header }))
}

/// The same for whatever has pixels or can be drawn: an SVG is a job too, and so is the first frame of an animation (not
/// of a WebP, whose decoder refuses it).
///
/// # Errors
/// Those of [`inspect`]; [`Error::Decode`] for a kind without a decoder.
pub fn inspect_to_draw(input: &[u8], limits: &Limits) -> Result<Job> {
    match inspect(input, limits)? {
        Inspected::Image(job) => Ok(job),
        Inspected::Bypass { format, header: Some(header) } => Ok(Job { format, header }),
        Inspected::Bypass { format: Format::Svg, .. } => {
            Ok(Job { format: Format::Svg, header: svg::header(input, limits)? })
        }
        Inspected::Bypass { format, .. } => Err(Error::Decode(format!("{} has no decoder", format.mime()))),
    }
}

impl Job {
    /// The output format when the caller names none.
    #[must_use]
    pub fn default_format(&self, rules: &SharpRules) -> OutputFormat {
        match self.format.output() {
            None if self.format == Format::Svg => OutputFormat::Png,
            None => OutputFormat::Jpeg,
            Some(OutputFormat::WebP | OutputFormat::Avif) if !rules.own_format => OutputFormat::Jpeg,
            Some(own) => own,
        }
    }

    /// An upper estimate of the memory the job takes at its peak, bytes. The decoder and the resizer work at the same
    /// time and make the scaled pixels; when these are there, they are gone, and the encoder comes.
    #[must_use]
    pub fn memory_bytes(&self, options: &Options) -> u64 {
        let Header { width, height, has_alpha, decoded_bytes, .. } = self.header;
        let plan = self.plan(options);
        let pixels = u64::from(plan.scaled_width) * u64::from(plan.scaled_height);
        let encoder = encoder_bytes(self.output_format(options), pixels, has_alpha);
        if self.format == Format::Svg {
            // Its layers grow with the canvas.
            let times = pixels.div_ceil((u64::from(width) * u64::from(height)).max(1));
            return decoded_bytes.saturating_mul(times).saturating_add(encoder);
        }
        let orientation = self.orientation(options);
        let target = orientation::oriented_size(plan.scaled_width, plan.scaled_height, orientation);
        // RGB becomes RGBA when a transparent pixel turns up late.
        let scaled = pixels * if has_alpha { 3 + 4 } else { 4 };
        let resizer = resize::memory_bytes((width, height), target);
        decoded_bytes.saturating_add(resizer).saturating_add(scaled).max(encoder)
    }

    fn output_format(&self, options: &Options) -> OutputFormat {
        options.format.unwrap_or_else(|| self.default_format(&options.sharp))
    }

    /// The turn that is to be made. That of an AVIF is no hint beside the pixels but a part of the picture.
    fn orientation(&self, options: &Options) -> u8 {
        let stays = options.sharp.as_stored && self.format != Format::Avif;
        if stays { 1 } else { self.header.orientation }
    }

    fn plan(&self, options: &Options) -> Plan {
        let Header { width, height, .. } = self.header;
        let (width, height) = orientation::oriented_size(width, height, self.orientation(options));
        let enlarged = || enlarged((width, height), options.width, options.height);
        options
            .sharp
            .enlarge
            .then(enlarged)
            .flatten()
            .unwrap_or_else(|| Plan::new(self.format, width, height, options.width, options.height))
    }

    /// Decode, resize, colours, orientation, crop, encode. An `input` that is owned is let go before the encoder
    /// starts.
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Encode`], [`Error::Aborted`], [`Error::Timeout`].
    pub fn run(
        &self,
        input: impl AsRef<[u8]>,
        options: &Options,
        limits: &Limits,
        progress: &Progress,
    ) -> Result<Optimized> {
        let format = self.output_format(options);
        let plan = self.plan(options);
        limits.check_pixels(plan.scaled_width.into(), plan.scaled_height.into())?;
        // Before all the work for a result that can't be written.
        encode::check_dimensions(plan.width, plan.height, format)?;
        let orientation = self.orientation(options);
        let (width, height) = orientation::oriented_size(plan.scaled_width, plan.scaled_height, orientation);

        progress.check()?;
        let started = Instant::now();
        let decoding = Rc::new(Cell::new(Duration::ZERO));
        let pixels = if self.format == Format::Svg {
            let drawn = svg::render(input.as_ref(), width, height, limits, progress)?;
            decoding.set(started.elapsed());
            drawn
        } else {
            let target = Some(Target { width, height });
            let mut decoded = decode::decode(input.as_ref(), self.format, target, limits, progress)?;
            let icc = decoded.icc.take();
            decoding.set(started.elapsed());
            decoded.rows = Box::new(Timed { rows: decoded.rows, spent: Rc::clone(&decoding) });
            progress.check()?;
            let pixels = resize::resize(decoded, width, height)?;
            progress.check()?;
            color::to_srgb(pixels, icc.as_deref())
        };
        drop(input);
        let pixels = orientation::apply(pixels, orientation);
        let pixels = resize::crop(pixels, plan.width, plan.height);
        progress.check()?;
        let by_default = options.format.is_none() && options.sharp.own_format;
        let settings = if by_default { sharp_default(format) } else { options.encode };
        let before_encoding = started.elapsed();
        let (width, height) = (pixels.width, pixels.height);
        let data = encode::encode(pixels, format, &settings, progress)?;
        let timings = Timings {
            decode_ms: decoding.get().as_millis() as u64,
            resize_ms: before_encoding.saturating_sub(decoding.get()).as_millis() as u64,
            encode_ms: started.elapsed().saturating_sub(before_encoding).as_millis() as u64,
        };
        Ok(Optimized { data, format, width, height, timings })
    }
}

/// What encoding takes at its peak, the pixels and the file included: measured on photographs, graphics and noise
/// at qualities up to 100, the C libraries' memory with it, and rounded up. Noise decides for the formats with a
/// palette, whose count of colors is a table; of libaom's memory what counts is the part that is ever written to.
fn encoder_bytes(format: OutputFormat, pixels: u64, has_alpha: bool) -> u64 {
    let (bytes_per_pixel, fixed) = match format {
        OutputFormat::Avif => (encode::avif::bytes_per_pixel(), 8 << 20),
        OutputFormat::Png | OutputFormat::Gif => (48, 2 << 20),
        OutputFormat::WebP if has_alpha => (36, 1 << 20),
        OutputFormat::WebP | OutputFormat::Jpeg | OutputFormat::Tiff => (20, 1 << 20),
    };
    pixels.saturating_mul(bytes_per_pixel).saturating_add(fixed)
}

/// The plan of sharp's `resize(width, height)` where it makes an image larger; `None` where it does not.
fn enlarged(source: (u32, u32), width: u32, height: Option<u32>) -> Option<Plan> {
    // The image's own width is no other.
    let width = if width == OWN_WIDTH { source.0 } else { width };
    let source = (f64::from(source.0), f64::from(source.1));
    let across = f64::from(width) / source.0;
    let scale = height.map_or(across, |height| across.max(f64::from(height) / source.1));
    let scaled = |side: f64| (side * scale).round() as u32;
    let (scaled_width, scaled_height) = (scaled(source.0), scaled(source.1));
    (scale > 1.0).then(|| Plan {
        scaled_width,
        scaled_height,
        width: width.min(scaled_width),
        height: height.unwrap_or(scaled_height).min(scaled_height),
    })
}

/// What sharp encodes with when it is told nothing: quality 80, of AVIF 50, which is 80 on Next's scale too, and PNG
/// without loss.
fn sharp_default(format: OutputFormat) -> EncodeOptions {
    let quality = if format == OutputFormat::Png { 100 } else { 80 };
    EncodeOptions { quality, avif_engine: None, mozjpeg: false }
}
