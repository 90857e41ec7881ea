//! What the threads of one lane share: what waits, who runs what until when, and whether the
//! server is away.
//!
//! Threads of the pool sleep until there is something for them; the watchdog sleeps until the
//! nearest end of somebody's time. Nobody wakes up to look whether something has changed.

use super::queue::Task;
use super::session::Socket;
use super::state::{Busy, Outage, State, Waiting, Work};
use super::trouble::Refusal;
use super::watch::Watch;
use crate::io::sql::{Preparation, Report, Run, Verdict};
use crate::limits::SQL_RETRY_MS_MAX;
use crate::wire::call_error::CallError;
use crate::wire::log_targets;
use crate::wire::sql::{DatabaseId, Done};
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
            time: Condvar::new(),
            ended: Condvar::new(),
        }
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
        self.work.notify_all();
    }

    /// Asks for the end and waits for it.
    pub(super) fn finish(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        self.work.notify_all();
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
        self.work.notify_all();
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
                    self.work.notify_all();
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

    /// From here to `unwatch`, the thread's connection is ended at this time.
    pub(super) fn watch(&self, thread: usize, limit_ms: u64) {
        if self.watch.begin(thread, limit_ms) {
            // Without the lock it might be about to sleep.
            let _state = self.lock();
            self.time.notify_one();
        }
        if self.is_abandoned() {
            self.watch.cut(thread);
            self.lock().slots[thread].end();
        }
    }

    /// Whether the connection was ended.
    pub(super) fn unwatch(&self, thread: usize) -> bool {
        self.watch.end(thread)
    }

    /// The thread has another connection, or none.
    pub(super) fn connected(&self, thread: usize, socket: Option<Socket>) {
        let slot = &mut self.lock().slots[thread];
        slot.socket = socket;
        if self.is_abandoned() {
            slot.end();
        }
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
        self.work.notify_all();
    }

    /// It could not be done now.
    pub(super) fn unprepared(&self) {
        if let Some(waiting) = &mut self.lock().preparation {
            waiting.taken = false;
        }
        self.work.notify_all();
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
        });
        drop(state);
        self.work.notify_all();
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
            self.work.notify_all();
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

    /// The watchdog: ends what runs too long, answers what waits too long.
    pub(super) fn watchdog(&self) {
        let mut state = self.lock();
        while !self.is_abandoned() && state.threads > 0 {
            let now_ms = self.now_ms();
            for (thread, slot) in state.slots.iter_mut().enumerate() {
                if self.watch.is_over(thread, now_ms) {
                    slot.end();
                }
            }
            let expired = state.queue.expired(now_ms);
            if !expired.is_empty() {
                // The sentence of an outage names the owner's server: it is for the log.
                let word = match state.outage {
                    Some(_) => "DatabaseUnavailable",
                    None => "DeadlineExceeded",
                };
                let over = |task: Task| Done {
                    id: task.job.id,
                    outcome: Err(CallError::word(word)),
                };
                drop(state);
                (self.on_report)(Report::Done(expired.into_iter().map(over).collect()));
                // They may have stood before something that can be begun, or be the last.
                self.work.notify_all();
                state = self.lock();
                continue;
            }
            let readers = state.readers();
            let head_start = state.queue.head_start_ends(&readers, now_ms);
            if head_start.is_none() && state.has_work(now_ms) {
                self.work.notify_one();
            }
            let known = state.nearest().into_iter().chain(head_start);
            let next = known.chain(self.watch.nearest()).min();
            self.watch.will_look(next);
            // What began meanwhile may have counted on a look that was to come earlier.
            let newer = self.watch.nearest().into_iter().chain(next).min();
            if newer != next {
                continue;
            }
            state = match next {
                None => self
                    .time
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = Duration::from_millis(next.saturating_sub(now_ms).max(1));
                    let waited = self.time.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Wakes the watchdog where it would come too late.
    fn watch_until(&self, _lock: &State, at_ms: Option<u64>) {
        if at_ms.is_some_and(|at_ms| self.watch.is_before_look(at_ms)) {
            self.time.notify_one();
        }
    }

    fn watch_head_start(&self, state: &State, now_ms: u64) {
        if !state.queue.is_empty() {
            let ends = state.queue.head_start_ends(&state.readers(), now_ms);
            self.watch_until(state, ends);
        }
    }
}

fn since(clock_start: Instant) -> u64 {
    u64::try_from(clock_start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
