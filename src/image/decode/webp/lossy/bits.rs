//! The boolean decoder (RFC 6386, 7).

/// Reads one partition, bit by bit.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// what has been read and not been decoded: eight bits that are compared, and below them `spare` more
    value: u64,
    /// negative when the next bit needs more of `rest`
    spare: i32,
    /// 128..=255 between two bits
    range: u32,
    exhausted: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, value: 0, spare: -8, range: 255, exhausted: false }
    }

    /// Whether more was asked for than there is. Zeros come then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// A bit that is 0 with `probability` of 256.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        if self.spare < 0 {
            self.fill();
        }
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let wide = u64::from(split) << self.spare;
        let one = self.value >= wide;
        if one {
            self.range -= split;
            self.value -= wide;
        } else {
            self.range = split;
        }
        // Neither part of the range is empty.
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.spare -= shift as i32;
        one
    }

    /// `value`, or its negative.
    #[inline(always)]
    pub(super) fn signed(&mut self, value: i32) -> i32 {
        if self.bit(128) { -value } else { value }
    }

    /// A bit that is as often 0 as 1.
    pub(super) fn flag(&mut self) -> bool {
        self.bit(128)
    }

    /// A number of `bits` bits, the highest first.
    pub(super) fn number(&mut self, bits: u32) -> u8 {
        (0..bits).fold(0, |number, _| number << 1 | u8::from(self.flag()))
    }

    /// A number with a sign behind it, or zero where a flag says that it is left out.
    pub(super) fn optional(&mut self, bits: u32) -> i32 {
        if !self.flag() {
            return 0;
        }
        let value = i32::from(self.number(bits));
        self.signed(value)
    }

    #[inline(always)]
    fn fill(&mut self) {
        if let Some((bytes, _)) = self.rest.split_first_chunk::<8>() {
            self.value = self.value << 56 | u64::from_be_bytes(*bytes) >> 8;
            self.rest = &self.rest[7..];
            self.spare += 56;
        } else {
            self.fill_slowly();
        }
    }

    #[cold]
    fn fill_slowly(&mut self) {
        let next = self.rest.split_off_first();
        self.exhausted |= next.is_none();
        self.value = self.value << 8 | next.map_or(0, |&byte| u64::from(byte));
        self.spare += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoder of RFC 6386, 7.3.
    fn encode(bits: &[(bool, u8)]) -> Vec<u8> {
        let (mut out, mut range, mut bottom, mut left) = (Vec::new(), 255_u32, 0_u32, 24);
        let carry = |out: &mut Vec<u8>| {
            let last = out.iter().rposition(|&byte| byte != 255).expect("the first byte never overflows");
            out[last] += 1;
            out[last + 1..].fill(0);
        };
        let padding = [(false, 128); 32];
        for &(bit, probability) in bits.iter().chain(&padding) {
            let split = 1 + (((range - 1) * u32::from(probability)) >> 8);
            if bit {
                let (sum, overflow) = bottom.overflowing_add(split);
                assert!(!overflow, "the highest bit is carried before");
                bottom = sum;
                range -= split;
            } else {
                range = split;
            }
            while range < 128 {
                range <<= 1;
                if bottom & 1 << 31 != 0 {
                    carry(&mut out);
                }
                bottom <<= 1;
                left -= 1;
                if left == 0 {
                    out.push((bottom >> 24) as u8);
                    bottom &= (1 << 24) - 1;
                    left = 8;
                }
            }
        }
        out
    }

    #[test]
    fn what_was_encoded_comes_back_at_every_probability() {
        let mut state = 7_u32;
        let bits: Vec<(bool, u8)> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let probability = (state >> 24) as u8;
                ((state >> 8 & 255) as u8 > probability, probability.max(1))
            })
            .collect();
        let data = encode(&bits);
        let mut reader = Bits::new(&data);
        for (index, &(bit, probability)) in bits.iter().enumerate() {
            assert_eq!(reader.bit(probability), bit, "bit {index}");
        }
        assert!(!reader.is_exhausted());
    }

    #[test]
    fn numbers_have_their_highest_bit_and_their_sign_in_place() {
        let bits = [true, false, true, true, true, true, false, false, true, true, false];
        let data = encode(&bits.map(|bit| (bit, 128)));
        let mut reader = Bits::new(&data);
        assert_eq!(reader.number(4), 0b1011);
        assert_eq!(reader.optional(4), -0b1001);
        assert_eq!(reader.optional(4), 0);
    }

    #[test]
    fn beyond_the_end_are_zeros_and_it_shows() {
        let mut reader = Bits::new(&[0]);
        let read: Vec<bool> = (0..1000).map(|_| reader.bit(128)).collect();
        assert!(read.iter().all(|bit| !bit) && reader.is_exhausted());
    }
}
