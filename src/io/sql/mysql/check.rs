//! What `vpid check` says of a server: whether it can be reached and written to, and what in it
//! would not go well. Leaves nothing behind.

use super::journal::{COLUMNS, READABLE, WRITABLE};
use super::prepare::{applied, queries};
use super::session::Session;
use super::trouble::{Refusal, refusal};
use crate::config::Mysql;
use crate::io::sql::{Finding, Preparation, Subject};
use mysql::Error;
use mysql::prelude::Queryable;

/// Tables that are named in one warning.
const NAMED_MAX: usize = 5;

pub(in crate::io::sql) fn check(settings: &Mysql, preparation: &Preparation) -> Vec<Finding> {
    let place = settings.to_string();
    let bad = |refusal: Refusal| {
        let what = format!("{place}: {}", refusal.reason);
        Finding::Bad(what, refusal.advice.to_owned())
    };
    let mut session = match Session::open(settings) {
        Ok(session) => session,
        // Mostly by the vpid that runs beside this.
        Err(refusal) if refusal.too_many => {
            let (reason, pool) = (refusal.reason, settings.pool);
            return vec![Finding::Warn(format!(
                "{place}: all connections that the server allows are in use, so it was not tried \
                 ({reason}); pool is {pool}: make it smaller than what the server allows"
            ))];
        }
        Err(refusal) => return vec![bad(refusal)],
    };
    let mut findings = Vec::new();
    if let Err(error) = try_write(&mut session) {
        return vec![bad(refusal(&error))];
    }
    findings.push(Finding::Good(format!(
        "{place} can be written ({})",
        session.server
    )));
    let warned = too_few(&mut session, &place, settings.pool, &mut findings)
        .and_then(|()| warnings(&mut session, &place, &mut findings));
    let checked = warned.and_then(|()| prepared(&mut session, &place, preparation, &mut findings));
    if let Err(error) = checked {
        findings.push(bad(refusal(&error)));
    }
    findings
}

/// Servers look at what a user may do when a statement is prepared, and this one is not run: it
/// takes the rights to make the journal and to write into it.
fn try_write(session: &mut Session) -> Result<(), Error> {
    let known = session
        .first("SHOW TABLES LIKE 'vpid\\_journal'")?
        .is_some();
    let text = match known {
        false => format!("CREATE TABLE vpid_journal {COLUMNS} SELECT 1 AS extra"),
        true => "REPLACE INTO vpid_journal (instance, file, position) VALUES (0, 0, 0)".to_owned(),
    };
    session.own(WRITABLE)?;
    let prepared = session.conn.prep(text)?;
    session.conn.close(prepared)?;
    session.own(READABLE)
}

/// The server's own limit, and that of this user where it has one; 0 stands for none.
fn too_few(
    session: &mut Session,
    place: &str,
    pool: usize,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let limits: Option<(u64, u64)> = session
        .conn
        .query_first("SELECT @@max_connections, @@SESSION.max_user_connections")?;
    let (all, of_user) = limits.unwrap_or_default();
    let (limit, whose) = match of_user {
        0 => (all, "max_connections"),
        _ => (all.min(of_user), "max_user_connections"),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit > 0 && limit < pool {
        findings.push(Finding::Warn(format!(
            "{place}: the server allows {limit} connections at once ({whose}), and pool is {pool}: \
             vpid goes on with those that it gets; set pool = {limit}"
        )));
    }
    Ok(())
}

fn has_table(session: &mut Session, name: &str) -> Result<bool, Error> {
    let text = format!(
        "SELECT 1 FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = '{name}'"
    );
    Ok(session.first(&text)?.is_some())
}

fn warnings(session: &mut Session, place: &str, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let charset: Option<String> = session
        .conn
        .query_first("SELECT @@character_set_database")?;
    if let Some(charset) = charset.filter(|charset| charset != "utf8mb4") {
        findings.push(Finding::Warn(format!(
            "{place}: new tables have the character set {charset}, which cannot hold every name \
             of a player; ALTER DATABASE ... CHARACTER SET utf8mb4 changes that"
        )));
    }
    let tables: Vec<(String, String)> = session.conn.query(
        "SELECT table_name, engine FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' \
         AND engine NOT IN (SELECT engine FROM information_schema.engines \
         WHERE transactions = 'YES') ORDER BY table_name",
    )?;
    if !tables.is_empty() {
        let named = tables.iter().take(NAMED_MAX);
        let named: Vec<_> = named
            .map(|(table, engine)| format!("{table} ({engine})"))
            .collect();
        let more = if tables.len() > NAMED_MAX {
            ", ..."
        } else {
            ""
        };
        findings.push(Finding::Warn(format!(
            "{place}: a write to {}{more} cannot be undone, and may be done twice after a crash; \
             ALTER TABLE ... ENGINE = InnoDB changes that",
            named.join(", ")
        )));
    }
    let logging: Vec<(String, String)> = session
        .conn
        .query("SHOW VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format')")?;
    let is = |wanted: &str| logging.iter().any(|(_, value)| value == wanted);
    if is("ON") && is("STATEMENT") {
        findings.push(Finding::Warn(format!(
            "{place}: the server logs statements, and so refuses to write as vpid does; set \
             binlog_format = MIXED or ROW"
        )));
    }
    Ok(())
}

fn prepared(
    session: &mut Session,
    place: &str,
    preparation: &Preparation,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut pending = 0;
    if let Some(schema) = &preparation.schema {
        let known = match has_table(session, "vpid_schema")? {
            true => applied(session)?,
            false => Vec::new(),
        };
        let is_done = |number| {
            let mut known = known.iter();
            known.any(|known| known.step == number && known.whole)
        };
        let steps = schema.steps.iter();
        pending = steps.filter(|step| !is_done(step.number)).count();
        let steps = schema.steps.len();
        findings.push(Finding::of_schema(steps, pending));
    }
    let mut untried: Vec<String> = Vec::new();
    let mut faults = 0;
    for fault in queries(session, &preparation.queries)? {
        let lacks =
            fault.message.contains("doesn't exist") || fault.message.contains("Unknown column");
        match &fault.of {
            Subject::Query { name, .. } if pending > 0 && lacks => {
                if !untried.contains(name) {
                    untried.push(name.clone());
                }
            }
            _ => {
                faults += 1;
                findings.push(Finding::Fault(fault));
            }
        }
    }
    let queries = preparation.queries.len();
    if !untried.is_empty() {
        findings.push(Finding::Warn(format!(
            "{place}: these queries need what the schema will make, and cannot be tried before: {}",
            untried.join(", ")
        )));
    } else if queries > 0 && faults == 0 {
        findings.push(Finding::Good(format!("queries: {queries}, all prepared")));
    }
    Ok(())
}
