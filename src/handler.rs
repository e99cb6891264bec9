//! The whole way of a request.
//!
//! ```text
//! request -> key -> cache (memory, disk, bucket) -> flight -> upstream -> image -> cache -> response
//! ```
//!
//! [`Handler::answer_hot`] is the short way of a variant that lies in memory and is fresh; it does no I/O.
//! [`Handler::answer`] is the whole one.

mod asked;
mod handover;
mod hot;
mod incoming;
mod kept;
mod make;
mod parsed;
mod reply;
mod report;
mod soon;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use asked::Asked;
pub use incoming::{
    AppAnswer, AppFetch, DEFAULT_MEMORY_BYTES, Fleet, HandlerOptions, Incoming, LocalSource, Variants, Way,
};
pub use reply::{Found, Made, MadeHow, Observer, Reply, Steps};
pub use worker::Maker;

use self::make::Purpose;
use self::parsed::{Parsed, RecentRequests};
use self::soon::Soon;
use crate::cache::Entry;
use crate::cache::tiers::{Tiers, TiersOptions};
use crate::config::Config;
use crate::coordinate::{self, By, Job, Urgency};
use crate::error::{Error, Result};
use crate::flight::{Flights, Role};
use crate::image::Limits;
use crate::key::CacheKey;
use crate::log::Logger;
use crate::negotiate::negotiate;
use crate::request::{self, ImageRequest};
use crate::response::{self, Answer, CacheStatus, Conditionals, Variant};
use crate::runtime::{Pool, PoolOptions};
use crate::stats::{Counters, Stats};
use crate::upstream::remote::{Remote, RemoteOptions};

/// Answers `/_next/image` for one Next app.
pub struct Handler {
    config: Config,
    limits: Limits,
    max_queue: usize,
    counts_fetching: bool,
    /// `None` when the config forbids keeping variants: then every answer is a MISS, as in Next.
    cache: Option<Tiers>,
    requests: RecentRequests,
    flights: Flights<Arc<Entry>>,
    soon: Soon,
    remote: Remote,
    observer: Option<Arc<dyn Observer>>,
    pool: Pool,
    /// Held by each variant that is being made, so that its owners are their number and this one.
    making: Arc<()>,
    counters: Arc<Counters>,
    logger: Logger,
}

impl Handler {
    /// With a bucket, call it on a tokio runtime.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the certificates can't be read or the bucket can't be opened.
    pub fn new(config: Config, options: &HandlerOptions, pool: Pool) -> Result<Self> {
        let images = &config.images;
        let remote = Remote::new(RemoteOptions {
            maximum_redirects: images.maximum_redirects,
            maximum_response_body_bytes: images.maximum_response_body_bytes,
            // As much again as the decoded pixels may take; one source has to fit, whatever that is.
            source_memory_bytes: pool
                .options()
                .memory_budget_bytes
                .max(images.maximum_response_body_bytes.saturating_mul(2)),
            allow_local_ip: images.dangerously_allow_local_ip,
            allowed_private_hosts: options.allowed_private_hosts.clone(),
            extra_ca_certs: options.extra_ca_certs.clone(),
            ca_certs_pem: options.ca_certs_pem.clone(),
            origin_host: options.origin_host.clone(),
            ..RemoteOptions::default()
        })?;
        let keeps = config.is_flush_to_disk && images.maximum_disk_cache_size_bytes != Some(0);
        let (dir, limit_bytes) = match &options.variants {
            Variants::InApp => (options.dir.join(&config.dist_dir).join("cache/images"), None),
            Variants::In(dir) => (dir.clone(), None),
            Variants::InMemory => (PathBuf::new(), Some(0)),
        };
        let open_tiers = || {
            Tiers::open(TiersOptions {
                dir,
                limit_bytes: limit_bytes.or(images.maximum_disk_cache_size_bytes),
                memory_bytes: options.memory_bytes,
                store: options.store.clone(),
                logger: options.logger.clone(),
            })
        };
        let cache = keeps.then(open_tiers).transpose()?;
        let limits = Limits {
            max_pixels: config.img_opt.max_input_pixels.unwrap_or(u64::MAX),
            max_bytes: images.maximum_response_body_bytes,
            timeout_ms: u64::from(config.img_opt.timeout_secs) * 1_000,
        };
        Ok(Self {
            limits,
            max_queue: options.max_queue,
            counts_fetching: options.counts_fetching,
            // What is kept nowhere is never there the next time.
            requests: RecentRequests::new(options.avif_soon && cache.is_some()),
            cache,
            flights: Flights::new(),
            soon: Soon::new(pool.options().concurrency, options.max_queue),
            remote,
            observer: options.observer.clone(),
            pool,
            making: Arc::default(),
            counters: Arc::default(),
            logger: options.logger.clone(),
            config,
        })
    }

    /// Whether `url` (path and query) is for this handler; other paths are the app's.
    #[must_use]
    pub fn is_endpoint(&self, url: &str) -> bool {
        request::is_endpoint(split(url).0, &self.config)
    }

    /// The answer, whatever it takes.
    pub async fn answer(self: &Arc<Self>, incoming: &Incoming, way: Way) -> Reply {
        let parsed = match self.parse(incoming) {
            Ok(parsed) => parsed,
            Err(error) => return self.refuse_request(incoming, error),
        };
        let asked = &parsed.asked;
        let found = match &parsed.until_then {
            Some(webp) => self.variant_soon(asked, webp, way).await,
            None => self.variant(asked, way).await,
        };
        match found {
            Ok(found) => self.found(&asked.request, incoming, found),
            Err(error) => self.refuse(incoming, error),
        }
    }

    /// The variant that is asked for: found, or made, or shared with whoever has it made already.
    ///
    /// # Errors
    /// Why there is none; what could not be optimized is no error but served as it came.
    pub async fn variant(self: &Arc<Self>, asked: &Asked, way: Way) -> Result<Found> {
        match self.load(&asked.key).await {
            Some(entry) => Ok(self.kept(asked, entry, way)),
            None => self.missing(asked, way).await,
        }
    }

    /// What was found; if it is stale, it is made anew behind the answer.
    fn kept(self: &Arc<Self>, asked: &Asked, entry: Arc<Entry>, way: Way) -> Found {
        let mut found = Found::new(asked, entry, CacheStatus::Hit);
        if found.entry.is_stale(now_ms()) {
            found.status = CacheStatus::Stale;
            let (this, wanted, old) = (Arc::clone(self), asked.clone(), Arc::clone(&found.entry));
            let refresh = move || async move { this.refresh(wanted, way, old).await };
            found.revalidating = self.flights.spawn_if_idle(&asked.key, refresh);
        }
        found
    }

    /// Has the variant made while the client waits.
    async fn missing(self: &Arc<Self>, asked: &Asked, way: Way) -> Result<Found> {
        let (entry, by) = match way {
            Way::Alone(source) => self.make_once(asked, source).await?,
            Way::Together(fleet) => self.make_together(asked, &fleet, Urgency::Client).await?,
        };
        if by == By::Another {
            self.counters.followers.add(1);
        }
        Ok(Found::new(asked, entry, CacheStatus::Miss))
    }

    /// Makes the variant, or shares in the work of the request that has it made. Work goes on when its requests go.
    async fn make_once(self: &Arc<Self>, asked: &Asked, source: LocalSource) -> Result<(Arc<Entry>, By)> {
        let (this, wanted) = (Arc::clone(self), asked.clone());
        let work = move || async move {
            // Another flight may have landed between the look-up before and the start of this one.
            match this.load_local(&wanted.key).await {
                Some(entry) if !entry.is_stale(now_ms()) => Ok(entry),
                _ => {
                    let made = this.make(&wanted, &source, Purpose::Client).await;
                    made.inspect_err(|error| this.report_failed(&wanted.request, error))
                }
            }
        };
        let (role, made) = self.flights.run(&asked.key, work).await;
        made.map(|entry| (entry, if role == Role::Leader { By::Us } else { By::Another }))
    }

    /// Has the variant made by whoever in the fleet gets to it.
    async fn make_together(
        &self,
        asked: &Asked,
        fleet: &Fleet,
        urgency: Urgency,
    ) -> Result<(Arc<Entry>, By)> {
        let job = Job { key: asked.key.clone(), request: asked.request.clone(), urgency };
        let coordinate::Made { entry, by } = fleet.coordinator.make(job, fleet.deadline).await?;
        // What came from another replica is not here yet, unless both keep variants in the same place.
        if by == By::Another && entry.fallback.is_none() {
            let here = self.load_local(&asked.key).await;
            if here.is_none_or(|here| here.expires_at_ms < entry.expires_at_ms) {
                self.keep_here(&asked.key, &entry).await;
            }
        }
        Ok((entry, by))
    }

    /// Has the variant made anew behind the answer that `old` was given for.
    async fn refresh(&self, asked: Asked, way: Way, old: Arc<Entry>) -> Result<Arc<Entry>> {
        match way {
            Way::Alone(source) => self.revalidate(&asked, &source, old).await,
            Way::Together(fleet) => {
                self.make_together(&asked, &fleet, Urgency::Background).await.map(|(entry, _)| entry)
            }
        }
    }

    /// The most bytes that a source may have.
    #[must_use]
    pub fn max_body_bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    /// The app's `cacheHandler`, if its config wants variants kept there (`images.customCacheHandler`). This handler
    /// keeps them itself, which whoever runs it should know.
    #[must_use]
    pub fn image_cache_handler(&self) -> Option<&str> {
        self.config.cache_handler.as_deref().filter(|_| self.config.images.custom_cache_handler)
    }

    /// The media type that a client with this Accept header gets; empty for that of the source.
    #[must_use]
    pub fn negotiate(&self, accept: &str) -> String {
        negotiate(Some(accept), &self.config.images.formats).unwrap_or_default()
    }

    /// A request for what may be no size or quality of the config, for callers who are trusted with them.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] and [`Error::NotAllowed`]; with `allows_any_source` no pattern is asked.
    pub fn request_for(
        &self,
        url: &str,
        width: u32,
        quality: u8,
        mime: String,
        allows_any_source: bool,
    ) -> Result<Asked> {
        let (href, is_absolute) =
            if allows_any_source { request::any_source(url)? } else { request::source(url, &self.config)? };
        let (is_static_media, is_blur) = (false, false);
        Ok(Asked::new(ImageRequest { href, is_absolute, width, quality, mime, is_static_media, is_blur }))
    }

    /// How much may be in work at once.
    #[must_use]
    pub fn pool_options(&self) -> PoolOptions {
        self.pool.options()
    }

    /// Would a further image be refused now?
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.is_full()
    }

    /// Begins no more work that nobody waits for, except refreshes; what clients ask for is served all the same.
    pub fn start_draining(&self) {
        self.soon.stop();
    }

    /// Waits for all work that has begun, that behind answers included, and then for at most `budget` until what was
    /// made is in the bucket. Says whether all of it is.
    pub async fn drain(&self, budget: Duration) -> bool {
        self.start_draining();
        self.flights.drain().await;
        self.soon.drain().await;
        self.settle().await;
        self.flush(budget).await
    }

    /// What has happened since the start, and what is going on now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let tiers = self.cache.as_ref().map(Tiers::stats).unwrap_or_default();
        self.counters.snapshot(self.pool.stats(), tiers)
    }

    fn parse(&self, incoming: &Incoming) -> Result<Arc<Parsed>> {
        self.requests.parse(split(&incoming.url).1, incoming.accept.as_deref(), &self.config)
    }

    /// The answer to a request that can't be served.
    #[must_use]
    pub fn refuse(&self, incoming: &Incoming, error: Error) -> Reply {
        self.counters.errors.add(1);
        let answer = response::error(&error, incoming.method == "HEAD", &self.config);
        Reply { answer, key: None, status: None, error: Some(error) }
    }

    fn refuse_request(&self, incoming: &Incoming, error: Error) -> Reply {
        self.report_refused(&incoming.url, &error);
        self.refuse(incoming, error)
    }

    fn found(&self, request: &ImageRequest, incoming: &Incoming, found: Found) -> Reply {
        let counter = match found.status {
            CacheStatus::Hit => &self.counters.hits,
            CacheStatus::Stale => &self.counters.stale,
            CacheStatus::Miss => &self.counters.misses,
        };
        counter.add(1);
        let answer = self.answer_with(request, &incoming.conditionals(), &found);
        Reply { answer, key: Some(found.key), status: Some(found.status), error: None }
    }

    fn answer_with(&self, request: &ImageRequest, client: &Conditionals<'_>, found: &Found) -> Answer {
        let Found { entry, status, revalidating, for_now_secs, .. } = found;
        let variant = Variant {
            body: &entry.body,
            extension: &entry.extension,
            etag: &entry.etag,
            max_age_secs: for_now_secs.map_or(entry.max_age_secs, |secs| secs.min(entry.max_age_secs)),
            fallback: entry.fallback.as_deref(),
            is_for_now: for_now_secs.is_some(),
        };
        let mut answer = response::image(request, &variant, *status, client, &self.config);
        answer.revalidating = *revalidating;
        answer
    }

    async fn revalidate(
        &self,
        asked: &Asked,
        source: &LocalSource,
        previous: Arc<Entry>,
    ) -> Result<Arc<Entry>> {
        if let Some(entry) = self.load_newer(&asked.key).await {
            return Ok(entry);
        }
        match self.make(asked, source, Purpose::Refresh(&previous)).await {
            Ok(entry) => Ok(entry),
            Err(error) => {
                // The old variant stays, and its source is asked again soon, but not at once.
                self.report_refresh_failed(&asked.request, &error);
                self.counters.errors.add(1);
                let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
                let entry = Arc::new(previous.after_failed_refresh(now_ms(), minimum_ttl));
                self.keep_here(&asked.key, &entry).await;
                Ok(entry)
            }
        }
    }
}

fn split(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

fn cache_key(request: &ImageRequest) -> CacheKey {
    CacheKey::new(&request.href, request.width, request.quality, &request.mime)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
