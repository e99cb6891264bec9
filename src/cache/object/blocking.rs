//! The bucket as a store whose calls block.

use tokio::runtime::Handle;

use super::Bucket;
use crate::cache::{Entry, VariantStore};
use crate::error::Result;
use crate::key::CacheKey;

/// A bucket for callers without a runtime of their own: its work is done on the one of the handle. Must not be called
/// on a thread of a runtime.
pub struct Blocking {
    bucket: Bucket,
    runtime: Handle,
}

impl Blocking {
    /// Loads have the pace of `bucket`; see [`Bucket::patient`].
    #[must_use]
    pub fn new(bucket: Bucket, runtime: Handle) -> Self {
        Self { bucket, runtime }
    }
}

impl VariantStore for Blocking {
    fn load(&self, key: &CacheKey) -> Result<Option<Entry>> {
        self.runtime.block_on(self.bucket.load(key))
    }

    fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()> {
        self.runtime.block_on(self.bucket.save(key, entry))
    }

    fn remove(&self, key: &CacheKey) -> Result<()> {
        self.runtime.block_on(self.bucket.remove(key))
    }
}
