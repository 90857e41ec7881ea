//! The configuration: what the owner wrote, checked, as values the rest of vpid can trust.
//!
//! Text goes through two steps. `raw` reads TOML and knows keys, types and lines; `checked`
//! lays the environment over it and knows what values mean. Both go on after a problem, so
//! that the owner sees all of them in one go. Nothing here creates or changes a file; whether
//! the folders work is for `vpid check` to try.
//!
//! Relative paths are relative to the folder of the configuration file; those in environment
//! variables to the current folder.

mod address;
mod checked;
mod console;
mod credentials;
mod database;
mod databases;
mod environment;
pub mod file;
mod hostname;
mod messages;
mod mysql;
mod nearest;
mod params;
mod partial;
mod permissions;
mod queries;
mod query;
mod raw;
mod scripts;
mod scripts_table;
mod secret;
mod servers;
#[cfg(test)]
mod tests;
mod vyhub;
mod vyhub_table;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use database::{Database, Engine, Mysql, SchemaFile, Sqlite, Tls};
pub use environment::{process_environment, unknown_variables};
pub use hostname::host_of;
pub use partial::{load_to_call, state_dir};
pub use permissions::{MODERATION_FUNCTIONS, Permissions, RAW_SQL_FUNCTION, matches};
pub use query::QueryEntry;
pub use scripts::{INTERFACES_NAME, ScriptSettings, Scripts, is_script_name};
pub use secret::{
    PLACEHOLDER_KEY, PLACEHOLDER_SECRET, Password, Secret, exposure_warning, is_key_sign,
    readable_by_others,
};

pub use vyhub::{ChatCommands, LogListen, Rcon, Vyhub};

use std::sync::Arc;

use crate::limits::CONFIG_FILE_BYTES_MAX;
use crate::protocol::uuid::Uuid;
use crate::sql::{DatabaseId, Query};

/// Where the configuration is looked for when nobody says where it is, in this order.
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

/// One `[[server]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The folder the game writes into; may not exist yet.
    pub scriptdata: PathBuf,
    /// Only files of this host, as it stands in file names (`a-z 0-9 _`); none: every host.
    pub hostname: Option<String>,
    /// What files of our own scripts are signed with; none: they are not believed. There is a
    /// key or `legacy`, or both. It is the stock secret of no server.
    pub key: Option<Secret>,
    /// How files of the stock client are believed; none: they are not.
    pub legacy: Option<Legacy>,
    /// Where the owner says that the game's scripts are; see [`Server::installed_scripts`].
    pub vscripts: Option<PathBuf>,
    /// Its id in VyHub; there is a [`Config::vyhub`] then.
    pub vyhub_id: Option<Uuid>,
    pub rcon: Option<Rcon>,
    pub log: Option<LogListen>,
    pub chat: ChatCommands,
}

impl Server {
    /// The folder from which the game loads its scripts; it may not exist.
    pub fn installed_scripts(&self) -> PathBuf {
        let usual = || usual_scripts(&self.scriptdata);
        self.vscripts.clone().unwrap_or_else(usual)
    }
}

/// Where the scripts of a game are that writes into this scriptdata folder.
pub fn usual_scripts(scriptdata: &Path) -> PathBuf {
    scriptdata.with_file_name("scripts").join("vscripts")
}

/// What the stock protocol needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    pub secret: Secret,
    /// False where a fork of the client sends no identity: then anything is believed.
    pub identity_required: bool,
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

/// Reads the configuration from `path`, else from `VPID_CONFIG`, else from the first of
/// [`SEARCH_PATHS`] that exists, else from the environment alone when that names a scriptdata
/// folder. `environment` looks a variable up, and an option of the command line by its long name
/// (`--host`), which wins; an empty one counts as not set.
///
/// Errors: every problem of the file and the environment, in the order of the lines.
pub fn load(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    load_from(path, &SEARCH_PATHS.map(PathBuf::from), &environment)
}

fn load_from(
    path: Option<&Path>,
    candidates: &[PathBuf],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    let found = Found::read(path, candidates, environment)?;
    parse_as(found.source(), &found.text, &found.base_dir, environment)
}

/// A configuration file that was found and read, or the environment that stands for one.
struct Found {
    /// As problems name it.
    name: String,
    file: Option<PathBuf>,
    text: String,
    base_dir: PathBuf,
}

impl Found {
    fn read(
        path: Option<&Path>,
        candidates: &[PathBuf],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Problem>> {
        let named = path
            .map(Path::to_owned)
            .or_else(|| environment::path(environment, "VPID_CONFIG"));
        let found = named.or_else(|| candidates.iter().find(|path| path.exists()).cloned());
        let fail = |name: &str, line, message: String| {
            let (source, key) = (name.to_owned(), String::new());
            Err(vec![Problem {
                source,
                line,
                key,
                message,
            }])
        };
        let Some(path) = found else {
            if environment::scriptdata(environment).is_none() {
                let message = format!(
                    "none of {} exists; `vpid init` writes one, --config FILE names another",
                    SEARCH_PATHS.join(", ")
                );
                return fail("configuration", None, message);
            }
            return Ok(Self {
                name: "environment".into(),
                file: None,
                text: String::new(),
                base_dir: ".".into(),
            });
        };
        let name = path.display().to_string();
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(message) => return fail(&name, None, message),
        };
        match file::text(bytes) {
            Ok(text) => Ok(Self {
                name,
                base_dir: folder_of(&path),
                file: Some(path),
                text,
            }),
            Err(wrong) => fail(&name, Some(wrong.line), wrong.message.into()),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            file: self.file.as_deref(),
        }
    }
}

/// Checks the text of a configuration file whose folder is `base_dir`; problems name it
/// `vpid.toml`. Secret files it names are read.
///
/// Errors: every problem of the text and the environment, in the order of the lines.
pub fn parse(
    text: &str,
    base_dir: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    parse_as(
        Source {
            name: SEARCH_PATHS[0],
            file: None,
        },
        text,
        base_dir,
        &environment,
    )
}

/// Where a text comes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// As problems name it.
    name: &'a str,
    file: Option<&'a Path>,
}

fn parse_as(
    source: Source<'_>,
    text: &str,
    base_dir: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    match parse_anyway(source, text, base_dir, environment) {
        (config, problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// What was understood, and every problem in the order of the lines. What a problem is about holds its default,
/// or is missing.
fn parse_anyway(
    source: Source<'_>,
    text: &str,
    base_dir: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Config, Vec<Problem>) {
    let (raw, mut problems) = raw::read(source.name, text);
    let config = checked::check(raw, source, base_dir, environment, &mut problems);
    problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
    problems.dedup();
    (config, problems)
}

/// Absolute, so that neither a later change of folder nor a service unit's own idea of the
/// current folder moves the files.
fn folder_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .parent()
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("cannot be read: {error}; `vpid init` writes a new one")
        }
        _ => format!("cannot be read: {error}; vpid must run as a user that can read it"),
    };
    if path.is_dir() {
        return Err("is a folder; name the file in it".into());
    }
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(CONFIG_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > CONFIG_FILE_BYTES_MAX {
        return Err(format!(
            "is larger than {CONFIG_FILE_BYTES_MAX} bytes, which no configuration is"
        ));
    }
    Ok(bytes)
}
