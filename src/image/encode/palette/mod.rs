//! True color to at most 256 colors, for PNG and GIF.
//!
//! A picture that has no more is taken as it is ([`exact`]). Of any other, similar pixels are counted together
//! ([`histogram`]), the counts divided into as many groups as its quality asks for ([`cluster`]), and every pixel
//! put to one of those ([`dither`]). All compare colors in one [`space`].

mod cluster;
mod dither;
mod exact;
mod histogram;
mod nearest;
mod space;

use crate::error::Result;
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;
use dither::Palette;
use histogram::Histogram;

/// A picture as numbers of colors.
pub(super) struct Indexed {
    /// At most 256 of them: red, green, blue, straight alpha, by rising alpha.
    pub(super) colors: Vec<[u8; 4]>,
    /// One a pixel, row by row, each less than `colors.len()`.
    pub(super) indices: Vec<u8>,
}

/// How many levels of alpha the format has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    /// 256
    All,
    /// Transparent below 128, opaque from there on.
    OneBit,
}

/// The palette of a picture and its pixels in it. Transparent pixels stay transparent and opaque ones opaque.
///
/// A picture with at most 256 colors keeps them. Of any other, this takes as few as keep the mean square error
/// (in [`space`], where luma is 0..=255) within `target`, or 256 where none do. A larger `target` also has
/// pixels rather repeat their neighbor's color, which deflate likes.
///
/// # Errors
/// [`Error::Aborted`](crate::Error::Aborted) or [`Error::Timeout`](crate::Error::Timeout) from `progress`.
pub(super) fn quantize(pixels: &Pixels, alpha: Alpha, target: f32, progress: &Progress) -> Result<Indexed> {
    match (pixels.layout, alpha) {
        (Layout::Luma, _) => indexed(pixels, |&[gray]| [gray, gray, gray, 255], target, progress),
        (Layout::Rgb, _) => indexed(pixels, |&[r, g, b]| [r, g, b, 255], target, progress),
        (Layout::Rgba | Layout::Cmyk, Alpha::All) => {
            indexed(pixels, |&pixel: &[u8; 4]| pixel, target, progress)
        }
        (Layout::Rgba | Layout::Cmyk, Alpha::OneBit) => {
            indexed(pixels, |&pixel| one_bit(pixel), target, progress)
        }
    }
}

fn one_bit([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    if a < 128 { [0; 4] } else { [r, g, b, 255] }
}

/// `read` makes red, green, blue and straight alpha of the `N` samples of a pixel.
fn indexed<const N: usize>(
    pixels: &Pixels,
    read: impl Fn(&[u8; N]) -> [u8; 4] + Copy,
    target: f32,
    progress: &Progress,
) -> Result<Indexed> {
    let samples = pixels.data.as_chunks::<N>().0;
    if let Some(indexed) = exact::indexed(samples.iter().map(read)) {
        return Ok(indexed);
    }
    progress.check()?;
    let mut histogram = Histogram::of(samples.iter().map(read), N == 4);
    progress.check()?;
    let clusters = cluster::clusters(&mut histogram, target, progress)?;
    let palette = Palette::new(&clusters, histogram.transparent);
    drop(histogram);
    let rows = samples.chunks(pixels.width as usize).map(|row| row.iter().map(read));
    let keep = dither::keep(clusters.error, target);
    let indices = dither::indices(rows, (pixels.width as usize, samples.len()), &palette, keep, progress)?;
    Ok(Indexed { colors: palette.colors, indices })
}
