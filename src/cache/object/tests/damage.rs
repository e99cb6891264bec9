//! Objects that are not what their names say.

use super::super::*;
use super::*;
use crate::cache::conformance::key;

/// Until the work that a load has started is done.
async fn settled(log: &Log, event: &'static str) {
    while !log.events().contains(&event) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_damaged_object_is_a_miss_and_is_removed() {
    for damaged in [b"bod".as_slice(), b"", b"BODY"] {
        let log = Log::default();
        let options = StoreOptions { store: Some("memory:".into()), ..StoreOptions::default() };
        let bucket = open_logging_to(options, &[], &log);
        let name = FileName::of(&made(b"body", 1_000)).expect("a name");
        put_object(&bucket, &format!("{}/{name}", key(1)), damaged).await;
        assert_eq!(bucket.load_named(&key(1), &name).await.expect("a miss is no error"), None);
        settled(&log, "store_damaged").await;
        assert_eq!(objects(&bucket).await, [""; 0], "{damaged:?}");
        assert!(bucket.stats().damaged > 0);

        bucket.save(&key(1), &made(b"body", 1_000)).await.expect("save");
        assert_eq!(bucket.load(&key(1)).await.expect("load"), Some(made(b"body", 1_000)), "and replaced");
    }
}

#[tokio::test]
async fn behind_a_damaged_object_an_older_sound_one_is_found() {
    let bucket = memory();
    put_object(
        &bucket,
        &format!("{}/{}", key(1), FileName::of(&made(b"sound", 1_000)).expect("a name")),
        b"sound",
    )
    .await;
    put_object(
        &bucket,
        &format!("{}/{}", key(1), FileName::of(&made(b"later", 2_000)).expect("a name")),
        b"late",
    )
    .await;
    assert_eq!(bucket.load(&key(1)).await.expect("load"), Some(made(b"sound", 1_000)));
}

#[tokio::test]
async fn an_entry_that_can_be_no_object_is_refused() {
    let bucket = memory();
    assert!(matches!(bucket.save(&key(1), &made(b"", 1_000)).await, Err(Error::Store(_))), "empty");
    let odd = Entry { upstream_etag: "../../x".into(), ..made(b"body", 1_000) };
    assert!(matches!(bucket.save(&key(1), &odd).await, Err(Error::Store(_))), "a text that leads elsewhere");
    let huge = Entry { body: vec![0; (LARGEST_OBJECT_BYTES + 1) as usize].into(), ..made(b"body", 1_000) };
    assert!(matches!(bucket.save(&key(1), &huge).await, Err(Error::Store(_))), "larger than the limit");
    assert_eq!(objects(&bucket).await, [""; 0]);
}

#[tokio::test]
async fn an_object_over_the_limit_is_not_read() {
    let bucket = memory();
    let body = vec![7; (LARGEST_OBJECT_BYTES + 1) as usize];
    let name = FileName::of(&made(b"body", 1_000)).expect("a name");
    put_object(&bucket, &format!("{}/{name}", key(1)), &body).await;
    assert_eq!(bucket.load(&key(1)).await.expect("load"), None);
    assert_eq!(bucket.load_named(&key(1), &name).await.expect("load"), None);
    assert_eq!(bucket.stats().bytes_read, 0);
}

#[tokio::test]
async fn counters_tell_what_was_done() {
    let bucket = memory();
    bucket.save(&key(1), &made(b"body", 1_000)).await.expect("save");
    assert!(bucket.load(&key(1)).await.expect("load").is_some());
    assert!(bucket.load(&key(2)).await.expect("load").is_none());
    bucket.clone().remove(&key(1)).await.expect("remove");
    let expected = BucketStats {
        gets: 1,
        hits: 1,
        puts: 1,
        deletes: 1,
        bytes_read: 4,
        bytes_written: 4,
        available: true,
        ..BucketStats::default()
    };
    assert_eq!(bucket.stats(), expected);
}
