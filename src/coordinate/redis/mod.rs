//! Replicas that share a Redis or Valkey: one queue, worked by whoever has a free permit.
//!
//! A wish for a variant goes into the queue, or is leased at once where nobody waits and a permit is free. A lease is
//! renewed while the work runs; the job of a replica that died returns to the queue when its lease runs out. Outcomes
//! are published; the bytes go through the variant store, or lie in Redis for a while. When Redis does not answer, each
//! replica works what its own callers wait for.

mod inbox;
mod leases;
mod link;
mod queue;
mod replica;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::link::Link;
use self::queue::{Names, Queue};
use self::replica::Replica;
use super::crew::Crew;
use super::desk::Desk;
use super::stats::Counters;
use super::{Coordinator, CoordinatorStats, Job, Made, Options, Worker};
use crate::error::Result;

/// Coordinates replicas over one Redis or Valkey server.
pub struct Redis {
    replica: Arc<Replica>,
    desk: Desk,
    /// What runs beside the calls; it ends with this.
    tasks: Mutex<JoinSet<()>>,
}

impl Redis {
    /// Connects in the background; a server that is away now may come later.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`] for a url that can't be used, credentials that are refused, and a cluster.
    pub async fn open(url: &str, prefix: &str, options: Options, worker: Arc<dyn Worker>) -> Result<Self> {
        let counters = Arc::<Counters>::default();
        let names = Names::new(prefix, Link::database(url));
        let link = Link::new(url, names.channel.clone(), &options, Arc::clone(&counters))?;
        let owner = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let lease = options.lease.max(Duration::from_millis(100));
        let queue = Queue::new(link, names, owner, lease);
        let desk = Desk::new(Arc::clone(&counters));
        let crew = Crew::new(worker, Options { lease, ..options }, counters);
        let replica = Arc::new(Replica::new(crew, queue));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&replica).keep_up());
        tasks.spawn(Arc::clone(&replica).keep_leases());
        tasks.spawn(Arc::clone(&replica).take_jobs());
        let this = Self { replica, desk, tasks: Mutex::new(tasks) };
        this.replica.queue.link.wait_for_first().await?;
        Ok(this)
    }
}

impl Coordinator for Redis {
    fn make(&self, job: Job, deadline: Instant) -> BoxFuture<'_, Result<Made>> {
        let replica = Arc::clone(&self.replica);
        let is_full = |under_way| self.replica.crew.is_full(under_way);
        self.desk.join(job, deadline, is_full, move |flight| replica.fly(flight)).boxed()
    }

    fn stats(&self) -> CoordinatorStats {
        let crew = &self.replica.crew;
        let running = crew.permits.held() as u64;
        let waiting = (self.desk.len() as u64).saturating_sub(running);
        crew.counters.snapshot(running, waiting, self.replica.queue.link.is_up())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.replica.begin_to_close();
            self.desk.drain().await;
            self.replica.give_leases_back().await;
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
            self.replica.queue.link.close();
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
