//! How large the result is, and Lanczos3 on a fractional source box.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};
use crate::image::decode::{Decoded, Layout, Pixels};
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

/// Scales the box of `decoded` that holds the whole image to `width` × `height` px. Colour is averaged with
/// premultiplied alpha, so that what is transparent does not bleed.
///
/// # Errors
/// [`Error::Decode`] when the decoder's numbers do not fit together.
pub fn resize(decoded: Decoded, width: u32, height: u32) -> Result<Pixels> {
    let Decoded { pixels, source_width, source_height, .. } = decoded;
    let fills = |covered: f64, stored: u32| (covered - f64::from(stored)).abs() < 1e-9;
    let exact = fills(source_width, pixels.width) && fills(source_height, pixels.height);
    if exact && (pixels.width, pixels.height) == (width, height) {
        return Ok(pixels);
    }
    let failed = |error: &dyn std::fmt::Display| Error::Decode(format!("resize: {error}"));
    let pixel_type = match pixels.layout {
        Layout::Luma => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    // Premultiplied in place: left to the resizer, it takes a second copy of the source.
    let has_alpha = pixels.layout == Layout::Rgba;
    let mut source = Image::from_vec_u8(pixels.width, pixels.height, pixels.data, pixel_type)
        .map_err(|error| failed(&error))?;
    let premultiply = MulDiv::new();
    if has_alpha {
        premultiply.multiply_alpha_inplace(&mut source).map_err(|error| failed(&error))?;
    }
    let mut scaled = Image::new(width, height, pixel_type);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(0.0, 0.0, source_width, source_height)
        .use_alpha(false);
    Resizer::new().resize(&source, &mut scaled, &options).map_err(|error| failed(&error))?;
    drop(source);
    if has_alpha {
        premultiply.divide_alpha_inplace(&mut scaled).map_err(|error| failed(&error))?;
    }
    Ok(Pixels { data: scaled.into_vec(), width, height, layout: pixels.layout })
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
mod tests {
    use super::*;

    fn plan(source: (u32, u32), width: u32, height: Option<u32>) -> [u32; 4] {
        plan_of(Format::Png, source, width, height)
    }

    fn plan_of(format: Format, source: (u32, u32), width: u32, height: Option<u32>) -> [u32; 4] {
        let plan = Plan::new(format, source.0, source.1, width, height);
        [plan.scaled_width, plan.scaled_height, plan.width, plan.height]
    }

    #[test]
    fn width_alone_keeps_the_aspect_ratio_and_never_enlarges() {
        assert_eq!(plan((2725, 2225), 1080, None), [1080, 882, 1080, 882]);
        assert_eq!(plan((300, 200), 640, None), [300, 200, 300, 200]);
        assert_eq!(plan((10_000, 1), 10, None), [10, 1, 10, 1]);
        // Halves, as sharp rounds them.
        assert_eq!(plan((512, 384), 150, None)[1], 112);
        assert_eq!(plan((400, 300), 150, None)[1], 113);
    }

    #[test]
    fn heights_are_those_of_sharp_where_it_shrinks_on_load() {
        // Each read off sharp 0.35.5; the plain ratio, as for PNG, gives another.
        for (format, source, width, height) in [
            (Format::Jpeg, (2725, 2225), 150, 123),
            (Format::Jpeg, (2225, 2725), 96, 117),
            (Format::Jpeg, (1203, 901), 150, 113),
            (Format::Jpeg, (1001, 667), 64, 42),
            (Format::Jpeg, (1001, 667), 256, 170),
            (Format::Jpeg, (667, 1001), 96, 145),
            (Format::Jpeg, (203, 301), 32, 48),
            (Format::WebP, (4032, 3024), 150, 112),
            (Format::WebP, (4032, 3024), 750, 562),
        ] {
            let [.., scaled_height] = plan_of(format, source, width, None);
            assert_eq!(scaled_height, height, "{format:?} {source:?} to {width}");
            assert_ne!(plan(source, width, None)[3], height, "{source:?} to {width}");
        }
    }

    #[test]
    fn width_and_height_cover_the_box_and_crop_the_middle() {
        assert_eq!(plan((400, 200), 100, Some(100)), [200, 100, 100, 100]);
        assert_eq!(plan((400, 200), 500, Some(100)), [400, 200, 400, 100]);
        assert_eq!(plan((400, 200), 500, Some(500)), [400, 200, 400, 200]);
    }

    #[test]
    fn transparent_pixels_do_not_bleed_their_colour() {
        let mut data = vec![0; 64 * 64 * 4];
        for (index, pixel) in data.chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(if index % 2 == 0 { &[255, 0, 0, 255] } else { &[0, 255, 0, 0] });
        }
        let pixels = Pixels { data, width: 64, height: 64, layout: Layout::Rgba };
        let decoded = Decoded { pixels, source_width: 64.0, source_height: 64.0, icc: None, orientation: 1 };
        let small = resize(decoded, 8, 8).unwrap();
        for pixel in small.data.chunks_exact(4) {
            assert!(pixel[0] > 250 && pixel[1] < 5, "green of invisible pixels shows: {pixel:?}");
            assert!((118..=138).contains(&pixel[3]), "{pixel:?}");
        }
    }

    #[test]
    fn crop_takes_the_middle() {
        let data = (0..20).collect();
        let cropped = crop(Pixels { data, width: 5, height: 4, layout: Layout::Luma }, 2, 2);
        assert_eq!(cropped.data, [7, 8, 12, 13]);
    }
}
