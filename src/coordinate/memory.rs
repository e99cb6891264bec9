//! One process on its own: a queue with permits, and one flight per key.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::crew::{Crew, Past};
use super::desk::Desk;
use super::stats::Counters;
use super::{Coordinator, CoordinatorStats, Job, Made, Options, Worker};
use crate::error::Result;

/// Coordinates the callers of this process.
pub struct Memory {
    crew: Arc<Crew>,
    desk: Desk,
}

impl Memory {
    /// Nothing under way. [`Options::lease`], `patience` and `results` play no part here.
    #[must_use]
    pub fn new(options: Options, worker: Arc<dyn Worker>) -> Self {
        let counters = Arc::<Counters>::default();
        let desk = Desk::new(Arc::clone(&counters));
        Self { crew: Arc::new(Crew::new(worker, options, counters)), desk }
    }
}

impl Coordinator for Memory {
    fn make(&self, job: Job, deadline: Instant) -> BoxFuture<'_, Result<Made>> {
        let crew = Arc::clone(&self.crew);
        let is_full = |under_way| self.crew.is_full(under_way);
        let drive = move |mut flight| async move {
            if let Some(result) = crew.work(&mut flight, Past::default()).await {
                flight.land(result);
            }
        };
        self.desk.join(job, deadline, is_full, drive).boxed()
    }

    fn stats(&self) -> CoordinatorStats {
        let running = self.crew.permits.held() as u64;
        let waiting = (self.desk.len() as u64).saturating_sub(running);
        self.crew.counters.snapshot(running, waiting, true)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.desk.drain().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Results;
    use super::super::conformance::{self, Fleet};
    use super::*;

    /// All replicas are the first.
    #[derive(Default)]
    struct OneProcess(std::sync::Mutex<Option<Joined>>);

    type Joined = (Arc<dyn Worker>, Arc<dyn Coordinator>);

    impl Fleet for OneProcess {
        fn join(&self, options: Options, worker: Arc<dyn Worker>) -> BoxFuture<'_, Arc<dyn Coordinator>> {
            let mut joined = self.0.lock().unwrap();
            if let Some((_, process)) = joined.as_ref().filter(|(known, _)| Arc::ptr_eq(known, &worker)) {
                return std::future::ready(Arc::clone(process)).boxed();
            }
            let process: Arc<dyn Coordinator> = Arc::new(Memory::new(options, Arc::clone(&worker)));
            *joined = Some((worker, Arc::clone(&process)));
            std::future::ready(process).boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_what_a_coordinator_does() {
        for results in [Results::InStore, Results::default()] {
            conformance::check(&OneProcess::default(), results).await;
        }
    }
}
