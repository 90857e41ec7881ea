//! What the core calls things by.
//!
//! - A *server* ([`ServerId`]) is a `[[server]]` table.
//! - A *folder* ([`FolderId`]) is a scriptdata folder, which several servers may share.
//! - A *host* ([`HostId`]) is the name under which a game writes its files in a folder. It belongs to the
//!   server that has this `hostname`, else to the one of the folder without `hostname`, which may so have
//!   many. `servers/registry.rs` looks that up once, when the host becomes known.
//!
//! Ids that cross to workers stand in `jobs/mod.rs`; that of a server, which crosses to RCON and to Python
//! scripts, in `protocol/server_id.rs`: where both sides see them.

pub use crate::jobs::{CallId, Caller, FileId, HostId, ScriptId, Source};
pub use crate::protocol::script_channel::RequestNumber;
pub use crate::protocol::server_id::ServerId;

/// By the number that the daemon gave the path of the folder. Numbers are never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId(pub u32);

/// A session of a stock client: how many maps of its host have begun before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionNumber(pub u32);

/// A process of a Python script. Numbers are never used twice, whichever the script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// To whom the result of what was sent to a game or a console is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ticket {
    /// An operator, by the number that the daemon gave the request.
    Operator(u64),
    /// A Python script.
    Script(RequestId),
    /// The community, by its own number.
    Community(u64),
}

/// A request of a Python script, in one run of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    pub script: ScriptId,
    pub run: RunId,
    pub number: RequestNumber,
}
