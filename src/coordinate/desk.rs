//! What the callers of this process wait for: one flight per key, however many of them there are.

use std::collections::{HashMap, hash_map};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::stats::Counters;
use super::{By, Job, Made, Urgency};
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// The flights under way.
///
/// Unlike [`crate::flight::Flights`] it knows how many wait for each, because what nobody waits for is not begun.
#[derive(Clone)]
pub(super) struct Desk {
    shared: Arc<Shared>,
}

struct Shared {
    flights: Mutex<HashMap<CacheKey, Slip>>,
    /// How many there are, for those who wait until there is none.
    count: watch::Sender<usize>,
    counters: Arc<Counters>,
}

#[derive(Clone)]
struct Slip {
    demand: watch::Sender<Demand>,
    landing: watch::Receiver<Option<Result<Made>>>,
}

/// Who waits for a flight.
#[derive(Debug, Clone, Copy)]
struct Demand {
    callers: usize,
    urgency: Urgency,
}

/// One job that is under way in this process. It lands when dropped, so nobody waits for ever.
pub(super) struct Flight {
    pub(super) job: Arc<Job>,
    demand: watch::Receiver<Demand>,
    announce: watch::Sender<Option<Result<Made>>>,
    shared: Arc<Shared>,
    is_over: bool,
}

/// What has changed about a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Somebody wants it more urgently.
    MoreUrgent,
    /// Nobody wants it any more, and it has ended.
    Abandoned,
}

/// One caller's part in a flight.
struct Seat {
    demand: watch::Sender<Demand>,
}

impl Desk {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let (count, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { flights: Mutex::default(), count, counters }) }
    }

    /// What comes of the job: `drive` flies it, on a task of its own, unless it is under way already.
    /// `is_full` is given the number of flights and says whether one more is too many.
    pub(super) async fn join<D, F>(
        &self,
        job: Job,
        deadline: Instant,
        is_full: impl FnOnce(usize) -> bool,
        drive: D,
    ) -> Result<Made>
    where
        D: FnOnce(Flight) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let started = Instant::now();
        let (role, seat, mut landing) = self.sit_down(job, is_full, drive)?;
        let landed = timeout_at(deadline, landing.wait_for(Option::is_some)).await;
        drop(seat);
        let Ok(landed) = landed else {
            let budget = deadline.saturating_duration_since(started);
            return Err(Error::Timeout(u64::try_from(budget.as_millis()).unwrap_or(u64::MAX)));
        };
        let result = landed.ok().and_then(|result| result.clone()).unwrap_or(Err(Error::Aborted));
        result.map(|made| Made { by: if role == By::Us { made.by } else { By::Another }, ..made })
    }

    /// How many flights there are.
    pub(super) fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// Waits until there is none.
    pub(super) async fn drain(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.count.subscribe().wait_for(|count| *count == 0).await;
    }

    #[expect(clippy::type_complexity, reason = "three things, named where they are used")]
    fn sit_down<D, F>(
        &self,
        job: Job,
        is_full: impl FnOnce(usize) -> bool,
        drive: D,
    ) -> Result<(By, Seat, watch::Receiver<Option<Result<Made>>>)>
    where
        D: FnOnce(Flight) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut flights = self.shared.lock();
        let under_way = flights.len();
        let slot = match flights.entry(job.key.clone()) {
            hash_map::Entry::Occupied(slip) => {
                let Slip { demand, landing } = slip.get().clone();
                // Under the lock, so that a flight that nobody waits for can't leave in between.
                demand.send_modify(|demand| {
                    demand.callers += 1;
                    demand.urgency = demand.urgency.min(job.urgency);
                });
                self.shared.counters.followers.add_one();
                return Ok((By::Another, Seat { demand }, landing));
            }
            hash_map::Entry::Vacant(slot) => slot,
        };
        if is_full(under_way) {
            self.shared.counters.refused.add_one();
            return Err(Error::Overloaded(format!("{under_way} jobs are under way already")));
        }
        let (demand, demanded) = watch::channel(Demand { callers: 1, urgency: job.urgency });
        let (announce, landing) = watch::channel(None);
        slot.insert(Slip { demand: demand.clone(), landing: landing.clone() });
        self.shared.count.send_replace(under_way + 1);
        drop(flights);
        let flight = Flight {
            job: Arc::new(job),
            demand: demanded,
            announce,
            shared: Arc::clone(&self.shared),
            is_over: false,
        };
        tokio::spawn(drive(flight));
        Ok((By::Us, Seat { demand }, landing))
    }
}

impl Flight {
    /// Ends it.
    pub(super) fn land(mut self, result: Result<Made>) {
        if result.is_err() {
            self.shared.counters.failed.add_one();
        }
        self.end(result);
    }

    /// How urgent it is by now.
    pub(super) fn urgency(&self) -> Urgency {
        self.demand.borrow().urgency
    }

    /// Waits until somebody wants it more urgently than `since`, or nobody wants it; then it has ended.
    pub(super) async fn change(&mut self, since: Urgency) -> Change {
        loop {
            let changed = |demand: &Demand| demand.callers == 0 || demand.urgency < since;
            let is_wanted = self.demand.wait_for(changed).await.is_ok_and(|demand| demand.callers > 0);
            if is_wanted {
                return Change::MoreUrgent;
            }
            if self.leave() {
                return Change::Abandoned;
            }
        }
    }

    /// Ends it if nobody waits for it; false when somebody does after all.
    fn leave(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        // Whoever sits down does so under this lock.
        let mut flights = shared.lock();
        let is_abandoned = self.demand.borrow().callers == 0;
        if is_abandoned && !self.is_over {
            self.is_over = true;
            flights.remove(&self.job.key);
            shared.count.send_replace(flights.len());
        }
        is_abandoned
    }

    fn end(&mut self, result: Result<Made>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        let mut flights = self.shared.lock();
        flights.remove(&self.job.key);
        self.announce.send_replace(Some(result));
        self.shared.count.send_replace(flights.len());
    }
}

impl Shared {
    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Slip>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end(Err(Error::Aborted));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.demand.send_modify(|demand| demand.callers -= 1);
    }
}
