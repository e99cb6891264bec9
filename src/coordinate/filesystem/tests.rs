use super::super::Results;
use super::super::conformance::{self, Fleet, Studio, wanted, whenever};
use super::super::test_replica::Replica;
use super::*;

/// Two coordinators in one process have locks of their own, as two processes have.
struct OverFolder(tempfile::TempDir);

impl Fleet for OverFolder {
    fn join(&self, options: Options, worker: Arc<dyn Worker>) -> BoxFuture<'_, Arc<dyn Coordinator>> {
        let process = Filesystem::open(self.0.path(), options, worker).expect("it opens");
        std::future::ready(Arc::new(process) as Arc<dyn Coordinator>).boxed()
    }
}

#[tokio::test]
async fn it_does_what_a_coordinator_does() {
    for results in [Results::InStore, Results::default()] {
        let fleet = OverFolder(tempfile::tempdir().expect("a folder"));
        conformance::check(&fleet, results).await;
        let left = std::fs::read_dir(fleet.0.path().join("coordinate")).expect("the folder");
        let names: Vec<_> = left.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name.ends_with(".outcome")), "only outcomes are left: {names:?}");
    }
}

async fn process(dir: &Path, studio: &Arc<Studio>) -> Arc<dyn Coordinator> {
    process_with(dir, conformance::options(Results::default()), studio).await
}

async fn process_with(dir: &Path, options: Options, studio: &Arc<Studio>) -> Arc<dyn Coordinator> {
    let storage = super::super::Storage::Filesystem(dir.to_owned());
    super::super::open(&storage, options, Arc::clone(studio) as Arc<dyn Worker>).await.expect("it opens")
}

#[tokio::test]
async fn the_job_of_a_process_that_is_killed_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = format!("filesystem:{}", folder.path().display());
    let studio = Arc::new(Studio::new(false));
    let survivor = process(folder.path(), &studio).await;
    let doomed = Replica::start(&storage, Some("orphan"));
    // It has the lock by the time that it is known to work; ask while it lives.
    let lock = folder.path().join(format!("coordinate/{}.lock", wanted("orphan").key));
    while std::fs::metadata(&lock).map_or(0, |metadata| metadata.len()) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = {
        let survivor = Arc::clone(&survivor);
        tokio::spawn(async move { survivor.make(wanted("orphan"), whenever()).await })
    };
    while survivor.stats().queued == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(studio.names().is_empty(), "another process is at it");
    assert_eq!(doomed.kill_at_work().await, ("orphan".to_owned(), 1));
    waiting.await.expect("no panic").expect("made");
    assert_eq!(studio.attempts(), [2], "the attempt of the dead counts");
}

#[tokio::test]
async fn deaths_and_failures_are_counted_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = format!("filesystem:{}", folder.path().display());
    for attempt in 1..MOST_DEATHS {
        let doomed = Replica::start(&storage, Some("unlucky"));
        assert_eq!(doomed.kill_at_work().await, ("unlucky".to_owned(), attempt));
    }
    let failure = Error::Upstream("connection reset".to_owned());
    let studio = Arc::new(Studio::failing(false, vec![failure.clone(); 3]));
    let options = Options { max_attempts: 2, ..conformance::options(Results::default()) };
    let survivor = process_with(folder.path(), options, &studio).await;
    assert_eq!(survivor.make(wanted("unlucky"), whenever()).await, Err(failure), "the source's own error");
    assert_eq!(studio.attempts(), [MOST_DEATHS, MOST_DEATHS + 1], "as many failures as are allowed");
}

#[tokio::test]
async fn a_job_that_kills_whoever_works_it_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = format!("filesystem:{}", folder.path().display());
    for attempt in 1..=MOST_DEATHS {
        let doomed = Replica::start(&storage, Some("deadly"));
        assert_eq!(doomed.kill_at_work().await, ("deadly".to_owned(), attempt));
    }
    let studio = Arc::new(Studio::new(false));
    let survivor = process(folder.path(), &studio).await;
    let made = survivor.make(wanted("deadly"), whenever()).await;
    assert!(matches!(made, Err(Error::Panic(_))), "{made:?}");
    assert!(studio.names().is_empty());
    survivor.close().await;
    survivor.make(wanted("deadly"), whenever()).await.expect("who asks again later gets a new chance");
}

#[tokio::test]
async fn a_folder_that_fails_fails_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let studio = Arc::new(Studio::new(false));
    let process = process(folder.path(), &studio).await;
    std::fs::remove_dir_all(folder.path().join("coordinate")).expect("removed");
    std::fs::write(folder.path().join("coordinate"), b"in the way").expect("written");
    process.make(wanted("alone"), whenever()).await.expect("made all the same");
    assert_eq!((process.stats().local, process.stats().storage_errors), (1, 1));
    std::fs::remove_file(folder.path().join("coordinate")).expect("removed");
    assert!(
        Filesystem::open(Path::new("/dev/null"), Options::default(), studio).is_err(),
        "at the start it is an error"
    );
}

#[tokio::test]
async fn outcomes_and_what_the_dead_have_left_are_tidied_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let studio = Arc::new(Studio::new(false));
    let process = process(folder.path(), &studio).await;
    for job in 0..2_100 {
        process.make(wanted(&format!("job-{job}")), whenever()).await.expect("made");
    }
    process.close().await;
    let path = folder.path().join("coordinate");
    let count = || std::fs::read_dir(&path).expect("the folder").count();
    assert!(count() <= 1_500, "{} files after 2,100 jobs", count());

    let key = wanted("job-old").key;
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    for extension in ["lock", "outcome", "part"] {
        let file = std::fs::File::create(path.join(format!("{key}.{extension}"))).expect("made");
        file.set_modified(long_ago).expect("set");
    }
    let living = std::fs::File::create(path.join(format!("{}.lock", wanted("living").key))).expect("made");
    living.set_modified(long_ago).expect("set");
    living.try_lock().expect("nobody has it");
    process_folder(&path).tidy().expect("tidied");
    let old = ["lock", "outcome", "part"].map(|extension| path.join(format!("{key}.{extension}")).exists());
    assert_eq!(old, [false; 3]);
    assert!(path.join(format!("{}.lock", wanted("living").key)).exists(), "a lock that is held stays");
    assert!(count() <= 1_001, "{} files", count());
}

fn process_folder(path: &Path) -> Folder {
    Folder::open(path.to_owned(), Results::default()).expect("it opens")
}
