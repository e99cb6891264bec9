//! Thousands of damaged files, the same ones every time: whatever comes out, it is no panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use unsharp::Error;
use unsharp::image::{Inspected, Limits, Progress, inspect};

use crate::make::samples::{self, Random, Sample};
use crate::to_png;

/// Per format.
const MUTATIONS: usize = 3000;

/// A copy with some bytes changed, more often near the start, where the structure is; sometimes bytes are
/// missing or doubled.
fn mutated(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..=random.below(4) {
        let range = if random.below(2) == 0 { file.len().min(160) } else { file.len() };
        let at = random.below(range);
        match random.below(8) {
            0 => file[at] = 0,
            1 => file[at] = 0xff,
            2 => file[at] ^= 1 << random.below(8),
            3 => file[at] = file[at].wrapping_add(1),
            4 if file.len() > 16 => drop(file.drain(at..file.len().min(at + 1 + random.below(8)))),
            5 => {
                let end = file.len().min(at + 1 + random.below(16));
                let copy = file[at..end].to_vec();
                file.splice(at..at, copy);
            }
            _ => file[at] = random.byte(),
        }
    }
    file
}

fn survive(seed: u64, samples: &[Sample], mend: impl Fn(&mut [u8])) {
    // Small limits keep what survives quick; no clock decides.
    let limits = Limits { max_pixels: 300_000, timeout_ms: 0, ..Limits::default() };
    let mut random = Random::new(seed);
    let mut accepted = 0;
    for number in 0..MUTATIONS {
        let sample = &samples[number % samples.len()];
        let mut file = mutated(&sample.file, &mut random);
        mend(&mut file);
        let outcome = catch_unwind(AssertUnwindSafe(|| match inspect(&file, &limits)? {
            Inspected::Image(job) => job.run(&file, &to_png(16), &limits, &Progress::unbounded()).map(Some),
            Inspected::Bypass { .. } => Ok(None),
        }));
        let name = format!("mutation {number} of {}", sample.name);
        let Ok(outcome) = outcome else {
            panic!("{name}: a panic over {} bytes: {file:02x?}", file.len());
        };
        match outcome {
            Ok(_) => accepted += 1,
            Err(Error::Decode(_) | Error::NotAnImage(_) | Error::TooManyPixels { .. }) => {}
            Err(other) => panic!("{name}: {other}"),
        }
    }
    // Otherwise nothing behind the headers was tried.
    assert!(accepted > 0, "not one of {MUTATIONS} was accepted");
}

#[test]
fn mutated_jpeg() {
    survive(1, &samples::jpegs(41, 27), |_| {});
}

#[test]
fn mutated_png() {
    survive(2, &samples::pngs(41, 27), |_| {});
}

/// With the checksums put right, the damage reaches what they protect.
#[test]
fn mutated_png_with_right_checksums() {
    survive(3, &samples::pngs(41, 27), |file| {
        let mut at = 8;
        while let Some(length) = file.get(at..at + 4) {
            let length = u32::from_be_bytes(length.try_into().expect("four")) as usize;
            let Some(end) = at.checked_add(length + 12).filter(|end| *end <= file.len()) else { return };
            let mut crc = flate2::Crc::new();
            crc.update(&file[at + 4..end - 4]);
            file[end - 4..end].copy_from_slice(&crc.sum().to_be_bytes());
            at = end;
        }
    });
}

#[test]
fn mutated_gif() {
    survive(4, &samples::gifs(41, 27), |_| {});
}

#[test]
fn mutated_webp() {
    survive(5, &samples::webps(41, 27), |_| {});
}

#[test]
fn mutated_tiff() {
    survive(6, &samples::tiffs(41, 27), |_| {});
}
