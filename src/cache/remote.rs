//! The bucket as the tiers of this machine use it: asked when they have nothing, told of all that is made.

mod vain;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::vain::{Vain, VainLooks};
use super::Entry;
use super::filesystem::Filesystem;
use super::object::attempts::REQUEST_BUDGET;
use super::object::{Bucket, StoreConfig};
use super::sync::{Index, PushOptions, Pusher, load_manifest};
use crate::error::{Error, Result};
use crate::key::CacheKey;
use crate::log::{Level, Logger};
use crate::stats::Counter;

/// Which entry of the bucket is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A stale one as well.
    Any,
    /// A fresh one.
    Fresh,
}

/// One bucket behind one folder. All that use this pair in a process share it, and with it the connections, the
/// breaker, the index and the queue.
pub struct Remote {
    pusher: Arc<Pusher>,
    vain: VainLooks,
    counts: Counts,
    logger: Logger,
    _learning: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: Counter,
    misses: Counter,
    errors: Counter,
}

/// What has come of the looks into the bucket and of the pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoteStats {
    /// Looks that brought an entry.
    pub hits: u64,
    /// Looks that brought nothing of use.
    pub misses: u64,
    /// Looks that failed.
    pub errors: u64,
    /// Entries written.
    pub pushes: u64,
    /// Entries that could not be written.
    pub push_errors: u64,
    /// Entries that wait to be written.
    pub queued: u64,
}

/// Where a [`Remote`] is, and what else it needs once it is opened.
pub struct RemoteOptions<'a> {
    /// The bucket.
    pub store: &'a StoreConfig,
    /// The folder in front of it; see [`Filesystem::open`].
    pub dir: &'a Path,
    /// Bytes in the folder; see [`Filesystem::open`].
    pub limit_bytes: Option<u64>,
    /// How variants are pushed.
    pub push: PushOptions,
    /// Told of what fails.
    pub logger: Logger,
}

/// One that may be in use, by what it was opened with.
type Opened = (String, Weak<Remote>);

impl Remote {
    /// The one that is in use for this bucket and this folder, or a new one; whose options count is whoever's were
    /// first, except that removals in the bucket happen once anybody asks for them. Call it on a tokio runtime.
    ///
    /// Makes no request, so that a server's start does not wait for the bucket; the connection and the manifest come in
    /// the background.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the bucket can't be opened.
    pub fn open(options: &RemoteOptions<'_>) -> Result<Arc<Self>> {
        static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());
        // No code that holds it panics halfway through a change.
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|(_, remote)| remote.strong_count() > 0);
        let place = format!("{} {}", options.store.identity(), options.dir.display());
        let found = opened.iter().find(|(other, _)| *other == place);
        if let Some(remote) = found.and_then(|(_, remote)| remote.upgrade()) {
            if options.push.remove_remote {
                remote.pusher.remove_remote();
            }
            return Ok(remote);
        }
        let bucket = Bucket::open_logging(options.store, options.logger.clone())?;
        let disk = Arc::new(Filesystem::open(options.dir, options.limit_bytes));
        let hourly_bytes = options.store.push_bytes_per_hour.unwrap_or(options.push.hourly_bytes);
        let push = PushOptions { hourly_bytes, ..options.push };
        let remote = Arc::new(Self::start(bucket, disk, push, options.logger.clone()));
        opened.push((place, Arc::downgrade(&remote)));
        Ok(remote)
    }

    fn start(bucket: Bucket, disk: Arc<Filesystem>, push: PushOptions, logger: Logger) -> Self {
        let index = Arc::new(Index::default());
        let learning = tokio::spawn({
            let (bucket, index, logger) = (bucket.clone(), Arc::clone(&index), logger.clone());
            async move {
                bucket.warm().await;
                if let Err(error) = load_manifest(&bucket, &index).await {
                    logger.write_error(Level::Warn, "manifest_failed", &error);
                }
            }
        });
        Self {
            pusher: Arc::new(Pusher::start(bucket, disk, index, push, logger.clone())),
            vain: VainLooks::new(),
            counts: Counts::default(),
            logger,
            _learning: AbortOnDropHandle::new(learning),
        }
    }

    /// The bucket's entry of this key, within [`REQUEST_BUDGET`]. A bucket that fails has none: that costs speed only.
    ///
    /// What was looked for in vain is not looked for again for ten seconds, unless the bucket failed; after failures in
    /// a row the bucket's own breaker decides when it is asked again.
    pub async fn load(&self, key: &CacheKey, wanted: Wanted, now_ms: u64) -> Option<Entry> {
        let least = match wanted {
            Wanted::Any => Vain::Absent,
            Wanted::Fresh => Vain::Stale,
        };
        if self.vain.knows(key, least) || !self.bucket().is_available() {
            return None;
        }
        let found = match self.find(key, wanted, now_ms).await {
            Ok(found) => found,
            Err(error) => {
                self.counts.errors.add(1);
                self.logger.write_error(Level::Warn, "bucket_failed", &error);
                return None;
            }
        };
        match &found {
            None => self.vain.note(key, Vain::Absent),
            Some(entry) if entry.is_stale(now_ms) => self.vain.note(key, Vain::Stale),
            Some(_) => {}
        }
        let useful = found.filter(|entry| wanted == Wanted::Any || !entry.is_stale(now_ms));
        let counter = if useful.is_some() { &self.counts.hits } else { &self.counts.misses };
        counter.add(1);
        useful
    }

    /// One round trip where the name is known, else two or three, all within the budget.
    async fn find(&self, key: &CacheKey, wanted: Wanted, now_ms: u64) -> Result<Option<Entry>> {
        let began = Instant::now();
        let known = self.pusher.index().find(key);
        let known = known.filter(|(name, _)| wanted == Wanted::Any || now_ms <= name.expires_at_ms);
        if let Some((name, bytes)) = known {
            let entry = self.bucket().load_named(key, &name).await?;
            // What was passed through has no hash in its name, only its length tells that it is whole.
            if let Some(entry) = entry.filter(|entry| entry.body.len() as u64 == bytes) {
                self.pusher.index().note_found(key, &entry);
                return Ok(Some(entry));
            }
            if self.bucket().is_available() {
                self.pusher.index().forget(key, &name);
            }
        }
        let left = REQUEST_BUDGET.saturating_sub(began.elapsed());
        let looked = timeout(left, self.bucket().load(key)).await;
        let found = looked.unwrap_or_else(|_| {
            Err(Error::Store(format!("no answer within {} ms", REQUEST_BUDGET.as_millis())))
        })?;
        if let Some(entry) = &found {
            // So that the next look is one round trip, and a watcher does not push what comes from the bucket.
            self.pusher.index().note_found(key, entry);
        }
        Ok(found)
    }

    /// Notes that the variant was answered with.
    pub fn note_use(&self, key: &CacheKey) {
        self.pusher.index().note_use(key);
    }

    /// Notes that the entry is for this machine alone, so that a watcher of its folder does not push it.
    pub fn keep_local(&self, key: &CacheKey, entry: &Entry) {
        self.pusher.index().keep_local(key, entry);
    }

    /// Puts the entry into the bucket soon. One that could not be optimized stays here.
    pub fn push(&self, key: &CacheKey, entry: Arc<Entry>) {
        self.vain.forget(key);
        self.pusher.offer(key, entry);
    }

    /// Waits until what was pushed for this key is there, but no longer than `budget`, and not for a bucket that fails.
    pub async fn pushed(&self, key: &CacheKey, budget: Duration) {
        if self.bucket().is_available() {
            self.pusher.flush_key(key, budget).await;
        }
    }

    /// Forgets that this key was looked for in vain.
    pub fn look_again(&self, key: &CacheKey) {
        self.vain.forget(key);
    }

    /// Waits for at most `budget` until all that was pushed is there; says whether it is.
    pub async fn flush(&self, budget: Duration) -> bool {
        self.pusher.flush(budget).await
    }

    /// What puts variants into the bucket.
    #[must_use]
    pub fn pusher(&self) -> &Arc<Pusher> {
        &self.pusher
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        self.pusher.bucket()
    }

    /// The folder in front of it.
    #[must_use]
    pub fn disk(&self) -> &Arc<Filesystem> {
        self.pusher.disk()
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> RemoteStats {
        let Counts { hits, misses, errors } = &self.counts;
        let push = self.pusher.stats();
        RemoteStats {
            hits: hits.value(),
            misses: misses.value(),
            errors: errors.value(),
            pushes: push.pushed,
            push_errors: push.failed,
            queued: push.queued,
        }
    }
}
