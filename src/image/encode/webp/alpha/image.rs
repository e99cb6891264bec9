//! Images of one channel, of any width, as prefix codes and what they say (RFC 9649, 3.6).

use super::bits::BitWriter;
use super::copies::{self, Copy, Samples, split};
use super::groups::{Counts, FIRST, Groups};
use super::prefix;
use crate::error::Result;
use crate::image::limits::Progress;

/// The literals of the first alphabet.
const LITERALS: usize = 256;

/// The smallest side of blocks that have codes of their own, and the largest that can be written, as powers of two.
const SMALLEST_BLOCK: u32 = 5;
const LARGEST_BLOCK: u32 = 9;

/// More blocks than that are made larger ones.
const MOST_BLOCKS: usize = 4096;

/// An image as it will be written.
pub(super) struct Image<'a> {
    samples: &'a Samples,
    width: usize,
    copies: Vec<Copy>,
    /// `None` where all of it has the same codes, in an image that could not say otherwise
    blocks: Option<Blocks>,
    groups: Groups,
}

/// Blocks that may have codes of their own.
#[derive(Clone, Copy)]
struct Blocks {
    side_bits: u32,
    wide: usize,
}

impl Blocks {
    fn of(width: usize, height: usize) -> Self {
        let count = |bits: u32| width.div_ceil(1 << bits) * height.div_ceil(1 << bits);
        let fits = |bits: &u32| count(*bits) <= MOST_BLOCKS;
        let side_bits = (SMALLEST_BLOCK..LARGEST_BLOCK).find(fits).unwrap_or(LARGEST_BLOCK);
        Self { side_bits, wide: width.div_ceil(1 << side_bits) }
    }

    fn number(self, (x, y): (usize, usize)) -> usize {
        (y >> self.side_bits) * self.wide + (x >> self.side_bits)
    }
}

/// What stands for one sample or more.
enum Symbol<'a> {
    Literal(u8),
    Copy(&'a Copy),
}

impl<'a> Image<'a> {
    /// The picture itself.
    ///
    /// # Errors
    /// Those of `progress`.
    pub(super) fn new(samples: &'a Samples, width: usize, progress: &Progress) -> Result<Self> {
        let height = samples.levels.len() / width;
        let blocks = Blocks::of(width, height);
        let copies = copies::find(samples, width, progress)?;
        let mut counts = vec![None; blocks.number((width - 1, height - 1)) + 1];
        each_symbol(&samples.levels, width, &copies, |place, symbol| {
            count(counts[blocks.number(place)].get_or_insert_with(|| Box::new(Counts::NONE)), &symbol);
        });
        progress.check()?;
        let groups = Groups::best(&counts);
        Ok(Self { samples, width, copies, blocks: Some(blocks), groups })
    }

    /// An image that belongs to another one and has one group of codes.
    pub(super) fn beside(samples: &'a Samples, width: usize, progress: &Progress) -> Result<Self> {
        let copies = copies::find(samples, width, progress)?;
        let mut counts = Box::new(Counts::NONE);
        each_symbol(&samples.levels, width, &copies, |_, symbol| count(&mut counts, &symbol));
        Ok(Self { samples, width, copies, blocks: None, groups: Groups::one(&[Some(counts)]) })
    }

    /// About how many bits it takes.
    pub(super) fn cost(&self) -> f32 {
        let extra = |copy: &Copy| split(copy.length.into()).2 + split(copy.distance).2;
        let extra: u32 = self.copies.iter().map(extra).sum();
        self.groups.sums.iter().map(Counts::cost).sum::<f32>() + extra as f32
    }

    /// # Errors
    /// Those of `progress`.
    pub(super) fn write(&self, out: &mut BitWriter, progress: &Progress) -> Result<()> {
        // No cache of colours.
        out.put(0, 1);
        let blocks = self.blocks.filter(|_| self.groups.sums.len() > 1);
        if self.blocks.is_some() {
            out.put(blocks.is_some().into(), 1);
        }
        if let Some(blocks) = blocks {
            out.put(blocks.side_bits - 2, 3);
            let of_block = Samples::new(self.groups.of_block.clone());
            Image::beside(&of_block, blocks.wide, progress)?.write(out, progress)?;
        }
        let codes: Vec<_> = self.groups.sums.iter().map(|sum| write_codes(out, sum)).collect();
        let group = |place| blocks.map_or(0, |blocks| self.groups.of_block[blocks.number(place)]);
        each_symbol(&self.samples.levels, self.width, &self.copies, |place, symbol| {
            let (first, distances) = &codes[usize::from(group(place))];
            match symbol {
                Symbol::Literal(level) => out.put_word(first[usize::from(level)]),
                Symbol::Copy(copy) => {
                    let (length, bits, extra) = split(copy.length.into());
                    out.put_word(first[LITERALS + length]);
                    out.put(bits, extra);
                    let (distance, bits, extra) = split(copy.distance);
                    out.put_word(distances[distance]);
                    out.put(bits, extra);
                }
            }
        });
        progress.check()
    }
}

fn count(counts: &mut Counts, symbol: &Symbol) {
    match symbol {
        Symbol::Literal(level) => counts.0[usize::from(*level)] += 1,
        Symbol::Copy(copy) => {
            counts.0[LITERALS + split(copy.length.into()).0] += 1;
            counts.0[FIRST + split(copy.distance).0] += 1;
        }
    }
}

/// The five codes of a group, of which red, blue and alpha have only 0.
fn write_codes(out: &mut BitWriter, sum: &Counts) -> (Vec<prefix::Word>, Vec<prefix::Word>) {
    let first = prefix::write(out, &sum.0[..FIRST]);
    for _ in 0..3 {
        prefix::write(out, &[0; 256]);
    }
    (first, prefix::write(out, &sum.0[FIRST..]))
}

/// Calls `each` with every symbol and its place.
fn each_symbol(samples: &[u8], width: usize, copies: &[Copy], mut each: impl FnMut((usize, usize), Symbol)) {
    let (mut at, mut x, mut y) = (0, 0, 0);
    for (copy, literals_end) in
        copies.iter().map(|copy| (Some(copy), copy.at as usize)).chain([(None, samples.len())])
    {
        for level in &samples[at..literals_end] {
            each((x, y), Symbol::Literal(*level));
            x += 1;
            if x == width {
                (x, y) = (0, y + 1);
            }
        }
        at = literals_end;
        if let Some(copy) = copy {
            each((x, y), Symbol::Copy(copy));
            let length = usize::from(copy.length);
            at += length;
            x += length;
            if x >= width {
                (x, y) = (x % width, y + x / width);
            }
        }
    }
}
