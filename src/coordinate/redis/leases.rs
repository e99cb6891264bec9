//! The leases that this replica holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::key::CacheKey;

#[derive(Clone)]
pub(super) struct Leases {
    shared: Arc<Shared>,
}

struct Shared {
    held: Mutex<HashMap<CacheKey, Lease>>,
    count: watch::Sender<usize>,
}

struct Lease {
    fence: String,
    /// Is the work under way? Else it is being announced what came of it.
    is_working: bool,
}

/// One of them, until it is dropped.
pub(super) struct Held {
    key: CacheKey,
    fence: String,
    leases: Leases,
}

impl Default for Leases {
    fn default() -> Self {
        let (count, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { held: Mutex::default(), count }) }
    }
}

impl Leases {
    pub(super) fn hold(&self, key: &CacheKey, fence: &str) -> Held {
        let mut held = self.lock();
        held.insert(key.clone(), Lease { fence: fence.to_owned(), is_working: true });
        self.shared.count.send_replace(held.len());
        Held { key: key.clone(), fence: fence.to_owned(), leases: self.clone() }
    }

    /// Keys with their fencing numbers.
    pub(super) fn held(&self) -> Vec<(CacheKey, String)> {
        self.lock().iter().map(|(key, lease)| (key.clone(), lease.fence.clone())).collect()
    }

    /// Whether the job is in work here.
    pub(super) fn is_working(&self, key: &CacheKey) -> bool {
        self.lock().get(key).is_some_and(|lease| lease.is_working)
    }

    /// Waits until none is held.
    pub(super) async fn drain(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Lease>> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The work is over.
    pub(super) fn end_work(&self) {
        if let Some(lease) = self.leases.lock().get_mut(&self.key).filter(|lease| lease.fence == self.fence) {
            lease.is_working = false;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        // A later lease of the same key stays.
        if held.get(&self.key).is_some_and(|lease| lease.fence == self.fence) {
            held.remove(&self.key);
            self.leases.shared.count.send_replace(held.len());
        }
    }
}
