//! Rows of pixels of three or four samples. To turn those into columns takes longer than to read them as they are.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, i16x16, i32x8, u8x16, u8x32, u16x16, u32x8};

use super::weights::{GROUP, Weights};

/// Rows that are scaled at once, two of them in a vector.
const ROWS: usize = 8;

/// Pixels that are read at once of a row.
const STEP: usize = 4;

/// Bytes that are read for them, and may be behind the last row.
pub(super) const SLACK: usize = 16;

/// Bytes of the pixels of a group.
const BYTES: usize = GROUP * 4;

/// How the samples of so many channels lie.
struct Order {
    channels: usize,
    /// of each channel in turn, the first of four pixels, the third, the second and the fourth
    source: [u8; 16],
    /// what of the pixels of two rows that have four samples each goes into the result
    result: [u8; 16],
}

const RGB: Order = Order {
    channels: 3,
    source: [0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11, 2, 8, 5, 11],
    result: [0, 1, 2, 4, 5, 6, 6, 6, 8, 9, 10, 12, 13, 14, 14, 14],
};

const RGBA: Order = Order {
    channels: 4,
    source: [0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15],
    result: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
};

/// Whether rows of so many pixels are long enough for what is read of them at once.
pub(super) fn fit(weights: &Weights, width: usize, channels: usize) -> bool {
    channels > 1 && weights.pairs(0).len() * 2 <= width
}

/// Makes the rows of `out` out of those of `strip`, of which there are as many or more, a multiple of eight.
pub(super) fn along_rows(
    level: Level,
    weights: &Weights,
    channels: usize,
    (strip, row_bytes): (&[u8], usize),
    (out, out_bytes): (&mut [u8], usize),
) {
    let order = if channels == 3 { &RGB } else { &RGBA };
    for (index, out) in out.chunks_mut(ROWS * out_bytes).enumerate() {
        let strip = (&strip[index * ROWS * row_bytes..], row_bytes);
        dispatch!(level, simd => eight_rows(simd, weights, order, strip, (&mut *out, out_bytes)));
    }
}

#[inline(always)]
fn eight_rows<S: Simd>(
    simd: S,
    weights: &Weights,
    order: &Order,
    (strip, row_bytes): (&[u8], usize),
    (out, out_bytes): (&mut [u8], usize),
) {
    let mut rows = [strip; ROWS];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &strip[index * row_bytes..][..row_bytes + SLACK];
    }
    let packed = u8x32::block_splat(u8x16::from_slice(simd, &order.result));
    for group in 0..weights.groups() {
        let [left, right] = weighted(simd, weights, group, order, &rows);
        let (left, right) = (pixels(&left, weights.bits()), pixels(&right, weights.bits()));
        let (upper, lower) = left.interleave(right);
        let x = group * GROUP * order.channels;
        let mut rows = out.chunks_exact_mut(out_bytes);
        for half in [upper, lower] {
            let half = half.bitcast::<u8x32<S>>().swizzle_dyn_within_blocks(packed);
            for (group, row) in half.as_slice().as_chunks::<BYTES>().0.iter().zip(&mut rows) {
                // What is too much of RGB is written over by the next group, if there is one.
                match row[x..].first_chunk_mut() {
                    Some(place) => *place = *group,
                    None => row[x..].copy_from_slice(&group[..out_bytes - x]),
                }
            }
        }
    }
}

/// For each result of a group the sums of two rows, of the next two, and so on.
#[inline(always)]
fn weighted<S: Simd>(
    simd: S,
    weights: &Weights,
    group: usize,
    order: &Order,
    rows: &[&[u8]; ROWS],
) -> [[i32x8<S>; ROWS / 2]; GROUP] {
    let source = u8x32::block_splat(u8x16::from_slice(simd, &order.source));
    let mut sums = [[i32x8::splat(simd, 1 << weights.bits() >> 1); ROWS / 2]; GROUP];
    let mut at = weights.window(group).start as usize * order.channels;
    let pairs = weights.pairs(group);
    for index in (0..pairs.len()).step_by(STEP / 2) {
        let (earlier, later) = (pairs[index], pairs.get(index + 1).copied().unwrap_or_default());
        for (two, rows) in rows.as_chunks::<2>().0.iter().enumerate() {
            let [upper, lower] = [rows[0], rows[1]];
            let upper = u8x16::from_slice(simd, &upper[at..at + SLACK]);
            let lower = u8x16::from_slice(simd, &lower[at..at + SLACK]);
            let fours: u16x16<S> = upper.combine(lower).swizzle_dyn_within_blocks(source).bitcast();
            let first: i16x16<S> = (fours & 0xff).bitcast();
            let last: i16x16<S> = (fours >> 8).bitcast();
            for (result, sums) in sums.iter_mut().enumerate() {
                let earlier = i32x8::splat(simd, earlier[result]).bitcast::<i16x16<S>>();
                let later = i32x8::splat(simd, later[result]).bitcast::<i16x16<S>>();
                sums[two] += first.pairwise_dot_product(earlier) + last.pairwise_dot_product(later);
            }
        }
        at += STEP * order.channels;
    }
    sums
}

/// A pixel of four samples of each row.
#[inline(always)]
fn pixels<S: Simd>(sums: &[i32x8<S>; ROWS / 2], bits: u32) -> u32x8<S> {
    let [a, b, c, d] = *sums;
    let upper = (a >> bits).saturating_narrow(b >> bits).max(0).min(255);
    let lower = (c >> bits).saturating_narrow(d >> bits).max(0).min(255);
    upper.narrow(lower).bitcast()
}
