//! A decoder of the common JPEG, from top to bottom: one scan of 8-bit samples, Huffman coded, gray or with three
//! components of which the last two may be of half the size. It keeps a few rows, whatever the height.
//!
//! Scaled output comes straight from the inverse DCT, each component with a size of its own, so that chroma of half
//! the size is brought up to luma's there. Only at full size it is interpolated, in the way of libjpeg.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

mod bits;
mod blocks;
mod colour;
mod component;
mod huffman;
mod idct;
mod plan;
#[cfg(test)]
mod tests;

use fearless_simd::{Level, Simd, dispatch};
use jpeg_decoder::ColorTransform;

use self::bits::Bits;
use self::component::Component;
use self::huffman::Tables;
use self::plan::Geometry;
pub(super) use self::plan::{memory_bytes, supports};
use super::markers::Structure;
use crate::error::{Error, Result};
use crate::image::decode::{Band, Layout, Rows};
use crate::image::limits::Progress;

/// Reads a JPEG for which [`supports`] is true.
pub(super) struct Sequential<'a> {
    bits: Bits<'a>,
    tables: Tables,
    components: Vec<Component>,
    restart: Restart,
    progress: &'a Progress,
    level: Level,
    meaning: Meaning,
    geometry: Geometry,
    /// rows of MCUs that have been read
    row: usize,
    /// rows given out already
    done: usize,
    /// the rows that are given out, and a little beyond
    out: Vec<u8>,
    chroma: Upsampling,
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

impl Meaning {
    const fn layout(self) -> Layout {
        match self {
            Self::Gray => Layout::Luma,
            Self::YCbCr | Self::Rgb => Layout::Rgb,
        }
    }
}

/// Space for chroma that is made as large as luma, where the inverse DCT has not seen to it.
struct Upsampling {
    /// rows of both components as large as the image
    rows: [Vec<u8>; 2],
    /// a row of chroma between two others
    mixed: Vec<u16>,
}

impl<'a> Sequential<'a> {
    /// Starts to read at `eighths` (1..=8) of the size, sides rounded up.
    ///
    /// # Errors
    /// [`Error::Decode`] for an impossible or a missing table, or a kind that is not supported.
    pub(super) fn new(jpeg: &Structure<'a>, eighths: u16, progress: &'a Progress) -> Result<Self> {
        let (scan, luma) =
            plan::plan(jpeg).ok_or_else(|| damage("JPEG of a kind that is not read in rows"))?;
        let geometry = Geometry::new(jpeg, luma, eighths);
        let tables = Tables::new(jpeg, scan, eighths < 8).map_err(damage)?;
        let mut components = Vec::with_capacity(scan.components.len());
        for (index, (selected, component)) in scan.components.iter().zip(&jpeg.components).enumerate() {
            let place = usize::from(component.quantization);
            let steps = jpeg.tables.quantization.get(place).and_then(Option::as_ref);
            let steps = steps.ok_or_else(|| damage("JPEG without its quantization table"))?;
            let blocks = if index == 0 { luma } else { (1, 1) };
            components.push(Component::new(&geometry, blocks, *selected, steps));
        }
        let meaning = match super::color(jpeg) {
            ColorTransform::Grayscale => Meaning::Gray,
            ColorTransform::RGB => Meaning::Rgb,
            _ => Meaning::YCbCr,
        };
        let interval = usize::from(jpeg.tables.restart);
        let row_bytes = geometry.output().0 * meaning.layout().channels();
        // With the row that waited for the chroma below it.
        let rows = geometry.row_height() + usize::from(geometry.is_upsampled().1);
        Ok(Self {
            bits: Bits::new(scan.data),
            tables,
            components,
            restart: Restart { interval, left: interval, number: 0 },
            progress,
            level: Level::new(),
            meaning,
            geometry,
            row: 0,
            done: 0,
            out: vec![0; rows * row_bytes + colour::STEP * 3 + colour::SLACK],
            chroma: Upsampling::new(&geometry),
        })
    }

    /// px of the output
    pub(super) fn size(&self) -> (u32, u32) {
        let (width, height) = self.geometry.output();
        (width as u32, height as u32)
    }

    /// What the samples of all bands mean.
    pub(super) fn layout(&self) -> Layout {
        self.meaning.layout()
    }

    /// Reads the next row of MCUs and makes pixels of it, as far as they do not depend on the one after it. Returns the
    /// number of rows.
    #[inline(always)]
    fn next_row<S: Simd>(&mut self, simd: S) -> std::result::Result<usize, &'static str> {
        self.components.iter_mut().for_each(Component::advance);
        self.read_row(simd)?;
        if self.bits.is_exhausted() {
            return Err("JPEG image data ends too early");
        }
        let height = self.geometry.row_height();
        let first = self.row * height;
        self.row += 1;
        let end = if self.row == self.geometry.mcus().1 {
            self.geometry.output().1
        } else {
            first + height - usize::from(self.geometry.is_upsampled().1)
        };
        let start = self.done;
        for y in start..end {
            self.make_pixels(simd, (y, first), y - start);
        }
        self.done = end;
        Ok(end - start)
    }

    #[inline(always)]
    fn read_row<S: Simd>(&mut self, simd: S) -> std::result::Result<(), &'static str> {
        // A copy on the stack stays in registers.
        let mut bits = self.bits;
        for column in 0..self.geometry.mcus().0 {
            if self.restart.is_due() {
                bits.restart(self.restart.next())?;
                self.components.iter_mut().for_each(|component| component.prediction = 0);
            }
            for component in &mut self.components {
                let (Some(dc), Some(ac)) = (&self.tables.dc[component.dc], &self.tables.ac[component.ac])
                else {
                    continue;
                };
                let (across, down) = component.blocks;
                for y in 0..down {
                    for x in 0..across {
                        let mut block = [0; 64];
                        let prediction = &mut component.prediction;
                        let order = &component.order;
                        let last = blocks::read_block(&mut bits, (dc, ac), order, prediction, &mut block)?;
                        let points = component.points;
                        let (out, stride) = component.block(column * across + x, y);
                        idct::transform(simd, &block, last, points, out, stride);
                    }
                }
            }
        }
        self.bits = bits;
        Ok(())
    }

    /// Makes row `y` of the image, the `index`th of the band, of the row of MCUs that begins at `first`.
    #[inline(always)]
    fn make_pixels<S: Simd>(&mut self, simd: S, (y, first): (usize, usize), index: usize) {
        let width = self.geometry.output().0;
        let out = &mut self.out[index * width * self.meaning.layout().channels()..];
        match self.components.as_slice() {
            [luma, cb, cr] => {
                let Upsampling { rows: [blue, red], mixed } = &mut self.chroma;
                let (cb, cr) = match self.geometry.is_upsampled() {
                    (false, false) => (cb.line(y, first), cr.line(y, first)),
                    ways => {
                        cb.upsample((y, first), ways, mixed, blue);
                        cr.upsample((y, first), ways, mixed, red);
                        (&blue[..], &red[..])
                    }
                };
                let planes = [luma.line(y, first), cb, cr];
                if self.meaning == Meaning::YCbCr {
                    colour::to_rgb(simd, planes, width, out);
                } else {
                    colour::as_it_is(planes, width, out);
                }
            }
            [gray, ..] => out[..width].copy_from_slice(&gray.line(y, first)[..width]),
            [] => {}
        }
    }
}

impl Restart {
    /// Whether a marker comes before the next MCU, which is counted.
    #[inline(always)]
    fn is_due(&mut self) -> bool {
        if self.interval == 0 {
            return false;
        }
        let due = self.left == 0;
        if due {
            self.left = self.interval;
        }
        self.left -= 1;
        due
    }

    /// The number of the marker that is due.
    fn next(&mut self) -> u8 {
        let number = self.number;
        self.number = (number + 1) % 8;
        number
    }
}

impl Upsampling {
    fn new(geometry: &Geometry) -> Self {
        let width = match geometry.is_upsampled() {
            (false, false) => 0,
            _ => geometry.output().0.next_multiple_of(2 * colour::STEP),
        };
        Self { rows: [vec![0; width], vec![0; width]], mixed: vec![0; width / 2 + 2] }
    }
}

impl Rows for Sequential<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        self.progress.check()?;
        if self.row == self.geometry.mcus().1 {
            return Ok(None);
        }
        let level = self.level;
        let rows = dispatch!(level, simd => self.next_row(simd)).map_err(|text| {
            // Whoever asks again gets nothing.
            self.row = self.geometry.mcus().1;
            damage(text)
        })?;
        let layout = self.layout();
        let data = &self.out[..rows * self.geometry.output().0 * layout.channels()];
        Ok(Some(Band { data, layout }))
    }
}

fn damage(text: &'static str) -> Error {
    Error::Decode(text.to_owned())
}
