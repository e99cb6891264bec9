//! The answer: status, headers, body; `ETag` and 304.

mod compress;
mod disposition;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::Error;
use crate::negotiate::content_type;
use crate::request::ImageRequest;

/// The largest max-age that is kept, seconds: later than that JavaScript has no dates.
const LONGEST_MAX_AGE_SECS: u64 = 8_640_000_000_000;

/// What goes back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// In the order in which they are set. Values are header-safe; characters up to U+00FF stand for one byte each.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for HEAD and 304.
    pub body: Bytes,
    /// Is this a stale variant, to be made again behind the answer?
    pub revalidating: bool,
}

/// Where the variant came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// Made for this request.
    Miss,
    /// Found, and fresh.
    Hit,
    /// Found, and past its time; it is served while it is made again.
    Stale,
}

impl CacheStatus {
    /// As `X-Nextjs-Cache` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "MISS",
            Self::Hit => "HIT",
            Self::Stale => "STALE",
        }
    }
}

/// A variant as far as the answer needs it.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// The encoded image.
    pub body: &'a Bytes,
    /// Extension of the type it is labelled with, as in the cache's file name.
    pub extension: &'a str,
    /// Sent as it is, without quotes; empty for none.
    pub etag: &'a str,
    /// Seconds that the client may keep it.
    pub max_age_secs: u64,
    /// Why this is the upstream's own image, where optimizing it failed.
    pub fallback: Option<&'a str>,
    /// Does another one soon take its place? Then not even a static import's answer stays as it is.
    pub is_for_now: bool,
}

/// The request headers that decide what of an answer is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditionals<'a> {
    /// The method; only `HEAD` makes a difference.
    pub method: &'a str,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`; there is no date to compare it with, so it rules out a 304.
    pub if_modified_since: Option<&'a str>,
    /// `Cache-Control` of the request; `no-cache` rules out a 304.
    pub cache_control: Option<&'a str>,
    /// `Accept-Encoding`.
    pub accept_encoding: Option<&'a str>,
}

/// Answers with a variant: 200, or 304 when the client has it.
#[must_use]
pub fn image(
    request: &ImageRequest,
    variant: &Variant<'_>,
    cache: CacheStatus,
    client: &Conditionals<'_>,
    config: &Config,
) -> Answer {
    let revalidating = cache == CacheStatus::Stale;
    let cache_control = if request.is_static_media && !variant.is_for_now {
        "public, max-age=315360000, immutable".to_owned()
    } else {
        let max_age = if config.dev { 0 } else { variant.max_age_secs };
        format!("public, max-age={max_age}, must-revalidate")
    };
    let mut headers = vec![("Vary", "Accept".to_owned()), ("Cache-Control", cache_control)];
    // An ETag can come from a file name on a shared disk; only what is fit for a header gets into one.
    if !variant.etag.is_empty() && variant.etag.bytes().all(|byte| byte.is_ascii_graphic()) {
        headers.push(("ETag", variant.etag.to_owned()));
    }
    if is_fresh(variant.etag, client) {
        return Answer { status: 304, headers, body: Bytes::new(), revalidating };
    }
    let label = content_type(variant.extension);
    headers.push(("Content-Type", label.to_owned()));
    let disposition = disposition::header(&request.href, label, config.images.content_disposition_type);
    headers.push(("Content-Disposition", disposition));
    headers.push(("Content-Security-Policy", config.images.content_security_policy.clone()));
    headers.push(("X-Nextjs-Cache", cache.as_str().to_owned()));
    if let Some(code) = variant.fallback {
        headers.push(("X-Unsharp-Fallback", code.to_owned()));
    }
    let is_compressible = takes_compression(variant.extension, config);
    if is_compressible {
        headers[0].1.push_str(", Accept-Encoding");
    }
    let is_head = client.method == "HEAD";
    if is_compressible
        && !is_head
        && let Some((encoding, body)) = compress::compress(variant.body, client.accept_encoding)
    {
        // Compressed on the way out, so its length is not announced.
        headers.push(("Content-Encoding", encoding.to_owned()));
        return Answer { status: 200, headers, body, revalidating };
    }
    headers.push(("Content-Length", variant.body.len().to_string()));
    let body = if is_head { Bytes::new() } else { variant.body.clone() };
    Answer { status: 200, headers, body, revalidating }
}

/// Does an answer with this type take the compressor's time, so that it is better not made where requests arrive?
#[must_use]
pub fn takes_compression(extension: &str, config: &Config) -> bool {
    config.compress && compress::is_compressible(content_type(extension))
}

/// Answers with an error: status and plain text and, like Next, no Content-Type and, unless compression is off, no
/// Content-Length. When we are overloaded we say when to come back.
#[must_use]
pub fn error(error: &Error, is_head: bool, config: &Config) -> Answer {
    let body = Bytes::copy_from_slice(error.public_message().as_bytes());
    let mut headers = Vec::new();
    if matches!(error, Error::Overloaded(_) | Error::Timeout(_)) {
        headers.push(("Retry-After", "1".to_owned()));
    }
    if !config.compress && !is_head {
        headers.push(("Content-Length", body.len().to_string()));
    }
    Answer { status: error.status(), headers, body, revalidating: false }
}

/// The `ETag` of an encoded image: `base64url(sha256(body))`.
#[must_use]
pub fn etag(body: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(body))
}

/// Seconds that an upstream's `Cache-Control` allows: `s-maxage` if it has a value, else `max-age`, else 0. Numbers
/// are read as `parseInt` reads them; a negative one is 0, and one past every date is cut.
#[must_use]
pub fn max_age(cache_control: Option<&str>) -> u64 {
    let mut shared = "";
    let mut own = "";
    for directive in cache_control.unwrap_or_default().split(',') {
        let mut parts = directive.trim().split('=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if name.eq_ignore_ascii_case("s-maxage") {
            shared = value;
        } else if name.eq_ignore_ascii_case("max-age") {
            own = value;
        }
    }
    let age = if shared.is_empty() { own } else { shared };
    let age = age.strip_prefix('"').and_then(|open| open.strip_suffix('"')).unwrap_or(age);
    let age = age.trim_start();
    let age = age.strip_prefix('+').unwrap_or(age);
    let digits = &age[..age.bytes().take_while(u8::is_ascii_digit).count()];
    if digits.is_empty() {
        return 0;
    }
    digits.parse().map_or(LONGEST_MAX_AGE_SECS, |secs: u64| secs.min(LONGEST_MAX_AGE_SECS))
}

/// May the client keep what it has? The rules are those of the npm package `fresh`: tags are compared weakly, and a
/// quoted tag is not equal to ours, which has no quotes.
fn is_fresh(etag: &str, client: &Conditionals<'_>) -> bool {
    let wanted = client.if_none_match.unwrap_or_default();
    let has_date = client.if_modified_since.is_some_and(|date| !date.is_empty());
    let has_no_cache = client
        .cache_control
        .is_some_and(|header| header.split(',').any(|directive| directive.trim() == "no-cache"));
    if wanted.is_empty() || has_date || has_no_cache {
        return false;
    }
    let is_same = |tag: &str| {
        tag == etag || tag.strip_prefix("W/") == Some(etag) || etag.strip_prefix("W/") == Some(tag)
    };
    wanted == "*" || (!etag.is_empty() && wanted.split(',').any(|tag| is_same(tag.trim_matches(' '))))
}

#[cfg(test)]
mod tests;
