//! Validation of `/_next/image` requests, in Next's order and with Next's words.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use crate::config::{BuildOutput, Config};
use crate::error::{Error, Result};
use crate::negotiate::negotiate;
use crate::upstream::pattern::{is_local_allowed, is_remote_allowed};

/// Longest `url`, in UTF-16 units as JavaScript counts them.
const MAX_URL_LENGTH: usize = 3072;

/// In `next dev`, requests up to this width and of this quality are for the blurred placeholder.
const BLUR_WIDTH_PX: u32 = 8;
const BLUR_QUALITY: u8 = 70;

/// A request that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
pub struct ImageRequest {
    /// The source: normalised when absolute, else the path and query as they were sent.
    pub href: String,
    /// Is the source on another server? Else it is a path of the app.
    pub is_absolute: bool,
    /// px, one of the configured sizes.
    pub width: u32,
    /// 1..=100
    pub quality: u8,
    /// The negotiated type; empty when the client named no configured format.
    pub mime: String,
    /// Is the source a static import, whose content never changes?
    pub is_static_media: bool,
    /// Only in `next dev`: is the answer the blurred placeholder?
    pub is_blur: bool,
}

impl ImageRequest {
    /// Whom others are protected from when this source is slow: host and port of an absolute url; all paths of the app
    /// are one, without a name.
    #[must_use]
    pub fn source(&self) -> String {
        let url = self.is_absolute.then(|| Url::parse(&self.href).ok()).flatten();
        let Some(url) = url else { return String::new() };
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// Is `path` (without the query) ours to answer? Without optimization it is not: the app answers its 404. Neither is
/// the other spelling of a trailing slash: Next redirects that.
#[must_use]
pub fn is_endpoint(path: &str, config: &Config) -> bool {
    let is_path = match path.strip_prefix(config.base_path.as_str()) {
        Some("/_next/image") => !config.trailing_slash || config.skip_trailing_slash_redirect,
        Some("/_next/image/") => config.trailing_slash || config.skip_trailing_slash_redirect,
        _ => false,
    };
    // An export answers 400 to everything, see `parse`.
    let is_served = config.output == Some(BuildOutput::Export)
        || (!config.images.unoptimized && config.images.loader == "default");
    is_path && is_served
}

/// Checks a request: `query` is what follows the `?`, `accept` the header of that name.
///
/// # Errors
/// [`Error::InvalidRequest`] and [`Error::NotAllowed`] with Next's texts, the first that applies in Next's order;
/// when `config.strict`, [`Error::Upstream`] for what makes Next throw: malformed percent escapes in a relative url, and a
/// malformed Accept header.
pub fn parse(query: &str, accept: Option<&str>, config: &Config) -> Result<ImageRequest> {
    if config.output == Some(BuildOutput::Export) {
        return Err(refused("Bad Request"));
    }
    // A fragment is no part of a query; servers see one only from clients that send it by mistake.
    let query = query.split('#').next().unwrap_or_default();
    let url = single(query, "url", "\"url\" parameter")?;
    let (href, is_absolute) = source(&url, config)?;
    let width = single(query, "w", "\"w\" parameter (width)")?;
    if !is_digits(&width) {
        return Err(refused("\"w\" parameter (width) must be an integer greater than 0"));
    }
    let quality = single(query, "q", "\"q\" parameter (quality)")?;
    if !is_digits(&quality) {
        return Err(refused("\"q\" parameter (quality) must be an integer between 1 and 100"));
    }
    let width = allowed_width(&width, config)?;
    let quality = allowed_quality(&quality, config)?;
    let mime = match negotiate(accept, &config.images.formats) {
        Some(mime) => mime,
        None if config.strict => return Err(Error::Upstream(format!("malformed Accept header {accept:?}"))),
        // As if it named no format.
        None => String::new(),
    };
    let is_static_media = ["/_next/static/media", "/_next/static/immutable/media"].iter().any(|folder| {
        url.strip_prefix(config.base_path.as_str()).is_some_and(|path| path.starts_with(folder))
    });
    Ok(ImageRequest {
        href,
        is_absolute,
        width,
        quality,
        mime,
        is_static_media,
        is_blur: config.dev && width <= BLUR_WIDTH_PX && quality == BLUR_QUALITY,
    })
}

fn refused(text: impl Into<String>) -> Error {
    Error::InvalidRequest(text.into())
}

/// The one value of a parameter, decoded as `URLSearchParams` decodes it. `label` starts the message.
fn single<'a>(query: &'a str, name: &str, label: &str) -> Result<Cow<'a, str>> {
    let mut values =
        form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(refused(format!("{label} cannot be an array"))),
        (Some(value), None) if !value.is_empty() => Ok(value),
        _ => Err(refused(format!("{label} is required"))),
    }
}

/// What `url` stands for, and whether it is absolute, if the config allows it.
///
/// # Errors
/// [`Error::InvalidRequest`] and [`Error::NotAllowed`] with Next's texts.
pub fn source(url: &str, config: &Config) -> Result<(String, bool)> {
    if url.encode_utf16().count() > MAX_URL_LENGTH {
        return Err(refused("\"url\" parameter is too long"));
    }
    if url.starts_with("//") {
        return Err(refused("\"url\" parameter cannot be a protocol-relative URL (//)"));
    }
    if url.starts_with('/') {
        check_local(url, config)?;
        return Ok((url.to_owned(), false));
    }
    let invalid = || refused("\"url\" parameter is invalid");
    let parsed = Url::parse(url).map_err(|_| invalid())?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid());
    }
    if !is_remote_allowed(&config.images.domains, &config.images.remote_patterns, &parsed) {
        return Err(not_allowed(url, "no remotePattern or domain matches"));
    }
    Ok((parsed.into(), true))
}

/// The same without asking the patterns: any http(s) url, or path of the app.
///
/// # Errors
/// [`Error::InvalidRequest`] for what is neither.
pub fn any_source(url: &str) -> Result<(String, bool)> {
    let invalid = || refused("\"url\" parameter is invalid");
    if url.starts_with('/') && !url.starts_with("//") {
        return Ok((url.to_owned(), false));
    }
    let parsed = Url::parse(url).map_err(|_| invalid())?;
    if matches!(parsed.scheme(), "http" | "https") { Ok((parsed.into(), true)) } else { Err(invalid()) }
}

fn check_local(url: &str, config: &Config) -> Result<()> {
    let invalid = || refused("\"url\" parameter is invalid");
    // `/\` makes a URL parser see another host, and may leave it with nothing to parse.
    let base = Url::parse("http://n").expect("a constant");
    let parsed = base.join(url).map_err(|_| invalid())?;
    let path = decode_uri_component(parsed.path()).ok_or_else(|| {
        if config.strict {
            Error::Upstream(format!("malformed percent escape in {url:?}"))
        } else {
            invalid()
        }
    })?;
    let endpoint = "/_next/image";
    let is_recursive = path
        .match_indices(endpoint)
        .any(|(at, _)| matches!(path.as_bytes().get(at + endpoint.len()), None | Some(b'/')));
    if is_recursive {
        return Err(refused("\"url\" parameter cannot be recursive"));
    }
    if !is_local_allowed(config.images.local_patterns.as_deref(), &parsed) {
        return Err(not_allowed(url, "no localPattern matches"));
    }
    Ok(())
}

fn not_allowed(url: &str, why: &str) -> Error {
    Error::NotAllowed { public: "\"url\" parameter is not allowed".into(), detail: format!("{why} {url:?}") }
}

/// As in JavaScript: `None` for a `%` without two hex digits behind it, and for bytes that are not UTF-8.
fn decode_uri_component(text: &str) -> Option<Cow<'_, str>> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `digits` as one of the sizes.
fn allowed_width(digits: &str, config: &Config) -> Result<u32> {
    if digits.bytes().all(|digit| digit == b'0') {
        return Err(refused("\"w\" parameter (width) must be an integer greater than 0"));
    }
    let images = &config.images;
    let is_allowed = |width: &u32| {
        images.device_sizes.contains(width)
            || images.image_sizes.contains(width)
            || (config.dev && *width <= BLUR_WIDTH_PX)
    };
    if let Some(width) = digits.parse().ok().filter(is_allowed) {
        return Ok(width);
    }
    // The message has JavaScript's number: many digits lose precision, and 309 of them are infinite.
    let number: f64 = digits.parse().unwrap_or(f64::INFINITY);
    Err(refused(format!("\"w\" parameter (width) of {} is not allowed", number_text(number))))
}

/// A whole number as JavaScript prints it.
fn number_text(number: f64) -> String {
    if number.is_infinite() {
        "Infinity".into()
    } else if number >= 1e21 {
        format!("{number:e}").replace('e', "e+")
    } else {
        number.to_string()
    }
}

/// `digits` as one of the qualities; the message repeats them as they were sent.
fn allowed_quality(digits: &str, config: &Config) -> Result<u8> {
    let quality =
        digits.trim_start_matches('0').parse::<u8>().ok().filter(|quality| (1..=100).contains(quality));
    let Some(quality) = quality else {
        return Err(refused("\"q\" parameter (quality) must be an integer between 1 and 100"));
    };
    let is_listed = config.images.qualities.as_ref().is_none_or(|qualities| qualities.contains(&quality));
    if is_listed || (config.dev && quality == BLUR_QUALITY) {
        return Ok(quality);
    }
    Err(refused(format!("\"q\" parameter (quality) of {digits} is not allowed")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: &serde_json::Value) -> Config {
        Config::from_json(value).unwrap()
    }

    #[test]
    fn p3_the_url_is_measured_in_utf_16_units() {
        let parse_url = |url: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("url", url).finish();
            parse(&format!("{query}&w=640&q=75"), None, &Config::default())
        };
        let too_long = Err(refused("\"url\" parameter is too long"));
        let ascii = format!("/{}", "a".repeat(3071));
        assert_eq!(parse_url(&ascii).unwrap().href, ascii);
        assert_eq!(parse_url(&(ascii + "a")), too_long);
        // Two units each.
        let wide = format!("/{}", "\u{1f600}".repeat(1535));
        assert_eq!(parse_url(&wide).unwrap().href, wide);
        assert_eq!(parse_url(&(wide + "\u{1f600}")), too_long);
    }

    #[test]
    fn p10_a_path_that_can_not_be_read_is_invalid_and_a_server_error_where_next_is_followed() {
        let strict = Config { strict: true, ..Config::default() };
        for url in ["/a%25zz", "/a%25", "/a%25ff"] {
            let query = format!("url={url}&w=640&q=75");
            let error = parse(&query, None, &Config::default()).unwrap_err();
            assert_eq!(
                (error.status(), error.public_message()),
                (400, "\"url\" parameter is invalid"),
                "{url}"
            );
            let error = parse(&query, None, &strict).unwrap_err();
            assert_eq!((error.status(), error.public_message()), (500, "Internal Server Error"), "{url}");
        }
    }

    #[test]
    fn a_malformed_accept_header_names_no_format_and_is_a_server_error_where_next_is_followed() {
        let query = "url=/a.jpg&w=640&q=75";
        let accept = Some("image/webp;q");
        assert_eq!(parse(query, accept, &Config::default()).unwrap().mime, "");
        let strict = Config { strict: true, ..Config::default() };
        assert_eq!(parse(query, accept, &strict).unwrap_err().status(), 500);
        // What is wrong with the query is said first.
        assert_eq!(parse("url=/a.jpg&w=640", accept, &strict).unwrap_err().status(), 400);
    }

    #[test]
    fn r4_r5_r6_the_endpoint_is_exact_and_below_the_base_path() {
        let plain = Config::default();
        assert!(is_endpoint("/_next/image", &plain));
        for path in [
            "/_next/image/",
            "/_next/image/foo",
            "/_next/imagex",
            "/_next/imag",
            "/docs/_next/image",
            "//_next/image",
            "",
        ] {
            assert!(!is_endpoint(path, &plain), "{path}");
        }
        let slash = config(&json!({ "basePath": "/docs", "trailingSlash": true }));
        assert!(is_endpoint("/docs/_next/image/", &slash));
        for path in
            ["/docs/_next/image", "/docs/_next/image//", "/_next/image/", "/docsx/_next/image/", "/docs"]
        {
            assert!(!is_endpoint(path, &slash), "{path}");
        }
        let both = config(&json!({ "skipTrailingSlashRedirect": true }));
        assert!(is_endpoint("/_next/image", &both) && is_endpoint("/_next/image/", &both));
    }

    #[test]
    fn r7_without_optimization_the_endpoint_is_not_ours() {
        for images in [json!({ "unoptimized": true }), json!({ "loader": "custom" })] {
            assert!(!is_endpoint("/_next/image", &config(&json!({ "images": images }))));
        }
        // The loader's path is where images point to, not where the server listens.
        assert!(is_endpoint("/_next/image", &config(&json!({ "images": { "path": "https://cdn.test/i" } }))));
    }

    #[test]
    fn r8_an_export_answers_bad_request() {
        let export = config(&json!({ "output": "export", "images": { "unoptimized": true } }));
        assert!(is_endpoint("/_next/image", &export));
        assert_eq!(parse("url=/a.jpg&w=640&q=75", None, &export), Err(refused("Bad Request")));
    }

    #[test]
    fn h4_static_media_is_recognised_below_the_base_path() {
        let docs = config(&json!({ "basePath": "/docs" }));
        let is_static = |url: &str, config: &Config| {
            parse(&format!("url={url}&w=640&q=75"), None, config).unwrap().is_static_media
        };
        assert!(is_static("/docs/_next/static/media/a.png", &docs));
        assert!(is_static("/docs/_next/static/immutable/media/a.png", &docs));
        assert!(!is_static("/_next/static/media/a.png", &docs));
        assert!(is_static("/_next/static/media/a.png", &Config::default()));
    }

    #[test]
    fn o3_only_dev_asks_for_the_blurred_placeholder() {
        let dev = Config { dev: true, ..Config::default() };
        assert!(parse("url=/a.jpg&w=8&q=70", None, &dev).unwrap().is_blur);
        assert!(!parse("url=/a.jpg&w=640&q=70", None, &dev).unwrap().is_blur);
        assert!(!parse("url=/a.jpg&w=8&q=75", None, &dev).unwrap().is_blur);
        assert!(parse("url=/a.jpg&w=8&q=70", None, &Config::default()).is_err());
    }

    #[test]
    fn a_refused_source_tells_the_log_more_than_the_client() {
        let error = parse("url=https://evil.test/a&w=640&q=75", None, &Config::default()).unwrap_err();
        assert_eq!(error.public_message(), "\"url\" parameter is not allowed");
        assert!(error.to_string().contains("https://evil.test/a"), "{error}");
        assert_eq!(error.code(), "ERR_UNSHARP_NOT_ALLOWED");
    }
}
