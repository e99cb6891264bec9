//! CRC-64/NVME behind the few names of `crc-fast` that `object_store` calls, for `x-amz-checksum-crc64nvme`.
//!
//! The crate of this name on crates.io exports its C interface from every library that it is linked into. So all of it
//! stays in the addon, with the tables of a hundred polynomials: 0.8 MB for one sum, which only a bucket whose
//! settings ask for it needs.

/// The polynomial of CRC-64/NVME, bits reversed (NVM Express NVM Command Set 1.0, section 5.2.1.3.4).
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// What each value of a byte adds to the sum.
static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// Which sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// CRC-64/NVME, 64 bits.
    Crc64Nvme,
}

/// A sum over bytes that come in parts.
#[derive(Debug, Clone)]
pub struct Digest {
    inverted: u64,
}

impl Digest {
    /// Over no bytes yet.
    #[must_use]
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        match algorithm {
            CrcAlgorithm::Crc64Nvme => Self { inverted: !0 },
        }
    }

    /// Goes on with `data`.
    pub fn update(&mut self, data: &[u8]) {
        for byte in data {
            let low = self.inverted.to_le_bytes()[0];
            self.inverted = (self.inverted >> 8) ^ TABLE[usize::from(low ^ byte)];
        }
    }

    /// The sum of all that came.
    #[must_use]
    pub fn finalize(&self) -> u64 {
        !self.inverted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(parts: &[&[u8]]) -> u64 {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        for part in parts {
            digest.update(part);
        }
        digest.finalize()
    }

    #[test]
    fn the_sums_are_those_of_the_specification() {
        assert_eq!(sum(&[&[0; 4096]]), 0x6482_d367_eb22_b64e);
        assert_eq!(sum(&[&[0xff; 4096]]), 0xc0dd_ba73_02ec_a3ac);
        assert_eq!(sum(&[b"123456789"]), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn parts_give_the_sum_of_the_whole() {
        assert_eq!(sum(&[b"1234", b"", b"56789"]), sum(&[b"123456789"]));
    }
}
