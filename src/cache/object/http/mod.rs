//! The HTTP client under the stores of the network.

pub(crate) mod names;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::Response;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::{Body, Client, Request, Url, redirect};

use super::StoreConfig;
use crate::error::{Error, Result};
use crate::tls;

/// From the look-up of the name to the end of the TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may pause between two pieces.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection waits for its next request: less than the 20 s after which Amazon closes its own.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Idle connections that are kept; a restore uses many at once.
const IDLE_CONNECTIONS: usize = 256;

/// A page has 1,000 names (Azure: 5,000) of at most 1,024 characters, each with a few hundred bytes around it.
const LARGEST_PAGE_BYTES: usize = 32 << 20;

/// One client for the objects and for whoever hands out credentials. Proxies named in the environment are not used,
/// as for sources.
#[derive(Debug, Clone)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new(config: &StoreConfig) -> Result<Self> {
        let tls = tls::client_config(config.extra_ca_certs.as_deref(), config.ca_certs_pem.as_deref())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            // A signed request is for the host that it names.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .referer(false)
            .user_agent(concat!("unsharp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_keepalive(Some(IDLE_TIMEOUT))
            .build();
        client
            .map(Self)
            .map_err(|_| Error::InvalidOption("the HTTP client of the store can't be set up".to_owned()))
    }
}

impl HttpConnector for Http {
    /// All that `options` could say is said above.
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let lists = query.split('&').any(|pair| pair == "list-type=2" || pair == "comp=list");
        let response = send(&self.0, request).await?;
        if lists && response.status().is_success() { with_sound_names(response).await } else { Ok(response) }
    }
}

/// `object_store` could do this itself, but brings HTTP/2 with it, which neither client speaks.
async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let (parts, body) = request.into_parts();
    let url =
        Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
    let mut request = Request::new(parts.method, url);
    *request.headers_mut() = parts.headers;
    // What lies in one piece can be sent again when a kept connection turns out to be closed.
    *request.body_mut() = Some(body.as_bytes().cloned().map_or_else(|| Body::wrap(body), Body::from));
    let response: Response<Body> = client.execute(request).await.map_err(failed)?.into();
    let (parts, body) = response.into_parts();
    Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
}

/// What kind decides whether the store tries again. The address falls away, whose query may hold a signature.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        std::iter::successors(error.source(), |&cause| cause.source())
            .find_map(kind_of_cause)
            .unwrap_or(HttpErrorKind::Unknown)
    };
    HttpError::new(kind, error.without_url())
}

fn kind_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<HttpErrorKind> {
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        let cut = error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted();
        let late = error.is_timeout().then_some(HttpErrorKind::Timeout);
        return if cut { Some(HttpErrorKind::Request) } else { late };
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::TimedOut => Some(HttpErrorKind::Timeout),
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(HttpErrorKind::Interrupted),
        _ => None,
    }
}

async fn with_sound_names(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let mut chunks = body.bytes_stream();
    let mut page = BytesMut::new();
    while let Some(chunk) = chunks.try_next().await? {
        if page.len() + chunk.len() > LARGEST_PAGE_BYTES {
            let text = format!("a page of a listing has more than {LARGEST_PAGE_BYTES} bytes");
            return Err(HttpError::new(HttpErrorKind::Decode, io::Error::other(text)));
        }
        page.extend_from_slice(&chunk);
    }
    Ok(HttpResponse::from_parts(parts, names::blank_foreign(page.freeze()).into()))
}

#[cfg(test)]
mod tests;
