//! `images` of a Next config.

use serde_json::Value;
use url::Url;

use super::section::Section;
use super::{MAX_SAFE_INTEGER, Origin};
use crate::error::{Error, Result};
use crate::upstream::pattern::{LocalPattern, RemotePattern, matches_remote};

const DEFAULT_PATH: &str = "/_next/image";
const DEFAULT_POLICY: &str = "script-src 'none'; frame-src 'none'; sandbox;";

/// Where static imports live; always allowed.
const STATIC_MEDIA: [&str; 2] = ["/_next/static/media/**", "/_next/static/immutable/media/**"];

/// `images`, resolved.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are those of the config, one by one")]
pub struct Images {
    /// `deviceSizes`, px, each 1..=10000. Default 640, 750, 828, 1080, 1200, 1920, 2048, 3840.
    pub device_sizes: Vec<u32>,
    /// `imageSizes`, px, each 1..=10000. Default 32, 48, 64, 96, 128, 256, 384.
    pub image_sizes: Vec<u32>,
    /// `qualities`, each 1..=100. Default 75. `None`: any (a build by a Next older than 16).
    pub qualities: Option<Vec<u8>>,
    /// `formats`: `image/avif`, `image/webp`. Default webp alone.
    pub formats: Vec<String>,
    /// `minimumCacheTTL`, seconds. Default 14400.
    pub minimum_cache_ttl_secs: u64,
    /// `domains`: hosts that are allowed whatever the rest of the address. Default none.
    pub domains: Vec<String>,
    /// `remotePatterns`, with one for an `assetPrefix` on another host. Default none.
    pub remote_patterns: Vec<RemotePattern>,
    /// `localPatterns`, with those for static imports. Default every path without a query. `None`: every address (a
    /// build by a Next older than 16).
    pub local_patterns: Option<Vec<LocalPattern>>,
    /// `dangerouslyAllowSVG`. Default false.
    pub dangerously_allow_svg: bool,
    /// `dangerouslyAllowLocalIP`: private addresses may be fetched. Default false.
    pub dangerously_allow_local_ip: bool,
    /// `contentSecurityPolicy` of every answer. Default `script-src 'none'; frame-src 'none'; sandbox;`.
    pub content_security_policy: String,
    /// `contentDispositionType`. Default attachment.
    pub content_disposition_type: DispositionType,
    /// `maximumRedirects` of a remote source, 0..=20. Default 3.
    pub maximum_redirects: u32,
    /// `maximumResponseBody` of a source, bytes, at least 1. Default 50 000 000.
    pub maximum_response_body_bytes: u64,
    /// `maximumDiskCacheSize`, bytes; 0 turns the disk off. `None`, the default: half of what is free.
    pub maximum_disk_cache_size_bytes: Option<u64>,
    /// `unoptimized`: the endpoint is not there. Default false.
    pub unoptimized: bool,
    /// `loader`; the endpoint is there only for `default`.
    pub loader: String,
    /// `path`, as it stands in `src` attributes: with the base path and, where that is wanted, a slash at the end. The
    /// server itself always answers under `<basePath>/_next/image`.
    pub path: String,
    /// `customCacheHandler`: variants go through `cacheHandler`. Default false.
    pub custom_cache_handler: bool,
}

/// `contentDispositionType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DispositionType {
    /// A navigation to the image saves it.
    Attachment,
    /// A navigation to the image shows it.
    Inline,
}

impl Images {
    pub(super) fn read(
        root: &Section<'_>,
        base_path: &str,
        trailing_slash: bool,
        origin: Origin,
    ) -> Result<Self> {
        let images = root.section("images")?;
        let sizes = |name: &str, default: &[u32]| -> Result<Vec<u32>> {
            let sizes = images.integers(name, 25, 1, 10_000)?;
            Ok(sizes.map_or_else(
                || default.to_vec(),
                |sizes| sizes.into_iter().map(|size| size as u32).collect(),
            ))
        };
        let loader = read_loader(&images)?;
        Ok(Self {
            device_sizes: sizes("deviceSizes", &[640, 750, 828, 1080, 1200, 1920, 2048, 3840])?,
            image_sizes: sizes("imageSizes", &[32, 48, 64, 96, 128, 256, 384])?,
            qualities: read_qualities(&images, origin)?,
            formats: read_formats(&images)?,
            minimum_cache_ttl_secs: images.integer("minimumCacheTTL", 0, MAX_SAFE_INTEGER)?.unwrap_or(14_400),
            domains: images.strings("domains", 50)?.unwrap_or_default(),
            remote_patterns: read_remote_patterns(root, &images)?,
            local_patterns: read_local_patterns(&images, origin)?,
            dangerously_allow_svg: images.bool("dangerouslyAllowSVG")?.unwrap_or(false),
            dangerously_allow_local_ip: images.bool("dangerouslyAllowLocalIP")?.unwrap_or(false),
            content_security_policy: read_policy(&images)?,
            content_disposition_type: read_disposition(&images)?,
            maximum_redirects: images.integer("maximumRedirects", 0, 20)?.unwrap_or(3) as u32,
            maximum_response_body_bytes: images
                .integer("maximumResponseBody", 1, MAX_SAFE_INTEGER)?
                .unwrap_or(50_000_000),
            maximum_disk_cache_size_bytes: images.integer("maximumDiskCacheSize", 0, MAX_SAFE_INTEGER)?,
            unoptimized: images.bool("unoptimized")?.unwrap_or(false),
            path: read_path(&images, base_path, trailing_slash, &loader)?,
            loader,
            custom_cache_handler: images.bool("customCacheHandler")?.unwrap_or(false),
        })
    }
}

fn read_qualities(images: &Section<'_>, origin: Origin) -> Result<Option<Vec<u8>>> {
    match images.integers("qualities", 20, 1, 100)? {
        Some(qualities) if qualities.is_empty() => Err(images.invalid("qualities", "must not be empty")),
        Some(qualities) => Ok(Some(qualities.into_iter().map(|quality| quality as u8).collect())),
        None => Ok((origin == Origin::User).then(|| vec![75])),
    }
}

fn read_formats(images: &Section<'_>) -> Result<Vec<String>> {
    let formats = images.strings("formats", 4)?.unwrap_or_else(|| vec!["image/webp".into()]);
    if formats.iter().any(|format| format != "image/avif" && format != "image/webp") {
        return Err(images.invalid("formats", "may only hold \"image/avif\" and \"image/webp\""));
    }
    Ok(formats)
}

/// The text becomes a header, so a line break in it must not get that far.
fn read_policy(images: &Section<'_>) -> Result<String> {
    let policy = images.string("contentSecurityPolicy")?.unwrap_or_else(|| DEFAULT_POLICY.into());
    let is_header = |letter: char| {
        letter == '\t' || (' '..='~').contains(&letter) || ('\u{80}'..='\u{ff}').contains(&letter)
    };
    if !policy.chars().all(is_header) {
        return Err(images.invalid("contentSecurityPolicy", "has characters that no header can hold"));
    }
    Ok(policy)
}

fn read_disposition(images: &Section<'_>) -> Result<DispositionType> {
    match images.string("contentDispositionType")?.as_deref() {
        None | Some("attachment") => Ok(DispositionType::Attachment),
        Some("inline") => Ok(DispositionType::Inline),
        Some(_) => Err(images.invalid("contentDispositionType", "must be \"inline\" or \"attachment\"")),
    }
}

fn read_loader(images: &Section<'_>) -> Result<String> {
    let loader = images.string("loader")?.unwrap_or_else(|| "default".into());
    if !["default", "imgix", "cloudinary", "akamai", "custom"].contains(&loader.as_str()) {
        return Err(images.invalid("loader", "must be one of default, imgix, cloudinary, akamai, custom"));
    }
    Ok(loader)
}

fn read_path(images: &Section<'_>, base_path: &str, trailing_slash: bool, loader: &str) -> Result<String> {
    let mut path = images.string("path")?.unwrap_or_else(|| DEFAULT_PATH.into());
    if path == DEFAULT_PATH {
        if loader != "default" && loader != "custom" {
            return Err(images.invalid("path", &format!("must be a URL prefix for the loader {loader}")));
        }
        path.insert_str(0, base_path);
    }
    if !path.is_empty() && !path.ends_with('/') && (loader != "default" || trailing_slash) {
        path.push('/');
    }
    Ok(path)
}

fn read_local_patterns(images: &Section<'_>, origin: Origin) -> Result<Option<Vec<LocalPattern>>> {
    // A build has the two for static imports in its list already.
    let most = if origin == Origin::User { 25 } else { 25 + STATIC_MEDIA.len() };
    let patterns = images.elements("localPatterns", most, |name, value| {
        let pattern = images.element(name, value)?;
        LocalPattern::new(pattern.string("pathname")?.as_deref(), pattern.string("search")?)
            .map_err(|error| images.invalid(name, &reason(&error)))
    })?;
    let Some(mut patterns) = patterns else {
        return match origin {
            Origin::User => Ok(Some(vec![LocalPattern::new(None, Some(String::new()))?])),
            Origin::Build => Ok(None),
        };
    };
    for media in STATIC_MEDIA {
        let is_media = |pattern: &LocalPattern| {
            pattern.pathname.as_str() == media && pattern.search.as_deref() == Some("")
        };
        if !patterns.iter().any(is_media) {
            patterns.push(LocalPattern::new(Some(media), Some(String::new()))?);
        }
    }
    Ok(Some(patterns))
}

fn read_remote_patterns(root: &Section<'_>, images: &Section<'_>) -> Result<Vec<RemotePattern>> {
    // One more in a build, for the asset prefix.
    let mut patterns = images
        .elements("remotePatterns", 51, |name, value| read_remote_pattern(images, name, value))?
        .unwrap_or_default();
    let prefix = root.string("assetPrefix")?.unwrap_or_default();
    if prefix.starts_with("http") {
        let url = Url::parse(&prefix)
            .map_err(|error| root.invalid("assetPrefix", &format!("is no URL: {error}")))?;
        if !patterns.iter().any(|pattern| matches_remote(pattern, &url)) {
            let (host, port) = (url.host_str().unwrap_or_default(), port(&url));
            patterns.push(
                RemotePattern::new(Some(url.scheme().to_owned()), host, Some(port), None, None)
                    .map_err(|error| root.invalid("assetPrefix", &reason(&error)))?,
            );
        }
    }
    Ok(patterns)
}

fn read_remote_pattern(images: &Section<'_>, name: &str, value: &Value) -> Result<RemotePattern> {
    let href = value.as_str().or_else(|| value.get("href").and_then(Value::as_str));
    let pattern = if let Some(href) = href {
        let url = Url::parse(href).map_err(|error| images.invalid(name, &format!("is no URL: {error}")))?;
        let search = url
            .query()
            .filter(|query| !query.is_empty())
            .map_or_else(String::new, |query| format!("?{query}"));
        let host = url.host_str().unwrap_or_default().to_owned();
        (Some(url.scheme().to_owned()), host, Some(port(&url)), Some(url.path().to_owned()), Some(search))
    } else {
        let pattern = images.element(name, value)?;
        let protocol = pattern.string("protocol")?.map(|protocol| match protocol.strip_suffix(':') {
            Some(scheme) => scheme.to_owned(),
            None => protocol,
        });
        let host = pattern.string("hostname")?.ok_or_else(|| pattern.invalid("hostname", "is required"))?;
        (protocol, host, pattern.string("port")?, pattern.string("pathname")?, pattern.string("search")?)
    };
    let (protocol, host, port, pathname, search) = pattern;
    if protocol.as_deref().is_some_and(|protocol| protocol != "http" && protocol != "https") {
        return Err(images.invalid(name, "must have the protocol http or https"));
    }
    if port.as_deref().is_some_and(|port| port.len() > 5) {
        return Err(images.invalid(name, "has a port of more than 5 characters"));
    }
    RemotePattern::new(protocol, &host, port, pathname.as_deref(), search)
        .map_err(|error| images.invalid(name, &reason(&error)))
}

/// As `URL.port` has it.
fn port(url: &Url) -> String {
    url.port().map(|port| port.to_string()).unwrap_or_default()
}

/// The part of a pattern's error that goes behind the field's name.
fn reason(error: &Error) -> String {
    match error {
        Error::InvalidOption(text) => format!("is not usable: {text}"),
        other => format!("is not usable: {other}"),
    }
}
