//! Sources on their way from one variant to the next: what was fetched for a WebP serves for its AVIF as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::key::CacheKey;
use crate::upstream::Upstream;

/// A source that was fetched for another variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) upstream: Upstream,
    /// When it was fetched, milliseconds since the Unix epoch.
    pub(super) fetched_at_ms: u64,
}

/// Sources that somebody waits for, by the variant that they are fetched for first. Held are their bytes as they came,
/// never pixels.
#[derive(Default)]
pub(super) struct Handover {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    held_bytes: u64,
    slots: HashMap<CacheKey, Slot>,
}

#[derive(Default)]
struct Slot {
    tickets: usize,
    source: Option<Source>,
}

/// Whoever has one waits for the source of a variant. Without tickets none is held.
pub(super) struct Ticket {
    shared: Arc<Mutex<Shared>>,
    key: CacheKey,
}

impl Handover {
    /// Has the source of this variant held, should it be fetched from now on.
    pub(super) fn expect(&self, key: &CacheKey) -> Ticket {
        self.lock().slots.entry(key.clone()).or_default().tickets += 1;
        Ticket { shared: Arc::clone(&self.shared), key: key.clone() }
    }

    /// Holds the source that was just fetched for this variant, if it is expected and all that is held stays within
    /// `limit_bytes`.
    pub(super) fn offer(&self, key: &CacheKey, upstream: &Upstream, fetched_at_ms: u64, limit_bytes: u64) {
        let mut shared = self.lock();
        let bytes = upstream.body.len() as u64;
        let fits = shared.held_bytes.saturating_add(bytes) <= limit_bytes;
        let slot = shared.slots.get_mut(key).filter(|slot| slot.source.is_none() && fits);
        if let Some(slot) = slot {
            slot.source = Some(Source { upstream: upstream.clone(), fetched_at_ms });
            shared.held_bytes += bytes;
        }
    }

    /// The source that was fetched for this variant; it is held no longer.
    pub(super) fn take(&self, key: &CacheKey) -> Option<Source> {
        let mut shared = self.lock();
        let source = shared.slots.get_mut(key)?.source.take()?;
        shared.held_bytes -= source.upstream.body.len() as u64;
        Some(source)
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> u64 {
        self.lock().held_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

/// Nothing panics while the lock is held.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        let Some(slot) = shared.slots.get_mut(&self.key) else { return };
        slot.tickets -= 1;
        if slot.tickets == 0 {
            let left = shared.slots.remove(&self.key).and_then(|slot| slot.source);
            shared.held_bytes -= left.map_or(0, |source| source.upstream.body.len() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cache::conformance::key;

    fn upstream(bytes: usize) -> Upstream {
        let body = Bytes::from(vec![7; bytes]);
        Upstream { body, content_type: None, cache_control: None, etag: None }
    }

    #[test]
    fn what_is_expected_is_handed_over_once() {
        let handover = Handover::default();
        let _ticket = handover.expect(&key(1));
        handover.offer(&key(1), &upstream(10), 5, 100);
        assert_eq!(handover.held_bytes(), 10);
        assert_eq!(handover.take(&key(1)), Some(Source { upstream: upstream(10), fetched_at_ms: 5 }));
        assert_eq!((handover.take(&key(1)), handover.held_bytes()), (None, 0));
    }

    #[test]
    fn what_nobody_expects_is_not_held() {
        let handover = Handover::default();
        handover.offer(&key(1), &upstream(10), 0, 100);
        assert_eq!((handover.take(&key(1)), handover.held_bytes()), (None, 0));
    }

    #[test]
    fn a_source_goes_with_the_last_ticket() {
        let handover = Handover::default();
        let (first, second) = (handover.expect(&key(1)), handover.expect(&key(1)));
        handover.offer(&key(1), &upstream(10), 0, 100);
        drop(first);
        assert_eq!(handover.held_bytes(), 10);
        drop(second);
        assert_eq!((handover.take(&key(1)), handover.held_bytes()), (None, 0));
    }

    #[test]
    fn all_that_is_held_stays_within_the_limit() {
        let handover = Handover::default();
        let _tickets: Vec<_> = (1..=3).map(|n| handover.expect(&key(n))).collect();
        handover.offer(&key(1), &upstream(60), 0, 100);
        handover.offer(&key(2), &upstream(60), 0, 100);
        handover.offer(&key(3), &upstream(40), 0, 100);
        assert_eq!((handover.held_bytes(), handover.take(&key(2))), (100, None));
        assert!(handover.take(&key(1)).is_some() && handover.take(&key(3)).is_some());
    }
}
