//! What the core hands to the workers of `io`, and what they hand back. Neither room opens the other,
//! so what crosses between them stands here.

mod ids;
pub mod remembered;
pub mod store;

use crate::protocol::call_error::CallError;
use crate::protocol::response_text::Decoder;
use crate::sql::{self, DatabaseId, SqlCall};

pub use ids::{CallId, Caller, FileId, HostId, IdMap, ScriptId, Source};

/// An SQL call on its way to its database.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: CallId,
    pub database: DatabaseId,
    pub caller: Caller,
    pub function: String,
    pub call: SqlCall,
    /// Milliseconds since the start of the daemon's monotonic clock.
    pub deadline_ms: Option<u64>,
    /// How long its statements may run, in milliseconds, whether a caller waits or not.
    pub limit_ms: u64,
    /// The call may have run before the daemon was restarted: the journal knows.
    pub recovered: bool,
    /// That the database refused it is noted like a response: calls of its chain run behind it all the
    /// same, so after a restart it must not run once more. One that was not begun for want of time or
    /// of a database is not noted, and may run then.
    pub notes_failure: bool,
    /// How often earlier runs have begun it without its having ended before they did.
    pub tries: u32,
    /// Whose decoder will read the response.
    pub decoder: Decoder,
}

/// Its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub id: CallId,
    /// The response as JSON text, for the job's decoder.
    pub outcome: Result<String, CallError>,
}

impl From<sql::Error> for CallError {
    fn from(error: sql::Error) -> Self {
        Self::new(error.reason(), error.detail())
    }
}
