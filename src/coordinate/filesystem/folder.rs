//! The folder: `<key>.lock` for a job in work, `<key>.outcome` for what came of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Look;
use crate::cache::Entry;
use crate::coordinate::Results;
use crate::coordinate::crew::Past;
use crate::coordinate::outcome::{self, How, Parcel};
use crate::error::Error;
use crate::key::CacheKey;

/// How long an outcome stays at least, for those who wait.
const GRACE: Duration = Duration::from_secs(30);
/// How long a lock file stays that nobody has locked: it holds what became of earlier attempts.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// More outcomes than this are not kept, the oldest go first.
const MOST_OUTCOMES: usize = 1_000;
/// A lock file is two numbers: the attempts that failed, and those whose process died.
const MOST_LOCK_BYTES: u64 = 100;

pub(super) struct Folder {
    path: PathBuf,
    results: Results,
    /// Outcomes written since the last tidying.
    written: AtomicUsize,
}

/// The right to work a job: a file that this process has locked.
pub(super) struct Lock {
    key: CacheKey,
    path: PathBuf,
    file: File,
    past: Past,
}

/// What came of a job.
pub(super) enum Outcome {
    /// With the variant where it is carried.
    Done(How, Option<Entry>),
    Failed(Error),
}

/// What comes of a job.
pub(super) enum Ending {
    Done(Arc<Entry>),
    Failed(Error),
}

/// What an attempt to get a lock came to.
pub(super) enum Taken {
    Locked(Lock),
    /// Another process has it.
    Busy,
    /// It is not needed.
    Over(Outcome),
}

impl Lock {
    /// What became of the attempts before this one.
    pub(super) fn past(&self) -> Past {
        self.past
    }

    /// What a fencing number is elsewhere: whether the path still leads to the file that is locked, and not to one made after it was removed.
    fn is_current(file: &File, path: &Path) -> bool {
        let ours = file.try_clone().and_then(same_file::Handle::from_file);
        let theirs = same_file::Handle::from_path(path);
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
    }

    /// Reads what became of earlier attempts, and writes this one down as the death of its process, which is what it
    /// is unless that process says otherwise.
    fn begin(mut file: &File) -> io::Result<Past> {
        let mut text = String::new();
        // What is damaged, by a machine that lost its power, counts from the beginning.
        let _ = Read::by_ref(&mut file).take(MOST_LOCK_BYTES).read_to_string(&mut text);
        let past = read_past(&text).unwrap_or_default();
        Self::write(file, Past { died: past.died.saturating_add(1), ..past })?;
        Ok(past)
    }

    /// Writes down that this attempt has failed, and that its process lives.
    pub(super) fn count_failure(&mut self) -> io::Result<()> {
        self.past = self.past.and_failed();
        Self::write(&self.file, self.past)
    }

    fn write(mut file: &File, past: Past) -> io::Result<()> {
        file.rewind()?;
        file.set_len(0)?;
        writeln!(file, "{} {}", past.failed, past.died)
    }

    /// Gives the job up before anything came of it.
    pub(super) fn withdraw(self) -> io::Result<()> {
        if Self::is_current(&self.file, &self.path) { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

impl Folder {
    pub(super) fn open(path: PathBuf, results: Results) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        // Says at once where nothing can be written.
        tempfile::tempfile_in(&path)?;
        Ok(Self { path, results, written: AtomicUsize::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the job of this key, unless another process has it, or has ended it since `since_ns`, or has left a
    /// result that is still good.
    pub(super) fn take(&self, key: &CacheKey, since_ns: u64) -> io::Result<Taken> {
        let path = self.file(key, "lock");
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Taken::Busy),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Else whoever had it has removed it in between, and there may be another by now.
            if !Lock::is_current(&file, &path) {
                continue;
            }
            if let Some(outcome) = self.outcome(key, since_ns, true) {
                fs::remove_file(&path)?;
                return Ok(Taken::Over(outcome));
            }
            let past = Lock::begin(&file)?;
            return Ok(Taken::Locked(Lock { key: key.clone(), path, file, past }));
        }
    }

    /// How the work of another process stands. Changes nothing in the folder.
    pub(super) fn look(&self, key: &CacheKey, since_ns: u64) -> Look {
        if let Some(outcome) = self.outcome(key, since_ns, false) {
            return Look::Over(outcome);
        }
        // For reading, so that closing it is no news to anybody.
        match File::open(self.file(key, "lock")).map(|file| file.try_lock_shared()) {
            Ok(Err(TryLockError::WouldBlock)) => Look::Busy,
            // What else there may be comes out when it is taken.
            Ok(_) | Err(_) => Look::Free,
        }
    }

    /// Writes what came of a job for the others and gives up its lock; false, and nothing is written, when the lock file
    /// is another one by now.
    pub(super) fn conclude(&self, lock: Lock, ending: &Ending) -> io::Result<bool> {
        let Lock { key, path, file, .. } = lock;
        if !Lock::is_current(&file, &path) {
            return Ok(false);
        }
        let written = self.write(&key, ending);
        fs::remove_file(&path)?;
        drop(file);
        written?;
        if self.written.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_OUTCOMES / 2 {
            self.tidy()?;
        }
        Ok(true)
    }

    fn write(&self, key: &CacheKey, ending: &Ending) -> io::Result<()> {
        let mut file = tempfile::Builder::new().suffix(".part").tempfile_in(&self.path)?;
        let now = now_ns();
        match ending {
            Ending::Done(entry) => {
                let Parcel { how, fresh, body } = Parcel::of(entry, self.results);
                let fresh_until = now.saturating_add(u64::try_from(fresh.as_nanos()).unwrap_or(u64::MAX));
                writeln!(file, "{now} {fresh_until} {}", how.name())?;
                file.write_all(&body)?;
            }
            Ending::Failed(error) => {
                writeln!(file, "{now} 0 failed")?;
                file.write_all(outcome::encode_error(error).as_bytes())?;
            }
        }
        file.persist(self.file(key, "outcome"))?;
        Ok(())
    }

    /// The outcome, if it is not older than `since_ns` or, for `newcomers`, a result that is fresh.
    fn outcome(&self, key: &CacheKey, since_ns: u64, newcomers: bool) -> Option<Outcome> {
        let most_bytes = match self.results {
            Results::InStore => 0,
            Results::Carried { max_bytes, .. } => max_bytes,
        };
        let file = File::open(self.file(key, "outcome")).ok()?;
        let mut bytes = Vec::new();
        // A header, and an error where there is no body.
        file.take(most_bytes.saturating_add(100_000)).read_to_end(&mut bytes).ok()?;
        let end = memchr::memchr(b'\n', &bytes)?;
        let body = bytes.split_off(end + 1);
        let header = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut parts = header.split(' ');
        let finished_ns: u64 = parts.next()?.parse().ok()?;
        let fresh_until_ns: u64 = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let is_awaited = finished_ns >= since_ns;
        if kind == "failed" {
            let error = is_awaited.then(|| std::str::from_utf8(&body).ok())?;
            return error.and_then(outcome::decode_error).map(Outcome::Failed);
        }
        let how = How::from_name(kind);
        // What lies in the store is looked for there in any case; what can't be had is to be made.
        let is_good = newcomers && how == How::Carried && fresh_until_ns > now_ns();
        (is_awaited || is_good)
            .then(|| Outcome::Done(how, (how == How::Carried).then(|| outcome::decode_entry(body)).flatten()))
    }

    /// Removes outcomes whose time is over, or that are too many, and what processes that died have left.
    pub(super) fn tidy(&self) -> io::Result<()> {
        self.written.store(0, Ordering::Relaxed);
        let stay = match self.results {
            Results::InStore => GRACE,
            Results::Carried { ttl, .. } => ttl.max(GRACE),
        };
        let mut outcomes = Vec::new();
        for file in fs::read_dir(&self.path)? {
            let path = file?.path();
            // It may be gone by now.
            let Ok(modified) = fs::metadata(&path).and_then(|metadata| metadata.modified()) else { continue };
            let age = modified.elapsed().unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("outcome") if age > stay => remove(&path),
                Some("outcome") => outcomes.push((modified, path)),
                Some("lock") if age > FORGOTTEN => remove_unlocked(&path),
                Some("part") if age > FORGOTTEN => remove(&path),
                _ => {}
            }
        }
        outcomes.sort_unstable();
        let surplus = outcomes.len().saturating_sub(MOST_OUTCOMES);
        outcomes.iter().take(surplus).for_each(|(_, path)| remove(path));
        Ok(())
    }

    fn file(&self, key: &CacheKey, extension: &str) -> PathBuf {
        self.path.join(format!("{key}.{extension}"))
    }
}

fn read_past(text: &str) -> Option<Past> {
    let (failed, died) = text.trim_end().split_once(' ')?;
    Some(Past { failed: failed.parse().ok()?, died: died.parse().ok()? })
}

/// Another process may have been faster.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

fn remove_unlocked(path: &Path) {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    if file.try_lock().is_ok() && Lock::is_current(&file, path) {
        remove(path);
    }
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
