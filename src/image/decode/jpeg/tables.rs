//! The tables that stand before the scans, as far as a sequential decoder needs them.

/// Where a coefficient of the zigzag order stands in its block, row by row (T.81, figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A Huffman code as a DHT segment describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code<'a> {
    /// how many codes there are of 1 to 16 bits
    pub counts: &'a [u8; 16],
    /// what they stand for, in the order of the codes
    pub symbols: &'a [u8],
}

/// All tables, each in the place that it was given.
#[derive(Debug, Default, Clone)]
pub(super) struct Tables<'a> {
    /// steps in zigzag order
    pub quantization: [Option<[u16; 64]>; 4],
    pub dc: [Option<Code<'a>>; 4],
    pub ac: [Option<Code<'a>>; 4],
    /// MCUs between two restart markers; 0 is none
    pub restart: u16,
}

impl<'a> Tables<'a> {
    /// Reads a DQT segment.
    pub(super) fn quantization(&mut self, mut body: &[u8]) -> Result<(), &'static str> {
        const BAD: &str = "JPEG with a damaged quantization table";
        while let Some((&kind, rest)) = body.split_first() {
            let place = self.quantization.get_mut(usize::from(kind & 15)).ok_or(BAD)?;
            let bytes = match kind >> 4 {
                0 => 64,
                1 => 128,
                _ => return Err(BAD),
            };
            let (steps, rest) = rest.split_at_checked(bytes).ok_or(BAD)?;
            let mut table = [0; 64];
            for (index, step) in table.iter_mut().enumerate() {
                *step = if bytes == 64 {
                    u16::from(steps[index])
                } else {
                    u16::from_be_bytes([steps[2 * index], steps[2 * index + 1]])
                };
            }
            *place = Some(table);
            body = rest;
        }
        Ok(())
    }

    /// Reads a DHT segment.
    pub(super) fn huffman(&mut self, mut body: &'a [u8]) -> Result<(), &'static str> {
        const BAD: &str = "JPEG with a damaged Huffman table";
        while let Some((&kind, rest)) = body.split_first() {
            let class = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(BAD),
            };
            let place = class.get_mut(usize::from(kind & 15)).ok_or(BAD)?;
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(BAD)?;
            let count: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).filter(|_| count <= 256).ok_or(BAD)?;
            *place = Some(Code { counts, symbols });
            body = rest;
        }
        Ok(())
    }

    /// Reads a DRI segment.
    pub(super) fn restart(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let interval = body.try_into().map_err(|_| "JPEG with a damaged restart interval")?;
        self.restart = u16::from_be_bytes(interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_8_or_16_bits_and_one_segment_may_hold_several_tables() {
        let mut tables = Tables::default();
        let narrow = [&[0x01][..], &[7; 64]].concat();
        let wide = [&[0x12][..], &[1, 4].repeat(64)].concat();
        assert_eq!(tables.quantization(&[narrow.clone(), wide.clone()].concat()), Ok(()));
        assert_eq!(tables.quantization, [None, Some([7; 64]), Some([260; 64]), None]);
        for bad in [&narrow[..64], &wide[..128], &[0x04], &[0x20]] {
            let padded = [bad, &[0; 0]].concat();
            assert!(tables.quantization(&padded).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_huffman_table_must_hold_the_symbols_that_it_counts() {
        let mut counts = [0; 16];
        counts[1] = 3;
        let table = |kind: u8, symbols: &[u8]| [&[kind][..], &counts, symbols].concat();
        let both = [table(0x03, &[1, 2, 3]), table(0x10, &[4, 5, 6])].concat();
        let mut tables = Tables::default();
        assert_eq!(tables.huffman(&both), Ok(()));
        assert_eq!(tables.dc[3].expect("it was read").symbols, [1, 2, 3]);
        assert_eq!(tables.ac[0].expect("it was read").symbols, [4, 5, 6]);
        for bad in [table(0x03, &[1, 2]), table(0x04, &[1, 2, 3]), table(0x20, &[1, 2, 3]), vec![0, 1]] {
            assert!(Tables::default().huffman(&bad).is_err(), "{bad:?}");
        }
        let many = [&[0][..], &[255; 16], &[0; 16 * 255]].concat();
        assert!(Tables::default().huffman(&many).is_err());
    }

    #[test]
    fn a_restart_interval_has_two_bytes() {
        let mut tables = Tables::default();
        assert_eq!(tables.restart(&[1, 2]), Ok(()));
        assert_eq!(tables.restart, 258);
        for bad in [&[1][..], &[1, 2, 3]] {
            assert!(tables.restart(bad).is_err());
        }
    }
}
