//! `<maxAge>.<expireAt>.<etag>.<upstreamEtag>.<ext>`: all that Next knows of an entry besides its bytes
//! stands in the file's name. A failure to optimize is a sixth part, `.ERR_UNSHARP_…`: Next reads the first five.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Entry;
use crate::error::{Error, Result};

/// The parts of an entry's file name, each checked to be safe in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// What Cache-Control says, in seconds.
    pub max_age_secs: u64,
    /// When the entry turns stale, in milliseconds since the Unix epoch.
    pub expires_at_ms: u64,
    /// [`Entry::etag`].
    pub etag: String,
    /// [`Entry::upstream_etag`].
    pub upstream_etag: String,
    /// The output type, without a dot.
    pub extension: String,
    /// [`Entry::fallback`].
    pub fallback: Option<String>,
}

/// What the sixth part begins with. Nothing else may stand there: a name that goes on is a file half-written.
const FALLBACK: &str = "ERR_UNSHARP_";

/// Length of a SHA-256 in base64url.
const SHA256_BASE64_LEN: usize = 43;

impl FileName {
    /// The name under which an entry is stored; [`Error::Store`] when a text can't stand in a file name.
    pub(crate) fn of(entry: &Entry) -> Result<Self> {
        let texts = [&entry.etag, &entry.upstream_etag, &entry.extension].into_iter().chain(&entry.fallback);
        if let Some(text) = texts.into_iter().find(|text| !is_safe(text)) {
            return Err(Error::Store(format!("{text:?} can't be part of a cache file's name")));
        }
        Ok(Self {
            max_age_secs: entry.max_age_secs,
            expires_at_ms: entry.expires_at_ms,
            etag: entry.etag.clone(),
            upstream_etag: entry.upstream_etag.clone(),
            extension: entry.extension.clone(),
            fallback: entry.fallback.clone(),
        })
    }

    /// `None` for every name that is not one of Next's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let mut part = || parts.next();
        let (max_age, expires_at) = (number(part()?)?, number(part()?)?);
        let (etag, upstream_etag, extension) = (part()?, part()?, part()?);
        let fallback = part();
        let known = fallback.is_none_or(|code| code.starts_with(FALLBACK) && is_safe(code));
        let whole = known && part().is_none() && [etag, upstream_etag, extension].into_iter().all(is_safe);
        whole.then(|| Self {
            max_age_secs: max_age,
            expires_at_ms: expires_at,
            etag: etag.to_owned(),
            upstream_etag: upstream_etag.to_owned(),
            extension: extension.to_owned(),
            fallback: fallback.map(str::to_owned),
        })
    }

    /// Whether `body` can be what the name speaks of. Next writes its files in place, so a reader beside it can meet
    /// a part of one. Where the etag is the body's own hash, that shows.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        let is_hash = || BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body)) == self.etag;
        !body.is_empty() && (!self.tells_body() || is_hash())
    }

    /// Whether the etag is the body's own hash. A passthrough entry's says nothing about its bytes.
    pub(super) fn tells_body(&self) -> bool {
        self.etag != self.upstream_etag && self.etag.len() == SHA256_BASE64_LEN
    }

    /// The entry that this name and `body` make.
    pub(crate) fn with_body(self, body: Bytes) -> Entry {
        Entry {
            body,
            extension: self.extension,
            etag: self.etag,
            upstream_etag: self.upstream_etag,
            max_age_secs: self.max_age_secs,
            expires_at_ms: self.expires_at_ms,
            fallback: self.fallback,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_age_secs, expires_at_ms, etag, upstream_etag, extension, fallback } = self;
        write!(f, "{max_age_secs}.{expires_at_ms}.{etag}.{upstream_etag}.{extension}")?;
        fallback.as_ref().map_or(Ok(()), |code| write!(f, ".{code}"))
    }
}

/// Base64url's letters, which leave out the dot and the slash.
fn is_safe(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn number(text: &str) -> Option<u64> {
    // `parse` alone would accept a leading `+`.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::super::conformance::entry;
    use super::*;

    #[test]
    fn a_name_of_nexts_is_read_and_written_alike() {
        let name = "14400.1763683200000.kd-3_a.VyJhIg.webp";
        let parsed = FileName::parse(name).expect("five parts");
        assert_eq!(parsed.max_age_secs, 14_400);
        assert_eq!(parsed.expires_at_ms, 1_763_683_200_000);
        assert_eq!(parsed.extension, "webp");
        assert_eq!(parsed.to_string(), name);
    }

    #[test]
    fn a_failure_stands_behind_what_next_reads() {
        let name = "60.1763683200000.VyJhIg.VyJhIg.jpeg.ERR_UNSHARP_DECODE";
        let parsed = FileName::parse(name).expect("six parts");
        assert_eq!(parsed.extension, "jpeg");
        assert_eq!(parsed.fallback.as_deref(), Some("ERR_UNSHARP_DECODE"));
        assert_eq!(parsed.to_string(), name);
        assert_eq!(FileName::parse("60.1.a.b.jpeg.ERR_UNSHARP_DECODE.part"), None);
    }

    #[test]
    fn every_other_name_is_no_entry() {
        for name in [
            "",
            "....",
            "60.1.a.b",
            "60.1.a.b.webp.part",
            "60.1..b.webp",
            "60.1.a.b.",
            "x.1.a.b.webp",
            "+60.1.a.b.webp",
            "-60.1.a.b.webp",
            "60.NaN.a.b.webp",
            "60.99999999999999999999.a.b.webp",
            "60.1.a/..b.webp",
            "60.1.ä.b.webp",
            "60.1.a b.c.webp",
        ] {
            assert_eq!(FileName::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_entry_with_texts_unfit_for_a_path_is_refused() {
        for bad in ["", "../x", "a.b", "a/b", "a\\b", "a\0b"] {
            let entry = Entry { upstream_etag: bad.into(), ..entry(b"x") };
            assert!(matches!(FileName::of(&entry), Err(Error::Store(_))), "{bad:?}");
        }
    }
}
