//! Samples of a macroblock from those around it (RFC 6386, 12).

use super::coefficients::{Blocks, Content};
use super::modes::{Luma, Macroblock, Mode};
use super::transform;

/// From one row of a workspace to the next.
pub(super) const STRIDE: usize = 32;

/// Where luma begins in a row of its workspace, and the first plane of chroma in that of both. One sample of the left
/// neighbour stands before it.
pub(super) const LEFT: usize = 8;

/// Where the second plane of chroma begins.
pub(super) const SECOND: usize = 24;

/// Luma of a macroblock below a row of its upper neighbours.
pub(super) type LumaSpace = [u8; 17 * STRIDE];

/// Chroma likewise, both planes side by side.
pub(super) type ChromaSpace = [u8; 9 * STRIDE];

/// What stands in for samples above the picture, and to the left of it.
pub(super) const ABOVE: u8 = 127;
pub(super) const BESIDE: u8 = 129;

/// Which edges of a macroblock lie inside of the picture.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    pub(super) above: bool,
    pub(super) left: bool,
}

/// Makes luma. The row above and the column to the left are in place, and behind the row four samples of the next one.
#[inline(always)]
pub(super) fn luma(space: &mut LumaSpace, macroblock: &Macroblock, inside: Inside, blocks: Option<&Blocks>) {
    match &macroblock.luma {
        Luma::Whole(mode) => {
            whole::<16, { 17 * STRIDE }>(space, LEFT, *mode, inside);
            let Some(blocks) = blocks else { return };
            for (index, (values, content)) in blocks.values.iter().zip(&blocks.contents).take(16).enumerate()
            {
                add(space, (index / 4 * 4 + 1) * STRIDE + LEFT + index % 4 * 4, values, *content);
            }
        }
        Luma::Blocks(modes) => {
            // Blocks on the right take what is above the macroblock for what is above to their right.
            let beyond = LEFT + 16;
            for row in [4, 8, 12] {
                space.copy_within(beyond..beyond + 4, row * STRIDE + beyond);
            }
            for (index, mode) in modes.iter().enumerate() {
                let at = (index / 4 * 4 + 1) * STRIDE + LEFT + index % 4 * 4;
                block(space, at, *mode);
                if let Some(blocks) = blocks {
                    add(space, at, &blocks.values[index], blocks.contents[index]);
                }
            }
        }
    }
}

/// Makes both planes of chroma.
#[inline(always)]
pub(super) fn chroma(space: &mut ChromaSpace, mode: Mode, inside: Inside, blocks: Option<&Blocks>) {
    for (start, first) in [(LEFT, 16), (SECOND, 20)] {
        whole::<8, { 9 * STRIDE }>(space, start, mode, inside);
        let Some(blocks) = blocks else { continue };
        for index in 0..4 {
            let at = (index / 2 * 4 + 1) * STRIDE + start + index % 2 * 4;
            add(space, at, &blocks.values[first + index], blocks.contents[first + index]);
        }
    }
}

/// A plane of `SIDE` by `SIDE` samples, in the columns from `start` on.
#[inline(always)]
fn whole<const SIDE: usize, const LENGTH: usize>(
    space: &mut [u8; LENGTH],
    start: usize,
    mode: Mode,
    inside: Inside,
) {
    let mut above = [0; SIDE];
    above.copy_from_slice(&space[start..start + SIDE]);
    let left = |space: &[u8; LENGTH], y: usize| space[(y + 1) * STRIDE + start - 1];
    match mode {
        Mode::Vertical => {
            for y in 1..=SIDE {
                space[y * STRIDE + start..][..SIDE].copy_from_slice(&above);
            }
        }
        Mode::Horizontal => {
            for y in 0..SIDE {
                let level = left(space, y);
                space[(y + 1) * STRIDE + start..][..SIDE].fill(level);
            }
        }
        Mode::Gradient => {
            let corner = i16::from(space[start - 1]);
            for y in 0..SIDE {
                let slope = i16::from(left(space, y)) - corner;
                for (sample, above) in space[(y + 1) * STRIDE + start..][..SIDE].iter_mut().zip(above) {
                    *sample = (i16::from(above) + slope).clamp(0, 255) as u8;
                }
            }
        }
        _ => {
            let row = || above.iter().map(|&sample| u32::from(sample)).sum::<u32>();
            let column = || (0..SIDE).map(|y| u32::from(left(space, y))).sum::<u32>();
            let side = SIDE as u32;
            let level = match (inside.above, inside.left) {
                (true, true) => (row() + column() + side) / (2 * side),
                (true, false) => (row() + side / 2) / side,
                (false, true) => (column() + side / 2) / side,
                (false, false) => 128,
            };
            for y in 1..=SIDE {
                space[y * STRIDE + start..][..SIDE].fill(level as u8);
            }
        }
    }
}

/// A block of 4x4 whose first sample is at `at`.
#[inline(always)]
fn block(space: &mut LumaSpace, at: usize, mode: Mode) {
    let top = at - STRIDE;
    // From the lower left over the corner to the upper right.
    let mut edge = [0; 13];
    for (y, sample) in edge[..4].iter_mut().rev().enumerate() {
        *sample = space[at + y * STRIDE - 1];
    }
    edge[4..].copy_from_slice(&space[top - 1..top + 8]);
    let rows = predicted(&edge, mode);
    for (y, row) in rows.into_iter().enumerate() {
        space[at + y * STRIDE..][..4].copy_from_slice(&row);
    }
}

/// The rows of a block. `edge` holds the four samples to the left from the lowest up, the corner, and eight above.
#[inline(always)]
fn predicted(edge: &[u8; 13], mode: Mode) -> [[u8; 4]; 4] {
    const CORNER: usize = 4;
    let samples = edge.map(u16::from);
    // The mean of two neighbours, and of three with the middle one twice.
    let two = |at: usize| ((samples[at] + samples[at + 1] + 1) >> 1) as u8;
    let three = |at: usize| ((samples[at - 1] + 2 * samples[at] + samples[at + 1] + 2) >> 2) as u8;
    // There is nothing below the lowest sample to the left: it stands for it too.
    let lowest = ((samples[1] + 3 * samples[0] + 2) >> 2) as u8;
    let left = |y: usize| edge[CORNER - 1 - y];
    let each = |sample: &dyn Fn(usize, usize) -> u8| -> [[u8; 4]; 4] {
        std::array::from_fn(|y| std::array::from_fn(|x| sample(x, y)))
    };
    match mode {
        Mode::Mean => {
            let sum: u16 = samples[..4].iter().chain(&samples[5..9]).sum();
            [[((sum + 4) >> 3) as u8; 4]; 4]
        }
        Mode::Gradient => {
            let gradient = |x: usize, y: usize| {
                let sum = i16::from(edge[CORNER + 1 + x]) + i16::from(left(y)) - i16::from(edge[CORNER]);
                sum.clamp(0, 255) as u8
            };
            each(&gradient)
        }
        Mode::Vertical => [std::array::from_fn(|x| three(CORNER + 1 + x)); 4],
        Mode::Horizontal => {
            let rows = [three(3), three(2), three(1), lowest];
            rows.map(|level| [level; 4])
        }
        Mode::LeftDown => {
            let last = ((samples[11] + 3 * samples[12] + 2) >> 2) as u8;
            each(&|x, y| if x + y == 6 { last } else { three(CORNER + 2 + x + y) })
        }
        Mode::RightDown => each(&|x, y| three(CORNER + x - y)),
        Mode::VerticalRight => {
            let means: [u8; 4] = std::array::from_fn(|x| two(CORNER + x));
            let wide: [u8; 6] = std::array::from_fn(|x| three(CORNER - 2 + x));
            [
                means,
                [wide[2], wide[3], wide[4], wide[5]],
                [wide[1], means[0], means[1], means[2]],
                [wide[0], wide[2], wide[3], wide[4]],
            ]
        }
        Mode::VerticalLeft => {
            let means: [u8; 4] = std::array::from_fn(|x| two(CORNER + 1 + x));
            let wide: [u8; 6] = std::array::from_fn(|x| three(CORNER + 2 + x));
            [
                means,
                [wide[0], wide[1], wide[2], wide[3]],
                [means[1], means[2], means[3], wide[4]],
                [wide[1], wide[2], wide[3], wide[5]],
            ]
        }
        Mode::HorizontalDown => {
            let means: [u8; 4] = std::array::from_fn(|y| two(CORNER - 1 - y));
            let wide: [u8; 6] = std::array::from_fn(|at| three(CORNER + 2 - at));
            [
                [means[0], wide[2], wide[1], wide[0]],
                [means[1], wide[3], means[0], wide[2]],
                [means[2], wide[4], means[1], wide[3]],
                [means[3], wide[5], means[2], wide[4]],
            ]
        }
        Mode::HorizontalUp => {
            let (means, wide) = ([two(2), two(1), two(0)], [three(2), three(1)]);
            let last = edge[0];
            [
                [means[0], wide[0], means[1], wide[1]],
                [means[1], wide[1], means[2], lowest],
                [means[2], lowest, last, last],
                [last; 4],
            ]
        }
    }
}

/// Adds the residue of the block whose first sample is at `at`.
#[inline(always)]
fn add<const LENGTH: usize>(space: &mut [u8; LENGTH], at: usize, values: &[i16; 16], content: Content) {
    let residue = match content {
        Content::Nothing => return,
        Content::First => [[(i32::from(values[0]) + 4) >> 3; 4]; 4],
        Content::More => transform::block(values),
    };
    for (y, residue) in residue.into_iter().enumerate() {
        for (sample, more) in space[at + y * STRIDE..][..4].iter_mut().zip(residue) {
            *sample = (i32::from(*sample) + more).clamp(0, 255) as u8;
        }
    }
}
