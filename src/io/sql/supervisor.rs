//! Who keeps the time of an SQLite lane's thread, which cannot do so itself while SQLite is at
//! one long instruction.
//!
//! A call that runs for a while is noted in the state folder. At the limit of its statement that
//! is interrupted. When it does not end even then, its thread and connection are given up: the
//! call is answered, and another thread with a connection of its own takes over what waits. The
//! old one undoes its transaction whenever SQLite lets it.
//!
//! While nothing runs, the supervisor sleeps. Who begins a call wakes it, and then it looks
//! several times a second, so that a call wakes it seldom.

use super::Report;
use super::guard::Guard;
use super::inbox::Inbox;
use super::post::Suspect;
use super::worker::Worker;
use crate::config::Sqlite;
use crate::jobs::{Done, Job};
use crate::limits::{SQL_GIVE_UP_MS, SQL_LOOK_MS, SQL_STUCK_THREADS_MAX};
use crate::protocol::call_error::CallError;
use crate::sql::{CallId, DatabaseId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(super) struct Supervisor<F> {
    pub number: DatabaseId,
    pub settings: Sqlite,
    pub clock_start: Instant,
    pub inbox: Arc<Inbox>,
    pub on_report: Arc<F>,
    /// Of the thread that runs now.
    pub guard: Arc<Guard>,
    pub suspect: Suspect,
    /// Something ran at the last look.
    pub was_busy: bool,
    /// There is no thread: too many are stuck, or the system has none to give.
    pub vacant: bool,
}

impl<F: Fn(Report) + Send + Sync + 'static> Supervisor<F> {
    /// Starts the lane's first thread, and this one beside it.
    pub(super) fn start(
        number: DatabaseId,
        settings: Sqlite,
        clock_start: Instant,
        inbox: Arc<Inbox>,
        on_report: F,
    ) -> std::io::Result<()> {
        let guard = Arc::new(Guard::new(clock_start, Arc::clone(&inbox)));
        let mut supervisor = Self {
            number,
            settings,
            clock_start,
            inbox,
            on_report: Arc::new(on_report),
            guard,
            suspect: Suspect::default(),
            was_busy: false,
            vacant: false,
        };
        supervisor.spawn(0, 0)?;
        thread::Builder::new()
            .name("sql-time".to_owned())
            .spawn(move || supervisor.watch())
            .map(drop)
    }

    /// Starts a thread of the lane. `undone`: as of the inbox.
    fn spawn(&mut self, generation: u64, undone: usize) -> std::io::Result<()> {
        let guard = Arc::new(Guard::new(self.clock_start, Arc::clone(&self.inbox)));
        let on_report = Arc::clone(&self.on_report);
        let mut worker = Worker::new(
            self.number,
            self.settings.clone(),
            Arc::clone(&guard),
            Arc::clone(&self.inbox),
            move |report| on_report(report),
        );
        worker.takes_over(generation, undone);
        thread::Builder::new()
            .name("sql".to_owned())
            .spawn(move || worker.run())?;
        self.guard = guard;
        Ok(())
    }

    fn watch(mut self) {
        loop {
            let next_ms = self.look();
            let state = self.inbox.lock();
            if self.inbox.is_abandoned() || (state.ended && !self.vacant) {
                return;
            }
            if let Some(next_ms) = next_ms {
                let left = Duration::from_millis(next_ms);
                drop(self.inbox.time.wait_timeout(state, left));
                continue;
            }
            self.guard.set_watched(false);
            // Either this sees a call that began meanwhile, or that sees that nobody watches.
            if self.guard.running().is_none() {
                drop(self.inbox.time.wait(state));
            }
            self.guard.set_watched(true);
        }
    }

    /// Sees to the call that runs. Gives the time until the next look in milliseconds; None where
    /// nothing runs.
    fn look(&mut self) -> Option<u64> {
        let now_ms = self.guard.now_ms();
        if self.vacant {
            self.answer_expired(now_ms);
            self.replace();
        }
        let running = self.guard.running();
        self.suspect.look(running, now_ms, &self.inbox.tries);
        let was_busy = std::mem::replace(&mut self.was_busy, running.is_some());
        let Some(running) = running else {
            return (was_busy || self.vacant).then_some(SQL_LOOK_MS);
        };
        if self.suspect.has_noted() {
            self.answer_expired(now_ms);
        }
        let Some(limit_ms) = self.guard.limit_ms() else {
            return Some(SQL_LOOK_MS);
        };
        if now_ms >= limit_ms.saturating_add(SQL_GIVE_UP_MS) {
            if self.guard.give_up(limit_ms) {
                self.take_over(running.id);
            }
        } else if now_ms >= limit_ms {
            self.guard.interrupt(limit_ms);
        }
        // SQLite ends most statements by itself at their limit; the interrupt is for the others.
        let left_ms = limit_ms.saturating_sub(now_ms);
        Some(if left_ms == 0 {
            SQL_LOOK_MS
        } else {
            (left_ms + 1).min(SQL_LOOK_MS)
        })
    }

    /// The thread at this call was given up: answers it, and lets another do the rest.
    fn take_over(&mut self, id: CallId) {
        let mut state = self.inbox.lock();
        state.generation += 1;
        state.stuck += 1;
        let running = state.running.take();
        let mut jobs: VecDeque<Job> = running
            .iter()
            .flat_map(|jobs| jobs.iter().cloned())
            .collect();
        let at = jobs.iter().position(|job| job.id == id);
        let culprit = at.and_then(|at| jobs.remove(at));
        state.undone = at.unwrap_or(0);
        jobs.append(&mut state.jobs);
        state.jobs = jobs;
        let stuck = state.stuck;
        drop(state);
        let function = culprit.as_ref().map_or("", |job| job.function.as_str());
        log::error!(
            "database {}: a statement of {function} has not ended {SQL_GIVE_UP_MS} ms after its \
             time and cannot be interrupted: it is answered and undone, and another connection \
             takes over ({stuck} of at most {SQL_STUCK_THREADS_MAX} are given up now)",
            self.settings.path.display()
        );
        self.suspect.forget(&self.inbox.tries);
        let outcome = Err(CallError::word("DeadlineExceeded"));
        (self.on_report)(Report::Done(vec![Done { id, outcome }]));
        self.replace();
    }

    /// Answers what waits behind a call that runs long, or for a thread, longer than its callers
    /// do.
    fn answer_expired(&self, now_ms: u64) {
        let is_over = |job: &Job| job.deadline_ms.is_some_and(|deadline| deadline <= now_ms);
        let mut state = self.inbox.lock();
        if !state.jobs.iter().any(is_over) {
            return;
        }
        let jobs = std::mem::take(&mut state.jobs);
        let (over, left): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_over);
        (state.jobs, state.undone) = (left.into(), 0);
        drop(state);
        let done = over.into_iter().map(|job| Done {
            id: job.id,
            outcome: Err(CallError::word("DeadlineExceeded")),
        });
        (self.on_report)(Report::Done(done.collect()));
    }

    /// Starts a thread in the place of one that was given up, while not too many are.
    fn replace(&mut self) {
        let state = self.inbox.lock();
        let (generation, undone) = (state.generation, state.undone);
        let may = state.stuck <= SQL_STUCK_THREADS_MAX;
        drop(state);
        self.vacant = !may || self.spawn(generation, undone).is_err();
    }
}
