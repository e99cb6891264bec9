//! PNG: a dithered palette below quality 100, true color at 100, as sharp does.

use std::borrow::Cow;
use std::io::Write;

use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter, Writer, chunk};
use zlib_rs::{Deflate, DeflateFlush, Status};

use super::palette::{Alpha, Indexed, quantize};
use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// Rows handed to the encoder between two looks at `progress`.
const ROWS: usize = 64;

/// zlib's effort, 1 to 9; sharp's is 6 as well.
const LEVEL: u8 = 6;

/// Most that an IDAT chunk of a palette's file holds.
const IDAT_BYTES: usize = 1 << 16;

/// Encodes a PNG: at quality 100 the pixels as they are, without loss, below that a palette.
///
/// # Errors
/// [`Error::Encode`] when an encoder fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, quality: u8, progress: &Progress) -> Result<Vec<u8>> {
    if quality == 100 {
        return true_color(&pixels, progress);
    }
    let Pixels { width, height, .. } = pixels;
    let indexed = quantize(&pixels, Alpha::All, target(quality), progress)?;
    drop(pixels);
    write_indexed(&indexed, width, height, progress)
}

/// The error that a palette may have (see [`quantize`]), fitted so that bytes and score follow those of sharp, whose
/// quantiser stops where a quality is reached as well.
fn target(quality: u8) -> f32 {
    7.0 * (f32::from(100 - quality) / 25.0).powf(1.15)
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
    let mut writer = encoder.write_header().map_err(failed)?;
    // Without filters: the numbers of neighboring colors have nothing to do with each other.
    let mut data = ImageData::new(&mut writer);
    for (number, row) in indexed.indices.chunks(width as usize).enumerate() {
        if number % ROWS == 0 {
            progress.check()?;
        }
        data.compress(&[0], DeflateFlush::NoFlush)?;
        data.compress(&pack(row, depth), DeflateFlush::NoFlush)?;
    }
    data.compress(&[], DeflateFlush::Finish)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

/// Compresses rows into IDAT chunks. zlib-rs takes a third of the time that the deflate inside of `png` takes.
struct ImageData<'a, 'b> {
    writer: &'a mut Writer<&'b mut Vec<u8>>,
    deflate: Deflate,
    chunk: Vec<u8>,
    filled: usize,
}

impl<'a, 'b> ImageData<'a, 'b> {
    fn new(writer: &'a mut Writer<&'b mut Vec<u8>>) -> Self {
        Self { writer, deflate: Deflate::new(LEVEL.into(), true, 15), chunk: vec![0; IDAT_BYTES], filled: 0 }
    }

    /// The last call is the one with [`DeflateFlush::Finish`].
    fn compress(&mut self, mut bytes: &[u8], flush: DeflateFlush) -> Result<()> {
        loop {
            let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self
                .deflate
                .compress(bytes, &mut self.chunk[self.filled..], flush)
                .map_err(|error| Error::Encode(format!("png: {error:?}")))?;
            bytes = &bytes[(self.deflate.total_in() - taken) as usize..];
            self.filled += (self.deflate.total_out() - made) as usize;
            let finished = status == Status::StreamEnd;
            if finished || self.filled == self.chunk.len() {
                self.writer.write_chunk(chunk::IDAT, &self.chunk[..self.filled]).map_err(failed)?;
                self.filled = 0;
            } else if bytes.is_empty() {
                return Ok(());
            }
            if finished {
                return Ok(());
            }
        }
    }
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

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn failed(error: EncodingError) -> Error {
    Error::Encode(format!("png: {error}"))
}
