//! Making one variant: fetch the source, optimize it, keep the result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::handover::Source;
use super::{Asked, Handler, LocalSource, Steps, now_ms};
use crate::blur;
use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::fair::{Lane, Place};
use crate::image::{EncodeOptions, Format, Options, OutputFormat, SharpRules, format};
use crate::negotiate;
use crate::request::ImageRequest;
use crate::response;
use crate::runtime::{Outcome, heap};
use crate::upstream::{Upstream, local};

/// What a variant is made for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A client waits for it.
    Client,
    /// A client was answered with this one, which is stale.
    Refresh(&'a Entry),
    /// A client was answered with another variant.
    Behind,
}

impl Purpose<'_> {
    fn lane(self) -> Lane {
        match self {
            Self::Client => Lane::Client,
            Self::Refresh(_) | Self::Behind => Lane::Background,
        }
    }
}

/// A source, and how long it took to come.
struct Fetched {
    upstream: Upstream,
    /// When it came, milliseconds since the Unix epoch; `None`: just now.
    at_ms: Option<u64>,
    steps: Steps,
}

impl Handler {
    /// Makes the variant anew and keeps it.
    pub(super) async fn make(
        &self,
        asked: &Asked,
        source: &LocalSource,
        purpose: Purpose<'_>,
    ) -> Result<Arc<Entry>> {
        // What could not be worked on need not be fetched.
        self.refuse_when_full()?;
        let _making = Arc::clone(&self.making);
        let fetched = self.source(asked, source).await?;
        let upstream_etag = fetched.upstream.upstream_etag();
        let previous = if let Purpose::Refresh(entry) = purpose { Some(entry) } else { None };
        let entry = match previous.filter(|entry| entry.is_reusable_for(&upstream_etag)) {
            // What was made before is still right, and Next keeps its max-age too.
            Some(entry) => {
                self.report_reused(asked, &fetched.upstream.body, &fetched.steps);
                Entry { expires_at_ms: self.expiry(entry.max_age_secs), ..entry.clone() }
            }
            None => self.convert(asked, fetched, upstream_etag, purpose).await?,
        };
        if matches!(purpose, Purpose::Behind) && entry.fallback.is_some() {
            // What was answered is better than this.
            return Ok(Arc::new(entry));
        }
        Ok(self.keep(&asked.key, entry).await)
    }

    /// The source, fetched unless another variant has just been made of it.
    async fn source(&self, asked: &Asked, source: &LocalSource) -> Result<Fetched> {
        if let Some(Source { upstream, fetched_at_ms }) = self.handed_over(asked) {
            return Ok(Fetched { upstream, at_ms: Some(fetched_at_ms), steps: Steps::default() });
        }
        let started = Instant::now();
        let upstream = self.fetch(&asked.request, source).await?;
        self.counters.upstream_bytes.add(upstream.body.len() as u64);
        self.hand_over(asked, &upstream);
        Ok(Fetched { upstream, at_ms: None, steps: Steps { fetch: started.elapsed(), ..Steps::default() } })
    }

    async fn fetch(&self, request: &ImageRequest, source: &LocalSource) -> Result<Upstream> {
        if request.is_absolute {
            return self.remote.fetch(&request.href).await;
        }
        match source {
            LocalSource::App(app, token) => {
                let mut answer = app.fetch(&request.href, *token).await?;
                answer.body = self.remote.memory().start().keep(answer.body)?;
                local::interpret(answer, self.config.images.maximum_response_body_bytes)
            }
            LocalSource::Origin(origin) => self.remote.fetch_origin(origin, &request.href).await,
            LocalSource::Nowhere => Err(Error::NotAllowed {
                public: "\"url\" parameter is not allowed".to_owned(),
                detail: "there is no origin to fetch relative urls from".to_owned(),
            }),
        }
    }

    fn refuse_when_full(&self) -> Result<()> {
        if self.is_full() {
            return Err(Error::Overloaded(format!("{} images are waiting already", self.max_queue)));
        }
        Ok(())
    }

    /// Would a further variant have to wait behind too many?
    pub(super) fn is_full(&self) -> bool {
        // Those that wait for their source have no place in the pool's queue yet.
        let making = Arc::strong_count(&self.making) - 1;
        let most = self.pool.options().concurrency.saturating_add(self.max_queue);
        self.pool.is_full(self.max_queue) || (self.counts_fetching && making > most)
    }

    /// Upstream bytes to the variant: optimized, passed through by rule, or, when the optimizing fails, the
    /// upstream bytes as they are. The last kind carries the upstream's `ETag` as its own, so that it is made
    /// anew at the next refresh, which comes soon; Next keeps it like every other.
    async fn convert(
        &self,
        asked: &Asked,
        fetched: Fetched,
        upstream_etag: String,
        purpose: Purpose<'_>,
    ) -> Result<Entry> {
        let Fetched { upstream: Upstream { body, cache_control, .. }, at_ms, mut steps } = fetched;
        let request = &asked.request;
        let Some(format) = format::detect(&body) else {
            return Err(Error::NotAnImage("no known magic number".to_owned()));
        };
        if format == Format::Svg && !self.config.images.dangerously_allow_svg {
            return Err(Error::NotAllowed {
                public: "\"url\" parameter is valid but image type is not allowed".to_owned(),
                detail: "dangerouslyAllowSVG is off, and it is an SVG".to_owned(),
            });
        }
        let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
        let max_age_secs = response::max_age(cache_control.as_deref()).max(minimum_ttl);
        // What was fetched a while ago is as old as that.
        let expiry = |secs| Entry::expiry_ms(at_ms.unwrap_or_else(now_ms), secs, minimum_ttl);
        let unchanged = |max_age_secs| Entry {
            // A copy, since it may stay for long, and does not belong to the sources under way any more.
            body: Bytes::copy_from_slice(&body),
            extension: format.extension().to_owned(),
            etag: upstream_etag.clone(),
            upstream_etag: upstream_etag.clone(),
            max_age_secs,
            expires_at_ms: expiry(max_age_secs),
            fallback: None,
        };
        let Some(output) = negotiate::output(&request.mime, format) else {
            self.counters.bypassed.add(1);
            self.report_bypassed(asked, &body, &steps);
            return Ok(unchanged(max_age_secs));
        };
        self.refuse_when_full()?;
        let options = Options {
            width: request.width,
            height: None,
            format: Some(output.format),
            encode: EncodeOptions {
                quality: quality(output, request.quality),
                avif_engine: None,
                mozjpeg: self.config.img_opt.mozjpeg && !output.has_defaults,
            },
            sharp: SharpRules::default(),
        };
        let place = Place::new(purpose.lane(), &request.source());
        match self.optimize(body.clone(), options, &place, &mut steps).await {
            Ok(Outcome::Optimized(made)) => {
                self.counters.optimized.add(1);
                self.counters.optimized_bytes.add(made.data.len() as u64);
                if heap::is_due() {
                    // Nobody waits for it.
                    drop(tokio::task::spawn_blocking(heap::give_back));
                }
                self.report_optimized(asked, &body, &steps, &made);
                let (body, extension) = if request.is_blur {
                    (blur::placeholder(&made).into(), "svg")
                } else {
                    (Bytes::from(made.data), output.extension)
                };
                Ok(Entry {
                    etag: response::etag(&body),
                    body,
                    extension: extension.to_owned(),
                    upstream_etag,
                    max_age_secs,
                    expires_at_ms: expiry(max_age_secs),
                    fallback: None,
                })
            }
            Ok(Outcome::Bypass { .. }) => {
                self.counters.bypassed.add(1);
                self.report_bypassed(asked, &body, &steps);
                Ok(unchanged(max_age_secs))
            }
            // The process is going down; the image is not at fault.
            Err(error @ Error::Aborted) => Err(error),
            Err(error) => {
                let is_behind = matches!(purpose, Purpose::Behind);
                if is_behind {
                    self.report_soon_failed(request, &error);
                } else {
                    self.counters.fallbacks.add(1);
                    self.report_fallback(asked, &body, &steps, &error);
                }
                if self.config.strict && !is_behind {
                    return Ok(unchanged(minimum_ttl));
                }
                let max_age_secs = Entry::fallback_age_secs(minimum_ttl);
                Ok(Entry {
                    expires_at_ms: Entry::expiry_ms(now_ms(), max_age_secs, 0),
                    fallback: Some(error.code().to_owned()),
                    ..unchanged(max_age_secs)
                })
            }
        }
    }

    async fn optimize(
        &self,
        body: Bytes,
        options: Options,
        place: &Place,
        steps: &mut Steps,
    ) -> Result<Outcome> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let asked = Instant::now();
        self.pool.optimize(body, options, self.limits, place, move |outcome| {
            // Nobody waits any more only when the process is going down.
            let _ = sender.send(outcome);
        });
        let outcome = receiver.await.unwrap_or(Err(Error::Aborted))?;
        if let Outcome::Optimized(made) = &outcome {
            let timings = made.timings;
            steps.decode = Duration::from_millis(timings.decode_ms);
            steps.resize = Duration::from_millis(timings.resize_ms);
            steps.encode = Duration::from_millis(timings.encode_ms);
            steps.queue += asked.elapsed().saturating_sub(steps.decode + steps.resize + steps.encode);
        }
        Ok(outcome)
    }

    fn expiry(&self, max_age_secs: u64) -> u64 {
        Entry::expiry_ms(now_ms(), max_age_secs, self.config.images.minimum_cache_ttl_secs)
    }
}

/// On Next's scale. Where Next names no encoder, sharp's defaults: 80, and PNG in true colour.
fn quality(output: negotiate::Output, asked: u8) -> u8 {
    match (output.format, output.has_defaults) {
        (OutputFormat::Png, true) => 100,
        (_, true) => 80,
        // Next asks sharp for a palette at every quality, 100 included; here 100 means true colour.
        (OutputFormat::Png, false) => asked.min(99),
        (_, false) => asked,
    }
}
