//! Static WebP by decoders of our own; what the file says of itself is read by the `image` crate.

mod alpha;
mod lossless;
mod lossy;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use self::alpha::Alpha;
use self::lossless::memory::{Content, memory_bytes};
use self::lossless::rows::Lossless;
use self::lossy::Lossy;
use super::animated::is_animated;
use super::source::{COARSE, Source, failed};
use super::{Decoded, Header, Rows, exif, plausible_icc};
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
    let decoding = match chunks.bitstream {
        Some(Bitstream::Lossy(..)) => {
            // A plane that is not packed is read where it is.
            let stream = chunks.alpha.filter(|_| has_alpha).and_then(alpha::lossless_stream);
            let plane = stream.map_or(0, |stream| memory_bytes(stream, (width, height), Content::Plane));
            lossy::memory_bytes(width, has_alpha) + plane
        }
        Some(Bitstream::Lossless(_, stream)) => memory_bytes(stream, (width, height), Content::Picture),
        None => 0,
    };
    let metadata = chunks.icc.map_or(0, <[u8]>::len) as u64;
    Ok(Header {
        width,
        height,
        orientation: chunks.exif.map_or(1, exif::orientation),
        has_alpha,
        animated,
        depth: 8,
        decoded_bytes: decoding + metadata + (1 << 20),
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
    let bitstream = chunks.bitstream.ok_or_else(|| Error::Decode("WebP without image data".to_owned()))?;
    let (Bitstream::Lossy(coded, _) | Bitstream::Lossless(coded, _)) = bitstream;
    let size = (width, height);
    if coded != size {
        return Err(Error::Decode(format!(
            "WebP of {width}x{height} px with data for {}x{}",
            coded.0, coded.1
        )));
    }
    let has_alpha = decoder.color_type().has_alpha();
    let orientation = chunks.exif.map_or(1, exif::orientation);
    let icc = chunks.icc.map(<[u8]>::to_vec).and_then(plausible_icc);
    let rows: Box<dyn Rows> = match bitstream {
        Bitstream::Lossy(_, data) => {
            let alpha = chunks.alpha.filter(|_| has_alpha);
            let alpha = alpha.map(|chunk| Alpha::new(chunk, size, progress)).transpose()?;
            Box::new(Lossy::new(data, alpha, progress)?)
        }
        Bitstream::Lossless(_, stream) => Box::new(Lossless::new(stream, size, has_alpha, progress)?),
    };
    Ok(Decoded::by_rows(rows, size, icc, orientation))
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

/// Width and height in px that a bitstream was coded with, and its data, of a lossless one what follows its header.
enum Bitstream<'a> {
    Lossy((u32, u32), &'a [u8]),
    Lossless((u32, u32), &'a [u8]),
}

/// The chunks that are wanted, each in its first occurrence.
#[derive(Default)]
struct Chunks<'a> {
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    /// the body of `ALPH`
    alpha: Option<&'a [u8]>,
    bitstream: Option<Bitstream<'a>>,
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
fn lossy_size(chunk: &[u8]) -> Option<Bitstream<'_>> {
    let &[w1, w2, h1, h2] = chunk.get(6..10)? else { return None };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some(Bitstream::Lossy((size(w1, w2), size(h1, h2)), chunk))
}

/// RFC 9649, 3.4: a signature byte, then 14 bits each of width − 1 and height − 1, and a bit for transparency.
fn lossless_size(chunk: &[u8]) -> Option<Bitstream<'_>> {
    let (head, stream) = chunk.split_first_chunk::<5>()?;
    let &[0x2f, ref bits @ ..] = head else { return None };
    let bits = u32::from_le_bytes(*bits);
    // The last three bits are a version, of which there is one.
    if bits >> 29 != 0 {
        return None;
    }
    Some(Bitstream::Lossless(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1), stream))
}
