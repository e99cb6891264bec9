//! What a cache folder holds when a process opens it.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::files::names_in;
use crate::cache::file_name::FileName;
use crate::key::CacheKey;

/// A temporary file on a filesystem without locks counts as left over after this time.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(60 * 60);

/// An empty folder is left over after this time.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// The folder of one key.
pub(super) struct Found {
    pub(super) key: CacheKey,
    /// All its files together.
    pub(super) bytes: u64,
    /// The latest among its files; 0 when none has a name of Next's.
    pub(super) expires_at_ms: u64,
}

/// All entries with their sizes on disk, read from names and metadata alone. Stops once `closed`.
pub(super) fn scan(dir: &Path, closed: &AtomicBool) -> Vec<Found> {
    let mut found = Vec::new();
    for name in names_in(dir).unwrap_or_default() {
        if closed.load(Ordering::Relaxed) {
            break;
        }
        let Some(key) = CacheKey::parse(&name) else { continue };
        let folder = dir.join(name);
        let files = names_in(&folder).unwrap_or_default();
        if files.is_empty() {
            remove_if_abandoned(&folder);
            continue;
        }
        // Files of unknown names take up space as well; alone, they count as the oldest.
        let expiries = files.iter().filter_map(|file| FileName::parse(file)).map(|name| name.expires_at_ms);
        let expires_at_ms = expiries.max().unwrap_or(0);
        let bytes = bytes_of(&folder, &files);
        if bytes > 0 {
            found.push(Found { key, bytes, expires_at_ms });
        }
    }
    found
}

/// All files of a key's folder together: a process that dies between writing a file and removing the one before it leaves
/// two.
pub(super) fn bytes_of(folder: &Path, files: &[String]) -> u64 {
    let lengths = files.iter().filter_map(|file| fs::symlink_metadata(folder.join(file)).ok());
    lengths.fold(0, |sum, metadata| sum.saturating_add(metadata.len()))
}

/// Removes the empty folder that a process left which died before its file was in place. One that is young may be about
/// to be written into.
fn remove_if_abandoned(folder: &Path) {
    let modified = fs::metadata(folder).and_then(|metadata| metadata.modified());
    if matches!(modified.map(|at| at.elapsed()), Ok(Ok(age)) if age > ABANDONED_AFTER) {
        // Removes it only if it is empty still.
        let _ = fs::remove_dir(folder);
    }
}

/// Removes temporary files whose process died. A living one holds a lock on its file.
pub(super) fn remove_left_overs(temporary_dir: &Path) {
    for name in names_in(temporary_dir).unwrap_or_default() {
        let path = temporary_dir.join(name);
        let Ok(file) = File::options().read(true).write(true).open(&path) else { continue };
        let left_over = match file.try_lock() {
            Ok(()) => true,
            Err(fs::TryLockError::WouldBlock) => false,
            Err(fs::TryLockError::Error(_)) => {
                let age = file.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
                matches!(age, Ok(Ok(age)) if age > LEFT_OVER_AFTER)
            }
        };
        if left_over {
            // A process that had not yet locked its file notices and writes it anew.
            let _ = fs::remove_file(&path);
        }
    }
}
