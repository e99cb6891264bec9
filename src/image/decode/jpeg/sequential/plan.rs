//! What kinds of file the decoder reads, what that takes, and the sizes of things.

use super::super::markers::{Component, Scan, Structure};
use super::super::tables::Code;

/// Whether a [`Sequential`](super::Sequential) can read the file.
pub(in super::super) fn supports(jpeg: &Structure) -> bool {
    plan(jpeg).is_some()
}

/// Bytes that a [`Sequential`](super::Sequential) holds at once, at most, for a file that it can read.
pub(in super::super) fn memory_bytes(jpeg: &Structure) -> u64 {
    // Rows of the output and of all components: 16 of an MCU and one from before. Those of chroma at work are two of
    // bytes and half a one of 16 bits. Then the tables.
    let width = u64::from(jpeg.width) + 64;
    let channels = jpeg.components.len() as u64;
    width * channels * (17 + 17) + width * 3 + (128 << 10)
}

/// The scan, and how many blocks of luma there are in an MCU, across and down.
pub(super) fn plan<'s, 'a>(jpeg: &'s Structure<'a>) -> Option<(&'s Scan<'a>, (usize, usize))> {
    let scan = jpeg.scan.as_ref().filter(|_| jpeg.scans == 1 && !jpeg.progressive)?;
    let all_at_once = scan.components.iter().map(|part| part.id).eq(jpeg.components.iter().map(|c| c.id));
    if !all_at_once || !scan.is_whole {
        return None;
    }
    // Frames of a film may come without Huffman tables, which then are those of T.81, annex K. jpeg-decoder has them.
    let tables = &jpeg.tables;
    let defined = scan.components.iter().all(|part| {
        let is_there =
            |codes: &[Option<Code>; 4], place: u8| codes.get(usize::from(place)).is_some_and(Option::is_some);
        is_there(&tables.dc, part.dc) && is_there(&tables.ac, part.ac)
    });
    if !defined {
        return None;
    }
    let one = |c: &Component| (c.horizontal, c.vertical) == (1, 1);
    match jpeg.components.as_slice() {
        // A component alone is not interleaved, whatever its factors.
        [_] => Some((scan, (1, 1))),
        [luma, cb, cr] if luma.horizontal <= 2 && luma.vertical <= 2 && one(cb) && one(cr) => {
            Some((scan, (luma.horizontal.into(), luma.vertical.into())))
        }
        _ => None,
    }
}

/// Sizes in the file and in the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// px in the file
    pub stored: (usize, usize),
    /// blocks of luma in an MCU, across and down
    pub luma: (usize, usize),
    /// 1..=8
    pub eighths: usize,
}

impl Geometry {
    pub(super) fn new(jpeg: &Structure, luma: (usize, usize), eighths: u16) -> Self {
        let stored = (usize::from(jpeg.width), usize::from(jpeg.height));
        Self { stored, luma, eighths: usize::from(eighths.clamp(1, 8)) }
    }

    /// px of the output
    pub(super) fn output(&self) -> (usize, usize) {
        ((self.stored.0 * self.eighths).div_ceil(8), (self.stored.1 * self.eighths).div_ceil(8))
    }

    /// MCUs, across and down
    pub(super) fn mcus(&self) -> (usize, usize) {
        (self.stored.0.div_ceil(8 * self.luma.0), self.stored.1.div_ceil(8 * self.luma.1))
    }

    /// Rows of the output in a row of MCUs.
    pub(super) fn row_height(&self) -> usize {
        self.luma.1 * self.eighths
    }

    /// Whether chroma has to be made larger after the inverse DCT, across and down.
    pub(super) fn is_upsampled(&self) -> (bool, bool) {
        (self.eighths == 8 && self.luma.0 == 2, self.eighths == 8 && self.luma.1 == 2)
    }

    /// Samples that the inverse DCT makes of a block, across and down, where an MCU has so many blocks: such that
    /// chroma becomes as large as luma. Beyond 8/8 there is nothing to be won by that, and libjpeg interpolates.
    pub(super) fn points(&self, blocks: (usize, usize)) -> (usize, usize) {
        match self.eighths {
            8 => (8, 8),
            eighths => (eighths * self.luma.0 / blocks.0, eighths * self.luma.1 / blocks.1),
        }
    }
}
