//! One line of JSON for every request, on standard output.
//!
//! A thread of its own writes, so that a reader who does not keep up (a pipe that is full) delays no request; what
//! does not fit the line to it is left out and counted.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tokio::sync::oneshot;
use url::form_urlencoded;

use super::trace::Trace;
use crate::log::{json_line, safe_url};

/// Lines that may wait for the writer.
const MAX_WAITING: usize = 16_384;

/// Longest parameter that is logged as it came.
const LONGEST_PARAMETER: usize = 16;

/// The way to the writer.
pub(super) struct AccessLog {
    lines: SyncSender<Message>,
    left_out: AtomicU64,
}

enum Message {
    Line(String),
    Flush(oneshot::Sender<()>),
}

/// What is known of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) url: &'a str,
    pub(super) client: &'a str,
    pub(super) status: u16,
    pub(super) cache: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) bytes: usize,
    pub(super) micros: u64,
    pub(super) trace: Option<Trace<'a>>,
}

impl AccessLog {
    /// Starts the writer.
    pub(super) fn to_stdout() -> Self {
        let (lines, waiting) = sync_channel(MAX_WAITING);
        let writer = std::thread::Builder::new().name("unsharp-access".to_owned());
        // Without a thread the channel is closed, and every line counts as left out.
        let _ = writer.spawn(move || write(&waiting));
        Self { lines, left_out: AtomicU64::new(0) }
    }

    pub(super) fn write(&self, access: &Access<'_>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(line(access)))
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that could not be written.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Waits until all lines so far are written, unless more wait than can be.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

fn write(waiting: &Receiver<Message>) {
    let mut batch = String::new();
    let mut flushed = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Message::Line(line)) => batch.push_str(&line),
                Ok(Message::Flush(done)) => flushed.push(done),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            if batch.len() > 1 << 16 {
                break;
            }
            next = waiting.try_recv();
        }
        // A reader that has gone is no reason to fail.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(batch.as_bytes()).and_then(|()| out.flush());
        batch.clear();
        for done in flushed.drain(..) {
            let _ = done.send(());
        }
    }
}

fn line(access: &Access<'_>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("time", now.into());
    add("event", "request".into());
    add("method", access.method.into());
    let (path, query) = access.url.split_once('?').unwrap_or((access.url, ""));
    add("path", path.into());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let known = match &*name {
            "url" => ("source", safe_url(&value)),
            "w" => ("width", value.chars().take(LONGEST_PARAMETER).collect()),
            "q" => ("quality", value.chars().take(LONGEST_PARAMETER).collect()),
            _ => continue,
        };
        add(known.0, known.1.into());
    }
    add("status", access.status.into());
    add("bytes", access.bytes.into());
    add("duration_ms", (access.micros as f64 / 1_000.0).into());
    add("client", access.client.into());
    for (name, text) in [("cache", access.cache), ("code", access.code)] {
        if let Some(text) = text {
            add(name, text.into());
        }
    }
    if let Some(trace) = access.trace {
        add("trace_id", trace.trace_id.into());
        add("parent_id", trace.parent_id.into());
    }
    let mut line = json_line(&Value::Object(fields));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_without_what_may_be_secret() {
        let text = line(&Access {
            method: "GET",
            url: "/_next/image?url=https%3A%2F%2Fuser:pass@cdn.example%2Fa.jpg%3Ftoken%3Dsecret%0A&w=640&q=75%C2%9B",
            client: "127.0.0.1",
            status: 200,
            cache: Some("MISS"),
            code: None,
            bytes: 1234,
            micros: 12_345,
            trace: Some(Trace {
                trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
                parent_id: "00f067aa0ba902b7",
            }),
        });
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
        assert!(!text.contains("secret") && !text.contains("pass"), "{text}");
        let object: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(object["source"], "https://cdn.example/a.jpg?token=…");
        assert_eq!((&object["width"], &object["status"]), (&"640".into(), &200.into()));
        assert_eq!(object["duration_ms"], 12.345);
        assert_eq!(object["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(object["code"], Value::Null);
    }
}
