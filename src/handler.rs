//! The whole way of a request.
//!
//! ```text
//! request -> key -> cache (memory, disk, bucket) -> flight -> upstream -> image -> cache -> response
//! ```
//!
//! [`Handler::answer_hot`] is the short way of a variant that lies in memory and is fresh; it does no I/O.
//! [`Handler::answer`] is the whole one.

mod incoming;
mod make;
mod parsed;
mod reply;
mod report;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use incoming::{AppAnswer, AppFetch, Fleet, HandlerOptions, Incoming, LocalSource, Variants, Way};
pub use reply::{Found, Made, MadeHow, Observer, Reply, Steps};
pub use worker::Maker;

use self::parsed::{Parsed, RecentRequests};
use crate::cache::Entry;
use crate::cache::tiers::{Loaded, Tiers, TiersOptions};
use crate::config::Config;
use crate::coordinate::{By, Job, Urgency};
use crate::error::{Error, Result};
use crate::fair::Lane;
use crate::flight::{Flights, Role};
use crate::image::Limits;
use crate::key::CacheKey;
use crate::log::Logger;
use crate::negotiate::negotiate;
use crate::request::{self, ImageRequest};
use crate::response::{self, CacheStatus, Variant};
use crate::runtime::{Pool, PoolOptions};
use crate::stats::{Counters, Stats};
use crate::upstream::remote::{Remote, RemoteOptions};

/// Answers `/_next/image` for one Next app.
pub struct Handler {
    config: Config,
    limits: Limits,
    max_queue: usize,
    /// `None` when the config forbids keeping variants: then every answer is a MISS, as in Next.
    cache: Option<Tiers>,
    requests: RecentRequests,
    flights: Flights<Arc<Entry>>,
    remote: Remote,
    observer: Option<Arc<dyn Observer>>,
    pool: Pool,
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
            allow_local_ip: images.dangerously_allow_local_ip,
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
            cache,
            requests: RecentRequests::new(),
            flights: Flights::new(),
            remote,
            observer: options.observer.clone(),
            pool,
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

    /// The answer, if it takes neither I/O nor noticeable time: a mistake in the request, or a fresh variant in
    /// memory that is sent as it is.
    #[must_use]
    pub fn answer_hot(&self, incoming: &Incoming) -> Option<Reply> {
        let parsed = match self.parse(incoming) {
            Ok(parsed) => parsed,
            Err(error) => return Some(self.refuse_request(incoming, error)),
        };
        let key = parsed.key.clone();
        let entry = self.cache.as_ref()?.hot(&key, now_ms())?;
        if response::takes_compression(&entry.extension, &self.config) {
            return None;
        }
        let found = Found { key, entry, status: CacheStatus::Hit, revalidating: false };
        Some(self.found(&parsed.request, incoming, found))
    }

    /// The answer, whatever it takes.
    pub async fn answer(self: &Arc<Self>, incoming: &Incoming, way: Way) -> Reply {
        let parsed = match self.parse(incoming) {
            Ok(parsed) => parsed,
            Err(error) => return self.refuse_request(incoming, error),
        };
        match self.variant(&parsed.request, way).await {
            Ok(found) => self.found(&parsed.request, incoming, found),
            Err(error) => self.refuse(incoming, error),
        }
    }

    /// The variant that is asked for: found, or made, or shared with whoever has it made already.
    ///
    /// # Errors
    /// Why there is none; what could not be optimized is no error but served as it came.
    pub async fn variant(self: &Arc<Self>, request: &ImageRequest, way: Way) -> Result<Found> {
        let key = cache_key(request);
        if let Some(entry) = self.load(&key).await {
            let mut found = Found { key, entry, status: CacheStatus::Hit, revalidating: false };
            if found.entry.is_stale(now_ms()) {
                found.status = CacheStatus::Stale;
                let (this, asked, old) = (Arc::clone(self), request.clone(), Arc::clone(&found.entry));
                let refresh = move || async move { this.refresh(asked, way, old).await };
                found.revalidating = self.flights.spawn_if_idle(&found.key, refresh);
            }
            return Ok(found);
        }
        let entry = match way {
            Way::Alone(source) => self.make_once(request.clone(), source).await,
            Way::Together(fleet) => {
                let job = Job { key: key.clone(), request: request.clone(), urgency: Urgency::Client };
                let made = fleet.coordinator.make(job, fleet.deadline).await;
                made.map(|made| (made.entry, made.by))
            }
        };
        entry.map(|(entry, by)| {
            if by == By::Another {
                self.counters.followers.add(1);
            }
            Found { key, entry, status: CacheStatus::Miss, revalidating: false }
        })
    }

    /// Makes the variant, or shares in the work of the request that has it made. Work goes on when its requests go.
    async fn make_once(
        self: &Arc<Self>,
        asked: ImageRequest,
        source: LocalSource,
    ) -> Result<(Arc<Entry>, By)> {
        let (this, key) = (Arc::clone(self), cache_key(&asked));
        let wanted = key.clone();
        let work = move || async move {
            // Another flight may have landed between the look-up before and the start of this one.
            match this.load_local(&wanted).await {
                Some(entry) if !entry.is_stale(now_ms()) => Ok(entry),
                _ => {
                    let made = this.make(&asked, &source, None, Lane::Client).await;
                    made.inspect_err(|error| this.report_failed(&asked, error))
                }
            }
        };
        let (role, made) = self.flights.run(&key, work).await;
        made.map(|entry| (entry, if role == Role::Leader { By::Us } else { By::Another }))
    }

    /// Has the variant made anew behind the answer that `old` was given for.
    async fn refresh(&self, asked: ImageRequest, way: Way, old: Arc<Entry>) -> Result<Arc<Entry>> {
        match way {
            Way::Alone(source) => self.revalidate(&asked, &source, old).await,
            Way::Together(fleet) => {
                let job = Job { key: cache_key(&asked), request: asked, urgency: Urgency::Background };
                fleet.coordinator.make(job, fleet.deadline).await.map(|made| made.entry)
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
    ) -> Result<ImageRequest> {
        let (href, is_absolute) =
            if allows_any_source { request::any_source(url)? } else { request::source(url, &self.config)? };
        Ok(ImageRequest { href, is_absolute, width, quality, mime, is_static_media: false, is_blur: false })
    }

    /// How much may be in work at once.
    #[must_use]
    pub fn pool_options(&self) -> PoolOptions {
        self.pool.options()
    }

    /// Would a further image be refused now?
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.pool.is_full(self.max_queue)
    }

    /// Whether there is a bucket behind the cache.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.cache.as_ref().is_some_and(Tiers::has_remote)
    }

    /// Waits for all work that has begun, the refreshes behind stale answers included, and then for at most `budget`
    /// until what was made is in the bucket. Says whether all of it is.
    pub async fn drain(&self, budget: Duration) -> bool {
        self.flights.drain().await;
        self.flush(budget).await
    }

    /// Waits for at most `budget` until what has been made is in the bucket; says whether all of it is.
    pub async fn flush(&self, budget: Duration) -> bool {
        match &self.cache {
            Some(cache) => cache.flush(budget).await,
            None => true,
        }
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
        let Found { key, entry, status, revalidating } = found;
        let counter = match status {
            CacheStatus::Hit => &self.counters.hits,
            CacheStatus::Stale => &self.counters.stale,
            CacheStatus::Miss => &self.counters.misses,
        };
        counter.add(1);
        let variant = Variant {
            body: &entry.body,
            extension: &entry.extension,
            etag: &entry.etag,
            max_age_secs: entry.max_age_secs,
            fallback: entry.fallback.as_deref(),
        };
        let conditionals = incoming.conditionals();
        let mut answer = response::image(request, &variant, status, &conditionals, &self.config);
        answer.revalidating = revalidating;
        Reply { answer, key: Some(key), status: Some(status), error: None }
    }

    async fn load(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load(key, now_ms()).await)
    }

    async fn load_local(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load_local(key, now_ms()).await)
    }

    fn loaded(&self, loaded: Loaded) -> Option<Arc<Entry>> {
        if let Some(error) = loaded.failure {
            self.store_failed(&error);
        }
        loaded.entry
    }

    /// What this or another server has made while this one waited for its turn.
    async fn load_again(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.loaded(self.cache.as_ref()?.load_again(key, now_ms()).await)
    }

    /// What another server has made anew.
    async fn load_newer(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.cache.as_ref()?.load_newer(key, now_ms()).await
    }

    async fn revalidate(
        &self,
        request: &ImageRequest,
        source: &LocalSource,
        previous: Arc<Entry>,
    ) -> Result<Arc<Entry>> {
        let key = cache_key(request);
        if let Some(entry) = self.load_newer(&key).await {
            return Ok(entry);
        }
        match self.make(request, source, Some(&previous), Lane::Background).await {
            Ok(entry) => Ok(entry),
            Err(error) => {
                // The old variant stays, and its source is asked again soon, but not at once.
                self.report_refresh_failed(request, &error);
                self.counters.errors.add(1);
                let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
                let entry = Arc::new(previous.after_failed_refresh(now_ms(), minimum_ttl));
                if let Some(cache) = &self.cache {
                    self.saved(cache.save_local(&key, Arc::clone(&entry)).await);
                }
                Ok(entry)
            }
        }
    }

    /// A store that fails costs speed only.
    async fn keep(&self, key: &CacheKey, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        if let Some(cache) = &self.cache {
            self.saved(cache.save(key, Arc::clone(&entry)).await);
        }
        entry
    }

    fn saved(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.store_failed(&error);
        }
    }

    fn store_failed(&self, error: &Error) {
        self.counters.store_errors.add(1);
        self.report_store_failed(error);
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
