//! The order of use behind the memory tier and the disk tier: least recently used out first, by bytes.

use lru::LruCache;

use crate::key::CacheKey;

/// Keys with a value and a size in bytes each. It holds no limit of its own: whoever inserts asks for
/// what has to go with [`ByteLru::evict_to`].
pub(super) struct ByteLru<V> {
    entries: LruCache<CacheKey, Weighed<V>>,
    bytes: u64,
}

struct Weighed<V> {
    value: V,
    bytes: u64,
}

impl<V> ByteLru<V> {
    pub(super) fn new() -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0 }
    }

    /// Puts the key in front, in place of what it had before.
    pub(super) fn insert(&mut self, key: CacheKey, value: V, bytes: u64) {
        if let Some(old) = self.entries.put(key, Weighed { value, bytes }) {
            self.bytes -= old.bytes;
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The value of the key, which moves to the front.
    pub(super) fn touch(&mut self, key: &CacheKey) -> Option<&V> {
        self.entries.get(key).map(|weighed| &weighed.value)
    }

    pub(super) fn contains(&self, key: &CacheKey) -> bool {
        self.entries.contains(key)
    }

    pub(super) fn remove(&mut self, key: &CacheKey) -> Option<V> {
        let old = self.entries.pop(key)?;
        self.bytes -= old.bytes;
        Some(old.value)
    }

    /// Takes out the least recently used keys until at most `limit_bytes` are left.
    pub(super) fn evict_to(&mut self, limit_bytes: u64) -> Vec<CacheKey> {
        let mut evicted = Vec::new();
        while self.bytes > limit_bytes {
            let Some((key, weighed)) = self.entries.pop_lru() else { break };
            self.bytes -= weighed.bytes;
            evicted.push(key);
        }
        evicted
    }

    /// Adds the key behind all others, unless it is there already.
    pub(super) fn insert_oldest(&mut self, key: &CacheKey, value: V, bytes: u64) {
        if !self.entries.contains(key) {
            self.insert(key.clone(), value, bytes);
            self.entries.demote(key);
        }
    }

    /// Sum of all sizes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
