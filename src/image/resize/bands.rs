//! Lanczos3 over a picture that comes from top to bottom, of which only a few rows are held.
//!
//! Columns are scaled first: a row of the result needs the source rows that lie within three steps of its centre, and
//! each source row is read where it lies. What comes out has the width of the source still; it gathers in a strip, and
//! a full strip is scaled along its rows. Nothing is computed twice.

use std::ops::Range;

use fearless_simd::Level;

use super::columns::{self, Columns};
use super::weights::{self, GROUP, Weights};
use super::{alpha, pixels};
use crate::error::{Error, Result};
use crate::image::decode::{Decoded, Layout, Pixels, Rows};

/// Rows of a strip, which are scaled at once.
const STRIP_ROWS: u32 = columns::SIDE as u32;

/// Fewest source rows that come together before columns are scaled.
const BATCH_ROWS: u32 = 16;

/// What is scaled to what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    /// px of the source
    pub(super) source: (u32, u32),
    /// px of the source that become the result, from its top left corner on
    pub(super) covered: (f64, f64),
    /// px of the result
    pub(super) target: (u32, u32),
}

impl Geometry {
    /// Samples of the source for one of the result, along rows and along columns.
    fn steps(&self) -> (f64, f64) {
        (self.covered.0 / f64::from(self.target.0), self.covered.1 / f64::from(self.target.1))
    }

    /// Source rows that are held at most: what two rows of the result need, and as many as come together.
    fn held_rows(&self) -> u32 {
        let window = weights::window_of_group(self.steps().1);
        window.saturating_add(BATCH_ROWS.max(window / 2)).min(self.source.1)
    }

    /// Bytes that are held beside the source and the result, at most.
    pub(super) fn memory_bytes(&self, channels: u64) -> u64 {
        let (across, down) = self.steps();
        let rows = u64::from(self.held_rows()) + u64::from(STRIP_ROWS);
        rows * u64::from(self.source.0) * channels
            + pixels::SLACK as u64
            + weights::memory_bytes(across, self.target.0)
            + weights::memory_bytes(down, self.target.1)
            + columns::columns_bytes(across, channels)
    }

    /// Nothing is made of nothing, and nothing of what lies outside.
    fn check(&self) -> Result<()> {
        let fits =
            |covered: f64, source: u32| source > 0 && covered > 0.0 && covered <= f64::from(source) + 1e-9;
        let sound = fits(self.covered.0, self.source.0) && fits(self.covered.1, self.source.1);
        if sound && self.target.0 > 0 && self.target.1 > 0 {
            return Ok(());
        }
        Err(Error::Decode(format!("{:?} of {:?} to {:?}", self.covered, self.source, self.target)))
    }
}

/// Scales `decoded` to the target of `geometry`.
///
/// # Errors
/// Those of the decoder, and [`Error::Decode`] when its rows do not fit its size.
pub(super) fn scale(mut decoded: Decoded, geometry: Geometry, level: Level) -> Result<Pixels> {
    geometry.check()?;
    let mut scaler = Scaler::new(geometry, level);
    if let Some(mut whole) = decoded.rows.take_whole() {
        scaler.change_layout(whole.layout)?;
        if whole.layout == Layout::Rgba {
            alpha::multiply(scaler.level, &mut whole.data);
        }
        scaler.advance(&whole.data, 0);
    } else {
        scale_rows(decoded.rows.as_mut(), &mut scaler)?;
    }
    scaler.finish()
}

fn scale_rows(rows: &mut dyn Rows, scaler: &mut Scaler) -> Result<()> {
    let height = scaler.geometry.source.1;
    let most = scaler.geometry.held_rows();
    // What is held, and the numbers of its first row and of the one after its last.
    let mut held = Vec::new();
    let (mut first, mut end) = (0, 0);
    while let Some(band) = rows.next_rows()? {
        if end == 0 {
            scaler.change_layout(band.layout)?;
        } else if band.layout != scaler.layout {
            scaler.layout.turn(&mut held, band.layout)?;
            scaler.change_layout(band.layout)?;
        }
        let row_bytes = scaler.row_bytes();
        if band.data.len() % row_bytes != 0 || band.data.len() / row_bytes > (height - end) as usize {
            return Err(Error::Decode(format!("{} bytes of rows after {end} rows", band.data.len())));
        }
        let mut rest = band.data;
        while !rest.is_empty() {
            let room = (most - (end - first)) as usize * row_bytes;
            let (part, after) = rest.split_at(room.min(rest.len()));
            rest = after;
            let start = held.len();
            held.reserve_exact(most as usize * row_bytes - start);
            held.extend_from_slice(part);
            if scaler.layout == Layout::Rgba {
                alpha::multiply(scaler.level, &mut held[start..]);
            }
            end += (part.len() / row_bytes) as u32;
            if end - first == most || end == height {
                scaler.advance(&held, first);
                let needed = scaler.first_needed().clamp(first, end);
                held.drain(..(needed - first) as usize * row_bytes);
                first = needed;
            }
        }
    }
    Ok(())
}

struct Scaler {
    geometry: Geometry,
    layout: Layout,
    level: Level,
    /// of the columns, in groups of rows, and of the rows
    weights: (Weights, Weights),
    /// rows of the result, as wide as the source
    strip: Vec<u8>,
    /// rows in `strip`
    gathered: u32,
    /// rows of the result that are in `strip` or were
    begun: u32,
    columns: Columns,
    /// the result's finished rows
    data: Vec<u8>,
}

impl Scaler {
    fn new(geometry: Geometry, level: Level) -> Self {
        let Geometry { source, covered, target } = geometry;
        Self {
            geometry,
            layout: Layout::Luma,
            level,
            weights: (
                Weights::new(source.1, covered.1, target.1),
                Weights::new(source.0, covered.0, target.0),
            ),
            strip: Vec::new(),
            gathered: 0,
            begun: 0,
            columns: Columns::default(),
            data: Vec::new(),
        }
    }

    /// From here on the source's rows have this layout, which once there were rows can only be RGBA.
    fn change_layout(&mut self, layout: Layout) -> Result<()> {
        let target = self.geometry.target;
        let (from, gathered) = (self.layout, self.gathered as usize * self.row_bytes());
        self.layout = layout;
        let strip = STRIP_ROWS as usize * self.row_bytes() + pixels::SLACK;
        let result = target.0 as usize * target.1 as usize * layout.channels();
        self.strip.truncate(gathered);
        self.strip.reserve_exact(strip - gathered);
        self.data.reserve_exact(result - self.data.len());
        if self.begun > 0 {
            from.turn(&mut self.strip, layout)?;
            from.turn(&mut self.data, layout)?;
        }
        self.strip.resize(strip, 0);
        Ok(())
    }

    /// Of the source and of the strip.
    fn row_bytes(&self) -> usize {
        self.geometry.source.0 as usize * self.layout.channels()
    }

    /// The group of rows that comes next.
    fn next_group(&self) -> usize {
        (self.begun as usize).div_ceil(GROUP)
    }

    /// The first source row that the rest of the result needs.
    fn first_needed(&self) -> u32 {
        let columns = &self.weights.0;
        if self.begun < self.geometry.target.1 { columns.window(self.next_group()).start } else { u32::MAX }
    }

    /// Makes what can be made of `rows`, the source's from number `first` on.
    fn advance(&mut self, rows: &[u8], first: u32) {
        let end = first + (rows.len() / self.row_bytes()) as u32;
        loop {
            let columns = &self.weights.0;
            let room = (STRIP_ROWS - self.gathered) as usize / GROUP;
            let begin = self.next_group();
            let ready = (begin..columns.groups())
                .take(room)
                .take_while(|group| columns.window(*group).end <= end)
                .count();
            if ready == 0 {
                return;
            }
            self.scale_columns(rows, first, begin..begin + ready);
            if self.gathered == STRIP_ROWS || self.begun == self.geometry.target.1 {
                self.scale_along_rows();
            }
        }
    }

    /// Adds `groups` of rows to the strip, of `rows`, the source's from number `first` on.
    fn scale_columns(&mut self, rows: &[u8], first: u32, groups: Range<usize>) {
        let row_bytes = self.row_bytes();
        let count = (groups.len() * GROUP) as u32;
        let place = &mut self.strip[self.gathered as usize * row_bytes..][..count as usize * row_bytes];
        columns::along_columns(self.level, &self.weights.0, groups, (rows, first), row_bytes, place);
        // What the last group has beyond the result is made and left.
        let count = count.min(self.geometry.target.1 - self.begun);
        self.gathered += count;
        self.begun += count;
    }

    /// Empties the strip into the result.
    fn scale_along_rows(&mut self) {
        let channels = self.layout.channels();
        let (row_bytes, out_bytes) = (self.row_bytes(), self.geometry.target.0 as usize * channels);
        let start = self.data.len();
        self.data.resize(start + self.gathered as usize * out_bytes, 0);
        let place = &mut self.data[start..];
        let strip = (self.strip.as_slice(), row_bytes);
        let weights = &self.weights.1;
        if pixels::fit(weights, self.geometry.source.0 as usize, channels) {
            pixels::along_rows(self.level, weights, channels, strip, (&mut *place, out_bytes));
        } else {
            let columns = &mut self.columns;
            columns::along_rows(self.level, weights, channels, strip, columns, (&mut *place, out_bytes));
        }
        if self.layout == Layout::Rgba {
            alpha::divide(self.level, place);
        }
        self.gathered = 0;
    }

    fn finish(self) -> Result<Pixels> {
        let (width, height) = self.geometry.target;
        if self.begun < height {
            return Err(Error::Decode("the picture ends too early".to_owned()));
        }
        Pixels::checked(self.data, width, height, self.layout)
    }
}
