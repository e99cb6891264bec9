use std::sync::mpsc::{Receiver, channel};

use super::*;

fn pool_of(concurrency: usize, memory_budget_bytes: u64) -> Pool {
    Pool::new(PoolOptions { concurrency, memory_budget_bytes })
}

/// Starts a job that runs until the returned sender is dropped or sends.
fn occupy(pool: &Pool) -> (std::sync::mpsc::Sender<()>, Receiver<Result<()>>) {
    let (release, released) = channel::<()>();
    let (started, has_started) = channel();
    let (done, outcome) = channel();
    pool.spawn(
        &Place::default(),
        move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        },
        move |result| done.send(result).unwrap(),
    );
    has_started.recv().unwrap();
    (release, outcome)
}

#[test]
fn a_panic_is_an_error_and_the_thread_lives_on() {
    let pool = pool_of(1, 0);
    let (done, outcomes) = channel();
    for text in ["first", "second"] {
        let done = done.clone();
        pool.spawn(
            &Place::default(),
            move |_| if text == "first" { panic!("codec: {text}") } else { Ok(text) },
            move |result| done.send(result).unwrap(),
        );
    }
    assert_eq!(outcomes.recv().unwrap(), Err(Error::Panic("codec: first".to_owned())));
    assert_eq!(outcomes.recv().unwrap(), Ok("second"));
}

#[test]
fn a_waiting_job_that_is_cancelled_never_runs() {
    let pool = pool_of(1, 0);
    let (release, first) = occupy(&pool);
    let (done, outcome) = channel();
    let handle = pool.spawn::<()>(
        &Place::default(),
        |_| panic!("must not run"),
        move |result| done.send(result).unwrap(),
    );
    handle.cancel();
    assert_eq!(outcome.try_recv(), Ok(Err(Error::Aborted)), "answered before cancel() returns");
    assert_eq!(pool.stats().waiting, 0);
    drop(release);
    assert_eq!(first.recv().unwrap(), Ok(()));
    handle.cancel();
}

#[test]
fn a_pool_is_full_when_all_threads_are_taken_and_as_many_wait_as_may() {
    let pool = pool_of(1, 0);
    assert!(!pool.is_full(0), "an idle thread takes a job that need not wait");
    let (release, first) = occupy(&pool);
    assert!(pool.is_full(0));
    assert!(!pool.is_full(1));
    assert!(!pool.is_full(usize::MAX));
    pool.spawn::<()>(&Place::default(), |_| Ok(()), |_| ());
    assert!(pool.is_full(1));
    drop(release);
    assert_eq!(first.recv().unwrap(), Ok(()));
}

#[test]
fn jobs_wait_for_memory_in_the_order_they_asked_and_a_larger_one_than_the_budget_runs_alone() {
    let pool = pool_of(4, 100);
    let (log, entries) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (held, holds) = channel();
    let holder = Arc::clone(&released);
    pool.spawn(
        &Place::default(),
        move |budget| {
            let _grant = budget.wait_for(60)?;
            held.send(()).unwrap();
            let _ = holder.lock().unwrap().recv();
            Ok(())
        },
        |_| (),
    );
    holds.recv().unwrap();
    // 500 never fits beside another; the 10 that asks after it must not overtake it for ever.
    for bytes in [500, 10] {
        let (log, before) = (log.clone(), pool.shared.lock().budget_tickets);
        pool.spawn(
            &Place::default(),
            move |budget| {
                let _grant = budget.wait_for(bytes)?;
                log.send((bytes, budget.shared.lock().budget_used_bytes)).unwrap();
                Ok(())
            },
            |_| (),
        );
        while pool.shared.lock().budget_tickets == before {
            std::thread::yield_now();
        }
    }
    assert!(entries.try_recv().is_err(), "both wait");
    drop(release);
    assert_eq!(entries.recv().unwrap(), (500, 500), "alone");
    assert_eq!(entries.recv().unwrap().0, 10);
}

#[test]
fn a_job_that_will_never_fit_is_refused_at_once_and_keeps_nothing() {
    let pool = pool_of(1, 100);
    let run = |bytes| {
        let (sender, receiver) = channel();
        pool.spawn(
            &Place::default(),
            move |budget| budget.wait_for(bytes).map(|_| ()),
            move |outcome| sender.send(outcome).unwrap(),
        );
        receiver.recv().unwrap()
    };
    assert_eq!(run(100 + OVERDRAFT_BYTES), Ok(()), "alone");
    assert!(matches!(run(101 + OVERDRAFT_BYTES), Err(Error::TooManyBytes(_))));
    assert!(matches!(run(u64::MAX), Err(Error::TooManyBytes(_))));
    assert_eq!(run(1), Ok(()), "and the next one has its turn");
}

#[test]
fn a_job_that_waits_for_memory_can_be_cancelled() {
    let pool = pool_of(2, 100);
    let (release, released) = channel::<()>();
    let (held, holds) = channel();
    pool.spawn(
        &Place::default(),
        move |budget| {
            let _grant = budget.wait_for(100)?;
            held.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        },
        |_| (),
    );
    holds.recv().unwrap();
    let (done, outcome) = channel();
    let handle = pool.spawn(
        &Place::default(),
        |budget| budget.wait_for(50).map(|_| ()),
        move |result: Result<()>| done.send(result).unwrap(),
    );
    while pool.shared.lock().budget_tickets < 2 {
        std::thread::yield_now();
    }
    handle.cancel();
    assert_eq!(outcome.recv().unwrap(), Err(Error::Aborted));
    drop(release);
}

#[test]
fn no_more_jobs_run_at_once_than_the_concurrency() {
    let pool = pool_of(2, 0);
    let (first, _) = occupy(&pool);
    let (second, _) = occupy(&pool);
    let (done, outcome) = channel();
    pool.spawn(&Place::default(), |_| Ok(()), move |result: Result<()>| done.send(result).unwrap());
    assert_eq!((pool.stats().running, pool.stats().waiting), (2, 1));
    drop(first);
    outcome.recv().unwrap().unwrap();
    drop(second);
}
