//! Opening the file: who may read it, which bounds SQLite keeps, and how durable it is.

use super::super::HostStates;
use super::super::guard::{self, Guard};
use super::super::journal::Journal;
use super::super::trouble::{is_locked, sentence};
use super::{Engine, counts, functions};
use crate::config::Sqlite;
use crate::limits::{
    SQL_BUSY_MS, SQL_FUNCTION_ARGUMENTS_MAX, SQL_MEMORY_BYTES_MAX, SQL_PAGE_CACHE_KIB,
    SQL_PARAMS_MAX, SQL_PATTERN_BYTES_MAX, SQL_STATEMENTS_CACHED_MAX, SQL_VALUE_BYTES_MAX,
    SQLITE_PROGRAM_MAX, SQLITE_TRIGGER_DEPTH_MAX,
};
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Whether "word" is a text where no column is called so, in statements about rows and about tables.
const WORDS: [DbConfig; 2] = [
    DbConfig::SQLITE_DBCONFIG_DQS_DML,
    DbConfig::SQLITE_DBCONFIG_DQS_DDL,
];

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub(in crate::io::sql) enum OpenError {
    #[error("database path {0:?}: {1}")]
    Path(PathBuf, io::Error),
    #[error("database {0} cannot be made private: {1}")]
    NotPrivate(PathBuf, io::Error),
    #[error(
        "database {0} cannot be created: {1}; make sure its folder exists and vpid's user may write \
         there"
    )]
    NotCreated(PathBuf, io::Error),
    #[error("{}", sentence(.0, .1))]
    Sqlite(PathBuf, rusqlite::Error),
}

impl OpenError {
    /// Whether another program holds its lock, so that it may work in a moment.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Sqlite(_, error) if is_locked(error))
    }
}

impl Engine {
    /// Opens the database, and creates it where there is none.
    pub(in crate::io::sql) fn open(
        settings: &Sqlite,
        guard: &Arc<Guard>,
    ) -> Result<Self, OpenError> {
        let path = std::path::absolute(&settings.path)
            .map_err(|error| OpenError::Path(settings.path.clone(), error))?;
        create_private(&path)?;
        let fault = |error| OpenError::Sqlite(path.clone(), error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fault)?;
        configure(&connection, settings).map_err(fault)?;
        bound(&connection).map_err(fault)?;
        let shown = Arc::default();
        counts::install(&connection, &shown).map_err(fault)?;
        let journal = Journal::open(&connection).map_err(fault)?;
        guard.leave();
        guard::install(&mut connection, guard).map_err(fault)?;
        guard.set_interrupt(connection.get_interrupt_handle());
        Ok(Self {
            connection,
            guard: Arc::clone(guard),
            journal,
            shown,
            counts: HostStates::default(),
            path,
        })
    }

    /// Runs this while a word in double quotes is a name and never a text, so that a misspelt
    /// column is an error.
    pub(super) fn strictly<T>(
        &self,
        run: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.take_words_for_texts(false)?;
        let ran = run();
        self.take_words_for_texts(true)?;
        ran
    }

    fn take_words_for_texts(&self, texts: bool) -> rusqlite::Result<()> {
        for config in WORDS {
            self.connection.set_db_config(config, texts)?;
        }
        Ok(())
    }

    /// Whether the file keeps a write-ahead log; a network mount may not allow it.
    pub(in crate::io::sql) fn has_write_ahead_log(&self) -> bool {
        let mode = self
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0));
        mode.is_ok_and(|mode: String| mode.eq_ignore_ascii_case("wal"))
    }
}

/// The file holds players' data: only vpid's user may read it, whatever the umask. SQLite
/// gives its companions (the log, the shared index) the same mode.
pub(in crate::io::sql) fn create_private(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file
            .set_permissions(Permissions::from_mode(0o600))
            .map_err(|error| OpenError::NotPrivate(path.to_owned(), error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::NotCreated(path.to_owned(), error)),
    }
}

pub(in crate::io::sql) fn configure(
    connection: &Connection,
    settings: &Sqlite,
) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(SQL_BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(SQL_STATEMENTS_CACHED_MAX);
    for (config, value) in [
        // "word" is a column or a text, as in Python's SQLite. What vpid writes has its names in
        // backticks, and what the owner wrote is tried without (see `strictly`).
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, true),
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

/// What a caller's statement can demand at most. SQLite looks at the clock between its
/// instructions and not within them, so none may take long.
fn bound(connection: &Connection) -> rusqlite::Result<()> {
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, SQL_VALUE_BYTES_MAX),
        (
            Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
            SQL_PATTERN_BYTES_MAX,
        ),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, SQL_FUNCTION_ARGUMENTS_MAX),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, SQLITE_TRIGGER_DEPTH_MAX),
        (Limit::SQLITE_LIMIT_VDBE_OP, SQLITE_PROGRAM_MAX),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, SQL_PARAMS_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
    }
    functions::install(connection)
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
