//! Sixteen samples of each channel to sixteen pixels.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

use fearless_simd::prelude::*;
use fearless_simd::{i16x8, i16x16, u8x16};

/// Pixels that are written at once; rows have to be padded to them.
pub(super) const STEP: usize = 16;

/// Bytes that RGB is written beyond its end.
pub(super) const SLACK: usize = 4;

/// The nearest levels that there are.
#[inline(always)]
pub(super) fn level<S: Simd>(wide: i16x16<S>) -> u8x16<S> {
    let (low, high) = wide.max(0).min(255).split();
    low.narrow(high).bitcast()
}

/// Writes RGB, and [`SLACK`] bytes more.
#[inline(always)]
pub(super) fn rgb<S: Simd>(simd: S, [r, g, b]: [u8x16<S>; 3], out: &mut [u8]) {
    // The three bytes of each of four pixels, side by side.
    let dense = u8x16::from_slice(simd, &[0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0]);
    for (index, quad) in quads([r, g, b, b]).into_iter().enumerate() {
        quad.swizzle_dyn(dense).store_slice(&mut out[index * 12..index * 12 + 16]);
    }
}

/// Writes RGBA.
#[inline(always)]
pub(super) fn rgba<S: Simd>(channels: [u8x16<S>; 4], out: &mut [u8]) {
    for (index, quad) in quads(channels).into_iter().enumerate() {
        quad.store_slice(&mut out[index * 16..index * 16 + 16]);
    }
}

/// Four channels of four pixels each.
#[inline(always)]
fn quads<S: Simd>([r, g, b, a]: [u8x16<S>; 4]) -> [u8x16<S>; 4] {
    let (rg_low, rg_high) = (r.zip_low(g).bitcast::<i16x8<S>>(), r.zip_high(g).bitcast::<i16x8<S>>());
    let (ba_low, ba_high) = (b.zip_low(a).bitcast::<i16x8<S>>(), b.zip_high(a).bitcast::<i16x8<S>>());
    [
        rg_low.zip_low(ba_low).bitcast(),
        rg_low.zip_high(ba_low).bitcast(),
        rg_high.zip_low(ba_high).bitcast(),
        rg_high.zip_high(ba_high).bitcast(),
    ]
}
