//! The SQL lanes, one for each database, and the door to them.
//!
//! Calls come in by `submit` and go out as reports, each exactly once, after their transaction is
//! durable. `mysql` is the lane of a server. SQLite's is one thread that owns the file: `worker`
//! decides when something runs and what happens while the database is away, `sqlite` runs a
//! batch, `guard` keeps callers' statements in bounds, `supervisor` replaces a thread whose
//! statement cannot be ended, `inbox` is what they share, `journal` remembers what ran, `encode`
//! writes rows as answers, `trouble` sorts errors. `tries` notes calls of all lanes that run long.

mod encode;
mod guard;
mod host_states;
mod inbox;
mod journal;
#[cfg(feature = "mysql")]
mod mysql;
mod post;
mod sqlite;
mod supervisor;
pub mod tries;
mod trouble;
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
use inbox::Inbox;
use std::sync::Arc;
use std::time::{Duration, Instant};
use supervisor::Supervisor;
use tries::Tries;

/// What all lanes of a run share.
#[derive(Debug, Clone)]
pub struct Run {
    /// The zero of every job's `deadline_ms`.
    pub clock_start: Instant,
    /// Tells this vpid from others that use the same server.
    pub instance: u64,
    /// Where calls are noted that run long.
    pub tries: Arc<Tries>,
}

/// What a lane tells.
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

/// What a database must have, and what will be asked of it.
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

/// A running lane.
pub struct Lane {
    engine: Running,
}

enum Running {
    Sqlite(Arc<Inbox>),
    #[cfg(feature = "mysql")]
    Mysql(mysql::Lane),
}

impl Lane {
    /// Starts the lane of `database`, the one with this number. `on_report` is called from the
    /// lane's threads and should only hand over. Fails only where the system has no thread to
    /// give; a database that cannot be opened is waited for.
    pub fn start(
        number: DatabaseId,
        database: &Database,
        run: Run,
        on_report: impl Fn(Report) + Send + Sync + 'static,
    ) -> std::io::Result<Lane> {
        let engine = match &database.engine {
            Engine::Sqlite(settings) => {
                let inbox = Arc::new(Inbox::new(run.tries));
                let (settings, zero) = (settings.clone(), run.clock_start);
                Supervisor::start(number, settings, zero, Arc::clone(&inbox), on_report)?;
                Running::Sqlite(inbox)
            }
            #[cfg(feature = "mysql")]
            Engine::Mysql(settings) => {
                let lane = mysql::Lane::start(number, database, settings, run, on_report)?;
                Running::Mysql(lane)
            }
            #[cfg(not(feature = "mysql"))]
            Engine::Mysql(_) => return Err(std::io::ErrorKind::Unsupported.into()),
        };
        Ok(Lane { engine })
    }

    /// Hands calls over, in their order. Never waits for the database; how much may be
    /// outstanding is the caller's to bound.
    pub fn submit(&self, jobs: Vec<Job>) {
        match &self.engine {
            Running::Sqlite(inbox) => inbox.submit(jobs),
            #[cfg(feature = "mysql")]
            Running::Mysql(lane) => lane.submit(jobs),
        }
    }

    /// Brings the schema up to date and tries the queries, before anything that is submitted
    /// later; reports [`Report::Prepared`]. A later preparation replaces one that still waits
    /// for its database.
    pub fn prepare(&self, preparation: Preparation) {
        match &self.engine {
            Running::Sqlite(inbox) => inbox.prepare(preparation),
            #[cfg(feature = "mysql")]
            Running::Mysql(lane) => lane.prepare(preparation),
        }
    }

    /// How many threads of an SQLite lane were given up.
    #[cfg(test)]
    pub(in crate::io::sql) fn given_up(&self) -> u64 {
        match &self.engine {
            Running::Sqlite(inbox) => inbox.lock().generation,
            #[cfg(feature = "mysql")]
            Running::Mysql(_) => 0,
        }
    }

    /// Ends the lane when everything submitted is done. True if that was so within the time;
    /// otherwise what has not been answered is undone or was never begun, and is left to
    /// whoever still has the calls; `on_report` may be called once more while the thread ends.
    pub fn stop(self, within: Duration) -> bool {
        match &self.engine {
            Running::Sqlite(inbox) => inbox.finish(within),
            #[cfg(feature = "mysql")]
            Running::Mysql(lane) => lane.finish(within),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        match &self.engine {
            Running::Sqlite(inbox) => inbox.abandon(),
            #[cfg(feature = "mysql")]
            // It ends as what it is in ends.
            Running::Mysql(_) => {}
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
