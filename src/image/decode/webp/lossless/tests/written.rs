//! Streams with everything that the format allows, in an order that no encoder chooses.

use crate::image::decode::webp::lossless::codes::{LENGTHS, LITERALS};
use crate::image::decode::webp::lossless::pixels::{Sample, in_pixels};
use crate::image::decode::webp::lossless::transform::shared_bits;

pub(super) struct Random(pub(super) u32);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % end
    }
}

/// A stream as it is written.
pub(super) struct Stream {
    bits: Vec<bool>,
    pub(super) random: Random,
}

/// The codes of the symbols that have one.
type Code = Vec<(usize, Vec<bool>)>;

/// Levels that red, green, blue and alpha go up to.
type Levels = [usize; 4];

const ALL: Levels = [256; 4];

impl Stream {
    pub(super) fn new(seed: u32) -> Self {
        Self { bits: Vec::new(), random: Random(seed) }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        self.bits.chunks(8).map(byte).collect()
    }

    /// A picture behind its header. Returns the pixels before any transform is undone.
    pub(super) fn picture(&mut self, (mut width, height): (usize, usize), green_alone: bool) -> Vec<u32> {
        let mut kinds = vec![0, 1, 2, 3];
        while self.random.below(4) > 0 && !kinds.is_empty() {
            let kind = kinds.swap_remove(self.random.below(kinds.len()));
            if green_alone && kind == 0 {
                continue;
            }
            self.number(1, 1);
            self.number(kind, 2);
            match kind {
                // There are fourteen predictions.
                0 => drop(self.blocks((width, height), [256, 14, 256, 256])),
                1 => drop(self.blocks((width, height), ALL)),
                2 => {}
                _ => {
                    let most = [2, 4, 16, 256][self.random.below(4)];
                    let colours = 1 + self.random.below(most);
                    self.number(colours - 1, 8);
                    self.image((colours, 1), ALL, false);
                    width = width.div_ceil(1 << shared_bits(colours));
                }
            }
        }
        self.number(0, 1);
        let levels = if green_alone { [1, 256, 1, 1] } else { ALL };
        self.image((width, height), levels, true)
    }

    /// A picture without red and blue whose one transform is a prediction. Alpha is what differs, up to that.
    pub(super) fn predicted(&mut self, (width, height): (usize, usize), alphas: usize) {
        self.number(0b001, 3);
        self.blocks((width, height), [256, 14, 256, 256]);
        self.number(0, 1);
        self.image((width, height), [1, 256, 1, alphas], true);
    }

    /// An image of blocks. Returns their side as a power of two, and the pixels.
    fn blocks(&mut self, (width, height): (usize, usize), levels: Levels) -> (usize, Vec<u32>) {
        let bits = self.random.below(8);
        self.number(bits, 3);
        let side = 1 << (bits + 2);
        (bits + 2, self.image((width.div_ceil(side), height.div_ceil(side)), levels, false))
    }

    fn number(&mut self, value: usize, bits: usize) {
        self.bits.extend((0..bits).map(|bit| value >> bit & 1 == 1));
    }

    fn image(&mut self, (width, height): (usize, usize), levels: Levels, is_picture: bool) -> Vec<u32> {
        // A cache would make more than green count, and name groups that nobody chose.
        let cache_bits =
            if levels == ALL || (is_picture && levels[3] > 1) { self.random.below(12) } else { 0 };
        self.number(usize::from(cache_bits > 0), 1);
        if cache_bits > 0 {
            self.number(cache_bits, 4);
        }
        let mut blocks = (0, Vec::new());
        if is_picture {
            let several = self.random.below(2);
            self.number(several, 1);
            if several == 1 {
                blocks = self.blocks((width, height), [1, 5, 256, 256]);
            }
        }
        let count = 1 + blocks.1.iter().map(|pixel| pixel >> 8 & 0xff).max().unwrap_or(0);
        let groups: Vec<[Code; 5]> = (0..count).map(|_| self.group(levels, cache_bits)).collect();

        let mut pixels = Vec::new();
        let mut entered = vec![None; 1 << cache_bits];
        while pixels.len() < width * height {
            let (x, y) = (pixels.len() % width, pixels.len() / width);
            let across = width.div_ceil(1 << blocks.0);
            let name = blocks.1.get((y >> blocks.0) * across + (x >> blocks.0));
            let group = &groups[name.map_or(0, |pixel| pixel >> 8 & 0xff) as usize];
            let before = pixels.len();
            self.some_pixels(group, &mut pixels, (width, width * height), &entered);
            if cache_bits > 0 {
                pixels[before..]
                    .iter()
                    .for_each(|pixel| entered[pixel.place(cache_bits as u32)] = Some(*pixel));
            }
        }
        pixels
    }

    /// A pixel that is written out or from the cache, or a copy.
    fn some_pixels(
        &mut self,
        group: &[Code; 5],
        pixels: &mut Vec<u32>,
        (width, end): (usize, usize),
        entered: &[Option<u32>],
    ) {
        let [green, beside @ .., distances] = group;
        // The first symbol is a level of green.
        let mut choice = self.random.below(green.len());
        let mut symbol = green[choice].0;
        let mut copied = (0, 0);
        if let Some(length) = symbol.checked_sub(LITERALS).filter(|length| *length < LENGTHS) {
            let (first, extra) = range(length);
            copied = (first + self.random.below(1 << extra), extra);
            if copied.0 > end - pixels.len() || pixels.is_empty() {
                choice = 0;
            }
        } else if let Some(place) = symbol.checked_sub(LITERALS + LENGTHS)
            && entered[place].is_none()
        {
            choice = 0;
        }
        symbol = green[choice].0;
        self.bits.extend(green[choice].1.clone());
        if symbol < LITERALS {
            let [red, blue, alpha] = [0, 1, 2].map(|index| {
                let (symbol, code) = &beside[index][self.random.below(beside[index].len())];
                self.bits.extend(code.clone());
                *symbol
            });
            pixels.push((alpha << 24 | red << 16 | symbol << 8 | blue) as u32);
        } else if symbol < LITERALS + LENGTHS {
            let (length, extra) = copied;
            self.number(length - range(symbol - LITERALS).0, extra);
            // By a number of the nearest places where that is one, else by what is above those.
            let number = 1 + self.random.below(120);
            let (number, back) = match in_pixels(number, width) {
                back if back <= pixels.len() => (number, back),
                _ => {
                    let back = 1 + self.random.below(pixels.len());
                    (back + 120, back)
                }
            };
            let symbol = (0..40).rfind(|symbol| range(*symbol).0 <= number).expect("there is one for all");
            self.bits.extend(distances[symbol].1.clone());
            self.number(number - range(symbol).0, range(symbol).1);
            for _ in 0..length {
                pixels.push(pixels[pixels.len() - back]);
            }
        } else {
            pixels.extend(entered[symbol - LITERALS - LENGTHS]);
        }
    }

    fn group(&mut self, levels: Levels, cache_bits: usize) -> [Code; 5] {
        let cached = if cache_bits > 0 { 1 << cache_bits } else { 0 };
        let [red, green, blue, alpha] = levels;
        let mut symbols = self.some_of(green);
        for _ in 0..self.random.below(8) {
            symbols.push(LITERALS + self.random.below(12));
        }
        for _ in 0..self.random.below(100).min(cached) {
            symbols.push(LITERALS + LENGTHS + self.random.below(cached));
        }
        symbols.sort_unstable();
        symbols.dedup();
        let green = self.code(&symbols, LITERALS + LENGTHS + cached);
        let [red, blue, alpha] = [red, blue, alpha].map(|levels| {
            let symbols = self.some_of(levels);
            self.code(&symbols, 256)
        });
        let distances: Vec<usize> = (0..40).collect();
        [green, red, blue, alpha, self.code(&distances, 40)]
    }

    /// A few levels or all of them.
    fn some_of(&mut self, levels: usize) -> Vec<usize> {
        let count = [1, 2, 3, 20, 256][self.random.below(5)];
        let mut symbols: Vec<usize> = (0..count).map(|_| self.random.below(levels)).collect();
        symbols.sort_unstable();
        symbols.dedup();
        symbols
    }

    /// Writes a code for these symbols, of which some are long.
    fn code(&mut self, symbols: &[usize], alphabet: usize) -> Code {
        if let [symbol] = symbols
            && *symbol < 256
        {
            // A simple code: one symbol, of eight bits.
            self.number(0b101, 3);
            self.number(*symbol, 8);
            return vec![(*symbol, Vec::new())];
        }
        // Leaves of a tree that grows where chance wants it to.
        let mut leaves = vec![0_usize];
        while leaves.len() < symbols.len() {
            let at =
                if self.random.below(3) == 0 { leaves.len() - 1 } else { self.random.below(leaves.len()) };
            if leaves[at] < 15 {
                leaves[at] += 1;
                leaves.push(leaves[at]);
            }
        }
        if symbols.len() == 1 {
            leaves[0] = 1;
        }
        let mut lengths = vec![0; alphabet];
        symbols.iter().zip(&leaves).for_each(|(symbol, length)| lengths[*symbol] = *length);
        // Lengths are written as four bits each: all 16 of them, and no repetitions.
        self.number(0, 1);
        self.number(15, 4);
        (0..19).for_each(|at| self.number(if matches!(at, 0 | 1 | 8) { 0 } else { 4 }, 3));
        self.number(0, 1);
        for length in &lengths {
            (0..4).rev().for_each(|bit| self.bits.push(length >> bit & 1 == 1));
        }
        if symbols.len() == 1 {
            return vec![(symbols[0], Vec::new())];
        }
        let mut codes = Vec::new();
        let mut next = 0_usize;
        for length in 1..=15 {
            next <<= 1;
            for symbol in symbols.iter().filter(|symbol| lengths[**symbol] == length) {
                codes.push((*symbol, (0..length).rev().map(|bit| next >> bit & 1 == 1).collect()));
                next += 1;
            }
        }
        codes.sort_unstable();
        codes
    }
}

/// The first length or distance that a symbol means, and how many bits follow.
fn range(symbol: usize) -> (usize, usize) {
    match symbol {
        0..4 => (symbol + 1, 0),
        _ => (((2 + symbol % 2) << ((symbol - 2) / 2)) + 1, (symbol - 2) / 2),
    }
}
