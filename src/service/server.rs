//! The listener and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{ListenOptions, Service, stall};
use crate::error::{Error, Result};

/// Connections that the system holds for us while we are busy.
const BACKLOG: u32 = 1_024;

/// The largest head of a request. Next's own server takes 16 KiB.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How long nothing is accepted after accepting failed, which happens when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A service that listens.
pub struct Server {
    service: Arc<Service>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: tokio::sync::Mutex<Option<tokio::task::JoinHandle<JoinSet<()>>>>,
}

impl Server {
    /// Listens, on a socket with `SO_REUSEADDR`, so that a restarted server gets its port at once.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when the address can't be had.
    pub async fn start(service: Arc<Service>, options: &ListenOptions) -> Result<Self> {
        let listener = listen(&options.host, options.port).await?;
        let address =
            listener.local_addr().map_err(|error| Error::InvalidOption(format!("port: {error}")))?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&service), options.clone(), stopped));
        Ok(Self { service, address, stop, accepting: tokio::sync::Mutex::new(Some(accepting)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Accepts no more connections, answers the requests that are there, finishes all work that has begun and closes,
    /// within `grace`; what is left then is cut off. Says whether nothing was. Later calls wait for the first.
    pub async fn close(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        self.service.start_draining();
        self.stop.send_replace(true);
        let mut accepting = self.accepting.lock().await;
        let Some(task) = accepting.take() else { return true };
        let mut connections = task.await.unwrap_or_default();
        let answered =
            tokio::time::timeout_at(deadline, async { while connections.join_next().await.is_some() {} });
        let is_answered = answered.await.is_ok();
        connections.shutdown().await;
        let finished = self.service.close(deadline.saturating_duration_since(Instant::now())).await;
        is_answered && finished
    }
}

async fn listen(host: &str, port: u16) -> Result<TcpListener> {
    let invalid = |why: String| Error::InvalidOption(format!("{host}:{port} can't be listened on: {why}"));
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((name, port)).await.map_err(|error| invalid(error.to_string()))?;
    let mut last = "the name has no address".to_owned();
    for address in found {
        let opened = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let listening = opened.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        });
        match listening {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error.to_string(),
        }
    }
    Err(invalid(last))
}

/// Hands back the connections that are open when it is told to stop.
async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    options: ListenOptions,
    mut stopped: watch::Receiver<bool>,
) -> JoinSet<()> {
    let places = Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return connections,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return connections,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let (service, stopped, timeout) =
                    (Arc::clone(&service), stopped.clone(), options.idle_timeout);
                connections.spawn(async move {
                    let _place = place;
                    let _open = service.metrics.connection();
                    serve(stream, client, &service, stopped, timeout).await;
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection, until it is closed by either side. What goes wrong on it concerns its client alone.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    service: &Arc<Service>,
    mut stopped: watch::Receiver<bool>,
    idle_timeout: Duration,
) {
    let Ok(stream) = stall::guarded(stream, idle_timeout) else { return };
    let answer = service_fn(|request| Arc::clone(service).serve(request, client));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let is_closed = tokio::select! {
        _ = connection.as_mut() => true,
        _ = stopped.wait_for(|stop| *stop) => false,
    };
    if !is_closed {
        // The request under way, if there is one, is answered; then the connection closes.
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
