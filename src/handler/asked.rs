//! A variant by what it is made of and by its name.

use super::cache_key;
use crate::coordinate::Job;
use crate::key::CacheKey;
use crate::request::ImageRequest;

/// A request that passed all checks, and the key of its variant, which takes a hash to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is wanted.
    pub(super) request: ImageRequest,
    /// Its key.
    pub(super) key: CacheKey,
}

impl Asked {
    /// Names what `request` wants.
    #[must_use]
    pub fn new(request: ImageRequest) -> Self {
        Self { key: cache_key(&request), request }
    }

    /// The same picture in another type.
    pub(super) fn in_type(&self, mime: &str) -> Self {
        Self::new(ImageRequest { mime: mime.to_owned(), ..self.request.clone() })
    }
}

impl From<&Job> for Asked {
    fn from(job: &Job) -> Self {
        Self { request: job.request.clone(), key: job.key.clone() }
    }
}
