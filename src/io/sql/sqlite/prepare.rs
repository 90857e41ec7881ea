//! The owner's schema and queries: what has not run is run, and queries are tried.
//!
//! A step and the row that says that it ran commit together. Statements of the owner's have the
//! guard over them, as those of callers have, so that a step cannot end its transaction.

use super::super::journal::OWN_MARK;
use super::super::trouble::{Trouble, fault, is_interrupted, is_unavailable};
use super::super::{Fault, Preparation, log_ran, of_no_effect, unfit};
use super::{BEGIN_WRITING, COMMIT, Engine, ROLLBACK};
use crate::sql::{Query, Returns, Schema, SchemaStep};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, OptionalExtension, Statement, params};
use std::sync::Arc;

const EXISTS: &str = "/* vpid */ SELECT 1 FROM main.sqlite_schema WHERE name = 'vpid_schema'";
const CREATE: &str = "/* vpid */ CREATE TABLE IF NOT EXISTS main.vpid_schema(\
    step INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, applied TEXT NOT NULL)";
const FIND: &str = "/* vpid */ SELECT fingerprint FROM main.vpid_schema WHERE step = ?1";
const ADD: &str = "/* vpid */ INSERT INTO main.vpid_schema(step, fingerprint, applied) \
    VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))";

/// No caller waits for a preparation; only the end of vpid cuts it short.
const NO_LIMIT: u64 = u64::MAX;

/// How the steps of a schema stand to those that ran.
pub(super) struct Standing<'a> {
    pub pending: Vec<&'a SchemaStep>,
    /// Steps that ran with another text.
    pub changed: Vec<u32>,
}

impl Engine {
    /// Runs the steps of the schema that have not run, up to the first that fails, and if none
    /// does tries the queries. Gives what is wrong with them; fails where the database cannot be
    /// used, and nothing of the step that was under way stands then.
    pub(in crate::io::sql) fn prepare(
        &self,
        preparation: &Preparation,
    ) -> Result<Vec<Fault>, Trouble> {
        let mut ran = Vec::new();
        let prepared = self.schema_and_queries(preparation, &mut ran);
        log_ran(&format!("database {}", self.path.display()), &ran);
        prepared.map_err(|error| match self.guard.is_abandoned() {
            true => Trouble::Abandoned,
            false => self.fault(&error),
        })
    }

    fn schema_and_queries(
        &self,
        preparation: &Preparation,
        ran: &mut Vec<u32>,
    ) -> rusqlite::Result<Vec<Fault>> {
        let standing = self.compare(preparation.schema.as_ref())?;
        let mut faults = Vec::new();
        for step in standing.pending {
            faults.extend(self.apply(step)?);
            if !faults.is_empty() {
                break;
            }
            ran.push(step.number);
        }
        // What a missing step would have made is missing to the queries: that is no news.
        if faults.is_empty() {
            faults = self.try_queries(&preparation.queries, NO_LIMIT)?;
        }
        for step in standing.changed {
            log::warn!("database {}: {}", self.path.display(), of_no_effect(step));
        }
        Ok(faults)
    }

    pub(super) fn compare<'a>(&self, schema: Option<&'a Schema>) -> rusqlite::Result<Standing<'a>> {
        let mut standing = Standing {
            pending: Vec::new(),
            changed: Vec::new(),
        };
        for step in schema.into_iter().flat_map(|schema| &schema.steps) {
            match self.fingerprint_of(step)? {
                None => standing.pending.push(step),
                Some(ran) if ran != step.fingerprint() => standing.changed.push(step.number),
                Some(_) => {}
            }
        }
        Ok(standing)
    }

    /// Of the step as it ran, if it did.
    fn fingerprint_of(&self, step: &SchemaStep) -> rusqlite::Result<Option<String>> {
        if !self.connection.prepare_cached(EXISTS)?.exists([])? {
            return Ok(None);
        }
        self.connection
            .prepare_cached(FIND)?
            .query_row([step.number], |row| row.get(0))
            .optional()
    }

    /// One step, in a transaction of its own.
    fn apply(&self, step: &SchemaStep) -> rusqlite::Result<Option<Fault>> {
        self.own(BEGIN_WRITING)?;
        let applied = self.apply_within(step);
        if !self.connection.is_autocommit() {
            // Where even this fails, closing the connection undoes the transaction.
            let _ = self.own(ROLLBACK);
        }
        applied
    }

    fn apply_within(&self, step: &SchemaStep) -> rusqlite::Result<Option<Fault>> {
        // Another vpid may have come first, before the lock was ours.
        if self.fingerprint_of(step)?.is_some() {
            return Ok(None);
        }
        if let Some(fault) = self.run_step(step, NO_LIMIT)? {
            return Ok(Some(fault));
        }
        self.own(CREATE)?;
        self.connection
            .prepare_cached(ADD)?
            .execute(params![step.number, step.fingerprint()])?;
        self.own(COMMIT)?;
        Ok(None)
    }

    /// Runs the statements of a step inside the transaction that stands.
    pub(super) fn run_step(
        &self,
        step: &SchemaStep,
        limit_ms: u64,
    ) -> rusqlite::Result<Option<Fault>> {
        let mut at = 0;
        self.guard.look_at(&step.text);
        self.guard.enter(limit_ms);
        let ran = self.strictly(|| self.run_statements(&step.text, &mut at));
        self.guard.leave();
        let message = match ran {
            Ok(None) if self.connection.is_autocommit() => "it ended its transaction".to_owned(),
            Ok(None) => return Ok(None),
            Ok(Some(message)) => message.to_owned(),
            Err(error) if is_unavailable(&error) || is_interrupted(&error) => return Err(error),
            Err(error) => {
                at = place(&error, &step.text).unwrap_or(at);
                fault(&error)
            }
        };
        Ok(Some(Fault::of_step(step.number, step.line_at(at), message)))
    }

    /// `at` is where the statement begins that runs. Gives what is wrong besides what SQLite
    /// finds.
    fn run_statements(&self, text: &str, at: &mut usize) -> rusqlite::Result<Option<&'static str>> {
        let mut batch = Batch::new(&self.connection, text);
        while let Some(mut statement) = batch.next()? {
            if statement.parameter_count() > 0 {
                return Ok(Some("a schema has no values to put into placeholders"));
            }
            // SQLite knows the text of a statement, and not where it stands; between two are
            // empty ones at most.
            let whole = statement.expanded_sql().unwrap_or_default();
            let rest = text.get(*at..).unwrap_or_default();
            *at += rest.find(&whole).unwrap_or(0);
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            *at += whole.len();
        }
        Ok(None)
    }

    /// Prepares every statement of the queries, and gives all that is wrong with them.
    pub(super) fn try_queries(
        &self,
        queries: &[Arc<Query>],
        limit_ms: u64,
    ) -> rusqlite::Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for query in queries {
            for (step, template) in query.steps.iter().enumerate() {
                let last = step + 1 == query.steps.len();
                let returns = if last { query.returns } else { Returns::Count };
                self.guard.look_at(&template.text);
                self.guard.enter(limit_ms);
                let tried = self.strictly(|| self.connection.prepare(&template.text));
                self.guard.leave();
                let (at, message) = match tried {
                    Ok(_) if template.text.trim_start().starts_with(OWN_MARK) => {
                        (None, "it may not begin with vpid's own mark".to_owned())
                    }
                    Ok(statement) => match complaint(&statement, template.params.len(), returns) {
                        Some(message) => (None, message),
                        None => continue,
                    },
                    Err(error) if is_unavailable(&error) || is_interrupted(&error) => {
                        return Err(error);
                    }
                    Err(error) => (place(&error, &template.text), fault(&error)),
                };
                faults.push(Fault::of_query(query, step, at, message));
            }
        }
        Ok(faults)
    }
}

/// What is wrong with a statement that SQLite takes.
fn complaint(statement: &Statement<'_>, placeholders: usize, returns: Returns) -> Option<String> {
    if statement.parameter_count() != placeholders {
        return Some("values are written as :name; @name and $name stand for none".to_owned());
    }
    let names: Vec<&str> = statement.column_names().collect();
    unfit(&names, returns)
}

/// The byte of the text at which SQLite stumbled. It counts from the statement on that it read.
fn place(error: &rusqlite::Error, text: &str) -> Option<usize> {
    let rusqlite::Error::SqlInputError { sql, offset, .. } = error else {
        return None;
    };
    let before = text.len().checked_sub(sql.len())?;
    usize::try_from(*offset).ok().map(|offset| before + offset)
}
