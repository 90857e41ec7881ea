//! Taking a configuration over: at the start, on SIGHUP, and when its file was edited.
//!
//! The owner's SQL is tried by the databases first, on their lanes. A reload waits for their
//! verdicts while the old configuration stays in force; one that is bad, or that another
//! overtakes, is dropped whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::late::{keys_of_next_start, scripts_to_reload};
use super::{Daemon, Due, Environment, RunError};
use crate::config::{self, Config, Database, Problem};
use crate::io::overlooked;
use crate::io::sql::{Preparation, Report, Verdict};
use crate::limits;
use crate::protocol::log_targets;
use crate::sql::{DatabaseId, Query};

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
        for (number, (lane, database)) in self.lanes.iter().zip(&config.databases).enumerate() {
            let preparation = Preparation {
                ticket,
                schema: database.schema.as_ref().map(|file| file.schema.clone()),
                queries: config.queries_on(number),
            };
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
                    "{} is away: the queries on it are tried when it is back",
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
            refuse(&pending.problems);
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

    /// Reads the configuration again. A bad one is reported, and the old one stays.
    pub(super) fn reload(&mut self, reason: Reason) {
        let path = self.reloading.path.clone();
        let new = match config::load(path.as_deref(), &self.reloading.environment) {
            Ok(new) => new,
            Err(problems) => {
                self.reloading.files = files(path.as_deref(), &self.config);
                return refuse(&problems);
            }
        };
        self.reloading.files = files(path.as_deref(), &new);
        if reason == Reason::Edited && new == *self.config {
            return;
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
    fn keep_what_stays(&self, mut new: Config) -> Config {
        let old = &self.config;
        let late = keys_of_next_start(old, &new);
        if !late.is_empty() {
            log::warn!(
                "these change with the next start of vpid only: {}",
                late.join(", ")
            );
        }
        for (name, keys) in scripts_to_reload(old, &new) {
            let keys = keys.join(", ");
            match name.as_str() {
                "" => log::warn!(
                    "[scripts]: {keys} are in force for a script when it is started next: vpid \
                     script reload NAME"
                ),
                name => log::warn!(
                    "[script.{name}]: {keys} are in force when it is started next: vpid script \
                     reload {name}"
                ),
            }
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
        new.vyhub.clone_from(&old.vyhub);
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
            if let Err(problem) = self.open_folders() {
                log::error!(target: log_targets::NEWS, "{problem}");
            }
        } else {
            if let Some(watch) = &self.reloading.overlooked {
                watch.change(overlooked::Served::all(&self.config));
            }
            // Files may wait for a host that was not served until now.
            self.scan_all();
            log::info!(
                "the configuration was reloaded: vpid serves {}",
                self.describe()
            );
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
            self.wheel.set(Due::Edit, at_ms);
        }
    }
}

fn refuse(problems: &[Problem]) {
    for problem in problems {
        log::error!(target: log_targets::NEWS, "{problem}");
    }
    log::error!(target: log_targets::NEWS, "the configuration was not reloaded: the old one stays in force");
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
