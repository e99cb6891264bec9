//! Which path is answered by what.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming as Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::access_log::Access;
use super::{Service, failure, trace};
use crate::handler::{Incoming, Reply};
use crate::response::Answer;

/// The status that is counted for a client that left before its answer; nobody receives it.
const CLIENT_LEFT: u16 = 499;

impl Service {
    /// Answers one request.
    pub(super) async fn serve(
        self: Arc<Self>,
        request: Request<Body>,
        client: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        if is_read && self.handler.is_endpoint(target) {
            return Ok(self.serve_image(&request, target, client).await);
        }
        Ok(match (is_read, request.uri().path()) {
            (true, "/healthz") => plain(StatusCode::OK, "ok\n"),
            (true, "/readyz") => match self.not_ready() {
                None => plain(StatusCode::OK, "ready\n"),
                Some("draining") => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
                Some(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "saturated\n"),
            },
            (true, "/metrics") => self.serve_metrics(),
            _ => plain(StatusCode::NOT_FOUND, "Not Found\n"),
        })
    }

    async fn serve_image(
        &self,
        request: &Request<Body>,
        target: &str,
        client: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let headers = request.headers();
        let incoming = Incoming {
            url: target.to_owned(),
            accept: joined(headers, &header::ACCEPT),
            method: request.method().as_str().to_owned(),
            if_none_match: joined(headers, &header::IF_NONE_MATCH),
            if_modified_since: headers.get(header::IF_MODIFIED_SINCE).map(latin1),
            cache_control: joined(headers, &header::CACHE_CONTROL),
            accept_encoding: joined(headers, &header::ACCEPT_ENCODING),
        };
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let mut exchange =
            Exchange { service: self, incoming, client, parent, started: Instant::now(), reply: None };
        let mut reply = self.image(&exchange.incoming).await;
        let is_head = exchange.incoming.method == "HEAD";
        if let Some(error) = &reply.error
            && let Some(answer) = failure::answer(error, self.max_attempts, is_head)
        {
            reply.answer = answer;
        }
        if self.has_server_timing {
            let timing = self.metrics.server_timing(&reply, exchange.started.elapsed());
            reply.answer.headers.push(("Server-Timing", timing));
        }
        self.metrics.sent(&reply.answer);
        let response = to_response(&mut reply.answer);
        exchange.reply = Some(reply);
        response
    }

    fn serve_metrics(&self) -> Response<Full<Bytes>> {
        let (stats, coordinator) = self.stats();
        let left_out = self.access_log.as_ref().map_or(0, super::AccessLog::left_out);
        let text = self.metrics.render(&stats, &coordinator, self.handler.pool_options(), left_out);
        let mut response = Response::new(Full::new(Bytes::from(text)));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(super::metrics::CONTENT_TYPE));
        response
    }
}

/// One request for an image. Counted and logged when it ends, be it because the client has left, which drops it.
struct Exchange<'a> {
    service: &'a Service,
    incoming: Incoming,
    client: SocketAddr,
    parent: Option<&'a str>,
    started: Instant,
    reply: Option<Reply>,
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let reply = self.reply.as_ref();
        let status = reply.map_or(CLIENT_LEFT, |reply| reply.answer.status);
        let cache = reply.and_then(|reply| reply.status).map(crate::response::CacheStatus::as_str);
        let answer = reply.map(|reply| &reply.answer);
        self.service.metrics.answered(status, cache, took);
        let Some(log) = &self.service.access_log else { return };
        log.write(&Access {
            method: &self.incoming.method,
            url: &self.incoming.url,
            client: &self.client.ip().to_string(),
            status,
            cache,
            code: reply.and_then(|reply| reply.error.as_ref()).map(crate::Error::code),
            bytes: answer.map_or(0, |answer| answer.body.len()),
            micros: took.as_micros() as u64,
            trace: self.parent.and_then(trace::parse),
        });
    }
}

fn to_response(answer: &mut Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(answer.headers.len() + 1);
    for (name, value) in answer.headers.drain(..) {
        let bytes = if value.is_ascii() {
            Bytes::from(value)
        } else {
            // Characters up to U+00FF stand for one byte each.
            value.chars().map(|letter| letter as u8).collect()
        };
        let parts = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(bytes));
        if let (Ok(name), Ok(value)) = parts {
            headers.append(name, value);
        }
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// All headers of this name, joined as Node joins them.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut text = latin1(values.next()?);
    for value in values {
        text.push_str(", ");
        text.push_str(&latin1(value));
    }
    Some(text)
}

/// Bytes as Node reads them.
fn latin1(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}
