//! What is due at some time: the order of deadlines, and values that are kept until theirs.
//! Setting, removing and taking what is due cost O(log n) each. Times are milliseconds.

use std::collections::{BTreeMap, BTreeSet};

/// The deadline of what is never due.
pub const NEVER: u64 = u64::MAX;

/// Keys by their deadlines. Whoever owns a key knows its deadline, so nothing is looked up here.
#[derive(Debug, Clone)]
pub struct Deadlines<K>(BTreeSet<(u64, K)>);

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    pub fn insert(&mut self, key: K, due_ms: u64) {
        if due_ms != NEVER {
            self.0.insert((due_ms, key));
        }
    }

    /// `due_ms`: the deadline that it was inserted with.
    pub fn remove(&mut self, key: K, due_ms: u64) {
        self.0.remove(&(due_ms, key));
    }

    /// The first key whose deadline has come. Of one deadline, the least key comes first.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<K> {
        let is_due = self.next_due()? <= now_ms;
        let first = is_due.then(|| self.0.pop_first())?;
        first.map(|(_, key)| key)
    }

    pub fn next_due(&self) -> Option<u64> {
        self.0.first().map(|(due_ms, _)| *due_ms)
    }
}

/// Values by their keys, each with a deadline.
#[derive(Debug, Clone)]
pub struct Expiring<K, V> {
    values: BTreeMap<K, (u64, V)>,
    deadlines: Deadlines<K>,
}

impl<K, V> Default for Expiring<K, V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            deadlines: Deadlines::default(),
        }
    }
}

impl<K: Copy + Ord, V> Expiring<K, V> {
    /// Takes the place of what was kept under this key, value and deadline.
    pub fn insert(&mut self, key: K, value: V, due_ms: u64) {
        self.remove(key);
        self.values.insert(key, (due_ms, value));
        self.deadlines.insert(key, due_ms);
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        let (due_ms, value) = self.values.remove(&key)?;
        self.deadlines.remove(key, due_ms);
        Some(value)
    }

    /// Removes the first of those whose deadline has come.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<(K, V)> {
        let key = self.deadlines.pop_due(now_ms)?;
        let (_, value) = self.values.remove(&key)?;
        Some((key, value))
    }

    /// Removes those of which this is true, the least key first.
    pub fn remove_where(&mut self, is_it: impl Fn(&K, &V) -> bool) -> Vec<(K, V)> {
        let wanted = self.iter().filter(|(key, value)| is_it(key, value));
        let keys: Vec<K> = wanted.map(|(key, _)| *key).collect();
        let removed = keys.into_iter();
        removed
            .filter_map(|key| Some((key, self.remove(key)?)))
            .collect()
    }

    pub fn next_due(&self) -> Option<u64> {
        self.deadlines.next_due()
    }

    pub fn contains(&self, key: K) -> bool {
        self.values.contains_key(&key)
    }

    pub fn get(&self, key: K) -> Option<&V> {
        self.values.get(&key).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(&key).map(|(_, value)| value)
    }

    /// In the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.values.iter().map(|(key, (_, value))| (key, value))
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(expiring: &mut Expiring<u32, char>, now_ms: u64) -> Vec<(u32, char)> {
        std::iter::from_fn(|| expiring.pop_due(now_ms)).collect()
    }

    #[test]
    fn what_is_due_comes_in_the_order_of_deadlines_and_once() {
        let mut all = Expiring::default();
        for (key, value, due_ms) in [(3, 'c', 10), (1, 'a', 20), (2, 'b', 10), (4, 'd', 21)] {
            all.insert(key, value, due_ms);
        }
        assert_eq!(all.next_due(), Some(10));
        assert_eq!(drain(&mut all, 9), []);
        assert_eq!(drain(&mut all, 20), [(2, 'b'), (3, 'c'), (1, 'a')]);
        assert_eq!((all.len(), all.next_due()), (1, Some(21)));
    }

    #[test]
    fn a_deadline_goes_with_its_value_and_moves_with_a_new_one() {
        let mut all = Expiring::default();
        all.insert(1, 'a', 10);
        all.insert(2, 'b', 15);
        all.insert(1, 'c', 30);
        assert_eq!(all.next_due(), Some(15));
        assert_eq!(all.remove(2), Some('b'));
        assert_eq!(all.remove(2), None);
        assert_eq!(all.next_due(), Some(30));
        all.insert(5, 'e', 40);
        all.insert(4, 'e', 35);
        assert_eq!(all.remove_where(|_, v| *v == 'e'), [(4, 'e'), (5, 'e')]);
        assert_eq!(drain(&mut all, 100), [(1, 'c')]);
        assert!(all.is_empty() && all.next_due().is_none());
    }

    #[test]
    fn what_is_never_due_stays() {
        let mut all = Expiring::default();
        all.insert(1, 'a', NEVER);
        assert_eq!((all.next_due(), drain(&mut all, NEVER)), (None, vec![]));
        assert_eq!(all.get(1), Some(&'a'));
        assert_eq!(all.remove(1), Some('a'));
    }
}
