//! What an SQLite database's worker does: it opens the database, prepares what that must have, and
//! runs one batch of calls after the other.
//!
//! A batch from the front of the queue runs as one transaction; a call that breaks the transaction is
//! answered and left out, and the others run again.

#[cfg(test)]
mod tests;

use super::calls::{Calls, Work};
use super::guard::Guard;
use super::journal::Pruning;
use super::outage::{Pending, log_news};
use super::sqlite::{BatchRules, Engine, Outcome};
use super::trouble::Trouble;
use super::{OnReport, Report, Verdict};
use crate::config::Sqlite;
use crate::io::worker::Pool;
use crate::jobs::{Done, Job};
use crate::sql::DatabaseId;
use std::sync::Arc;

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
        let verdict = match faults.is_empty() {
            true => Verdict::Good,
            false => Verdict::Bad(faults),
        };
        let ticket = pending.wanted.ticket;
        *preparation = None;
        Ok(Some((ticket, verdict)))
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
