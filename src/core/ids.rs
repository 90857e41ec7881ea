//! What the core calls things by. Ids that cross to the workers of databases stand in `sql/ids.rs`,
//! that of a server, which crosses to RCON and to Python scripts, in `protocol/server_id.rs`: where
//! both sides see them.

pub use crate::jobs::{CallId, Caller, FileId, HostId, ScriptId, Source};
pub use crate::protocol::server_id::ServerId;

/// A scriptdata folder, by the number that the daemon gave it. Numbers are never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId(pub u32);

/// A session of a stock client: how many maps of its host have begun before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionNumber(pub u32);

/// A process of a Python script. Numbers are never used twice, whichever the script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// Who waits for the result of what was sent to a game or a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ticket {
    /// An operator, by the number that the daemon gave the request.
    Operator(u64),
    /// A Python script, by a number of `core/scripts`.
    Script(u64),
}

/// A request of a Python script, in one run of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    pub script: ScriptId,
    pub run: RunId,
    /// The script's own number for it.
    pub number: u64,
}
