//! How long the steps of one image took.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::decode::{Band, Pixels, Rows};
use crate::error::Result;

/// Wall time of the steps, ms. Decoding and resizing take turns, band by band; each is the sum of its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// bytes to pixels
    pub decode_ms: u64,
    /// scaling, colours, orientation, crop
    pub resize_ms: u64,
    /// pixels to bytes
    pub encode_ms: u64,
}

/// Rows that note how long their decoder takes for them.
pub(super) struct Timed<'a> {
    pub(super) rows: Box<dyn Rows + 'a>,
    pub(super) spent: Rc<Cell<Duration>>,
}

impl Timed<'_> {
    fn note(spent: &Cell<Duration>, started: Instant) {
        spent.set(spent.get() + started.elapsed());
    }
}

impl Rows for Timed<'_> {
    fn next_rows(&mut self) -> Result<Option<Band<'_>>> {
        let started = Instant::now();
        let band = self.rows.next_rows();
        Self::note(&self.spent, started);
        band
    }

    fn take_whole(&mut self) -> Option<Pixels> {
        let started = Instant::now();
        let whole = self.rows.take_whole();
        Self::note(&self.spent, started);
        whole
    }
}
