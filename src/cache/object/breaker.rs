//! The circuit breaker: what a store that does not answer may cost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Map;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::log::{Level, Logger};

/// Failures in a row that open it.
pub(super) const FAILURES_TO_OPEN: u32 = 3;

/// The first pause; each probe that fails doubles it…
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// … up to this one.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Each pause is made longer or shorter by up to this share, so that many pods do not come back at once.
const JITTER: f64 = 0.2;

/// Closed, all pass. After some failures in a row none does until a pause is over; then one does, as a probe, and its
/// end decides.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    changed: Notify,
    logger: Logger,
    /// What the log calls the store.
    name: String,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    failures: u32,
    pause: Duration,
    /// Counts the changes of mode, so that what began before one has no say after it.
    epoch: u64,
    opened: u64,
    left_since: Instant,
    /// Whether the store has ever answered.
    known: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Closed,
    Open { until: Instant },
    Probing,
}

/// Leave to try once. Dropped without a verdict (the caller went away), it counts for nothing.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    epoch: u64,
}

impl Breaker {
    pub(super) fn new(name: String, logger: Logger) -> Self {
        let state = State {
            mode: Mode::Closed,
            failures: 0,
            pause: FIRST_PAUSE,
            epoch: 0,
            opened: 0,
            left_since: Instant::now(),
            known: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), logger, name }
    }

    /// Leave for work that must not wait; `None` while the store is left alone.
    pub(super) fn admit(&self) -> Option<Pass<'_>> {
        let mut state = self.lock();
        match state.mode {
            Mode::Closed => {}
            Mode::Open { until } if Instant::now() >= until => {
                state.mode = Mode::Probing;
                state.epoch += 1;
            }
            Mode::Open { .. } | Mode::Probing => return None,
        }
        Some(Pass { breaker: self, epoch: state.epoch })
    }

    /// The same for work that waits as long as it takes.
    pub(super) async fn wait(&self) -> Pass<'_> {
        loop {
            let changed = self.changed.notified();
            if let Some(pass) = self.admit() {
                return pass;
            }
            let until = match self.lock().mode {
                Mode::Open { until } => until,
                // The probe's end wakes us.
                Mode::Closed | Mode::Probing => Instant::now() + LONGEST_PAUSE,
            };
            let _ = timeout_at(until, changed).await;
        }
    }

    /// Ends a pause: the next attempt is the probe.
    pub(super) fn hurry(&self) {
        let mut state = self.lock();
        if let Mode::Open { until } = &mut state.mode {
            *until = Instant::now();
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Whether [`Breaker::admit`] would let one pass now.
    pub(super) fn is_passable(&self) -> bool {
        match self.lock().mode {
            Mode::Closed => true,
            Mode::Open { until } => Instant::now() >= until,
            Mode::Probing => false,
        }
    }

    /// How often it has opened.
    pub(super) fn opened(&self) -> u64 {
        self.lock().opened
    }

    /// Nothing panics while the lock is held, so a poisoned lock still guards sound data.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The store answered.
    pub(super) fn succeeded(self) {
        let mut state = self.breaker.lock();
        // At a cold start the first connection and the first credentials may take longer than clients wait. What began
        // before the store was left alone then shows that it is well.
        let first = !std::mem::replace(&mut state.known, true);
        if state.epoch != self.epoch && !first {
            return;
        }
        state.failures = 0;
        if state.mode == Mode::Closed {
            return;
        }
        let away = state.left_since.elapsed();
        state.mode = Mode::Closed;
        state.epoch += 1;
        state.pause = FIRST_PAUSE;
        drop(state);
        self.breaker.changed.notify_waiters();
        self.breaker.logger.write(Level::Warn, "store_available", || {
            (format!("{} answers again after {} s", self.breaker.name, away.as_secs()), Map::new())
        });
    }

    /// The store did not answer, or refused.
    pub(super) fn failed(self, why: &str) {
        let mut state = self.breaker.lock();
        if state.epoch != self.epoch {
            return;
        }
        state.failures += 1;
        let was_closed = state.mode == Mode::Closed;
        if was_closed && state.failures < FAILURES_TO_OPEN {
            return;
        }
        let pause = state.pause.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0));
        state.mode = Mode::Open { until: Instant::now() + pause };
        state.epoch += 1;
        state.failures = 0;
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        if was_closed {
            state.opened += 1;
            state.left_since = Instant::now();
        }
        drop(state);
        self.breaker.changed.notify_waiters();
        if was_closed {
            self.breaker.logger.write(Level::Warn, "store_unavailable", || {
                let text = format!(
                    "{} failed {FAILURES_TO_OPEN} times in a row and is left alone for {} s: {why}",
                    self.breaker.name,
                    pause.as_secs()
                );
                (text, Map::new())
            });
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if state.epoch == self.epoch && state.mode == Mode::Probing {
            // A probe that was given up: the next one to come may try.
            state.mode = Mode::Open { until: Instant::now() };
            state.epoch += 1;
            drop(state);
            self.breaker.changed.notify_waiters();
        }
    }
}
