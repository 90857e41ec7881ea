//! The lane's thread: what runs when, and what happens while the database is away.
//!
//! Calls wait in one queue, in their order. A batch from its front runs as one transaction; a
//! call that breaks the transaction is answered and left out, and the others run again. While
//! the database cannot be used, nothing leaves the queue but calls whose time is up. What the
//! database must have is prepared before anything of the queue runs.

#[cfg(test)]
mod tests;

use super::guard::Guard;
use super::inbox::Inbox;
use super::journal::Pruning;
use super::sqlite::{BatchRules, Engine, Outcome};
use super::trouble::Trouble;
use super::{Preparation, Report, Verdict};
use crate::config::Sqlite;
use crate::jobs::{Done, Job};
use crate::limits::{SQL_BATCH_JOBS_MAX, SQL_RETRY_MS_MAX, SQL_RETRY_MS_MIN};
use crate::protocol::call_error::CallError;
use crate::protocol::log_targets;
use crate::sql::DatabaseId;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long the database has been away, and why.
struct Outage {
    since: Instant,
    sentence: String,
    retry_at: Instant,
    next_wait_ms: u64,
}

/// A preparation that waits for its database.
struct Pending {
    wanted: Preparation,
    said_away: bool,
}

pub(super) struct Worker<F> {
    number: DatabaseId,
    settings: Sqlite,
    guard: Arc<Guard>,
    inbox: Arc<Inbox>,
    /// Which of the lane's threads it is.
    generation: u64,
    on_report: F,
    preparation: Option<Pending>,
    waiting: VecDeque<Job>,
    outcomes: Vec<Outcome>,
    engine: Option<Engine>,
    outage: Option<Outage>,
    pruning: Pruning,
    /// How many calls at the front ran before and were undone by a neighbour's fault.
    undone: usize,
    said_no_log: bool,
}

impl<F: Fn(Report)> Worker<F> {
    pub(super) fn new(
        number: DatabaseId,
        settings: Sqlite,
        guard: Arc<Guard>,
        inbox: Arc<Inbox>,
        on_report: F,
    ) -> Self {
        let pruning = Pruning::new(guard.now_ms());
        Self {
            number,
            settings,
            guard,
            inbox,
            generation: 0,
            on_report,
            preparation: None,
            waiting: VecDeque::new(),
            outcomes: Vec::new(),
            engine: None,
            outage: None,
            pruning,
            undone: 0,
            said_no_log: false,
        }
    }

    /// It goes on where a thread that was given up has stopped; `undone` as of the inbox.
    pub(super) fn takes_over(&mut self, generation: u64, undone: usize) {
        (self.generation, self.undone) = (generation, undone);
    }

    pub(super) fn run(mut self) {
        self.open();
        while self.receive() {
            if self.outage.is_some() {
                self.answer_expired();
            }
            let retry_is_due = self
                .outage
                .as_ref()
                .is_none_or(|outage| Instant::now() >= outage.retry_at);
            if self.engine.is_none() && retry_is_due {
                self.open();
            }
            self.prepare();
            if self.engine.is_some() && !self.waiting.is_empty() {
                self.batch();
            }
        }
        // Closing moves the log into the file; only then is the lane idle.
        self.engine = None;
        let mut state = self.inbox.lock();
        match self.guard.is_given_up() {
            true => state.stuck = state.stuck.saturating_sub(1),
            false => state.ended = true,
        }
        drop(state);
        self.inbox.changed.notify_all();
        self.inbox.time.notify_all();
    }

    /// Takes what was submitted, and sleeps while there is nothing to do. False when the lane
    /// is to end.
    fn receive(&mut self) -> bool {
        let inbox = Arc::clone(&self.inbox);
        let mut state = inbox.lock();
        loop {
            if self.guard.is_abandoned() {
                return false;
            }
            let prepares = state.preparation.is_some();
            if let Some(wanted) = state.preparation.take() {
                let said_away = false;
                self.preparation = Some(Pending { wanted, said_away });
            }
            let arrived = !state.jobs.is_empty();
            self.waiting.extend(state.jobs.drain(..));
            if self.waiting.is_empty() && state.stopping {
                return false;
            }
            if arrived || prepares || (self.engine.is_some() && !self.waiting.is_empty()) {
                return true;
            }
            let Some(wake_at) = self.wake_at() else {
                let waited = inbox.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = wake_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = inbox.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// When something is due by itself: another try, or the nearest deadline of a call that
    /// waits for the database. Deadlines matter to this file only during an outage.
    fn wake_at(&self) -> Option<Instant> {
        let outage = self.outage.as_ref()?;
        if self.engine.is_some() {
            return None;
        }
        let now_ms = self.guard.now_ms();
        let nearest = self.waiting.iter().filter_map(|job| job.deadline_ms).min();
        let until_deadline = nearest
            .map(|deadline_ms| Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
            .and_then(|left| Instant::now().checked_add(left));
        Some(until_deadline.map_or(outage.retry_at, |deadline| deadline.min(outage.retry_at)))
    }

    fn open(&mut self) {
        match Engine::open(&self.settings, &self.guard) {
            Ok(engine) => {
                if !engine.has_write_ahead_log() && !self.said_no_log {
                    self.said_no_log = true;
                    log::warn!(
                        "database {} is on a file system without write-ahead logs: it works, more slowly",
                        self.settings.path.display()
                    );
                }
                self.engine = Some(engine);
                if self.waiting.is_empty() && self.preparation.is_none() {
                    self.end_outage();
                }
            }
            Err(error) => self.lose(error.sentence),
        }
    }

    /// Prepares what waits for it and says how that went; that the database is away, once.
    fn prepare(&mut self) {
        if let (Some(engine), Some(pending)) = (&self.engine, &self.preparation) {
            let ticket = pending.wanted.ticket;
            match engine.prepare(&pending.wanted) {
                Ok(faults) => {
                    self.preparation = None;
                    if self.waiting.is_empty() {
                        self.end_outage();
                    }
                    let verdict = match faults.is_empty() {
                        true => Verdict::Good,
                        false => Verdict::Bad(faults),
                    };
                    return self.prepared(ticket, verdict);
                }
                Err(Trouble::Unavailable { sentence, .. }) => self.lose(sentence),
                // The lane is to end, and nobody is left to be told.
                Err(_) => return,
            }
        }
        if let (Some(pending), Some(outage)) = (&mut self.preparation, &self.outage)
            && !pending.said_away
        {
            pending.said_away = true;
            let (ticket, sentence) = (pending.wanted.ticket, outage.sentence.clone());
            self.prepared(ticket, Verdict::Away(sentence));
        }
    }

    fn prepared(&self, ticket: u64, verdict: Verdict) {
        (self.on_report)(Report::Prepared {
            database: self.number,
            ticket,
            verdict,
        });
    }

    /// One transaction, and the answers of those that ran in it.
    fn batch(&mut self) {
        let Some(mut engine) = self.engine.take() else {
            return;
        };
        let lenient = self.undone > 0;
        let most = if lenient {
            self.undone
        } else {
            SQL_BATCH_JOBS_MAX
        };
        let count = most.min(self.waiting.len());
        let keep_journal = self.pruning.is_due(self.guard.now_ms())
            && self.waiting.iter().skip(count).any(|job| job.recovered);
        let rules = BatchRules {
            lenient,
            keep_journal,
        };
        let jobs = self.begin(count);
        let ran = engine.run(&jobs, rules, &mut self.pruning, &mut self.outcomes);
        // The engine goes where its thread was given up.
        if !self.end(jobs) {
            return;
        }
        self.engine = Some(engine);
        match ran {
            Ok(()) => {
                self.undone = self.undone.saturating_sub(self.outcomes.len());
                let answered = self.waiting.drain(..self.outcomes.len());
                let done = answered
                    .zip(self.outcomes.drain(..))
                    .map(|(job, outcome)| Done {
                        id: job.id,
                        outcome,
                    })
                    .collect();
                self.end_outage();
                (self.on_report)(Report::Done(done));
            }
            Err(Trouble::Broke { at, error }) => {
                // Those before it ran well: they go first and alone, so that the next call to
                // break the transaction does not undo them once more.
                self.undone = at;
                if let Some(job) = self.waiting.remove(at) {
                    let outcome = Err(error);
                    let done = Done {
                        id: job.id,
                        outcome,
                    };
                    (self.on_report)(Report::Done(vec![done]));
                }
            }
            Err(Trouble::Unavailable {
                sentence,
                uncertain,
            }) => {
                if uncertain {
                    self.waiting
                        .iter_mut()
                        .take(count)
                        .for_each(|job| job.recovered = true);
                }
                self.lose(sentence);
            }
            Err(Trouble::Abandoned) => {}
        }
    }

    /// Puts the first calls where another thread finds them if this one is given up, and the others
    /// behind them.
    fn begin(&mut self, count: usize) -> Arc<Vec<Job>> {
        let rest = self.waiting.split_off(count);
        let jobs = Arc::new(Vec::from(std::mem::take(&mut self.waiting)));
        let mut state = self.inbox.lock();
        state.running = Some(Arc::clone(&jobs));
        if !rest.is_empty() {
            let newer = std::mem::replace(&mut state.jobs, rest);
            state.jobs.extend(newer);
        }
        jobs
    }

    /// Takes them back, to the front. False where they are another thread's now.
    fn end(&mut self, jobs: Arc<Vec<Job>>) -> bool {
        let mut state = self.inbox.lock();
        if self.guard.is_given_up() || state.generation != self.generation {
            return false;
        }
        state.running = None;
        drop(state);
        let jobs = Arc::try_unwrap(jobs).unwrap_or_else(|jobs| jobs.to_vec());
        self.waiting = VecDeque::from(jobs);
        true
    }

    /// The database cannot be used: close it, and try again later.
    fn lose(&mut self, sentence: String) {
        self.engine = None;
        let (since, wait_ms) = match &self.outage {
            Some(outage) => (outage.since, outage.next_wait_ms),
            None => (Instant::now(), SQL_RETRY_MS_MIN),
        };
        if self
            .outage
            .as_ref()
            .is_none_or(|outage| outage.sentence != sentence)
        {
            log::error!(target: log_targets::NEWS, "{sentence}. Calls wait; vpid keeps trying.");
        }
        self.outage = Some(Outage {
            since,
            sentence,
            retry_at: Instant::now() + Duration::from_millis(wait_ms),
            next_wait_ms: (wait_ms * 2).min(SQL_RETRY_MS_MAX),
        });
    }

    fn end_outage(&mut self) {
        if let Some(outage) = self.outage.take() {
            log::info!(
                "database {} is back after {:.1} s",
                self.settings.path.display(),
                outage.since.elapsed().as_secs_f64()
            );
        }
    }

    fn answer_expired(&mut self) {
        let now_ms = self.guard.now_ms();
        let mut expired = Vec::new();
        self.waiting.retain(|job| {
            let over = job
                .deadline_ms
                .is_some_and(|deadline_ms| deadline_ms <= now_ms);
            if over {
                // The sentence names files of the owner: it is for the log, not for scripts.
                let error = CallError::word("DatabaseUnavailable");
                expired.push(Done {
                    id: job.id,
                    outcome: Err(error),
                });
            }
            !over
        });
        if !expired.is_empty() {
            self.undone = 0;
            (self.on_report)(Report::Done(expired));
        }
    }
}
