//! The request handler as JavaScript sees it.
#![expect(clippy::needless_pass_by_value, reason = "napi hands strings and objects over")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Either, Function, Object};
use napi::{Env, Result};
use napi_derive::napi;

use super::app::{App, LocalCall, NativeLocalAnswer};
use super::log::{LogCall, logger, sink};
use super::store::resolve_store;
use super::values::js_error;
use super::{configure_pool, io, millis, promise};
use crate::config::Config;
use crate::error::Error;
use crate::handler::{AppFetch, DEFAULT_MEMORY_BYTES, Handler, HandlerOptions, Incoming, LocalSource, Way};
use crate::log::{Level, Logger};
use crate::response::Answer;
use crate::runtime::pool;
use crate::upstream::private_hosts::AllowedPrivateHosts;

/// JavaScript may fill this part of `memoryBytes` with answers that it keeps.
const HITS_SHARE: u64 = 8;

/// Options of the handler.
#[napi(object)]
pub struct NativeHandlerOptions {
    /// the Next app's folder
    pub dir: String,
    /// the Next config as JSON; absent, the build's own manifest in `dir` is read
    pub config: Option<String>,
    /// `next dev` rules
    pub dev: Option<bool>,
    /// Next's own answers also where they are defects
    pub strict: Option<bool>,
    /// names, addresses and ranges that remote sources may be fetched from though they are private
    pub allowed_private_hosts: Option<Vec<String>>,
    /// where relative urls are fetched from; absent, the app itself or the request's own server
    pub origin: Option<String>,
    /// bytes of hot variants kept in memory
    pub memory_bytes: Option<f64>,
    /// images in work at once, for the whole process
    pub concurrency: Option<u32>,
    /// bytes of decoded images at once, for the whole process
    pub memory_budget_bytes: Option<f64>,
    /// images that may wait before a further one is refused
    pub max_queue: Option<u32>,
    /// WebP for clients that would wait for AVIF and take both
    pub avif_soon: Option<bool>,
    /// PEM file, Node's `NODE_EXTRA_CA_CERTS`
    pub extra_ca_certs: Option<String>,
    /// PEM text of certificate authorities besides the system's, Node's `tls.rootCertificates`
    pub ca_certs: Option<String>,
    /// the bucket's url; absent, the environment's
    pub store: Option<String>,
    /// no bucket, whatever the environment says
    pub local_only: Option<bool>,
    /// `silent`, `error`, `warn`, `info` or `debug`; absent, `warn`
    pub log_level: Option<String>,
    /// `text` or `json`, for the console; absent, `text`
    pub log_format: Option<String>,
}

/// One request.
#[napi(object)]
pub struct NativeRequest {
    /// `GET`, …
    pub method: String,
    /// path and query
    pub url: String,
    /// header
    pub accept: Option<String>,
    /// header
    pub if_none_match: Option<String>,
    /// header
    pub if_modified_since: Option<String>,
    /// header
    pub cache_control: Option<String>,
    /// header
    pub accept_encoding: Option<String>,
    /// handed back to `fetchLocal`, which knows by it whose request it serves
    pub token: u32,
    /// `http://host:port` of the server that the request came in on
    pub origin: Option<String>,
}

/// The answer to one request.
#[napi(object, object_from_js = false)]
pub struct NativeAnswer {
    /// HTTP status
    pub status: u32,
    /// name, value, name, value, …
    pub headers: Vec<String>,
    /// a copy: Node does not allow two buffers over the same memory, and a hot variant's goes to many
    pub body: Buffer,
    /// whether a refresh runs behind this answer, which may still ask for a relative url with the request's token
    pub revalidating: bool,
}

impl From<Answer> for NativeAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            status: u32::from(answer.status),
            headers: answer.headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
            body: answer.body.to_vec().into(),
            revalidating: answer.revalidating,
        }
    }
}

/// The answer to everybody who asks for a variant in memory and has none yet.
#[napi(object, object_from_js = false)]
pub struct NativeHit {
    /// as `hit` tells it
    pub number: f64,
    /// name, value, name, value, …
    pub headers: Vec<String>,
    /// a copy, to be kept and sent to many
    pub body: Buffer,
}

impl From<(u64, Answer)> for NativeHit {
    fn from((number, answer): (u64, Answer)) -> Self {
        let NativeAnswer { headers, body, .. } = answer.into();
        Self { number: number as f64, headers, body }
    }
}

/// Answers `/_next/image` for one Next app.
#[napi]
pub struct NativeHandler {
    handler: Arc<Handler>,
    app: Option<Arc<App>>,
    origin: Option<String>,
    hit_bytes: u64,
}

#[napi]
impl NativeHandler {
    /// `fetchLocal(href, token, id)` asks the app for a relative url and passes the outcome to `settleLocal(id, …)`.
    /// `log(level, event, message, fields)` takes what is to be logged, the fields as JSON; without it the console does.
    ///
    /// # Errors
    /// Throws an Error that carries `code` and `status` when the config can't be used.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        mut options: NativeHandlerOptions,
        #[napi(ts_arg_type = "((href: string, token: number, id: number) => void) | undefined")]
        fetch_local: Option<Function<'_, LocalCall, ()>>,
        #[napi(
            ts_arg_type = "((level: string, event: string, message: string, fields: string) => void) | undefined"
        )]
        log: Option<Function<'_, LogCall, ()>>,
    ) -> Result<Self> {
        let app = fetch_local.map(|function| App::new(&function).map(Arc::new)).transpose()?;
        let sink = log.as_ref().map(sink).transpose()?;
        let origin = options.origin.clone();
        let memory_bytes = options.memory_bytes.map_or(DEFAULT_MEMORY_BYTES, |bytes| bytes as u64);
        let hit_bytes = memory_bytes / HITS_SHARE;
        options.memory_bytes = Some((memory_bytes - hit_bytes) as f64);
        let handler = logger(options.log_level.as_deref(), options.log_format.as_deref(), sink)
            .and_then(|logger| build(options, logger))
            .map_err(|error| js_error(env, &error))?;
        Ok(Self { handler: Arc::new(handler), app, origin, hit_bytes })
    }

    /// Whether there is a bucket behind the cache.
    #[napi(getter)]
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.handler.has_store()
    }

    /// The most bytes that a source may have, Next's `images.maximumResponseBody`.
    #[napi(getter)]
    #[must_use]
    pub fn max_body_bytes(&self) -> f64 {
        self.handler.max_body_bytes() as f64
    }

    /// The app's `cacheHandler`, if its config wants variants kept there, which this handler does not do.
    #[napi(getter)]
    #[must_use]
    pub fn image_cache_handler(&self) -> Option<String> {
        self.handler.image_cache_handler().map(str::to_owned)
    }

    /// Whether the url (path and query) is for this handler.
    #[napi]
    #[must_use]
    pub fn is_endpoint(&self, url: String) -> bool {
        self.handler.is_endpoint(&url)
    }

    /// The most bytes of answers that JavaScript may keep, its part of `memoryBytes`.
    #[napi(getter)]
    #[must_use]
    pub fn hit_bytes(&self) -> f64 {
        self.hit_bytes as f64
    }

    /// The number of the answer to a GET without conditions for this url and Accept header, if the variant lies in memory
    /// and is fresh. What was kept of `hitAnswer` under that number is the answer. Only for urls of the endpoint.
    #[napi]
    #[must_use]
    pub fn hit(&self, url: String, accept: Option<String>) -> Option<f64> {
        self.handler.hit(&url, accept.as_deref()).map(|number| number as f64)
    }

    /// That answer, to be kept.
    #[napi]
    #[must_use]
    pub fn hit_answer(&self, url: String, accept: Option<String>) -> Option<NativeHit> {
        self.handler.hit_answer(&url, accept.as_deref()).map(NativeHit::from)
    }

    /// The answer; at once where it takes no I/O, else a promise of it.
    ///
    /// # Errors
    /// Only for what JavaScript hands in wrongly; whatever goes wrong with the image is an answer.
    #[napi(ts_return_type = "NativeAnswer | Promise<NativeAnswer>")]
    pub fn handle<'env>(
        &self,
        env: &'env Env,
        request: NativeRequest,
    ) -> Result<Either<NativeAnswer, Object<'env>>> {
        let token = request.token;
        let source = match (&self.app, self.origin.clone().or(request.origin)) {
            (Some(app), _) => LocalSource::App(Arc::clone(app) as Arc<dyn AppFetch>, token),
            (None, origin) => LocalSource::Origin(origin.unwrap_or_default()),
        };
        let incoming = Incoming {
            url: request.url,
            accept: request.accept,
            method: request.method,
            if_none_match: request.if_none_match,
            if_modified_since: request.if_modified_since,
            cache_control: request.cache_control,
            accept_encoding: request.accept_encoding,
        };
        if let Some(reply) = self.handler.answer_hot(&incoming) {
            return Ok(Either::A(reply.answer.into()));
        }
        let runtime = io()?;
        let (deferred, promise) = env.create_deferred()?;
        let handler = Arc::clone(&self.handler);
        runtime.spawn(async move {
            let answer = NativeAnswer::from(handler.answer(&incoming, Way::Alone(source)).await.answer);
            deferred.resolve(move |_| Ok(answer));
        });
        Ok(Either::B(promise))
    }

    /// The outcome of one `fetchLocal`: the app's answer, or the text of what went wrong.
    #[napi]
    pub fn settle_local(&self, id: u32, outcome: Either<NativeLocalAnswer, String>) {
        if let Some(app) = &self.app {
            app.settle(id, outcome);
        }
    }

    /// Counters and the present state.
    #[napi(ts_return_type = "Record<string, number>")]
    #[must_use]
    pub fn stats(&self) -> HashMap<String, f64> {
        self.handler.stats().entries().into_iter().map(|(name, value)| (name, value as f64)).collect()
    }

    /// Waits for all work that has begun, and then for at most `budget_ms` until what was made is in the bucket. Says
    /// whether all of it is.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn drain<'env>(&self, env: &'env Env, budget_ms: f64) -> Result<Object<'env>> {
        let handler = Arc::clone(&self.handler);
        promise(env, async move { Ok(handler.drain(millis(budget_ms)).await) })
    }

    /// Waits for at most `budget_ms` until what was made is in the bucket. Says whether all of it is.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn flush<'env>(&self, env: &'env Env, budget_ms: f64) -> Result<Object<'env>> {
        let handler = Arc::clone(&self.handler);
        promise(env, async move { Ok(handler.flush(millis(budget_ms)).await) })
    }

    /// The same for the moment when the process exits and no promise is awaited any more.
    ///
    /// # Errors
    /// When there are no I/O threads.
    #[napi]
    pub fn flush_blocking(&self, budget_ms: f64) -> Result<bool> {
        Ok(io()?.block_on(self.handler.flush(millis(budget_ms))))
    }
}

/// The list as JavaScript has it.
pub(super) fn allowed_private_hosts(entries: Option<Vec<String>>) -> crate::Result<AllowedPrivateHosts> {
    AllowedPrivateHosts::parse(&entries.unwrap_or_default())
}

fn build(options: NativeHandlerOptions, logger: Logger) -> crate::Result<Handler> {
    let dir = PathBuf::from(&options.dir);
    let mut config = match &options.config {
        Some(text) => {
            let value = serde_json::from_str(text)
                .map_err(|error| Error::InvalidOption(format!("nextConfig: {error}")))?;
            Config::from_json(&value)?
        }
        None => Config::from_build(&dir)?,
    };
    config.dev = options.dev.unwrap_or(false);
    config.strict = options.strict.unwrap_or(false);

    configure_pool(options.concurrency, options.memory_budget_bytes);

    let mut handler_options = HandlerOptions::new(dir);
    handler_options.logger = logger;
    if let Some(bytes) = options.memory_bytes {
        handler_options.memory_bytes = bytes as u64;
    }
    if let Some(max_queue) = options.max_queue {
        handler_options.max_queue = max_queue as usize;
    }
    handler_options.avif_soon = options.avif_soon.unwrap_or(false);
    handler_options.allowed_private_hosts = allowed_private_hosts(options.allowed_private_hosts)?;
    handler_options.extra_ca_certs = options.extra_ca_certs.map(PathBuf::from);
    handler_options.ca_certs_pem = options.ca_certs.map(String::into_bytes);
    // The HTTP client's connections belong to the runtime that they are made on.
    let runtime = io().map_err(|error| Error::InvalidOption(error.to_string()))?;
    let _inside = runtime.enter();
    let make = |options: &HandlerOptions| Handler::new(config.clone(), options, pool().clone());
    if options.local_only == Some(true) {
        return make(&handler_options);
    }
    let was_asked_for = options.store.is_some();
    let ca_certs = handler_options.ca_certs_pem.clone();
    let with_store = resolve_store(options.store, ca_certs).and_then(|store| {
        handler_options.store = store;
        make(&handler_options)
    });
    match with_store {
        // What the environment says may be meant for something else, and images are served without a bucket too.
        Err(error) if !was_asked_for => {
            handler_options.store = None;
            let handler = make(&handler_options)?;
            handler_options.logger.write_error(Level::Error, "bucket_not_used", &error);
            Ok(handler)
        }
        opened => opened,
    }
}
