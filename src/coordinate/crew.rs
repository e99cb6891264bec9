//! Work in this process: a permit, a last look, an attempt.

use std::sync::Arc;
use std::time::Duration;

use super::desk::{Change, Flight};
use super::permits::{Permit, Permits};
use super::stats::Counters;
use super::{By, Job, Made, Options, Urgency, Worker};
use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::flight::panic_text;

/// The pause after the first failed attempt; it doubles with each further one…
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … up to this. Each is between half and all of it, so that the jobs of a source that fails do not return together.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The worker with its permits.
pub(super) struct Crew {
    pub(super) worker: Arc<dyn Worker>,
    pub(super) permits: Permits,
    pub(super) counters: Arc<Counters>,
    pub(super) options: Options,
}

/// Whether a flight that waited may go on.
pub(super) enum Turn {
    /// It may.
    Permitted(Permit),
    /// Nobody waits for it any more, and it has ended.
    Abandoned,
}

impl Crew {
    pub(super) fn new(worker: Arc<dyn Worker>, options: Options, counters: Arc<Counters>) -> Self {
        let permits = Permits::new(options.permits, options.permits_per_source);
        Self { worker, permits, counters, options }
    }

    /// At least one.
    pub(super) fn max_attempts(&self) -> u32 {
        self.options.max_attempts.max(1)
    }

    /// Whether one more job would be too many beside `under_way`.
    pub(super) fn is_full(&self, under_way: usize) -> bool {
        under_way.saturating_sub(self.permits.held()) >= self.options.max_queue
    }

    /// Waits for a permit, as urgently as the flight is by then.
    pub(super) async fn permit(&self, flight: &mut Flight) -> Turn {
        let source = flight.job.source();
        loop {
            if let Some(permit) = self.permits.try_acquire(&source) {
                return Turn::Permitted(permit);
            }
            self.counters.queued.add_one();
            let urgency = flight.urgency();
            tokio::select! {
                permit = self.permits.acquire(&source, urgency) => return Turn::Permitted(permit),
                change = flight.change(urgency) => match change {
                    Change::MoreUrgent => {}
                    Change::Abandoned => return Turn::Abandoned,
                },
            }
        }
    }

    /// The variant if it is there by now, else what making it comes to. It runs on a task of its own, which nobody's
    /// leaving stops and whose panic is an error.
    pub(super) async fn attempt(&self, job: &Arc<Job>, attempt: u32) -> Result<Made> {
        let (worker, counters, job) = (Arc::clone(&self.worker), Arc::clone(&self.counters), Arc::clone(job));
        let done = tokio::spawn(async move {
            if let Some(entry) = worker.lookup(&job.key).await {
                counters.found.add_one();
                return Ok(Made { entry, by: By::Another });
            }
            counters.worked.add_one();
            let entry = worker.make(&job, attempt).await?;
            Ok(Made { entry, by: By::Us })
        });
        done.await.unwrap_or_else(|stopped| {
            let panic = stopped.try_into_panic();
            Err(panic.map_or(Error::Aborted, |panic| Error::Panic(panic_text(panic.as_ref()))))
        })
    }

    /// The pause until the next attempt, or `None` when there is to be none.
    pub(super) fn pause_after(&self, error: &Error, attempt: u32) -> Option<Duration> {
        (error.may_heal() && attempt < self.max_attempts()).then(|| {
            let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10));
            doubled.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64() / 2.0)
        })
    }

    /// All attempts from number `first` on, in this process. `None` when the flight was abandoned meanwhile.
    pub(super) async fn work(&self, flight: &mut Flight, first: u32) -> Option<Result<Made>> {
        let result = self.attempts(flight, first).await;
        if result.is_none() {
            self.counters.withdrawn.add_one();
        }
        result
    }

    /// [`Self::work`] without counting what is abandoned.
    pub(super) async fn attempts(&self, flight: &mut Flight, first: u32) -> Option<Result<Made>> {
        let mut attempt = first;
        loop {
            let Turn::Permitted(permit) = self.permit(flight).await else { return None };
            let result = self.attempt(&flight.job, attempt).await;
            drop(permit);
            let pause = match &result {
                Err(error) => self.pause_after(error, attempt),
                Ok(_) => None,
            };
            let Some(pause) = pause else { return Some(result) };
            self.counters.retried.add_one();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = flight.change(Urgency::Client) => return None,
            }
            attempt += 1;
        }
    }

    /// Looks for what another replica is said to have made.
    pub(super) async fn lookup(&self, job: &Job) -> Option<Arc<Entry>> {
        self.worker.lookup(&job.key).await
    }
}
