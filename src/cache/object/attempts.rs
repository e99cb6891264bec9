//! How long and how often the store is asked.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::breaker::Pass;
use super::fault::Fault;
use crate::error::Result;

/// What one request of a client may wait for the store, all requests to it together.
pub const REQUEST_BUDGET: Duration = Duration::from_millis(500);

/// What one attempt of work in the background may take.
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);

/// Attempts of work in the background. The pauses between them begin at [`FIRST_BACKOFF`], double up to
/// [`LONGEST_BACKOFF`], and are shortened by up to half at random.
pub const ATTEMPTS: u32 = 5;
/// See [`ATTEMPTS`].
pub const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// See [`ATTEMPTS`].
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How much time and how many attempts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// A client waits: one attempt within [`REQUEST_BUDGET`], and none while the store is left alone.
    Request,
    /// Nobody waits: [`ATTEMPTS`], each of which waits until the store is no longer left alone.
    Background,
}

/// Runs `work` at this pace, each attempt with the breaker's leave.
pub(super) async fn run<T, F: Future<Output = Result<T, Fault>>>(
    shared: &Shared,
    pace: Pace,
    work: impl Fn() -> F,
) -> Result<T, Fault> {
    if pace == Pace::Request {
        let Some(pass) = shared.breaker.admit() else {
            shared.counters.left_alone.add(1);
            return Err(Fault::LeftAlone);
        };
        return attempt(shared, pass, REQUEST_BUDGET, work()).await;
    }
    let mut backoff = Backoff::default();
    loop {
        let pass = shared.breaker.wait().await;
        match attempt(shared, pass, ATTEMPT_LIMIT, work()).await {
            Err(Fault::Failed(_)) if backoff.sleep().await => {}
            done => return done,
        }
    }
}

/// One attempt, whose end the breaker learns.
pub(super) async fn attempt<T>(
    shared: &Shared,
    pass: Pass<'_>,
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let done = match timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Fault::Failed(format!("no answer within {} ms", limit.as_millis()))),
    };
    match &done {
        Ok(_) | Err(Fault::Missing) => pass.succeeded(),
        Err(Fault::Failed(why)) => {
            shared.counters.errors.add(1);
            pass.failed(why);
        }
        Err(Fault::LeftAlone | Fault::Unusable(_)) => drop(pass),
    }
    done
}

/// The pauses between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    attempts_left: u32,
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts_left: ATTEMPTS - 1, next: FIRST_BACKOFF }
    }
}

impl Backoff {
    /// Pauses; `false` at once when there is no further attempt.
    pub(super) async fn sleep(&mut self) -> bool {
        if self.attempts_left == 0 {
            return false;
        }
        self.attempts_left -= 1;
        sleep(self.next.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
        self.next = (self.next * 2).min(LONGEST_BACKOFF);
        true
    }
}
