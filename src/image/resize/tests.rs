//! Sizes, and bands against the whole picture: what `fast_image_resize` makes of it in one go is the truth.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::*;
use crate::error::Error;
use crate::image::decode::{Band, Layout, Rows};

/// A picture that comes in bands of `rows`, the first ones of them without the alpha that the rest has.
struct Cut {
    pixels: Pixels,
    rows: usize,
    at: usize,
    opaque_bands: usize,
    opaque: Layout,
    turned: Vec<u8>,
}

impl Rows for Cut {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        let layout = self.pixels.layout;
        let stride = self.pixels.width as usize * layout.channels();
        let rest = &self.pixels.data[self.at * stride..];
        if rest.is_empty() {
            return Ok(None);
        }
        let data = &rest[..rest.len().min(self.rows * stride)];
        self.at += data.len() / stride;
        if self.opaque_bands == 0 {
            return Ok(Some(Band { data, layout }));
        }
        self.opaque_bands -= 1;
        self.turned = data.chunks(4).flat_map(|pixel| pixel[..self.opaque.channels()].to_vec()).collect();
        Ok(Some(Band { data: &self.turned, layout: self.opaque }))
    }
}

/// Noise over a slow ramp with hard edges, the same in every run.
fn picture(width: u32, height: u32, layout: Layout) -> Pixels {
    let channels = layout.channels() as u32;
    let sample = |at: u32| {
        let (x, y) = (at / channels % width, at / channels / width);
        let noise = at.wrapping_mul(2_654_435_761) >> 26;
        let edge = if (x / 7 + y / 5) % 3 == 0 { 120 } else { 0 };
        (noise + edge + (x + y) * 70 / (width + height)) as u8
    };
    Pixels { data: (0..width * height * channels).map(sample).collect(), width, height, layout }
}

fn decoded(pixels: &Pixels, covered: (f64, f64), rows: Option<usize>) -> Decoded<'static> {
    let (source_width, source_height) = covered;
    let whole = Decoded::whole(pixels.clone(), None, 1);
    let Some(rows) = rows else {
        return Decoded { source_width, source_height, ..whole };
    };
    let cut =
        Cut { pixels: pixels.clone(), rows, at: 0, opaque_bands: 0, opaque: Layout::Rgb, turned: Vec::new() };
    Decoded { rows: Box::new(cut), source_width, source_height, ..whole }
}

fn in_one_go(pixels: &Pixels, covered: (f64, f64), target: (u32, u32)) -> Vec<u8> {
    let pixel_type = match pixels.layout {
        Layout::Luma => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    let source = ImageRef::new(pixels.width, pixels.height, &pixels.data, pixel_type).unwrap();
    let mut scaled = Image::new(target.0, target.1, pixel_type);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(0.0, 0.0, covered.0, covered.1)
        .use_alpha(pixels.layout == Layout::Rgba);
    Resizer::new().resize(&source, &mut scaled, &options).unwrap();
    scaled.into_vec()
}

fn assert_same(name: &str, got: &Pixels, wanted: &[u8]) {
    assert_eq!(got.data.len(), wanted.len(), "{name}");
    let other = got.data.iter().zip(wanted).position(|(got, wanted)| got != wanted);
    assert_eq!(other, None, "{name}: {:?}", other.map(|at| (got.data[at], wanted[at])));
}

#[test]
fn bands_of_any_height_make_what_the_whole_picture_makes() {
    let layouts = [Layout::Luma, Layout::Rgb, Layout::Rgba, Layout::Cmyk];
    for (index, (source, target)) in [
        ((200, 300), (80, 120)),
        ((200, 301), (199, 300)),
        ((333, 251), (40, 30)),
        ((64, 1000), (3, 41)),
        ((1000, 64), (500, 32)),
        ((64, 64), (64, 20)),
        ((64, 64), (20, 64)),
        ((97, 1), (13, 1)),
        ((1, 97), (1, 13)),
        ((5, 4), (3, 2)),
        ((2, 2), (1, 1)),
        ((1, 1), (1, 1)),
        ((640, 480), (1, 1)),
        ((7, 9), (14, 20)),
    ]
    .into_iter()
    .enumerate()
    {
        for layout in layouts {
            let pixels = picture(source.0, source.1, layout);
            let fraction = [0.0, 0.125, 0.375, 0.875][index % 4];
            let covered = (f64::from(source.0) - fraction, f64::from(source.1) - fraction);
            for covered in [(source.0.into(), source.1.into()), covered] {
                let wanted = in_one_go(&pixels, covered, target);
                for rows in [None, Some(1), Some(2), Some(7), Some(16), Some(64), Some(5000)] {
                    let name = format!("{layout:?} {source:?} of {covered:?} to {target:?} by {rows:?}");
                    let got = resize(decoded(&pixels, covered, rows), target.0, target.1).expect(&name);
                    assert_eq!((got.width, got.height, got.layout), (target.0, target.1, layout), "{name}");
                    assert_same(&name, &got, &wanted);
                }
            }
        }
    }
}

#[test]
fn any_size_is_scaled_to_any_other_as_the_library_does_it() {
    let mut state = 1_u64;
    let mut below = |end: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % end
    };
    for round in 0..600 {
        let most = [20, 90, 300][round % 3];
        let source = (1 + below(most), 1 + below(most));
        let target = (1 + below(source.0 * 5 / 4), 1 + below(source.1 * 5 / 4));
        let layout = [Layout::Luma, Layout::Rgb, Layout::Rgba][round / 3 % 3];
        let mut pixels = picture(source.0, source.1, layout);
        pixels
            .data
            .iter_mut()
            .for_each(|sample| *sample = [0, 255, *sample, below(256) as u8][below(4) as usize]);
        let fraction = f64::from(below(2) * below(1000)) / 1000.0;
        let covered = (f64::from(source.0) - fraction, f64::from(source.1) - fraction);
        let wanted = in_one_go(&pixels, covered, target);
        let rows = [None, Some(1 + below(40) as usize)][round % 2];
        for level in [Level::new(), Level::baseline()] {
            let name = format!("{layout:?} {source:?} of {covered:?} to {target:?} by {rows:?}, {level:?}");
            let geometry = Geometry { source, covered, target };
            let got = bands::scale(decoded(&pixels, covered, rows), geometry, level).expect(&name);
            assert_same(&name, &got, &wanted);
        }
    }
}

#[test]
fn a_flat_picture_stays_flat_across_all_seams() {
    for level in [0, 1, 77, 254, 255] {
        let pixels = Pixels { data: vec![level; 90 * 701 * 3], width: 90, height: 701, layout: Layout::Rgb };
        let small = resize(decoded(&pixels, (90.0, 701.0), Some(3)), 37, 288).unwrap();
        assert!(small.data.iter().all(|sample| *sample == level), "{level}");
    }
}

#[test]
fn a_decoder_that_meets_transparency_late_makes_the_same_picture() {
    for opaque in [Layout::Rgb, Layout::Luma] {
        for opaque_bands in [1, 2, 10, 40, 74] {
            let mut pixels = picture(120, 600, Layout::Rgba);
            for (at, pixel) in pixels.data.chunks_mut(4).enumerate() {
                if opaque == Layout::Luma {
                    let gray = pixel[0];
                    pixel[1..3].fill(gray);
                }
                if at / 120 < opaque_bands * 8 {
                    pixel[3] = 255;
                }
            }
            for (width, height) in [(50, 250), (119, 595), (120, 600), (11, 55)] {
                let wanted = resize(decoded(&pixels, (120.0, 600.0), Some(8)), width, height).unwrap();
                let cut =
                    Cut { pixels: pixels.clone(), rows: 8, at: 0, opaque_bands, opaque, turned: Vec::new() };
                let late = Decoded { rows: Box::new(cut), ..decoded(&pixels, (120.0, 600.0), None) };
                let got = resize(late, width, height).unwrap();
                assert_eq!(got.layout, Layout::Rgba);
                let name = format!("{opaque:?}, {opaque_bands} bands, {width}x{height}");
                assert_same(&name, &got, &wanted.data);
            }
        }
    }
}

#[test]
fn a_decoder_that_gives_other_rows_than_it_announced_is_an_error() {
    let pixels = picture(20, 30, Layout::Rgb);
    for (width, height) in [(20, 29), (20, 31), (19, 30), (21, 30), (7, 30)] {
        let wrong =
            || Decoded { width, height, ..decoded(&pixels, (f64::from(width), f64::from(height)), Some(4)) };
        for target in [(10, 10), (width, height)] {
            let refused = resize(wrong(), target.0, target.1);
            assert!(matches!(refused, Err(Error::Decode(_))), "{width}x{height} to {target:?}");
        }
    }
}

#[test]
fn a_decoder_may_not_change_its_layout_but_to_rgba() {
    let pixels = picture(20, 30, Layout::Cmyk);
    for target in [(10, 15), (20, 30)] {
        let cut = Cut {
            pixels: pixels.clone(),
            rows: 4,
            at: 0,
            opaque_bands: 2,
            opaque: Layout::Rgb,
            turned: Vec::new(),
        };
        let image = Decoded { rows: Box::new(cut), ..Decoded::whole(pixels.clone(), None, 1) };
        assert!(matches!(resize(image, target.0, target.1), Err(Error::Decode(_))), "{target:?}");
    }
}

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
    let small = resize(Decoded::whole(pixels, None, 1), 8, 8).unwrap();
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
