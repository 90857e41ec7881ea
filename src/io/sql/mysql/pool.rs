//! What the workers of one server share: what waits, who runs what until when, and whether the
//! server is unreachable.

use super::queue::Task;
use super::session::Socket;
use super::state::State;
use super::trouble::Refusal;
use super::watch::Watch;
use crate::io::sql::outage::{Outage, Pending, log_news};
use crate::io::sql::watchdog::Waker;
use crate::io::sql::{OnReport, Preparation, Report, Run, Verdict};
use crate::io::worker;
use crate::jobs::{CallId, Caller, Done};
use crate::limits::{MYSQL_KILLED_KEPT_MAX, MYSQL_REFUSED_MS};
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
