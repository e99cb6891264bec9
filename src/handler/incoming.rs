//! What the handler is given: its options, a request, and the way to the app.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::Observer;
use crate::cache::object::StoreConfig;
use crate::coordinate::Coordinator;
use crate::error::Result;
use crate::log::Logger;
use crate::response::Conditionals;
use crate::upstream::local;
use crate::upstream::private_hosts::AllowedPrivateHosts;

/// Bytes of hot variants kept in memory, unless told otherwise.
pub const DEFAULT_MEMORY_BYTES: u64 = 64 << 20;

/// What a handler needs besides the Next config.
#[derive(Clone)]
pub struct HandlerOptions {
    /// The folder of the Next app.
    pub dir: PathBuf,
    /// Where variants are kept on this machine. Default: in the app, where Next keeps its own.
    pub variants: Variants,
    /// Bytes of hot variants kept in memory. Default 64 MiB, 0 keeps none.
    pub memory_bytes: u64,
    /// Images that may wait for a pool thread before a further one is refused with 503. Default 1 000.
    pub max_queue: usize,
    /// Whether variants whose source is still being fetched count as waiting. Default true; false where a coordinator
    /// bounds how many are under way.
    pub counts_fetching: bool,
    /// PEM file with certificate authorities besides the system's, Node's `NODE_EXTRA_CA_CERTS`.
    pub extra_ca_certs: Option<PathBuf>,
    /// Certificate authorities besides the system's, PEM: those that Node brings along.
    pub ca_certs_pem: Option<Vec<u8>>,
    /// Private hosts that remote sources may be fetched from. Default: none.
    pub allowed_private_hosts: AllowedPrivateHosts,
    /// The `Host` header for sources of the app that are fetched over HTTP. Default: that of the address.
    pub origin_host: Option<String>,
    /// A client that is to get AVIF, and takes WebP too, gets WebP until there is AVIF, which is made behind that answer.
    /// Default false: it waits.
    pub avif_soon: bool,
    /// Told of every variant made. Default: none.
    pub observer: Option<Arc<dyn Observer>>,
    /// The bucket behind the cache on this machine. Default: none.
    pub store: Option<StoreConfig>,
    /// Where failures are told. Default: warnings and errors as text on standard error.
    pub logger: Logger,
}

impl HandlerOptions {
    /// The defaults for the app in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            variants: Variants::default(),
            memory_bytes: DEFAULT_MEMORY_BYTES,
            max_queue: 1_000,
            counts_fetching: true,
            extra_ca_certs: None,
            ca_certs_pem: None,
            allowed_private_hosts: AllowedPrivateHosts::default(),
            origin_host: None,
            avif_soon: false,
            observer: None,
            store: None,
            logger: Logger::default(),
        }
    }
}

/// Where variants are kept on this machine, besides memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Variants {
    /// `<dir>/<distDir>/cache/images`, Next's own place.
    #[default]
    InApp,
    /// This folder.
    In(PathBuf),
    /// Nowhere else.
    InMemory,
}

/// The parts of a request that decide the answer.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    /// Path and query as they came.
    pub url: String,
    /// The Accept header.
    pub accept: Option<String>,
    /// The method.
    pub method: String,
    /// The If-None-Match header.
    pub if_none_match: Option<String>,
    /// The If-Modified-Since header.
    pub if_modified_since: Option<String>,
    /// The Cache-Control header.
    pub cache_control: Option<String>,
    /// The Accept-Encoding header.
    pub accept_encoding: Option<String>,
}

impl Incoming {
    pub(super) fn conditionals(&self) -> Conditionals<'_> {
        Conditionals {
            method: &self.method,
            if_none_match: self.if_none_match.as_deref(),
            if_modified_since: self.if_modified_since.as_deref(),
            cache_control: self.cache_control.as_deref(),
            accept_encoding: self.accept_encoding.as_deref(),
        }
    }
}

/// How relative urls are fetched for one request.
#[derive(Clone)]
pub enum LocalSource {
    /// Through the Next app in this process; the number tells it whose request this is.
    App(Arc<dyn AppFetch>, u32),
    /// From this origin (`http://host:port`) over HTTP.
    Origin(String),
    /// They are refused.
    Nowhere,
}

/// How a variant that is not there gets made.
#[derive(Clone)]
pub enum Way {
    /// By this handler, which shares work among its own requests.
    Alone(LocalSource),
    /// By whoever in the fleet gets to it.
    Together(Fleet),
}

/// The way to the rest of the fleet.
#[derive(Clone)]
pub struct Fleet {
    /// Its [`crate::coordinate::Worker`] is a [`super::Maker`] over the same handler.
    pub coordinator: Arc<dyn Coordinator>,
    /// Until when this request can wait.
    pub deadline: Instant,
}

/// The answer of the app to one internal GET, or why there is none.
pub type AppAnswer = Pin<Box<dyn Future<Output = Result<local::LocalAnswer>> + Send>>;

/// Asks the Next app of this process for a relative url.
pub trait AppFetch: Send + Sync {
    /// `token` is the one of the request on whose behalf the fetch is made.
    fn fetch(&self, href: &str, token: u32) -> AppAnswer;
}
