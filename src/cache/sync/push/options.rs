//! How pushing goes about it, and what comes of it.

/// How pushing goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushOptions {
    /// Uploads at once, 1 or more. Default 8.
    pub concurrency: usize,
    /// Jobs that wait at most, 1 or more; beyond that the oldest is given up. Default 10,000.
    pub queue: usize,
    /// Bytes of entries that wait in memory at most. Default 64 MiB.
    pub queue_bytes: u64,
    /// Bytes put into the bucket within an hour at most. More is given up and, where the folder is watched, comes again.
    /// Default 4 GiB.
    pub hourly_bytes: u64,
    /// Whether what is evicted or purged here is removed from the bucket too. By default it is not: the bucket is the
    /// long memory, and its lifecycle rule cleans it up.
    pub remove_remote: bool,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            queue: 10_000,
            queue_bytes: 64 << 20,
            hourly_bytes: 4 << 30,
            remove_remote: false,
        }
    }
}

/// What pushing has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushStats {
    /// Jobs that wait.
    pub queued: u64,
    /// Variants put into the bucket.
    pub pushed: u64,
    /// Keys taken out of it.
    pub removed: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Jobs that were dropped because too many waited, or the hour's bytes were used up. Where the folder is watched, they
    /// come again.
    pub given_up: u64,
    /// Bytes of the bodies put into the bucket.
    pub bytes: u64,
}
