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
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use incoming::{AppAnswer, AppFetch, HandlerOptions, Incoming, LocalSource};

use crate::cache::Entry;
use crate::cache::tiers::{Loaded, Tiers, TiersOptions};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::flight::{Flights, Role};
use crate::image::Limits;
use crate::key::CacheKey;
use crate::log::Logger;
use crate::request::{self, ImageRequest};
use crate::response::{self, Answer, CacheStatus, Variant};
use crate::runtime::Pool;
use crate::stats::{Counters, Stats};
use crate::upstream::remote::{Remote, RemoteOptions};

/// Answers `/_next/image` for one Next app.
pub struct Handler {
    config: Config,
    limits: Limits,
    max_queue: usize,
    /// `None` when the config forbids keeping variants: then every answer is a MISS, as in Next.
    cache: Option<Tiers>,
    flights: Flights<Arc<Entry>>,
    remote: Remote,
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
            ..RemoteOptions::default()
        })?;
        let keeps = config.is_flush_to_disk && images.maximum_disk_cache_size_bytes != Some(0);
        let open_tiers = || {
            Tiers::open(TiersOptions {
                dir: options.dir.join(&config.dist_dir).join("cache/images"),
                limit_bytes: images.maximum_disk_cache_size_bytes,
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
            flights: Flights::new(),
            remote,
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
    pub fn answer_hot(&self, incoming: &Incoming) -> Option<Answer> {
        let request = match self.parse(incoming) {
            Ok(request) => request,
            Err(error) => return Some(self.refuse_request(incoming, &error)),
        };
        let entry = self.cache.as_ref()?.hot(&cache_key(&request), now_ms())?;
        if response::takes_compression(&entry.extension, &self.config) {
            return None;
        }
        Some(self.found(&request, incoming, &entry, CacheStatus::Hit))
    }

    /// The answer, whatever it takes. Work that others can use goes on when this future is dropped.
    pub async fn answer(self: &Arc<Self>, incoming: &Incoming, source: LocalSource) -> Answer {
        let request = match self.parse(incoming) {
            Ok(request) => Arc::new(request),
            Err(error) => return self.refuse_request(incoming, &error),
        };
        let key = cache_key(&request);
        if let Some(entry) = self.load(&key).await {
            if !entry.is_stale(now_ms()) {
                return self.found(&request, incoming, &entry, CacheStatus::Hit);
            }
            let mut answer = self.found(&request, incoming, &entry, CacheStatus::Stale);
            let this = Arc::clone(self);
            let refresh = move || async move { this.revalidate(&request, &source, entry).await };
            answer.revalidating = self.flights.spawn_if_idle(&key, refresh);
            return answer;
        }
        let this = Arc::clone(self);
        let asked = Arc::clone(&request);
        let wanted = key.clone();
        let work = move || async move {
            // Another flight may have landed between the look-up above and the start of this one.
            match this.load_local(&wanted).await {
                Some(entry) if !entry.is_stale(now_ms()) => Ok(entry),
                _ => this
                    .make(&asked, &source, None)
                    .await
                    .inspect_err(|error| this.report_failed(&asked, error)),
            }
        };
        match self.flights.run(&key, work).await {
            (role, Ok(entry)) => {
                if role == Role::Follower {
                    self.counters.followers.add(1);
                }
                self.found(&request, incoming, &entry, CacheStatus::Miss)
            }
            (_, Err(error)) => self.refuse(incoming, &error),
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

    fn parse(&self, incoming: &Incoming) -> Result<ImageRequest> {
        request::parse(split(&incoming.url).1, incoming.accept.as_deref(), &self.config)
    }

    fn refuse(&self, incoming: &Incoming, error: &Error) -> Answer {
        self.counters.errors.add(1);
        response::error(error, incoming.method == "HEAD", &self.config)
    }

    fn refuse_request(&self, incoming: &Incoming, error: &Error) -> Answer {
        self.report_refused(&incoming.url, error);
        self.refuse(incoming, error)
    }

    fn found(
        &self,
        request: &ImageRequest,
        incoming: &Incoming,
        entry: &Entry,
        status: CacheStatus,
    ) -> Answer {
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
        response::image(request, &variant, status, &incoming.conditionals(), &self.config)
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

    /// What another server has made anew.
    async fn load_newer(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.cache.as_ref()?.load_newer(key, now_ms()).await
    }

    /// Fetches and makes the variant anew; `previous` is what a stale answer was given from.
    async fn make(
        &self,
        request: &ImageRequest,
        source: &LocalSource,
        previous: Option<&Entry>,
    ) -> Result<Arc<Entry>> {
        let started = Instant::now();
        let upstream = self.fetch(request, source).await?;
        let fetch_ms = millis(started.elapsed());
        let upstream_etag = upstream.upstream_etag();
        let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
        let max_age = response::max_age(upstream.cache_control.as_deref()).max(minimum_ttl);
        let entry = match previous.filter(|entry| entry.is_reusable_for(&upstream_etag)) {
            // What was made before is still right, and Next keeps its max-age too.
            Some(entry) => {
                self.report_reused(request, &upstream.body, fetch_ms);
                Entry { expires_at_ms: self.expiry(entry.max_age_secs), ..entry.clone() }
            }
            None => self.convert(request, upstream.body, upstream_etag, max_age, fetch_ms).await?,
        };
        Ok(self.keep(&cache_key(request), entry).await)
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
        match self.make(request, source, Some(&previous)).await {
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

fn millis(elapsed: Duration) -> u64 {
    elapsed.as_millis() as u64
}
