//! What the workers of one server share: what waits, who runs what until when, and whether the
//! server is unreachable.

use super::queue::{Begun, Queue, Task};
use super::session::Socket;
use super::trouble::Refusal;
use super::watch::Watch;
use crate::io::sql::journal::Pruning;
use crate::io::sql::watchdog::{Suspect, Waker};
use crate::io::sql::{
    HostStates, OnReport, Outage, Pending, Preparation, Report, Run, Verdict, log_news, since,
};
use crate::io::worker::{self, Next};
use crate::jobs::{CallId, Caller, Done};
use crate::limits::{
    MYSQL_HEAD_START_MS, MYSQL_KILLED_KEPT_MAX, MYSQL_REFUSED_MS, SQL_LOOK_MS, SQL_RETRY_MS_MAX,
    SQL_RETRY_MS_MIN,
};
use crate::protocol::call_error::CallError;
use crate::sql::DatabaseId;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(super) struct Pool {
    pub number: DatabaseId,
    pub run: Run,
    /// Where the server is, for sentences: "database stats at 127.0.0.1:3306".
    pub place: Arc<str>,
    pub on_report: OnReport,
    pub watchdog: Waker,
    /// By seat.
    pub watches: Arc<[Watch]>,
    pub workers: Arc<worker::Pool<State>>,
}

impl Pool {
    /// Reads or changes what the workers share; they are woken where that lets something begin.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.workers.with(change)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.workers.is_abandoned()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.run.now_ms()
    }

    pub(super) fn submit(&self, tasks: Vec<Task>) {
        self.with(|state| tasks.into_iter().for_each(|task| state.queue.add(task)));
        // They have deadlines before a worker has a connection for them.
        self.watchdog.begins();
    }

    pub(super) fn prepare(&self, preparation: Preparation) {
        self.with(|state| state.preparation = Some(Pending::new(preparation)));
    }

    pub(super) fn report(&self, done: Vec<Done>) {
        if !done.is_empty() && !self.is_abandoned() {
            (self.on_report)(Report::Done(done));
        }
    }

    pub(super) fn answer(&self, task: &Task, outcome: Result<String, CallError>) {
        let id = task.job.id;
        self.report(vec![Done { id, outcome }]);
    }

    /// The next task of a host that the caller has, of the transaction of `group` where it is given.
    pub(super) fn next(&self, host: Caller, group: Option<u32>) -> Option<Task> {
        self.workers.finish(|state| match state.preparation {
            None if !self.is_abandoned() => state.queue.next(host, group),
            _ => None,
        })
    }

    /// From here to `unwatch`, the connection at this seat is ended at this time; a call is noted
    /// when it runs long.
    pub(super) fn watch(&self, seat: usize, limit_ms: u64, call: Option<CallId>) {
        self.watches[seat].begin(limit_ms, call);
        self.watchdog.begins();
        // Either this sees the end, or that sees what began.
        if self.is_abandoned() {
            self.watches[seat].cut();
        }
    }

    /// Whether the connection was ended.
    pub(super) fn unwatch(&self, seat: usize) -> bool {
        self.watches[seat].end()
    }

    /// The worker has another connection, or none.
    pub(super) fn connected(&self, seat: usize, socket: Option<Socket>) {
        let connected = socket.is_some();
        self.watches[seat].connected(socket);
        self.with(|state| {
            let slot = &mut state.slots[seat];
            (slot.connected, slot.connecting) = (connected, false);
            if connected {
                slot.refused_until = None;
            }
            state.count_readers();
        });
        if self.is_abandoned() {
            self.watches[seat].cut();
        }
    }

    /// The worker is about to connect.
    pub(super) fn connects(&self, seat: usize) {
        self.with(|state| state.slots[seat].connecting = true);
    }

    /// The server has refused a connection, having enough of them. False where it is out of reach:
    /// no other worker has one. Otherwise those go on, and this one rests.
    pub(super) fn rest(&self, seat: usize, refusal: &Refusal) -> bool {
        let rests = self.with(|state| {
            state.slots[seat].connecting = false;
            if !state.has_other(seat) {
                return None;
            }
            let until = Instant::now() + Duration::from_millis(MYSQL_REFUSED_MS);
            state.slots[seat].refused_until = Some(until);
            state.count_readers();
            state.outage.take_if(|outage| outage.too_many);
            let open = state.slots.iter().filter(|slot| slot.is_in_use()).count();
            let is_new = !std::mem::replace(&mut state.said_refused, true);
            Some((is_new, open, state.slots.len()))
        });
        if let Some((true, open, size)) = rests {
            log::warn!(
                "{} allows vpid no more than {open} connections at once ({}): it goes on with \
                 these. Set pool = {open} in place of {size}, or let the server allow more",
                self.place,
                refusal.reason
            );
        }
        rests.is_some()
    }

    /// The server has got the request to end this connection's statement.
    pub(super) fn killed(&self, id: u32) {
        self.with(|state| {
            state.killed.push(id);
            let over = state.killed.len().saturating_sub(MYSQL_KILLED_KEPT_MAX);
            state.killed.drain(..over);
        });
    }

    /// The preparation is done, unless a later one has replaced it.
    pub(super) fn prepared(&self, ticket: u64, verdict: Verdict) {
        let is_this = |pending: &mut Pending| pending.wanted.ticket == ticket;
        let current = self.with(|state| state.preparation.take_if(is_this).is_some());
        if current && !self.is_abandoned() {
            self.report_prepared(ticket, verdict);
        }
    }

    /// It could not be done now.
    pub(super) fn unprepared(&self) {
        self.with(|state| {
            if let Some(waiting) = &mut state.preparation {
                waiting.taken = false;
            }
        });
    }

    fn report_prepared(&self, ticket: u64, verdict: Verdict) {
        (self.on_report)(Report::Prepared {
            database: self.number,
            ticket,
            verdict,
        });
    }

    /// The server cannot be used: what waits is left alone until it can. Only who tries whether
    /// it still is so (`tried`) makes the next try a later one.
    pub(super) fn lose(&self, refusal: &Refusal, tried: bool) {
        let sentence = format!(
            "{} cannot be used: {}; {}",
            self.place, refusal.reason, refusal.advice
        );
        let lost = self.with(|state| {
            if self.is_abandoned() || (state.outage.is_some() && !tried) {
                return None;
            }
            let first_wait_ms = state.first_wait_ms();
            let mut outage = Outage::new(state.outage.as_ref(), sentence.clone(), first_wait_ms);
            outage.too_many = refusal.too_many;
            let news = outage.news();
            state.outage = Some(outage);
            Some((news, state.preparation.as_mut().and_then(Pending::untold)))
        });
        let Some((news, untold)) = lost else {
            return;
        };
        // What waits has deadlines, which no worker keeps now.
        self.watchdog.begins();
        log_news(news);
        if let Some(ticket) = untold {
            self.report_prepared(ticket, Verdict::Away(sentence));
        }
    }

    pub(super) fn end_outage(&self) {
        let outage = self.with(|state| {
            let outage = state.outage.take()?;
            state.last_outage = Some((Instant::now(), outage.next_wait_ms));
            Some(outage)
        });
        if let Some(outage) = outage {
            outage.log_end(&self.place);
        }
    }

    /// Whether this is to be said: once.
    pub(super) fn complains(&self, complaint: &(u32, String)) -> bool {
        self.with(|state| {
            let is_new = !state.complaints.contains(complaint);
            if is_new {
                state.complaints.push(complaint.clone());
            }
            is_new
        })
    }
}

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

pub(super) struct Supervisor {
    pub pool: Pool,
    /// One for each worker.
    pub suspects: Vec<Suspect>,
    /// Something ran at the last look.
    pub was_busy: bool,
}

impl Supervisor {
    /// Gives the time until the next look in milliseconds; None while nothing runs, and nothing waits
    /// for the server.
    pub(super) fn look(&mut self) -> Option<u64> {
        let now_ms = self.pool.now_ms();
        let watches = self.pool.watches.iter().zip(&mut self.suspects);
        let limits = watches.map(|(watch, suspect)| {
            let (running, limit_ms) = watch.look(now_ms);
            suspect.look(running, now_ms, &self.pool.run.tries);
            limit_ms
        });
        let limit_ms = limits.flatten().min();
        let (expired, word, waiting_ms) = self.pool.with(|state| {
            state.note_snapshots(now_ms);
            let expired = state.queue.expired(now_ms);
            // The sentence of an outage names the owner's server: it is for the log.
            let word = match state.outage {
                Some(_) => "DatabaseUnavailable",
                None => "DeadlineExceeded",
            };
            (expired, word, state.nearest())
        });
        let expired = expired.into_iter().map(|task| Done {
            id: task.job.id,
            outcome: Err(CallError::word(word)),
        });
        self.pool.report(expired.collect());
        let nearest = limit_ms.into_iter().chain(waiting_ms).min();
        let was_busy = std::mem::replace(&mut self.was_busy, nearest.is_some());
        match nearest {
            Some(at_ms) => Some(at_ms.saturating_sub(now_ms).clamp(1, SQL_LOOK_MS)),
            None => was_busy.then_some(SQL_LOOK_MS),
        }
    }
}
