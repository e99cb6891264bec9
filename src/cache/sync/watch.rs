//! From the folder to the queue: what Next, or anybody else, writes there.
//!
//! Only the folder itself is watched, not the folders in it: Next removes and makes a key's folder for every file that it
//! writes, so each shows, and one watch is enough where one per key would run into the system's limits. Whatever no
//! event tells of (a file of ours in a folder that stays, events that were lost) a rescan finds.

mod looks;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::Map;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::looks::{Looks, SETTLED_AFTER};
use super::index::Index;
use super::manifest::blocking;
use super::push::Pusher;
use crate::cache::filesystem::{Filesystem, Found};
use crate::key::CacheKey;
use crate::log::{Level, Logger};

/// Events that wait at most; more are lost, and a rescan takes their place.
const EVENTS: usize = 4_096;

/// Between two rescans while the folder can't be watched.
const UNWATCHED_RESCAN: Duration = Duration::from_secs(10);

/// A filesystem's clock may lag behind: a file that is written now may bear a time of before.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// Files that a rescan may be ahead of the queue.
const SCANNED_AHEAD: usize = 64;

/// How watching goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// Between two looks at the whole folder. Default 60 s.
    pub rescan: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { rescan: Duration::from_secs(60) }
    }
}

/// What watching has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchStats {
    /// Whether the system tells of changes. Otherwise rescans alone find them.
    pub is_watching: bool,
    /// Looks at the whole folder.
    pub rescans: u64,
    /// Files handed to the queue.
    pub noticed: u64,
}

/// Hands new files of a folder to a [`Pusher`]. Dropping it ends it.
pub(super) struct Watch {
    shared: Arc<Shared>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    disk: Arc<Filesystem>,
    pusher: Arc<Pusher>,
    index: Arc<Index>,
    options: WatchOptions,
    logger: Logger,
    /// Cancelled once it is known what the bucket has: before, every file that was there would count as new.
    surveyed: CancellationToken,
    /// Files from then on are new, whatever else is known.
    young_since: SystemTime,
    is_watching: AtomicBool,
    rescans: AtomicU64,
    noticed: AtomicU64,
    watcher: Mutex<Option<RecommendedWatcher>>,
    events: Events,
}

/// Where the watcher's own thread leaves what it hears.
#[derive(Clone)]
struct Events {
    keys: mpsc::Sender<CacheKey>,
    /// Something was lost: only a rescan tells what.
    lost: Arc<Notify>,
}

impl Watch {
    /// Begins to watch before it returns.
    pub(super) async fn start(
        pusher: Arc<Pusher>,
        options: WatchOptions,
        surveyed: CancellationToken,
        logger: Logger,
    ) -> Self {
        let (keys, heard) = mpsc::channel(EVENTS);
        let shared = Arc::new(Shared {
            disk: Arc::clone(pusher.disk()),
            index: Arc::clone(pusher.index()),
            pusher,
            options,
            logger,
            surveyed,
            young_since: SystemTime::now() - CLOCK_MARGIN,
            is_watching: AtomicBool::new(false),
            rescans: AtomicU64::new(0),
            noticed: AtomicU64::new(0),
            watcher: Mutex::new(None),
            events: Events { keys, lost: Arc::new(Notify::new()) },
        });
        let arming = Arc::clone(&shared);
        let _ = blocking(move || {
            // On failure it is watched once somebody else has made it.
            let _ = std::fs::create_dir_all(arming.disk.dir());
            arming.arm();
        })
        .await;
        let (flushes, flush_asked) = mpsc::channel(1);
        let task = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).run(heard, flush_asked)));
        Self { shared, flushes, _task: task }
    }

    /// Looks at the whole folder and hands over what is new, waiting for files that are being written, but no longer
    /// than `budget`. Returns whether it got through.
    pub(super) async fn flush(&self, budget: Duration) -> bool {
        let through = async {
            let (done, through) = oneshot::channel();
            self.flushes.send(done).await.is_ok() && through.await.is_ok()
        };
        timeout(budget, through).await.unwrap_or(false)
    }

    /// What has happened so far.
    pub(super) fn stats(&self) -> WatchStats {
        WatchStats {
            is_watching: self.shared.is_watching.load(Ordering::Relaxed),
            rescans: self.shared.rescans.load(Ordering::Relaxed),
            noticed: self.shared.noticed.load(Ordering::Relaxed),
        }
    }
}

impl Events {
    fn hear(&self, dir: &Path, heard: notify::Result<Event>) {
        let Ok(event) = heard else { return self.lost.notify_one() };
        // A folder that went away may come back as another one.
        if event.need_rescan() || (event.kind.is_remove() && event.paths.iter().any(|path| path == dir)) {
            self.lost.notify_one();
        }
        if event.kind.is_access() {
            return;
        }
        for path in &event.paths {
            let mut names = path.iter().rev().filter_map(|name| name.to_str());
            if let Some(key) = names.find_map(CacheKey::parse)
                && self.keys.try_send(key).is_err()
            {
                self.lost.notify_one();
            }
        }
    }
}

impl Shared {
    /// Watches the folder that has the name now. Cheap where it is watched already.
    fn arm(&self) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.disk.dir();
        let armed = match watcher.as_mut() {
            Some(watcher) => watcher.watch(dir, RecursiveMode::NonRecursive),
            None => self.watch_anew(dir).map(|new| *watcher = Some(new)),
        };
        let was_watching = self.is_watching.swap(armed.is_ok(), Ordering::Relaxed);
        if let Err(error) = armed {
            *watcher = None;
            // Once per failure, not once per rescan.
            let is_news = was_watching || self.rescans.load(Ordering::Relaxed) == 0;
            if is_news && dir.exists() {
                self.logger.write(Level::Warn, "watch_failed", || {
                    let every = UNWATCHED_RESCAN.as_secs();
                    (format!("{} is looked at every {every} s instead: {error}", dir.display()), Map::new())
                });
            }
        }
    }

    fn watch_anew(&self, dir: &Path) -> notify::Result<RecommendedWatcher> {
        let (events, folder) = (self.events.clone(), dir.to_owned());
        let mut watcher =
            RecommendedWatcher::new(move |heard| events.hear(&folder, heard), Config::default())?;
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    async fn run(
        self: Arc<Self>,
        mut heard: mpsc::Receiver<CacheKey>,
        mut flush_asked: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut looks = Looks::default();
        let mut is_surveyed = false;
        let mut rescan_at = Instant::now();
        loop {
            let look_at = looks.next_at();
            tokio::select! {
                Some(key) = heard.recv() => self.mark(&mut looks, key),
                () = sleep_until(look_at.unwrap_or(rescan_at)), if look_at.is_some() => self.look(&mut looks).await,
                () = self.surveyed.cancelled(), if !is_surveyed => {
                    is_surveyed = true;
                    rescan_at = Instant::now();
                }
                () = sleep_until(rescan_at), if is_surveyed => {
                    self.rescan(&mut looks).await;
                    rescan_at = Instant::now() + self.pause();
                }
                // Before the survey, its end brings a rescan anyway.
                () = self.events.lost.notified() => rescan_at = Instant::now(),
                () = self.pusher.rescan_wanted() => {
                    self.pusher.room().await;
                    rescan_at = Instant::now();
                }
                Some(mut done) = flush_asked.recv() => {
                    let is_all = self.rescan(&mut looks).await;
                    self.finish_looks(&mut looks, &done).await;
                    if !is_all {
                        tokio::select! {
                            () = self.surveyed.cancelled() => {
                                self.rescan(&mut looks).await;
                                self.finish_looks(&mut looks, &done).await;
                            }
                            () = done.closed() => {}
                        }
                    }
                    // Nobody waits when the budget was too short.
                    let _ = done.send(());
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let rescan = self.options.rescan;
        if self.is_watching.load(Ordering::Relaxed) { rescan } else { rescan.min(UNWATCHED_RESCAN) }
    }

    fn mark(&self, looks: &mut Looks, key: CacheKey) {
        if !looks.mark(key) {
            self.events.lost.notify_one();
        }
    }

    /// Looks at the keys whose turn it is, and hands over the files that are whole.
    async fn look(self: &Arc<Self>, looks: &mut Looks) {
        let due = looks.take_due();
        let this = Arc::clone(self);
        let Ok(looked) = blocking(move || looks::look(&this.disk, &this.index.settled, due)).await else {
            return;
        };
        for (key, name) in looked.whole {
            self.hand_over(&key, name).await;
        }
        for key in looked.gone {
            self.pusher.offer_removal(&key);
        }
        looks.put_back(looked.again);
    }

    /// Looks until every key is through, or nobody waits any more.
    async fn finish_looks(self: &Arc<Self>, looks: &mut Looks, done: &oneshot::Sender<()>) {
        while let Some(at) = looks.next_at()
            && !done.is_closed()
        {
            sleep_until(at).await;
            self.look(looks).await;
        }
    }

    async fn hand_over(&self, key: &CacheKey, name: crate::cache::file_name::FileName) {
        self.pusher.room().await;
        self.noticed.fetch_add(1, Ordering::Relaxed);
        self.pusher.offer_file(key, name);
    }

    /// Finds what no event told of. Before the survey only files that are younger than this watch count as new; returns
    /// whether none was left out for that.
    async fn rescan(self: &Arc<Self>, looks: &mut Looks) -> bool {
        let (found, mut new) = mpsc::channel(SCANNED_AHEAD);
        let this = Arc::clone(self);
        let scan = tokio::task::spawn_blocking(move || {
            this.arm();
            this.rescans.fetch_add(1, Ordering::Relaxed);
            let oldest = (!this.surveyed.is_cancelled()).then_some(this.young_since);
            let mut is_all = true;
            for key in this.disk.keys() {
                // A folder that can't be read is tried again by the next rescan.
                let Ok(Some(newest)) = this.disk.newest(&key) else { continue };
                let is_old = oldest.is_some_and(|oldest| newest.modified.is_some_and(|at| at < oldest));
                if this.index.settled.contains(&key, &newest.name) {
                    continue;
                }
                if is_old {
                    is_all = false;
                    continue;
                }
                // Nobody listens when the watch has ended.
                if found.blocking_send((key, newest)).is_err() {
                    break;
                }
            }
            is_all
        });
        while let Some((key, Found { name, modified, .. })) = new.recv().await {
            let age = modified.and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age >= SETTLED_AFTER * 2) {
                self.hand_over(&key, name).await;
            } else {
                // It may be in the middle of being written.
                self.mark(looks, key);
            }
        }
        // It ends early only with the process.
        scan.await.unwrap_or(true)
    }
}
