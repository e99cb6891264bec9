//! When the manifest is written: by whoever pushes, behind the pushes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, sleep};

use super::index::Index;
use super::manifest;
use super::rarely::log_rarely;
use crate::cache::object::Bucket;
use crate::log::Logger;

/// It is written when nothing has changed for this long…
const QUIET: Duration = Duration::from_secs(2);
/// … or after this long, while changes go on…
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// … and so many of its bytes cost a second of pause before the next time, since all of it is read and written.
const BYTES_PER_PAUSED_SEC: u64 = 100_000;

/// Keeps the bucket's manifest at what the index knows.
pub(super) struct ManifestWriter {
    bucket: Bucket,
    index: Arc<Index>,
    logger: Logger,
    /// Changes so far, and how many of them are written.
    changes: AtomicU64,
    written: AtomicU64,
    changed: Notify,
    turn: Mutex<()>,
    failures: AtomicU64,
}

impl ManifestWriter {
    pub(super) fn new(bucket: Bucket, index: Arc<Index>, logger: Logger) -> Self {
        Self {
            bucket,
            index,
            logger,
            changes: AtomicU64::new(0),
            written: AtomicU64::new(0),
            changed: Notify::new(),
            turn: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The bucket has changed, and the index knows.
    pub(super) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Writes for ever, when it is time.
    pub(super) async fn run(&self) {
        loop {
            self.changed.notified().await;
            let latest = Instant::now() + LONGEST_WAIT;
            while Instant::now() < latest {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep(QUIET) => break,
                }
            }
            let bytes = self.write().await;
            sleep(Duration::from_secs(bytes / BYTES_PER_PAUSED_SEC)).await;
        }
    }

    /// Writes it now, if anything has changed. Returns its length, bytes.
    pub(super) async fn write(&self) -> u64 {
        let _turn = self.turn.lock().await;
        let changes = self.changes.load(Ordering::Relaxed);
        if changes == self.written.load(Ordering::Relaxed) {
            return 0;
        }
        match manifest::write(&self.bucket, &self.index).await {
            Ok(bytes) => {
                self.written.store(changes, Ordering::Relaxed);
                bytes
            }
            Err(error) => {
                // The next change tries again.
                let before = self.failures.fetch_add(1, Ordering::Relaxed);
                let message = || format!("can't write the manifest: {error}");
                log_rarely(&self.logger, "manifest_failed", before, 1, message);
                0
            }
        }
    }
}
