//! The cache key, equal to Next's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The version that Next 16 mixes into every key (`CACHE_VERSION` in its image optimizer). Both can share
/// a cache folder only while this number is the same.
pub const CACHE_VERSION: u32 = 4;

/// Names one variant: `base64url(sha256(version, href, width, quality, mime))`, 43 characters of `A–Z a–z 0–9 - _`.
///
/// The alphabet is checked wherever a key is made, so a key is safe as a file name and as an object name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize), serde(try_from = "String"))]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of the variant of `href` (as validated, so normalised when absolute) at `width` px, `quality`
    /// 1..=100 and the negotiated `mime` (empty when none was).
    #[must_use]
    pub fn new(href: &str, width: u32, quality: u8, mime: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(CACHE_VERSION.to_string());
        hash.update(href);
        hash.update(width.to_string());
        hash.update(quality.to_string());
        hash.update(mime);
        Self(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    /// Reads a name found on disk or in a bucket. `None` for anything that [`CacheKey::new`] can't have made, so
    /// a name with `/` or `..` in it never becomes a path.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // The decoder refuses padding, foreign characters and stray low bits in the last character.
        let digest = URL_SAFE_NO_PAD.decode(name).ok()?;
        (digest.len() == 32).then(|| Self(name.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For serde, which must not let in what no key is.
impl TryFrom<String> for CacheKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a cache key")
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for CacheKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_the_key_is_the_hash_that_next_makes() {
        let key = CacheKey::new("/a.jpg", 640, 75, "");
        assert_eq!(key.as_str(), "gmOUT7ptXXI_sObSvB6oOsbeeplIRAaJ_Tfer3Xo0wM");
        assert_ne!(key, CacheKey::new("/a.jpg", 640, 75, "image/webp"));
        assert_ne!(key, CacheKey::new("/a.jpg", 64, 75, ""));
    }

    #[test]
    fn only_names_that_are_keys_are_read_back() {
        let key = CacheKey::new("/a.jpg", 640, 75, "");
        assert_eq!(CacheKey::parse(key.as_str()), Some(key.clone()));
        let dots = format!("../{}", "a".repeat(40));
        let slash = key.as_str().replacen('g', "/", 1);
        let longer = format!("{key}A");
        let padded = format!("{key}=");
        // The last character holds four bits; another one with the same four is no name of ours.
        let twin = format!("{}N", &key.as_str()[..42]);
        for name in ["", ".", "..", "x", &dots, &slash, &longer, &padded, &twin, &key.as_str()[1..], "\u{e4}"]
        {
            assert_eq!(CacheKey::parse(name), None, "{name:?}");
        }
    }
}
