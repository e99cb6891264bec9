//! The outermost syntax of AV1 (specification 5.3 and 5.5): enough to know what a stream claims before a
//! decoder takes memory for it, and to hand the decoder no more than a still image needs.

use super::damaged;
use super::property::Cicp;
use super::reader::BitReader;
use crate::error::Result;

/// AV1 has at most four spatial layers, so a still image has at most four frames.
const MAX_FRAMES: usize = 4;

/// What the sequence header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are the flags of the header, each on its own")]
pub(super) struct Sequence {
    /// Bits per sample: 8, 10 or 12.
    pub(super) depth: u8,
    pub(super) mono: bool,
    /// Chroma has half the width.
    pub(super) half_width: bool,
    /// Chroma has half the height.
    pub(super) half_height: bool,
    pub(super) cicp: Cicp,
    /// More than one spatial layer: only the last frame has the full size.
    pub(super) layered: bool,
    /// The decoder synthesises grain into a second copy of the frame.
    pub(super) film_grain: bool,
}

/// The parts of an item that the decoder needs, in order: one sequence header, then frames.
pub(super) struct Stream<'a> {
    pub(super) sequence: Sequence,
    pub(super) units: Vec<&'a [u8]>,
    pub(super) frames: usize,
}

impl<'a> Stream<'a> {
    /// Splits `data`; `operating_point` is the one to be decoded (`a1op`, else 0).
    pub(super) fn parse(data: &'a [u8], operating_point: u8) -> Result<Self> {
        let mut sequence: Option<(&[u8], Sequence)> = None;
        let (mut units, mut frames) = (Vec::new(), 0);
        let mut rest = data;
        while !rest.is_empty() {
            let unit = Unit::split(rest)?;
            rest = &rest[unit.bytes.len()..];
            match unit.kind {
                SEQUENCE_HEADER => match sequence {
                    // The decoder would follow a change; what was promised to the limits would not.
                    Some((first, _)) if first != unit.payload => {
                        return Err(damaged("two different sequence headers"));
                    }
                    Some(_) => continue,
                    None => {
                        sequence = Some((unit.payload, Sequence::parse(unit.payload, operating_point)?));
                    }
                },
                FRAME_HEADER | FRAME => frames += 1,
                TILE_GROUP => {}
                _ => continue,
            }
            if frames > MAX_FRAMES {
                break;
            }
            units.push(unit.bytes);
        }
        let (_, sequence) = sequence.ok_or_else(|| damaged("no sequence header"))?;
        Ok(Self { sequence, units, frames: frames.min(MAX_FRAMES) })
    }
}

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const TILE_GROUP: u8 = 4;
const FRAME: u8 = 6;

/// One open bitstream unit.
struct Unit<'a> {
    kind: u8,
    bytes: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Unit<'a> {
    /// The first unit of `data`, which must not be empty.
    fn split(data: &'a [u8]) -> Result<Self> {
        let early = || damaged("the AV1 stream ends early");
        let first = *data.first().ok_or_else(early)?;
        let mut start = if first & 4 == 0 { 1 } else { 2 };
        let mut len = data.len().checked_sub(start).ok_or_else(early)? as u64;
        if first & 2 != 0 {
            // leb128: seven bits to a byte, lowest first, eight bytes at most.
            len = 0;
            for shift in (0..56).step_by(7) {
                let byte = *data.get(start).ok_or_else(early)?;
                start += 1;
                len |= u64::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
        let end = end.filter(|&end| end <= data.len()).ok_or_else(early)?;
        Ok(Self { kind: first >> 3 & 15, bytes: &data[..end], payload: &data[start..end] })
    }
}

impl Sequence {
    /// Whether frames of both can be tiles of one image.
    pub(super) fn same_samples(&self, other: &Self) -> bool {
        let samples = |s: &Self| (s.depth, s.mono, s.half_width, s.half_height, s.cicp.full_range);
        samples(self) == samples(other)
    }

    fn parse(payload: &[u8], operating_point: u8) -> Result<Self> {
        let mut bits = BitReader::new(payload);
        let profile = bits.bits(3)?;
        bits.skip(1)?; // still_picture
        let reduced = bits.bit()?;
        let layers = if reduced {
            bits.skip(5)?;
            0
        } else {
            operating_points(&mut bits, operating_point)?
        };
        frame_tools(&mut bits, reduced)?;
        let mut sequence = Self { layered: layers > 1, ..color_config(&mut bits, profile)? };
        sequence.film_grain = bits.bit()?;
        Ok(sequence)
    }
}

/// Passes over timing and operating points; answers the spatial layer mask of the chosen one.
fn operating_points(bits: &mut BitReader, chosen: u8) -> Result<u32> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(32)?;
        bits.skip(32)?;
        if bits.bit()? {
            skip_uvlc(bits)?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32)?;
            bits.skip(10)?;
        }
    }
    let initial_delay = bits.bit()?;
    let count = bits.bits(5)? + 1;
    let mut layers = 0;
    for point in 0..count {
        let idc = bits.bits(12)?;
        // The decoder takes the first point where the chosen one is not there.
        if point == 0 || point == u32::from(chosen) {
            layers = idc >> 8;
        }
        if bits.bits(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(delay_bits)?;
            bits.skip(delay_bits)?;
            bits.skip(1)?;
        }
        if initial_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Ok(layers)
}

/// Passes over the frame size and the coding tools.
fn frame_tools(bits: &mut BitReader, reduced: bool) -> Result<()> {
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    bits.skip(width_bits)?;
    bits.skip(height_bits)?;
    if !reduced && bits.bit()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2)?;
        }
        let screen_content_tools = bits.bit()? || bits.bit()?;
        if screen_content_tools && !bits.bit()? {
            bits.skip(1)?;
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    bits.skip(3)
}

fn color_config(bits: &mut BitReader, profile: u32) -> Result<Sequence> {
    let high = bits.bit()?;
    let depth = match (high, profile) {
        (false, _) => 8,
        (true, 2) => 10 + 2 * u8::from(bits.bit()?),
        (true, _) => 10,
    };
    let mono = profile != 1 && bits.bit()?;
    let (primaries, transfer, matrix) =
        if bits.bit()? { (bits.bits(8)? as u8, bits.bits(8)? as u8, bits.bits(8)? as u8) } else { (2, 2, 2) };
    let srgb_identity = !mono && (primaries, transfer, matrix) == (1, 13, 0);
    let full_range = srgb_identity || bits.bit()?;
    let (half_width, half_height) = match profile {
        _ if mono => (true, true),
        _ if srgb_identity => (false, false),
        0 => (true, true),
        1 => (false, false),
        _ if depth == 12 => {
            let half_width = bits.bit()?;
            (half_width, half_width && bits.bit()?)
        }
        _ => (true, false),
    };
    if !mono && half_width && half_height {
        bits.skip(2)?; // chroma_sample_position
    }
    if !mono {
        bits.skip(1)?; // separate_uv_delta_q
    }
    let cicp = Cicp { primaries, transfer, matrix, full_range };
    Ok(Sequence { depth, mono, half_width, half_height, cicp, layered: false, film_grain: false })
}

/// A variable-length number (4.10.3): as many bits after the first one as zeros before it.
fn skip_uvlc(bits: &mut BitReader) -> Result<()> {
    for zeros in 0..32 {
        if bits.bit()? {
            return bits.skip(zeros);
        }
    }
    Err(damaged("a number of more than 32 bits"))
}
