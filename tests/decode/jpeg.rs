//! JPEG: color models, sampling, scans, and what stands around them.

use jpeg_encoder::{ColorType, SamplingFactor};
use unsharp::Error;
use unsharp::image::decode::Layout;

use crate::make::jpeg::{self, Jpeg};
use crate::make::{self, profile};
use crate::{assert_near, decoded, mean_difference, optimized};

const WIDTH: u32 = 75;
const HEIGHT: u32 = 53;
/// Some ways to subsample only go wrong in images of many MCUs.
const LARGE: (u32, u32) = (1001, 667);

#[test]
fn baseline_and_progressive_at_every_sampling() {
    use SamplingFactor as F;
    let rgb = make::rgb(WIDTH, HEIGHT);
    for progressive in [false, true] {
        for (sampling, tolerance) in [
            (F::F_1_1, 1.5),
            (F::F_2_1, 3.0),
            (F::F_1_2, 3.0),
            (F::F_2_2, 3.0),
            (F::F_4_1, 6.0),
            (F::F_4_2, 6.0),
            (F::F_1_4, 6.0),
            (F::F_2_4, 6.0),
        ] {
            for restart in [None, Some(1), Some(7)] {
                let file =
                    Jpeg { sampling, progressive, restart, ..Jpeg::default() }.file(&rgb, WIDTH, HEIGHT);
                let pixels = decoded(&file).expect("an image").pixels;
                let difference = mean_difference(&pixels.data, &rgb);
                assert_eq!(pixels.layout, Layout::Rgb);
                assert!(difference < tolerance, "{sampling:?} {progressive} {restart:?}: {difference}");
            }
        }
    }
}

#[test]
fn rare_samplings_keep_their_colors_in_large_images() {
    use SamplingFactor as F;
    let (width, height) = LARGE;
    let rgb = make::rgb(width, height);
    for sampling in [F::F_4_1, F::F_4_2, F::F_1_4, F::F_2_4] {
        let file = Jpeg { sampling, ..Jpeg::default() }.file(&rgb, width, height);
        let difference = mean_difference(&decoded(&file).expect("an image").pixels.data, &rgb);
        assert!(difference < 6.0, "{sampling:?}: {difference}");
    }
}

#[test]
fn gray_has_one_sample() {
    let gray = make::gray(WIDTH, HEIGHT);
    for progressive in [false, true] {
        let jpeg = Jpeg { color: ColorType::Luma, progressive, ..Jpeg::default() };
        let pixels = decoded(&jpeg.file(&gray, WIDTH, HEIGHT)).expect("an image").pixels;
        assert_eq!(pixels.layout, Layout::Luma);
        assert!(mean_difference(&pixels.data, &gray) < 1.5);
    }
}

#[test]
fn inks_have_adobes_polarity_with_and_without_its_marker() {
    let cmyk = make::cmyk(WIDTH, HEIGHT);
    for progressive in [false, true] {
        for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
            let file = Jpeg { color, progressive, ..Jpeg::default() }.file(&cmyk, WIDTH, HEIGHT);
            let pixels = decoded(&file).expect("an image").pixels;
            assert_eq!(pixels.layout, Layout::Cmyk);
            let difference = mean_difference(&pixels.data, &cmyk);
            assert!(difference < 2.0, "{color:?} {progressive}: {difference}");
        }
        // sharp inverts these, too.
        let file = Jpeg { color: ColorType::Cmyk, progressive, ..Jpeg::default() }.file(&cmyk, WIDTH, HEIGHT);
        let bare = decoded(&jpeg::without(&file, 0xee)).expect("an image").pixels;
        assert_eq!(bare, decoded(&file).expect("an image").pixels);
    }
}

#[test]
fn inks_become_the_colors_that_sharp_shows() {
    // Read off sharp 0.35.5 for the profile of `make::profile::press`, and for its own default.
    for (inks, with_profile, without) in [
        ([0, 0, 0, 0], [255, 255, 255], [255, 255, 255]),
        ([255, 0, 0, 0], [0, 150, 218], [0, 153, 227]),
        ([0, 255, 0, 0], [216, 38, 130], [234, 0, 128]),
        ([0, 0, 255, 0], [249, 226, 23], [255, 240, 0]),
        ([0, 0, 0, 255], [23, 23, 23], [20, 5, 0]),
        ([255, 255, 255, 0], [103, 33, 6], [33, 17, 31]),
    ] {
        let flat = inks.repeat(16 * 16);
        for (icc, wanted) in [(profile::press(), with_profile), (Vec::new(), without)] {
            for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
                let name = format!("{inks:?} {color:?}, {} bytes of profile", icc.len());
                let file = Jpeg { color, icc: icc.clone(), ..Jpeg::default() }.file(&flat, 16, 16);
                let shown = decoded(&optimized(&file, 16).expect("an image").data).expect("our own").pixels;
                // A gray result may come out as one sample.
                let pixel = if shown.layout == Layout::Luma {
                    [shown.data[0]; 3].to_vec()
                } else {
                    shown.data[..3].to_vec()
                };
                assert_near(&name, &pixel, &wanted, 5);
            }
        }
    }
}

#[test]
fn a_profile_of_other_channels_is_ignored() {
    let rgb = make::rgb(WIDTH, HEIGHT);
    let with = |icc: Vec<u8>| {
        let file = Jpeg { icc, ..Jpeg::default() }.file(&rgb, WIDTH, HEIGHT);
        optimized(&file, WIDTH).expect("an image").data
    };
    let plain = with(Vec::new());
    assert_eq!(with(profile::press()), plain);
    assert_eq!(with(profile::gray_gamma_1()), plain);
    assert_ne!(with(profile::display_p3()), plain);
}

#[test]
fn a_profile_in_several_segments_needs_them_all() {
    let rgb = make::rgb(16, 16);
    let file = Jpeg::default().file(&rgb, 16, 16);
    let icc = profile::display_p3();
    let (head, tail) = icc.split_at(icc.len() / 2);
    let part =
        |number: u8, count: u8, bytes: &[u8]| [&b"ICC_PROFILE\0"[..], &[number, count], bytes].concat();
    let add = |file: &[u8], body: &[u8]| jpeg::with_segment(file, 0xe2, body);
    // The later call puts its segment first.
    let whole = add(&add(&file, &part(1, 2, head)), &part(2, 2, tail));
    assert_eq!(decoded(&whole).expect("an image").icc, Some(icc.clone()));
    let partial = add(&file, &part(1, 2, head));
    assert_eq!(decoded(&partial).expect("an image").icc, None);
    let twice = add(&partial, &part(1, 2, head));
    assert_eq!(decoded(&twice).expect("an image").icc, None);
}

#[test]
fn bytes_after_the_end_are_ignored() {
    let rgb = make::rgb(WIDTH, HEIGHT);
    let file = Jpeg::default().file(&rgb, WIDTH, HEIGHT);
    let expected = decoded(&file).expect("an image").pixels;
    for tail in [&b"\0"[..], b"junk", &[0xff; 300], &file] {
        let longer = [&file, tail].concat();
        assert_eq!(decoded(&longer).expect("an image").pixels, expected);
    }
}

#[test]
fn a_missing_end_is_damage() {
    for progressive in [false, true] {
        let file = Jpeg { progressive, ..Jpeg::default() }.file(&make::rgb(WIDTH, HEIGHT), WIDTH, HEIGHT);
        assert!(matches!(decoded(&file[..file.len() - 2]), Err(Error::Decode(_))));
    }
}

#[test]
fn the_first_exif_counts() {
    let file = Jpeg::default().file(&make::rgb(32, 16), 32, 16);
    let exif = |orientation: u16| [&b"Exif\0\0"[..], &make::exif(orientation, true)].concat();
    let second = jpeg::with_segment(&file, 0xe1, &exif(3));
    let both = jpeg::with_segment(&second, 0xe1, &exif(6));
    assert_eq!(decoded(&both).expect("an image").orientation, 6);
    let impossible = jpeg::with_segment(&file, 0xe1, &exif(9));
    assert_eq!(decoded(&impossible).expect("an image").orientation, 1);
}

#[test]
fn other_coding_processes_are_refused() {
    let file = Jpeg::default().file(&make::rgb(16, 16), 16, 16);
    let (_, at, _) = jpeg::segments(&file).into_iter().find(|(marker, ..)| *marker == 0xc0).expect("SOF0");
    for marker in [0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf] {
        let mut other = file.clone();
        other[at + 1] = marker;
        assert!(matches!(decoded(&other), Err(Error::Decode(_))), "{marker:x}");
    }
    let mut twelve_bits = file;
    twelve_bits[at + 4] = 12;
    assert!(matches!(decoded(&twelve_bits), Err(Error::Decode(_))));
}
