//! The dedicated optimizer: a server that answers `/_next/image`, health and metrics, and nothing else.
//!
//! ```text
//! server (connections) -> routes (paths) -> Service::image -> handler -> coordinator
//! ```

mod access_log;
mod failure;
mod metrics;
mod options;
mod routes;
mod server;
mod stall;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use metrics::Metrics;
pub use options::{Accept, ListenOptions, ServiceOptions, Wanted};
pub use server::Server;

use crate::config::Config;
use crate::coordinate::filesystem::Filesystem;
use crate::coordinate::memory::Memory;
use crate::coordinate::redis::Redis;
use crate::coordinate::{self, Coordinator, CoordinatorStats, Results, Storage, Worker};
use crate::error::{Error, Result};
use crate::handler::{Fleet, Found, Handler, HandlerOptions, Incoming, LocalSource, Maker, Reply, Way};
use crate::runtime::Pool;
use crate::stats::Stats;
use access_log::AccessLog;

/// The optimizer without its server: queue, storage, handler.
pub struct Service {
    handler: Arc<Handler>,
    coordinator: Arc<dyn Coordinator>,
    metrics: Arc<Metrics>,
    access_log: Option<AccessLog>,
    timeout: Duration,
    max_queue: usize,
    max_attempts: u32,
    allows_any_source: bool,
    has_server_timing: bool,
    is_draining: AtomicBool,
}

impl Service {
    /// To be called on the tokio runtime that will run it.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for options that can't be used. A shared storage that can't be reached is no error:
    /// the service works on its own until it can.
    pub async fn open(config: Config, options: ServiceOptions, pool: Pool) -> Result<Arc<Self>> {
        let metrics = Arc::new(Metrics::new(options.has_server_timing));
        let handler_options = HandlerOptions {
            observer: Some(Arc::clone(&metrics) as _),
            counts_fetching: false,
            ..options.handler
        };
        let (max_queue, logger) = (handler_options.max_queue, handler_options.logger.clone());
        let source = options.fallback.map_or(LocalSource::Nowhere, LocalSource::Origin);
        let concurrency = pool.options().concurrency;
        let handler = Arc::new(Handler::new(config, &handler_options, pool)?);
        let maker = Maker::new(Arc::clone(&handler), source, options.allows_any_source);
        let permits = options::permits(concurrency);
        let results = if handler.has_store() {
            Results::InStore
        } else {
            Results::Carried { max_bytes: options::LARGEST_CARRIED_BYTES, ttl: options.ttl }
        };
        let coordinator_options = coordinate::Options {
            permits,
            permits_per_source: options::permits_per_source(permits),
            max_queue,
            max_attempts: options.max_attempts,
            results,
            logger,
            ..coordinate::Options::default()
        };
        let coordinator = coordinator(&options.storage, coordinator_options, Arc::new(maker)).await?;
        Ok(Arc::new(Self {
            handler,
            coordinator,
            metrics,
            access_log: options.has_access_log.then(AccessLog::to_stdout),
            timeout: options.timeout,
            max_queue,
            max_attempts: options.max_attempts,
            allows_any_source: options.allows_any_source,
            has_server_timing: options.has_server_timing,
            is_draining: AtomicBool::new(false),
        }))
    }

    /// The answer to a request for an image, as Next gives it, within the time that a request has.
    async fn image(&self, incoming: &Incoming) -> Reply {
        if let Some(reply) = self.handler.answer_hot(incoming) {
            return reply;
        }
        let deadline = Instant::now() + self.timeout;
        let answered =
            tokio::time::timeout_at(deadline, self.handler.answer(incoming, self.fleet(deadline))).await;
        answered.unwrap_or_else(|_| self.handler.refuse(incoming, self.timed_out()))
    }

    /// The variant of any url, for a caller who says what it wants instead of sending a request.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn fetch_and_optimize(&self, wanted: Wanted) -> Result<Found> {
        let asked = wanted.request(&self.handler, self.allows_any_source)?;
        let deadline = Instant::now() + self.timeout;
        let found = tokio::time::timeout_at(deadline, self.handler.variant(&asked, self.fleet(deadline)));
        found.await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// What has happened since the start, and what is going on now.
    #[must_use]
    pub fn stats(&self) -> (Stats, CoordinatorStats) {
        (self.handler.stats(), self.coordinator.stats())
    }

    /// Why no more requests should be sent here; `None` when they should.
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining.load(Ordering::Relaxed) {
            return Some("draining");
        }
        let waiting = self.coordinator.stats().waiting as usize;
        (self.handler.is_saturated() || waiting >= self.max_queue.max(1)).then_some("saturated")
    }

    /// Says that no more requests should be sent here; those that come are served all the same.
    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.handler.start_draining();
    }

    /// Finishes what has begun, refreshes included, and lets go of the storage, within `budget`. Says whether all of
    /// it was done.
    pub async fn close(&self, budget: Duration) -> bool {
        self.start_draining();
        let deadline = Instant::now() + budget;
        let left = || deadline.saturating_duration_since(Instant::now());
        let closed = tokio::time::timeout_at(deadline, self.coordinator.close()).await.is_ok();
        let drained = tokio::time::timeout_at(deadline, self.handler.drain(left())).await;
        let finished = closed && drained.unwrap_or(false);
        if let Some(log) = &self.access_log {
            log.flush().await;
        }
        finished
    }

    fn fleet(&self, deadline: Instant) -> Way {
        Way::Together(Fleet { coordinator: Arc::clone(&self.coordinator), deadline })
    }

    fn timed_out(&self) -> Error {
        Error::Timeout(self.timeout.as_millis() as u64)
    }
}

async fn coordinator(
    storage: &Storage,
    options: coordinate::Options,
    worker: Arc<dyn Worker>,
) -> Result<Arc<dyn Coordinator>> {
    Ok(match storage {
        Storage::Memory => Arc::new(Memory::new(options, worker)),
        Storage::Filesystem(dir) => Arc::new(Filesystem::open(dir, options, worker)?),
        Storage::Redis { url, prefix } => Arc::new(Redis::open(url, prefix, options, worker).await?),
    })
}
