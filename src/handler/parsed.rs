//! Requests that were checked a moment ago. Most requests for images are for a few of them, and checking one, which
//! takes regular expressions and a hash, costs as much as the rest of a hot answer.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lru::LruCache;

use super::Asked;
use crate::cache::Entry;
use crate::config::Config;
use crate::error::Result;
use crate::negotiate::until_avif;
use crate::request;

/// Requests that are remembered.
const CAPACITY: NonZero<usize> = NonZero::new(1_024).expect("not zero");

/// Longer ones, query and Accept header together, are not: bytes.
const LONGEST: usize = 2_048;

/// A request that passed all checks.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What the client gets.
    pub(super) asked: Asked,
    /// What it may get until there is that; `None` where it waits.
    pub(super) until_then: Option<Asked>,
    /// The variant that it was answered with last, and the number of that answer. What is held weakly keeps its
    /// address, so no other variant is taken for it once it is gone.
    numbered: Mutex<Option<(Weak<Entry>, u64)>>,
}

/// The latest requests, by their query and Accept header.
pub(super) struct RecentRequests {
    recent: Mutex<LruCache<String, Arc<Parsed>>>,
    is_avif_soon: bool,
    last_number: AtomicU64,
}

impl RecentRequests {
    /// With `is_avif_soon`, clients need not wait for AVIF where they take WebP.
    pub(super) fn new(is_avif_soon: bool) -> Self {
        Self { recent: Mutex::new(LruCache::new(CAPACITY)), is_avif_soon, last_number: AtomicU64::new(0) }
    }

    /// [`request::parse`] under one config, which has to be the same for every call.
    pub(super) fn parse(&self, query: &str, accept: Option<&str>, config: &Config) -> Result<Arc<Parsed>> {
        let parse = || {
            let asked = Asked::new(request::parse(query, accept, config)?);
            let mime = until_avif(&asked.request.mime, accept, &config.images.formats);
            let until_then =
                mime.filter(|_| self.is_avif_soon && !asked.request.is_blur).map(|mime| asked.in_type(mime));
            Ok(Arc::new(Parsed { asked, until_then, numbered: Mutex::default() }))
        };
        let Some(name) = name(query, accept) else { return parse() };
        if let Some(parsed) = self.named(&name) {
            return Ok(parsed);
        }
        let parsed = parse()?;
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).put(name, Arc::clone(&parsed));
        Ok(parsed)
    }

    /// What [`RecentRequests::parse`] has found of this request, if it is remembered.
    pub(super) fn recall(&self, query: &str, accept: Option<&str>) -> Option<Arc<Parsed>> {
        self.named(&name(query, accept)?)
    }

    /// The number of the answer to `parsed` with `entry`: another one as soon as either is another.
    pub(super) fn number(&self, parsed: &Parsed, entry: &Arc<Entry>) -> u64 {
        let mut numbered = parsed.numbered.lock().unwrap_or_else(PoisonError::into_inner);
        match &*numbered {
            Some((last, number)) if Weak::as_ptr(last) == Arc::as_ptr(entry) => *number,
            _ => {
                let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
                *numbered = Some((Arc::downgrade(entry), number));
                number
            }
        }
    }

    fn named(&self, name: &str) -> Option<Arc<Parsed>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// What a request is remembered by; `None` for one that is too long. No header holds a line break, so no two requests get
/// the same name; an absent header counts as an empty one, as it does when it is read.
fn name(query: &str, accept: Option<&str>) -> Option<String> {
    let accept = accept.unwrap_or_default();
    (query.len() + accept.len() <= LONGEST).then(|| [accept, query].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::entry;

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
    fn an_answer_keeps_its_number_until_it_is_another() {
        let (requests, config) = (RecentRequests::new(false), Config::default());
        let query = "url=%2Fa.jpg&w=640&q=75";
        assert!(requests.recall(query, None).is_none(), "nothing is remembered yet");
        let parsed = requests.parse(query, None, &config).expect("valid");
        assert!(Arc::ptr_eq(&parsed, &requests.recall(query, None).expect("remembered")));
        let (one, same) = (Arc::new(entry(b"x")), Arc::new(entry(b"x")));
        let number = requests.number(&parsed, &one);
        assert_eq!(requests.number(&parsed, &one), number);
        assert_ne!(requests.number(&parsed, &same), number, "it was put in the place of the first one");
        assert_ne!(requests.number(&parsed, &one), number, "no number comes back");
        let other = requests.parse(query, Some("image/webp"), &config).expect("valid");
        let last = requests.number(&parsed, &one);
        assert_ne!(requests.number(&other, &one), last, "the headers depend on the request as well");
        drop(one);
        let later: Vec<_> = (0..100).map(|_| Arc::new(entry(b"x"))).collect();
        assert!(
            later.iter().all(|entry| requests.number(&parsed, entry) != last),
            "no address is used twice"
        );
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
