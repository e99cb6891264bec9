use std::fs;
use std::sync::Mutex;

use super::*;
use crate::cache::conformance;
use crate::cache::sync::testing::{Scene, key, made, name, variant};
use crate::cache::sync::{PushOptions, manifest};
use crate::cache::{Entry, VariantStore};

const FLUSH: Duration = Duration::from_secs(600);

async fn restored(scene: &Scene, options: &RestoreOptions) -> RestoreReport {
    restore(&scene.bucket, &scene.disk, options, |_| ()).await
}

async fn all(scene: &Scene) -> RestoreReport {
    restored(scene, &RestoreOptions::default()).await
}

/// Restored, skipped, failed, bytes.
fn counts(report: &RestoreReport) -> (u64, u64, u64, u64) {
    (report.restored, report.skipped, report.failed, report.bytes)
}

/// Writes a manifest of these, hottest first.
async fn write_manifest(scene: &Scene, variants: &[(usize, Entry)]) {
    let noted: Vec<_> = variants
        .iter()
        .map(|(n, entry)| manifest::Noted {
            key: key(*n),
            name: name(entry),
            bytes: entry.body.len() as u64,
            written_secs: 1,
            used_secs: 1,
        })
        .collect();
    scene.bucket.write_note("manifest.gz", manifest::encode(&noted)).await.expect("written");
}

#[tokio::test]
async fn everything_comes_back_and_a_second_time_nothing_needs_to() {
    let scene = Scene::with_variants(300).await;
    let report = all(&scene).await;
    assert_eq!(counts(&report), (300, 0, 0, 30_000));
    assert_eq!((report.stopped, report.failure), (None, None));
    for n in 0..300 {
        assert_eq!(scene.local(n), Some(variant(n)));
        assert_eq!(scene.files(n), [name(&variant(n)).to_string()]);
    }
    let gets = scene.count(|store| &store.gets);
    let again = all(&scene).await;
    assert_eq!(counts(&again), (0, 300, 0, 0));
    assert_eq!(scene.count(|store| &store.gets), gets, "nothing is downloaded to find that out");
}

#[tokio::test]
async fn an_empty_bucket_restores_nothing() {
    let scene = Scene::new();
    let report = all(&scene).await;
    assert_eq!((counts(&report), report.stopped), ((0, 0, 0, 0), None));
}

/// knext left both files in the bucket, and the next pod served the old one.
#[tokio::test]
async fn of_two_files_of_a_key_the_one_written_last_comes_whatever_it_claims() {
    for [first, second] in [[1_000, 2_000], [2_000, 1_000]] {
        let scene = Scene::new();
        scene.put(&key(1), &made(b"first", first)).await;
        // The store's clock counts milliseconds.
        tokio::time::sleep(Duration::from_millis(3)).await;
        scene.put(&key(1), &made(b"second", second)).await;
        assert_eq!(all(&scene).await.restored, 1);
        assert_eq!(scene.local(1), Some(made(b"second", second)), "a pod's clock may be wrong");
        assert_eq!(scene.files(1).len(), 1);
    }
}

#[tokio::test]
async fn what_is_newer_here_stays_and_what_is_older_gives_way() {
    let scene = Scene::new();
    for n in 0..5 {
        scene.put(&key(n), &made(b"remote", 2_000)).await;
    }
    scene.disk.save(&key(0), &made(b"newer", 3_000)).expect("saved");
    scene.disk.save(&key(1), &made(b"older", 1_000)).expect("saved");
    scene.disk.save(&key(2), &made(b"as new", 2_000)).expect("saved");
    scene.write_as_next(&key(3), &made(b"remote", 2_000));
    let half = scene.disk.dir().join(key(3).as_str()).join(name(&made(b"remote", 2_000)).to_string());
    fs::write(half, b"rem").expect("a half-written file");
    let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..made(b"failed", 9_000) };
    scene.disk.save(&key(4), &failed).expect("saved");

    assert_eq!(counts(&all(&scene).await), (3, 2, 0, 18));
    for (n, body) in [(0, &b"newer"[..]), (1, b"remote"), (2, b"as new"), (3, b"remote"), (4, b"remote")] {
        assert_eq!(scene.local(n).expect("an entry").body, body, "{n}");
        assert_eq!(scene.files(n).len(), 1, "{n}");
    }
}

#[tokio::test]
async fn damaged_objects_fail_one_by_one_and_are_never_written() {
    let scene = Scene::with_variants(20).await;
    for n in 0..10 {
        scene.put_object(&format!("{}/{}", key(n), name(&variant(n))), b"not what the name says").await;
    }
    for n in 10..15 {
        scene.put_object(&format!("{}/{}", key(n), name(&variant(n))), b"").await;
    }
    let report = all(&scene).await;
    assert_eq!(counts(&report), (5, 0, 10, 500), "empty ones are no variants at all");
    assert_eq!(report.stopped, None);
    assert!(report.failure.is_some());
    assert!((0..15).all(|n| scene.files(n).is_empty()));
}

#[tokio::test]
async fn names_from_the_bucket_never_lead_out_of_the_folder() {
    let scene = Scene::with_variants(1).await;
    let file = name(&variant(1)).to_string();
    for hostile in ["../../x", "..", "x", "%2e%2e%2fx", "", "a/b", "\0", "C:\\x"] {
        scene.put_object(&format!("{hostile}/{file}"), &variant(1).body).await;
    }
    for hostile in ["../../../x.webp", "x", "1.2.3.4.5.6.7", &format!("{file}/x"), &format!("{file}.tmp")] {
        scene.put_object(&format!("{}/{hostile}", key(1)), &variant(1).body).await;
    }
    assert_eq!(all(&scene).await.restored, 1);
    let names = |path: &std::path::Path| {
        let mut names: Vec<_> =
            fs::read_dir(path).expect("a folder").map(|item| item.expect("an item").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(scene.folder.path()), ["cache"]);
    assert_eq!(names(&scene.folder.path().join("cache")), ["images"]);
    assert_eq!(names(scene.disk.dir()), [".unsharp-tmp", key(0).as_str()]);
}

#[tokio::test]
async fn a_name_too_long_for_a_file_fails_alone() {
    let scene = Scene::with_variants(10).await;
    for n in 10..20 {
        let long = Entry { upstream_etag: "x".repeat(300), ..variant(n) };
        scene.put(&key(n), &long).await;
    }
    let report = all(&scene).await;
    assert_eq!((counts(&report), report.stopped), ((10, 0, 10, 1_000), None));
}

#[tokio::test]
async fn the_hottest_come_first_and_no_more_than_may() {
    let scene = Scene::with_variants(50).await;
    let hot: Vec<_> = [31, 7, 44].map(|n| (n, variant(n))).into();
    write_manifest(&scene, &hot).await;
    let options = RestoreOptions { max_bytes: Some(399), concurrency: Some(1), ..RestoreOptions::default() };
    let report = restored(&scene, &options).await;
    assert_eq!((counts(&report), report.stopped), ((3, 0, 0, 300), Some(Stopped::MaxBytes)));
    assert!(hot.iter().all(|(n, _)| scene.local(*n).is_some()));
}

#[tokio::test]
async fn the_limit_of_the_folder_holds() {
    let scene = Scene::with_variants(50).await;
    let disk = Arc::new(Filesystem::open(scene.folder.path().join("small"), Some(1_050)));
    disk.save(&key(999), &variant(999)).expect("saved");
    let report = restore(&scene.bucket, &disk, &RestoreOptions::default(), |_| ()).await;
    assert_eq!((report.restored, report.stopped), (9, Some(Stopped::MaxBytes)));
    assert_eq!(disk.bytes(), 1_000);
    assert!(disk.load(&key(999)).expect("readable").is_some(), "what was in use stays");
}

#[tokio::test]
async fn what_the_manifest_lacks_or_has_wrong_comes_from_the_listing() {
    let scene = Scene::with_variants(40).await;
    // Gone, replaced by what expires earlier, replaced while the old one is still there, and another length.
    let gone = made(b"gone", 9_000_000);
    scene.put(&key(2), &made(b"still there", 9_000_000)).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    scene.put(&key(2), &made(b"replaced", 5)).await;
    let other_length = Entry { body: b"12345".as_slice().into(), ..variant(3) };
    let hints = [
        (0, variant(0)),
        (1, gone.clone()),
        (2, made(b"still there", 9_000_000)),
        (3, other_length),
        (77, gone),
    ];
    write_manifest(&scene, &hints).await;
    let report = all(&scene).await;
    assert_eq!(report.stopped, None);
    for n in (0..40).filter(|n| *n != 2) {
        assert_eq!(scene.local(n), Some(variant(n)), "{n}");
    }
    assert_eq!(scene.local(2), Some(made(b"replaced", 5)));
    assert_eq!(scene.files(2).len(), 1);
    assert!(scene.files(77).is_empty());
}

/// The manifest told of one length, the listing of another, and neither was the body's: three failures for two variants.
#[tokio::test]
async fn a_variant_that_fails_by_the_manifests_word_and_by_the_listings_counts_once() {
    let scene = Scene::new();
    // Half of what their names say they are.
    for n in 0..2 {
        scene.put_object(&format!("{}/{}", key(n), name(&variant(n))), b"half").await;
    }
    write_manifest(&scene, &[(0, variant(0))]).await;
    let report = all(&scene).await;
    assert_eq!(counts(&report), (0, 0, 2, 0));
    assert!(report.failure.is_some());
    scene.assert_sound();
}

#[tokio::test]
async fn a_variant_that_the_manifest_has_wrong_and_the_listing_right_is_no_failure() {
    let scene = Scene::new();
    scene.put(&key(0), &variant(0)).await;
    let mut noted = variant(0);
    noted.body = b"another length".as_slice().into();
    write_manifest(&scene, &[(0, noted)]).await;
    let report = all(&scene).await;
    assert_eq!(counts(&report), (1, 0, 0, 100));
    assert_eq!((report.stopped, report.failure), (None, None));
}

#[tokio::test]
async fn a_manifest_of_nonsense_does_no_harm() {
    let scene = Scene::with_variants(5).await;
    scene.bucket.write_note("manifest.gz", b"nonsense".as_slice().into()).await.expect("written");
    assert_eq!(counts(&all(&scene).await), (5, 0, 0, 500));
}

#[tokio::test]
async fn no_more_downloads_run_at_once_than_may() {
    let scene = Scene::with_variants(200).await;
    let options = RestoreOptions { concurrency: Some(7), ..RestoreOptions::default() };
    assert_eq!(restored(&scene, &options).await.restored, 200);
    assert!(scene.count(|store| &store.most_running) <= 8, "seven, and a note");
}

/// Lets `count` downloads through and stops the rest at the gate.
async fn held_up_after(count: usize) -> Scene {
    let scene = Scene::with_variants(100).await;
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open - count);
    scene
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn cancelled_in_the_middle_it_reports_what_is_there() {
    let scene = held_up_after(30).await;
    let options = RestoreOptions::default();
    let cancel = options.cancel.clone();
    let last = Mutex::new(RestoreProgress::default());
    let hear = |progress: RestoreProgress| {
        if progress.restored == 30 {
            cancel.cancel();
        }
        *last.lock().expect("unpoisoned") = progress;
    };
    let report = restore(&scene.bucket, &scene.disk, &options, hear).await;
    assert_eq!((counts(&report), report.stopped), ((30, 0, 0, 3_000), Some(Stopped::Cancelled)));
    assert_eq!(last.lock().expect("unpoisoned").restored, 30);
    assert_eq!((0..100).filter(|n| scene.local(*n).is_some()).count(), 30);
    scene.assert_sound();
}

#[tokio::test]
async fn dropped_in_the_middle_it_leaves_whole_variants_only_and_can_begin_again() {
    for through in [0, 1, 13, 60] {
        let scene = held_up_after(through).await;
        let (bucket, disk) = (scene.bucket.clone(), Arc::clone(&scene.disk));
        let run =
            tokio::spawn(async move { restore(&bucket, &disk, &RestoreOptions::default(), |_| ()).await });
        until(|| scene.count(|store| &store.gets) == 100).await;
        run.abort();
        assert!(run.await.is_err());
        scene.assert_sound();
        scene.store.gate.add_permits(10_000);
        let report = all(&scene).await;
        assert_eq!((report.restored + report.skipped, report.failed), (100, 0));
        scene.assert_sound();
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_its_deadline() {
    let scene = held_up_after(5).await;
    let options = RestoreOptions { deadline: Some(Duration::from_secs(3)), ..RestoreOptions::default() };
    let report = restored(&scene, &options).await;
    assert_eq!((report.restored, report.stopped), (5, Some(Stopped::Deadline)));
    assert_eq!(report.ms, 3_000);
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_ten_times_a_second_at_most_and_at_the_end() {
    let scene = held_up_after(5).await;
    let mut told = Vec::new();
    let options =
        RestoreOptions { deadline: Some(Duration::from_millis(2_050)), ..RestoreOptions::default() };
    let began = Instant::now();
    restore(&scene.bucket, &scene.disk, &options, |progress| told.push((began.elapsed(), progress))).await;
    assert!(told.len() <= 22, "{}", told.len());
    let (_, last) = told.last().expect("the end");
    assert_eq!((last.restored, last.found, last.is_found_all), (5, 100, true));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_ends_it_soon_and_says_why() {
    let scene = Scene::with_variants(300).await;
    let file = scene.folder.path().join("file");
    fs::write(&file, b"not a folder").expect("written");
    let disk = Arc::new(Filesystem::open(file, Some(u64::MAX)));
    let options = RestoreOptions { max_bytes: Some(u64::MAX), ..RestoreOptions::default() };
    let report = restore(&scene.bucket, &disk, &options, |_| ()).await;
    assert!(matches!(report.stopped, Some(Stopped::Disk(_))), "{report:?}");
    assert_eq!((report.restored, report.failed), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_it_with_the_reason() {
    let scene = Scene::with_variants(300).await;
    scene.store.is_broken.store(true, Ordering::SeqCst);
    let report = all(&scene).await;
    assert!(matches!(report.stopped, Some(Stopped::Store(_))), "{report:?}");
    assert_eq!(report.restored, 0);
}

#[tokio::test]
async fn what_could_not_be_optimized_stays_where_it_is() {
    let scene = Scene::new();
    let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..made(b"failed", 9_000) };
    scene.put(&key(1), &failed).await;
    assert_eq!(counts(&all(&scene).await), (0, 0, 0, 0));
    assert!(scene.files(1).is_empty());
}

#[tokio::test]
async fn what_was_passed_through_comes_back_like_all_else() {
    let scene = Scene::new();
    let svg = Entry { etag: "up".into(), upstream_etag: "up".into(), ..conformance::entry(b"<svg/>") };
    scene.put(&key(1), &svg).await;
    assert_eq!(all(&scene).await.restored, 1);
    assert_eq!(scene.local(1), Some(svg));
}

#[tokio::test]
async fn a_bucket_in_a_folder_is_restored_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).expect("a store");
    let bucket = Bucket::over(Arc::new(store), crate::log::Logger::default());
    for n in 0..30 {
        bucket.save(&key(n), &variant(n)).await.expect("saved");
    }
    fs::create_dir_all(folder.path().join("image-cache/%2E%2E%2Fx")).expect("a folder");
    fs::write(folder.path().join("image-cache/%2E%2E%2Fx/1.2.a.b.webp"), b"x").expect("a file");
    let scene = Scene::new();
    let report = restore(&bucket, &scene.disk, &RestoreOptions::default(), |_| ()).await;
    assert_eq!((report.restored, report.failed, report.stopped), (30, 0, None));
    scene.assert_sound();
}

#[tokio::test]
async fn the_next_pod_gets_what_was_used_last_first() {
    let pod = Scene::new();
    let pusher = pod.pusher(PushOptions::default());
    for n in 0..10 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.flush(FLUSH).await);
    let noted = manifest::read(&pod.bucket, 100).await.expect("a manifest");
    assert_eq!(noted.len(), 10);
    let next = pod.another_pod();
    assert_eq!(counts(&all(&next).await), (10, 0, 0, 1_000));
}
