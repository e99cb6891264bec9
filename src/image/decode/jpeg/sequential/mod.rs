//! A decoder of the common JPEG, from top to bottom: one scan of 8-bit samples, Huffman coded, gray or with three
//! components of which the last two may be of half the size. It keeps a few rows, whatever the height.
//!
//! Scaled output comes straight from the inverse DCT, each component with a size of its own, so that chroma of half
//! the size is brought up to luma's there. Only at full size it is interpolated, in the way of libjpeg.

mod bits;
mod colour;
mod huffman;
mod idct;
mod upsample;
#[cfg(test)]
mod tests;

use fearless_simd::{Level, Simd, dispatch};
use jpeg_decoder::ColorTransform;

use self::bits::Bits;
use self::huffman::{Class, Order, Table};
use super::markers::{Component, Structure};
use crate::error::{Error, Result};
use crate::image::decode::{Band, Layout, Rows};
use crate::image::limits::Progress;

/// Reads a JPEG for which [`supports`] is true.
pub(super) struct Sequential<'a> {
    bits: Bits<'a>,
    components: Vec<Part>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: Restart,
    progress: &'a Progress,
    level: Level,
    meaning: Meaning,
    /// px of the output
    width: usize,
    /// px of the output
    height: usize,
    /// MCUs
    columns: usize,
    /// MCUs
    rows: usize,
    /// rows of MCUs that have been read
    row: usize,
    /// px of the output in a row of MCUs
    row_height: usize,
    /// rows given out already
    done: usize,
    /// the rows that are given out, and a little beyond
    out: Vec<u8>,
    chroma: Upsampling,
}

/// A component and the samples of a row of MCUs, below the last row of those before it.
struct Part {
    order: Order,
    dc: usize,
    ac: usize,
    /// blocks in an MCU
    across: usize,
    /// blocks in an MCU
    down: usize,
    /// samples of a block, in either direction
    size: (usize, usize),
    /// samples in a row and the rows of the whole component
    width: usize,
    height: usize,
    stride: usize,
    samples: Vec<u8>,
    prediction: i32,
}

struct Restart {
    /// MCUs; 0 is never
    interval: usize,
    /// MCUs up to the next marker
    left: usize,
    /// of the next marker
    number: u8,
}

/// How the samples become pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Gray,
    YCbCr,
    Rgb,
}

/// How chroma becomes as large as luma, where the inverse DCT has not seen to it.
struct Upsampling {
    across: bool,
    down: bool,
    /// rows of both components as large as the image
    rows: [Vec<u8>; 2],
    /// a row of chroma between two others
    mixed: Vec<u16>,
}

/// Whether [`Sequential`] can read the file.
pub(super) fn supports(jpeg: &Structure) -> bool {
    plan(jpeg).is_some()
}

/// Bytes that [`Sequential`] holds at once, at most, for a file that it can read.
pub(super) fn memory_bytes(jpeg: &Structure) -> u64 {
    // A row of MCUs of all components and one of the output, both at most 16 rows, one more of each component, three
    // of chroma at work; padded.
    let width = u64::from(jpeg.width) + 64;
    let channels = jpeg.components.len() as u64;
    width * channels * (17 + 16) + width * 8 + (96 << 10)
}

/// Luma's sampling factors.
fn plan(jpeg: &Structure) -> Option<(usize, usize)> {
    let scan = jpeg.scan.as_ref().filter(|_| jpeg.scans == 1 && !jpeg.progressive)?;
    let all_at_once = scan.components.iter().map(|part| part.id).eq(jpeg.components.iter().map(|c| c.id));
    if !all_at_once || !scan.is_whole {
        return None;
    }
    let tables = &jpeg.tables;
    let defined = scan.components.iter().zip(&jpeg.components).all(|(part, component)| {
        let dc = tables.dc.get(usize::from(part.dc)).is_some_and(Option::is_some);
        let ac = tables.ac.get(usize::from(part.ac)).is_some_and(Option::is_some);
        let steps = tables.quantization.get(usize::from(component.quantization)).is_some_and(Option::is_some);
        dc && ac && steps
    });
    if !defined {
        return None;
    }
    let one = |c: &Component| (c.horizontal, c.vertical) == (1, 1);
    match jpeg.components.as_slice() {
        // A component alone is not interleaved, whatever its factors.
        [_] => Some((1, 1)),
        [luma, cb, cr] if luma.horizontal <= 2 && luma.vertical <= 2 && one(cb) && one(cr) => {
            Some((luma.horizontal.into(), luma.vertical.into()))
        }
        _ => None,
    }
}

impl<'a> Sequential<'a> {
    /// Starts to read at `eighths` (1..=8) of the size, sides rounded up.
    ///
    /// # Errors
    /// [`Error::Decode`] for an impossible Huffman table, or a kind that is not supported.
    pub(super) fn new(jpeg: &Structure<'a>, eighths: u16, progress: &'a Progress) -> Result<Self> {
        let unsupported = || Error::Decode("JPEG of another kind".to_owned());
        let (across, down) = plan(jpeg).ok_or_else(unsupported)?;
        let scan = jpeg.scan.as_ref().ok_or_else(unsupported)?;
        let eighths = usize::from(eighths.clamp(1, 8));
        let scaled = |side: u16| (usize::from(side) * eighths).div_ceil(8);
        let (width, height) = (scaled(jpeg.width), scaled(jpeg.height));
        let columns = usize::from(jpeg.width).div_ceil(8 * across);
        let rows = usize::from(jpeg.height).div_ceil(8 * down);
        let row_height = down * eighths;

        let mut components = Vec::with_capacity(3);
        let mut dc = [const { None }; 4];
        let mut ac = [const { None }; 4];
        for (index, (part, component)) in scan.components.iter().zip(&jpeg.components).enumerate() {
            let (dc_place, ac_place) = (usize::from(part.dc), usize::from(part.ac));
            for (tables, codes, place, class) in
                [(&mut dc, &jpeg.tables.dc, dc_place, Class::Dc), (&mut ac, &jpeg.tables.ac, ac_place, Class::Ac)]
            {
                let code = codes[place].as_ref().ok_or_else(unsupported)?;
                if tables[place].is_none() {
                    let table = Table::new(code, class).map_err(damage)?;
                    let leaves_out = class == Class::Ac && eighths < 8;
                    tables[place] = Some(if leaves_out { table.with_skips() } else { table });
                }
            }
            let steps = jpeg.tables.quantization[usize::from(component.quantization)].ok_or_else(unsupported)?;
            // Luma has several blocks in an MCU where chroma has one that is to become as large.
            let blocks = if index == 0 { (across, down) } else { (1, 1) };
            let side = |factor: usize, blocks: usize| match eighths {
                8 => 8,
                _ => eighths * factor / blocks,
            };
            let size = (side(across, blocks.0), side(down, blocks.1));
            let stride = (columns * blocks.0 * size.0 + idct::SLACK).next_multiple_of(colour::STEP);
            let part_side = |side: u16, factor: usize, blocks: usize, points: usize| {
                (usize::from(side) * blocks).div_ceil(factor) * points / 8
            };
            components.push(Part {
                order: Order::new(&steps, (size.0.min(8), size.1.min(8))),
                dc: dc_place,
                ac: ac_place,
                across: blocks.0,
                down: blocks.1,
                size,
                width: part_side(jpeg.width, across, blocks.0, size.0),
                height: part_side(jpeg.height, down, blocks.1, size.1),
                stride,
                samples: vec![0; stride * (1 + blocks.1 * size.1)],
                prediction: 0,
            });
        }
        let meaning = match super::color(jpeg) {
            ColorTransform::Grayscale => Meaning::Gray,
            ColorTransform::RGB => Meaning::Rgb,
            _ => Meaning::YCbCr,
        };
        let channels = if meaning == Meaning::Gray { 1 } else { 3 };
        let chroma = Upsampling::new(eighths == 8 && across == 2, eighths == 8 && down == 2, width);
        let interval = usize::from(jpeg.tables.restart);
        Ok(Self {
            bits: Bits::new(scan.data),
            components,
            dc,
            ac,
            restart: Restart { interval, left: interval, number: 0 },
            progress,
            level: Level::new(),
            meaning,
            width,
            height,
            columns,
            rows,
            row: 0,
            row_height,
            done: 0,
            out: vec![0; (row_height + 1) * width * channels + colour::STEP * 3 + colour::SLACK],
            chroma,
        })
    }

    /// px of the output
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// What the samples of all bands mean.
    pub(super) fn layout(&self) -> Layout {
        if self.meaning == Meaning::Gray { Layout::Luma } else { Layout::Rgb }
    }

    /// Reads the next row of MCUs and makes pixels of it, as far as they do not depend on the one after it.
    #[inline(always)]
    fn next_row<S: Simd>(&mut self, simd: S) -> std::result::Result<usize, &'static str> {
        for part in &mut self.components {
            let last = part.samples.len() - part.stride;
            part.samples.copy_within(last.., 0);
        }
        self.read_row(simd)?;
        if self.bits.is_exhausted() {
            return Err("JPEG image data ends too early");
        }
        let first = self.row * self.row_height;
        self.row += 1;
        // The last row of pixels is mixed with the chroma below it.
        let end = if self.row == self.rows {
            self.height
        } else {
            first + self.row_height - usize::from(self.chroma.down)
        };
        let start = self.done;
        for y in start..end {
            self.make_pixels(simd, y, first, y - start);
        }
        self.done = end;
        Ok(end - start)
    }

    #[inline(always)]
    fn read_row<S: Simd>(&mut self, simd: S) -> std::result::Result<(), &'static str> {
        // A copy on the stack stays in registers.
        let mut bits = self.bits;
        for column in 0..self.columns {
            if self.restart.interval > 0 {
                if self.restart.left == 0 {
                    bits.restart(self.restart.number)?;
                    self.restart.number = (self.restart.number + 1) % 8;
                    self.restart.left = self.restart.interval;
                    self.components.iter_mut().for_each(|part| part.prediction = 0);
                }
                self.restart.left -= 1;
            }
            for part in &mut self.components {
                let (Some(dc), Some(ac)) = (&self.dc[part.dc], &self.ac[part.ac]) else { continue };
                let (width, height) = part.size;
                for y in 0..part.down {
                    for x in 0..part.across {
                        let mut block = [0; 64];
                        let last = huffman::read_block(
                            &mut bits,
                            (dc, ac),
                            &part.order,
                            &mut part.prediction,
                            &mut block,
                        )?;
                        let at = (1 + y * height) * part.stride + (column * part.across + x) * width;
                        idct::transform(simd, &block, last, part.size, &mut part.samples[at..], part.stride);
                    }
                }
            }
        }
        self.bits = bits;
        Ok(())
    }

    /// Makes row `y` of the image, the `index`th of the band, of the row of MCUs that begins at `first`.
    #[inline(always)]
    fn make_pixels<S: Simd>(&mut self, simd: S, y: usize, first: usize, index: usize) {
        let channels = if self.meaning == Meaning::Gray { 1 } else { 3 };
        let out = &mut self.out[index * self.width * channels..];
        match self.components.as_slice() {
            [luma, cb, cr] => {
                let chroma = &mut self.chroma;
                let [cb_row, cr_row] = &mut chroma.rows;
                let (luma, cb, cr) = if chroma.across || chroma.down {
                    let ways = (chroma.across, chroma.down);
                    cb.upsample(y, first, ways, &mut chroma.mixed, cb_row);
                    cr.upsample(y, first, ways, &mut chroma.mixed, cr_row);
                    (luma.line(y, first), &cb_row[..], &cr_row[..])
                } else {
                    (luma.line(y, first), cb.line(y, first), cr.line(y, first))
                };
                if self.meaning == Meaning::YCbCr {
                    colour::to_rgb(simd, [luma, cb, cr], self.width, out);
                } else {
                    colour::interleave([luma, cb, cr], self.width, out);
                }
            }
            [gray, ..] => {
                out[..self.width].copy_from_slice(&gray.line(y, first)[..self.width]);
            }
            [] => {}
        }
    }
}

impl Upsampling {
    fn new(across: bool, down: bool, width: usize) -> Self {
        let padded = if across || down { width.next_multiple_of(2 * colour::STEP) } else { 0 };
        let mixed = vec![0; if across { padded / 2 + 2 } else { 0 }];
        Self { across, down, rows: [vec![0; padded], vec![0; padded]], mixed }
    }
}

impl Part {
    /// A line of the component where `first` is the first one of the row of MCUs; the one before is still there.
    #[inline(always)]
    fn line(&self, number: usize, first: usize) -> &[u8] {
        let start = (number + 1 - first) * self.stride;
        &self.samples[start..start + self.stride]
    }

    /// Makes row `y` of the image, whose row of MCUs begins at `first`, of a component that is half as large `across`,
    /// `down`, or both.
    #[inline(always)]
    fn upsample(
        &self,
        y: usize,
        first: usize,
        (across, down): (bool, bool),
        mixed: &mut [u16],
        out: &mut [u8],
    ) {
        let (near, first) = if down { (y / 2, first / 2) } else { (y, first) };
        let next = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
        let near = &self.line(near, first)[..self.width];
        let next = if down { &self.line(next, first)[..self.width] } else { near };
        if !across {
            return upsample::vertically(near, next, y % 2 == 1, out);
        }
        // libjpeg takes such narrow ones as they are.
        if self.width <= 2 {
            return upsample::doubled(near, out);
        }
        let mixed = &mut mixed[..self.width + 2];
        if down {
            upsample::between(near, next, &mut mixed[1..]);
            upsample::extend(mixed, self.width);
            upsample::horizontally::<true>(mixed, out);
        } else {
            upsample::widen(near, &mut mixed[1..]);
            upsample::extend(mixed, self.width);
            upsample::horizontally::<false>(mixed, out);
        }
    }
}

impl Rows for Sequential<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        self.progress.check()?;
        if self.row == self.rows {
            return Ok(None);
        }
        let level = self.level;
        let rows = dispatch!(level, simd => self.next_row(simd)).map_err(|text| {
            // Whoever asks again gets nothing.
            self.row = self.rows;
            damage(text)
        })?;
        let layout = self.layout();
        let data = &self.out[..rows * self.width * layout.channels()];
        Ok(Some(Band { data, layout }))
    }
}

fn damage(text: &'static str) -> Error {
    Error::Decode(text.to_owned())
}
