//! Single flight: one leader works, followers share its result.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::key::CacheKey;

/// Who did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This caller's work ran.
    Leader,
    /// Another caller's work was already under way; its result was shared.
    Follower,
}

/// The work that is under way, at most one per key.
///
/// Work runs on a task of its own: a caller that goes away (a client that disconnects) neither stops it
/// nor leaves its key behind. Nothing is remembered once a flight has landed, an error least of all.
pub struct Flights<V> {
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    airborne: Mutex<HashMap<CacheKey, watch::Receiver<Option<Result<V>>>>>,
    /// Says how many are airborne, for those who wait until none is.
    count: watch::Sender<usize>,
}

impl<V> Default for Flights<V> {
    fn default() -> Self {
        let (count, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { airborne: Mutex::default(), count }) }
    }
}

impl<V: Clone + Send + Sync + 'static> Flights<V> {
    /// Nothing under way.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The result of `work`, or of the work that is under way for this key already. To be called on a
    /// tokio runtime, which runs the work.
    ///
    /// A caller that looked into the cache before may come just after a flight has landed, so `work`
    /// looks there once more before it makes the variant again.
    ///
    /// # Errors
    /// Those of the work; [`Error::Panic`] when it panicked; [`Error::Aborted`] when the runtime stopped.
    pub async fn run<F, W>(&self, key: &CacheKey, work: F) -> (Role, Result<V>)
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future<Output = Result<V>> + Send + 'static,
    {
        let (role, mut landing) = self.join_or_start(key, work);
        let landed = landing.wait_for(Option::is_some).await;
        let result = landed.ok().and_then(|result| result.clone()).unwrap_or(Err(Error::Aborted));
        (role, result)
    }

    /// Starts `work` unless this key has some under way; says whether it did. For a revalidation behind
    /// an answer that was given already.
    pub fn spawn_if_idle<F, W>(&self, key: &CacheKey, work: F) -> bool
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future<Output = Result<V>> + Send + 'static,
    {
        self.join_or_start(key, work).0 == Role::Leader
    }

    /// Is there one under way for this key?
    #[must_use]
    pub fn has(&self, key: &CacheKey) -> bool {
        self.shared.lock().contains_key(key)
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// None under way?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until none is under way, those that start meanwhile included.
    pub async fn drain(&self) {
        // The sender lives as long as `self`, so this ends with a count of zero only.
        let _ = self.shared.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn join_or_start<F, W>(&self, key: &CacheKey, work: F) -> (Role, watch::Receiver<Option<Result<V>>>)
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future<Output = Result<V>> + Send + 'static,
    {
        let mut airborne = self.shared.lock();
        let slot = match airborne.entry(key.clone()) {
            hash_map::Entry::Occupied(flight) => return (Role::Follower, flight.get().clone()),
            hash_map::Entry::Vacant(slot) => slot,
        };
        let (announce, landing) = watch::channel(None);
        slot.insert(landing.clone());
        self.shared.count.send_replace(airborne.len());
        drop(airborne);
        let flight = Flight { key: key.clone(), shared: Arc::clone(&self.shared), announce, result: None };
        tokio::spawn(async move {
            // The inner task catches a panic of the work, wherever in it, together with its message.
            let done = tokio::spawn(async move { work().await }).await;
            flight.land(done.unwrap_or_else(|stopped| {
                let panic = stopped.try_into_panic();
                Err(panic.map_or(Error::Aborted, |panic| Error::Panic(panic_text(panic.as_ref()))))
            }));
        });
        (Role::Leader, landing)
    }
}

impl<V> Shared<V> {
    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, watch::Receiver<Option<Result<V>>>>> {
        self.airborne.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One flight. It lands when dropped, which also happens when the runtime stops before the work is done,
/// so no key stays behind and no follower waits forever.
struct Flight<V> {
    key: CacheKey,
    shared: Arc<Shared<V>>,
    announce: watch::Sender<Option<Result<V>>>,
    result: Option<Result<V>>,
}

impl<V> Flight<V> {
    fn land(mut self, result: Result<V>) {
        self.result = Some(result);
    }
}

impl<V> Drop for Flight<V> {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or(Err(Error::Aborted));
        let mut airborne = self.shared.lock();
        airborne.remove(&self.key);
        self.announce.send_replace(Some(result));
        self.shared.count.send_replace(airborne.len());
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Notify, Semaphore};

    use super::*;
    use crate::cache::conformance::key;

    /// Work that counts itself and waits for a permit before it answers.
    #[derive(Clone)]
    struct Gate {
        runs: Arc<AtomicUsize>,
        open: Arc<Semaphore>,
    }

    impl Gate {
        fn new() -> Self {
            Self { runs: Arc::default(), open: Arc::new(Semaphore::new(0)) }
        }

        fn work<V: Send + 'static>(
            &self,
            answer: Result<V>,
        ) -> impl FnOnce() -> std::pin::Pin<Box<dyn Future<Output = Result<V>> + Send>> + Send + 'static
        {
            let gate = self.clone();
            move || {
                Box::pin(async move {
                    gate.runs.fetch_add(1, Ordering::SeqCst);
                    gate.open.acquire().await.expect("never closed").forget();
                    answer
                })
            }
        }
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_run_and_one_result() {
        let (flights, gate) = (Arc::new(Flights::new()), Gate::new());
        let callers: Vec<_> = (0..10)
            .map(|_| {
                let (flights, work) = (Arc::clone(&flights), gate.work(Ok("made")));
                tokio::spawn(async move { flights.run(&key(1), work).await })
            })
            .collect();
        while gate.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let other = flights.run(&key(2), || async { Ok("other key") }).await;
        assert_eq!(other, (Role::Leader, Ok("other key")), "another key does not wait");
        gate.open.add_permits(1);
        let mut leaders = 0;
        for caller in callers {
            let (role, result) = caller.await.unwrap();
            leaders += usize::from(role == Role::Leader);
            assert_eq!(result, Ok("made"));
        }
        assert_eq!((leaders, gate.runs.load(Ordering::SeqCst)), (1, 1));
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn errors_are_shared_but_not_remembered() {
        let (flights, gate) = (Arc::new(Flights::<u8>::new()), Gate::new());
        let failure = Error::Upstream("refused".into());
        assert!(flights.spawn_if_idle(&key(1), gate.work(Err(failure.clone()))));
        let follower = {
            let flights = Arc::clone(&flights);
            tokio::spawn(async move { flights.run(&key(1), || async { Ok(9) }).await })
        };
        while gate.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        gate.open.add_permits(1);
        assert_eq!(follower.await.unwrap(), (Role::Follower, Err(failure)));
        assert_eq!(flights.run(&key(1), || async { Ok(1) }).await, (Role::Leader, Ok(1)));
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (flights, gate) = (Flights::new(), Gate::new());
        {
            let key = key(1);
            let mut caller = Box::pin(flights.run(&key, gate.work(Ok(5))));
            tokio::select! {
                biased;
                _ = &mut caller => panic!("the gate is closed"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!((flights.len(), flights.has(&key(1)), flights.has(&key(2))), (1, true, false));
        gate.open.add_permits(1);
        let (role, result) = flights.run(&key(1), || async { Ok(6) }).await;
        assert_eq!((role, result), (Role::Follower, Ok(5)));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_all_and_the_key_lives_on() {
        let flights = Flights::<u8>::new();
        let late = flights.run(&key(1), || async { panic!("codec {}", 7) }).await;
        assert_eq!(late, (Role::Leader, Err(Error::Panic("codec 7".into()))));
        let early = flights.run(&key(1), || -> std::future::Ready<Result<u8>> { panic!("at once") }).await;
        assert_eq!(early.1, Err(Error::Panic("at once".into())));
        assert!(flights.is_empty());
        assert_eq!(flights.run(&key(1), || async { Ok(1) }).await, (Role::Leader, Ok(1)));
    }

    #[tokio::test]
    async fn background_work_starts_only_once_per_key() {
        let (flights, gate) = (Flights::new(), Gate::new());
        assert!(flights.spawn_if_idle(&key(1), gate.work(Ok(()))));
        assert!(!flights.spawn_if_idle(&key(1), gate.work(Ok(()))));
        assert!(flights.spawn_if_idle(&key(2), gate.work(Ok(()))));
        gate.open.add_permits(2);
        flights.drain().await;
        assert_eq!(gate.runs.load(Ordering::SeqCst), 2);
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn drain_waits_for_all_and_not_at_all_when_idle() {
        let flights = Arc::new(Flights::new());
        flights.drain().await;
        let (gate, drained) = (Gate::new(), Arc::new(Notify::new()));
        assert!(flights.spawn_if_idle(&key(1), gate.work(Ok(()))));
        let drain = {
            let (flights, drained) = (Arc::clone(&flights), Arc::clone(&drained));
            tokio::spawn(async move {
                drained.notify_one();
                flights.drain().await;
            })
        };
        drained.notified().await;
        assert!(!drain.is_finished());
        gate.open.add_permits(1);
        drain.await.unwrap();
        assert!(flights.is_empty());
    }

    #[test]
    fn a_runtime_that_stops_leaves_no_key_and_no_waiting_caller() {
        let flights = Flights::<()>::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let caller = {
            let _inside = runtime.enter();
            let (_, mut landing) = flights.join_or_start(&key(1), std::future::pending);
            async move { landing.wait_for(Option::is_some).await.unwrap().clone() }
        };
        drop(runtime);
        let outside = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(outside.block_on(caller), Some(Err(Error::Aborted)));
        assert!(flights.is_empty());
    }
}
