use super::*;
use crate::cache::conformance::{entry, key};
use crate::cache::object::StoreOptions;

fn open(dir: PathBuf, limit_bytes: Option<u64>, memory_bytes: u64, store: Option<String>) -> Tiers {
    let options = StoreOptions { store, ..StoreOptions::default() };
    let store = StoreConfig::resolve(options, &|_| None).expect("a store");
    let logger = Logger::new(None, Arc::new(Nothing));
    Tiers::open(TiersOptions { dir, limit_bytes, memory_bytes, store, logger }).expect("opened")
}

/// Takes no records.
struct Nothing;

impl crate::log::Sink for Nothing {
    fn write(&self, _: crate::log::Record) {}
}

fn tiers(memory_bytes: u64) -> (tempfile::TempDir, Tiers) {
    let folder = tempfile::tempdir().expect("a folder");
    let tiers = open(folder.path().join("images"), None, memory_bytes, None);
    (folder, tiers)
}

fn until(expires_at_ms: u64, body: &[u8]) -> Arc<Entry> {
    Arc::new(Entry { expires_at_ms, ..entry(body) })
}

#[tokio::test]
async fn what_is_saved_is_hot_while_it_is_fresh_and_found_when_it_is_stale() {
    let (_folder, tiers) = tiers(1 << 20);
    tiers.save(&key(1), until(1_000, b"one")).await.expect("saved");
    assert_eq!(tiers.hot(&key(1), 1_000), Some(until(1_000, b"one")));
    assert_eq!(tiers.hot(&key(1), 1_001), None);
    assert_eq!(tiers.load(&key(1), 1_001).await.entry, Some(until(1_000, b"one")));
    assert!(tiers.load(&key(2), 0).await.entry.is_none());
}

#[tokio::test]
async fn an_entry_outlives_the_process_that_made_it() {
    let (folder, tiers) = tiers(0);
    tiers.save(&key(1), until(1_000, b"one")).await.expect("saved");
    assert_eq!(tiers.stats(), TiersStats { disk_entries: 1, disk_bytes: 3, ..TiersStats::default() });
    let next = open(folder.path().join("images"), None, 1 << 20, None);
    assert_eq!(next.load(&key(1), 0).await.entry, Some(until(1_000, b"one")));
    assert!(next.hot(&key(1), 0).is_some(), "a look brings it into memory");
}

#[tokio::test]
async fn a_stale_entry_in_memory_gives_way_to_a_newer_one_on_disk() {
    let (folder, tiers) = tiers(1 << 20);
    tiers.save(&key(1), until(1_000, b"old")).await.expect("saved");
    let other = open(folder.path().join("images"), None, 0, None);
    other.save(&key(1), until(9_000, b"new")).await.expect("saved");
    assert_eq!(tiers.load(&key(1), 500).await.entry, Some(until(1_000, b"old")), "fresh: nobody looks");
    assert_eq!(tiers.load(&key(1), 2_000).await.entry, Some(until(9_000, b"new")));
}

#[tokio::test]
async fn a_disk_that_fails_leaves_what_memory_has_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("images");
    std::fs::write(&file, b"not a folder").expect("written");
    let tiers = open(file, Some(1 << 20), 1 << 20, None);
    assert!(matches!(tiers.save(&key(1), until(1_000, b"one")).await, Err(Error::Store(_))));
    let loaded = tiers.load(&key(1), 2_000).await;
    assert_eq!(loaded.entry, Some(until(1_000, b"one")));
    assert!(matches!(loaded.failure, Some(Error::Store(_))));
}

/// A bucket in a folder, and servers before it.
struct Fleet {
    folder: tempfile::TempDir,
}

/// As good as for ever: no test waits for it.
const LONG: Duration = Duration::from_secs(600);

impl Fleet {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    /// A server with a disk of its own.
    fn server(&self, name: &str) -> Tiers {
        let store = format!("file://{}", self.bucket().display());
        open(self.folder.path().join(name), None, 1 << 20, Some(store))
    }

    /// The files of the bucket that hold variants.
    fn files(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.bucket()).expect("a bucket").flatten();
        let keys = folders.filter(|folder| !folder.file_name().to_string_lossy().starts_with('.'));
        keys.flat_map(|key| std::fs::read_dir(key.path()).expect("a key").flatten())
            .map(|file| file.path())
            .collect()
    }
}

#[tokio::test]
async fn what_one_server_makes_another_finds_and_keeps() {
    let fleet = Fleet::new();
    let first = fleet.server("first");
    first.save(&key(1), until(1_000, b"one")).await.expect("saved");
    assert!(first.flush(LONG).await);

    let second = fleet.server("second");
    assert_eq!(second.load_local(&key(1), 0).await.entry, None);
    assert_eq!(second.load(&key(1), 0).await.entry, Some(until(1_000, b"one")));
    assert_eq!(second.hot(&key(1), 0), Some(until(1_000, b"one")), "it is in memory at once");
    second.settle().await;
    assert!(fleet.folder.path().join("second").join(key(1).as_str()).exists(), "and then on disk");
    let stats = second.stats().remote;
    assert_eq!((stats.hits, stats.misses, stats.errors, stats.pushes), (1, 0, 0, 0));
}

#[tokio::test]
async fn a_stale_entry_of_the_bucket_is_an_answer_and_is_no_refresh() {
    let fleet = Fleet::new();
    let first = fleet.server("first");
    first.save(&key(1), until(1_000, b"old")).await.expect("saved");
    first.flush(LONG).await;

    let second = fleet.server("second");
    assert_eq!(second.load(&key(1), 2_000).await.entry, Some(until(1_000, b"old")));
    assert_eq!(second.load_newer(&key(1), 2_000).await, None);
    assert_eq!(second.stats().remote.hits + second.stats().remote.misses, 1, "the bucket was asked once");
}

#[tokio::test]
async fn a_refresh_finds_what_another_server_made_anew() {
    let fleet = Fleet::new();
    let (first, second) = (fleet.server("first"), fleet.server("second"));
    for server in [&first, &second] {
        server.save_local(&key(1), until(1_000, b"old")).await.expect("saved");
    }
    first.save(&key(1), until(9_000, b"new")).await.expect("saved");
    first.flush(LONG).await;

    assert_eq!(second.load(&key(1), 2_000).await.entry, Some(until(1_000, b"old")), "answered at once");
    assert_eq!(second.load_newer(&key(1), 2_000).await, Some(until(9_000, b"new")));
    assert_eq!(second.hot(&key(1), 2_000), Some(until(9_000, b"new")));
}

#[tokio::test]
async fn many_requests_for_one_key_look_once() {
    let fleet = Fleet::new();
    let first = fleet.server("first");
    first.save(&key(1), until(1_000, b"one")).await.expect("saved");
    first.flush(LONG).await;

    let second = Arc::new(fleet.server("second"));
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let second = Arc::clone(&second);
            tokio::spawn(async move { second.load(&key(1), 0).await.entry })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), Some(until(1_000, b"one")));
    }
    assert_eq!(second.stats().remote.hits, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_looked_for_again_after_ten_seconds() {
    let fleet = Fleet::new();
    let (first, second) = (fleet.server("first"), fleet.server("second"));
    assert_eq!(second.load(&key(1), 0).await.entry, None);
    assert_eq!(second.load(&key(1), 0).await.entry, None);
    assert_eq!(second.stats().remote.misses, 1, "the second request did not ask");

    first.save(&key(1), until(1_000, b"one")).await.expect("saved");
    first.flush(LONG).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(second.load(&key(1), 0).await.entry, Some(until(1_000, b"one")));
}

#[tokio::test]
async fn what_others_have_no_use_for_stays_here() {
    let fleet = Fleet::new();
    let server = fleet.server("first");
    server.save_local(&key(1), until(1_000, b"after a failed refresh")).await.expect("saved");
    let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..(*until(1_000, b"failed")).clone() };
    server.save(&key(2), Arc::new(failed)).await.expect("saved");
    let passed = Entry { upstream_etag: "made-_1".into(), ..(*until(1_000, b"<svg/>")).clone() };
    server.save(&key(3), Arc::new(passed)).await.expect("saved");
    assert!(server.flush(LONG).await);
    let files = fleet.files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].to_string_lossy().contains(key(3).as_str()), "what is passed through by rule is pushed");
}

#[tokio::test]
async fn a_damaged_object_is_a_miss_and_the_next_push_replaces_it() {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use sha2::{Digest, Sha256};
    let etag = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(b"whole"));
    let whole = Arc::new(Entry { etag, ..(*until(1_000, b"whole")).clone() });

    let fleet = Fleet::new();
    let first = fleet.server("first");
    first.save(&key(1), Arc::clone(&whole)).await.expect("saved");
    first.flush(LONG).await;
    std::fs::write(&fleet.files()[0], b"who").expect("damaged");

    let second = fleet.server("second");
    assert_eq!(second.load(&key(1), 0).await.entry, None);
    second.save(&key(1), Arc::clone(&whole)).await.expect("saved");
    assert!(second.flush(LONG).await);
    assert_eq!(fleet.server("third").load(&key(1), 0).await.entry, Some(whole));
}

#[tokio::test]
async fn a_bucket_that_fails_costs_no_request_its_answer() {
    let fleet = Fleet::new();
    let server = fleet.server("first");
    // Whatever is asked of it now ends in an error.
    std::fs::remove_dir_all(fleet.bucket()).expect("removed");
    std::fs::write(fleet.bucket(), b"not a folder").expect("written");
    for n in 1..=9 {
        assert_eq!(server.load(&key(n), 0).await.entry, None);
    }
    // What goes on in the background fails as well and counts.
    let errors = server.stats().remote.errors;
    assert!((1..=3).contains(&errors), "{errors}: after three failures in a row it is left alone");
    server.save(&key(1), until(1_000, b"one")).await.expect("the disk has it");
    assert!(!server.flush(Duration::ZERO).await, "and the bucket has not");
    assert_eq!(server.load(&key(1), 0).await.entry, Some(until(1_000, b"one")));
}
