//! Replicas that are killed at work.

use tokio::task::JoinHandle;

use super::super::super::crew::MOST_DEATHS;
use super::super::super::test_replica::Replica;
use super::*;

/// A replica whose one permit is taken until the studio opens, and what it is taken by.
async fn busy_replica(
    server: &Server,
    options: Options,
    studio: &Arc<Studio>,
) -> (Arc<dyn Coordinator>, JoinHandle<Result<Made>>) {
    let busy = replica(server, options, studio).await;
    let blocker = ask(&busy, wanted("blocker"));
    studio.busy(1).await;
    (busy, blocker)
}

#[tokio::test]
async fn the_job_of_a_replica_that_is_killed_comes_back() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let studio = Arc::new(Studio::gated(false));
        let (survivor, blocker) = busy_replica(&server, one_permit(), &studio).await;
        let waiting: Vec<_> = (0..5).map(|_| ask(&survivor, wanted("orphan"))).collect();
        let doomed = Replica::start(&server.url("/"), None);
        assert_eq!(doomed.kill_at_work().await, ("orphan".to_owned(), 1));
        studio.open(2);
        for caller in waiting.into_iter().chain([blocker]) {
            caller.await.expect("no panic").expect("nobody loses anything");
        }
        assert_eq!(studio.attempts(), [1, 2], "the attempt of the dead counts");
    }
}

#[tokio::test]
async fn a_job_that_kills_whoever_works_it_is_given_up() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let studio = Arc::new(Studio::gated(false));
        let (survivor, blocker) = busy_replica(&server, one_permit(), &studio).await;
        let waiting = ask(&survivor, wanted("deadly"));
        for attempt in 1..=MOST_DEATHS {
            let doomed = Replica::start(&server.url("/"), None);
            assert_eq!(doomed.kill_at_work().await, ("deadly".to_owned(), attempt));
        }
        studio.open(1);
        blocker.await.expect("no panic").expect("made");
        let given_up = waiting.await.expect("no panic");
        assert!(matches!(given_up, Err(Error::Panic(_))), "{given_up:?}");
        assert_eq!(studio.names(), ["blocker"], "the survivor never touched it");
    }
}

#[tokio::test]
async fn deaths_and_failures_are_counted_apart() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let failure = Error::Upstream("connection reset".to_owned());
        let studio = Arc::new(Studio::failing(false, vec![failure.clone(); 9]).behind_a_gate());
        let options = Options { max_attempts: 2, ..one_permit() };
        let (survivor, blocker) = busy_replica(&server, options, &studio).await;
        let waiting = ask(&survivor, wanted("unlucky"));
        for attempt in 1..=2 {
            let doomed = Replica::start(&server.url("/"), None);
            assert_eq!(doomed.kill_at_work().await, ("unlucky".to_owned(), attempt));
        }
        studio.open(9);
        for failed in [waiting, blocker] {
            assert_eq!(failed.await.expect("no panic"), Err(failure.clone()), "the source's own error");
        }
        let mut made = studio.made.lock().unwrap().clone();
        made.retain(|(name, _)| name == "unlucky");
        let attempts: Vec<_> = made.iter().map(|(_, attempt)| *attempt).collect();
        assert_eq!(attempts, [3, 4], "as many failures as are allowed");
    }
}
