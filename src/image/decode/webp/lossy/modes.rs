//! How macroblocks are predicted (RFC 6386, 10 and 11).

use super::bits::Bits;
use super::header::Picture;
use super::tables::BLOCK_MODES;

/// How a block of 4x4 is predicted, or a whole plane of a macroblock, which knows the first four only. The numbers
/// are those of the table of probabilities.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// the mean of the edges
    #[default]
    Mean,
    /// the edges' differences continue
    Gradient,
    /// down from above
    Vertical,
    /// across from the left
    Horizontal,
    LeftDown,
    RightDown,
    VerticalRight,
    VerticalLeft,
    HorizontalDown,
    HorizontalUp,
}

/// How luma of a macroblock is predicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Luma {
    Whole(Mode),
    /// each block by itself, row after row
    Blocks([Mode; 16]),
}

/// What is known of a macroblock before its coefficients.
#[derive(Clone, Copy)]
pub(super) struct Macroblock {
    /// 0..4
    pub(super) segment: usize,
    /// has no coefficients
    pub(super) skipped: bool,
    pub(super) luma: Luma,
    pub(super) chroma: Mode,
}

/// The modes of the blocks around the next macroblock.
pub(super) struct Neighbours {
    above: Vec<[Mode; 4]>,
    left: [Mode; 4],
}

impl Neighbours {
    /// For so many macroblocks in a row.
    pub(super) fn new(across: usize) -> Self {
        Self { above: vec![[Mode::Mean; 4]; across], left: [Mode::Mean; 4] }
    }

    /// Goes on to the next row.
    pub(super) fn begin_row(&mut self) {
        self.left = [Mode::Mean; 4];
    }

    /// Reads what is said of the macroblock in `column`.
    pub(super) fn read(&mut self, bits: &mut Bits, picture: &Picture, column: usize) -> Macroblock {
        let segment = picture.segments.map_or(0, |[first, low, high]| {
            if bits.bit(first) { 2 + usize::from(bits.bit(high)) } else { usize::from(bits.bit(low)) }
        });
        let skipped = picture.not_skipped.is_some_and(|probability| bits.bit(probability));
        let luma = if bits.bit(145) {
            let mode = whole_mode(bits);
            self.above[column] = [mode; 4];
            self.left = [mode; 4];
            Luma::Whole(mode)
        } else {
            let mut modes = [Mode::Mean; 16];
            for (row, left) in modes.as_chunks_mut::<4>().0.iter_mut().zip(&mut self.left) {
                for (mode, above) in row.iter_mut().zip(&mut self.above[column]) {
                    *mode = block_mode(bits, &BLOCK_MODES[*above as usize][*left as usize]);
                    (*above, *left) = (*mode, *mode);
                }
            }
            Luma::Blocks(modes)
        };
        let chroma = chroma_mode(bits);
        Macroblock { segment, skipped, luma, chroma }
    }
}

fn whole_mode(bits: &mut Bits) -> Mode {
    if bits.bit(156) {
        if bits.bit(128) { Mode::Gradient } else { Mode::Horizontal }
    } else if bits.bit(163) {
        Mode::Vertical
    } else {
        Mode::Mean
    }
}

fn chroma_mode(bits: &mut Bits) -> Mode {
    if !bits.bit(142) {
        Mode::Mean
    } else if !bits.bit(114) {
        Mode::Vertical
    } else if bits.bit(183) {
        Mode::Gradient
    } else {
        Mode::Horizontal
    }
}

#[inline(always)]
fn block_mode(bits: &mut Bits, probabilities: &[u8; 9]) -> Mode {
    let mut next = |branch: usize| bits.bit(probabilities[branch]);
    if !next(0) {
        Mode::Mean
    } else if !next(1) {
        Mode::Gradient
    } else if !next(2) {
        Mode::Vertical
    } else if !next(3) {
        if !next(4) {
            Mode::Horizontal
        } else if next(5) {
            Mode::VerticalRight
        } else {
            Mode::RightDown
        }
    } else if !next(6) {
        Mode::LeftDown
    } else if !next(7) {
        Mode::VerticalLeft
    } else if next(8) {
        Mode::HorizontalUp
    } else {
        Mode::HorizontalDown
    }
}
