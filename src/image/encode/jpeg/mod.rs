//! JPEG by mozjpeg, encoder only.
//!
//! The settings are those that sharp makes for Next, so the pixels come out the same: quality as it is, 4:2:0
//! at every quality, optimised Huffman tables; with mozjpeg's side switched on also trellis quantisation,
//! overshoot deringing, quantisation table 3 and progressive scans. Only the search for the best scans is left
//! out: a third of the CPU time (0.6 of sharp's without it, 0.9 with it) for 0.7 % of the bytes of photographs
//! and 2 % of graphics.

mod mozjpeg;

use crate::error::Result;
use crate::image::decode::{Layout, Pixels};
use crate::image::limits::Progress;
use mozjpeg::Settings;

/// More pixels than this are written without trellis quantisation, which of noise at quality 100 takes nearly a second of
/// CPU a megapixel and so all of the time that a job has. The widest picture of Next's default sizes, at 16:9, has 8.3
/// million.
const MOST_PIXELS_WITH_TRELLIS: u64 = 9_000_000;

/// Encodes a JPEG: one component for gray pixels, else three; transparency becomes black.
/// `trellis` false writes a baseline file with the standard tables; so does a picture of more than
/// [`MOST_PIXELS_WITH_TRELLIS`].
///
/// # Errors
/// [`crate::error::Error::Encode`] when mozjpeg fails, [`crate::error::Error::Aborted`] or
/// [`crate::error::Error::Timeout`] from `progress`.
pub(super) fn encode(pixels: Pixels, quality: u8, trellis: bool, progress: &Progress) -> Result<Vec<u8>> {
    let trellis = trellis && u64::from(pixels.width) * u64::from(pixels.height) <= MOST_PIXELS_WITH_TRELLIS;
    let gray = pixels.layout == Layout::Luma;
    let settings = Settings { width: pixels.width, height: pixels.height, gray, quality, trellis };
    let row_bytes = pixels.width as usize * pixels.layout.channels();
    let mut upturned = pixels.data;
    reverse_rows(&mut upturned, row_bytes);
    mozjpeg::write(&settings, progress, |write| {
        while let Some(row_at) = upturned.len().checked_sub(row_bytes) {
            match pixels.layout {
                Layout::Rgba => write(&flatten_on_black(&upturned[row_at..])),
                Layout::Luma | Layout::Rgb | Layout::Cmyk => write(&upturned[row_at..]),
            }
            upturned.truncate(row_at);
            // Where an allocator copies when it makes a block smaller, steps of a quarter keep the copies few.
            if row_at < upturned.capacity() / 4 * 3 {
                upturned.shrink_to_fit();
            }
        }
    })
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
