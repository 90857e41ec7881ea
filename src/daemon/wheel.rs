//! Timers: what is due when, one or two for each host.

use crate::core::deadlines::Expiring;

pub struct Wheel<K>(Expiring<K, ()>);

impl<K> Default for Wheel<K> {
    fn default() -> Self {
        Self(Expiring::default())
    }
}

impl<K: Copy + Ord> Wheel<K> {
    /// Sets a timer, or moves it.
    pub fn set(&mut self, timer: K, at_ms: u64) {
        self.0.insert(timer, (), at_ms);
    }

    pub fn cancel(&mut self, timer: K) {
        self.0.remove(timer);
    }

    /// When the next timer is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.0.next_due()
    }

    pub fn is_set(&self, timer: &K) -> bool {
        self.0.contains(*timer)
    }

    /// Takes the next timer that is due.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<K> {
        self.0.pop_due(now_ms).map(|(timer, ())| timer)
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
