//! The inverse transforms (RFC 6386, 14), exactly as they are defined.

use super::coefficients::BLOCKS;

/// Spreads the block of first coefficients over the blocks of luma.
pub(super) fn second(input: &[i16; 16], blocks: &mut [[i16; 16]; BLOCKS]) {
    let mut middle = [[0_i32; 4]; 4];
    for x in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|y| i32::from(input[y * 4 + x]));
        let (outer, inner) = (a + d, b + c);
        let (outer_difference, inner_difference) = (a - d, b - c);
        middle[0][x] = outer + inner;
        middle[1][x] = outer_difference + inner_difference;
        middle[2][x] = outer - inner;
        middle[3][x] = outer_difference - inner_difference;
    }
    for ([a, b, c, d], row) in middle.into_iter().zip(blocks.as_chunks_mut::<4>().0) {
        let (outer, inner) = (a + d + 3, b + c);
        let (outer_difference, inner_difference) = (a - d + 3, b - c);
        let firsts = [
            outer + inner,
            outer_difference + inner_difference,
            outer - inner,
            outer_difference - inner_difference,
        ];
        for (block, first) in row.iter_mut().zip(firsts) {
            block[0] = (first >> 3) as i16;
        }
    }
}

/// The square root of two times the sine of an eighth of pi, and times its cosine less one, in 65536ths.
const SINE: i32 = 35_468;
const COSINE: i32 = 20_091;

/// What a block of coefficients adds to its samples.
#[inline(always)]
pub(super) fn block(input: &[i16; 16]) -> [[i32; 4]; 4] {
    let mut rows = [[0; 4]; 4];
    for (wide, &value) in rows.as_flattened_mut().iter_mut().zip(input) {
        *wide = i32::from(value);
    }
    let mut columns = transposed(pass(rows));
    for first in &mut columns[0] {
        *first += 4;
    }
    let mut rows = transposed(pass(columns));
    for sum in rows.as_flattened_mut() {
        *sum >>= 3;
    }
    rows
}

/// Four lanes at once.
#[inline(always)]
fn pass([a, b, c, d]: [[i32; 4]; 4]) -> [[i32; 4]; 4] {
    let mut out = [[0; 4]; 4];
    for lane in 0..4 {
        let (a, b, c, d) = (a[lane], b[lane], c[lane], d[lane]);
        let (sum, difference) = (a + c, a - c);
        // Only damage makes products that wrap.
        let (sine, cosine) =
            (|v: i32| v.wrapping_mul(SINE) >> 16, |v: i32| v + (v.wrapping_mul(COSINE) >> 16));
        let (minor, major) = (sine(b) - cosine(d), cosine(b) + sine(d));
        out[0][lane] = sum + major;
        out[1][lane] = difference + minor;
        out[2][lane] = difference - minor;
        out[3][lane] = sum - major;
    }
    out
}

#[inline(always)]
fn transposed([a, b, c, d]: [[i32; 4]; 4]) -> [[i32; 4]; 4] {
    [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]
}
