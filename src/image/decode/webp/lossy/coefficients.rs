//! The tokens of coefficients (RFC 6386, 13).

use super::bits::Bits;
use super::header::Steps;
use super::modes::{Luma, Macroblock};
use super::probabilities::Coefficients;
use super::transform;

/// Blocks of 4x4 in a macroblock: 16 of luma, 4 each of chroma.
pub(super) const BLOCKS: usize = 24;

/// Which entry of the probabilities is for which blocks.
const AFTER_SECOND: usize = 0;
const SECOND: usize = 1;
const CHROMA: usize = 2;
const ALONE: usize = 3;

/// The band of probabilities of each coefficient; the last is never read.
const BANDS: [usize; 17] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0];

/// Where the coefficients stand in their block, in the order in which they come.
const ZIGZAG: [u8; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// The probabilities of the bits that follow the tokens of the four largest ranges.
const EXTRA: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// What is left of a block after quantization.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Nothing,
    /// at most the first coefficient
    First,
    More,
}

/// The coefficients of a macroblock, in rows of their blocks, times their steps.
pub(super) struct Blocks {
    pub(super) values: [[i16; 16]; BLOCKS],
    pub(super) contents: [Content; BLOCKS],
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { values: [[0; 16]; BLOCKS], contents: [Content::Nothing; BLOCKS] }
    }
}

/// Whether the blocks along an edge have coefficients: four of luma, two each of chroma, and that of first ones.
#[derive(Clone, Copy, Default)]
pub(super) struct Edge {
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
    second: bool,
}

impl Edge {
    /// What a macroblock without coefficients leaves; it says nothing of first ones where it has no block for them.
    pub(super) fn skip(&mut self, luma: &Luma) {
        let second = match luma {
            Luma::Whole(_) => false,
            Luma::Blocks(_) => self.second,
        };
        *self = Self { second, ..Self::default() };
    }
}

/// Reads the coefficients of a macroblock. Returns whether there are any.
#[inline(always)]
pub(super) fn read(
    bits: &mut Bits,
    probabilities: &Coefficients,
    macroblock: &Macroblock,
    steps: &Steps,
    (above, left): (&mut Edge, &mut Edge),
    blocks: &mut Blocks,
) -> bool {
    let mut any = false;
    let (kind, start) = match macroblock.luma {
        Luma::Blocks(_) => (ALONE, 0),
        Luma::Whole(_) => {
            let mut second = [0; 16];
            let near = usize::from(above.second) + usize::from(left.second);
            let count = read_block(bits, &probabilities[SECOND], near, 0, steps.second, &mut second);
            (above.second, left.second) = (count > 0, count > 0);
            any |= count > 0;
            transform::second(&second, &mut blocks.values);
            (AFTER_SECOND, 1)
        }
    };
    for y in 0..4 {
        for x in 0..4 {
            let index = y * 4 + x;
            let near = usize::from(above.luma[x]) + usize::from(left.luma[y]);
            let values = &mut blocks.values[index];
            let count = read_block(bits, &probabilities[kind], near, start, steps.luma, values);
            (above.luma[x], left.luma[y]) = (count > start, count > start);
            any |= count > start;
            blocks.contents[index] = content(count, values[0]);
        }
    }
    for plane in 0..2 {
        for y in 0..2 {
            for x in 0..2 {
                let index = 16 + plane * 4 + y * 2 + x;
                let (above, left) = (&mut above.chroma[plane][x], &mut left.chroma[plane][y]);
                let near = usize::from(*above) + usize::from(*left);
                let values = &mut blocks.values[index];
                let count = read_block(bits, &probabilities[CHROMA], near, 0, steps.chroma, values);
                (*above, *left) = (count > 0, count > 0);
                any |= count > 0;
                blocks.contents[index] = content(count, values[0]);
            }
        }
    }
    any
}

fn content(count: usize, first: i16) -> Content {
    match (count, first) {
        (0 | 1, 0) => Content::Nothing,
        (0 | 1, _) => Content::First,
        _ => Content::More,
    }
}

/// Reads one block from coefficient `start` on. Returns how many there are up to the last, those before `start` included.
#[inline(always)]
fn read_block(
    bits: &mut Bits,
    probabilities: &[[[u8; 11]; 3]; 8],
    near: usize,
    start: usize,
    [first, others]: [i16; 2],
    values: &mut [i16; 16],
) -> usize {
    let mut at = start;
    let mut branches = &probabilities[BANDS[at]][near];
    while at < 16 {
        if !bits.bit(branches[0]) {
            return at;
        }
        // Zeros, behind which the end can't come.
        while !bits.bit(branches[1]) {
            at += 1;
            if at == 16 {
                return 16;
            }
            branches = &probabilities[BANDS[at]][0];
        }
        let next = &probabilities[BANDS[at + 1]];
        let size = if bits.bit(branches[2]) {
            let size = large(bits, branches);
            branches = &next[2];
            size
        } else {
            branches = &next[1];
            1
        };
        let step = if at == 0 { first } else { others };
        // Products that do not fit are damage, and any sample is as good as another.
        values[usize::from(ZIGZAG[at])] = (bits.signed(size) * i32::from(step)) as i16;
        at += 1;
    }
    16
}

/// A size of 2 or more.
#[inline(always)]
fn large(bits: &mut Bits, branches: &[u8; 11]) -> i32 {
    if !bits.bit(branches[3]) {
        if !bits.bit(branches[4]) {
            return 2;
        }
        return 3 + i32::from(bits.bit(branches[5]));
    }
    if !bits.bit(branches[6]) {
        if !bits.bit(branches[7]) {
            return 5 + i32::from(bits.bit(159));
        }
        return 7 + 2 * i32::from(bits.bit(165)) + i32::from(bits.bit(145));
    }
    let range = if bits.bit(branches[8]) {
        2 + usize::from(bits.bit(branches[10]))
    } else {
        usize::from(bits.bit(branches[9]))
    };
    let more = EXTRA[range].iter().fold(0, |more, &probability| more << 1 | i32::from(bits.bit(probability)));
    more + 3 + (8 << range)
}
