//! WebP now, AVIF soon: a client that would wait for AVIF gets WebP, and AVIF is made behind that answer.
//!
//! What nobody waits for takes nothing from those who wait: it has fewer threads than there are, the queue's background
//! lane, and few jobs of the fleet at a time; it is given up where too much waits, and when the process ends.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::handover::{Handover, Source, Ticket};
use super::make::Purpose;
use super::{Asked, Found, Handler, LocalSource, Way, now_ms};
use crate::cache::Entry;
use crate::coordinate::{By, Urgency};
use crate::error::{Error, Result};
use crate::flight::Flights;
use crate::key::CacheKey;
use crate::negotiate::{AVIF, WEBP};
use crate::response::CacheStatus;
use crate::upstream::Upstream;

/// How long a client may keep what it was given for now, seconds. AVIF mostly takes less than one.
const SHORT_AGE_SECS: u64 = 10;

/// How long the same AVIF is not tried again, seconds; clients keep what they have for as long. It failed, or there is no
/// room to keep it in.
const PAUSE_SECS: u64 = 60;

/// Attempts that are remembered.
const REMEMBERED: NonZero<usize> = NonZero::new(1_024).expect("not zero");

/// The part of the memory budget that sources may take which wait for their AVIF: one of so many.
const BUDGET_SHARE: u64 = 8;

/// What is made behind answers in another type.
pub(super) struct Soon {
    flights: Flights<()>,
    /// One for each thread that may be busy with it. Closed when no more is to be begun.
    turns: Semaphore,
    most: usize,
    attempts: Mutex<LruCache<CacheKey, Instant>>,
    sources: Handover,
}

impl Soon {
    /// For a pool of so many threads, one of which stays free if there are two; `max_queue` more may wait.
    pub(super) fn new(threads: usize, max_queue: usize) -> Self {
        let turns = threads.saturating_sub(1).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            flights: Flights::new(),
            turns: Semaphore::new(turns),
            most: turns.saturating_add(max_queue),
            attempts: Mutex::new(LruCache::new(REMEMBERED)),
            sources: Handover::default(),
        }
    }

    /// Begins nothing more.
    pub(super) fn stop(&self) {
        self.turns.close();
    }

    /// Waits for what has begun.
    pub(super) async fn drain(&self) {
        self.flights.drain().await;
    }

    /// Was it tried within the last minute?
    fn was_tried(&self, key: &CacheKey) -> bool {
        let pause = Duration::from_secs(PAUSE_SECS);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(key).is_some_and(|at| at.elapsed() < pause)
    }

    fn note_tried(&self, key: &CacheKey) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).put(key.clone(), Instant::now());
    }
}

impl Handler {
    /// `avif` if it is there, else `webp`, found or made; `avif` is then made behind the answer.
    pub(super) async fn variant_soon(
        self: &Arc<Self>,
        avif: &Asked,
        webp: &Asked,
        way: Way,
    ) -> Result<Found> {
        if let Some(entry) = self.load(&avif.key).await {
            return Ok(self.kept(avif, entry, way));
        }
        let ticket = self.soon.sources.expect(&webp.key);
        let found = self.variant(webp, way.clone()).await?;
        let entry = &found.entry;
        if entry.extension == "webp" && !entry.is_passthrough() {
            let is_begun = self.begin(avif, way, ticket);
            let age = if self.soon.was_tried(&avif.key) { PAUSE_SECS } else { SHORT_AGE_SECS };
            self.counters.avif_soon_answers.add(1);
            return Ok(Found {
                revalidating: found.revalidating || is_begun,
                for_now_secs: Some(age),
                ..found
            });
        }
        if found.status == CacheStatus::Miss && entry.fallback.is_none() {
            // Passed through by rule, and that is the same in every type.
            self.keep(&avif.key, Entry::clone(entry)).await;
            return Ok(Found { key: avif.key.clone(), ..found });
        }
        // What is no WebP stands in for nothing.
        self.missing(avif, way).await
    }

    /// Has the variant made behind an answer, unless it was tried a moment ago or too much waits; says whether this call
    /// has begun it.
    fn begin(self: &Arc<Self>, asked: &Asked, way: Way, ticket: Ticket) -> bool {
        let soon = &self.soon;
        if soon.was_tried(&asked.key) || soon.flights.has(&asked.key) {
            return false;
        }
        if soon.turns.is_closed() || soon.flights.len() >= soon.most {
            self.counters.avif_soon_dropped.add(1);
            return false;
        }
        let (this, wanted) = (Arc::clone(self), asked.clone());
        let work = move || async move {
            let made = this.make_in_turn(&wanted, way).await;
            drop(ticket);
            this.note(&wanted, &made);
            Ok(())
        };
        soon.flights.spawn_if_idle(&asked.key, work)
    }

    async fn make_in_turn(&self, asked: &Asked, way: Way) -> Result<(Arc<Entry>, By)> {
        let _turn = self.soon.turns.acquire().await.map_err(|_| Error::Aborted)?;
        // A client that takes nothing else may have had it made meanwhile.
        if let Some(entry) = self.load(&asked.key).await {
            return Ok((entry, By::Another));
        }
        match way {
            Way::Alone(source) => self.make_behind(asked, &source).await.map(|entry| (entry, By::Us)),
            Way::Together(fleet) => {
                let made = self.make_together(asked, &fleet, Urgency::Background).await;
                if made.is_err() && Instant::now() >= fleet.deadline {
                    return Err(Error::Overloaded("its turn did not come in time".to_owned()));
                }
                made
            }
        }
    }

    /// Makes what another variant was answered for. A failure is told, and keeps nothing: that other one stays.
    pub(super) async fn make_behind(&self, asked: &Asked, source: &LocalSource) -> Result<Arc<Entry>> {
        let made = self.make(asked, source, Purpose::Behind).await;
        made.inspect_err(|error| self.report_soon_failed(&asked.request, error))
    }

    fn note(&self, asked: &Asked, made: &Result<(Arc<Entry>, By)>) {
        let counter = match made {
            Err(Error::Aborted | Error::Overloaded(_)) => {
                self.counters.avif_soon_dropped.add(1);
                return;
            }
            Ok((entry, by)) if entry.fallback.is_none() => {
                (*by == By::Us).then_some(&self.counters.avif_soon_made)
            }
            _ => Some(&self.counters.avif_soon_failed),
        };
        self.soon.note_tried(&asked.key);
        if let Some(counter) = counter {
            counter.add(1);
        }
    }

    /// Holds a source that was fetched for one variant and that another one waits for.
    pub(super) fn hand_over(&self, asked: &Asked, upstream: &Upstream) {
        let limit = self.pool.options().memory_budget_bytes / BUDGET_SHARE;
        self.soon.sources.offer(&asked.key, upstream, now_ms(), limit);
    }

    /// The source of a variant, if it was fetched for another one a moment ago.
    pub(super) fn handed_over(&self, asked: &Asked) -> Option<Source> {
        (asked.request.mime == AVIF).then(|| self.soon.sources.take(&asked.in_type(WEBP).key)).flatten()
    }
}

#[cfg(test)]
mod tests;
