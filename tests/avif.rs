//! AVIF files as encoders write them: what the header says, and that the pixels are the right ones.

mod picture;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use picture::Picture;
use unsharp::Error;
use unsharp::image::decode::{Header, Layout, Target, avif};
use unsharp::image::{Limits, Progress};

const WIDTH: u32 = 81;
const HEIGHT: u32 = 61;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/avif/{name}.avif", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn header(name: &str) -> Header {
    avif::header(&fixture(name), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn decode(name: &str) -> Picture {
    avif::decode(&fixture(name), None, &Limits::default(), &Progress::unbounded())
        .and_then(Picture::of)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The picture that all fixtures show, RGBA.
fn ramp(x: u32, y: u32, width: u32, height: u32) -> [u8; 4] {
    let part = |value: u32, of: u32| (255.0 * f64::from(value) / f64::from(of)).round() as u32;
    let (red, green) = (part(x, width - 1), part(y, height - 1));
    let alpha = part(x + y, width + height - 2);
    [red, green, 255 - u32::midpoint(red, green), alpha].map(|sample| sample as u8)
}

/// Mean and largest difference to what `expected` gives for each pixel.
fn difference(decoded: &Picture, expected: impl Fn(u32, u32) -> Vec<u8>) -> (f64, u8) {
    let pixels = &decoded.pixels;
    let channels = pixels.layout.channels();
    assert_eq!(pixels.data.len(), pixels.width as usize * pixels.height as usize * channels);
    let (mut sum, mut largest) = (0, 0);
    for (pixel, index) in pixels.data.chunks_exact(channels).zip(0u32..) {
        let expected = expected(index % pixels.width, index / pixels.width);
        assert_eq!(expected.len(), channels);
        for (&sample, &expected) in pixel.iter().zip(&expected) {
            sum += u64::from(sample.abs_diff(expected));
            largest = largest.max(sample.abs_diff(expected));
        }
    }
    (sum as f64 / pixels.data.len() as f64, largest)
}

fn luma(rgba: [u8; 4]) -> u8 {
    let [red, green, blue, _] = rgba.map(f64::from);
    (0.299 * red + 0.587 * green + 0.114 * blue).round() as u8
}

#[test]
fn colour_comes_out_right_for_every_depth_range_matrix_and_chroma_layout() {
    for name in [
        "420-8",
        "420-10",
        "420-12",
        "422-8",
        "422-10",
        "422-12",
        "444-8",
        "444-10",
        "444-12",
        "420-8-limited",
        "444-10-limited",
        "bt709",
        "bt2020-ncl",
        "ycgco",
        "sharp-444-8",
        "exif-6",
    ] {
        let decoded = decode(name);
        assert_eq!((decoded.pixels.width, decoded.pixels.height), (WIDTH, HEIGHT), "{name}");
        assert_eq!(decoded.pixels.layout, Layout::Rgb, "{name}");
        let (mean, largest) = difference(&decoded, |x, y| ramp(x, y, WIDTH, HEIGHT)[..3].to_vec());
        assert!(mean < 2.5 && largest < 16, "{name}: mean {mean}, largest {largest}");
    }
}

/// Decoded for a result that is `times` smaller in both directions.
fn decode_for(name: &str, times: u32) -> Picture {
    let target = Some(Target { width: WIDTH / times, height: HEIGHT / times });
    avif::decode(&fixture(name), target, &Limits::default(), &Progress::unbounded())
        .and_then(Picture::of)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The mean of the pixels that lie in the square of `by` px at `x`, `y`.
fn mean_of_square(whole: &Picture, by: u32, x: u32, y: u32) -> Vec<u8> {
    let channels = whole.pixels.layout.channels();
    let places =
        (0..by * by).map(|at| ((x * by + at % by).min(WIDTH - 1), (y * by + at / by).min(HEIGHT - 1)));
    let pixels = places.map(|(x, y)| &whole.pixels.data[(y * WIDTH + x) as usize * channels..][..channels]);
    let sums = pixels.fold(vec![0; channels], |mut sums, pixel| {
        sums.iter_mut().zip(pixel).for_each(|(sum, &sample)| *sum += u32::from(sample));
        sums
    });
    sums.into_iter().map(|sum| (sum as f32 / (by * by) as f32).round() as u8).collect()
}

#[test]
fn for_a_much_smaller_result_a_picture_comes_out_as_the_means_of_its_squares() {
    for name in [
        "400-8",
        "400-10",
        "420-8",
        "420-10",
        "420-12",
        "420-8-limited",
        "422-8",
        "422-12",
        "444-8",
        "444-10-limited",
        "444-12",
        "bt2020-ncl",
        "identity",
        "ycgco",
        "exif-6",
    ] {
        let whole = decode(name);
        for (times, by) in [(3, 1), (4, 2), (8, 4), (16, 8), (40, 16)] {
            let small = decode_for(name, times);
            let Picture { source_width, source_height, pixels, .. } = &small;
            assert_eq!(pixels.layout, whole.pixels.layout, "{name} by {by}");
            assert_eq!(
                (pixels.width, pixels.height),
                (WIDTH.div_ceil(by), HEIGHT.div_ceil(by)),
                "{name} by {by}"
            );
            let exact = (f64::from(WIDTH) / f64::from(by), f64::from(HEIGHT) / f64::from(by));
            assert_eq!((*source_width, *source_height), exact, "{name} by {by}");
            let (mean, largest) = difference(&small, |x, y| mean_of_square(&whole, by, x, y));
            assert!(mean < 1.0 && largest <= 6, "{name} by {by}: mean {mean}, largest {largest}");
        }
    }
}

#[test]
fn what_is_transparent_keeps_its_size_for_a_result_of_any() {
    for name in ["alpha-8", "alpha-10", "alpha-premultiplied"] {
        let small = decode_for(name, 8);
        assert_eq!((small.pixels.width, small.pixels.height), (WIDTH, HEIGHT), "{name}");
        assert_eq!(small.pixels.layout, Layout::Rgba, "{name}");
    }
}

#[test]
fn lossless_identity_is_exact() {
    assert_eq!(difference(&decode("identity"), |x, y| ramp(x, y, WIDTH, HEIGHT)[..3].to_vec()), (0.0, 0));
}

#[test]
fn monochrome_becomes_gray_and_limited_range_is_stretched() {
    for name in ["400-8", "400-10", "400-8-limited"] {
        let decoded = decode(name);
        assert_eq!(decoded.pixels.layout, Layout::Luma, "{name}");
        let (mean, largest) = difference(&decoded, |x, y| vec![luma(ramp(x, y, WIDTH, HEIGHT))]);
        assert!(mean < 1.0 && largest < 6, "{name}: mean {mean}, largest {largest}");
    }
}

#[test]
fn alpha_is_straight_and_of_any_depth() {
    for name in ["alpha-8", "alpha-10", "sharp-alpha"] {
        assert!(header(name).has_alpha, "{name}");
        let decoded = decode(name);
        assert_eq!(decoded.pixels.layout, Layout::Rgba, "{name}");
        // What lies under full transparency is the encoder's choice.
        let (mean, _) = difference(&decoded, |x, y| ramp(x, y, WIDTH, HEIGHT).to_vec());
        assert!(mean < 2.0, "{name}: mean {mean}");
        for (pixel, index) in decoded.pixels.data.chunks_exact(4).zip(0u32..) {
            let expected = ramp(index % WIDTH, index / WIDTH, WIDTH, HEIGHT)[3];
            assert!(pixel[3].abs_diff(expected) <= 4, "{name}: alpha {} at {index}", pixel[3]);
        }
    }
}

#[test]
fn gray_with_alpha_becomes_rgba() {
    let decoded = decode("alpha-400");
    assert_eq!(decoded.pixels.layout, Layout::Rgba);
    let (mean, _) = difference(&decoded, |x, y| {
        let rgba = ramp(x, y, WIDTH, HEIGHT);
        vec![luma(rgba), luma(rgba), luma(rgba), rgba[3]]
    });
    assert!(mean < 2.0, "mean {mean}");
}

#[test]
fn premultiplied_colour_is_divided_by_its_alpha() {
    let decoded = decode("alpha-premultiplied");
    for (pixel, index) in decoded.pixels.data.chunks_exact(4).zip(0u32..) {
        let expected = ramp(index % WIDTH, index / WIDTH, WIDTH, HEIGHT);
        // The fewer levels of alpha, the coarser is what can be had back.
        if expected[3] >= 64 {
            for (&sample, expected) in pixel.iter().zip(expected) {
                assert!(sample.abs_diff(expected) <= 24, "{pixel:?} for {expected:?} at {index}");
            }
        }
    }
}

#[test]
fn an_opaque_alpha_plane_is_left_out() {
    assert!(header("sequence").has_alpha);
    assert_eq!(decode("sequence").pixels.layout, Layout::Rgb);
}

#[test]
fn a_grid_is_put_together() {
    let decoded = decode("grid-2x2");
    assert_eq!((decoded.pixels.width, decoded.pixels.height), (128, 128));
    let (mean, largest) = difference(&decoded, |x, y| ramp(x, y, 128, 128)[..3].to_vec());
    assert!(mean < 2.5 && largest < 16, "mean {mean}, largest {largest}");
}

#[test]
fn turns_and_mirrors_are_left_to_the_caller_as_an_exif_orientation() {
    let original = fixture("irot1-imir0");
    let position = |kind: &[u8]| original.windows(4).position(|window| window == kind).unwrap() + 4;
    let (angle_at, axis_at) = (position(b"irot"), position(b"imir"));
    // What sharp makes of the same files.
    for (angle, axis, orientation) in
        [(0, 0, 4), (1, 0, 5), (2, 0, 2), (3, 0, 7), (0, 1, 2), (1, 1, 7), (2, 1, 4), (3, 1, 5)]
    {
        let mut file = original.clone();
        (file[angle_at], file[axis_at]) = (angle, axis);
        let header = avif::header(&file, &Limits::default()).unwrap();
        let progress = Progress::unbounded();
        let decoded = avif::decode(&file, None, &Limits::default(), &progress).unwrap();
        assert_eq!(header.orientation, orientation, "irot {angle}, imir {axis}");
        assert_eq!(decoded.orientation, orientation, "irot {angle}, imir {axis}");
        assert_eq!((header.width, header.height), (WIDTH, HEIGHT), "sizes are those before orientation");
    }
}

#[test]
fn an_exif_orientation_counts_for_nothing() {
    let file = fixture("exif-6");
    assert!(file.windows(4).any(|window| window == b"MM\0*"), "the fixture has Exif");
    assert_eq!(header("exif-6").orientation, 1);
    assert_eq!(decode("exif-6").orientation, 1);
}

#[test]
fn a_clean_aperture_is_cut_out() {
    let header = header("clap");
    assert_eq!((header.width, header.height), (51, 33));
    let decoded = decode("clap");
    assert_eq!((decoded.pixels.width, decoded.pixels.height), (51, 33));
    let (mean, largest) = difference(&decoded, |x, y| ramp(x + 10, y + 6, WIDTH, HEIGHT)[..3].to_vec());
    assert!(mean < 2.5 && largest < 16, "mean {mean}, largest {largest}");
}

#[test]
fn an_embedded_profile_is_handed_on() {
    let icc = decode("icc-p3").icc.expect("a profile");
    assert!(fixture("icc-p3").windows(icc.len()).any(|window| window == icc), "byte for byte");
}

#[test]
fn display_p3_by_code_points_alone_comes_with_a_profile_that_says_so() {
    use moxcms::{ColorProfile, Layout, TransformOptions};
    let profile = ColorProfile::new_from_slice(&decode("cicp-p3").icc.expect("a profile")).unwrap();
    let transform = |from: &ColorProfile| {
        let to = ColorProfile::new_srgb();
        let transform =
            from.create_transform_8bit(Layout::Rgb, &to, Layout::Rgb, TransformOptions::default()).unwrap();
        let mut pixel = [0; 3];
        transform.transform(&[200, 100, 100], &mut pixel).unwrap();
        pixel
    };
    assert_eq!(transform(&profile), transform(&ColorProfile::new_display_p3()));
    assert_ne!(transform(&profile), [200, 100, 100]);
}

#[test]
fn srgb_by_code_points_needs_no_profile() {
    for name in ["420-8", "bt709", "identity", "400-8"] {
        assert_eq!(decode(name).icc, None, "{name}");
    }
}

#[test]
fn the_header_says_what_decoding_gives() {
    for (name, depth, animated) in [
        ("420-8", 8, false),
        ("444-10", 10, false),
        ("422-12", 12, false),
        ("400-10", 10, false),
        ("alpha-8", 8, false),
        ("grid-2x2", 8, false),
        ("clap", 8, false),
        ("sequence", 8, true),
    ] {
        let (header, decoded) = (header(name), decode(name));
        assert_eq!((header.width, header.height), (decoded.pixels.width, decoded.pixels.height), "{name}");
        assert_eq!((header.depth, header.animated), (depth, animated), "{name}");
        assert_eq!(header.orientation, decoded.orientation, "{name}");
        assert!((decoded.source_width - f64::from(decoded.pixels.width)).abs() < f64::EPSILON, "{name}");
        assert!((decoded.source_height - f64::from(decoded.pixels.height)).abs() < f64::EPSILON, "{name}");
    }
}

#[test]
fn limits_are_those_of_the_claimed_size() {
    let file = fixture("420-8");
    let exactly = Limits { max_pixels: u64::from(WIDTH * HEIGHT), ..Limits::default() };
    assert!(avif::decode(&file, None, &exactly, &Progress::unbounded()).is_ok());
    let less = Limits { max_pixels: exactly.max_pixels - 1, ..exactly };
    let refused =
        Error::TooManyPixels { width: WIDTH.into(), height: HEIGHT.into(), max_pixels: less.max_pixels };
    assert_eq!(avif::header(&file, &less).unwrap_err(), refused);
    assert_eq!(avif::decode(&file, None, &less, &Progress::unbounded()).map(drop), Err(refused));
    let bytes = Limits { max_bytes: file.len() as u64 - 1, ..Limits::default() };
    assert!(matches!(avif::header(&file, &bytes), Err(Error::TooManyBytes(_))));
}

#[test]
fn a_cancelled_job_stops() {
    let cancelled = Progress::start(&Limits::default(), Arc::new(AtomicBool::new(true)));
    let stopped = avif::decode(&fixture("420-8"), None, &Limits::default(), &cancelled).map(drop);
    assert_eq!(stopped, Err(Error::Aborted));
}

#[test]
fn what_is_not_avif_is_not_an_image() {
    let mut heic = fixture("420-8");
    let brands = u32::from_be_bytes(heic[..4].try_into().unwrap()) as usize;
    for brand in heic[8..brands].chunks_exact_mut(4).filter(|brand| *brand == b"avif") {
        brand.copy_from_slice(b"heic");
    }
    for input in [&b""[..], b"GIF89a", b"\0\0\0\x08ftyp", &heic] {
        let error = avif::header(input, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::NotAnImage(_) | Error::Decode(_)), "{error}");
    }
    assert!(matches!(avif::header(&heic, &Limits::default()), Err(Error::NotAnImage(_))));
}
