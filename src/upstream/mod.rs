//! Where source images come from, and what may be fetched.

pub mod address;
#[cfg(feature = "server")]
pub(crate) mod content_coding;
#[cfg(feature = "server")]
pub mod held;
pub mod local;
pub mod pattern;
#[cfg(feature = "server")]
pub mod private_hosts;
#[cfg(feature = "server")]
pub mod remote;
#[cfg(feature = "server")]
mod resolver;
#[cfg(all(test, feature = "server"))]
pub(crate) mod test_server;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// A source image as it arrived: its bytes, content codings taken off, and the headers that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Never empty.
    pub body: Bytes,
    /// As sent; the bytes decide, so this serves only where they can't tell.
    pub content_type: Option<String>,
    /// As sent; several headers are joined by a comma.
    pub cache_control: Option<String>,
    /// As sent, with its quotes and weak mark.
    pub etag: Option<String>,
}

impl Upstream {
    /// What identifies these bytes in the cache: the base64url of the `ETag` header where there is one, of
    /// the body's SHA-256 where there is none.
    #[must_use]
    pub fn upstream_etag(&self) -> String {
        match self.etag.as_deref() {
            Some(etag) if !etag.is_empty() => BASE64_URL_SAFE_NO_PAD.encode(etag),
            _ => BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&self.body)),
        }
    }
}

/// An answer whose status says that it holds no image. Below 400 there is no status to hand on, so 500.
fn invalid(status: u16, public: &str) -> Error {
    let answered = status;
    let status = if (400..=999).contains(&answered) { answered } else { 500 };
    Error::UpstreamStatus { status, answered, public: public.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_etag_is_the_header_or_else_the_hash() {
        let upstream = |etag: Option<&str>| Upstream {
            body: Bytes::from_static(b"abc"),
            content_type: None,
            cache_control: None,
            etag: etag.map(str::to_owned),
        };
        assert_eq!(upstream(Some("W/\"a\"")).upstream_etag(), "Vy8iYSI");
        let hash = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(upstream(None).upstream_etag(), hash);
        assert_eq!(upstream(Some("")).upstream_etag(), hash);
    }
}
