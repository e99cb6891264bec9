//! Processes of one machine that share a folder: whoever has a variant's file locked makes it.
//!
//! The system gives up the locks of a process that dies, so nothing has to be renewed and nothing is waited for in
//! vain. There is no queue to share: a job whose process died has lost its callers with it, and those of other processes
//! take its lock.

mod folder;
mod signals;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::folder::{Ending, Folder, Lock, Outcome, Taken};
use self::signals::Signals;
use super::crew::{Crew, MOST_DEATHS, Past, Turn};
use super::desk::{Change, Desk, Flight};
use super::outcome::How;
use super::stats::Counters;
use super::{By, Coordinator, CoordinatorStats, Job, Made, Options, Urgency, Worker};
use crate::error::{Error, Result};

/// How soon a variant is looked after that another process makes, should the system not tell of changes in the folder;
/// the pause doubles…
const FIRST_LOOK: Duration = Duration::from_millis(25);
/// … up to this.
const LONGEST_LOOK: Duration = Duration::from_millis(500);
/// How often the folder is tidied.
const TIDY: Duration = Duration::from_secs(60);

/// Coordinates the processes that use one folder. It has to be on a local disk: locks of network file systems are not to
/// be relied on.
pub struct Filesystem {
    process: Arc<Process>,
    desk: Desk,
    /// What runs beside the calls; it ends with this.
    tasks: Mutex<JoinSet<()>>,
}

struct Process {
    crew: Crew,
    folder: Arc<Folder>,
    signals: Signals,
    /// Outcomes that are being written, which closing waits for.
    concluding: watch::Sender<usize>,
}

/// What a look at another process's work came to.
enum Look {
    Over(Outcome),
    Free,
    Busy,
}

impl Filesystem {
    /// Makes the folder `coordinate` in `dir` if need be.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when that can't be done.
    pub fn open(dir: &Path, options: Options, worker: Arc<dyn Worker>) -> Result<Self> {
        let folder = Folder::open(dir.join("coordinate"), options.results).map_err(|error| {
            Error::InvalidOption(format!("storage: {} can't be used: {error}", dir.display()))
        })?;
        let counters = Arc::<Counters>::default();
        let process = Arc::new(Process {
            signals: Signals::of(folder.path()),
            folder: Arc::new(folder),
            crew: Crew::new(worker, options, Arc::clone(&counters)),
            concluding: watch::channel(0).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&process).keep_tidy());
        Ok(Self { process, desk: Desk::new(counters), tasks: Mutex::new(tasks) })
    }
}

impl Coordinator for Filesystem {
    fn make(&self, job: Job, deadline: Instant) -> BoxFuture<'_, Result<Made>> {
        let process = Arc::clone(&self.process);
        let is_full = |under_way| self.process.crew.is_full(under_way);
        self.desk.join(job, deadline, is_full, move |flight| process.fly(flight)).boxed()
    }

    fn stats(&self) -> CoordinatorStats {
        let crew = &self.process.crew;
        let running = crew.permits.held() as u64;
        let waiting = (self.desk.len() as u64).saturating_sub(running);
        crew.counters.snapshot(running, waiting, true)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.desk.drain().await;
            // The sender lives as long as `self`.
            let _ = self.process.concluding.subscribe().wait_for(|count| *count == 0).await;
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        }
        .boxed()
    }
}

impl Process {
    async fn keep_tidy(self: Arc<Self>) {
        loop {
            let folder = Arc::clone(&self.folder);
            // What can't be removed now is tried again next time.
            let _ = tokio::task::spawn_blocking(move || folder.tidy()).await;
            tokio::time::sleep(TIDY).await;
        }
    }

    async fn fly(self: Arc<Self>, mut flight: Flight) {
        match self.fly_with_others(&mut flight).await {
            Some(result) => flight.land(result),
            None => self.crew.counters.withdrawn.add_one(),
        }
    }

    /// `None` when nobody waits any more.
    async fn fly_with_others(self: &Arc<Self>, flight: &mut Flight) -> Option<Result<Made>> {
        let since_ns = folder::now_ns();
        let job = Arc::clone(&flight.job);
        loop {
            let Turn::Permitted(permit) = self.crew.permit(flight).await else { return None };
            let mut lock = match self.take(&job, since_ns).await {
                Ok(Taken::Locked(lock)) => lock,
                Ok(Taken::Over(outcome)) => return self.receive(&job, flight, outcome).await,
                Ok(Taken::Busy) => {
                    drop(permit);
                    self.crew.counters.queued.add_one();
                    match self.wait(flight, since_ns).await? {
                        Some(outcome) => return self.receive(&job, flight, outcome).await,
                        None => continue,
                    }
                }
                Err(_) => {
                    drop(permit);
                    return self.go_on_alone(flight, Past::default()).await;
                }
            };
            let past = lock.past();
            if past.died >= MOST_DEATHS {
                let result = Err(self.crew.give_up(&job, past.died));
                self.conclude(lock, &result).await;
                return Some(result);
            }
            let result = self.crew.attempt(&job, past).await;
            drop(permit);
            let pause = match &result {
                Err(error) => self.crew.pause_after(error, past),
                Ok(_) => None,
            };
            let Some(pause) = pause else {
                self.conclude(lock, &result).await;
                return Some(result);
            };
            self.crew.counters.retried.add_one();
            // The lock is kept: it is for us to try again.
            let Ok(lock) = blocking(move || lock.count_failure().map(|()| lock)).await else {
                return self.go_on_alone(flight, past.and_failed()).await;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => drop(lock),
                _ = flight.change(Urgency::Client) => {
                    // What stays in vain is removed when the folder is tidied.
                    let _ = blocking(move || lock.withdraw()).await;
                    return None;
                }
            }
        }
    }

    async fn take(&self, job: &Job, since_ns: u64) -> std::io::Result<Taken> {
        let (folder, key) = (Arc::clone(&self.folder), job.key.clone());
        blocking(move || folder.take(&key, since_ns)).await
    }

    /// Waits for another process: `Some(None)` when its lock is free and nothing came of it, `None` when nobody waits any
    /// more.
    async fn wait(&self, flight: &mut Flight, since_ns: u64) -> Option<Option<Outcome>> {
        let signal = self.signals.listen(&flight.job.key);
        let mut pause = FIRST_LOOK;
        loop {
            let (folder, key) = (Arc::clone(&self.folder), flight.job.key.clone());
            match blocking(move || Ok(folder.look(&key, since_ns))).await {
                Ok(Look::Over(outcome)) => return Some(Some(outcome)),
                Ok(Look::Free) | Err(_) => return Some(None),
                Ok(Look::Busy) => {}
            }
            let pause_now = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            tokio::select! {
                () = signal.given() => {}
                () = tokio::time::sleep(pause_now) => pause = pause.saturating_mul(2).min(LONGEST_LOOK),
                change = flight.change(Urgency::Client) => {
                    debug_assert_eq!(change, Change::Abandoned, "nothing is more urgent than a client");
                    return None;
                }
            }
        }
    }

    /// What another process has made, or failed at.
    async fn receive(&self, job: &Job, flight: &mut Flight, outcome: Outcome) -> Option<Result<Made>> {
        let entry = match outcome {
            Outcome::Failed(error) => return Some(Err(error)),
            Outcome::Done(How::Stored, _) => self.crew.lookup(job).await,
            Outcome::Done(_, entry) => entry.map(Arc::new),
        };
        if let Some(entry) = entry {
            self.crew.counters.lease_followers.add_one();
            return Some(Ok(Made { entry, by: By::Another }));
        }
        self.crew.counters.lost_results.add_one();
        self.crew.attempts(flight, Past::default()).await
    }

    async fn go_on_alone(&self, flight: &mut Flight, past: Past) -> Option<Result<Made>> {
        self.crew.counters.storage_errors.add_one();
        self.crew.counters.local.add_one();
        self.crew.attempts(flight, past).await
    }

    /// Tells the others what came of a job. Callers get a variant at once; an error waits until it is written, so that
    /// whoever calls after they have heard of it is not told the same.
    async fn conclude(self: &Arc<Self>, lock: Lock, result: &Result<Made>) {
        let ending = match result {
            Ok(made) => Ending::Done(Arc::clone(&made.entry)),
            Err(error) => Ending::Failed(error.clone()),
        };
        self.concluding.send_modify(|count| *count += 1);
        let this = Arc::clone(self);
        let concluded = tokio::spawn(async move {
            let folder = Arc::clone(&this.folder);
            match blocking(move || folder.conclude(lock, &ending)).await {
                Ok(true) => {}
                Ok(false) => this.crew.counters.lost_leases.add_one(),
                Err(_) => this.crew.counters.storage_errors.add_one(),
            }
            this.concluding.send_modify(|count| *count -= 1);
        });
        if result.is_err() {
            let _ = concluded.await;
        }
    }
}

/// File calls stay off the threads that wait for the network.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)))
}

#[cfg(test)]
mod tests;
