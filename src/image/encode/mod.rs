//! Pixels to bytes.
//!
//! The encoders behind [`encode`] are the only C code that ever touches an image, and all it sees are
//! pixels that Rust decoded. Qualities are on Next's scale for every format; each encoder's module says
//! how it maps them.

pub mod avif;
pub mod gif;
mod hidden;
pub mod jpeg;
mod palette;
pub mod png;
pub mod tiff;
pub mod webp;

pub use avif::AvifEngine;

use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::format::OutputFormat;
use crate::image::limits::Progress;

/// How to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// 1..=100 on Next's scale, which is the same for every format. Default 75. GIF and TIFF ignore it.
    pub quality: u8,
    /// Which encoder makes AVIF; `None`, the default, means [`AvifEngine::of_build`].
    pub avif_engine: Option<AvifEngine>,
    /// Next's `imgOptMozjpeg`, default true: trellis quantisation and progressive scans. False writes a
    /// baseline JPEG, as sharp's plain `jpeg()` does: faster and larger.
    pub mozjpeg: bool,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { quality: 75, avif_engine: None, mozjpeg: true }
    }
}

/// Encodes `pixels` as `format`. Alpha is kept where the format has it (GIF: one bit) and opaque alpha
/// costs nothing; JPEG and TIFF show black behind transparency, as sharp does.
///
/// Takes the pixels because every encoder makes a copy of its own and lets go of them once it has it.
///
/// `progress` is checked between the steps, and inside AVIF, WebP, JPEG and PNG also while they run.
///
/// # Errors
/// [`Error::InvalidOption`] for a quality outside of 1..=100 or an AVIF engine that this build lacks.
/// [`Error::Encode`] for CMYK pixels, for a buffer that does not fit its dimensions, for dimensions the
/// format can't hold (WebP 16 383 px, JPEG and TIFF 65 500, AVIF and GIF 65 535), and when an encoder fails.
/// [`Error::Aborted`] and [`Error::Timeout`] from `progress`.
pub fn encode(
    pixels: Pixels,
    format: OutputFormat,
    options: &EncodeOptions,
    progress: &Progress,
) -> Result<Vec<u8>> {
    if !(1..=100).contains(&options.quality) {
        return Err(Error::InvalidOption(format!("quality {} is not within 1..=100", options.quality)));
    }
    check_buffer(&pixels)?;
    check_dimensions(pixels.width, pixels.height, format)?;
    progress.check()?;
    let bytes = match format {
        OutputFormat::Avif => avif::encode(pixels, options.quality, options.avif_engine, progress),
        OutputFormat::WebP => webp::encode(pixels, options.quality, progress),
        OutputFormat::Jpeg => jpeg::encode(pixels, options.quality, options.mozjpeg, progress),
        OutputFormat::Png => png::encode(pixels, options.quality, progress),
        OutputFormat::Gif => gif::encode(pixels, progress),
        OutputFormat::Tiff => tiff::encode(pixels, progress),
    }?;
    // Not every encoder can be stopped on its way.
    progress.check()?;
    Ok(bytes)
}

/// The C encoders trust the length of what they are handed, so this is where it is proven.
fn check_buffer(pixels: &Pixels) -> Result<()> {
    let Pixels { data, width, height, layout } = pixels;
    if *layout == Layout::Cmyk {
        return Err(Error::Encode("CMYK pixels must be converted to sRGB first".into()));
    }
    let expected = u64::from(*width)
        .checked_mul(u64::from(*height))
        .and_then(|pixels| pixels.checked_mul(layout.channels() as u64));
    if *width == 0 || *height == 0 || expected != Some(data.len() as u64) {
        return Err(Error::Encode(format!(
            "a buffer of {} bytes does not hold {width}x{height} px of {layout:?}",
            data.len()
        )));
    }
    Ok(())
}

/// Refuses sides, in px, that the format or its encoder can't write.
pub(super) fn check_dimensions(width: u32, height: u32, format: OutputFormat) -> Result<()> {
    let max_px = match format {
        OutputFormat::WebP => 16_383,
        OutputFormat::Jpeg | OutputFormat::Tiff => 65_500,
        // AV1 itself ends at 65 536.
        OutputFormat::Avif | OutputFormat::Gif => 65_535,
        OutputFormat::Png => i32::MAX as u32,
    };
    if width > max_px || height > max_px {
        return Err(Error::Encode(format!(
            "{width}x{height} px is more than {format:?} can hold ({max_px} px a side)"
        )));
    }
    Ok(())
}

/// True when no pixel is even partly transparent, so that an alpha channel would be wasted.
fn is_opaque(pixels: &Pixels) -> bool {
    pixels.layout != Layout::Rgba || pixels.data.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255)
}
