//! What comes out of the encoders, seen through other decoders.

mod ends;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use tiff::tags::Tag;
use unsharp::Error;
use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::avif::engine_version;
use unsharp::image::encode::{AvifEngine, EncodeOptions, encode};
use unsharp::image::{OutputFormat, Progress};

const ALL: [OutputFormat; 6] = [
    OutputFormat::Avif,
    OutputFormat::WebP,
    OutputFormat::Jpeg,
    OutputFormat::Png,
    OutputFormat::Gif,
    OutputFormat::Tiff,
];
const LAYOUTS: [Layout; 3] = [Layout::Luma, Layout::Rgb, Layout::Rgba];

/// Smooth color with some structure, so that every codec has something to do; alpha runs from 0 to 255.
fn picture(width: u32, height: u32, layout: Layout) -> Pixels {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x * 255 / width.max(2), y * 255 / height.max(2));
            let wave = ((x as f32 / 5.0).sin() * (y as f32 / 7.0).cos() * 40.0 + 128.0) as u8;
            match layout {
                Layout::Luma => data.push(wave),
                Layout::Rgb => data.extend([u as u8, wave, v as u8]),
                Layout::Rgba => data.extend([u as u8, wave, v as u8, (255 - u) as u8]),
                Layout::Cmyk => data.extend([u as u8, wave, v as u8, 0]),
            }
        }
    }
    Pixels { data, width, height, layout }
}

fn encode_at(pixels: &Pixels, format: OutputFormat, quality: u8) -> Vec<u8> {
    let options = EncodeOptions { quality, ..EncodeOptions::default() };
    encode(pixels.clone(), format, &options, &Progress::unbounded())
        .unwrap_or_else(|error| panic!("{format:?} {}x{}: {error}", pixels.width, pixels.height))
}

fn with_engine(pixels: &Pixels, engine: AvifEngine, quality: u8) -> Result<Vec<u8>, Error> {
    let options = EncodeOptions { quality, avif_engine: Some(engine), ..EncodeOptions::default() };
    encode(pixels.clone(), OutputFormat::Avif, &options, &Progress::unbounded())
}

fn decoded(bytes: &[u8], format: OutputFormat) -> DynamicImage {
    let format = match format {
        OutputFormat::WebP => ImageFormat::WebP,
        OutputFormat::Png => ImageFormat::Png,
        OutputFormat::Gif => ImageFormat::Gif,
        OutputFormat::Jpeg => return decoded_jpeg(bytes),
        OutputFormat::Tiff => {
            assert_eq!(tiff_tag(bytes, Tag::Compression), 7, "JPEG");
            let start = tiff_tag(bytes, Tag::StripOffsets) as usize;
            let end = start + tiff_tag(bytes, Tag::StripByteCounts) as usize;
            return decoded_jpeg(&bytes[start..end]);
        }
        OutputFormat::Avif => panic!("no decoder"),
    };
    image::load(Cursor::new(bytes), format).expect("a decoder reads what was encoded")
}

fn tiff_tag(bytes: &[u8], tag: Tag) -> u32 {
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(bytes)).expect("a TIFF header");
    decoder.get_tag_u32(tag).expect("the tag")
}

fn decoded_jpeg(bytes: &[u8]) -> DynamicImage {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let data = decoder.decode().expect("a decoder reads what was encoded");
    let info = decoder.info().expect("header");
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => {
            DynamicImage::ImageLuma8(image::GrayImage::from_raw(width, height, data).expect("size"))
        }
        _ => DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, data).expect("size")),
    }
}

/// Mean difference of the visible samples: colors count as much as they are opaque.
fn mean_difference(pixels: &Pixels, image: &DynamicImage) -> f64 {
    assert_eq!((image.width(), image.height()), (pixels.width, pixels.height));
    let image = image.to_rgba8();
    let channels = pixels.layout.channels();
    let mut sum = 0.0;
    for (got, pixel) in image.pixels().zip(pixels.data.chunks(channels)) {
        let wanted = match *pixel {
            [gray] => [gray, gray, gray, 255],
            [r, g, b] => [r, g, b, 255],
            [r, g, b, a] => [r, g, b, a],
            _ => unreachable!(),
        };
        let over_black = |sample: u8, alpha: u8| f64::from(sample) * f64::from(alpha) / 255.0;
        for i in 0..3 {
            sum += (over_black(got[i], got[3]) - over_black(wanted[i], wanted[3])).abs();
        }
    }
    sum / (f64::from(pixels.width) * f64::from(pixels.height) * 3.0)
}

fn has_magic(bytes: &[u8], format: OutputFormat) -> bool {
    match format {
        OutputFormat::Avif => &bytes[4..12] == b"ftypavif",
        OutputFormat::WebP => &bytes[..4] == b"RIFF" && &bytes[8..12] == b"WEBP",
        OutputFormat::Jpeg => bytes.starts_with(&[0xff, 0xd8, 0xff]),
        OutputFormat::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        OutputFormat::Gif => bytes.starts_with(b"GIF89a"),
        OutputFormat::Tiff => bytes.starts_with(b"II*\0"),
    }
}

/// The boxes of an AVIF file that say what it holds.
struct Avif {
    size: (u32, u32),
    items: usize,
    /// Whether the av1C of the first item says that it is monochrome.
    monochrome: bool,
}

fn parsed_avif(bytes: &[u8]) -> Avif {
    let after = |name: &[u8; 4]| {
        bytes.windows(4).position(|window| window == name).map(|at| &bytes[at + 4..]).expect("box")
    };
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
    let ispe = after(b"ispe");
    let ftyp = number(bytes) as usize;
    let meta = number(&bytes[ftyp..]) as usize;
    let mdat = &bytes[ftyp + meta..];
    assert_eq!(&mdat[4..8], b"mdat");
    assert_eq!(number(mdat) as usize, mdat.len(), "the last box ends with the file");
    Avif {
        size: (number(&ispe[4..]), number(&ispe[8..])),
        items: bytes.windows(8).filter(|window| &window[..4] == b"infe").count(),
        monochrome: after(b"av1C")[2] & 0x10 != 0,
    }
}

#[test]
fn every_format_encodes_every_layout_at_awkward_sizes() {
    for format in ALL {
        for layout in LAYOUTS {
            for (width, height) in [(1, 1), (1, 97), (97, 1), (2, 3), (63, 65), (130, 67)] {
                let pixels = picture(width, height, layout);
                let bytes = encode_at(&pixels, format, 75);
                assert!(has_magic(&bytes, format), "{format:?}");
                if format == OutputFormat::Avif {
                    assert_eq!(parsed_avif(&bytes).size, (width, height));
                } else {
                    let image = decoded(&bytes, format);
                    assert_eq!((image.width(), image.height()), (width, height), "{format:?} {layout:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_encoded_looks_like_what_was_given() {
    for (format, limit) in [
        (OutputFormat::WebP, 4.0),
        (OutputFormat::Jpeg, 4.0),
        (OutputFormat::Png, 8.0),
        (OutputFormat::Tiff, 4.0),
    ] {
        for layout in LAYOUTS {
            let pixels = picture(130, 67, layout);
            let difference = mean_difference(&pixels, &decoded(&encode_at(&pixels, format, 90), format));
            assert!(difference <= limit, "{format:?} {layout:?}: {difference}");
        }
    }
    for layout in [Layout::Luma, Layout::Rgb] {
        let pixels = picture(130, 67, layout);
        let gif = encode_at(&pixels, OutputFormat::Gif, 75);
        assert!(mean_difference(&pixels, &decoded(&gif, OutputFormat::Gif)) < 8.0);
    }
}

#[test]
fn a_higher_quality_takes_more_bytes() {
    let pixels = picture(200, 150, Layout::Rgb);
    let grows = |name: &str, sizes: Vec<usize>| {
        assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {sizes:?}");
    };
    for format in [OutputFormat::Avif, OutputFormat::WebP, OutputFormat::Jpeg, OutputFormat::Png] {
        let sizes = [10, 50, 75, 95].map(|quality| encode_at(&pixels, format, quality).len());
        grows(&format!("{format:?}"), sizes.to_vec());
    }
}

#[test]
fn png_at_100_loses_nothing() {
    for layout in LAYOUTS {
        let pixels = picture(61, 40, layout);
        let image = decoded(&encode_at(&pixels, OutputFormat::Png, 100), OutputFormat::Png);
        let samples = match layout {
            Layout::Luma => image.to_luma8().into_raw(),
            Layout::Rgb => image.to_rgb8().into_raw(),
            _ => image.to_rgba8().into_raw(),
        };
        assert_eq!(samples, pixels.data, "{layout:?}");
    }
}

#[test]
fn tiff_says_what_its_jpeg_holds() {
    for (layout, photometric, samples) in [(Layout::Luma, 1, 1), (Layout::Rgb, 6, 3), (Layout::Rgba, 6, 3)] {
        let bytes = encode_at(&picture(61, 40, layout), OutputFormat::Tiff, 75);
        assert_eq!(tiff_tag(&bytes, Tag::PhotometricInterpretation), photometric);
        assert_eq!(tiff_tag(&bytes, Tag::SamplesPerPixel), samples);
        assert_eq!((tiff_tag(&bytes, Tag::ImageWidth), tiff_tag(&bytes, Tag::ImageLength)), (61, 40));
    }
}

#[test]
fn png_takes_as_few_bits_as_its_colors_need() {
    for (colors, depth) in [(2, 1), (3, 2), (4, 2), (16, 4), (17, 8)] {
        let data = (0..64 * 8u32).flat_map(|i| [(i % colors * 13) as u8, 200, 0]).collect();
        let pixels = Pixels { data, width: 64, height: 8, layout: Layout::Rgb };
        let bytes = encode_at(&pixels, OutputFormat::Png, 99);
        assert_eq!((bytes[24], bytes[25]), (depth, 3), "{colors} colors");
        assert!(mean_difference(&pixels, &decoded(&bytes, OutputFormat::Png)) < 1.0, "{colors} colors");
    }
}

#[test]
fn png_keeps_partial_transparency_below_quality_100() {
    let pixels = picture(90, 50, Layout::Rgba);
    let image = decoded(&encode_at(&pixels, OutputFormat::Png, 90), OutputFormat::Png).to_rgba8();
    let alphas: std::collections::HashSet<u8> = image.pixels().map(|pixel| pixel[3]).collect();
    assert!(alphas.len() > 8, "{alphas:?}");
    assert!(image.get_pixel(0, 0)[3] > 240 && image.get_pixel(89, 0)[3] < 15);
}

#[test]
fn gif_has_one_bit_of_alpha() {
    let pixels = picture(90, 50, Layout::Rgba);
    let image = decoded(&encode_at(&pixels, OutputFormat::Gif, 75), OutputFormat::Gif).to_rgba8();
    for (got, wanted) in image.pixels().zip(pixels.data.chunks(4)) {
        assert_eq!(got[3], if wanted[3] < 128 { 0 } else { 255 });
    }
}

#[test]
fn webp_keeps_alpha_exactly() {
    let pixels = picture(90, 50, Layout::Rgba);
    let image = decoded(&encode_at(&pixels, OutputFormat::WebP, 50), OutputFormat::WebP).to_rgba8();
    assert!(image.pixels().zip(pixels.data.chunks(4)).all(|(got, wanted)| got[3] == wanted[3]));
}

#[test]
fn jpeg_and_tiff_show_black_behind_transparency() {
    let pixels =
        Pixels { data: [250, 200, 240, 0].repeat(32 * 32), width: 32, height: 32, layout: Layout::Rgba };
    for format in [OutputFormat::Jpeg, OutputFormat::Tiff] {
        let image = decoded(&encode_at(&pixels, format, 75), format).to_rgb8();
        assert!(image.pixels().all(|pixel| pixel.0.iter().all(|&sample| sample < 3)), "{format:?}");
    }
}

#[test]
fn jpeg_of_gray_has_one_component_and_of_color_subsampled_chroma() {
    let sof = |bytes: &[u8]| {
        let at = bytes.windows(2).position(|m| m[0] == 0xff && (m[1] == 0xc0 || m[1] == 0xc2)).expect("SOF");
        (bytes[at + 1], bytes[at + 9], bytes[at + 11])
    };
    let gray = encode_at(&picture(64, 64, Layout::Luma), OutputFormat::Jpeg, 95);
    assert_eq!(sof(&gray).1, 1);
    let color = encode_at(&picture(64, 64, Layout::Rgb), OutputFormat::Jpeg, 95);
    assert_eq!(sof(&color), (0xc2, 3, 0x22), "progressive, 4:2:0 at every quality");
    let plain = EncodeOptions { mozjpeg: false, ..EncodeOptions::default() };
    let plain = encode(picture(64, 64, Layout::Rgb), OutputFormat::Jpeg, &plain, &Progress::unbounded());
    assert_eq!(sof(&plain.expect("JPEG")), (0xc0, 3, 0x22), "baseline");
    let large = Pixels { data: vec![90; 3000 * 3001], width: 3000, height: 3001, layout: Layout::Luma };
    assert_eq!(sof(&encode_at(&large, OutputFormat::Jpeg, 75)).0, 0xc0, "without the slow passes");
}

#[test]
fn opaque_alpha_costs_nothing() {
    let rgb = picture(80, 60, Layout::Rgb);
    let data = rgb.data.chunks(3).flat_map(|c| [c[0], c[1], c[2], 255]).collect();
    let rgba = Pixels { data, layout: Layout::Rgba, ..rgb };
    for format in [OutputFormat::Avif, OutputFormat::WebP, OutputFormat::Jpeg] {
        assert_eq!(encode_at(&rgba, format, 75), encode_at(&rgb, format, 75), "{format:?}");
    }
    assert_eq!(encode_at(&rgba, OutputFormat::Png, 100), encode_at(&rgb, OutputFormat::Png, 100));
}

#[test]
fn avif_is_written_in_color_in_gray_and_with_alpha() {
    let color = parsed_avif(&encode_at(&picture(70, 50, Layout::Rgb), OutputFormat::Avif, 75));
    assert_eq!((color.size, color.items, color.monochrome), ((70, 50), 1, false));
    let alpha = parsed_avif(&encode_at(&picture(70, 50, Layout::Rgba), OutputFormat::Avif, 75));
    assert_eq!((alpha.size, alpha.items), ((70, 50), 2));
    let gray = parsed_avif(&encode_at(&picture(70, 50, Layout::Luma), OutputFormat::Avif, 75));
    assert_eq!((gray.size, gray.items), ((70, 50), 1));
    assert_eq!(gray.monochrome, AvifEngine::of_build() == AvifEngine::Libaom);
}

#[test]
fn the_engine_of_the_build_can_be_named_and_says_its_version() {
    let default = encode_at(&picture(40, 40, Layout::Rgb), OutputFormat::Avif, 75);
    let named = with_engine(&picture(40, 40, Layout::Rgb), AvifEngine::of_build(), 75);
    assert_eq!(default, named.expect("AVIF"));
    let version = engine_version();
    let name = if cfg!(feature = "libaom") { "libaom 3." } else { "ravif" };
    assert!(version.starts_with(name), "{version}");
}

#[test]
fn an_engine_that_is_not_built_in_is_refused() {
    let other = if cfg!(feature = "libaom") { AvifEngine::Ravif } else { AvifEngine::Libaom };
    let refused = with_engine(&picture(8, 8, Layout::Rgb), other, 75);
    assert!(matches!(refused, Err(Error::InvalidOption(_))));
}

#[test]
fn the_same_pixels_give_the_same_bytes() {
    let pixels = picture(120, 90, Layout::Rgba);
    for format in ALL {
        assert_eq!(encode_at(&pixels, format, 60), encode_at(&pixels, format, 60), "{format:?}");
    }
}
