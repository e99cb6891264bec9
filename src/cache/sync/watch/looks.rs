//! Keys at which something happened, until their file is whole.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cache::file_name::FileName;
use crate::cache::filesystem::{Filesystem, Found};
use crate::cache::sync::settled::Settled;
use crate::key::CacheKey;

/// A file whose name says nothing about its bytes counts as whole when it has not changed for this long.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// A key whose folder is gone counts as removed after this time: Next removes a folder before it writes it anew.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// Between an event and the first look. The next ones take twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// After so many looks, a minute in all, the key is left to the rescans.
const LOOKS: u32 = 12;

/// Keys at most; more are left to the rescans.
const CAPACITY: usize = 10_000;

/// Keys looked at in one go.
const AT_ONCE: usize = 64;

/// The keys to look at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    keys: HashMap<CacheKey, Look>,
}

/// What is known of a key from the looks so far.
#[derive(Debug, Clone)]
pub(super) struct Look {
    at: Instant,
    looks: u32,
    /// What the folder held, and since when it has not changed.
    seen: Option<(Option<Found>, Instant)>,
}

/// What a round of looks came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Files to push.
    pub(super) whole: Vec<(CacheKey, FileName)>,
    /// Keys whose folder is gone for good.
    pub(super) gone: Vec<CacheKey>,
    /// Keys to look at again.
    pub(super) again: Vec<(CacheKey, Look)>,
}

impl Looks {
    /// Something happened at this key. `false` when there is no room for it.
    pub(super) fn mark(&mut self, key: CacheKey) -> bool {
        let has_room = self.keys.len() < CAPACITY || self.keys.contains_key(&key);
        if has_room {
            let look = Look { at: Instant::now() + FIRST_PAUSE, looks: 0, seen: None };
            // Writing makes many events; the first look must not be put off by each of them.
            self.keys.entry(key).and_modify(|look| look.looks = 0).or_insert(look);
        }
        has_room
    }

    /// When the next look is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.keys.values().map(|look| look.at).min()
    }

    /// Takes out keys whose turn it is.
    pub(super) fn take_due(&mut self) -> Vec<(CacheKey, Look)> {
        let now = Instant::now();
        let due = self.keys.iter().filter(|(_, look)| look.at <= now).take(AT_ONCE);
        let due: Vec<CacheKey> = due.map(|(key, _)| key.clone()).collect();
        due.into_iter().filter_map(|key| self.keys.remove_entry(&key)).collect()
    }

    /// Puts keys back that are to be looked at again.
    pub(super) fn put_back(&mut self, again: Vec<(CacheKey, Look)>) {
        for (key, look) in again {
            self.keys.entry(key).or_insert(look);
        }
    }
}

/// Looks at the folders of these keys; blocks.
pub(super) fn look(disk: &Filesystem, settled: &Settled, due: Vec<(CacheKey, Look)>) -> Looked {
    let mut looked = Looked::default();
    let now = Instant::now();
    for (key, mut look) in due {
        // A folder that can't be read now may be readable later.
        let found = disk.newest(&key).unwrap_or(None);
        let name = found.as_ref().map(|found| found.name.clone());
        if name.as_ref().is_some_and(|name| settled.contains(&key, name)) {
            continue;
        }
        let unchanged_since = match look.seen.take() {
            Some((before, since)) if before == found => since,
            _ => now,
        };
        let quiet = now - unchanged_since;
        match name {
            Some(name) if is_whole(disk, &key, &name, quiet) => {
                looked.whole.push((key, name));
                continue;
            }
            None if quiet >= GONE_AFTER => {
                // Where the whole folder went, nothing was evicted.
                if disk.dir().exists() {
                    looked.gone.push(key);
                }
                continue;
            }
            _ => {}
        }
        look.looks += 1;
        if look.looks < LOOKS {
            look.seen = Some((found, unchanged_since));
            look.at = now + FIRST_PAUSE * (1 << look.looks.min(10));
            looked.again.push((key, look));
        }
    }
    looked
}

fn is_whole(disk: &Filesystem, key: &CacheKey, name: &FileName, quiet: Duration) -> bool {
    if name.tells_body() {
        return disk.read_named(key, name).is_ok_and(|entry| entry.is_some());
    }
    quiet >= SETTLED_AFTER
}
