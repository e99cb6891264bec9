//! Making one variant: fetch the source, optimize it, keep the result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Handler, LocalSource, Steps, cache_key, now_ms};
use crate::blur;
use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::fair::{Lane, Place};
use crate::image::{EncodeOptions, Format, Options, OutputFormat, SharpRules, format};
use crate::negotiate;
use crate::request::ImageRequest;
use crate::response;
use crate::runtime::Outcome;
use crate::upstream::{Upstream, local};

/// A source, and how long it took to come.
struct Fetched {
    upstream: Upstream,
    steps: Steps,
}

impl Handler {
    /// Fetches and makes the variant anew; `previous` is what a stale answer was given from.
    pub(super) async fn make(
        &self,
        request: &ImageRequest,
        source: &LocalSource,
        previous: Option<&Entry>,
        lane: Lane,
    ) -> Result<Arc<Entry>> {
        // What could not be worked on need not be fetched.
        self.refuse_when_full()?;
        let started = Instant::now();
        let upstream = self.fetch(request, source).await?;
        self.counters.upstream_bytes.add(upstream.body.len() as u64);
        let fetched = Fetched { upstream, steps: Steps { fetch: started.elapsed(), ..Steps::default() } };
        let upstream_etag = fetched.upstream.upstream_etag();
        let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
        let max_age = response::max_age(fetched.upstream.cache_control.as_deref()).max(minimum_ttl);
        let entry = match previous.filter(|entry| entry.is_reusable_for(&upstream_etag)) {
            // What was made before is still right, and Next keeps its max-age too.
            Some(entry) => {
                self.report_reused(request, &fetched.upstream.body, &fetched.steps);
                Entry { expires_at_ms: self.expiry(entry.max_age_secs), ..entry.clone() }
            }
            None => {
                self.convert(request, fetched, upstream_etag, max_age, &Place::new(lane, &request.source()))
                    .await?
            }
        };
        Ok(self.keep(&cache_key(request), entry).await)
    }

    async fn fetch(&self, request: &ImageRequest, source: &LocalSource) -> Result<Upstream> {
        if request.is_absolute {
            return self.remote.fetch(&request.href).await;
        }
        match source {
            LocalSource::App(app, token) => {
                let answer = app.fetch(&request.href, *token).await?;
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
        if self.pool.is_full(self.max_queue) {
            return Err(Error::Overloaded(format!("{} images are waiting already", self.max_queue)));
        }
        Ok(())
    }

    /// Upstream bytes to the variant: optimized, passed through by rule, or, when the optimizing fails, the
    /// upstream bytes as they are. The last kind carries the upstream's `ETag` as its own, so that it is made
    /// anew at the next refresh, which comes soon; Next keeps it like every other.
    async fn convert(
        &self,
        request: &ImageRequest,
        fetched: Fetched,
        upstream_etag: String,
        max_age_secs: u64,
        place: &Place,
    ) -> Result<Entry> {
        let Fetched { upstream: Upstream { body, .. }, mut steps } = fetched;
        let Some(format) = format::detect(&body) else {
            return Err(Error::NotAnImage("no known magic number".to_owned()));
        };
        if format == Format::Svg && !self.config.images.dangerously_allow_svg {
            return Err(Error::NotAllowed {
                public: "\"url\" parameter is valid but image type is not allowed".to_owned(),
                detail: "dangerouslyAllowSVG is off, and it is an SVG".to_owned(),
            });
        }
        let unchanged = |max_age_secs| Entry {
            body: body.clone(),
            extension: format.extension().to_owned(),
            etag: upstream_etag.clone(),
            upstream_etag: upstream_etag.clone(),
            max_age_secs,
            expires_at_ms: self.expiry(max_age_secs),
            fallback: None,
        };
        let Some(output) = negotiate::output(&request.mime, format) else {
            self.counters.bypassed.add(1);
            self.report_bypassed(request, &body, &steps);
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
        match self.optimize(body.clone(), options, place, &mut steps).await {
            Ok(Outcome::Optimized(made)) => {
                self.counters.optimized.add(1);
                self.counters.optimized_bytes.add(made.data.len() as u64);
                self.report_optimized(request, &body, &steps, &made);
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
                    expires_at_ms: self.expiry(max_age_secs),
                    fallback: None,
                })
            }
            Ok(Outcome::Bypass { .. }) => {
                self.counters.bypassed.add(1);
                self.report_bypassed(request, &body, &steps);
                Ok(unchanged(max_age_secs))
            }
            // The process is going down; the image is not at fault.
            Err(error @ Error::Aborted) => Err(error),
            Err(error) => {
                self.counters.fallbacks.add(1);
                self.report_fallback(request, &body, &steps, &error);
                let minimum_ttl = self.config.images.minimum_cache_ttl_secs;
                if self.config.strict {
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
