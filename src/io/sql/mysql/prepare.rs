//! What the owner wants of a database before calls come: the steps of its schema, run once each,
//! and queries that the server understands.

use super::journal::{READABLE, WRITABLE};
use super::session::Session;
use super::trouble::{Trouble, not_connected, sort, words};
use super::worker::Worker;
use crate::io::sql::{Fault, Preparation, Verdict, log_ran, of_no_effect, unfit};
use crate::limits::MYSQL_SCHEMA_MS_MAX;
use crate::sql::{Class, Query, Returns, Schema, SchemaStep, Template, class_of};
use mysql::prelude::Queryable;
use mysql::{Error, Statement};

const NOT_PREPARABLE: u16 = 1295;
const CREATE: &str = "CREATE TABLE IF NOT EXISTS vpid_schema (step INT UNSIGNED PRIMARY KEY, \
     statements INT UNSIGNED NOT NULL, fingerprint CHAR(16) CHARACTER SET ascii NOT NULL, \
     applied DATETIME NULL) ENGINE = InnoDB";
const LOCK: &str = "SELECT GET_LOCK(CONCAT('vpid_', LEFT(SHA1(DATABASE()), 40)), 60)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('vpid_', LEFT(SHA1(DATABASE()), 40)))";

/// What the database knows of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub step: u32,
    /// How many of its statements ran.
    pub statements: usize,
    pub fingerprint: String,
    pub whole: bool,
}

/// Why a schema was not applied.
enum Stop {
    Fault(Fault),
    /// The server is gone, or another vpid prepares it.
    Away(Error),
    Busy,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Away(error)
    }
}

/// The verdict, where there is a connection to the end.
pub(super) fn prepare(worker: &mut Worker, preparation: &Preparation) -> Option<Verdict> {
    if let Some(schema) = preparation
        .schema
        .as_ref()
        .filter(|schema| !schema.steps.is_empty())
    {
        match apply(worker, schema) {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => return Some(Verdict::Bad(vec![fault])),
            Err(Stop::Busy) => return None,
            Err(Stop::Away(error)) => {
                worker.close();
                return refused(schema, error);
            }
        }
    }
    worker.watch_own();
    let faults = worker
        .session
        .as_mut()
        .map(|session| queries(session, &preparation.queries));
    let ended = worker.pool.unwatch(worker.seat);
    match faults {
        Some(Ok(faults)) if !ended => Some(faults.into()),
        _ => {
            worker.close();
            None
        }
    }
}

/// A server that answers and will not have it, mostly for lack of rights.
fn refused(schema: &Schema, error: Error) -> Option<Verdict> {
    let mistake = sort(error).ok()?;
    let first = schema.steps.first()?;
    let why = mistake.detail;
    let message = format!("vpid notes in its table vpid_schema what ran: {why}");
    let fault = Fault::of_step(first.number, first.line, message);
    Some(Verdict::Bad(vec![fault]))
}

/// Runs what is missing of the schema. No other vpid does at the same time.
fn apply(worker: &mut Worker, schema: &Schema) -> Result<(), Stop> {
    own(worker, &format!("{WRITABLE}; {CREATE}"))?;
    // Longer than the lock is waited for.
    worker.watch_within(MYSQL_SCHEMA_MS_MAX);
    let locked = worker.session.as_mut().map(|session| {
        session.allow(MYSQL_SCHEMA_MS_MAX)?;
        session.first(LOCK)
    });
    worker.pool.unwatch(worker.seat);
    match locked {
        Some(Ok(Some(mysql::Value::Int(1)))) => {}
        Some(Ok(Some(mysql::Value::Bytes(bytes)))) if bytes == b"1" => {}
        Some(Err(error)) => return Err(error.into()),
        _ => return Err(Stop::Busy),
    }
    let mut ran = Vec::new();
    let applied = steps(worker, schema, &mut ran);
    log_ran(&worker.pool.place, &ran);
    own(worker, UNLOCK)?;
    own(worker, READABLE)?;
    applied
}

fn steps(worker: &mut Worker, schema: &Schema, ran: &mut Vec<u32>) -> Result<(), Stop> {
    let known = match &mut worker.session {
        Some(session) => applied(session)?,
        None => Vec::new(),
    };
    for step in &schema.steps {
        let print = step.fingerprint();
        let before = known.iter().find(|known| known.step == step.number);
        if let Some(before) = before.filter(|before| before.whole) {
            if before.fingerprint != print {
                complain(worker, step, &print);
            }
            continue;
        }
        let statements = step.statements();
        let count = statements.len();
        let skip = before.map_or(0, |before| before.statements);
        for (at, (line, text)) in statements.into_iter().enumerate().skip(skip) {
            let note = note(step, at + 1, &print, at + 1 == count);
            statement(worker, text, &note).map_err(|error| fault(error, step.number, line))?;
        }
        if skip >= count {
            own(worker, &note(step, count, &print, true))?;
        }
        ran.push(step.number);
    }
    Ok(())
}

/// What the owner meant to change has no effect; that is said once.
fn complain(worker: &mut Worker, step: &SchemaStep, print: &str) {
    let complaint = (step.number, print.to_owned());
    if !worker.pool.complains(&complaint) {
        return;
    }
    log::warn!("{}: {}", worker.pool.place, of_no_effect(step.number));
}

/// A statement and the note that it ran, in one transaction unless it commits by itself.
fn statement(worker: &mut Worker, text: &str, note: &str) -> Result<(), Error> {
    own(worker, "START TRANSACTION READ WRITE")?;
    let ran = own(worker, text).and_then(|()| own(worker, note));
    own(worker, if ran.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    ran
}

fn own(worker: &mut Worker, text: &str) -> Result<(), Error> {
    worker.watch_within(MYSQL_SCHEMA_MS_MAX);
    let ran = match &mut worker.session {
        Some(session) => session.own(text),
        None => Err(not_connected()),
    };
    worker.pool.unwatch(worker.seat);
    ran
}

fn note(step: &SchemaStep, statements: usize, print: &str, whole: bool) -> String {
    let applied = if whole { "UTC_TIMESTAMP()" } else { "NULL" };
    format!(
        "REPLACE INTO vpid_schema (step, statements, fingerprint, applied) \
         VALUES ({}, {statements}, '{print}', {applied})",
        step.number
    )
}

fn fault(error: Error, step: u32, line: usize) -> Stop {
    match sort(error) {
        Ok(mistake) | Err(Trouble::Conflict(mistake) | Trouble::Endless(mistake)) => {
            Stop::Fault(Fault::of_step(step, line, mistake.detail))
        }
        Err(Trouble::Writes) => Stop::Busy,
        Err(Trouble::Lost(reason)) => Stop::Away(Error::IoError(std::io::Error::other(reason))),
    }
}

/// The steps that the database knows; none where it has no table of them.
pub(super) fn applied(session: &mut Session) -> Result<Vec<Applied>, Error> {
    let text = "SELECT step, statements, fingerprint, applied IS NOT NULL FROM vpid_schema";
    let rows: Vec<(u32, usize, String, bool)> = session.conn.query(text)?;
    let known = rows
        .into_iter()
        .map(|(step, statements, fingerprint, whole)| Applied {
            step,
            statements,
            fingerprint,
            whole,
        });
    Ok(known.collect())
}

/// Lets the server read every query, and says what is wrong with them. Servers look already then
/// whether writing is allowed.
pub(super) fn queries<Q: AsRef<Query>>(
    session: &mut Session,
    queries: &[Q],
) -> Result<Vec<Fault>, Error> {
    session.own(WRITABLE)?;
    let faults = read_queries(session, queries)?;
    session.own(READABLE)?;
    Ok(faults)
}

fn read_queries<Q: AsRef<Query>>(
    session: &mut Session,
    queries: &[Q],
) -> Result<Vec<Fault>, Error> {
    let mut faults = Vec::new();
    for query in queries.iter().map(AsRef::as_ref) {
        for (step, template) in query.steps.iter().enumerate() {
            let returns = (step + 1 == query.steps.len()).then_some(query.returns);
            let wrong = wrong(session, template, returns)?;
            faults.extend(wrong.map(|message| Fault::of_query(query, step, None, message)));
        }
    }
    Ok(faults)
}

/// What is wrong with a statement; an error where the server is unreachable.
fn wrong(
    session: &mut Session,
    template: &Template,
    returns: Option<Returns>,
) -> Result<Option<String>, Error> {
    match class_of(&template.text) {
        Ok(Class::Read | Class::Write) => {}
        Ok(Class::Alone) => {
            let message = "the statement commits by itself, and a query is a transaction; a step \
                           of the schema may have it";
            return Ok(Some(message.to_owned()));
        }
        Err(refused) => return Ok(Some(refused.detail().to_owned())),
    }
    let prepared = match session.conn.prep(&template.text) {
        Ok(prepared) => prepared,
        Err(Error::MySqlError(error)) if error.code == NOT_PREPARABLE => return Ok(None),
        Err(error) => {
            let message = words(&error);
            return match sort(error) {
                Ok(_) | Err(Trouble::Conflict(_) | Trouble::Writes) => Ok(Some(message)),
                Err(_) => Err(Error::IoError(std::io::Error::other(message))),
            };
        }
    };
    let found = shape(&prepared, template, returns);
    session.conn.close(prepared)?;
    Ok(found)
}

/// Whether the statement gives what the query promises.
fn shape(prepared: &Statement, template: &Template, returns: Option<Returns>) -> Option<String> {
    if usize::from(prepared.num_params()) != template.params.len() {
        let message = "the server finds other placeholders in it than vpid; see its quotes";
        return Some(message.to_owned());
    }
    let columns = prepared.columns();
    let names: Vec<_> = columns.iter().map(|it| it.name_str()).collect();
    unfit(&names, returns?)
}
