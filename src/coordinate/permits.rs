//! How many jobs this process works at once, and whose turn it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::Urgency;

/// Permits for work. Clients come before background, and among equals whoever came first; a source that has its share
/// of permits already is passed over until it gives one back.
#[derive(Clone)]
pub(super) struct Permits {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told whenever a job has given its permit back.
    freed: Notify,
}

struct State {
    limit: usize,
    limit_per_source: usize,
    held: usize,
    by_source: HashMap<String, usize>,
    /// By urgency and arrival.
    waiting: BTreeMap<(Urgency, u64), Waiting>,
    arrivals: u64,
}

struct Waiting {
    source: String,
    call: oneshot::Sender<()>,
}

/// The right to work one job, until it is dropped.
pub(super) struct Permit {
    shared: Arc<Shared>,
    /// `None` as long as it is not known what it will be used for.
    source: Option<String>,
}

/// A place in the queue; leaves it when dropped.
struct Place {
    shared: Arc<Shared>,
    at: (Urgency, u64),
    source: String,
    is_taken: bool,
}

impl Permits {
    pub(super) fn new(limit: usize, limit_per_source: usize) -> Self {
        let state = State {
            limit: limit.max(1),
            limit_per_source: limit_per_source.max(1),
            held: 0,
            by_source: HashMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), freed: Notify::new() }) }
    }

    /// A permit for a job of `source`, if none has to be waited for.
    pub(super) fn try_acquire(&self, source: &str) -> Option<Permit> {
        let mut state = self.shared.lock();
        // Whoever waits and could have had it has it already.
        state.has_room_for(source).then(|| {
            state.take(source);
            Permit { shared: Arc::clone(&self.shared), source: Some(source.to_owned()) }
        })
    }

    /// A permit for a job that is yet to be found; [`Permit::assign`] says for which source in the end.
    pub(super) fn try_reserve(&self) -> Option<Permit> {
        let mut state = self.shared.lock();
        (state.held < state.limit && state.waiting.is_empty()).then(|| {
            state.held += 1;
            Permit { shared: Arc::clone(&self.shared), source: None }
        })
    }

    /// A permit for a job of `source`, when its turn has come. Gives up its place when dropped.
    pub(super) async fn acquire(&self, source: &str, urgency: Urgency) -> Permit {
        let (call, called) = oneshot::channel();
        let mut place = {
            let mut state = self.shared.lock();
            let at = (urgency, state.arrivals);
            state.arrivals += 1;
            state.waiting.insert(at, Waiting { source: source.to_owned(), call });
            state.call_next();
            Place { shared: Arc::clone(&self.shared), at, source: source.to_owned(), is_taken: false }
        };
        // The caller is dropped after the call only: `place` alone removes it from the queue otherwise.
        let _ = called.await;
        place.is_taken = true;
        Permit { shared: Arc::clone(&self.shared), source: Some(source.to_owned()) }
    }

    /// The sources that have their share of permits, so that no more of their jobs should be begun here.
    pub(super) fn exhausted_sources(&self) -> Vec<String> {
        let state = self.shared.lock();
        let full = state.by_source.iter().filter(|(_, held)| **held >= state.limit_per_source);
        full.map(|(source, _)| source.clone()).collect()
    }

    /// Permits that jobs hold.
    pub(super) fn held(&self) -> usize {
        self.shared.lock().by_source.values().sum()
    }

    /// Waits until a job gives a permit back.
    pub(super) async fn freed(&self) {
        self.shared.freed.notified().await;
    }
}

impl Permit {
    /// Says what the permit is used for. It is a source that was not exhausted when the job was looked for; should it
    /// have become so since, it has one permit more than its share for once.
    pub(super) fn assign(&mut self, source: &str) {
        *self.shared.lock().by_source.entry(source.to_owned()).or_default() += 1;
        self.source = Some(source.to_owned());
    }
}

impl Shared {
    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, source: Option<&str>) {
        let mut state = self.lock();
        state.held -= 1;
        if let Some(source) = source {
            let is_last = state.by_source.get_mut(source).is_some_and(|held| {
                *held -= 1;
                *held == 0
            });
            if is_last {
                state.by_source.remove(source);
            }
        }
        state.call_next();
        drop(state);
        // A reservation that came to nothing frees nothing that could have been used meanwhile.
        if source.is_some() {
            self.freed.notify_one();
        }
    }
}

impl State {
    fn has_room_for(&self, source: &str) -> bool {
        let held = self.by_source.get(source).copied().unwrap_or_default();
        self.held < self.limit && held < self.limit_per_source
    }

    fn take(&mut self, source: &str) {
        self.held += 1;
        *self.by_source.entry(source.to_owned()).or_default() += 1;
    }

    /// Calls all whose turn it is.
    fn call_next(&mut self) {
        while self.held < self.limit {
            let next = self.waiting.iter().find(|(_, waiting)| self.has_room_for(&waiting.source));
            let Some(at) = next.map(|(at, _)| *at) else { return };
            if let Some(Waiting { source, call }) = self.waiting.remove(&at) {
                self.take(&source);
                // Whoever has just left gives the permit back when its `Place` is dropped.
                let _ = call.send(());
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.give_back(self.source.as_deref());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        let was_called = self.shared.lock().waiting.remove(&self.at).is_none();
        if was_called {
            self.shared.give_back(Some(&self.source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn queue(
        permits: &Permits,
        source: &'static str,
        urgency: Urgency,
        name: &'static str,
        order: &Arc<Mutex<Vec<&'static str>>>,
    ) -> tokio::task::JoinHandle<Permit> {
        let (permits, order) = (permits.clone(), Arc::clone(order));
        tokio::spawn(async move {
            let permit = permits.acquire(source, urgency).await;
            order.lock().unwrap().push(name);
            permit
        })
    }

    #[tokio::test]
    async fn clients_come_before_background_and_the_first_first() {
        let (permits, order) = (Permits::new(1, 1), Arc::default());
        let held = permits.try_acquire("a").expect("free");
        let mut queued = Vec::new();
        for (urgency, name) in [
            (Urgency::Background, "background"),
            (Urgency::Client, "first client"),
            (Urgency::Client, "second client"),
        ] {
            queued.push(queue(&permits, "a", urgency, name, &order));
            settle().await;
        }
        assert!(permits.try_reserve().is_none());
        drop(held);
        for job in [1, 2, 0] {
            let permit = (&mut queued[job]).await.unwrap();
            drop(permit);
        }
        assert_eq!(*order.lock().unwrap(), ["first client", "second client", "background"]);
        assert_eq!(permits.held(), 0);
    }

    #[tokio::test]
    async fn one_source_never_holds_every_permit() {
        let (permits, order) = (Permits::new(3, 2), Arc::default());
        let slow = [permits.try_acquire("slow").unwrap(), permits.try_acquire("slow").unwrap()];
        assert!(permits.try_acquire("slow").is_none());
        assert_eq!(permits.exhausted_sources(), ["slow"]);
        let passed_over = queue(&permits, "slow", Urgency::Client, "slow", &order);
        settle().await;
        let other = permits.acquire("other", Urgency::Background).await;
        assert!(order.lock().unwrap().is_empty(), "what came later overtook it");
        drop(other);
        settle().await;
        assert!(order.lock().unwrap().is_empty(), "a permit is free and still not for it");
        drop(slow);
        passed_over.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_leaves_the_queue_takes_nothing_with_it() {
        let permits = Permits::new(1, 1);
        let held = permits.try_acquire("a").unwrap();
        let (order, left) = (Arc::default(), Arc::default());
        let leaver = queue(&permits, "a", Urgency::Client, "leaver", &left);
        settle().await;
        let stayer = queue(&permits, "a", Urgency::Client, "stayer", &order);
        settle().await;
        leaver.abort();
        let _ = leaver.await;
        drop(held);
        drop(stayer.await.unwrap());
        // Called and dropped before it could run.
        let held = permits.try_acquire("a").unwrap();
        let mut called = Box::pin(permits.acquire("a", Urgency::Client));
        assert!(futures_util::poll!(&mut called).is_pending());
        drop(held);
        drop(called);
        assert!(permits.try_acquire("a").is_some(), "nothing leaked");
    }

    #[tokio::test]
    async fn a_reservation_yields_to_those_who_wait() {
        let permits = Permits::new(2, 1);
        let held = permits.try_acquire("a").unwrap();
        let (order, mut reserved) = (Arc::default(), permits.try_reserve().unwrap());
        reserved.assign("b");
        let waits = queue(&permits, "a", Urgency::Background, "waits", &order);
        settle().await;
        drop(reserved);
        assert!(permits.try_reserve().is_none(), "its source is exhausted, and still it goes first");
        drop(held);
        drop(waits.await.unwrap());
        assert!(permits.try_reserve().is_some());
    }
}
