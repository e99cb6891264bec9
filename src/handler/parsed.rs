//! Requests that were checked a moment ago. Most requests for images are for a few of them, and checking one, which
//! takes regular expressions and a hash, costs as much as the rest of a hot answer.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::Asked;
use crate::config::Config;
use crate::error::Result;
use crate::negotiate::until_avif;
use crate::request;

/// Requests that are remembered.
const CAPACITY: NonZero<usize> = NonZero::new(1_024).expect("not zero");

/// Longer ones, query and Accept header together, are not: bytes.
const LONGEST: usize = 2_048;

/// A request that passed all checks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    /// What the client gets.
    pub(super) asked: Asked,
    /// What it may get until there is that; `None` where it waits.
    pub(super) until_then: Option<Asked>,
}

/// The latest requests, by their query and Accept header.
pub(super) struct RecentRequests {
    recent: Mutex<LruCache<String, Arc<Parsed>>>,
    is_avif_soon: bool,
}

impl RecentRequests {
    /// With `is_avif_soon`, clients need not wait for AVIF where they take WebP.
    pub(super) fn new(is_avif_soon: bool) -> Self {
        Self { recent: Mutex::new(LruCache::new(CAPACITY)), is_avif_soon }
    }

    /// [`request::parse`] under one config, which has to be the same for every call.
    pub(super) fn parse(&self, query: &str, accept: Option<&str>, config: &Config) -> Result<Arc<Parsed>> {
        let parse = || {
            let asked = Asked::new(request::parse(query, accept, config)?);
            let mime = until_avif(&asked.request.mime, accept, &config.images.formats);
            let until_then =
                mime.filter(|_| self.is_avif_soon && !asked.request.is_blur).map(|mime| asked.in_type(mime));
            Ok(Arc::new(Parsed { asked, until_then }))
        };
        if query.len() + accept.map_or(0, str::len) > LONGEST {
            return parse();
        }
        // No header holds a line break, so no two requests get the same name; an absent header counts as an empty one,
        // as it does when it is read.
        let name = [accept.unwrap_or_default(), query].join("\n");
        let lock = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = lock().get(&name) {
            return Ok(Arc::clone(parsed));
        }
        let parsed = parse()?;
        lock().put(name, Arc::clone(&parsed));
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_like_the_first_and_like_no_other() {
        let (requests, config) = (RecentRequests::new(false), Config::default());
        let query = "url=%2Fa.jpg&w=640&q=75";
        let first = requests.parse(query, Some("image/webp"), &config).expect("valid");
        assert_eq!(first.asked.request, request::parse(query, Some("image/webp"), &config).expect("valid"));
        let second = requests.parse(query, Some("image/webp"), &config).expect("valid");
        assert!(Arc::ptr_eq(&first, &second));
        for (query, accept) in
            [(query, None), (query, Some("*/*")), ("url=%2Fb.jpg&w=640&q=75", Some("image/webp"))]
        {
            let other = requests.parse(query, accept, &config).expect("valid");
            assert_ne!(other.asked.key, first.asked.key, "{query} {accept:?}");
        }
    }

    #[test]
    fn avif_has_a_webp_until_then_only_when_told_so() {
        let images = serde_json::json!({ "images": { "formats": ["image/avif", "image/webp"] } });
        let config = Config::from_json(&images).expect("valid");
        let (query, accept) = ("url=%2Fa.jpg&w=640&q=75", "image/avif,image/webp");
        let parse = |is_avif_soon, accept| {
            RecentRequests::new(is_avif_soon).parse(query, Some(accept), &config).expect("valid")
        };
        assert_eq!(parse(false, accept).until_then, None);
        let soon = parse(true, accept);
        assert_eq!(soon.asked, parse(false, accept).asked, "what is asked for is the same");
        assert_eq!(soon.until_then.as_ref(), Some(&parse(true, "image/webp").asked), "as for other clients");
        assert_eq!(parse(true, "image/webp").until_then, None);
    }

    #[test]
    fn a_wrong_request_is_wrong_every_time() {
        let (requests, config) = (RecentRequests::new(false), Config::default());
        for _ in 0..2 {
            assert!(requests.parse("url=%2Fa.jpg&w=641&q=75", None, &config).is_err());
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (requests, config) = (RecentRequests::new(false), Config::default());
        for n in 0..3_000 {
            requests.parse(&format!("url=%2F{n}.jpg&w=640&q=75"), None, &config).expect("valid");
        }
        let long = format!("url=%2F{}.jpg&w=640&q=75", "a".repeat(2_500));
        requests.parse(&long, None, &config).expect("valid");
        let recent = requests.recent.lock().expect("no test panics with it");
        assert_eq!(recent.len(), CAPACITY.get());
        assert!(!recent.contains(&format!("\n{long}")));
    }
}
