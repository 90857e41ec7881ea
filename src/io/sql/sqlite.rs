//! The SQLite engine: opening the file, and running a batch of calls as one transaction.
//!
//! When this file reports trouble, nothing of the batch stands; what happens to its calls then
//! is the worker's to decide.

use super::SqliteSettings;
use super::encode::{self, RowsError};
use super::guard::{self, Guard};
use super::journal::{Journal, OWN_MARK, Pruning};
use super::trouble::{Trouble, call_error, is_unavailable, sentence};
use crate::limits::{
    SQL_BATCH_MS_MAX, SQL_BUSY_MS, SQL_MEMORY_BYTES_MAX, SQL_PAGE_CACHE_KIB, SQL_STATEMENT_MS_MAX,
    SQL_STATEMENTS_CACHED_MAX,
};
use crate::wire::answer_text::{Decoder, push_int};
use crate::wire::call_error::CallError;
use crate::wire::sql::{Dialect, Job, Param, Quoting, Returns, Statement, render};
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// These calls ran in time before and were undone by a neighbour's fault: their deadlines
    /// no longer count.
    pub lenient: bool,
    /// More calls from before a restart are to come: the journal forgets nothing yet.
    pub keep_journal: bool,
}

/// An open database.
pub(super) struct Engine {
    connection: Connection,
    guard: Arc<Guard>,
    journal: Journal,
    path: PathBuf,
}

/// What one batch has done so far.
struct Progress {
    wrote: bool,
    newest: u64,
}

impl Engine {
    /// Opens the database, and creates it where there is none.
    pub(super) fn open(settings: &SqliteSettings, guard: &Arc<Guard>) -> Result<Self, String> {
        let path = std::path::absolute(&settings.path)
            .map_err(|error| format!("database path {:?}: {error}", settings.path))?;
        create_private(&path)?;
        let fault = |error: rusqlite::Error| sentence(&path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fault)?;
        configure(&connection, settings).map_err(fault)?;
        let journal = Journal::open(&connection).map_err(fault)?;
        guard.leave();
        guard::install(&mut connection, guard).map_err(fault)?;
        Ok(Self {
            connection,
            guard: Arc::clone(guard),
            journal,
            path,
        })
    }

    /// Whether the file keeps a write-ahead log; a network mount may not allow it.
    pub(super) fn has_write_ahead_log(&self) -> bool {
        let mode = self
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0));
        mode.is_ok_and(|mode: String| mode.eq_ignore_ascii_case("wal"))
    }

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
            && let Some(answer) = self.journal.find(&self.connection, job.id)?
        {
            return Ok(Ok(answer));
        }
        let mut limit_ms = now_ms.saturating_add(SQL_STATEMENT_MS_MAX);
        if let Some(deadline_ms) = job.deadline_ms.filter(|_| !lenient) {
            if deadline_ms <= now_ms {
                return Ok(Err(CallError::word("DeadlineExceeded")));
            }
            limit_ms = limit_ms.min(deadline_ms);
        }
        let statement = match render(&job.call, 0, Dialect::Sqlite) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        self.guard.enter(limit_ms);
        let ran = self.statement(&statement, job.decoder, limit_ms);
        self.guard.leave();
        let (outcome, wrote) = match ran {
            Err(error) if is_unavailable(&error) => return Err(error),
            Err(error) => return Ok(Err(call_error(&error))),
            Ok(done) => done,
        };
        if let (Ok(answer), true) = (&outcome, wrote) {
            self.journal.add(&self.connection, job.id, answer)?;
            progress.wrote = true;
            progress.newest = progress.newest.max(job.id.file);
        }
        Ok(outcome)
    }

    /// Runs a caller's statement, under a savepoint of its own if it can write. Says beside
    /// the outcome whether it can.
    fn statement(
        &self,
        call: &Statement<'_>,
        decoder: Decoder,
        limit_ms: u64,
    ) -> rusqlite::Result<(Outcome, bool)> {
        if call.text.trim_start().starts_with(OWN_MARK) {
            let detail = "a query may not begin with vpid's own mark";
            return Ok((Err(CallError::new("PermissionError", detail)), false));
        }
        self.guard.look_at(&call.text);
        let mut prepared = self.connection.prepare_cached(&call.text)?;
        if prepared.parameter_count() != call.params.len() {
            let detail = format!(
                "the query has {} placeholders, format has {} values",
                prepared.parameter_count(),
                call.params.len()
            );
            return Ok((Err(CallError::new("ValueError", detail)), false));
        }
        for (index, param) in call.params.iter().enumerate() {
            prepared.raw_bind_parameter(index + 1, bound(param))?;
        }
        if prepared.readonly() {
            return Ok((step(&mut prepared, call.returns, decoder)?, false));
        }
        self.guard.leave();
        self.own(SAVEPOINT)?;
        self.guard.enter(limit_ms);
        let ran = step(&mut prepared, call.returns, decoder);
        self.guard.leave();
        drop(prepared);
        // Without its transaction there is nothing left to undo, and the batch starts over.
        if !self.connection.is_autocommit() {
            if !matches!(ran, Ok(Ok(_))) {
                self.own(UNDO)?;
            }
            self.own(RELEASE)?;
        }
        Ok((ran?, true))
    }

    /// One of the lane's own statements.
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

fn step(
    prepared: &mut rusqlite::Statement<'_>,
    returns: Returns,
    decoder: Decoder,
) -> rusqlite::Result<Outcome> {
    match returns {
        Returns::Rows | Returns::Objects | Returns::Row | Returns::Value => {
            match encode::rows(prepared, decoder) {
                Ok(answer) => Ok(Ok(answer)),
                Err(RowsError::Sqlite(error)) => Err(error),
                Err(RowsError::TooLong) => {
                    Ok(Err(CallError::word("Response size exceeds maximum")))
                }
            }
        }
        Returns::Count | Returns::Proposed(_) => {
            let count = prepared.raw_execute()?;
            let mut answer = String::new();
            push_int(&mut answer, i64::try_from(count).unwrap_or(i64::MAX));
            Ok(Ok(answer))
        }
        Returns::Nothing => prepared.raw_execute().map(|_| Ok("null".to_owned())),
    }
}

fn bound(param: &Param) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match param {
        Param::Null => ValueRef::Null,
        Param::Int(value) => ValueRef::Integer(*value),
        Param::Float(value) => ValueRef::Real(*value),
        Param::Text(text) => ValueRef::Text(text.as_bytes()),
    })
}

/// The file holds players' data: only vpid's user may read it, whatever the umask. SQLite
/// gives its companions (the log, the shared index) the same mode.
fn create_private(path: &Path) -> Result<(), String> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file
            .set_permissions(Permissions::from_mode(0o600))
            .map_err(|error| {
                format!(
                    "database {} cannot be made private: {error}",
                    path.display()
                )
            }),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!(
            "database {} cannot be created: {error}; make sure its folder exists and vpid's user \
             may write there",
            path.display()
        )),
    }
}

fn configure(connection: &Connection, settings: &SqliteSettings) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(SQL_BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(SQL_STATEMENTS_CACHED_MAX);
    for (config, value) in [
        // Otherwise a misspelt column is quietly read as a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        // The bundled build turns them on; SQLite and upstream leave them off.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
    ] {
        connection.set_db_config(config, value)?;
    }
    let pages = i64::try_from(SQL_PAGE_CACHE_KIB).unwrap_or(0);
    connection.pragma_update(None, "cache_size", -pages)?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1_024 * 1_024)?;
    let memory = i64::try_from(SQL_MEMORY_BYTES_MAX).unwrap_or(0);
    connection.query_row(
        &format!("PRAGMA hard_heap_limit = {memory}"),
        [],
        |_| Ok(()),
    )?;
    match log_mode(connection, "WAL") {
        // A file system without shared memory, a network mount: the plain journal serves too.
        Err(error) if lacks_shared_memory(&error) => log_mode(connection, "DELETE")?,
        other => other?,
    }
    let durability = if settings.full_durability {
        "FULL"
    } else {
        "NORMAL"
    };
    connection.pragma_update(None, "synchronous", durability)
}

/// Sets the kind of log and reads the file under it, so that a file that is no database, and
/// a disk that cannot keep such a log, are noticed here and not in a call.
fn log_mode(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(()))?;
    connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))
}

fn lacks_shared_memory(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Opens the database and tries a write that is taken back.
pub(super) fn check(settings: &SqliteSettings) -> Result<String, String> {
    let existed = settings.path.exists();
    let tried = try_write(settings);
    if !existed {
        // It was made by this check, and a check leaves nothing behind.
        let _ = std::fs::remove_file(&settings.path);
    }
    let log = if tried? { "with" } else { "without" };
    let state = if existed {
        "can be written"
    } else {
        "can be created"
    };
    let (path, version) = (settings.path.display(), rusqlite::version());
    Ok(format!(
        "database {path} {state} (SQLite {version}, {log} a write-ahead log)"
    ))
}

/// Whether a database that takes a write keeps a write-ahead log.
fn try_write(settings: &SqliteSettings) -> Result<bool, String> {
    let guard = Arc::new(Guard::new(Instant::now(), Arc::default()));
    let engine = Engine::open(settings, &guard)?;
    engine
        .connection
        .execute_batch("BEGIN IMMEDIATE; CREATE TABLE vpid_check(x); ROLLBACK;")
        .map_err(|error| sentence(&engine.path, &error))?;
    Ok(engine.has_write_ahead_log())
}
