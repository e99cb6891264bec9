//! Against image-webp, which decodes the same files in one go.

use image_webp::vp8::Vp8Decoder;
use libwebp_sys::WebPConfig;

use super::*;
use crate::image::decode::Pixels;
use crate::image::encode::webp::encode_with;

/// Edges, slopes and noise, so that every mode and filter has something to do.
fn picture(width: u32, height: u32, seed: u32) -> Pixels {
    let mut state = seed;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) * u32::from(x / 24 % 2 == 1) / 8;
            let edge = if (x + 2 * y) / 19 % 3 == 0 { 90 } else { 0 };
            data.extend([x * 3 + noise, y * 2 + edge, u32::midpoint(x, y) + edge].map(|level| level as u8));
        }
    }
    Pixels { data, width, height, layout: Layout::Rgb }
}

fn encoded(pixels: Pixels, settings: impl FnOnce(&mut WebPConfig)) -> Vec<u8> {
    let file = encode_with(pixels, settings, &Progress::unbounded()).expect("a WebP");
    // A lossy picture without alpha is one chunk behind 20 bytes.
    file[20..].to_vec()
}

/// All that libwebp can be told about what the decoder has to do.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let small = || picture(75, 53, 1);
    let mut kinds: Vec<(&str, Vec<u8>)> = vec![
        ("defaults", encoded(small(), |_| {})),
        ("coarse", encoded(small(), |config| config.quality = 3.0)),
        ("fine", encoded(small(), |config| config.quality = 100.0)),
        ("no filter", encoded(small(), |config| config.filter_strength = 0)),
        ("simple filter", encoded(small(), |config| (config.filter_type, config.filter_strength) = (0, 80))),
        ("sharp", encoded(small(), |config| (config.filter_sharpness, config.filter_strength) = (3, 60))),
        ("sharpest", encoded(small(), |config| (config.filter_sharpness, config.filter_strength) = (7, 100))),
        ("one segment", encoded(small(), |config| config.segments = 1)),
        ("four segments", encoded(picture(300, 200, 2), |config| config.sns_strength = 100)),
        ("partitions", encoded(picture(120, 150, 3), |config| config.partitions = 3)),
        ("fast", encoded(small(), |config| config.method = 0)),
        ("slow", encoded(small(), |config| config.method = 6)),
    ];
    for size in [(1, 1), (2, 1), (1, 2), (16, 16), (17, 16), (16, 17), (33, 1), (3, 40), (31, 66)] {
        kinds.push(("size", encoded(picture(size.0, size.1, 4), |_| {})));
    }
    kinds
}

struct Planes {
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
    rgb: Vec<u8>,
}

/// Rows as they become final, whole macroblocks wide.
fn decoded(data: &[u8], level: Level) -> Result<Planes> {
    let progress = Progress::unbounded();
    let mut lossy = Lossy::new(data, None, &progress)?;
    lossy.level = level;
    let mut planes = Planes { luma: Vec::new(), chroma: [Vec::new(), Vec::new()], rgb: Vec::new() };
    loop {
        let from = lossy.done;
        match lossy.next_rows()? {
            Some(band) => planes.rgb.extend_from_slice(band.data),
            None => return Ok(planes),
        }
        let (first, stride) = ((lossy.row - 1) * 16, lossy.window.stride);
        for y in from..lossy.done {
            planes.luma.extend_from_slice(&lossy.window.luma[(y + KEPT - first) * stride..][..stride]);
            if y % 2 == 0 {
                let at = (y / 2 + KEPT / 2 - first / 2) * stride / 2;
                for (plane, rows) in planes.chroma.iter_mut().zip(&lossy.window.chroma) {
                    plane.extend_from_slice(&rows[at..at + stride / 2]);
                }
            }
        }
    }
}

#[test]
fn every_sample_is_that_of_another_decoder() {
    for (name, data) in kinds() {
        let expected = Vp8Decoder::decode_frame(&data[..]).expect("image-webp reads it");
        for level in [Level::new(), Level::baseline()] {
            let planes = decoded(&data, level).expect("a picture");
            let size = (expected.width, expected.height);
            assert!(planes.luma == expected.ybuf[..planes.luma.len()], "luma, {name} {size:?}");
            assert!(planes.chroma[0] == expected.ubuf[..planes.chroma[0].len()], "Cb, {name} {size:?}");
            assert!(planes.chroma[1] == expected.vbuf[..planes.chroma[1].len()], "Cr, {name} {size:?}");
            let rows = (usize::from(size.1), usize::from(size.1).div_ceil(2));
            let stride = usize::from(size.0).next_multiple_of(16);
            assert_eq!(planes.luma.len(), rows.0 * stride);
            assert_eq!(planes.chroma[0].len(), rows.1 * stride / 2);
        }
    }
}

#[test]
fn pixels_are_those_of_another_decoder_but_for_rounding() {
    for (name, data) in kinds() {
        let file = [&b"RIFF\0\0\0\0WEBPVP8 "[..], &(data.len() as u32).to_le_bytes(), &data].concat();
        let mut file = file;
        let size = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file)).expect("a file");
        let mut expected = vec![0; decoder.output_buffer_size().expect("a size")];
        decoder.read_image(&mut expected).expect("pixels");
        let got = decoded(&data, Level::new()).expect("a picture").rgb;
        assert_eq!(got.len(), expected.len(), "{name}");
        let far = got.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(far <= Some(3), "{name}: {far:?}");
    }
}

#[test]
fn a_file_that_ends_early_is_an_error_wherever_it_ends() {
    for (name, data) in kinds() {
        // The encoder ends with bytes that no bit needs.
        let end = data.len().saturating_sub(4);
        for length in (0..end).step_by(1 + data.len() / 60) {
            assert!(decoded(&data[..length], Level::new()).is_err(), "{name}: {length} of {}", data.len());
        }
    }
}

#[test]
fn damage_is_no_panic() {
    let mut state = 9_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for (_, data) in kinds() {
        for round in 0..60 {
            let mut damaged = data.clone();
            // Sides stay small; everything else may change, the header most often.
            for _ in 0..=round % 4 {
                let end = if round % 2 == 0 { data.len().min(60) } else { data.len() };
                let at = random(end);
                if !(6..10).contains(&at) {
                    damaged[at] = random(256) as u8;
                }
            }
            let level = if round % 2 == 0 { Level::new() } else { Level::baseline() };
            let _ = decoded(&damaged, level);
        }
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_height() {
    let progress = Progress::unbounded();
    let data = |height| encoded(picture(64, height, 5), |_| {});
    let (low, high) = (data(32), data(2000));
    let held = |data: &[u8]| {
        let lossy = Lossy::new(data, None, &progress).expect("a header");
        lossy.out.len() + lossy.window.luma.len() + lossy.window.chroma[0].len() * 2
    };
    assert_eq!(held(&low), held(&high));
    assert!(held(&high) as u64 <= memory_bytes(64, false));
}

#[test]
fn frames_of_videos_and_pictures_without_pixels_are_refused() {
    let data = encoded(picture(20, 20, 6), |_| {});
    for (at, value) in [(0, data[0] | 1), (0, data[0] & !0x10), (0, data[0] | 0x08), (3, 0), (4, 0), (5, 0)] {
        let mut other = data.clone();
        other[at] = value;
        assert!(decoded(&other, Level::new()).is_err(), "byte {at} as {value}");
    }
    let mut empty = data;
    empty[6..8].fill(0);
    assert!(decoded(&empty, Level::new()).is_err());
}
