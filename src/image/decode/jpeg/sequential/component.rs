//! One component: how its blocks are read, and the samples of them that are held.

use super::super::markers::Selected;
use super::blocks::Order;
use super::plan::Geometry;
use super::{colour, idct};
use crate::image::decode::upsample;

/// A component and its samples in a row of MCUs.
pub(super) struct Component {
    pub order: Order,
    /// number of the table for DC coefficients
    pub dc: usize,
    /// number of the table for AC coefficients
    pub ac: usize,
    /// what the next DC coefficient is the difference to
    pub prediction: i32,
    /// in an MCU, across and down
    pub blocks: (usize, usize),
    /// samples of a block, across and down
    pub points: (usize, usize),
    /// samples of the whole component that the image covers, at full size
    size: (usize, usize),
    stride: usize,
    /// the last row of the row of MCUs before this one, then those of this one, each `stride` long
    samples: Vec<u8>,
}

impl Component {
    pub(super) fn new(
        geometry: &Geometry,
        blocks: (usize, usize),
        selected: Selected,
        quantization: &[u16; 64],
    ) -> Self {
        let points = geometry.points(blocks);
        let side = |stored: usize, blocks: usize, luma: usize| (stored * blocks).div_ceil(luma);
        let stride = (geometry.mcus().0 * blocks.0 * points.0 + idct::SLACK).next_multiple_of(colour::STEP);
        Self {
            order: Order::new(quantization, (points.0.min(8), points.1.min(8))),
            dc: selected.dc.into(),
            ac: selected.ac.into(),
            prediction: 0,
            blocks,
            points,
            size: (
                side(geometry.stored.0, blocks.0, geometry.luma.0),
                side(geometry.stored.1, blocks.1, geometry.luma.1),
            ),
            stride,
            samples: vec![0; stride * (1 + blocks.1 * points.1)],
        }
    }

    /// Moves on to the next row of MCUs.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        let last = self.samples.len() - self.stride;
        self.samples.copy_within(last.., 0);
    }

    /// Where the samples of a block begin: the `x`th block of the row of MCUs in its `y`th row of blocks. The second is
    /// the distance from one row to the next.
    #[inline(always)]
    pub(super) fn block(&mut self, x: usize, y: usize) -> (&mut [u8], usize) {
        let start = (1 + y * self.points.1) * self.stride + x * self.points.0;
        (&mut self.samples[start..], self.stride)
    }

    /// A line of the component where `first` is the first one of the row of MCUs; the one before is still there.
    #[inline(always)]
    pub(super) fn line(&self, number: usize, first: usize) -> &[u8] {
        let start = (number + 1 - first) * self.stride;
        &self.samples[start..start + self.stride]
    }

    /// Makes row `y` of the image, whose row of MCUs begins at `first`, of a component that is half as large across,
    /// down, or both. `mixed` is scratch space.
    #[inline(always)]
    pub(super) fn upsample(
        &self,
        (y, first): (usize, usize),
        (across, down): (bool, bool),
        mixed: &mut [u16],
        out: &mut [u8],
    ) {
        let (width, height) = self.size;
        let (line, first) = if down { (y / 2, first / 2) } else { (y, first) };
        let near = &self.line(line, first)[..width];
        let next = if y % 2 == 0 { line.saturating_sub(1) } else { (line + 1).min(height - 1) };
        let next = if down { &self.line(next, first)[..width] } else { near };
        if !across {
            return upsample::vertically(near, next, y % 2 == 1, out);
        }
        // libjpeg takes such narrow ones as they are.
        if width <= 2 {
            return upsample::doubled(near, out);
        }
        let mixed = &mut mixed[..width + 2];
        if down {
            upsample::between(near, next, &mut mixed[1..]);
            upsample::extend(mixed);
            upsample::horizontally::<true>(mixed, out);
        } else {
            upsample::widen(near, &mut mixed[1..]);
            upsample::extend(mixed);
            upsample::horizontally::<false>(mixed, out);
        }
    }

    /// Bytes of samples that are held.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.samples.len()
    }
}
