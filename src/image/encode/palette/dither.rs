//! Every pixel to a color of the palette. By how much that errs goes on to the neighbors (Floyd and Steinberg, to
//! and fro), but less where it would not be seen: noise is what takes the most bytes.

use super::cluster::{Cluster, Clusters};
use super::nearest::Cells;
use super::space::{Point, distance, point};
use crate::error::Result;
use crate::image::limits::Progress;

/// Rows between two looks at `progress`.
const ROWS: usize = 64;

/// How much of an error goes on.
const STRENGTH: f32 = 0.9;

/// How much less of it, at most, where pixels differ from one another anyway, and by how much (squared) they
/// have to for half of that.
const CALM: f32 = 0.75;
const BUSY: f32 = 20.0;

/// Squared errors up to this are not seen; twice as large ones go on as any other.
const UNSEEN: f32 = 2.0;

/// Squared errors go on as if they were at most this, or colors outside of the palette's reach would pile up and
/// smear.
const MOST: f32 = 400.0;

/// How much less than [`keep`] the color of the pixel above may be off: the one before makes longer matches.
const ABOVE: f32 = 0.7;

/// The colors of a file, by rising alpha.
pub(super) struct Palette {
    pub(super) colors: Vec<[u8; 4]>,
    points: Vec<Point>,
    /// From here on they are opaque; what was translucent stays before that, even if rounded to opaque.
    opaque_from: usize,
    /// Those that flat areas have, as numbers, by a hash of the color.
    flat: Vec<Option<u8>>,
}

const FLAT_BITS: u32 = 12;

impl Palette {
    pub(super) fn new(clusters: &Clusters, transparent: bool) -> Self {
        let mut translucent = clusters.translucent.clone();
        if transparent {
            translucent.push(Cluster { color: [0; 4], flat: false });
        }
        translucent.sort_by_key(|cluster| cluster.color[3]);
        let opaque_from = translucent.len();
        let clusters: Vec<_> = translucent.into_iter().chain(clusters.opaque.iter().copied()).collect();
        let mut flat = vec![None; 1 << FLAT_BITS];
        for (number, cluster) in clusters.iter().enumerate().filter(|(_, cluster)| cluster.flat) {
            flat[slot(cluster.color)] = Some(number as u8);
        }
        let colors: Vec<_> = clusters.iter().map(|cluster| cluster.color).collect();
        Self { points: colors.iter().copied().map(point).collect(), colors, opaque_from, flat }
    }

    /// The number of `color`, if it is that of a flat area.
    fn flat(&self, color: [u8; 4]) -> Option<u8> {
        self.flat[slot(color)].filter(|&number| self.colors[usize::from(number)] == color)
    }
}

fn slot(color: [u8; 4]) -> usize {
    (u32::from_le_bytes(color).wrapping_mul(0x9e37_79b1) >> (32 - FLAT_BITS)) as usize
}

/// By how much (squared) a pixel may be farther from its neighbor's color than from the nearest one and still take
/// it, which makes for runs. What a palette with this mean square `error` hides, but no more than suits `target`.
pub(super) fn keep(error: f32, target: f32) -> f32 {
    (2.5 * error).min(4.5 * target)
}

/// The number of its color for every pixel. `size`: pixels in a row, and in all.
pub(super) fn indices<R: ExactSizeIterator<Item = [u8; 4]> + DoubleEndedIterator>(
    rows: impl Iterator<Item = R>,
    (width, pixels): (usize, usize),
    palette: &Palette,
    keep: f32,
    progress: &Progress,
) -> Result<Vec<u8>> {
    let mut indices = vec![0; pixels];
    let mut dither = Dither {
        palette,
        cells: Cells::new(&palette.points, palette.opaque_from),
        keep,
        here: vec![[0.0; 4]; width + 2],
        below: vec![[0.0; 4]; width + 2],
        carried: [0.0; 4],
        before: [0.0; 4],
        last: None,
    };
    for (number, row) in rows.enumerate() {
        if number % ROWS == 0 {
            progress.check()?;
        }
        let (done, line) = indices.split_at_mut(number * width);
        let above = &done[done.len().saturating_sub(width)..];
        dither.start_row();
        let places = row.enumerate();
        let mut put = |x: usize, pixel, forth| line[x] = dither.index(x, pixel, above.get(x), forth);
        if number % 2 == 0 {
            places.for_each(|(x, pixel)| put(x, pixel, true));
        } else {
            places.rev().for_each(|(x, pixel)| put(x, pixel, false));
        }
    }
    Ok(indices)
}

struct Dither<'a> {
    palette: &'a Palette,
    cells: Cells,
    keep: f32,
    /// Errors handed down to this row and to the next, with one place more on either side.
    here: Vec<Point>,
    below: Vec<Point>,
    /// The error handed on by the pixel before, that pixel, and the number it got.
    carried: Point,
    before: Point,
    last: Option<u8>,
}

impl Dither<'_> {
    fn start_row(&mut self) {
        std::mem::swap(&mut self.here, &mut self.below);
        self.below.fill([0.0; 4]);
        self.carried = [0.0; 4];
        self.last = None;
    }

    /// `above`: the number of the pixel above. `forth`: whether the row is walked from left to right.
    #[inline]
    fn index(&mut self, x: usize, pixel: [u8; 4], above: Option<&u8>, forth: bool) -> u8 {
        if pixel[3] == 0 {
            // Sorted by alpha, so that is the first one.
            (self.carried, self.last) = ([0.0; 4], None);
            return 0;
        }
        if let Some(flat) = self.palette.flat(pixel) {
            (self.carried, self.last) = ([0.0; 4], Some(flat));
            return flat;
        }
        let opaque = pixel[3] == 255;
        let point = point(pixel);
        let handed = self.here[x + 1];
        let mut wanted: Point = std::array::from_fn(|axis| point[axis] + (self.carried[axis] + handed[axis]));
        if opaque {
            wanted[3] = point[3];
        }
        let (index, off) = self.choice(wanted, opaque, above);
        self.last = Some(index as u8);

        let busy = distance(point, self.before);
        self.before = point;
        let seen = ((off - UNSEEN) / UNSEEN).clamp(0.0, 1.0) * (1.0 - CALM * busy / (busy + BUSY));
        let part = STRENGTH / 16.0 * seen * if off > MOST { limited(off) } else { 1.0 };
        let color = self.palette.points[index];
        let sixteenth: Point = std::array::from_fn(|axis| (wanted[axis] - color[axis]) * part);
        self.carried = sixteenth.map(|error| error * 7.0);
        let (behind, ahead) = if forth { (x, x + 2) } else { (x + 2, x) };
        for (place, sixteenths) in [(behind, 3.0), (x + 1, 5.0), (ahead, 1.0)] {
            for (handed, error) in self.below[place].iter_mut().zip(sixteenth) {
                *handed += error * sixteenths;
            }
        }
        index as u8
    }

    /// The number of a color for `wanted`, and how far (squared) that is off: the nearest one, or a neighbor's
    /// that is about as near.
    #[inline]
    fn choice(&mut self, wanted: Point, opaque: bool, above: Option<&u8>) -> (usize, f32) {
        let nearest = self.cells.nearest(wanted, opaque);
        let off = distance(self.palette.points[nearest], wanted);
        for (neighbor, keep) in [(self.last.as_ref(), self.keep), (above, self.keep * ABOVE)] {
            let Some(&neighbor) = neighbor else { continue };
            let neighbor = usize::from(neighbor);
            if neighbor == nearest {
                break;
            }
            if !opaque || neighbor >= self.palette.opaque_from {
                let its = distance(self.palette.points[neighbor], wanted);
                if its < off + keep {
                    return (neighbor, its);
                }
            }
        }
        (nearest, off)
    }
}

/// The part of an error that goes on when its square, `off`, is above [`MOST`]. Rare, so that the square root stays
/// off the way of all other pixels.
#[cold]
fn limited(off: f32) -> f32 {
    (MOST / off).sqrt()
}
