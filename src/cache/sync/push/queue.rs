//! What waits to be pushed: one job per key, the newest, in the order in which the keys came.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::cache::Entry;
use crate::cache::file_name::FileName;
use crate::key::CacheKey;

/// What is to be done about a key.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Put this entry into the bucket.
    Entry(Arc<Entry>),
    /// Put this file of the folder there.
    File(FileName),
    /// Take the key out of the bucket.
    Remove,
}

/// A job and how often it has failed.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) job: Job,
    pub(super) failures: u32,
}

impl Pending {
    pub(super) fn new(job: Job) -> Self {
        Self { job, failures: 0 }
    }

    /// Bytes that the waiting job holds in memory.
    fn bytes(&self) -> u64 {
        match &self.job {
            Job::Entry(entry) => entry.body.len() as u64,
            Job::File(_) | Job::Remove => 0,
        }
    }

    /// Is it about that file?
    fn is_of(&self, name: &FileName) -> bool {
        match &self.job {
            Job::Entry(entry) => FileName::of(entry).is_ok_and(|own| own == *name),
            Job::File(own) => own == name,
            Job::Remove => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    order: VecDeque<CacheKey>,
    waiting: HashMap<CacheKey, Pending>,
    /// The jobs in work: two of one key never are at once, or the older could end last.
    running: HashMap<CacheKey, Pending>,
    bytes: u64,
    capacity: usize,
    capacity_bytes: u64,
}

impl Queue {
    pub(super) fn new(capacity: usize, capacity_bytes: u64) -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            bytes: 0,
            capacity: capacity.max(1),
            capacity_bytes,
        }
    }

    /// Puts the job in, in the place of one that waits for the same key. Returns how many of the oldest were given up
    /// to make room.
    pub(super) fn put(&mut self, key: &CacheKey, job: Job) -> u64 {
        // The file is what the handler handed over, or older.
        if let Job::File(name) = &job {
            let waits = self.waiting.get(key);
            let same = self.running.get(key).is_some_and(|running| running.is_of(name));
            if same || waits.is_some_and(|waits| !matches!(waits.job, Job::File(_)) || waits.is_of(name)) {
                return 0;
            }
        }
        self.place(key, Pending::new(job));
        self.make_room()
    }

    /// Puts a job back that failed, at the end, unless a newer one has come.
    pub(super) fn put_back(&mut self, key: &CacheKey, pending: Pending) -> u64 {
        if self.waiting.contains_key(key) {
            return 0;
        }
        self.place(key, pending);
        self.make_room()
    }

    fn place(&mut self, key: &CacheKey, pending: Pending) {
        self.bytes = self.bytes.saturating_add(pending.bytes());
        match self.waiting.insert(key.clone(), pending) {
            Some(older) => self.bytes -= older.bytes(),
            None => self.order.push_back(key.clone()),
        }
    }

    fn make_room(&mut self) -> u64 {
        let mut given_up = 0;
        // A single entry over the bound of bytes still gets its turn.
        while self.order.len() > self.capacity || (self.bytes > self.capacity_bytes && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(pending) = self.waiting.remove(&oldest) {
                self.bytes -= pending.bytes();
                given_up += 1;
            }
        }
        given_up
    }

    /// The oldest job whose key is not in work, which it is from now on.
    pub(super) fn take(&mut self) -> Option<(CacheKey, Pending)> {
        let at = self.order.iter().position(|key| !self.running.contains_key(key))?;
        let key = self.order.remove(at)?;
        let pending = self.waiting.remove(&key)?;
        self.bytes -= pending.bytes();
        self.running.insert(key.clone(), pending.clone());
        Some((key, pending))
    }

    /// The job of that key is no longer in work.
    pub(super) fn done(&mut self, key: &CacheKey) {
        self.running.remove(key);
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Does a job of that key wait, or is it in work?
    pub(super) fn has(&self, key: &CacheKey) -> bool {
        self.waiting.contains_key(key) || self.running.contains_key(key)
    }

    /// Nothing waits and nothing is in work?
    pub(super) fn is_idle(&self) -> bool {
        self.order.is_empty() && self.running.is_empty()
    }

    /// Can another job come without one being given up?
    pub(super) fn has_room(&self) -> bool {
        self.order.len() < self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::conformance::{entry, key};

    fn whole(body: &[u8]) -> Job {
        Job::Entry(Arc::new(entry(body)))
    }

    fn file(expires_at_ms: u64) -> Job {
        Job::File(FileName { expires_at_ms, ..FileName::of(&entry(b"x")).expect("a name") })
    }

    fn body(pending: &Pending) -> &[u8] {
        match &pending.job {
            Job::Entry(entry) => &entry.body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_of_a_key_wins_and_keeps_its_place() {
        let mut queue = Queue::new(10, 1_000);
        queue.put(&key(1), whole(b"old"));
        queue.put(&key(2), whole(b"other"));
        queue.put(&key(1), whole(b"new"));
        let (first, pending) = queue.take().expect("a job");
        assert_eq!((first, body(&pending)), (key(1), &b"new"[..]));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_file_never_takes_the_place_of_an_entry_and_is_not_queued_twice() {
        let mut queue = Queue::new(10, 1_000);
        queue.put(&key(1), whole(b"entry"));
        queue.put(&key(1), file(5));
        let (_, pending) = queue.take().expect("a job");
        assert_eq!(body(&pending), b"entry");
        let name = FileName::of(&entry(b"entry")).expect("a name");
        queue.put(&key(1), Job::File(name));
        assert_eq!(queue.len(), 0, "it is in work");
        queue.put(&key(1), file(5));
        queue.put(&key(1), file(5));
        assert_eq!(queue.len(), 1, "another file of that key waits, once");
    }

    #[test]
    fn two_jobs_of_a_key_are_never_in_work_at_once() {
        let mut queue = Queue::new(10, 1_000);
        queue.put(&key(1), whole(b"one"));
        queue.take().expect("a job");
        queue.put(&key(1), whole(b"two"));
        queue.put(&key(2), whole(b"other"));
        assert_eq!(queue.take().expect("a job").0, key(2));
        assert!(queue.take().is_none());
        queue.done(&key(1));
        assert_eq!(body(&queue.take().expect("a job").1), b"two");
        queue.done(&key(1));
        queue.done(&key(2));
        assert!(queue.is_idle());
    }

    #[test]
    fn when_it_is_full_the_oldest_are_given_up() {
        let mut queue = Queue::new(3, 10);
        for n in 0..3 {
            assert_eq!(queue.put(&key(n), file(1)), 0);
        }
        assert!(!queue.has_room());
        assert_eq!(queue.put(&key(3), file(1)), 1);
        assert_eq!(queue.put(&key(4), whole(b"ten bytes!")), 1);
        assert_eq!(queue.put(&key(5), whole(b"x")), 3, "until the bytes fit");
        assert_eq!(queue.take().expect("the last").0, key(5));
        assert_eq!(queue.put(&key(6), whole(&[0; 100])), 0, "one over the bound is taken all the same");
        assert!(queue.take().is_some());
    }

    #[test]
    fn what_failed_waits_again_unless_something_newer_does() {
        let mut queue = Queue::new(10, 1_000);
        queue.put(&key(1), whole(b"one"));
        let (first, pending) = queue.take().expect("a job");
        queue.put(&key(1), whole(b"two"));
        queue.done(&first);
        queue.put_back(&first, pending);
        assert_eq!(body(&queue.take().expect("a job").1), b"two");
        assert_eq!(queue.len(), 0);
    }
}
