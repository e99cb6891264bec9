//! From a request to its variant: the source is fetched and converted.

use bytes::Bytes;

use super::{Handler, LocalSource, now_ms};
use crate::blur;
use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::image::{EncodeOptions, Format, Options, OutputFormat, SharpRules, format};
use crate::negotiate;
use crate::request::ImageRequest;
use crate::response;
use crate::runtime::Outcome;
use crate::upstream::{Upstream, local};

impl Handler {
    pub(super) async fn fetch(&self, request: &ImageRequest, source: &LocalSource) -> Result<Upstream> {
        let upstream = if request.is_absolute {
            self.remote.fetch(&request.href).await
        } else {
            match source {
                LocalSource::App(app, token) => {
                    let answer = app.fetch(&request.href, *token).await?;
                    local::interpret(answer, self.config.images.maximum_response_body_bytes)
                }
                LocalSource::Origin(origin) => self.remote.fetch_origin(origin, &request.href).await,
            }
        }?;
        self.counters.upstream_bytes.add(upstream.body.len() as u64);
        Ok(upstream)
    }

    /// Upstream bytes to the variant: optimized, passed through by rule, or, when the optimizing fails, the
    /// upstream bytes as they are. The last kind carries the upstream's `ETag` as its own, so that it is made
    /// anew at the next refresh, which comes soon; Next keeps it like every other.
    pub(super) async fn convert(
        &self,
        request: &ImageRequest,
        body: Bytes,
        upstream_etag: String,
        max_age_secs: u64,
        fetch_ms: u64,
    ) -> Result<Entry> {
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
            self.report_bypassed(request, &body, fetch_ms);
            return Ok(unchanged(max_age_secs));
        };
        if self.pool.is_full(self.max_queue) {
            return Err(Error::Overloaded(format!("{} images are waiting already", self.max_queue)));
        }
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
        match self.optimize(body.clone(), options).await {
            Ok(Outcome::Optimized(made)) => {
                self.counters.optimized.add(1);
                self.counters.optimized_bytes.add(made.data.len() as u64);
                self.report_optimized(request, &body, fetch_ms, &made);
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
                self.report_bypassed(request, &body, fetch_ms);
                Ok(unchanged(max_age_secs))
            }
            Err(error) => {
                self.counters.fallbacks.add(1);
                self.report_fallback(request, &body, &error);
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

    async fn optimize(&self, body: Bytes, options: Options) -> Result<Outcome> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.pool.optimize(body, options, self.limits, move |outcome| {
            // Nobody waits any more only when the process is going down.
            let _ = sender.send(outcome);
        });
        receiver.await.unwrap_or(Err(Error::Aborted))
    }

    pub(super) fn expiry(&self, max_age_secs: u64) -> u64 {
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
