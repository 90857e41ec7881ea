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

mod about_players;
mod address;
mod community;
mod database;
pub mod file;
mod geoip;
mod groups;
mod key;
mod logging;
pub mod manual;
mod messages;
mod mysql;
mod nearest;
mod permissions;
mod playtime;
mod query;
mod reader;
mod redacted;
mod rewards;
mod scripts;
mod secret;
mod server;
mod status_page;
mod taken;
mod vyhub;
mod written;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::limits::{
    CALL_DEADLINE_MS_DEFAULT, CALL_DEADLINE_MS_MAX, CALL_DEADLINE_MS_MIN, POLL_MS_DEFAULT,
    POLL_MS_MAX, POLL_MS_MIN,
};
use crate::sql::{DatabaseId, Query};

use key::{Declared, Key, Kind, Usual, key, text};
use reader::{IN_SCRIPTDATA, Reader, Table};

pub use community::{Backend, Community};
pub use database::{Database, Engine, SchemaFile, Sqlite};
pub use geoip::Geoip;
pub use groups::{GroupCommands, Groups};
pub use key::InForce;
pub use logging::{Filter, LogFormat, LogSettings, PARTS, part_of};
pub use mysql::{Mysql, Tls};
pub use nearest::nearest;
pub use permissions::{GAME_ACTIONS, MODERATION_FUNCTIONS, Permissions, RAW_SQL_FUNCTION, matches};
pub use playtime::Playtime;
pub use query::QueryEntry;
pub use redacted::{left_out, redacted};
pub use rewards::{OnUnclear, Rewards};
pub use scripts::{INTERFACES_NAME, MODULE_NAME, ScriptSettings, Scripts, is_script_name};
pub use secret::{
    PLACEHOLDER_KEY, PLACEHOLDER_SECRET, Password, Secret, Unfit, exposure_warning, is_key_sign,
    readable_by_others,
};
pub use server::{ChatCommands, Legacy, LogListen, Rcon, Server, host_of, usual_scripts};
pub use status_page::StatusPage;
pub use vyhub::Vyhub;
pub use written::{
    load, load_databases, load_places, load_to_call, parse, place, process_environment, state_dir,
    unknown_variables,
};

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
    pub community: Option<Community>,
    /// A VyHub from which a community of another kind can be imported, and nothing else.
    pub import_from: Option<Vyhub>,
    pub scripts: Option<Scripts>,
    pub geoip: Option<Geoip>,
    /// Where metrics are written for Prometheus.
    pub metrics_file: Option<PathBuf>,
    pub status_page: Option<StatusPage>,
    pub permissions: Permissions,
    pub watch: Watch,
    pub log: LogSettings,
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
    /// Of these, those that have nothing but a secret.
    pub secret_files: Vec<PathBuf>,
}

impl Config {
    /// The database of `[database]`, to which scripts' own SQL goes.
    pub fn default_database(&self) -> Option<DatabaseId> {
        let first = self.databases.first()?;
        first.name.is_empty().then_some(0)
    }

    /// All secrets in it, for what must not show them. A password of the command line is that of a database.
    pub fn secrets(&self) -> Vec<String> {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.as_bytes()).into_owned();
        let mut secrets = Vec::new();
        for server in &self.servers {
            secrets.extend(server.key.as_ref().map(text));
            secrets.extend(server.legacy.as_ref().map(|legacy| text(&legacy.secret)));
            secrets.extend(server.rcon.as_ref().map(|rcon| rcon.password.0.clone()));
            let log_secret = server.log.and_then(|log| log.secret);
            secrets.extend(log_secret.map(|secret| secret.digits().to_owned()));
        }
        for database in &self.databases {
            if let Engine::Mysql(mysql) = &database.engine {
                secrets.extend(mysql.password.as_ref().map(|password| password.0.clone()));
            }
        }
        let vyhub = self.community.as_ref().and_then(Community::vyhub);
        for vyhub in vyhub.into_iter().chain(&self.import_from) {
            secrets.push(vyhub.api_key.0.clone());
            let proxy = vyhub
                .proxy
                .as_ref()
                .and_then(|proxy| proxy.0.rsplit_once('@'));
            let user = proxy.and_then(|(user, _)| user.rsplit_once(':'));
            secrets.extend(user.map(|(_, password)| password.to_owned()));
        }
        secrets
    }

    /// With what commands in chat begin, those of the community and those about scripts.
    pub fn chat_prefixes(&self) -> Vec<String> {
        let community = self.community.iter().flat_map(|it| &it.prefixes);
        let scripts = self.scripts.iter().flat_map(|scripts| &scripts.prefixes);
        let mut all: Vec<String> = community.chain(scripts).cloned().collect();
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

/// All tables, in the order of config.example.toml. The top of the file comes first.
pub static TABLES: [&Declared; 16] = [
    &TABLE,
    &server::TABLE,
    &database::TABLE,
    &query::TABLE,
    &query::PARAM_TABLE,
    &permissions::TABLE,
    &community::TABLE,
    &vyhub::TABLE,
    &groups::TABLE,
    &groups::SOURCEMOD,
    &playtime::TABLE,
    &rewards::TABLE,
    &scripts::TABLE,
    &scripts::EACH_TABLE,
    &geoip::TABLE,
    &status_page::TABLE,
];

/// When a changed value of a key is in force. The top of the file has no head.
pub fn in_force(head: &str, name: &str) -> Option<InForce> {
    Some(table(head)?.key(name)?.in_force)
}

/// The names of all keys of a table.
pub fn keys_of(head: &str) -> Vec<&'static str> {
    table(head).map(Declared::names).unwrap_or_default()
}

fn table(head: &str) -> Option<&'static Declared> {
    match head {
        "" => Some(TABLES[0]),
        head => TABLES.into_iter().find(|table| table.head == head),
    }
}

const DEADLINE: Kind = Kind::Integer(
    CALL_DEADLINE_MS_MIN as i64,
    CALL_DEADLINE_MS_MAX as i64,
    "milliseconds",
);

static TABLE: Declared = Declared {
    head: "the top of the file, before the first [table]",
    keys: &[KEYS, logging::KEYS, TABLE_KEYS],
    also: &[],
    doc: "",
    example: "",
};

const KEYS: &[Key] = &[
    text(
        "state_dir",
        "The folder of journal, caches, queues and rejected files. Created if it is missing. Not inside \
         scriptdata.",
    )
    .default(Usual::Text("state"))
    .variables(&["VPID_STATE_DIR"])
    .in_force(InForce::WithNextStart)
    .shown(),
    key(
        "watch",
        Kind::Words(&["auto", "inotify", "poll"]),
        "How new files are noticed: \"inotify\", \"poll\", or \"auto\" for inotify where it works. \
         Network mounts and some hosting panels need polling.",
    )
    .variables(&["VPID_WATCH"])
    .in_force(InForce::WithNextStart)
    .shown(),
    key(
        "poll_ms",
        Kind::Integer(POLL_MS_MIN as i64, POLL_MS_MAX as i64, "milliseconds"),
        "How often a folder is read while polling.",
    )
    .default(Usual::Number(POLL_MS_DEFAULT as i64))
    .variables(&["VPID_POLL_MS"])
    .shown(),
    key(
        "call_deadline_ms",
        DEADLINE,
        "How long a call with a callback may take before its caller gets an error.",
    )
    .default(Usual::Number(CALL_DEADLINE_MS_DEFAULT as i64))
    .variables(&["VPID_CALL_DEADLINE_MS"])
    .shown(),
    text(
        "metrics_file",
        "Metrics for Prometheus are written here while something changes, every 15 seconds at most: a file for \
         node_exporter's textfile collector, which reads names that end in .prom. Its folder must exist. Not inside \
         scriptdata.",
    )
    .default(Usual::Words("none"))
    .example("\"/var/lib/prometheus/node-exporter/vpid.prom\"")
    .variables(&["VPID_METRICS_FILE"]),
];

/// The tables, which have declarations of their own.
const TABLE_KEYS: &[Key] = &[
    key("server", Kind::Own, ""),
    key("database", Kind::Own, ""),
    key("query", Kind::Own, ""),
    key("community", Kind::Own, ""),
    key("vyhub", Kind::Own, ""),
    key("scripts", Kind::Own, ""),
    key("script", Kind::Own, ""),
    key("geoip", Kind::Own, ""),
    key("status_page", Kind::Own, ""),
    key("permissions", Kind::Own, ""),
];

impl Reader<'_> {
    /// The configuration that is meant. It is only good for use when no problem was found:
    /// what could not be understood holds its default.
    pub fn config(&mut self, document: &DeTable<'_>) -> Config {
        let table = self.top(document);
        let query_names = self.query_names(document);
        let permissions = self.permissions(document, &query_names);
        let watch = self.watch(&table);
        let asked = self.asked(document);
        let servers = self.servers(document, &asked);
        let state_dir = self.own_path(&table, "state_dir", "state");
        let log = self.log(&table);
        let databases = self.databases(document);
        let queries = self.queries(document, &databases);
        let (community, import_from) = self.community(&asked, document, &servers, &databases);
        let scripts = self.scripts(document);
        let geoip = self.geoip(document, scripts.is_some());
        let metrics_file = self.outside_path(&table, "metrics_file");
        let mut taken = self.taken(&state_dir, &databases);
        for (name, file) in [("log_file", &log.file), ("metrics_file", &metrics_file)] {
            if let (Some(place), Some(file)) = (table.place(name), file) {
                self.claim(place, file, &mut taken);
            }
        }
        let status_page = self.status_page(document, &mut taken);
        self.own_file();
        Config {
            path: self.written.file.clone(),
            state_dir,
            servers,
            databases,
            queries,
            community,
            import_from,
            scripts,
            geoip,
            metrics_file,
            status_page,
            permissions,
            watch,
            log,
            poll_ms: table.integer("poll_ms").unwrap_or(POLL_MS_DEFAULT),
            call_deadline_ms: table
                .integer("call_deadline_ms")
                .unwrap_or(CALL_DEADLINE_MS_DEFAULT),
            warnings: std::mem::take(&mut self.warnings),
            exposed: std::mem::take(&mut self.exposed),
            files: std::mem::take(&mut self.files),
            secret_files: std::mem::take(&mut self.secret_files),
        }
    }

    /// The keys above the first table.
    pub fn top(&mut self, document: &DeTable<'_>) -> Table {
        let place = self.absent("");
        let mut table = self.table(&TABLE, place, document);
        let polls_in_file = table.place("poll_ms").cloned();
        self.overlay(&mut table, KEYS);
        self.overlay(&mut table, logging::KEYS);
        if let ("inotify", Some(place)) = (table.word("watch"), polls_in_file) {
            let message =
                "has no effect with watch = \"inotify\"; take it out, or set watch = \"auto\"";
            self.warn(&place, message);
        }
        table
    }

    fn watch(&mut self, table: &Table) -> Watch {
        match table.word("watch") {
            "inotify" => Watch::Inotify,
            "poll" => Watch::Poll,
            _ => Watch::Auto,
        }
    }

    /// The configuration decides who may do what, so no game script may write it.
    fn own_file(&mut self) {
        let file = self.written.file.as_deref();
        let file = file.and_then(|file| std::path::absolute(file).ok());
        if file.is_some_and(|file| self.in_scriptdata(&file)) {
            let place = self.absent("");
            self.problem(&place, format!("this file {IN_SCRIPTDATA}"));
        }
    }
}

#[cfg(test)]
mod tests;
