//! Pixels that were predicted from their neighbours (RFC 9649, 3.5.1).

use super::Blocks;
use super::transform::add;
use crate::error::Result;
use crate::image::limits::Progress;

/// Which neighbours predict each block, and what undoing it has to remember.
pub(super) struct Prediction {
    /// in their green
    pub(super) modes: Blocks<u32>,
    /// one more than a row has, see [`undo`]
    pub(super) above: Vec<u32>,
}

impl Prediction {
    /// The green of a picture without red and blue, if its alpha never changes; a prediction that looks at all channels then
    /// looks at green alone. In `pixels` alpha stands above green.
    pub(super) fn undo_green(&self, pixels: &[u16], progress: &Progress) -> Result<Option<Vec<u8>>> {
        const ALPHA: u16 = 0xff00;
        let width = self.above.len() - 1;
        let mut above = vec![0; width + 1];
        let mut plane = vec![0; pixels.len()];
        let first = pixels.first().map_or(0, |pixel| pixel & ALPHA);
        for (y, (row, pixels)) in plane.chunks_mut(width).zip(pixels.chunks(width)).enumerate() {
            progress.check()?;
            // What is predicted from neighbours is right. So is the first pixel, by which all others are measured, and from
            // where nothing is known all differ alike.
            let mut wrong = if y == 0 { 0 } else { pixels[0] & ALPHA };
            let mut from = 1;
            for (block, mode) in self.modes.row(y).iter().enumerate() {
                let end = ((block + 1) << self.modes.side_bits).min(width);
                let right = if y > 0 && !(1..14).contains(&mode_of(*mode)) { first } else { 0 };
                wrong |= pixels[from..end].iter().fold(0, |wrong, pixel| wrong | (pixel & ALPHA) ^ right);
                from = end;
            }
            if wrong != 0 {
                return Ok(None);
            }
            for (green, pixel) in row.iter_mut().zip(pixels) {
                *green = *pixel as u8;
            }
            undo(&self.modes, &mut above, row, y);
        }
        Ok(Some(plane))
    }
}

/// What predictions are made of.
pub(super) trait Pixel: Copy + Default + PartialEq {
    /// What is predicted where nothing is known.
    const BLACK: Self;
    fn add(self, other: Self) -> Self;
    /// Of each channel, rounded down.
    fn mean(self, other: Self) -> Self;
    /// The one of `left` and `top` that is nearer to their sum without `corner`.
    fn nearer(left: Self, top: Self, corner: Self) -> Self;
    /// The sum of two pixels without the third.
    fn slope(left: Self, top: Self, corner: Self) -> Self;
    /// A pixel and half of what it differs from another by.
    fn half_slope(self, corner: Self) -> Self;
}

impl Pixel for u32 {
    const BLACK: Self = 0xff00_0000;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        add(self, other)
    }

    #[inline(always)]
    fn mean(self, other: Self) -> Self {
        (self & other) + ((self ^ other) >> 1 & 0x7f7f_7f7f)
    }

    #[inline(always)]
    fn nearer(left: Self, top: Self, corner: Self) -> Self {
        let far = |a: Self, b: Self| {
            let pairs = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
            pairs.map(|(a, b)| Self::from(a.abs_diff(b))).sum::<Self>()
        };
        if far(top, corner) < far(left, corner) { left } else { top }
    }

    #[inline(always)]
    fn slope(left: Self, top: Self, corner: Self) -> Self {
        let (left, top, corner) = (left.to_le_bytes(), top.to_le_bytes(), corner.to_le_bytes());
        Self::from_le_bytes(std::array::from_fn(|at| u8::slope(left[at], top[at], corner[at])))
    }

    #[inline(always)]
    fn half_slope(self, corner: Self) -> Self {
        let (here, corner) = (self.to_le_bytes(), corner.to_le_bytes());
        Self::from_le_bytes(std::array::from_fn(|at| here[at].half_slope(corner[at])))
    }
}

/// One channel other than alpha.
impl Pixel for u8 {
    const BLACK: Self = 0;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn mean(self, other: Self) -> Self {
        self.midpoint(other)
    }

    #[inline(always)]
    fn nearer(left: Self, top: Self, corner: Self) -> Self {
        if top.abs_diff(corner) < left.abs_diff(corner) { left } else { top }
    }

    #[inline(always)]
    fn slope(left: Self, top: Self, corner: Self) -> Self {
        (i16::from(top) - i16::from(corner) + i16::from(left)).clamp(0, 255) as Self
    }

    #[inline(always)]
    fn half_slope(self, corner: Self) -> Self {
        let (here, corner) = (i16::from(self), i16::from(corner));
        (here + (here - corner) / 2).clamp(0, 255) as Self
    }
}

/// Adds to each pixel of row `y` what its neighbours predict. `above` is the row above, and becomes this one; behind it stands
/// the first pixel of this row, which is what lies above and to the right of the last one.
#[inline(always)]
pub(super) fn undo<P: Pixel>(modes: &Blocks<u32>, above: &mut [P], row: &mut [P], y: usize) {
    let [first, ..] = row else { return };
    if y == 0 {
        *first = first.add(P::BLACK);
        let left = *first;
        repeat(&mut row[1..], left);
    } else {
        *first = first.add(above[0]);
        let mut left = *first;
        if let Some(last) = above.last_mut() {
            *last = left;
        }
        let mut from = 1;
        for (block, mode) in modes.row(y).iter().enumerate() {
            let end = ((block + 1) << modes.side_bits).min(row.len());
            left = undo_block(&mut row[from..end], &above[from - 1..], left, mode_of(*mode));
            from = end;
        }
    }
    above[..row.len()].copy_from_slice(row);
}

/// The kind of prediction that a block's pixel names.
fn mode_of(pixel: u32) -> u32 {
    pixel >> 8 & 0xf
}

/// Returns the last pixel.
#[inline(always)]
fn undo_block<P: Pixel>(block: &mut [P], above: &[P], left: P, mode: u32) -> P {
    match mode {
        1 => repeat(block, left),
        2 => predict(block, above, left, |[_, _, top, _]| top),
        3 => predict(block, above, left, |[_, _, _, right]| right),
        4 => predict(block, above, left, |[_, corner, ..]| corner),
        5 => predict(block, above, left, |[left, _, top, right]| left.mean(right).mean(top)),
        6 => predict(block, above, left, |[left, corner, ..]| left.mean(corner)),
        7 => predict(block, above, left, |[left, _, top, _]| left.mean(top)),
        8 => predict(block, above, left, |[_, corner, top, _]| corner.mean(top)),
        9 => predict(block, above, left, |[_, _, top, right]| top.mean(right)),
        10 => {
            predict(block, above, left, |[left, corner, top, right]| left.mean(corner).mean(top.mean(right)))
        }
        11 => predict(block, above, left, |[left, corner, top, _]| P::nearer(left, top, corner)),
        12 => predict(block, above, left, |[left, corner, top, _]| P::slope(left, top, corner)),
        13 => predict(block, above, left, |[left, corner, top, _]| left.mean(top).half_slope(corner)),
        _ => predict(block, above, left, |_| P::BLACK),
    }
}

/// Adds to each pixel the one before. Returns the last one.
#[inline(always)]
fn repeat<P: Pixel>(block: &mut [P], mut left: P) -> P {
    let (chunks, rest) = block.as_chunks_mut::<16>();
    for chunk in chunks {
        // Often nothing differs, above all in alpha.
        if *chunk == [P::default(); 16] {
            chunk.fill(left);
        } else {
            left = accumulate(chunk, left);
        }
    }
    accumulate(rest, left)
}

#[inline(always)]
fn accumulate<P: Pixel>(pixels: &mut [P], mut left: P) -> P {
    for pixel in pixels {
        left = pixel.add(left);
        *pixel = left;
    }
    left
}

/// `above` begins with the pixel above `left`. The prediction is told what is on the left, in the corner, above and to the
/// right of that. Returns the last pixel.
#[inline(always)]
fn predict<P: Pixel>(block: &mut [P], above: &[P], mut left: P, prediction: impl Fn([P; 4]) -> P) -> P {
    for (pixel, above) in block.iter_mut().zip(above.windows(3)) {
        left = pixel.add(prediction([left, above[0], above[1], above[2]]));
        *pixel = left;
    }
    left
}
