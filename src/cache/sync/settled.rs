//! Which files of the folder need not be pushed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::cache::file_name::FileName;
use crate::key::CacheKey;

/// Files remembered at most; more than that are pushed again by every rescan. One takes at most 36 bytes.
const CAPACITY: usize = 1_000_000;

/// The files of the folder that the bucket has, or has newer: pushed by this process, restored, or met in a listing.
/// One per key. Kept as hashes with a random key of this process, so that nobody can bring about two that are equal.
#[derive(Debug, Default)]
pub(super) struct Settled {
    hasher: RandomState,
    names: Mutex<HashMap<u64, u64>>,
}

impl Settled {
    /// Notes that this file need not be pushed.
    pub(super) fn insert(&self, key: &CacheKey, name: &FileName) {
        let (key, name) = self.hashes(key, name);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= CAPACITY && !names.contains_key(&key) {
            // Any other: it is pushed once more.
            let other = names.keys().next().copied();
            other.and_then(|other| names.remove(&other));
        }
        names.insert(key, name);
    }

    /// Need this file not be pushed?
    pub(super) fn contains(&self, key: &CacheKey, name: &FileName) -> bool {
        let (key, name) = self.hashes(key, name);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&key) == Some(&name)
    }

    /// Notes that the bucket no longer has anything of this key.
    pub(super) fn remove(&self, key: &CacheKey) {
        let key = self.hasher.hash_one(key);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    fn hashes(&self, key: &CacheKey, name: &FileName) -> (u64, u64) {
        (self.hasher.hash_one(key), self.hasher.hash_one(name.to_string()))
    }
}
