//! What the handler tells the log: one record per failure and, at debug level, per variant made.

use serde_json::{Map, Value};

use super::{Asked, Handler, Made, MadeHow, Steps};
use crate::error::Error;
use crate::image::{Optimized, format};
use crate::log::{Level, describe_error, describe_request, safe_url};
use crate::request::ImageRequest;

type Fields = Map<String, Value>;

impl Handler {
    /// A request that breaks a rule. Anybody can send these in any number, so they are for debugging alone.
    pub(super) fn report_refused(&self, url: &str, error: &Error) {
        self.logger.write(Level::Debug, "refused", || {
            let mut fields = Fields::new();
            fields.insert("url".to_owned(), safe_url(url).into());
            describe_error(&mut fields, error);
            (error.to_string(), fields)
        });
    }

    /// Nothing could be served: our fault or overload from 500 up, else the source's.
    pub(super) fn report_failed(&self, request: &ImageRequest, error: &Error) {
        if *error == Error::Aborted {
            // Nobody waits for an answer, so none is missing.
            return;
        }
        let level = if error.status() >= 500 { Level::Error } else { Level::Warn };
        self.report_error(level, "failed", request, error);
    }

    /// The stale variant stays.
    pub(super) fn report_refresh_failed(&self, request: &ImageRequest, error: &Error) {
        self.report_error(Level::Warn, "refresh_failed", request, error);
    }

    /// Another variant stays in place of this one. Nothing is wrong with one that is only not made now.
    pub(super) fn report_soon_failed(&self, request: &ImageRequest, error: &Error) {
        if !matches!(error, Error::Aborted | Error::Overloaded(_)) {
            self.report_error(Level::Warn, "soon_failed", request, error);
        }
    }

    /// The source was served as it came.
    pub(super) fn report_fallback(&self, asked: &Asked, source: &[u8], steps: &Steps, error: &Error) {
        self.observe(MadeHow::Fallback, asked, source, steps);
        self.logger.write(Level::Warn, "fallback", || {
            let mut fields = describe_request(&asked.request);
            describe_source(&mut fields, source);
            describe_error(&mut fields, error);
            (format!("the source is served as it came: {error}"), fields)
        });
    }

    /// A store that fails costs speed only.
    pub(super) fn report_store_failed(&self, error: &Error) {
        self.logger.write_error(Level::Warn, "store_failed", error);
    }

    pub(super) fn report_optimized(&self, asked: &Asked, source: &[u8], steps: &Steps, made: &Optimized) {
        self.report_made(MadeHow::Optimized, asked, source, steps, |fields| {
            let timings = made.timings;
            for (name, value) in [
                ("decode_ms", timings.decode_ms),
                ("resize_ms", timings.resize_ms),
                ("encode_ms", timings.encode_ms),
                ("bytes", made.data.len() as u64),
            ] {
                fields.insert(name.to_owned(), value.into());
            }
        });
    }

    pub(super) fn report_bypassed(&self, asked: &Asked, source: &[u8], steps: &Steps) {
        self.report_made(MadeHow::Bypass, asked, source, steps, |_| {});
    }

    /// The source has not changed, so neither has the variant.
    pub(super) fn report_reused(&self, asked: &Asked, source: &[u8], steps: &Steps) {
        self.report_made(MadeHow::Unchanged, asked, source, steps, |_| {});
    }

    fn report_made(
        &self,
        how: MadeHow,
        asked: &Asked,
        source: &[u8],
        steps: &Steps,
        describe_more: impl FnOnce(&mut Fields),
    ) {
        self.observe(how, asked, source, steps);
        self.logger.write(Level::Debug, how.name(), || {
            let mut fields = describe_request(&asked.request);
            describe_source(&mut fields, source);
            fields.insert("fetch_ms".to_owned(), (steps.fetch.as_millis() as u64).into());
            describe_more(&mut fields);
            (format!("{} px wide", asked.request.width), fields)
        });
    }

    fn observe(&self, how: MadeHow, asked: &Asked, source: &[u8], steps: &Steps) {
        let Some(observer) = &self.observer else { return };
        observer.made(&Made {
            key: asked.key.clone(),
            how,
            source_format: source_format(source),
            source_bytes: source.len() as u64,
            steps: *steps,
        });
    }

    fn report_error(&self, level: Level, event: &'static str, request: &ImageRequest, error: &Error) {
        self.logger.write(level, event, || {
            let mut fields = describe_request(request);
            describe_error(&mut fields, error);
            (error.to_string(), fields)
        });
    }
}

fn source_format(source: &[u8]) -> &'static str {
    format::detect(source).map_or("unknown", |format| format.extension())
}

fn describe_source(fields: &mut Fields, source: &[u8]) {
    fields.insert("source_format".to_owned(), source_format(source).into());
    fields.insert("source_bytes".to_owned(), source.len().into());
}
