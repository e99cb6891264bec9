//! JPEG through three decoders: our own for what most files are, which gives rows; for the rest `jpeg-decoder` where it
//! can scale in the DCT or knows the color model, `zune-jpeg` at full size, where it is faster.

mod markers;
mod sequential;
mod tables;

use jpeg_decoder::ColorTransform;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::markers::Structure;
use self::sequential::Sequential;
use super::source::{FINE, Source, failed};
use super::{Decoded, Header, Layout, Pixels, Target, exif, plausible_icc};
use crate::error::{Error, Result};
use crate::image::limits::{Limits, Progress};

/// Scans that one file may have. Encoders write about ten; each costs a pass over all coefficients however
/// few bytes it has, so an attacker could ask for any number of them.
const MAX_SCANS: u32 = 100;

/// A DCT-scaled source must stay this much larger than the target, or the missing detail shows: 4032 to 1920 px scores
/// 91.8 SSIMULACRA2 from 5/8 and 88.1 from 4/8, the size just above the target.
const SHRINK_MARGIN: f64 = 1.25;

/// The same at 1/8, which is a mean of the pixels without any detail of theirs: 4032 to 384 px scores 86.0 from it and
/// 92.8 from 2/8, for a tenth more of time.
const MEAN_MARGIN: f64 = 1.5;

/// The same for jpeg-decoder at 1/8 where chroma is subsampled: it comes out with half the detail of the rest, since
/// that makes the two alike only after scaling.
const SUBSAMPLED_MARGIN: f64 = 2.0;

/// Size, orientation and memory of a JPEG.
///
/// # Errors
/// [`Error::Decode`] for a damaged header or an unsupported kind, [`Error::TooManyPixels`].
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let jpeg = markers::read(input)?;
    limits.check_pixels(jpeg.width.into(), jpeg.height.into())?;
    Ok(Header {
        width: jpeg.width.into(),
        height: jpeg.height.into(),
        orientation: jpeg.exif.map_or(1, exif::orientation),
        has_alpha: false,
        animated: false,
        depth: 8,
        decoded_bytes: decoded_bytes(&jpeg),
    })
}

/// Decodes a JPEG, at some eighths of its size if `target` leaves room for that.
///
/// # Errors
/// [`Error::Decode`] for damaged, truncated or unsupported input, [`Error::TooManyPixels`],
/// [`Error::Aborted`], [`Error::Timeout`].
pub fn decode<'a>(
    input: &'a [u8],
    target: Option<Target>,
    limits: &Limits,
    progress: &'a Progress,
) -> Result<Decoded<'a>> {
    let jpeg = markers::read(input)?;
    limits.check_pixels(jpeg.width.into(), jpeg.height.into())?;
    check_scans(&jpeg)?;

    let is_ours = sequential::supports(&jpeg);
    let eighths = target.map_or(8, |target| eighths(&jpeg, target, is_ours));
    let orientation = jpeg.exif.map_or(1, exif::orientation);
    let icc = jpeg.icc().and_then(plausible_icc);
    let (decoded, eighths) = if is_ours {
        let rows = Sequential::new(&jpeg, eighths, progress)?;
        let size = rows.size();
        (Decoded::by_rows(Box::new(rows), size, icc, orientation), eighths)
    } else {
        let (pixels, eighths) = if eighths == 8 && zune_agrees(&jpeg) && has_common_sampling(&jpeg) {
            (full(input, &jpeg, progress)?, 8)
        } else {
            scaled(input, &jpeg, eighths, progress)?
        };
        (Decoded::whole(pixels, icc, orientation), eighths)
    };
    progress.check()?;
    let covered = |px: u16| f64::from(px) * f64::from(eighths) / 8.0;
    Ok(Decoded { source_width: covered(jpeg.width), source_height: covered(jpeg.height), ..decoded })
}

/// Whether a JPEG inside of another file, with `tables` put before it, is whole, fits into `bound` px and has no
/// more than `max_pixels`, so that a decoder may be handed it unseen.
///
/// # Errors
/// [`Error::Decode`] when it is not.
pub(super) fn check_embedded(
    file: &[u8],
    tables: Option<&[u8]>,
    bound: (u32, u32),
    max_pixels: u64,
) -> Result<()> {
    // The tables are a JPEG of their own: its end and the file's start fall away (TIFF Technical Note 2).
    let joined = tables
        .and_then(|tables| Some([tables.get(..tables.len().checked_sub(2)?)?, file.get(2..)?].concat()));
    let jpeg = markers::read(joined.as_deref().unwrap_or(file))?;
    let (width, height) = (u32::from(jpeg.width), u32::from(jpeg.height));
    if width > bound.0 || height > bound.1 || u64::from(width) * u64::from(height) > max_pixels {
        return Err(Error::Decode(format!("JPEG of {width}x{height} px where {}x{} fit", bound.0, bound.1)));
    }
    check_scans(&jpeg)
}

fn check_scans(jpeg: &Structure) -> Result<()> {
    if let Some(damage) = jpeg.damage {
        return Err(Error::Decode(damage.to_owned()));
    }
    if jpeg.scans > MAX_SCANS {
        return Err(Error::Decode(format!("JPEG with {} scans; {MAX_SCANS} are allowed", jpeg.scans)));
    }
    if jpeg.entropy * 8 < jpeg.least_bits() {
        return Err(Error::Decode("JPEG with too little data for its size".to_owned()));
    }
    Ok(())
}

/// The smallest number of eighths that keeps the margin above the target in both directions: any where we decode
/// ourselves, 1, 2, 4 or 8 in jpeg-decoder.
fn eighths(jpeg: &Structure, target: Target, is_ours: bool) -> u16 {
    // Below 8 px two of the scaled sizes would be equal, and the last coefficient row of a file taller than
    // 65528 px is beyond what jpeg-decoder's 16-bit row counter can tell apart.
    if jpeg.width.min(jpeg.height) < 8 || (jpeg.height > 65_528 && !is_ours) {
        return 8;
    }
    let ratio = (f64::from(jpeg.width) / f64::from(target.width.max(1)))
        .min(f64::from(jpeg.height) / f64::from(target.height.max(1)));
    let subsampled = jpeg.components.iter().any(|c| c.horizontal.max(c.vertical) > 1);
    let margin = |n: u16| match n {
        1 if subsampled && !is_ours => SUBSAMPLED_MARGIN,
        1 => MEAN_MARGIN,
        _ => SHRINK_MARGIN,
    };
    let choice = if is_ours { &[1, 2, 3, 4, 5, 6, 7][..] } else { &[1, 2, 4] };
    choice.iter().copied().find(|&n| ratio * f64::from(n) / 8.0 >= margin(n)).unwrap_or(8)
}

/// How the samples are to be understood, as libjpeg decides it: JFIF means YCbCr, then Adobe's flag, then
/// the component ids.
fn color(jpeg: &Structure) -> ColorTransform {
    match (jpeg.components.len(), jpeg.adobe) {
        (1, _) => ColorTransform::Grayscale,
        (3, _) if jpeg.jfif => ColorTransform::YCbCr,
        (3, Some(0)) => ColorTransform::RGB,
        (3, None) if jpeg.components.iter().map(|c| c.id).eq(*b"RGB") => ColorTransform::RGB,
        (3, _) => ColorTransform::YCbCr,
        (_, None | Some(0)) => ColorTransform::CMYK,
        (_, Some(_)) => ColorTransform::YCCK,
    }
}

/// zune-jpeg decides the color model by rules of its own and can't turn YCCK into CMYK: it gets the files
/// about which there are no two opinions.
fn zune_agrees(jpeg: &Structure) -> bool {
    let ids_say_rgb = jpeg.components.iter().map(|c| c.id).eq(*b"RGB");
    match color(jpeg) {
        ColorTransform::Grayscale => jpeg.adobe.is_none(),
        ColorTransform::YCbCr => matches!(jpeg.adobe, None | Some(1)) && !ids_say_rgb,
        _ => false,
    }
}

/// zune-jpeg shifts the colors of 4x2 and 2x4, which hardly anybody writes.
fn has_common_sampling(jpeg: &Structure) -> bool {
    match jpeg.components.as_slice() {
        [luma, chroma @ ..] => {
            luma.horizontal.max(luma.vertical) <= 2
                && chroma.iter().all(|c| (c.horizontal, c.vertical) == (1, 1))
        }
        [] => false,
    }
}

fn full(input: &[u8], jpeg: &Structure, progress: &Progress) -> Result<Pixels> {
    let (layout, space) = if jpeg.components.len() == 1 {
        (Layout::Luma, ColorSpace::Luma)
    } else {
        (Layout::Rgb, ColorSpace::RGB)
    };
    let options = DecoderOptions::default()
        .set_max_width(u16::MAX.into())
        .set_max_height(u16::MAX.into())
        .jpeg_set_max_scans(MAX_SCANS as usize)
        // Otherwise what is missing is painted gray; sharp refuses such a file, too.
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(Source::new(input, FINE, progress), options);
    let data = decoder.decode().map_err(|error| failed(progress, error))?;
    Pixels::checked(data, jpeg.width.into(), jpeg.height.into(), layout)
}

/// The pixels and the eighths they were decoded at.
fn scaled(input: &[u8], jpeg: &Structure, eighths: u16, progress: &Progress) -> Result<(Pixels, u16)> {
    let error = |error: jpeg_decoder::Error| failed(progress, error);
    let mut decoder = jpeg_decoder::Decoder::new(Source::new(input, FINE, progress));
    decoder.set_color_transform(color(jpeg));
    let exact = |px: u16| (u32::from(px) * u32::from(eighths)).div_ceil(8) as u16;
    let (width, height) = (exact(jpeg.width), exact(jpeg.height));
    match decoder.scale(width, height) {
        Ok(size) if size == (width, height) => {}
        Ok((w, h)) => return Err(Error::Decode(format!("JPEG scaled to {w}x{h}, not {width}x{height}"))),
        // Some sampling factors are only understood by the other decoder, which can't scale.
        Err(jpeg_decoder::Error::Unsupported(_)) if zune_agrees(jpeg) => {
            return Ok((full(input, jpeg, progress)?, 8));
        }
        Err(failure) => return Err(error(failure)),
    }
    let data = decoder.decode().map_err(error)?;
    let layout = match jpeg.components.len() {
        1 => Layout::Luma,
        3 => Layout::Rgb,
        // The crate inverts what Adobe stores inverted; sharp does so whether or not Adobe's marker is there.
        _ => Layout::Cmyk,
    };
    Ok((Pixels::checked(data, width.into(), height.into(), layout)?, eighths))
}

/// A few rows where we decode ourselves; else pixels, and what the decoder holds beside them: coefficients of 2 bytes where a scan does not carry
/// all components at once, planes of 1 byte in jpeg-decoder, and a few rows; and copies of the metadata.
fn decoded_bytes(jpeg: &Structure) -> u64 {
    let channels = jpeg.components.len() as u64;
    let pixels = u64::from(jpeg.width) * u64::from(jpeg.height) * channels;
    let metadata = 2 * jpeg.metadata + (64 << 10);
    if sequential::supports(jpeg) {
        return sequential::memory_bytes(jpeg) + metadata;
    }
    let (samples, largest) = jpeg.padded_samples();
    let coefficients = if jpeg.progressive || jpeg.first_scan < jpeg.components.len() {
        // jpeg-decoder copies one component's while it transforms them.
        2 * samples + 2 * largest
    } else {
        0
    };
    let planes = if zune_agrees(jpeg) && has_common_sampling(jpeg) { samples / 4 } else { samples };
    let rows = u64::from(jpeg.width) * channels * 4 * 8 * 4;
    pixels + coefficients + planes + rows + metadata
}
