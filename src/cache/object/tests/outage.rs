//! A store that does not answer, refuses, or comes back. The clock is paused: no test waits.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, advance, sleep, timeout};

use super::super::*;
use super::attempts::{ATTEMPTS, REQUEST_BUDGET};
use super::breaker::{FAILURES_TO_OPEN, FIRST_PAUSE, LONGEST_PAUSE};
use super::*;
use crate::cache::conformance::key;

/// What the store does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Takes the request and says nothing.
    Silent,
    /// Takes longer than a client waits, as a first connection may.
    Slow,
    /// Answers that something inside is broken.
    Broken,
    Denies,
    /// Is well again after one listing that names nothing.
    Blind,
}

/// Memory behind a store that has moods.
#[derive(Debug)]
struct Moody {
    inner: InMemory,
    mood: Mutex<Mood>,
    asked: AtomicU32,
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("moody")
    }
}

impl Moody {
    fn be(&self, mood: Mood) {
        *self.mood.lock().expect("unpoisoned") = mood;
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    async fn admit(&self) -> object_store::Result<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock().expect("unpoisoned");
        match mood {
            Mood::Well | Mood::Blind => Ok(()),
            Mood::Silent => std::future::pending().await,
            Mood::Slow => {
                sleep(REQUEST_BUDGET * 5).await;
                Ok(())
            }
            Mood::Broken => Err(object_store::Error::Generic { store: "moody", source: "broken".into() }),
            Mood::Denies => {
                Err(object_store::Error::PermissionDenied { path: "x".into(), source: "denied".into() })
            }
        }
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.admit().await?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.admit().await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let mood = *self.mood.lock().expect("unpoisoned");
        if mood == Mood::Blind {
            self.be(Mood::Well);
            return futures_util::stream::empty().boxed();
        }
        if mood == Mood::Broken {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let error = object_store::Error::Generic { store: "moody", source: "broken".into() };
            return futures_util::stream::iter([Err(error)]).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Scene {
    store: Arc<Moody>,
    bucket: Bucket,
    log: Log,
    name: FileName,
}

/// A bucket that holds `key(1)`, whose store is then of this mood.
async fn scene(mood: Mood) -> Scene {
    let scene = fresh_scene(Mood::Well);
    scene.bucket.save(&key(1), &made(b"body", 1_000)).await.expect("save");
    scene.store.be(mood);
    scene.store.asked.store(0, Ordering::Relaxed);
    scene
}

/// An empty bucket that has asked nothing yet.
fn fresh_scene(mood: Mood) -> Scene {
    let store = Arc::new(Moody { inner: InMemory::new(), mood: Mutex::new(mood), asked: AtomicU32::new(0) });
    let log = Log::default();
    let logger = Logger::new(Some(Level::Debug), Arc::new(log.clone()));
    let bucket = Bucket::over(Arc::clone(&store) as Arc<dyn ObjectStore>, logger);
    let name = FileName::of(&made(b"body", 1_000)).expect("a name");
    Scene { store, bucket, log, name }
}

impl Scene {
    async fn load(&self) -> Result<Option<Entry>> {
        self.bucket.load_named(&key(1), &self.name).await
    }

    /// Fails as often as it takes.
    async fn open_the_breaker(&self) {
        for _ in 0..FAILURES_TO_OPEN {
            assert!(matches!(self.load().await, Err(Error::Store(_))));
        }
        assert!(!self.bucket.is_available());
    }
}

/// As a folder does when the file is replaced while it is read.
#[tokio::test(start_paused = true)]
async fn a_listing_that_misses_what_was_saved_is_not_believed_at_once() {
    let scene = scene(Mood::Blind).await;
    assert_eq!(scene.bucket.load(&key(1)).await, Ok(Some(made(b"body", 1_000))));
    scene.store.be(Mood::Blind);
    assert_eq!(scene.bucket.load(&key(2)).await, Ok(None), "of what is not known one listing is enough");
    assert_eq!(*scene.store.mood.lock().expect("unpoisoned"), Mood::Well);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_to_wait_has_the_store_tried_at_once() {
    let scene = scene(Mood::Broken).await;
    scene.open_the_breaker().await;
    scene.store.be(Mood::Well);
    let start = Instant::now();
    scene.bucket.hurry();
    scene.bucket.save(&key(2), &made(b"late", 2_000)).await.expect("save");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(scene.bucket.is_available());
    scene.bucket.hurry();
    assert!(scene.bucket.is_available(), "one that answers is not touched");

    scene.store.be(Mood::Broken);
    scene.open_the_breaker().await;
    scene.bucket.hurry();
    assert!(matches!(scene.load().await, Err(Error::Store(_))), "one probe");
    assert!(!scene.bucket.is_available(), "which has failed");
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_costs_a_request_its_budget_and_later_ones_nothing() {
    let scene = scene(Mood::Silent).await;
    for _ in 0..FAILURES_TO_OPEN {
        let start = Instant::now();
        assert!(matches!(scene.load().await, Err(Error::Store(_))));
        // The timer has milliseconds.
        assert!(start.elapsed() <= REQUEST_BUDGET + Duration::from_millis(1));
    }
    let start = Instant::now();
    assert_eq!(scene.load().await, Ok(None), "a miss, not an error for every request");
    assert_eq!(scene.bucket.load(&key(1)).await, Ok(None));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(scene.store.asked(), FAILURES_TO_OPEN, "the store is left alone");
    assert_eq!(scene.bucket.stats().left_alone, 2);
    assert_eq!(scene.log.events(), ["store_unavailable"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_is_probed_once_and_used_again() {
    for mood in [Mood::Broken, Mood::Denies] {
        let scene = scene(mood).await;
        scene.open_the_breaker().await;
        advance(FIRST_PAUSE.mul_f64(1.2) + Duration::from_millis(1)).await;
        scene.store.be(Mood::Silent);
        let (probe, second) = tokio::join!(scene.load(), scene.load());
        assert!(probe.is_err());
        assert_eq!(second, Ok(None), "one probe at a time");
        assert_eq!(scene.store.asked(), FAILURES_TO_OPEN + 1);

        scene.store.be(Mood::Well);
        assert_eq!(scene.load().await, Ok(None), "the pause after a failed probe has begun");
        advance(FIRST_PAUSE.mul_f64(2.4) + Duration::from_millis(1)).await;
        assert!(scene.load().await.expect("load").is_some());
        assert!(scene.bucket.is_available());
        assert_eq!(scene.log.events(), ["store_unavailable", "store_available"], "a line for each change");
        assert_eq!(scene.bucket.stats().outages, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_a_minute() {
    let scene = scene(Mood::Broken).await;
    scene.open_the_breaker().await;
    let mut pause = FIRST_PAUSE;
    for _ in 0..8 {
        advance(pause.mul_f64(0.79)).await;
        assert_eq!(scene.load().await, Ok(None), "left alone for {pause:?}");
        advance(pause.mul_f64(0.42)).await;
        assert!(scene.load().await.is_err(), "probed after {pause:?}");
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_not_in_a_row_open_nothing() {
    let scene = scene(Mood::Well).await;
    for _ in 0..10 {
        scene.store.be(Mood::Broken);
        for _ in 1..FAILURES_TO_OPEN {
            assert!(scene.load().await.is_err());
        }
        scene.store.be(Mood::Well);
        assert!(scene.load().await.expect("load").is_some());
    }
    assert_eq!(scene.log.events(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_makes_room_for_the_next() {
    let scene = scene(Mood::Broken).await;
    scene.open_the_breaker().await;
    advance(FIRST_PAUSE.mul_f64(1.2) + Duration::from_millis(1)).await;
    scene.store.be(Mood::Silent);
    assert!(timeout(Duration::from_millis(10), scene.load()).await.is_err(), "the client went away");
    scene.store.be(Mood::Well);
    assert!(scene.load().await.expect("load").is_some());
}

#[tokio::test(start_paused = true)]
async fn work_in_the_background_waits_for_the_store() {
    let scene = scene(Mood::Broken).await;
    scene.open_the_breaker().await;
    let bucket = scene.bucket.clone();
    let saved = tokio::spawn(async move { bucket.save(&key(2), &made(b"pushed", 1_000)).await });
    advance(Duration::from_secs(1)).await;
    assert_eq!(scene.store.asked(), FAILURES_TO_OPEN, "nothing is tried meanwhile");
    scene.store.be(Mood::Well);
    saved.await.expect("no panic").expect("saved once the store is back");
    assert_eq!(scene.bucket.load(&key(2)).await.expect("load"), Some(made(b"pushed", 1_000)));
}

#[tokio::test(start_paused = true)]
async fn work_in_the_background_tries_again_and_gives_up_in_the_end() {
    let scene = scene(Mood::Broken).await;
    let saved = scene.bucket.save(&key(2), &made(b"pushed", 1_000)).await;
    assert!(matches!(saved, Err(Error::Store(_))));
    assert_eq!(scene.store.asked(), ATTEMPTS);
    scene.store.asked.store(0, Ordering::Relaxed);
    assert!(scene.bucket.list().try_collect::<Vec<_>>().await.is_err());
    assert_eq!(scene.store.asked(), ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_answer_ends_what_impatient_clients_began() {
    let scene = fresh_scene(Mood::Slow);
    let bucket = scene.bucket.clone();
    let warming = tokio::spawn(async move { bucket.warm().await });
    scene.open_the_breaker().await;
    scene.store.be(Mood::Well);
    warming.await.expect("no panic");
    assert!(scene.bucket.is_available());
    assert_eq!(scene.load().await, Ok(None), "and the next client is served");
    assert_eq!(scene.store.asked(), FAILURES_TO_OPEN + 2);
}
