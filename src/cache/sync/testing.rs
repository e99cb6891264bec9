//! What the tests of restore, push and watch share: a store that can be held up and broken, and a scene around it.

use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::{Index, PushOptions, Pusher};
use crate::cache::conformance;
use crate::cache::file_name::FileName;
use crate::cache::filesystem::Filesystem;
use crate::cache::object::Bucket;
use crate::cache::{Entry, VariantStore};
use crate::key::CacheKey;
use crate::log::{Level, Logger, Record, Sink};

/// A key, another for each `n`.
pub(super) fn key(n: usize) -> CacheKey {
    CacheKey::new(&format!("/{n}.jpg"), 640, 75, "image/webp")
}

/// An entry whose etag is the hash of its body, as all that are made have.
pub(super) fn made(body: &[u8], expires_at_ms: u64) -> Entry {
    let etag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body));
    Entry { etag, expires_at_ms, ..conformance::entry(body) }
}

/// The same for each `n`, 100 bytes long.
pub(super) fn variant(n: usize) -> Entry {
    made(format!("{n:0>100}").as_bytes(), 1_000_000)
}

pub(super) fn name(entry: &Entry) -> FileName {
    FileName::of(entry).expect("a name")
}

/// Memory that counts who asks, holds them up, or breaks.
#[derive(Debug)]
pub(super) struct Staged {
    inner: InMemory,
    /// How many more GETs and PUTs of variants are let through; notes always are.
    pub(super) gate: Semaphore,
    pub(super) is_broken: AtomicBool,
    pub(super) gets: AtomicUsize,
    pub(super) puts: AtomicUsize,
    running: AtomicUsize,
    pub(super) most_running: AtomicUsize,
}

impl Staged {
    async fn enter(&self, path: &Path, count: &AtomicUsize) -> object_store::Result<Running<'_>> {
        if !path.as_ref().contains(".unsharp") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let entered = Running(self);
        // Lets the others come in before this one goes.
        tokio::task::yield_now().await;
        if !path.as_ref().contains(".unsharp") {
            self.gate.acquire().await.expect("nobody closes it").forget();
        }
        self.check()?;
        Ok(entered)
    }

    fn check(&self) -> object_store::Result<()> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "staged", source: "broken".into() });
        }
        Ok(())
    }
}

struct Running<'a>(&'a Staged);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("staged")
    }
}

#[async_trait]
impl ObjectStore for Staged {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let _running = self.enter(location, &self.puts).await?;
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
        let _running = self.enter(location, &self.gets).await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Record>>>);

impl Sink for Log {
    fn write(&self, record: Record) {
        self.0.lock().expect("no test panics with it").push(record);
    }
}

impl Log {
    pub(super) fn events(&self) -> Vec<&'static str> {
        self.0.lock().expect("no test panics with it").iter().map(|record| record.event).collect()
    }
}

/// A bucket, and a pod beside it with an empty folder.
pub(super) struct Scene {
    pub(super) store: Arc<Staged>,
    pub(super) bucket: Bucket,
    pub(super) disk: Arc<Filesystem>,
    pub(super) log: Log,
    pub(super) logger: Logger,
    pub(super) folder: TempDir,
}

impl Scene {
    pub(super) fn new() -> Self {
        let store = Arc::new(Staged {
            inner: InMemory::new(),
            gate: Semaphore::new(1 << 20),
            is_broken: AtomicBool::new(false),
            gets: AtomicUsize::new(0),
            puts: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        });
        let log = Log::default();
        let logger = Logger::new(Some(Level::Debug), Arc::new(log.clone()));
        let bucket = Bucket::over(Arc::clone(&store) as Arc<dyn ObjectStore>, logger.clone());
        let folder = TempDir::new().expect("a folder");
        let disk = Arc::new(Filesystem::open(folder.path().join("cache/images"), Some(u64::MAX)));
        Self { store, bucket, disk, log, logger, folder }
    }

    /// Another pod on the same bucket, with an empty folder of its own and another one's knowledge of the bucket.
    pub(super) fn another_pod(&self) -> Self {
        let folder = TempDir::new().expect("a folder");
        let disk = Arc::new(Filesystem::open(folder.path().join("cache/images"), Some(u64::MAX)));
        let bucket = Bucket::over(Arc::clone(&self.store) as Arc<dyn ObjectStore>, self.logger.clone());
        let (store, log, logger) = (Arc::clone(&self.store), self.log.clone(), self.logger.clone());
        Self { store, bucket, disk, log, logger, folder }
    }

    /// A scene whose bucket holds [`variant`]s, and whose counters stand at zero.
    pub(super) async fn with_variants(count: usize) -> Self {
        let scene = Self::new();
        for n in 0..count {
            scene.put(&key(n), &variant(n)).await;
        }
        scene
    }

    /// An object as another pod writes it, without removing what was there.
    pub(super) async fn put(&self, key: &CacheKey, entry: &Entry) {
        self.put_object(&format!("{key}/{}", name(entry)), &entry.body).await;
    }

    pub(super) async fn put_object(&self, path: &str, body: &[u8]) {
        let path = Path::from(format!("image-cache/{path}"));
        self.store.inner.put(&path, body.to_vec().into()).await.expect("put");
    }

    /// Names of the bucket's variants, `<key>/<file>`, sorted.
    pub(super) async fn objects(&self) -> Vec<String> {
        let prefix = Path::from("image-cache");
        let objects: Vec<_> = self.store.inner.list(Some(&prefix)).try_collect().await.expect("a listing");
        let paths = objects.iter().map(|object| object.location.as_ref()["image-cache/".len()..].to_owned());
        let mut names: Vec<String> = paths.filter(|path| !path.starts_with(".unsharp")).collect();
        names.sort();
        names
    }

    /// What the folder answers.
    pub(super) fn local(&self, n: usize) -> Option<Entry> {
        self.disk.load(&key(n)).expect("the folder can be read")
    }

    /// A file as Next writes it: the key's folder anew, then the file in place.
    pub(super) fn write_as_next(&self, key: &CacheKey, entry: &Entry) {
        let folder = self.disk.dir().join(key.as_str());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name(entry).to_string()), &entry.body).expect("a file");
    }

    /// Names of a key's files in the folder.
    pub(super) fn files(&self, n: usize) -> Vec<String> {
        let folder = fs::read_dir(self.disk.dir().join(key(n).as_str())).into_iter().flatten();
        let mut names: Vec<String> =
            folder.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    /// Everything in the folder is a whole file of a key, or lies where no reader looks.
    pub(super) fn assert_sound(&self) {
        for item in fs::read_dir(self.disk.dir()).into_iter().flatten().flatten() {
            let text = item.file_name().into_string().expect("UTF-8");
            if text == ".unsharp-tmp" {
                continue;
            }
            let key = CacheKey::parse(&text).expect("a key's folder");
            for file in fs::read_dir(item.path()).expect("a folder").flatten() {
                let name = FileName::parse(file.file_name().to_str().expect("UTF-8")).expect("a whole name");
                let found = self.disk.read_named(&key, &name).expect("it can be read");
                assert!(found.is_some(), "{key}/{name} is not whole");
            }
        }
    }

    pub(super) fn pusher(&self, options: PushOptions) -> Arc<Pusher> {
        let (bucket, disk) = (self.bucket.clone(), Arc::clone(&self.disk));
        Arc::new(Pusher::start(bucket, disk, Arc::new(Index::default()), options, self.logger.clone()))
    }

    pub(super) fn count(&self, counter: impl Fn(&Staged) -> &AtomicUsize) -> usize {
        counter(&self.store).load(Ordering::SeqCst)
    }
}
