//! Metrics in the text format of Prometheus (`OpenMetrics` 1.0).

use std::fmt::{self, Write as _};
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::coordinate::CoordinatorStats;
use crate::handler::{Made, Observer, Reply, Steps};
use crate::key::CacheKey;
use crate::response::Answer;
use crate::runtime::PoolOptions;
use crate::stats::Stats;

/// What `/metrics` is labelled as.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Variants whose steps are remembered for `Server-Timing`.
const REMEMBERED: NonZero<usize> = NonZero::new(1_024).expect("not zero");

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    status: u16,
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabel {
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FormatLabel {
    format: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What a service counts, besides what its parts do.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histograms<CacheLabel>,
    sent_bytes: Family<FormatLabel, Counter>,
    source_bytes: Family<FormatLabel, Counter>,
    steps: Histograms<StepLabel>,
    variants: Family<OutcomeLabel, Counter>,
    connections: Gauge,
    recent: Option<Mutex<LruCache<CacheKey, Steps>>>,
}

/// From 0.5 ms, a warm hit, to 30 s, the time of a request.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 17))
}

impl Metrics {
    /// All at zero. `remembers_steps` keeps those of the latest variants for `Server-Timing`.
    #[must_use]
    pub fn new(remembers_steps: bool) -> Self {
        let mut registry = Registry::with_prefix("unsharp");
        let requests = Family::default();
        let durations = Family::new_with_constructor(seconds as fn() -> Histogram);
        let (sent_bytes, source_bytes) = (Family::default(), Family::default());
        let steps = Family::new_with_constructor(seconds as fn() -> Histogram);
        let variants = Family::default();
        let connections = Gauge::default();
        registry.register(
            "requests",
            "Requests for images, by status and by where the variant came from",
            Family::clone(&requests),
        );
        registry.register(
            "request_duration_seconds",
            "From the head of a request to its answer",
            Family::clone(&durations),
        );
        registry.register("sent_bytes", "Bytes of images sent, by format", Family::clone(&sent_bytes));
        registry.register(
            "source_bytes",
            "Bytes of sources fetched, by format",
            Family::clone(&source_bytes),
        );
        registry.register(
            "step_duration_seconds",
            "The steps of the variants made here",
            Family::clone(&steps),
        );
        registry.register(
            "variants",
            "Variants made here, by what became of their source",
            Family::clone(&variants),
        );
        registry.register("connections", "Connections of clients", connections.clone());
        let recent = remembers_steps.then(|| Mutex::new(LruCache::new(REMEMBERED)));
        Self { registry, requests, durations, sent_bytes, source_bytes, steps, variants, connections, recent }
    }

    /// Counts a request.
    pub(super) fn answered(&self, status: u16, cache: Option<&'static str>, took: Duration) {
        let cache = match cache {
            Some("HIT") => "hit",
            Some("STALE") => "stale",
            Some("MISS") => "miss",
            _ => "none",
        };
        self.requests.get_or_create(&RequestLabels { status, cache }).inc();
        self.durations.get_or_create(&CacheLabel { cache }).observe(took.as_secs_f64());
    }

    /// Counts the bytes of an answer, if it is an image.
    pub(super) fn sent(&self, answer: &Answer) {
        if answer.status != 200 || answer.body.is_empty() {
            return;
        }
        let label = answer.headers.iter().find(|(name, _)| *name == "Content-Type");
        let format = label.map_or("unknown", |(_, label)| label.strip_prefix("image/").unwrap_or("other"));
        let format = FormatLabel { format: format.to_owned() };
        self.sent_bytes.get_or_create(&format).inc_by(answer.body.len() as u64);
    }

    /// Counts a connection until what is returned is dropped.
    pub(super) fn connection(&self) -> impl Drop + use<> {
        struct Open(Gauge);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// The `Server-Timing` header of an answer.
    pub(super) fn server_timing(&self, reply: &Reply, took: Duration) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        let mut text = String::new();
        if let Some(status) = reply.status {
            text = format!("cache;desc={}, ", status.as_str());
            let recent = self.recent.as_ref().filter(|_| status == crate::response::CacheStatus::Miss);
            let steps = recent.zip(reply.key.as_ref()).and_then(|(recent, key)| {
                recent.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
            });
            for (name, duration) in steps.iter().flat_map(named) {
                let _ = write!(text, "{name};dur={:.1}, ", ms(duration));
            }
        }
        let _ = write!(text, "total;dur={:.1}", ms(took));
        text
    }

    /// Everything as text.
    #[must_use]
    pub fn render(
        &self,
        stats: &Stats,
        coordinator: &CoordinatorStats,
        pool: PoolOptions,
        lines_left_out: u64,
    ) -> String {
        let mut text = String::new();
        let mut present = Registry::with_prefix("unsharp");
        present.register_collector(Box::new(Present {
            stats: *stats,
            coordinator: *coordinator,
            pool,
            lines_left_out,
        }));
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        let end = "# EOF\n";
        text.truncate(text.len().saturating_sub(end.len()));
        let mut rest = String::new();
        let _ = encode(&mut rest, &present);
        text.push_str(&rest);
        text
    }
}

fn named(steps: &Steps) -> [(&'static str, Duration); 5] {
    [
        ("queue", steps.queue),
        ("fetch", steps.fetch),
        ("decode", steps.decode),
        ("resize", steps.resize),
        ("encode", steps.encode),
    ]
}

impl Observer for Metrics {
    fn made(&self, made: &Made) {
        self.variants.get_or_create(&OutcomeLabel { outcome: made.how.name() }).inc();
        let format = FormatLabel { format: made.source_format.to_owned() };
        self.source_bytes.get_or_create(&format).inc_by(made.source_bytes);
        for (step, duration) in named(&made.steps) {
            // What was passed through was fetched and nothing else.
            if step == "fetch" || made.how == crate::handler::MadeHow::Optimized {
                self.steps.get_or_create(&StepLabel { step }).observe(duration.as_secs_f64());
            }
        }
        if let Some(recent) = &self.recent {
            recent.lock().unwrap_or_else(PoisonError::into_inner).put(made.key.clone(), made.steps);
        }
    }
}

/// What the parts of the service count themselves, as it is now.
#[derive(Debug)]
struct Present {
    stats: Stats,
    coordinator: CoordinatorStats,
    pool: PoolOptions,
    lines_left_out: u64,
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (stats, fleet) = (&self.stats, &self.coordinator);
        for (name, help, value) in [
            ("queue_depth", "Variants that wait for their turn here", stats.waiting + fleet.waiting),
            ("jobs", "Variants under way here, fetch included", fleet.running),
            ("permits", "Images that may be in work at once", self.pool.concurrency as u64),
            ("permits_used", "Images in work", stats.running),
            ("memory_budget_bytes", "Bytes that decoded images may take", self.pool.memory_budget_bytes),
            ("memory_budget_used_bytes", "Bytes that decoded images take", stats.budget_used_bytes),
            ("cache_memory_entries", "Variants in memory", stats.memory_entries),
            ("cache_memory_bytes", "Bytes of the variants in memory", stats.memory_bytes),
            ("cache_disk_entries", "Variants on disk", stats.disk_entries),
            ("cache_disk_bytes", "Bytes of the variants on disk", stats.disk_bytes),
            ("coordinator_connected", "Whether the shared storage answers", u64::from(fleet.is_connected)),
        ] {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value as i64).encode(descriptor)?;
        }
        for (name, help, value) in [
            ("single_flight_followers", "Requests that shared the work of another", stats.followers),
            ("errors", "Requests refused, and refreshes that failed", stats.errors),
            ("fallbacks", "Sources served as they came because optimizing failed", stats.fallbacks),
            ("store_errors", "Reads and writes of the variant store that failed", stats.store_errors),
            ("upstream_bytes", "Bytes fetched", stats.upstream_bytes),
            ("variant_bytes", "Bytes of the variants made", stats.optimized_bytes),
            ("avif_soon_answers", "Answers with WebP in place of AVIF", stats.avif_soon_answers),
            ("avif_soon_made", "AVIF made behind such answers", stats.avif_soon_made),
            ("avif_soon_failed", "AVIF that could not be made behind them", stats.avif_soon_failed),
            ("avif_soon_dropped", "AVIF put off until it is asked for again", stats.avif_soon_dropped),
            ("coordinator_errors", "Requests to the shared storage that failed", fleet.storage_errors),
            ("coordinator_reconnects", "Connections made anew to the shared storage", fleet.reconnects),
            ("coordinator_followers", "Calls that joined another of this process", fleet.followers),
            (
                "lease_followers",
                "Variants that another replica made while this one waited",
                fleet.lease_followers,
            ),
            ("lease_found", "Leases got for a variant that was there by then", fleet.found),
            ("leases_lost", "Leases that ran out while the work went on", fleet.lost_leases),
            ("jobs_worked", "Attempts made here", fleet.worked),
            ("jobs_taken", "Of these, for jobs that another replica had accepted", fleet.taken),
            ("jobs_local", "Of these, without the shared storage, which did not answer", fleet.local),
            ("jobs_retried", "Attempts that failed and were made again", fleet.retried),
            ("jobs_failed", "Jobs that failed in the end", fleet.failed),
            ("jobs_withdrawn", "Jobs dropped because nobody waited any more", fleet.withdrawn),
            ("jobs_refused", "Requests refused because too many were waiting", fleet.refused),
            (
                "results_lost",
                "Results announced by another replica that could not be had",
                fleet.lost_results,
            ),
            (
                "access_log_lines_left_out",
                "Lines that the reader of the log was too slow for",
                self.lines_left_out,
            ),
        ] {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(descriptor)?;
        }
        Ok(())
    }
}
