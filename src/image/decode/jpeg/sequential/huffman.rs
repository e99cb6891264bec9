//! Huffman codes, and the blocks of coefficients that are written with them.

use super::super::tables::{Code, ZIGZAG};
use super::bits::Bits;

/// The bits that a table is looked up with. Codes beyond are rare, and found length by length.
const LOOKUP: u32 = 10;

/// What a code stands for, in the form in which a block needs it: bits to take in all (0..8), of the code alone
/// (8..16), of the magnitude (16..24), and how far it advances in the block (24..32). Zero is no code.
type Entry = u32;

/// The bits that are looked at when nothing but the end of a block is wanted.
const SKIP: u32 = 13;

/// Advance of the code that ends a block. Anything beyond is damage.
const END: u32 = 64;

/// No code, or one that can't stand where it does.
const DAMAGE: Entry = 255 << 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Dc,
    Ac,
}

pub(super) struct Table {
    lookup: Box<[Entry; 1 << LOOKUP]>,
    /// the first 16-bit string beyond the codes of a length, and what to add to a code to get its place in `entries`
    lengths: [(u32, i32); 17],
    entries: Vec<Entry>,
    /// for every string, the codes that it holds whole with their magnitudes: how many bits these are (0..8), how far
    /// they advance (8..14), and whether the last one ends the block (14)
    skip: Vec<u16>,
}

impl Table {
    /// # Errors
    /// More codes of a length than there are strings left, or a DC code of a size that no 8-bit image has.
    pub(super) fn new(code: &Code, class: Class) -> Result<Self, &'static str> {
        let mut table =
            Self { lookup: Box::new([0; 1 << LOOKUP]), lengths: [(0, 0); 17], entries: Vec::new(), skip: Vec::new() };
        let mut symbols = code.symbols.iter();
        let mut next = 0;
        for (length, &count) in (1..=16).zip(code.counts) {
            let first = next;
            table.lengths[length as usize].1 = table.entries.len() as i32 - first as i32;
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                if next >> length != 0 {
                    return Err("JPEG with an impossible Huffman table");
                }
                let entry = entry(symbol, length, class);
                table.entries.push(entry);
                if length <= LOOKUP {
                    let spare = LOOKUP - length;
                    let start = (next << spare) as usize;
                    table.lookup[start..start + (1 << spare)].fill(entry);
                }
                next += 1;
            }
            table.lengths[length as usize].0 = next << (16 - length);
            next <<= 1;
        }
        Ok(table)
    }

    /// Prepares for [`read_block`] to leave coefficients out.
    pub(super) fn with_skips(mut self) -> Self {
        let skip = (0..1u64 << SKIP).map(|string| {
            let bits = string << (64 - SKIP);
            let (mut taken, mut advanced) = (0, 0);
            loop {
                let entry = self.lookup[(bits << taken >> (64 - LOOKUP)) as usize];
                let (length, advance) = (entry & 255, entry >> 24);
                if entry == 0 || entry == DAMAGE || taken + length > SKIP {
                    break;
                }
                if advance == END {
                    return (taken + length) | advanced << 8 | 1 << 14;
                }
                if advanced + advance > 63 {
                    break;
                }
                taken += length;
                advanced += advance;
            }
            taken | advanced << 8
        });
        self.skip = skip.map(|entry| entry as u16).collect();
        self
    }

    /// What the next code stands for. At least [`SHORT`] bits have to be there, and what the entry takes is there then.
    #[inline(always)]
    fn next(&self, bits: &mut Bits) -> Entry {
        let entry = self.lookup[(bits.peek() >> (64 - LOOKUP)) as usize];
        if entry != 0 {
            return entry;
        }
        bits.refill();
        self.find_long(bits.peek())
    }

    #[cold]
    #[inline(never)]
    fn find_long(&self, bits: u64) -> Entry {
        let string = (bits >> 48) as u32;
        for length in LOOKUP + 1..=16 {
            let (end, offset) = self.lengths[length as usize];
            if string < end {
                let place = (string >> (16 - length)) as i32 + offset;
                return usize::try_from(place).ok().and_then(|place| self.entries.get(place)).map_or(DAMAGE, |e| *e);
            }
        }
        DAMAGE
    }
}

fn entry(symbol: u8, length: u32, class: Class) -> Entry {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    let advance = match (class, run, size) {
        // T.81, table F.1: a difference of 8-bit samples has 11 bits at most.
        (Class::Dc, 0, 0..=11) => 0,
        (Class::Dc, ..) => return DAMAGE,
        // libjpeg, too, takes every run without a value for the end, but that of 16.
        (Class::Ac, 0..=14, 0) => END,
        (Class::Ac, run, _) => run + 1,
    };
    (length + size) | length << 8 | size << 16 | advance << 24
}

/// The number that `entry`'s magnitude bits stand for, which follow its code in `bits` (T.81, table F.2).
#[inline(always)]
fn value(entry: Entry, bits: u64) -> i32 {
    let magnitude = bits << (entry >> 8 & 31);
    // A first bit of zero means a negative number, written as the complement of its magnitude.
    let complement = !(magnitude.cast_signed() >> 63);
    let size = entry >> 16 & 15;
    let absolute = (magnitude ^ complement.cast_unsigned()) >> 1 >> (63 - size);
    ((absolute.cast_signed() ^ complement) - complement) as i32
}

/// How the blocks of a component are read: the step of each coefficient and its place, in zigzag order.
pub(super) struct Order {
    /// the step in the upper, the place in the lower 16 bits
    steps: [u32; 64],
    /// the last coefficient that matters
    last: usize,
}

impl Order {
    /// `kept` is the number of columns and of rows whose coefficients matter, 1..=8 each.
    pub(super) fn new(quantization: &[u16; 64], kept: (usize, usize)) -> Self {
        let mut steps = [0; 64];
        let mut last = 0;
        for (index, step) in steps.iter_mut().enumerate() {
            let place = ZIGZAG[index];
            if usize::from(place & 7) < kept.0 && usize::from(place >> 3) < kept.1 {
                *step = u32::from(quantization[index]) << 16 | u32::from(place);
                last = index;
            } else {
                // Times zero, at a place of no other coefficient that matters.
                *step = u32::from(place);
            }
        }
        Self { steps, last }
    }

    #[inline(always)]
    fn dequantize(&self, block: &mut [i16; 64], index: usize, value: i32) {
        let step = self.steps[index & 63];
        block[(step & 63) as usize] = (value as i16).wrapping_mul((step >> 16) as i16);
    }
}

/// Reads one block. `block` has to be all zeros; it gets the dequantized coefficients, row by row. Returns the index
/// of the last coefficient that is not zero, in zigzag order, or a little more.
///
/// # Errors
/// A code that does not exist, or a run beyond the end of the block.
#[inline(always)]
pub(super) fn read_block(
    bits: &mut Bits,
    (dc, ac): (&Table, &Table),
    order: &Order,
    prediction: &mut i32,
    block: &mut [i16; 64],
) -> Result<usize, &'static str> {
    const DAMAGED: &str = "JPEG with damaged image data";
    bits.refill();
    let entry = dc.next(bits);
    if entry == DAMAGE {
        return Err(DAMAGED);
    }
    *prediction = prediction.wrapping_add(value(entry, bits.peek()));
    bits.consume(entry & 255);
    order.dequantize(block, 0, *prediction);

    let mut index = 0;
    while index < order.last {
        let entry = ac.next(bits);
        let next = index + (entry >> 24) as usize;
        if next > 63 {
            bits.consume(entry & 255);
            return if entry >> 24 == END { Ok(index) } else { Err(DAMAGED) };
        }
        order.dequantize(block, next, value(entry, bits.peek()));
        bits.consume(entry & 255);
        index = next;
        if index >= order.last { break; }
        bits.refill();
        let entry = ac.next(bits);
        let next = index + (entry >> 24) as usize;
        if next > 63 {
            bits.consume(entry & 255);
            return if entry >> 24 == END { Ok(index) } else { Err(DAMAGED) };
        }
        order.dequantize(block, next, value(entry, bits.peek()));
        bits.consume(entry & 255);
        index = next;
    }
    let last = index;
    while index < 63 {
        bits.refill_low();
        let several = ac.skip.get((bits.peek() >> (64 - SKIP)) as usize).map_or(0, |several| u32::from(*several));
        let next = index + (several >> 8 & 63) as usize;
        let ends = several >> 14;
        // Where the last coefficient comes in between, what follows it belongs to the next block.
        if several != 0 && next as u32 + ends <= 63 {
            bits.consume(several & 255);
            if ends == 1 {
                return Ok(last);
            }
            index = next;
            continue;
        }
        let entry = ac.next(bits);
        bits.consume(entry & 255);
        index += (entry >> 24) as usize;
        if index > 63 {
            return if entry >> 24 == END { Ok(last) } else { Err(DAMAGED) };
        }
    }
    Ok(last)
}
