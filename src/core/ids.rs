//! What the core calls things by.

/// A scriptdata folder, by the number that the daemon gave it. Numbers are never used twice.
pub type FolderId = u32;
/// A host that was seen in a folder. Numbers are never used twice.
pub type HostId = u32;
/// A call file that was claimed: unix microseconds of that moment, never the same twice.
pub type FileId = u64;
/// A `[[server]]`, by its place in the configuration that vpid started with.
pub type ServerId = usize;
/// A Python script, by the number that it got when it was first known.
pub type ScriptId = u32;

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
    pub run: u64,
    /// The script's own number for it.
    pub number: u64,
}
