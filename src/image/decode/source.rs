//! The input as a reader, which stops when its job should.
//!
//! Most decoders have no hook for cancellation, but all of them read: a reader that fails once
//! [`Progress::check`] does ends every loop that still consumes input.

use std::fmt::Display;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::error::Error;
use crate::image::limits::Progress;

/// Bytes between two looks at the clock; a few microseconds of decoding.
pub(super) const COARSE: usize = 16 << 10;

/// The same for JPEG, where one scan of a huge image can be a few hundred bytes.
pub(super) const FINE: usize = 256;

/// A cursor over the input that checks `progress` every `interval` bytes.
pub(super) struct Source<'a> {
    input: &'a [u8],
    /// what may be read before the next check
    window: &'a [u8],
    /// where the window ends in the input, or where a seek went beyond it
    end: usize,
    interval: usize,
    progress: &'a Progress,
}

impl<'a> Source<'a> {
    /// `interval` is [`COARSE`] or [`FINE`].
    pub(super) fn new(input: &'a [u8], interval: usize, progress: &'a Progress) -> Self {
        Self { input, window: &[], end: 0, interval, progress }
    }

    /// How many bytes were read or skipped so far.
    pub(super) fn position(&self) -> usize {
        self.end - self.window.len()
    }

    fn set_window(&mut self, position: usize, len: usize) {
        let rest = self.input.get(position..).unwrap_or_default();
        self.window = &rest[..rest.len().min(len)];
        self.end = position + self.window.len();
    }

    /// Checks, and opens a window of at least `len` bytes if the input has them.
    fn renew(&mut self, len: usize) -> io::Result<()> {
        self.progress.check().map_err(io::Error::other)?;
        self.set_window(self.position(), self.interval.max(len));
        Ok(())
    }
}

impl Read for Source<'_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let window = self.fill_buf()?;
        let len = buf.len().min(window.len());
        buf[..len].copy_from_slice(&window[..len]);
        self.consume(len);
        Ok(len)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        // jpeg-decoder reads byte by byte; without this it takes a sixth longer.
        if let [byte] = buf
            && let Some((next, window)) = self.window.split_first()
        {
            *byte = *next;
            self.window = window;
            return Ok(());
        }
        if self.window.len() < buf.len() {
            self.renew(buf.len())?;
        }
        let Some((bytes, window)) = self.window.split_at_checked(buf.len()) else {
            self.window = &[];
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        buf.copy_from_slice(bytes);
        self.window = window;
        Ok(())
    }
}

impl BufRead for Source<'_> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.window.is_empty() {
            self.renew(0)?;
        }
        Ok(self.window)
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        self.window = self.window.get(amount..).unwrap_or_default();
    }
}

impl Seek for Source<'_> {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => usize::try_from(offset).ok(),
            SeekFrom::End(offset) => {
                isize::try_from(offset).ok().and_then(|offset| self.input.len().checked_add_signed(offset))
            }
            SeekFrom::Current(offset) => {
                isize::try_from(offset).ok().and_then(|offset| self.position().checked_add_signed(offset))
            }
        };
        // Half the address space is far beyond any input and leaves room to add to it.
        match position {
            Some(position) if isize::try_from(position).is_ok() => {
                // Only reading opens a new window, or seeking to and fro would put the check off for ever.
                self.set_window(position, self.window.len());
                Ok(position as u64)
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "seek out of range")),
        }
    }
}

/// What the failure of a decoder that read from a [`Source`] means: that the job was to stop, or else that
/// the input is damaged.
pub(super) fn failed(progress: &Progress, error: impl Display) -> Error {
    progress.check().err().unwrap_or_else(|| Error::Decode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::image::limits::Limits;

    #[test]
    fn reading_stops_within_an_interval_of_being_cancelled() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let progress = Progress::start(&Limits::default(), Arc::clone(&cancelled));
        let input = vec![7; 10 * FINE];
        let mut source = Source::new(&input, FINE, &progress);
        let mut byte = [0];
        source.read_exact(&mut byte).expect("not cancelled yet");
        cancelled.store(true, Ordering::Relaxed);
        let mut read = 1;
        while source.read_exact(&mut byte).is_ok() {
            read += 1;
        }
        assert_eq!(read, FINE);
        assert!(source.fill_buf().is_err());
        assert_eq!(failed(&progress, "anything"), Error::Aborted);
    }

    #[test]
    fn seeking_to_and_fro_does_not_put_the_check_off() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let progress = Progress::start(&Limits::default(), Arc::clone(&cancelled));
        let input = vec![7; 10 * FINE];
        let mut source = Source::new(&input, FINE, &progress);
        let mut four = [0; 4];
        let mut reads = 0;
        while source.read_exact(&mut four).is_ok() {
            cancelled.store(true, Ordering::Relaxed);
            reads += 1;
            assert_eq!(source.stream_position().expect("it is known"), 4);
            source.seek(SeekFrom::Current(-4)).expect("to the start");
        }
        assert_eq!(reads, FINE / 4);
    }

    #[test]
    fn the_end_of_the_input_is_an_end_of_file() {
        let progress = Progress::unbounded();
        let mut source = Source::new(b"abc", COARSE, &progress);
        let mut four = [0; 4];
        assert_eq!(source.read_exact(&mut four).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        source.seek(SeekFrom::Start(1)).expect("inside");
        assert_eq!(source.read(&mut four).expect("two are left"), 2);
        source.seek(SeekFrom::Start(100)).expect("beyond the end is no error");
        assert_eq!(source.fill_buf().expect("nothing there"), b"");
        assert!(source.seek(SeekFrom::Start(u64::MAX)).is_err());
        assert!(source.seek(SeekFrom::Current(-101)).is_err());
    }
}
