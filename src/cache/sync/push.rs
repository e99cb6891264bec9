//! From this process into the bucket: a bounded queue, a few uploads at once, and the manifest behind them.

mod allowance;
mod options;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use self::allowance::Allowance;
pub use self::options::{PushOptions, PushStats};
use self::queue::{Job, Pending, Queue};
use super::index::Index;
use super::manifest::blocking;
use super::manifest_writer::ManifestWriter;
use super::rarely::log_rarely;
use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::cache::filesystem::Filesystem;
use crate::cache::object::Bucket;
use crate::error::Result;
use crate::key::CacheKey;
use crate::log::Logger;

/// A job is tried this often; each try is a [`Bucket::save`], which has its own retries and waits for the breaker.
const TRIES: u32 = 3;

/// Puts variants into the bucket, in the background. Dropping it stops it at once; [`Pusher::stop`] is kinder.
pub struct Pusher {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    bucket: Bucket,
    disk: Arc<Filesystem>,
    index: Arc<Index>,
    options: PushOptions,
    logger: Logger,
    queue: Mutex<Queue>,
    allowance: Allowance,
    counters: Counters,
    closed: AtomicBool,
    /// [`PushOptions::remove_remote`], which may be asked for later as well.
    removes: AtomicBool,
    /// A job came, or one ended.
    changed: Notify,
    /// The same, for those who wait for room or for the end.
    progressed: Notify,
    /// Jobs were given up that a look into the folder would find again.
    rescan: Notify,
    manifest: ManifestWriter,
}

#[derive(Default)]
struct Counters {
    pushed: AtomicU64,
    removed: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    bytes: AtomicU64,
}

impl Pusher {
    /// Starts pushing; call it on a tokio runtime. `disk` is where [`Pusher::offer_file`] finds its files, and what
    /// [`CacheSync`](super::CacheSync) restores into and watches.
    #[must_use]
    pub fn start(
        bucket: Bucket,
        disk: Arc<Filesystem>,
        index: Arc<Index>,
        options: PushOptions,
        logger: Logger,
    ) -> Self {
        let manifest = ManifestWriter::new(bucket.clone(), Arc::clone(&index), logger.clone());
        let shared = Arc::new(Shared {
            manifest,
            bucket,
            disk,
            index,
            allowance: Allowance::new(options.hourly_bytes),
            options,
            logger,
            queue: Mutex::new(Queue::new(options.queue, options.queue_bytes)),
            counters: Counters::default(),
            closed: AtomicBool::new(false),
            removes: AtomicBool::new(options.remove_remote),
            changed: Notify::new(),
            progressed: Notify::new(),
            rescan: Notify::new(),
        });
        let tasks = vec![
            tokio::spawn(Arc::clone(&shared).upload_all()),
            tokio::spawn({
                let shared = Arc::clone(&shared);
                async move { shared.manifest.run().await }
            }),
        ];
        Self { shared, tasks: Mutex::new(tasks) }
    }

    /// Puts this entry into the bucket soon. Of several for one key the newest gets there. A fallback is left out, and
    /// so is what the bucket has. Never blocks.
    pub fn offer(&self, key: &CacheKey, entry: Arc<Entry>) {
        let is_wanted = entry.fallback.is_none()
            && FileName::of(&entry).is_ok_and(|name| !self.shared.index.settled.contains(key, &name));
        if is_wanted {
            self.put(key, Job::Entry(entry));
        }
    }

    /// The same for a file of the folder. Nothing happens when it turns out to be gone or not whole.
    pub fn offer_file(&self, key: &CacheKey, name: FileName) {
        if name.fallback.is_none() && !self.shared.index.settled.contains(key, &name) {
            self.put(key, Job::File(name));
        }
    }

    /// Takes the key out of the bucket soon, if [`PushOptions::remove_remote`] says so.
    pub fn offer_removal(&self, key: &CacheKey) {
        if self.shared.removes.load(Ordering::Relaxed) {
            self.put(key, Job::Remove);
        }
    }

    /// Turns [`PushOptions::remove_remote`] on from now on, for whoever comes to a pusher that others have started.
    pub fn remove_remote(&self) {
        self.shared.removes.store(true, Ordering::Relaxed);
    }

    fn put(&self, key: &CacheKey, job: Job) {
        if self.shared.closed.load(Ordering::Relaxed) {
            return;
        }
        let given_up = self.shared.queue().put(key, job);
        self.shared.give_up(given_up);
        self.shared.changed.notify_one();
    }

    /// Waits until everything that was offered is in the bucket or has failed, and the manifest is written, but no
    /// longer than `budget`. Returns whether nothing is left. A bucket that is left alone is tried again at once.
    pub async fn flush(&self, budget: Duration) -> bool {
        self.shared.bucket.hurry();
        timeout(budget, self.finish()).await.is_ok()
    }

    /// Waits until what was offered for this key is in the bucket or has failed, but no longer than `budget`.
    pub async fn flush_key(&self, key: &CacheKey, budget: Duration) {
        let _ = timeout(budget, self.until(|queue| !queue.has(key))).await;
    }

    async fn finish(&self) {
        self.until(Queue::is_idle).await;
        self.shared.manifest.write().await;
    }

    /// Takes no more, [flushes](Pusher::flush), and ends. Returns whether nothing is left.
    pub async fn stop(&self, budget: Duration) -> bool {
        self.shared.closed.store(true, Ordering::Relaxed);
        let done = self.flush(budget).await;
        self.abort();
        done
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> PushStats {
        let counters = &self.shared.counters;
        PushStats {
            queued: self.shared.queue().len() as u64,
            pushed: counters.pushed.load(Ordering::Relaxed),
            removed: counters.removed.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            given_up: counters.given_up.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
        }
    }

    /// Where it pushes to.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.shared.bucket
    }

    /// The folder in front of the bucket.
    #[must_use]
    pub fn disk(&self) -> &Arc<Filesystem> {
        &self.shared.disk
    }

    /// What is known of the bucket; it learns from every push.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.shared.index
    }

    /// Where it tells of failures.
    #[must_use]
    pub fn logger(&self) -> &Logger {
        &self.shared.logger
    }

    /// Waits until another job can come without one being given up.
    pub(super) async fn room(&self) {
        self.until(Queue::has_room).await;
    }

    /// Waits until jobs were given up that a look into the folder would find again.
    pub(super) async fn rescan_wanted(&self) {
        self.shared.rescan.notified().await;
    }

    async fn until(&self, is_so: impl Fn(&Queue) -> bool) {
        loop {
            let progressed = self.shared.progressed.notified();
            tokio::pin!(progressed);
            progressed.as_mut().enable();
            if is_so(&self.shared.queue()) {
                return;
            }
            progressed.await;
        }
    }

    fn abort(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.abort();
    }
}

/// What a job came to.
enum Done {
    Pushed {
        name: FileName,
        bytes: u64,
    },
    Removed,
    /// There was nothing to do.
    Needless,
    /// The hour's bytes are used up.
    Refused,
}

/// Says that the job of a key is over, however it ends.
struct Running {
    shared: Arc<Shared>,
    key: CacheKey,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.queue().done(&self.key);
        self.shared.changed.notify_one();
        self.shared.progressed.notify_waiters();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that holds it panics halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn upload_all(self: Arc<Self>) {
        let mut uploads = JoinSet::new();
        loop {
            while uploads.len() < self.options.concurrency.max(1) {
                let Some((key, pending)) = self.queue().take() else { break };
                uploads.spawn(Arc::clone(&self).upload(key, pending));
            }
            self.progressed.notify_waiters();
            tokio::select! {
                Some(_) = uploads.join_next(), if !uploads.is_empty() => {}
                () = self.changed.notified() => {}
            }
        }
    }

    async fn upload(self: Arc<Self>, key: CacheKey, mut pending: Pending) {
        let _running = Running { shared: Arc::clone(&self), key: key.clone() };
        match self.carry_out(&key, &pending.job).await {
            Ok(Done::Pushed { name, bytes }) => {
                self.index.note_pushed(&key, name, bytes);
                self.counters.pushed.fetch_add(1, Ordering::Relaxed);
                self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.manifest.note_change();
            }
            Ok(Done::Removed) => {
                self.counters.removed.fetch_add(1, Ordering::Relaxed);
                self.manifest.note_change();
            }
            Ok(Done::Needless) => {}
            Ok(Done::Refused) => {
                let before = self.counters.given_up.fetch_add(1, Ordering::Relaxed);
                log_rarely(&self.logger, "push_limit", before, 1, || {
                    format!(
                        "more than {} bytes would go into the bucket within an hour",
                        self.options.hourly_bytes
                    )
                });
            }
            Err(error) => {
                pending.failures += 1;
                if pending.failures < TRIES {
                    let given_up = self.queue().put_back(&key, pending);
                    self.give_up(given_up);
                } else {
                    let before = self.counters.failed.fetch_add(1, Ordering::Relaxed);
                    log_rarely(&self.logger, "push_failed", before, 1, || {
                        format!("can't push {key}: {error}")
                    });
                }
            }
        }
    }

    async fn carry_out(&self, key: &CacheKey, job: &Job) -> Result<Done> {
        let entry = match job {
            Job::Entry(entry) => Arc::clone(entry),
            Job::File(name) => match self.read(key, name).await? {
                Some(entry) => Arc::new(entry),
                None => return Ok(Done::Needless),
            },
            Job::Remove => {
                if let Some((name, _)) = self.index.find(key) {
                    self.index.forget(key, &name);
                }
                self.index.settled.remove(key);
                self.bucket.remove(key).await?;
                return Ok(Done::Removed);
            }
        };
        let name = FileName::of(&entry)?;
        if !self.allowance.take(entry.body.len() as u64) {
            return Ok(Done::Refused);
        }
        self.bucket.save(key, &entry).await?;
        Ok(Done::Pushed { name, bytes: entry.body.len() as u64 })
    }

    /// The entry in a file, unless it is gone, not whole, or older than what the bucket is known to have.
    async fn read(&self, key: &CacheKey, name: &FileName) -> Result<Option<Entry>> {
        let known = self.index.find(key);
        if known.is_some_and(|(known, _)| known != *name && known.expires_at_ms >= name.expires_at_ms) {
            self.index.settled.insert(key, name);
            return Ok(None);
        }
        let (disk, key, name) = (Arc::clone(&self.disk), key.clone(), name.clone());
        blocking(move || disk.read_named(&key, &name)).await?
    }

    fn give_up(&self, jobs: u64) {
        if jobs > 0 {
            let before = self.counters.given_up.fetch_add(jobs, Ordering::Relaxed);
            log_rarely(&self.logger, "push_given_up", before, jobs, || {
                format!("more than {} variants wait to be pushed", self.options.queue)
            });
            self.rescan.notify_one();
        }
    }
}
