//! What a running vpid shows of itself: one state, of which `vpid status`, the metrics and the status page are
//! renderings.
//!
//! Moments are unix seconds, and not ages: a state in which nothing happens stays the same. Every list is bounded
//! (`limits`: `STATUS_*`); what is left out is counted.

pub mod health;
pub mod histogram;
pub mod metrics;
pub mod page;
mod plot;

use serde::{Deserialize, Serialize};

pub use histogram::Histogram;

/// An amount of memory, for people.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObservableState {
    pub version: String,
    pub pid: u32,
    /// When this was taken.
    pub at_s: i64,
    pub started_s: i64,
    /// For how long it has run, by a clock that is never set.
    pub uptime_ms: u64,
    /// It has been requested to end.
    pub stopping: bool,
    /// The file of the configuration; none where the environment says everything.
    pub config: Option<String>,
    pub state_dir: String,
    pub process: Process,
    pub servers: Vec<Server>,
    pub calls: Calls,
    pub files: Files,
    pub workers: Vec<Workers>,
    pub databases: Vec<Database>,
    /// `None`: there is no `[scripts]`.
    pub scripts: Option<Vec<Script>>,
    /// `None`: no server is part of a community.
    pub community: Option<Community>,
    pub log: Log,
    pub history: History,
}

/// What vpid takes of the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// `None` where the system does not say.
    pub memory_bytes: Option<u64>,
    pub cpu_s: f64,
    /// Turns of the loop that took longer than 20 ms.
    pub slow_turns: u64,
}

/// A `[[server]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its `hostname`, or else its folder; no two have the same.
    pub name: String,
    /// For visitors: never a path.
    pub title: String,
    pub scriptdata: String,
    /// The folder can be read.
    pub folder_open: bool,
    pub map: String,
    /// Without bots.
    pub players: usize,
    pub bots: usize,
    /// 0: unknown.
    pub slots: i64,
    /// Players and bots.
    pub people: Vec<Player>,
    pub people_left_out: usize,
    /// The latest first.
    pub hosts: Vec<Host>,
    pub hosts_left_out: usize,
    /// When something came from it last, in this run.
    pub seen_s: Option<i64>,
    /// Nothing has come, and an earlier run had a session of it that has not ended.
    pub has_earlier_session: bool,
    /// What is wrong with its game.
    pub problem: Option<String>,
    /// `None`: not configured.
    pub rcon: Option<Rcon>,
    /// Whether the engine's log has come; `None`: not configured.
    pub engine_log: Option<bool>,
    pub calls: Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rcon {
    /// It has not replied yet, nor failed to.
    Unknown,
    Reachable,
    Unreachable,
    /// It refused the password.
    Refused,
}

impl Rcon {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "not used yet",
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Stock,
    Signed,
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Signed => "signed",
        }
    }
}

/// A host that was authenticated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    pub protocol: Protocol,
    pub seen_s: i64,
    /// Of the game scripts of a signed session.
    pub script: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Player {
    pub name: String,
    /// `[U:1:5]`; empty where it is not known.
    pub steam_id: String,
    pub bot: bool,
    pub score: i64,
    pub ping: i64,
    pub since_s: i64,
}

/// Calls that are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    pub ok: u64,
    /// Their response was an error.
    pub failed: u64,
}

impl Finished {
    pub fn total(self) -> u64 {
        self.ok.saturating_add(self.failed)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// Of games.
    pub of_games: Finished,
    /// Of Python scripts and operators.
    pub of_scripts: Finished,
    pub running: usize,
    /// Of games, in the last minute or two.
    pub per_second: f64,
    /// Of games, in the last minutes: from when the file was read until the response was ready.
    pub p50_ms: Option<u64>,
    pub p99_ms: Option<u64>,
    /// The same, since vpid started.
    pub latency: Histogram,
}

/// Call files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Known by name, and not claimed.
    pub waiting: usize,
    /// Claimed, and not removed.
    pub held: usize,
    /// In this run.
    pub rejected: u64,
    /// In the state folder.
    pub rejected_kept: usize,
}

/// A pool of workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// `database`, `database.NAME`, `community`, `state`, `rcon`, `geoip`.
    pub name: String,
    pub busy: usize,
    pub size: usize,
    /// Jobs that no worker has begun.
    pub waiting: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Empty for `[database]`.
    pub name: String,
    /// Why it cannot be used now.
    pub problem: Option<String>,
}

/// A Python script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    pub name: String,
    /// As `vpid script list` has it.
    pub state: String,
    pub since_s: Option<i64>,
    pub starts: u64,
    pub restarts: u64,
    /// Events and calls.
    pub waiting: usize,
    pub dropped: u64,
    /// As it was counted last: of hooks, functions and timers together.
    pub calls: u64,
    pub busy_s: f64,
    pub memory_bytes: Option<u64>,
    pub problem: Option<String>,
}

/// What keeps the community, and what waits for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Community {
    /// As sentences name it.
    pub keeper: String,
    /// `None`: it has not replied yet.
    pub reachable: Option<bool>,
    /// Since when it is so.
    pub since_s: Option<i64>,
    /// Since when it is reachable and refuses vpid's key.
    pub refused_since_s: Option<i64>,
    pub last_error: Option<Problem>,
    /// Until when no request is sent, where there is a pause.
    pub paused_until_s: Option<i64>,
    pub outbox: Vec<Outbox>,
    /// No other change can be accepted.
    pub outbox_full: bool,
}

impl Community {
    pub fn open(&self) -> usize {
        self.outbox.iter().map(|it| it.open).sum()
    }

    pub fn dead(&self) -> usize {
        self.outbox.iter().map(|it| it.dead).sum()
    }
}

/// Changes of one series.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// `bans`, `warnings`, `groups`, `playtime` or `reports`.
    pub kind: String,
    pub open: usize,
    pub dead: usize,
}

/// Warnings and errors of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// Lines that were written.
    pub warnings: u64,
    pub errors: u64,
    /// The latest last.
    pub last: Vec<Problem>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// When it was reported last.
    pub at_s: i64,
    pub is_error: bool,
    pub text: String,
    /// How often the same text was written.
    pub count: u64,
}

/// The last hours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When the last minute ended.
    pub end_s: i64,
    /// The oldest first.
    pub minutes: Vec<Minute>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Of games.
    pub calls: u64,
    pub failed: u64,
    /// At its end.
    pub players: usize,
    pub p50_ms: Option<u64>,
    pub p99_ms: Option<u64>,
}

impl ObservableState {
    pub fn players(&self) -> usize {
        self.servers.iter().map(|server| server.players).sum()
    }

    /// Whether more than the time is not as it was.
    pub fn differs(&self, before: &Self) -> bool {
        let known = |it: &Self| {
            (
                it.pid,
                it.stopping,
                it.config.clone(),
                it.process.slow_turns,
                it.files.clone(),
                it.workers.clone(),
            )
        };
        known(self) != known(before)
            || self.servers != before.servers
            || self.calls != before.calls
            || self.databases != before.databases
            || self.scripts != before.scripts
            || self.community != before.community
            || self.log != before.log
    }

    /// What visitors may see: no path, name of a host, player or Python script, nothing of the queue and no error.
    pub fn public(&self) -> Self {
        let server = |server: &Server| Server {
            name: String::new(),
            scriptdata: String::new(),
            people: Vec::new(),
            people_left_out: 0,
            hosts: Vec::new(),
            hosts_left_out: 0,
            problem: None,
            rcon: None,
            engine_log: None,
            ..server.clone()
        };
        Self {
            version: self.version.clone(),
            at_s: self.at_s,
            started_s: self.started_s,
            uptime_ms: self.uptime_ms,
            stopping: self.stopping,
            servers: self.servers.iter().map(server).collect(),
            calls: self.calls.clone(),
            history: self.history.clone(),
            ..Self::default()
        }
    }
}
