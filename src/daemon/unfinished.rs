//! Files of one folder without their closing NUL: their games are writing them, or died over it.
//!
//! Such a file is looked at again when the system reports it, when a sweep finds it changed, and
//! when its time is over. Those of proven hosts and all others are bounded each by themselves.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::waiting::{Kind, Taking, What};
use crate::io::files::Stamp;
use crate::limits;

/// A file that is not whole yet.
#[derive(Debug, Clone)]
pub struct Entry {
    pub host: Rc<str>,
    pub kind: Kind,
    pub proven: bool,
    pub what: What,
    pub client_time: (i64, i64),
    /// As it was found.
    pub stamp: Stamp,
    since_ms: u64,
    /// It is not waited for any longer.
    overdue: bool,
}

#[derive(Default)]
pub struct Unfinished {
    files: HashMap<Rc<str>, Entry>,
    /// In the order of their times: of proven hosts, and of the others. Some may be gone.
    order: [VecDeque<(u64, Rc<str>)>; 2],
}

impl Entry {
    /// `what`: as it is to be looked at the next time.
    pub fn new(taking: &Taking, what: What, stamp: Stamp) -> Self {
        Self {
            host: Rc::clone(&taking.host),
            kind: taking.kind,
            proven: taking.proven,
            what,
            client_time: taking.file.client_time,
            stamp,
            since_ms: 0,
            overdue: false,
        }
    }
}

impl Unfinished {
    /// A file was found so. False: its time is over, and it is forgotten here.
    pub fn wait(&mut self, name: &Rc<str>, entry: Entry, now_ms: u64) -> bool {
        if let Some(known) = self.files.get_mut(name) {
            let goes_on = !known.overdue && now_ms - known.since_ms < limits::UNFINISHED_MS;
            known.stamp = entry.stamp;
            if !goes_on {
                self.files.remove(name);
            }
            return goes_on;
        }
        self.order[usize::from(!entry.proven)].push_back((now_ms, Rc::clone(name)));
        let since_ms = now_ms;
        let entry = Entry { since_ms, ..entry };
        self.files.insert(Rc::clone(name), entry);
        true
    }

    /// A file is whole, or gone.
    pub fn remove(&mut self, name: &str) {
        if !self.files.is_empty() {
            self.files.remove(name);
        }
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.files.get(name)
    }

    /// Takes the next file whose time is over, or for which there is no room any more: it is to be
    /// looked at once more.
    pub fn next_overdue(&mut self, now_ms: u64) -> Option<(Rc<str>, &Entry)> {
        let is_due = |order: &VecDeque<(u64, Rc<str>)>| {
            let first = order.front();
            order.len() > limits::UNFINISHED_FILES_MAX
                || first.is_some_and(|(since, _)| now_ms - since >= limits::UNFINISHED_MS)
        };
        for order in &mut self.order {
            while is_due(order)
                && let Some((since_ms, name)) = order.pop_front()
            {
                let entry = self.files.get_mut(&name);
                if entry.is_some_and(|entry| entry.since_ms == since_ms && !entry.overdue) {
                    let entry = self.files.get_mut(&name)?;
                    entry.overdue = true;
                    return Some((name, entry));
                }
            }
        }
        None
    }

    /// One that was overdue could not be looked at: it is overdue again.
    pub fn put_back(&mut self, name: Rc<str>) {
        if let Some(entry) = self.files.get_mut(&name) {
            entry.overdue = false;
            self.order[usize::from(!entry.proven)].push_front((entry.since_ms, name));
        }
    }

    /// When the time of the next one is over.
    pub fn due_ms(&self) -> Option<u64> {
        let firsts = self.order.iter().filter_map(|order| order.front());
        firsts
            .map(|(since_ms, _)| since_ms + limits::UNFINISHED_MS)
            .min()
    }

    /// Those for which `is_changed` says so.
    pub fn changed(&self, is_changed: impl Fn(&str, Stamp) -> bool) -> Vec<(Rc<str>, Entry)> {
        let changed = self
            .files
            .iter()
            .filter(|(name, entry)| is_changed(name, entry.stamp));
        changed
            .map(|(name, entry)| (Rc::clone(name), entry.clone()))
            .collect()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::waiting::{Origin, Waiting};

    fn wait(unfinished: &mut Unfinished, name: &str, proven: bool, now_ms: u64) -> bool {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "").unwrap();
        let folder =
            crate::io::files::Folder::open(dir.path(), crate::io::files::Links::Followed).unwrap();
        let stamp = folder.stamp("x").unwrap();
        let what = What::Calls(Origin::Game);
        let file = Waiting {
            what,
            client_time: (0, 0),
            name: name.into(),
        };
        let taking = Taking {
            place: 0,
            host: "host".into(),
            kind: Kind::Stock,
            proven,
            file,
        };
        unfinished.wait(&name.into(), Entry::new(&taking, what, stamp), now_ms)
    }

    #[test]
    fn a_file_has_its_time_and_no_more() {
        let mut unfinished = Unfinished::default();
        assert!(wait(&mut unfinished, "a", true, 10));
        assert!(wait(&mut unfinished, "b", true, 20));
        assert!(wait(&mut unfinished, "a", true, 9 + limits::UNFINISHED_MS));
        assert_eq!(unfinished.due_ms(), Some(10 + limits::UNFINISHED_MS));
        let end = 10 + limits::UNFINISHED_MS;
        let name = unfinished.next_overdue(end).map(|(name, _)| name);
        assert_eq!(name.as_deref(), Some("a"));
        assert!(unfinished.next_overdue(end).is_none());
        assert!(!wait(&mut unfinished, "a", true, end), "its time is over");
        assert!(
            wait(&mut unfinished, "a", true, end),
            "another file of its name"
        );
        unfinished.remove("b");
        assert!(unfinished.next_overdue(end + 10).is_none());
    }

    #[test]
    fn of_very_many_the_oldest_go_early_and_those_of_proven_hosts_have_their_time() {
        let mut unfinished = Unfinished::default();
        wait(&mut unfinished, "proven", true, 0);
        let mut gone = 0;
        for n in 0..3 * limits::UNFINISHED_FILES_MAX {
            let name = n.to_string();
            assert!(wait(&mut unfinished, &name, false, 1));
            while let Some((name, entry)) = unfinished.next_overdue(1) {
                assert!(!entry.proven);
                assert_eq!(*name, *gone.to_string());
                gone += 1;
                assert!(!wait(&mut unfinished, &name, false, 1));
            }
        }
        assert_eq!(gone, 2 * limits::UNFINISHED_FILES_MAX);
        assert_eq!(unfinished.files.len(), limits::UNFINISHED_FILES_MAX + 1);
    }
}
