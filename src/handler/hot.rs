//! The short way of a variant that lies in memory and is fresh. It does no I/O.

use std::sync::Arc;

use super::parsed::Parsed;
use super::{Found, Handler, Incoming, Reply, now_ms, split};
use crate::cache::Entry;
use crate::response::{self, Answer, CacheStatus, Conditionals};

impl Handler {
    /// The answer, if it takes neither I/O nor noticeable time: a mistake in the request, or a fresh variant in
    /// memory that is sent as it is.
    #[must_use]
    pub fn answer_hot(&self, incoming: &Incoming) -> Option<Reply> {
        let parsed = match self.parse(incoming) {
            Ok(parsed) => parsed,
            Err(error) => return Some(self.refuse_request(incoming, error)),
        };
        let entry = self.hot(&parsed)?;
        Some(self.found(&parsed.asked.request, incoming, Found::new(&parsed.asked, entry, CacheStatus::Hit)))
    }

    /// The number of the answer to a request that has been answered before, if [`Handler::answer_hot`] would give a
    /// variant for it. As long as the number is the same, so is the answer to every client that has no variant yet.
    /// Whoever answers from this counts the hit.
    #[must_use]
    pub fn hit(&self, url: &str, accept: Option<&str>) -> Option<u64> {
        let (parsed, entry) = self.recall_hot(url, accept)?;
        Some(self.requests.number(&parsed, &entry))
    }

    /// That answer, with its number.
    #[must_use]
    pub fn hit_answer(&self, url: &str, accept: Option<&str>) -> Option<(u64, Answer)> {
        let (parsed, entry) = self.recall_hot(url, accept)?;
        let number = self.requests.number(&parsed, &entry);
        let found = Found::new(&parsed.asked, entry, CacheStatus::Hit);
        Some((number, self.answer_with(&parsed.asked.request, &Conditionals::default(), &found)))
    }

    fn recall_hot(&self, url: &str, accept: Option<&str>) -> Option<(Arc<Parsed>, Arc<Entry>)> {
        let parsed = self.requests.recall(split(url).1, accept)?;
        let entry = self.hot(&parsed)?;
        Some((parsed, entry))
    }

    /// The fresh variant in memory, unless it would have to be compressed first.
    fn hot(&self, parsed: &Parsed) -> Option<Arc<Entry>> {
        let entry = self.cache.as_ref()?.hot(&parsed.asked.key, now_ms())?;
        (!response::takes_compression(&entry.extension, &self.config)).then_some(entry)
    }
}
