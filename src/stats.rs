//! Counters behind `stats()`.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::tiers::TiersStats;
use crate::runtime::PoolStats;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a handler counts as it goes.
        #[derive(Debug, Default)]
        #[expect(missing_docs, reason = "each counter is described at its twin in `Stats`")]
        pub struct Counters { $(pub $name: Counter),* }

        /// What has happened since the start, and what is going on now.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Variants in the memory tier.
            pub memory_entries: u64,
            /// Bytes in the memory tier.
            pub memory_bytes: u64,
            /// Variants in the disk tier, as far as they are counted: a start counts what it finds in the background.
            pub disk_entries: u64,
            /// Bytes in the disk tier.
            pub disk_bytes: u64,
            /// Variants that the bucket had.
            pub bucket_hits: u64,
            /// Looks into the bucket that found nothing of use.
            pub bucket_misses: u64,
            /// Looks into the bucket that failed.
            pub bucket_errors: u64,
            /// Variants written to the bucket.
            pub bucket_pushes: u64,
            /// Variants that could not be written to the bucket.
            pub bucket_push_errors: u64,
            /// Variants that wait to be written to the bucket.
            pub bucket_queue: u64,
            /// Images in work.
            pub running: u64,
            /// Images that wait for a thread.
            pub waiting: u64,
            /// Bytes of the memory budget in use.
            pub budget_used_bytes: u64,
        }

        impl Stats {
            /// Every number with its name in JavaScript's spelling.
            #[must_use]
            pub fn entries(&self) -> Vec<(String, u64)> {
                let named = [
                    $((stringify!($name), self.$name),)*
                    ("memory_entries", self.memory_entries),
                    ("memory_bytes", self.memory_bytes),
                    ("disk_entries", self.disk_entries),
                    ("disk_bytes", self.disk_bytes),
                    ("bucket_hits", self.bucket_hits),
                    ("bucket_misses", self.bucket_misses),
                    ("bucket_errors", self.bucket_errors),
                    ("bucket_pushes", self.bucket_pushes),
                    ("bucket_push_errors", self.bucket_push_errors),
                    ("bucket_queue", self.bucket_queue),
                    ("running", self.running),
                    ("waiting", self.waiting),
                    ("budget_used_bytes", self.budget_used_bytes),
                ];
                named.into_iter().map(|(name, value)| (camel_case(name), value)).collect()
            }
        }

        impl Counters {
            /// The counts beside the present state.
            #[must_use]
            pub fn snapshot(&self, pool: PoolStats, tiers: TiersStats) -> Stats {
                Stats {
                    $($name: self.$name.value(),)*
                    memory_entries: tiers.memory_entries,
                    memory_bytes: tiers.memory_bytes,
                    disk_entries: tiers.disk_entries,
                    disk_bytes: tiers.disk_bytes,
                    bucket_hits: tiers.remote.hits,
                    bucket_misses: tiers.remote.misses,
                    bucket_errors: tiers.remote.errors,
                    bucket_pushes: tiers.remote.pushes,
                    bucket_push_errors: tiers.remote.push_errors,
                    bucket_queue: tiers.remote.queued,
                    running: pool.running as u64,
                    waiting: pool.waiting as u64,
                    budget_used_bytes: pool.budget_used_bytes,
                }
            }
        }
    };
}

counters! {
    /// Answers from a fresh variant.
    hits,
    /// Answers for which the variant was made.
    misses,
    /// Answers from an expired variant, refreshed behind them.
    stale,
    /// Requests that shared another one's work.
    followers,
    /// Requests refused, and refreshes that failed.
    errors,
    /// Variants decoded and encoded.
    optimized,
    /// Sources passed through by rule: vectors, icons, animations.
    bypassed,
    /// Sources served as they came because optimizing failed.
    fallbacks,
    /// Reads and writes of the variant store that failed.
    store_errors,
    /// Bytes fetched.
    upstream_bytes,
    /// Bytes of the variants made.
    optimized_bytes,
    /// Answers with WebP in place of AVIF that is yet to be made.
    avif_soon_answers,
    /// AVIF made behind such answers.
    avif_soon_made,
    /// AVIF that could not be made behind such answers.
    avif_soon_failed,
    /// AVIF not made behind such answers, for want of time or because the process ends; a later request asks again.
    avif_soon_dropped,
}

/// A name of Rust as JavaScript spells it.
#[must_use]
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut whole, word| {
        let (initial, rest) = word.split_at(1);
        whole.push_str(&initial.to_ascii_uppercase());
        whole.push_str(rest);
        whole
    })
}
