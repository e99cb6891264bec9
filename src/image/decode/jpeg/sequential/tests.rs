//! Whole files, against other decoders, whole and damaged.

mod damage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::*;
use crate::image::decode::jpeg::markers;
use crate::image::limits::Limits;

/// Samplings that are read here; gray is last.
const SAMPLINGS: [Option<SamplingFactor>; 5] = [
    Some(SamplingFactor::F_1_1),
    Some(SamplingFactor::F_2_1),
    Some(SamplingFactor::F_1_2),
    Some(SamplingFactor::F_2_2),
    None,
];

const SIZES: [(u16, u16); 8] = [(1, 1), (2, 3), (7, 9), (8, 8), (17, 33), (33, 16), (64, 17), (131, 83)];

/// A number that looks random from one index to the next.
fn scattered(index: usize) -> usize {
    (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// Slow colour with fine noise and some hard edges.
fn picture(width: u16, height: u16, channels: usize) -> Vec<u8> {
    samples(width, height, channels, |x, y, channel| {
        let edge = if (x / 11 + y / 7) % 5 == 0 { 70 } else { 0 };
        let slow = (x * 3 + y + channel * (x + y)) % 120;
        slow + edge + scattered((y * 997 + x) * 3 + channel) % 40
    })
}

fn samples(
    width: u16,
    height: u16,
    channels: usize,
    sample: impl Fn(usize, usize, usize) -> usize,
) -> Vec<u8> {
    let (width, height) = (usize::from(width), usize::from(height));
    let index = 0..width * height * channels;
    index.map(|at| sample(at / channels % width, at / channels / width, at % channels) as u8).collect()
}

/// A file of [`picture`] by another encoder.
fn file(sampling: Option<SamplingFactor>, size: (u16, u16), quality: u8, restart: u16) -> Vec<u8> {
    let channels = if sampling.is_some() { 3 } else { 1 };
    encoded(&picture(size.0, size.1, channels), sampling, size, quality, restart)
}

fn encoded(
    pixels: &[u8],
    sampling: Option<SamplingFactor>,
    (width, height): (u16, u16),
    quality: u8,
    restart: u16,
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    if restart > 0 {
        encoder.set_restart_interval(restart);
    }
    let color = sampling.map_or(ColorType::Luma, |_| ColorType::Rgb);
    if let Some(sampling) = sampling {
        encoder.set_sampling_factor(sampling);
    }
    encoder.encode(pixels, width, height, color).expect("a file");
    file
}

/// All rows at some eighths of the size.
fn read(file: &[u8], eighths: u16) -> Result<(usize, usize, Vec<u8>)> {
    let jpeg = markers::read(file)?;
    let progress = Progress::unbounded();
    let mut decoder = Sequential::new(&jpeg, eighths, &progress)?;
    let (width, height) = decoder.geometry.output();
    let layout = decoder.layout();
    let mut data = Vec::new();
    while let Some(band) = decoder.next_rows()? {
        assert_eq!(band.layout, layout);
        assert!(!band.data.is_empty());
        data.extend_from_slice(band.data);
        assert!(data.len() <= width * height * layout.channels(), "more rows than there are");
    }
    assert_eq!(data.len(), width * height * layout.channels());
    Ok((width, height, data))
}

/// What libjpeg's C code makes of it.
fn libjpeg(file: &[u8]) -> Vec<u8> {
    let decoder = mozjpeg::Decompress::new_mem(file).expect("a header");
    let mut started =
        decoder.to_colorspace(match markers::read(file).expect("it is whole").components.len() {
            1 => mozjpeg::ColorSpace::JCS_GRAYSCALE,
            _ => mozjpeg::ColorSpace::JCS_RGB,
        });
    let started = started.as_mut().expect("pixels");
    started.read_scanlines::<u8>().expect("rows")
}

fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (sum as f64 / a.len() as f64, differences.max().unwrap_or(0))
}

#[test]
fn pixels_are_exactly_those_of_libjpeg() {
    for sampling in SAMPLINGS {
        for size in SIZES {
            for (quality, restart) in [(30, 0), (75, 1), (85, 3), (95, 0)] {
                let file = file(sampling, size, quality, restart);
                let (.., data) = read(&file, 8).expect("an image");
                let name = format!("{sampling:?} {size:?} at {quality}, restart {restart}");
                assert_eq!(difference(&data, &libjpeg(&file)).1, 0, "{name}");
            }
        }
    }
}

#[test]
fn pixels_are_near_those_of_the_other_decoders() {
    for sampling in SAMPLINGS {
        let file = file(sampling, (131, 83), 90, 7);
        let (.., data) = read(&file, 8).expect("an image");
        let other = jpeg_decoder::Decoder::new(&file[..]).decode().expect("an image");
        // They take chroma up by other rules.
        let limit = if matches!(sampling, None | Some(SamplingFactor::F_1_1)) { 0.5 } else { 2.5 };
        let (mean, _) = difference(&data, &other);
        assert!(mean < limit, "jpeg-decoder, {sampling:?}: {mean}");
        let space = if sampling.is_some() { ColorSpace::RGB } else { ColorSpace::Luma };
        let options = DecoderOptions::default().jpeg_set_out_colorspace(space);
        let mut zune = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&file[..]), options);
        let (mean, _) = difference(&data, &zune.decode().expect("an image"));
        assert!(mean < limit, "zune-jpeg, {sampling:?}: {mean}");
    }
}

#[test]
fn files_of_mozjpeg_are_read() {
    let (width, height) = (203, 77);
    for sampling in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_size(width, height);
        // One scan, with Huffman codes of its own.
        encoder.set_fastest_defaults();
        encoder.set_optimize_coding(true);
        encoder.set_quality(80.0);
        encoder.set_chroma_sampling_pixel_sizes(sampling, sampling);
        let mut started = encoder.start_compress(Vec::new()).expect("an encoder");
        started.write_scanlines(&picture(width as u16, height as u16, 3)).expect("rows");
        let file = started.finish().expect("a file");
        assert!(supports(&markers::read(&file).expect("it is whole")), "{sampling:?}");
        assert_eq!(read(&file, 8).expect("an image").2, libjpeg(&file), "{sampling:?}");
    }
}

/// The mean over the part of the source that each pixel of the smaller picture covers.
fn boxes(data: &[u8], (width, height): (usize, usize), channels: usize, eighths: usize) -> Vec<u8> {
    let side = |length: usize| (length * eighths).div_ceil(8);
    let mut out = Vec::new();
    for y in 0..side(height) {
        for x in 0..side(width) {
            for channel in 0..channels {
                let (mut sum, mut count) = (0, 0);
                // In steps of an eighth of a pixel of the source.
                for v in (y * 64 / eighths..(y + 1) * 64 / eighths).filter(|v| v / 8 < height) {
                    for u in (x * 64 / eighths..(x + 1) * 64 / eighths).filter(|u| u / 8 < width) {
                        sum += usize::from(data[(v / 8 * width + u / 8) * channels + channel]);
                        count += 1;
                    }
                }
                out.push((sum / count) as u8);
            }
        }
    }
    out
}

#[test]
fn every_scale_shows_the_whole_picture() {
    for sampling in SAMPLINGS {
        for size in [(131, 83), (64, 48), (33, 17), (9, 8)] {
            let channels = if sampling.is_some() { 3 } else { 1 };
            let slow = samples(size.0, size.1, channels, |x, y, channel| 40 + (x + y * (channel + 1)) / 3);
            let file = encoded(&slow, sampling, size, 95, 2);
            let (width, height, whole) = read(&file, 8).expect("an image");
            for eighths in 1..8 {
                let (w, h, data) = read(&file, eighths).expect("an image");
                let eighths = usize::from(eighths);
                assert_eq!((w, h), ((width * eighths).div_ceil(8), (height * eighths).div_ceil(8)));
                let (mean, most) = difference(&data, &boxes(&whole, (width, height), channels, eighths));
                let name = format!("{sampling:?} {size:?} at {eighths}/8: {mean}, {most}");
                // Where a pixel lies half beyond the edge, what the encoder put there counts.
                assert!(mean < 1.5 && most < 16, "{name}");
            }
        }
    }
}

#[test]
fn at_an_eighth_every_pixel_is_the_mean_of_its_block() {
    for sampling in [Some(SamplingFactor::F_1_1), None] {
        let size = (64, 40);
        let file = file(sampling, size, 97, 0);
        let (width, height, whole) = read(&file, 8).expect("an image");
        let (.., data) = read(&file, 1).expect("an image");
        let channels = data.len() / 40;
        let (_, most) = difference(&data, &boxes(&whole, (width, height), channels, 1));
        assert!(most <= 3, "{sampling:?}: {most}");
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_height() {
    let held = |file: &[u8]| {
        let jpeg = markers::read(file).expect("it is whole");
        let progress = Progress::unbounded();
        let decoder = Sequential::new(&jpeg, 8, &progress).expect("a decoder");
        let samples: usize = decoder.components.iter().map(Component::memory_bytes).sum();
        let chroma: usize = decoder.chroma.rows.iter().map(Vec::len).sum();
        let all = samples + chroma + decoder.chroma.mixed.len() * 2 + decoder.out.len();
        assert!(all as u64 + (112 << 10) <= memory_bytes(&jpeg), "{all}");
        all
    };
    for sampling in SAMPLINGS {
        assert_eq!(held(&file(sampling, (131, 17), 50, 0)), held(&file(sampling, (131, 300), 50, 0)));
    }
}

#[test]
fn other_kinds_are_left_to_others() {
    let is_ours = |file: &[u8]| supports(&markers::read(file).expect("it is whole"));
    let rgb = picture(40, 30, 4);
    let encoded = |sampling, progressive, color| {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 80);
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(progressive);
        let channels = if color == ColorType::Cmyk { 4 } else { 3 };
        encoder.encode(&rgb[..40 * 30 * channels], 40, 30, color).expect("a file");
        file
    };
    let common = encoded(SamplingFactor::F_2_2, false, ColorType::Rgb);
    assert!(is_ours(&common));
    assert!(!is_ours(&encoded(SamplingFactor::F_2_2, true, ColorType::Rgb)));
    assert!(!is_ours(&encoded(SamplingFactor::F_1_1, false, ColorType::Cmyk)));
    for sampling in
        [SamplingFactor::F_4_1, SamplingFactor::F_1_4, SamplingFactor::F_4_2, SamplingFactor::F_2_4]
    {
        assert!(!is_ours(&encoded(sampling, false, ColorType::Rgb)), "{sampling:?}");
    }
    let scan = common.windows(2).position(|bytes| bytes == [0xff, 0xda]).expect("a scan");
    // Cb before Y; a table that is not there; fewer coefficients.
    for (offset, value) in [(5, 2), (6, 0x22), (12, 30)] {
        let mut other = common.clone();
        other[scan + offset] = value;
        assert!(!is_ours(&other), "{offset}");
        let progress = Progress::unbounded();
        let jpeg = markers::read(&other).expect("it is whole");
        assert!(Sequential::new(&jpeg, 8, &progress).is_err(), "{offset}");
    }
}

#[test]
fn a_job_stops_between_two_rows_of_blocks() {
    let cancelled = Arc::new(AtomicBool::new(false));
    let progress = Progress::start(&Limits::default(), Arc::clone(&cancelled));
    let file = file(None, (16, 64), 80, 0);
    let jpeg = markers::read(&file).expect("it is whole");
    let mut decoder = Sequential::new(&jpeg, 8, &progress).expect("a decoder");
    assert!(decoder.next_rows().expect("rows").is_some());
    cancelled.store(true, Ordering::Relaxed);
    assert!(matches!(decoder.next_rows(), Err(Error::Aborted)));
}

#[test]
fn rgb_is_told_from_ycbcr() {
    let file = file(Some(SamplingFactor::F_1_1), (40, 30), 90, 0);
    let (.., ycbcr) = read(&file, 8).expect("an image");
    // Adobe's segment with transform 0, in place of JFIF's.
    let jfif = 2..4 + usize::from(u16::from_be_bytes([file[4], file[5]]));
    assert_eq!(file[3], 0xe0);
    let adobe = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0";
    let rgb = [&file[..jfif.start], adobe, &file[jfif.end..]].concat();
    let (.., planes) = read(&rgb, 8).expect("an image");
    assert_eq!(planes, libjpeg(&rgb));
    assert_ne!(planes, ycbcr);
}

#[test]
fn every_level_of_simd_gives_the_same_pixels() {
    for sampling in SAMPLINGS {
        let file = file(sampling, (131, 83), 85, 0);
        let jpeg = markers::read(&file).expect("it is whole");
        let progress = Progress::unbounded();
        for eighths in 1..=8 {
            let (.., best) = read(&file, eighths).expect("an image");
            for level in levels() {
                let mut decoder = Sequential::new(&jpeg, eighths, &progress).expect("a decoder");
                decoder.level = level;
                let mut data = Vec::new();
                while let Some(band) = decoder.next_rows().expect("rows") {
                    data.extend_from_slice(band.data);
                }
                assert!(data == best, "{sampling:?} at {eighths}/8, {level:?}");
            }
        }
    }
}

/// All levels that this machine has.
pub(super) fn levels() -> Vec<Level> {
    let best = Level::new();
    let mut levels = vec![best, Level::baseline()];
    #[cfg(target_arch = "x86_64")]
    {
        levels.extend(best.as_avx2().map(Level::Avx2));
        levels.extend(best.as_sse4_2().map(Level::Sse4_2));
    }
    levels
}
