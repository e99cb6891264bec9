//! What was done to the pixels before they were coded, and how it is undone, row by row (RFC 9649, 3.5).

use super::Blocks;
use super::predict::{self, Prediction};

/// Applied by the encoder.
pub(super) enum Transform {
    /// Pixels are what differs from a prediction.
    Prediction(Prediction),
    /// Red and blue are what differs from shares of other channels; a block's pixel says which.
    Colour(Blocks<u32>),
    /// Red and blue are what differs from green.
    Green,
    /// Green is the number of a colour, or of several.
    Palette(Palette),
}

impl Transform {
    /// Undoes it in row `y`, whose first pixels are those that there were. Rows come from top to bottom.
    #[inline(always)]
    pub(super) fn undo(&mut self, row: &mut [u32], y: usize) {
        match self {
            Self::Prediction(Prediction { modes, above }) => predict::undo(modes, above, row, y),
            Self::Colour(shares) => {
                let blocks = row.chunks_mut(1 << shares.side_bits);
                for (block, shares) in blocks.zip(shares.row(y)) {
                    add_shares(block, *shares);
                }
            }
            Self::Green => {
                for pixel in row {
                    *pixel = add(*pixel, (*pixel >> 8 & 0xff) * 0x0001_0001);
                }
            }
            Self::Palette(palette) => palette.undo(row),
        }
    }
}

/// The sum of each channel.
#[inline(always)]
pub(super) fn add(a: u32, b: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    let even = (a & EVEN) + (b & EVEN);
    let odd = (a & !EVEN).wrapping_add(b & !EVEN);
    even & EVEN | odd & !EVEN
}

#[inline(always)]
fn add_shares(block: &mut [u32], shares: u32) {
    // In 32nds, with a sign.
    let [green_to_red, green_to_blue, red_to_blue, _] = shares.to_le_bytes().map(signed);
    for pixel in block {
        let [blue, green, red, _] = pixel.to_le_bytes();
        let green = signed(green);
        let red = (i32::from(red) + ((green_to_red * green) >> 5)) & 0xff;
        let more = ((green_to_blue * green) >> 5) + ((red_to_blue * signed(red as u8)) >> 5);
        let blue = (i32::from(blue) + more) & 0xff;
        *pixel = *pixel & 0xff00_ff00 | (red << 16 | blue) as u32;
    }
}

#[inline(always)]
fn signed(byte: u8) -> i32 {
    byte.cast_signed().into()
}

/// Colours by their numbers.
pub(super) struct Palette {
    /// as many as a number can name; those that the file leaves out are transparent black
    colours: Vec<u32>,
    /// how many numbers a pixel holds, as a power of two
    shared_bits: u32,
    /// pixels that hold the numbers of a row
    pub(super) across: usize,
}

impl Palette {
    /// `colours` are what differs from the colour before. `width` is that of a row of colours.
    pub(super) fn new(mut colours: Vec<u32>, width: usize) -> Self {
        let shared_bits = shared_bits(colours.len());
        let mut before = 0;
        for colour in &mut colours {
            *colour = add(*colour, before);
            before = *colour;
        }
        colours.resize(256, 0);
        Self { colours, shared_bits, across: width.div_ceil(1 << shared_bits) }
    }

    #[inline(always)]
    fn undo(&self, row: &mut [u32]) {
        let share = 8 >> self.shared_bits;
        let mask = (1 << share) - 1;
        // From the last on, so that a pixel is read before others are written over it.
        for x in (0..row.len()).rev() {
            let shift = x as u32 % (1 << self.shared_bits) * share;
            let numbers = row[x >> self.shared_bits] >> 8;
            row[x] = self.colours[(numbers >> shift & mask) as usize & 0xff];
        }
    }

    /// The green of the colours that each byte of numbers stands for, of which the first [`Self::shared`] are meant.
    pub(super) fn greens(&self) -> Vec<[u8; 8]> {
        let share = 8 >> self.shared_bits;
        let mask = (1 << share) - 1;
        let green = |number: usize| (self.colours[number & mask] >> 8) as u8;
        (0..256)
            .map(|byte| std::array::from_fn(|index| green(byte >> (index % self.shared() * share))))
            .collect()
    }

    /// How many numbers a pixel holds.
    pub(super) fn shared(&self) -> usize {
        1 << self.shared_bits
    }
}

/// How many numbers of so many colours are written as one pixel, as a power of two.
pub(super) fn shared_bits(colours: usize) -> u32 {
    match colours {
        0..=2 => 3,
        3..=4 => 2,
        5..=16 => 1,
        _ => 0,
    }
}
