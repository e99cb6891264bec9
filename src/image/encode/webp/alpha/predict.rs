//! What the neighbours of a sample predict, chosen for each block (RFC 9649, 3.5.1).

use super::cost::{self, BIT};
use crate::error::Result;
use crate::image::limits::Progress;

/// The side of a block as a power of two.
pub(super) const SIDE_BITS: u32 = 4;
const SIDE: usize = 1 << SIDE_BITS;

/// The kinds that are tried, those that are chosen most often first.
const KINDS: [u8; 8] = [12, 11, 1, 2, 10, 7, 3, 0];

/// What another kind than that of the block before has to save, to be worth being written down. Patterns that are
/// predicted alike also repeat more often.
const CHANGE: u32 = 16 * BIT;

/// What a plane differs by from its prediction.
pub(super) struct Predicted {
    pub(super) residuals: Vec<u8>,
    /// of each block
    pub(super) kinds: Vec<u8>,
    /// blocks in a row
    pub(super) blocks_wide: usize,
}

/// Predicts a plane.
///
/// # Errors
/// Those of `progress`.
pub(super) fn predict(plane: &[u8], width: usize, progress: &Progress) -> Result<Predicted> {
    let height = plane.len() / width;
    let blocks_wide = width.div_ceil(SIDE);
    let mut kinds = vec![0; blocks_wide * height.div_ceil(SIDE)];
    let mut residuals = vec![0; plane.len()];
    residuals[0] = plane[0];
    for x in 1..width {
        residuals[x] = plane[x].wrapping_sub(plane[x - 1]);
    }
    for at in (width..plane.len()).step_by(width) {
        residuals[at] = plane[at].wrapping_sub(plane[at - width]);
    }

    // Before anything is known, that small ones are common.
    let mut counts: [u32; 256] = std::array::from_fn(|residual| {
        1 + 64 / (1 + u32::from((residual as u8).cast_signed().unsigned_abs()))
    });
    let mut kind = KINDS[0];
    for (row, kinds) in kinds.chunks_mut(blocks_wide).enumerate() {
        progress.check()?;
        let costs = cost::of_symbols(&counts, (0, 20 * BIT));
        let (top, bottom) = ((row * SIDE).max(1), (row * SIDE + SIDE).min(height));
        for (column, of_block) in kinds.iter_mut().enumerate() {
            let (left, right) = ((column * SIDE).max(1), (column * SIDE + SIDE).min(width));
            *of_block = kind;
            if left >= right || top >= bottom {
                continue;
            }
            let block =
                Block { plane, width, at: top * width + left, wide: right - left, high: bottom - top };
            if block.is_flat() && kind != 0 {
                continue;
            }
            kind = block.best_kind(kind, &costs);
            *of_block = kind;
            for y in 0..block.high {
                let at = block.at + y * width;
                let row = &mut residuals[at..][..block.wide];
                residual(kind, row, plane, at, width);
                for residual in row {
                    counts[usize::from(*residual)] += 1;
                }
            }
        }
    }
    Ok(Predicted { residuals, kinds, blocks_wide })
}

/// A part of the plane in which each sample has neighbours on the left and above.
struct Block<'a> {
    plane: &'a [u8],
    width: usize,
    at: usize,
    wide: usize,
    high: usize,
}

impl Block<'_> {
    /// Whether it is of one level, with all that predicts it.
    fn is_flat(&self) -> bool {
        let first = self.at - self.width - 1;
        let level = self.plane[first];
        (0..=self.high).all(|y| {
            let from = first + y * self.width;
            // Behind the last row is nothing, which is not needed there.
            let row = &self.plane[from..self.plane.len().min(from + self.wide + 2)];
            row.iter().fold(0, |differing, sample| differing | (sample ^ level)) == 0
        })
    }

    fn best_kind(&self, before: u8, costs: &[u32; 256]) -> u8 {
        let mut best = (self.cost(before, costs, u32::MAX).saturating_sub(CHANGE), before);
        for kind in KINDS.into_iter().filter(|kind| *kind != before) {
            let cost = self.cost(kind, costs, best.0);
            if cost < best.0 {
                best = (cost, kind);
            }
        }
        best.1
    }

    /// What the block costs, or a part of that which is no less than `enough`.
    fn cost(&self, kind: u8, costs: &[u32; 256], enough: u32) -> u32 {
        let mut cost = 0;
        for y in 0..self.high {
            let mut row = [0; SIDE];
            let row = &mut row[..self.wide];
            residual(kind, row, self.plane, self.at + y * self.width, self.width);
            cost += row.iter().map(|residual| costs[usize::from(*residual)]).sum::<u32>();
            if cost >= enough {
                break;
            }
        }
        cost
    }
}

/// Fills `out` with what the samples from `at` on differ by from one of [`KINDS`] of prediction.
fn residual(kind: u8, out: &mut [u8], plane: &[u8], at: usize, width: usize) {
    let differ = Differ { out, plane, at, width };
    match kind {
        1 => differ.by(|left, _, _, _| left),
        2 => differ.by(|_, _, top, _| top),
        3 => differ.by(|_, _, _, right| right),
        7 => differ.by(|left, _, top, _| mean(left, top)),
        10 => differ.by(|left, corner, top, right| mean(mean(left, corner), mean(top, right))),
        11 => differ.by(
            |left, corner, top, _| {
                if top.abs_diff(corner) < left.abs_diff(corner) { left } else { top }
            },
        ),
        12 => differ.by(|left, corner, top, _| {
            (i16::from(left) + i16::from(top) - i16::from(corner)).clamp(0, 255) as u8
        }),
        _ => differ.by(|_, _, _, _| 0),
    }
}

fn mean(a: u8, b: u8) -> u8 {
    u16::midpoint(a.into(), b.into()) as u8
}

struct Differ<'a> {
    out: &'a mut [u8],
    plane: &'a [u8],
    at: usize,
    width: usize,
}

impl Differ<'_> {
    /// The prediction is told what is on the left, in the corner, above and to the right of that. To the right of the last
    /// sample above is the first one of this row.
    #[inline]
    fn by(self, prediction: impl Fn(u8, u8, u8, u8) -> u8) {
        let samples = |at: usize| &self.plane[at..][..self.out.len()];
        let here = samples(self.at);
        let left = samples(self.at - 1);
        let above = self.at - self.width;
        let (corner, top, right) = (samples(above - 1), samples(above), samples(above + 1));
        for at in 0..here.len() {
            self.out[at] = here[at].wrapping_sub(prediction(left[at], corner[at], top[at], right[at]));
        }
    }
}
