//! Big-endian numbers and boxes from a byte slice. Nothing here can run past the end: what is missing is an
//! error, and every step consumes at least one byte or ends the loop that asks for it.

use super::damaged;
use crate::error::Result;

/// One ISO-BMFF box: its four-character kind and what lies after its header.
pub(super) struct Box4<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
}

/// A position in a byte slice.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or_else(|| damaged("a box ends early"))?;
        self.rest = tail;
        Ok(head)
    }

    /// An unsigned number of `len` bytes, 0 to 8; none means 0, as `iloc` has it for absent fields.
    pub(super) fn uint(&mut self, len: usize) -> Result<u64> {
        debug_assert!(len <= 8);
        Ok(self.take(len)?.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.uint(1)? as u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(self.uint(2)? as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(self.uint(4)? as u32)
    }

    /// A number of 16 bits, or of 32 where `wide`: how `pitm`, `iref`, `ipma` and others grew.
    pub(super) fn u16_or_u32(&mut self, wide: bool) -> Result<u32> {
        Ok(self.uint(if wide { 4 } else { 2 })? as u32)
    }

    /// The version and flags that open a "full" box.
    pub(super) fn version_and_flags(&mut self) -> Result<(u8, u32)> {
        Ok((self.u8()?, self.uint(3)? as u32))
    }

    /// The next box, or `None` at the end. Size 0 ("to the end of the file") takes all that is left.
    pub(super) fn next_box(&mut self) -> Result<Option<Box4<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let available = self.rest.len() as u64;
        let size = u64::from(self.u32()?);
        let mut kind = [0; 4];
        kind.copy_from_slice(self.take(4)?);
        let (header, size) = match size {
            0 => (8, available),
            1 => (16, self.uint(8)?),
            size => (8, size),
        };
        let body = size.checked_sub(header).and_then(|len| usize::try_from(len).ok());
        let body = body.filter(|&len| len <= self.rest.len());
        let body = body.ok_or_else(|| damaged("a box is larger than what holds it"))?;
        Ok(Some(Box4 { kind, body: self.take(body)? }))
    }
}

/// Bits, most significant first: the headers of AV1.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// An unsigned number of `count` bits, 0 to 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            let byte =
                self.bytes.get(self.position / 8).ok_or_else(|| damaged("the sequence header ends early"))?;
            value = (value << 1) | u32::from((byte >> (7 - self.position % 8)) & 1);
            self.position += 1;
        }
        Ok(value)
    }

    pub(super) fn bit(&mut self) -> Result<bool> {
        Ok(self.bits(1)? != 0)
    }

    pub(super) fn skip(&mut self, count: u32) -> Result<()> {
        self.bits(count).map(drop)
    }
}
