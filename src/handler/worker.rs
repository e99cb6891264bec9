//! The handler as what makes variants for the fleet.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::make::Purpose;
use super::{Asked, Handler, LocalSource, now_ms};
use crate::cache::Entry;
use crate::coordinate::{Job, Urgency, Worker};
use crate::error::Result;
use crate::key::CacheKey;
use crate::request::{self, ImageRequest};

/// How long a result waits for the bucket. After that the replicas that look for it there make it themselves.
const SHARED_WITHIN: Duration = Duration::from_secs(2);

/// Makes the variants that the fleet gives this process to make.
pub struct Maker {
    handler: Arc<Handler>,
    source: LocalSource,
    allows_any_source: bool,
}

impl Maker {
    /// Relative urls are fetched from `source`. With `allows_any_source` the patterns of the config do not bind jobs;
    /// the guard against private addresses always does.
    #[must_use]
    pub fn new(handler: Arc<Handler>, source: LocalSource, allows_any_source: bool) -> Self {
        Self { handler, source, allows_any_source }
    }

    /// Another replica may have a wider config than this one.
    fn check(&self, asked: &ImageRequest) -> Result<()> {
        if self.allows_any_source {
            Ok(())
        } else {
            request::source(&asked.href, &self.handler.config).map(drop)
        }
    }
}

impl Worker for Maker {
    fn make<'a>(&'a self, job: &'a Job, _attempt: u32) -> BoxFuture<'a, Result<Arc<Entry>>> {
        async move {
            let (handler, request) = (&self.handler, &job.request);
            self.check(request)?;
            let asked = Asked::from(job);
            let made = match job.urgency {
                Urgency::Client => {
                    let made = handler.make(&asked, &self.source, Purpose::Client).await;
                    made.inspect_err(|error| handler.report_failed(request, error))
                }
                Urgency::Background => match handler.load(&job.key).await {
                    Some(old) => return handler.revalidate(&asked, &self.source, old).await,
                    None => handler.make_behind(&asked, &self.source).await,
                },
            };
            if let (Ok(_), Some(cache)) = (&made, &handler.cache) {
                cache.shared(&job.key, SHARED_WITHIN).await;
            }
            made
        }
        .boxed()
    }

    fn lookup<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<Arc<Entry>>> {
        async move { self.handler.load_again(key).await.filter(|entry| !entry.is_stale(now_ms())) }.boxed()
    }
}
