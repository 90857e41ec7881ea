//! The journal: which calls ran and what they were answered, kept in the database itself.
//!
//! A row commits together with what its call wrote, so after a crash either both are there or
//! neither. Only calls that wrote have rows: reading twice does no harm, and a failed call has
//! undone itself. These statements, like all of vpid's own, begin with a mark that no raw
//! query may begin with, so that a caller never gets one from the cache of statements.

use crate::jobs::CallId;
use crate::limits::{SQL_JOURNAL_KEEP_MS, SQL_JOURNAL_PRUNE_MS};
use rusqlite::{Connection, OptionalExtension, params};

/// How vpid's own statements begin.
pub(super) const OWN_MARK: &str = "/* vpid */";

const EXISTS: &str = "/* vpid */ SELECT 1 FROM main.sqlite_schema WHERE name = 'vpid_journal'";
const CREATE: &str = "/* vpid */ CREATE TABLE IF NOT EXISTS main.vpid_journal(\
    file INTEGER NOT NULL, position INTEGER NOT NULL, answer TEXT NOT NULL, \
    PRIMARY KEY(file, position)) WITHOUT ROWID";
const FIND: &str =
    "/* vpid */ SELECT answer FROM main.vpid_journal WHERE file = ?1 AND position = ?2";
const ADD: &str = "/* vpid */ INSERT OR REPLACE INTO main.vpid_journal(file, position, answer) VALUES (?1, ?2, ?3)";
const PRUNE: &str = "/* vpid */ DELETE FROM main.vpid_journal WHERE file < ?1";

/// What this connection knows about the journal.
#[derive(Debug)]
pub(super) struct Journal {
    /// The table is there, as far as the last commit knows.
    ready: bool,
}

impl Journal {
    pub(super) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let ready = connection.prepare(EXISTS)?.exists([])?;
        Ok(Self { ready })
    }

    pub(super) fn find(&self, db: &Connection, id: CallId) -> rusqlite::Result<Option<String>> {
        if !self.ready {
            return Ok(None);
        }
        let mut statement = db.prepare_cached(FIND)?;
        statement
            .query_row(params![file(id), id.index], |row| row.get(0))
            .optional()
    }

    /// Creates the table if need be. Call `committed` once the transaction has.
    pub(super) fn add(&self, db: &Connection, id: CallId, answer: &str) -> rusqlite::Result<()> {
        if !self.ready {
            db.execute(CREATE, [])?;
        }
        db.prepare_cached(ADD)?
            .execute(params![file(id), id.index, answer])?;
        Ok(())
    }

    /// A transaction that added a row is durable, and so is the table.
    pub(super) fn committed(&mut self) {
        self.ready = true;
    }
}

/// When the journal may forget. A call that was taken before a restart comes back soon after
/// it, so nothing is forgotten until the worker has run for as long as rows are kept.
#[derive(Debug)]
pub(super) struct Pruning {
    pub next_ms: u64,
}

impl Pruning {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            next_ms: now_ms.saturating_add(SQL_JOURNAL_KEEP_MS),
        }
    }

    /// As if the worker had run for long.
    #[cfg(test)]
    pub(super) fn due() -> Self {
        Self { next_ms: 0 }
    }

    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ms
    }

    /// Whether it is time; then it is not until the next time.
    #[cfg(feature = "mysql")]
    pub(super) fn take(&mut self, now_ms: u64) -> bool {
        let due = self.is_due(now_ms);
        if due {
            self.next_ms = now_ms.saturating_add(SQL_JOURNAL_PRUNE_MS);
        }
        due
    }

    /// Forgets what is older than `newest`, the file of the newest call (its id is its unix
    /// time in microseconds), by more than rows are kept.
    pub(super) fn prune(
        &mut self,
        db: &Connection,
        newest: u64,
        now_ms: u64,
    ) -> rusqlite::Result<()> {
        let oldest = newest.saturating_sub(SQL_JOURNAL_KEEP_MS * 1_000);
        db.prepare_cached(PRUNE)?.execute([signed(oldest)])?;
        self.next_ms = now_ms.saturating_add(SQL_JOURNAL_PRUNE_MS);
        Ok(())
    }
}

fn file(id: CallId) -> i64 {
    signed(id.number())
}

/// File ids are times and stay far below this bound.
fn signed(file: u64) -> i64 {
    i64::try_from(file).unwrap_or(i64::MAX)
}
