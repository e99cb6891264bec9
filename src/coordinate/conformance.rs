//! What every [`Coordinator`] does, whatever the replicas share. Each kind's tests run [`check`].

mod studio;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

pub use studio::{Studio, picture};

use super::{By, Coordinator, CoordinatorStats, Job, Made, Options, Results, Urgency, Worker};
use crate::error::{Error, Result};
use crate::key::CacheKey;
use crate::request::ImageRequest;

/// Replicas of one fleet; for [`super::memory`] all are the same process.
pub trait Fleet: Sync {
    /// A further replica.
    fn join(&self, options: Options, worker: Arc<dyn Worker>) -> BoxFuture<'_, Arc<dyn Coordinator>>;
}

/// The picture at `/name`.
#[must_use]
pub fn job(name: &str, urgency: Urgency) -> Job {
    let href = format!("/{name}");
    let key = CacheKey::new(&href, 640, 75, "image/webp");
    let request = ImageRequest {
        href,
        is_absolute: false,
        width: 640,
        quality: 75,
        mime: "image/webp".to_owned(),
        is_static_media: false,
        is_blur: false,
    };
    Job { key, request, urgency }
}

/// A job that a client waits for.
#[must_use]
pub fn wanted(name: &str) -> Job {
    job(name, Urgency::Client)
}

/// Later than any test takes.
#[must_use]
pub fn whenever() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// Options that make a test quick: a short lease, and no log.
#[must_use]
pub fn options(results: Results) -> Options {
    Options {
        permits: 4,
        permits_per_source: 4,
        lease: Duration::from_millis(900),
        // The machine that runs the tests may be busy; a server that is gone shows otherwise.
        patience: Duration::from_secs(5),
        results,
        logger: crate::log::Logger::console(None, crate::log::Format::Text),
        ..Options::default()
    }
}

/// Two replicas over one studio.
struct Pair {
    studio: Arc<Studio>,
    replicas: [Arc<dyn Coordinator>; 2],
}

impl Pair {
    async fn over(fleet: &dyn Fleet, options: Options, studio: Studio) -> Self {
        let studio = Arc::new(studio);
        let first = fleet.join(options.clone(), Arc::clone(&studio) as Arc<dyn Worker>).await;
        let second = fleet.join(options, Arc::clone(&studio) as Arc<dyn Worker>).await;
        Self { studio, replicas: [first, second] }
    }

    fn ask(&self, replica: usize, job: Job) -> tokio::task::JoinHandle<Result<Made>> {
        let replica = Arc::clone(&self.replicas[replica]);
        tokio::spawn(async move { replica.make(job, whenever()).await })
    }

    fn is_one_process(&self) -> bool {
        Arc::ptr_eq(&self.replicas[0], &self.replicas[1])
    }

    /// A count over both replicas.
    fn count(&self, count: impl Fn(CoordinatorStats) -> u64) -> u64 {
        let replicas = if self.is_one_process() { &self.replicas[..1] } else { &self.replicas[..] };
        replicas.iter().map(|replica| count(replica.stats())).sum()
    }

    /// Waits until a count over both replicas has come to `least`.
    async fn until(&self, least: u64, count: impl Fn(CoordinatorStats) -> u64) {
        while self.count(&count) < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn close(self) {
        for replica in self.replicas {
            replica.close().await;
        }
    }
}

/// Runs the suite on a fleet that has nothing in its shared storage. `results` is how results travel in it.
///
/// # Panics
/// When a coordinator breaks a rule; the message names it.
pub async fn check(fleet: &dyn Fleet, results: Results) {
    let options = options(results);
    many_callers_of_one_variant_make_it_once(fleet, &options).await;
    another_variant_does_not_wait(fleet, &options).await;
    errors_reach_everybody_as_they_are_and_are_not_remembered(fleet, &options).await;
    what_may_heal_is_tried_again_and_no_more_often_than_allowed(fleet, &options).await;
    a_panic_is_an_error(fleet, &options).await;
    a_deadline_is_its_callers_alone(fleet, &options).await;
    what_nobody_waits_for_is_not_begun(fleet, &options).await;
    what_has_begun_goes_on_without_its_caller(fleet, &options).await;
    clients_come_before_background(fleet, &options).await;
    a_client_moves_a_background_job_forward(fleet, &options).await;
    a_queue_that_is_full_refuses(fleet, &options).await;
    whoever_comes_just_after_the_end_does_not_make_it_again(fleet, &options).await;
    closing_waits_for_what_is_under_way(fleet, &options).await;
}

async fn many_callers_of_one_variant_make_it_once(fleet: &dyn Fleet, options: &Options) {
    let keeps = options.results == Results::InStore;
    let pair = Pair::over(fleet, options.clone(), Studio::gated(keeps)).await;
    let callers: Vec<_> = (0..20).map(|caller| pair.ask(caller % 2, wanted("once"))).collect();
    pair.studio.busy(1).await;
    pair.studio.open(1);
    let mut by_us = 0;
    for made in join_all(callers).await {
        let made = made.expect("no panic").expect("made");
        assert_eq!(*made.entry, picture(&wanted("once")), "everybody gets the whole picture");
        by_us += usize::from(made.by == By::Us);
    }
    assert_eq!(pair.studio.names(), ["once"], "20 callers on two replicas make it once");
    assert_eq!(by_us, 1, "and one of them is told so");
    pair.close().await;
}

async fn another_variant_does_not_wait(fleet: &dyn Fleet, options: &Options) {
    let pair = Pair::over(fleet, options.clone(), Studio::gated(true)).await;
    let first = pair.ask(0, wanted("a"));
    let second = pair.ask(1, wanted("b"));
    pair.studio.busy(2).await;
    pair.studio.open(2);
    first.await.expect("no panic").expect("made");
    second.await.expect("no panic").expect("made");
    pair.close().await;
}

async fn errors_reach_everybody_as_they_are_and_are_not_remembered(fleet: &dyn Fleet, options: &Options) {
    let error = Error::UpstreamStatus { status: 404, answered: 404, public: "not there".to_owned() };
    let studio = Studio::failing(true, vec![error.clone()]).behind_a_gate();
    let pair = Pair::over(fleet, options.clone(), studio).await;
    let callers: Vec<_> = (0..6).map(|caller| pair.ask(caller % 2, wanted("missing"))).collect();
    pair.studio.busy(1).await;
    // All wait for the same attempt before it fails.
    pair.until(if pair.is_one_process() { 5 } else { 4 }, |stats| stats.followers).await;
    pair.until(u64::from(!pair.is_one_process()), |stats| stats.queued).await;
    pair.studio.open(1);
    for made in join_all(callers).await {
        assert_eq!(made.expect("no panic"), Err(error.clone()), "the error is the leader's own");
    }
    assert_eq!(pair.studio.attempts(), [1], "what will not heal is not tried again");
    pair.studio.open(1);
    let later = pair.ask(0, wanted("missing")).await.expect("no panic");
    assert!(later.is_ok(), "the next call tries again: {later:?}");
    pair.close().await;
}

async fn what_may_heal_is_tried_again_and_no_more_often_than_allowed(fleet: &dyn Fleet, options: &Options) {
    let failure = Error::Upstream("connection reset".to_owned());
    let studio = Studio::failing(true, vec![failure.clone(), Error::UpstreamTimeout("slow".to_owned())]);
    let pair = Pair::over(fleet, options.clone(), studio).await;
    pair.ask(0, wanted("healed")).await.expect("no panic").expect("the third attempt succeeds");
    assert_eq!(pair.studio.attempts(), [1, 2, 3], "the attempts count on");
    pair.close().await;

    let studio = Studio::failing(true, vec![failure.clone(); 9]);
    let pair = Pair::over(fleet, options.clone(), studio).await;
    assert_eq!(pair.ask(1, wanted("broken")).await.expect("no panic"), Err(failure), "the last error");
    assert_eq!(pair.studio.attempts(), [1, 2, 3], "and no further attempt");
    pair.close().await;
}

async fn a_panic_is_an_error(fleet: &dyn Fleet, options: &Options) {
    let pair = Pair::over(fleet, options.clone(), Studio::new(true)).await;
    let made = pair.ask(0, wanted("panic")).await.expect("no panic out here");
    assert_eq!(made, Err(Error::Panic("told to panic".to_owned())));
    pair.ask(0, wanted("after")).await.expect("no panic").expect("the replica lives on");
    pair.close().await;
}

async fn a_deadline_is_its_callers_alone(fleet: &dyn Fleet, options: &Options) {
    let pair = Pair::over(fleet, options.clone(), Studio::gated(true)).await;
    let patient = pair.ask(0, wanted("slow"));
    pair.studio.busy(1).await;
    let hasty = pair.replicas[1].make(wanted("slow"), Instant::now() + Duration::from_millis(30)).await;
    assert!(matches!(hasty, Err(Error::Timeout(_))), "{hasty:?}");
    pair.studio.open(1);
    patient.await.expect("no panic").expect("whoever waits gets it");
    assert_eq!(pair.studio.names(), ["slow"]);
    pair.close().await;
}

async fn what_nobody_waits_for_is_not_begun(fleet: &dyn Fleet, options: &Options) {
    let options = Options { permits: 1, permits_per_source: 1, ..options.clone() };
    let pair = Pair::over(fleet, options, Studio::gated(true)).await;
    let is_one = pair.is_one_process();
    let blockers: Vec<_> =
        ["block-1", "block-2"].into_iter().enumerate().map(|(at, name)| pair.ask(at, wanted(name))).collect();
    pair.studio.busy(if is_one { 1 } else { 2 }).await;
    if is_one {
        pair.until(1, |stats| stats.queued).await;
    }
    let before = pair.count(|stats| stats.queued);
    let leaver = pair.ask(0, wanted("left"));
    let stayer = pair.ask(1, wanted("stayed"));
    pair.until(before + 2, |stats| stats.queued).await;
    leaver.abort();
    let _ = leaver.await;
    pair.until(1, |stats| stats.withdrawn).await;
    pair.studio.open(3);
    for caller in blockers.into_iter().chain([stayer]) {
        caller.await.expect("no panic").expect("made");
    }
    assert!(!pair.studio.names().contains(&"left".to_owned()), "{:?}", pair.studio.names());
    pair.close().await;
}

async fn what_has_begun_goes_on_without_its_caller(fleet: &dyn Fleet, options: &Options) {
    let pair = Pair::over(fleet, options.clone(), Studio::gated(true)).await;
    let caller = pair.ask(0, wanted("begun"));
    pair.studio.busy(1).await;
    caller.abort();
    let _ = caller.await;
    let later = pair.ask(0, wanted("begun"));
    pair.studio.open(1);
    later.await.expect("no panic").expect("the same work");
    assert_eq!(pair.studio.names(), ["begun"]);
    pair.close().await;
}

/// Both replicas are kept busy, then jobs are queued one after the other; gives them back in the order of work.
async fn order_of_work(fleet: &dyn Fleet, options: &Options, prefix: &str, jobs: &[Job]) -> Vec<String> {
    let options = Options { permits: 1, permits_per_source: 1, ..options.clone() };
    let pair = Pair::over(fleet, options, Studio::gated(true)).await;
    let blockers = if pair.is_one_process() { vec![0_usize] } else { vec![0_usize, 1] };
    let mut callers = Vec::new();
    // One after the other, because that is the order in which the gate lets them go: where each process has a queue of
    // its own, the first one's is looked at.
    for at in &blockers {
        callers.push(pair.ask(*at, wanted(&format!("{prefix}-block-{at}"))));
        pair.studio.busy(at + 1).await;
    }
    for job in jobs {
        let before = pair.count(|stats| stats.queued);
        callers.push(pair.ask(0, job.clone()));
        pair.until(before + 1, |stats| stats.queued).await;
    }
    // One permit goes on at a time, so the order is that of the queue.
    pair.studio.open(1);
    while pair.studio.names().len() < blockers.len() + 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pair.studio.open(1_000);
    for caller in callers {
        caller.await.expect("no panic").expect("made");
    }
    let names = pair.studio.names();
    pair.close().await;
    names.into_iter().filter(|name| !name.contains("-block-")).collect()
}

async fn clients_come_before_background(fleet: &dyn Fleet, options: &Options) {
    let jobs = [job("order-background", Urgency::Background), wanted("order-client")];
    let order = order_of_work(fleet, options, "order", &jobs).await;
    assert_eq!(order, ["order-client", "order-background"]);
}

async fn a_client_moves_a_background_job_forward(fleet: &dyn Fleet, options: &Options) {
    let jobs =
        [job("forward-a", Urgency::Background), job("forward-b", Urgency::Background), wanted("forward-b")];
    let order = order_of_work(fleet, options, "forward", &jobs).await;
    assert_eq!(order, ["forward-b", "forward-a"]);
}

async fn a_queue_that_is_full_refuses(fleet: &dyn Fleet, options: &Options) {
    let options = Options { permits: 1, permits_per_source: 1, max_queue: 1, ..options.clone() };
    let studio = Arc::new(Studio::gated(true));
    let replica = fleet.join(options, Arc::clone(&studio) as Arc<dyn Worker>).await;
    let ask = |name: &'static str| {
        let replica = Arc::clone(&replica);
        tokio::spawn(async move { replica.make(wanted(name), whenever()).await })
    };
    let running = ask("full-running");
    studio.busy(1).await;
    let waiting = ask("full-waiting");
    while replica.stats().waiting < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = ask("full-refused").await.expect("no panic");
    assert!(matches!(refused, Err(Error::Overloaded(_))), "{refused:?}");
    let follower = ask("full-waiting");
    while replica.stats().followers < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    studio.open(2);
    for caller in [running, waiting, follower] {
        caller.await.expect("no panic").expect("who shares a place needs none");
    }
    replica.close().await;
}

/// The race: a caller looks into the store, finds nothing, and asks for the work when it has just ended.
async fn whoever_comes_just_after_the_end_does_not_make_it_again(fleet: &dyn Fleet, options: &Options) {
    let keeps = options.results == Results::InStore;
    let pair = Pair::over(fleet, options.clone(), Studio::new(keeps)).await;
    if pair.is_one_process() && !keeps {
        // Nothing is shared and nothing is kept: there is nothing to find.
        return pair.close().await;
    }
    for round in 0..12 {
        let name = format!("race-{round}");
        pair.ask(0, wanted(&name)).await.expect("no panic").expect("made");
        let late = pair.ask(1, wanted(&name)).await.expect("no panic").expect("found");
        assert_eq!(late.by, By::Another, "{name} was there");
    }
    assert_eq!(pair.studio.names().len(), 12, "12 runs worked once each");
    pair.close().await;
}

async fn closing_waits_for_what_is_under_way(fleet: &dyn Fleet, options: &Options) {
    let pair = Pair::over(fleet, options.clone(), Studio::gated(true)).await;
    let caller = pair.ask(0, wanted("closing"));
    pair.studio.busy(1).await;
    let mut closing = pair.replicas[0].close();
    assert!(futures_util::poll!(&mut closing).is_pending(), "a job is under way");
    pair.studio.open(1);
    closing.await;
    caller.await.expect("no panic").expect("made");
    assert_eq!(pair.replicas[0].stats().running, 0);
    pair.studio.open(1);
    pair.ask(0, wanted("after closing")).await.expect("no panic").expect("a late call is no error");
    pair.close().await;
}
