//! YCbCr to RGB, with the rounding of libjpeg.

use fearless_simd::prelude::*;
use fearless_simd::{i16x8, i16x16, i32x8, u8x16};

use crate::image::decode::interleave::{self, level};
pub(super) use crate::image::decode::interleave::{SLACK, STEP};

/// A whole and a fraction of 16 bits, the whole such that the rest fits 16 bits with its sign.
const fn split(factor: f64) -> (i16, i16) {
    let fixed = (factor * 65536.0 + if factor < 0.0 { -0.5 } else { 0.5 }) as i32;
    let whole = (fixed + 32768) >> 16;
    (whole as i16, (fixed - (whole << 16)) as i16)
}

/// `pixels` of YCbCr (full range, BT.601, as JFIF has it) to RGB. The planes are padded to [`STEP`], and of `out` up to
/// [`SLACK`] bytes and the pixels of a step are written beyond the last one.
#[inline(always)]
pub(super) fn to_rgb<S: Simd>(simd: S, [y, cb, cr]: [&[u8]; 3], pixels: usize, out: &mut [u8]) {
    const RED: (i16, i16) = split(1.402);
    const GREEN_CB: (i16, i16) = split(-0.34414);
    const GREEN_CR: (i16, i16) = split(-0.71414);
    const BLUE: (i16, i16) = split(1.772);
    // Half a level, for rounding, comes in as the product of this with 2.
    const HALF: i16 = 1 << 14;

    let (red, blue) = (pairs(simd, RED.1, HALF), pairs(simd, BLUE.1, HALF));
    let green = pairs(simd, GREEN_CB.1, GREEN_CR.1);
    let half = i32x8::splat(simd, 1 << 15);
    let two = i16x8::splat(simd, 2);
    let middle = i16x16::splat(simd, 128);

    let steps = pixels.div_ceil(STEP);
    let planes = y.as_chunks::<STEP>().0.iter().zip(cb.as_chunks::<STEP>().0).zip(cr.as_chunks::<STEP>().0);
    for (index, ((y, cb), cr)) in planes.enumerate().take(steps) {
        let bytes = index * STEP * 3;
        let out = &mut out[bytes..bytes + STEP * 3 + SLACK];
        let (y, cb, cr) = (widened(simd, y), widened(simd, cb) - middle, widened(simd, cr) - middle);
        let ((blue_low, blue_high), (red_low, red_high)) = (cb.split(), cr.split());
        let zero = i32x8::splat(simd, 0);
        let r = y + cr * RED.0 + products([red_low, red_high], [two; 2], red, zero);
        let b = y + cb * BLUE.0 + products([blue_low, blue_high], [two; 2], blue, zero);
        let g = products([blue_low, blue_high], [red_low, red_high], green, half);
        let g = y + cb * GREEN_CB.0 + cr * GREEN_CR.0 + g;
        interleave::rgb(simd, [level(r), level(g), level(b)], out);
    }
}

/// Two numbers in turn.
#[inline(always)]
fn pairs<S: Simd>(simd: S, first: i16, second: i16) -> i16x16<S> {
    i32x8::splat(simd, i32::from(first) & 0xffff | i32::from(second) << 16).bitcast()
}

#[inline(always)]
fn widened<S: Simd>(simd: S, samples: &[u8; STEP]) -> i16x16<S> {
    let (low, high) = u8x16::from_slice(simd, samples).widen();
    low.bitcast::<i16x8<S>>().combine(high.bitcast::<i16x8<S>>())
}

/// The upper half of the sum of `a` and `b`, each times its factor, and `more`.
#[inline(always)]
fn products<S: Simd>(
    [a_low, a_high]: [i16x8<S>; 2],
    [b_low, b_high]: [i16x8<S>; 2],
    factors: i16x16<S>,
    more: i32x8<S>,
) -> i16x16<S> {
    let low = a_low.zip_low(b_low).combine(a_low.zip_high(b_low));
    let high = a_high.zip_low(b_high).combine(a_high.zip_high(b_high));
    let low = (low.pairwise_dot_product(factors) + more) >> 16;
    low.saturating_narrow((high.pairwise_dot_product(factors) + more) >> 16)
}

/// Planes of red, green and blue to pixels.
pub(super) fn as_it_is([r, g, b]: [&[u8]; 3], pixels: usize, out: &mut [u8]) {
    for (((out, &r), &g), &b) in out.as_chunks_mut::<3>().0.iter_mut().zip(r).zip(g).zip(b).take(pixels) {
        *out = [r, g, b];
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::super::tests::levels;
    use super::*;

    /// libjpeg's tables, sample by sample.
    fn expected(y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let half = 1 << 15;
        [
            y + ((91_881 * cr + half) >> 16),
            y + ((-22_554 * cb - 46_802 * cr + half) >> 16),
            y + ((116_130 * cb + half) >> 16),
        ]
        .map(|level| level.clamp(0, 255) as u8)
    }

    #[test]
    fn all_colours_are_those_of_libjpeg() {
        for level in levels() {
            for y in (0..=255).step_by(15) {
                for cb in 0..=255 {
                    let row: Vec<u8> = (0..=255).collect();
                    let planes = [&[y; 256][..], &[cb; 256], &row];
                    let mut out = vec![0; 256 * 3 + SLACK];
                    dispatch!(level, simd => to_rgb(simd, planes, 256, &mut out));
                    for (cr, pixel) in (0..=255).zip(out.as_chunks::<3>().0) {
                        assert_eq!(*pixel, expected(y, cb, cr), "{y} {cb} {cr}, {level:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn little_is_written_beyond_the_last_pixel() {
        for level in levels() {
            for pixels in 1..=STEP {
                let plane = [128; STEP];
                let mut out = vec![7; STEP * 3 + SLACK];
                dispatch!(level, simd => to_rgb(simd, [&plane[..]; 3], pixels, &mut out));
                assert_eq!(out[..pixels * 3], vec![128; pixels * 3]);
            }
        }
    }

    #[test]
    fn planes_of_rgb_become_pixels() {
        let mut out = [9; 9];
        as_it_is([&[1, 2, 3], &[4, 5, 6], &[7, 8, 0]], 2, &mut out);
        assert_eq!(out, [1, 4, 7, 2, 5, 8, 9, 9, 9]);
    }
}
