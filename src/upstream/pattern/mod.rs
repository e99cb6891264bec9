//! remotePatterns, domains and localPatterns.

mod glob;
mod translate;

use url::Url;

pub use glob::Glob;

use crate::error::Result;

/// One entry of `images.remotePatterns`. A part that is `None` allows anything.
#[derive(Debug, Clone)]
pub struct RemotePattern {
    /// `http` or `https`, without the colon.
    pub protocol: Option<String>,
    /// Compared with the host alone, userinfo and port left out.
    pub hostname: Glob,
    /// As `URL.port` has it: empty for the scheme's own.
    pub port: Option<String>,
    /// Compared with the path as the URL parser leaves it, percent escapes included.
    pub pathname: Glob,
    /// The exact query with its `?`; empty for none.
    pub search: Option<String>,
}

/// One entry of `images.localPatterns`.
#[derive(Debug, Clone)]
pub struct LocalPattern {
    /// Compared with the path as the URL parser leaves it.
    pub pathname: Glob,
    /// The exact query with its `?`; empty for none; `None` for any.
    pub search: Option<String>,
}

impl RemotePattern {
    /// Compiles the parts as a config has them; a missing `pathname` is `**`.
    ///
    /// # Errors
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for a glob that can't be compiled.
    pub fn new(
        protocol: Option<String>,
        hostname: &str,
        port: Option<String>,
        pathname: Option<&str>,
        search: Option<String>,
    ) -> Result<Self> {
        let pathname = Glob::pathname(pathname.unwrap_or("**"))?;
        Ok(Self { protocol, hostname: Glob::hostname(hostname)?, port, pathname, search })
    }
}

impl LocalPattern {
    /// Compiles the parts as a config has them; a missing `pathname` is `**`.
    ///
    /// # Errors
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for a glob that can't be compiled.
    pub fn new(pathname: Option<&str>, search: Option<String>) -> Result<Self> {
        Ok(Self { pathname: Glob::pathname(pathname.unwrap_or("**"))?, search })
    }
}

/// Does `url` match every part of `pattern`?
#[must_use]
pub fn matches_remote(pattern: &RemotePattern, url: &Url) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let port = url.port().map(|port| port.to_string()).unwrap_or_default();
    is(&pattern.protocol, url.scheme())
        && is(&pattern.port, &port)
        && is(&pattern.search, &search(url))
        && pattern.hostname.is_match(url.host_str().unwrap_or_default())
        && pattern.pathname.is_match(url.path())
}

/// Does `url` match `pattern`? Only its path and query count.
#[must_use]
pub fn matches_local(pattern: &LocalPattern, url: &Url) -> bool {
    pattern.search.as_deref().is_none_or(|wanted| wanted == search(url))
        && pattern.pathname.is_match(url.path())
}

/// May `url` be fetched: its host is one of `domains`, or a pattern matches?
#[must_use]
pub fn is_remote_allowed(domains: &[String], patterns: &[RemotePattern], url: &Url) -> bool {
    domains.iter().any(|domain| url.host_str() == Some(domain))
        || patterns.iter().any(|pattern| matches_remote(pattern, url))
}

/// May the path and query of `url` be read from the app? Without patterns everything may.
#[must_use]
pub fn is_local_allowed(patterns: Option<&[LocalPattern]>, url: &Url) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| matches_local(pattern, url)))
}

/// As `URL.search` has it: a bare `?` is no search.
fn search(url: &Url) -> String {
    url.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default()
}
