//! All variants of a bucket, one after the other.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::attempts::{ATTEMPT_LIMIT, Backoff, attempt};
use super::fault::Fault;
use super::{Listed, Shared};
use crate::error::Result;

/// A listing that goes on where it broke.
struct Listing {
    shared: Arc<Shared>,
    /// `None` before the first page and after a failure.
    objects: Option<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    after: Option<Path>,
    backoff: Backoff,
}

pub(super) fn list(shared: Arc<Shared>) -> BoxStream<'static, Result<Listed>> {
    let listing = Listing { shared, objects: None, after: None, backoff: Backoff::default() };
    let listed = stream::try_unfold(listing, |mut listing| async move {
        while let Some(object) = listing.next().await? {
            let listed = listing.shared.layout.read(&object);
            if let Some(listed) = listed.filter(Listed::is_variant) {
                return Ok(Some((listed, listing)));
            }
        }
        Ok(None)
    });
    listed.boxed()
}

impl Listing {
    async fn next(&mut self) -> Result<Option<ObjectMeta>, Fault> {
        loop {
            match self.attempt().await {
                Ok(object) => {
                    // A name that had to be blanked is no place to go on from.
                    let known = object.as_ref().filter(|object| self.shared.layout.read(object).is_some());
                    self.after = known.map(|object| object.location.clone()).or(self.after.take());
                    self.backoff = Backoff::default();
                    return Ok(object);
                }
                Err(fault) => {
                    self.objects = None;
                    let can_go_on = self.after.is_none() || self.shared.lists_in_order;
                    if !(can_go_on && matches!(fault, Fault::Failed(_)) && self.backoff.sleep().await) {
                        return Err(fault);
                    }
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Option<ObjectMeta>, Fault> {
        let shared = Arc::clone(&self.shared);
        let pass = shared.breaker.wait().await;
        let objects = self.objects.get_or_insert_with(|| match &self.after {
            Some(after) => shared.store.list_with_offset(Some(shared.layout.root()), after),
            None => shared.store.list(Some(shared.layout.root())),
        });
        let next = async {
            objects.next().await.transpose().map_err(|error| Fault::of("list", &error).unless_missing())
        };
        attempt(&shared, pass, ATTEMPT_LIMIT, next).await
    }
}
