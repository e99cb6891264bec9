//! Huffman codes.

use super::super::markers::{Scan, Structure};
use super::super::tables::Code;
use super::bits::Bits;

/// The bits that a table is looked up with. Codes beyond are rare, and found length by length.
const LOOKUP: u32 = 10;

/// What a code stands for, in the form in which a block needs it: bits to take in all (0..8), of the code alone
/// (8..16), of the magnitude (16..24), and how far it advances in the block (24..32). Zero is no code.
pub(super) type Entry = u32;

/// The bits that are looked at when nothing but the end of a block is wanted.
pub(super) const SKIP: u32 = 13;

/// Advance of the code that ends a block. Anything beyond is damage.
pub(super) const END: u32 = 64;

/// No code, or one that can't stand where it does.
pub(super) const DAMAGE: Entry = 255 << 24;

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
    pub skip: Vec<u16>,
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

    /// Prepares for [`read_block`](super::blocks::read_block) to leave coefficients out.
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
    pub(super) fn next(&self, bits: &mut Bits) -> Entry {
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
pub(super) fn value(entry: Entry, bits: u64) -> i32 {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Codes of 2, 3, 9, 12 and 16 bits for symbols of either class.
    fn code() -> ([u8; 16], Vec<u8>) {
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[8], counts[11], counts[15]) = (2, 3, 1, 3, 2);
        (counts, vec![0x00, 0x01, 0x02, 0x03, 0x05, 0x07, 0x0a, 0x04, 0x06, 0x08, 0x0b])
    }

    /// The canonical codes with their lengths (T.81, annex C), by symbol.
    pub(in super::super) fn codes(counts: &[u8; 16], symbols: &[u8]) -> Vec<(u8, u32, u32)> {
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
    pub(in super::super) struct Writer {
        bits: Vec<bool>,
    }

    impl Writer {
        fn put(&mut self, value: u32, width: u32) {
            self.bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        }

        /// A value with its magnitude bits, after the code of `symbol`.
        pub(in super::super) fn value(&mut self, codes: &[(u8, u32, u32)], symbol: u8, value: i32) {
            let (_, code, length) = codes.iter().find(|(s, ..)| *s == symbol).expect("a code");
            self.put(*code, *length);
            let size = u32::from(symbol & 15);
            self.put(if value < 0 { value - 1 } else { value }.cast_unsigned() & ((1 << size) - 1), size);
        }

        pub(in super::super) fn bytes(&self) -> Vec<u8> {
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
}
