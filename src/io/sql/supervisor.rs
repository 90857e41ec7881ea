//! Who keeps the time of an SQLite database's worker.
//!
//! A call that runs for a while is noted in the state folder. At the limit of its statement that
//! is interrupted. When it does not end even then, its thread and connection are given up: the
//! call is answered, and another worker with a connection of its own takes over what waits. The
//! old one undoes its transaction whenever SQLite lets it.

use super::calls::Calls;
use super::post::Suspect;
use super::tries::Tries;
use super::{OnReport, Report};
use crate::io::worker::Pool;
use crate::jobs::{CallId, Done};
use crate::limits::{SQL_GIVE_UP_MS, SQL_LOOK_MS, WORKERS_GIVEN_UP_MAX};
use crate::protocol::call_error::CallError;
use std::path::PathBuf;
use std::sync::Arc;

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
