//! Counters of a coordinator.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::camel_case;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a coordinator counts as it goes.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: Counter),* }

        /// What has happened since the start, and what is going on now.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct CoordinatorStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Jobs in work here now.
            pub running: u64,
            /// Jobs that callers of this process wait for and that are not in work here now.
            pub waiting: u64,
            /// Whether the shared storage answers. Always so for memory.
            pub is_connected: bool,
        }

        impl CoordinatorStats {
            /// Every number with its name in JavaScript's spelling, which begins with `coordinator`.
            #[must_use]
            pub fn entries(&self) -> Vec<(String, u64)> {
                let named = [
                    $((stringify!($name), self.$name),)*
                    ("running", self.running),
                    ("waiting", self.waiting),
                    ("is_connected", u64::from(self.is_connected)),
                ];
                named.into_iter().map(|(name, value)| (camel_case(&format!("coordinator_{name}")), value)).collect()
            }
        }

        impl Counters {
            pub(super) fn snapshot(&self, running: u64, waiting: u64, is_connected: bool) -> CoordinatorStats {
                CoordinatorStats { $($name: self.$name.value(),)* running, waiting, is_connected }
            }
        }
    };
}

counters! {
    /// Attempts made by this process's worker.
    worked,
    /// Of these, jobs that another replica had accepted.
    taken,
    /// Jobs that this process went on with alone, because the shared storage did not answer.
    local,
    /// Jobs that had to wait, for a permit or for another replica; one that becomes more urgent counts again.
    queued,
    /// Calls that joined another call of this process.
    followers,
    /// Jobs that another replica made while this one waited.
    lease_followers,
    /// Leases got for a variant that was there by then.
    found,
    /// Attempts that failed and were made again.
    retried,
    /// Jobs that failed in the end.
    failed,
    /// Jobs taken out of the queue because nobody waited any more.
    withdrawn,
    /// Calls refused because too many jobs were waiting.
    refused,
    /// Leases that ran out while the work went on.
    lost_leases,
    /// Results that another replica had announced and that could not be had; the job was then worked here.
    lost_results,
    /// Requests to the shared storage that failed or took too long.
    storage_errors,
    /// Connections made to the shared storage after one was lost.
    reconnects,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
