//! The bits of a scan.

/// Reads bits from entropy-coded data, where a byte of all ones is followed by a stuffed zero and anything else
/// behind it is a marker. No marker is ever read over: from there on the bits are zeros, and
/// [`Bits::is_exhausted`] tells once one of those has been used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    scan: &'a [u8],
    /// the next byte to take
    at: usize,
    /// the next bits, from the highest on; what lies beyond `count` is either zero or what follows in the scan
    word: u64,
    /// how many of them there are
    count: u32,
    /// how many of these are the zeros of a marker
    padding: u32,
}

/// Bits that are there after [`Bits::refill`], at least.
const FULL: u32 = 56;

/// Bits that are there after [`Bits::refill_if_low`], at least.
pub(super) const LOW: u32 = 25;

impl<'a> Bits<'a> {
    pub(super) fn new(scan: &'a [u8]) -> Self {
        Self { scan, at: 0, word: 0, count: 0, padding: 0 }
    }

    /// Makes sure that at least [`LOW`] bits are there.
    #[inline(always)]
    pub(super) fn refill_if_low(&mut self) {
        if self.count < LOW {
            self.refill();
        }
    }

    /// Makes sure that at least 56 bits are there.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some(bytes) = self.scan.get(self.at..).and_then(<[u8]>::first_chunk) {
            let next = u64::from_be_bytes(*bytes);
            if !holds_ones(next) {
                self.word |= next >> self.count;
                let taken = (63 - self.count) / 8;
                self.at += taken as usize;
                self.count += taken * 8;
                return;
            }
        }
        *self = self.refilled_by_bytes();
    }

    /// By value, so that the caller's can stay in registers.
    #[cold]
    #[inline(never)]
    fn refilled_by_bytes(mut self) -> Self {
        self.word &= !(u64::MAX >> self.count);
        while self.count < FULL {
            let byte = self.byte().unwrap_or_else(|| {
                self.padding += 8;
                0
            });
            self.word |= u64::from(byte) << (FULL - self.count);
            self.count += 8;
        }
        self
    }

    /// The next byte of data; `None` at a marker or at the end.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.scan.get(self.at)?;
        if byte != 0xff {
            self.at += 1;
            return Some(byte);
        }
        // The ones may be repeated, as before a marker.
        let ones = self.scan[self.at..].iter().take_while(|byte| **byte == 0xff).count();
        if self.scan.get(self.at + ones) != Some(&0) {
            return None;
        }
        self.at += ones + 1;
        Some(byte)
    }

    /// The next bits, the first of them the highest. As many are good as the last refill promised.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.word
    }

    /// Takes bits that [`Bits::refill`] has put there.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: u32) {
        self.word <<= count;
        self.count -= count;
    }

    /// Whether more bits were taken than there are.
    pub(super) fn is_exhausted(&self) -> bool {
        self.padding > self.count
    }

    /// Goes on behind the restart marker of this number (0..=7), which has to stand right here.
    ///
    /// # Errors
    /// A marker that is missing or has another number, or data before it that nobody asked for.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), &'static str> {
        // Whole bytes that are left over are what was read ahead.
        let left = self.count.checked_sub(self.padding);
        if self.is_exhausted() || left.is_none_or(|bits| bits >= 8) {
            return Err("JPEG whose restart marker is not where it should be");
        }
        let ones = self.scan[self.at..].iter().take_while(|byte| **byte == 0xff).count();
        if ones == 0 || self.scan.get(self.at + ones) != Some(&(0xd0 + number)) {
            return Err("JPEG whose restart marker is not where it should be");
        }
        *self = Self { scan: self.scan, at: self.at + ones + 1, word: 0, count: 0, padding: 0 };
        Ok(())
    }
}

/// Whether one of the bytes is 0xff.
#[inline(always)]
fn holds_ones(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    // A byte of the inverse is zero if and only if subtracting one from it borrows.
    (!word).wrapping_sub(LOW) & word & (LOW << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bits up to where they run out, in steps of these widths.
    fn read(scan: &[u8], widths: &[u32]) -> Vec<u8> {
        let mut bits = Bits::new(scan);
        let mut out = Vec::new();
        for &width in widths.iter().cycle() {
            bits.refill();
            let taken = bits.peek() >> (64 - width);
            bits.consume(width);
            if bits.is_exhausted() {
                return out;
            }
            out.extend((0..width).rev().map(|bit| (taken >> bit & 1) as u8));
        }
        unreachable!("the widths go on for ever")
    }

    fn bits_of(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect()
    }

    #[test]
    fn stuffing_is_taken_out_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..=length {
                let mut data: Vec<u8> = (0..length).map(|index| (index * 37 + 11) as u8).collect();
                data.insert(at, 0xff);
                let mut scan = Vec::new();
                for &byte in &data {
                    scan.push(byte);
                    if byte == 0xff {
                        scan.push(0);
                    }
                }
                for widths in [&[1][..], &[7, 11, 3, 31], &[16], &[32]] {
                    let got = read(&scan, widths);
                    let wanted = bits_of(&data);
                    // What is shorter than a step is not taken.
                    assert!(wanted.len() - got.len() < 32, "{length} {at} {widths:?}");
                    assert_eq!(got, wanted[..got.len()], "{length} {at} {widths:?}");
                }
            }
        }
    }

    #[test]
    fn a_marker_ends_the_data() {
        for tail in
            [&[0xff, 0xd0, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0xff, 0xff, 0xd9], &[0xff], &[0xff, 0xff], &[]]
        {
            for length in 0..20 {
                let data = vec![0xa5; length];
                assert_eq!(read(&[&data, tail].concat(), &[1]), bits_of(&data), "{tail:?}");
            }
        }
    }

    #[test]
    fn ones_before_a_stuffed_zero_may_be_repeated() {
        assert_eq!(read(&[1, 0xff, 0xff, 0xff, 0, 2], &[1]), bits_of(&[1, 0xff, 2]));
    }

    #[test]
    fn a_restart_marker_must_be_the_expected_one_and_right_here() {
        let after = |scan: &[u8], consumed: u32, number: u8| {
            let mut bits = Bits::new(scan);
            for _ in 0..consumed {
                bits.refill();
                bits.consume(1);
            }
            bits.restart(number).map(|()| {
                bits.refill();
                bits.peek() >> 56
            })
        };
        let scan = [0xab, 0xcd, 0xff, 0xd3, 0x77, 0xff, 0xff, 0xd4, 0x66];
        for consumed in 9..=16 {
            assert_eq!(after(&scan, consumed, 3), Ok(0x77), "after {consumed} bits");
            assert!(after(&scan, consumed, 2).is_err());
        }
        assert!(after(&scan, 8, 3).is_err(), "a whole byte is left");
        assert!(after(&scan, 17, 3).is_err(), "a bit too many was taken");
        assert!(after(&[0xab, 0xcd], 16, 0).is_err());
        assert!(after(&[0xff, 0], 8, 0).is_err());
        assert_eq!(after(&[0xff, 0xff, 0xd0, 0x42], 0, 0), Ok(0x42));
    }
}
