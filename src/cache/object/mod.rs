//! Variants in an object store, where they outlive the server that made them:
//! `<prefix>/<key>/<maxAge>.<expireAt>.<etag>.<upstreamEtag>.<ext>`, the names of the disk tier.

pub mod attempts;
mod blocking;
mod breaker;
pub mod config;
mod counters;
mod fault;
pub mod http;
pub(crate) mod layout;
mod listing;
mod loading;
mod provider;
mod requests;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use lru::LruCache;
use object_store::ObjectStore;
use object_store::path::Path;

pub use blocking::Blocking;
pub use config::{StoreConfig, StoreOptions};
pub use counters::BucketStats;

use self::attempts::Pace;
use self::breaker::Breaker;
use self::counters::Counters;
use self::fault::Fault;
use self::http::Http;
use self::layout::Layout;
use self::loading::Got;
use super::Entry;
use super::file_name::FileName;
use crate::error::{Error, Result};
use crate::key::CacheKey;
use crate::log::Logger;

/// No larger object is written or read, in bytes.
pub const LARGEST_OBJECT_BYTES: u64 = 64 << 20;

/// The note that [`Bucket::warm`] asks for.
const WARM: &str = "warm";

/// Keys whose current file is remembered, so that a save knows its predecessor whatever the clocks say.
const REMEMBERED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(4_096).unwrap();

/// Keys are spread over this many locks, so that saves of one key stand in line and others don't.
const STRIPES: usize = 64;

/// A bucket, or what stands for one. Cheap to clone; every clone shares connections, circuit breaker and counters.
///
/// All calls need a tokio runtime.
#[derive(Clone)]
pub struct Bucket {
    shared: Arc<Shared>,
    pace: Pace,
}

struct Shared {
    name: String,
    store: Arc<dyn ObjectStore>,
    lists_in_order: bool,
    layout: Layout,
    breaker: Breaker,
    counters: Counters,
    logger: Logger,
    stripes: [tokio::sync::Mutex<()>; STRIPES],
    current: Mutex<LruCache<CacheKey, FileName>>,
}

/// One variant that a listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The variant's key.
    pub key: CacheKey,
    /// Everything of the entry but its body.
    pub name: FileName,
    /// Length of the body.
    pub bytes: u64,
    /// When it was written, by the store's clock, in milliseconds since the Unix epoch.
    pub modified_at_ms: u64,
}

/// What a download came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The entry, whose body is what its name says.
    Whole(Entry),
    /// The object is no longer there: a newer one took its place, or it was removed.
    Gone,
    /// The object is not what its name says; the text says why.
    Damaged(String),
}

impl Listed {
    /// Of two files of one key the greater is the newer, by the store's clock first: those of pods may be wrong.
    #[must_use]
    pub fn age_order(&self) -> (u64, u64, String) {
        (self.modified_at_ms, self.name.expires_at_ms, self.name.to_string())
    }

    /// Neither a failure that was kept, nor what can't be a body of ours.
    fn is_variant(&self) -> bool {
        self.name.fallback.is_none() && (1..=LARGEST_OBJECT_BYTES).contains(&self.bytes)
    }
}

impl Bucket {
    /// Makes no request, so it costs a server's start nothing.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`] that says what to set.
    pub fn open(config: &StoreConfig) -> Result<Self> {
        Self::open_logging(config, Logger::default())
    }

    /// [`Bucket::open`] with a log of the caller's: a line when the store stops answering, one when it answers again.
    ///
    /// # Errors
    /// [`crate::Error::InvalidOption`] that says what to set.
    pub fn open_logging(config: &StoreConfig, logger: Logger) -> Result<Self> {
        let store = config.place.open(|| Http::new(config))?;
        let in_order = config.place.lists_in_order();
        Ok(Self::with(store, in_order, config.prefix.clone(), config.name(), logger))
    }

    /// A bucket over any store that lists in the order of names; tests bring slow and failing ones.
    #[cfg(test)]
    pub(in crate::cache) fn over(store: Arc<dyn ObjectStore>, logger: Logger) -> Self {
        Self::with(store, true, Path::from("image-cache"), "a test's store", logger)
    }

    fn with(
        store: Arc<dyn ObjectStore>,
        lists_in_order: bool,
        prefix: Path,
        name: &str,
        logger: Logger,
    ) -> Self {
        let shared = Shared {
            name: name.to_owned(),
            breaker: Breaker::new(name.to_owned(), logger.clone()),
            counters: Counters::default(),
            logger,
            store,
            lists_in_order,
            layout: Layout::new(prefix),
            stripes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            current: Mutex::new(LruCache::new(REMEMBERED)),
        };
        Self { shared: Arc::new(shared), pace: Pace::Request }
    }

    /// The same bucket for work that nobody waits for: its loads have the time and the retries that saves have, and
    /// wait for a store that is left alone.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), pace: Pace::Background }
    }

    /// Whether a load would be tried now. While it would not, loads answer `None` at once.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.shared.breaker.is_passable()
    }

    /// Has the store asked again at once where it is left alone. For whoever has no time to wait until it is tried again:
    /// at the end of a process the pause may be longer than what is left.
    pub fn hurry(&self) {
        self.shared.breaker.hurry();
    }

    /// The newest sound entry of this key; asks within the time and retries of one request (500 ms at most). A store
    /// that failed several times in a row is not asked for a while: then there is none.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn load(&self, key: &CacheKey) -> Result<Option<Entry>> {
        or_none(self.run(|| self.find(key)).await)
    }

    /// The same where the name is known, which takes one round trip. `None` when it is no longer there or damaged.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn load_named(&self, key: &CacheKey, name: &FileName) -> Result<Option<Entry>> {
        if name.fallback.is_some() {
            return Ok(None);
        }
        or_none(match self.run(|| self.get(key, name, None)).await {
            Ok(Got::Sound(entry)) => Ok(Some(entry)),
            Ok(Got::Nothing) => Ok(None),
            Ok(Got::Damaged) => {
                self.check_damage(key, name);
                Ok(None)
            }
            Err(fault) => Err(fault),
        })
    }

    /// The entry of a name that a listing or the manifest gave, whose body has `bytes` bytes. For work in the
    /// background: waits and retries longer. A body of another length is [`Fetched::Damaged`], and is not taken.
    ///
    /// # Errors
    /// [`crate::Error::Store`] when the store could not be asked.
    pub async fn fetch(&self, key: &CacheKey, name: &FileName, bytes: u64) -> Result<Fetched> {
        let (path, counters) = (self.shared.layout.file(key, name), &self.shared.counters);
        counters.gets.add(1);
        let body = match self.patient().run(|| self.shared.read(&path, Some(bytes))).await {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(Fetched::Gone),
            Err(Fault::Unusable(why)) => {
                counters.damaged.add(1);
                return Ok(Fetched::Damaged(why));
            }
            Err(fault) => return Err(fault.into()),
        };
        if !name.fits(&body) {
            counters.damaged.add(1);
            return Ok(Fetched::Damaged("its body is not what its name says".to_owned()));
        }
        counters.hits.add(1);
        self.shared.remember(key, name.clone());
        Ok(Fetched::Whole(name.clone().with_body(body)))
    }

    /// Writes the entry, then removes its predecessors. For work in the background: waits and retries longer. An entry
    /// that could not be optimized is no work to keep: nothing is written.
    ///
    /// # Errors
    /// [`crate::Error::Store`]; a predecessor that can't be removed is none, for the newest file counts.
    pub async fn save(&self, key: &CacheKey, entry: &Entry) -> Result<()> {
        if entry.fallback.is_some() {
            return Ok(());
        }
        let name = FileName::of(entry)?;
        let bytes = entry.body.len() as u64;
        if bytes == 0 || bytes > LARGEST_OBJECT_BYTES {
            return Err(Error::Store(format!("an object of {bytes} bytes is not kept")));
        }
        let patient = self.patient();
        let _stripe = self.shared.stripe(key).lock().await;
        let path = self.shared.layout.file(key, &name);
        patient.run(|| self.shared.put(&path, entry.body.clone())).await?;
        let before = self.shared.remember(key, name.clone());
        // Listed after the write: of two pods that write at once, the one that lists last sees both files, and both pods
        // find the same one to be the newest. What this process knows to have come before is older, whatever a clock
        // that counts in seconds says.
        let Ok(mut files) = patient.run(|| self.shared.files_of(key)).await else { return Ok(()) };
        let before = before.filter(|before| *before != name);
        let newest = files
            .iter()
            .filter(|file| Some(&file.name) != before.as_ref())
            .max_by_key(|file| file.age_order());
        let Some(newest) = newest.map(|file| file.name.clone()) else { return Ok(()) };
        files.retain(|file| file.name != newest);
        for file in files {
            let path = self.shared.layout.file(key, &file.name);
            let _ = patient.run(|| self.shared.delete(&path)).await;
        }
        self.shared.remember(key, newest);
        Ok(())
    }

    /// Removes all files of this key.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn remove(&self, key: &CacheKey) -> Result<()> {
        let patient = self.patient();
        let _stripe = self.shared.stripe(key).lock().await;
        self.shared.forget(key);
        for file in patient.run(|| self.shared.files_of(key)).await? {
            let path = self.shared.layout.file(key, &file.name);
            patient.run(|| self.shared.delete(&path)).await?;
        }
        Ok(())
    }

    /// All variants in no order, page by page; objects that are none are left out. A key may come twice. A page that
    /// fails is asked for again, as patiently as work in the background is.
    #[must_use]
    pub fn list(&self) -> BoxStream<'static, Result<Listed>> {
        listing::list(Arc::clone(&self.shared))
    }

    /// An object beside the variants, such as the manifest: `<prefix>/.unsharp/<name>`. `None` when there is none.
    /// For work in the background. One over [`LARGEST_OBJECT_BYTES`] is an error, and is not read.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn read_note(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.shared.layout.note(name);
        Ok(self.patient().run(|| self.shared.read(&path, None)).await?)
    }

    /// Writes such an object.
    ///
    /// # Errors
    /// [`crate::Error::Store`].
    pub async fn write_note(&self, name: &str, body: Bytes) -> Result<()> {
        let path = self.shared.layout.note(name);
        Ok(self.patient().run(|| self.shared.put(&path, body.clone())).await?)
    }

    /// Asks once for something that is not there, so that the first request of a client finds the connection and the
    /// credentials ready. Takes as long as it takes: to be spawned at the start.
    pub async fn warm(&self) {
        let path = self.shared.layout.note(WARM);
        // What is wrong with the store, the breaker tells.
        let _ = self.patient().run(|| self.shared.read(&path, None)).await;
    }

    /// What was done so far, by all clones together.
    #[must_use]
    pub fn stats(&self) -> BucketStats {
        self.shared.counters.snapshot(self.shared.breaker.opened(), self.is_available())
    }

    /// Scheme, bucket and prefix, for the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    async fn run<T, F: Future<Output = Result<T, Fault>>>(&self, work: impl Fn() -> F) -> Result<T, Fault> {
        attempts::run(&self.shared, self.pace, work).await
    }
}

impl Shared {
    fn stripe(&self, key: &CacheKey) -> &tokio::sync::Mutex<()> {
        let sum = key.as_str().bytes().fold(0_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
        &self.stripes[sum % STRIPES]
    }

    /// Notes the current file of a key; gives back the one before.
    fn remember(&self, key: &CacheKey, name: FileName) -> Option<FileName> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).put(key.clone(), name)
    }

    fn remembers(&self, key: &CacheKey) -> bool {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    fn forget(&self, key: &CacheKey) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).pop(key);
    }
}

/// A store that is left alone has nothing.
fn or_none(found: Result<Option<Entry>, Fault>) -> Result<Option<Entry>> {
    match found {
        Err(Fault::LeftAlone) => Ok(None),
        found => Ok(found?),
    }
}

#[cfg(test)]
mod tests;
