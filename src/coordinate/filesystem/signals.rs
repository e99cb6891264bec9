//! Changes in the folder, as the system tells of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::key::CacheKey;

type Listeners = Arc<Mutex<HashMap<CacheKey, Arc<Notify>>>>;

/// Wakes those who wait for a key when one of its files changes, or when whoever wrote one has let go of it: also
/// by dying.
pub(super) struct Signals {
    listeners: Listeners,
    /// `None` where the system has no more to give; then they look for themselves.
    _watcher: Option<RecommendedWatcher>,
}

/// One who waits; a key has one at a time.
pub(super) struct Signal {
    key: CacheKey,
    notify: Arc<Notify>,
    listeners: Listeners,
}

impl Signals {
    pub(super) fn of(folder: &Path) -> Self {
        let listeners = Listeners::default();
        let told = Arc::clone(&listeners);
        let on_event = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Looking opens and closes files as well, and must not wake anybody.
            let is_change = match event.kind {
                EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
                _ => true,
            };
            if !is_change {
                return;
            }
            let listeners = lock(&told);
            for path in &event.paths {
                let key = path.file_stem().and_then(|name| CacheKey::parse(name.to_str()?));
                if let Some(notify) = key.and_then(|key| listeners.get(&key)) {
                    notify.notify_one();
                }
            }
        };
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        Self { listeners, _watcher: watcher.ok() }
    }

    pub(super) fn listen(&self, key: &CacheKey) -> Signal {
        let notify = Arc::new(Notify::new());
        lock(&self.listeners).insert(key.clone(), Arc::clone(&notify));
        Signal { key: key.clone(), notify, listeners: Arc::clone(&self.listeners) }
    }
}

impl Signal {
    /// Waits for the next one; one that came since the last counts.
    pub(super) async fn given(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let mut listeners = lock(&self.listeners);
        if listeners.get(&self.key).is_some_and(|notify| Arc::ptr_eq(notify, &self.notify)) {
            listeners.remove(&self.key);
        }
    }
}

/// Nothing panics while the lock is held.
fn lock(listeners: &Listeners) -> MutexGuard<'_, HashMap<CacheKey, Arc<Notify>>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}
