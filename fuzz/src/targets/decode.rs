//! Every decoder: what it accepts has the size and the memory that its header claimed, and what is refused is refused
//! with one of the errors that an input can cause.

use std::sync::Arc;

use unsharp::Error;
use unsharp::image::decode::{self, Header, Target};
use unsharp::image::{Format, Limits, Pixels, Progress};

use crate::memory;
use crate::thread::on_pool_thread;

/// Small enough for thousands of runs a second, large enough for every branch. The time is far more than an input of this
/// size may take: see `-timeout` in `scripts/fuzz.mjs`.
pub const LIMITS: Limits = Limits { max_pixels: 1 << 18, max_bytes: 1 << 20, timeout_ms: 2_000 };

/// What `decoded_bytes` leaves out: tables, error texts, readers' buffers; the values of one tag of a TIFF, 8 MiB at most.
pub const FIXED_BYTES: u64 = 9 << 20;

pub fn jpeg(data: &[u8]) {
    any(data, Format::Jpeg);
}

pub fn png(data: &[u8]) {
    any(data, Format::Png);
}

pub fn gif(data: &[u8]) {
    any(data, Format::Gif);
}

pub fn webp(data: &[u8]) {
    any(data, Format::WebP);
}

pub fn avif(data: &[u8]) {
    any(data, Format::Avif);
}

pub fn tiff(data: &[u8]) {
    any(data, Format::Tiff);
}

fn any(data: &[u8], format: Format) {
    on_pool_thread(|| {
        let header = decode::header(data, format, &LIMITS);
        if let Err(error) = &header {
            check_error(error);
        }
        check(data, format, None, header.as_ref().ok());
        // Scaled while decoding, which is other code.
        if let (Format::Jpeg, Ok(header)) = (format, &header) {
            let small = |side: u32| side.div_ceil(5);
            let target = Target { width: small(header.width), height: small(header.height) };
            check(data, format, Some(target), Some(header));
        }
    });
}

fn check(data: &[u8], format: Format, target: Option<Target>, header: Option<&Header>) {
    let progress = Progress::start(&LIMITS, Arc::default());
    let (result, peak) = memory::peak(|| {
        let decoded = decode::decode(data, format, target, &LIMITS, &progress)?;
        let (size, orientation) = ((decoded.width, decoded.height), decoded.orientation);
        assert!((1..=8).contains(&orientation), "orientation {orientation}");
        assert!(decoded.source_width > 0.0 && decoded.source_height > 0.0, "an empty box");
        let pixels = decoded.collect()?;
        assert_eq!((pixels.width, pixels.height), size, "the size that was promised");
        Ok::<Pixels, Error>(pixels)
    });
    match (result, header) {
        (Ok(pixels), Some(header)) => {
            check_pixels(&pixels);
            assert!(
                pixels.width <= header.width && pixels.height <= header.height,
                "{}x{} of {header:?}",
                pixels.width,
                pixels.height
            );
            assert!(
                u64::from(header.width) * u64::from(header.height) <= LIMITS.max_pixels,
                "{header:?} is over the limit"
            );
            assert!(
                peak <= header.decoded_bytes + data.len() as u64 + FIXED_BYTES,
                "{peak} bytes of memory, {header:?}"
            );
        }
        (Ok(_), None) => panic!("decoded, and its header was refused"),
        (Err(error), header) => {
            check_error(&error);
            let most = header.map_or(0, |header| header.decoded_bytes) + data.len() as u64 + FIXED_BYTES;
            assert!(peak <= most, "{peak} bytes of memory for {error}, {header:?}");
        }
    }
}

/// What the C encoders rely on.
pub fn check_pixels(pixels: &Pixels) {
    let Pixels { data, width, height, layout } = pixels;
    assert!(*width > 0 && *height > 0, "an empty picture");
    assert_eq!(data.len(), *width as usize * *height as usize * layout.channels(), "the buffer");
}

/// What an input can cause. Anything else is a fault of ours.
pub fn check_error(error: &Error) {
    let known = matches!(
        error,
        Error::Decode(_)
            | Error::NotAnImage(_)
            | Error::TooManyPixels { .. }
            | Error::TooManyBytes(_)
            | Error::Timeout(_)
    );
    assert!(known, "{error:?}");
    assert!((400..600).contains(&error.status()), "{error:?}");
}
