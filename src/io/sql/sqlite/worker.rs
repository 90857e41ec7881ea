//! What an SQLite database's worker does: it opens the database, prepares what that must have, and
//! runs one batch of calls after the other.
//!
//! A batch from the front of the queue runs as one transaction; a call that breaks the transaction is
//! answered and left out, and the others run again.

use super::{BatchRules, Engine, Outcome};
use crate::config::Sqlite;
use crate::io::sql::guard::Guard;
use crate::io::sql::journal::Pruning;
use crate::io::sql::tries::Tries;
use crate::io::sql::trouble::Trouble;
use crate::io::sql::watchdog::{Suspect, Watchdog};
use crate::io::sql::{
    Lane, OnReport, Outage, Pending, Preparation, Report, Run, Verdict, log_news,
};
use crate::io::worker::{self, Next, Occupancy, Options, Pool, Queue};
use crate::jobs::{CallId, Done, Job};
use crate::limits::{
    SQL_BATCH_JOBS_MAX, SQL_GIVE_UP_MS, SQL_LOOK_MS, SQL_RETRY_MS_MIN, SQLITE_STACK_BYTES,
    SUBMIT_JOBS_MIN, WORKERS_GIVEN_UP_MAX,
};
use crate::protocol::call_error::CallError;
use crate::sql::DatabaseId;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Worker {
    number: DatabaseId,
    settings: Sqlite,
    guard: Arc<Guard>,
    on_report: OnReport,
    engine: Option<Engine>,
    outcomes: Vec<Outcome>,
    pruning: Pruning,
    said_no_log: bool,
}

impl Worker {
    pub(super) fn new(
        number: DatabaseId,
        settings: Sqlite,
        guard: Arc<Guard>,
        on_report: OnReport,
    ) -> Self {
        Self {
            number,
            settings,
            on_report,
            engine: None,
            outcomes: Vec::new(),
            pruning: Pruning::new(guard.now_ms()),
            guard,
            said_no_log: false,
        }
    }

    pub(super) fn run(&mut self, pool: &Arc<Pool<Calls>>, mut work: Work) {
        let ready = match self.engine {
            Some(_) => Ok(()),
            None => self.open(),
        };
        let prepared = match ready.and_then(|()| self.prepare(&mut work.preparation)) {
            Ok(prepared) => prepared,
            Err(trouble) => return self.failed(pool, work, trouble),
        };
        if work.jobs.is_empty() {
            self.done(pool, &work);
        }
        if let Some((ticket, verdict)) = prepared {
            self.prepared(ticket, verdict);
        }
        if !work.jobs.is_empty() {
            self.batch(pool, work);
        }
    }

    fn open(&mut self) -> Result<(), Trouble> {
        let opened = Engine::open(&self.settings, &self.guard);
        let engine = opened.map_err(|error| Trouble::Unavailable {
            sentence: error.to_string(),
            uncertain: false,
        })?;
        if !engine.has_write_ahead_log() && !self.said_no_log {
            self.said_no_log = true;
            log::warn!(
                "database {} is on a file system without write-ahead logs: it works, more slowly",
                self.settings.path.display()
            );
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// Prepares what waits for it. Gives its ticket, and how that went.
    fn prepare(
        &self,
        preparation: &mut Option<Pending>,
    ) -> Result<Option<(u64, Verdict)>, Trouble> {
        let (Some(engine), Some(pending)) = (&self.engine, &preparation) else {
            return Ok(None);
        };
        let faults = engine.prepare(&pending.wanted)?;
        let ticket = pending.wanted.ticket;
        *preparation = None;
        Ok(Some((ticket, faults.into())))
    }

    fn prepared(&self, ticket: u64, verdict: Verdict) {
        (self.on_report)(Report::Prepared {
            database: self.number,
            ticket,
            verdict,
        });
    }

    fn batch(&mut self, pool: &Arc<Pool<Calls>>, work: Work) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        let rules = BatchRules {
            lenient: work.lenient,
            keep_journal: work.keeps_journal,
        };
        match engine.run(&work.jobs, rules, &mut self.pruning, &mut self.outcomes) {
            Ok(()) => self.done(pool, &work),
            Err(trouble) => self.failed(pool, work, trouble),
        }
    }

    /// What there was to do went well. The calls with outcomes are done; others go back.
    fn done(&mut self, pool: &Arc<Pool<Calls>>, work: &Work) {
        let count = match work.jobs.is_empty() {
            true => 0,
            false => self.outcomes.len(),
        };
        let left = &work.jobs[count..];
        let ended = self.end(pool, |calls| {
            calls.undone = calls.undone.saturating_sub(count);
            if !left.is_empty() {
                calls.put_back(left.to_vec());
            }
            // That it can be opened says little while calls wait for it.
            let is_back = count > 0 || calls.jobs.is_empty();
            calls.outage.take_if(|_| is_back)
        });
        let Some(outage) = ended else {
            return;
        };
        if let Some(outage) = outage {
            outage.log_end(&format!("database {}", self.settings.path.display()));
        }
        if count > 0 {
            let ids = work.jobs.iter().map(|job| job.id);
            let done = ids.zip(self.outcomes.drain(..));
            let done = done.map(|(id, outcome)| Done { id, outcome }).collect();
            (self.on_report)(Report::Done(done));
        }
    }

    /// Nothing of the batch stands.
    fn failed(&mut self, pool: &Arc<Pool<Calls>>, work: Work, trouble: Trouble) {
        let Work {
            preparation, jobs, ..
        } = work;
        match trouble {
            Trouble::Broke { at, error } => {
                let mut left = jobs.to_vec();
                let id = left.remove(at).id;
                // Those before it ran well: they go first and alone, so that the next call to
                // break the transaction does not undo them once more.
                let ended = self.end(pool, |calls| {
                    calls.undone = at;
                    calls.put_back(left);
                });
                if ended.is_some() {
                    let outcome = Err(error);
                    (self.on_report)(Report::Done(vec![Done { id, outcome }]));
                }
            }
            Trouble::Unavailable {
                sentence,
                uncertain,
            } => {
                let mut left = jobs.to_vec();
                let in_doubt = |job: &mut Job| job.recovered |= uncertain;
                left.iter_mut().for_each(in_doubt);
                self.engine = None;
                self.lose(pool, preparation, left, sentence);
            }
            // No report is wanted any more.
            Trouble::Abandoned => {}
        }
    }

    /// The database cannot be used: it was closed, and is tried again later.
    fn lose(
        &self,
        pool: &Arc<Pool<Calls>>,
        preparation: Option<Pending>,
        left: Vec<Job>,
        sentence: String,
    ) {
        let ended = self.end(pool, |calls| {
            calls.put_back(left);
            calls.preparation = calls.preparation.take().or(preparation);
            calls.lose(sentence.clone())
        });
        let Some((news, untold)) = ended else {
            return;
        };
        self.guard.keep_time();
        log_news(news);
        if let Some(ticket) = untold {
            self.prepared(ticket, Verdict::Away(sentence));
        }
    }

    /// The end of the work that this worker has. Not where it was given up: then all of it is
    /// another one's.
    fn end<T>(&self, pool: &Arc<Pool<Calls>>, change: impl FnOnce(&mut Calls) -> T) -> Option<T> {
        pool.finish(|calls| {
            if self.guard.is_given_up() {
                return None;
            }
            calls.running = None;
            Some(change(calls))
        })
    }
}

pub(super) struct Calls {
    pub jobs: VecDeque<Job>,
    pub preparation: Option<Pending>,
    /// The batch that runs.
    pub running: Option<Arc<Vec<Job>>>,
    /// How many of the first jobs ran in time and were undone by another's fault.
    pub undone: usize,
    pub outage: Option<Outage>,
    /// The database has not been opened yet.
    is_new: bool,
    /// The worker's.
    pub guard: Arc<Guard>,
    /// How many of its workers were given up.
    pub given_up: u64,
}

/// What the worker does next: first of all, it opens the database where it is not open.
pub(super) struct Work {
    pub preparation: Option<Pending>,
    pub jobs: Arc<Vec<Job>>,
    /// All of them ran before and were undone by a neighbour's fault.
    pub lenient: bool,
    /// One that waits behind them may be in the journal.
    pub keeps_journal: bool,
}

impl Calls {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self {
            jobs: VecDeque::new(),
            preparation: None,
            running: None,
            undone: 0,
            outage: None,
            is_new: true,
            guard,
            given_up: 0,
        }
    }

    /// What was taken out and is not done goes to the front again.
    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        let newer = std::mem::replace(&mut self.jobs, jobs.into());
        self.jobs.extend(newer);
    }

    /// The database cannot be used; it is tried again later. Gives what is new of that, and the
    /// preparation of which it was not said.
    pub(super) fn lose(&mut self, sentence: String) -> (Option<String>, Option<u64>) {
        let outage = Outage::new(self.outage.as_ref(), sentence, SQL_RETRY_MS_MIN);
        let news = outage.news();
        self.outage = Some(outage);
        (news, self.preparation.as_mut().and_then(Pending::untold))
    }

    /// Takes out those whose time is up.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Job> {
        let is_over = |job: &Job| job.deadline_ms.is_some_and(|deadline| deadline <= now_ms);
        if !self.jobs.iter().any(is_over) {
            return Vec::new();
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter();
        let (over, left): (Vec<_>, Vec<_>) = jobs.partition(is_over);
        self.jobs = left.into();
        if self.running.is_none() {
            self.undone = 0;
        }
        over
    }
}

impl Queue for Calls {
    type Work = Work;

    fn next(&mut self, _: usize) -> Next<Work> {
        match &self.outage {
            Some(outage) if Instant::now() < outage.retry_at => return Next::At(outage.retry_at),
            None if !self.is_ready() => return Next::Nothing,
            _ => self.is_new = false,
        }
        let most = match self.undone {
            0 => SQL_BATCH_JOBS_MAX,
            undone => undone,
        };
        let most = most.min(self.jobs.len());
        let jobs: Arc<Vec<Job>> = Arc::new(self.jobs.drain(..most).collect());
        if self.jobs.is_empty() {
            // What a burst took is given back.
            self.jobs.shrink_to(SUBMIT_JOBS_MIN);
        }
        self.running = Some(Arc::clone(&jobs));
        Next::Work(Work {
            preparation: self.preparation.take(),
            jobs,
            lenient: self.undone > 0,
            keeps_journal: self.jobs.iter().any(|job| job.recovered),
        })
    }

    fn is_ready(&self) -> bool {
        let is_free = self.outage.is_none() && self.running.is_none();
        is_free && (self.is_new || self.preparation.is_some() || !self.jobs.is_empty())
    }

    fn is_done(&self) -> bool {
        self.jobs.is_empty() && self.running.is_none()
    }
}

pub(super) struct Supervisor {
    /// The database's.
    pub path: PathBuf,
    pub pool: Arc<Pool<Calls>>,
    pub tries: Arc<Tries>,
    pub on_report: OnReport,
    pub suspect: Suspect,
    /// Something ran at the last look.
    pub was_busy: bool,
}

impl Supervisor {
    /// Sees to the call that runs. Gives the time until the next look in milliseconds; None where
    /// nothing runs.
    pub(super) fn look(&mut self) -> Option<u64> {
        let guard = self.pool.with(|calls| Arc::clone(&calls.guard));
        let now_ms = guard.now_ms();
        let running = guard.running();
        self.suspect.look(running, now_ms, &self.tries);
        let was_busy = std::mem::replace(&mut self.was_busy, running.is_some());
        let hangs = self.pool.given_up() > 0;
        let waits = self.answer_expired(now_ms, self.suspect.has_noted() || hangs);
        let Some(running) = running else {
            return (was_busy || waits || hangs).then_some(SQL_LOOK_MS);
        };
        let Some(limit_ms) = guard.limit_ms() else {
            return Some(SQL_LOOK_MS);
        };
        if now_ms >= limit_ms.saturating_add(SQL_GIVE_UP_MS) {
            if guard.give_up(limit_ms) {
                self.take_over(running.id);
            }
        } else if now_ms >= limit_ms {
            guard.interrupt(limit_ms);
        }
        // SQLite ends most statements by itself at their limit; the interrupt is for the others.
        let left_ms = limit_ms.saturating_sub(now_ms);
        Some(if left_ms == 0 {
            SQL_LOOK_MS
        } else {
            (left_ms + 1).min(SQL_LOOK_MS)
        })
    }

    /// The worker at this call was given up: answers it, and lets another do the rest.
    fn take_over(&mut self, id: CallId) {
        let culprit = self.pool.give_up(0, |calls| {
            let running = calls.running.take();
            let mut jobs = running.map(|jobs| jobs.to_vec()).unwrap_or_default();
            let at = jobs.iter().position(|job| job.id == id);
            let culprit = at.map(|at| jobs.remove(at));
            calls.put_back(jobs);
            calls.undone = at.unwrap_or(0);
            calls.guard = Arc::new(calls.guard.successor());
            calls.given_up += 1;
            culprit
        });
        self.suspect.forget(&self.tries);
        let outcome = Err(CallError::word("DeadlineExceeded"));
        (self.on_report)(Report::Done(vec![Done { id, outcome }]));
        let function = culprit.as_ref().map_or("", |job| job.function.as_str());
        let hanging = self.pool.given_up();
        log::error!(
            "database {}: a statement of {function} has not ended {SQL_GIVE_UP_MS} ms after its \
             time and cannot be interrupted: it is answered and undone, and another connection \
             takes over ({hanging} of at most {WORKERS_GIVEN_UP_MAX} are given up now)",
            self.path.display()
        );
    }

    /// Answers what waits for the database, and where `for_others` also what waits for other calls,
    /// longer than its callers do. Whether something is left that waits for the database.
    fn answer_expired(&self, now_ms: u64, for_others: bool) -> bool {
        let (word, over, left) = self.pool.with(|calls| {
            let is_away = calls.outage.is_some();
            let over = match is_away || for_others {
                true => calls.expired(now_ms),
                false => Vec::new(),
            };
            // The sentence names files of the owner: it is for the log, not for scripts.
            let word = match is_away {
                true => "DatabaseUnavailable",
                false => "DeadlineExceeded",
            };
            (word, over, is_away && !calls.jobs.is_empty())
        });
        if !over.is_empty() {
            let done = over.into_iter().map(|job| Done {
                id: job.id,
                outcome: Err(CallError::word(word)),
            });
            (self.on_report)(Report::Done(done.collect()));
        }
        left
    }
}

pub(in crate::io::sql) struct Workers {
    number: DatabaseId,
    workers: worker::Workers<Calls>,
    watchdog: Watchdog,
    on_report: OnReport,
}

impl Workers {
    pub(in crate::io::sql) fn start(
        number: DatabaseId,
        settings: &Sqlite,
        run: Run,
        on_report: OnReport,
    ) -> Self {
        let watchdog = Watchdog::new();
        let options = Options::new("sql", 1, SQLITE_STACK_BYTES);
        let (tries, abandoned) = (Arc::clone(&run.tries), Arc::clone(&options.abandoned));
        let waker = Some(watchdog.waker());
        let guard = Arc::new(Guard::new(run.clock_start, tries, abandoned, waker));
        let (place, reports) = (settings.clone(), Arc::clone(&on_report));
        let workers = worker::Workers::new(options, Calls::new(guard), move |pool, _| {
            let guard = pool.with(|calls| Arc::clone(&calls.guard));
            let mut worker = Worker::new(number, place.clone(), guard, Arc::clone(&reports));
            Box::new(move |pool, work| worker.run(pool, work))
        });
        let mut supervisor = Supervisor {
            path: settings.path.clone(),
            pool: Arc::clone(&workers),
            tries: run.tries,
            on_report: Arc::clone(&on_report),
            suspect: Suspect::default(),
            was_busy: false,
        };
        watchdog.begin(Box::new(move || supervisor.look()));
        // It is opened, since the owner should read at once if it cannot be.
        workers.with(|_| ());
        Self {
            number,
            workers,
            watchdog,
            on_report,
        }
    }
}

impl Lane for Workers {
    fn submit(&self, jobs: &mut dyn Iterator<Item = Job>) {
        let is_away = self.workers.with(|calls| {
            calls.jobs.extend(jobs);
            calls.outage.is_some()
        });
        if is_away {
            self.watchdog.waker().begins();
        }
    }

    fn prepare(&self, wanted: Preparation) {
        let away = self.workers.with(|calls| {
            let pending = calls.preparation.insert(Pending::new(wanted));
            let sentence = calls.outage.as_ref()?.sentence.clone();
            Some((pending.untold()?, sentence))
        });
        if let Some((ticket, sentence)) = away {
            (self.on_report)(Report::Prepared {
                database: self.number,
                ticket,
                verdict: Verdict::Away(sentence),
            });
        }
    }

    fn look(&self) -> (Occupancy, Option<String>) {
        let mut problem = None;
        let occupancy = self.workers.occupancy(|calls| {
            problem = calls.outage.as_ref().map(|it| it.sentence.clone());
            calls.jobs.len()
        });
        (occupancy, problem)
    }

    #[cfg(test)]
    fn given_up(&self) -> u64 {
        self.workers.with(|calls| calls.given_up)
    }

    fn stop(&self, within: Duration) -> bool {
        self.workers.stop(within)
    }
}

#[cfg(test)]
mod tests;
