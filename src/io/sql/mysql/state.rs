//! Who of the pool does what, what is to be done next, and until when.

use super::journal::Pruning;
use super::queue::{Next, Queue, Reader};
use super::session::Socket;
use crate::io::sql::Preparation;
use crate::io::sql::host_states::HostStates;
use crate::limits::{SQL_RETRY_MS_MAX, SQL_RETRY_MS_MIN};
use crate::sql::Caller;
use std::time::{Duration, Instant};

/// Behind the pool's lock.
#[derive(Debug)]
pub(super) struct State {
    pub queue: Queue,
    pub slots: Vec<Slot>,
    pub pruning: Pruning,
    pub stopping: bool,
    /// The table is there.
    pub journal: bool,
    /// Whether a connection must show that the journal can be kept.
    pub journal_wanted: bool,
    pub outage: Option<Outage>,
    /// What `LAST_INSERT_ID()` gives to hosts.
    pub last_ids: HostStates<u64>,
    /// When the one before ended, and how long its next try would have waited.
    pub last_outage: Option<(Instant, u64)>,
    pub preparation: Option<Waiting>,
    /// Changed steps of the schema that were complained about, by number and fingerprint.
    pub complaints: Vec<(u32, String)>,
    /// It was told that the server allows fewer connections than the pool has.
    pub said_refused: bool,
    /// Connections that were given up, and that nobody has ended on the server.
    pub kills: Vec<u32>,
    /// Those that were ended on the server, and may still be at work there.
    pub killed: Vec<u32>,
    /// Threads of the pool that have not ended.
    pub threads: usize,
    /// Those that sleep since there is nothing for them.
    pub asleep: usize,
}

/// A preparation that was not done.
#[derive(Debug)]
pub(super) struct Waiting {
    pub preparation: Preparation,
    /// Somebody is at it.
    pub taken: bool,
    pub told_away: bool,
}

/// What one thread of the pool does now.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Its connection's.
    pub socket: Option<Socket>,
    pub reading: Option<Reader>,
    pub busy: Busy,
    /// It will have a connection, or not.
    pub connecting: bool,
    /// The server refused it one, having enough of them; it tries again then.
    pub refused_until_ms: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    #[default]
    Not,
    Reading,
    /// Writing, preparing, or trying to connect.
    Otherwise,
}

/// How long the server has been away, and why.
#[derive(Debug)]
pub(super) struct Outage {
    pub since: Instant,
    pub sentence: String,
    pub retry_at_ms: u64,
    pub next_wait_ms: u64,
    /// Somebody waits for the time of the next try, or is at it.
    pub tried: bool,
    /// The server has too many connections.
    pub too_many: bool,
}

/// What a thread of the pool is to do.
pub(super) enum Work {
    Prepare(Preparation),
    /// One transaction of this host.
    Write(Caller),
    Read,
    /// The server was away: see whether it still is.
    Connect,
    End,
}

impl State {
    pub(super) fn new(size: usize, now_ms: u64) -> Self {
        Self {
            queue: Queue::default(),
            slots: (0..size).map(|_| Slot::default()).collect(),
            pruning: Pruning::new(now_ms),
            stopping: false,
            journal: false,
            journal_wanted: false,
            outage: None,
            last_ids: HostStates::default(),
            last_outage: None,
            preparation: None,
            complaints: Vec::new(),
            said_refused: false,
            kills: Vec::new(),
            killed: Vec::new(),
            threads: size,
            asleep: 0,
        }
    }

    /// What can be begun now.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Work> {
        if self.is_over() {
            return Some(Work::End);
        }
        if let Some(outage) = &mut self.outage {
            let due = !outage.tried && now_ms >= outage.retry_at_ms;
            outage.tried |= due;
            return due.then_some(Work::Connect);
        }
        if let Some(waiting) = &mut self.preparation {
            let free = !std::mem::replace(&mut waiting.taken, true);
            return free.then(|| Work::Prepare(waiting.preparation.clone()));
        }
        match self.queue.next(&self.readers(), self.may_read(), now_ms)? {
            Next::Read => Some(Work::Read),
            Next::Write(host) => Some(Work::Write(host)),
        }
    }

    /// Whether all is done and no more comes.
    pub(super) fn is_over(&self) -> bool {
        let is_busy = |slot: &Slot| slot.busy != Busy::Not;
        self.stopping && self.queue.is_empty() && !self.slots.iter().any(is_busy)
    }

    /// Whether another thread has a connection, or may have one soon.
    pub(super) fn has_other(&self, thread: usize) -> bool {
        let mut slots = self.slots.iter().enumerate();
        slots.any(|(other, slot)| other != thread && slot.is_in_use())
    }

    /// Until when a thread leaves everything to the others, having been refused a connection.
    pub(super) fn rests_until(&self, thread: usize, now_ms: u64) -> Option<u64> {
        let until_ms = self.slots[thread].refused_until_ms?;
        (now_ms < until_ms && self.has_other(thread)).then_some(until_ms)
    }

    /// Whether a thread that sleeps could begin something of the queue.
    pub(super) fn has_work(&self, now_ms: u64) -> bool {
        let queue = &self.queue;
        self.asleep > 0
            && !queue.is_empty()
            && self.outage.is_none()
            && self.preparation.is_none()
            && queue.has_next(&self.readers(), self.may_read(), now_ms)
    }

    /// One connection is left to those who write.
    fn may_read(&self) -> bool {
        let reading = self.slots.iter().filter(|slot| slot.busy == Busy::Reading);
        let refused = |slot: &&Slot| slot.refused_until_ms.is_some();
        let usable = self.slots.len() - self.slots.iter().filter(refused).count();
        reading.count() < usable.saturating_sub(1).max(1)
    }

    /// A server that comes and goes is tried as rarely as one that is away.
    pub(super) fn first_wait_ms(&self) -> u64 {
        let recent = Duration::from_millis(SQL_RETRY_MS_MAX);
        match self.last_outage {
            Some((ended, wait_ms)) if ended.elapsed() < recent => wait_ms,
            _ => SQL_RETRY_MS_MIN,
        }
    }

    /// Whether what waits may be begun.
    pub(super) fn is_free(&self) -> bool {
        self.preparation.is_none()
    }

    pub(super) fn readers(&self) -> Vec<Reader> {
        self.slots.iter().filter_map(|slot| slot.reading).collect()
    }

    /// When the time of somebody who waits is up next.
    pub(super) fn nearest(&self) -> Option<u64> {
        self.queue.tasks().filter_map(|task| task.deadline_ms).min()
    }
}

impl Slot {
    pub(super) fn is_in_use(&self) -> bool {
        self.socket.is_some() || self.connecting
    }

    pub(super) fn end(&mut self) {
        if let Some(socket) = &self.socket {
            socket.end();
        }
    }
}
