//! What the handler hands back, and what it tells an observer.

use std::sync::Arc;
use std::time::Duration;

use super::Asked;
use crate::cache::Entry;
use crate::error::Error;
use crate::key::CacheKey;
use crate::response::{Answer, CacheStatus};

/// The answer to one request, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What goes back to the client, as Next words it.
    pub answer: Answer,
    /// The variant's key; `None` when there is no variant.
    pub key: Option<CacheKey>,
    /// Where it came from; `None` when there is none.
    pub status: Option<CacheStatus>,
    /// Why there is none.
    pub error: Option<Error>,
}

/// A variant that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: CacheKey,
    /// The variant.
    pub entry: Arc<Entry>,
    /// Where it came from.
    pub status: CacheStatus,
    /// Does this request have something made behind the answer: this variant anew, or the one that was asked for?
    pub revalidating: bool,
    /// Set where it is answered in place of the one that was asked for: how long a client may keep it, seconds.
    pub for_now_secs: Option<u64>,
}

impl Found {
    pub(super) fn new(asked: &Asked, entry: Arc<Entry>, status: CacheStatus) -> Self {
        Self { key: asked.key.clone(), entry, status, revalidating: false, for_now_secs: None }
    }
}

/// How long the steps of one variant took. Those of the image itself are measured in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps {
    /// Waiting for a thread and for memory.
    pub queue: Duration,
    /// The source.
    pub fetch: Duration,
    /// Bytes to pixels.
    pub decode: Duration,
    /// Scaling, colours, orientation, crop.
    pub resize: Duration,
    /// Pixels to bytes.
    pub encode: Duration,
}

/// What became of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MadeHow {
    /// Decoded and encoded.
    Optimized,
    /// Passed through by rule.
    Bypass,
    /// Served as it came because optimizing failed.
    Fallback,
    /// It had not changed, so the variant was kept.
    Unchanged,
}

impl MadeHow {
    /// As logs and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Optimized => "optimized",
            Self::Bypass => "bypass",
            Self::Fallback => "fallback",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One variant that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its key.
    pub key: CacheKey,
    /// What became of the source.
    pub how: MadeHow,
    /// Extension of what the source is, `unknown` where that can't be told.
    pub source_format: &'static str,
    /// Length of the source.
    pub source_bytes: u64,
    /// How long it took.
    pub steps: Steps,
}

/// Told of every variant that is made; called on the threads that do I/O, so it must be quick.
pub trait Observer: Send + Sync {
    /// One more.
    fn made(&self, made: &Made);
}
