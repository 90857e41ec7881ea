//! Taking a configuration over: at the start, on SIGHUP, and when its file was edited.
//!
//! The owner's SQL is tried by the databases first, on their lanes. A reload waits for their
//! verdicts while the old configuration stays in force; one that is bad, or that another
//! overtakes, is dropped whole.

use super::{Daemon, Due, Environment, RunError};
use crate::config::{
    self, Community, Config, Database, InForce, Playtime, Problem, Rewards, ScriptSettings,
    Scripts, Server, Vyhub,
};
use crate::io::sql::{Preparation, Report, Verdict};
use crate::io::{logging, overlooked};
use crate::limits;
use crate::protocol::log_targets;
use crate::sql::{DatabaseId, Query};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Why a configuration is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Asked,
    Edited,
}

/// Tells one state of a file from another: size, and modification in unix nanoseconds.
pub(super) type Stamp = Option<(u64, u128)>;

pub(super) struct Reloading {
    path: Option<PathBuf>,
    environment: Environment,
    /// The configuration and the files that it names, as they were read.
    files: Vec<(PathBuf, Stamp)>,
    /// What was found instead at the last look.
    edited: Option<Vec<Stamp>>,
    last_ticket: u64,
    /// That of the configuration in force.
    ticket: u64,
    pending: Option<Pending>,
    /// Connections of operators who wait for the verdict, by their numbers.
    asked_by: Vec<u64>,
    /// What the reload that is under way leaves to a later start, as sentences.
    notes: Vec<String>,
    /// Reports files that no server serves.
    overlooked: Option<overlooked::Watch>,
}

/// A configuration that the databases are trying.
struct Pending {
    config: Config,
    ticket: u64,
    waiting: Vec<DatabaseId>,
    problems: Vec<Problem>,
}

impl Reloading {
    pub fn new(path: Option<PathBuf>, environment: Environment, config: &Config) -> Self {
        Self {
            files: files(path.as_deref(), config),
            path,
            environment,
            edited: None,
            last_ticket: 0,
            ticket: 0,
            pending: None,
            asked_by: Vec::new(),
            notes: Vec::new(),
            overlooked: None,
        }
    }
}

impl Daemon {
    /// Lets the databases try the owner's SQL, and waits a moment for them. One that is away does
    /// not keep the others from being served.
    pub(super) fn prepare_at_start(&mut self) -> Result<(), RunError> {
        let (ticket, mut waiting) = self.prepare(&self.config.clone());
        self.reloading.ticket = ticket;
        let until = Instant::now() + Duration::from_millis(limits::START_PREPARE_MS);
        let mut problems = Vec::new();
        while !waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let report = match self.lane_reports.recv_timeout(left) {
                Ok(report) => report,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            };
            if let Report::Prepared {
                database, verdict, ..
            } = report
            {
                waiting.retain(|other| *other != database);
                problems.extend(self.problems_of(&self.config, database, verdict));
            }
        }
        for database in waiting {
            log::warn!(
                target: log_targets::NEWS,
                "{} takes its time: the queries on it are tried when it answers",
                self.config.databases[database]
            );
        }
        if !problems.is_empty() {
            return Err(RunError::Configuration(problems));
        }
        let served = overlooked::Served::all(&self.config);
        self.reloading.overlooked = Some(overlooked::Watch::start(served));
        Ok(())
    }

    /// Sends schemas and queries to the lanes. Gives the ticket, and whose verdicts will come.
    fn prepare(&mut self, config: &Config) -> (u64, Vec<DatabaseId>) {
        self.reloading.last_ticket += 1;
        let ticket = self.reloading.last_ticket;
        let mut waiting = Vec::new();
        let lanes = self.lanes.iter().take(config.databases.len());
        for (number, lane) in lanes.enumerate() {
            let preparation = Preparation::of(config, number, ticket);
            if preparation.schema.is_some() || !preparation.queries.is_empty() {
                lane.prepare(preparation);
                waiting.push(number);
            }
        }
        (ticket, waiting)
    }

    fn problems_of(&self, config: &Config, of: DatabaseId, verdict: Verdict) -> Vec<Problem> {
        match verdict {
            Verdict::Good => Vec::new(),
            Verdict::Away(_) => {
                log::warn!(
                target: log_targets::NEWS,
                    "{} is unavailable: the queries on it are tested when it is available again",
                    config.databases[of]
                );
                Vec::new()
            }
            Verdict::Bad(faults) => faults
                .iter()
                .map(|fault| config.problem_of(of, fault))
                .collect(),
        }
    }

    /// A database has tried what it was given.
    pub(super) fn prepared(&mut self, database: DatabaseId, ticket: u64, verdict: Verdict) {
        let Some(mut pending) = self.reloading.pending.take_if(|it| it.ticket == ticket) else {
            if ticket == self.reloading.ticket {
                self.tried_late(database, verdict);
            }
            return;
        };
        let problems = self.problems_of(&pending.config, database, verdict);
        pending.problems.extend(problems);
        pending.waiting.retain(|other| *other != database);
        if !pending.waiting.is_empty() {
            self.reloading.pending = Some(pending);
        } else if pending.problems.is_empty() {
            self.reloading.ticket = ticket;
            self.take_over(pending.config);
        } else {
            self.refuse(&pending.problems);
            // A database that was away has kept the bad one to be tried.
            let (ticket, _) = self.prepare(&self.config.clone());
            self.reloading.ticket = ticket;
        }
    }

    /// The configuration is in force, and its database could not be asked before.
    fn tried_late(&mut self, database: DatabaseId, verdict: Verdict) {
        if let Verdict::Bad(faults) = verdict {
            for fault in &faults {
                log::error!("{}", self.config.problem_of(database, fault));
            }
            log::error!("calls of these queries fail until they are corrected");
        }
    }

    /// The same for an operator, who gets the verdict.
    pub(super) fn reload_for(&mut self, connection: u64) {
        self.reloading.asked_by.push(connection);
        match self.stopping {
            true => self.end_reload(&["vpid is stopping".to_owned()]),
            false => self.reload(Reason::Asked),
        }
    }

    /// The configuration that was read last is in force, or has these problems.
    fn end_reload(&mut self, problems: &[String]) {
        let notes = std::mem::take(&mut self.reloading.notes);
        for connection in std::mem::take(&mut self.reloading.asked_by) {
            let answer = match problems {
                [] => json!({ "ok": notes }),
                problems => json!({ "refused": problems }),
            };
            self.control.send(connection, &answer);
        }
        self.report_ready();
        if let Some(problem) = problems.first() {
            let status = format!("the configuration was not reloaded: {problem}");
            self.notifier.status(&status);
        }
    }

    fn refuse(&mut self, problems: &[Problem]) {
        for problem in problems {
            log::error!(target: log_targets::NEWS, "{problem}");
        }
        log::error!(target: log_targets::NEWS, "the configuration was not reloaded: the old one stays in force");
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        self.end_reload(&problems);
    }

    /// A configuration that waits for its databases is not the last one any more: they get the one in force again.
    /// Gives whether there was one.
    fn drop_pending(&mut self) -> bool {
        let was_there = self.reloading.pending.take().is_some();
        if was_there {
            let (ticket, _) = self.prepare(&self.config.clone());
            self.reloading.ticket = ticket;
        }
        was_there
    }

    fn note_for_operator(&mut self, sentence: String) {
        log::warn!("{sentence}");
        self.reloading.notes.push(sentence);
    }

    /// Reads the configuration again. A bad one is reported, and the old one stays.
    pub(super) fn reload(&mut self, reason: Reason) {
        let path = self.reloading.path.clone();
        self.reloading.notes.clear();
        if reason == Reason::Asked {
            self.notifier.reloading();
            // Also where the configuration has errors: logrotate waits for it.
            logging::reopen();
        }
        let new = match config::load(path.as_deref(), &self.reloading.environment) {
            Ok(new) => new,
            Err(problems) => {
                self.reloading.files = files(path.as_deref(), &self.config);
                self.drop_pending();
                return self.refuse(&problems);
            }
        };
        self.reloading.files = files(path.as_deref(), &new);
        if reason == Reason::Edited && new == *self.config {
            if self.drop_pending() {
                self.end_reload(&[]);
            }
            return;
        }
        if reason == Reason::Edited {
            self.notifier.reloading();
        }
        let log = new.log.file.as_deref().map(logging::try_open);
        if let Some(Err(error)) = log {
            self.drop_pending();
            return self.refuse(&[Problem {
                source: path.map_or("environment".into(), |path| path.display().to_string()),
                line: None,
                key: String::new(),
                message: error.to_string(),
            }]);
        }
        let new = self.keep_what_stays(new);
        let same = |old: &Config| old.databases == new.databases && queries(old) == queries(&new);
        if same(&self.config) {
            self.reloading.pending = None;
            return self.take_over(new);
        }
        let (ticket, waiting) = self.prepare(&new);
        if waiting.is_empty() {
            return self.take_over(new);
        }
        self.reloading.pending = Some(Pending {
            config: new,
            ticket,
            waiting,
            problems: Vec::new(),
        });
    }

    /// What only a start can change stays as it is.
    fn keep_what_stays(&mut self, mut new: Config) -> Config {
        let old = &Arc::clone(&self.config);
        let late = keys_of_next_start(old, &new);
        if !late.is_empty() {
            let late = late.join(", ");
            self.note_for_operator(format!(
                "these change with the next start of vpid only: {late}"
            ));
        }
        for (name, keys) in scripts_to_reload(old, &new) {
            let keys = keys.join(", ");
            self.note_for_operator(match name.as_str() {
                "" => format!(
                    "[scripts]: {keys} are in force for a script when it is started next: vpid \
                     script reload NAME"
                ),
                name => format!(
                    "[script.{name}]: {keys} are in force when it is started next: vpid script \
                     reload {name}"
                ),
            });
        }
        let same = |(a, b): (&Database, &Database)| (&a.name, &a.engine) == (&b.name, &b.engine);
        let same_databases = new.databases.len() == old.databases.len()
            && new.databases.iter().zip(&old.databases).all(same);
        if !same_databases {
            if queries(&new) != queries(old) {
                log::warn!(target: log_targets::NEWS, "the queries change with the next start, too, since [database] does");
            }
            new.databases = old.databases.clone();
            new.queries = old.queries.clone();
        }
        new.community.clone_from(&old.community);
        new.geoip.clone_from(&old.geoip);
        match (&mut new.scripts, &old.scripts) {
            (Some(new), Some(old)) => {
                new.dir.clone_from(&old.dir);
                new.vpi_interfaces.clone_from(&old.vpi_interfaces);
            }
            (new, old) => new.clone_from(old),
        }
        Config {
            state_dir: old.state_dir.clone(),
            watch: old.watch,
            ..new
        }
    }

    fn take_over(&mut self, new: Config) {
        let before = std::mem::replace(&mut self.config, Arc::new(new));
        if let Err(problem) = self.open_folders() {
            log::error!(target: log_targets::NEWS, "{problem}");
            log::error!(target: log_targets::NEWS, "the configuration was not reloaded: the old one stays in force");
            self.config = before;
            let mut problems = vec![problem.to_string()];
            if let Err(problem) = self.open_folders() {
                log::error!(target: log_targets::NEWS, "{problem}");
                problems.push(problem.to_string());
            }
            self.end_reload(&problems);
        } else {
            if before.log != self.config.log
                && let Err(error) = logging::apply(&self.config.log)
            {
                log::error!(target: log_targets::NEWS, "{error}; vpid goes on with the log of before");
            }
            if let Some(watch) = &self.reloading.overlooked {
                watch.change(overlooked::Served::all(&self.config));
            }
            if self.control.is_traced() {
                // There may be other secrets.
                self.set_tracing(true);
            }
            // Files may wait for a host that was not served until now.
            self.scan_all();
            log::info!(
                "the configuration was reloaded: vpid serves {}",
                self.describe()
            );
            self.written_state_reconfigured();
            self.end_reload(&[]);
        }
        self.watch_interfaces();
        self.set_poll_timer();
    }

    /// Whether the configuration or a file that it names was edited; if so, it is read when it has come to
    /// rest: an editor may still be writing.
    pub(super) fn look_at_configuration(&mut self) {
        let files = self.reloading.files.iter();
        let (found, read): (Vec<Stamp>, Vec<Stamp>) =
            files.map(|(path, read)| (stamp(path), *read)).unzip();
        if found == read {
            self.reloading.edited = None;
        } else if self.reloading.edited.as_ref() == Some(&found) {
            self.reloading.edited = None;
            self.reload(Reason::Edited);
        } else {
            self.reloading.edited = Some(found);
            let at_ms = self.now().mono_ms + limits::EDIT_SETTLES_MS;
            self.wheel.insert(Due::Edit, (), at_ms);
        }
    }
}

fn files(path: Option<&Path>, config: &Config) -> Vec<(PathBuf, Stamp)> {
    let named = config.files.iter().map(PathBuf::as_path);
    let paths = path.into_iter().chain(named);
    paths.map(|path| (path.to_owned(), stamp(path))).collect()
}

/// None while there is no such file.
pub(super) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_nanos()))
}

fn queries(config: &Config) -> Vec<Arc<Query>> {
    let entries = config.queries.iter();
    entries.map(|entry| entry.query.clone()).collect()
}

/// A key, and whether it differs.
type Compared<T> = (&'static str, fn(&T, &T) -> bool);

/// Keys, each with the field that holds it where that has another name.
macro_rules! compared {
    ($($key:ident $(in $field:ident)?),* $(,)?) => {
        &[$((stringify!($key), |old, new| compared!(@ old, new, $key $($field)?))),*]
    };
    (@ $old:ident, $new:ident, $key:ident) => { $old.$key != $new.$key };
    (@ $old:ident, $new:ident, $key:ident $field:ident) => { $old.$field != $new.$field };
}

const TOP: &[Compared<Config>] = compared![state_dir, watch];
/// What keeps the community.
const BACKEND: &[Compared<Community>] = &[
    ("type", |old, new| old.keeper() != new.keeper()),
    ("database", |old, new| {
        let both = old.database().zip(new.database());
        both.is_some_and(|(old, new)| old != new)
    }),
];
const ABOUT_PLAYERS: &[Compared<Community>] = compared![
    language in messages,
    time_zone,
    command_prefixes in prefixes,
    advert_interval_s,
    advert_prefix,
    groups,
    sourcemod in admins_file,
];
const VYHUB: &[Compared<Vyhub>] = compared![api_url, api_key, ca_file, proxy, login];
const PLAYTIME: &[Compared<Playtime>] = compared![enabled, count_spectators, idle_minutes];
const REWARDS: &[Compared<Rewards>] = compared![enabled, allow, scripts, on_unclear];
const SCRIPTS: &[Compared<Scripts>] = compared![dir, vpi_interfaces, order, python];
const SETTINGS: &[Compared<ScriptSettings>] = compared![
    memory_mb in memory_bytes,
    call_s in call_ms,
    queue,
    python,
    start,
    confine,
    config,
];

/// None: the server is new. What it says is in force then, apart from what connects it.
const SERVER: &[Compared<Option<Server>>] = &[
    ("vyhub_server_id", |old, new| {
        let id = |of: &Option<Server>| of.as_ref()?.vyhub_id;
        id(old) != id(new)
    }),
    ("community_name", |old, new| match (old, new) {
        (Some(old), Some(new)) => old.community_name != new.community_name,
        _ => false,
    }),
    ("community", |old, new| {
        let wants = |of: &Option<Server>| of.as_ref().is_some_and(|it| it.in_community);
        old.is_some() && wants(old) != wants(new)
    }),
    ("rcon", |old, new| {
        rcon(old).map(|it| &it.address) != rcon(new).map(|it| &it.address)
    }),
    ("rcon_password", |old, new| match (rcon(old), rcon(new)) {
        (Some(old), Some(new)) => old.password != new.password,
        _ => false,
    }),
    ("log_listen", |old, new| {
        log(old).map(|it| it.address) != log(new).map(|it| it.address)
    }),
    ("log_secret", |old, new| match (log(old), log(new)) {
        (Some(old), Some(new)) => old.address == new.address && old.secret != new.secret,
        _ => false,
    }),
    ("chat_commands", |old, new| match (old, new) {
        (Some(old), Some(new)) => old.chat != new.chat,
        _ => false,
    }),
];

fn rcon(of: &Option<Server>) -> Option<&config::Rcon> {
    of.as_ref()?.rcon.as_ref()
}

fn log(of: &Option<Server>) -> Option<config::LogListen> {
    of.as_ref()?.log
}

/// The keys of a table that differ, and are in force at `when`.
fn changed<T>(
    table: &str,
    keys: &[Compared<T>],
    (old, new): (&T, &T),
    when: InForce,
) -> Vec<&'static str> {
    let is_changed =
        |key: &&Compared<T>| config::in_force(table, key.0) == Some(when) && key.1(old, new);
    keys.iter()
        .filter(is_changed)
        .map(|(name, _)| *name)
        .collect()
}

/// The keys that change with the next start of vpid, as the owner writes them.
pub fn keys_of_next_start(old: &Config, new: &Config) -> Vec<String> {
    const WHEN: InForce = InForce::WithNextStart;
    let keys = changed("", TOP, (old, new), WHEN);
    let mut late: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    late.extend(databases(old, new));
    match (&old.community, &new.community) {
        (Some(old), Some(new)) => late.extend(community(old, new)),
        (None, None) => {}
        (Some(one), None) | (None, Some(one)) => late.push(format!("[{}]", one.head)),
    }
    late.extend(servers(old, new));
    match (&old.scripts, &new.scripts) {
        (Some(old), Some(new)) => {
            let keys = changed("[scripts]", SCRIPTS, (old, new), WHEN);
            late.extend(keys.iter().map(|key| format!("scripts.{key}")));
        }
        (None, None) => {}
        _ => late.push("[scripts]".into()),
    }
    if old.geoip != new.geoip {
        late.push("[geoip]".into());
    }
    late
}

/// The keys of `[community]` and of what stands below it or instead of it.
fn community(old: &Community, new: &Community) -> Vec<String> {
    const WHEN: InForce = InForce::WithNextStart;
    let keys = changed("[community]", BACKEND, (old, new), WHEN);
    let mut late: Vec<String> = keys.iter().map(|key| format!("community.{key}")).collect();
    if let (Some(old), Some(new)) = (old.vyhub(), new.vyhub()) {
        let keys = changed("[vyhub]", VYHUB, (old, new), WHEN);
        late.extend(keys.iter().map(|key| format!("vyhub.{key}")));
    }
    let head = new.head;
    let mut keys = changed("[community]", ABOUT_PLAYERS, (old, new), WHEN);
    // Each type has texts of its own.
    let is_same_type = old.keeper() == new.keeper();
    keys.retain(|key| is_same_type || *key != "language");
    late.extend(keys.iter().map(|key| match *key {
        "language" => format!("{head}.language and its texts"),
        key => format!("{head}.{key}"),
    }));
    let pair = (&old.playtime, &new.playtime);
    let keys = changed("[community.playtime]", PLAYTIME, pair, WHEN);
    late.extend(keys.iter().map(|key| format!("{head}.playtime.{key}")));
    let pair = (&old.rewards, &new.rewards);
    let keys = changed("[community.rewards]", REWARDS, pair, WHEN);
    late.extend(keys.iter().map(|key| format!("{head}.rewards.{key}")));
    late
}

/// The tables of databases that connect to something else, each once.
fn databases(old: &Config, new: &Config) -> Vec<String> {
    let both = old.databases.iter().chain(&new.databases);
    let mut names: Vec<&str> = both.map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let engine = |of: &Config, name: &str| {
        let found = of.databases.iter().find(|it| it.name == name);
        found.map(|it| it.engine.clone())
    };
    names.retain(|name| engine(old, name) != engine(new, name));
    let heads = names.iter().map(|name| match *name {
        "" => "[database]".to_owned(),
        name => format!("[database.{name}]"),
    });
    heads.collect()
}

fn servers(old: &Config, new: &Config) -> Vec<String> {
    let mut late = Vec::new();
    for (number, server) in new.servers.iter().enumerate() {
        let of = match &server.hostname {
            Some(host) => format!("the [[server]] for {host:?}"),
            None => format!("[[server]] {}", number + 1),
        };
        let same = |other: &&Server| {
            (&other.scriptdata, &other.hostname) == (&server.scriptdata, &server.hostname)
        };
        let pair = (old.servers.iter().find(same).cloned(), Some(server.clone()));
        let keys = changed(
            "[[server]]",
            SERVER,
            (&pair.0, &pair.1),
            InForce::WithNextStart,
        );
        late.extend(keys.iter().map(|key| format!("{key} of {of}")));
    }
    if new.servers.len() < old.servers.len() && !new.servers.is_empty() {
        let is_gone =
            |it: &&Server| it.rcon.is_some() || it.log.is_some() || it.community_id.is_some();
        let mut gone = old.servers.iter().filter(|it| !new.servers.contains(it));
        if gone.any(|it| is_gone(&it)) {
            late.push("[[server]] that was removed (its rcon and log_listen)".into());
        }
    }
    late
}

/// Scripts whose tables say something that is in force when they are started next, with the keys.
pub fn scripts_to_reload(old: &Config, new: &Config) -> Vec<(String, Vec<&'static str>)> {
    const WHEN: InForce = InForce::WithScript;
    let (Some(old), Some(new)) = (&old.scripts, &new.scripts) else {
        return Vec::new();
    };
    let mut general = changed(
        "[script.NAME]",
        SETTINGS,
        (&old.settings, &new.settings),
        WHEN,
    );
    general.extend(changed("[scripts]", SCRIPTS, (old, new), WHEN));
    let mut scripts = vec![(String::new(), general)];
    let mut names: Vec<&String> = old.each.keys().chain(new.each.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let pair = (old.of(name), new.of(name));
        scripts.push((name.clone(), changed("[script.NAME]", SETTINGS, pair, WHEN)));
    }
    scripts.retain(|(_, keys)| !keys.is_empty());
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    fn parsed(text: &str) -> Config {
        let head = "[[server]]\nscriptdata = '/s'\nkey = 'abcdefghijklmnopqrstuvwxyz0123456789'\n";
        config::parse(&text.replace("SERVER", head), Path::new("/base"), |_| None).unwrap()
    }

    fn names<T>(keys: &[Compared<T>]) -> Vec<&'static str> {
        keys.iter().map(|(name, _)| *name).collect()
    }

    /// A key that is declared to wait, and compared nowhere, would wait without a word.
    #[test]
    fn all_keys_that_are_declared_to_wait_are_compared() {
        for (table, compared) in [
            ("", names(TOP)),
            ("[[server]]", names(SERVER)),
            (
                "[community]",
                [names(BACKEND), names(ABOUT_PLAYERS)].concat(),
            ),
            ("[vyhub]", [names(VYHUB), names(ABOUT_PLAYERS)].concat()),
            ("[community.playtime]", names(PLAYTIME)),
            ("[community.rewards]", names(REWARDS)),
            ("[scripts]", [names(SCRIPTS), names(SETTINGS)].concat()),
            ("[script.NAME]", names(SETTINGS)),
        ] {
            for key in config::keys_of(table) {
                let waits = config::in_force(table, key) != Some(InForce::AtOnce);
                assert_eq!(waits, compared.contains(&key), "{table} {key}");
            }
        }
    }

    #[test]
    fn every_key_that_waits_for_a_start_is_named() {
        let vyhub = "[vyhub]\napi_url = 'https://a.example/v1'\napi_key = 'k'\n";
        let rcon = "rcon = '127.0.0.1:27015'\nrcon_password = 'p'\n";
        let log = "log_listen = '127.0.0.1:27500'\nlog_secret = 1234567\n";
        let mysql = "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\npassword = 'p'\n";
        let scripts = "[scripts]\ndir = 'a'\n";
        for (old, new, keys) in [
            ("SERVER", "state_dir = 'other'\nSERVER", &["state_dir"][..]),
            ("SERVER", "watch = 'poll'\nSERVER", &["watch"]),
            ("SERVER", "poll_ms = 70\nSERVER", &[]),
            ("SERVER", "SERVER[database]\npath = 'x'", &["[database]"]),
            ("SERVER", "SERVER[database.a]", &["[database.a]"]),
            (
                &format!("SERVER{mysql}"),
                &format!("SERVER{}", mysql.replace("'p'", "'q'")),
                &["[database]"],
            ),
            ("SERVER", &format!("SERVER{vyhub}"), &["[vyhub]"]),
            (
                &format!("SERVER{vyhub}"),
                &format!("SERVER{}language = 'de'", vyhub.replace("'k'", "'l'")),
                &["vyhub.api_key", "vyhub.language and its texts"],
            ),
            (
                "SERVER",
                &format!("SERVER{rcon}"),
                &["rcon of [[server]] 1"],
            ),
            (
                &format!("SERVER{rcon}"),
                &format!("SERVER{}", rcon.replace("'p'", "'q'")),
                &["rcon_password of [[server]] 1"],
            ),
            (
                "SERVER",
                &format!("SERVER{log}"),
                &["log_listen of [[server]] 1"],
            ),
            (
                &format!("SERVER{log}"),
                &format!("SERVER{}", log.replace("4567", "4568")),
                &["log_secret of [[server]] 1"],
            ),
            ("SERVER", &format!("SERVER{scripts}"), &["[scripts]"]),
            (
                &format!("SERVER{scripts}"),
                &format!("SERVER{}order = ['x']", scripts.replace("'a'", "'b'")),
                &["scripts.dir", "scripts.order"],
            ),
        ] {
            let late = keys_of_next_start(&parsed(old), &parsed(new));
            for key in keys {
                assert!(late.iter().any(|it| it == key), "{new}: {late:?}");
            }
            assert!(late.len() <= keys.len(), "{new}: {late:?}");
        }
    }

    #[test]
    fn what_keeps_a_community_and_which_servers_are_part_of_it_wait_for_a_start() {
        let vyhub = "[vyhub]\napi_url = 'https://a.example/v1'\napi_key = 'k'\n";
        let local = "[database.b]\n[community]\ntype = 'local'\n";
        for (old, new, keys) in [
            (
                "SERVER[database.b]",
                &format!("SERVER{local}"),
                &["[community]"][..],
            ),
            (
                &format!("SERVER{local}"),
                &format!("SERVER{local}database = 'b'\nadvert_interval_s = 9"),
                &["community.database", "community.advert_interval_s"],
            ),
            (
                &format!("SERVER{local}"),
                &format!("SERVER[database.b]\n{vyhub}"),
                &["community.type"],
            ),
            (
                &format!("SERVER{local}"),
                &format!("SERVERcommunity_name = 'x'\n{local}"),
                &["community_name of [[server]] 1"],
            ),
            (
                &format!("SERVER{local}"),
                &format!("SERVERcommunity = false\n{local}"),
                &["community of [[server]] 1"],
            ),
        ] {
            assert_eq!(
                keys_of_next_start(&parsed(old), &parsed(new)),
                keys,
                "{new}"
            );
        }
    }

    #[test]
    fn scripts_that_wait_for_a_reload_are_named_with_their_keys() {
        let old = parsed("SERVER[scripts]\ndir = 'a'\n[script.x]\ncall_s = 5\n");
        let new = parsed(
            "SERVER[scripts]\ndir = 'a'\nqueue = 50\n[script.x]\ncall_s = 6\n[script.y]\n\
             memory_mb = 100\nconfig = { a = 1 }\n",
        );
        let expected = [
            (String::new(), vec!["queue"]),
            ("x".into(), vec!["call_s", "queue"]),
            ("y".into(), vec!["memory_mb", "queue", "config"]),
        ];
        assert_eq!(scripts_to_reload(&old, &new), expected);
        assert!(scripts_to_reload(&new, &new).is_empty());
    }
}
