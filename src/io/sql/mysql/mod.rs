//! The lane of a MySQL or MariaDB server: a pool of threads with a connection each.
//!
//! `queue` says what may be begun, `state` who does it, `watch` until when; `pool` is what the
//! threads share, `worker` is one of them. A call that reads runs by itself, beside others; calls
//! that write share a transaction, one for each host (`batch`), with a row in the `journal` for
//! each; what commits by itself runs `alone`. `statement` runs one call, `encode` writes what it
//! gave, `session` makes connections, `last_id` carries
//! `LAST_INSERT_ID()` over them, `trouble` sorts errors, `prepare` brings a database up to
//! date.

mod alone;
mod batch;
mod check;
mod encode;
mod journal;
mod last_id;
mod pool;
mod prepare;
mod queue;
mod session;
mod state;
mod statement;
mod trouble;
mod watch;
mod worker;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_limits;
#[cfg(test)]
mod tests_meaning;
#[cfg(test)]
mod tests_order;
#[cfg(test)]
mod tests_outage;
#[cfg(test)]
mod tests_prepare;
#[cfg(test)]
mod tests_proxy;
#[cfg(test)]
mod tests_support;
#[cfg(test)]
mod tests_types;

use super::{Preparation, Report, Run};
use crate::config::{Database, Mysql};
use crate::jobs::Job;
use crate::limits::MYSQL_STACK_BYTES;
use crate::sql::DatabaseId;
pub(super) use check::check;
use pool::Pool;
use queue::Task;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use worker::Worker;

/// A running lane.
pub(super) struct Lane {
    pool: Arc<Pool>,
}

impl Lane {
    pub(super) fn start(
        number: DatabaseId,
        database: &Database,
        settings: &Mysql,
        run: Run,
        on_report: impl Fn(Report) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let size = settings.pool.max(1);
        let place = database.to_string();
        let pool = Arc::new(Pool::new(number, run, place, size, Box::new(on_report)));
        let lane = Self {
            pool: Arc::clone(&pool),
        };
        let settings = Arc::new(settings.clone());
        for thread in 0..size {
            let worker = Worker {
                pool: Arc::clone(&pool),
                thread,
                settings: Arc::clone(&settings),
                session: None,
                to_kill: None,
            };
            spawn(format!("sql-{}", thread + 1), || worker.run())?;
        }
        spawn("sql-time".to_owned(), move || pool.watchdog())?;
        Ok(lane)
    }

    pub(super) fn submit(&self, jobs: Vec<Job>) {
        self.pool.submit(jobs.into_iter().map(Task::new).collect());
    }

    pub(super) fn prepare(&self, preparation: Preparation) {
        self.pool.prepare(preparation);
    }

    pub(super) fn finish(&self, within: Duration) -> bool {
        self.pool.finish(within)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.pool.abandon();
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let builder = thread::Builder::new().name(name);
    builder.stack_size(MYSQL_STACK_BYTES).spawn(run).map(drop)
}
