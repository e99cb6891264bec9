//! Looks that found nothing, remembered for a short while.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use crate::key::CacheKey;

/// How long another server's work may go unseen, in exchange for not asking once per request.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// Keys that are remembered; a flood of requests for ever new ones takes 2 MB at most.
const REMEMBERED_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// How little was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Vain {
    /// An entry, but none that is fresh.
    Stale,
    /// Nothing at all.
    Absent,
}

/// The keys of such looks.
pub(super) struct VainLooks {
    looks: Mutex<LruCache<CacheKey, (Instant, Vain)>>,
}

impl VainLooks {
    pub(super) fn new() -> Self {
        Self { looks: Mutex::new(LruCache::new(REMEMBERED_KEYS)) }
    }

    /// Remembers what a look did not find.
    pub(super) fn note(&self, key: &CacheKey, vain: Vain) {
        self.lock().put(key.clone(), (Instant::now(), vain));
    }

    /// Forgets the key: there is something now.
    pub(super) fn forget(&self, key: &CacheKey) {
        self.lock().pop(key);
    }

    /// Whether a look of a moment ago has found as little as `least`, or less.
    pub(super) fn knows(&self, key: &CacheKey, least: Vain) -> bool {
        let mut looks = self.lock();
        match looks.get(key) {
            Some((at, vain)) if at.elapsed() < REMEMBERED_FOR => *vain >= least,
            Some(_) => {
                looks.pop(key);
                false
            }
            None => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<CacheKey, (Instant, Vain)>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::key;

    #[tokio::test(start_paused = true)]
    async fn a_vain_look_is_remembered_for_ten_seconds() {
        let looks = VainLooks::new();
        looks.note(&key(1), Vain::Absent);
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(looks.knows(&key(1), Vain::Absent));
        assert!(!looks.knows(&key(2), Vain::Absent));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!looks.knows(&key(1), Vain::Absent));
    }

    #[test]
    fn a_stale_entry_is_still_one_for_who_takes_any() {
        let looks = VainLooks::new();
        looks.note(&key(1), Vain::Stale);
        assert!(looks.knows(&key(1), Vain::Stale));
        assert!(!looks.knows(&key(1), Vain::Absent));
        looks.note(&key(1), Vain::Absent);
        assert!(looks.knows(&key(1), Vain::Stale), "where nothing is, nothing is fresh");
        looks.forget(&key(1));
        assert!(!looks.knows(&key(1), Vain::Stale));
    }

    #[test]
    fn a_flood_of_keys_pushes_the_oldest_out() {
        let looks = VainLooks::new();
        let keys: Vec<_> = (0..=REMEMBERED_KEYS.get())
            .map(|n| CacheKey::parse(&format!("{n:A<43}")).expect("a key"))
            .collect();
        for key in &keys {
            looks.note(key, Vain::Absent);
        }
        assert_eq!(looks.lock().len(), REMEMBERED_KEYS.get());
        assert!(!looks.knows(&keys[0], Vain::Absent));
        assert!(looks.knows(&keys[1], Vain::Absent));
    }
}
