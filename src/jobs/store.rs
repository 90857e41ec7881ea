//! What the core keeps on disk by name, apart from files of games and databases.

use std::sync::Arc;

use crate::protocol::ban_list::BanList;

/// A document of the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shelf {
    /// `outbox/`: one file for each entry.
    Outbox,
    /// `vyhub/`: what VyHub has answered.
    Cache,
}

/// One change, durable before it is reported. Changes are made in the order in which they are
/// handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Of the report; `None`: no part of the core waits for it.
    pub ticket: Option<u64>,
    pub shelf: Shelf,
    /// `a-z`, `0-9` and dashes; becomes `<name>.json` (`.bans` for a list of bans).
    pub name: String,
    /// `None`: it is removed.
    pub content: Option<Content>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Json(String),
    Bans(Arc<BanList>),
    /// What is there cannot be used: it stays under a name that is not read.
    SetAside,
}

/// The result of a change; the error is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub ticket: u64,
    pub result: Result<(), String>,
}

/// What was found at the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Each by its name, with its text.
    pub outbox: Vec<(String, String)>,
    pub cache: Vec<(String, String)>,
    pub bans: Vec<(String, BanList)>,
}
