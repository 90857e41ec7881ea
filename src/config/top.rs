//! The keys above the first table, and how a whole file becomes a [`Config`].

use toml::de::DeTable;

use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::reader::{IN_SCRIPTDATA, Reader, Table};
use super::{Config, Watch};
use crate::limits::{
    CALL_DEADLINE_MS_DEFAULT, CALL_DEADLINE_MS_MAX, CALL_DEADLINE_MS_MIN, POLL_MS_DEFAULT,
    POLL_MS_MAX, POLL_MS_MIN,
};

pub const DEADLINE: Kind = Kind::Integer(
    CALL_DEADLINE_MS_MIN as i64,
    CALL_DEADLINE_MS_MAX as i64,
    "milliseconds",
);

pub static TABLE: Declared = Declared {
    head: "the top of the file, before the first [table]",
    keys: &[KEYS, TABLES],
    also: &[],
    doc: "",
    example: "",
};

pub const KEYS: &[Key] = &[
    text(
        "state_dir",
        "Journal, caches, queues and rejected files. Made when missing. Not inside scriptdata.",
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
        "How long a call whose script waits for the answer may take before it gets an error.",
    )
    .default(Usual::Number(CALL_DEADLINE_MS_DEFAULT as i64))
    .variables(&["VPID_CALL_DEADLINE_MS"])
    .shown(),
];

/// The tables, which have declarations of their own.
const TABLES: &[Key] = &[
    key("server", Kind::Own, ""),
    key("database", Kind::Own, ""),
    key("query", Kind::Own, ""),
    key("vyhub", Kind::Own, ""),
    key("scripts", Kind::Own, ""),
    key("script", Kind::Own, ""),
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
        let vyhub = self.vyhub_table(document);
        let servers = self.servers(document, vyhub.is_some() || document.contains_key("vyhub"));
        let state_dir = self.own_path(&table, "state_dir", "state");
        let databases = self.databases(document);
        let queries = self.queries(document, &databases);
        let vyhub = vyhub.map(|table| self.vyhub(&table, &servers));
        let scripts = self.scripts(document);
        self.own_file();
        Config {
            path: self.written.file.clone(),
            state_dir,
            servers,
            databases,
            queries,
            vyhub,
            scripts,
            permissions,
            watch,
            poll_ms: table.integer("poll_ms").unwrap_or(POLL_MS_DEFAULT),
            call_deadline_ms: table
                .integer("call_deadline_ms")
                .unwrap_or(CALL_DEADLINE_MS_DEFAULT),
            warnings: std::mem::take(&mut self.warnings),
            exposed: std::mem::take(&mut self.exposed),
            files: std::mem::take(&mut self.files),
        }
    }

    /// The keys above the first table.
    pub fn top(&mut self, document: &DeTable<'_>) -> Table {
        let place = self.absent("");
        let mut table = self.table(&TABLE, place, document);
        let polls_in_file = table.place("poll_ms").cloned();
        self.overlay(&mut table, KEYS);
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
