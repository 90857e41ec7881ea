//! Who of the workers does what, what is to be done next, and until when.

use super::queue::{Begun, Queue, Task};
use crate::io::sql::Preparation;
use crate::io::sql::host_states::HostStates;
use crate::io::sql::journal::Pruning;
use crate::io::sql::outage::{Outage, Pending};
use crate::io::sql::since;
use crate::io::worker::{self, Next};
use crate::jobs::Caller;
use crate::limits::{MYSQL_HEAD_START_MS, SQL_RETRY_MS_MAX, SQL_RETRY_MS_MIN};
use std::time::{Duration, Instant};

/// Behind the pool's lock.
#[derive(Debug)]
pub(super) struct State {
    clock_start: Instant,
    pub queue: Queue,
    pub slots: Vec<Slot>,
    pub pruning: Pruning,
    /// The table is there.
    pub journal: bool,
    /// Whether a connection must show that the journal can be kept.
    pub journal_wanted: bool,
    pub outage: Option<Outage>,
    /// What `LAST_INSERT_ID()` gives to hosts.
    pub last_ids: HostStates<u64>,
    /// When the one before ended, and how long its next try would have waited.
    pub last_outage: Option<(Instant, u64)>,
    pub preparation: Option<Pending>,
    /// Changed steps of the schema that were complained about, by number and fingerprint.
    pub complaints: Vec<(u32, String)>,
    /// It was reported that the server allows fewer connections than the pool has.
    pub said_refused: bool,
    /// Connections that were given up, and that have not been ended on the server.
    pub kills: Vec<u32>,
    /// Those that were ended on the server, and may still be at work there.
    pub killed: Vec<u32>,
}

/// One worker's connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub connected: bool,
    /// It will have a connection, or not.
    pub connecting: bool,
    /// The server refused it one, having enough of them; it tries again then.
    pub refused_until: Option<Instant>,
    /// The host of a read that may not have its snapshot, and since when it runs.
    pub fresh: Option<(Caller, u64)>,
}

/// What a worker is to do.
#[expect(clippy::large_enum_variant, reason = "it is handed over, not kept")]
pub(super) enum Work {
    Prepare(Preparation),
    Call(Begun),
    /// The server was away: see whether it still is.
    Connect,
}

impl State {
    pub(super) fn new(size: usize, clock_start: Instant) -> Self {
        let now_ms = since(clock_start);
        Self {
            clock_start,
            queue: Queue::new(size),
            slots: (0..size).map(|_| Slot::default()).collect(),
            pruning: Pruning::new(now_ms),
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
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        since(self.clock_start)
    }

    /// The read at this seat is no longer under way; where it has no outcome, it waits again.
    pub(super) fn read_done(&mut self, seat: usize, back: Vec<Task>) {
        self.queue.put_back(back);
        if let Some((host, _)) = self.slots[seat].fresh.take() {
            self.queue.has_snapshot(host);
        }
        self.queue.read_done();
    }

    /// Reads that run for a while have their snapshot.
    pub(super) fn note_snapshots(&mut self, now_ms: u64) {
        let has = |(_, since_ms): &mut (Caller, u64)| *since_ms + MYSQL_HEAD_START_MS <= now_ms;
        for slot in &mut self.slots {
            if let Some((host, _)) = slot.fresh.take_if(has) {
                self.queue.has_snapshot(host);
            }
        }
    }

    /// One of those that the server lets connect is left to those who write.
    pub(super) fn count_readers(&mut self) {
        let refused = |slot: &&Slot| slot.refused_until.is_some();
        let refused = self.slots.iter().filter(refused).count();
        self.queue.workers_are(self.slots.len() - refused);
    }

    /// Whether another worker has a connection, or may have one soon.
    pub(super) fn has_other(&self, seat: usize) -> bool {
        let mut slots = self.slots.iter().enumerate();
        slots.any(|(other, slot)| other != seat && slot.is_in_use())
    }

    /// A server that comes and goes is tried as rarely as one that is unreachable.
    pub(super) fn first_wait_ms(&self) -> u64 {
        let recent = Duration::from_millis(SQL_RETRY_MS_MAX);
        match self.last_outage {
            Some((ended, wait_ms)) if ended.elapsed() < recent => wait_ms,
            _ => SQL_RETRY_MS_MIN,
        }
    }

    /// When the time of a call that waits is up next.
    pub(super) fn nearest(&self) -> Option<u64> {
        self.queue.tasks().filter_map(|task| task.deadline_ms).min()
    }
}

impl worker::Queue for State {
    type Work = Work;

    fn next(&mut self, seat: usize) -> Next<Work> {
        if let Some(outage) = &mut self.outage {
            if outage.tried {
                return Next::Nothing;
            }
            if Instant::now() < outage.retry_at {
                return Next::At(outage.retry_at);
            }
            outage.tried = true;
            return Next::Work(Work::Connect);
        }
        if let Some(waiting) = &mut self.preparation {
            return match std::mem::replace(&mut waiting.taken, true) {
                true => Next::Nothing,
                false => Next::Work(Work::Prepare(waiting.wanted.clone())),
            };
        }
        let Some(begun) = self.queue.begin() else {
            return Next::Nothing;
        };
        if let Begun::Read(task) = &begun {
            self.slots[seat].fresh = Some((task.job.caller, self.now_ms()));
        }
        Next::Work(Work::Call(begun))
    }

    fn is_ready(&self) -> bool {
        self.outage.is_none()
            && match &self.preparation {
                Some(waiting) => !waiting.taken,
                None => self.queue.is_ready(),
            }
    }

    fn is_done(&self) -> bool {
        self.queue.is_done()
    }

    /// Who was refused a connection leaves everything to those that have one.
    fn may_work(&self, seat: usize) -> bool {
        let until = self.slots[seat].refused_until;
        until.is_none_or(|until| until <= Instant::now()) || !self.has_other(seat)
    }
}

impl Slot {
    pub(super) fn is_in_use(&self) -> bool {
        self.connected || self.connecting
    }
}
