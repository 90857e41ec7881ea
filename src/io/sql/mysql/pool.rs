//! What the threads of one lane share: what waits, who runs what until when, and whether the
//! server is away.
//!
//! Threads of the pool sleep until there is something for them; the watchdog sleeps until the
//! nearest end of somebody's time. Nobody wakes up to look whether something has changed.

mod watchdog;

use super::queue::Task;
use super::session::Socket;
use super::state::{Busy, Outage, State, Waiting, Work};
use super::trouble::Refusal;
use super::watch::Watch;
use crate::io::sql::{Preparation, Report, Run, Verdict};
use crate::jobs::Done;
use crate::limits::{MYSQL_KILLED_KEPT_MAX, MYSQL_REFUSED_MS, SQL_RETRY_MS_MAX};
use crate::protocol::call_error::CallError;
use crate::protocol::log_targets;
use crate::sql::DatabaseId;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) type OnReport = Box<dyn Fn(Report) + Send + Sync>;

pub(super) struct Pool {
    pub number: DatabaseId,
    pub run: Run,
    /// Where the server is, for sentences: "database stats at 127.0.0.1:3306".
    pub place: String,
    pub on_report: OnReport,
    state: Mutex<State>,
    watch: Watch,
    /// Nothing is answered any more, and nothing begun.
    abandoned: AtomicBool,
    /// For threads of the pool.
    work: Condvar,
    /// For those of them whose connection the server refused.
    rest: Condvar,
    /// For the watchdog.
    time: Condvar,
    /// For whoever waits for the end.
    ended: Condvar,
}

impl Pool {
    pub(super) fn new(
        number: DatabaseId,
        run: Run,
        place: String,
        size: usize,
        on_report: OnReport,
    ) -> Self {
        let state = State::new(size, since(run.clock_start));
        Self {
            number,
            run,
            place,
            on_report,
            state: Mutex::new(state),
            watch: Watch::new(size),
            abandoned: AtomicBool::new(false),
            work: Condvar::new(),
            rest: Condvar::new(),
            time: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    fn wake_all(&self) {
        self.work.notify_all();
        self.rest.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(SeqCst)
    }

    pub(super) fn now_ms(&self) -> u64 {
        since(self.run.clock_start)
    }

    pub(super) fn submit(&self, tasks: Vec<Task>) {
        let nearest = tasks.iter().filter_map(|task| task.deadline_ms).min();
        let count = tasks.len();
        let mut state = self.lock();
        for task in tasks {
            state.queue.add(task);
        }
        self.watch_until(&state, nearest);
        for _ in 0..count.min(state.asleep) {
            self.work.notify_one();
        }
    }

    pub(super) fn prepare(&self, preparation: Preparation) {
        self.lock().preparation = Some(Waiting {
            preparation,
            taken: false,
            told_away: false,
        });
        self.wake_all();
    }

    /// Asks for the end and waits for it.
    pub(super) fn finish(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        self.wake_all();
        let waited = self
            .ended
            .wait_timeout_while(state, within, |state| state.threads > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.threads == 0
    }

    /// Ends everything that runs; nothing is answered any more.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        self.abandoned.store(true, SeqCst);
        state.stopping = true;
        for (thread, slot) in state.slots.iter_mut().enumerate() {
            self.watch.cut(thread);
            slot.end();
        }
        drop(state);
        self.wake_all();
        self.time.notify_all();
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

    /// Sleeps until there is something to do for this thread, which is done with what it did.
    pub(super) fn next(&self, thread: usize) -> Work {
        let mut state = self.lock();
        state.slots[thread].busy = Busy::Not;
        state.slots[thread].reading = None;
        loop {
            let now_ms = self.now_ms();
            if let Some(until_ms) = state.rests_until(thread, now_ms)
                && !self.is_abandoned()
                && !state.is_over()
            {
                if state.has_work(now_ms) {
                    self.work.notify_one();
                }
                let left = Duration::from_millis(until_ms.saturating_sub(now_ms));
                let waited = self.rest.wait_timeout(state, left);
                (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let work = match self.is_abandoned() {
                true => Some(Work::End),
                false => state.take(now_ms),
            };
            if let Some(work) = work {
                state.slots[thread].busy = match work {
                    Work::End => Busy::Not,
                    Work::Read => Busy::Reading,
                    _ => Busy::Otherwise,
                };
                if matches!(work, Work::End) {
                    state.threads -= 1;
                    self.ended.notify_all();
                    self.time.notify_all();
                    self.wake_all();
                } else if state.has_work(now_ms) {
                    self.work.notify_one();
                }
                return work;
            }
            self.watch_head_start(&state, now_ms);
            let retry_at_ms = state.outage.as_mut().filter(|outage| !outage.tried);
            let Some(retry_at_ms) = retry_at_ms.map(|outage| {
                outage.tried = true;
                outage.retry_at_ms
            }) else {
                state.asleep += 1;
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                state.asleep -= 1;
                continue;
            };
            let left = Duration::from_millis(retry_at_ms.saturating_sub(now_ms));
            state.asleep += 1;
            let waited = self.work.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
            if let Some(outage) = &mut state.outage {
                outage.tried = false;
            }
        }
    }

    /// The next read for a thread that reads, until others are to have their turn.
    pub(super) fn next_read(&self, thread: usize) -> Option<Task> {
        let mut state = self.lock();
        let now_ms = self.now_ms();
        let slot = &mut state.slots[thread];
        let had = slot.reading.take();
        let task = match state.is_free() && !self.is_abandoned() {
            true => state.queue.read(),
            false => None,
        };
        if let Some(task) = &task {
            state.slots[thread].reading = Some((task.job.host, now_ms));
        }
        // A write may have waited for the read that is done.
        if had.is_some() && state.has_work(now_ms) {
            self.work.notify_one();
        }
        task
    }

    /// The next task for the transaction of a host.
    pub(super) fn join(&self, host: u32, group: Option<u32>) -> Option<Task> {
        let mut state = self.lock();
        match state.is_free() && !self.is_abandoned() {
            true => state.queue.join(host, group),
            false => None,
        }
    }

    /// The transaction of a host has ended; what has no answer waits again.
    pub(super) fn written(&self, host: u32, back: Vec<Task>) {
        let nearest = back.iter().filter_map(|task| task.deadline_ms).min();
        let mut state = self.lock();
        state.queue.put_back(back.into_iter());
        state.queue.written(host);
        self.watch_until(&state, nearest);
    }

    /// A read that has no answer waits again, whatever else its host does.
    pub(super) fn put_back(&self, task: Task) {
        let deadline_ms = task.deadline_ms;
        let mut state = self.lock();
        state.queue.put_back([task].into_iter());
        self.watch_until(&state, deadline_ms);
    }

    /// The thread has another connection, or none.
    pub(super) fn connected(&self, thread: usize, socket: Option<Socket>) {
        let mut state = self.lock();
        let slot = &mut state.slots[thread];
        (slot.socket, slot.connecting) = (socket, false);
        match slot.socket {
            Some(_) => slot.refused_until_ms = None,
            // Who rests may be needed now.
            None => self.rest.notify_all(),
        }
        if self.is_abandoned() {
            slot.end();
        }
    }

    /// The thread is about to connect.
    pub(super) fn connects(&self, thread: usize) {
        self.lock().slots[thread].connecting = true;
    }

    /// The server has refused a connection, having enough of them. False where it is out of reach:
    /// no other thread has one. Otherwise those go on, and this one rests.
    pub(super) fn rest(&self, thread: usize, refusal: &Refusal) -> bool {
        let mut state = self.lock();
        state.slots[thread].connecting = false;
        if !state.has_other(thread) {
            return false;
        }
        let until_ms = self.now_ms().saturating_add(MYSQL_REFUSED_MS);
        state.slots[thread].refused_until_ms = Some(until_ms);
        let open = state.slots.iter().filter(|slot| slot.is_in_use()).count();
        let size = state.slots.len();
        let is_new = !std::mem::replace(&mut state.said_refused, true);
        let outage = state.outage.take_if(|outage| outage.too_many);
        drop(state);
        if is_new {
            log::warn!(
                "{} allows vpid no more than {open} connections at once ({}): it goes on with \
                 these. Set pool = {open} in place of {size}, or let the server allow more",
                self.place,
                refusal.reason
            );
        }
        if outage.is_some() {
            self.wake_all();
        }
        true
    }

    /// What a connection that was given up may still run is to be ended by whoever has another.
    pub(super) fn kill_later(&self, id: u32) {
        self.lock().kills.push(id);
    }

    /// The server was told to end this connection's statement.
    pub(super) fn killed(&self, id: u32) {
        let mut state = self.lock();
        state.killed.push(id);
        let over = state.killed.len().saturating_sub(MYSQL_KILLED_KEPT_MAX);
        state.killed.drain(..over);
    }

    pub(super) fn take_kills(&self) -> Vec<u32> {
        std::mem::take(&mut self.lock().kills)
    }

    /// The preparation is done, unless a later one has replaced it.
    pub(super) fn prepared(&self, ticket: u64, verdict: Verdict) {
        let mut state = self.lock();
        let is_this = |waiting: &mut Waiting| waiting.preparation.ticket == ticket;
        let current = state.preparation.take_if(is_this).is_some() && !self.is_abandoned();
        drop(state);
        if current {
            self.report_prepared(ticket, verdict);
        }
        self.wake_all();
    }

    /// It could not be done now.
    pub(super) fn unprepared(&self) {
        if let Some(waiting) = &mut self.lock().preparation {
            waiting.taken = false;
        }
        self.wake_all();
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
        let mut state = self.lock();
        if self.is_abandoned() || (state.outage.is_some() && !tried) {
            return;
        }
        let (since, wait_ms) = match &state.outage {
            Some(outage) => (outage.since, outage.next_wait_ms),
            None => (Instant::now(), state.first_wait_ms()),
        };
        let known = state
            .outage
            .as_ref()
            .is_some_and(|was| was.sentence == sentence);
        if !known {
            log::error!(target: log_targets::NEWS, "{sentence}. Calls wait; vpid keeps trying.");
        }
        let untold = state.preparation.as_mut().and_then(|waiting| {
            let told = std::mem::replace(&mut waiting.told_away, true);
            (!told).then_some(waiting.preparation.ticket)
        });
        state.outage = Some(Outage {
            since,
            sentence: sentence.clone(),
            retry_at_ms: self.now_ms().saturating_add(wait_ms),
            next_wait_ms: (wait_ms * 2).min(SQL_RETRY_MS_MAX),
            tried: false,
            too_many: refusal.too_many,
        });
        drop(state);
        self.wake_all();
        if let Some(ticket) = untold {
            self.report_prepared(ticket, Verdict::Away(sentence));
        }
    }

    pub(super) fn end_outage(&self) {
        let mut state = self.lock();
        if let Some(outage) = state.outage.take() {
            state.last_outage = Some((Instant::now(), outage.next_wait_ms));
            log::info!(
                "{} is back after {:.1} s",
                self.place,
                outage.since.elapsed().as_secs_f64()
            );
            self.wake_all();
        }
    }

    /// Whether this is to be said: once.
    pub(super) fn complains(&self, complaint: &(u32, String)) -> bool {
        let mut state = self.lock();
        let is_new = !state.complaints.contains(complaint);
        if is_new {
            state.complaints.push(complaint.clone());
        }
        is_new
    }
}

fn since(clock_start: Instant) -> u64 {
    u64::try_from(clock_start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
