//! Name look-up with the private-address guard in it.
//!
//! The connection goes to the very addresses that were judged: a name is looked up once per connection, and
//! what a second look-up would say (DNS rebinding) is never asked.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Judges an address; `true` refuses it.
pub(super) type Refusal = fn(IpAddr) -> bool;

/// The addresses of a name, once the look-up is done.
pub(super) type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A way to look names up.
pub(super) trait Lookup: Send + Sync + 'static {
    fn lookup(&self, host: String) -> Addresses;
}

/// The operating system's way (`getaddrinfo`), as the socket itself would go.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> Addresses {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// The resolver handed to the HTTP client. `refusal` is `None` where local addresses are allowed.
pub(super) struct GuardedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) refusal: Option<Refusal>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let addresses = self.lookup.lookup(host.clone());
        let refusal = self.refusal;
        Box::pin(async move {
            let addresses = addresses.await?;
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no address for {host}")).into());
            }
            // One private address among public ones is enough: the connection could end up there.
            let private = refusal.and_then(|refuses| addresses.iter().copied().find(|ip| refuses(*ip)));
            if let Some(ip) = private {
                return Err(PrivateAddress { host, ip }.into());
            }
            let sockets: Addrs = Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(sockets)
        })
    }
}

/// The guard's answer; found again among the causes of the HTTP client's error.
#[derive(Debug)]
pub(super) struct PrivateAddress {
    pub(super) host: String,
    pub(super) ip: IpAddr,
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} resolves to the private address {}", self.host, self.ip)
    }
}

impl std::error::Error for PrivateAddress {}
