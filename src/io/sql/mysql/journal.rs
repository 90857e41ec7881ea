//! The journal: which calls ran and what they were answered, kept in the database itself.
//!
//! A row commits together with what its call wrote. A call that commits by itself has its row
//! before it begins, without an answer. The statements hold numbers and hexadecimal digits only,
//! so that no mode of the server changes what they mean.

use super::session::Session;
use super::trouble::{Refusal, refusal};
use crate::jobs::CallId;
use crate::limits::{MYSQL_FOREIGN_KEEP_MS, MYSQL_PRUNE_ROWS_MAX, SQL_JOURNAL_KEEP_MS};
use crate::protocol::call_error::CallError;
use mysql::prelude::Queryable;
use mysql::{Error, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// Of the whole session, while something runs that makes its own transactions.
pub(super) const WRITABLE: &str = "SET SESSION TRANSACTION READ WRITE";
pub(super) const READABLE: &str = "SET SESSION TRANSACTION READ ONLY";
const NO_SUCH_TABLE: u16 = 1146;
const EXISTS: &str = "SELECT answer FROM vpid_journal LIMIT 0";
/// Other vpids whose rows are forgotten at once.
const FOREIGNERS_MAX: usize = 16;

/// What the table is made of; behind CREATE TABLE and its name.
pub(super) const COLUMNS: &str = "(instance BIGINT UNSIGNED NOT NULL, \
     file BIGINT UNSIGNED NOT NULL, position INT UNSIGNED NOT NULL, \
     answer MEDIUMTEXT CHARACTER SET utf8mb4 NULL, \
     PRIMARY KEY (instance, file, position)) ENGINE = InnoDB";

/// What the journal knows of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// It was begun, outside of a transaction.
    Begun,
    Answer(Result<String, CallError>),
}

/// Makes the table where it is missing (several vpids may do so at once), and tries whether it can
/// be written.
pub(super) fn ensure(session: &mut Session, instance: u64) -> Result<(), Refusal> {
    let made = match session.own(EXISTS) {
        Err(Error::MySqlError(error)) if error.code == NO_SUCH_TABLE => session.own(&format!(
            "{WRITABLE}; CREATE TABLE IF NOT EXISTS vpid_journal {COLUMNS}; {READABLE}"
        )),
        other => other,
    };
    let nobody = CallId::of_number(0, 0);
    let row = begin(instance, nobody);
    let tried =
        made.and_then(|()| session.own(&format!("START TRANSACTION READ WRITE; {row}; ROLLBACK")));
    tried.map_err(|error| {
        let cause = refusal(&error);
        let reason = format!("its table vpid_journal: {}", cause.reason);
        Refusal { reason, ..cause }
    })
}

/// Looks a call up inside of a transaction. Waits for a commit that is still under way.
pub(super) fn find(session: &mut Session, instance: u64, id: CallId) -> Result<Found, Error> {
    let (file, index) = (id.number(), id.index);
    let text = format!(
        "SELECT answer FROM vpid_journal WHERE instance = {instance} AND file = {file} \
         AND position = {index} FOR UPDATE"
    );
    Ok(match session.first(&text)? {
        None => Found::Nothing,
        Some(Value::Bytes(note)) => {
            let note = String::from_utf8_lossy(&note).into_owned();
            Found::Answer(CallError::read_note(note))
        }
        Some(_) => Found::Begun,
    })
}

/// The statement that notes answers, where there are any. It fails where one is noted already:
/// a commit that a server gets late, when its calls were begun again, is none.
pub(super) fn add<'a>(
    instance: u64,
    answers: impl Iterator<Item = (CallId, &'a Result<String, CallError>)>,
) -> Option<String> {
    let values = values(instance, answers)?;
    Some(format!("INSERT INTO vpid_journal {values}"))
}

/// Notes the answer of a call whose begin is noted.
pub(super) fn end(instance: u64, id: CallId, answer: &Result<String, CallError>) -> String {
    let values = values(instance, [(id, answer)].into_iter()).unwrap_or_default();
    format!("REPLACE INTO vpid_journal {values}")
}

fn values<'a>(
    instance: u64,
    answers: impl Iterator<Item = (CallId, &'a Result<String, CallError>)>,
) -> Option<String> {
    let mut text = String::new();
    for (id, answer) in answers {
        let note = match answer {
            Ok(answer) => Cow::Borrowed(answer),
            Err(error) => Cow::Owned(error.to_note()),
        };
        text.push_str(match text.is_empty() {
            true => "(instance, file, position, answer) VALUES ",
            false => ", ",
        });
        let _ = write!(
            text,
            "({instance}, {}, {}, _utf8mb4 X'",
            id.number(),
            id.index
        );
        for byte in note.bytes() {
            let _ = write!(text, "{byte:02X}");
        }
        text.push_str("')");
    }
    (!text.is_empty()).then_some(text)
}

/// Notes that a call begins which commits by itself.
pub(super) fn begin(instance: u64, id: CallId) -> String {
    let (file, index) = (id.number(), id.index);
    format!(
        "REPLACE INTO vpid_journal (instance, file, position, answer) \
         VALUES ({instance}, {file}, {index}, NULL)"
    )
}

/// It failed, and has done nothing.
pub(super) fn forget(instance: u64, id: CallId) -> String {
    let (file, index) = (id.number(), id.index);
    format!(
        "DELETE FROM vpid_journal WHERE instance = {instance} AND file = {file} \
         AND position = {index}"
    )
}

/// Forgets what is older than `newest` (a file's id is its unix time in microseconds) by more
/// than rows are kept, and what other vpids left behind.
pub(super) fn prune(session: &mut Session, instance: u64, newest: u64) -> Result<(), Error> {
    let text = format!(
        "SELECT DISTINCT instance FROM vpid_journal WHERE instance <> {instance} \
         LIMIT {FOREIGNERS_MAX}"
    );
    let others: Vec<u64> = session.conn.query(text)?;
    let before = |keep_ms: u64| newest.saturating_sub(keep_ms * 1_000);
    let foreign = before(MYSQL_FOREIGN_KEEP_MS);
    let own = before(SQL_JOURNAL_KEEP_MS);
    let mut text = "START TRANSACTION READ WRITE".to_owned();
    let bounds = others.into_iter().map(|other| (other, foreign));
    for (instance, oldest) in bounds.chain([(instance, own)]) {
        let _ = write!(
            text,
            "; DELETE FROM vpid_journal WHERE instance = {instance} AND file < {oldest} \
             ORDER BY file LIMIT {MYSQL_PRUNE_ROWS_MAX}"
        );
    }
    text.push_str("; COMMIT");
    session.own(&text)
}
