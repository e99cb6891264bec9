//! Colour times alpha, and back.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x32, u16x16, u32x8};

/// Bytes of eight pixels.
const STEP: usize = 32;

/// Multiplies the colours of RGBA with their alpha.
pub(super) fn multiply(level: Level, data: &mut [u8]) {
    in_steps(data, |steps| dispatch!(level, simd => multiply_steps(simd, &mut *steps)));
}

/// Divides the colours of RGBA by their alpha.
pub(super) fn divide(level: Level, data: &mut [u8]) {
    in_steps(data, |steps| dispatch!(level, simd => divide_steps(simd, &mut *steps)));
}

fn in_steps(data: &mut [u8], work: impl Fn(&mut [[u8; STEP]])) {
    let (steps, rest) = data.as_chunks_mut::<STEP>();
    work(steps);
    if !rest.is_empty() {
        let mut step = [0; STEP];
        step[..rest.len()].copy_from_slice(rest);
        work(std::slice::from_mut(&mut step));
        rest.copy_from_slice(&step[..rest.len()]);
    }
}

#[inline(always)]
fn multiply_steps<S: Simd>(simd: S, steps: &mut [[u8; STEP]]) {
    for step in steps {
        let pixels: u32x8<S> = u8x32::from_slice(simd, step).bitcast();
        let alpha = pixels >> 24;
        let red_blue = scaled(pixels & 0x00ff_00ff, alpha | (alpha << 16));
        // Alpha stays what it is.
        let green_alpha = scaled((pixels >> 8) & 0x00ff_00ff, alpha | 0x00ff_0000);
        (red_blue | (green_alpha << 8)).bitcast::<u8x32<S>>().store_slice(step);
    }
}

/// Products of samples, divided by 255 and rounded.
#[inline(always)]
fn scaled<S: Simd>(samples: u32x8<S>, factors: u32x8<S>) -> u32x8<S> {
    let products = samples.bitcast::<u16x16<S>>() * factors.bitcast::<u16x16<S>>() + 128;
    ((products + (products >> 8)) >> 8).bitcast()
}

/// What a colour that was multiplied with an alpha is to be multiplied with, in 256ths; nought for none.
static INVERSE: [u32; 256] = {
    let mut inverse = [0; 256];
    let mut alpha = 1;
    while alpha < 256 {
        inverse[alpha] = (255 * 512 / alpha as u32).div_ceil(2);
        alpha += 1;
    }
    inverse
};

#[inline(always)]
fn divide_steps<S: Simd>(simd: S, steps: &mut [[u8; STEP]]) {
    for step in steps {
        let mut inverse = [0; STEP / 4];
        for (inverse, pixel) in inverse.iter_mut().zip(step.as_chunks::<4>().0) {
            *inverse = INVERSE[usize::from(pixel[3])];
        }
        let inverse = u32x8::from_slice(simd, &inverse);
        let pixels: u32x8<S> = u8x32::from_slice(simd, step).bitcast();
        let mut result = pixels & 0xff00_0000;
        for shift in [0, 8, 16] {
            let colour = (((pixels >> shift) & 0xff) * inverse + 128) >> 8;
            result |= colour.min(255) << shift;
        }
        result.bitcast::<u8x32<S>>().store_slice(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_pairs() -> Vec<u8> {
        let pairs = (0..=255).flat_map(|alpha| (0..=255).map(move |colour| (colour, alpha)));
        pairs.flat_map(|(colour, alpha)| [colour, 255 - colour, colour / 2, alpha]).collect()
    }

    #[test]
    fn products_are_the_nearest() {
        for level in [Level::new(), Level::baseline()] {
            let mut got = all_pairs();
            // A last step that is not full.
            got.truncate(got.len() - 12);
            multiply(level, &mut got);
            for (got, source) in got.as_chunks::<4>().0.iter().zip(all_pairs().as_chunks::<4>().0) {
                let wanted = |colour: u8| (f64::from(colour) * f64::from(source[3]) / 255.0).round() as u8;
                let [red, green, blue, alpha] = *source;
                assert_eq!(*got, [wanted(red), wanted(green), wanted(blue), alpha], "{source:?}, {level:?}");
            }
        }
    }

    #[test]
    fn quotients_are_within_one_level_and_undo_products_of_opaque_pixels() {
        let mut got = all_pairs();
        divide(Level::new(), &mut got);
        let mut other = all_pairs();
        divide(Level::baseline(), &mut other);
        assert!(got == other);
        for (got, source) in got.as_chunks::<4>().0.iter().zip(all_pairs().as_chunks::<4>().0) {
            let alpha = source[3];
            assert_eq!(got[3], alpha);
            for (got, colour) in got.iter().zip(source).take(3) {
                let exact = (f64::from(*colour) * 255.0 / f64::from(alpha)).min(255.0);
                let wanted = if alpha == 0 { 0.0 } else { exact };
                let most = if alpha == 255 { 0.0 } else { 1.0 };
                assert!((f64::from(*got) - wanted).abs() <= most, "{got} is not {wanted} of {source:?}");
            }
        }
    }
}
