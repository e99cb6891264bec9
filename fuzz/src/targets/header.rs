//! What is read before anything is decoded: containers, EXIF, ICC profiles.

use unsharp::image::decode::{self, Layout};
use unsharp::image::{Format, Inspected, Pixels, color, inspect as inspect_image};

use super::decode::{FIXED_BYTES, LIMITS, check_error, check_pixels};
use crate::memory;

pub fn inspect(data: &[u8]) {
    match inspect_image(data, &LIMITS) {
        Ok(Inspected::Image(job)) => assert!(!job.header.animated && !job.format.is_bypass()),
        Ok(Inspected::Bypass { .. }) => {}
        Err(error) => check_error(&error),
    }
}

pub fn jpeg(data: &[u8]) {
    header(data, Format::Jpeg);
}

pub fn png(data: &[u8]) {
    header(data, Format::Png);
}

pub fn webp(data: &[u8]) {
    header(data, Format::WebP);
}

pub fn tiff(data: &[u8]) {
    header(data, Format::Tiff);
}

pub fn avif(data: &[u8]) {
    header(data, Format::Avif);
}

fn header(data: &[u8], format: Format) {
    let (result, peak) = memory::peak(|| decode::header(data, format, &LIMITS));
    // It may not grow with what the header claims.
    assert!(peak <= FIXED_BYTES + 16 * data.len() as u64, "{peak} bytes of memory to read {result:?}");
    match result {
        Ok(header) => {
            let pixels = u64::from(header.width) * u64::from(header.height);
            assert!(pixels > 0 && (header.animated || pixels <= LIMITS.max_pixels), "{header:?}");
            assert!((1..=8).contains(&header.orientation), "{header:?}");
            assert!((1..=16).contains(&header.depth), "{header:?}");
        }
        Err(error) => check_error(&error),
    }
}

pub fn exif(data: &[u8]) {
    let orientation = unsharp::fuzzing::exif_orientation(data);
    assert!((1..=8).contains(&orientation), "{orientation}");
}

/// The first byte chooses the pixels, the rest is the profile.
pub fn icc(data: &[u8]) {
    let Some((choice, profile)) = data.split_first() else { return };
    let layouts = [Layout::Luma, Layout::Rgb, Layout::Rgba, Layout::Cmyk];
    let layout = layouts[usize::from(choice % 4)];
    let (width, height) = (5, 3);
    let samples = width as usize * height as usize * layout.channels();
    let data: Vec<u8> = (0..samples).map(|at| (at * 37) as u8).collect();
    let pixels = color::to_srgb(Pixels { data, width, height, layout }, Some(profile));
    check_pixels(&pixels);
    assert_eq!((pixels.width, pixels.height), (width, height));
    assert_ne!(pixels.layout, Layout::Cmyk, "an encoder would refuse it");
}
