//! Jobs that end without a picture: given up, out of time, refused.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use unsharp::image::Limits;

use super::*;

#[test]
fn a_cancelled_job_is_aborted_in_every_format() {
    let cancelled = Progress::start(&Limits::default(), Arc::new(AtomicBool::new(true)));
    for format in ALL {
        let stopped = encode(picture(64, 64, Layout::Rgb), format, &EncodeOptions::default(), &cancelled);
        assert_eq!(stopped, Err(Error::Aborted), "{format:?}");
    }
}

thread_local! {
    /// How often the clock of [`tick`] has been read in this test.
    static TICKS: Cell<u32> = const { Cell::new(0) };
}

/// A clock that goes on by a millisecond with each reading.
fn tick() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    TICKS.set(TICKS.get() + 1);
    *START + Duration::from_millis(TICKS.get().into())
}

#[test]
fn a_job_whose_time_runs_out_on_the_way_stops() {
    let readings_within = |timeout_ms: u64, format: OutputFormat, layout: Layout| {
        TICKS.set(0);
        let limits = Limits { timeout_ms, ..Limits::default() };
        let progress = Progress::start_by(tick, &limits, Arc::default());
        let made = encode(picture(200, 200, layout), format, &EncodeOptions::default(), &progress);
        (made.map(|_| ()), TICKS.get())
    };
    let more = [
        (OutputFormat::Avif, Layout::Rgba),
        (OutputFormat::Avif, Layout::Luma),
        // WebP has an encoder of our own for alpha.
        (OutputFormat::WebP, Layout::Rgba),
    ];
    for (format, layout) in ALL.map(|format| (format, Layout::Rgb)).into_iter().chain(more) {
        let (made, readings) = readings_within(1_000_000, format, layout);
        assert_eq!(made, Ok(()), "{format:?}");
        // One when it starts, one before the work and one behind it; most encoders look while they work, too.
        let least = match format {
            // Twice each row of blocks, of 128×128 pixels at most, or each block of 16×16.
            OutputFormat::Avif if cfg!(feature = "libaom") => 7,
            OutputFormat::Avif => 169,
            // Each of its 200 rows, and then its 13 rows of blocks in all passes after the first.
            OutputFormat::Jpeg => 300,
            _ => 6,
        };
        assert!(readings >= least, "{format:?}: {readings}");
        // All of rav1e's thousands would take minutes.
        let stride = if readings > 1000 { readings as usize / 40 } else { 1 };
        for last in (3..=readings).step_by(stride) {
            // The first reading is at 1 ms, so time is up at the one after `timeout_ms + 1`.
            let timeout_ms = u64::from(last) - 2;
            let (made, readings) = readings_within(timeout_ms, format, layout);
            assert_eq!(made, Err(Error::Timeout(timeout_ms)), "{format:?}");
            // libwebp ends the pass it is in, and then WebP asks for the reason.
            assert!(readings <= last + 3, "{format:?}: went on to {readings} after {last}");
        }
    }
}

#[test]
fn pixels_that_do_not_fit_their_dimensions_are_refused() {
    let good = picture(10, 10, Layout::Rgb);
    let short = Pixels { data: good.data[..299].to_vec(), ..good.clone() };
    let empty = Pixels { data: Vec::new(), width: 0, height: 10, layout: Layout::Rgb };
    let huge = Pixels { width: u32::MAX, height: u32::MAX, ..good.clone() };
    let cmyk = picture(10, 10, Layout::Cmyk);
    for format in ALL {
        for bad in [&short, &empty, &huge, &cmyk] {
            let refused = encode(bad.clone(), format, &EncodeOptions::default(), &Progress::unbounded());
            assert!(matches!(refused, Err(Error::Encode(_))), "{format:?} {refused:?}");
        }
    }
}

#[test]
fn dimensions_beyond_the_format_are_refused() {
    for (format, max_px) in [
        (OutputFormat::WebP, 16_383),
        (OutputFormat::Jpeg, 65_500),
        (OutputFormat::Tiff, 65_500),
        (OutputFormat::Gif, 65_535),
        (OutputFormat::Avif, 65_535),
    ] {
        for (width, height) in [(max_px + 1, 1), (1, max_px + 1)] {
            let pixels = picture(width, height, Layout::Luma);
            let refused = encode(pixels, format, &EncodeOptions::default(), &Progress::unbounded());
            assert!(matches!(refused, Err(Error::Encode(_))), "{format:?} {width}x{height}");
        }
    }
    encode_at(&picture(16_383, 1, Layout::Luma), OutputFormat::WebP, 75);
    encode_at(&picture(1, 65_500, Layout::Luma), OutputFormat::Jpeg, 75);
    encode_at(&picture(65_535, 1, Layout::Luma), OutputFormat::Gif, 75);
}

#[test]
fn a_quality_outside_of_1_to_100_is_refused() {
    for quality in [0, 101, 255] {
        let options = EncodeOptions { quality, ..EncodeOptions::default() };
        for format in ALL {
            let refused = encode(picture(4, 4, Layout::Rgb), format, &options, &Progress::unbounded());
            assert!(matches!(refused, Err(Error::InvalidOption(_))), "{format:?}");
        }
    }
}
