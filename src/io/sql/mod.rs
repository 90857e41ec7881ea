//! SQL databases, and the door to them.
//!
//! Calls come in by `submit` and go out as reports, each exactly once, after their transaction is
//! durable. `mysql` is for servers. SQLite has one worker that owns the file (`sqlite::worker`):
//! `guard` keeps callers' statements in bounds, `journal` remembers what ran, `encode` writes rows as
//! responses, `trouble` sorts errors. For both: `watchdog` has the time, `tries` notes calls that run long.

mod encode;
mod guard;
mod journal;
#[cfg(feature = "mysql")]
mod mysql;
pub mod own;
mod sqlite;
pub mod tries;
mod trouble;
mod watchdog;

use crate::config::{Config, Database, Engine};
use crate::io::worker::Occupancy;
use crate::jobs::{Caller, Done, IdMap, Job};
use crate::limits::{SQL_HOST_STATES_MAX, SQL_RETRY_MS_MAX};
use crate::protocol::log_targets;
use crate::sql::{DatabaseId, Query, Returns, Schema};
pub use crate::sql::{Fault, Subject};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tries::Tries;

/// What all databases of a run share.
#[derive(Debug, Clone)]
pub struct Run {
    /// The zero of every job's `deadline_ms`.
    pub clock_start: Instant,
    /// Tells this vpid from others that use the same server.
    pub instance: u64,
    /// Where calls are noted that run long.
    pub tries: Arc<Tries>,
}

#[cfg(feature = "mysql")]
impl Run {
    fn now_ms(&self) -> u64 {
        since(self.clock_start)
    }
}

/// The time of a run, in milliseconds.
fn since(clock_start: Instant) -> u64 {
    u64::try_from(clock_start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What the workers report.
#[derive(Debug, PartialEq)]
pub enum Report {
    /// Calls that are done, each exactly once, after their transaction is durable.
    Done(Vec<Done>),
    Prepared {
        database: DatabaseId,
        ticket: u64,
        verdict: Verdict,
    },
}

/// What a database must have, and the queries that will run on it.
#[derive(Debug, Clone, Default)]
pub struct Preparation {
    /// Comes back with the verdict.
    pub ticket: u64,
    pub schema: Option<Schema>,
    pub queries: Vec<Arc<Query>>,
}

impl Preparation {
    pub fn of(config: &Config, database: DatabaseId, ticket: u64) -> Self {
        let schema = config.databases[database].schema.as_ref();
        Self {
            ticket,
            schema: schema.map(|file| file.schema.clone()),
            queries: config.queries_on(database),
        }
    }
}

/// How a preparation went.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Good,
    /// The steps of the schema before the first fault have run.
    Bad(Vec<Fault>),
    /// The database cannot be used now; another verdict follows when it can.
    Away(String),
}

impl From<Vec<Fault>> for Verdict {
    fn from(faults: Vec<Fault>) -> Self {
        match faults.is_empty() {
            true => Self::Good,
            false => Self::Bad(faults),
        }
    }
}

/// Steps of a schema have run, in their order.
fn log_ran(place: &str, ran: &[u32]) {
    match ran {
        [] => {}
        [step] => log::info!("{place}: schema step {step} has run"),
        [first, .., last] => log::info!("{place}: schema steps {first} to {last} have run"),
    }
}

fn of_no_effect(step: u32) -> String {
    format!(
        "schema step {step} was changed after it ran, which has no effect; put the change into a \
         new step"
    )
}

/// Why a statement with these columns does not give what its query promises.
fn unfit(columns: &[impl AsRef<str>], returns: Returns) -> Option<String> {
    match returns {
        Returns::Count | Returns::Proposed(_) | Returns::Nothing => return None,
        _ if columns.is_empty() => {
            return Some("gives no rows; set returns = \"count\"".to_owned());
        }
        Returns::Rows | Returns::Row | Returns::Value => return None,
        Returns::Objects => {}
    }
    let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    let twice = (1..names.len()).find(|&at| names[..at].contains(&names[at]))?;
    let name = names[twice];
    Some(format!("two columns are named {name}; rename one with AS"))
}

/// What `check` found, in the order in which it looked.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    Good(String),
    Warn(String),
    /// With its remedy.
    Bad(String, String),
    Fault(Fault),
}

impl Finding {
    fn of_schema(steps: usize, pending: usize) -> Self {
        Self::Good(match pending {
            0 => format!("schema: {steps} steps, all have run"),
            _ => format!("schema: {steps} steps, {pending} of them would run at the next start"),
        })
    }
}

type OnReport = Arc<dyn Fn(Report) + Send + Sync>;

/// Runs calls on one database. Dropped, it ends whatever it is at, and answers nothing any more.
pub struct Workers(Box<dyn Lane>);

/// The same of one engine.
trait Lane {
    fn submit(&self, jobs: &mut dyn Iterator<Item = Job>);

    fn prepare(&self, preparation: Preparation);

    fn stop(&self, within: Duration) -> bool;

    /// What it is at, and why the database cannot be used now.
    fn look(&self) -> (Occupancy, Option<String>);

    #[cfg(test)]
    fn given_up(&self) -> u64 {
        0
    }
}

impl Workers {
    /// For `database`, the one with this number. `on_report` is called from the workers and from
    /// `prepare`, and should only hand over. A database that cannot be opened is waited for.
    pub fn start(
        number: DatabaseId,
        database: &Database,
        run: Run,
        on_report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Self {
        let on_report: OnReport = Arc::new(on_report);
        Self(match &database.engine {
            Engine::Sqlite(settings) => {
                Box::new(sqlite::Workers::start(number, settings, run, on_report))
            }
            #[cfg(feature = "mysql")]
            Engine::Mysql(settings) => Box::new(mysql::Workers::start(
                number, database, settings, run, on_report,
            )),
            #[cfg(not(feature = "mysql"))]
            Engine::Mysql(_) => unreachable!("the configuration has refused it"),
        })
    }

    /// Hands calls over, in their order. Never waits for the database; how much may be
    /// outstanding is the caller's to bound.
    pub fn submit(&self, jobs: impl IntoIterator<Item = Job>) {
        self.0.submit(&mut jobs.into_iter());
    }

    /// Brings the schema up to date and tries the queries, before anything that is submitted
    /// later; reports [`Report::Prepared`]. A later preparation replaces one that still waits
    /// for its database.
    pub fn prepare(&self, preparation: Preparation) {
        self.0.prepare(preparation);
    }

    /// What its workers are at, and why the database cannot be used now.
    pub fn look(&self) -> (Occupancy, Option<String>) {
        self.0.look()
    }

    /// How many workers of an SQLite database were given up.
    #[cfg(test)]
    pub(in crate::io::sql) fn given_up(&self) -> u64 {
        self.0.given_up()
    }

    /// Ends when everything submitted is done. True if that was so within the time; otherwise what
    /// has not been answered is undone or was never begun, and is left to the holder of the
    /// calls; `on_report` may be called once more meanwhile.
    pub fn stop(self, within: Duration) -> bool {
        self.0.stop(within)
    }
}

/// Opens the database, tries a write that is taken back, and prepares everything without leaving
/// a trace. A database that is not there yet is not left behind.
pub fn check(database: &Database, preparation: &Preparation) -> Vec<Finding> {
    match &database.engine {
        Engine::Sqlite(settings) => sqlite::check(settings, preparation),
        #[cfg(feature = "mysql")]
        Engine::Mysql(settings) => mysql::check(settings, preparation),
        #[cfg(not(feature = "mysql"))]
        Engine::Mysql(_) => Vec::new(),
    }
}

#[derive(Debug)]
pub(super) struct Outage {
    since: Instant,
    pub sentence: String,
    pub retry_at: Instant,
    pub next_wait_ms: u64,
    /// A worker is at the next try.
    #[cfg(feature = "mysql")]
    pub tried: bool,
    /// The server has enough connections, and is there.
    #[cfg(feature = "mysql")]
    pub too_many: bool,
    is_news: bool,
}

/// A preparation that waits for its database.
#[derive(Debug)]
pub(super) struct Pending {
    pub wanted: Preparation,
    /// A worker is at it.
    #[cfg(feature = "mysql")]
    pub taken: bool,
    said_away: bool,
}

impl Outage {
    /// Behind `before`, where the database was away already; else it is tried after `first_wait_ms`.
    pub(super) fn new(before: Option<&Self>, sentence: String, first_wait_ms: u64) -> Self {
        let wait_ms = before.map_or(first_wait_ms, |before| before.next_wait_ms);
        Self {
            since: before.map_or_else(Instant::now, |before| before.since),
            is_news: before.is_none_or(|before| !says_the_same(&before.sentence, &sentence)),
            sentence,
            retry_at: Instant::now() + Duration::from_millis(wait_ms),
            next_wait_ms: (wait_ms * 2).min(SQL_RETRY_MS_MAX),
            #[cfg(feature = "mysql")]
            tried: false,
            #[cfg(feature = "mysql")]
            too_many: false,
        }
    }

    /// What is to be logged of it, if anything is new.
    pub(super) fn news(&self) -> Option<String> {
        self.is_news.then(|| self.sentence.clone())
    }

    pub(super) fn log_end(&self, place: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        log::info!("{place} is back after {seconds:.1} s");
    }
}

/// Whether two sentences differ in numbers at most: a server numbers its connections, and each try
/// has another.
fn says_the_same(one: &str, other: &str) -> bool {
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    words(one) == words(other)
}

pub(super) fn log_news(news: Option<String>) {
    if let Some(sentence) = news {
        log::error!(target: log_targets::NEWS, "{sentence}. Calls wait; vpid keeps trying.");
    }
}

impl Pending {
    pub(super) fn new(wanted: Preparation) -> Self {
        Self {
            wanted,
            #[cfg(feature = "mysql")]
            taken: false,
            said_away: false,
        }
    }

    /// Its ticket, where it had not been reported that the database is unreachable, and is now.
    pub(super) fn untold(&mut self) -> Option<u64> {
        let reported = std::mem::replace(&mut self.said_away, true);
        (!reported).then_some(self.wanted.ticket)
    }
}

#[derive(Debug, Default)]
pub(super) struct HostStates<T> {
    /// With the turn of the last change.
    states: IdMap<Caller, (T, u64)>,
    turn: u64,
}

impl<T: Copy + Default + PartialEq> HostStates<T> {
    /// Of this host, or as of a new connection.
    pub(super) fn get(&self, host: Caller) -> T {
        self.states
            .get(&host)
            .map(|state| state.0)
            .unwrap_or_default()
    }

    /// Where there are too many, the one goes that was changed longest ago.
    pub(super) fn set(&mut self, host: Caller, state: T) {
        if state == T::default() {
            self.states.remove(&host);
            return;
        }
        self.turn += 1;
        self.states.insert(host, (state, self.turn));
        if self.states.len() > SQL_HOST_STATES_MAX {
            let oldest = self.states.iter().min_by_key(|(_, state)| state.1);
            let oldest = oldest.map(|(host, _)| *host);
            oldest.map(|host| self.states.remove(&host));
        }
    }
}

#[cfg(test)]
mod tests;
