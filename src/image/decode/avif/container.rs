//! The boxes of an AVIF file: which items it holds, where their bytes lie and how they belong together.
//!
//! Specifications: ISO/IEC 14496-12 (boxes), 23008-12 (items, properties, grid), 23000-22 (MIAF) and the
//! AV1 Image File Format 1.1. Only the `meta` box is read; its parts lie at fixed depths, so nothing recurses.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::damaged;
use super::property::{ItemProperties, Properties};
use super::reader::Reader;
use crate::error::{Error, Result};

/// Two grids of [`MAX_TILES`](super::plan::MAX_TILES) (colour and alpha) and some room for metadata.
const MAX_ITEMS: usize = 4096;
/// `iloc` can describe an extent in zero bytes, so the input's size does not bound their number. Writers
/// make one per item.
const MAX_EXTENTS: usize = 16_384;
/// Bytes of the item data whose numbers are all at their largest.
const GRID_BYTES: usize = 12;

/// Bytes of an item: parts of the file, or of the `idat` box.
#[derive(Default)]
struct Location {
    in_idat: bool,
    /// Offset and length; length 0 means up to the end.
    extents: Vec<(u64, u64)>,
}

/// From one item to others: `auxl`, `dimg`, `prem`.
struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

/// The tile layout of a derived image of type `grid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) columns: u32,
    pub(super) rows: u32,
    /// px
    pub(super) width: u32,
    /// px
    pub(super) height: u32,
}

/// A parsed file. Positions are checked when bytes are asked for.
pub(super) struct Container<'a> {
    input: &'a [u8],
    idat: &'a [u8],
    kinds: BTreeMap<u32, [u8; 4]>,
    locations: BTreeMap<u32, Location>,
    properties: Properties<'a>,
    references: Vec<Reference>,
    primary: Option<u32>,
    animated: bool,
}

impl<'a> Container<'a> {
    pub(super) fn parse(input: &'a [u8]) -> Result<Self> {
        let mut boxes = Reader::new(input);
        let brands = match boxes.next_box() {
            Ok(Some(first)) if first.kind == *b"ftyp" => Brands::parse(first.body)?,
            _ => return Err(Error::NotAnImage("no ftyp box".to_owned())),
        };
        let (mut meta, mut movie) = (None, false);
        // A file cut off in its media data still has all that is needed up to there.
        while let Ok(Some(found)) = boxes.next_box() {
            match &found.kind {
                b"meta" if meta.is_none() => meta = Some(found.body),
                b"moov" => movie = true,
                _ => {}
            }
        }
        let mut container = Self {
            input,
            idat: &[],
            kinds: BTreeMap::new(),
            locations: BTreeMap::new(),
            properties: Properties::default(),
            references: Vec::new(),
            primary: None,
            animated: brands.sequence && movie,
        };
        container.parse_meta(meta.ok_or_else(|| damaged("no meta box"))?)?;
        Ok(container)
    }

    fn parse_meta(&mut self, body: &'a [u8]) -> Result<()> {
        let mut boxes = Reader::new(body);
        boxes.version_and_flags()?;
        while let Some(found) = boxes.next_box()? {
            match &found.kind {
                b"pitm" => {
                    let mut reader = Reader::new(found.body);
                    let (version, _) = reader.version_and_flags()?;
                    self.primary = Some(reader.u16_or_u32(version >= 1)?);
                }
                b"iinf" => self.parse_items(found.body)?,
                b"iloc" => self.parse_locations(found.body)?,
                b"iref" => self.parse_references(found.body)?,
                b"iprp" => self.properties = Properties::parse(found.body)?,
                b"idat" => self.idat = found.body,
                _ => {}
            }
        }
        Ok(())
    }

    fn parse_items(&mut self, body: &[u8]) -> Result<()> {
        let mut boxes = Reader::new(body);
        let (version, _) = boxes.version_and_flags()?;
        // The count is redundant: the boxes are there or they are not.
        boxes.u16_or_u32(version >= 1)?;
        while let Some(found) = boxes.next_box()? {
            if found.kind != *b"infe" {
                continue;
            }
            if self.kinds.len() == MAX_ITEMS {
                return Err(damaged("too many items"));
            }
            let mut reader = Reader::new(found.body);
            let (version, _) = reader.version_and_flags()?;
            // Versions 0 and 1 name no item type; images don't use them.
            if version >= 2 {
                let id = reader.u16_or_u32(version >= 3)?;
                let protected = reader.u16()? != 0;
                let mut kind = [0; 4];
                kind.copy_from_slice(reader.take(4)?);
                if !protected {
                    self.kinds.insert(id, kind);
                }
            }
        }
        Ok(())
    }

    fn parse_locations(&mut self, body: &[u8]) -> Result<()> {
        let mut reader = Reader::new(body);
        let (version, _) = reader.version_and_flags()?;
        let sizes = reader.u16()?;
        let field = |shift: u32| usize::from(sizes >> shift & 15);
        let (offset_size, length_size, base_size) = (field(12), field(8), field(4));
        let index_size = if version == 0 { 0 } else { field(0) };
        if version > 2 || [offset_size, length_size, base_size, index_size].iter().any(|size| *size > 8) {
            return Err(damaged("an iloc box of an unknown kind"));
        }
        let mut extents = 0;
        for _ in 0..reader.u16_or_u32(version == 2)? {
            if self.locations.len() == MAX_ITEMS {
                return Err(damaged("too many items"));
            }
            let id = reader.u16_or_u32(version == 2)?;
            let construction = if version == 0 { 0 } else { reader.u16()? & 15 };
            let elsewhere = reader.u16()? != 0;
            let base = reader.uint(base_size)?;
            let count = usize::from(reader.u16()?);
            extents += count;
            if extents > MAX_EXTENTS {
                return Err(damaged("too many extents"));
            }
            let mut location = Location { in_idat: construction == 1, extents: Vec::with_capacity(count) };
            for _ in 0..count {
                reader.take(index_size)?;
                let offset = base.checked_add(reader.uint(offset_size)?);
                let offset = offset.ok_or_else(|| damaged("an extent past the end"))?;
                location.extents.push((offset, reader.uint(length_size)?));
            }
            // Bytes in another file, or built from another item, are no part of AVIF: such an item has none.
            if !elsewhere && construction <= 1 {
                self.locations.insert(id, location);
            }
        }
        Ok(())
    }

    fn parse_references(&mut self, body: &[u8]) -> Result<()> {
        let mut boxes = Reader::new(body);
        let (version, _) = boxes.version_and_flags()?;
        while let Some(found) = boxes.next_box()? {
            let mut reader = Reader::new(found.body);
            let from = reader.u16_or_u32(version >= 1)?;
            let count = reader.u16()?;
            if matches!(&found.kind, b"auxl" | b"dimg" | b"prem") {
                let to = (0..count).map(|_| reader.u16_or_u32(version >= 1)).collect::<Result<_>>()?;
                self.references.push(Reference { kind: found.kind, from, to });
            }
        }
        Ok(())
    }

    /// Whether the file is an image sequence beside its still image.
    pub(super) fn animated(&self) -> bool {
        self.animated
    }

    /// The item to show.
    pub(super) fn primary(&self) -> Result<u32> {
        self.primary.ok_or_else(|| damaged("no primary item"))
    }

    pub(super) fn kind(&self, item: u32) -> Result<[u8; 4]> {
        self.kinds.get(&item).copied().ok_or_else(|| damaged("an item that is not there"))
    }

    pub(super) fn properties(&self, item: u32) -> Result<ItemProperties<'a>> {
        self.properties.of(item)
    }

    /// The alpha plane that belongs to `item`, if any.
    pub(super) fn alpha_of(&self, item: u32) -> Option<u32> {
        let auxiliary = self.references.iter().filter(|r| r.kind == *b"auxl" && r.to.contains(&item));
        auxiliary.map(|r| r.from).find(|&from| self.properties(from).is_ok_and(|found| found.is_alpha()))
    }

    /// Whether the colours of `item` are multiplied with `alpha`.
    pub(super) fn is_premultiplied(&self, item: u32, alpha: u32) -> bool {
        self.references.iter().any(|r| r.kind == *b"prem" && r.from == item && r.to.contains(&alpha))
    }

    /// The tiles of the grid `item`, in row order.
    pub(super) fn tiles(&self, item: u32) -> &[u32] {
        let mut references = self.references.iter();
        references.find(|r| r.kind == *b"dimg" && r.from == item).map_or(&[], |r| &r.to)
    }

    pub(super) fn grid(&self, item: u32) -> Result<Grid> {
        let bytes = self.data(item)?;
        if bytes.len() > GRID_BYTES {
            return Err(damaged("a grid of an unknown kind"));
        }
        let mut reader = Reader::new(&bytes);
        let version = reader.u8()?;
        let wide = reader.u8()? & 1 == 1;
        if version != 0 {
            return Err(damaged("a grid of an unknown kind"));
        }
        let (rows, columns) = (u32::from(reader.u8()?) + 1, u32::from(reader.u8()?) + 1);
        Ok(Grid { columns, rows, width: reader.u16_or_u32(wide)?, height: reader.u16_or_u32(wide)? })
    }

    /// The bytes of an item. Extents may overlap, but their sum may not exceed the input, so that a small
    /// file can't ask for much memory.
    pub(super) fn data(&self, item: u32) -> Result<Cow<'a, [u8]>> {
        let location = self.locations.get(&item).ok_or_else(|| damaged("an item without bytes"))?;
        let source = if location.in_idat { self.idat } else { self.input };
        match location.extents.as_slice() {
            &[extent] => Ok(Cow::Borrowed(slice(source, extent)?)),
            extents => {
                let mut bytes = Vec::new();
                for &extent in extents {
                    let part = slice(source, extent)?;
                    if bytes.len() + part.len() > self.input.len() {
                        return Err(damaged("extents overlap"));
                    }
                    bytes.extend_from_slice(part);
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

fn slice(source: &[u8], (offset, length): (u64, u64)) -> Result<&[u8]> {
    let found = usize::try_from(offset).ok().and_then(|offset| source.get(offset..));
    let found = found.and_then(|tail| match length {
        0 => Some(tail),
        _ => usize::try_from(length).ok().and_then(|length| tail.get(..length)),
    });
    found.ok_or_else(|| damaged("an extent past the end"))
}

/// What `ftyp` says the file is.
struct Brands {
    sequence: bool,
}

impl Brands {
    fn parse(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let major = reader.take(4)?;
        reader.u32()?;
        let mut brands = std::iter::once(major).chain(reader.rest().chunks_exact(4));
        let sequence = brands.clone().any(|brand| brand == b"avis");
        if !sequence && !brands.any(|brand| brand == b"avif") {
            return Err(Error::NotAnImage("an ISO media file, but not AVIF".to_owned()));
        }
        Ok(Self { sequence })
    }
}
