//! Watch, restore and push together.

use std::fs;
use std::sync::atomic::Ordering;

use super::testing::{Scene, key, made, name, variant};
use super::*;
use crate::cache::{Entry, VariantStore};

const LONG: Duration = Duration::from_secs(600);

/// No rescan but the first, so that only events tell.
const EVENTS_ALONE: WatchOptions = WatchOptions { rescan: Duration::from_secs(86_400) };

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn start(scene: &Scene, options: SyncOptions) -> CacheSync {
    start_pushing(scene, options, PushOptions::default()).await
}

async fn start_pushing(scene: &Scene, options: SyncOptions, push: PushOptions) -> CacheSync {
    CacheSync::start(scene.pusher(push), options, |_| ()).await
}

fn watch_only(watch: WatchOptions) -> SyncOptions {
    SyncOptions { restore: None, watch: Some(watch) }
}

/// A sync whose first look at the folder is over.
async fn settled(scene: &Scene, options: SyncOptions, push: PushOptions) -> CacheSync {
    let sync = start_pushing(scene, options, push).await;
    until(|| sync.stats().watch.is_some_and(|watch| watch.rescans > 0)).await;
    sync
}

/// knext pushed none of them.
#[tokio::test]
async fn twenty_files_written_just_before_the_end_are_all_pushed() {
    let scene = Scene::new();
    let sync = start(&scene, SyncOptions::default()).await;
    for n in 0..20 {
        scene.write_as_next(&key(n), &variant(n));
    }
    assert!(sync.stop(LONG).await);
    assert_eq!(scene.objects().await.len(), 20);
}

/// knext never pushed it.
#[tokio::test]
async fn what_is_written_during_a_restore_is_pushed_and_what_the_restore_wrote_is_not() {
    let scene = Scene::with_variants(50).await;
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open - 10);
    let sync = start(&scene, SyncOptions::default()).await;
    until(|| scene.count(|store| &store.gets) == 50).await;
    for n in 100..120 {
        scene.write_as_next(&key(n), &variant(n));
    }
    scene.store.gate.add_permits(10_000);
    let report = sync.restored().await.expect("a report");
    assert_eq!((report.restored, report.stopped), (50, None));
    assert!(sync.flush(LONG).await);
    assert_eq!(scene.objects().await.len(), 70);
    assert_eq!(scene.count(|store| &store.puts), 20, "and nothing twice");
    assert!(sync.stop(LONG).await);
    assert_eq!(scene.count(|store| &store.puts), 20, "not even at the end");
}

/// A file that is there since a minute before the start.
fn write_before(scene: &Scene, n: usize) {
    scene.write_as_next(&key(n), &variant(n));
    let file = scene.disk.dir().join(key(n).as_str()).join(name(&variant(n)).to_string());
    let before = std::time::SystemTime::now().checked_sub(Duration::from_secs(60)).expect("not 1970");
    fs::File::options().write(true).open(file).and_then(|file| file.set_modified(before)).expect("older");
}

#[tokio::test]
async fn a_flush_right_after_the_start_takes_along_what_was_there_before() {
    for is_over in [false, true] {
        let scene = Scene::with_variants(10).await;
        for n in 0..30 {
            write_before(&scene, n);
        }
        let sync = start(&scene, watch_only(EVENTS_ALONE)).await;
        assert!(if is_over { sync.stop(LONG).await } else { sync.flush(LONG).await });
        assert_eq!(scene.objects().await.len(), 30);
        assert_eq!(scene.count(|store| &store.puts), 20, "without what the bucket has");
    }
}

#[tokio::test]
async fn the_end_in_the_middle_of_a_restore_pushes_what_is_new_and_leaves_whole_files() {
    let scene = Scene::with_variants(50).await;
    write_before(&scene, 200);
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open - 10);
    let sync = start(&scene, SyncOptions::default()).await;
    until(|| scene.count(|store| &store.gets) == 50).await;
    for n in 100..120 {
        scene.write_as_next(&key(n), &variant(n));
    }
    let stopping = tokio::spawn(sync.stop(LONG));
    until(|| scene.count(|store| &store.puts) > 0).await;
    scene.store.gate.add_permits(10_000);
    assert!(stopping.await.expect("it ends"));
    scene.assert_sound();
    let objects = scene.objects().await;
    assert!((100..120).all(|n| objects.contains(&format!("{}/{}", key(n), name(&variant(n))))));
    assert_eq!(objects.len(), 71, "and, once it is known that the bucket lacks it, what was there before");
}

#[tokio::test]
async fn events_alone_bring_what_next_writes_also_again_and_again() {
    let scene = Scene::new();
    let sync = settled(&scene, watch_only(EVENTS_ALONE), PushOptions::default()).await;
    assert!(sync.stats().watch.expect("it watches").is_watching);
    for round in 1..=3_u64 {
        for n in 0..10 {
            scene.write_as_next(&key(n), &made(format!("{n} {round}").as_bytes(), round * 1_000));
        }
        until(|| sync.stats().push.pushed == round * 10).await;
    }
    assert_eq!(scene.objects().await.len(), 10, "one file a key");
    assert!(sync.stop(LONG).await);
}

#[tokio::test]
async fn a_file_counts_once_it_is_whole() {
    let scene = Scene::new();
    let sync = settled(&scene, watch_only(EVENTS_ALONE), PushOptions::default()).await;
    let folder = scene.disk.dir().join(key(1).as_str());
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name(&variant(1)).to_string());
    fs::write(&file, &variant(1).body[..40]).expect("a part");
    let flushing = async {
        let flushed = sync.flush(LONG).await;
        assert!(flushed);
    };
    let finishing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(scene.count(|store| &store.puts), 0, "a part is not pushed");
        fs::write(&file, &variant(1).body).expect("the whole");
    };
    tokio::join!(flushing, finishing);
    assert_eq!(scene.objects().await, [format!("{}/{}", key(1), name(&variant(1)))]);
}

#[tokio::test]
async fn a_file_whose_name_does_not_tell_its_bytes_counts_once_it_rests() {
    let scene = Scene::new();
    let sync = settled(&scene, watch_only(EVENTS_ALONE), PushOptions::default()).await;
    let svg = Entry { etag: "up".into(), upstream_etag: "up".into(), ..made(b"<svg></svg>", 9_000) };
    scene.write_as_next(&key(1), &svg);
    assert!(sync.stop(LONG).await);
    assert_eq!(scene.bucket.load(&key(1)).await.expect("readable"), Some(svg));
}

#[tokio::test]
async fn a_folder_that_goes_away_and_comes_back_is_watched_again() {
    let scene = Scene::new();
    let watch = WatchOptions { rescan: Duration::from_millis(20) };
    let sync = settled(&scene, watch_only(watch), PushOptions::default()).await;
    fs::remove_dir_all(scene.folder.path().join("cache")).expect("removed");
    until(|| !sync.stats().watch.expect("it watches").is_watching).await;
    assert!(!scene.disk.dir().exists(), "whoever removed it may want it gone");
    scene.write_as_next(&key(1), &variant(1));
    until(|| sync.stats().watch.expect("it watches").is_watching).await;
    scene.write_as_next(&key(2), &variant(2));
    until(|| sync.stats().push.pushed == 2).await;
    assert!(sync.stop(LONG).await);
}

#[tokio::test]
async fn a_folder_that_cannot_be_watched_is_looked_at_instead() {
    let scene = Scene::new();
    fs::write(scene.folder.path().join("cache"), b"in the way").expect("written");
    let watch = WatchOptions { rescan: Duration::from_millis(20) };
    let sync = start(&scene, watch_only(watch)).await;
    assert!(!sync.stats().watch.expect("it looks").is_watching);
    fs::remove_file(scene.folder.path().join("cache")).expect("removed");
    scene.write_as_next(&key(1), &variant(1));
    until(|| sync.stats().push.pushed == 1).await;
    assert!(sync.stop(LONG).await);
}

#[tokio::test]
async fn files_from_before_the_start_are_pushed_where_the_bucket_lacks_them() {
    let scene = Scene::with_variants(30).await;
    for n in 0..40 {
        scene.write_as_next(&key(n), &variant(n));
    }
    scene.put(&key(50), &made(b"newer", 9_000)).await;
    scene.write_as_next(&key(50), &made(b"older", 5_000));
    let sync = settled(&scene, watch_only(EVENTS_ALONE), PushOptions::default()).await;
    assert!(sync.flush(LONG).await);
    assert_eq!(scene.count(|store| &store.puts), 10);
    let newest = scene.bucket.load(&key(50)).await.expect("readable").expect("an entry");
    assert_eq!(newest.body, b"newer"[..], "an older one never takes the place of a newer");
    assert!(sync.stop(LONG).await);
}

#[tokio::test]
async fn more_files_than_the_queue_takes_all_get_there() {
    let scene = Scene::new();
    for n in 0..200 {
        scene.write_as_next(&key(n), &variant(n));
    }
    let push = PushOptions { queue: 5, ..PushOptions::default() };
    let sync = settled(&scene, watch_only(EVENTS_ALONE), push).await;
    assert!(sync.flush(LONG).await);
    assert_eq!(scene.objects().await.len(), 200);
    assert_eq!(sync.stats().push.given_up, 0, "whoever looks at the folder waits");
    assert!(sync.stop(LONG).await);
}

#[tokio::test]
async fn what_a_handler_had_to_give_up_is_found_in_the_folder() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions { queue: 5, ..PushOptions::default() });
    let sync = CacheSync::start(Arc::clone(&pusher), watch_only(EVENTS_ALONE), |_| ()).await;
    until(|| sync.stats().watch.is_some_and(|watch| watch.rescans > 0)).await;
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open);
    for n in 0..100 {
        scene.disk.save(&key(n), &variant(n)).expect("saved");
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.stats().given_up > 0);
    scene.store.gate.add_permits(10_000);
    assert!(sync.stop(LONG).await);
    assert_eq!(scene.objects().await.len(), 100);
}

#[tokio::test]
async fn what_is_removed_here_is_removed_there_only_on_demand() {
    for remove_remote in [false, true] {
        let scene = Scene::new();
        let push = PushOptions { remove_remote, ..PushOptions::default() };
        let sync = settled(&scene, watch_only(EVENTS_ALONE), push).await;
        for n in 0..3 {
            scene.write_as_next(&key(n), &variant(n));
        }
        until(|| sync.stats().push.pushed == 3).await;
        fs::remove_dir_all(scene.disk.dir().join(key(1).as_str())).expect("removed");
        // Written anew, as a revalidation does it.
        scene.write_as_next(&key(2), &made(b"again", 9_000_000));
        until(|| sync.stats().push.pushed == 4).await;
        assert!(sync.flush(LONG).await);
        assert_eq!(scene.objects().await.len(), if remove_remote { 2 } else { 3 });
        // An emptied disk is no reason to empty the bucket.
        fs::remove_dir_all(scene.disk.dir()).expect("removed");
        assert!(sync.stop(LONG).await);
        assert_eq!(scene.objects().await.len(), if remove_remote { 2 } else { 3 });
    }
}

#[tokio::test]
async fn a_variant_made_by_one_pod_is_there_in_the_next() {
    let first = Scene::new();
    let sync = start(&first, SyncOptions::default()).await;
    for n in 0..200 {
        first.disk.save(&key(n), &variant(n)).expect("saved");
    }
    assert!(sync.stop(LONG).await);

    let second = first.another_pod();
    let sync = start(&second, SyncOptions::default()).await;
    assert_eq!(sync.restored().await.expect("a report").restored, 200);
    assert!((0..200).all(|n| second.local(n) == Some(variant(n))));
    assert!(sync.stop(LONG).await);
    assert!(first.log.events().contains(&"restore"));
}

#[tokio::test]
async fn without_watch_and_restore_nothing_happens_and_it_ends() {
    let scene = Scene::with_variants(3).await;
    scene.write_as_next(&key(9), &variant(9));
    let sync = start(&scene, SyncOptions { restore: None, watch: None }).await;
    assert_eq!(sync.restored().await, None);
    assert_eq!(sync.stats(), SyncStats::default());
    assert!(sync.stop(LONG).await);
    assert_eq!(scene.objects().await.len(), 3);
    assert_eq!(scene.store.gets.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_manifest_fills_an_index_without_a_restore() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    for n in 0..10 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.flush(LONG).await);
    let index = Index::default();
    assert_eq!(load_manifest(&scene.bucket, &index).await, Ok(10));
    assert_eq!(index.find(&key(3)), Some((name(&variant(3)), 100)));
}
