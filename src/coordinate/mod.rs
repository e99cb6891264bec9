//! One fetch and one encode per variant in the whole fleet.
//!
//! A [`Coordinator`] stands between those who want a variant and the [`Worker`] that makes it: in one process
//! ([`memory`]), in several processes of one machine ([`filesystem`]) or in replicas that share a Redis or Valkey
//! ([`redis`]). Whoever gets to work holds a lease, looks once more whether the variant is there by now, and makes it;
//! the others wait for what comes of it, an error included.
//!
//! Nobody's request fails because the shared storage does: a replica that can't reach it works on its own.

#[cfg(test)]
mod conformance;
mod crew;
mod desk;
pub mod filesystem;
pub mod memory;
pub mod options;
pub(crate) mod outcome;
mod permits;
pub mod redis;
pub mod stats;
#[cfg(test)]
mod test_replica;
#[cfg(test)]
mod test_server;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use options::{Options, Results, Storage};
pub use stats::CoordinatorStats;

use crate::cache::Entry;
use crate::error::Result;
use crate::key::CacheKey;
use crate::request::ImageRequest;

/// Who waits for a job. The order is that of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Urgency {
    /// A client has nothing to look at until it is done.
    Client,
    /// A stale variant was answered; this one is for those who come later.
    Background,
}

/// A variant to make, with all that any replica needs for it. Two jobs of the same key are the same job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Names the variant.
    pub key: CacheKey,
    /// What to make, as [`crate::request::parse`] has let it through.
    pub request: ImageRequest,
    /// Who waits. A client that wants what is queued as background moves it forward.
    pub urgency: Urgency,
}

impl Job {
    /// Where the picture comes from: host and port of an absolute url, empty for all paths of the app. Permits are
    /// shared out by it.
    #[must_use]
    pub fn source(&self) -> String {
        self.request.source()
    }
}

/// What makes variants. It must not own the coordinator that calls it, or neither would ever be dropped.
pub trait Worker: Send + Sync + 'static {
    /// Makes the variant and keeps it: one attempt, without retries of its own. A failure that may heal
    /// ([`crate::Error::may_heal`]) is tried again by the coordinator, here or on another replica.
    ///
    /// With [`Results::InStore`] it returns once the other replicas' `lookup` can find the variant.
    ///
    /// A job may come from another replica, whose config may be another one: what this replica would not let a
    /// client ask for, it refuses here as well.
    ///
    /// `attempt` is 1 for the first of the fleet; failed ones count, and those whose replica died.
    fn make<'a>(&'a self, job: &'a Job, attempt: u32) -> BoxFuture<'a, Result<Arc<Entry>>>;

    /// The variant if it is there and fresh. Asked after a lease was got and after another replica has finished,
    /// so an absence that was remembered from an earlier look does not count: it looks again.
    fn lookup<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<Arc<Entry>>>;
}

/// Who made a variant, as seen from the caller of [`Coordinator::make`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This call's job was worked by this process.
    Us,
    /// Another call's job, another process, or somebody who had finished just before.
    Another,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The variant.
    pub entry: Arc<Entry>,
    /// Who made it.
    pub by: By,
}

/// The coordinator over this storage.
///
/// # Errors
/// [`crate::Error::InvalidOption`] for a folder that can't be written to, a url that can't be used, credentials that are
/// refused, and a cluster. A server that does not answer is no error: it may come later.
pub async fn open(
    storage: &Storage,
    options: Options,
    worker: Arc<dyn Worker>,
) -> Result<Arc<dyn Coordinator>> {
    Ok(match storage {
        Storage::Memory => Arc::new(memory::Memory::new(options, worker)),
        Storage::Filesystem(dir) => Arc::new(filesystem::Filesystem::open(dir, options, worker)?),
        Storage::Redis { url, prefix } => Arc::new(redis::Redis::open(url, prefix, options, worker).await?),
    })
}

/// Sees to it that a variant which many want at once is made once.
pub trait Coordinator: Send + Sync {
    /// The variant, made by whoever gets to it first. Call it once for every request: calls for the same key share
    /// the work. A dropped call gives up its place; work that nobody waits for any more and that has not begun is
    /// taken out of the queue, what has begun goes on.
    ///
    /// # Errors
    /// Those of the worker, wherever it ran; [`crate::Error::Timeout`] when `deadline` passes (for this caller only);
    /// [`crate::Error::Overloaded`] when [`Options::max_queue`] jobs wait here already; [`crate::Error::Aborted`]
    /// when the runtime stops; [`crate::Error::Panic`] when the worker panicked, or when five processes died
    /// while they worked on it.
    fn make(&self, job: Job, deadline: Instant) -> BoxFuture<'_, Result<Made>>;

    /// What has happened since the start, and what is going on now.
    fn stats(&self) -> CoordinatorStats;

    /// Takes no more jobs of other replicas, waits until no job is under way here, and lets go of the shared storage.
    /// Jobs that clients of this process wait for are finished, those that come in meanwhile included.
    fn close(&self) -> BoxFuture<'_, ()>;
}
