//! What a bucket has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) gets: Count,
    pub(super) hits: Count,
    pub(super) puts: Count,
    pub(super) deletes: Count,
    pub(super) errors: Count,
    pub(super) damaged: Count,
    pub(super) left_alone: Count,
    pub(super) bytes_read: Count,
    pub(super) bytes_written: Count,
}

/// Numbers for `stats()`, since the bucket was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BucketStats {
    /// Variants asked for by name, answers that there is none included.
    pub gets: u64,
    /// Those that came, sound.
    pub hits: u64,
    /// Objects written.
    pub puts: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Attempts that failed: no answer in time, no connection, or an answer that says no.
    pub errors: u64,
    /// Variants whose bytes were not what their name says.
    pub damaged: u64,
    /// Requests that were not made, because the store had failed several times in a row.
    pub left_alone: u64,
    /// Bytes of objects read.
    pub bytes_read: u64,
    /// Bytes of objects written.
    pub bytes_written: u64,
    /// How often the store was left alone.
    pub outages: u64,
    /// Whether a request would be made now.
    pub available: bool,
}

impl Counters {
    /// `outages` and `available` are the breaker's to tell.
    pub(super) fn snapshot(&self, outages: u64, available: bool) -> BucketStats {
        BucketStats {
            gets: self.gets.now(),
            hits: self.hits.now(),
            puts: self.puts.now(),
            deletes: self.deletes.now(),
            errors: self.errors.now(),
            damaged: self.damaged.now(),
            left_alone: self.left_alone.now(),
            bytes_read: self.bytes_read.now(),
            bytes_written: self.bytes_written.now(),
            outages,
            available,
        }
    }
}
