//! Between the local folder and the bucket: restore, push, watch.
//!
//! Nothing here is needed for an answer: without it the handler asks the bucket key by key.

mod index;
pub(crate) mod manifest;
mod manifest_writer;
mod push;
mod rarely;
mod restore;
mod settled;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch as latest;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use index::{INDEX_CAPACITY, Index};
pub use push::{PushOptions, PushStats, Pusher};
pub use restore::{CONCURRENCY, RestoreOptions, RestoreProgress, RestoreReport, Stopped, restore};
pub use watch::{WatchOptions, WatchStats};

use self::restore::Reach;
use self::watch::Watch;
use super::object::Bucket;
use crate::error::Result;
use crate::log::{Level, Logger};

/// Reads the bucket's manifest into `index`, in the background of a server's start. Returns how many variants it names.
///
/// # Errors
/// [`crate::Error::Store`] when the store can't be asked; the index then learns from pushes alone.
pub async fn load_manifest(bucket: &Bucket, index: &Index) -> Result<usize> {
    let noted = manifest::read(bucket, index.capacity()).await?;
    let variants = noted.len();
    for each in noted {
        index.note(each);
    }
    Ok(variants)
}

/// What a [`CacheSync`] does.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Whether and how the bucket's variants are brought into the folder. Default: all of them.
    pub restore: Option<RestoreOptions>,
    /// Whether and how the folder is watched. Not needed where everything in it is written by a handler with a
    /// [`Pusher`]. Default: as [`WatchOptions::default`] says.
    pub watch: Option<WatchOptions>,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self { restore: Some(RestoreOptions::default()), watch: Some(WatchOptions::default()) }
    }
}

/// What a [`CacheSync`] has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncStats {
    /// Of the pusher, whoever offered.
    pub push: PushStats,
    /// Of the watch; `None` where nothing is watched.
    pub watch: Option<WatchStats>,
    /// Of the restore; `None` while it runs, and where there is none.
    pub restore: Option<RestoreReport>,
}

/// A folder and a bucket that are kept alike: watch first, so that nothing falls between, then restore, and push what
/// is new. All of it goes on in the background. Dropping it ends it at once; [`CacheSync::stop`] is kinder.
pub struct CacheSync {
    pusher: Arc<Pusher>,
    watch: Option<Watch>,
    report: latest::Receiver<Option<RestoreReport>>,
    cancel_restore: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl CacheSync {
    /// Starts with the folder and the bucket of `pusher`, which its other users may go on using. Returns once the
    /// folder is watched. `on_progress` hears from the restore ten times a second at most.
    pub async fn start(
        pusher: Arc<Pusher>,
        options: SyncOptions,
        on_progress: impl FnMut(RestoreProgress) + Send + 'static,
    ) -> Self {
        let surveyed = CancellationToken::new();
        let watch = match options.watch {
            Some(watch) => {
                let (pusher, logger) = (Arc::clone(&pusher), pusher.logger().clone());
                Some(Watch::start(pusher, watch, surveyed.clone(), logger).await)
            }
            None => None,
        };
        let cancel_restore =
            options.restore.as_ref().map(|restore| restore.cancel.child_token()).unwrap_or_default();
        let (found, report) = latest::channel(None);
        let survey = Survey { pusher: Arc::clone(&pusher) };
        let restoring = cancel_restore.clone();
        let task = tokio::spawn(async move {
            let mut is_surveyed = false;
            if let Some(restore) = options.restore {
                let done =
                    survey.restore(&RestoreOptions { cancel: restoring, ..restore }, on_progress).await;
                is_surveyed = done.stopped.is_none();
                // The receiver lives in the `CacheSync`.
                let _ = found.send(Some(done));
            }
            if !is_surveyed && options.watch.is_some() {
                survey.compare().await;
            }
            surveyed.cancel();
        });
        Self { pusher, watch, report, cancel_restore, _task: AbortOnDropHandle::new(task) }
    }

    /// The report of the restore, once it has ended; `None` where there is none.
    pub async fn restored(&self) -> Option<RestoreReport> {
        let mut report = self.report.clone();
        // The sender goes away when nothing is to come.
        report.wait_for(Option::is_some).await.ok().and_then(|report| report.clone())
    }

    /// Brings everything that is in the folder now into the bucket, but takes no longer than `budget`: first what is
    /// new since the start, then, once it is known what the bucket has, what else it lacks. Returns whether nothing is
    /// left.
    pub async fn flush(&self, budget: Duration) -> bool {
        let until = Instant::now() + budget;
        let is_seen = match &self.watch {
            Some(watch) => watch.flush(budget).await,
            None => true,
        };
        self.pusher.flush(until.saturating_duration_since(Instant::now())).await && is_seen
    }

    /// Ends the restore where it stands, [flushes](CacheSync::flush), and ends watching. The pusher goes on for its
    /// other users. Returns whether nothing is left.
    pub async fn stop(self, budget: Duration) -> bool {
        self.cancel_restore.cancel();
        self.flush(budget).await
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> SyncStats {
        SyncStats {
            push: self.pusher.stats(),
            watch: self.watch.as_ref().map(Watch::stats),
            restore: self.report.borrow().clone(),
        }
    }
}

/// Learns what the bucket has.
struct Survey {
    pusher: Arc<Pusher>,
}

impl Survey {
    /// Along with bringing it here.
    async fn restore(
        &self,
        options: &RestoreOptions,
        on_progress: impl FnMut(RestoreProgress) + Send,
    ) -> RestoreReport {
        let Self { pusher } = self;
        let (bucket, disk, index) = (pusher.bucket(), pusher.disk(), pusher.index());
        let done = restore::run(bucket, disk, index, Reach::Download, options, on_progress).await;
        log_restore(pusher.logger(), &done);
        done
    }

    /// From a listing alone. Where that fails, files that the bucket has are pushed again, which does no harm.
    async fn compare(&self) {
        let Self { pusher } = self;
        let options = RestoreOptions::default();
        let (bucket, disk, index) = (pusher.bucket(), pusher.disk(), pusher.index());
        restore::run(bucket, disk, index, Reach::Compare, &options, |_| ()).await;
    }
}

fn log_restore(logger: &Logger, report: &RestoreReport) {
    let broke = matches!(report.stopped, Some(Stopped::Disk(_) | Stopped::Store(_)));
    let level = if broke || report.failed > 0 { Level::Warn } else { Level::Info };
    logger.write(level, "restore", || {
        let why = match &report.stopped {
            None => "from the bucket".to_owned(),
            Some(Stopped::Cancelled) => "until it was cancelled".to_owned(),
            Some(Stopped::Deadline) => "until the deadline".to_owned(),
            Some(Stopped::MaxBytes) => "until the space given was full".to_owned(),
            Some(Stopped::Disk(why)) => format!("until the folder failed: {why}"),
            Some(Stopped::Store(why)) => format!("until the store failed: {why}"),
        };
        let mut fields = Map::new();
        let counts = [
            ("restored", report.restored),
            ("skipped", report.skipped),
            ("failed", report.failed),
            ("bytes", report.bytes),
            ("ms", report.ms),
        ];
        fields.extend(counts.map(|(name, count)| (name.to_owned(), Value::from(count))));
        if let Some(failure) = &report.failure {
            fields.insert("failure".to_owned(), failure.as_str().into());
        }
        (format!("restored {} variants {why}", report.restored), fields)
    });
}
