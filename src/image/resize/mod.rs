//! How large the result is, and Lanczos3 on a fractional source box.

mod alpha;
mod bands;
mod columns;
mod pixels;
mod weights;

use fearless_simd::Level;

use self::bands::Geometry;
use crate::error::Result;
use crate::image::decode::{Decoded, Pixels};
use crate::image::format::Format;

/// What to make of a source: the whole is scaled to `scaled_*`, then its middle cropped to `width` × `height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// px of the whole image after scaling
    pub scaled_width: u32,
    /// px of the whole image after scaling
    pub scaled_height: u32,
    /// px of the result
    pub width: u32,
    /// px of the result
    pub height: u32,
}

impl Plan {
    /// The rules of sharp's `resize(width, height, { withoutEnlargement: true })`: never larger than the
    /// source; with `width` alone the height follows; with both the image covers the box and is cropped.
    ///
    /// sharp rounds twice where it makes an image smaller while it decodes it, JPEG and WebP: its heights,
    /// which the page's layout may rest on, are those of the rounded size.
    #[must_use]
    pub fn new(
        format: Format,
        source_width: u32,
        source_height: u32,
        width: u32,
        height: Option<u32>,
    ) -> Self {
        let shrink_to = |(w, h): (f64, f64)| {
            let across = w / f64::from(width);
            height.map_or(across, |height| across.min(h / f64::from(height))).max(1.0)
        };
        let source = (f64::from(source_width), f64::from(source_height));
        let loaded = match format {
            Format::Jpeg => jpeg_as_loaded(source, shrink_to(source)),
            Format::WebP => webp_as_loaded(source, shrink_to(source)),
            _ => source,
        };
        // A division and no product with the inverse, or halves round the other way than sharp's.
        let shrink = shrink_to(loaded);
        let scaled = |side: f64| ((side / shrink).round() as u32).max(1);
        let (scaled_width, scaled_height) = (scaled(loaded.0), scaled(loaded.1));
        Self {
            scaled_width,
            scaled_height,
            width: width.clamp(1, scaled_width),
            height: height.map_or(scaled_height, |height| height.clamp(1, scaled_height)),
        }
    }
}

/// The size in which sharp loads a JPEG that is then to shrink by `shrink`.
fn jpeg_as_loaded((w, h): (f64, f64), shrink: f64) -> (f64, f64) {
    let whole = shrink.clamp(1.0, 65_536.0) as u32;
    let by = [8, 4, 2].into_iter().find(|by| whole >= *by).unwrap_or(1);
    // With nothing left for the resizer it takes the next larger size.
    let by = f64::from(if by > 1 && whole == by { by / 2 } else { by });
    ((w / by).floor().max(1.0), (h / by).floor().max(1.0))
}

/// The same of a WebP, which libwebp scales to any size.
fn webp_as_loaded((w, h): (f64, f64), shrink: f64) -> (f64, f64) {
    let scale = 1.0 / shrink;
    ((w * scale).round_ties_even().max(1.0), (h * scale).round_ties_even().max(1.0))
}

/// Scales the box of `decoded` that holds the whole image to `width` × `height` px, while its rows come in. Colour is
/// averaged with premultiplied alpha, so that what is transparent does not bleed.
///
/// # Errors
/// Those of the decoder; [`Error::Decode`] when its numbers do not fit together.
///
/// [`Error::Decode`]: crate::Error::Decode
pub fn resize(decoded: Decoded, width: u32, height: u32) -> Result<Pixels> {
    let fills = |covered: f64, stored: u32| (covered - f64::from(stored)).abs() < 1e-9;
    let exact = fills(decoded.source_width, decoded.width) && fills(decoded.source_height, decoded.height);
    if exact && (decoded.width, decoded.height) == (width, height) {
        return decoded.collect();
    }
    let geometry = Geometry {
        source: (decoded.width, decoded.height),
        covered: (decoded.source_width, decoded.source_height),
        target: (width, height),
    };
    bands::scale(decoded, geometry, Level::new())
}

/// What [`resize`] holds at most beside the decoder and the scaled pixels, bytes.
#[must_use]
pub fn memory_bytes(source: (u32, u32), target: (u32, u32)) -> u64 {
    let covered = (source.0.into(), source.1.into());
    Geometry { source, covered, target }.memory_bytes(4)
}

/// Cuts the middle `width` × `height` px out, as sharp's default gravity does.
#[must_use]
pub fn crop(pixels: Pixels, width: u32, height: u32) -> Pixels {
    if (pixels.width, pixels.height) == (width, height) {
        return pixels;
    }
    // Where the rest is odd, sharp leaves the larger part on the left and at the top.
    let left = (pixels.width - width).div_ceil(2) as usize;
    let top = (pixels.height - height).div_ceil(2) as usize;
    let channels = pixels.layout.channels();
    let row_bytes = pixels.width as usize * channels;
    let mut data = Vec::with_capacity(width as usize * height as usize * channels);
    for row in pixels.data.chunks_exact(row_bytes).skip(top).take(height as usize) {
        data.extend_from_slice(&row[left * channels..(left + width as usize) * channels]);
    }
    Pixels { data, width, height, layout: pixels.layout }
}

#[cfg(test)]
mod tests;
