//! What a service is told, and what a caller without a request wants.

use std::path::PathBuf;
use std::time::Duration;

use crate::coordinate::Storage;
use crate::error::{Error, Result};
use crate::handler::{Asked, Handler, HandlerOptions};

/// A larger variant does not travel through the coordinator's storage.
pub(super) const LARGEST_CARRIED_BYTES: u64 = 8 << 20;

/// Fetches that wait for a slow upstream cost no CPU, so there may be more of them than images in work.
const JOBS_PER_THREAD: usize = 4;
const FEWEST_JOBS: usize = 32;

/// Jobs, fetch and encode together, that may be under way beside `concurrency` images in work.
pub(super) fn permits(concurrency: usize) -> usize {
    concurrency.saturating_mul(JOBS_PER_THREAD).max(FEWEST_JOBS)
}

/// The part of them that one source can hold.
pub(super) fn permits_per_source(permits: usize) -> usize {
    (permits / 2).max(1)
}

/// What a service is told besides the Next config.
#[derive(Clone)]
pub struct ServiceOptions {
    /// Those of the handler: cache, queue, certificates, log.
    pub handler: HandlerOptions,
    /// Where relative urls are fetched: `http://host:port`. Default none, and then they are refused.
    pub fallback: Option<String>,
    /// What replicas share. Default: nothing.
    pub storage: Storage,
    /// Time for a request, waiting included. Default 30 s.
    pub timeout: Duration,
    /// Attempts at one variant. Default 3, at least 1.
    pub max_attempts: u32,
    /// How long a result is kept for the replicas that wait for it. Default one hour.
    pub ttl: Duration,
    /// Lets [`super::Service::fetch_and_optimize`] fetch what no pattern of the config allows. The guard against private
    /// addresses stays. Default false.
    pub allows_any_source: bool,
    /// Sends `Server-Timing` with every image. Default false.
    pub has_server_timing: bool,
    /// Writes a line of JSON for every request to standard output. Default false.
    pub has_access_log: bool,
}

impl ServiceOptions {
    /// The defaults for the app in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            handler: HandlerOptions::new(dir),
            fallback: None,
            storage: Storage::Memory,
            timeout: Duration::from_secs(30),
            max_attempts: 3,
            ttl: Duration::from_secs(3_600),
            allows_any_source: false,
            has_server_timing: false,
            has_access_log: false,
        }
    }
}

/// Where and how a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    /// A name or an address. Default `0.0.0.0`.
    pub host: String,
    /// Default 3000; 0 lets the system choose.
    pub port: u16,
    /// Connections that are open at once; more wait in the system's own line. Default 10 000, at least 1.
    pub max_connections: usize,
    /// How long a connection may take to send the head of its next request, and how long it may not take a byte of an
    /// answer. Default 75 s: longer than the 60 s for which proxies keep a connection they do not use, since one that
    /// is closed just as they use it again is an error to their client.
    pub idle_timeout: Duration,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 3000,
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// A variant that is asked for without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Absolute, or a path of the app.
    pub url: String,
    /// px, 1..=16383
    pub width: u32,
    /// 1..=100
    pub quality: u8,
    /// An Accept header, of which the config's formats count; or the one media type that is wanted, and then any that
    /// can be encoded.
    pub accept: Accept,
}

/// How the format of a [`Wanted`] variant is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// As for a client that sends this header.
    Header(String),
    /// This media type, such as `image/avif`.
    Exactly(String),
}

impl Wanted {
    pub(super) fn request(self, handler: &Handler, allows_any_source: bool) -> Result<Asked> {
        let invalid = |text: &str| Err(Error::InvalidOption(text.to_owned()));
        if !(1..=16_383).contains(&self.width) {
            return invalid("width must be from 1 to 16383");
        }
        if !(1..=100).contains(&self.quality) {
            return invalid("quality must be from 1 to 100");
        }
        let mime = match self.accept {
            Accept::Header(header) => handler.negotiate(&header),
            Accept::Exactly(mime) => mime,
        };
        handler.request_for(&self.url, self.width, self.quality, mime, allows_any_source)
    }
}
