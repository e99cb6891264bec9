//! What the handler keeps its variants in. A store that fails costs speed only.

use std::sync::Arc;
use std::time::Duration;

use super::{Handler, now_ms};
use crate::cache::Entry;
use crate::cache::tiers::{Loaded, Tiers};
use crate::error::{Error, Result};
use crate::key::CacheKey;

impl Handler {
    /// Whether there is a bucket behind the cache.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.cache.as_ref().is_some_and(Tiers::has_remote)
    }

    /// Waits until what other servers have made, and requests found, is on this machine's disk.
    pub(super) async fn settle(&self) {
        if let Some(cache) = &self.cache {
            cache.settle().await;
        }
    }

    /// Waits for at most `budget` until what has been made is in the bucket; says whether all of it is.
    pub async fn flush(&self, budget: Duration) -> bool {
        match &self.cache {
            Some(cache) => cache.flush(budget).await,
            None => true,
        }
    }

    pub(super) async fn load(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load(key, now_ms()).await)
    }

    pub(super) async fn load_local(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load_local(key, now_ms()).await)
    }

    /// What this or another server has made while this one waited for its turn.
    pub(super) async fn load_again(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load_again(key, now_ms()).await)
    }

    /// What another server has made anew.
    pub(super) async fn load_newer(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.cache.as_ref()?.load_newer(key, now_ms()).await
    }

    /// Keeps what was made here, for other servers as well.
    pub(super) async fn keep(&self, key: &CacheKey, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        if let Some(cache) = &self.cache {
            self.saved(cache.save(key, Arc::clone(&entry)).await);
        }
        entry
    }

    /// Keeps what other servers have no use for.
    pub(super) async fn keep_here(&self, key: &CacheKey, entry: &Arc<Entry>) {
        if let Some(cache) = &self.cache {
            self.saved(cache.save_local(key, Arc::clone(entry)).await);
        }
    }

    fn loaded(&self, loaded: Loaded) -> Option<Arc<Entry>> {
        if let Some(error) = loaded.failure {
            self.store_failed(&error);
        }
        loaded.entry
    }

    fn saved(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.store_failed(&error);
        }
    }

    fn store_failed(&self, error: &Error) {
        self.counters.store_errors.add(1);
        self.report_store_failed(error);
    }
}
