//! TIFF: kinds of pixels, ways to pack them, and what its tags can claim.

use unsharp::Error;
use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::{EncodeOptions, encode};
use unsharp::image::{OutputFormat, Progress};

use crate::make::jpeg::Jpeg;
use crate::make::tiff::{Packing, Tiff, Writer, tag};
use crate::make::{self, profile};
use crate::{assert_near, assert_pixels, decoded, mean_difference, optimized};

const WIDTH: u32 = 37;
const HEIGHT: u32 = 23;
const PACKINGS: [Packing; 4] = [Packing::None, Packing::Lzw, Packing::Deflate, Packing::PackBits];

fn widened(samples: Vec<u8>) -> Vec<u16> {
    samples.into_iter().map(u16::from).collect()
}

fn of(depth: u8, photometric: u16, samples: &[u16]) -> Tiff<'_> {
    Tiff::new(WIDTH, HEIGHT, depth, photometric, samples)
}

#[test]
fn every_packing_in_strips_tiles_and_planes_of_both_byte_orders() {
    let rgb = make::rgb(WIDTH, HEIGHT);
    let samples = widened(rgb.clone());
    let deep: Vec<u16> = samples.iter().map(|sample| sample << 8 | 0x5a).collect();
    for packing in PACKINGS {
        for big_endian in [false, true] {
            for (tiles, planar) in
                [(None, false), (None, true), (Some((16, 16)), false), (Some((64, 48)), false)]
            {
                for predictor in [false, true] {
                    let name = format!("{packing:?} {big_endian} {tiles:?} {planar} {predictor}");
                    let base = Tiff { big_endian, packing, predictor, planar, tiles, ..of(8, 2, &samples) };
                    assert_pixels(&name, &base.file(), Layout::Rgb, &rgb);
                    let deep = Tiff { depth: 16, samples: &deep, ..base };
                    assert_pixels(&format!("16 bits {name}"), &deep.file(), Layout::Rgb, &rgb);
                }
            }
        }
    }
}

#[test]
fn gray_of_every_depth_in_both_senses() {
    for depth in [1, 2, 4, 8, 16] {
        let max = ((1_u32 << depth) - 1) as u16;
        let samples: Vec<u16> =
            (0..WIDTH * HEIGHT).map(|i| (i.wrapping_mul(40_503) >> 3) as u16 & max).collect();
        let eight = |s: u16| if depth == 16 { (s >> 8) as u8 } else { (s * (255 / max)) as u8 };
        let black: Vec<u8> = samples.iter().map(|s| eight(*s)).collect();
        assert_pixels(&format!("{depth} bits"), &of(depth, 1, &samples).file(), Layout::Luma, &black);
        let white: Vec<u8> = samples.iter().map(|s| eight(max - s)).collect();
        assert_pixels(
            &format!("{depth} bits, white is 0"),
            &of(depth, 0, &samples).file(),
            Layout::Luma,
            &white,
        );
    }
}

#[test]
fn palettes_of_every_depth() {
    for depth in [1, 2, 4, 8] {
        let colors = 1_usize << depth;
        let map: Vec<u16> = (0..colors * 3).map(|i| (i * 9_973 % 65_536) as u16).collect();
        let samples: Vec<u16> =
            make::gray(WIDTH, HEIGHT).iter().map(|s| u16::from(s >> (8 - depth))).collect();
        let expected: Vec<u8> = samples
            .iter()
            .flat_map(|index| {
                [0, 1, 2].map(|channel| (map[channel * colors + usize::from(*index)] >> 8) as u8)
            })
            .collect();
        for big_endian in [false, true] {
            let tiff = Tiff { big_endian, color_map: &map, ..of(depth, 3, &samples) };
            assert_pixels(&format!("palette of {colors}"), &tiff.file(), Layout::Rgb, &expected);
        }
    }
    let samples = vec![0; (WIDTH * HEIGHT) as usize];
    let short = Tiff { color_map: &[1, 2, 3], ..of(8, 3, &samples) };
    assert!(matches!(decoded(&short.file()), Err(Error::Decode(_))));
}

#[test]
fn alpha_stated_or_not() {
    let rgba = make::rgba(WIDTH, HEIGHT);
    let samples = widened(rgba.clone());
    for extra in [Some(0), Some(2), None] {
        assert_pixels("RGBA", &Tiff { extra, ..of(8, 2, &samples) }.file(), Layout::Rgba, &rgba);
    }
    let gray_alpha: Vec<u16> = samples.chunks_exact(4).flat_map(|p| [p[1], p[3]]).collect();
    let expected: Vec<u8> = rgba.chunks_exact(4).flat_map(|p| [p[1], p[1], p[1], p[3]]).collect();
    for planar in [false, true] {
        let tiff = Tiff { extra: Some(2), planar, ..of(8, 1, &gray_alpha) };
        assert_pixels("gray and alpha", &tiff.file(), Layout::Rgba, &expected);
    }
}

#[test]
fn premultiplied_colors_are_divided_by_their_alpha() {
    let premultiplied: Vec<u16> =
        [[100, 50, 0, 128], [255, 255, 255, 255], [9, 9, 9, 0], [200, 0, 0, 100]].concat();
    let tiff = Tiff { extra: Some(1), ..Tiff::new(4, 1, 8, 2, &premultiplied) };
    let pixels = decoded(&tiff.file()).expect("an image").pixels;
    assert_eq!(pixels.layout, Layout::Rgba);
    assert_near("half", &pixels.data[..8], &[199, 100, 0, 128, 255, 255, 255, 255], 1);
    assert_eq!(pixels.data[11], 0);
    assert_eq!(pixels.data[12..], [255, 0, 0, 100], "more color than alpha");
}

#[test]
fn inks_keep_their_polarity_and_profile() {
    let cmyk = make::cmyk(WIDTH, HEIGHT);
    let samples = widened(cmyk.clone());
    assert_pixels("CMYK", &of(8, 5, &samples).file(), Layout::Cmyk, &cmyk);
    let deep: Vec<u16> = samples.iter().map(|sample| sample * 257).collect();
    assert_pixels("CMYK 16", &of(16, 5, &deep).file(), Layout::Cmyk, &cmyk);
    // The profile is larger than the image here.
    let cyan = [255, 0, 0, 0].repeat(4);
    let icc = profile::press();
    let tiff = Tiff { icc: &icc, ..Tiff::new(2, 2, 8, 5, &cyan) };
    let shown = decoded(&optimized(&tiff.file(), 2).expect("an image").data).expect("our own").pixels;
    assert_near("cyan", &shown.data[..3], &[0, 150, 218], 2);
}

#[test]
fn jpeg_inside_is_turned_into_rgb() {
    let rgb = make::rgb(64, 48);
    let pixels = Pixels { data: rgb.clone(), width: 64, height: 48, layout: Layout::Rgb };
    let options = EncodeOptions { quality: 95, ..EncodeOptions::default() };
    let file = encode(pixels, OutputFormat::Tiff, &options, &Progress::unbounded()).expect("TIFF");
    let difference = mean_difference(&decoded(&file).expect("our own").pixels.data, &rgb);
    assert!(difference < 4.0, "{difference}");
}

/// A TIFF of `size` px around one strip, or tile, of JPEG.
fn with_jpeg(size: (u32, u32), tile: Option<(u32, u32)>, jpeg: Vec<u8>) -> Vec<u8> {
    let mut writer = Writer::new(false);
    writer.long(tag::WIDTH, &[size.0]);
    writer.long(tag::HEIGHT, &[size.1]);
    writer.short(tag::BITS, &[8, 8, 8]);
    writer.short(tag::COMPRESSION, &[7]);
    writer.short(tag::PHOTOMETRIC, &[6]);
    writer.short(tag::SAMPLES, &[3]);
    if let Some((width, height)) = tile {
        writer.long(tag::TILE_WIDTH, &[width]);
        writer.long(tag::TILE_HEIGHT, &[height]);
    }
    writer.finish(&[jpeg])
}

#[test]
fn jpeg_inside_must_fit_its_place() {
    let jpeg = Jpeg::default().file(&make::rgb(32, 32), 32, 32);
    let small = decoded(&with_jpeg((32, 32), None, jpeg.clone())).expect("an image").pixels;
    assert!(mean_difference(&small.data, &make::rgb(32, 32)) < 2.0);
    decoded(&with_jpeg((20, 20), Some((32, 32)), jpeg.clone())).expect("a tile larger than the image");
    for (size, tile) in [((16, 32), None), ((32, 16), None), ((32, 32), Some((16, 16)))] {
        assert!(matches!(decoded(&with_jpeg(size, tile, jpeg.clone())), Err(Error::Decode(_))), "{size:?}");
    }
}

#[test]
fn tiles_in_planes_are_refused() {
    let samples = widened(make::rgb(WIDTH, HEIGHT));
    let tiff = Tiff { planar: true, tiles: Some((16, 16)), ..of(8, 2, &samples) };
    assert!(matches!(decoded(&tiff.file()), Err(Error::Decode(_))));
}

#[test]
fn unsupported_kinds_are_refused() {
    let samples = widened(make::rgb(WIDTH, HEIGHT));
    for photometric in [4, 6, 8, 9, 32_803] {
        let file = of(8, photometric, &samples).file();
        assert!(matches!(decoded(&file), Err(Error::Decode(_))), "{photometric}");
    }
}
