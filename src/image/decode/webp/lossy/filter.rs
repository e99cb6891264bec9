//! The smoothing of edges between blocks (RFC 6386, 15), sixteen samples along an edge at once.

use fearless_simd::prelude::*;
use fearless_simd::{i8x16, u8x16};

use super::header::Filters;

/// How much an edge is smoothed. Differences are in levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strength {
    simple: bool,
    /// the largest step across an edge between macroblocks that is smoothed
    outer: u8,
    /// the same within a macroblock
    inner: u8,
    /// the largest step between samples on one side
    flat: u8,
    /// from which step on the side is no smooth surface
    high: u8,
}

impl Strength {
    /// For a level of 0..=63; `None` for no smoothing.
    pub(super) fn new(filters: &Filters, level: u8) -> Option<Self> {
        if level == 0 {
            return None;
        }
        let mut flat = level;
        if filters.sharpness > 0 {
            flat >>= if filters.sharpness > 4 { 2 } else { 1 };
            flat = flat.min(9 - filters.sharpness);
        }
        let flat = flat.max(1);
        let high = match level {
            40.. => 2,
            15.. => 1,
            _ => 0,
        };
        let inner = 2 * level + flat;
        Some(Self { simple: filters.simple, outer: inner + 4, inner, flat, high })
    }

    /// Whether only the two samples at an edge change, and only in luma.
    pub(super) fn is_simple(self) -> bool {
        self.simple
    }
}

/// The lines on either side of an edge, from the fourth before it to the fourth behind it.
type Lines<S> = [u8x16<S>; 8];

/// Smooths the edge in the middle of `lines`. Returns whether anything has changed.
#[inline(always)]
fn smooth<S: Simd>(simd: S, lines: &mut Lines<S>, strength: Strength, outer: bool) -> bool {
    let [p3, p2, p1, p0, q0, q1, q2, q3] = *lines;
    let limit = u8x16::splat(simd, if outer { strength.outer } else { strength.inner });
    let step = distance(p0, q0);
    let step = step.saturating_add(step).saturating_add(distance(p1, q1) >> 1_u32);
    let mut smoothed = step.simd_le(limit);
    if strength.simple {
        if !smoothed.any_true() {
            return false;
        }
        let (p1, p0, q0, q1) = (signed(simd, p1), signed(simd, p0), signed(simd, q0), signed(simd, q1));
        let zero = i8x16::splat(simd, 0);
        let more = smoothed.select(across(p0, q0, p1.saturating_sub(q1)), zero);
        let (p0, q0, _) = nearest(p0, q0, more);
        (lines[3], lines[4]) = (unsigned(simd, p0), unsigned(simd, q0));
        return true;
    }
    let nearby = distance(p1, p0).max(distance(q1, q0));
    let sides =
        distance(p3, p2).max(distance(p2, p1)).max(distance(q3, q2)).max(distance(q2, q1)).max(nearby);
    smoothed &= sides.simd_le(u8x16::splat(simd, strength.flat));
    if !smoothed.any_true() {
        return false;
    }
    let rough = nearby.simd_gt(u8x16::splat(simd, strength.high));
    // Written out, because what a closure calls is not inlined.
    let (p2, p1, p0) = (signed(simd, p2), signed(simd, p1), signed(simd, p0));
    let (q0, q1, q2) = (signed(simd, q0), signed(simd, q1), signed(simd, q2));
    let zero = i8x16::splat(simd, 0);
    let outside = p1.saturating_sub(q1);
    if outer {
        let more = smoothed.select(across(p0, q0, outside), zero);
        let (p0, q0, _) = nearest(p0, q0, rough.select(more, zero));
        let wide = rough.select(zero, more);
        let (near, middle, far) = (share(wide, 27), share(wide, 18), share(wide, 9));
        lines[1] = unsigned(simd, p2.saturating_add(far));
        lines[2] = unsigned(simd, p1.saturating_add(middle));
        lines[3] = unsigned(simd, p0.saturating_add(near));
        lines[4] = unsigned(simd, q0.saturating_sub(near));
        lines[5] = unsigned(simd, q1.saturating_sub(middle));
        lines[6] = unsigned(simd, q2.saturating_sub(far));
    } else {
        let more = smoothed.select(across(p0, q0, rough.select(outside, zero)), zero);
        let (p0, q0, half) = nearest(p0, q0, more);
        let half = rough.select(zero, (half + 1) >> 1_u32);
        lines[2] = unsigned(simd, p1.saturating_add(half));
        (lines[3], lines[4]) = (unsigned(simd, p0), unsigned(simd, q0));
        lines[5] = unsigned(simd, q1.saturating_sub(half));
    }
    true
}

#[inline(always)]
fn distance<S: Simd>(a: u8x16<S>, b: u8x16<S>) -> u8x16<S> {
    a.saturating_sub(b) | b.saturating_sub(a)
}

#[inline(always)]
fn signed<S: Simd>(simd: S, line: u8x16<S>) -> i8x16<S> {
    (line ^ u8x16::splat(simd, 128)).bitcast()
}

#[inline(always)]
fn unsigned<S: Simd>(simd: S, line: i8x16<S>) -> u8x16<S> {
    line.bitcast::<u8x16<S>>() ^ u8x16::splat(simd, 128)
}

/// Three times the step across the edge, and `outside`.
#[inline(always)]
fn across<S: Simd>(p0: i8x16<S>, q0: i8x16<S>, outside: i8x16<S>) -> i8x16<S> {
    let step = q0.saturating_sub(p0);
    outside.saturating_add(step).saturating_add(step).saturating_add(step)
}

/// So many parts of 128, rounded.
#[inline(always)]
fn share<S: Simd>(of: i8x16<S>, parts: i16) -> i8x16<S> {
    let (low, high) = of.widen();
    ((low * parts + 63) >> 7_u32).saturating_narrow((high * parts + 63) >> 7_u32)
}

/// Moves the samples at the edge by an eighth of `more`. Returns also by how much the one behind it went.
#[inline(always)]
fn nearest<S: Simd>(p0: i8x16<S>, q0: i8x16<S>, more: i8x16<S>) -> (i8x16<S>, i8x16<S>, i8x16<S>) {
    let back = more.saturating_add(4) >> 3_u32;
    let forth = more.saturating_add(3) >> 3_u32;
    (p0.saturating_add(forth), q0.saturating_sub(back), back)
}

/// Smooths an edge between rows of luma. `at` is the first sample below it.
#[inline(always)]
pub(super) fn between_rows<S: Simd>(
    simd: S,
    plane: &mut [u8],
    (at, stride): (usize, usize),
    strength: Strength,
    outer: bool,
) {
    let start = at - 4 * stride;
    let mut lines = [u8x16::splat(simd, 0); 8];
    for (y, line) in lines.iter_mut().enumerate() {
        *line = u8x16::from_slice(simd, &plane[start + y * stride..][..16]);
    }
    if smooth(simd, &mut lines, strength, outer) {
        for (y, line) in lines.iter().enumerate().take(7).skip(1) {
            line.store_slice(&mut plane[start + y * stride..][..16]);
        }
    }
}

/// The same in both planes of chroma.
#[inline(always)]
pub(super) fn between_rows_of_two<S: Simd>(
    simd: S,
    planes: &mut [Vec<u8>; 2],
    (at, stride): (usize, usize),
    strength: Strength,
    outer: bool,
) {
    let start = at - 4 * stride;
    let mut lines = [u8x16::splat(simd, 0); 8];
    for (y, line) in lines.iter_mut().enumerate() {
        let mut both = [0; 16];
        for (half, plane) in both.as_chunks_mut::<8>().0.iter_mut().zip(planes.iter()) {
            half.copy_from_slice(&plane[start + y * stride..][..8]);
        }
        *line = u8x16::from_slice(simd, &both);
    }
    if smooth(simd, &mut lines, strength, outer) {
        for (y, line) in lines.iter().enumerate().take(7).skip(1) {
            let mut both = [0; 16];
            line.store_slice(&mut both);
            for (half, plane) in both.as_chunks::<8>().0.iter().zip(planes.iter_mut()) {
                plane[start + y * stride..][..8].copy_from_slice(half);
            }
        }
    }
}

/// Smooths an edge between columns of luma. `at` is the first sample to the right of it.
#[inline(always)]
pub(super) fn between_columns<S: Simd>(
    simd: S,
    plane: &mut [u8],
    (at, stride): (usize, usize),
    strength: Strength,
    outer: bool,
) {
    let start = at - 4;
    let mut rows = [[0; 8]; 16];
    for (y, row) in rows.iter_mut().enumerate() {
        row.copy_from_slice(&plane[start + y * stride..][..8]);
    }
    if smooth_rows(simd, &mut rows, strength, outer) {
        for (y, row) in rows.iter().enumerate() {
            plane[start + y * stride..][..8].copy_from_slice(row);
        }
    }
}

/// The same in both planes of chroma.
#[inline(always)]
pub(super) fn between_columns_of_two<S: Simd>(
    simd: S,
    planes: &mut [Vec<u8>; 2],
    (at, stride): (usize, usize),
    strength: Strength,
    outer: bool,
) {
    let start = at - 4;
    let mut rows = [[0; 8]; 16];
    for (half, plane) in rows.as_chunks_mut::<8>().0.iter_mut().zip(planes.iter()) {
        for (y, row) in half.iter_mut().enumerate() {
            row.copy_from_slice(&plane[start + y * stride..][..8]);
        }
    }
    if smooth_rows(simd, &mut rows, strength, outer) {
        for (half, plane) in rows.as_chunks::<8>().0.iter().zip(planes.iter_mut()) {
            for (y, row) in half.iter().enumerate() {
                plane[start + y * stride..][..8].copy_from_slice(row);
            }
        }
    }
}

/// Sixteen rows with an edge in the middle of each.
#[inline(always)]
fn smooth_rows<S: Simd>(simd: S, rows: &mut [[u8; 8]; 16], strength: Strength, outer: bool) -> bool {
    let mut lines = columns(simd, rows);
    let changed = smooth(simd, &mut lines, strength, outer);
    if changed {
        write_columns(&lines, rows);
    }
    changed
}

/// The columns of sixteen rows.
#[inline(always)]
fn columns<S: Simd>(simd: S, rows: &[[u8; 8]; 16]) -> Lines<S> {
    // Two rows each. Every step puts bytes of rows side by side that were twice as near before.
    let pairs = rows.as_flattened().as_chunks::<16>().0;
    let zero = u8x16::splat(simd, 0);
    let mut lines = [zero; 8];
    for (line, pair) in lines.iter_mut().zip(pairs) {
        *line = u8x16::from_slice(simd, pair);
    }
    // A perfect shuffle of all 128 bytes takes the column to the front, once for each bit of the row.
    for _ in 0..4 {
        let old = lines;
        for index in 0..4 {
            (lines[2 * index], lines[2 * index + 1]) = old[index].interleave(old[index + 4]);
        }
    }
    lines
}

/// The inverse of [`columns`].
#[inline(always)]
fn write_columns<S: Simd>(lines: &Lines<S>, rows: &mut [[u8; 8]; 16]) {
    let mut lines = *lines;
    // The shuffle has come round after seven times, of which four are done.
    for _ in 0..3 {
        let old = lines;
        for index in 0..4 {
            (lines[2 * index], lines[2 * index + 1]) = old[index].interleave(old[index + 4]);
        }
    }
    for (pair, line) in rows.as_flattened_mut().as_chunks_mut::<16>().0.iter_mut().zip(lines) {
        line.store_slice(pair);
    }
}
