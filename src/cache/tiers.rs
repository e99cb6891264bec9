//! Memory, then disk, then the bucket: what a server keeps its variants in.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::filesystem::Filesystem;
use super::memory::Memory;
use super::object::StoreConfig;
use super::remote::{Remote, RemoteOptions, RemoteStats, Wanted};
use super::sync::PushOptions;
use super::{Entry, VariantStore};
use crate::error::{Error, Result};
use crate::flight::Flights;
use crate::key::CacheKey;
use crate::log::{Level, Logger};

/// The memory tier in front of the disk tier in front of the bucket.
pub struct Tiers {
    local: Arc<Local>,
    remote: Option<Arc<Remote>>,
    /// Looks into the bucket that are under way: requests for one key share one.
    looks: Flights<Option<Arc<Entry>>>,
}

/// The tiers of this machine.
struct Local {
    memory: Memory,
    disk: Arc<Filesystem>,
    logger: Logger,
    /// Writes that nobody waits for but [`Tiers::settle`].
    adopting: TaskTracker,
}

/// Where the tiers are and how large.
pub struct TiersOptions {
    /// The folder in Next's layout; see [`Filesystem::open`].
    pub dir: PathBuf,
    /// Bytes on disk; see [`Filesystem::open`].
    pub limit_bytes: Option<u64>,
    /// Bytes in memory; see [`Memory::new`].
    pub memory_bytes: u64,
    /// The bucket behind them, if there is one.
    pub store: Option<StoreConfig>,
    /// Told of what fails behind an answer.
    pub logger: Logger,
}

/// What a look into the tiers came to. A disk that fails still leaves what the others have.
#[derive(Debug)]
pub struct Loaded {
    /// The entry, fresh or stale.
    pub entry: Option<Arc<Entry>>,
    /// Why the disk could not be asked.
    pub failure: Option<Error>,
}

/// The tiers in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TiersStats {
    /// Entries in memory.
    pub memory_entries: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Entries on disk that are counted already; see [`Filesystem::open`].
    pub disk_entries: u64,
    /// Their bytes.
    pub disk_bytes: u64,
    /// All zero without a bucket.
    pub remote: RemoteStats,
}

impl Tiers {
    /// Opens the folder; makes no request to the bucket. With a bucket, call it on a tokio runtime.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the bucket can't be opened.
    pub fn open(options: TiersOptions) -> Result<Self> {
        let TiersOptions { dir, limit_bytes, memory_bytes, store, logger } = options;
        let open_remote = |store| {
            let (push, logger) = (PushOptions::default(), logger.clone());
            Remote::open(&RemoteOptions { store, dir: &dir, limit_bytes, push, logger })
        };
        let remote = store.as_ref().map(open_remote).transpose()?;
        let disk = match &remote {
            Some(remote) => Arc::clone(remote.disk()),
            None => Arc::new(Filesystem::open(dir, limit_bytes)),
        };
        let adopting = TaskTracker::new();
        // One that is closed takes further tasks all the same, and can be waited for.
        adopting.close();
        let local = Arc::new(Local { memory: Memory::new(memory_bytes), disk, logger, adopting });
        Ok(Self { local, remote, looks: Flights::new() })
    }

    /// The entry, if it lies in memory and is fresh; takes no I/O.
    #[must_use]
    pub fn hot(&self, key: &CacheKey, now_ms: u64) -> Option<Arc<Entry>> {
        let entry = self.local.memory.get(key).filter(|entry| !entry.is_stale(now_ms))?;
        if let Some(remote) = &self.remote {
            remote.note_use(key);
        }
        Some(entry)
    }

    /// Memory, then disk, then the bucket. A stale entry of this machine is an answer: another server's is looked for
    /// with [`Tiers::load_newer`], behind that answer.
    pub async fn load(&self, key: &CacheKey, now_ms: u64) -> Loaded {
        let mut loaded = self.load_local(key, now_ms).await;
        if loaded.entry.is_none() {
            loaded.entry = self.load_remote(key, Wanted::Any, now_ms).await;
        }
        loaded
    }

    /// Memory, then disk. A stale entry in memory gives way to a newer one on disk, which a Next process or
    /// another replica on the same folder may have written.
    pub async fn load_local(&self, key: &CacheKey, now_ms: u64) -> Loaded {
        if let Some(entry) = self.hot(key, now_ms) {
            return Loaded { entry: Some(entry), failure: None };
        }
        let (local, wanted) = (Arc::clone(&self.local), key.clone());
        let stored = tokio::task::spawn_blocking(move || local.disk.load(&wanted)).await;
        let hot = self.local.memory.get(key);
        let stored = match stored {
            Ok(Ok(Some(entry))) => Arc::new(entry),
            Ok(Err(error)) => return Loaded { entry: hot, failure: Some(error) },
            Ok(Ok(None)) | Err(_) => return Loaded { entry: hot, failure: None },
        };
        if hot.as_ref().is_some_and(|hot| hot.expires_at_ms >= stored.expires_at_ms) {
            return Loaded { entry: hot, failure: None };
        }
        self.local.memory.insert(key, Arc::clone(&stored));
        Loaded { entry: Some(stored), failure: None }
    }

    /// The bucket's entry, if it is fresh: what a refresh looks for before it does the work that another server may
    /// have done.
    pub async fn load_newer(&self, key: &CacheKey, now_ms: u64) -> Option<Arc<Entry>> {
        self.load_remote(key, Wanted::Fresh, now_ms).await.filter(|entry| !entry.is_stale(now_ms))
    }

    /// Looks once, however many ask meanwhile, and keeps on this machine what is found.
    async fn load_remote(&self, key: &CacheKey, wanted: Wanted, now_ms: u64) -> Option<Arc<Entry>> {
        let (remote, local, key) = (Arc::clone(self.remote.as_ref()?), Arc::clone(&self.local), key.clone());
        let look_for = key.clone();
        let look = move || async move {
            let found = remote.load(&look_for, wanted, now_ms).await.map(Arc::new);
            if let Some(entry) = &found {
                local.adopt(&look_for, entry);
            }
            Ok(found)
        };
        let (_, found) = self.looks.run(&key, look).await;
        found.ok().flatten()
    }

    /// Into memory, onto disk, and in the background into the bucket.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk fails; the other tiers get the entry all the same.
    pub async fn save(&self, key: &CacheKey, entry: Arc<Entry>) -> Result<()> {
        if let Some(remote) = &self.remote {
            remote.push(key, Arc::clone(&entry));
        }
        self.write(key, entry).await
    }

    /// Into memory and onto disk. For what other servers have no use for: the old variant after a failed refresh, which
    /// must not take the place of one that another server made anew meanwhile.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk fails; memory has the entry then.
    pub async fn save_local(&self, key: &CacheKey, entry: Arc<Entry>) -> Result<()> {
        if let Some(remote) = &self.remote {
            remote.keep_local(key, &entry);
        }
        self.write(key, entry).await
    }

    async fn write(&self, key: &CacheKey, entry: Arc<Entry>) -> Result<()> {
        self.local.memory.insert(key, Arc::clone(&entry));
        let (local, key) = (Arc::clone(&self.local), key.clone());
        match tokio::task::spawn_blocking(move || local.disk.save(&key, &entry)).await {
            Ok(saved) => saved,
            Err(stopped) => Err(Error::Store(format!("the process is ending: {stopped}"))),
        }
    }

    /// Waits until what was saved under this key is in the bucket, for other servers to find, but no longer than `budget`.
    pub async fn shared(&self, key: &CacheKey, budget: Duration) {
        if let Some(remote) = &self.remote {
            remote.pushed(key, budget).await;
        }
    }

    /// [`Tiers::load`] that asks the bucket even if it had nothing a moment ago: another server has said that it has now.
    pub async fn load_again(&self, key: &CacheKey, now_ms: u64) -> Loaded {
        if let Some(remote) = &self.remote {
            remote.look_again(key);
        }
        let loaded = self.load_local(key, now_ms).await;
        if loaded.entry.as_ref().is_some_and(|entry| !entry.is_stale(now_ms)) {
            return loaded;
        }
        let entry = self.load_remote(key, Wanted::Fresh, now_ms).await;
        Loaded { entry: entry.or(loaded.entry), failure: loaded.failure }
    }

    /// Whether there is a bucket behind them.
    #[must_use]
    pub fn has_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Waits until no look into the bucket is under way, and what it had is on disk as well.
    pub async fn settle(&self) {
        self.looks.drain().await;
        self.local.adopting.wait().await;
    }

    /// Pushes what is left, for at most `budget`; says whether nothing is.
    pub async fn flush(&self, budget: Duration) -> bool {
        match &self.remote {
            Some(remote) => remote.flush(budget).await,
            None => true,
        }
    }

    /// What lies in memory and on disk, and what has come of the bucket.
    #[must_use]
    pub fn stats(&self) -> TiersStats {
        TiersStats {
            memory_entries: self.local.memory.len() as u64,
            memory_bytes: self.local.memory.bytes(),
            disk_entries: self.local.disk.len() as u64,
            disk_bytes: self.local.disk.bytes(),
            remote: self.remote.as_ref().map(|remote| remote.stats()).unwrap_or_default(),
        }
    }
}

impl Local {
    /// Keeps what the bucket had, unless this machine has a newer one by now. No request waits for the disk.
    fn adopt(self: &Arc<Self>, key: &CacheKey, entry: &Arc<Entry>) {
        let is_newer = |than: &Entry| entry.expires_at_ms > than.expires_at_ms;
        if self.memory.get(key).is_none_or(|hot| is_newer(&hot)) {
            self.memory.insert(key, Arc::clone(entry));
        }
        let (local, key, entry) = (Arc::clone(self), key.clone(), Arc::clone(entry));
        self.adopting.spawn_blocking(move || {
            let kept = local.disk.load(&key).and_then(|stored| match stored {
                Some(stored) if stored.expires_at_ms >= entry.expires_at_ms => Ok(()),
                _ => local.disk.save(&key, &entry),
            });
            if let Err(error) = kept {
                local.logger.write_error(Level::Warn, "store_failed", &error);
            }
        });
    }
}
