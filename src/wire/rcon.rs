//! Source RCON: packets, and what crosses between the core and the lane of one server.

/// A line for one server's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub ticket: u64,
    /// Made by [`super::console`].
    pub line: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Which of the configuration's servers.
    pub server: usize,
    pub ticket: u64,
    pub result: Result<String, Failure>,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The password is wrong, or this address is banned: no further try until the next start. A
    /// sentence.
    Refused(String),
    /// It was surely not run. A sentence.
    Away(String),
    /// It was sent, and no reply came. A sentence.
    Unclear(String),
}
