//! What one replica does: it works jobs of the shared queue, and waits there for what its own callers want.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::inbox::{Inbox, Inboxes, Letter};
use super::leases::Leases;
use super::link::Away;
use super::queue::{Checked, Claimed, Ending, Lease, News, Queue, Submitted};
use crate::cache::Entry;
use crate::coordinate::crew::{Crew, MOST_DEATHS, Past};
use crate::coordinate::desk::{Change, Flight};
use crate::coordinate::outcome::{self, How, Parcel};
use crate::coordinate::permits::Permit;
use crate::coordinate::{By, Job, Made, Urgency};
use crate::error::Result;
use crate::key::CacheKey;

pub(super) struct Replica {
    pub(super) crew: Crew,
    pub(super) queue: Queue,
    inboxes: Inboxes,
    leases: Leases,
    /// There may be jobs in the shared queue.
    jobs: Notify,
    /// Jobs were left there for want of a permit.
    has_backlog: AtomicBool,
    is_closing: AtomicBool,
}

/// How a flight goes on.
enum Course {
    Landed(Result<Made>),
    /// Nobody waits any more.
    Abandoned,
    /// In this process, after these attempts.
    Alone(Past),
    /// It is to be wished for again.
    Again,
}

/// What work under a lease came to.
enum Worked {
    Out(Result<Made>),
    /// It is tried again later, or another replica has the job by now.
    Put(Duration),
}

impl Replica {
    pub(super) fn new(crew: Crew, queue: Queue) -> Self {
        Self {
            crew,
            queue,
            inboxes: Inboxes::default(),
            leases: Leases::default(),
            jobs: Notify::new(),
            has_backlog: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        }
    }

    /// Takes no more jobs of others from now on.
    pub(super) fn begin_to_close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
    }

    /// Waits until all that it has leased is written down.
    pub(super) async fn give_leases_back(&self) {
        self.leases.drain().await;
    }

    pub(super) async fn keep_up(self: Arc<Self>) {
        let on_message = |text: &str| match News::parse(text) {
            Some(News::Queued) => self.look_for_jobs(),
            Some(News::Done(key, how)) => self.inboxes.deliver(&key, || Letter::Done(how)),
            Some(News::Failed(key, error)) => {
                if let Some(error) = outcome::decode_error(error) {
                    self.inboxes.deliver(&key, || Letter::Failed(error));
                }
            }
            None => {}
        };
        self.queue.link.keep_up(on_message, || self.look_for_jobs()).await;
    }

    pub(super) async fn keep_leases(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.crew.options.lease / 3).await;
            let held = self.leases.held();
            if !held.is_empty() {
                // In vain when Redis is away; the work goes on all the same.
                let _ = self.queue.renew(&held).await;
            }
        }
    }

    fn look_for_jobs(&self) {
        self.has_backlog.store(true, Ordering::Relaxed);
        self.jobs.notify_one();
    }

    /// Works jobs of the shared queue whenever a permit is free.
    pub(super) async fn take_jobs(self: Arc<Self>) {
        let longest = self.crew.options.lease / 2;
        let mut pause = longest;
        loop {
            tokio::select! {
                () = self.jobs.notified() => {}
                () = self.crew.permits.freed(), if self.has_backlog.load(Ordering::Relaxed) => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = self.take_all().await.unwrap_or(longest).min(longest);
        }
    }

    /// A replica that closes still sees to it that what its own callers wait for is worked.
    fn may_take(&self) -> bool {
        !self.is_closing.load(Ordering::SeqCst) || !self.inboxes.is_empty()
    }

    /// Until there is no permit or no job. Says when the next job may be due.
    async fn take_all(self: &Arc<Self>) -> Option<Duration> {
        while self.may_take() && self.queue.link.is_up() {
            let Some(mut permit) = self.crew.permits.try_reserve() else {
                self.has_backlog.store(true, Ordering::Relaxed);
                return None;
            };
            match self.queue.claim(&self.crew.permits.exhausted_sources()).await.ok()? {
                Claimed::Job(key, Some(job), lease) => {
                    debug_assert_eq!(key, job.key);
                    permit.assign(&job.source());
                    tokio::spawn(Arc::clone(self).work_taken(Arc::new(*job), permit, lease));
                }
                Claimed::Job(key, None, lease) => {
                    let unreadable = Ending::Done { how: How::None, fresh: Duration::ZERO, body: &[] };
                    let _ = self.queue.finish(&key, &lease, unreadable).await;
                }
                Claimed::Nothing(next_due, has_backlog) => {
                    self.has_backlog.store(has_backlog, Ordering::Relaxed);
                    // All replicas know of it; they need not come in the same millisecond.
                    return next_due.map(|due| due + Duration::from_millis(fastrand::u64(1..=20)));
                }
            }
        }
        None
    }

    /// A job of the shared queue, which callers of this replica may wait for as well.
    async fn work_taken(self: Arc<Self>, job: Arc<Job>, permit: Permit, lease: Lease) {
        if !self.inboxes.is_awaited(&job.key) {
            self.crew.counters.taken.add_one();
        }
        let worked = self.work_leased(&job, permit, lease).await;
        self.inboxes.deliver(&job.key, || match worked {
            Worked::Out(Ok(made)) => Letter::Made(made),
            Worked::Out(Err(error)) => Letter::Failed(error),
            Worked::Put(_) => Letter::Put,
        });
    }

    pub(super) async fn fly(self: Arc<Self>, mut flight: Flight) {
        let mut inbox = self.inboxes.open(&flight.job.key);
        let course = loop {
            match self.fly_with_others(&mut flight, &mut inbox).await {
                Course::Again => {}
                course => break course,
            }
        };
        let result = match course {
            Course::Landed(result) => Some(result),
            Course::Alone(past) => self.crew.work(&mut flight, past).await,
            Course::Abandoned | Course::Again => None,
        };
        if let Some(result) = result {
            flight.land(result);
        }
    }

    async fn fly_with_others(self: &Arc<Self>, flight: &mut Flight, inbox: &mut Inbox) -> Course {
        let job = Arc::clone(&flight.job);
        let urgency = flight.urgency();
        let permit = self.crew.permits.try_acquire(&job.source());
        let number = self.queue.link.number();
        let mut past = Past::default();
        match self.queue.submit(&job, urgency, permit.is_some()).await {
            Ok(Submitted::Leased(lease)) => {
                // A permit was offered, or there would be no lease.
                let Some(permit) = permit else { return Course::Again };
                past = lease.past.and_failed();
                match self.work_leased(&job, permit, lease).await {
                    Worked::Out(result) => return Course::Landed(result),
                    Worked::Put(pause) => self.wake_in(pause),
                }
            }
            Ok(Submitted::Done(how)) => return self.collect(&job, how).await,
            Ok(Submitted::Waiting) => {
                drop(permit);
                self.crew.counters.queued.add_one();
                self.look_for_jobs();
            }
            Err(_) => drop(permit),
        }
        self.wait(flight, inbox, urgency, past, number).await
    }

    /// Waits for what another replica, or another task of this one, makes of the job.
    async fn wait(
        self: &Arc<Self>,
        flight: &mut Flight,
        inbox: &mut Inbox,
        urgency: Urgency,
        past: Past,
        mut number: Option<u64>,
    ) -> Course {
        let job = Arc::clone(&flight.job);
        loop {
            let is_checked = tokio::select! {
                letter = inbox.next() => match letter {
                    Letter::Made(made) => return Course::Landed(Ok(made)),
                    Letter::Failed(error) => return Course::Landed(Err(error)),
                    Letter::Done(how) => return self.collect(&job, how).await,
                    Letter::Put => false,
                },
                change = flight.change(urgency) => match change {
                    Change::MoreUrgent => return Course::Again,
                    Change::Abandoned => {
                        let _ = self.queue.withdraw(&job.key).await;
                        self.crew.counters.withdrawn.add_one();
                        return Course::Abandoned;
                    }
                },
                () = self.queue.link.lost(number) => {
                    // Where there was none to begin with, this is known to be in vain.
                    if number.is_none() || !self.queue.link.is_back().await {
                        return self.go_on_alone(&job, inbox, past).await;
                    }
                    number = self.queue.link.number();
                    true
                }
                // For an announcement that was lost, and to show that somebody waits.
                () = tokio::time::sleep(self.crew.options.lease / 2) => true,
            };
            if !is_checked {
                continue;
            }
            match self.queue.check(&job.key).await {
                Ok(Checked::Done(how)) => return self.collect(&job, how).await,
                Ok(Checked::Failed(error)) => return Course::Landed(Err(error)),
                Ok(Checked::Gone) => return Course::Again,
                Ok(Checked::Waiting) | Err(_) => {}
            }
        }
    }

    /// Redis is away. What another task of this process has begun is waited for.
    async fn go_on_alone(&self, job: &Job, inbox: &mut Inbox, past: Past) -> Course {
        self.crew.counters.local.add_one();
        if self.leases.is_working(&job.key) {
            match inbox.next().await {
                Letter::Made(made) => return Course::Landed(Ok(made)),
                Letter::Failed(error) => return Course::Landed(Err(error)),
                Letter::Done(_) | Letter::Put => {}
            }
        }
        Course::Alone(past)
    }

    /// Works a job. Callers get a variant at once, and Redis behind them.
    async fn work_leased(self: &Arc<Self>, job: &Arc<Job>, permit: Permit, lease: Lease) -> Worked {
        let held = self.leases.hold(&job.key, &lease.fence);
        let result = match lease.past.died {
            deaths if deaths >= MOST_DEATHS => Err(self.crew.give_up(job, deaths)),
            _ => self.crew.attempt(job, lease.past).await,
        };
        held.end_work();
        drop(permit);
        let pause = match &result {
            Err(error) => self.crew.pause_after(error, lease.past),
            Ok(_) => None,
        };
        if let (Some(pause), Err(error)) = (pause, &result) {
            self.crew.counters.retried.add_one();
            let ended = self.queue.finish(&job.key, &lease, Ending::Retry(pause, error)).await;
            self.note(&ended);
            return Worked::Put(pause);
        }
        let made = match &result {
            Ok(made) => made,
            Err(error) => {
                // Written before callers hear of it, so that whoever calls after them is not told the same.
                let ended = self.queue.finish(&job.key, &lease, Ending::Failed(error)).await;
                self.note(&ended);
                return Worked::Out(result);
            }
        };
        let (this, key, entry) = (Arc::clone(self), job.key.clone(), Arc::clone(&made.entry));
        tokio::spawn(async move {
            let Parcel { how, fresh, body } = Parcel::of(&entry, this.crew.options.results);
            let ended = this.queue.finish(&key, &lease, Ending::Done { how, fresh, body: &body }).await;
            this.note(&ended);
            drop(held);
        });
        Worked::Out(result)
    }

    fn note(&self, ended: &std::result::Result<bool, Away>) {
        if matches!(ended, Ok(false)) {
            self.crew.counters.lost_leases.add_one();
        }
    }

    /// Looks for the job again when its pause is over, should no other replica do so before.
    fn wake_in(self: &Arc<Self>, pause: Duration) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(pause + Duration::from_millis(1)).await;
            this.look_for_jobs();
        });
    }

    /// Gets what another replica has made; makes it here when it can't be had.
    async fn collect(&self, job: &Job, how: How) -> Course {
        let entry = match how {
            How::Stored => self.crew.lookup(job).await,
            How::Carried => self.carried(&job.key).await,
            How::None => None,
        };
        if let Some(entry) = entry {
            self.crew.counters.lease_followers.add_one();
            return Course::Landed(Ok(Made { entry, by: By::Another }));
        }
        self.crew.counters.lost_results.add_one();
        Course::Alone(Past::default())
    }

    async fn carried(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        let body = self.queue.body(key).await.ok()??;
        outcome::decode_entry(body).map(Arc::new)
    }
}
