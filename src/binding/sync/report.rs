//! What JavaScript is told of a restore, of the pushes and of the bucket.

use napi_derive::napi;

use crate::cache::object::Listed;
use crate::cache::sync::{RestoreProgress, RestoreReport, Stopped};

/// How far a restore has come.
#[napi(object, object_from_js = false)]
pub struct NativeRestoreProgress {
    /// variants found in the bucket so far
    pub found: f64,
    /// whether these are all
    pub is_found_all: bool,
    /// variants written
    pub restored: f64,
    /// variants that were there already
    pub skipped: f64,
    /// variants that could not be had or written
    pub failed: f64,
    /// bytes written
    pub bytes: f64,
}

/// What a restore came to.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeRestoreReport {
    /// variants written
    pub restored: f64,
    /// variants that were there already
    pub skipped: f64,
    /// variants that could not be had or written
    pub failed: f64,
    /// bytes written
    pub bytes: f64,
    /// milliseconds
    pub ms: f64,
    /// why it ended early
    #[napi(ts_type = "'maxBytes' | 'deadline' | 'cancelled' | 'disk' | 'store'")]
    pub stopped: Option<String>,
    /// the first failure, for people
    pub reason: Option<String>,
}

/// What pushing and watching have come to.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeSyncStats {
    /// variants that wait to be pushed
    pub queued: f64,
    /// variants put into the bucket
    pub pushed: f64,
    /// variants taken out of it
    pub removed: f64,
    /// pushes that failed for good
    pub failed: f64,
    /// pushes dropped because too many waited
    pub given_up: f64,
    /// bytes put into the bucket
    pub bytes: f64,
    /// whether the system tells of changes in the folder
    pub watching: bool,
    /// looks at the whole folder
    pub rescans: f64,
    /// files handed to the queue
    pub noticed: f64,
}

/// A variant in the bucket.
#[napi(object, object_from_js = false)]
pub struct NativeListed {
    /// its key
    pub key: String,
    /// `webp`, `avif`, …
    pub extension: String,
    /// length of its body
    pub bytes: f64,
    /// what Cache-Control says, seconds
    pub max_age_secs: f64,
    /// when it turns stale, milliseconds since 1970
    pub expires_at_ms: f64,
    /// when it was written, by the bucket's clock, milliseconds since 1970
    pub modified_at_ms: f64,
    /// unquoted, base64url
    pub etag: String,
}

impl From<Listed> for NativeListed {
    fn from(Listed { key, name, bytes, modified_at_ms }: Listed) -> Self {
        Self {
            key: key.as_str().to_owned(),
            extension: name.extension,
            bytes: bytes as f64,
            max_age_secs: name.max_age_secs as f64,
            expires_at_ms: name.expires_at_ms as f64,
            modified_at_ms: modified_at_ms as f64,
            etag: name.etag,
        }
    }
}

impl From<RestoreProgress> for NativeRestoreProgress {
    fn from(progress: RestoreProgress) -> Self {
        Self {
            found: progress.found as f64,
            is_found_all: progress.is_found_all,
            restored: progress.restored as f64,
            skipped: progress.skipped as f64,
            failed: progress.failed as f64,
            bytes: progress.bytes as f64,
        }
    }
}

impl From<RestoreReport> for NativeRestoreReport {
    fn from(report: RestoreReport) -> Self {
        let (stopped, why) = match report.stopped {
            None => (None, None),
            Some(Stopped::MaxBytes) => (Some("maxBytes"), None),
            Some(Stopped::Deadline) => (Some("deadline"), None),
            Some(Stopped::Cancelled) => (Some("cancelled"), None),
            Some(Stopped::Disk(why)) => (Some("disk"), Some(why)),
            Some(Stopped::Store(why)) => (Some("store"), Some(why)),
        };
        Self {
            restored: report.restored as f64,
            skipped: report.skipped as f64,
            failed: report.failed as f64,
            bytes: report.bytes as f64,
            ms: report.ms as f64,
            stopped: stopped.map(str::to_owned),
            reason: why.or(report.failure),
        }
    }
}
