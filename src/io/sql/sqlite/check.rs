//! `vpid check` on an SQLite file: everything that a start does, taken back.
//!
//! It may run beside a running vpid, so it waits for no lock for long and keeps none for long;
//! what could not be tried is reported as such.

use super::super::guard::Guard;
use super::super::trouble::{advice, is_interrupted, is_locked, unusable};
use super::super::{Fault, Finding, Preparation, of_no_effect};
use super::open::OpenError;
use super::prepare::Standing;
use super::{BEGIN_WRITING, Engine, ROLLBACK};
use crate::config::Sqlite;
use crate::limits::SQL_CHECK_MS_MAX;
use std::path::Path;
use std::sync::Arc;

/// Opens the database, tries a write, runs what of the schema has not run, and tries the queries.
/// Nothing of it stays, the file included if it was not there.
pub(in crate::io::sql) fn check(settings: &Sqlite, preparation: &Preparation) -> Vec<Finding> {
    let existed = settings.path.exists();
    let findings = look(settings, existed, preparation);
    if !existed {
        let _ = std::fs::remove_file(&settings.path);
    }
    findings
}

fn look(settings: &Sqlite, existed: bool, preparation: &Preparation) -> Vec<Finding> {
    let path = settings.path.display();
    let bad = |error: &rusqlite::Error, file: &Path| {
        let problem = unusable(file, error);
        Finding::Bad(format!("{path}: {problem}"), advice(error).to_owned())
    };
    let untried = |what: &str| {
        Finding::Warn(format!(
            "{path}: another program holds its lock just now, so {what} not tried"
        ))
    };
    let guard = Arc::new(Guard::alone());
    let engine = match Engine::open(settings, &guard) {
        Ok(engine) => engine,
        Err(error) if error.is_locked() => return vec![untried("it was")],
        Err(OpenError::Sqlite(file, error)) => return vec![bad(&error, &file)],
        Err(error) => {
            let remedy = "or name, as path of the database (VPID_DATABASE_PATH), a file that the user of vpid can \
                          write, in a folder it can write";
            return vec![Finding::Bad(format!("{path}: {error}"), remedy.to_owned())];
        }
    };
    let mut findings = Vec::new();
    match engine.try_write() {
        Ok(()) => findings.push(Finding::Good(engine.praise(settings, existed))),
        Err(error) if is_locked(&error) => findings.push(untried("writing was")),
        Err(error) => return vec![bad(&error, &engine.path)],
    }
    match engine.rehearse(preparation) {
        Ok(rehearsed) => findings.extend(rehearsed),
        Err(error) if is_locked(&error) => {
            findings.push(untried("its schema and the queries were"));
        }
        Err(error) if is_interrupted(&error) => findings.push(Finding::Warn(format!(
            "{path}: what is new in its schema takes longer than {SQL_CHECK_MS_MAX} ms, so it and \
             the queries were not tried to the end"
        ))),
        Err(error) => findings.push(bad(&error, &engine.path)),
    }
    findings
}

impl Engine {
    fn try_write(&self) -> rusqlite::Result<()> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE; CREATE TABLE vpid_check(x); ROLLBACK;")
    }

    fn praise(&self, settings: &Sqlite, existed: bool) -> String {
        let state = if existed {
            "can be written"
        } else {
            "can be created"
        };
        let log = if self.has_write_ahead_log() {
            "with"
        } else {
            "without"
        };
        let (path, version) = (settings.path.display(), rusqlite::version());
        format!("database {path} {state} (SQLite {version}, {log} a write-ahead log)")
    }

    /// Prepares everything in a transaction that is rolled back. Without a step to run there
    /// is none, and no lock either.
    fn rehearse(&self, preparation: &Preparation) -> rusqlite::Result<Vec<Finding>> {
        let standing = self.compare(preparation.schema.as_ref())?;
        if !standing.pending.is_empty() {
            self.own(BEGIN_WRITING)?;
        }
        let faults = self.rehearse_within(&standing, preparation);
        if !self.connection.is_autocommit() {
            self.own(ROLLBACK)?;
        }
        let (schema_fault, query_faults) = faults?;
        let mut findings = Vec::new();
        let steps = preparation.schema.as_ref().map_or(0, |it| it.steps.len());
        if let Some(fault) = schema_fault {
            findings.push(Finding::Fault(fault));
            return Ok(findings);
        }
        if steps > 0 {
            findings.push(Finding::of_schema(steps, standing.pending.len()));
        }
        for step in standing.changed {
            findings.push(Finding::Warn(of_no_effect(step)));
        }
        let queries = preparation.queries.len();
        if queries > 0 && query_faults.is_empty() {
            findings.push(Finding::Good(format!("queries: {queries}, all prepared")));
        }
        findings.extend(query_faults.into_iter().map(Finding::Fault));
        Ok(findings)
    }

    /// The first fault of the schema, else all of the queries.
    fn rehearse_within(
        &self,
        standing: &Standing<'_>,
        preparation: &Preparation,
    ) -> rusqlite::Result<(Option<Fault>, Vec<Fault>)> {
        let limit_ms = self.guard.now_ms() + SQL_CHECK_MS_MAX;
        for step in &standing.pending {
            if let Some(fault) = self.run_step(step, limit_ms)? {
                return Ok((Some(fault), Vec::new()));
            }
        }
        let faults = self.try_queries(&preparation.queries, limit_ms)?;
        Ok((None, faults))
    }
}
