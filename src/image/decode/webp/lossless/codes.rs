//! Canonical prefix codes as tables (RFC 9649, 3.7.2).

use super::bits::Bits;
use super::pixels::LARGEST_CACHE;

/// Sizes of the five alphabets without a colour cache: green with lengths, red, blue, alpha, distances.
const ALPHABETS: [usize; 5] = [LITERALS + LENGTHS, 256, 256, 256, 40];
/// Symbols of the first alphabet that are a level of green.
pub(super) const LITERALS: usize = 256;
/// Symbols of the first alphabet behind them that begin a copy.
pub(super) const LENGTHS: usize = 24;

/// The order in which the lengths of the code for code lengths are written.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The longest code, bits.
const LONGEST: usize = 15;

/// What is looked up at once, bits; where codes are longer, a second table goes on.
const FIRST_BITS: u32 = 8;

/// In an entry: there is a second table, which begins where the symbol says and takes as many bits as the length says.
const GOES_ON: u32 = 1 << 31;

/// Where the symbol stands in an entry, above the length.
const SYMBOL_SHIFT: u32 = 8;

/// A prefix code.
pub(super) struct Code {
    /// the first table, then the second ones; entries hold a symbol and the length of its code
    entries: Box<[u32]>,
    /// of the bits that choose an entry of the first table
    mask: u32,
}

impl Code {
    /// `None` for damage.
    fn read(bits: &mut Bits, alphabet: usize) -> Option<Self> {
        let mut lengths = [0; ALPHABETS[0] + (1 << LARGEST_CACHE)];
        let lengths = &mut lengths[..alphabet];
        if bits.read(1) == 1 {
            // One or two symbols, written out.
            let count = bits.read(1) + 1;
            let width = if bits.read(1) == 1 { 8 } else { 1 };
            *lengths.get_mut(bits.read(width) as usize)? = 1;
            if count == 2 {
                *lengths.get_mut(bits.read(8) as usize)? = 1;
            }
        } else {
            read_lengths(bits, lengths)?;
        }
        // What stands behind the end is no code, even if it looks like one.
        if bits.is_exhausted() { None } else { Self::of(lengths) }
    }

    /// The code in which each symbol has this length; 0 for those that do not occur.
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0; LONGEST + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        if counts[0] + 1 == lengths.len() {
            // The only symbol takes no bits.
            let symbol = lengths.iter().position(|length| *length > 0)?;
            return Some(Self { entries: [entry(symbol, 0)].into(), mask: 0 });
        }
        // Every row of bits has to be some symbol's code.
        let used: usize = (1..=LONGEST).map(|length| counts[length] << (LONGEST - length)).sum();
        if used != 1 << LONGEST {
            return None;
        }
        let longest = (1..=LONGEST).rfind(|length| counts[*length] > 0)? as u32;

        // Codes of one length are numbers in a row; the first of the next length is twice the one behind the last.
        let mut next = [0; LONGEST + 1];
        for length in 1..LONGEST {
            next[length + 1] = (next[length] + counts[length] as u32) << 1;
        }
        let first_bits = longest.min(FIRST_BITS);
        let mut entries = vec![0; 1 << first_bits];
        if longest > FIRST_BITS {
            add_second_tables(&mut entries, next, lengths);
        }
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let code = next_code(&mut next, *length);
            let length = u32::from(*length);
            let mut table = &mut entries[..1 << first_bits];
            let (mut code, mut bits) = (code, length);
            if length > FIRST_BITS {
                let link = table[code & ((1 << FIRST_BITS) - 1)];
                table = &mut entries[symbol_of(link) as usize..][..1 << length_of(link)];
                (code, bits) = (code >> FIRST_BITS, length - FIRST_BITS);
            }
            let entry = entry(symbol, bits);
            table[code..].iter_mut().step_by(1 << bits).for_each(|place| *place = entry);
        }
        Some(Self { entries: entries.into(), mask: (1 << first_bits) - 1 })
    }

    /// Takes up to 15 bits, which must be available.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits) -> u32 {
        let mut entry = self.entries[(bits.peek() & self.mask) as usize];
        if entry & GOES_ON != 0 {
            bits.skip(FIRST_BITS);
            let mask = (1 << length_of(entry)) - 1;
            entry = self.entries[symbol_of(entry) as usize + (bits.peek() & mask) as usize];
        }
        bits.skip(length_of(entry));
        symbol_of(entry)
    }

    /// The only symbol, where there are not more.
    fn only(&self) -> Option<u32> {
        if let [entry] = self.entries[..] { Some(symbol_of(entry)) } else { None }
    }
}

fn entry(symbol: usize, length: u32) -> u32 {
    (symbol as u32) << SYMBOL_SHIFT | length
}

#[inline(always)]
fn symbol_of(entry: u32) -> u32 {
    entry >> SYMBOL_SHIFT & 0xffff
}

/// At most 15.
#[inline(always)]
fn length_of(entry: u32) -> u32 {
    entry & 0x3f
}

/// The code that comes next for a length, its first bit lowest.
fn next_code(next: &mut [u32; LONGEST + 1], length: u8) -> usize {
    let code = next[usize::from(length)];
    next[usize::from(length)] += 1;
    (code.reverse_bits() >> (u32::BITS - u32::from(length))) as usize
}

/// Appends a table for each entry of the first one in which longer codes begin, as large as the longest needs.
fn add_second_tables(entries: &mut Vec<u32>, mut next: [u32; LONGEST + 1], lengths: &[u8]) {
    let mut deepest = [0; 1 << FIRST_BITS];
    for length in lengths.iter().filter(|length| **length > 0) {
        let code = next_code(&mut next, *length);
        if let Some(bits) = u32::from(*length).checked_sub(FIRST_BITS) {
            let deepest = &mut deepest[code & ((1 << FIRST_BITS) - 1)];
            *deepest = bits.max(*deepest);
        }
    }
    for (first, bits) in deepest.into_iter().enumerate().filter(|(_, bits)| *bits > 0) {
        entries[first] = GOES_ON | entry(entries.len(), bits);
        entries.resize(entries.len() + (1 << bits), 0);
    }
}

/// Lengths of codes, which are coded themselves. `None` for damage.
fn read_lengths(bits: &mut Bits, lengths: &mut [u8]) -> Option<()> {
    let mut of_lengths = [0; LENGTH_ORDER.len()];
    for at in LENGTH_ORDER.iter().take(4 + bits.read(4) as usize) {
        of_lengths[*at] = bits.read(3) as u8;
    }
    let code = Code::of(&of_lengths)?;
    let mut tokens = lengths.len();
    if bits.read(1) == 1 {
        let width = 2 + 2 * bits.read(3);
        tokens = 2 + bits.read(width) as usize;
        if tokens > lengths.len() {
            return None;
        }
    }
    let (mut at, mut before) = (0, 8);
    while at < lengths.len() && tokens > 0 {
        tokens -= 1;
        bits.refill();
        let token = code.symbol(bits);
        let (length, times) = match token {
            0..16 => (token as u8, 1),
            16 => (before, 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            _ => (0, 11 + bits.take(7)),
        };
        if length > 0 {
            before = length;
        }
        let end = at + times as usize;
        lengths.get_mut(at..end)?.fill(length);
        at = end;
    }
    Some(())
}

/// The five codes of a block.
pub(super) struct Group {
    pub(super) green: Code,
    pub(super) red: Code,
    pub(super) blue: Code,
    pub(super) alpha: Code,
    pub(super) distance: Code,
    /// alpha, red and blue of a pixel, where they are the same in all that are written out and take no bits
    pub(super) rest: Option<u32>,
    /// the whole of it, where that is so for green too
    pub(super) only_pixel: Option<u32>,
}

impl Group {
    /// For a colour cache of so many bits; 0 is none. `None` for damage.
    pub(super) fn read(bits: &mut Bits, cache_bits: u32) -> Option<Self> {
        let [green, red, blue, alpha, distance] = ALPHABETS;
        let cached = if cache_bits == 0 { 0 } else { 1 << cache_bits };
        let mut group = Self {
            green: Code::read(bits, green + cached)?,
            red: Code::read(bits, red)?,
            blue: Code::read(bits, blue)?,
            alpha: Code::read(bits, alpha)?,
            distance: Code::read(bits, distance)?,
            rest: None,
            only_pixel: None,
        };
        group.rest = group.find_rest();
        let green = group.green.only().filter(|symbol| *symbol < LITERALS as u32);
        group.only_pixel = group.rest.zip(green).map(|(rest, green)| rest | green << 8);
        Some(group)
    }

    /// Whether red and blue are 0 in every pixel that is written out.
    pub(super) fn is_without_red_and_blue(&self) -> bool {
        self.red.only() == Some(0) && self.blue.only() == Some(0)
    }

    fn find_rest(&self) -> Option<u32> {
        Some(self.alpha.only()? << 24 | self.red.only()? << 16 | self.blue.only()?)
    }

    /// What it takes, in a list that grows by doubling, and with what the heap adds to each block.
    pub(super) fn memory_bytes(&self) -> u64 {
        let codes = [&self.green, &self.red, &self.blue, &self.alpha, &self.distance];
        let entries: usize = codes.iter().map(|code| code.entries.len()).sum();
        (3 * size_of::<Self>() + codes.len() * 24 + entries * size_of::<u32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of each symbol's code one after the other, by the definition.
    fn written(lengths: &[u8]) -> Vec<u8> {
        let mut order: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        order.sort_by_key(|symbol| lengths[*symbol]);
        let (mut code, mut before, mut codes) = (0_u32, 0, vec![Vec::new(); lengths.len()]);
        for symbol in order {
            code <<= lengths[symbol] - before;
            before = lengths[symbol];
            codes[symbol] = (0..before).rev().map(|bit| code >> bit & 1).collect();
            code += 1;
        }
        let bits = codes.concat();
        bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect()
    }

    fn assert_reads_back(lengths: &[u8]) {
        let bytes = written(lengths);
        let code = Code::of(lengths).expect("a whole code");
        let mut bits = Bits::new(&bytes);
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            bits.refill();
            assert_eq!(code.symbol(&mut bits), symbol as u32, "{lengths:?}");
        }
        assert!(!bits.is_exhausted());
    }

    #[test]
    fn every_symbol_is_found_by_its_code_however_long() {
        assert_reads_back(&[1, 1]);
        assert_reads_back(&[0, 2, 1, 0, 2]);
        assert_reads_back(&[8; 256]);
        // One code of each length, as deep as they may be, from either end.
        let mut slope: Vec<u8> = (1..=15).collect();
        slope.push(15);
        assert_reads_back(&slope);
        slope.reverse();
        assert_reads_back(&slope);
        // Second tables of different sizes.
        assert_reads_back(&[vec![2, 2, 2], vec![9; 64], vec![10; 64], vec![11; 128]].concat());
        assert_reads_back(&[vec![12; 2048], vec![1]].concat());
    }

    #[test]
    fn codes_that_leave_bits_over_or_have_too_few_are_refused() {
        for lengths in [&[0, 0, 0][..], &[2, 2, 2], &[1, 1, 1], &[1, 2, 15], &[15, 15]] {
            assert!(Code::of(lengths).is_none(), "{lengths:?}");
        }
        assert_eq!(Code::of(&[0, 0, 7]).and_then(|code| code.only()), Some(2));
    }
}
