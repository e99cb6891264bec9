//! One file for each kind of store: its settings, and how it is opened.

mod azure;
mod gs;
mod local;
mod s3;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::{BackoffConfig, ObjectStore, RetryConfig};

pub(super) use self::azure::Azure;
pub(super) use self::gs::Gs;
pub(super) use self::local::Local;
pub(super) use self::s3::S3;
use super::http::Http;
use crate::error::Result;

/// A store with all that is needed to open it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Local(Local),
    S3(S3),
    Gs(Gs),
    Azure(Azure),
}

impl Place {
    /// Makes no request. `http` is called only for stores that need a client.
    pub(super) fn open(&self, http: impl FnOnce() -> Result<Http>) -> Result<Arc<dyn ObjectStore>> {
        match self {
            Self::Local(local) => local.open(),
            Self::S3(s3) => s3.open(http()?),
            Self::Gs(gs) => gs.open(http()?),
            Self::Azure(azure) => azure.open(http()?),
        }
    }

    /// Whether listings come in the order of names, so that one that broke can go on where it was.
    pub(super) fn lists_in_order(&self) -> bool {
        !matches!(self, Self::Local(_))
    }
}

/// Scheme and bucket.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(Local::Memory { name }) => write!(f, "memory:{name}"),
            Self::Local(Local::Folder(path)) => write!(f, "file://{}", path.display()),
            Self::S3(s3) => write!(f, "s3://{}", s3.bucket),
            Self::Gs(gs) => write!(f, "gs://{}", gs.bucket),
            Self::Azure(azure) => write!(f, "az://{}", azure.container),
        }
    }
}

/// One quick retry inside of every attempt, for connections that a server had just closed and for passing 5xx; the
/// bucket's own attempts come on top. The crate's default would try for three minutes.
fn quick_retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(25),
        max_backoff: Duration::from_millis(100),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 1, retry_timeout: Duration::from_millis(250) }
}
