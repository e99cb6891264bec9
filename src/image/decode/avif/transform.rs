//! The geometric properties of an item: `clap` crops, `irot` turns, `imir` mirrors.

use super::damaged;
use crate::error::Result;

/// A clean aperture: numerators and denominators as the file has them (ISO/IEC 14496-12, 12.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clap {
    pub(super) width: (u32, u32),
    pub(super) height: (u32, u32),
    pub(super) horizontal_offset: (i32, u32),
    pub(super) vertical_offset: (i32, u32),
}

/// A rectangle of whole pixels, inside its image and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Rect {
    pub(super) fn whole(width: u32, height: u32) -> Self {
        Self { left: 0, top: 0, width, height }
    }
}

impl Clap {
    /// The rectangle of a `width`×`height` image that is shown. Broken numbers are rounded and what reaches
    /// past the image is cut, as libheif does.
    pub(super) fn rect(&self, width: u32, height: u32) -> Result<Rect> {
        let (left, width) = span(self.width, self.horizontal_offset, width)?;
        let (top, height) = span(self.height, self.vertical_offset, height)?;
        Ok(Rect { left, top, width, height })
    }
}

/// First pixel and count of an aperture of `size` whose centre lies `offset` from the centre of `full` pixels.
fn span(size: (u32, u32), offset: (i32, u32), full: u32) -> Result<(u32, u32)> {
    let nonsense = || damaged("a clean aperture outside of its image");
    if size.1 == 0 || offset.1 == 0 {
        return Err(nonsense());
    }
    let (numerator, denominator) = (i128::from(size.0), i128::from(size.1));
    let (shift, shift_denominator) = (i128::from(offset.0), i128::from(offset.1));
    let full = i128::from(full);
    let count = (2 * numerator + denominator) / (2 * denominator);
    // (full - size) / 2 + offset over one denominator; all factors have 33 bits at most, so i128 holds it.
    let first = ((full * denominator - numerator) * shift_denominator + 2 * shift * denominator)
        .div_euclid(2 * denominator * shift_denominator);
    let start = first.clamp(0, full);
    let end = (first + count).clamp(0, full);
    if start >= end {
        return Err(nonsense());
    }
    Ok((start as u32, (end - start) as u32))
}

/// What turns and mirrors amount to: first perhaps a left-right mirror, then quarter turns clockwise.
/// These are the eight EXIF orientations under other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    mirrored: bool,
    quarter_turns: u8,
}

impl Orientation {
    /// Then turned by `angle` × 90° counter-clockwise (`irot`).
    #[must_use]
    pub(super) fn turned(self, angle: u8) -> Self {
        Self { quarter_turns: (self.quarter_turns + 4 - angle % 4) % 4, ..self }
    }

    /// Then mirrored (`imir`): top to bottom, or left to right.
    #[must_use]
    pub(super) fn mirrored(self, left_to_right: bool) -> Self {
        // A mirror after a turn is the opposite turn after the mirror; top to bottom is left to right and a
        // half turn.
        let half_turn = if left_to_right { 0 } else { 2 };
        Self { mirrored: !self.mirrored, quarter_turns: (4 + half_turn - self.quarter_turns) % 4 }
    }

    pub(super) fn exif(self) -> u8 {
        match (self.mirrored, self.quarter_turns) {
            (false, 0) => 1,
            (true, 0) => 2,
            (false, 2) => 3,
            (true, 2) => 4,
            (true, 3) => 5,
            (false, 1) => 6,
            (true, _) => 7,
            (false, _) => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clap, Orientation, Rect};

    #[test]
    fn quarter_turns_and_mirrors_become_exif_numbers() {
        let upright = Orientation::default();
        assert_eq!([0, 1, 2, 3].map(|angle| upright.turned(angle).exif()), [1, 8, 3, 6]);
        assert_eq!([false, true].map(|axis| upright.mirrored(axis).exif()), [4, 2]);
        assert_eq!([false, true].map(|axis| upright.turned(1).mirrored(axis).exif()), [5, 7]);
        assert_eq!(upright.mirrored(true).mirrored(true), upright);
        assert_eq!(upright.mirrored(false).turned(2).exif(), 2);
    }

    #[test]
    fn a_clean_aperture_is_centred_and_shifted() {
        let clap =
            Clap { width: (51, 1), height: (33, 1), horizontal_offset: (-25, 2), vertical_offset: (-19, 2) };
        assert_eq!(clap.rect(96, 64).unwrap(), Rect { left: 10, top: 6, width: 51, height: 33 });
    }

    #[test]
    fn a_clean_aperture_is_cut_at_the_image_and_refused_outside_of_it() {
        let mut clap =
            Clap { width: (100, 1), height: (64, 1), horizontal_offset: (0, 1), vertical_offset: (0, 1) };
        assert_eq!(clap.rect(96, 64).unwrap(), Rect::whole(96, 64));
        clap.horizontal_offset = (1000, 1);
        assert!(clap.rect(96, 64).is_err());
        clap.horizontal_offset = (i32::MIN, u32::MAX);
        clap.width = (u32::MAX, u32::MAX);
        assert_eq!(clap.rect(96, 64).unwrap().width, 1);
        clap.width = (u32::MAX, 0);
        assert!(clap.rect(96, 64).is_err());
    }
}
