//! Prefix codes: made of how often each symbol occurs, and written (RFC 9649, 3.7.2.1).

use super::bits::BitWriter;

/// The longest code of a symbol, and of a length.
const LONGEST: usize = 15;
const LONGEST_OF_LENGTH: usize = 7;

/// The order in which the lengths of the code for lengths are written.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The bits that stand for a symbol, and how many.
#[derive(Clone, Copy, Default)]
pub(super) struct Word {
    pub(super) bits: u16,
    pub(super) count: u8,
}

impl BitWriter {
    #[inline]
    pub(super) fn put_word(&mut self, word: Word) {
        self.put(word.bits.into(), word.count.into());
    }
}

/// Writes the best code for symbols that occur so often, and returns their words.
pub(super) fn write(out: &mut BitWriter, counts: &[u32]) -> Vec<Word> {
    let mut used = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, _)| symbol);
    let (first, second, third) = (used.next().unwrap_or(0), used.next(), used.next());
    if third.is_none() && second.unwrap_or(first) < 256 {
        return write_short(out, counts.len(), first, second);
    }
    let lengths = lengths(counts, LONGEST);
    out.put(0, 1);
    write_lengths(out, &lengths);
    words(&lengths)
}

/// A code of one symbol, which then takes no bits, or of two.
fn write_short(out: &mut BitWriter, symbols: usize, first: usize, second: Option<usize>) -> Vec<Word> {
    out.put(1, 1);
    out.put(second.is_some().into(), 1);
    let is_long = first > 1;
    out.put(is_long.into(), 1);
    out.put(first as u32, if is_long { 8 } else { 1 });
    let mut words = vec![Word::default(); symbols];
    if let Some(second) = second {
        out.put(second as u32, 8);
        words[first] = Word { bits: 0, count: 1 };
        words[second] = Word { bits: 1, count: 1 };
    }
    words
}

/// The lengths of the words, none above `longest`; 0 for symbols that do not occur, 1 for one that is alone.
fn lengths(counts: &[u32], longest: usize) -> Vec<u8> {
    let mut lengths = vec![0; counts.len()];
    let mut leaves: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (*count, at)).collect();
    if let [(_, alone)] = leaves[..] {
        lengths[alone] = 1;
    }
    if leaves.len() < 2 {
        return lengths;
    }
    leaves.sort_unstable();
    // Rare symbols count as less rare until no word is too long.
    let mut floor = 1;
    loop {
        let depths = depths(leaves.iter().map(|(count, _)| (*count).max(floor)));
        if depths.iter().all(|depth| *depth <= longest) {
            for ((_, symbol), depth) in leaves.iter().zip(depths) {
                lengths[*symbol] = depth as u8;
            }
            return lengths;
        }
        floor *= 2;
    }
}

/// How deep each leaf of the tree lies that joins the two lightest nodes until one is left. The weights ascend, and there
/// are two or more.
fn depths(weights: impl Iterator<Item = u32>) -> Vec<usize> {
    // Behind the leaves stand the joined nodes, which come in the order of their weights by themselves.
    let mut nodes: Vec<u32> = weights.collect();
    let leaves = nodes.len();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut joined) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let next = if leaf < leaves && (joined == node || nodes[leaf] <= nodes[joined]) {
                &mut leaf
            } else {
                &mut joined
            };
            weight += nodes[*next];
            parents[*next] = node;
            *next += 1;
        }
        nodes.push(weight);
    }
    let mut depths = vec![0; 2 * leaves - 1];
    for node in (0..2 * leaves - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(leaves);
    depths
}

/// The words that belong to these lengths.
fn words(lengths: &[u8]) -> Vec<Word> {
    let mut counts = [0_u16; LONGEST + 1];
    for length in lengths {
        counts[usize::from(*length)] += 1;
    }
    if usize::from(counts[0]) + 1 == lengths.len() {
        return vec![Word::default(); lengths.len()];
    }
    counts[0] = 0;
    let mut next = [0_u16; LONGEST + 1];
    for length in 1..=LONGEST {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    let word = |length: &u8| {
        if *length == 0 {
            return Word::default();
        }
        let next = &mut next[usize::from(*length)];
        let bits = next.reverse_bits() >> (u16::BITS - u32::from(*length));
        *next += 1;
        Word { bits, count: *length }
    };
    lengths.iter().map(word).collect()
}

/// A length, or a repetition of one, with the number that follows it and the bits of that.
struct Token {
    symbol: u8,
    number: u8,
    bits: u8,
}

fn write_lengths(out: &mut BitWriter, lengths: &[u8]) {
    let end = lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
    let tokens = tokens(&lengths[..end]);
    let mut counts = [0; LENGTH_ORDER.len()];
    for token in &tokens {
        counts[usize::from(token.symbol)] += 1;
    }
    let of_lengths = self::lengths(&counts, LONGEST_OF_LENGTH);
    let words = words(&of_lengths);
    let listed =
        LENGTH_ORDER.iter().rposition(|symbol| of_lengths[*symbol] > 0).map_or(4, |last| 4.max(last + 1));
    out.put(listed as u32 - 4, 4);
    for symbol in &LENGTH_ORDER[..listed] {
        out.put(of_lengths[*symbol].into(), 3);
    }
    // Those behind the last one are not written, but then how many are. There are two or more, for a code of one or two
    // symbols below 256 is written otherwise.
    let is_cut = end < lengths.len();
    out.put(is_cut.into(), 1);
    if is_cut {
        let number = tokens.len() as u32 - 2;
        let pairs = (u32::BITS - number.leading_zeros()).div_ceil(2).max(1);
        out.put(pairs - 1, 3);
        out.put(number, 2 * pairs);
    }
    for token in tokens {
        out.put_word(words[usize::from(token.symbol)]);
        out.put(token.number.into(), token.bits.into());
    }
}

/// With repetitions of zeros and of the last length that is none.
fn tokens(lengths: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut before = 8;
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len());
        if length > 0 && length != before {
            tokens.push(Token { symbol: length, number: 0, bits: 0 });
            left -= 1;
            before = length;
        }
        while left > 0 {
            let (symbol, least, most, bits) = match (length, left) {
                (_, 1 | 2) => (length, 1, 1, 0),
                (0, 3..=10) => (17, 3, 10, 3),
                (0, _) => (18, 11, 138, 7),
                _ => (16, 3, 6, 2),
            };
            let taken = left.min(most);
            tokens.push(Token { symbol, number: (taken - least) as u8, bits });
            left -= taken;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_too_long_and_no_bits_are_left_over() {
        // Each as often as the two before together: without a bound, the rarest would take one bit more than the next.
        let mut counts = vec![1, 1];
        while counts.len() < 40 {
            counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
        }
        for (counts, longest) in [(&counts[..], LONGEST), (&counts[..19], LONGEST_OF_LENGTH), (&[3, 0, 9], 1)]
        {
            let lengths = lengths(counts, longest);
            assert!(lengths.iter().all(|length| usize::from(*length) <= longest), "{lengths:?}");
            let used = lengths.iter().filter(|length| **length > 0);
            assert_eq!(used.map(|length| 1 << (LONGEST - usize::from(*length))).sum::<u32>(), 1 << LONGEST);
        }
    }

    #[test]
    fn the_more_often_a_symbol_occurs_the_shorter_is_its_word() {
        let counts = [0, 70, 5, 0, 20, 5];
        assert_eq!(lengths(&counts, LONGEST), [0, 1, 3, 0, 2, 3]);
        let words: Vec<_> = words(&[0, 1, 3, 0, 2, 3]).iter().map(|word| (word.bits, word.count)).collect();
        assert_eq!(words, [(0, 0), (0, 1), (0b011, 3), (0, 0), (0b01, 2), (0b111, 3)]);
    }
}
