//! The worker of the suite.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};

use super::super::{Job, Worker};
use crate::cache::Entry;
use crate::cache::conformance::entry;
use crate::error::{Error, Result};
use crate::key::CacheKey;

/// What stands for pipeline and variant store of a fleet: counts what is made, and waits where it is told to.
pub struct Studio {
    pub made: Mutex<Vec<(String, u32)>>,
    pub in_work: AtomicUsize,
    pub began: Notify,
    pub store: Mutex<HashMap<CacheKey, Arc<Entry>>>,
    /// Whether what is made is kept where the next look-up finds it.
    pub keeps: bool,
    gate: Option<Semaphore>,
    failures: Mutex<Vec<Error>>,
}

impl Studio {
    /// Makes everything at once.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self {
            made: Mutex::default(),
            in_work: AtomicUsize::new(0),
            began: Notify::new(),
            store: Mutex::default(),
            keeps,
            gate: None,
            failures: Mutex::default(),
        }
    }

    /// Every attempt waits for [`Self::open`].
    #[must_use]
    pub fn gated(keeps: bool) -> Self {
        Self::new(keeps).behind_a_gate()
    }

    /// The same, and every attempt waits for [`Self::open`].
    #[must_use]
    pub fn behind_a_gate(self) -> Self {
        Self { gate: Some(Semaphore::new(0)), ..self }
    }

    /// The next attempts fail like this, the first first.
    #[must_use]
    pub fn failing(keeps: bool, mut failures: Vec<Error>) -> Self {
        failures.reverse();
        Self { failures: Mutex::new(failures), ..Self::new(keeps) }
    }

    /// Lets so many attempts pass.
    ///
    /// # Panics
    /// When there is no gate.
    pub fn open(&self, attempts: usize) {
        self.gate.as_ref().expect("a gate").add_permits(attempts);
    }

    /// Waits until so many attempts are in work.
    pub async fn busy(&self, attempts: usize) {
        while self.in_work.load(Ordering::SeqCst) < attempts {
            let _ = tokio::time::timeout(Duration::from_millis(5), self.began.notified()).await;
        }
    }

    /// The names that were made, in order.
    ///
    /// # Panics
    /// Never.
    pub fn names(&self) -> Vec<String> {
        self.made.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// The numbers of the attempts, in order.
    ///
    /// # Panics
    /// Never.
    pub fn attempts(&self) -> Vec<u32> {
        self.made.lock().unwrap().iter().map(|(_, attempt)| *attempt).collect()
    }
}

/// The picture that the studio makes of a job.
#[must_use]
pub fn picture(job: &Job) -> Entry {
    Entry { expires_at_ms: u64::MAX, ..entry(format!("a picture of {}", job.request.href).as_bytes()) }
}

impl Worker for Studio {
    fn make<'a>(&'a self, job: &'a Job, attempt: u32) -> BoxFuture<'a, Result<Arc<Entry>>> {
        Box::pin(async move {
            let name = job.request.href.trim_start_matches('/').to_owned();
            self.made.lock().unwrap().push((name.clone(), attempt));
            self.in_work.fetch_add(1, Ordering::SeqCst);
            self.began.notify_waiters();
            if let Some(gate) = &self.gate {
                gate.acquire().await.expect("never closed").forget();
            }
            self.in_work.fetch_sub(1, Ordering::SeqCst);
            assert!(name != "panic", "told to panic");
            if let Some(error) = self.failures.lock().unwrap().pop() {
                return Err(error);
            }
            let entry = Arc::new(picture(job));
            if self.keeps {
                self.store.lock().unwrap().insert(job.key.clone(), Arc::clone(&entry));
            }
            Ok(entry)
        })
    }

    fn lookup<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<Arc<Entry>>> {
        Box::pin(async move { self.store.lock().unwrap().get(key).cloned() })
    }
}
