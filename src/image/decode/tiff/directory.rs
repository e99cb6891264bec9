//! The first directory of a TIFF file, read in place.
//!
//! The `tiff` crate reads the tags that describe the pixels, and takes memory for as many values as a tag
//! claims; it knows neither palettes nor what the extra samples mean. So the directory is read here first: to
//! bound what the crate will be asked for, and for the rest of its tags.

use std::io::{self, Read, Seek, SeekFrom};

use super::super::source::Source;
use crate::error::{Error, Result};

/// Values of one tag that the crate may read; 32 bytes of memory each. Four planes of 65 535 rows fit.
const MAX_VALUES: usize = 1 << 18;

/// Tags by their numbers (TIFF 6.0; 34 675 is ICC.1:2022, annex B.4).
pub(super) mod tag {
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const ORIENTATION: u16 = 274;
    pub(in super::super) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(in super::super) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(in super::super) const PLANAR_CONFIGURATION: u16 = 284;
    pub(in super::super) const COLOR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTE_COUNTS: u16 = 325;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const ICC_PROFILE: u16 = 34_675;
    /// Tags that the crate reads before or while it decodes.
    pub(super) const OF_THE_CRATE: std::ops::RangeInclusive<u16> = 254..=532;
}

struct Entry<'a> {
    tag: u16,
    kind: u16,
    count: usize,
    /// where the values begin in the file
    at: usize,
    bytes: &'a [u8],
}

/// The entries whose values lie inside of the file.
pub(super) struct Directory<'a> {
    big_endian: bool,
    entries: Vec<Entry<'a>>,
}

impl<'a> Directory<'a> {
    /// # Errors
    /// [`Error::Decode`] for a file that ends too early, a tag that stands twice, and one of those that
    /// describe the pixels with an impossible number of values.
    pub(super) fn read(input: &'a [u8]) -> Result<Self> {
        let cut = || Error::Decode("the TIFF file ends too early".to_owned());
        let big_endian = input.first() == Some(&b'M');
        let mut directory = Self { big_endian, entries: Vec::new() };
        let start = directory.number(input.get(4..8).ok_or_else(cut)?) as usize;
        let table = input.get(start..).ok_or_else(cut)?;
        let count = directory.number(table.get(..2).ok_or_else(cut)?) as usize;
        let table = table.get(2..2 + count * 12).ok_or_else(cut)?;
        for (index, entry) in table.chunks_exact(12).enumerate() {
            let tag = directory.number(&entry[..2]) as u16;
            let kind = directory.number(&entry[2..4]) as u16;
            let count = directory.number(&entry[4..8]) as usize;
            if tag::OF_THE_CRATE.contains(&tag) && count > MAX_VALUES {
                return Err(Error::Decode(format!("TIFF tag {tag} with {count} values")));
            }
            let size = count.saturating_mul(bytes_of(kind));
            let at =
                if size <= 4 { start + 2 + index * 12 + 8 } else { directory.number(&entry[8..]) as usize };
            // Values outside of the file are no concern unless somebody asks for them.
            if let Some(bytes) = at.checked_add(size).and_then(|end| input.get(at..end)) {
                directory.entries.push(Entry { tag, kind, count, at, bytes });
            }
        }
        directory.entries.sort_by_key(|entry| entry.tag);
        if let Some(pair) = directory.entries.windows(2).find(|pair| pair[0].tag == pair[1].tag) {
            return Err(Error::Decode(format!("TIFF tag {} stands twice", pair[0].tag)));
        }
        Ok(directory)
    }

    fn number(&self, bytes: &[u8]) -> u32 {
        let next = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if self.big_endian { bytes.iter().fold(0, next) } else { bytes.iter().rev().fold(0, next) }
    }

    fn find(&self, tag: u16) -> Option<&Entry<'a>> {
        let found = self.entries.binary_search_by_key(&tag, |entry| entry.tag);
        found.ok().map(|index| &self.entries[index])
    }

    /// The bytes of a tag's values as they stand in the file.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.find(tag).map(|entry| entry.bytes)
    }

    /// The values of a tag of unsigned numbers; none if it is missing or of another kind.
    pub(super) fn numbers(&self, tag: u16) -> impl Iterator<Item = u32> + use<'_, 'a> {
        let entry = self.find(tag).filter(|entry| matches!(entry.kind, 1 | 3 | 4));
        let (bytes, size) = entry.map_or((&[][..], 1), |entry| (entry.bytes, bytes_of(entry.kind)));
        bytes.chunks_exact(size).map(|bytes| self.number(bytes))
    }

    /// The first value of a tag of unsigned numbers.
    pub(super) fn value(&self, tag: u16) -> Option<u32> {
        self.numbers(tag).next()
    }

    /// A file that reads as if the only value of `tag`, of 16 bits, were `value`.
    pub(super) fn with_value(&self, tag: u16, value: u16) -> Option<Patch> {
        let entry = self.find(tag).filter(|entry| (entry.kind, entry.count) == (3, 1))?;
        let bytes = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        Some(Patch { at: entry.at, bytes })
    }
}

/// Bytes of one value of a field type; 0 for types that do not exist (TIFF 6.0, section 2).
fn bytes_of(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 0,
    }
}

/// Two bytes that are to be read instead of those in the file.
#[derive(Clone, Copy)]
pub(super) struct Patch {
    at: usize,
    bytes: [u8; 2],
}

/// A [`Source`] that hands out the bytes of a patch in their place.
pub(super) struct Patched<'a> {
    pub source: Source<'a>,
    pub patch: Option<Patch>,
}

impl Read for Patched<'_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = self.source.position();
        let len = self.source.read(buf)?;
        if let Some(Patch { at, bytes }) = self.patch {
            for (place, byte) in (at..).zip(bytes) {
                if (start..start + len).contains(&place) {
                    buf[place - start] = byte;
                }
            }
        }
        Ok(len)
    }
}

impl Seek for Patched<'_> {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}
