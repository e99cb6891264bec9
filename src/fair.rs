//! A queue that is fair between sources: whoever waits takes turns by where its image comes from, so a host with a
//! thousand images waiting delays another host's one by one image and not by a thousand.
//!
//! What a client waits for goes before refreshes behind answers that were given already.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How soon something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// A client waits.
    #[default]
    Client,
    /// Nobody waits: a refresh behind an answer.
    Background,
}

/// Where something stands in line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    background: bool,
    source: Arc<str>,
}

impl Place {
    /// `source` names whom the others are to be protected from, such as a host; all without a name are one.
    #[must_use]
    pub fn new(lane: Lane, source: &str) -> Self {
        Self { background: lane == Lane::Background, source: source.into() }
    }
}

/// A client's, of no particular source.
impl Default for Place {
    fn default() -> Self {
        Self::new(Lane::Client, "")
    }
}

/// First come, first served within a source; sources take turns; clients go before the background.
#[derive(Debug)]
pub struct FairQueue<T> {
    clients: Turns<T>,
    background: Turns<T>,
}

#[derive(Debug)]
struct Turns<T> {
    /// Sources with something waiting, the one whose turn it is first.
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<T>>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { clients: Turns::default(), background: Turns::default() }
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), waiting: HashMap::new() }
    }
}

impl<T> FairQueue<T> {
    /// Puts `item` at the end of its source's line.
    pub fn push(&mut self, place: &Place, item: T) {
        let turns = if place.background { &mut self.background } else { &mut self.clients };
        turns.push(&place.source, item);
    }

    /// The next in turn.
    pub fn pop(&mut self) -> Option<T> {
        self.clients.pop().or_else(|| self.background.pop())
    }

    /// Takes out the first that `is` the one; its place in line is lost.
    pub fn remove(&mut self, is: impl Fn(&T) -> bool) -> Option<T> {
        self.clients.remove(&is).or_else(|| self.background.remove(&is))
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len() + self.background.len()
    }

    /// Does nobody wait?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.order.is_empty() && self.background.order.is_empty()
    }
}

impl<T> Turns<T> {
    fn push(&mut self, source: &Arc<str>, item: T) {
        let line = self.waiting.entry(Arc::clone(source)).or_default();
        if line.is_empty() {
            self.order.push_back(Arc::clone(source));
        }
        line.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        let source = self.order.pop_front()?;
        let line = self.waiting.get_mut(&source)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&source);
        } else {
            self.order.push_back(source);
        }
        item
    }

    fn remove(&mut self, is: impl Fn(&T) -> bool) -> Option<T> {
        let (source, at) = self
            .waiting
            .iter()
            .find_map(|(source, line)| Some((Arc::clone(source), line.iter().position(&is)?)))?;
        let line = self.waiting.get_mut(&source)?;
        let item = line.remove(at);
        if line.is_empty() {
            self.waiting.remove(&source);
            self.order.retain(|other| *other != source);
        }
        item
    }

    fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(items: &[(Lane, &str, u32)]) -> FairQueue<u32> {
        let mut queue = FairQueue::default();
        for (lane, source, item) in items {
            queue.push(&Place::new(*lane, source), *item);
        }
        queue
    }

    fn drained(mut queue: FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    use Lane::{Background, Client};

    #[test]
    fn one_source_is_served_in_the_order_of_arrival() {
        assert_eq!(drained(queue(&[(Client, "a", 1), (Client, "a", 2), (Client, "a", 3)])), [1, 2, 3]);
    }

    #[test]
    fn sources_take_turns_however_many_of_one_wait() {
        let items = [
            (Client, "busy", 1),
            (Client, "busy", 2),
            (Client, "busy", 3),
            (Client, "late", 10),
            (Client, "last", 20),
            (Client, "late", 11),
        ];
        assert_eq!(drained(queue(&items)), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn clients_go_before_the_background() {
        let items = [(Background, "a", 1), (Client, "b", 2), (Background, "b", 3), (Client, "a", 4)];
        assert_eq!(drained(queue(&items)), [2, 4, 1, 3]);
    }

    #[test]
    fn what_is_removed_is_gone_and_leaves_no_empty_turn() {
        let mut queue = queue(&[(Client, "a", 1), (Background, "b", 2), (Background, "b", 3)]);
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.remove(|item| *item == 2), Some(2));
        assert_eq!(queue.remove(|item| *item == 2), None);
        assert_eq!(queue.remove(|item| *item == 1), Some(1));
        assert_eq!(queue.len(), 1);
        assert_eq!(drained(queue), [3]);
    }
}
