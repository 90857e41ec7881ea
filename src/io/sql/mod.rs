//! The SQL lane: one thread that owns the database, and the door to it.
//!
//! Calls come in by `submit` and go out by `on_done`, each exactly once, after their
//! transaction is durable. `worker` decides when something runs and what happens while the
//! database is away, `sqlite` runs a batch, `guard` keeps callers' statements in bounds,
//! `journal` remembers what ran, `encode` writes rows as answers, `trouble` sorts errors.

mod encode;
mod guard;
mod journal;
mod sqlite;
mod trouble;
mod worker;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_engine;
#[cfg(test)]
mod tests_outage;
#[cfg(test)]
mod tests_support;

use crate::wire::sql::{Done, Job};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use worker::{Inbox, Worker};

/// Where the database is and what a power loss may cost.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    pub path: PathBuf,
    /// Every answered write survives a power loss; without it, the last moments may be lost,
    /// but never the database.
    pub full_durability: bool,
}

/// A running lane.
pub struct Lane {
    inbox: Arc<Inbox>,
}

impl Lane {
    /// Starts the thread. `clock_start` is the zero of every job's `deadline_ms`. `on_done` is
    /// called from the lane's thread and should only hand over. Fails only where the system
    /// has no thread to give; a database that cannot be opened is waited for.
    pub fn start(
        settings: SqliteSettings,
        clock_start: Instant,
        on_done: impl Fn(Vec<Done>) + Send + 'static,
    ) -> std::io::Result<Lane> {
        let inbox = Arc::new(Inbox::default());
        let worker = Worker::new(settings, clock_start, Arc::clone(&inbox), on_done);
        thread::Builder::new()
            .name("sql".to_owned())
            .spawn(move || worker.run())?;
        Ok(Lane { inbox })
    }

    /// Hands calls over, in their order. Never waits for the database; how much may be
    /// outstanding is the caller's to bound.
    pub fn submit(&self, jobs: Vec<Job>) {
        self.inbox.submit(jobs);
    }

    /// Ends the lane when everything submitted is done. True if that was so within the time;
    /// otherwise what has not been answered is undone or was never begun, and is left to
    /// whoever still has the calls; `on_done` may be called once more while the thread ends.
    pub fn stop(self, within: Duration) -> bool {
        self.inbox.finish(within)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

/// Opens the database and tries a write that is taken back: a sentence for `vpid check`
/// either way. A database that is not there yet is not left behind.
pub fn check(settings: &SqliteSettings) -> Result<String, String> {
    sqlite::check(settings)
}
