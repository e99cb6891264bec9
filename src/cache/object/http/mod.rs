//! The HTTP client under the stores of the network.

pub(crate) mod names;

use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::TryStreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::{Client, redirect};

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
        let response = HttpService::call(&self.0, request).await?;
        if lists && response.status().is_success() { with_sound_names(response).await } else { Ok(response) }
    }
}

async fn with_sound_names(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let mut chunks = body.bytes_stream();
    let mut page = BytesMut::new();
    while let Some(chunk) = chunks.try_next().await? {
        if page.len() + chunk.len() > LARGEST_PAGE_BYTES {
            let text = format!("a page of a listing has more than {LARGEST_PAGE_BYTES} bytes");
            return Err(HttpError::new(HttpErrorKind::Decode, std::io::Error::other(text)));
        }
        page.extend_from_slice(&chunk);
    }
    Ok(HttpResponse::from_parts(parts, names::blank_foreign(page.freeze()).into()))
}
