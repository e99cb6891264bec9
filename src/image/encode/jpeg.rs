//! JPEG by mozjpeg, encoder only.
//!
//! The settings are those that sharp makes for Next, so the pixels come out the same: quality as it is, 4:2:0
//! at every quality, optimised Huffman tables; with mozjpeg's side switched on also trellis quantisation,
//! overshoot deringing, quantisation table 3 and progressive scans. Only the search for the best scans is left
//! out: a third of the CPU time (0.6 of sharp's without it, 0.9 with it) for 0.7 % of the bytes of photographs
//! and 2 % of graphics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Compress};

use crate::error::{Error, Result};
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;

/// Rows handed to the encoder between two looks at `progress`.
const ROWS: usize = 64;

/// More pixels than this are written without trellis quantisation, during which mozjpeg can't be stopped: of noise at
/// quality 100 it takes nearly a second of CPU a megapixel. The widest picture of Next's default sizes, at 16:9, has 8.3
/// million.
const MOST_PIXELS_WITH_TRELLIS: u64 = 9_000_000;

/// Encodes a JPEG: one component for gray pixels, else three; transparency becomes black.
/// `trellis` false writes a baseline file with the standard tables; so does a picture of more than
/// [`MOST_PIXELS_WITH_TRELLIS`].
///
/// # Errors
/// [`Error::Encode`] when mozjpeg fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, quality: u8, trellis: bool, progress: &Progress) -> Result<Vec<u8>> {
    // mozjpeg reports its errors by unwinding.
    catch_unwind(AssertUnwindSafe(|| compress(pixels, quality, trellis, progress)))
        .unwrap_or_else(|panic| Err(Error::Encode(format!("mozjpeg: {}", panic_text(panic.as_ref())))))
}

fn compress(pixels: Pixels, quality: u8, trellis: bool, progress: &Progress) -> Result<Vec<u8>> {
    let color = if pixels.layout == Layout::Luma { ColorSpace::JCS_GRAYSCALE } else { ColorSpace::JCS_RGB };
    let trellis = trellis && u64::from(pixels.width) * u64::from(pixels.height) <= MOST_PIXELS_WITH_TRELLIS;
    let mut compress = Compress::new(color);
    compress.set_size(pixels.width as usize, pixels.height as usize);
    if !trellis {
        compress.set_fastest_defaults();
    }
    compress.set_optimize_coding(true);
    compress.set_quality(f32::from(quality));
    if trellis {
        // Before the mode, which otherwise sets the search up.
        compress.set_optimize_scans(false);
        compress.set_progressive_mode();
    }
    if color == ColorSpace::JCS_RGB {
        compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    }

    let io = |error: std::io::Error| Error::Encode(format!("mozjpeg: {error}"));
    let mut started = compress.start_compress(Vec::new()).map_err(io)?;
    let row_bytes = pixels.width as usize * pixels.layout.channels();
    let mut upturned = pixels.data;
    reverse_rows(&mut upturned, row_bytes);
    while !upturned.is_empty() {
        progress.check()?;
        let rest = upturned.len().saturating_sub(row_bytes * ROWS);
        for row in upturned[rest..].rchunks_exact(row_bytes) {
            if pixels.layout == Layout::Rgba {
                started.write_scanlines(&flatten_on_black(row)).map_err(io)?;
            } else {
                started.write_scanlines(row).map_err(io)?;
            }
        }
        upturned.truncate(rest);
        // Where an allocator copies when it makes a block smaller, steps of a quarter keep the copies few.
        if rest < upturned.capacity() / 4 * 3 {
            upturned.shrink_to_fit();
        }
    }
    progress.check()?;
    started.finish().map_err(io)
}

/// The last row first, because a vector gives memory back from its end. mozjpeg keeps all coefficients, quantised
/// and not, which are 6 bytes a pixel; the 3 bytes of the pixels themselves then shrink while those grow.
fn reverse_rows(data: &mut [u8], row_bytes: usize) {
    let half = data.len() / row_bytes / 2 * row_bytes;
    let (upper, lower) = data.split_at_mut(half);
    for (row, opposite) in upper.chunks_exact_mut(row_bytes).zip(lower.rchunks_exact_mut(row_bytes)) {
        row.swap_with_slice(opposite);
    }
}

/// What straight alpha looks like in front of black; rounded down, as sharp's library does it.
fn flatten_on_black(rgba: &[u8]) -> Vec<u8> {
    let over_black = |sample: u8, alpha: u8| (u16::from(sample) * u16::from(alpha) / 255) as u8;
    rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [r, g, b].map(|s| over_black(s, a))).collect()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "unknown failure",
    }
}
