//! Which of up to 256 points is the nearest.

use super::space::{HALF, MOST_CHROMA, Point};

const LANES: usize = 8;

/// The points, laid out for vector instructions: by eights, axis by axis.
pub(super) struct Nearest {
    blocks: Vec<[[f32; LANES]; 4]>,
}

impl Nearest {
    pub(super) fn new(points: &[Point]) -> Self {
        let block = |points: &[Point]| {
            std::array::from_fn(|axis| {
                // Where eight are not full, one that is never the nearest.
                std::array::from_fn(|lane| points.get(lane).map_or(1e9, |point| point[axis]))
            })
        };
        Self { blocks: points.chunks(LANES).map(block).collect() }
    }

    /// The number of the one nearest to `point`; there must be one.
    pub(super) fn to(&self, point: Point) -> usize {
        // A distance is never negative, so its bits sort as it does. The lowest eight, which say next to
        // nothing, carry the number along.
        let mut best = [f32::MAX; LANES];
        let mut numbers: [u32; LANES] = std::array::from_fn(|lane| lane as u32);
        for block in &self.blocks {
            for lane in 0..LANES {
                let squares: [f32; 4] = std::array::from_fn(|axis| {
                    let difference = block[axis][lane] - point[axis];
                    difference * difference
                });
                let distance = (squares[0] + squares[1]) + (squares[2] + squares[3]);
                let numbered = f32::from_bits(distance.to_bits() & !0xff | numbers[lane]);
                best[lane] = if numbered < best[lane] { numbered } else { best[lane] };
                numbers[lane] += LANES as u32;
            }
        }
        let best = best.into_iter().fold(f32::MAX, f32::min);
        (best.to_bits() & 0xff) as usize
    }
}

/// Remembers the nearest color of the palette per cell of the space, where it is looked for pixel by pixel.
pub(super) struct Cells {
    /// A level plus one and, in the low byte, the number of a color; 0 is free. The level and the place of the
    /// slot say which cell it is.
    slots: Vec<u16>,
    all: Nearest,
    opaque: Nearest,
    opaque_from: usize,
}

/// Bits of a cell's place on the axes of a [`Point`]. Luma matters most.
const LUMA_BITS: u32 = 7;
const CHROMA_BITS: u32 = 6;
const COLOR_BITS: u32 = LUMA_BITS + 2 * CHROMA_BITS;

/// Levels of alpha of translucent cells, 0..=62. Opaque ones have a level of their own.
const LEVELS: f32 = 62.0;
const OPAQUE: u16 = 63;

impl Cells {
    /// Colors from `opaque_from` on are opaque.
    pub(super) fn new(points: &[Point], opaque_from: usize) -> Self {
        Self {
            slots: vec![0; 1 << COLOR_BITS],
            all: Nearest::new(points),
            opaque: Nearest::new(&points[opaque_from..]),
            opaque_from,
        }
    }

    /// The number of the color nearest to the middle of `point`'s cell; an opaque one where `opaque`.
    pub(super) fn nearest(&mut self, point: Point, opaque: bool) -> usize {
        let luma = place(point[0], HALF, LUMA_BITS);
        let (blueness, redness) =
            (place(point[1], MOST_CHROMA, CHROMA_BITS), place(point[2], MOST_CHROMA, CHROMA_BITS));
        let level =
            if opaque { OPAQUE } else { (point[3] * (LEVELS / HALF) + 0.5).clamp(0.0, LEVELS) as u16 };
        let color = luma << (2 * CHROMA_BITS) | blueness << CHROMA_BITS | redness;
        // Opaque cells each have a slot of their own; others share those.
        let slot = (color ^ (u32::from(OPAQUE - level) * 0x9e35)) as usize % self.slots.len();
        let found = self.slots[slot];
        if found >> 8 == level + 1 {
            return usize::from(found & 0xff);
        }
        let [luma, blueness, redness] = [
            middle(luma, HALF, LUMA_BITS),
            middle(blueness, MOST_CHROMA, CHROMA_BITS),
            middle(redness, MOST_CHROMA, CHROMA_BITS),
        ];
        let nearest = if opaque {
            self.opaque_from + self.opaque.to([luma, blueness, redness, HALF])
        } else {
            self.all.to([luma, blueness, redness, f32::from(level) * (HALF / LEVELS)])
        };
        self.slots[slot] = (level + 1) << 8 | nearest as u16;
        nearest
    }
}

/// Which of `1 << bits` parts of `-most..=most` holds `at`.
fn place(at: f32, most: f32, bits: u32) -> u32 {
    let parts = (1u32 << bits) as f32;
    ((at + most) * (parts / (2.0 * most))).clamp(0.0, parts - 1.0) as u32
}

fn middle(place: u32, most: f32, bits: u32) -> f32 {
    (place as f32 + 0.5) * (2.0 * most / (1u32 << bits) as f32) - most
}
