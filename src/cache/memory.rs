//! Hot variants in memory, least recently used out first, bounded by bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::byte_lru::ByteLru;
use super::{Entry, VariantStore};
use crate::error::Result;
use crate::key::CacheKey;

/// What an entry is charged on top of its body and texts: the map's slot, the `Arc`, three `String`s.
/// Without it a flood of tiny entries would take several times the limit.
const OVERHEAD_BYTES: u64 = 320;

/// One entry may take this part of the limit at most, so that a single large image can't throw out
/// everything that is hot.
const LARGEST_SHARE: u64 = 8;

/// The memory tier. One lock: it is held for a hash look-up and a move to the front.
pub struct Memory {
    entries: Mutex<ByteLru<Arc<Entry>>>,
    limit_bytes: u64,
}

impl Memory {
    /// A tier of at most `limit_bytes`, counted as [`Memory::bytes`] counts; 0 keeps nothing.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self { entries: Mutex::new(ByteLru::new()), limit_bytes }
    }

    /// The entry, which becomes the most recently used one.
    #[must_use]
    pub fn get(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.lock().touch(key).cloned()
    }

    /// Keeps the entry in place of the one before. Says whether it was kept: one that is larger than an
    /// eighth of the limit is not, and its predecessor goes as well.
    pub fn insert(&self, key: &CacheKey, entry: Arc<Entry>) -> bool {
        let bytes = charged_bytes(key, &entry);
        let mut entries = self.lock();
        if bytes > self.limit_bytes / LARGEST_SHARE {
            entries.remove(key);
            return false;
        }
        entries.insert(key.clone(), entry, bytes);
        entries.evict_to(self.limit_bytes);
        true
    }

    /// Forgets the entry; says whether there was one.
    pub fn remove(&self, key: &CacheKey) -> bool {
        self.lock().remove(key).is_some()
    }

    /// Bytes in use: bodies, texts and an allowance for the bookkeeping.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// No entries?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing panics while the lock is held, so a poisoned lock still guards sound data.
    fn lock(&self) -> MutexGuard<'_, ByteLru<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn charged_bytes(key: &CacheKey, entry: &Entry) -> u64 {
    let texts = key.as_str().len() + entry.extension.len() + entry.etag.len() + entry.upstream_etag.len();
    entry.body.len() as u64 + texts as u64 + OVERHEAD_BYTES
}

impl VariantStore for Memory {
    fn load(&self, key: &CacheKey) -> Result<Option<Entry>> {
        Ok(self.get(key).map(|entry| Entry::clone(&entry)))
    }

    fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()> {
        self.insert(key, Arc::new(entry.clone()));
        Ok(())
    }

    fn remove(&self, key: &CacheKey) -> Result<()> {
        Memory::remove(self, key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, entry, key};
    use super::*;

    fn memory_with(limit_bytes: u64, keys: std::ops::Range<u8>) -> Memory {
        let memory = Memory::new(limit_bytes);
        for n in keys {
            assert!(memory.insert(&key(n), Arc::new(entry(&[n; 1_000]))));
        }
        memory
    }

    #[test]
    fn keeps_what_every_store_keeps() {
        conformance::check(&Memory::new(1 << 20));
    }

    #[test]
    fn the_least_recently_used_entry_goes_first() {
        let size = memory_with(1 << 20, 0..1).bytes();
        let memory = memory_with(size * 10, 0..10);
        assert_eq!(memory.len(), 10);
        assert!(memory.get(&key(0)).is_some(), "a look makes it recent");
        memory.insert(&key(10), Arc::new(entry(&[10; 1_000])));
        assert!(memory.get(&key(0)).is_some());
        assert!(memory.get(&key(1)).is_none(), "the oldest unused one went");
        assert_eq!(memory.len(), 10);
        assert!(memory.bytes() <= size * 10);
    }

    #[test]
    fn replacing_and_removing_give_their_bytes_back() {
        let memory = memory_with(1 << 20, 0..1);
        let one = memory.bytes();
        memory.insert(&key(0), Arc::new(entry(&[1; 3_000])));
        assert_eq!(memory.bytes(), one + 2_000);
        assert!(memory.remove(&key(0)));
        assert!(!memory.remove(&key(0)));
        assert_eq!((memory.bytes(), memory.len()), (0, 0));
        assert!(memory.is_empty());
    }

    #[test]
    fn an_entry_over_an_eighth_of_the_limit_is_not_kept_and_its_predecessor_goes() {
        let memory = memory_with(16_000, 0..2);
        assert!(!memory.insert(&key(0), Arc::new(entry(&[9; 2_001]))));
        assert!(memory.get(&key(0)).is_none(), "an outdated entry must not be answered");
        assert!(memory.get(&key(1)).is_some(), "the others stay");
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let memory = Memory::new(0);
        assert!(!memory.insert(&key(0), Arc::new(entry(b"x"))));
        assert!(memory.is_empty());
    }

    #[test]
    fn many_threads_keep_the_sum_of_bytes_right() {
        let memory = Memory::new(200_000);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let memory = &memory;
                scope.spawn(move || {
                    for n in 0..200_u8 {
                        memory.insert(&key(n), Arc::new(entry(&vec![n; 10 + usize::from(thread) * 50])));
                        if n % 3 == 0 && memory.get(&key(n)).is_some() {
                            memory.remove(&key(n));
                        }
                    }
                });
            }
        });
        let sum: u64 =
            (0..=u8::MAX).filter_map(|n| memory.get(&key(n)).map(|e| charged_bytes(&key(n), &e))).sum();
        assert_eq!(memory.bytes(), sum);
        assert!(sum <= 200_000);
    }
}
