//! Static WebP: lossy by a decoder of our own, lossless through the `image` crate.

mod alpha;
mod lossy;

mod prefix_codes;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use self::lossy::Lossy;
use super::animated::is_animated;
use super::source::{COARSE, Source, failed};
use super::{Decoded, Header, Layout, Pixels, exif, plausible_icc};
use crate::error::{Error, Result};
use crate::image::format::Format;
use crate::image::limits::{Limits, Progress};

/// Size, alpha, orientation and memory of a WebP.
///
/// # Errors
/// [`Error::Decode`] for damage, [`Error::TooManyPixels`] unless it is animated.
pub fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    let animated = is_animated(input, Format::WebP);
    let chunks = Chunks::read(input)?;
    let progress = Progress::unbounded();
    let decoder = open(input, &progress)?;
    let (width, height) = decoder.dimensions();
    if !animated {
        limits.check_pixels(width.into(), height.into())?;
    }
    let has_alpha = decoder.color_type().has_alpha();
    let area = u64::from(width) * u64::from(height);
    let decoding = match chunks.bitstream {
        // Rows, and the plane of alpha.
        Some(Bitstream::Lossy(..)) if has_alpha => {
            lossy::memory_bytes(width, 4) + area * alpha::BYTES_PER_PIXEL
        }
        Some(Bitstream::Lossy(..)) => lossy::memory_bytes(width, 3),
        // The picture, a copy with alpha, and the images that describe its transforms.
        _ => area * (if has_alpha { 4 } else { 3 } + 4 + 2),
    };
    let codes =
        chunks.lossless_stream().map_or(0, |stream| prefix_codes::memory_bytes(stream, (width, height)));
    let metadata = chunks.icc.map_or(0, <[u8]>::len) as u64;
    Ok(Header {
        width,
        height,
        orientation: chunks.exif.map_or(1, exif::orientation),
        has_alpha,
        animated,
        depth: 8,
        decoded_bytes: decoding + codes + metadata + (1 << 20),
    })
}

/// Decodes a still WebP, a lossy one as its rows are asked for.
///
/// # Errors
/// [`Error::Decode`] for damaged, truncated or animated input, [`Error::TooManyPixels`],
/// [`Error::Aborted`], [`Error::Timeout`].
pub fn decode<'a>(input: &'a [u8], limits: &Limits, progress: &'a Progress) -> Result<Decoded<'a>> {
    let chunks = Chunks::read(input)?;
    let decoder = open(input, progress)?;
    let (width, height) = decoder.dimensions();
    limits.check_pixels(width.into(), height.into())?;
    if decoder.has_animation() {
        return Err(Error::Decode("animated WebP".to_owned()));
    }
    // What is taken for the picture is what the bitstream says, and not the canvas.
    let Some(Bitstream::Lossy(coded, _) | Bitstream::Lossless(coded)) = chunks.bitstream else {
        return Err(Error::Decode("WebP without image data".to_owned()));
    };
    if coded != (width, height) {
        return Err(Error::Decode(format!(
            "WebP of {width}x{height} px with data for {}x{}",
            coded.0, coded.1
        )));
    }
    let has_alpha = decoder.color_type().has_alpha();
    let orientation = chunks.exif.map_or(1, exif::orientation);
    let icc = chunks.icc.map(<[u8]>::to_vec).and_then(plausible_icc);
    if let Some(Bitstream::Lossy(size, data)) = chunks.bitstream {
        let alpha = match chunks.alpha.filter(|_| has_alpha) {
            Some(chunk) => alpha::read(chunk, size, progress)?,
            None => None,
        };
        let rows = Lossy::new(data, alpha, progress)?;
        let size = rows.size();
        return Ok(Decoded::by_rows(Box::new(rows), size, icc, orientation));
    }
    let layout = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let size = u64::from(width) * u64::from(height) * layout.channels() as u64;
    let mut data = vec![0; size as usize];
    decoder.read_image(&mut data).map_err(|error| failed(progress, error))?;
    progress.check()?;
    let pixels = Pixels::checked(data, width, height, layout)?.without_opaque_alpha();
    Ok(Decoded::whole(pixels, icc, orientation))
}

fn open<'a>(input: &'a [u8], progress: &'a Progress) -> Result<WebPDecoder<Source<'a>>> {
    let decoder =
        WebPDecoder::new(Source::new(input, COARSE, progress)).map_err(|error| failed(progress, error))?;
    // The 16 384 px that a lossless picture may have at most are 0 px to the decoder.
    match decoder.dimensions() {
        (0, _) | (_, 0) => Err(Error::Decode("WebP of 0 or of 16384 px".to_owned())),
        _ => Ok(decoder),
    }
}

/// Width and height in px that a bitstream was coded with, and a lossy one's data.
enum Bitstream<'a> {
    Lossy((u32, u32), &'a [u8]),
    Lossless((u32, u32)),
}

/// The chunks that are wanted, each in its first occurrence.
#[derive(Default)]
struct Chunks<'a> {
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    /// the body of `ALPH`
    alpha: Option<&'a [u8]>,
    bitstream: Option<Bitstream<'a>>,
    /// the body of `VP8L`
    lossless: Option<&'a [u8]>,
}

impl<'a> Chunks<'a> {
    fn read(input: &'a [u8]) -> Result<Self> {
        let cut = || Error::Decode("the WebP file ends too early".to_owned());
        let declared = input.get(4..8).and_then(<[u8]>::first_chunk::<4>).ok_or_else(cut)?;
        // The size in the file's header leaves out the 8 bytes before it. libwebp, too, refuses a file that
        // is shorter; what follows is not part of the image.
        let end = u64::from(u32::from_le_bytes(*declared)) + 8;
        let mut rest = usize::try_from(end).ok().and_then(|end| input.get(12..end)).ok_or_else(cut)?;
        let mut chunks = Self::default();
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let [name @ .., a, b, c, d] = head;
            let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            let chunk = body.get(..size).ok_or_else(cut)?;
            match name {
                b"ICCP" if chunks.icc.is_none() => chunks.icc = Some(chunk),
                b"EXIF" if chunks.exif.is_none() => chunks.exif = Some(chunk),
                b"ALPH" if chunks.alpha.is_none() => chunks.alpha = Some(chunk),
                b"VP8 " if chunks.bitstream.is_none() => chunks.bitstream = lossy_size(chunk),
                b"VP8L" if chunks.bitstream.is_none() => {
                    chunks.bitstream = lossless_size(chunk);
                    chunks.lossless = Some(chunk);
                }
                _ => {}
            }
            // Chunks of odd size are padded; the last one's padding is often missing.
            rest = body.get(size + size % 2..).unwrap_or_default();
        }
        Ok(chunks)
    }

    /// What is coded without loss, behind its header: the picture, or the alpha of one that is lossy.
    fn lossless_stream(&self) -> Option<&'a [u8]> {
        match (self.lossless, self.alpha) {
            (Some(picture), _) => picture.get(5..),
            // The lowest two bits of the first byte say how it is packed, 1 being like a picture.
            (None, Some([packing, stream @ ..])) if packing & 3 == 1 => Some(stream),
            _ => None,
        }
    }
}

/// RFC 6386, 9.1: a frame tag and a start code, then 14 bits each of width and height.
fn lossy_size(chunk: &[u8]) -> Option<Bitstream<'_>> {
    let &[w1, w2, h1, h2] = chunk.get(6..10)? else { return None };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Bitstream::Lossy((size(w1, w2), size(h1, h2)), chunk))
}

/// RFC 9649, 3.4: a signature byte, then 14 bits each of width − 1 and height − 1.
fn lossless_size(chunk: &[u8]) -> Option<Bitstream<'_>> {
    let bits = u32::from_le_bytes(*chunk.get(1..5)?.first_chunk::<4>()?);
    Some(Bitstream::Lossless(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)))
}
