//! A decoder of lossless WebP (RFC 9649, 3), which also codes the alpha of lossy ones.
//!
//! [`Image`] is what stands before the pixels: how they were transformed, and the [`codes`] in which they are written. The
//! [`pixels`] themselves are read at once, since a copy may come from far above; the [`transform`]s are undone band by band.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

mod bits;
mod codes;
pub(super) mod memory;
mod pixels;
mod predict;
pub(super) mod rows;
#[cfg(test)]
mod tests;
mod transform;

use self::bits::Bits;
use self::codes::Group;
use self::pixels::Sample;
use self::predict::Prediction;
use self::transform::{Palette, Transform};
use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// What stands before the pixels.
pub(super) struct Image<'a> {
    bits: Bits<'a>,
    /// of the pixels that are written, px; with a palette, several of the picture may be one of these
    size: (usize, usize),
    /// in the order in which the encoder applied them
    transforms: Vec<Transform>,
    codes: Codes,
}

/// How pixels are written.
struct Codes {
    groups: Vec<Group>,
    /// the group of each block, where there is more than one
    blocks: Option<Blocks<u16>>,
    /// how many colours the cache holds, as a power of two; 0 where there is none
    cache_bits: u32,
}

/// Squares of pixels that have something in common.
struct Blocks<T> {
    /// a side, as a power of two, px
    side_bits: u32,
    across: usize,
    values: Vec<T>,
}

impl<T> Blocks<T> {
    /// Those that a row of pixels goes through.
    fn row(&self, y: usize) -> &[T] {
        &self.values[(y >> self.side_bits) * self.across..][..self.across]
    }
}

impl<'a> Image<'a> {
    /// `stream` begins behind the header with the dimensions, and `size` is what that says, px.
    ///
    /// # Errors
    /// [`Error::Decode`] for damage, [`Error::Aborted`], [`Error::Timeout`].
    pub(super) fn read(stream: &'a [u8], size: (u32, u32), progress: &Progress) -> Result<Self> {
        let mut bits = Bits::new(stream);
        let (mut width, height) = (size.0 as usize, size.1 as usize);
        let mut transforms = Vec::new();
        let mut seen = [false; 4];
        while bits.read(1) == 1 {
            let kind = bits.read(2);
            if std::mem::replace(&mut seen[kind as usize], true) {
                return Err(damage("the same transform twice"));
            }
            transforms.push(match kind {
                0 => Transform::Prediction(Prediction {
                    modes: blocks(&mut bits, (width, height), progress)?,
                    above: vec![0; width + 1],
                }),
                1 => Transform::Colour(blocks(&mut bits, (width, height), progress)?),
                2 => Transform::Green,
                _ => {
                    let count = bits.read(8) as usize + 1;
                    let palette = Palette::new(inner_image(&mut bits, (count, 1), progress)?, width);
                    width = palette.across;
                    Transform::Palette(palette)
                }
            });
        }
        let codes = Codes::read(&mut bits, (width, height), progress)?;
        Ok(Self { bits, size: (width, height), transforms, codes })
    }

    /// Whether the rest of a pixel never changes and has no part in what its green becomes.
    fn is_green_alone(&self) -> bool {
        self.codes.cache_bits == 0
            && self.codes.groups.iter().all(|group| group.rest.is_some())
            && !self.transforms.iter().any(|transform| matches!(transform, Transform::Prediction(_)))
    }

    /// Whether red and blue are 0 in all that is written out, and predictions the only transform.
    fn is_predicted_without_red_and_blue(&self) -> bool {
        matches!(self.transforms[..], [Transform::Prediction(_)])
            && self.codes.groups.iter().all(Group::is_without_red_and_blue)
    }

    fn pixels<P: Sample>(&mut self, progress: &Progress) -> Result<Vec<P>> {
        pixels::read(&mut self.bits, &self.codes, self.size, progress)
    }
}

impl Codes {
    fn read(bits: &mut Bits, size: (usize, usize), progress: &Progress) -> Result<Self> {
        let cache_bits = cache_bits(bits).ok_or_else(|| damage("a colour cache of no size"))?;
        let mut count = 1;
        let blocks = if bits.read(1) == 1 {
            let Blocks { side_bits, across, values } = blocks(bits, size, progress)?;
            let values: Vec<u16> = values.into_iter().map(|pixel| (pixel >> 8) as u16).collect();
            count += values.iter().max().copied().map_or(0, usize::from);
            Some(Blocks { side_bits, across, values })
        } else {
            None
        };
        let mut groups = Vec::new();
        for _ in 0..count {
            groups.push(group(bits, cache_bits)?);
            progress.check()?;
        }
        Ok(Self { groups, blocks, cache_bits })
    }
}

/// An image that says something of each block of another one.
fn blocks(bits: &mut Bits, (width, height): (usize, usize), progress: &Progress) -> Result<Blocks<u32>> {
    let side_bits = bits.read(3) + 2;
    let [across, down] = [width, height].map(|side| side.div_ceil(1 << side_bits));
    Ok(Blocks { side_bits, across, values: inner_image(bits, (across, down), progress)? })
}

/// An image with one group of codes and no transforms.
fn inner_image(bits: &mut Bits, size: (usize, usize), progress: &Progress) -> Result<Vec<u32>> {
    let cache_bits = cache_bits(bits).ok_or_else(|| damage("a colour cache of no size"))?;
    let codes = Codes { groups: vec![group(bits, cache_bits)?], blocks: None, cache_bits };
    pixels::read(bits, &codes, size, progress)
}

fn group(bits: &mut Bits, cache_bits: u32) -> Result<Group> {
    Group::read(bits, cache_bits).ok_or_else(|| damage("impossible prefix codes"))
}

/// The size of the colour cache as a power of two, or 0. `None` for damage.
fn cache_bits(bits: &mut Bits) -> Option<u32> {
    if bits.read(1) == 0 {
        return Some(0);
    }
    Some(bits.read(4)).filter(|bits| (1..=pixels::LARGEST_CACHE).contains(bits))
}

fn damage(what: &str) -> Error {
    Error::Decode(format!("lossless WebP with {what}"))
}
