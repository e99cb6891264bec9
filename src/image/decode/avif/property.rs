//! Item properties (`ipco`) and the associations that hand them to items (`ipma`).

use std::collections::BTreeMap;

use super::damaged;
use super::reader::Reader;
use super::transform::{Clap, Orientation};
use crate::error::Result;

/// A grid of 1024 tiles with an alpha plane of as many needs two properties per tile at most.
const MAX_PROPERTIES: usize = 8192;

/// Colour profiles of real devices stay under 4 MiB; a larger one is left out, the image shown without.
const MAX_ICC_BYTES: usize = 4 << 20;

/// AV1 counts operating points in five bits. The decoder refuses others too, and says so on standard error each time.
const LAST_OPERATING_POINT: u8 = 31;

/// Code points of ITU-T H.273 and the range flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cicp {
    pub(super) primaries: u8,
    pub(super) transfer: u8,
    pub(super) matrix: u8,
    pub(super) full_range: bool,
}

/// One property, as far as it matters here.
#[derive(Debug, Clone, Copy)]
enum Property<'a> {
    Size(u32, u32),
    Cicp(Cicp),
    Icc(&'a [u8]),
    Rotation(u8),
    Mirror {
        left_to_right: bool,
    },
    Crop(Clap),
    Auxiliary(&'a [u8]),
    OperatingPoint(u8),
    LayerSelection(u16),
    /// Understood, and of no weight: the AV1 sequence header says what `av1C` and `pixi` repeat.
    Descriptive,
    Unknown,
}

/// Index into the properties, and whether an item may not be shown without it.
#[derive(Debug, Clone, Copy)]
struct Association {
    index: u16,
    essential: bool,
}

/// All properties of a file and who has which.
#[derive(Default)]
pub(super) struct Properties<'a> {
    all: Vec<Property<'a>>,
    of_item: BTreeMap<u32, Vec<Association>>,
}

/// The properties of one item.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ItemProperties<'a> {
    pub(super) size: Option<(u32, u32)>,
    pub(super) cicp: Option<Cicp>,
    pub(super) icc: Option<&'a [u8]>,
    pub(super) clap: Option<Clap>,
    pub(super) orientation: Orientation,
    pub(super) operating_point: u8,
    auxiliary: Option<&'a [u8]>,
}

impl ItemProperties<'_> {
    pub(super) fn is_alpha(&self) -> bool {
        // The second is HEVC's name, which early AVIF writers used.
        matches!(
            self.auxiliary,
            Some(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha" | b"urn:mpeg:hevc:2015:auxid:1")
        )
    }
}

impl<'a> Properties<'a> {
    /// Reads `iprp`.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self> {
        let mut properties = Self::default();
        let mut boxes = Reader::new(body);
        while let Some(found) = boxes.next_box()? {
            match &found.kind {
                b"ipco" => properties.parse_container(found.body)?,
                b"ipma" => properties.parse_associations(found.body)?,
                _ => {}
            }
        }
        Ok(properties)
    }

    fn parse_container(&mut self, body: &'a [u8]) -> Result<()> {
        let mut boxes = Reader::new(body);
        while let Some(found) = boxes.next_box()? {
            if self.all.len() == MAX_PROPERTIES {
                return Err(damaged("too many properties"));
            }
            self.all.push(parse_property(found.kind, found.body)?);
        }
        Ok(())
    }

    fn parse_associations(&mut self, body: &[u8]) -> Result<()> {
        let mut reader = Reader::new(body);
        let (version, flags) = reader.version_and_flags()?;
        // Each association consumes a byte or two, so the input's size bounds these loops.
        for _ in 0..reader.u32()? {
            let item = reader.u16_or_u32(version >= 1)?;
            let of_item = self.of_item.entry(item).or_default();
            for _ in 0..reader.u8()? {
                let (value, bits) =
                    if flags & 1 == 0 { (u16::from(reader.u8()?), 7) } else { (reader.u16()?, 15) };
                let index = value & ((1 << bits) - 1);
                of_item.push(Association { index, essential: value >> bits != 0 });
            }
        }
        Ok(())
    }

    /// Collects the properties of `item`, in the order the file applies them.
    pub(super) fn of(&self, item: u32) -> Result<ItemProperties<'a>> {
        let mut collected = ItemProperties::default();
        for &Association { index, essential } in self.of_item.get(&item).map_or(&[][..], Vec::as_slice) {
            // Index 0 stands for no property.
            let Some(index) = usize::from(index).checked_sub(1) else { continue };
            match *self.all.get(index).ok_or_else(|| damaged("an item has a property that is not there"))? {
                Property::Size(width, height) => collected.size = Some((width, height)),
                Property::Cicp(cicp) => collected.cicp = Some(cicp),
                Property::Icc(icc) => collected.icc = (icc.len() <= MAX_ICC_BYTES).then_some(icc),
                Property::Rotation(angle) => collected.orientation = collected.orientation.turned(angle),
                Property::Mirror { left_to_right } => {
                    collected.orientation = collected.orientation.mirrored(left_to_right);
                }
                // MIAF (ISO/IEC 23000-22, 7.3.6.7) has the crop come first, and only once.
                Property::Crop(_)
                    if collected.orientation != Orientation::default() || collected.clap.is_some() =>
                {
                    return Err(damaged("a clean aperture after a rotation"));
                }
                Property::Crop(clap) => collected.clap = Some(clap),
                Property::Auxiliary(kind) => collected.auxiliary = Some(kind),
                Property::OperatingPoint(point) => collected.operating_point = point,
                // 0xFFFF asks for the highest layer, which is what is decoded anyway.
                Property::LayerSelection(0xFFFF) | Property::Descriptive => {}
                Property::LayerSelection(_) => return Err(damaged("selecting a layer is not supported")),
                Property::Unknown if essential => {
                    return Err(damaged("an essential property is not understood"));
                }
                Property::Unknown => {}
            }
        }
        Ok(collected)
    }
}

fn parse_property(kind: [u8; 4], body: &[u8]) -> Result<Property<'_>> {
    let mut reader = Reader::new(body);
    Ok(match &kind {
        b"ispe" => {
            reader.version_and_flags()?;
            Property::Size(reader.u32()?, reader.u32()?)
        }
        b"colr" => parse_colour(&mut reader)?,
        b"irot" => Property::Rotation(reader.u8()? & 3),
        // Axis 0 exchanges top and bottom (ISO/IEC 23008-12, 6.5.12); measured against libheif too.
        b"imir" => Property::Mirror { left_to_right: reader.u8()? & 1 == 1 },
        b"clap" => Property::Crop(Clap {
            width: (reader.u32()?, reader.u32()?),
            height: (reader.u32()?, reader.u32()?),
            horizontal_offset: (reader.u32()?.cast_signed(), reader.u32()?),
            vertical_offset: (reader.u32()?.cast_signed(), reader.u32()?),
        }),
        b"auxC" => {
            reader.version_and_flags()?;
            let kind = reader.rest();
            Property::Auxiliary(kind.split(|&byte| byte == 0).next().unwrap_or_default())
        }
        b"a1op" => match reader.u8()? {
            point @ 0..=LAST_OPERATING_POINT => Property::OperatingPoint(point),
            _ => return Err(damaged("an operating point that AV1 has not")),
        },
        b"lsel" => Property::LayerSelection(reader.u16()?),
        b"av1C" | b"pixi" | b"pasp" | b"a1lx" | b"clli" | b"mdcv" | b"cclv" | b"amve" | b"udes" => {
            Property::Descriptive
        }
        _ => Property::Unknown,
    })
}

fn parse_colour<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>> {
    Ok(match reader.take(4)? {
        b"nclx" => {
            // H.273 numbers have eight bits; the box gives them sixteen. Larger ones mean nothing: 2,
            // "unspecified", stands for them.
            let mut code = || reader.u16().map(|code| u8::try_from(code).unwrap_or(2));
            let (primaries, transfer, matrix) = (code()?, code()?, code()?);
            Property::Cicp(Cicp { primaries, transfer, matrix, full_range: reader.u8()? >> 7 == 1 })
        }
        b"prof" | b"rICC" => Property::Icc(reader.rest()),
        _ => Property::Descriptive,
    })
}
