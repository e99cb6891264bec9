//! Where a flight hears what has become of its job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::coordinate::Made;
use crate::coordinate::outcome::How;
use crate::error::Error;
use crate::key::CacheKey;

/// What a flight hears.
pub(super) enum Letter {
    /// This replica has made it.
    Made(Made),
    /// Another replica has made it.
    Done(How),
    /// It has failed, here or elsewhere.
    Failed(Error),
    /// This replica has worked it and put it back.
    Put,
}

#[derive(Clone, Default)]
pub(super) struct Inboxes {
    open: Arc<Mutex<HashMap<CacheKey, mpsc::UnboundedSender<Letter>>>>,
}

/// One flight's.
pub(super) struct Inbox {
    key: CacheKey,
    letters: mpsc::UnboundedReceiver<Letter>,
    inboxes: Inboxes,
}

impl Inboxes {
    /// One key has one flight; the inbox of one that has just ended gives way.
    pub(super) fn open(&self, key: &CacheKey) -> Inbox {
        // Few letters come for one flight: one for every time that its job ends.
        let (sender, letters) = mpsc::unbounded_channel();
        self.lock().insert(key.clone(), sender);
        Inbox { key: key.clone(), letters, inboxes: self.clone() }
    }

    pub(super) fn deliver(&self, key: &CacheKey, letter: impl FnOnce() -> Letter) {
        if let Some(inbox) = self.lock().get(key) {
            // Its flight may be ending.
            let _ = inbox.send(letter());
        }
    }

    pub(super) fn is_awaited(&self, key: &CacheKey) -> bool {
        self.lock().contains_key(key)
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, mpsc::UnboundedSender<Letter>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    /// Waits for a letter.
    pub(super) async fn next(&mut self) -> Letter {
        match self.letters.recv().await {
            Some(letter) => letter,
            // Another flight has taken the key over, so this one has ended.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.letters.close();
        let mut open = self.inboxes.lock();
        if open.get(&self.key).is_some_and(mpsc::UnboundedSender::is_closed) {
            open.remove(&self.key);
        }
    }
}
