//! Bits from the lowest of each byte on.

/// Past the end the bits are zeros; [`Bits::is_exhausted`] tells whether any of those was read.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// the next bits, the first one lowest
    window: u64,
    /// how many of them are to be counted on
    count: u32,
    /// zeros that were put into the window
    beyond: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, window: 0, count: 0, beyond: 0 }
    }

    /// Makes 56 bits available.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let Some(next) = self.rest.first_chunk::<8>() else { return self.refill_at_the_end() };
        // Bits of a byte that does not fit as a whole come in twice, the same both times.
        self.window |= u64::from_le_bytes(*next) << self.count;
        self.rest = &self.rest[(63 - self.count as usize) / 8..];
        // The whole bytes that fit: 56 bits and what of the last byte was there before.
        self.count |= 0x38;
    }

    #[cold]
    fn refill_at_the_end(&mut self) {
        while self.count < 56 {
            match self.rest.split_first() {
                Some((byte, rest)) => {
                    self.window |= u64::from(*byte) << self.count;
                    self.rest = rest;
                }
                None => self.beyond = self.beyond.saturating_add(8),
            }
            self.count += 8;
        }
    }

    /// How many bits can be taken before the next [`Bits::refill`].
    #[inline(always)]
    pub(super) fn available(&self) -> u32 {
        self.count
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> u32 {
        self.window as u32
    }

    /// Leaves out bits that are available.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.window >>= count;
        self.count -= count;
    }

    /// A number of at most 24 bits that are available.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count);
        value
    }

    /// A number of at most 24 bits.
    pub(super) fn read(&mut self, count: u32) -> u32 {
        if self.count < count {
            self.refill();
        }
        self.take(count)
    }

    /// Whether more was read than there is.
    #[inline(always)]
    pub(super) fn is_exhausted(&self) -> bool {
        self.beyond > self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_the_lowest_bit_on_across_bytes() {
        let bytes: Vec<u8> = (0..40_u32).map(|at| (at * 37 + 11) as u8).collect();
        let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
        let mut bits = Bits::new(&bytes);
        let (mut at, mut width) = (0, 1);
        while at + width <= bytes.len() * 8 {
            let expected = (0..width).fold(0, |number, index| number | bit(at + index) << index);
            assert_eq!(bits.read(width as u32), expected, "{width} bits at {at}");
            assert!(!bits.is_exhausted());
            (at, width) = (at + width, width % 24 + 1);
        }
    }

    #[test]
    fn the_end_is_noticed_with_the_first_bit_behind_it() {
        for length in 0..20 {
            let bytes = vec![0xff; length];
            let mut bits = Bits::new(&bytes);
            for at in 0..length * 8 {
                assert_eq!(bits.read(1), 1);
                assert!(!bits.is_exhausted(), "bit {at} of {length} bytes");
            }
            assert_eq!(bits.read(1), 0);
            assert!(bits.is_exhausted(), "behind {length} bytes");
        }
    }
}
