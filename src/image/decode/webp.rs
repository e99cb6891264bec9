//! Static WebP through the `image` crate.

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

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
    let output = if has_alpha { 4 } else { 3 };
    let working = match chunks.bitstream {
        // Planes of 4:2:0, and for the alpha plane an image of 4 bytes and copies of one channel.
        Some(Bitstream::Lossy(_)) => 2 + if has_alpha { 6 } else { 0 },
        // A copy with alpha, and the images that describe its transforms.
        _ => 4 + 2,
    };
    let metadata = chunks.icc.map_or(0, <[u8]>::len) as u64;
    Ok(Header {
        width,
        height,
        orientation: chunks.exif.map_or(1, exif::orientation),
        has_alpha,
        animated,
        depth: 8,
        decoded_bytes: u64::from(width) * u64::from(height) * (output + working) + metadata + (1 << 20),
    })
}

/// Decodes a still WebP.
///
/// # Errors
/// [`Error::Decode`] for damaged, truncated or animated input, [`Error::TooManyPixels`],
/// [`Error::Aborted`], [`Error::Timeout`].
pub fn decode(input: &[u8], limits: &Limits, progress: &Progress) -> Result<Decoded<'static>> {
    let chunks = Chunks::read(input)?;
    let decoder = open(input, progress)?;
    let (width, height) = decoder.dimensions();
    limits.check_pixels(width.into(), height.into())?;
    if decoder.has_animation() {
        return Err(Error::Decode("animated WebP".to_owned()));
    }
    // The decoder takes memory for the size in the bitstream before it compares it with the canvas.
    let Some(Bitstream::Lossy(coded) | Bitstream::Lossless(coded)) = chunks.bitstream else {
        return Err(Error::Decode("WebP without image data".to_owned()));
    };
    if coded != (width, height) {
        return Err(Error::Decode(format!(
            "WebP of {width}x{height} px with data for {}x{}",
            coded.0, coded.1
        )));
    }
    let layout = if decoder.color_type().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let size = u64::from(width) * u64::from(height) * layout.channels() as u64;
    let mut data = vec![0; size as usize];
    decoder.read_image(&mut data).map_err(|error| failed(progress, error))?;
    progress.check()?;
    let pixels = Pixels::checked(data, width, height, layout)?.without_opaque_alpha();
    let icc = chunks.icc.map(<[u8]>::to_vec).and_then(plausible_icc);
    Ok(Decoded::whole(pixels, icc, chunks.exif.map_or(1, exif::orientation)))
}

fn open<'a>(input: &'a [u8], progress: &'a Progress) -> Result<WebPDecoder<Source<'a>>> {
    WebPDecoder::new(Source::new(input, COARSE, progress)).map_err(|error| failed(progress, error))
}

/// Width and height in px that a bitstream was coded with.
enum Bitstream {
    Lossy((u32, u32)),
    Lossless((u32, u32)),
}

/// The chunks that are wanted, each in its first occurrence.
#[derive(Default)]
struct Chunks<'a> {
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    bitstream: Option<Bitstream>,
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
                b"VP8 " if chunks.bitstream.is_none() => chunks.bitstream = lossy_size(chunk),
                b"VP8L" if chunks.bitstream.is_none() => chunks.bitstream = lossless_size(chunk),
                _ => {}
            }
            // Chunks of odd size are padded; the last one's padding is often missing.
            rest = body.get(size + size % 2..).unwrap_or_default();
        }
        Ok(chunks)
    }
}

/// RFC 6386, 9.1: a frame tag and a start code, then 14 bits each of width and height.
fn lossy_size(chunk: &[u8]) -> Option<Bitstream> {
    let &[w1, w2, h1, h2] = chunk.get(6..10)? else { return None };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Bitstream::Lossy((size(w1, w2), size(h1, h2))))
}

/// RFC 9649, 3.4: a signature byte, then 14 bits each of width − 1 and height − 1.
fn lossless_size(chunk: &[u8]) -> Option<Bitstream> {
    let bits = u32::from_le_bytes(*chunk.get(1..5)?.first_chunk::<4>()?);
    Some(Bitstream::Lossless(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)))
}
