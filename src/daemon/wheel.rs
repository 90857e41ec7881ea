//! Timers: what is due when.
//!
//! An ordered set. A hashed wheel would make setting a timer cheaper, and would pay from some
//! ten thousand timers on; a vpid has one or two for each host.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

pub struct Wheel<K> {
    order: BTreeSet<(u64, K)>,
    due: HashMap<K, u64>,
}

impl<K> Default for Wheel<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            due: HashMap::new(),
        }
    }
}

impl<K: Copy + Ord + Hash> Wheel<K> {
    /// Sets a timer, or moves it.
    pub fn set(&mut self, timer: K, at_ms: u64) {
        if let Some(before) = self.due.insert(timer, at_ms) {
            self.order.remove(&(before, timer));
        }
        self.order.insert((at_ms, timer));
    }

    pub fn cancel(&mut self, timer: K) {
        if let Some(at_ms) = self.due.remove(&timer) {
            self.order.remove(&(at_ms, timer));
        }
    }

    /// When the next timer is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.order.first().map(|(at_ms, _)| *at_ms)
    }

    pub fn is_set(&self, timer: &K) -> bool {
        self.due.contains_key(timer)
    }

    /// Takes the next timer that is due.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<K> {
        let (at_ms, timer) = *self.order.first()?;
        if at_ms > now_ms {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_a_moved_one_comes_once() {
        let mut wheel = Wheel::default();
        wheel.set('a', 30);
        wheel.set('b', 20);
        wheel.set('a', 10);
        wheel.set('c', 15);
        wheel.cancel('c');
        assert_eq!(wheel.next_ms(), Some(10));
        assert_eq!(wheel.pop_due(9), None);
        assert_eq!(wheel.pop_due(25), Some('a'));
        assert_eq!(wheel.pop_due(25), Some('b'));
        assert_eq!(wheel.pop_due(25), None);
    }
}
