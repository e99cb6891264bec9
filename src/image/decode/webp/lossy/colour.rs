//! YCbCr of video range (BT.601) to pixels, as libwebp has it.

use fearless_simd::prelude::*;
use fearless_simd::{i16x8, i16x16, i32x8, u8x16};

use crate::image::decode::interleave::{self, level};
pub(super) use crate::image::decode::interleave::{SLACK, STEP};

/// Turns `pixels` of planes that are padded to [`STEP`] into RGB, or with a row of alpha into RGBA. Of `out`, up to
/// [`SLACK`] bytes and the pixels of a step are written beyond the last one.
#[inline(always)]
pub(super) fn to_pixels<S: Simd>(
    simd: S,
    [luma, blue, red]: [&[u8]; 3],
    alpha: Option<&[u8]>,
    pixels: usize,
    out: &mut [u8],
) {
    // In 16384ths of a level. The factor of blue is too large for 16 bits, and comes in halves.
    let (to_red, to_green) = (pairs(simd, 19_077, 26_149), pairs(simd, 19_077, -13_320));
    let (blue_to_green, luma_to_blue) = (pairs(simd, -6_419, 0), pairs(simd, 19_077, 0));
    let blue_to_blue = pairs(simd, 16_525, 16_525);
    // They take the zeros of luma and chroma away and add half a level for rounding.
    let red_offset = i32x8::splat(simd, -14_234 * 256);
    let green_offset = i32x8::splat(simd, 8_708 * 256);
    let blue_offset = i32x8::splat(simd, -17_685 * 256);

    let channels = if alpha.is_some() { 4 } else { 3 };
    let chunks = |plane| <[u8]>::as_chunks::<STEP>(plane).0.iter();
    let planes = chunks(luma).zip(chunks(blue)).zip(chunks(red));
    for (index, ((luma, blue), red)) in planes.enumerate().take(pixels.div_ceil(STEP)) {
        let (luma, blue, red) = (widened(simd, luma), widened(simd, blue), widened(simd, red));
        // Luma and red in turn, and blue twice: the first half of the pixels, then the second.
        let with_red = (zip(luma.0, red.0), zip(luma.1, red.1));
        let twice = (zip(blue.0, blue.0), zip(blue.1, blue.1));

        let low = with_red.0.pairwise_dot_product(to_red) + red_offset;
        let high = with_red.1.pairwise_dot_product(to_red) + red_offset;
        let red = level(narrowed(low, high));
        let low = with_red.0.pairwise_dot_product(to_green) + twice.0.pairwise_dot_product(blue_to_green);
        let high = with_red.1.pairwise_dot_product(to_green) + twice.1.pairwise_dot_product(blue_to_green);
        let green = level(narrowed(low + green_offset, high + green_offset));
        let low = with_red.0.pairwise_dot_product(luma_to_blue) + twice.0.pairwise_dot_product(blue_to_blue);
        let high = with_red.1.pairwise_dot_product(luma_to_blue) + twice.1.pairwise_dot_product(blue_to_blue);
        let blue = level(narrowed(low + blue_offset, high + blue_offset));
        let out = &mut out[index * STEP * channels..];
        match alpha {
            None => interleave::rgb(simd, [red, green, blue], &mut out[..STEP * 3 + SLACK]),
            Some(alpha) => {
                let alpha = u8x16::from_slice(simd, &alpha[index * STEP..index * STEP + STEP]);
                interleave::rgba([red, green, blue, alpha], &mut out[..STEP * 4]);
            }
        }
    }
}

/// Two factors in turn.
#[inline(always)]
fn pairs<S: Simd>(simd: S, first: i16, second: i16) -> i16x16<S> {
    i32x8::splat(simd, i32::from(first) & 0xffff | i32::from(second) << 16).bitcast()
}

#[inline(always)]
fn widened<S: Simd>(simd: S, samples: &[u8; STEP]) -> (i16x8<S>, i16x8<S>) {
    let (low, high) = u8x16::from_slice(simd, samples).widen();
    (low.bitcast(), high.bitcast())
}

#[inline(always)]
fn zip<S: Simd>(a: i16x8<S>, b: i16x8<S>) -> i16x16<S> {
    a.zip_low(b).combine(a.zip_high(b))
}

#[inline(always)]
fn narrowed<S: Simd>(low: i32x8<S>, high: i32x8<S>) -> i16x16<S> {
    (low >> 14).saturating_narrow(high >> 14)
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// By the definition: 219 steps of luma and 224 of chroma are 255 levels.
    fn expected(y: u8, cb: u8, cr: u8) -> [f64; 3] {
        let (y, cb, cr) = (f64::from(y) - 16.0, f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let (luma, chroma) = (255.0 / 219.0, 255.0 / 224.0);
        let green = (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587;
        [1.402 * cr, -green, 1.772 * cb].map(|more| (luma * y + chroma * more).clamp(0.0, 255.0))
    }

    #[test]
    fn all_colours_are_those_of_the_definition() {
        for level in [Level::new(), Level::baseline()] {
            for y in 0..=255 {
                for cb in (0..=255).step_by(5) {
                    let row: Vec<u8> = (0..=255).collect();
                    let planes = [&[y; 256][..], &[cb; 256], &row];
                    let mut out = vec![0; 256 * 3 + SLACK];
                    dispatch!(level, simd => to_pixels(simd, planes, None, 256, &mut out));
                    for (cr, pixel) in (0..=255).zip(out.as_chunks::<3>().0) {
                        for (got, wanted) in pixel.iter().zip(expected(y, cb, cr)) {
                            let far = (f64::from(*got) - wanted).abs();
                            assert!(far < 0.6, "{y} {cb} {cr}: {got} is not {wanted}, {level:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn alpha_comes_in_as_it_is() {
        for level in [Level::new(), Level::baseline()] {
            let alpha: Vec<u8> = (100..132).collect();
            let planes = [&[126; 32][..], &[128; 32], &[128; 32]];
            let mut out = vec![0; 32 * 4];
            dispatch!(level, simd => to_pixels(simd, planes, Some(&alpha), 20, &mut out));
            for (pixel, alpha) in out.as_chunks::<4>().0.iter().zip(100..120) {
                assert_eq!(*pixel, [128, 128, 128, alpha]);
            }
        }
    }
}
