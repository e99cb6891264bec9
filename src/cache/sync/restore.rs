//! From the bucket into the folder: the manifest's variants first, then what a listing finds beyond them.

mod source;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::source::{Source, Wanted};
use super::index::Index;
use super::manifest::blocking;
use crate::cache::filesystem::{Accepted, Filesystem};
use crate::cache::object::{Bucket, Fetched};
use crate::key::CacheKey;

/// Downloads at once, by default: more bring little, and each is a connection.
pub const CONCURRENCY: usize = 256;

/// Bodies in memory at once, bytes. A single larger one is taken alone.
const WINDOW_BYTES: u64 = 24 << 20;

/// Files written at once: the threads that write are the ones that read for requests.
const WRITERS: u32 = 4;

/// So many writes may fail in a row before the disk is given up; what else is to come would fail alike.
const DISK_FAILURES: u32 = 3;

/// The same for requests to the store, each of which has been repeated by then.
const STORE_FAILURES: u32 = 8;

/// Progress is told this often at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What bounds a restore. The default bounds nothing but the disk space that is taken.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Downloads at once, 1 or more. Default [`CONCURRENCY`].
    pub concurrency: Option<usize>,
    /// Bytes of bodies to write at most. Default: half of the disk space that is free. The folder's own limit holds as
    /// well.
    pub max_bytes: Option<u64>,
    /// How long it may take. Default: as long as it takes.
    pub deadline: Option<Duration>,
    /// Stops it.
    pub cancel: CancellationToken,
}

/// Why a restore ended before everything was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// [`RestoreOptions::cancel`].
    Cancelled,
    /// [`RestoreOptions::deadline`].
    Deadline,
    /// [`RestoreOptions::max_bytes`], or the limit of the folder.
    MaxBytes,
    /// The folder can't be written; the text says why.
    Disk(String),
    /// The store can't be read; the text says why.
    Store(String),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreProgress {
    /// Variants found in the bucket so far, and whether these are all.
    pub found: u64,
    /// See `found`.
    pub is_found_all: bool,
    /// Variants written.
    pub restored: u64,
    /// Variants that were there already, as new or newer.
    pub skipped: u64,
    /// Variants that could not be had or written.
    pub failed: u64,
    /// Bytes of the bodies written.
    pub bytes: u64,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreReport {
    /// Variants written.
    pub restored: u64,
    /// Variants that were there already, as new or newer.
    pub skipped: u64,
    /// Variants that could not be had or written.
    pub failed: u64,
    /// Bytes of the bodies written.
    pub bytes: u64,
    /// How long it took, milliseconds.
    pub ms: u64,
    /// Why it ended early; `None` when everything is there that could be had.
    pub stopped: Option<Stopped>,
    /// The first failure of a single variant.
    pub failure: Option<String>,
}

/// Brings the bucket's variants into the folder, the hottest first. What the folder has as new stays, what it has older
/// gives way. Each file appears whole or not at all, also when the process ends in the middle of it. Where the bucket
/// has two files of a key, the one written last counts.
///
/// Never fails: the report says what did.
pub async fn restore(
    bucket: &Bucket,
    disk: &Arc<Filesystem>,
    options: &RestoreOptions,
    on_progress: impl FnMut(RestoreProgress) + Send,
) -> RestoreReport {
    run(bucket, disk, &Arc::default(), Reach::Download, options, on_progress).await
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Brings what the folder lacks.
    Download,
    /// Only learns what the bucket has, so that it is not pushed again.
    Compare,
}

/// [`restore`] that tells `index` what the bucket has and which of the folder's files need no pushing.
pub(super) async fn run(
    bucket: &Bucket,
    disk: &Arc<Filesystem>,
    index: &Arc<Index>,
    reach: Reach,
    options: &RestoreOptions,
    mut on_progress: impl FnMut(RestoreProgress) + Send,
) -> RestoreReport {
    let began = Instant::now();
    let job = Arc::new(Job {
        bucket: bucket.patient(),
        disk: Arc::clone(disk),
        index: Arc::clone(index),
        max_bytes: options.max_bytes.or_else(|| disk.half_of_free_bytes()).unwrap_or(u64::MAX),
        window: Arc::new(Semaphore::new(weight(WINDOW_BYTES) as usize)),
        writers: Arc::new(Semaphore::new(WRITERS as usize)),
        counts: Counts::default(),
        failed_hints: Mutex::default(),
    });
    let too_late = async {
        match options.deadline {
            Some(limit) => sleep_until(began + limit).await,
            None => std::future::pending().await,
        }
    };
    let mut failure = None;
    let stopped = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Some(Stopped::Cancelled),
        () = too_late => Some(Stopped::Deadline),
        stopped = transfer(&job, reach, options, &mut failure, &mut on_progress) => stopped.err(),
    };
    // A write that has begun ends, and counts. Nobody closes the semaphore.
    let _all = job.writers.acquire_many(WRITERS).await;
    let progress = job.counts.progress();
    on_progress(progress);
    let RestoreProgress { restored, skipped, failed, bytes, .. } = progress;
    let ms = began.elapsed().as_millis() as u64;
    // What failed by the manifest's word may have come by the listing's.
    let failure = failure.filter(|_| failed > 0);
    RestoreReport { restored, skipped, failed, bytes, ms, stopped, failure }
}

/// What the downloads of one run share.
struct Job {
    bucket: Bucket,
    disk: Arc<Filesystem>,
    index: Arc<Index>,
    max_bytes: u64,
    /// KiB of bodies that may be in memory.
    window: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    counts: Counts,
    /// The manifest's variants that failed, which the listing may know better. No more than the manifest has.
    failed_hints: Mutex<HashSet<CacheKey>>,
}

#[derive(Default)]
struct Counts {
    found: AtomicU64,
    is_found_all: AtomicBool,
    restored: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    /// Bytes written and being written.
    taken_bytes: AtomicU64,
}

impl Counts {
    fn progress(&self) -> RestoreProgress {
        RestoreProgress {
            found: self.found.load(Ordering::Relaxed),
            is_found_all: self.is_found_all.load(Ordering::Relaxed),
            restored: self.restored.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What became of one variant.
enum Outcome {
    Written,
    /// As new is there, or the object went away meanwhile.
    Needless,
    NoRoom,
    Damaged(String),
    DiskFailed(String),
    StoreFailed(String),
}

impl Outcome {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::DiskFailed(_) | Self::StoreFailed(_))
    }
}

/// Ends with `Err` where it ends early.
async fn transfer(
    job: &Arc<Job>,
    reach: Reach,
    options: &RestoreOptions,
    failure: &mut Option<String>,
    on_progress: &mut (impl FnMut(RestoreProgress) + Send),
) -> Result<(), Stopped> {
    let disk = Arc::clone(&job.disk);
    // Without the count of what is there, the folder's limit would not hold.
    let scanned = blocking(move || disk.wait_for_scan()).await;
    scanned.map_err(|error| Stopped::Disk(error.to_string()))?;
    let mut source = Source::open(job, reach).await;
    let concurrency = options.concurrency.unwrap_or(CONCURRENCY).max(1);
    let mut judge = Judge { failure, disk_failures: 0, store_failures: 0 };
    let first = source.first();
    pass(job, first, concurrency, &mut judge, on_progress).await?;
    pass(job, source.corrections(), concurrency, &mut judge, on_progress).await?;
    source.finish().await.map_err(|error| Stopped::Store(error.to_string()))
}

/// Downloads everything that `wanted` gives.
async fn pass(
    job: &Arc<Job>,
    wanted: BoxStream<'static, Result<Wanted, Outcome>>,
    concurrency: usize,
    judge: &mut Judge<'_>,
    on_progress: &mut (impl FnMut(RestoreProgress) + Send),
) -> Result<(), Stopped> {
    let is_full = AtomicBool::new(false);
    let outcomes = wanted
        .take_while(|_| ready(!is_full.load(Ordering::Relaxed)))
        .map(|wanted| outcome_of(job, wanted))
        .buffer_unordered(concurrency);
    let mut outcomes = pin!(outcomes);
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outcome = outcomes.next() => match outcome {
                // What is on its way may still fit.
                Some(Outcome::NoRoom) => is_full.store(true, Ordering::Relaxed),
                Some(outcome) => judge.hear(job, outcome)?,
                None if is_full.load(Ordering::Relaxed) => return Err(Stopped::MaxBytes),
                None => return Ok(()),
            },
            _ = ticks.tick() => on_progress(job.counts.progress()),
        }
    }
}

/// Counts failures, and ends the run where everything to come would fail alike.
struct Judge<'a> {
    failure: &'a mut Option<String>,
    disk_failures: u32,
    store_failures: u32,
}

impl Judge<'_> {
    fn hear(&mut self, job: &Job, outcome: Outcome) -> Result<(), Stopped> {
        let (why, is_disk, is_store) = match outcome {
            Outcome::Written | Outcome::Needless | Outcome::NoRoom => {
                (self.disk_failures, self.store_failures) = (0, 0);
                return Ok(());
            }
            Outcome::Damaged(why) => (why, false, false),
            Outcome::DiskFailed(why) => (why, true, false),
            Outcome::StoreFailed(why) => (why, false, true),
        };
        job.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.failure.get_or_insert_with(|| why.clone());
        // Whatever reached the disk, the store has answered.
        self.store_failures = if is_store { self.store_failures + 1 } else { 0 };
        self.disk_failures += u32::from(is_disk);
        match () {
            () if self.disk_failures >= DISK_FAILURES => Err(Stopped::Disk(why)),
            () if self.store_failures >= STORE_FAILURES => Err(Stopped::Store(why)),
            () => Ok(()),
        }
    }
}

/// A task of its own, so that several threads share the work. It ends when the run does.
async fn outcome_of(job: &Arc<Job>, wanted: Result<Wanted, Outcome>) -> Outcome {
    match wanted {
        Ok(wanted) => {
            let task = AbortOnDropHandle::new(tokio::spawn(download(Arc::clone(job), wanted)));
            task.await.unwrap_or_else(|stopped| Outcome::Damaged(stopped.to_string()))
        }
        Err(outcome) => outcome,
    }
}

async fn download(job: Arc<Job>, wanted: Wanted) -> Outcome {
    let bytes = wanted.bytes;
    let hint = wanted.is_hint.then(|| wanted.key.clone());
    // Nobody closes the semaphore.
    let _window = job.window.acquire_many(weight(bytes)).await;
    if job.counts.taken_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > job.max_bytes {
        job.counts.taken_bytes.fetch_sub(bytes, Ordering::Relaxed);
        return Outcome::NoRoom;
    }
    let outcome = fetch_and_write(&job, wanted).await;
    if !matches!(outcome, Outcome::Written) {
        job.counts.taken_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
    if let Some(key) = hint.filter(|_| outcome.is_failure()) {
        lock(&job.failed_hints).insert(key);
    }
    outcome
}

async fn fetch_and_write(job: &Arc<Job>, wanted: Wanted) -> Outcome {
    let Wanted { key, name, bytes, superseded, is_hint: _ } = wanted;
    let body = match job.bucket.fetch(&key, &name, bytes).await {
        Ok(Fetched::Whole(entry)) => entry.body,
        Ok(Fetched::Gone) => {
            job.index.forget(&key, &name);
            return Outcome::Needless;
        }
        Ok(Fetched::Damaged(why)) => {
            job.index.forget(&key, &name);
            return Outcome::Damaged(format!("{key}: {why}"));
        }
        Err(error) => return Outcome::StoreFailed(error.to_string()),
    };
    // Before it is there, so that a watcher never takes it for new.
    job.index.settled.insert(&key, &name);
    let writer = Arc::clone(&job.writers).acquire_owned().await;
    let shared = Arc::clone(job);
    let written = blocking(move || {
        let _writer = writer;
        let accepted = shared.disk.accept(&key, &name, &body, superseded.as_ref());
        // Counted here, because this ends even when the run does not wait for it.
        match accepted {
            Ok(Accepted::Written) => {
                shared.counts.restored.fetch_add(1, Ordering::Relaxed);
                shared.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Ok(Accepted::Kept) => {
                shared.counts.skipped.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Accepted::NoRoom) | Err(_) => {}
        }
        accepted
    });
    match written.await.flatten() {
        Ok(Accepted::Written) => Outcome::Written,
        Ok(Accepted::Kept) => Outcome::Needless,
        Ok(Accepted::NoRoom) => Outcome::NoRoom,
        Err(error) => Outcome::DiskFailed(error.to_string()),
    }
}

/// Of the window, in KiB. A body larger than the window takes all of it.
fn weight(bytes: u64) -> u32 {
    (bytes.min(WINDOW_BYTES) / 1_024) as u32 + 1
}

/// No code that holds one of these locks panics halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
