//! What waits: calls by host, in their order, and which of them may be handed out.
//!
//! A call is handed out only when all earlier ones of its host are. A write has its host to
//! itself, except for reads that began long enough ago to have their snapshot.

use crate::jobs::Job;
use crate::limits::MYSQL_HEAD_START_MS;
use crate::protocol::call_error::CallError;
use crate::sql::Class;
use std::collections::{HashMap, VecDeque};

/// A call, and what happened to it so far.
#[derive(Debug)]
pub(super) struct Task {
    pub job: Job,
    /// An error where it may not run at all.
    pub class: Result<Class, CallError>,
    /// The job's, until it ran in time and was undone for the sake of another.
    pub deadline_ms: Option<u64>,
    /// Tasks of one number share a transaction with each other only; 0 with whoever is next.
    pub group: u32,
    /// How often it was begun without an outcome.
    pub tries: u32,
    /// The journal was asked, and does not know it from before.
    pub is_new: bool,
}

impl Task {
    pub(super) fn new(job: Job) -> Self {
        Self {
            class: job.call.class().map_err(CallError::from),
            deadline_ms: job.deadline_ms,
            group: 0,
            tries: 0,
            is_new: !job.recovered,
            job,
        }
    }

    /// A task that may not run is answered as quickly as one that reads.
    pub(super) fn reads(&self) -> bool {
        matches!(self.class, Ok(Class::Read) | Err(_))
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_some_and(|deadline| deadline <= now_ms)
    }

    /// Until when its next statement may run.
    pub(super) fn limit_ms(&self, now_ms: u64) -> u64 {
        let limit = now_ms.saturating_add(self.job.limit_ms);
        self.deadline_ms
            .map_or(limit, |deadline| deadline.min(limit))
    }
}

#[derive(Debug, Default)]
struct Host {
    waiting: VecDeque<Task>,
    /// A transaction of this host runs, or something in its place.
    writing: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    hosts: HashMap<u32, Host>,
    /// Hosts with something waiting, each once, in the order of their turns.
    turns: VecDeque<u32>,
    groups: u32,
}

/// What may be begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A read, which `read` gives.
    Read,
    /// The transaction of this host, whose tasks `join` gives.
    Write(u32),
}

/// Who reads now: its host, and since when.
pub(super) type Reader = (u32, u64);

impl Queue {
    pub(super) fn add(&mut self, task: Task) {
        let id = task.job.host;
        let host = self.hosts.entry(id).or_default();
        if host.waiting.is_empty() {
            self.turns.push_back(id);
        }
        host.waiting.push_back(task);
    }

    /// What was handed out and has no answer goes back, in front of everything of its host.
    pub(super) fn put_back(&mut self, tasks: impl DoubleEndedIterator<Item = Task>) {
        for task in tasks.rev() {
            let id = task.job.host;
            let host = self.hosts.entry(id).or_default();
            if host.waiting.is_empty() {
                self.turns.push_front(id);
            }
            host.waiting.push_front(task);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.hosts.values().flat_map(|host| &host.waiting)
    }

    /// A number for tasks that are to share a transaction with nobody else.
    pub(super) fn group(&mut self) -> u32 {
        self.groups = self.groups.checked_add(1).unwrap_or(1);
        self.groups
    }

    /// The next read that may run now.
    pub(super) fn read(&mut self) -> Option<Task> {
        let at = self.turns.iter().position(|id| self.hosts[id].may_read())?;
        let id = self.turns.remove(at)?;
        self.pop(id)
    }

    /// What may be begun now, by whose turn it is. A host that is to write does so from here on.
    pub(super) fn next(&mut self, readers: &[Reader], may_read: bool, now_ms: u64) -> Option<Next> {
        let (at, id) = self.find(readers, may_read, now_ms)?;
        let host = self.hosts.get_mut(&id)?;
        if host.may_read() {
            return Some(Next::Read);
        }
        host.writing = true;
        self.turns.remove(at);
        self.turns.push_back(id);
        Some(Next::Write(id))
    }

    /// Whether there is one.
    pub(super) fn has_next(&self, readers: &[Reader], may_read: bool, now_ms: u64) -> bool {
        self.find(readers, may_read, now_ms).is_some()
    }

    /// Whose turn it is, and where that stands.
    fn find(&self, readers: &[Reader], may_read: bool, now_ms: u64) -> Option<(usize, u32)> {
        let mut turns = self.turns.iter().copied().enumerate();
        turns.find(|(_, id)| {
            let host = &self.hosts[id];
            let fresh = |reader: &Reader| reader.0 == *id && is_fresh(reader, now_ms);
            (may_read && host.may_read()) || (host.may_write() && !readers.iter().any(fresh))
        })
    }

    /// When a write that waits for fresh reads of its host may begin at last.
    pub(super) fn head_start_ends(&self, readers: &[Reader], now_ms: u64) -> Option<u64> {
        let waits = |id: u32| self.hosts.get(&id).is_some_and(Host::may_write);
        readers
            .iter()
            .filter(|reader| is_fresh(reader, now_ms) && waits(reader.0))
            .map(|reader| reader.1 + MYSQL_HEAD_START_MS)
            .min()
    }

    /// The next task of a host that is writing, into the transaction of `group`.
    pub(super) fn join(&mut self, id: u32, group: Option<u32>) -> Option<Task> {
        let front = self.hosts.get(&id)?.waiting.front()?;
        let alone = front.class == Ok(Class::Alone);
        if group.is_some_and(|group| alone || front.group != group) {
            return None;
        }
        let at = self.turns.iter().position(|turn| *turn == id)?;
        self.turns.remove(at);
        self.pop(id)
    }

    /// The host's transaction has ended.
    pub(super) fn written(&mut self, id: u32) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.writing = false;
            if host.waiting.is_empty() {
                self.hosts.remove(&id);
            }
        }
    }

    /// Takes out those whose time is up.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Task> {
        let mut expired = Vec::new();
        for host in self.hosts.values_mut() {
            if host.waiting.iter().any(|task| task.is_over(now_ms)) {
                let (over, left) = host
                    .waiting
                    .drain(..)
                    .partition(|task| task.is_over(now_ms));
                host.waiting = left;
                expired.extend::<VecDeque<Task>>(over);
            }
        }
        if !expired.is_empty() {
            let hosts = &mut self.hosts;
            self.turns.retain(|id| !hosts[id].waiting.is_empty());
            hosts.retain(|_, host| host.writing || !host.waiting.is_empty());
        }
        expired
    }

    /// The front task of a host that has no turn now; it gets one behind the others.
    fn pop(&mut self, id: u32) -> Option<Task> {
        let host = self.hosts.get_mut(&id)?;
        let task = host.waiting.pop_front();
        if !host.waiting.is_empty() {
            self.turns.push_back(id);
        } else if !host.writing {
            self.hosts.remove(&id);
        }
        task
    }
}

impl Host {
    fn may_read(&self) -> bool {
        !self.writing && self.waiting.front().is_some_and(Task::reads)
    }

    fn may_write(&self) -> bool {
        !self.writing && self.waiting.front().is_some_and(|task| !task.reads())
    }
}

fn is_fresh(reader: &Reader, now_ms: u64) -> bool {
    now_ms < reader.1.saturating_add(MYSQL_HEAD_START_MS)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests_support::{insert, raw};
    use super::*;

    fn task(host: u32, index: u32, text: &str) -> Task {
        let mut job = match text {
            "w" => insert(index, 1),
            "r" => raw(index, "SELECT 1"),
            "a" => raw(index, "DROP TABLE user_x_t"),
            other => raw(index, other),
        };
        job.host = host;
        Task::new(job)
    }

    fn queue(tasks: &[(u32, &str)]) -> Queue {
        let mut queue = Queue::default();
        for (index, (host, text)) in (0..).zip(tasks) {
            queue.add(task(*host, index, text));
        }
        queue
    }

    fn index(task: Option<Task>) -> Option<u32> {
        task.map(|task| task.job.id.index)
    }

    #[test]
    fn hosts_take_turns() {
        let mut queue = queue(&[(1, "r"), (1, "r"), (2, "r"), (3, "w")]);
        assert_eq!(queue.next(&[], true, 0), Some(Next::Read));
        assert_eq!(index(queue.read()), Some(0));
        assert_eq!(index(queue.read()), Some(2));
        assert_eq!(queue.next(&[], true, 0), Some(Next::Write(3)));
        assert_eq!(index(queue.read()), Some(1));
        assert_eq!(index(queue.join(3, None)), Some(3));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_host_that_writes_has_nothing_else_handed_out() {
        let mut queue = queue(&[(1, "w"), (1, "r"), (1, "w")]);
        assert_eq!(queue.next(&[], true, 0), Some(Next::Write(1)));
        assert_eq!(index(queue.join(1, None)), Some(0));
        assert!(queue.next(&[], true, 0).is_none() && queue.read().is_none());
        assert_eq!(index(queue.join(1, Some(0))), Some(1), "it may read along");
        queue.written(1);
        assert_eq!(queue.next(&[], true, 0), Some(Next::Write(1)));
    }

    #[test]
    fn a_write_waits_for_the_snapshots_of_reads_before_it() {
        let mut queue = queue(&[(1, "w")]);
        let readers = [(1, 1_000), (2, 0)];
        let late = 1_000 + MYSQL_HEAD_START_MS;
        assert_eq!(queue.next(&readers, true, late - 1), None);
        assert_eq!(queue.head_start_ends(&readers, late - 1), Some(late));
        assert_eq!(queue.next(&readers, true, late), Some(Next::Write(1)));
    }

    #[test]
    fn writes_go_on_when_no_more_reads_may_begin() {
        let mut queue = queue(&[(1, "r"), (2, "w")]);
        assert_eq!(queue.next(&[], false, 0), Some(Next::Write(2)));
        assert_eq!(queue.next(&[], false, 0), None);
    }

    #[test]
    fn what_commits_by_itself_shares_no_transaction() {
        let mut queue = queue(&[(1, "w"), (1, "a"), (1, "w")]);
        queue.next(&[], true, 0);
        assert_eq!(index(queue.join(1, None)), Some(0));
        assert!(queue.join(1, Some(0)).is_none());
        assert_eq!(index(queue.join(1, None)), Some(1));
    }

    #[test]
    fn what_comes_back_stands_in_front_and_groups_stay_apart() {
        let mut queue = queue(&[(1, "w"), (1, "w"), (1, "w")]);
        queue.next(&[], true, 0);
        let mut undone = [queue.join(1, None), queue.join(1, Some(0))].map(Option::unwrap);
        undone[0].group = queue.group();
        undone[1].group = queue.group();
        let groups = [undone[0].group, undone[1].group];
        queue.put_back(undone.into_iter());
        queue.written(1);
        assert_eq!(queue.next(&[], true, 0), Some(Next::Write(1)));
        assert_eq!(index(queue.join(1, None)), Some(0));
        assert!(queue.join(1, Some(groups[0])).is_none());
        assert_eq!(index(queue.join(1, None)), Some(1));
        assert!(queue.join(1, Some(groups[1])).is_none());
        assert_eq!(index(queue.join(1, None)), Some(2));
    }

    #[test]
    fn a_read_that_comes_back_does_not_end_a_transaction() {
        let mut queue = queue(&[(1, "r"), (1, "w"), (1, "w")]);
        let read = queue.read().unwrap();
        assert_eq!(queue.next(&[], true, 0), Some(Next::Write(1)));
        assert_eq!(index(queue.join(1, None)), Some(1));
        queue.put_back([read].into_iter());
        assert_eq!(queue.next(&[], true, 0), None);
        assert_eq!(index(queue.join(1, Some(0))), Some(0));
    }

    #[test]
    fn whose_time_is_up_goes_and_the_others_stay() {
        let mut queue = queue(&[(1, "w"), (2, "r"), (1, "w")]);
        let mut late = task(1, 7, "w");
        late.deadline_ms = Some(10);
        queue.add(late);
        let mut only = task(3, 8, "r");
        only.deadline_ms = Some(9);
        queue.add(only);
        assert!(queue.expired(8).is_empty());
        let mut over: Vec<_> = queue
            .expired(10)
            .into_iter()
            .map(|task| task.job.id.index)
            .collect();
        over.sort_unstable();
        assert_eq!(over, [7, 8]);
        assert_eq!(queue.tasks().count(), 3);
        assert_eq!(index(queue.read()), Some(1));
        assert!(queue.read().is_none());
    }

    #[test]
    fn what_may_not_run_is_told_without_a_transaction() {
        let mut queue = queue(&[(1, "COMMIT")]);
        assert_eq!(queue.next(&[], true, 0), Some(Next::Read));
        assert!(queue.read().unwrap().class.is_err());
    }
}
