//! The configuration: what the owner wrote, checked, as values the rest of vpid can trust.
//!
//! A file for each table of vpid.toml has the declarations of its keys (`key`), what else they must keep to,
//! and what becomes of them. `reader` reads TOML by the declarations, lays the environment over it, and goes on
//! after a problem, so that the owner sees all of them in one go. `manual` makes config.example.toml and the
//! tables of docs/configuration.md of them. Nothing here creates or changes a file; whether the folders work is
//! for `vpid check` to try.
//!
//! Relative paths are relative to the folder of the configuration file; those in environment
//! variables to the current folder.

mod address;
mod database;
mod environment;
pub mod file;
mod key;
pub mod manual;
mod messages;
mod mysql;
mod nearest;
mod permissions;
mod query;
mod reader;
mod scripts;
mod secret;
mod server;
mod tables;
#[cfg(test)]
mod tests;
mod top;
mod vyhub;
mod written;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use database::{Database, Engine, SchemaFile, Sqlite};
pub use environment::{process_environment, unknown_variables};
pub use key::InForce;
pub use mysql::{Mysql, Tls};
pub use permissions::{MODERATION_FUNCTIONS, Permissions, RAW_SQL_FUNCTION, matches};
pub use query::QueryEntry;
pub use scripts::{INTERFACES_NAME, ScriptSettings, Scripts, is_script_name};
pub use secret::{
    PLACEHOLDER_KEY, PLACEHOLDER_SECRET, Password, Secret, Unfit, exposure_warning, is_key_sign,
    readable_by_others,
};
pub use server::{ChatCommands, Legacy, LogListen, Rcon, Server, host_of, usual_scripts};
pub use tables::{in_force, keys_of};
pub use vyhub::Vyhub;
pub use written::{load, load_to_call, parse, state_dir};

use crate::sql::{DatabaseId, Query};

/// Where the configuration is looked for when neither `--config` nor `VPID_CONFIG` is given, in this order.
pub const SEARCH_PATHS: [&str; 2] = ["vpid.toml", "/etc/vpid/vpid.toml"];

/// A configuration without problems.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it came from; none when the environment said everything.
    pub path: Option<PathBuf>,
    /// Journal, caches, queues and rejected files; may not exist yet.
    pub state_dir: PathBuf,
    /// At least one; no two with the same folder and hostname.
    pub servers: Vec<Server>,
    /// The one of `[database]` first, where there is one; then those of `[database.NAME]`.
    pub databases: Vec<Database>,
    /// In the order of their names.
    pub queries: Vec<QueryEntry>,
    pub vyhub: Option<Vyhub>,
    pub scripts: Option<Scripts>,
    pub permissions: Permissions,
    pub watch: Watch,
    /// How often folders are looked at where inotify cannot be used, in milliseconds.
    pub poll_ms: u64,
    /// How long a call whose caller waits may take before it gets an error, in milliseconds.
    pub call_deadline_ms: u64,
    /// What works but should not stay so, as sentences.
    pub warnings: Vec<String>,
    /// Files with a secret in them that others than their owner can read. Each has its
    /// [`exposure_warning`] in `warnings` too.
    pub exposed: Vec<PathBuf>,
    /// Files that it names and that were read for it: keys, passwords, texts, schemas,
    /// certificates. When one is edited, it is read again.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// The database of `[database]`, to which scripts' own SQL goes.
    pub fn default_database(&self) -> Option<DatabaseId> {
        let first = self.databases.first()?;
        first.name.is_empty().then_some(0)
    }

    /// With what commands in chat begin, VyHub's and those about scripts.
    pub fn chat_prefixes(&self) -> Vec<String> {
        let vyhub = self.vyhub.iter().flat_map(|vyhub| &vyhub.prefixes);
        let scripts = self.scripts.iter().flat_map(|scripts| &scripts.prefixes);
        let mut all: Vec<String> = vyhub.chain(scripts).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// The functions on a database.
    pub fn queries_on(&self, database: DatabaseId) -> Vec<Arc<Query>> {
        let entries = self.queries.iter();
        entries
            .filter(|entry| entry.query.database == database)
            .map(|entry| Arc::clone(&entry.query))
            .collect()
    }

    /// The server that serves `host` in this folder: the one that names it, else the one that
    /// takes every host of the folder.
    pub fn server_for(&self, scriptdata: &Path, host: &str) -> Option<&Server> {
        let here = || {
            self.servers
                .iter()
                .filter(|server| server.scriptdata == scriptdata)
        };
        here()
            .find(|server| server.hostname.as_deref() == Some(host))
            .or_else(|| here().find(|server| server.hostname.is_none()))
    }
}

/// How new call files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// inotify where it works, else polling.
    Auto,
    Inotify,
    Poll,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the owner knows it, or `environment`.
    pub source: String,
    /// Counted from 1; none where the problem has no line (a missing file, a variable).
    pub line: Option<usize>,
    /// `server.scriptdata`, `VPID_POLL_MS`; empty where no key is to blame.
    pub key: String,
    pub message: String,
}

/// `vpid.toml:12: server.legacy_secret: ...`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}
