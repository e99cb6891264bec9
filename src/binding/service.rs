//! The dedicated service as JavaScript sees it.
#![expect(clippy::needless_pass_by_value, reason = "napi hands functions over")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Function, Object};
use napi::{Env, Result};
use napi_derive::napi;
use tokio::sync::Mutex;

use super::handler::allowed_private_hosts;
use super::log::{LogCall, logger, sink};
use super::store::resolve_store;
use super::{configure_pool, millis, promise};
use crate::config::Config;
use crate::coordinate::Storage;
use crate::error::Error;
use crate::handler::{Found, Variants};
use crate::log::{Level, Logger};
use crate::negotiate::content_type;
use crate::runtime::pool;
use crate::service::{Accept, ListenOptions, Server, Service, ServiceOptions, Wanted};

/// Options of the service. What is absent takes its default.
#[napi(object)]
pub struct NativeServiceOptions {
    /// a Next app whose build is read
    pub next_dir: Option<String>,
    /// or the Next config as JSON
    pub config: Option<String>,
    /// or the `required-server-files.json` of a build
    pub manifest: Option<String>,
    /// folder of the variants; absent: that of the app, or none
    pub cache_dir: Option<String>,
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
    /// names, addresses and ranges that remote sources may be fetched from though they are private
    pub allowed_private_hosts: Option<Vec<String>>,
    /// where relative urls are fetched
    pub fallback: Option<String>,
    /// the `Host` header there
    pub fallback_host_header: Option<String>,
    /// what replicas share
    pub storage: Option<String>,
    /// what its keys begin with
    pub storage_prefix: Option<String>,
    /// the bucket; absent: from the environment
    pub store: Option<String>,
    /// milliseconds for a request
    pub timeout_ms: Option<f64>,
    /// attempts at one variant
    pub max_attempts: Option<u32>,
    /// milliseconds for which a result is kept for other replicas
    pub ttl_ms: Option<f64>,
    /// no pattern binds `fetchAndOptimize`
    pub any_source: Option<bool>,
    /// `Server-Timing` with every image
    pub server_timing: Option<bool>,
    /// a line of JSON for every request on standard output
    pub access_log: Option<bool>,
    /// PEM file, Node's `NODE_EXTRA_CA_CERTS`
    pub extra_ca_certs: Option<String>,
    /// PEM text of certificate authorities besides the system's, Node's `tls.rootCertificates`
    pub ca_certs: Option<String>,
    /// `silent`, `error`, `warn`, `info` or `debug`; absent, `warn`
    pub log_level: Option<String>,
    /// `text` or `json`, for the console; absent, `text`
    pub log_format: Option<String>,
}

/// Where a server listens.
#[napi(object)]
pub struct NativeListenOptions {
    /// a name or an address
    pub host: Option<String>,
    /// 0: any
    pub port: Option<u16>,
    /// connections at once
    pub max_connections: Option<u32>,
    /// milliseconds for the head of a request, and for a client to take a part of an answer
    pub idle_timeout_ms: Option<f64>,
}

/// Where a server came to listen.
#[napi(object, object_from_js = false)]
pub struct NativeAddress {
    /// an address
    pub host: String,
    /// never 0
    pub port: u16,
}

/// What `fetchAndOptimize()` wants.
#[napi(object)]
pub struct NativeWanted {
    /// absolute, or a path of the app
    pub url: String,
    /// px
    pub width: u32,
    /// 1..=100
    pub quality: u8,
    /// an Accept header
    pub accept: Option<String>,
    /// the media type that is wanted, in place of a header
    pub mime: Option<String>,
}

/// What `fetchAndOptimize()` answers.
#[napi(object, object_from_js = false)]
pub struct NativeFound {
    /// the image; a copy
    pub data: Buffer,
    /// `image/avif`, …
    pub content_type: String,
    /// unquoted
    pub etag: String,
    /// seconds that a client may keep it
    pub max_age: f64,
    /// where it came from
    #[napi(ts_type = "'HIT' | 'MISS' | 'STALE'")]
    pub cache: String,
    /// why the image is the source as it came, where optimizing it failed
    pub fallback: Option<String>,
}

impl From<Found> for NativeFound {
    fn from(found: Found) -> Self {
        let entry = &found.entry;
        Self {
            data: entry.body.to_vec().into(),
            content_type: content_type(&entry.extension).to_owned(),
            etag: entry.etag.clone(),
            max_age: entry.max_age_secs as f64,
            cache: found.status.as_str().to_owned(),
            fallback: entry.fallback.clone(),
        }
    }
}

/// Opens the service. `log(level, event, message, fields)` takes what is to be logged, the fields as JSON; without it
/// the console does.
///
/// # Errors
/// Rejects with an Error that carries `code` and `status` when the options can't be used.
#[napi(ts_return_type = "Promise<NativeService>")]
pub fn open_service<'env>(
    env: &'env Env,
    options: NativeServiceOptions,
    #[napi(
        ts_arg_type = "((level: string, event: string, message: string, fields: string) => void) | undefined"
    )]
    log: Option<Function<'_, LogCall, ()>>,
) -> Result<Object<'env>> {
    let sink = log.as_ref().map(sink).transpose()?;
    let prepared = logger(options.log_level.as_deref(), options.log_format.as_deref(), sink)
        .and_then(|logger| prepare(options, logger));
    promise(env, async move {
        let (config, options) = prepared?;
        let service = Service::open(config, options, pool().clone()).await?;
        Ok(NativeService { service, server: Arc::default() })
    })
}

/// The dedicated service, with or without a server.
#[napi]
pub struct NativeService {
    service: Arc<Service>,
    server: Arc<Mutex<Option<Arc<Server>>>>,
}

#[napi]
impl NativeService {
    /// Listens, and answers requests from then on.
    ///
    /// # Errors
    /// Rejects with an Error that carries `code` and `status` when the address can't be had.
    #[napi(ts_return_type = "Promise<NativeAddress>")]
    pub fn listen<'env>(&self, env: &'env Env, options: NativeListenOptions) -> Result<Object<'env>> {
        let (service, place) = (Arc::clone(&self.service), Arc::clone(&self.server));
        let default = ListenOptions::default();
        let options = ListenOptions {
            host: options.host.unwrap_or(default.host),
            port: options.port.unwrap_or(default.port),
            max_connections: options.max_connections.map_or(default.max_connections, |most| most as usize),
            idle_timeout: options.idle_timeout_ms.map_or(default.idle_timeout, millis),
        };
        promise(env, async move {
            let server = Server::start(service, &options).await?;
            let address = server.address();
            *place.lock().await = Some(Arc::new(server));
            Ok(NativeAddress { host: address.ip().to_string(), port: address.port() })
        })
    }

    /// Accepts no more, finishes what has begun, pushes what is left, within the time. Says whether all was done.
    ///
    /// # Errors
    /// When no promise can be made.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn close<'env>(&self, env: &'env Env, grace_ms: f64) -> Result<Object<'env>> {
        let (service, place) = (Arc::clone(&self.service), Arc::clone(&self.server));
        promise(env, async move {
            let server = place.lock().await.clone();
            Ok(match server {
                Some(server) => server.close(millis(grace_ms)).await,
                None => service.close(millis(grace_ms)).await,
            })
        })
    }

    /// One variant, without a request.
    ///
    /// # Errors
    /// Rejects with an Error that carries `code` and `status`.
    #[napi(ts_return_type = "Promise<NativeFound>")]
    pub fn fetch_and_optimize<'env>(&self, env: &'env Env, wanted: NativeWanted) -> Result<Object<'env>> {
        let service = Arc::clone(&self.service);
        let NativeWanted { url, width, quality, accept, mime } = wanted;
        let accept = mime.map_or_else(|| Accept::Header(accept.unwrap_or_default()), Accept::Exactly);
        let wanted = Wanted { url, width, quality, accept };
        promise(env, async move { service.fetch_and_optimize(wanted).await.map(NativeFound::from) })
    }

    /// Counters and the present state; those of the coordinator begin with `coordinator`.
    #[napi(ts_return_type = "Record<string, number>")]
    #[must_use]
    pub fn stats(&self) -> HashMap<String, f64> {
        let (stats, coordinator) = self.service.stats();
        let own = stats.entries().into_iter();
        let fleet = coordinator.entries().into_iter();
        own.chain(fleet).map(|(name, value)| (name, value as f64)).collect()
    }
}

fn prepare(options: NativeServiceOptions, logger: Logger) -> crate::Result<(Config, ServiceOptions)> {
    let dir = PathBuf::from(options.next_dir.as_deref().unwrap_or("."));
    let config = match (&options.config, &options.manifest) {
        (Some(text), _) => {
            let value = serde_json::from_str(text)
                .map_err(|error| Error::InvalidOption(format!("nextConfig: {error}")))?;
            Config::from_json(&value)?
        }
        (None, Some(manifest)) => Config::from_build_file(Path::new(manifest))?,
        (None, None) if options.next_dir.is_some() => Config::from_build(&dir)?,
        (None, None) => Config::default(),
    };
    let mut storage = Storage::Memory;
    if options.storage.is_some() || options.storage_prefix.is_some() {
        let named = options.storage.as_deref().unwrap_or("memory");
        storage = Storage::parse(named, options.storage_prefix.as_deref())?;
    }
    let variants = match (&options.cache_dir, &options.next_dir, &storage) {
        (Some(dir), _, _) => Variants::In(PathBuf::from(dir)),
        (None, Some(_), _) => in_app(&dir, &config, &logger),
        // What the processes of this machine share.
        (None, None, Storage::Filesystem(dir)) => Variants::In(dir.join("images")),
        (None, None, _) => Variants::InMemory,
    };
    let store = resolve_store(options.store, options.ca_certs.clone().map(String::into_bytes))?;
    configure_pool(options.concurrency, options.memory_budget_bytes);

    let mut service = ServiceOptions::new(dir);
    let handler = &mut service.handler;
    (handler.variants, handler.store, handler.logger) = (variants, store, logger);
    handler.memory_bytes = options.memory_bytes.map_or(handler.memory_bytes, |bytes| bytes as u64);
    handler.max_queue = options.max_queue.map_or(handler.max_queue, |most| most as usize);
    handler.avif_soon = options.avif_soon.unwrap_or(false);
    handler.allowed_private_hosts = allowed_private_hosts(options.allowed_private_hosts)?;
    handler.extra_ca_certs = options.extra_ca_certs.map(PathBuf::from);
    handler.ca_certs_pem = options.ca_certs.map(String::into_bytes);
    handler.origin_host = options.fallback_host_header;
    service.fallback = options.fallback;
    service.storage = storage;
    service.timeout = options.timeout_ms.map_or(service.timeout, millis);
    service.max_attempts = options.max_attempts.unwrap_or(service.max_attempts);
    service.ttl = options.ttl_ms.map_or(service.ttl, millis);
    service.allows_any_source = options.any_source.unwrap_or(false);
    service.has_server_timing = options.server_timing.unwrap_or(false);
    service.has_access_log = options.access_log.unwrap_or(false);
    Ok((config, service))
}

/// The app's own folder of variants, unless the app lies on a disk that can't be written.
fn in_app(dir: &Path, config: &Config, logger: &Logger) -> Variants {
    let folder = dir.join(&config.dist_dir).join("cache/images");
    let tried = std::fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder));
    match tried {
        Ok(_) => Variants::InApp,
        Err(error) => {
            logger.write(Level::Warn, "read_only", || {
                let text =
                    format!("{} can't be written, so variants stay in memory: {error}", folder.display());
                (text, serde_json::Map::new())
            });
            Variants::InMemory
        }
    }
}
