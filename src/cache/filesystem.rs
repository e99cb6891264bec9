//! Next's own layout on disk, so that Next and unsharp can share a folder:
//! `<dir>/<key>/<maxAge>.<expireAt>.<etag>.<upstreamEtag>.<ext>`, one file per entry.
//!
//! A file appears whole or not at all: it is written under `<dir>/.unsharp-tmp/writes` and renamed into
//! place. The temporary folder lies inside of `dir`, because that is the only place sure to be on the same
//! filesystem and writable (`dir` is often a mount), and two levels deep, because Next reads
//! the files of every folder in `dir` as an entry but stops at a folder.

#[cfg(feature = "server")]
mod exchange;
mod files;
mod scan;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

#[cfg(feature = "server")]
pub(super) use self::exchange::{Accepted, Found, Local};
use self::files::{LARGEST_FILE_BYTES, names_in, read_bounded, remove_folder, store_error};
use super::byte_lru::ByteLru;
use super::file_name::FileName;
use super::{Entry, VariantStore};
use crate::error::{Error, Result};
use crate::key::CacheKey;

const TEMPORARY: &str = ".unsharp-tmp/writes";

/// Another process may remove the folder between two steps of a save; this often it is tried.
const SAVE_ATTEMPTS: u32 = 4;

/// Keys are spread over this many locks, so that saves of one key stand in line and others don't.
const STRIPES: usize = 32;

/// The disk tier: a folder in Next's layout, bounded by bytes, least recently used out first.
pub struct Filesystem {
    shared: Arc<Shared>,
    scan: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    dir: PathBuf,
    configured_limit_bytes: Option<u64>,
    state: Mutex<State>,
    stripes: [Mutex<()>; STRIPES],
    closed: AtomicBool,
}

struct State {
    order: ByteLru<()>,
    /// Known from the start, or once what is there is counted and the free space was read.
    limit_bytes: Option<u64>,
    /// What was there at the start is counted.
    is_scanned: bool,
}

impl Filesystem {
    /// Opens `dir` (for Next: `<distDir>/cache/images`), which need not exist yet. What is there already
    /// is counted on a thread of its own, oldest first, so this returns at once.
    ///
    /// `limit_bytes` is Next's `images.maximumDiskCacheSize`: `None` means half of the space that is free
    /// or that the entries take now, and no less than they take (Next goes by what is free alone, and so
    /// forgets more with every start), 0 means no files at all. A single entry over the limit is not kept.
    ///
    /// Never fails: on a folder that can't be written, saves fail and loads work.
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>, limit_bytes: Option<u64>) -> Self {
        let shared = Arc::new(Shared {
            dir: dir.into(),
            configured_limit_bytes: limit_bytes,
            state: Mutex::new(State { order: ByteLru::new(), limit_bytes, is_scanned: false }),
            stripes: std::array::from_fn(|_| Mutex::default()),
            closed: AtomicBool::new(false),
        });
        let mut scan = None;
        if shared.is_enabled() {
            let thread_shared = Arc::clone(&shared);
            let spawned =
                thread::Builder::new().name("unsharp-scan".into()).spawn(move || thread_shared.start_up());
            match spawned {
                Ok(handle) => scan = Some(handle),
                // No thread to be had: better a slow start than a folder that grows without bound.
                Err(_) => shared.start_up(),
            }
        }
        Self { shared, scan: Mutex::new(scan) }
    }

    /// Waits until the entries that were there at the start are counted.
    pub fn wait_for_scan(&self) {
        let handle = lock(&self.scan).take();
        if let Some(handle) = handle {
            // A panic of the thread was reported by the panic hook; uncounted entries still load.
            let _ = handle.join();
        }
    }

    /// Bytes of the entries counted so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.shared.state).order.bytes()
    }

    /// Number of entries counted so far.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.shared.state).order.len()
    }

    /// No entries counted so far?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Filesystem {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

impl VariantStore for Filesystem {
    fn load(&self, key: &CacheKey) -> Result<Option<Entry>> {
        if !self.shared.is_enabled() {
            return Ok(None);
        }
        let found = self.shared.read(key)?;
        self.shared.note_use(key, found.as_ref());
        Ok(found)
    }

    fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()> {
        if self.shared.is_enabled() { self.shared.save(key, entry) } else { Ok(()) }
    }

    fn remove(&self, key: &CacheKey) -> Result<()> {
        if self.shared.is_enabled() { self.shared.remove(key) } else { Ok(()) }
    }
}

impl Shared {
    fn is_enabled(&self) -> bool {
        self.configured_limit_bytes != Some(0)
    }

    /// A key's folder. `CacheKey` holds base64url only, so the path can't leave `dir`.
    fn folder(&self, key: &CacheKey) -> PathBuf {
        self.dir.join(key.as_str())
    }

    fn stripe(&self, key: &CacheKey) -> MutexGuard<'_, ()> {
        let sum = key.as_str().bytes().fold(0_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
        lock(&self.stripes[sum % STRIPES])
    }

    /// The limit in force; `None` when it is to be half of the space and that can't be read.
    fn limit_bytes(&self) -> Option<u64> {
        let known = lock(&self.state).limit_bytes;
        known.or_else(|| {
            fs::create_dir_all(&self.dir).ok()?;
            let free = fs4::available_space(&self.dir).ok()?;
            let mut state = lock(&self.state);
            if !state.is_scanned {
                // What is not counted yet would make it too low. The start evicts at its end.
                return Some(u64::MAX);
            }
            let held = state.order.bytes();
            let half = free.saturating_add(held) / 2;
            Some(*state.limit_bytes.get_or_insert(half.max(held)))
        })
    }

    /// The newest sound entry of the key. Other processes write beside us, so a file may vanish between
    /// the listing and the read: then there is likely a newer one. The last try waits for the saves of
    /// this process; what vanishes even then is a miss.
    fn read(&self, key: &CacheKey) -> Result<Option<Entry>> {
        for _ in 0..2 {
            if let Listed::Steady(found) = self.read_listed(key)? {
                return Ok(found);
            }
        }
        let _stripe = self.stripe(key);
        match self.read_listed(key)? {
            Listed::Steady(found) => Ok(found),
            Listed::Vanished => Ok(None),
        }
    }

    fn read_listed(&self, key: &CacheKey) -> Result<Listed> {
        let folder = self.folder(key);
        let mut names: Vec<FileName> =
            names_in(&folder)?.iter().filter_map(|name| FileName::parse(name)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.expires_at_ms));
        for name in names {
            let path = folder.join(name.to_string());
            match read_bounded(&path) {
                Ok(body) if name.fits(&body) => return Ok(Listed::Steady(Some(name.with_body(body)))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Listed::Vanished),
                Err(error) => return Err(store_error("read", &path, &error)),
            }
        }
        Ok(Listed::Steady(None))
    }

    /// Moves the entry to the front of the order. One that another process wrote is counted from now on,
    /// one that another process removed no longer.
    fn note_use(&self, key: &CacheKey, found: Option<&Entry>) {
        {
            let mut state = lock(&self.state);
            if found.is_none() {
                state.order.remove(key);
                return;
            }
            if state.order.touch(key).is_some() {
                return;
            }
        }
        let limit_bytes = self.limit_bytes().unwrap_or(u64::MAX);
        let evicted = {
            // What is being saved or removed meanwhile counts as it is afterwards.
            let _stripe = self.stripe(key);
            let folder = self.folder(key);
            let bytes = scan::bytes_of(&folder, &names_in(&folder).unwrap_or_default());
            let mut state = lock(&self.state);
            if bytes > 0 && !state.order.contains(key) {
                state.order.insert(key.clone(), (), bytes);
            }
            state.order.evict_to(limit_bytes)
        };
        self.remove_evicted(&evicted);
    }

    fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()> {
        let name = FileName::of(entry)?;
        if entry.body.is_empty() {
            return Err(Error::Store("an empty body can't be cached".into()));
        }
        let bytes = entry.body.len() as u64;
        let limit_bytes = self.limit_bytes().ok_or_else(|| {
            Error::Store(format!("can't create {} or read its free space", self.dir.display()))
        })?;
        if bytes > limit_bytes.min(LARGEST_FILE_BYTES) {
            // What was there before is out of date now.
            return self.remove(key);
        }
        {
            let _stripe = self.stripe(key);
            self.replace(key, &name, &entry.body)?;
            lock(&self.state).order.insert(key.clone(), (), bytes);
        }
        let evicted = lock(&self.state).order.evict_to(limit_bytes);
        self.remove_evicted(&evicted);
        Ok(())
    }

    /// Writes the new file, then removes those that were there before it was. Removing only those means
    /// that two processes saving the same key at once never remove both files, unless both have one name: the same bytes.
    fn replace(&self, key: &CacheKey, name: &FileName, body: &[u8]) -> Result<()> {
        let folder = self.folder(key);
        let file_name = name.to_string();
        let predecessors = names_in(&folder)?;
        let path = folder.join(&file_name);
        let mut attempt = 1;
        loop {
            match self.write_atomically(&folder, &path, body) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < SAVE_ATTEMPTS => attempt += 1,
                Err(error) => return Err(store_error("write", &path, &error)),
            }
        }
        for predecessor in predecessors.iter().filter(|predecessor| **predecessor != file_name) {
            // Best effort: while both are there, the one that expires later is read.
            let _ = fs::remove_file(folder.join(predecessor));
        }
        Ok(())
    }

    fn write_atomically(&self, folder: &Path, path: &Path, body: &[u8]) -> io::Result<()> {
        let temporary_dir = self.dir.join(TEMPORARY);
        fs::create_dir_all(&temporary_dir)?;
        let mut builder = tempfile::Builder::new();
        // The mode that Next's files have (less the umask), so that another user's process can read them.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Removed when dropped, so no way out of here leaves it behind.
        let mut temporary = builder.prefix("").tempfile_in(&temporary_dir)?;
        // The lock says that this process lives. Filesystems without locks go by age instead.
        let _ = temporary.as_file().try_lock();
        temporary.write_all(body)?;
        fs::create_dir_all(folder)?;
        temporary.persist(path)?;
        Ok(())
    }

    fn remove(&self, key: &CacheKey) -> Result<()> {
        let _stripe = self.stripe(key);
        lock(&self.state).order.remove(key);
        let folder = self.folder(key);
        remove_folder(&folder).map_err(|error| store_error("remove", &folder, &error))
    }

    fn remove_evicted(&self, keys: &[CacheKey]) {
        for key in keys {
            let _stripe = self.stripe(key);
            // Saved again since it was evicted: it stays.
            if !lock(&self.state).order.contains(key) {
                // On failure the file stays without being counted; the next load counts it again.
                let _ = remove_folder(&self.folder(key));
            }
        }
    }

    fn start_up(&self) {
        scan::remove_left_overs(&self.dir.join(TEMPORARY));
        let mut entries = scan::scan(&self.dir, &self.closed);
        entries.sort_by_key(|found| std::cmp::Reverse(found.expires_at_ms));
        {
            let mut state = lock(&self.state);
            for found in entries {
                // Behind everything that was used while the scan ran.
                state.order.insert_oldest(&found.key, (), found.bytes);
            }
            state.is_scanned = true;
        }
        let limit_bytes = self.limit_bytes();
        let evicted = limit_bytes.map(|limit| lock(&self.state).order.evict_to(limit)).unwrap_or_default();
        self.remove_evicted(&evicted);
    }
}

/// What came of reading the files of one listing.
enum Listed {
    Steady(Option<Entry>),
    /// A file went away meanwhile.
    Vanished,
}

/// No code that holds one of these locks panics halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
