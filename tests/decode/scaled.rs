//! JPEG decoded at a fraction of its size.

use jpeg_encoder::{ColorType, SamplingFactor};
use unsharp::image::decode::{Target, decode};
use unsharp::image::resize::resize;
use unsharp::image::{Format, Limits, Progress};

use crate::make::jpeg::Jpeg;
use crate::{decoded, make, mean_difference, optimized};

/// px; the last is too small for subsampled color at 1/8.
const SIZES: [(u32, u32); 4] = [(1001, 667), (333, 251), (209, 1203), (65, 65)];

/// Detail in all channels alike and slow color, as photographs have them.
fn photograph(width: u32, height: u32) -> Vec<u8> {
    let gray = make::gray(width, height);
    let color = |index: usize| (index as u32 % width * 60 / width, index as u32 / width * 60 / height);
    let pixel = |(index, level): (usize, &u8)| {
        let (x, y) = color(index);
        let level = u32::from(*level) * 3 / 4;
        [level + x, level + y, level + 60 - x].map(|sample| sample as u8)
    };
    gray.iter().enumerate().flat_map(pixel).collect()
}

/// The largest result that is still made from `eighths` of the size.
fn target(side: u32, eighths: u32) -> u32 {
    let margin = if eighths == 1 { 1.5 } else { 1.25 };
    ((f64::from(side * eighths) / 8.0 / margin) as u32).max(1)
}

#[test]
fn the_box_of_the_source_is_fractional() {
    for (width, height) in SIZES {
        let file = Jpeg::default().file(&make::rgb(width, height), width, height);
        for eighths in 1..=8 {
            let target = Target { width: target(width, eighths), height: target(height, eighths) };
            let target = if eighths == 8 { Target { width, height } } else { target };
            let progress = Progress::unbounded();
            let image =
                decode(&file, Format::Jpeg, Some(target), &Limits::default(), &progress).expect("an image");
            let exact = |side: u32| f64::from(side) * f64::from(eighths) / 8.0;
            assert_eq!(
                (image.source_width, image.source_height),
                (exact(width), exact(height)),
                "{width}x{height}"
            );
            assert_eq!(
                (image.width, image.height),
                ((width * eighths).div_ceil(8), (height * eighths).div_ceil(8))
            );
        }
    }
}

#[test]
fn a_scaled_decode_looks_like_a_whole_one() {
    let kinds = [
        (ColorType::Rgb, SamplingFactor::F_1_1, false),
        (ColorType::Rgb, SamplingFactor::F_2_2, false),
        (ColorType::Rgb, SamplingFactor::F_2_1, true),
        (ColorType::Luma, SamplingFactor::F_1_1, true),
        (ColorType::Cmyk, SamplingFactor::F_1_1, false),
        (ColorType::CmykAsYcck, SamplingFactor::F_1_1, true),
    ];
    for (color, sampling, progressive) in kinds {
        for &(width, height) in &SIZES[..3] {
            let pixels = match color {
                ColorType::Luma => make::gray(width, height),
                ColorType::Rgb => photograph(width, height),
                _ => make::cmyk(width, height),
            };
            let file = Jpeg { color, sampling, progressive, ..Jpeg::default() }.file(&pixels, width, height);
            for eighths in [1, 2, 4] {
                // At 1/8 subsampled chroma asks for more.
                let half = if eighths == 1 && sampling != SamplingFactor::F_1_1 { 2 } else { 1 };
                let (w, h) =
                    ((target(width, eighths) / half).max(1), (target(height, eighths) / half).max(1));
                let target = Some(Target { width: w, height: h });
                let resized = |target| {
                    let progress = Progress::unbounded();
                    let image = decode(&file, Format::Jpeg, target, &Limits::default(), &progress);
                    resize(image.expect("an image"), w, h).expect("resized")
                };
                let (part, whole) = (resized(target), resized(None));
                let difference = mean_difference(&part.data, &whole.data);
                // At 1/8 a decode is the mean of each block, which no filter makes of the whole.
                let allowed = if eighths == 1 { 2.5 } else { 2.0 };
                assert!(
                    difference < allowed,
                    "{color:?} {sampling:?} {width}x{height} at {eighths}/8: {difference}"
                );
            }
        }
    }
}

#[test]
fn results_have_the_size_that_was_planned() {
    for (width, height) in SIZES {
        for exif in [Vec::new(), make::exif(6, false)] {
            let turned = !exif.is_empty();
            let file = Jpeg { exif, ..Jpeg::default() }.file(&make::rgb(width, height), width, height);
            let (across, down) = if turned { (height, width) } else { (width, height) };
            for wanted in [1, 7, 16, 33, 64, across - 1, across, across + 100] {
                let result = optimized(&file, wanted).expect("an image");
                assert_eq!(result.width, wanted.min(across), "{width}x{height}");
                let ideal = f64::from(down) * f64::from(result.width) / f64::from(across);
                // sharp rounds the size at which it loads the image down, by up to one part of the sides.
                assert!(
                    (f64::from(result.height) - ideal).abs() <= 1.0 + ideal * 0.1,
                    "{wanted}: {}",
                    result.height
                );
                let pixels = decoded(&result.data).expect("our own").pixels;
                assert_eq!((pixels.width, pixels.height), (result.width, result.height));
            }
        }
    }
}
