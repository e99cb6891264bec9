//! What the bucket is known to have: key to file name, in memory, bounded.

use std::collections::hash_map::{Entry as Slot, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::manifest::Noted;
use super::settled::Settled;
use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::key::CacheKey;

/// Variants known at most, by default. One takes about 300 bytes.
pub const INDEX_CAPACITY: usize = 50_000;

/// What a process knows of the bucket, from the manifest, from listings and from its own pushes. It makes reading an
/// entry one round trip, and it is a hint: what it names may be gone, and what it lacks may be there.
#[derive(Debug)]
pub struct Index {
    state: Mutex<State>,
    capacity: usize,
    /// Which files of the local folder need not be pushed.
    pub(super) settled: Settled,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<CacheKey, Known>,
    /// What is gone from the bucket since the manifest was last written, so that writing it doesn't bring it back.
    forgotten: HashMap<CacheKey, FileName>,
}

#[derive(Debug)]
struct Known {
    name: FileName,
    bytes: u64,
    written_secs: u64,
    used_secs: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self::new(INDEX_CAPACITY)
    }
}

impl Index {
    /// Keeps up to `capacity` variants, those that were used last.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), capacity: capacity.max(1), settled: Settled::default() }
    }

    /// The name under which the bucket has this variant, and the length of its body.
    #[must_use]
    pub fn find(&self, key: &CacheKey) -> Option<(FileName, u64)> {
        self.lock().known.get(key).map(|known| (known.name.clone(), known.bytes))
    }

    /// Notes that the variant was answered with, which moves it towards the top of the manifest.
    pub fn note_use(&self, key: &CacheKey) {
        if let Some(known) = self.lock().known.get_mut(key) {
            known.used_secs = now_secs();
        }
    }

    /// Notes that the bucket has the variant no longer. A newer file of the same key stays known.
    pub fn forget(&self, key: &CacheKey, name: &FileName) {
        let mut state = self.lock();
        if let Slot::Occupied(slot) = state.known.entry(key.clone())
            && slot.get().name == *name
        {
            slot.remove();
        }
        if state.forgotten.len() < self.capacity {
            state.forgotten.insert(key.clone(), name.clone());
        }
    }

    /// Notes that the bucket has just answered with this entry, which therefore need not be pushed from the folder.
    pub fn note_found(&self, key: &CacheKey, entry: &Entry) {
        let Ok(name) = FileName::of(entry) else { return };
        self.settled.insert(key, &name);
        let (now, bytes) = (now_secs(), entry.body.len() as u64);
        let mut state = self.lock();
        let known = state.known.get(key).filter(|known| known.name == name);
        // Found without being known: written by others since.
        let written_secs = known.map_or(now, |known| known.written_secs);
        state.known.insert(key.clone(), Known { name, bytes, written_secs, used_secs: now });
        state.bound(self.capacity);
    }

    /// Notes that this entry is for the folder alone: a watcher is not to push it.
    pub fn keep_local(&self, key: &CacheKey, entry: &Entry) {
        if let Ok(name) = FileName::of(entry) {
            self.settled.insert(key, &name);
        }
    }

    /// Number of variants known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().known.len()
    }

    /// Nothing known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Variants known at most.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Notes what this process has just put into the bucket.
    pub(super) fn note_pushed(&self, key: &CacheKey, name: FileName, bytes: u64) {
        self.settled.insert(key, &name);
        let now = now_secs();
        let mut state = self.lock();
        state.forgotten.remove(key);
        state.known.insert(key.clone(), Known { name, bytes, written_secs: now, used_secs: now });
        state.bound(self.capacity);
    }

    /// Notes a variant that a listing or the manifest tells of. Of two for one key that written last stays; a use
    /// is a use of both.
    pub(super) fn note(&self, noted: Noted) {
        let mut state = self.lock();
        if state.forgotten.get(&noted.key) == Some(&noted.name) {
            return;
        }
        let Noted { key, name, bytes, written_secs, used_secs } = noted;
        match state.known.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(Known { name, bytes, written_secs, used_secs });
            }
            Slot::Occupied(mut slot) => {
                let known = slot.get_mut();
                let used_secs = known.used_secs.max(used_secs);
                if written_secs > known.written_secs && name != known.name {
                    *known = Known { name, bytes, written_secs, used_secs };
                }
                known.used_secs = used_secs;
            }
        }
        state.bound(self.capacity);
    }

    /// Everything known, what was used last first.
    pub(super) fn hottest_first(&self) -> Vec<Noted> {
        let state = self.lock();
        let mut all: Vec<Noted> = state
            .known
            .iter()
            .map(|(key, known)| Noted {
                key: key.clone(),
                name: known.name.clone(),
                bytes: known.bytes,
                written_secs: known.written_secs,
                used_secs: known.used_secs,
            })
            .collect();
        drop(state);
        all.sort_by(|a, b| (b.used_secs, b.written_secs, &a.key).cmp(&(a.used_secs, a.written_secs, &b.key)));
        all.truncate(self.capacity);
        all
    }

    /// The manifest is written: what it lacks needs no remembering.
    pub(super) fn manifest_written(&self) {
        self.lock().forgotten.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds it panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets an eighth go at once, so that the search for what was used the longest ago is rare.
    fn bound(&mut self, capacity: usize) {
        if self.known.len() <= capacity.saturating_add(capacity / 8) {
            return;
        }
        let mut uses: Vec<u64> = self.known.values().map(|known| known.used_secs).collect();
        let surplus = uses.len() - capacity;
        let (_, &mut bound, _) = uses.select_nth_unstable(surplus);
        let mut at_bound = self.known.len() - capacity - uses.iter().filter(|used| **used < bound).count();
        self.known.retain(|_, known| {
            let goes = known.used_secs < bound || (known.used_secs == bound && at_bound > 0);
            at_bound -= usize::from(goes && known.used_secs == bound);
            !goes
        });
    }
}

/// The wall clock, in seconds since the Unix epoch.
pub(super) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{entry, key};

    fn noted(n: u8, written_secs: u64, used_secs: u64) -> Noted {
        let name = FileName { expires_at_ms: written_secs, ..FileName::of(&entry(b"body")).expect("a name") };
        Noted { key: key(n), name, bytes: 4, written_secs, used_secs }
    }

    fn keys(index: &Index) -> Vec<CacheKey> {
        index.hottest_first().into_iter().map(|noted| noted.key).collect()
    }

    #[test]
    fn what_was_used_last_comes_first_then_what_was_written_last() {
        let index = Index::default();
        for each in [noted(1, 5, 10), noted(2, 5, 30), noted(3, 9, 10)] {
            index.note(each);
        }
        assert_eq!(keys(&index), [key(2), key(3), key(1)]);
        index.note_use(&key(1));
        assert_eq!(keys(&index), [key(1), key(2), key(3)]);
    }

    #[test]
    fn of_two_names_of_a_key_the_one_written_last_stays_whatever_the_order() {
        for order in [[5, 9], [9, 5]] {
            let index = Index::default();
            for written in order {
                index.note(noted(1, written, 100 - written));
            }
            let known = index.hottest_first();
            assert_eq!(known[0].written_secs, 9);
            assert_eq!(known[0].used_secs, 95, "the use of the one is that of the other");
        }
    }

    #[test]
    fn beyond_its_capacity_it_lets_go_of_what_was_used_the_longest_ago() {
        let index = Index::new(16);
        for n in 0..=18 {
            index.note(noted(n, 1, if n < 4 { 100 } else { u64::from(n) / 10 }));
        }
        assert_eq!(index.len(), 16);
        assert_eq!(index.hottest_first().iter().filter(|noted| noted.used_secs == 100).count(), 4);
        for n in 0..=200 {
            index.note(noted(n, 1, 7));
        }
        assert!(index.len() <= 18, "{}", index.len());
    }

    #[test]
    fn what_is_forgotten_does_not_come_back_from_an_old_manifest() {
        let index = Index::default();
        let old = noted(1, 5, 5);
        index.note(old.clone());
        index.forget(&key(1), &old.name);
        index.note(old.clone());
        assert_eq!(index.find(&key(1)), None);
        index.note(noted(1, 6, 6));
        assert!(index.find(&key(1)).is_some(), "another file of the key is another matter");
        index.forget(&key(1), &old.name);
        assert!(index.find(&key(1)).is_some(), "and stays when the old one is forgotten again");
        index.note_pushed(&key(1), old.name.clone(), 4);
        assert_eq!(index.find(&key(1)), Some((old.name, 4)), "pushed again it is there");
    }
}
