//! A decoder of lossy WebP, which is a key frame of VP8 (RFC 6386), from top to bottom. It keeps a few rows, whatever
//! the height.
//!
//! The way of a row of macroblocks: [`modes`] says how they are predicted, [`coefficients`] what differs from that,
//! [`predict`] and [`transform`] make samples of both, [`filter`] smooths the edges in the [`window`], and what no later
//! row changes any more becomes pixels.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

mod bits;
mod coefficients;
mod colour;
mod filter;
mod header;
mod modes;
mod predict;
mod probabilities;
mod tables;
#[cfg(test)]
mod tests;
mod transform;
mod window;

use fearless_simd::{Level, Simd, dispatch};

use self::coefficients::{Blocks, Edge};
use self::filter::Strength;
use self::header::{Picture, SEGMENTS};
use self::modes::{Luma, Macroblock, Neighbours};
use self::predict::{ABOVE, BESIDE, ChromaSpace, Inside, LEFT, LumaSpace, SECOND, STRIDE};
use self::window::{KEPT, Window};
use super::alpha::Alpha;
use crate::error::{Error, Result};
use crate::image::decode::{Band, Layout, Rows, upsample};
use crate::image::limits::Progress;

/// The most rows that are handed out at once: those of a row of macroblocks, and what waited above.
const BAND_ROWS: usize = 16 + KEPT;

/// Reads the data of a chunk `VP8 `.
pub(super) struct Lossy<'a> {
    picture: Picture<'a>,
    neighbours: Neighbours,
    above: Above,
    window: Window,
    /// by segment, and whether each block is predicted on its own
    strengths: [[Option<Strength>; 2]; SEGMENTS],
    /// macroblocks in a row, and in a column
    across: usize,
    down: usize,
    /// of the current row: how its macroblocks are smoothed, and whether within them too
    smoothing: Vec<Option<(Strength, bool)>>,
    /// rows of macroblocks that have been read
    row: usize,
    /// rows given out already
    done: usize,
    alpha: Option<AlphaBand<'a>>,
    out: Vec<u8>,
    chroma: Upsampling,
    level: Level,
    progress: &'a Progress,
}

/// What the macroblocks of the row above have left for those below them.
struct Above {
    /// their last rows, before smoothing
    luma: Vec<[u8; 16]>,
    chroma: Vec<[[u8; 8]; 2]>,
    edges: Vec<Edge>,
}

/// A row of both planes of chroma, as large as those of luma.
struct Upsampling {
    rows: [Vec<u8>; 2],
    /// a row between two others
    mixed: Vec<u16>,
}

/// Alpha of the rows that are handed out at once.
struct AlphaBand<'a> {
    rows: Alpha<'a>,
    /// each padded like a row of luma
    band: Vec<u8>,
    /// whether any was not opaque so far
    matters: bool,
}

/// Bytes that reading a picture so wide takes, at most, without what its alpha is read from.
pub(super) fn memory_bytes(width: u32, has_alpha: bool) -> u64 {
    // With alpha, that of a band and of the row before.
    let (channels, more) = if has_alpha { (5, 1) } else { (3, 0) };
    let across = u64::from(width.div_ceil(16));
    let per_macroblock =
        (size_of::<[u8; 32]>() + size_of::<Edge>() + 4 + size_of::<Option<(Strength, bool)>>()) as u64;
    let band = (channels * BAND_ROWS as u64 + 6 + more) * 16;
    Window::memory_bytes(across) + across * (per_macroblock + band + 32) + (64 << 10)
}

impl<'a> Lossy<'a> {
    /// Starts to read. `alpha` has as many rows as the picture, and as wide.
    ///
    /// # Errors
    /// [`Error::Decode`] for a header that makes no sense.
    pub(super) fn new(data: &'a [u8], alpha: Option<Alpha<'a>>, progress: &'a Progress) -> Result<Self> {
        let picture = Picture::read(data).map_err(damage)?;
        let (across, down) =
            (usize::from(picture.size.0).div_ceil(16), usize::from(picture.size.1).div_ceil(16));
        let filters = picture.filters;
        let channels = if alpha.is_some() { 4 } else { 3 };
        Ok(Self {
            neighbours: Neighbours::new(across),
            above: Above {
                luma: vec![[ABOVE; 16]; across],
                chroma: vec![[[ABOVE; 8]; 2]; across],
                edges: vec![Edge::default(); across],
            },
            window: Window::new(across),
            strengths: filters.levels.map(|levels| levels.map(|level| Strength::new(&filters, level))),
            across,
            down,
            smoothing: vec![None; across],
            row: 0,
            done: 0,
            alpha: alpha.map(|rows| {
                let band = vec![0; BAND_ROWS * across * 16];
                AlphaBand { rows, band, matters: false }
            }),
            out: vec![0; (BAND_ROWS * usize::from(picture.size.0) + colour::STEP) * channels + colour::SLACK],
            chroma: Upsampling::new(across * 16),
            level: Level::new(),
            progress,
            picture,
        })
    }

    /// Reads the next row of macroblocks and makes pixels of what is finished. Returns the number of rows.
    #[inline(always)]
    fn next_row<S: Simd>(&mut self, simd: S) -> std::result::Result<usize, &'static str> {
        self.window.advance();
        self.read_row()?;
        for (column, smoothing) in self.smoothing.iter().enumerate() {
            if let Some((strength, blocks)) = smoothing {
                self.window.smooth(simd, column, self.row > 0, *strength, *blocks);
            }
        }
        // Luma of the window begins with this row.
        let first = self.row * 16;
        let height = usize::from(self.picture.size.1);
        self.row += 1;
        // The next edge changes three rows of chroma above it, and the one before is mixed with them.
        let end = if self.row == self.down { height } else { first + 9 };
        let rows = end - self.done;
        if let Some(alpha) = &mut self.alpha {
            alpha.fill(rows, usize::from(self.picture.size.0));
        }
        for index in 0..rows {
            self.make_pixels(simd, (self.done + index, first), index);
        }
        self.done = end;
        Ok(rows)
    }

    #[inline(always)]
    fn read_row(&mut self) -> std::result::Result<(), &'static str> {
        let count = self.picture.coefficients.len();
        // Copies on the stack stay in registers.
        let mut modes = self.picture.modes;
        let mut bits = self.picture.coefficients[self.row % count];
        let mut blocks = Blocks::new();
        let mut left = Edge::default();
        let mut luma = [BESIDE; 17 * STRIDE];
        let mut chroma = [BESIDE; 9 * STRIDE];
        if self.row == 0 {
            (luma[LEFT - 1], chroma[LEFT - 1], chroma[SECOND - 1]) = (ABOVE, ABOVE, ABOVE);
        }
        self.neighbours.begin_row();
        for column in 0..self.across {
            let macroblock = self.neighbours.read(&mut modes, &self.picture, column);
            let edges = (&mut self.above.edges[column], &mut left);
            let any = if macroblock.skipped {
                edges.0.skip(&macroblock.luma);
                edges.1.skip(&macroblock.luma);
                false
            } else {
                blocks.values = [[0; 16]; coefficients::BLOCKS];
                let steps = &self.picture.steps[macroblock.segment];
                coefficients::read(
                    &mut bits,
                    &self.picture.probabilities,
                    &macroblock,
                    steps,
                    edges,
                    &mut blocks,
                )
            };
            let alone = matches!(macroblock.luma, Luma::Blocks(_));
            let strength = self.strengths[macroblock.segment][usize::from(alone)];
            self.smoothing[column] = strength.map(|strength| (strength, alone || any));

            self.above.enter(column, &mut luma, &mut chroma);
            let inside = Inside { above: self.row > 0, left: column > 0 };
            predict_macroblock(&mut luma, &mut chroma, &macroblock, inside, any.then_some(&blocks));
            self.window.put(column, &luma, &chroma);
            self.above.leave(column, &luma, &chroma);
            turn_left(&mut luma, &mut chroma);
            if bits.is_exhausted() || modes.is_exhausted() {
                return Err("WebP image data ends too early");
            }
        }
        self.picture.modes = modes;
        self.picture.coefficients[self.row % count] = bits;
        Ok(())
    }

    /// Makes row `y` of the picture, the `index`th of the band, of a window whose macroblocks begin at `first`.
    #[inline(always)]
    fn make_pixels<S: Simd>(&mut self, simd: S, (y, first): (usize, usize), index: usize) {
        let (width, height) = (usize::from(self.picture.size.0), usize::from(self.picture.size.1));
        let Window { luma, stride, .. } = &self.window;
        let luma = &luma[(y + KEPT - first) * stride..][..*stride];
        self.chroma.fill(&self.window, (y, first), (width, height));
        let [cb, cr] = &self.chroma.rows;
        let alpha = self.alpha.as_ref().filter(|alpha| alpha.matters);
        let alpha = alpha.map(|alpha| &alpha.band[index * luma.len()..][..luma.len()]);
        let channels = if alpha.is_some() { 4 } else { 3 };
        let out = &mut self.out[index * width * channels..];
        colour::to_pixels(simd, [luma, cb, cr], alpha, width, out);
    }

    fn layout(&self) -> Layout {
        if self.alpha.as_ref().is_some_and(|alpha| alpha.matters) { Layout::Rgba } else { Layout::Rgb }
    }
}

#[inline(always)]
fn predict_macroblock(
    luma: &mut LumaSpace,
    chroma: &mut ChromaSpace,
    macroblock: &Macroblock,
    inside: Inside,
    blocks: Option<&Blocks>,
) {
    predict::luma(luma, macroblock, inside, blocks);
    predict::chroma(chroma, macroblock.chroma, inside, blocks);
}

/// Makes the right column of a macroblock the left neighbours of the next.
#[inline(always)]
fn turn_left(luma: &mut LumaSpace, chroma: &mut ChromaSpace) {
    for row in luma.as_chunks_mut::<STRIDE>().0 {
        row[LEFT - 1] = row[LEFT + 15];
    }
    for row in chroma.as_chunks_mut::<STRIDE>().0 {
        (row[LEFT - 1], row[SECOND - 1]) = (row[LEFT + 7], row[SECOND + 7]);
    }
}

impl Above {
    /// Puts the row above the macroblock in `column` in its place.
    #[inline(always)]
    fn enter(&self, column: usize, luma: &mut LumaSpace, chroma: &mut ChromaSpace) {
        let here = &self.luma[column];
        luma[LEFT..LEFT + 16].copy_from_slice(here);
        // At the right end the last sample goes on.
        let next = self.luma.get(column + 1).map_or([here[15]; 4], |[a, b, c, d, ..]| [*a, *b, *c, *d]);
        luma[LEFT + 16..LEFT + 20].copy_from_slice(&next);
        let [first, second] = &self.chroma[column];
        chroma[LEFT..LEFT + 8].copy_from_slice(first);
        chroma[SECOND..SECOND + 8].copy_from_slice(second);
    }

    /// Keeps the last row of the macroblock in `column`.
    #[inline(always)]
    fn leave(&mut self, column: usize, luma: &LumaSpace, chroma: &ChromaSpace) {
        self.luma[column].copy_from_slice(&luma[16 * STRIDE + LEFT..][..16]);
        let [first, second] = &mut self.chroma[column];
        first.copy_from_slice(&chroma[8 * STRIDE + LEFT..][..8]);
        second.copy_from_slice(&chroma[8 * STRIDE + SECOND..][..8]);
    }
}

impl Upsampling {
    fn new(stride: usize) -> Self {
        Self { rows: [vec![0; stride], vec![0; stride]], mixed: vec![0; stride / 2 + 2] }
    }

    /// Makes row `y` of the picture from a window whose macroblocks begin at `first`.
    #[inline(always)]
    fn fill(&mut self, window: &Window, (y, first): (usize, usize), (width, height): (usize, usize)) {
        let (width, last) = (width.div_ceil(2), height.div_ceil(2) - 1);
        let near = y / 2;
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(last) };
        for (row, plane) in self.rows.iter_mut().zip(&window.chroma) {
            let line = |y: usize| &plane[(y + KEPT / 2 - first / 2) * window.stride / 2..][..width];
            let mixed = &mut self.mixed[..width + 2];
            upsample::between(line(near), line(far), &mut mixed[1..]);
            upsample::extend(mixed);
            upsample::horizontally::<true>(mixed, row);
        }
    }
}

impl AlphaBand<'_> {
    /// Reads the next rows.
    #[inline(always)]
    fn fill(&mut self, rows: usize, width: usize) {
        for row in self.band.chunks_exact_mut(width.next_multiple_of(16)).take(rows) {
            let row = &mut row[..width];
            self.rows.next_row(row);
            self.matters = self.matters || row.iter().any(|alpha| *alpha != 255);
        }
    }
}

impl Rows for Lossy<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        self.progress.check()?;
        if self.row == self.down {
            return Ok(None);
        }
        let level = self.level;
        let rows = dispatch!(level, simd => self.next_row(simd)).map_err(|text| {
            // Whoever asks again gets nothing.
            self.row = self.down;
            damage(text)
        })?;
        let layout = self.layout();
        let data = &self.out[..rows * usize::from(self.picture.size.0) * layout.channels()];
        Ok(Some(Band { data, layout }))
    }
}

fn damage(text: &'static str) -> Error {
    Error::Decode(text.to_owned())
}
