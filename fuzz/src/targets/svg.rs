//! SVG, drawn as for `next/og`.

use std::panic;
use std::sync::{Arc, Once};

use unsharp::image::{Limits, Progress, svg as drawing};

use super::decode::{check_error, check_pixels};
use crate::thread::on_pool_thread;

const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_bytes: 1 << 20, timeout_ms: 2_000 };

/// The rasterizer panics over drawings that reach far beyond the canvas; unsharp makes an error of that. Where a panic ends the
/// process before it is caught, as with libFuzzer, these must not.
pub fn forgive_rasterizer() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|location| location.file().contains("tiny-skia")) {
                hook(info);
            }
        }));
    });
}

pub fn svg(data: &[u8]) {
    forgive_rasterizer();
    on_pool_thread(|| {
        let header = match drawing::header(data, &LIMITS) {
            Ok(header) => header,
            Err(error) => return check_error(&error),
        };
        let progress = Progress::start(&LIMITS, Arc::default());
        for (width, height) in [(header.width, header.height), (header.width.div_ceil(3), 7)] {
            match drawing::render(data, width, height, &LIMITS, &progress) {
                Ok(pixels) => {
                    check_pixels(&pixels);
                    assert_eq!((pixels.width, pixels.height), (width, height));
                }
                Err(error) => check_error(&error),
            }
        }
    });
}
