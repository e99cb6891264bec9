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
use crate::log::{Level, describe_error, describe_request};

/// The pause after the first failed attempt; it doubles with each further one…
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … up to this. Each is between half and all of it, so that the jobs of a source that fails do not return together.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a process may die over a job before nobody tries any more. More than the attempts that may fail: a platform
/// ends processes for reasons of its own, now and then several in a row, and none of that is the picture's fault.
pub(super) const MOST_DEATHS: u32 = 5;

/// What became of the attempts at a job so far, in the whole fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// They ended in an error that may heal.
    pub(super) failed: u32,
    /// They ended with their process.
    pub(super) died: u32,
}

impl Past {
    /// With one more that failed.
    pub(super) fn and_failed(self) -> Self {
        Self { failed: self.failed.saturating_add(1), ..self }
    }

    /// The number of the attempt that comes next, from 1 on.
    pub(super) fn next_attempt(self) -> u32 {
        self.failed.saturating_add(self.died).saturating_add(1)
    }
}

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
    pub(super) async fn attempt(&self, job: &Arc<Job>, past: Past) -> Result<Made> {
        let (worker, counters, job) = (Arc::clone(&self.worker), Arc::clone(&self.counters), Arc::clone(job));
        let done = tokio::spawn(async move {
            if let Some(entry) = worker.lookup(&job.key).await {
                counters.found.add_one();
                return Ok(Made { entry, by: By::Another });
            }
            counters.worked.add_one();
            let entry = worker.make(&job, past.next_attempt()).await?;
            Ok(Made { entry, by: By::Us })
        });
        done.await.unwrap_or_else(|stopped| {
            let panic = stopped.try_into_panic();
            Err(panic.map_or(Error::Aborted, |panic| Error::Panic(panic_text(panic.as_ref()))))
        })
    }

    /// The pause after an attempt that ended in an error, or `None` when there is to be no other; `past` is what came
    /// before it.
    pub(super) fn pause_after(&self, error: &Error, past: Past) -> Option<Duration> {
        (error.may_heal() && past.and_failed().failed < self.options.max_attempts).then(|| {
            let doubled = FIRST_PAUSE.saturating_mul(1 << past.failed.min(10));
            doubled.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64() / 2.0)
        })
    }

    /// Gives up a job that so many processes died over. Nobody has lived to tell of it, so the log is told here.
    pub(super) fn give_up(&self, job: &Job, deaths: u32) -> Error {
        let error = Error::Panic(format!("the process that worked on it died, {deaths} times"));
        self.options.logger.write(Level::Error, "given_up", || {
            let mut fields = describe_request(&job.request);
            describe_error(&mut fields, &error);
            (error.to_string(), fields)
        });
        error
    }

    /// All attempts that are left after these, in this process. `None` when the flight was abandoned meanwhile.
    pub(super) async fn work(&self, flight: &mut Flight, past: Past) -> Option<Result<Made>> {
        let result = self.attempts(flight, past).await;
        if result.is_none() {
            self.counters.withdrawn.add_one();
        }
        result
    }

    /// [`Self::work`] without counting what is abandoned.
    pub(super) async fn attempts(&self, flight: &mut Flight, mut past: Past) -> Option<Result<Made>> {
        loop {
            let Turn::Permitted(permit) = self.permit(flight).await else { return None };
            let result = self.attempt(&flight.job, past).await;
            drop(permit);
            let pause = match &result {
                Err(error) => self.pause_after(error, past),
                Ok(_) => None,
            };
            let Some(pause) = pause else { return Some(result) };
            self.counters.retried.add_one();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = flight.change(Urgency::Client) => return None,
            }
            past = past.and_failed();
        }
    }

    /// Looks for what another replica is said to have made.
    pub(super) async fn lookup(&self, job: &Job) -> Option<Arc<Entry>> {
        self.worker.lookup(&job.key).await
    }
}
