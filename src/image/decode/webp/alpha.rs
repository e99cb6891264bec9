//! The transparency of a lossy WebP: a plane of its own (RFC 9649, 2.7.1.2).

#![expect(
    clippy::inline_always,
    reason = "what is not inlined loses the instructions of its caller's level, and its registers"
)]

use super::lossless::rows::Plane;
use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// A plane of alpha, row by row.
pub(super) struct Alpha<'a> {
    samples: Samples<'a>,
    filter: u8,
    /// rows given out already
    done: usize,
    /// the last of them
    above: Vec<u8>,
}

/// What the rows differ by from what their neighbours predict.
enum Samples<'a> {
    Raw(&'a [u8]),
    Lossless(Plane),
}

/// What is coded like a lossless picture in the data of a chunk `ALPH`, if it is.
pub(super) fn lossless_stream(chunk: &[u8]) -> Option<&[u8]> {
    match chunk {
        [head, stream @ ..] if head & 3 == 1 => Some(stream),
        _ => None,
    }
}

impl<'a> Alpha<'a> {
    /// Starts to read the data of a chunk `ALPH`.
    ///
    /// # Errors
    /// [`Error::Decode`] for damage, [`Error::Aborted`], [`Error::Timeout`].
    pub(super) fn new(chunk: &'a [u8], size: (u32, u32), progress: &Progress) -> Result<Self> {
        let damaged = |what: &str| Error::Decode(format!("WebP with {what}"));
        let (&[head], data) = chunk.split_first_chunk().ok_or_else(|| damaged("an empty plane of alpha"))?;
        let samples = match (head & 3, lossless_stream(chunk)) {
            (_, Some(stream)) => Samples::Lossless(Plane::read(stream, size, progress)?),
            (0, None) => {
                let area = size.0 as usize * size.1 as usize;
                Samples::Raw(data.get(..area).ok_or_else(|| damaged("a plane of alpha that ends too early"))?)
            }
            _ => return Err(damaged("alpha of an unknown kind")),
        };
        Ok(Self { samples, filter: head >> 2 & 3, done: 0, above: vec![0; size.0 as usize] })
    }

    /// Fills the next row, of which there are as many as the picture has.
    #[inline(always)]
    pub(super) fn next_row(&mut self, row: &mut [u8]) {
        match &self.samples {
            Samples::Raw(plane) => row.copy_from_slice(&plane[self.done * row.len()..][..row.len()]),
            Samples::Lossless(plane) => plane.row(self.done, row),
        }
        if self.filter != 0 {
            // Above the first row there is nothing, so that only the left predicts.
            let filter = if self.done == 0 { 1 } else { self.filter };
            unfilter(row, &self.above, filter);
            self.above.copy_from_slice(row);
        }
        self.done += 1;
    }
}

/// Adds to each sample what its neighbours predict.
#[inline(always)]
fn unfilter(row: &mut [u8], above: &[u8], filter: u8) {
    // The first one has none on the left.
    let mut left = above.first().copied().unwrap_or(0);
    match filter {
        1 => {
            for sample in row {
                left = left.wrapping_add(*sample);
                *sample = left;
            }
        }
        2 => {
            for (sample, above) in row.iter_mut().zip(above) {
                *sample = sample.wrapping_add(*above);
            }
        }
        _ => {
            let mut corner = left;
            for (sample, &above) in row.iter_mut().zip(above) {
                let predicted = i16::from(above) - i16::from(corner) + i16::from(left);
                left = sample.wrapping_add(predicted.clamp(0, 255) as u8);
                *sample = left;
                corner = above;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunk: &[u8], size: (u32, u32)) -> Result<Vec<u8>> {
        let mut alpha = Alpha::new(chunk, size, &Progress::unbounded())?;
        let mut plane = vec![0; size.0 as usize * size.1 as usize];
        plane.chunks_mut(size.0 as usize).for_each(|row| alpha.next_row(row));
        Ok(plane)
    }

    #[test]
    fn raw_planes_are_read_by_each_filter() {
        for (filter, expected) in [
            (0, [10, 1, 2, 20, 3, 4]),
            (1, [10, 11, 13, 30, 33, 37]),
            (2, [10, 11, 13, 30, 14, 17]),
            (3, [10, 11, 13, 30, 34, 40]),
        ] {
            let chunk = [filter << 2, 10, 1, 2, 20, 3, 4];
            assert_eq!(read(&chunk, (3, 2)).expect("the plane is whole"), expected, "filter {filter}");
        }
    }

    #[test]
    fn damaged_planes_are_errors() {
        for chunk in [&[][..], &[0, 255], &[1], &[1, 0xff, 0xff], &[2, 255, 255]] {
            assert!(matches!(read(chunk, (2, 1)), Err(Error::Decode(_))), "{chunk:?}");
        }
    }
}
