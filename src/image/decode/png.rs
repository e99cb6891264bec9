//! PNG through the `png` crate itself, which lets checksums and limits be set.

use png::{BitDepth, ColorType, DecodeOptions, Decoder, Reader, Transformations};

use super::animated::is_animated;
use super::source::{COARSE, Source, failed};
use super::{Decoded, Header, Layout, Pixels, exif, plausible_icc};
use crate::error::{Error, Result};
use crate::image::format::Format;
use crate::image::limits::{Limits, Progress};

/// What chunks beside the pixels may take, bytes: a compressed color profile, EXIF. Text is never kept.
const METADATA: usize = 8 << 20;

/// Size, depth, orientation and memory of a PNG.
///
/// # Errors
/// [`Error::Decode`] for damage before the pixels, [`Error::TooManyPixels`] unless it is animated.
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let animated = is_animated(input, Format::Png);
    let progress = Progress::unbounded();
    let reader = open(input, (!animated).then_some(limits), &progress)?;
    let info = reader.info();
    let (width, height) = info.size();
    let (color, _) = reader.output_color_type();
    let pixels = u64::from(width) * u64::from(height);
    // Gray with alpha becomes RGBA in a second buffer. Rows are kept twice, unfiltered and as they came.
    let bytes_per_pixel = if color == ColorType::GrayscaleAlpha { 2 + 4 } else { color.samples() as u64 };
    let rows = 4 * 8 * u64::from(width);
    let metadata = info.icc_profile.as_ref().map_or(0, |icc| icc.len() as u64 * 2)
        + info.exif_metadata.as_ref().map_or(0, |exif| exif.len() as u64);
    Ok(Header {
        width,
        height,
        orientation: info.exif_metadata.as_deref().map_or(1, exif::orientation),
        has_alpha: matches!(color, ColorType::GrayscaleAlpha | ColorType::Rgba),
        animated,
        depth: info.bit_depth as u8,
        decoded_bytes: pixels * bytes_per_pixel + rows + metadata + (1 << 20),
    })
}

/// Decodes a PNG, of an animated one the default image. 16 bits are cut to 8, as sharp does.
///
/// # Errors
/// [`Error::Decode`] for damaged or truncated input and wrong checksums of critical chunks,
/// [`Error::TooManyPixels`], [`Error::Aborted`], [`Error::Timeout`].
pub fn decode(input: &[u8], limits: &Limits, progress: &Progress) -> Result<Decoded> {
    let mut reader = open(input, Some(limits), progress)?;
    let (width, height) = reader.info().size();
    let (color, depth) = reader.output_color_type();
    debug_assert_eq!(depth, BitDepth::Eight);
    let size = reader.output_buffer_size().ok_or_else(|| Error::Decode("PNG too large".to_owned()))?;
    let mut data = vec![0; size];
    reader.next_frame(&mut data).map_err(|error| failed(progress, error))?;
    progress.check()?;

    let pixels = match color {
        ColorType::Grayscale => Pixels::checked(data, width, height, Layout::Luma)?,
        ColorType::GrayscaleAlpha => Pixels::from_luma_alpha(&data, width, height)?,
        ColorType::Rgb => Pixels::checked(data, width, height, Layout::Rgb)?,
        ColorType::Rgba => Pixels::checked(data, width, height, Layout::Rgba)?.without_opaque_alpha(),
        ColorType::Indexed => return Err(Error::Decode("PNG palette was not applied".to_owned())),
    };
    let info = reader.info();
    let icc = info.icc_profile.as_ref().map(|icc| icc.to_vec()).and_then(plausible_icc);
    let orientation = info.exif_metadata.as_deref().map_or(1, exif::orientation);
    Ok(Decoded::whole(pixels, icc, orientation))
}

/// Reads all chunks up to the pixels. The size is checked against `limits` before anything that depends on
/// it is taken.
fn open<'a>(input: &'a [u8], limits: Option<&Limits>, progress: &'a Progress) -> Result<Reader<Source<'a>>> {
    let mut options = DecodeOptions::default();
    // libpng, and so sharp, checks the sum over the pixels and forgives wrong ones of chunks that don't
    // matter; the crate's defaults differ in the first.
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(true);
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Source::new(input, COARSE, progress), options);
    decoder.set_limits(png::Limits { bytes: METADATA });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let (width, height) = decoder.read_header_info().map_err(|error| failed(progress, error))?.size();
    if let Some(limits) = limits {
        limits.check_pixels(width.into(), height.into())?;
        // One row of at most 4 samples is counted against the same limit.
        decoder.set_limits(png::Limits { bytes: METADATA + width as usize * 4 });
    }
    decoder.read_info().map_err(|error| failed(progress, error))
}
