//! The SQLite engine: running a batch of calls as one transaction.
//!
//! `worker` has the worker that does so, `open` opens the file, `prepare` brings its schema up to date and tries
//! the owner's queries, `check` does all of that without leaving a trace. When this file reports trouble, nothing of
//! the batch stands; what happens to its calls then is the worker's to decide.

mod check;
mod counts;
mod functions;
pub(super) mod open;
mod prepare;
mod text;
mod worker;

#[cfg(test)]
mod tests_functions;

use super::HostStates;
use super::encode::{self, RowsError};
use super::guard::Guard;
use super::journal::{Journal, OWN_MARK, Pruning};
use super::trouble::{Trouble, call_error, is_unavailable, sentence};
use crate::jobs::{Caller, IdMap, Job};
use crate::limits::{QUERY_ROWS_MAX, SQL_BATCH_MS_MAX, SQL_FUNCTIONS_COST_MAX, SQL_LATE_MS};
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::{Decoder, push_int};
use crate::sql::{
    Dialect, Param, Quoting, Returns, SqlCall, Statement, is_blank, is_counted, reads_change_count,
    render,
};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) use check::check;
use counts::{Counts, Shown};
pub(super) use worker::Workers;

const BEGIN: &str = "/* vpid */ BEGIN";
const BEGIN_WRITING: &str = "/* vpid */ BEGIN IMMEDIATE";
const COMMIT: &str = "/* vpid */ COMMIT";
const ROLLBACK: &str = "/* vpid */ ROLLBACK";
const SAVEPOINT: &str = "/* vpid */ SAVEPOINT job";
const UNDO: &str = "/* vpid */ ROLLBACK TO job";
const RELEASE: &str = "/* vpid */ RELEASE job";

pub(super) type Outcome = Result<String, CallError>;

/// How a batch is to be run.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchRules {
    /// These calls ran in time before and were undone by a neighbour's fault: they have a little
    /// longer than their deadlines.
    pub lenient: bool,
    /// More calls from before a restart are to come: the journal forgets nothing yet.
    pub keep_journal: bool,
}

/// An open database.
pub(super) struct Engine {
    connection: Connection,
    guard: Arc<Guard>,
    journal: Journal,
    shown: Arc<Shown>,
    counts: HostStates<Counts>,
    path: PathBuf,
}

/// What one batch has done so far.
struct Progress {
    wrote: bool,
    newest: u64,
    /// Of hosts whose calls ran: it counts once these are durable.
    counts: IdMap<Caller, Counts>,
}

/// The statements of one call: what they may take, and what they have done so far.
struct Unit {
    decoder: Decoder,
    limit_ms: u64,
    rows_max: usize,
    /// One that can write has begun: a savepoint stands since before it.
    writes: bool,
    /// Rows, by all of them together.
    changed: u64,
    counts: Counts,
}

impl Engine {
    /// For tests that break the connection on purpose.
    #[cfg(test)]
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Runs calls from the front of `jobs` as one transaction. When this returns Ok, they are
    /// durable and `outcomes` has an entry for each that ran; when a batch takes long, that is
    /// not all of them.
    pub(super) fn run(
        &mut self,
        jobs: &[Job],
        rules: BatchRules,
        pruning: &mut Pruning,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Trouble> {
        outcomes.clear();
        let ran = self.transaction(jobs, rules, pruning, outcomes);
        if ran.is_err() {
            self.guard.leave();
            if !self.connection.is_autocommit() {
                // Where even this fails, closing the connection undoes the transaction.
                let _ = self.own(ROLLBACK);
            }
        }
        ran
    }

    fn transaction(
        &mut self,
        jobs: &[Job],
        rules: BatchRules,
        pruning: &mut Pruning,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Trouble> {
        let writing = jobs.iter().any(|job| job.call.may_write(Quoting::Sqlite));
        self.own(if writing { BEGIN_WRITING } else { BEGIN })
            .map_err(|error| self.fault(&error))?;
        let began_ms = self.guard.now_ms();
        let mut now_ms = began_ms;
        let mut progress = Progress {
            wrote: false,
            newest: 0,
            counts: IdMap::default(),
        };
        for (at, job) in jobs.iter().enumerate() {
            if now_ms.saturating_sub(began_ms) >= SQL_BATCH_MS_MAX {
                break;
            }
            let outcome = self.job(job, now_ms, rules.lenient, &mut progress);
            if self.guard.is_abandoned() {
                return Err(Trouble::Abandoned);
            }
            let outcome = outcome.map_err(|error| self.fault(&error))?;
            if self.connection.is_autocommit() {
                let error = outcome.err().unwrap_or_else(|| {
                    CallError::new("OperationalError", "the statement ended its transaction")
                });
                return Err(Trouble::Broke { at, error });
            }
            outcomes.push(outcome);
            now_ms = self.guard.now_ms();
        }
        if progress.wrote && !rules.keep_journal && pruning.is_due(now_ms) {
            let pruned = pruning.prune(&self.connection, progress.newest, now_ms);
            pruned.map_err(|error| self.fault(&error))?;
        }
        self.own(COMMIT).map_err(|error| Trouble::Unavailable {
            sentence: sentence(&self.path, &error),
            uncertain: progress.wrote,
        })?;
        if progress.wrote {
            self.journal.committed();
        }
        for (host, counts) in progress.counts {
            self.counts.set(host, counts);
        }
        Ok(())
    }

    /// One call inside the transaction. An error of this function is the database's, while the
    /// caller's own mistakes are outcomes.
    fn job(
        &self,
        job: &Job,
        now_ms: u64,
        lenient: bool,
        progress: &mut Progress,
    ) -> rusqlite::Result<Outcome> {
        if job.recovered
            && let Some(note) = self.journal.find(&self.connection, job.id)?
        {
            return Ok(CallError::read_note(note));
        }
        let (outcome, wrote) = self.begun(job, now_ms, lenient, progress)?;
        let note = match &outcome {
            Ok(answer) if wrote => Cow::Borrowed(answer),
            Err(error) if job.notes_failure && job.call.may_write(Quoting::Sqlite) => {
                Cow::Owned(error.to_note())
            }
            _ => return Ok(outcome),
        };
        // Without its transaction there is nothing to note it in, and the batch starts over.
        if !self.connection.is_autocommit() {
            self.journal.add(&self.connection, job.id, &note)?;
            progress.wrote = true;
            progress.newest = progress.newest.max(job.id.number());
        }
        Ok(outcome)
    }

    /// Runs a call that is in no note, while there is time for it. Says beside the outcome whether
    /// it can have written.
    fn begun(
        &self,
        job: &Job,
        now_ms: u64,
        lenient: bool,
        progress: &mut Progress,
    ) -> rusqlite::Result<(Outcome, bool)> {
        let mut limit_ms = now_ms.saturating_add(job.limit_ms);
        if let Some(deadline_ms) = job.deadline_ms {
            let late_ms = if lenient { SQL_LATE_MS } else { 0 };
            let deadline_ms = deadline_ms.saturating_add(late_ms);
            if deadline_ms <= now_ms {
                return Ok((Err(CallError::word("DeadlineExceeded")), false));
            }
            limit_ms = limit_ms.min(deadline_ms);
        }
        if let Some(error) = self.guard.tries().begin(job) {
            return Ok((Err(error), false));
        }
        self.guard.call_begins(job.id);
        self.guard.allow_cost(cost_max(&job.call));
        let before = progress.counts.get(&job.caller).copied();
        let mut counts = before.unwrap_or_else(|| self.counts.get(job.caller));
        let ran = self.unit(job, limit_ms, &mut counts);
        progress.counts.insert(job.caller, counts);
        self.guard.call_ended();
        if job.tries > 0 {
            self.guard.tries().ended(job.id);
        }
        match ran {
            Err(_) if self.guard.costs_too_much() => Ok((Err(costs_too_much()), false)),
            Err(error) if is_unavailable(&error) => Err(error),
            Err(error) => Ok((Err(call_error(&error)), false)),
            Ok(done) => Ok(done),
        }
    }

    /// Runs the statements of a call, under a savepoint of its own if one of them can write, so
    /// that all of them stand or none. Says beside the outcome whether one can.
    fn unit(
        &self,
        job: &Job,
        limit_ms: u64,
        counts: &mut Counts,
    ) -> rusqlite::Result<(Outcome, bool)> {
        let mut unit = Unit {
            decoder: job.decoder,
            limit_ms,
            rows_max: match job.call {
                SqlCall::Query { .. } => QUERY_ROWS_MAX,
                _ => usize::MAX,
            },
            writes: false,
            changed: 0,
            counts: *counts,
        };
        let ran = self.steps(&job.call, &mut unit);
        self.guard.leave();
        *counts = unit.counts;
        // Without its transaction there is nothing left to undo, and the batch starts over.
        if unit.writes && !self.connection.is_autocommit() {
            if !matches!(ran, Ok(Ok(_))) {
                self.own(UNDO)?;
            }
            self.own(RELEASE)?;
        }
        Ok((ran?, unit.writes))
    }

    fn steps(&self, call: &SqlCall, unit: &mut Unit) -> rusqlite::Result<Outcome> {
        if let SqlCall::Raw { query, .. } = call
            && is_blank(query, Quoting::Sqlite)
        {
            return Ok(Ok("[]".to_owned()));
        }
        let mut answer = String::new();
        for at in 0..call.steps() {
            let outcome = match render(call, at, Dialect::Sqlite) {
                Ok(statement) => self.statement(&statement, unit)?,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(text) => answer = text,
                Err(error) => return Ok(Err(error)),
            }
            if self.connection.is_autocommit() {
                break;
            }
        }
        Ok(Ok(answer))
    }

    /// Runs one statement of a caller's.
    fn statement(&self, call: &Statement<'_>, unit: &mut Unit) -> rusqlite::Result<Outcome> {
        if call.text.trim_start().starts_with(OWN_MARK) {
            let detail = "a query may not begin with vpid's own mark";
            return Ok(Err(CallError::new("PermissionError", detail)));
        }
        self.guard.look_at(&call.text);
        self.guard.enter(unit.limit_ms);
        let mut prepared = self.connection.prepare_cached(&call.text)?;
        if prepared.parameter_count() != call.params.len() {
            let detail = format!(
                "the query has {} placeholders, format has {} values",
                prepared.parameter_count(),
                call.params.len()
            );
            return Ok(Err(CallError::new("ValueError", detail)));
        }
        for (index, param) in call.params.iter().enumerate() {
            prepared.raw_bind_parameter(index + 1, bound(param))?;
        }
        if !prepared.readonly() && !unit.writes {
            self.guard.leave();
            self.own(SAVEPOINT)?;
            self.guard.enter(unit.limit_ms);
            unit.writes = true;
        }
        let reads_only = prepared.readonly();
        let counting = counts::Statement {
            reads_only,
            asks: !reads_only && reads_change_count(&call.text),
            counted: !reads_only && is_counted(&call.text),
        };
        unit.counts.begin(&self.connection, &self.shown, counting);
        // What SQLite prepares again since a table has changed, it checks again.
        self.guard.begin_cost();
        let ran = self.step(&mut prepared, call.returns, unit);
        unit.counts.end(&self.connection, &self.shown, counting);
        ran
    }

    /// Runs a statement whose parameters are bound, and writes its answer.
    fn step(
        &self,
        prepared: &mut rusqlite::Statement<'_>,
        returns: Returns,
        unit: &mut Unit,
    ) -> rusqlite::Result<Outcome> {
        if matches!(
            returns,
            Returns::Rows | Returns::Objects | Returns::Row | Returns::Value
        ) {
            return match encode::answer(prepared, returns, unit.rows_max, unit.decoder) {
                Ok(answer) => Ok(Ok(answer)),
                Err(RowsError::Sqlite(error)) => Err(error),
                Err(RowsError::TooLong) => {
                    Ok(Err(CallError::word("Response size exceeds maximum")))
                }
                Err(RowsError::TooMany) => {
                    let detail = format!("more than {} rows; add a LIMIT", unit.rows_max);
                    Ok(Err(CallError::new("TooManyRows", detail)))
                }
            };
        }
        unit.changed += self.changed_by(prepared)?;
        let count = match returns {
            Returns::Nothing => return Ok(Ok("null".to_owned())),
            Returns::Proposed(count) => i64::try_from(count),
            _ => i64::try_from(unit.changed),
        };
        let mut answer = String::new();
        push_int(&mut answer, count.unwrap_or(i64::MAX), unit.decoder);
        Ok(Ok(answer))
    }

    /// Runs a statement for what it changes, and counts the rows.
    fn changed_by(&self, prepared: &mut rusqlite::Statement<'_>) -> rusqlite::Result<u64> {
        let before = self.connection.total_changes();
        // All is changed before the first row comes. The rest of them is of no interest.
        prepared.raw_query().next()?;
        // Only what can change rows sets the count; else it is that of a statement before.
        let changed_rows = self.connection.total_changes() != before;
        Ok(if changed_rows {
            self.connection.changes()
        } else {
            0
        })
    }

    /// One of vpid's own statements.
    fn own(&self, text: &'static str) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(text)?
            .raw_execute()
            .map(|_| ())
    }

    fn fault(&self, error: &rusqlite::Error) -> Trouble {
        Trouble::Unavailable {
            sentence: sentence(&self.path, error),
            uncertain: false,
        }
    }
}

/// The values of an insert are all in the call, so they are no longer than that.
fn cost_max(call: &SqlCall) -> u32 {
    match call {
        SqlCall::Insert { .. } => u32::MAX,
        SqlCall::InsertOrUpdate { columns, rows, .. } => {
            let values = u32::try_from(rows.len() * columns.len().max(1)).unwrap_or(u32::MAX);
            SQL_FUNCTIONS_COST_MAX.saturating_add(values.saturating_mul(16))
        }
        _ => SQL_FUNCTIONS_COST_MAX,
    }
}

fn costs_too_much() -> CallError {
    let detail = format!(
        "too many functions of texts in one statement: it may have {SQL_FUNCTIONS_COST_MAX}, where \
         one of JSON counts as 8, LIKE and GLOB as 40"
    );
    CallError::new("OperationalError", detail)
}

fn bound(param: &Param) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match param {
        Param::Null => ValueRef::Null,
        Param::Int(value) => ValueRef::Integer(*value),
        Param::Float(value) => ValueRef::Real(*value),
        Param::Text(text) => ValueRef::Text(text.as_bytes()),
    })
}
