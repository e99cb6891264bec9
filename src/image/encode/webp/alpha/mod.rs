//! The transparency of a lossy WebP, without loss.
//!
//! libwebp has one effort for colours and transparency, and makes four channels of a plane that has one. By
//! `npm run bench:transparency`, against sharp, whose method is 4, with quality 75: bytes of the plane against methods 2 and 4,
//! bytes of the file and CPU of the whole call against 4. Means over widths of 256, 640, 1080 and 1920 px, and the worst:
//!
//! | transparency | plane, 2 | plane, 4 | file | CPU |
//! | --- | --- | --- | --- | --- |
//! | drawing with strokes, clouds and spray | 0.95 (0.99) | 0.96 (1.00) | 0.91 (0.95) | 0.26 (0.39) |
//! | cut-out photograph | 1.00 (1.00) | 1.00 (1.01) | 0.93 (0.94) | 0.24 (0.31) |
//! | photograph as transparency | 1.00 (1.03) | 1.02 (1.04) | 1.03 (1.04) | 0.21 (0.22) |
//! | soft shadow | 0.81 (0.92) | 0.99 (1.03) | 1.07 (1.11) | 0.25 (0.34) |
//! | gradient | 1.00 (1.12) | 1.33 (1.44) | 1.15 (1.20) | 0.23 (0.24) |
//! | shapes, antialiased | 1.02 (1.05) | 1.02 (1.05) | 0.89 (0.92) | 0.34 (0.40) |
//! | shapes of two levels | 1.04 (1.07) | 1.05 (1.07) | 0.86 (0.92) | 0.44 (0.48) |
//! | text | 0.41 (0.92) | 0.42 (0.92) | 0.37 (0.76) | 0.36 (0.45) |
//! | noise | 0.87 (0.99) | 0.97 (0.99) | 1.08 (1.19) | 0.52 (0.61) |
//!
//! Samples are predicted by blocks where that pays, each by the kind of prediction whose residuals have been the cheapest so
//! far. Copies come from places that hash alike for eight samples, from the row above, and from as far away as the last one
//! did. By hashes of four samples copies were found that cost more than they save; 24 places instead of 16 for each hash take 4 %
//! off gradients and a tenth more time; the six kinds of prediction that are left out would save 0.5 %.

mod bits;
mod copies;
mod cost;
mod groups;
mod image;
mod predict;
mod prefix;
#[cfg(test)]
mod tests;

use self::bits::BitWriter;
use self::copies::Samples;
use self::image::Image;
use self::predict::{Predicted, predict};
use crate::error::Result;
use crate::image::limits::Progress;

/// The first byte: samples as they are, or a lossless stream.
const RAW: u8 = 0;
const LOSSLESS: u8 = 1;

/// What a prediction costs, without regard to what repeats, against what the plane does: where it surely is worth it, and
/// where it surely is not.
const SURELY_LESS: f32 = 0.85;
const SURELY_MORE: f32 = 0.92;

/// So many levels are written as numbers that share samples.
const MOST_PACKED: usize = 16;

/// Kinds of transforms.
const PREDICTION: u32 = 0;
const PALETTE: u32 = 3;

/// The data of a chunk `ALPH` for a plane of one row or more.
///
/// # Errors
/// Those of `progress`.
pub(super) fn encode(plane: Vec<u8>, width: usize, progress: &Progress) -> Result<Vec<u8>> {
    let mut out = BitWriter::default();
    out.put(LOSSLESS.into(), 8);
    let levels = levels(&plane);
    let plane = if levels.len() <= MOST_PACKED {
        write_packed(&mut out, &plane, width, &levels, progress)?;
        plane
    } else {
        write_levels(&mut out, plane, width, progress)?
    };
    let written = out.into_bytes();
    if written.len() <= plane.len() {
        return Ok(written);
    }
    Ok([&[RAW], &plane[..]].concat())
}

/// The levels that occur, in order.
fn levels(plane: &[u8]) -> Vec<u8> {
    let mut seen = [false; 256];
    for level in plane {
        seen[usize::from(*level)] = true;
    }
    (0..=255).filter(|level| seen[usize::from(*level)]).collect()
}

/// Few levels, as numbers of which several share a sample.
fn write_packed(
    out: &mut BitWriter,
    plane: &[u8],
    width: usize,
    levels: &[u8],
    progress: &Progress,
) -> Result<()> {
    let mut numbers = [0; 256];
    for (number, level) in (0..).zip(levels) {
        numbers[usize::from(*level)] = number;
    }
    let bits: usize = match levels.len() {
        0..=2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    let pack = |levels: &[u8]| {
        let numbers = levels.iter().map(|level| numbers[usize::from(*level)]);
        numbers.rev().fold(0, |packed, number: u8| packed << bits | number)
    };
    let together = 8 / bits;
    let packed: Vec<u8> = plane.chunks(width).flat_map(|row| row.chunks(together).map(pack)).collect();

    put_transform(out, PALETTE);
    out.put(levels.len() as u32 - 1, 8);
    let steps: Vec<u8> = [0].iter().chain(levels).zip(levels).map(|(before, level)| level - before).collect();
    let steps = Samples::new(steps);
    Image::beside(&steps, levels.len(), progress)?.write(out, progress)?;
    out.put(0, 1);
    Image::new(&Samples::new(packed), width.div_ceil(together), progress)?.write(out, progress)
}

/// Many levels, as they are or as what they differ by from a prediction, whichever is less. Hands back the plane.
fn write_levels(out: &mut BitWriter, plane: Vec<u8>, width: usize, progress: &Progress) -> Result<Vec<u8>> {
    let Predicted { residuals, kinds, blocks_wide } = predict(&plane, width, progress)?;
    let [plane, residuals, kinds] = [plane, residuals, kinds].map(Samples::new);
    // Only where this leaves doubts, both are made.
    let ratio = (residuals.cost() + kinds.cost()) as f32 / plane.cost() as f32;
    let plain = if ratio > SURELY_LESS { Some(Image::new(&plane, width, progress)?) } else { None };
    let predicted = if ratio < SURELY_MORE || plain.is_none() {
        Some((Image::new(&residuals, width, progress)?, Image::beside(&kinds, blocks_wide, progress)?))
    } else {
        None
    };
    if let Some((predicted, kinds)) = predicted
        && plain.as_ref().is_none_or(|plain| predicted.cost() + kinds.cost() < plain.cost())
    {
        put_transform(out, PREDICTION);
        out.put(predict::SIDE_BITS - 2, 3);
        kinds.write(out, progress)?;
        out.put(0, 1);
        predicted.write(out, progress)?;
    } else if let Some(plain) = plain {
        out.put(0, 1);
        plain.write(out, progress)?;
    }
    Ok(plane.levels)
}

fn put_transform(out: &mut BitWriter, kind: u32) {
    out.put(1, 1);
    out.put(kind, 2);
}
