//! An HTTP server on a loopback address that answers as told, however wrong that is.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Given the request's path and the connection to answer on, which is closed afterwards.
type Answer = dyn Fn(&str, &mut TcpStream) + Send + Sync;

pub(crate) struct TestServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, 0, answer)
    }

    /// Port 0 takes any that is free.
    pub(crate) fn start_at(
        ip: Ipv4Addr,
        port: u16,
        answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, port)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = {
            let (requests, stopped) = (Arc::clone(&requests), Arc::clone(&stopped));
            let answer: Arc<Answer> = Arc::new(answer);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        break;
                    }
                    let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                    thread::spawn(move || serve(stream, &requests, &*answer));
                }
            })
        };
        Self { address, requests, stopped, listener: Some(thread) }
    }

    /// Answers every request with one header block and body, connection closed.
    pub(crate) fn with(status_and_headers: &str, body: impl Into<Vec<u8>>) -> Self {
        let head = format!("HTTP/1.1 {status_and_headers}\r\nConnection: close\r\n\r\n");
        let body = body.into();
        Self::start(move |_, stream| {
            // The client may have seen enough and gone.
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far: request line and headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener from its wait.
        let _ = TcpStream::connect(self.address);
        let _ = self.listener.take().unwrap().join();
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<String>>, answer: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    loop {
        let before = request.len();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        if request[before..] == *"\r\n" {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(request);
    answer(&path, &mut stream);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // Closing with unread bytes would reset the connection and lose what was sent.
    while matches!(reader.read_until(0, &mut Vec::new()), Ok(read) if read > 0) {}
}
