//! Through our own decoder and through image-webp.

use super::*;
use crate::image::decode::{Decoded, Layout, Pixels, webp};
use crate::image::encode::webp::{encode_with, riff};
use crate::image::limits::Limits;

struct Random(u32);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % end
    }
}

type Size = (usize, usize);

/// The level at a place.
type Level = Box<dyn FnMut(u32, u32, &mut Random) -> u32>;

/// Planes of all sorts: what compresses well, badly, and by each of the ways.
fn planes((width, height): Size, seed: u32) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random(seed);
    let mut plane = |mut level: Level| -> Vec<u8> {
        let places = (0..height as u32).flat_map(|y| (0..width as u32).map(move |x| (x, y)));
        places.map(|(x, y)| level(x, y, &mut random) as u8).collect()
    };
    let inside = |x: u32, y: u32| (x / 9 + y / 7).is_multiple_of(3);
    vec![
        ("one level", plane(Box::new(|_, _, _| 77))),
        ("two levels", plane(Box::new(move |x, y, _| if inside(x, y) { 255 } else { 0 }))),
        ("three levels at random", plane(Box::new(|_, _, random| random.below(3) * 100))),
        ("sixteen levels", plane(Box::new(|x, y, _| (x * y / 5) % 16 * 17))),
        ("seventeen levels", plane(Box::new(|x, y, _| (x * y / 5) % 17 * 15))),
        ("noise", plane(Box::new(|_, _, random| random.below(256)))),
        ("a slope", plane(Box::new(|x, y, _| (x + 2 * y) / 3))),
        ("a slope with noise", plane(Box::new(|x, y, random| x / 2 + y + random.below(5)))),
        ("what repeats", plane(Box::new(|x, y, _| (x % 23 * 37) ^ (y % 19 * 11)))),
        ("shapes in what is clear", {
            plane(Box::new(move |x, y, random| if inside(x, y) { 90 + random.below(120) } else { 0 }))
        }),
        ("mostly clear", plane(Box::new(|_, _, random| random.below(60).saturating_sub(58) * 200))),
        ("every kind in its place", {
            plane(Box::new(|x, y, random| match (x / 40 + y / 40) % 4 {
                0 => random.below(256),
                1 => 255,
                2 => x * 5 + y * 3,
                _ => random.below(4) * 80,
            }))
        }),
    ]
}

const SIZES: [Size; 14] = [
    (1, 1),
    (2, 1),
    (1, 2),
    (1, 40),
    (40, 1),
    (3, 3),
    (8, 200),
    (16, 16),
    (17, 33),
    (75, 53),
    (131, 64),
    (300, 7),
    (257, 290),
    (16_383, 5),
];

/// A lossy picture with this plane of alpha, over gray.
fn file(plane: &[u8], (width, height): Size) -> Vec<u8> {
    let alpha = encode(plane.to_vec(), width, &Progress::unbounded()).expect("nobody stops it");
    let size = (width as u32, height as u32);
    let gray = Pixels { data: vec![128; plane.len()], width: size.0, height: size.1, layout: Layout::Luma };
    let picture = encode_with(gray, |config| config.method = 0, &Progress::unbounded()).expect("a picture");
    riff::with_alpha(&picture, &alpha, size).expect("a file")
}

/// Alpha by ourselves.
fn decoded(file: &[u8]) -> Vec<u8> {
    let (limits, progress) = (Limits::default(), Progress::unbounded());
    let mut pixels = webp::decode(file, &limits, &progress).and_then(Decoded::collect).expect("a picture");
    pixels.layout.turn(&mut pixels.data, Layout::Rgba).expect("it fits");
    pixels.data.into_iter().skip(3).step_by(4).collect()
}

/// Alpha by image-webp.
fn decoded_elsewhere(file: &[u8]) -> Vec<u8> {
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file)).expect("a file");
    let mut pixels = vec![0; decoder.output_buffer_size().expect("a small one")];
    decoder.read_image(&mut pixels).expect("a picture");
    pixels.into_iter().skip(3).step_by(4).collect()
}

#[test]
fn every_plane_comes_back_as_it_was() {
    for (seed, size) in (0..).zip(SIZES) {
        for (name, plane) in planes(size, seed) {
            let file = file(&plane, size);
            assert!(decoded(&file) == plane, "{name} of {size:?}");
            assert!(decoded_elsewhere(&file) == plane, "{name} of {size:?}, by image-webp");
        }
    }
}

#[test]
fn copies_from_far_away_come_back_as_they_were() {
    // Rows that repeat one from further back than a copy may reach, and one from just within that.
    let mut random = Random(5);
    let width = 4000;
    let first: Vec<u8> = (0..width).map(|_| random.below(256) as u8).collect();
    let mut plane = first.clone();
    for row in 1..530 {
        match row {
            262 | 520 => plane.extend(&first),
            _ => plane.extend((0..width).map(|x| (x as u32 * row / 64 + random.below(2)) as u8)),
        }
    }
    let file = file(&plane, (width, 530));
    assert!(decoded(&file) == plane);
    assert!(decoded_elsewhere(&file) == plane);
}

fn length(plane: &[u8], width: usize) -> usize {
    encode(plane.to_vec(), width, &Progress::unbounded()).expect("nobody stops it").len()
}

#[test]
fn no_plane_takes_more_than_it_has() {
    for (seed, size) in (0..).zip(SIZES) {
        for (name, plane) in planes(size, seed) {
            assert!(length(&plane, size.0) <= plane.len() + 1, "{name} of {size:?}");
        }
    }
}

#[test]
fn each_way_to_take_fewer_bytes_is_taken() {
    let size = (257, 290);
    let area = size.0 * size.1;
    for (name, most) in [
        ("one level", 20),
        ("two levels", area / 300),
        ("three levels at random", area * 21 / 100),
        ("a slope", area / 600),
        // 2.3 bits for each of five levels, and what the noise of its neighbours adds.
        ("a slope with noise", area * 37 / 100),
        ("what repeats", area / 40),
        // A quarter is noise, another one of two bits a sample; no edge is a block's.
        ("every kind in its place", area * 35 / 100),
    ] {
        let (_, plane) = planes(size, 1).into_iter().find(|(other, _)| *other == name).expect("one of them");
        let length = length(&plane, size.0);
        assert!(length <= most, "{name}: {length} bytes instead of {most}");
    }
}

#[test]
fn a_plane_takes_about_what_libwebp_needs_for_it() {
    let size = (257, 290);
    for (name, plane) in planes(size, 9) {
        let rgba = plane.iter().flat_map(|alpha| [128, 128, 128, *alpha]).collect();
        let pixels = Pixels { data: rgba, width: 257, height: 290, layout: Layout::Rgba };
        let theirs = encode_with(pixels, |config| config.method = 2, &Progress::unbounded()).expect("a file");
        let chunk = theirs.windows(4).position(|name| name == b"ALPH").expect("it has alpha");
        let theirs = u32::from_le_bytes(*theirs[chunk + 4..].first_chunk().expect("a length")) as usize;
        let ours = length(&plane, size.0);
        assert!(ours <= theirs * 11 / 10 + 60, "{name}: {ours} bytes, {theirs} by libwebp");
    }
}
