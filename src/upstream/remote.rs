//! Sources over HTTP, with redirects, body and time limited.

mod failure;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, redirect};
use rustls::ClientConfig;
use url::Url;

use super::address::{is_private, literal_ip};
use super::content_coding::{self, CodingError};
use super::held::SourceMemory;
use super::local::{self, LocalAnswer};
use super::private_hosts::AllowedPrivateHosts;
use super::resolver::{Guard, GuardedResolver, Lookup, SystemLookup};
use super::{Upstream, invalid};
use crate::error::{Error, Result};
use crate::tls;
use failure::{closed_without_answer, failure, in_one_line, not_allowed, printable};

/// What the client reads when an answer can't be used; Next's wording.
const INVALID_UPSTREAM: &str = "\"url\" parameter is valid but upstream response is invalid";

/// Idle connections per host. More are closed after their request.
const IDLE_PER_HOST: usize = 16;

/// How long a connection waits for its next request: shorter than the 5 s after which Node's servers, and
/// many others, close theirs, so that a request seldom meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Memory taken for a body on the word of its Content-Length alone.
const TRUSTED_CONTENT_LENGTH_BYTES: u64 = 1 << 20;

/// How sources are fetched. The names and defaults are those of Next's `images` configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// Redirects that are followed; one more is an error. Default 3.
    pub maximum_redirects: u32,
    /// Bytes a body may have, content codings taken off. Default 50 000 000.
    pub maximum_response_body_bytes: u64,
    /// Bytes that the bodies of all sources may take at once, until the last of those who use them is done. Default
    /// 512 MiB.
    pub source_memory_bytes: u64,
    /// Milliseconds from the look-up of the name to the last byte of the body, for each hop of a chain of
    /// redirects. Default 7 000; 0 means no limit.
    pub timeout_ms: u64,
    /// The same for [`Remote::fetch_origin`]. Next sets no limit there, but work that hangs would hold
    /// its key forever. Default 60 000; 0 means no limit.
    pub origin_timeout_ms: u64,
    /// Next's `dangerouslyAllowLocalIP`: lets private addresses pass. Default false.
    pub allow_local_ip: bool,
    /// Private hosts that may be fetched while others may not. Default none.
    pub allowed_private_hosts: AllowedPrivateHosts,
    /// A PEM file of certificates to trust besides the system's (`NODE_EXTRA_CA_CERTS`). A file that can't be
    /// read is ignored: Node, which reads the same file, warns about it and goes on. Default none.
    pub extra_ca_certs: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM, for images without a system store: Node brings its own
    /// (`tls.rootCertificates`). Default none.
    pub ca_certs_pem: Option<Vec<u8>>,
    /// The `Host` header that [`Remote::fetch_origin`] sends. Default: that of the origin.
    pub origin_host: Option<String>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            maximum_redirects: 3,
            maximum_response_body_bytes: 50_000_000,
            source_memory_bytes: 512 << 20,
            timeout_ms: 7_000,
            origin_timeout_ms: 60_000,
            allow_local_ip: false,
            allowed_private_hosts: AllowedPrivateHosts::default(),
            extra_ca_certs: None,
            ca_certs_pem: None,
            origin_host: None,
        }
    }
}

/// Fetches sources. Holds the connections that are kept open, so there is one per process.
///
/// No cookies are kept or sent, no header of the client's request is sent on, and proxies named in the
/// environment are not used, as Node does by default.
pub struct Remote {
    /// For the urls that are asked for.
    asked: Route,
    /// For where servers outside redirect to.
    sent: Route,
    origin: Client,
    options: RemoteOptions,
    memory: Arc<SourceMemory>,
}

/// A client and the guard in front of it, which also sits in its resolver. A connection that one guard has let pass is
/// not there for another's requests.
#[derive(Clone)]
struct Route {
    client: Client,
    guard: Option<Guard>,
}

/// What one request of a chain of redirects came to.
enum Hop {
    Image(Upstream),
    Redirect { target: Url, is_from_outside: bool },
}

impl Remote {
    /// Reads the certificates and sets up the connection pools; nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the TLS set-up fails.
    pub fn new(options: RemoteOptions) -> Result<Self> {
        Self::assemble(options, Arc::new(SystemLookup::default()), is_private)
    }

    /// [`Remote::new`] with the look-up and the judge of addresses given.
    fn assemble(
        options: RemoteOptions,
        lookup: Arc<dyn Lookup>,
        is_private: fn(IpAddr) -> bool,
    ) -> Result<Self> {
        let tls = tls::client_config(options.extra_ca_certs.as_deref(), options.ca_certs_pem.as_deref())?;
        let allowed = Arc::new(options.allowed_private_hosts.clone());
        let (has_guard, has_list) = (!options.allow_local_ip, !allowed.is_empty());
        let route = |is_sent_from_outside| {
            let guard = Guard { is_private, allowed: Arc::clone(&allowed), is_sent_from_outside };
            let guard = has_guard.then_some(guard);
            let resolver = GuardedResolver { lookup: Arc::clone(&lookup), guard: guard.clone() };
            Ok::<_, Error>(Route { client: client(tls.clone(), resolver)?, guard })
        };
        let asked = route(false)?;
        let sent = if has_guard && has_list { route(true)? } else { asked.clone() };
        // The app itself lives at a private address as a rule.
        let origin = client(tls, GuardedResolver { lookup, guard: None })?;
        let memory = SourceMemory::new(options.source_memory_bytes);
        Ok(Self { asked, sent, origin, options, memory })
    }

    /// The room for sources, in which those that come another way count too.
    #[must_use]
    pub fn memory(&self) -> &Arc<SourceMemory> {
        &self.memory
    }

    /// Fetches an absolute http(s) url by the rules of Next's external fetch. The caller has matched it
    /// against the patterns; the targets of redirects are checked for private addresses only, and once a server outside
    /// has redirected, those that [`RemoteOptions::allowed_private_hosts`] allows are refused too.
    ///
    /// # Errors
    /// - [`Error::NotAllowed`]: a private address, by name or outright, on any hop
    /// - [`Error::UpstreamStatus`]: not 2xx (a status below 400 becomes 500); 508 for too many redirects; 400 for an
    ///   empty body or more than five content codings
    /// - [`Error::TooManyBytes`]: a body over the limit
    /// - [`Error::Overloaded`]: the sources of all requests take too much memory already
    /// - [`Error::UpstreamTimeout`]
    /// - [`Error::Upstream`]: no connection, a broken answer, a cut body, damaged content coding
    pub async fn fetch(&self, url: &str) -> Result<Upstream> {
        let invalid_url = |_| Error::InvalidRequest("\"url\" parameter is invalid".into());
        let mut url = Url::parse(url).map_err(invalid_url)?;
        let mut redirects_left = self.options.maximum_redirects;
        let mut route = &self.asked;
        loop {
            match within(self.options.timeout_ms, &url, self.hop(route, &url)).await? {
                Hop::Image(upstream) => return Ok(upstream),
                Hop::Redirect { .. } if redirects_left == 0 => return Err(invalid(508, INVALID_UPSTREAM)),
                Hop::Redirect { target, is_from_outside } => {
                    url = target;
                    if is_from_outside {
                        route = &self.sent;
                    }
                }
            }
            redirects_left -= 1;
        }
    }

    /// Fetches a relative url from the app at `origin` (`http://127.0.0.1:3000`), by the rules of Next's
    /// internal fetch: no guard against private addresses, and redirects are not followed.
    ///
    /// # Errors
    /// - [`Error::InvalidOption`]: `origin` is no http(s) url
    /// - [`Error::InvalidRequest`]: `href` does not start with `/`
    /// - [`Error::UpstreamStatus`], with the wording of the internal fetch: see [`local::interpret`]
    /// - [`Error::Overloaded`], [`Error::UpstreamTimeout`], [`Error::Upstream`]: as in [`Remote::fetch`]
    pub async fn fetch_origin(&self, origin: &str, href: &str) -> Result<Upstream> {
        let url = origin_url(origin, href)?;
        within(self.options.origin_timeout_ms, &url, self.ask_origin(&url)).await
    }

    async fn hop(&self, route: &Route, url: &Url) -> Result<Hop> {
        let guard = route.guard.as_ref();
        if let (Some(guard), Some(ip)) = (guard, literal_ip(url))
            && let Some(reason) = guard.refusal(None, ip)
        {
            return Err(not_allowed(format!("{} is a private address, and {reason}", printable(url))));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Upstream(format!("{}: unsupported protocol", printable(url))));
        }
        let accept_encoding = if url.scheme() == "https" { "br, gzip, deflate" } else { "gzip, deflate" };
        let request = route
            .client
            .get(url.clone())
            .header(header::ACCEPT_LANGUAGE, "*")
            .header("sec-fetch-mode", "cors")
            .header(header::USER_AGENT, "node")
            .header(header::ACCEPT_ENCODING, accept_encoding);
        let response = send(url, request).await?;
        let status = response.status().as_u16();
        if let Some(target) = redirect_target(url, &response) {
            // Without an address it counts as outside, which allows less.
            let is_inside = |guard: &Guard| {
                response.remote_addr().is_some_and(|address| (guard.is_private)(address.ip()))
            };
            return Ok(Hop::Redirect { target, is_from_outside: !guard.is_some_and(is_inside) });
        }
        if !(200..=299).contains(&status) {
            return Err(invalid(status, INVALID_UPSTREAM));
        }
        let limit_bytes = self.options.maximum_response_body_bytes;
        let answer = self.read_answer(url, response).await?.ok_or_else(|| {
            Error::TooManyBytes(format!("{}: body of more than {limit_bytes} bytes", printable(url)))
        })?;
        let LocalAnswer { content_type, cache_control, etag, body, .. } = answer;
        if body.is_empty() {
            return Err(invalid(400, INVALID_UPSTREAM));
        }
        Ok(Hop::Image(Upstream { body, content_type, cache_control, etag }))
    }

    async fn ask_origin(&self, url: &Url) -> Result<Upstream> {
        let mut request = self.origin.get(url.clone());
        if let Some(host) = &self.options.origin_host {
            request = request.header(header::HOST, host);
        }
        let response = send(url, request).await?;
        let limit_bytes = self.options.maximum_response_body_bytes;
        let status = response.status().as_u16();
        if !(200..=299).contains(&status) {
            // Its body is of no use, so it is not read.
            return Err(invalid(status, local::INVALID_INTERNAL));
        }
        let answer = self.read_answer(url, response).await?.ok_or_else(local::too_large)?;
        local::interpret(answer, limit_bytes)
    }

    /// Reads a body and takes its content codings off; `None` when it passes the limit, which ends the
    /// download.
    async fn read_answer(&self, url: &Url, mut response: Response) -> Result<Option<LocalAnswer>> {
        let limit_bytes = self.options.maximum_response_body_bytes;
        let headers = response.headers();
        let encodings = joined(headers, &header::CONTENT_ENCODING).unwrap_or_default();
        let codings = content_coding::parse(&encodings).map_err(|()| invalid(400, INVALID_UPSTREAM))?;
        let mut answer = LocalAnswer {
            status: response.status().as_u16(),
            content_type: first(headers, &header::CONTENT_TYPE),
            cache_control: joined(headers, &header::CACHE_CONTROL),
            etag: first(headers, &header::ETAG),
            body: Bytes::new(),
        };
        let wire_limit =
            if codings.is_empty() { limit_bytes } else { content_coding::encoded_limit(limit_bytes) };
        let announced = response.content_length().unwrap_or(0);
        if announced > wire_limit {
            return Ok(None);
        }
        let mut held = self.memory.start();
        let mut body = Vec::with_capacity(announced.min(TRUSTED_CONTENT_LENGTH_BYTES) as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(url, error))? {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > wire_limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
            // What it has taken, which grows by doubling.
            held.grow(body.capacity() as u64)?;
        }
        if codings.is_empty() {
            answer.body = held.keep(body)?;
            return Ok(Some(answer));
        }
        // Decoding the largest allowed body takes a good part of a second: not on the threads that do I/O.
        let decode = move || content_coding::decode(body.into(), &codings, limit_bytes);
        let decoded = tokio::task::spawn_blocking(decode).await;
        match decoded.map_err(|stopped| Error::Panic(stopped.to_string()))? {
            Ok(body) => answer.body = held.keep(body)?,
            Err(CodingError::TooLarge) => return Ok(None),
            Err(CodingError::Corrupt(text)) => {
                return Err(Error::Upstream(format!("{}: content coding: {text}", printable(url))));
            }
        }
        Ok(Some(answer))
    }
}

fn client(tls: ClientConfig, resolver: GuardedResolver) -> Result<Client> {
    let accept = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("*/*"))]);
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .referer(false)
        .default_headers(accept)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
        .map_err(|error| Error::InvalidOption(format!("HTTP client: {}", in_one_line(&error))))
}

/// Sends the request; once more where a connection kept from before was just being closed by the server,
/// which shows only after the request is written (RFC 9110, 9.2.2).
async fn send(url: &Url, request: RequestBuilder) -> Result<Response> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if closed_without_answer(&error) => again.send().await,
        (sent, _) => sent,
    }
    .map_err(|error| failure(url, error))
}

/// Runs one exchange within its time.
async fn within<T>(timeout_ms: u64, url: &Url, work: impl Future<Output = Result<T>>) -> Result<T> {
    if timeout_ms == 0 {
        return work.await;
    }
    let timed_out = |_| Error::UpstreamTimeout(format!("{} after {timeout_ms} ms", printable(url)));
    tokio::time::timeout(Duration::from_millis(timeout_ms), work).await.map_err(timed_out)?
}

/// Where a redirect leads; `None` for every other answer, and for a redirect without a usable Location.
fn redirect_target(url: &Url, response: &Response) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = is_redirect.then(|| first(response.headers(), &header::LOCATION)).flatten()?;
    if location.is_empty() { None } else { url.join(&location).ok() }
}

/// The url of `href` at `origin`, and sure to stay there.
fn origin_url(origin: &str, href: &str) -> Result<Url> {
    let invalid_origin = || Error::InvalidOption(format!("{origin:?} is no http origin"));
    let base = Url::parse(origin).map_err(|_| invalid_origin())?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid_origin());
    }
    let invalid_href = || Error::InvalidRequest("\"url\" parameter is invalid".into());
    if !href.starts_with('/') {
        return Err(invalid_href());
    }
    // Put together as text: `join` would read a leading `//` or `/\` as another host.
    let url = Url::parse(&format!("{}{href}", base.origin().ascii_serialization()));
    url.ok().filter(|url| url.origin() == base.origin()).ok_or_else(invalid_href)
}

/// The first header of this name. Bytes are read as Latin-1, as Node reads them.
fn first(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(latin1)
}

/// All headers of this name, joined by a comma.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<String> = headers.get_all(name).iter().map(latin1).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn latin1(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests;
