//! What every [`VariantStore`] does, whatever it is made of. Each store's tests run [`check`].

use bytes::Bytes;

use super::{Entry, VariantStore};
use crate::key::CacheKey;

/// A well-formed key, another for each `n`.
///
/// # Panics
/// Never: the text is a key.
#[must_use]
pub fn key(n: u8) -> CacheKey {
    let text = format!("{n:A<43}");
    CacheKey::parse(&text).expect("43 characters of base64url")
}

/// A small entry around `body`.
#[must_use]
pub fn entry(body: &[u8]) -> Entry {
    Entry {
        body: Bytes::copy_from_slice(body),
        extension: "webp".into(),
        etag: "made-_1".into(),
        upstream_etag: "VyJ1cHN0cmVhbSI".into(),
        max_age_secs: 60,
        expires_at_ms: 1_700_000_000_000,
        fallback: None,
    }
}

/// Runs the suite on an empty store with room for a few kilobytes.
///
/// # Panics
/// When the store breaks a rule; the message names it.
pub fn check(store: &dyn VariantStore) {
    let load = |n| store.load(&key(n)).expect("load");
    let save = |n, entry: &Entry| store.save(&key(n), entry).expect("save");

    assert_eq!(load(1), None, "an empty store misses");
    store.remove(&key(1)).expect("removing what is not there is fine");

    let first = entry(b"first");
    save(1, &first);
    assert_eq!(load(1), Some(first.clone()), "what was saved comes back whole");
    assert_eq!(load(1), Some(first.clone()), "and again");
    assert_eq!(load(2), None, "other keys still miss");

    let edge = Entry {
        extension: "svg".into(),
        etag: "same".into(),
        upstream_etag: "same".into(),
        max_age_secs: 0,
        expires_at_ms: u64::MAX,
        ..entry(&[0, 255, 10, 13])
    };
    save(2, &edge);
    assert_eq!(load(2), Some(edge), "binary bodies, zero and the largest numbers survive");
    assert_eq!(load(1), Some(first.clone()), "a second key leaves the first alone");

    let later = Entry { expires_at_ms: first.expires_at_ms + 1, ..entry(b"later") };
    save(1, &later);
    assert_eq!(load(1), Some(later.clone()), "the last save wins");
    save(1, &first);
    assert_eq!(load(1), Some(first.clone()), "also when it expires earlier than the one before");
    let same_texts = Entry { body: Bytes::from_static(b"other bytes"), ..first.clone() };
    save(1, &same_texts);
    assert_eq!(load(1), Some(same_texts), "also when only the bytes differ");

    store.remove(&key(1)).expect("remove");
    assert_eq!(load(1), None, "removed is gone");
    assert!(load(2).is_some(), "and nothing else is");
    save(1, &first);
    assert_eq!(load(1), Some(first), "a removed key can be saved again");

    racing_saves_leave_one_whole_entry(store);
}

fn racing_saves_leave_one_whole_entry(store: &dyn VariantStore) {
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for round in 0..20_u64 {
                    let body = vec![thread; 500];
                    let entry = Entry { expires_at_ms: round, ..entry(&body) };
                    store.save(&key(3), &entry).expect("save beside other saves");
                    let found = store.load(&key(3)).expect("load beside saves").expect("a saved key hits");
                    let same = found.body.iter().all(|byte| *byte == found.body[0]);
                    assert!(same && found.body.len() == 500, "a reader never sees a part");
                }
            });
        }
    });
    store.remove(&key(3)).expect("remove");
    assert_eq!(store.load(&key(3)).expect("load"), None, "one removal is enough after many saves");
}
