//! What goes out: no text from outside may break a header.

use std::sync::LazyLock;

use bytes::Bytes;
use unsharp::Error;
use unsharp::config::Config;
use unsharp::request::ImageRequest;
use unsharp::response::{self, Answer, CacheStatus, Conditionals, Variant};

static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

/// Lines: the source, the `ETag`, the extension, the client's If-None-Match, Cache-Control and Accept-Encoding, and the
/// upstream's Cache-Control.
pub fn response(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (href, etag, extension) = (line(), line(), line());
    let (if_none_match, cache_control, accept_encoding, upstream) = (line(), line(), line(), line());
    let max_age_secs = response::max_age(Some(upstream));
    let method = if data.len().is_multiple_of(7) { "HEAD" } else { "GET" };
    let request = ImageRequest {
        href: href.to_owned(),
        is_absolute: href.starts_with("http"),
        width: 640,
        quality: 75,
        mime: String::new(),
        is_static_media: href.starts_with("/_next/static/media"),
        is_blur: false,
    };
    let body = Bytes::from(response::etag(data));
    let variant = Variant { body: &body, extension, etag, max_age_secs, fallback: None, is_for_now: false };
    let client = Conditionals {
        method,
        if_none_match: Some(if_none_match),
        if_modified_since: None,
        cache_control: Some(cache_control),
        accept_encoding: Some(accept_encoding),
    };
    let answer = response::image(&request, &variant, CacheStatus::Hit, &client, &CONFIG);
    check(&answer);
    assert!(matches!(answer.status, 200 | 304), "{}", answer.status);
    if answer.status == 304 || method == "HEAD" {
        assert!(answer.body.is_empty());
    } else if let Some((_, length)) = answer.headers.iter().find(|(name, _)| *name == "Content-Length") {
        assert_eq!(*length, answer.body.len().to_string());
        assert_eq!(answer.body, body);
    } else {
        assert!(answer.headers.iter().any(|(name, _)| *name == "Content-Encoding"));
    }
    let refused = Error::NotAllowed { public: "not allowed".into(), detail: href.to_owned() };
    check(&response::error(&refused, method == "HEAD", &CONFIG));
}

/// Printable Latin-1 and tabs: what Node and hyper take, with nothing that ends a header.
fn check(answer: &Answer) {
    for (name, value) in &answer.headers {
        let is_safe = |letter: char| matches!(letter, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
        assert!(value.chars().all(is_safe), "{name}: {value:?}");
    }
}
