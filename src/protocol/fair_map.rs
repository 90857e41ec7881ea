//! A map of bounded size that no owner of entries can fill for the other owners: when it is full, the
//! oldest entry of the owner with the most is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Who an entry belongs to: a number of the user's choice, with few different ones.
pub type Owner = u64;

#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    owner: Owner,
    /// Its place in the order.
    at: u64,
}

#[derive(Debug, Clone)]
pub struct FairMap<K, V> {
    max: usize,
    entries: HashMap<K, Entry<V>>,
    /// The keys of each owner, oldest first.
    order: BTreeMap<Owner, BTreeMap<u64, K>>,
    next: u64,
}

impl<K: Copy + Eq + Hash, V> FairMap<K, V> {
    /// `max`: entries of all owners together, above 0.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(&key).map(|entry| &entry.value)
    }

    pub fn owner(&self, key: K) -> Option<Owner> {
        self.entries.get(&key).map(|entry| entry.owner)
    }

    /// The entry, without a change of its age.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    /// Puts an entry in as the newest of its owner, in the place of one that was there.
    pub fn put(&mut self, owner: Owner, key: K, value: V) {
        self.remove(key);
        let at = self.next;
        self.next += 1;
        self.order.entry(owner).or_default().insert(at, key);
        self.entries.insert(key, Entry { value, owner, at });
        if self.entries.len() > self.max {
            self.forget_one();
        }
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        let Entry { value, owner, at } = self.entries.remove(&key)?;
        if let Some(keys) = self.order.get_mut(&owner) {
            keys.remove(&at);
            if keys.is_empty() {
                self.order.remove(&owner);
            }
        }
        Some(value)
    }

    /// Makes an entry the newest of its owner.
    pub fn touch(&mut self, key: K) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(&mut entry.at, self.next);
        self.next += 1;
        if let Some(keys) = self.order.get_mut(&entry.owner) {
            keys.remove(&before);
            keys.insert(entry.at, key);
        }
    }

    /// All entries with their owners, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (Owner, K, &V)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_unstable_by_key(|(_, entry)| entry.at);
        all.into_iter()
            .map(|(key, entry)| (entry.owner, *key, &entry.value))
    }

    fn forget_one(&mut self) {
        let most = self.order.values().max_by_key(|keys| keys.len());
        if let Some(oldest) = most.and_then(|keys| keys.values().next()).copied() {
            self.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_pushes_out_its_own_entries_alone() {
        let mut map = FairMap::new(100);
        for key in 0..10 {
            map.put(1, key, key);
        }
        for key in 1_000..10_000 {
            map.put(2, key, key);
        }
        assert_eq!(map.len(), 100);
        assert!((0..10).all(|key| map.get(key) == Some(&key)));
        assert_eq!(map.get(9_999), Some(&9_999));
        assert_eq!(map.iter().filter(|(owner, ..)| *owner == 2).count(), 90);
    }

    #[test]
    fn the_oldest_goes_first_and_what_is_touched_is_new() {
        let mut map = FairMap::new(3);
        for key in [1, 2, 3] {
            map.put(0, key, ());
        }
        map.touch(1);
        map.put(0, 4, ());
        map.put(0, 3, ());
        let keys: Vec<i32> = map.iter().map(|(_, key, _)| key).collect();
        assert_eq!(keys, [1, 4, 3]);
        assert_eq!((map.remove(1), map.remove(1)), (Some(()), None));
        assert_eq!(map.len(), 2);
    }
}
