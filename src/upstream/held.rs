//! The memory that sources take from their first byte until nobody needs them any more.
//!
//! A source may have fifty megabytes, and hundreds of requests may wait for a thread with theirs in hand. Decoded pixels
//! have a budget in the pool; this is the one of what comes before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::error::{Error, Result};

/// How many bytes of sources there may be at once, and how many there are.
#[derive(Debug)]
pub struct SourceMemory {
    held_bytes: AtomicU64,
    limit_bytes: u64,
}

impl SourceMemory {
    /// Room for `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self { held_bytes: AtomicU64::new(0), limit_bytes })
    }

    /// Bytes that are there now.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Room for a source of which nothing is there yet.
    #[must_use]
    pub fn start(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), bytes: 0 }
    }
}

/// The room that one source takes, given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    memory: Arc<SourceMemory>,
    bytes: u64,
}

impl Held {
    /// Makes it at least `bytes`.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when all sources together would take more than there may be: whoever waited for room here
    /// would keep what it has from those that it waits for.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        let limit = self.memory.limit_bytes;
        let room = |held: u64| held.checked_add(more).filter(|held| *held <= limit);
        match self.memory.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => {
                self.bytes += more;
                Ok(())
            }
            Err(held) => Err(Error::Overloaded(format!("sources of {held} bytes are in memory already"))),
        }
    }

    /// The body with its room, which it keeps until its last copy is dropped.
    ///
    /// # Errors
    /// Those of [`Held::grow`].
    pub fn keep(mut self, body: impl AsRef<[u8]> + Send + 'static) -> Result<Bytes> {
        self.grow(body.as_ref().len() as u64)?;
        Ok(Bytes::from_owner(Body { body, _held: self }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Body<T> {
    body: T,
    _held: Held,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Body<T> {
    fn as_ref(&self) -> &[u8] {
        self.body.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_beyond_the_room_there_is_are_refused_and_room_comes_back() {
        let memory = SourceMemory::new(100);
        let first = memory.start().keep(vec![1; 60]).unwrap();
        let mut second = memory.start();
        second.grow(40).unwrap();
        assert!(matches!(second.grow(41), Err(Error::Overloaded(_))));
        assert_eq!(memory.held_bytes(), 100);
        drop(second);
        let copy = first.clone();
        drop(first);
        assert_eq!(memory.held_bytes(), 60, "a copy still needs it");
        assert!(matches!(memory.start().keep(vec![0; 41]), Err(Error::Overloaded(_))));
        drop(copy);
        assert_eq!(memory.held_bytes(), 0);
        assert!(matches!(memory.start().grow(u64::MAX), Err(Error::Overloaded(_))));
        assert_eq!(memory.held_bytes(), 0);
    }
}
