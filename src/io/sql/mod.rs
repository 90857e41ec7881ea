//! SQL databases, and the door to them.
//!
//! Calls come in by `submit` and go out as reports, each exactly once, after their transaction is
//! durable. `mysql` is for servers. SQLite has one worker that owns the file (`sqlite::Workers`): `calls` is
//! what waits for it and while the database is unavailable, `worker` runs batches of it, `sqlite` is the
//! database itself, `guard` keeps callers' statements in bounds, `supervisor` replaces a worker
//! whose statement cannot be ended, `journal` remembers what ran, `encode` writes rows as responses,
//! `trouble` sorts errors. For both: `watchdog` has the time, `post` says which call runs, and
//! `tries` notes calls that run long, `outage` is what is
//! known of a database that is unavailable.

mod calls;
mod encode;
mod guard;
mod host_states;
mod journal;
#[cfg(feature = "mysql")]
mod mysql;
mod outage;
mod post;
mod sqlite;
mod supervisor;
pub mod tries;
mod trouble;
mod watchdog;
mod worker;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_check;
#[cfg(test)]
mod tests_engine;
#[cfg(test)]
mod tests_outage;
#[cfg(test)]
mod tests_queries;
#[cfg(test)]
mod tests_schema;
#[cfg(test)]
mod tests_stock;
#[cfg(test)]
mod tests_story;
#[cfg(test)]
mod tests_stuck;
#[cfg(test)]
mod tests_support;

use crate::config::{Database, Engine};
use crate::jobs::{Done, Job};
use crate::sql::{DatabaseId, Query, Schema};
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

/// How a preparation went.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Good,
    /// The steps of the schema before the first fault have run.
    Bad(Vec<Fault>),
    /// The database cannot be used now; another verdict follows when it can.
    Away(String),
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

type OnReport = Arc<dyn Fn(Report) + Send + Sync>;

/// Runs calls on one database. Dropped, it ends whatever it is at, and answers nothing any more.
pub struct Workers {
    engine: Running,
}

enum Running {
    Sqlite(sqlite::Workers),
    #[cfg(feature = "mysql")]
    Mysql(mysql::Workers),
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
        let engine = match &database.engine {
            Engine::Sqlite(settings) => {
                Running::Sqlite(sqlite::Workers::start(number, settings, run, on_report))
            }
            #[cfg(feature = "mysql")]
            Engine::Mysql(settings) => Running::Mysql(mysql::Workers::start(
                number, database, settings, run, on_report,
            )),
            #[cfg(not(feature = "mysql"))]
            Engine::Mysql(_) => unreachable!("the configuration has refused it"),
        };
        Self { engine }
    }

    /// Hands calls over, in their order. Never waits for the database; how much may be
    /// outstanding is the caller's to bound.
    pub fn submit(&self, jobs: impl IntoIterator<Item = Job>) {
        match &self.engine {
            Running::Sqlite(workers) => workers.submit(jobs),
            #[cfg(feature = "mysql")]
            Running::Mysql(workers) => workers.submit(jobs),
        }
    }

    /// Brings the schema up to date and tries the queries, before anything that is submitted
    /// later; reports [`Report::Prepared`]. A later preparation replaces one that still waits
    /// for its database.
    pub fn prepare(&self, preparation: Preparation) {
        match &self.engine {
            Running::Sqlite(workers) => workers.prepare(preparation),
            #[cfg(feature = "mysql")]
            Running::Mysql(workers) => workers.prepare(preparation),
        }
    }

    /// How many workers of an SQLite database were given up.
    #[cfg(test)]
    pub(in crate::io::sql) fn given_up(&self) -> u64 {
        match &self.engine {
            Running::Sqlite(workers) => workers.given_up(),
            #[cfg(feature = "mysql")]
            Running::Mysql(_) => 0,
        }
    }

    /// Ends when everything submitted is done. True if that was so within the time; otherwise what
    /// has not been answered is undone or was never begun, and is left to the holder of the
    /// calls; `on_report` may be called once more meanwhile.
    pub fn stop(self, within: Duration) -> bool {
        match &self.engine {
            Running::Sqlite(workers) => workers.stop(within),
            #[cfg(feature = "mysql")]
            Running::Mysql(workers) => workers.stop(within),
        }
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
