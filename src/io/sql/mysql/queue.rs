//! What waits: calls by host, in their order, and which of them may be begun.
//!
//! A call is begun only when all earlier ones of its host are. Reads run beside each other. A write
//! has its host to itself, except for reads that began long enough ago to have their snapshot.

use crate::jobs::{Caller, Job};
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
    /// Tasks of one number share a transaction with each other only; 0 with any others.
    pub group: u32,
    /// How often it was begun without an outcome.
    pub tries: u32,
    /// The journal was read, and does not know it from before.
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
    /// A worker runs a transaction of it.
    writing: bool,
    /// Reads that were begun and may not have their snapshot.
    fresh: usize,
    /// It has its place among the turns.
    has_turn: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    hosts: HashMap<Caller, Host>,
    /// Hosts of which something may be begun, in the order of their turns.
    turns: VecDeque<Caller>,
    /// Reads under way, and how many there may be.
    reading: usize,
    reading_max: usize,
    groups: u32,
}

/// What a worker is to begin.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is handed over, not kept")]
pub(super) enum Begun {
    /// A read, until [`Queue::read_done`].
    Read(Task),
    /// The transaction of this host, whose tasks [`Queue::next`] gives, until [`Queue::written`].
    Write(Caller),
}

impl Queue {
    /// For so many workers, of which one is left to those who write.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            hosts: HashMap::new(),
            turns: VecDeque::new(),
            reading: 0,
            reading_max: workers.saturating_sub(1).max(1),
            groups: 0,
        }
    }

    /// So many workers have a connection, or may have one.
    pub(super) fn workers_are(&mut self, workers: usize) {
        self.reading_max = workers.saturating_sub(1).max(1);
    }

    pub(super) fn add(&mut self, task: Task) {
        let id = task.job.caller;
        self.hosts.entry(id).or_default().waiting.push_back(task);
        self.settle(id);
    }

    /// What was begun and has no outcome goes back, in front of everything of its host.
    pub(super) fn put_back(&mut self, tasks: Vec<Task>) {
        for task in tasks.into_iter().rev() {
            let id = task.job.caller;
            self.hosts.entry(id).or_default().waiting.push_front(task);
            self.settle(id);
        }
    }

    /// Whether something may be begun.
    pub(super) fn is_ready(&self) -> bool {
        self.find().is_some()
    }

    /// Whether nothing waits, and nothing is under way.
    pub(super) fn is_done(&self) -> bool {
        self.hosts.is_empty() && self.reading == 0
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.hosts.values().flat_map(|host| &host.waiting)
    }

    /// A number for tasks that are to share a transaction with no others.
    pub(super) fn group(&mut self) -> u32 {
        self.groups = self.groups.checked_add(1).unwrap_or(1);
        self.groups
    }

    /// What is to be begun, by whose turn it is.
    pub(super) fn begin(&mut self) -> Option<Begun> {
        let id = self.turns.remove(self.find()?)?;
        let host = self.hosts.get_mut(&id)?;
        host.has_turn = false;
        if host.reads_next() {
            let task = host.waiting.pop_front()?;
            host.fresh += 1;
            self.reading += 1;
            self.settle(id);
            return Some(Begun::Read(task));
        }
        host.writing = true;
        Some(Begun::Write(id))
    }

    fn find(&self) -> Option<usize> {
        let may_read = self.reading < self.reading_max;
        let mut turns = self.turns.iter();
        turns.position(|id| may_read || !self.hosts[id].reads_next())
    }

    /// The next task of a host that the caller writes for; of the transaction of `group` where it is
    /// given.
    pub(super) fn next(&mut self, id: Caller, group: Option<u32>) -> Option<Task> {
        let waiting = &mut self.hosts.get_mut(&id)?.waiting;
        let front = waiting.front()?;
        let alone = front.class == Ok(Class::Alone);
        match group.is_some_and(|group| alone || front.group != group) {
            true => None,
            false => waiting.pop_front(),
        }
    }

    /// The host's transaction has ended; what has no outcome waits again.
    pub(super) fn written(&mut self, id: Caller, back: Vec<Task>) {
        self.put_back(back);
        if let Some(host) = self.hosts.get_mut(&id) {
            host.writing = false;
            self.settle(id);
        }
    }

    /// A read of this host has its snapshot: later writes do not wait for it.
    pub(super) fn has_snapshot(&mut self, id: Caller) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.fresh = host.fresh.saturating_sub(1);
            self.settle(id);
        }
    }

    /// A read is no longer under way.
    pub(super) fn read_done(&mut self) {
        self.reading -= 1;
    }

    /// Takes out those whose time is up.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Task> {
        let mut expired = Vec::new();
        let is_over = |host: &Host| host.waiting.iter().any(|task| task.is_over(now_ms));
        let hosts = self.hosts.iter().filter(|(_, host)| is_over(host));
        for id in hosts.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(host) = self.hosts.get_mut(&id) {
                let tasks = host.waiting.drain(..);
                let (over, left) = tasks.partition(|task| task.is_over(now_ms));
                host.waiting = left;
                expired.extend::<VecDeque<Task>>(over);
                self.settle(id);
            }
        }
        expired
    }

    /// Gives a host its turn, or takes it away, and forgets one of which nothing is left.
    fn settle(&mut self, id: Caller) {
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let may_begin = host.may_begin();
        if may_begin && !host.has_turn {
            self.turns.push_back(id);
        } else if !may_begin && host.has_turn {
            self.turns.retain(|turn| *turn != id);
        }
        host.has_turn = may_begin;
        if host.waiting.is_empty() && !host.writing && host.fresh == 0 {
            self.hosts.remove(&id);
        }
    }
}

impl Host {
    fn reads_next(&self) -> bool {
        self.waiting.front().is_some_and(Task::reads)
    }

    fn may_begin(&self) -> bool {
        let front = self.waiting.front();
        !self.writing && front.is_some_and(|task| task.reads() || self.fresh == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::support::{insert, raw};
    use super::*;
    use crate::jobs::HostId;

    fn host(number: u32) -> Caller {
        Caller::Host(HostId(number))
    }

    fn task(of: u32, index: u32, text: &str) -> Task {
        let mut job = match text {
            "w" => insert(index, 1),
            "r" => raw(index, "SELECT 1"),
            "a" => raw(index, "DROP TABLE user_x_t"),
            other => raw(index, other),
        };
        job.caller = host(of);
        Task::new(job)
    }

    fn queue(tasks: &[(u32, &str)]) -> Queue {
        let mut queue = Queue::new(4);
        for (index, (host, text)) in (0..).zip(tasks) {
            queue.add(task(*host, index, text));
        }
        queue
    }

    fn index(task: Option<Task>) -> Option<u32> {
        task.map(|task| task.job.id.index)
    }

    /// The number of the read that is begun, or of the host that writes.
    fn begin(queue: &mut Queue) -> Option<Result<u32, u32>> {
        queue.begin().map(|begun| match begun {
            Begun::Read(task) => Ok(task.job.id.index),
            Begun::Write(Caller::Host(HostId(host))) => Err(host),
            Begun::Write(caller) => panic!("{caller:?}"),
        })
    }

    #[test]
    fn hosts_take_turns() {
        let mut queue = queue(&[(1, "r"), (1, "r"), (2, "r"), (3, "w")]);
        assert_eq!(begin(&mut queue), Some(Ok(0)));
        assert_eq!(begin(&mut queue), Some(Ok(2)));
        assert_eq!(begin(&mut queue), Some(Err(3)));
        assert_eq!(begin(&mut queue), Some(Ok(1)));
        assert_eq!(index(queue.next(host(3), None)), Some(3));
        assert!(!queue.is_ready() && !queue.is_done());
        queue.written(host(3), Vec::new());
        for of in [1, 1, 2] {
            queue.has_snapshot(host(of));
            queue.read_done();
        }
        assert!(queue.is_done());
    }

    #[test]
    fn a_host_that_writes_has_nothing_else_begun() {
        let mut queue = queue(&[(1, "w"), (1, "r"), (1, "w")]);
        assert_eq!(begin(&mut queue), Some(Err(1)));
        assert_eq!(index(queue.next(host(1), None)), Some(0));
        assert!(!queue.is_ready());
        assert_eq!(
            index(queue.next(host(1), Some(0))),
            Some(1),
            "it may read along"
        );
        queue.written(host(1), Vec::new());
        assert_eq!(begin(&mut queue), Some(Err(1)));
    }

    #[test]
    fn a_write_waits_for_the_snapshots_of_reads_before_it() {
        let mut queue = queue(&[(1, "r"), (1, "r"), (1, "w"), (2, "r")]);
        assert_eq!(begin(&mut queue), Some(Ok(0)));
        assert_eq!(begin(&mut queue), Some(Ok(3)));
        assert_eq!(begin(&mut queue), Some(Ok(1)));
        queue.has_snapshot(host(1));
        assert_eq!(begin(&mut queue), None);
        queue.has_snapshot(host(1));
        assert_eq!(begin(&mut queue), Some(Err(1)));
    }

    #[test]
    fn writes_go_on_when_no_more_reads_may_begin() {
        let mut queue = queue(&[(1, "r"), (1, "r"), (1, "r"), (1, "r"), (2, "w")]);
        assert_eq!([0; 4].map(|_| begin(&mut queue).is_some()), [true; 4]);
        assert_eq!(begin(&mut queue), None);
        queue.read_done();
        assert_eq!(begin(&mut queue), Some(Ok(3)));
    }

    #[test]
    fn what_commits_by_itself_shares_no_transaction() {
        let mut queue = queue(&[(1, "w"), (1, "a"), (1, "w")]);
        queue.begin();
        assert_eq!(index(queue.next(host(1), None)), Some(0));
        assert!(queue.next(host(1), Some(0)).is_none());
        assert_eq!(index(queue.next(host(1), None)), Some(1));
    }

    #[test]
    fn what_comes_back_stands_in_front_and_groups_stay_apart() {
        let mut queue = queue(&[(1, "w"), (1, "w"), (1, "w")]);
        queue.begin();
        let mut undone =
            [queue.next(host(1), None), queue.next(host(1), Some(0))].map(Option::unwrap);
        undone[0].group = queue.group();
        undone[1].group = queue.group();
        let groups = [undone[0].group, undone[1].group];
        queue.written(host(1), undone.into());
        assert_eq!(begin(&mut queue), Some(Err(1)));
        assert_eq!(index(queue.next(host(1), None)), Some(0));
        assert!(queue.next(host(1), Some(groups[0])).is_none());
        assert_eq!(index(queue.next(host(1), None)), Some(1));
        assert!(queue.next(host(1), Some(groups[1])).is_none());
        assert_eq!(index(queue.next(host(1), None)), Some(2));
    }

    #[test]
    fn a_read_that_comes_back_does_not_end_a_transaction() {
        let mut queue = queue(&[(1, "r"), (1, "w"), (1, "w")]);
        let Some(Begun::Read(read)) = queue.begin() else {
            panic!("no read");
        };
        queue.has_snapshot(host(1));
        assert_eq!(begin(&mut queue), Some(Err(1)));
        assert_eq!(index(queue.next(host(1), None)), Some(1));
        queue.put_back(vec![read]);
        queue.read_done();
        assert_eq!(begin(&mut queue), None);
        assert_eq!(index(queue.next(host(1), Some(0))), Some(0));
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
        let expired = queue.expired(10).into_iter();
        let mut over: Vec<_> = expired.map(|task| task.job.id.index).collect();
        over.sort_unstable();
        assert_eq!(over, [7, 8]);
        assert_eq!(queue.tasks().count(), 3);
        assert_eq!(begin(&mut queue), Some(Err(1)));
        assert_eq!(begin(&mut queue), Some(Ok(1)));
        assert_eq!(begin(&mut queue), None);
    }

    #[test]
    fn what_may_not_run_is_answered_without_a_transaction() {
        let mut queue = queue(&[(1, "COMMIT")]);
        assert!(matches!(queue.begin(), Some(Begun::Read(task)) if task.class.is_err()));
    }
}
