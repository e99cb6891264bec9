use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::cache::conformance::{self, entry, key};

const ROOMY: Option<u64> = Some(1 << 20);

fn scanned(dir: &Path, limit_bytes: Option<u64>) -> Filesystem {
    let store = Filesystem::open(dir, limit_bytes);
    store.wait_for_scan();
    store
}

fn sized(len: usize, expires_at_ms: u64) -> Entry {
    Entry { expires_at_ms, ..entry(&vec![b'x'; len]) }
}

/// Writes a file into a key's folder as another process would.
fn put(dir: &Path, n: u8, name: &str, body: &[u8]) {
    let folder = dir.join(key(n).as_str());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), body).unwrap();
}

fn files_of(dir: &Path, n: u8) -> Vec<String> {
    names_in(&dir.join(key(n).as_str())).unwrap()
}

fn hits(store: &Filesystem) -> BTreeSet<u8> {
    (0..=50).filter(|n| store.load(&key(*n)).unwrap().is_some()).collect()
}

fn hash(body: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body))
}

#[test]
fn keeps_what_every_store_keeps() {
    let dir = TempDir::new().unwrap();
    conformance::check(&Filesystem::open(dir.path(), ROOMY));
}

#[test]
fn an_entry_is_one_file_in_nexts_layout() {
    let dir = TempDir::new().unwrap();
    let images = dir.path().join("cache/images");
    let store = Filesystem::open(&images, ROOMY);
    store.save(&key(1), &entry(b"first")).unwrap();
    let second = Entry { expires_at_ms: 1_800_000_000_000, ..entry(b"second") };
    store.save(&key(1), &second).unwrap();
    assert_eq!(files_of(&images, 1), ["60.1800000000000.made-_1.VyJ1cHN0cmVhbSI.webp"]);
    let path = images.join(key(1).as_str()).join(&files_of(&images, 1)[0]);
    assert_eq!(fs::read(path).unwrap(), b"second");
}

#[cfg(unix)]
#[test]
fn files_have_the_mode_that_the_umask_leaves_so_that_other_users_can_read_them() {
    use std::os::unix::fs::PermissionsExt;

    let dir = TempDir::new().unwrap();
    Filesystem::open(dir.path(), ROOMY).save(&key(1), &entry(b"x")).unwrap();
    fs::write(dir.path().join("plain"), b"x").unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode();
    let saved = dir.path().join(key(1).as_str()).join(&files_of(dir.path(), 1)[0]);
    assert_eq!(mode(saved), mode(dir.path().join("plain")));
}

#[test]
fn an_entry_that_next_wrote_is_read() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), ROOMY);
    let etag = hash(b"bytes");
    put(dir.path(), 1, &format!("14400.1763683200000.{etag}.VyJhIg.avif"), b"bytes");
    let found = store.load(&key(1)).unwrap().expect("a hit");
    assert_eq!(found.etag, etag);
    assert_eq!(found.extension, "avif");
    assert_eq!((found.max_age_secs, found.expires_at_ms), (14_400, 1_763_683_200_000));
    assert_eq!((store.len(), store.bytes()), (1, 5), "and counted from then on");
}

#[test]
fn of_two_files_the_newest_sound_one_wins() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), ROOMY);
    put(dir.path(), 1, "60.1000.old.up.webp", b"old");
    put(dir.path(), 1, "60.2000.new.up.webp", b"new");
    put(dir.path(), 1, "60.3000.empty.up.webp", b"");
    put(dir.path(), 1, "60.nonsense.webp", b"?");
    assert_eq!(store.load(&key(1)).unwrap().unwrap().body, b"new"[..]);
    store.save(&key(1), &entry(b"fresh")).unwrap();
    assert_eq!(files_of(dir.path(), 1).len(), 1, "a save tidies up");
}

#[test]
fn a_half_written_or_empty_file_is_a_miss() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), ROOMY);
    let etag = hash(b"the whole body");
    put(dir.path(), 1, &format!("60.1000.{etag}.up.webp"), b"the whole");
    put(dir.path(), 2, "60.1000.a.up.webp", b"");
    assert_eq!(hits(&store), BTreeSet::new());
    put(dir.path(), 1, &format!("60.1000.{etag}.up.webp"), b"the whole body");
    assert_eq!(hits(&store), [1].into(), "once it is whole it hits");
}

#[test]
fn a_limit_of_zero_means_no_files_and_no_hits() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), 1, "60.1000.a.up.webp", b"from before");
    let store = scanned(dir.path(), Some(0));
    store.save(&key(2), &entry(b"x")).unwrap();
    assert_eq!(hits(&store), BTreeSet::new());
    assert_eq!(names_in(dir.path()).unwrap(), [key(1).as_str()], "and what is there stays untouched");
}

#[test]
fn an_entry_over_the_limit_is_not_kept_and_its_predecessor_goes() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), Some(100));
    store.save(&key(1), &sized(100, 1)).unwrap();
    store.save(&key(1), &sized(101, 2)).unwrap();
    assert_eq!(hits(&store), BTreeSet::new());
    assert!(!dir.path().join(key(1).as_str()).exists());
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[test]
fn over_the_limit_the_least_recently_used_files_go() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), Some(300));
    for n in 1..=3 {
        store.save(&key(n), &sized(100, n.into())).unwrap();
    }
    assert!(store.load(&key(1)).unwrap().is_some(), "a load makes it recent");
    store.save(&key(4), &sized(150, 4)).unwrap();
    assert_eq!(hits(&store), [1, 4].into());
    assert_eq!(store.bytes(), 250);
    assert!(!dir.path().join(key(2).as_str()).exists(), "its folder is gone");
}

#[test]
fn at_the_start_the_entries_that_expire_first_go_first() {
    let dir = TempDir::new().unwrap();
    for (n, expires_at_ms) in [(1, 5_000), (2, 1_000), (3, 9_000), (4, 3_000)] {
        put(dir.path(), n, &format!("60.{expires_at_ms}.a.up.webp"), &[b'x'; 100]);
    }
    put(dir.path(), 5, "left by an older version", &[b'x'; 100]);
    put(dir.path(), 6, "60.99000.a.up.webp", b"");
    fs::create_dir(dir.path().join("not a key")).unwrap();
    let store = scanned(dir.path(), Some(300));
    assert_eq!(hits(&store), [1, 3, 4].into());
    assert_eq!((store.len(), store.bytes()), (3, 300));
    assert!(!dir.path().join(key(5).as_str()).exists(), "unknown files count as the oldest");
    assert!(dir.path().join("not a key").exists(), "a folder that is no key is left alone");
}

#[test]
fn entries_from_before_the_start_count_as_older_than_all_that_was_used_since() {
    let dir = TempDir::new().unwrap();
    for n in 1..=3 {
        put(dir.path(), n, &format!("60.{n}000.a.up.webp"), &[b'x'; 100]);
    }
    let store = scanned(dir.path(), Some(400));
    store.save(&key(4), &sized(100, 1)).unwrap();
    store.save(&key(5), &sized(100, 1)).unwrap();
    assert_eq!(hits(&store), [2, 3, 4, 5].into());
}

#[test]
fn two_files_of_a_key_count_both_whether_the_scan_or_a_load_finds_them() {
    let dir = TempDir::new().unwrap();
    let put_both = || {
        put(dir.path(), 1, "60.5000.a.up.webp", &[b'x'; 100]);
        put(dir.path(), 1, "60.6000.a.up.webp", &[b'y'; 50]);
    };
    put_both();
    let store = scanned(dir.path(), ROOMY);
    assert_eq!((store.len(), store.bytes()), (1, 150));
    store.remove(&key(1)).unwrap();
    assert_eq!(store.bytes(), 0);
    put_both();
    assert_eq!(store.load(&key(1)).unwrap().unwrap().body, [b'y'; 50][..]);
    assert_eq!((store.len(), store.bytes()), (1, 150));
    store.save(&key(1), &sized(30, 7_000)).unwrap();
    assert_eq!((store.len(), store.bytes()), (1, 30), "a save removes both");
}

#[test]
fn an_empty_folder_that_a_dead_process_left_goes_at_a_start() {
    let dir = TempDir::new().unwrap();
    let [left, young] = [1, 2].map(|n| dir.path().join(key(n).as_str()));
    for folder in [&left, &young] {
        fs::create_dir(folder).unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    File::open(&left).unwrap().set_modified(long_ago).unwrap();
    scanned(dir.path(), ROOMY);
    assert!(!left.exists());
    assert!(young.exists(), "somebody may be about to write into it");
}

#[test]
fn without_a_limit_half_of_the_free_space_is_used() {
    let dir = TempDir::new().unwrap();
    let store = scanned(&dir.path().join("not/there/yet"), None);
    store.save(&key(1), &entry(b"x")).unwrap();
    assert_eq!(hits(&store), [1].into());
    let limit = store.shared.limit_bytes().unwrap();
    let free = fs4::available_space(dir.path()).unwrap();
    // Others use the disk meanwhile, so about half.
    assert!(limit > free / 4 && limit < free, "{limit} of {free}");
}

/// By the free space alone a restart on a disk that the cache or others have filled would throw most of it away.
#[test]
fn without_a_limit_a_start_throws_nothing_away() {
    let dir = TempDir::new().unwrap();
    // Files without blocks: they have a length and take no space.
    let length = fs4::available_space(dir.path()).unwrap();
    for n in 1..=3 {
        let folder = dir.path().join(key(n).as_str());
        fs::create_dir(&folder).unwrap();
        File::create(folder.join("60.1000.a.up.webp")).unwrap().set_len(length).unwrap();
    }
    let store = scanned(dir.path(), None);
    assert_eq!((store.len(), store.bytes()), (3, 3 * length));
    assert_eq!(store.shared.limit_bytes(), Some(3 * length));
}

#[test]
fn when_nothing_can_be_written_saves_fail_clean_and_loads_work() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), 1, "60.1000.a.up.webp", b"kept");
    // A file where the temporary folder has to be stops every write, whoever runs the test.
    fs::write(dir.path().join(".unsharp-tmp"), b"").unwrap();
    let store = scanned(dir.path(), ROOMY);
    for n in [1, 2] {
        let error = store.save(&key(n), &entry(b"new")).unwrap_err();
        assert!(matches!(error, Error::Store(_)), "{error:?}");
    }
    assert_eq!(store.load(&key(1)).unwrap().unwrap().body, b"kept"[..]);
    assert_eq!(hits(&store), [1].into());
    assert!(!dir.path().join(key(2).as_str()).exists());
}

#[test]
fn a_folder_that_can_not_exist_fails_saves_and_misses_loads() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    for limit in [ROOMY, None] {
        let store = scanned(&file.join("images"), limit);
        assert!(matches!(store.save(&key(1), &entry(b"x")), Err(Error::Store(_))));
        assert!(!matches!(store.load(&key(1)), Ok(Some(_))));
    }
}

#[test]
fn a_save_that_fails_leaves_no_temporary_file() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), ROOMY);
    // The rename onto a folder that is not empty fails, after the temporary file was written.
    let in_the_way = dir.path().join(key(1).as_str()).join("60.1700000000000.made-_1.VyJ1cHN0cmVhbSI.webp");
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    assert!(matches!(store.save(&key(1), &entry(b"x")), Err(Error::Store(_))));
    assert_eq!(names_in(&dir.path().join(TEMPORARY)).unwrap(), Vec::<String>::new());
    assert_eq!(store.len(), 0, "what was not written is not counted");
}

#[test]
fn temporary_files_of_dead_processes_go_at_the_start_and_those_of_living_ones_stay() {
    let dir = TempDir::new().unwrap();
    let writes = dir.path().join(TEMPORARY);
    fs::create_dir_all(&writes).unwrap();
    fs::write(writes.join("dead"), b"half").unwrap();
    let living = File::create(writes.join("living")).unwrap();
    living.try_lock().unwrap();
    scanned(dir.path(), ROOMY);
    assert_eq!(names_in(&writes).unwrap(), ["living"]);
}

#[test]
fn next_never_takes_the_temporary_folder_for_an_entry() {
    let dir = TempDir::new().unwrap();
    Filesystem::open(dir.path(), ROOMY).save(&key(1), &entry(b"x")).unwrap();
    let inside = fs::read_dir(dir.path().join(".unsharp-tmp")).unwrap();
    assert!(inside.flatten().all(|name| name.file_type().unwrap().is_dir()));
}

#[test]
fn what_another_process_removes_is_a_miss_and_can_be_saved_again() {
    let dir = TempDir::new().unwrap();
    let store = scanned(dir.path(), ROOMY);
    store.save(&key(1), &entry(b"abc")).unwrap();
    fs::remove_dir_all(dir.path().join(key(1).as_str())).unwrap();
    assert_eq!(store.load(&key(1)).unwrap(), None);
    assert_eq!((store.len(), store.bytes()), (0, 0), "no longer counted");
    fs::remove_dir_all(dir.path()).unwrap();
    assert_eq!(store.load(&key(1)).unwrap(), None);
    store.save(&key(1), &entry(b"abc")).unwrap();
    assert_eq!(hits(&store), [1].into());
}

#[test]
fn two_processes_saving_one_key_never_lose_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path();
    let stores = [(); 2].map(|()| Filesystem::open(dir.path(), ROOMY));
    std::thread::scope(|scope| {
        for (n, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..100 {
                    // A file's name holds its etag, so two of the same name have one body. These have two, and two names.
                    store.save(&key(1), &sized(100 + n, round * 2 + n as u64)).unwrap();
                    assert_ne!(files_of(path, 1), Vec::<String>::new(), "there is always a file");
                }
            });
        }
    });
    assert!(stores[0].load(&key(1)).unwrap().is_some());
}

#[test]
fn an_entry_that_would_leave_the_folder_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = scanned(&dir.path().join("images"), ROOMY);
    for bad in ["../../escaped", "a/b", ""] {
        let entry = Entry { extension: bad.into(), ..entry(b"x") };
        assert!(matches!(store.save(&key(1), &entry), Err(Error::Store(_))), "{bad:?}");
    }
    assert!(matches!(store.save(&key(1), &entry(b"")), Err(Error::Store(_))), "an empty body");
    // Longer than a file name may be: refused by the filesystem, and nothing is left behind.
    let long = Entry { upstream_etag: "e".repeat(4_000), ..entry(b"x") };
    assert!(matches!(store.save(&key(1), &long), Err(Error::Store(_))));
    assert_eq!(hits(&store), BTreeSet::new());
    assert_eq!(store.len(), 0);
}
