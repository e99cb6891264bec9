use tokio::time::{Instant, sleep};

use super::*;
use crate::cache::VariantStore;
use crate::cache::sync::manifest;
use crate::cache::sync::testing::{Scene, key, made, name, variant};

const LONG: Duration = Duration::from_secs(600);

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// knext pushed none of them.
#[tokio::test]
async fn twenty_variants_offered_just_before_the_end_are_all_pushed() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    for n in 0..20 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.stop(LONG).await);
    assert_eq!(scene.objects().await.len(), 20);
    let stats = pusher.stats();
    assert_eq!((stats.pushed, stats.bytes, stats.queued, stats.failed), (20, 2_000, 0, 0));
    assert_eq!(manifest::read(&scene.bucket, 100).await.expect("a manifest").len(), 20);
    pusher.offer(&key(99), Arc::new(variant(99)));
    assert_eq!(pusher.stats().queued, 0, "after the end nothing is taken");
}

/// knext had 446 at once.
#[tokio::test]
async fn no_more_uploads_run_at_once_than_may() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    for n in 0..500 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.flush(LONG).await);
    assert_eq!(scene.objects().await.len(), 500);
    let most = scene.count(|store| &store.most_running);
    assert!((1..=8).contains(&most), "{most}");
}

#[tokio::test]
async fn of_several_entries_for_a_key_the_newest_gets_there_alone() {
    let scene = Scene::new();
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open);
    let pusher = scene.pusher(PushOptions::default());
    pusher.offer(&key(1), Arc::new(made(b"first", 1_000)));
    until(|| scene.count(|store| &store.puts) == 1).await;
    for n in 2..50_u64 {
        pusher.offer(&key(1), Arc::new(made(&n.to_be_bytes(), n * 1_000)));
    }
    scene.store.gate.add_permits(1_000);
    assert!(pusher.flush(LONG).await);
    let newest = made(&49_u64.to_be_bytes(), 49_000);
    assert_eq!(scene.objects().await, [format!("{}/{}", key(1), name(&newest))]);
    assert_eq!(pusher.stats().pushed, 2, "those between were never sent");
}

#[tokio::test]
async fn fallbacks_and_what_the_bucket_has_are_not_pushed() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    let failed = Entry { fallback: Some("ERR_UNSHARP_DECODE".into()), ..made(b"failed", 9_000) };
    pusher.offer(&key(1), Arc::new(failed.clone()));
    pusher.offer_file(&key(1), name(&failed));
    for _ in 0..3 {
        pusher.offer(&key(2), Arc::new(variant(2)));
        pusher.offer_file(&key(2), name(&variant(2)));
        assert!(pusher.flush(LONG).await);
    }
    pusher.index().note_found(&key(3), &variant(3));
    pusher.offer_file(&key(3), name(&variant(3)));
    pusher.index().keep_local(&key(4), &variant(4));
    pusher.offer_file(&key(4), name(&variant(4)));
    assert!(pusher.flush(LONG).await);
    assert_eq!(scene.count(|store| &store.puts), 1);
}

#[tokio::test]
async fn files_are_read_when_their_turn_comes() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    scene.disk.save(&key(1), &variant(1)).expect("saved");
    pusher.offer_file(&key(1), name(&variant(1)));
    pusher.offer_file(&key(2), name(&variant(2)));
    scene.write_as_next(&key(3), &variant(3));
    let half = scene.disk.dir().join(key(3).as_str()).join(name(&variant(3)).to_string());
    std::fs::write(half, b"half").expect("written");
    pusher.offer_file(&key(3), name(&variant(3)));
    assert!(pusher.flush(LONG).await);
    assert_eq!(scene.objects().await, [format!("{}/{}", key(1), name(&variant(1)))], "neither gone nor half");
    assert_eq!(pusher.stats().failed, 0);
}

#[tokio::test]
async fn a_file_older_than_what_the_bucket_is_known_to_have_stays_here() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    scene.disk.save(&key(1), &made(b"older", 1_000)).expect("saved");
    pusher.index().note_found(&key(1), &made(b"newer", 2_000));
    pusher.offer_file(&key(1), name(&made(b"older", 1_000)));
    assert!(pusher.flush(LONG).await);
    assert_eq!(scene.count(|store| &store.puts), 0);
}

#[tokio::test]
async fn when_too_many_wait_the_oldest_are_given_up_counted_and_looked_for_again() {
    let scene = Scene::new();
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open);
    let options = PushOptions { queue: 10, concurrency: 2, ..PushOptions::default() };
    let pusher = scene.pusher(options);
    for n in 0..2 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    until(|| scene.count(|store| &store.puts) == 2).await;
    for n in 2..32 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    let stats = pusher.stats();
    assert_eq!((stats.queued, stats.given_up), (10, 20));
    pusher.rescan_wanted().await;
    scene.store.gate.add_permits(1_000);
    assert!(pusher.flush(LONG).await);
    let objects = scene.objects().await;
    assert_eq!(objects.len(), 12);
    assert!((22..32).all(|n| objects.contains(&format!("{}/{}", key(n), name(&variant(n))))), "the newest");
    let lines = scene.log.events().iter().filter(|event| **event == "push_given_up").count();
    assert!((1..=5).contains(&lines), "{lines} lines about 20");
}

#[tokio::test(start_paused = true)]
async fn an_outage_delays_pushes_and_loses_none() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    scene.store.is_broken.store(true, Ordering::SeqCst);
    for n in 0..50 {
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(!pusher.flush(Duration::from_secs(5)).await, "the budget ends before the outage does");
    scene.store.is_broken.store(false, Ordering::SeqCst);
    assert!(pusher.flush(Duration::from_secs(100_000)).await);
    assert_eq!(scene.objects().await.len(), 50);
    assert_eq!((pusher.stats().pushed, pusher.stats().failed), (50, 0));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_costs_the_end_no_more_than_its_budget() {
    let scene = Scene::new();
    let open = scene.store.gate.available_permits();
    scene.store.gate.forget_permits(open);
    let pusher = scene.pusher(PushOptions::default());
    pusher.offer(&key(1), Arc::new(variant(1)));
    let began = Instant::now();
    assert!(!pusher.stop(Duration::from_secs(5)).await);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_always_fails_is_given_up_in_the_end() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    scene.store.is_broken.store(true, Ordering::SeqCst);
    pusher.offer(&key(1), Arc::new(variant(1)));
    assert!(pusher.flush(Duration::from_secs(100_000)).await);
    assert_eq!((pusher.stats().failed, pusher.stats().pushed), (1, 0));
    assert!(scene.log.events().contains(&"push_failed"));
}

#[tokio::test(start_paused = true)]
async fn the_manifest_follows_when_pushes_pause_and_goes_on_while_they_do_not() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions::default());
    let noted = || async { manifest::read(&scene.bucket, 1_000).await.expect("readable").len() };
    pusher.offer(&key(0), Arc::new(variant(0)));
    sleep(Duration::from_millis(1_900)).await;
    assert_eq!(noted().await, 0);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(noted().await, 1);
    // One every second leaves no pause of two.
    for n in 1..=25 {
        pusher.offer(&key(n), Arc::new(variant(n)));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(noted().await, 1);
    for n in 26..=35 {
        pusher.offer(&key(n), Arc::new(variant(n)));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(noted().await >= 30);
}

#[tokio::test]
async fn the_manifests_of_two_pods_become_one() {
    let pod = Scene::new();
    let other = pod.another_pod();
    let (first, second) = (pod.pusher(PushOptions::default()), other.pusher(PushOptions::default()));
    for n in 0..10 {
        first.offer(&key(n), Arc::new(variant(n)));
        second.offer(&key(100 + n), Arc::new(variant(n)));
    }
    assert!(first.flush(LONG).await);
    assert!(second.flush(LONG).await);
    assert_eq!(manifest::read(&pod.bucket, 100).await.expect("a manifest").len(), 20);
    assert!(second.index().find(&key(3)).is_some(), "and each learns of the other's");
}

#[tokio::test]
async fn what_is_purged_here_is_removed_there_only_on_demand() {
    for (remove_remote, left) in [(false, 1), (true, 0)] {
        let scene = Scene::new();
        let pusher = scene.pusher(PushOptions { remove_remote, ..PushOptions::default() });
        pusher.offer(&key(1), Arc::new(variant(1)));
        assert!(pusher.flush(LONG).await);
        pusher.offer_removal(&key(1));
        assert!(pusher.flush(LONG).await);
        assert_eq!(scene.objects().await.len(), left);
        assert_eq!(manifest::read(&scene.bucket, 100).await.expect("a manifest").len(), left);
        pusher.offer(&key(1), Arc::new(variant(1)));
        assert!(pusher.flush(LONG).await);
        assert_eq!(scene.objects().await.len(), 1, "and it can come again");
    }
}

#[tokio::test]
async fn no_more_bytes_go_into_the_bucket_in_an_hour_than_may() {
    let scene = Scene::new();
    let pusher = scene.pusher(PushOptions { hourly_bytes: 1_000, ..PushOptions::default() });
    for n in 0..10_000 {
        // Of 100 bytes each.
        pusher.offer(&key(n), Arc::new(variant(n)));
    }
    assert!(pusher.flush(LONG).await);
    assert_eq!(scene.objects().await.len(), 10);
    let stats = pusher.stats();
    assert_eq!((stats.pushed, stats.bytes, stats.given_up, stats.failed), (10, 1_000, 9_990, 0));
}
