//! Name look-up with the private-address guard in it.
//!
//! The connection goes to the very addresses that were judged: a name is looked up once per connection, and
//! what a second look-up would say (DNS rebinding) is never asked.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::private_hosts::AllowedPrivateHosts;

/// Judges the addresses that sources are fetched from.
#[derive(Clone)]
pub(super) struct Guard {
    /// Which addresses are private.
    pub(super) is_private: fn(IpAddr) -> bool,
    /// Private ones that may be fetched all the same.
    pub(super) allowed: Arc<AllowedPrivateHosts>,
    /// A server outside has sent us there. What is inside may then not be fetched at all: the patterns bind the url that
    /// was asked for, and nobody has chosen this one.
    pub(super) is_sent_from_outside: bool,
}

impl Guard {
    /// Why the address may not be fetched, `None` if it may. `name` is what was looked up, `None` where the url names the
    /// address.
    pub(super) fn refusal(&self, name: Option<&str>, ip: IpAddr) -> Option<&'static str> {
        if !(self.is_private)(ip) {
            return None;
        }
        match (self.allowed.allows(name, ip), self.is_sent_from_outside) {
            (true, false) => None,
            (true, true) => Some("allowedPrivateHosts does not hold for redirects from outside"),
            (false, _) => Some("it is not among allowedPrivateHosts"),
        }
    }
}

/// The addresses of a name, once the look-up is done.
pub(super) type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A way to look names up.
pub(super) trait Lookup: Send + Sync + 'static {
    fn lookup(&self, host: String) -> Addresses;
}

/// Look-ups at once. Each blocks a thread of those that read the disk as well, for as long as a name server likes, and
/// goes on when nobody waits for it any more: names on slow servers must not take all of them.
const LOOKUPS: usize = 16;

/// The operating system's way (`getaddrinfo`), as the socket itself would go.
pub(super) struct SystemLookup {
    turns: Arc<Semaphore>,
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
}

impl Default for SystemLookup {
    fn default() -> Self {
        let resolve = |host: &str| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        Self { turns: Arc::new(Semaphore::new(LOOKUPS)), resolve }
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> Addresses {
        let (turns, resolve) = (Arc::clone(&self.turns), self.resolve);
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let work = move || {
                let _until_the_thread_is_free = turn;
                resolve(&host)
            };
            tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
        })
    }
}

/// The resolver handed to the HTTP client. `guard` is `None` where local addresses are allowed.
pub(super) struct GuardedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) guard: Option<Guard>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let addresses = self.lookup.lookup(host.clone());
        let guard = self.guard.clone();
        Box::pin(async move {
            let addresses = addresses.await?;
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no address for {host}")).into());
            }
            // One private address among public ones is enough: the connection could end up there.
            let refused = guard.and_then(|guard| {
                addresses.iter().find_map(|&ip| Some((ip, guard.refusal(Some(&host), ip)?)))
            });
            if let Some((ip, reason)) = refused {
                return Err(PrivateAddress { host, ip, reason }.into());
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
    pub(super) reason: &'static str,
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, ip, reason } = self;
        write!(f, "{host} resolves to the private address {ip}, and {reason}")
    }
}

impl std::error::Error for PrivateAddress {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use super::*;

    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static ANSWERS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a look-up")]
    fn slow(_: &str) -> io::Result<Vec<IpAddr>> {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        let answered = ANSWERS.0.lock().unwrap();
        drop(ANSWERS.1.wait_while(answered, |answered| !*answered).unwrap());
        Ok(Vec::new())
    }

    #[tokio::test]
    async fn slow_name_servers_hold_a_part_of_the_threads_also_when_nobody_waits_any_more() {
        let lookup = SystemLookup { turns: Arc::new(Semaphore::new(3)), resolve: slow };
        for _ in 0..3 {
            let asked = tokio::spawn(lookup.lookup("slow.test".to_owned()));
            let before = RUNNING.load(Ordering::SeqCst);
            while RUNNING.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
        }
        assert_eq!(lookup.turns.available_permits(), 0, "the threads are still at it");
        let further = tokio::spawn(lookup.lookup("further.test".to_owned()));
        tokio::task::yield_now().await;
        assert_eq!(RUNNING.load(Ordering::SeqCst), 3);
        *ANSWERS.0.lock().unwrap() = true;
        ANSWERS.1.notify_all();
        assert_eq!(further.await.unwrap().unwrap(), Vec::<IpAddr>::new());
    }
}
