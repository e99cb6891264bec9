//! Memory before disk: what a server keeps its variants in.

use std::path::PathBuf;
use std::sync::Arc;

use super::filesystem::Filesystem;
use super::memory::Memory;
use super::{Entry, VariantStore};
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// The memory tier in front of the disk tier.
pub struct Tiers {
    memory: Memory,
    disk: Arc<Filesystem>,
}

/// What a look into the tiers came to. A disk that fails still leaves what memory has.
#[derive(Debug)]
pub struct Loaded {
    /// The entry, fresh or stale.
    pub entry: Option<Arc<Entry>>,
    /// Why the disk could not be asked.
    pub failure: Option<Error>,
}

impl Tiers {
    /// `dir` and `limit_bytes` as for [`Filesystem::open`], `memory_bytes` as for [`Memory::new`].
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>, limit_bytes: Option<u64>, memory_bytes: u64) -> Self {
        Self { memory: Memory::new(memory_bytes), disk: Arc::new(Filesystem::open(dir, limit_bytes)) }
    }

    /// The entry, if it lies in memory and is fresh; takes no I/O.
    #[must_use]
    pub fn hot(&self, key: &CacheKey, now_ms: u64) -> Option<Arc<Entry>> {
        self.memory.get(key).filter(|entry| !entry.is_stale(now_ms))
    }

    /// Memory, then disk. A stale entry in memory gives way to a newer one on disk, which a Next process or
    /// another replica on the same folder may have written.
    pub async fn load(&self, key: &CacheKey, now_ms: u64) -> Loaded {
        let hot = self.memory.get(key);
        if hot.as_ref().is_some_and(|entry| !entry.is_stale(now_ms)) {
            return Loaded { entry: hot, failure: None };
        }
        let (disk, wanted) = (Arc::clone(&self.disk), key.clone());
        let stored = match tokio::task::spawn_blocking(move || disk.load(&wanted)).await {
            Ok(Ok(Some(entry))) => Arc::new(entry),
            Ok(Err(error)) => return Loaded { entry: hot, failure: Some(error) },
            Ok(Ok(None)) | Err(_) => return Loaded { entry: hot, failure: None },
        };
        if hot.as_ref().is_some_and(|hot| hot.expires_at_ms >= stored.expires_at_ms) {
            return Loaded { entry: hot, failure: None };
        }
        self.memory.insert(key, Arc::clone(&stored));
        Loaded { entry: Some(stored), failure: None }
    }

    /// Into memory and onto disk.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk fails; memory has the entry then.
    pub async fn save(&self, key: &CacheKey, entry: Arc<Entry>) -> Result<()> {
        self.memory.insert(key, Arc::clone(&entry));
        let (disk, key) = (Arc::clone(&self.disk), key.clone());
        match tokio::task::spawn_blocking(move || disk.save(&key, &entry)).await {
            Ok(saved) => saved,
            Err(stopped) => Err(Error::Store(format!("the process is ending: {stopped}"))),
        }
    }

    /// Entries and bytes in memory.
    #[must_use]
    pub fn in_memory(&self) -> (u64, u64) {
        (self.memory.len() as u64, self.memory.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{entry, key};
    use super::*;

    fn tiers(memory_bytes: u64) -> (tempfile::TempDir, Tiers) {
        let folder = tempfile::tempdir().expect("a folder");
        let tiers = Tiers::open(folder.path().join("images"), None, memory_bytes);
        (folder, tiers)
    }

    fn until(expires_at_ms: u64, body: &[u8]) -> Arc<Entry> {
        Arc::new(Entry { expires_at_ms, ..entry(body) })
    }

    #[tokio::test]
    async fn what_is_saved_is_hot_while_it_is_fresh_and_found_when_it_is_stale() {
        let (_folder, tiers) = tiers(1 << 20);
        tiers.save(&key(1), until(1_000, b"one")).await.expect("saved");
        assert_eq!(tiers.hot(&key(1), 1_000), Some(until(1_000, b"one")));
        assert_eq!(tiers.hot(&key(1), 1_001), None);
        assert_eq!(tiers.load(&key(1), 1_001).await.entry, Some(until(1_000, b"one")));
        assert!(tiers.load(&key(2), 0).await.entry.is_none());
    }

    #[tokio::test]
    async fn an_entry_outlives_the_process_that_made_it() {
        let (folder, tiers) = tiers(0);
        tiers.save(&key(1), until(1_000, b"one")).await.expect("saved");
        assert_eq!(tiers.in_memory(), (0, 0));
        let next = Tiers::open(folder.path().join("images"), None, 1 << 20);
        assert_eq!(next.load(&key(1), 0).await.entry, Some(until(1_000, b"one")));
        assert!(next.hot(&key(1), 0).is_some(), "a look brings it into memory");
    }

    #[tokio::test]
    async fn a_stale_entry_in_memory_gives_way_to_a_newer_one_on_disk() {
        let (folder, tiers) = tiers(1 << 20);
        tiers.save(&key(1), until(1_000, b"old")).await.expect("saved");
        let other = Tiers::open(folder.path().join("images"), None, 0);
        other.save(&key(1), until(9_000, b"new")).await.expect("saved");
        assert_eq!(tiers.load(&key(1), 500).await.entry, Some(until(1_000, b"old")), "fresh: nobody looks");
        assert_eq!(tiers.load(&key(1), 2_000).await.entry, Some(until(9_000, b"new")));
    }

    #[tokio::test]
    async fn a_disk_that_fails_leaves_what_memory_has_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("images");
        std::fs::write(&file, b"not a folder").expect("written");
        let tiers = Tiers::open(file, Some(1 << 20), 1 << 20);
        assert!(matches!(tiers.save(&key(1), until(1_000, b"one")).await, Err(Error::Store(_))));
        let loaded = tiers.load(&key(1), 2_000).await;
        assert_eq!(loaded.entry, Some(until(1_000, b"one")));
        assert!(matches!(loaded.failure, Some(Error::Store(_))));
    }
}
