//! Sums of samples times weights, for samples that lie side by side and sums that take them from below each other.
//!
//! That is how columns are scaled. Rows of one channel are turned into columns, scaled like those, and turned back,
//! which costs a third of sums along them; so are rows that are too short for the code in `pixels`.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, i16x16, i32x8, u8x16, u8x32, u16x16, u32x8};

use super::weights::{GROUP, Weights, window_of_group};

/// Samples that are summed up side by side, and rows that are turned into columns at once.
pub(super) const SIDE: usize = 32;

/// Samples on a side of a block that is turned.
const BLOCK: usize = 16;

/// Columns that all rows are made of before the next ones, so that the source comes from the nearest cache.
const TILE: usize = 64 * SIDE;

/// Groups of results along a row for which rows are turned into columns at once.
const TILE_GROUPS: usize = 32;

/// Space for columns, and for what they are scaled to.
#[derive(Default)]
pub(super) struct Columns {
    source: Vec<u8>,
    results: Vec<u8>,
}

/// Bytes that [`Columns`] take at most, where a result is made of `step` samples of so many `channels`.
pub(super) fn columns_bytes(step: f64, channels: u64) -> u64 {
    let results = (TILE_GROUPS * GROUP) as u64;
    let samples = (step * results as f64).ceil() as u64 + u64::from(window_of_group(step));
    ((samples + results) * channels + 2 * BLOCK as u64) * SIDE as u64
}

/// Makes the `groups` of rows out of `source`, whose rows are `row_bytes` long, the first of them number `first`.
pub(super) fn along_columns(
    level: Level,
    weights: &Weights,
    groups: Range<usize>,
    (source, first): (&[u8], u32),
    row_bytes: usize,
    out: &mut [u8],
) {
    dispatch!(level, simd => columns(simd, weights, groups.clone(), (source, first), row_bytes, out));
}

#[inline(always)]
fn columns<S: Simd>(
    simd: S,
    weights: &Weights,
    groups: Range<usize>,
    (source, first): (&[u8], u32),
    row_bytes: usize,
    out: &mut [u8],
) {
    for left in (0..row_bytes).step_by(TILE) {
        let right = row_bytes.min(left + TILE);
        for (group, rows) in groups.clone().zip(out.chunks_mut(GROUP * row_bytes)) {
            let top = (weights.window(group).start - first) as usize * row_bytes;
            let pairs = weights.pairs(group);
            for x in (left..right).step_by(SIDE) {
                let sums = weighted(simd, &source[top + x..], row_bytes, pairs, weights.bits());
                for (sum, row) in sums.iter().zip(rows.chunks_exact_mut(row_bytes)) {
                    match row[x..].first_chunk_mut::<SIDE>() {
                        Some(place) => sum.store_slice(place),
                        None => row[x..].copy_from_slice(&sum.as_slice()[..row_bytes - x]),
                    }
                }
            }
        }
    }
}

/// Makes the rows of `out`, as many as fit, out of as many rows of `strip`, of pixels of so many `channels`.
pub(super) fn along_rows(
    level: Level,
    weights: &Weights,
    channels: usize,
    (strip, row_bytes): (&[u8], usize),
    columns: &mut Columns,
    (out, out_bytes): (&mut [u8], usize),
) {
    dispatch!(level, simd => rows(simd, weights, channels, (strip, row_bytes), columns, (out, out_bytes)));
}

#[inline(always)]
fn rows<S: Simd>(
    simd: S,
    weights: &Weights,
    channels: usize,
    (strip, row_bytes): (&[u8], usize),
    columns: &mut Columns,
    (out, out_bytes): (&mut [u8], usize),
) {
    let blocks = (out.len() / out_bytes).div_ceil(BLOCK);
    for begin in (0..weights.groups()).step_by(TILE_GROUPS) {
        let groups = begin..weights.groups().min(begin + TILE_GROUPS);
        let left = weights.window(begin).start as usize * channels;
        let right = weights.window(groups.end - 1).end as usize * channels;
        columns.source.resize((right - left).next_multiple_of(BLOCK) * SIDE, 0);
        for (index, place) in columns.source.chunks_exact_mut(BLOCK * SIDE).enumerate() {
            for down in 0..blocks {
                let at = down * BLOCK * row_bytes + left + index * BLOCK;
                turn(simd, (&strip[at.min(strip.len())..], row_bytes), (&mut place[down * BLOCK..], SIDE));
            }
        }
        let results = (groups.len() * GROUP * channels).next_multiple_of(BLOCK);
        columns.results.resize(results * SIDE, 0);
        for (group, place) in groups.clone().zip(columns.results.chunks_mut(GROUP * channels * SIDE)) {
            let start = weights.window(group).start as usize * channels - left;
            let pairs = weights.pairs(group);
            for channel in 0..channels {
                let at = (start + channel) * SIDE;
                let sums = weighted(simd, &columns.source[at..], channels * SIDE, pairs, weights.bits());
                for (index, sum) in sums.iter().enumerate() {
                    sum.store_slice(&mut place[(index * channels + channel) * SIDE..][..SIDE]);
                }
            }
        }
        let left = begin * GROUP * channels;
        for (index, place) in columns.results.chunks_exact(BLOCK * SIDE).enumerate() {
            let left = left + index * BLOCK;
            for down in 0..blocks {
                let mut block = [0; BLOCK * BLOCK];
                turn(simd, (&place[down * BLOCK..], SIDE), (&mut block, BLOCK));
                let rows = out.chunks_exact_mut(out_bytes).skip(down * BLOCK);
                for (row, samples) in rows.zip(block.as_chunks::<BLOCK>().0) {
                    let row = &mut row[left.min(out_bytes)..];
                    if let Some(place) = row.first_chunk_mut::<BLOCK>() {
                        *place = *samples;
                    } else {
                        row.copy_from_slice(&samples[..row.len()]);
                    }
                }
            }
        }
    }
}

/// Turns the rows of a block into columns. What of it is not there is as good as anything.
#[inline(always)]
fn turn<S: Simd>(simd: S, (mut from, stride): (&[u8], usize), (to, to_stride): (&mut [u8], usize)) {
    let mut block = [u8x16::splat(simd, 0); BLOCK];
    for row in &mut block {
        let Some(samples) = from.first_chunk::<BLOCK>() else { break };
        *row = u8x16::from_slice(simd, samples);
        from = from.get(stride..).unwrap_or_default();
    }
    // Each round moves a bit of the number of a row to that of a column, and one back.
    for _ in 0..BLOCK.ilog2() {
        let rows = block;
        for index in 0..BLOCK / 2 {
            (block[2 * index], block[2 * index + 1]) = rows[index].interleave(rows[index + BLOCK / 2]);
        }
    }
    for (row, place) in block.iter().zip(to.chunks_mut(to_stride)) {
        row.store_slice(&mut place[..BLOCK]);
    }
}

/// The results of a group for the first samples of `source`, of which the next ones lie a `stride` further on each.
#[inline(always)]
fn weighted<S: Simd>(
    simd: S,
    mut source: &[u8],
    stride: usize,
    pairs: &[[i32; GROUP]],
    bits: u32,
) -> [u8x32<S>; GROUP] {
    let mut sums = [[i32x8::splat(simd, 1 << bits >> 1); 4]; GROUP];
    let (twice, last) = pairs.as_chunks::<2>();
    for [earlier, later] in twice {
        add(simd, &mut sums, (source, stride), earlier);
        add(simd, &mut sums, (source.get(2 * stride..).unwrap_or_default(), stride), later);
        source = source.get(4 * stride..).unwrap_or_default();
    }
    for weights in last {
        add(simd, &mut sums, (source, stride), weights);
    }
    // Written out: a closure given to `map` would not be inlined.
    let mut results = [u8x32::splat(simd, 0); GROUP];
    for (result, [a, b, c, d]) in results.iter_mut().zip(sums) {
        let even = levels((a >> bits) & 0xffff | (c >> bits) << 16);
        let odd = levels((b >> bits) & 0xffff | (d >> bits) << 16);
        *result = (even | (odd << 8)).bitcast();
    }
    results
}

/// Adds the first samples of `source` and those a `stride` further on, each times its weight for either result.
#[inline(always)]
fn add<S: Simd>(
    simd: S,
    sums: &mut [[i32x8<S>; 4]; GROUP],
    (source, stride): (&[u8], usize),
    weights: &[i32; GROUP],
) {
    let (upper, lower) = match source.get(stride..stride + SIDE) {
        Some(lower) => (u8x32::from_slice(simd, &source[..SIDE]), u8x32::from_slice(simd, lower)),
        None => (last_samples(simd, source, 0), last_samples(simd, source, stride)),
    };
    // Of four samples each two and two, of both rows in turn, then each with its neighbour of the other row.
    let (upper, lower) = (upper.bitcast::<u32x8<S>>(), lower.bitcast::<u32x8<S>>());
    let first = (upper & 0xffff) | (lower << 16);
    let last = (upper >> 16) | (lower & 0xffff_0000);
    let fours = [
        (first & 0x00ff_00ff).bitcast::<i16x16<S>>(),
        (first.bitcast::<u16x16<S>>() >> 8).bitcast(),
        (last & 0x00ff_00ff).bitcast(),
        (last.bitcast::<u16x16<S>>() >> 8).bitcast(),
    ];
    for (sums, weights) in sums.iter_mut().zip(weights) {
        let weights = i32x8::splat(simd, *weights).bitcast::<i16x16<S>>();
        for (sum, samples) in sums.iter_mut().zip(fours) {
            *sum += samples.pairwise_dot_product(weights);
        }
    }
}

/// The nearest levels that there are.
#[inline(always)]
fn levels<S: Simd>(sums: i32x8<S>) -> u16x16<S> {
    sums.bitcast::<i16x16<S>>().max(0).min(255).bitcast()
}

/// The samples from `at` on, and noughts where there are none.
#[cold]
fn last_samples<S: Simd>(simd: S, source: &[u8], at: usize) -> u8x32<S> {
    let mut samples = [0; SIDE];
    let rest = source.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(SIDE)];
    samples[..rest.len()].copy_from_slice(rest);
    u8x32::from_slice(simd, &samples)
}
