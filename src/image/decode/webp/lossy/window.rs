//! The rows of a picture that are at hand: those of the last row of macroblocks, and above them what the smoothing of
//! the next edge and the chroma of the next rows need.

use fearless_simd::Simd;

use super::filter::{self, Strength};
use super::predict::{ChromaSpace, LEFT, LumaSpace, SECOND, STRIDE};

/// Rows of luma that are kept from the row of macroblocks above; half as many of chroma.
pub(super) const KEPT: usize = 8;

/// Planes of luma and of chroma, which is half as large either way, in whole macroblocks.
pub(super) struct Window {
    pub(super) luma: Vec<u8>,
    pub(super) chroma: [Vec<u8>; 2],
    /// from one row of luma to the next; half of it for chroma
    pub(super) stride: usize,
}

impl Window {
    /// For so many macroblocks in a row.
    pub(super) fn new(across: usize) -> Self {
        let stride = across * 16;
        let chroma = || vec![0; (KEPT / 2 + 8) * stride / 2];
        Self { luma: vec![0; (KEPT + 16) * stride], chroma: [chroma(), chroma()], stride }
    }

    /// Bytes that [`Window::new`] takes.
    pub(super) fn memory_bytes(across: u64) -> u64 {
        across * 16 * (KEPT as u64 + 16) * 3 / 2
    }

    /// Goes on to the next row of macroblocks.
    pub(super) fn advance(&mut self) {
        self.luma.copy_within(16 * self.stride.., 0);
        for plane in &mut self.chroma {
            plane.copy_within(8 * self.stride / 2.., 0);
        }
    }

    /// Takes over the macroblock in `column`.
    #[inline(always)]
    pub(super) fn put(&mut self, column: usize, luma: &LumaSpace, chroma: &ChromaSpace) {
        for (row, samples) in luma.as_chunks::<STRIDE>().0[1..].iter().enumerate() {
            let at = (KEPT + row) * self.stride + column * 16;
            self.luma[at..at + 16].copy_from_slice(&samples[LEFT..LEFT + 16]);
        }
        for (row, samples) in chroma.as_chunks::<STRIDE>().0[1..].iter().enumerate() {
            let at = (KEPT / 2 + row) * self.stride / 2 + column * 8;
            let [first, second] = &mut self.chroma;
            first[at..at + 8].copy_from_slice(&samples[LEFT..LEFT + 8]);
            second[at..at + 8].copy_from_slice(&samples[SECOND..SECOND + 8]);
        }
    }

    /// Smooths the left and the upper edge of the macroblock in `column`, and if `blocks` those within it. `above` says
    /// that it has one above. Macroblocks come from left to right, because each changes the one before it.
    #[inline(always)]
    pub(super) fn smooth<S: Simd>(
        &mut self,
        simd: S,
        column: usize,
        above: bool,
        strength: Strength,
        blocks: bool,
    ) {
        let (stride, half) = (self.stride, self.stride / 2);
        let luma_at = KEPT * stride + column * 16;
        let chroma_at = KEPT / 2 * half + column * 8;
        let (luma, chroma) = (&mut self.luma[..], &mut self.chroma);
        let colours = !strength.is_simple();
        if column > 0 {
            filter::between_columns(simd, luma, (luma_at, stride), strength, true);
            if colours {
                filter::between_columns_of_two(simd, chroma, (chroma_at, half), strength, true);
            }
        }
        if blocks {
            for x in [4, 8, 12] {
                filter::between_columns(simd, luma, (luma_at + x, stride), strength, false);
            }
            if colours {
                filter::between_columns_of_two(simd, chroma, (chroma_at + 4, half), strength, false);
            }
        }
        if above {
            filter::between_rows(simd, luma, (luma_at, stride), strength, true);
            if colours {
                filter::between_rows_of_two(simd, chroma, (chroma_at, half), strength, true);
            }
        }
        if blocks {
            for y in [4, 8, 12] {
                filter::between_rows(simd, luma, (luma_at + y * stride, stride), strength, false);
            }
            if colours {
                filter::between_rows_of_two(simd, chroma, (chroma_at + 4 * half, half), strength, false);
            }
        }
    }
}
