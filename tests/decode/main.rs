//! The decoders over images made here: every kind that is read, its pixels, its damage, its memory.

mod bombs;
mod hostile;
mod jpeg;
mod make;
mod memory;
mod mutations;
mod orientation;
mod png;
mod progress;
mod scaled;
mod simple;
mod tiff;

#[path = "../counting/mod.rs"]
mod counting;
#[path = "../picture/mod.rs"]
mod picture;

use picture::Picture;
use unsharp::Result;
use unsharp::image::decode::{Layout, decode};
use unsharp::image::{
    EncodeOptions, Inspected, Job, Limits, Optimized, Options, OutputFormat, Progress, SharpRules, format,
    inspect,
};

/// Decodes at full size.
fn decoded(input: &[u8]) -> Result<Picture> {
    let format = format::detect(input).expect("a known kind");
    Picture::of(decode(input, format, None, &Limits::default(), &Progress::unbounded())?)
}

fn job(input: &[u8], limits: &Limits) -> Result<Job> {
    match inspect(input, limits)? {
        Inspected::Image(job) => Ok(job),
        Inspected::Bypass { format, .. } => panic!("{format:?} would be passed through"),
    }
}

/// The whole way to a PNG without loss, `width` px wide at most.
fn optimized(input: &[u8], width: u32) -> Result<Optimized> {
    let job = job(input, &Limits::default())?;
    job.run(input, &to_png(width), &Limits::default(), &Progress::unbounded())
}

fn to_png(width: u32) -> Options {
    let encode = EncodeOptions { quality: 100, ..EncodeOptions::default() };
    Options { width, height: None, format: Some(OutputFormat::Png), encode, sharp: SharpRules::default() }
}

/// Asserts the layout and every sample.
fn assert_pixels(name: &str, input: &[u8], layout: Layout, expected: &[u8]) {
    let pixels = decoded(input).unwrap_or_else(|error| panic!("{name}: {error}")).pixels;
    assert_eq!(pixels.layout, layout, "{name}");
    assert_eq!(pixels.data.len(), expected.len(), "{name}");
    let first = pixels.data.iter().zip(expected).position(|(got, wanted)| got != wanted);
    assert_eq!(first, None, "{name}: the first wrong sample");
}

/// Mean of the absolute differences, 0..=255.
fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

fn assert_near(name: &str, got: &[u8], wanted: &[u8], tolerance: u8) {
    let near = got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= tolerance);
    assert!(near, "{name}: {got:?} is not {wanted:?}");
}
