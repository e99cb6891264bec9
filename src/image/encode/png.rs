//! PNG: a dithered palette below quality 100, true color at 100, as sharp does.

use std::borrow::Cow;
use std::io::Write;

use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter};

use super::palette::{Indexed, quantize};
use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// Rows handed to the encoder between two looks at `progress`.
const ROWS: usize = 64;

/// zlib's effort, 1 to 9; sharp's is 6 as well.
const LEVEL: u8 = 6;

/// Encodes a PNG: at quality 100 the pixels as they are, without loss, below that a palette.
///
/// # Errors
/// [`Error::Encode`] when an encoder fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
    if quality == 100 {
        return true_color(&pixels, progress);
    }
    let Pixels { width, height, layout, .. } = pixels;
    let rgba = into_rgba(pixels);
    let indexed = quantize(&rgba, width, height, allowance(quality, layout), progress)?;
    drop(rgba);
    write_indexed(&indexed, width, height, progress)
}

/// Four samples a pixel, as the quantiser wants them.
pub(super) fn into_rgba(pixels: Pixels) -> Vec<u8> {
    match pixels.layout {
        Layout::Luma => pixels.data.iter().flat_map(|&gray| [gray, gray, gray, 255]).collect(),
        Layout::Rgb => pixels.data.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Layout::Rgba | Layout::Cmyk => pixels.data,
    }
}

/// The error that a smaller palette may add (see [`quantize`]), fitted so that the count of colors follows
/// that of sharp, whose quantiser stops where a quality is reached. Gray errs in three samples at once and
/// dithers well, so it may err more.
fn allowance(quality: u8, layout: Layout) -> f64 {
    let loss = f64::from(100 - quality);
    if layout == Layout::Luma { loss } else { 2.5 * (loss / 25.0).powf(1.6) }
}

fn write_indexed(indexed: &Indexed, width: u32, height: u32, progress: &Progress) -> Result<Vec<u8>> {
    let depth = match indexed.colors.len() {
        0..=2 => BitDepth::One,
        3..=4 => BitDepth::Two,
        5..=16 => BitDepth::Four,
        _ => BitDepth::Eight,
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(indexed.colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect::<Vec<_>>());
    // Colors stand by rising alpha, so the opaque ones at the end need no entry.
    let transparent = indexed.colors.iter().take_while(|color| color[3] < 255).count();
    if transparent > 0 {
        encoder.set_trns(indexed.colors[..transparent].iter().map(|color| color[3]).collect::<Vec<_>>());
    }
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    // The numbers of neighbouring colors have nothing to do with each other.
    encoder.set_filter(Filter::NoFilter);
    let rows = indexed.indices.chunks(width as usize).map(|row| pack(row, depth));
    write_rows(encoder, rows, progress)?;
    Ok(file)
}

/// One row of indices at the depth of the file, the first pixel in the high bits.
fn pack(row: &[u8], depth: BitDepth) -> Cow<'_, [u8]> {
    let bits = depth as usize;
    if bits == 8 {
        return Cow::Borrowed(row);
    }
    let byte = |indices: &[u8]| {
        indices.iter().enumerate().fold(0, |byte, (i, index)| byte | index << (8 - bits * (i + 1)))
    };
    row.chunks(8 / bits).map(byte).collect()
}

fn true_color(pixels: &Pixels, progress: &Progress) -> Result<Vec<u8>> {
    let (color, samples) = match pixels.layout {
        Layout::Luma => (ColorType::Grayscale, 1),
        Layout::Rgba if !super::is_opaque(pixels) => (ColorType::Rgba, 4),
        Layout::Rgba | Layout::Rgb | Layout::Cmyk => (ColorType::Rgb, 3),
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, pixels.width, pixels.height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    encoder.set_filter(Filter::Adaptive);
    let rows = pixels.data.chunks(pixels.width as usize * pixels.layout.channels());
    if samples == pixels.layout.channels() {
        write_rows(encoder, rows.map(Cow::Borrowed), progress)?;
    } else {
        let without_alpha =
            |row: &[u8]| row.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        write_rows(encoder, rows.map(without_alpha), progress)?;
    }
    Ok(file)
}

fn write_rows<'a>(
    encoder: Encoder<'_, &mut Vec<u8>>,
    rows: impl Iterator<Item = Cow<'a, [u8]>>,
    progress: &Progress,
) -> Result<()> {
    let failed = |error: EncodingError| Error::Encode(format!("png: {error}"));
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer().map_err(failed)?;
    for (number, row) in rows.enumerate() {
        if number % ROWS == 0 {
            progress.check()?;
        }
        stream.write_all(&row).map_err(|error| Error::Encode(format!("png: {error}")))?;
    }
    stream.finish().map_err(failed)?;
    writer.finish().map_err(failed)
}
