//! The connection to the server: kept up in the background, given up at the first sign of trouble, and made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, ScriptInvocation};
use serde_json::Map;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::coordinate::options::no_cluster;
use crate::coordinate::stats::Counters;
use crate::coordinate::{Options, Storage};
use crate::error::{Error, Result};
use crate::log::{Level, Logger};

/// How long connecting may take; it happens in the background.
const CONNECT: Duration = Duration::from_secs(2);
/// The pause before a lost connection is made anew; it doubles while that is in vain…
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The server does not answer; whoever asked goes on without it.
#[derive(Debug)]
pub(super) struct Away;

/// How much an answer may hold, which decides on what connection and how long it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight {
    /// A few hundred bytes.
    Light,
    /// A picture: on a connection of its own, so that nothing waits behind it, and with five times the patience.
    Heavy,
}

pub(super) struct Link {
    client: Client,
    channel: String,
    patience: Duration,
    line: watch::Sender<Line>,
    /// Whether the present connection has ever answered a request.
    is_proven: AtomicBool,
    counters: Arc<Counters>,
    logger: Logger,
}

/// What a line is at.
#[derive(Clone)]
enum Line {
    /// No attempt has ended yet.
    Untried,
    Down,
    Up(Connections),
    /// The server is of a kind, or the credentials are such, that trying again is in vain.
    Refused(Error),
}

#[derive(Clone)]
struct Connections {
    /// Tells one connection from the next.
    number: u64,
    light: MultiplexedConnection,
    heavy: MultiplexedConnection,
}

/// Why there is no connection.
enum NoConnection {
    Failed(String),
    Refused(Error),
}

impl Link {
    /// Makes no connection yet; [`Self::keep_up`] does.
    pub(super) fn new(
        url: &str,
        channel: String,
        options: &Options,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let storage = Storage::Redis { url: url.to_owned(), prefix: String::new() };
        let invalid = |error: &RedisError| {
            // Of the error only the kind: the whole may repeat the url with its password.
            Error::InvalidOption(format!("storage: {storage:?} can't be used: {:?}", error.kind()))
        };
        if url.starts_with("rediss:") {
            // Fails when there is one, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = match &options.ca_certs_pem {
            Some(pem) if url.starts_with("rediss:") => {
                let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(url, certificates)
            }
            _ => Client::open(url),
        };
        let (line, _) = watch::channel(Line::Untried);
        Ok(Self {
            client: client.map_err(|error| invalid(&error))?,
            channel,
            patience: options.patience,
            line,
            is_proven: AtomicBool::new(false),
            counters,
            logger: options.logger.clone(),
        })
    }

    /// The number of the database, which belongs into the channel's name: channels are the same for all.
    pub(super) fn database(url: &str) -> i64 {
        Client::open(url).map_or(0, |client| client.get_connection_info().redis_settings().db())
    }

    /// Waits for the first attempt to connect, but not long.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the server will never do.
    pub(super) async fn wait_for_first(&self) -> Result<()> {
        let mut line = self.line.subscribe();
        let settled = line.wait_for(|line| !matches!(line, Line::Untried));
        match timeout(self.patience.saturating_mul(5), settled).await {
            Ok(Ok(line)) => match &*line {
                Line::Refused(error) => Err(error.clone()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.line.borrow(), Line::Up(_))
    }

    /// The number of the present connection; none when there is none.
    pub(super) fn number(&self) -> Option<u64> {
        self.line.borrow().number()
    }

    /// Waits until the connection of that number is no longer the present one.
    pub(super) async fn lost(&self, number: Option<u64>) {
        let mut line = self.line.subscribe();
        // The sender lives as long as `self`.
        let _ = line.wait_for(|line| line.number() != number || number.is_none()).await;
    }

    /// Whether there is a connection, waiting for one for as long as one's patience goes.
    pub(super) async fn is_back(&self) -> bool {
        let mut line = self.line.subscribe();
        timeout(self.patience, line.wait_for(|line| matches!(line, Line::Up(_)))).await.is_ok()
    }

    /// Runs a script.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        weight: Weight,
    ) -> std::result::Result<T, Away> {
        let Line::Up(Connections { number, light, heavy }) = self.line.borrow().clone() else {
            return Err(Away);
        };
        let (mut connection, patience) = match weight {
            Weight::Light => (light, self.patience),
            Weight::Heavy => (heavy, self.patience.saturating_mul(5)),
        };
        match timeout(patience, script.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.is_proven.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.hang_up(number, &describe(&error))),
            Err(_) => Err(self.hang_up(number, "it takes too long to answer")),
        }
    }

    fn hang_up(&self, number: u64, why: &str) -> Away {
        self.counters.storage_errors.add_one();
        let was_up = self.line.send_if_modified(|line| {
            let is_that = line.number() == Some(number);
            if is_that {
                *line = Line::Down;
            }
            is_that
        });
        if was_up {
            self.tell(Level::Warn, "coordinator_gone", format!("working without Redis: {why}"));
        }
        Away
    }

    /// Gives the connection up; to be called once nothing keeps it up any more.
    pub(super) fn close(&self) {
        self.line.send_replace(Line::Down);
    }

    /// Keeps a connection up for ever, hands on what is published, and says when there is a connection again.
    pub(super) async fn keep_up(&self, on_message: impl Fn(&str), on_connection: impl Fn()) {
        let (mut failures, mut number, mut is_told) = (0_u32, 0_u64, false);
        loop {
            match self.connect(number + 1).await {
                Ok((connections, messages)) => {
                    number += 1;
                    if number > 1 {
                        self.counters.reconnects.add_one();
                    }
                    if number > 1 || is_told {
                        self.tell(Level::Info, "coordinator_back", "Redis is back".to_owned());
                    }
                    is_told = false;
                    self.is_proven.store(false, Ordering::Relaxed);
                    self.line.send_replace(Line::Up(connections));
                    on_connection();
                    self.listen(number, messages, &on_message).await;
                    // A server that takes connections and answers nothing is not asked at once again.
                    failures = if self.is_proven.load(Ordering::Relaxed) { 0 } else { failures + 1 };
                }
                Err(NoConnection::Failed(why)) => {
                    self.counters.storage_errors.add_one();
                    failures = failures.saturating_add(1);
                    self.line.send_replace(Line::Down);
                    if number == 0 && !is_told {
                        let message = format!("working without Redis: {why}");
                        self.tell(Level::Warn, "coordinator_gone", message);
                        is_told = true;
                    }
                }
                Err(NoConnection::Refused(error)) => {
                    self.tell(Level::Error, "coordinator_refused", error.to_string());
                    self.line.send_replace(Line::Refused(error));
                    return;
                }
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn listen(&self, number: u64, messages: PubSub, on_message: &impl Fn(&str)) {
        let mut messages = messages.into_on_message();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else {
                        self.hang_up(number, "the connection was closed");
                        return;
                    };
                    if let Ok(text) = std::str::from_utf8(message.get_payload_bytes()) {
                        on_message(text);
                    }
                }
                () = self.lost(Some(number)) => return,
            }
        }
    }

    async fn connect(&self, number: u64) -> std::result::Result<(Connections, PubSub), NoConnection> {
        let connecting = async {
            let config = || {
                AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None)
            };
            let mut light = self.client.get_multiplexed_async_connection_with_config(&config()).await?;
            // An account without the right to ask is no reason to do without.
            let info: String =
                redis::cmd("INFO").arg("cluster").query_async(&mut light).await.unwrap_or_default();
            let heavy = self.client.get_multiplexed_async_connection_with_config(&config()).await?;
            let mut messages = self.client.get_async_pubsub().await?;
            messages.subscribe(&self.channel).await?;
            Ok::<_, RedisError>((light, heavy, messages, info))
        };
        let failed = |why: &str| NoConnection::Failed(why.to_owned());
        let (mut light, heavy, messages, info) = match timeout(CONNECT, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) if error.kind() == redis::ErrorKind::AuthenticationFailed && number == 1 => {
                let text = "storage: Redis refuses the user or the password".to_owned();
                return Err(NoConnection::Refused(Error::InvalidOption(text)));
            }
            Ok(Err(error)) => return Err(NoConnection::Failed(describe(&error))),
            Err(_) => return Err(failed("connecting takes too long")),
        };
        if info.contains("cluster_enabled:1") {
            return Err(NoConnection::Refused(no_cluster()));
        }
        // What is too slow for a request is no connection.
        let ping = redis::cmd("PING");
        match timeout(self.patience, ping.query_async::<()>(&mut light)).await {
            Ok(Ok(())) => Ok((Connections { number, light, heavy }, messages)),
            Ok(Err(error)) => Err(NoConnection::Failed(describe(&error))),
            Err(_) => Err(failed("it takes too long to answer")),
        }
    }

    fn tell(&self, level: Level, event: &'static str, message: String) {
        self.logger.write(level, event, || (message, Map::new()));
    }
}

impl Line {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Up(connections) => Some(connections.number),
            Self::Untried | Self::Down | Self::Refused(_) => None,
        }
    }
}

/// What the server says holds no secret; what the client says about its url could.
fn describe(error: &RedisError) -> String {
    match error.kind() {
        redis::ErrorKind::InvalidClientConfig => "the url can't be used".to_owned(),
        _ => error.to_string(),
    }
}
