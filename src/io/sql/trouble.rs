//! What an SQLite error means: the caller's mistake, or a database that cannot be used now.

use crate::limits::{SQL_MEMORY_BYTES_MAX, SQL_PATTERN_BYTES_MAX, SQL_VALUE_BYTES_MAX};
use crate::protocol::call_error::CallError;
use rusqlite::ffi::ErrorCode;
use std::path::Path;

/// Why a batch did not commit. Nothing of it stands.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database cannot be used. `uncertain` when COMMIT itself failed, since its pages may
    /// still come to light: the journal must be read before such calls run again.
    Unavailable { sentence: String, uncertain: bool },
    /// The call at this position took the transaction down with it, by its own doing.
    Broke { at: usize, error: CallError },
    /// `stop` has no more patience.
    Abandoned,
}

/// Whether the error is about the database as a whole rather than about the statement.
pub(super) fn is_unavailable(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
        )
    )
}

/// Whether another program is in the way.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

pub(super) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// The sentence for the log and for callers who waited in vain: what, which file, what to do.
pub(super) fn sentence(path: &Path, error: &rusqlite::Error) -> String {
    format!("{}; {}", unusable(path, error), advice(error))
}

/// Its first part: what, and which file.
pub(super) fn unusable(path: &Path, error: &rusqlite::Error) -> String {
    let message = message(error);
    format!("database {} cannot be used: {message}", path.display())
}

/// Its last part: what to do.
pub(super) fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds its lock; end that program or its transaction"
        }
        Some(ErrorCode::DiskFull) => "make room on its disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "let vpid's user write the file and its folder"
        }
        Some(ErrorCode::CannotOpen) => {
            "make sure its folder exists and vpid's user may write there"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "restore it from a backup, or move it away to begin with an empty one"
        }
        _ => "check the disk it is on",
    }
}

/// The caller's mistake, under the name that upstream's scripts know it by.
pub(super) fn call_error(error: &rusqlite::Error) -> CallError {
    let reason = match error {
        rusqlite::Error::MultipleStatement => {
            return CallError::new("ValueError", "one statement at a time");
        }
        _ => match error.sqlite_error_code() {
            // As Python's sqlite3 sorts them; what passes a limit of vpid's own is operational.
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => "IntegrityError",
            _ if is_denied(error) => "PermissionError",
            _ if is_interrupted(error) => return CallError::word("DeadlineExceeded"),
            _ => "OperationalError",
        },
    };
    CallError::new(reason, with_limit(message(error)))
}

/// Where SQLite names no figure for a limit that was passed, or no way out, it is added.
fn with_limit(message: String) -> String {
    let limit = match message.as_str() {
        "string or blob too big" => format!("a value or row may have {SQL_VALUE_BYTES_MAX} bytes"),
        "LIKE or GLOB pattern too complex" => {
            format!("a pattern may have {SQL_PATTERN_BYTES_MAX} bytes")
        }
        "cannot VACUUM from within a transaction" => {
            "vpid's calls are in one; run it with another program, such as sqlite3".to_owned()
        }
        "out of memory" => format!("a statement may use {SQL_MEMORY_BYTES_MAX} bytes"),
        _ => return message,
    };
    format!("{message}: {limit}")
}

/// What is wrong with a statement of the owner's, in a sentence.
pub(super) fn fault(error: &rusqlite::Error) -> String {
    let mut words = message(error);
    if is_denied(error) {
        words.push_str(
            "; vpid's own tables, transactions, ATTACH and most of PRAGMA are not for statements \
             of the configuration",
        );
    }
    words
}

/// Whether the guard said no.
fn is_denied(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::AuthorizationForStatementDenied)
        // A function that is denied has no error code of its own.
        || message(error).starts_with("not authorized")
}

/// SQLite's own words, without the statement, which a caller knows.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
