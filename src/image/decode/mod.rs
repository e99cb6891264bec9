//! Bytes to pixels, by Rust decoders only.

mod animated;
pub mod avif;
pub(crate) mod exif;
pub mod gif;
mod interleave;
pub mod jpeg;
pub mod png;
mod source;
pub mod tiff;
mod upsample;
pub mod webp;

use crate::error::{Error, Result};
use crate::image::format::Format;
use crate::image::limits::{Limits, Progress};

/// How the samples of one pixel lie in memory, 8 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One gray sample.
    Luma,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, straight (not premultiplied) alpha.
    Rgba,
    /// Cyan, magenta, yellow, black; 0 is no ink.
    Cmyk,
}

impl Layout {
    /// Bytes of one pixel.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    /// Turns samples of this layout, in place, into those of `next`, which has to be the same or RGBA instead of
    /// gray or RGB: the changes that a decoder may make on its way.
    pub(crate) fn turn(self, data: &mut Vec<u8>, next: Self) -> Result<()> {
        match (self, next) {
            (Self::Luma | Self::Rgb, Self::Rgba) => {}
            _ if self == next => return Ok(()),
            _ => return Err(Error::Decode(format!("{next:?} after {self:?}"))),
        }
        let channels = self.channels();
        let pixels = data.len() / channels;
        data.reserve_exact(pixels * 4 - data.len());
        data.resize(pixels * 4, 255);
        // From the last on, so that a pixel is read before others are written over it.
        for at in (0..pixels).rev() {
            let [red, green, blue] = match self {
                Self::Luma => [data[at]; 3],
                _ => [data[at * 3], data[at * 3 + 1], data[at * 3 + 2]],
            };
            data[at * 4..at * 4 + 4].copy_from_slice(&[red, green, blue, 255]);
        }
        Ok(())
    }
}

/// Tightly packed rows, top to bottom; `data.len() == width * height * layout.channels()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// the samples
    pub data: Vec<u8>,
    /// px
    pub width: u32,
    /// px
    pub height: u32,
    /// what the samples mean
    pub layout: Layout,
}

/// What the header says, read without decoding pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// px, as stored (before orientation)
    pub width: u32,
    /// px, as stored (before orientation)
    pub height: u32,
    /// EXIF orientation 1..=8; for AVIF irot/imir folded into the same numbers
    pub orientation: u8,
    /// whether the file has an alpha channel, used or not
    pub has_alpha: bool,
    /// more than one frame: the input is passed through untouched
    pub animated: bool,
    /// bits per sample, 1..=16
    pub depth: u8,
    /// bytes of memory that decoding at full size takes, at most (pixels and the decoder's own buffers)
    pub decoded_bytes: u64,
}

/// An image whose pixels can be had. They may be fewer than the header says when the decoder could scale (JPEG in
/// the DCT, AVIF by means of squares); `source_width`/`source_height` then say which fractional box of them the full image covers, so the
/// resizer stays exact.
pub struct Decoded<'a> {
    /// the pixels; most decoders make them while they are asked for
    pub rows: Box<dyn Rows + 'a>,
    /// px that `rows` has, at most the full size
    pub width: u32,
    /// px that `rows` has, at most the full size
    pub height: u32,
    /// px of `width` that the whole image covers: its full width times the scale unrounded, else `width`
    pub source_width: f64,
    /// the same vertically
    pub source_height: f64,
    /// the embedded ICC profile, if any and if plausible in size
    pub icc: Option<Vec<u8>>,
    /// EXIF orientation 1..=8, still to be applied
    pub orientation: u8,
}

/// A decoder that hands out its picture from top to bottom.
pub trait Rows {
    /// The next rows, as many as the decoder makes at once; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Aborted`], [`Error::Timeout`].
    fn next_rows(&mut self) -> Result<Option<Band<'_>>>;

    /// The whole picture, from a decoder that holds it and has handed nothing out yet; others answer `None`.
    fn take_whole(&mut self) -> Option<Pixels> {
        None
    }
}

/// Whole rows, tightly packed.
pub struct Band<'a> {
    /// the samples
    pub data: &'a [u8],
    /// what they mean; a decoder may go from [`Layout::Luma`] or [`Layout::Rgb`] to [`Layout::Rgba`] on its way, when it meets the first transparency
    pub layout: Layout,
}

/// How large the result will be, in px before orientation; a decoder that scales may stop early.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// px
    pub width: u32,
    /// px
    pub height: u32,
}

/// Reads the header: no pixels are decoded, no memory is taken that grows with the image.
///
/// # Errors
/// [`Error::Decode`] for damage and unsupported varieties, [`Error::TooManyPixels`]; [`Error::Decode`] for a format
/// that has no decoder.
pub fn header(input: &[u8], format: Format, limits: &Limits) -> Result<Header> {
    match format {
        Format::Jpeg => jpeg::header(input, limits),
        Format::Png => png::header(input, limits),
        Format::Gif => gif::header(input, limits),
        Format::WebP => webp::header(input, limits),
        Format::Avif => avif::header(input, limits),
        Format::Tiff => tiff::header(input, limits),
        other => Err(no_decoder(other)),
    }
}

/// Decodes the image, the first frame where there are several. With a `target`, a JPEG or an AVIF may come out smaller
/// than it is, but never so small that the result would show it.
///
/// # Errors
/// [`Error::Decode`] for damaged, truncated or unsupported input, [`Error::TooManyPixels`],
/// [`Error::Aborted`], [`Error::Timeout`]. Where rows are decoded as they are asked for, damage to them shows then.
pub fn decode<'a>(
    input: &'a [u8],
    format: Format,
    target: Option<Target>,
    limits: &Limits,
    progress: &'a Progress,
) -> Result<Decoded<'a>> {
    match format {
        Format::Jpeg => jpeg::decode(input, target, limits, progress),
        Format::Png => png::decode(input, limits, progress),
        Format::Gif => gif::decode(input, limits, progress),
        Format::WebP => webp::decode(input, limits, progress),
        Format::Avif => avif::decode(input, target, limits, progress),
        Format::Tiff => tiff::decode(input, limits, progress),
        other => Err(no_decoder(other)),
    }
}

fn no_decoder(format: Format) -> Error {
    Error::Decode(format!("{} has no decoder", format.mime()))
}

/// A profile larger than this is no honest one; those of printing presses reach 3 MB.
const MAX_ICC_BYTES: usize = 4 << 20;

/// The profile, if its size and signature (ICC.1:2022, 7.2) are a profile's.
fn plausible_icc(profile: Vec<u8>) -> Option<Vec<u8>> {
    let plausible = profile.len() <= MAX_ICC_BYTES && profile.get(36..40) == Some(b"acsp");
    plausible.then_some(profile)
}

impl Pixels {
    /// # Errors
    /// [`Error::Decode`] when a decoder gave another number of bytes than the size asks for.
    pub(crate) fn checked(data: Vec<u8>, width: u32, height: u32, layout: Layout) -> Result<Self> {
        let wanted = u64::from(width) * u64::from(height) * layout.channels() as u64;
        if data.len() as u64 != wanted {
            return Err(Error::Decode(format!("{} bytes of pixels instead of {wanted}", data.len())));
        }
        Ok(Self { data, width, height, layout })
    }

    /// Gray with alpha as RGBA, or as gray where the alpha says nothing.
    fn from_luma_alpha(data: &[u8], width: u32, height: u32) -> Result<Self> {
        let pixels = data.as_chunks::<2>().0;
        if pixels.iter().all(|[_, alpha]| *alpha == 255) {
            let gray = pixels.iter().map(|[level, _]| *level).collect();
            return Self::checked(gray, width, height, Layout::Luma);
        }
        let rgba = pixels.iter().flat_map(|&[level, alpha]| [level, level, level, alpha]).collect();
        Self::checked(rgba, width, height, Layout::Rgba)
    }

    /// RGB where the alpha is 255 everywhere: without it the resize costs a quarter.
    fn without_opaque_alpha(self) -> Self {
        let pixels = self.data.as_chunks::<4>().0;
        if self.layout != Layout::Rgba || pixels.iter().any(|[.., alpha]| *alpha != 255) {
            return self;
        }
        let mut data = self.data;
        let area = data.len() / 4;
        // In place: the pixel at 3i is written after the one at 4i has been read.
        for at in 1..area {
            data.copy_within(at * 4..at * 4 + 3, at * 3);
        }
        data.truncate(area * 3);
        Self { data, layout: Layout::Rgb, ..self }
    }
}

impl<'a> Decoded<'a> {
    /// Pixels that are all in memory, at full size.
    pub(crate) fn whole(pixels: Pixels, icc: Option<Vec<u8>>, orientation: u8) -> Self {
        let size = (pixels.width, pixels.height);
        Self::by_rows(Box::new(Whole { pixels, given: false }), size, icc, orientation)
    }

    /// Rows of `size` px that the whole image covers.
    fn by_rows(
        rows: Box<dyn Rows + 'a>,
        (width, height): (u32, u32),
        icc: Option<Vec<u8>>,
        orientation: u8,
    ) -> Self {
        let (source_width, source_height) = (f64::from(width), f64::from(height));
        Self { rows, width, height, source_width, source_height, icc, orientation }
    }

    /// All pixels at once.
    ///
    /// # Errors
    /// Those of [`Rows::next_rows`], and [`Error::Decode`] when the rows do not fit the size.
    pub fn collect(mut self) -> Result<Pixels> {
        let (width, height) = (self.width, self.height);
        if let Some(pixels) = self.rows.take_whole() {
            return Ok(pixels);
        }
        let area = width as usize * height as usize;
        let (mut data, mut layout) = (Vec::new(), None);
        while let Some(band) = self.rows.next_rows()? {
            if let Some(from) = layout.replace(band.layout) {
                from.turn(&mut data, band.layout)?;
            }
            data.reserve_exact((area * band.layout.channels()).saturating_sub(data.len()));
            data.extend_from_slice(band.data);
        }
        Pixels::checked(data, width, height, layout.unwrap_or(Layout::Rgb))
    }
}

/// Rows of a picture that was decoded at once.
struct Whole {
    pixels: Pixels,
    given: bool,
}

impl Rows for Whole {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        let Self { pixels, given } = self;
        if std::mem::replace(given, true) {
            pixels.data = Vec::new();
            return Ok(None);
        }
        Ok(Some(Band { data: &pixels.data, layout: pixels.layout }))
    }

    fn take_whole(&mut self) -> Option<Pixels> {
        let rest = Pixels { data: Vec::new(), ..self.pixels };
        (!std::mem::replace(&mut self.given, true)).then(|| std::mem::replace(&mut self.pixels, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(pixels: &[[u8; 4]], width: u32) -> Pixels {
        let height = pixels.len() as u32 / width;
        Pixels::checked(pixels.concat(), width, height, Layout::Rgba).expect("the size fits")
    }

    #[test]
    fn alpha_that_says_nothing_is_dropped_and_the_colors_stay() {
        let pixels = rgba(&[[1, 2, 3, 255], [4, 5, 6, 255], [7, 8, 9, 255]], 3).without_opaque_alpha();
        assert_eq!((pixels.layout, pixels.width, pixels.height), (Layout::Rgb, 3, 1));
        assert_eq!(pixels.data, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn alpha_is_kept_for_a_single_pixel_that_needs_it() {
        let pixels = rgba(&[[1, 2, 3, 255], [4, 5, 6, 255], [7, 8, 9, 254]], 1);
        assert_eq!(pixels.clone().without_opaque_alpha(), pixels);
    }

    #[test]
    fn cmyk_keeps_its_black_however_full_it_is() {
        let pixels = Pixels::checked(vec![255; 8], 2, 1, Layout::Cmyk).expect("the size fits");
        assert_eq!(pixels.clone().without_opaque_alpha(), pixels);
    }

    #[test]
    fn gray_with_alpha_becomes_gray_or_rgba() {
        let gray = Pixels::from_luma_alpha(&[7, 255, 8, 255], 2, 1).expect("the size fits");
        assert_eq!((gray.layout, &gray.data[..]), (Layout::Luma, &[7, 8][..]));
        let alpha = Pixels::from_luma_alpha(&[7, 255, 8, 0], 2, 1).expect("the size fits");
        assert_eq!((alpha.layout, &alpha.data[..]), (Layout::Rgba, &[7, 7, 7, 255, 8, 8, 8, 0][..]));
    }

    #[test]
    fn a_decoder_that_gives_another_number_of_bytes_is_an_error() {
        for bytes in [0, 11, 13] {
            assert!(matches!(Pixels::checked(vec![0; bytes], 2, 2, Layout::Rgb), Err(Error::Decode(_))));
        }
        assert!(Pixels::from_luma_alpha(&[1, 255], 2, 1).is_err());
    }

    #[test]
    fn a_profile_must_have_its_signature_and_a_sane_size() {
        let mut profile = vec![0; 200];
        profile[36..40].copy_from_slice(b"acsp");
        assert!(plausible_icc(profile.clone()).is_some());
        profile.resize(MAX_ICC_BYTES + 1, 0);
        assert_eq!(plausible_icc(profile), None);
        assert_eq!(plausible_icc(vec![0; 200]), None);
        assert_eq!(plausible_icc(Vec::new()), None);
    }

    #[test]
    fn kinds_that_are_passed_through_have_no_decoder() {
        let limits = Limits::default();
        for format in [Format::Svg, Format::Ico, Format::Jp2, Format::Heic] {
            assert!(matches!(header(b"<svg/>", format, &limits), Err(Error::Decode(_))));
            let progress = Progress::unbounded();
            let decoded = decode(b"<svg/>", format, None, &limits, &progress);
            assert!(matches!(decoded, Err(Error::Decode(_))));
        }
    }
}
