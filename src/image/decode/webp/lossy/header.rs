//! What stands before the blocks (RFC 6386, 9).

use super::bits::Bits;
use super::probabilities::{self, Coefficients};
use super::tables::{AC_STEPS, DC_STEPS};

/// How many kinds of macroblocks there can be.
pub(super) const SEGMENTS: usize = 4;

/// A picture's header, and where its data lies.
pub(super) struct Picture<'a> {
    /// px
    pub(super) size: (u16, u16),
    /// what is left of the first partition: the modes
    pub(super) modes: Bits<'a>,
    /// the partitions with coefficients, which rows take in turn
    pub(super) coefficients: Vec<Bits<'a>>,
    /// the probabilities of a macroblock's segment, if that is written at all
    pub(super) segments: Option<[u8; 3]>,
    pub(super) steps: [Steps; SEGMENTS],
    pub(super) filters: Filters,
    pub(super) probabilities: Box<Coefficients>,
    /// how likely it is that a macroblock has coefficients, if it can have none
    pub(super) not_skipped: Option<u8>,
}

/// What coefficients are multiplied with, the first one and the others.
#[derive(Clone, Copy, Default)]
pub(super) struct Steps {
    pub(super) luma: [i16; 2],
    /// of the block of first coefficients
    pub(super) second: [i16; 2],
    pub(super) chroma: [i16; 2],
}

/// How edges are smoothed.
#[derive(Clone, Copy)]
pub(super) struct Filters {
    pub(super) simple: bool,
    /// 0..=7
    pub(super) sharpness: u8,
    /// 0..=63 by segment, and whether each block of the macroblock is predicted on its own
    pub(super) levels: [[u8; 2]; SEGMENTS],
}

/// Quantization and filter of the segments, if there are several.
struct Segments {
    /// whether the values stand for themselves, or are added to those of the picture
    absolute: bool,
    quantizers: [i32; SEGMENTS],
    levels: [i32; SEGMENTS],
}

impl<'a> Picture<'a> {
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, &'static str> {
        const CUT: &str = "WebP image data ends too early";
        let (tag, rest) = data.split_first_chunk::<3>().ok_or(CUT)?;
        let (start, rest) = rest.split_first_chunk::<7>().ok_or(CUT)?;
        let tag = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]);
        if tag & 1 != 0 || tag >> 4 & 1 == 0 || tag >> 1 & 7 > 3 {
            return Err("WebP with a frame of a video");
        }
        let [0x9d, 0x01, 0x2a, w1, w2, h1, h2] = *start else {
            return Err("WebP image data without its start");
        };
        // The two bits above are a hint to enlarge, which nobody takes.
        let size = [[w1, w2], [h1, h2]].map(|side| u16::from_le_bytes(side) & 0x3fff);
        if size.contains(&0) {
            return Err("WebP without pixels");
        }
        let (first, rest) = rest.split_at_checked((tag >> 5) as usize).ok_or(CUT)?;

        let mut bits = Bits::new(first);
        // Of two flags the first is always zero, and decoders clamp whatever the second says.
        bits.number(2);
        let (segments, probabilities_of_segments) = read_segments(&mut bits);
        let filters = read_filters(&mut bits, segments.as_ref());
        let coefficients = partitions(1 << bits.number(2), rest).ok_or(CUT)?;
        let steps = read_steps(&mut bits, segments.as_ref());
        // Whether the probabilities are kept for the next picture.
        bits.flag();
        let probabilities = read_probabilities(&mut bits);
        let not_skipped = bits.flag().then(|| bits.number(8));
        if bits.is_exhausted() {
            return Err(CUT);
        }
        Ok(Self {
            size: (size[0], size[1]),
            modes: bits,
            coefficients,
            segments: probabilities_of_segments,
            steps,
            filters,
            probabilities,
            not_skipped,
        })
    }
}

fn read_segments(bits: &mut Bits) -> (Option<Segments>, Option<[u8; 3]>) {
    if !bits.flag() {
        return (None, None);
    }
    let (map, data) = (bits.flag(), bits.flag());
    let mut segments = Segments { absolute: true, quantizers: [0; SEGMENTS], levels: [0; SEGMENTS] };
    if data {
        segments.absolute = bits.flag();
        segments.quantizers = std::array::from_fn(|_| bits.optional(7));
        segments.levels = std::array::from_fn(|_| bits.optional(6));
    }
    let probabilities = map.then(|| std::array::from_fn(|_| if bits.flag() { bits.number(8) } else { 255 }));
    (Some(segments), probabilities)
}

fn read_filters(bits: &mut Bits, segments: Option<&Segments>) -> Filters {
    let simple = bits.flag();
    let level = i32::from(bits.number(6));
    let sharpness = bits.number(3);
    // What is added for pictures that stand alone, and for macroblocks of single blocks.
    let mut more = [0; 2];
    if bits.flag() && bits.flag() {
        let references: [i32; 4] = std::array::from_fn(|_| bits.optional(6));
        let modes: [i32; 4] = std::array::from_fn(|_| bits.optional(6));
        more = [references[0], references[0] + modes[0]];
    }
    let levels = std::array::from_fn(|segment| {
        let base = match segments {
            Some(Segments { absolute: true, levels, .. }) => levels[segment],
            Some(Segments { levels, .. }) => level + levels[segment],
            None => level,
        };
        more.map(|more| (base + more).clamp(0, 63) as u8)
    });
    // A level of zero for the whole picture switches the filter off.
    Filters { simple, sharpness, levels: if level == 0 { [[0; 2]; SEGMENTS] } else { levels } }
}

/// All partitions of coefficients but the last have their size in front of the first.
fn partitions(count: usize, data: &[u8]) -> Option<Vec<Bits<'_>>> {
    let (sizes, mut rest) = data.split_at_checked(3 * (count - 1))?;
    let mut partitions = Vec::with_capacity(count);
    for &[a, b, c] in sizes.as_chunks::<3>().0 {
        let (partition, others) = rest.split_at_checked(u32::from_le_bytes([a, b, c, 0]) as usize)?;
        partitions.push(Bits::new(partition));
        rest = others;
    }
    partitions.push(Bits::new(rest));
    Some(partitions)
}

fn read_steps(bits: &mut Bits, segments: Option<&Segments>) -> [Steps; SEGMENTS] {
    let base = i32::from(bits.number(7));
    let [luma, second, second_others, chroma, chroma_others] = std::array::from_fn(|_| bits.optional(4));
    std::array::from_fn(|segment| {
        let index = match segments {
            Some(Segments { absolute: true, quantizers, .. }) => quantizers[segment],
            Some(Segments { quantizers, .. }) => base + quantizers[segment],
            None => base,
        };
        let dc = |more: i32| DC_STEPS[(index + more).clamp(0, 127) as usize];
        let ac = |more: i32| AC_STEPS[(index + more).clamp(0, 127) as usize];
        Steps {
            luma: [dc(luma), ac(0)],
            // 155 times the largest step does not fit 16 bits.
            second: [dc(second) * 2, ((i32::from(ac(second_others)) * 155 / 100) as i16).max(8)],
            chroma: [dc(chroma).min(132), ac(chroma_others)],
        }
    })
}

fn read_probabilities(bits: &mut Bits) -> Box<Coefficients> {
    let mut all = Box::new(probabilities::DEFAULTS);
    let updates = probabilities::UPDATES.as_flattened().as_flattened().as_flattened();
    for (probability, &update) in
        all.as_flattened_mut().as_flattened_mut().as_flattened_mut().iter_mut().zip(updates)
    {
        if bits.bit(update) {
            *probability = bits.number(8);
        }
    }
    all
}
