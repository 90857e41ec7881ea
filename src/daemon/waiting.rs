//! The files of one folder that wait to be taken, by host.
//!
//! Order matters within a host only. Hosts take turns, and a turn costs as much as there are
//! hosts, however many files wait.

use std::collections::{BTreeMap, VecDeque};

use crate::wire::signed::Id;

/// A file that waits to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub what: What,
    pub mtime_ns: i64,
    /// The client's own clock, for files written within one granule of the file system's.
    pub client_time: (i64, i64),
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Restart,
    Calls(Origin),
    /// A game asks for a signed session.
    Hello(Id),
    /// Signed messages of a game, by their number.
    Messages {
        session: Id,
        n: u64,
        origin: Origin,
    },
}

/// Where a call file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Game,
    /// Taken by an earlier run, under this id.
    EarlierRun(u64),
}

impl Waiting {
    /// By which a host's files are sorted: a map start first, so that calls of an earlier map
    /// are known for such before they are answered, then calls as they were written.
    fn order(&self) -> (bool, i64, (i64, i64)) {
        (self.what != What::Restart, self.mtime_ns, self.client_time)
    }
}

#[derive(Default)]
struct Queue {
    files: VecDeque<Waiting>,
    unsorted: bool,
}

#[derive(Default)]
pub struct WaitingFiles {
    queues: BTreeMap<String, Queue>,
    count: usize,
    /// The host that was served last.
    last: String,
}

impl WaitingFiles {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn add(&mut self, host: &str, file: Waiting) {
        if !self.queues.contains_key(host) {
            self.queues.insert(host.to_string(), Queue::default());
        }
        let Some(queue) = self.queues.get_mut(host) else {
            return;
        };
        let last = queue.files.back().map(Waiting::order);
        queue.unsorted |= last.is_some_and(|last| last > file.order());
        queue.files.push_back(file);
        self.count += 1;
    }

    /// The hosts with waiting files, beginning behind the one that was served last.
    pub fn hosts(&self) -> Vec<String> {
        let behind = self.queues.range(self.last.clone()..);
        let before = self.queues.range(..self.last.clone());
        let mut hosts: Vec<String> = behind.chain(before).map(|(host, _)| host.clone()).collect();
        if hosts.first() == Some(&self.last) {
            hosts.rotate_left(1);
        }
        hosts
    }

    /// Takes the next file of a host.
    pub fn next_of(&mut self, host: &str) -> Option<Waiting> {
        let queue = self.queues.get_mut(host)?;
        if std::mem::take(&mut queue.unsorted) {
            queue.files.make_contiguous().sort_by_key(Waiting::order);
        }
        let next = queue.files.pop_front();
        self.count -= usize::from(next.is_some());
        if queue.files.is_empty() {
            self.queues.remove(host);
        }
        host.clone_into(&mut self.last);
        next
    }

    /// Forgets the files of a host.
    pub fn forget(&mut self, host: &str) {
        if let Some(queue) = self.queues.remove(host) {
            self.count -= queue.files.len();
        }
    }

    /// Forgets all but what only the first scan finds.
    pub fn keep_earlier_runs(&mut self) {
        for queue in self.queues.values_mut() {
            let is_earlier = |file: &Waiting| {
                let (What::Calls(origin) | What::Messages { origin, .. }) = file.what else {
                    return false;
                };
                origin != Origin::Game
            };
            queue.files.retain(is_earlier);
        }
        self.queues.retain(|_, queue| !queue.files.is_empty());
        self.count = self.queues.values().map(|queue| queue.files.len()).sum();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(what: What, mtime_ns: i64) -> Waiting {
        Waiting {
            what,
            mtime_ns,
            client_time: (0, 0),
            name: format!("{mtime_ns}"),
        }
    }

    #[test]
    fn a_host_is_served_in_the_order_of_writing_and_its_map_start_first() {
        let mut waiting = WaitingFiles::default();
        waiting.add("a", file(What::Calls(Origin::Game), 3));
        waiting.add("a", file(What::Calls(Origin::EarlierRun(7)), 1));
        waiting.add("a", file(What::Restart, 4));
        waiting.add("a", file(What::Calls(Origin::Game), 2));
        let order: Vec<i64> = std::iter::from_fn(|| waiting.next_of("a"))
            .map(|file| file.mtime_ns)
            .collect();
        assert_eq!(order, [4, 1, 2, 3]);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn hosts_take_turns() {
        let mut waiting = WaitingFiles::default();
        for host in ["a", "b", "c"] {
            waiting.add(host, file(What::Calls(Origin::Game), 1));
            waiting.add(host, file(What::Calls(Origin::Game), 2));
        }
        assert_eq!(waiting.hosts(), ["a", "b", "c"]);
        waiting.next_of("b");
        assert_eq!(waiting.hosts(), ["c", "a", "b"]);
        waiting.forget("c");
        assert_eq!(
            (waiting.hosts(), waiting.len()),
            (vec!["a".into(), "b".into()], 3)
        );
    }

    #[test]
    fn files_of_an_earlier_run_outlive_a_new_scan() {
        let mut waiting = WaitingFiles::default();
        waiting.add("a", file(What::Calls(Origin::EarlierRun(7)), 1));
        waiting.add("b", file(What::Calls(Origin::Game), 1));
        waiting.keep_earlier_runs();
        assert_eq!((waiting.hosts(), waiting.len()), (vec!["a".to_string()], 1));
    }
}
