//! Blocks of coefficients to blocks of samples, 8x8 or scaled.
//!
//! An inverse DCT of N points over the first coefficients of an 8-point one gives the same picture at N/8 of its
//! size: coefficients that the smaller grid can't show are left out, those that a larger one would need are zero.
//! Both directions are done on their own and may differ in size.

use fearless_simd::prelude::*;
use fearless_simd::{i8x16, i16x8, i16x16, i32x4, i32x8, u8x16};

/// The largest block of samples on a side.
pub(super) const MAX_POINTS: usize = 14;

/// Bytes behind a row of a block that may be overwritten.
pub(super) const SLACK: usize = 8;

/// Bits behind the point in the basis, as in libjpeg.
const BASIS_BITS: u32 = 13;

/// Bits behind the point between the passes.
const PASS_BITS: u32 = 2;

/// The cosines of an inverse DCT of N points, in pairs of coefficients, the earlier in the lower half. Sample N-1-x has
/// those of sample x, with the odd ones negative.
#[derive(Clone, Copy)]
struct Basis {
    /// of coefficients 0, 2 and 4, 6 for each sample of the first half
    even: [[i32; 2]; MAX_POINTS / 2],
    /// of coefficients 1, 3 and 5, 7
    odd: [[i32; 2]; MAX_POINTS / 2],
}

static BASES: [Basis; MAX_POINTS + 1] = {
    let mut bases = [Basis { even: [[0; 2]; 7], odd: [[0; 2]; 7] }; MAX_POINTS + 1];
    let mut points = 1;
    while points <= MAX_POINTS {
        bases[points] = if points == 8 { whole_size() } else { scaled_size(points) };
        points += 1;
    }
    bases
};

const fn pair(first: i32, second: i32) -> i32 {
    first & 0xffff | second << 16
}

/// The accurate integer transform of libjpeg, multiplied out. It gets from rotations to products with numbers that
/// differ from rounded cosines by up to one, and so have these to, for the same samples to come out.
const fn whole_size() -> Basis {
    const ONE: i32 = 1 << BASIS_BITS;
    const ROWS: [[i32; 8]; 4] = [
        [ONE, 11363, 10703, 9633, ONE, 6437, 4433, 2260],
        [ONE, 9633, 4433, -2259, -ONE, -11362, -10704, -6436],
        [ONE, 6437, -4433, -11362, -ONE, 2261, 10704, 9633],
        [ONE, 2260, -10703, -6436, ONE, 9633, -4433, -11363],
    ];
    let mut basis = Basis { even: [[0; 2]; 7], odd: [[0; 2]; 7] };
    let mut x = 0;
    while x < 4 {
        let row = ROWS[x];
        basis.even[x] = [pair(row[0], row[2]), pair(row[4], row[6])];
        basis.odd[x] = [pair(row[1], row[3]), pair(row[5], row[7])];
        x += 1;
    }
    basis
}

const fn scaled_size(points: usize) -> Basis {
    let mut basis = Basis { even: [[0; 2]; 7], odd: [[0; 2]; 7] };
    let mut x = 0;
    while x < points.div_ceil(2) {
        let mut row = [0; 8];
        row[0] = 1 << BASIS_BITS;
        let mut k = 1;
        while k < 8 && k < points {
            let angle = ((2 * x + 1) * k) as f64 / (2 * points) as f64;
            let scaled = core::f64::consts::SQRT_2 * cosine_of_pi(angle) * (1 << BASIS_BITS) as f64;
            row[k] = (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32;
            k += 1;
        }
        basis.even[x] = [pair(row[0], row[2]), pair(row[4], row[6])];
        basis.odd[x] = [pair(row[1], row[3]), pair(row[5], row[7])];
        x += 1;
    }
    basis
}

/// The cosine of so many times pi, for a table that the compiler makes.
const fn cosine_of_pi(mut turns: f64) -> f64 {
    while turns > 1.0 {
        turns -= 2.0;
    }
    let square = (turns * core::f64::consts::PI) * (turns * core::f64::consts::PI);
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    while n < 40.0 {
        term *= -square / ((n + 1.0) * (n + 2.0));
        sum += term;
        n += 2.0;
    }
    sum
}

#[inline(always)]
fn zip<S: Simd>(a: i16x8<S>, b: i16x8<S>) -> i16x16<S> {
    a.zip_low(b).combine(a.zip_high(b))
}

#[inline(always)]
fn dot<S: Simd>(simd: S, pairs: i16x16<S>, factors: i32) -> i32x8<S> {
    pairs.pairwise_dot_product(i32x8::splat(simd, factors).bitcast::<i16x16<S>>())
}

/// One direction: `lines[k]` holds coefficient k of eight lines, `out[x]` gets sample x of each. `half` says that
/// coefficients 4 to 7 are all zero.
#[inline(always)]
fn pass<S: Simd, const SHIFT: u32>(
    simd: S,
    lines: &[i16x8<S>; 8],
    half: bool,
    points: usize,
    out: &mut [i16x8<S>; MAX_POINTS + 2],
) {
    let [l0, l1, l2, l3, l4, l5, l6, l7] = *lines;
    let (low_even, low_odd) = (zip(l0, l2), zip(l1, l3));
    let rounding = i32x8::splat(simd, 1 << (SHIFT - 1));
    let basis = &BASES[points];
    if half {
        for x in 0..points.div_ceil(2) {
            let even = dot(simd, low_even, basis.even[x][0]) + rounding;
            let odd = dot(simd, low_odd, basis.odd[x][0]);
            let both = ((even + odd) >> SHIFT).saturating_narrow((even - odd) >> SHIFT);
            (out[x], out[points - 1 - x]) = both.split();
        }
    } else {
        let (high_even, high_odd) = (zip(l4, l6), zip(l5, l7));
        for x in 0..points.div_ceil(2) {
            let even =
                dot(simd, low_even, basis.even[x][0]) + dot(simd, high_even, basis.even[x][1]) + rounding;
            let odd = dot(simd, low_odd, basis.odd[x][0]) + dot(simd, high_odd, basis.odd[x][1]);
            let both = ((even + odd) >> SHIFT).saturating_narrow((even - odd) >> SHIFT);
            (out[x], out[points - 1 - x]) = both.split();
        }
    }
}

/// Rows to columns.
#[inline(always)]
fn transpose<S: Simd>(rows: [i16x8<S>; 8]) -> [i16x8<S>; 8] {
    shuffle(shuffle(shuffle(rows)))
}

#[inline(always)]
fn shuffle<S: Simd>(rows: [i16x8<S>; 8]) -> [i16x8<S>; 8] {
    let mut out = rows;
    for index in 0..4 {
        (out[2 * index], out[2 * index + 1]) = rows[index].interleave(rows[index + 4]);
    }
    out
}

/// Eight columns of eight signed samples to rows of unsigned ones.
#[inline(always)]
fn samples<S: Simd>(simd: S, columns: &[i16x8<S>; 8]) -> [[u8; 8]; 8] {
    let mut packed = [i8x16::splat(simd, 0); 4];
    for (index, packed) in packed.iter_mut().enumerate() {
        *packed = columns[index].saturating_narrow(columns[index + 4]);
    }
    // Columns 0, 2 and 4, 6 in turn, then 1, 3 and 5, 7, then four columns side by side, then eight.
    let (left_even, right_even) = packed[0].interleave(packed[2]);
    let (left_odd, right_odd) = packed[1].interleave(packed[3]);
    let (left_upper, left_lower) = left_even.interleave(left_odd);
    let (right_upper, right_lower) = right_even.interleave(right_odd);
    let upper = left_upper.bitcast::<i32x4<S>>().interleave(right_upper.bitcast::<i32x4<S>>());
    let lower = left_lower.bitcast::<i32x4<S>>().interleave(right_lower.bitcast::<i32x4<S>>());
    let middle = u8x16::splat(simd, 128);
    let mut out = [[0; 8]; 8];
    for (rows, pair) in out.as_chunks_mut::<2>().0.iter_mut().zip([upper.0, upper.1, lower.0, lower.1]) {
        (pair.bitcast::<u8x16<S>>() ^ middle).store_slice(rows.as_flattened_mut());
    }
    out
}

/// Writes the samples of a block that has no coefficient but the first.
#[inline(always)]
fn flat(dc: i16, (across, down): (usize, usize), out: &mut [u8], stride: usize) {
    let level = ((i32::from(dc) + 4) >> 3).saturating_add(128).clamp(0, 255) as u8;
    for y in 0..down {
        let row = &mut out[y * stride..];
        row[..8].fill(level);
        if across > 8 {
            row[8..16].fill(level);
        }
    }
}

/// Writes the samples of a block, `size` columns and rows at most [`MAX_POINTS`] each, to the start of `out`, whose
/// rows are `stride` apart. Up to [`SLACK`] bytes behind each row are overwritten: blocks come from left to right. `last`
/// is the index of the last coefficient that is not zero, in zigzag order.
#[inline(always)]
pub(super) fn transform<S: Simd>(
    simd: S,
    block: &[i16; 64],
    last: usize,
    size: (usize, usize),
    out: &mut [u8],
    stride: usize,
) {
    // The zigzag reaches the fifth row or column with its tenth coefficient.
    let half = last < 10;
    match size {
        _ if last == 0 => flat(block[0], size, out, stride),
        (2, 2) => two_by_two(block, out, stride),
        (8, 8) if half => blocks(simd, block, true, (8, 8), out, stride),
        (8, 8) => blocks(simd, block, false, (8, 8), out, stride),
        (4, 4) => blocks(simd, block, true, (4, 4), out, stride),
        (3, 3) => blocks(simd, block, true, (3, 3), out, stride),
        (5, 5) => blocks(simd, block, half, (5, 5), out, stride),
        (6, 6) => blocks(simd, block, half, (6, 6), out, stride),
        (7, 7) => blocks(simd, block, half, (7, 7), out, stride),
        (10, 10) => blocks(simd, block, half, (10, 10), out, stride),
        (12, 12) => blocks(simd, block, half, (12, 12), out, stride),
        (14, 14) => blocks(simd, block, half, (14, 14), out, stride),
        _ => blocks(simd, block, half, size, out, stride),
    }
}

fn two_by_two(block: &[i16; 64], out: &mut [u8], stride: usize) {
    let [a, b, c, d] = [block[0], block[1], block[8], block[9]].map(i32::from);
    let level = |sum: i32| (((sum + 4) >> 3) + 128).clamp(0, 255) as u8;
    out[..2].copy_from_slice(&[level(a + b + c + d), level(a - b + c - d)]);
    out[stride..stride + 2].copy_from_slice(&[level(a + b - c - d), level(a - b - c + d)]);
}

#[inline(always)]
fn blocks<S: Simd>(
    simd: S,
    block: &[i16; 64],
    half: bool,
    (across, down): (usize, usize),
    out: &mut [u8],
    stride: usize,
) {
    let zero = i16x8::splat(simd, 0);
    let rows = block.as_chunks::<8>().0;
    let mut lines = [zero; 8];
    for (line, row) in lines.iter_mut().zip(rows) {
        *line = i16x8::from_slice(simd, row);
    }
    let mut middle = [zero; MAX_POINTS + 2];
    pass::<S, { BASIS_BITS - PASS_BITS }>(simd, &lines, half, down, &mut middle);
    for (top, upper) in middle.as_chunks::<8>().0.iter().enumerate().take(down.div_ceil(8)) {
        let mut columns = [zero; MAX_POINTS + 2];
        pass::<S, { BASIS_BITS + PASS_BITS + 3 }>(simd, &transpose(*upper), half, across, &mut columns);
        for (left, part) in columns.as_chunks::<8>().0.iter().enumerate().take(across.div_ceil(8)) {
            let tile = samples(simd, part);
            for (y, row) in tile.iter().enumerate().take((down - top * 8).min(8)) {
                let start = (top * 8 + y) * stride + left * 8;
                out[start..start + 8].copy_from_slice(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use fearless_simd::dispatch;

    use super::super::super::tables::ZIGZAG;
    use super::super::tests::levels;
    use super::*;

    /// Coefficients up to the index `last` of the zigzag order, as an image has them: fewer and smaller ones towards the
    /// end.
    fn block(seed: u32, last: usize) -> [i16; 64] {
        let mut state = seed;
        let mut block = [0; 64];
        for index in 0..=last {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let range = if index == 0 { 1600 } else { 800 / (index as i32 + 3) };
            block[usize::from(ZIGZAG[index])] = ((state >> 16) as i32 % (2 * range + 1) - range) as i16;
        }
        block[usize::from(ZIGZAG[last])] |= 1;
        block
    }

    /// By the definition, in floating point.
    fn expected(block: &[i16; 64], (across, down): (usize, usize), x: usize, y: usize) -> f64 {
        let cosine = |k: usize, at: usize, points: usize| match k {
            0 => 1.0,
            _ => 2.0f64.sqrt() * (((2 * at + 1) * k) as f64 * PI / (2 * points) as f64).cos(),
        };
        let mut sum = 0.0;
        for v in 0..down.min(8) {
            for u in 0..across.min(8) {
                sum += f64::from(block[v * 8 + u]) * cosine(u, x, across) * cosine(v, y, down);
            }
        }
        (sum / 8.0 + 128.0).clamp(0.0, 255.0)
    }

    /// What the decoder's order leaves of a block for so many points.
    fn kept(block: &[i16; 64], (across, down): (usize, usize)) -> [i16; 64] {
        std::array::from_fn(|place| if place % 8 < across && place / 8 < down { block[place] } else { 0 })
    }

    #[test]
    fn blocks_of_every_size_are_those_of_the_definition() {
        const STRIDE: usize = MAX_POINTS + SLACK;
        let sizes = (1..=8).flat_map(|n: usize| [(n, n), (2 * n, n), (n, 2 * n), (2 * n, 2 * n)]);
        for size in sizes.filter(|size| size.0.max(size.1) <= MAX_POINTS) {
            for last in [0, 1, 2, 4, 9, 10, 20, 35, 63] {
                for seed in 0..20 {
                    let block = kept(&block(seed, last), size);
                    for level in levels() {
                        let mut out = [0; STRIDE * MAX_POINTS];
                        dispatch!(level, simd => transform(simd, &block, last, size, &mut out, STRIDE));
                        for y in 0..size.1 {
                            for x in 0..size.0 {
                                let wanted = expected(&block, size, x, y);
                                let got = f64::from(out[y * STRIDE + x]);
                                let name = format!("{size:?}, {last}, {seed}: {x},{y}, {level:?}");
                                assert!((got - wanted).abs() < 1.0, "{name}: {got} is not {wanted}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn coefficients_that_no_image_has_are_no_panic() {
        for value in [i16::MIN, -20_000, 20_000, i16::MAX] {
            for size in [(1, 1), (2, 2), (3, 3), (8, 8), (14, 7)] {
                for last in [0, 9, 63] {
                    let mut out = [0; 32 * 14];
                    for level in levels() {
                        dispatch!(level, simd => transform(simd, &[value; 64], last, size, &mut out, 32));
                    }
                }
            }
        }
    }
}
