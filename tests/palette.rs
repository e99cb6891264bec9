//! What a palette does to pixels, seen through PNG below quality 100 and through GIF.

use image::{ImageFormat, RgbaImage};
use unsharp::image::decode::{Layout, Pixels};
use unsharp::image::encode::{EncodeOptions, encode};
use unsharp::image::format::OutputFormat;
use unsharp::image::limits::Progress;

/// Numbers that look random and are the same everywhere (xorshift).
fn noise(mut state: u32) -> impl Iterator<Item = u8> {
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    })
}

fn rgba(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 4]) -> Pixels {
    let data = (0..height).flat_map(|y| (0..width).flat_map(|x| color(x, y)).collect::<Vec<_>>()).collect();
    Pixels { data, width, height, layout: Layout::Rgba }
}

fn file(pixels: &Pixels, format: OutputFormat, quality: u8) -> Vec<u8> {
    let options = EncodeOptions { quality, ..EncodeOptions::default() };
    encode(pixels.clone(), format, &options, &Progress::unbounded()).expect("encodes")
}

fn png(pixels: &Pixels, quality: u8) -> RgbaImage {
    read(&file(pixels, OutputFormat::Png, quality), ImageFormat::Png)
}

fn gif(pixels: &Pixels) -> RgbaImage {
    read(&file(pixels, OutputFormat::Gif, 75), ImageFormat::Gif)
}

fn read(bytes: &[u8], format: ImageFormat) -> RgbaImage {
    image::load_from_memory_with_format(bytes, format).expect("decodes").to_rgba8()
}

/// How many colors the PNG's palette has.
fn colors(png: &[u8]) -> usize {
    let at = png.windows(4).position(|name| name == b"PLTE").expect("a palette");
    u32::from_be_bytes(png[at - 4..at].try_into().expect("four bytes")) as usize / 3
}

/// The worst mean difference of a sample between both pictures, put on black and on white.
fn difference(pixels: &Pixels, image: &RgbaImage) -> f64 {
    let on = |page: f64, [r, g, b, a]: [u8; 4]| {
        let alpha = f64::from(a) / 255.0;
        [r, g, b].map(|sample| f64::from(sample) * alpha + page * (1.0 - alpha))
    };
    let mean = |page| {
        let pairs = pixels.data.as_chunks::<4>().0.iter().zip(image.pixels());
        let sums = pairs.map(|(&pixel, got)| {
            on(page, pixel).iter().zip(on(page, got.0)).map(|(a, b)| (a - b).abs()).sum::<f64>()
        });
        sums.sum::<f64>() / (pixels.data.len() / 4 * 3) as f64
    };
    mean(0.0).max(mean(255.0))
}

#[test]
fn up_to_256_colors_are_kept_exactly_at_any_quality() {
    let graphic = rgba(160, 40, |x, y| {
        let number = ((x * 7 + y * 31) % 255) as u8;
        if number == 0 { [0; 4] } else { [number, 255 - number, number.wrapping_mul(37), number] }
    });
    for quality in [1, 50, 99] {
        assert_eq!(png(&graphic, quality).as_raw(), &graphic.data, "quality {quality}");
    }
    let opaque = rgba(160, 40, |x, y| [((x * 7 + y * 31) % 256) as u8, 80, 9, 255]);
    assert_eq!(gif(&opaque).as_raw(), &opaque.data);
}

#[test]
fn all_transparent_pixels_are_one_color() {
    let pixels = rgba(64, 64, |x, y| [x as u8 * 4, y as u8 * 4, 77, if x < 32 { 0 } else { 255 }]);
    let pixels = Pixels {
        data: pixels
            .data
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|p| if p[3] == 0 { *p } else { [1, 2, 3, 255] })
            .collect(),
        ..pixels
    };
    let bytes = file(&pixels, OutputFormat::Png, 75);
    assert_eq!(colors(&bytes), 2);
    assert!(difference(&pixels, &read(&bytes, ImageFormat::Png)) < 1e-9);
}

#[test]
fn transparent_pixels_stay_transparent_and_opaque_ones_opaque() {
    let mut random = noise(7);
    for kinds in [[0, 120, 255], [0, 254, 255], [1, 120, 255], [0, 255, 255]] {
        let mut pixels = rgba(300, 300, |_, _| [0; 4]);
        for pixel in pixels.data.as_chunks_mut::<4>().0 {
            let mut next = || random.next().expect("endless");
            *pixel = [next(), next(), next(), kinds[usize::from(next() % 3)]];
        }
        for quality in [1, 75, 99] {
            for (pixel, got) in pixels.data.as_chunks::<4>().0.iter().zip(png(&pixels, quality).pixels()) {
                match pixel[3] {
                    0 => assert_eq!(got.0, [0; 4]),
                    255 => assert_eq!(got[3], 255),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_few_pixels_of_another_kind_are_not_lost() {
    // One opaque and one transparent pixel in thousands of translucent ones of thousands of colors.
    let pixels = rgba(128, 128, |x, y| match (x, y) {
        (100, 90) => [200, 10, 10, 255],
        (5, 70) => [0; 4],
        _ => [x as u8 * 2, y as u8 * 2, 60, 100 + (x / 8) as u8],
    });
    let image = png(&pixels, 50);
    assert_eq!(image.get_pixel(100, 90).0, [200, 10, 10, 255]);
    assert_eq!(image.get_pixel(5, 70).0, [0; 4]);

    let mostly_clear =
        rgba(128, 128, |x, y| if x < 120 { [x as u8; 4].map(|s| s / 2) } else { [y as u8, 9, 7, 128] });
    for (pixel, got) in mostly_clear.data.as_chunks::<4>().0.iter().zip(gif(&mostly_clear).pixels()) {
        assert_eq!(got[3], if pixel[3] < 128 { 0 } else { 255 });
    }
}

#[test]
fn soft_transparency_looks_the_same_on_black_and_on_white() {
    let shadow = rgba(320, 200, |x, y| {
        let away = ((f64::from(x) - 160.0).powi(2) + (f64::from(y) - 100.0).powi(2)) / 6000.0;
        [(x / 8) as u8, (y / 8) as u8, 30, (230.0 * (-away).exp()) as u8]
    });
    let spectrum = rgba(320, 200, |x, y| [(x * 4 / 5) as u8, y as u8, 128, ((x + y) / 3) as u8 + 40]);
    for (name, pixels) in [("shadow", shadow), ("spectrum", spectrum)] {
        let difference = difference(&pixels, &png(&pixels, 75));
        assert!(difference < 4.0, "{name}: {difference}");
    }
}

#[test]
fn flat_areas_stay_flat_and_exact_beside_a_photograph() {
    let mut random = noise(99);
    let mut pixels = rgba(256, 200, |_, y| if y < 120 { [251, 103, 17, 255] } else { [0, 0, 0, 255] });
    for pixel in &mut pixels.data.as_chunks_mut::<4>().0[256 * 120..] {
        let mut next = || random.next().expect("endless");
        *pixel = [next(), next(), next(), 255];
    }
    let image = png(&pixels, 75);
    assert!(image.pixels().take(256 * 120).all(|pixel| pixel.0 == [251, 103, 17, 255]));
}

#[test]
fn dithering_keeps_the_mean_of_an_area() {
    let pixels = rgba(256, 256, |x, y| [x as u8, y as u8, 255 - x as u8, 255]);
    let image = png(&pixels, 50);
    for (left, top) in [(0, 0), (96, 96), (192, 32), (224, 224)] {
        for channel in 0..3 {
            let mean = |sample: &dyn Fn(u32, u32) -> u8| {
                let places = (0..32).flat_map(|y| (0..32).map(move |x| (left + x, top + y)));
                places.map(|(x, y)| f64::from(sample(x, y))).sum::<f64>() / 1024.0
            };
            let wanted = mean(&|x, y| pixels.data[((y * 256 + x) * 4) as usize + channel]);
            let got = mean(&|x, y| image.get_pixel(x, y)[channel]);
            assert!((wanted - got).abs() < 4.0, "{left},{top} channel {channel}: {got} for {wanted}");
        }
    }
}

#[test]
fn a_lower_quality_takes_fewer_colors() {
    let pixels = rgba(256, 256, |x, y| [(x / 2) as u8 + 40, (y / 2) as u8 + 60, 90 + (x / 8) as u8, 255]);
    let counts = [20, 50, 75, 99].map(|quality| colors(&file(&pixels, OutputFormat::Png, quality)));
    assert!(counts.is_sorted() && counts[0] < counts[3], "{counts:?}");
}

#[test]
fn a_gray_photograph_loses_levels_and_a_gray_graphic_does_not() {
    let (width, height) = (256, 256);
    let gray = |data| Pixels { data, width, height, layout: Layout::Luma };
    let photograph = gray(noise(5).take(256 * 256).collect());
    assert!(colors(&file(&photograph, OutputFormat::Png, 50)) < 128);
    let graphic = gray((0..256 * 256u32).map(|i| (i >> 8) as u8).collect());
    assert_eq!(colors(&file(&graphic, OutputFormat::Png, 50)), 256);
}

#[test]
fn large_files_are_split_into_chunks_that_decoders_put_together() {
    let pixels =
        Pixels { data: noise(3).take(500 * 400 * 3).collect(), width: 500, height: 400, layout: Layout::Rgb };
    let bytes = file(&pixels, OutputFormat::Png, 99);
    assert!(bytes.windows(4).filter(|name| name == b"IDAT").count() > 1);
    assert_eq!(read(&bytes, ImageFormat::Png).dimensions(), (500, 400));
}

#[test]
fn the_smallest_pictures_have_palettes_too() {
    for pixel in [[0, 0, 0, 0], [9, 8, 7, 255], [9, 8, 7, 100]] {
        let pixels = rgba(1, 1, |_, _| pixel);
        assert_eq!(png(&pixels, 75).get_pixel(0, 0).0, pixel);
    }
}
