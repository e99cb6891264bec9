//! What every kind of store must do. Nothing here needs conditional writes: real servers ignore them.

use std::collections::HashSet;

use futures_util::StreamExt;

use super::super::*;
use super::*;
use crate::cache::VariantStore;
use crate::cache::conformance::{entry, key};

/// Runs the suite. Each call of `open` gives another view of the same empty place, as another pod has.
pub(super) fn check(open: &dyn Fn() -> Bucket) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let blocking = Blocking::new(open().patient(), runtime.handle().clone());
    conformance::check(&blocking);
    blocking.remove(&key(1)).expect("remove");
    blocking.remove(&key(2)).expect("remove");

    runtime.block_on(async {
        assert_eq!(objects(&open()).await, [""; 0], "the suite of all stores leaves nothing behind");
        a_named_load_takes_the_file_or_nothing(&open()).await;
        a_save_leaves_one_file(&open(), &open()).await;
        pods_that_save_at_once_leave_one_file(&open(), &open()).await;
        the_newest_of_two_files_wins(&open()).await;
        what_is_no_variant_is_left_alone(&open()).await;
        failures_are_not_kept(&open()).await;
        notes_stand_beside_the_variants(&open()).await;
        a_listing_has_every_page(&open()).await;
    });
}

async fn a_named_load_takes_the_file_or_nothing(bucket: &Bucket) {
    let bucket = bucket.patient();
    let one = made(b"one", 1_000);
    let name = FileName::of(&one).expect("a name");
    assert_eq!(bucket.load_named(&key(1), &name).await.expect("load"), None, "nothing is there yet");
    bucket.save(&key(1), &one).await.expect("save");
    assert_eq!(bucket.load_named(&key(1), &name).await.expect("load"), Some(one), "the file of that name");
    let other = FileName { expires_at_ms: 2_000, ..name };
    assert_eq!(bucket.load_named(&key(1), &other).await.expect("load"), None, "only of that name");
    bucket.remove(&key(1)).await.expect("remove");
}

async fn a_save_leaves_one_file(pod: &Bucket, other_pod: &Bucket) {
    pod.save(&key(1), &made(b"old", 1_000)).await.expect("save");
    other_pod.save(&key(1), &made(b"new", 9_000)).await.expect("save by a pod that did not know");
    let name = FileName::of(&made(b"new", 9_000)).expect("a name");
    assert_eq!(objects(pod).await, [format!("{}/{name}", key(1))], "the predecessor is gone");
    // Both may fall into one second of the store's clock: the pod that has read the file knows that it came first.
    assert!(other_pod.patient().load(&key(1)).await.expect("load").is_some());
    other_pod.save(&key(1), &made(b"shorter", 5_000)).await.expect("save");
    let found = pod.patient().load(&key(1)).await.expect("load");
    assert_eq!(found, Some(made(b"shorter", 5_000)), "a shorter expiry is no reason to keep the old one");
    pod.remove(&key(1)).await.expect("remove");
    assert_eq!(objects(pod).await, [""; 0]);
}

async fn pods_that_save_at_once_leave_one_file(pod: &Bucket, other_pod: &Bucket) {
    let contested = key(1);
    for round in 0..10 {
        let (one, two) = (made(b"from one", 1_000 + round), made(b"from two", 2_000 - round));
        let saved = tokio::join!(pod.save(&contested, &one), other_pod.save(&contested, &two));
        assert!(saved.0.is_ok() && saved.1.is_ok(), "{saved:?}");
        let found = pod.patient().load(&key(1)).await.expect("load").expect("one of both");
        assert!(found == one || found == two, "{found:?}");
    }
    let files = objects(pod).await;
    assert_eq!(files.len(), 1, "{files:?}");
    pod.remove(&key(1)).await.expect("remove");
}

async fn the_newest_of_two_files_wins(bucket: &Bucket) {
    // As knext leaves them after a revalidation: both are there, the second of them written later and expiring later.
    let (old, new) = (made(b"old", 1_000), made(b"new", 2_000));
    for entry in [&old, &new] {
        put_object(bucket, &format!("{}/{}", key(1), FileName::of(entry).expect("a name")), &entry.body)
            .await;
    }
    assert_eq!(bucket.patient().load(&key(1)).await.expect("load"), Some(new));
    let newest = made(b"newest", 3_000);
    bucket.save(&key(1), &newest).await.expect("save");
    let name = FileName::of(&newest).expect("a name");
    assert_eq!(objects(bucket).await, [format!("{}/{name}", key(1))], "a save clears both away");
    bucket.remove(&key(1)).await.expect("remove");
}

async fn what_is_no_variant_is_left_alone(bucket: &Bucket) {
    let variant = made(b"variant", 1_000);
    let name = FileName::of(&variant).expect("a name");
    let foreign = [
        "readme.txt".to_owned(),
        format!("not-a-key/{name}"),
        format!("{}/readme.txt", key(1)),
        format!("{}/{name}.part", key(1)),
        format!("{}/deeper/{name}", key(1)),
    ];
    for path in &foreign {
        put_object(bucket, path, b"foreign").await;
    }
    assert_eq!(bucket.patient().load(&key(1)).await.expect("load"), None);
    bucket.save(&key(1), &variant).await.expect("save");
    let listed: Vec<_> = bucket.list().try_collect().await.expect("a listing");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0].key, &listed[0].name, listed[0].bytes), (&key(1), &name, 7));
    assert!(listed[0].modified_at_ms > 1_600_000_000_000, "the store's clock: {listed:?}");
    bucket.remove(&key(1)).await.expect("remove");
    let mut left = foreign.to_vec();
    left.sort();
    assert_eq!(objects(bucket).await, left, "only what is ours is removed");
    for path in &left {
        let path = Path::parse(format!("{}/{path}", bucket.shared.layout.root())).expect("a path");
        bucket.shared.store.delete(&path).await.expect("delete");
    }
}

async fn failures_are_not_kept(bucket: &Bucket) {
    let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..entry(b"as it came") };
    bucket.save(&key(1), &failed).await.expect("no error");
    assert_eq!(objects(bucket).await, [""; 0], "a failure is not pushed");
    let name = FileName::of(&failed).expect("a name");
    put_object(bucket, &format!("{}/{name}", key(1)), b"as it came").await;
    assert_eq!(bucket.patient().load(&key(1)).await.expect("load"), None, "nor is one taken");
    assert_eq!(bucket.patient().load_named(&key(1), &name).await.expect("load"), None);
    assert_eq!(bucket.list().count().await, 0);
    bucket.remove(&key(1)).await.expect("remove");
    assert_eq!(objects(bucket).await, [""; 0]);
}

async fn notes_stand_beside_the_variants(bucket: &Bucket) {
    assert_eq!(bucket.read_note("manifest").await.expect("read"), None);
    for text in ["first", "second and longer", ""] {
        bucket.write_note("manifest", Bytes::from_static(text.as_bytes())).await.expect("write");
        assert_eq!(bucket.read_note("manifest").await.expect("read").as_deref(), Some(text.as_bytes()));
    }
    assert_eq!(objects(bucket).await, [".unsharp/manifest"]);
    assert_eq!(bucket.list().count().await, 0, "a note is no variant");
    let path = bucket.shared.layout.note("manifest");
    bucket.shared.store.delete(&path).await.expect("delete");
    bucket.warm().await;
    assert_eq!(objects(bucket).await, [""; 0], "warming leaves nothing");
}

async fn a_listing_has_every_page(bucket: &Bucket) {
    // Servers give 1,000 names a page, Azure 5,000.
    let keys: Vec<CacheKey> = (0..1_050).map(|n| CacheKey::new("/a.jpg", n, 75, "image/webp")).collect();
    let saves = futures_util::stream::iter(&keys).map(|key| async move {
        let path = format!("{key}/{}", FileName::of(&made(b"small", 1_000)).expect("a name"));
        put_object(bucket, &path, b"small").await;
    });
    saves.buffer_unordered(32).collect::<Vec<()>>().await;
    let listed: Vec<_> = bucket.list().try_collect().await.expect("a listing");
    let found: HashSet<CacheKey> = listed.iter().map(|listed| listed.key.clone()).collect();
    assert_eq!(found, keys.into_iter().collect());
    assert_eq!(listed.len(), 1_050);
    let removals = futures_util::stream::iter(listed).map(|listed| async move {
        let path = bucket.shared.layout.file(&listed.key, &listed.name);
        bucket.shared.store.delete(&path).await.expect("delete");
    });
    removals.buffer_unordered(32).collect::<Vec<()>>().await;
}
