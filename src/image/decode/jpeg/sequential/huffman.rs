//! Huffman codes, and the blocks of coefficients that are written with them.

use super::super::markers::{Scan, Structure};
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
        let mut table = Self {
            lookup: Box::new([0; 1 << LOOKUP]),
            lengths: [(0, 0); 17],
            entries: Vec::new(),
            skip: Vec::new(),
        };
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

    /// What the next code stands for. At least [`LOW`](super::bits::LOW) bits have to be there, the longest that is found at once
    /// with its magnitude; all bits that the entry takes are there afterwards.
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
                return usize::try_from(place)
                    .ok()
                    .and_then(|place| self.entries.get(place))
                    .map_or(DAMAGE, |e| *e);
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

/// The tables of a scan, each in the place that it was given.
pub(super) struct Tables {
    pub dc: [Option<Table>; 4],
    pub ac: [Option<Table>; 4],
}

impl Tables {
    /// With `leaves_out`, blocks will be read of which not all coefficients matter.
    ///
    /// # Errors
    /// A table that is missing or impossible.
    pub(super) fn new(jpeg: &Structure, scan: &Scan, leaves_out: bool) -> Result<Self, &'static str> {
        let mut tables = Self { dc: [const { None }; 4], ac: [const { None }; 4] };
        let make = |codes: &[Option<Code>; 4], place: u8, class| {
            let code = codes.get(usize::from(place)).and_then(Option::as_ref);
            Table::new(code.ok_or("JPEG without its Huffman table")?, class)
        };
        for selected in &scan.components {
            if let Some(table @ None) = tables.dc.get_mut(usize::from(selected.dc)) {
                *table = Some(make(&jpeg.tables.dc, selected.dc, Class::Dc)?);
            }
            if let Some(table @ None) = tables.ac.get_mut(usize::from(selected.ac)) {
                let ac = make(&jpeg.tables.ac, selected.ac, Class::Ac)?;
                *table = Some(if leaves_out { ac.with_skips() } else { ac });
            }
        }
        Ok(tables)
    }
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
    bits.refill();
    let entry = dc.next(bits);
    if entry == DAMAGE {
        return end(usize::MAX).map(|()| 0);
    }
    *prediction = prediction.wrapping_add(value(entry, bits.peek()));
    bits.consume(entry & 255);
    order.dequantize(block, 0, *prediction);

    let mut index = 0;
    while index < order.last {
        // A refill is enough for two codes: the one above and the first one here, or the two here.
        let next = coefficient(bits, ac, order, index, block);
        if next > 63 {
            return end(next - index).map(|()| index);
        }
        index = next;
        if index >= order.last {
            break;
        }
        bits.refill();
        let next = coefficient(bits, ac, order, index, block);
        if next > 63 {
            return end(next - index).map(|()| index);
        }
        index = next;
    }
    skip_to_end(bits, ac, index).map(|()| index)
}

/// Reads a coefficient that comes after that of `index`, and returns its index, which is beyond 63 at the end.
#[inline(always)]
fn coefficient(bits: &mut Bits, ac: &Table, order: &Order, index: usize, block: &mut [i16; 64]) -> usize {
    let entry = ac.next(bits);
    let next = index + (entry >> 24) as usize;
    if next <= 63 {
        order.dequantize(block, next, value(entry, bits.peek()));
    }
    bits.consume(entry & 255);
    next
}

/// What an advance beyond the last coefficient means.
#[inline(always)]
fn end(advance: usize) -> Result<(), &'static str> {
    if advance == END as usize { Ok(()) } else { Err("JPEG with damaged image data") }
}

/// Reads over the rest of a block, of which the coefficients up to `index` have been read.
#[inline(always)]
fn skip_to_end(bits: &mut Bits, ac: &Table, mut index: usize) -> Result<(), &'static str> {
    while index < 63 {
        bits.refill_if_low();
        let string = (bits.peek() >> (64 - SKIP)) as usize;
        let several = ac.skip.get(string).map_or(0, |several| u32::from(*several));
        let next = index + (several >> 8 & 63) as usize;
        let ends = several >> 14;
        // Where the last coefficient comes in between, what follows it belongs to the next block.
        if several != 0 && next as u32 + ends <= 63 {
            bits.consume(several & 255);
            if ends == 1 {
                return Ok(());
            }
            index = next;
            continue;
        }
        let entry = ac.next(bits);
        bits.consume(entry & 255);
        index += (entry >> 24) as usize;
        if index > 63 {
            return end((entry >> 24) as usize);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of 2, 3, 9, 12 and 16 bits for symbols of either class.
    fn code() -> ([u8; 16], Vec<u8>) {
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[8], counts[11], counts[15]) = (2, 3, 1, 3, 2);
        (counts, vec![0x00, 0x01, 0x02, 0x03, 0x05, 0x07, 0x0a, 0x04, 0x06, 0x08, 0x0b])
    }

    /// The canonical codes with their lengths (T.81, annex C), by symbol.
    fn codes(counts: &[u8; 16], symbols: &[u8]) -> Vec<(u8, u32, u32)> {
        let (mut next, mut symbols, mut codes) = (0, symbols.iter(), Vec::new());
        for (length, &count) in (1..=16).zip(counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                codes.push((symbol, next, length));
                next += 1;
            }
            next <<= 1;
        }
        codes
    }

    /// Writes bits, with stuffing.
    #[derive(Default)]
    struct Writer {
        bits: Vec<bool>,
    }

    impl Writer {
        fn put(&mut self, value: u32, width: u32) {
            self.bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        }

        /// A value with its magnitude bits, after the code of `symbol`.
        fn value(&mut self, codes: &[(u8, u32, u32)], symbol: u8, value: i32) {
            let (_, code, length) = codes.iter().find(|(s, ..)| *s == symbol).expect("a code");
            self.put(*code, *length);
            let size = u32::from(symbol & 15);
            self.put(if value < 0 { value - 1 } else { value }.cast_unsigned() & ((1 << size) - 1), size);
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                (0..8).fold(0, |byte, bit| byte << 1 | u8::from(*bits.get(bit).unwrap_or(&true)))
            };
            let bytes = self.bits.chunks(8).map(byte);
            bytes.flat_map(|byte| if byte == 0xff { vec![byte, 0] } else { vec![byte] }).collect()
        }
    }

    fn table(class: Class) -> Table {
        let (counts, symbols) = code();
        Table::new(&Code { counts: &counts, symbols: &symbols }, class).expect("a code")
    }

    #[test]
    fn every_value_of_every_size_is_read() {
        let (counts, symbols) = code();
        let codes = codes(&counts, &symbols);
        let dc = table(Class::Dc);
        for &(symbol, ..) in &codes {
            let most = (1 << symbol) - 1;
            let least = (1 << symbol) / 2;
            let values: Vec<i32> =
                if symbol == 0 { vec![0] } else { (least..=most).flat_map(|v| [v, -v]).collect() };
            let mut writer = Writer::default();
            for &value in &values {
                writer.value(&codes, symbol, value);
            }
            let scan = writer.bytes();
            let mut bits = Bits::new(&scan);
            for wanted in values {
                bits.refill();
                let entry = dc.next(&mut bits);
                assert_eq!(value(entry, bits.peek()), wanted);
                bits.consume(entry & 255);
            }
        }
    }

    #[test]
    fn a_string_without_a_code_is_damage() {
        for class in [Class::Dc, Class::Ac] {
            let table = table(class);
            let scan = [0xff, 0, 0xff, 0, 0xff, 0];
            let mut bits = Bits::new(&scan);
            bits.refill();
            assert_eq!(table.next(&mut bits), DAMAGE, "{class:?}");
            let empty = Table::new(&Code { counts: &[0; 16], symbols: &[] }, class).expect("an empty code");
            assert_eq!(empty.next(&mut bits), DAMAGE, "{class:?}");
        }
    }

    #[test]
    fn more_codes_than_a_length_has_strings_are_refused() {
        let full = |length: usize, more: u8| {
            let mut counts = [0; 16];
            counts[length] = (2u32.pow(length as u32 + 1) as u8).saturating_add(more);
            let symbols = vec![1; counts[length].into()];
            Table::new(&Code { counts: &counts, symbols: &symbols }, Class::Ac).map(drop)
        };
        for length in 0..7 {
            assert_eq!(full(length, 0), Ok(()));
            assert!(full(length, 1).is_err(), "{} bits", length + 1);
        }
        let mut counts = [1; 16];
        counts[15] = 3;
        let code = Code { counts: &counts, symbols: &[1; 18] };
        assert!(Table::new(&code, Class::Ac).is_err());
    }

    #[test]
    fn a_difference_of_more_than_11_bits_is_damage_where_it_is_used() {
        let mut counts = [0; 16];
        counts[0] = 2;
        let table = Table::new(&Code { counts: &counts, symbols: &[11, 12] }, Class::Dc).expect("a code");
        let mut bits = Bits::new(&[0b0100_0000]);
        bits.refill();
        assert_ne!(table.next(&mut bits), DAMAGE);
        bits.consume(1);
        assert_eq!(table.next(&mut bits), DAMAGE);
    }

    /// Blocks whose AC coefficients are given by index, in zigzag order.
    fn blocks(blocks: &[&[(usize, i32)]]) -> (Vec<u8>, Table, Table) {
        // One value, two values and the long run, of 16 zeros.
        let mut counts = [0; 16];
        (counts[1], counts[3], counts[5]) = (2, 3, 15);
        let symbols = [0x00, 0x01, 0x02, 0xf0, 0x11]
            .into_iter()
            .chain((2..=14).map(|run| run << 4 | 1))
            .chain([0xf1, 0x03]);
        let symbols: Vec<u8> = symbols.collect();
        let codes = codes(&counts, &symbols);
        let mut writer = Writer::default();
        for block in blocks {
            writer.value(&codes, 0x01, 1);
            let mut at = 0;
            for &(index, value) in *block {
                let mut run = index - at - 1;
                while run > 15 {
                    writer.value(&codes, 0xf0, 0);
                    run -= 16;
                }
                writer.value(
                    &codes,
                    (run << 4) as u8 | (32 - value.unsigned_abs().leading_zeros()) as u8,
                    value,
                );
                at = index;
            }
            if at < 63 {
                writer.value(&codes, 0x00, 0);
            }
        }
        let code = Code { counts: &counts, symbols: &symbols };
        let table = |class| Table::new(&code, class).expect("a code");
        (writer.bytes(), table(Class::Dc), table(Class::Ac))
    }

    #[test]
    fn coefficients_come_to_their_places_whether_the_rest_is_skipped_or_not() {
        let ramp: Vec<(usize, i32)> = (1..64).map(|index| (index, 1 - 2 * (index as i32 % 2))).collect();
        let all: [&[(usize, i32)]; 7] = [
            &[],
            &[(1, 5)],
            &[(63, -1)],
            &[(1, 3), (2, -3), (17, 1), (62, 1)],
            &ramp,
            &[(31, 1), (63, 1)],
            &ramp,
        ];
        let (scan, dc, ac) = blocks(&all);
        let ac = ac.with_skips();
        let steps: [u16; 64] = std::array::from_fn(|index| index as u16 + 2);
        for kept in 1..=8 {
            let order = Order::new(&steps, (kept, kept));
            let mut bits = Bits::new(&scan);
            let mut prediction = 0;
            for (number, wanted) in all.iter().enumerate() {
                let mut block = [0; 64];
                let last =
                    read_block(&mut bits, (&dc, &ac), &order, &mut prediction, &mut block).expect("a block");
                let mut expected = [0; 64];
                expected[0] = 2 * (number as i16 + 1);
                for &(index, value) in *wanted {
                    let place = usize::from(ZIGZAG[index]);
                    if place % 8 < kept && place / 8 < kept {
                        expected[place] = value as i16 * steps[index] as i16;
                        assert!(last >= index, "{kept}");
                    }
                }
                assert_eq!(block, expected, "block {number} with {kept} kept");
            }
            assert!(!bits.is_exhausted());
        }
    }

    #[test]
    fn a_run_beyond_the_block_is_damage() {
        for kept in [1, 8] {
            // Not the end, but one value too many.
            let ramp: Vec<(usize, i32)> = (1..60).map(|index| (index, 1)).chain([(64, 1)]).collect();
            let (scan, dc, ac) = blocks(&[&ramp]);
            let order = Order::new(&[1; 64], (kept, kept));
            let read =
                read_block(&mut Bits::new(&scan), (&dc, &ac.with_skips()), &order, &mut 0, &mut [0; 64]);
            assert!(read.is_err(), "{kept}");
        }
    }
}
