//! Variants that were made before: what an entry is, how fresh it is, and where entries live.

mod byte_lru;
#[cfg(test)]
pub mod conformance;
pub mod file_name;
pub mod filesystem;
pub mod memory;
#[cfg(feature = "server")]
pub mod object;
#[cfg(feature = "server")]
pub mod remote;
#[cfg(feature = "server")]
pub mod sync;
#[cfg(feature = "server")]
pub mod tiers;

use bytes::Bytes;

use crate::error::Result;
use crate::key::CacheKey;

/// How long a failed refresh may keep the old entry's max-age, in seconds: at least this…
const RETRY_MIN_SECS: u64 = 3;
/// … and at most this (Next's response cache uses the same two numbers).
const RETRY_MAX_SECS: u64 = 30;

/// How long a source that could not be optimized is served as it came before it is tried again, in seconds.
const FALLBACK_SECS: u64 = 60;

/// One stored variant: the bytes that were answered and what is needed to answer them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The encoded image. Never empty.
    pub body: Bytes,
    /// The output type as a file extension without its dot (`webp`, `avif`, `png`, …).
    pub extension: String,
    /// What the `ETag` header says, unquoted, base64url: the SHA-256 of `body`, or `upstream_etag` when
    /// the body is the upstream's own bytes.
    pub etag: String,
    /// Identifies the upstream's bytes, base64url; see [`crate::upstream::Upstream::upstream_etag`].
    pub upstream_etag: String,
    /// What Cache-Control says, in seconds.
    pub max_age_secs: u64,
    /// When the entry turns stale, in milliseconds since the Unix epoch.
    pub expires_at_ms: u64,
    /// Set where the body is the upstream's because optimizing it failed: the [`Error::code`](crate::Error::code)
    /// of that failure. `None` where it was passed through by rule, and for what Next wrote, which does not tell.
    pub fallback: Option<String>,
}

/// Whether an entry may be answered as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Answer it.
    Fresh,
    /// Answer it and revalidate behind the answer.
    Stale,
}

impl Entry {
    /// `Stale` from the millisecond after `expires_at_ms` on, as in Next.
    #[must_use]
    pub fn freshness(&self, now_ms: u64) -> Freshness {
        if now_ms > self.expires_at_ms { Freshness::Stale } else { Freshness::Fresh }
    }

    /// Should this entry be revalidated?
    #[must_use]
    pub fn is_stale(&self, now_ms: u64) -> bool {
        self.freshness(now_ms) == Freshness::Stale
    }

    /// Are these the upstream's own bytes: an SVG, an animation, or the fallback after a failed optimize?
    /// Such an entry is made anew on every revalidation even when the upstream did not change, so that
    /// what failed once is tried again.
    #[must_use]
    pub fn is_passthrough(&self) -> bool {
        self.etag == self.upstream_etag
    }

    /// May a revalidation keep this entry's body, given the upstream's current
    /// [`upstream_etag`](crate::upstream::Upstream::upstream_etag)?
    #[must_use]
    pub fn is_reusable_for(&self, upstream_etag: &str) -> bool {
        !self.is_passthrough() && self.upstream_etag == upstream_etag
    }

    /// When an entry made at `now_ms` turns stale: after its max-age, but not before
    /// `minimum_cache_ttl_secs` (Next's `images.minimumCacheTTL`). Saturates instead of overflowing.
    #[must_use]
    pub fn expiry_ms(now_ms: u64, max_age_secs: u64, minimum_cache_ttl_secs: u64) -> u64 {
        now_ms.saturating_add(max_age_secs.max(minimum_cache_ttl_secs).saturating_mul(1_000))
    }

    /// The max-age of an entry whose optimizing failed, in seconds: short, so that it is soon tried again, and never
    /// longer than Next's (its `images.minimumCacheTTL`).
    #[must_use]
    pub fn fallback_age_secs(minimum_cache_ttl_secs: u64) -> u64 {
        minimum_cache_ttl_secs.min(FALLBACK_SECS)
    }

    /// The entry to keep when its refresh failed: the same bytes with a max-age between 3 and 30 s, so
    /// that clients soon ask again and the upstream is not asked for every request meanwhile.
    #[must_use]
    pub fn after_failed_refresh(&self, now_ms: u64, minimum_cache_ttl_secs: u64) -> Self {
        let max_age_secs = self.max_age_secs.clamp(RETRY_MIN_SECS, RETRY_MAX_SECS);
        // What was to be tried again soon still is.
        let least_secs = if self.fallback.is_some() { 0 } else { minimum_cache_ttl_secs };
        Self {
            max_age_secs,
            expires_at_ms: Self::expiry_ms(now_ms, max_age_secs, least_secs),
            ..self.clone()
        }
    }
}

/// Somewhere that variants live. The calls block; the handler makes them off its async threads.
///
/// A store is free to forget an entry at any time, and what it gives back is what was saved last. All
/// errors are [`crate::Error::Store`]: the handler logs them and goes on as after a miss.
pub trait VariantStore: Send + Sync {
    /// The entry of this key, `None` when there is none.
    ///
    /// # Errors
    /// [`crate::Error::Store`] when the store can't be read; a missing or damaged entry is no error.
    fn load(&self, key: &CacheKey) -> Result<Option<Entry>>;

    /// Keeps the entry, in place of the one before. Readers see the old one or the new one, never a part.
    ///
    /// # Errors
    /// [`crate::Error::Store`]; nothing of the new entry is then visible.
    fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()>;

    /// Forgets the entry; fine when there is none.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    fn remove(&self, key: &CacheKey) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::conformance::entry;
    use super::*;

    #[test]
    fn an_entry_is_fresh_through_the_millisecond_it_expires_at() {
        let entry = Entry { expires_at_ms: 1_000, ..entry(b"x") };
        assert!(!entry.is_stale(1_000));
        assert!(entry.is_stale(1_001));
        assert_eq!(entry.freshness(0), Freshness::Fresh);
    }

    #[test]
    fn expiry_counts_the_larger_of_max_age_and_minimum_and_never_overflows() {
        assert_eq!(Entry::expiry_ms(5, 60, 14_400), 14_400_005);
        assert_eq!(Entry::expiry_ms(5, 20_000, 14_400), 20_000_005);
        assert_eq!(Entry::expiry_ms(5, u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn a_failed_refresh_keeps_the_bytes_and_clamps_the_max_age() {
        for (before, after) in [(0, 3), (3, 3), (17, 17), (30, 30), (86_400, 30)] {
            let old = Entry { max_age_secs: before, expires_at_ms: 1, ..entry(b"x") };
            let kept = old.after_failed_refresh(1_000, 0);
            assert_eq!(kept.max_age_secs, after, "max-age {before}");
            assert_eq!(kept.expires_at_ms, 1_000 + after * 1_000);
            assert_eq!((&kept.body, &kept.etag), (&old.body, &old.etag));
        }
        let kept = entry(b"x").after_failed_refresh(1_000, 60);
        assert_eq!(kept.expires_at_ms, 61_000, "the minimum TTL still spaces the retries");
        let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..entry(b"x") };
        let kept = failed.after_failed_refresh(1_000, 14_400);
        assert_eq!(kept.expires_at_ms, 31_000, "what could not be optimized is tried again soon");
        assert_eq!(kept.fallback, failed.fallback);
    }

    #[test]
    fn a_fallback_is_kept_for_a_minute_and_never_longer_than_in_next() {
        for (minimum_ttl, age) in [(14_400, 60), (60, 60), (5, 5), (0, 0)] {
            assert_eq!(Entry::fallback_age_secs(minimum_ttl), age);
        }
    }

    #[test]
    fn a_passthrough_entry_is_never_reused_on_revalidation() {
        let made = Entry { etag: "made".into(), upstream_etag: "up".into(), ..entry(b"x") };
        assert!(made.is_reusable_for("up"));
        assert!(!made.is_reusable_for("changed"));
        let original = Entry { etag: "up".into(), upstream_etag: "up".into(), ..entry(b"x") };
        assert!(original.is_passthrough());
        assert!(!original.is_reusable_for("up"));
    }
}
