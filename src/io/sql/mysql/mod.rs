//! A MySQL or MariaDB server: workers with a connection each.
//!
//! `queue` says which calls may be begun, `state` who does what, `pool` is what the workers share,
//! `worker` is one of them and `turn` what it does, `watch` and `supervisor` keep their time. A call that reads
//! runs by itself, beside others; calls that write share a transaction, one for each host (`batch`),
//! with a row in the `journal` for each; what commits by itself runs `alone`. `statement` runs one
//! call, `encode` writes what it gave, `session` makes connections, `last_id` carries
//! `LAST_INSERT_ID()` over them, `trouble` sorts errors, `prepare` brings a database up to date.
//!
//! Every host has a queue. Its writes run as transactions, one at a time, each on some connection of
//! the pool: as many calls as wait, then one row each in `vpid_journal`, then COMMIT, and only then the
//! responses. Reads run in sessions that can only read; one connection is kept free of them. A call is
//! begun when all earlier ones of its host have been, so it sees what they wrote.
//!
//! - A connection that broke before COMMIT: nothing stands, the calls wait again. During COMMIT: they
//!   are looked up first. The lookup locks the row, so it waits for a commit that is still under way.
//! - A deadlock or a lock that is not granted: the same, five times at most, and then alone.
//! - What commits by itself (`CREATE`, `CALL`) is noted before it runs. Its fate may remain unknown.
//! - The supervisor sleeps until the nearest deadline. It breaks the connection of what runs too long; its
//!   worker opens another one and has the server stop it.

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
mod supervisor;
mod trouble;
mod turn;
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

use super::post::Suspect;
use super::watchdog::Watchdog;
use super::{OnReport, Preparation, Run};
use crate::config::{Database, Mysql};
use crate::io::worker::{self as worker_pool, Options};
use crate::jobs::Job;
use crate::limits::MYSQL_STACK_BYTES;
use crate::sql::DatabaseId;
pub(super) use check::check;
use pool::Pool;
use queue::Task;
use state::State;
use std::sync::Arc;
use std::time::Duration;
use supervisor::Supervisor;
use watch::Watch;
use worker::Worker;

pub(super) struct Workers {
    workers: worker_pool::Workers<State>,
    /// It looks no more when this is dropped.
    _watchdog: Watchdog,
    pool: Pool,
}

impl Workers {
    pub(super) fn start(
        number: DatabaseId,
        database: &Database,
        settings: &Mysql,
        run: Run,
        on_report: OnReport,
    ) -> Self {
        let size = settings.pool.max(1);
        let watchdog = Watchdog::new();
        let waker = watchdog.waker();
        let settings = Arc::new(settings.clone());
        let place: Arc<str> = database.to_string().into();
        let state = State::new(size, run.clock_start);
        let watches: Arc<[Watch]> = (0..size).map(|_| Watch::default()).collect();
        let pool_of = move |workers: &Arc<_>| Pool {
            number,
            run: run.clone(),
            place: Arc::clone(&place),
            on_report: Arc::clone(&on_report),
            watchdog: waker.clone(),
            watches: Arc::clone(&watches),
            workers: Arc::clone(workers),
        };
        let options = Options::new("sql", size, MYSQL_STACK_BYTES);
        let share = pool_of.clone();
        let workers = worker_pool::Workers::new(options, state, move |workers, seat| {
            let mut worker = Worker {
                pool: share(workers),
                seat,
                settings: Arc::clone(&settings),
                session: None,
                to_kill: None,
            };
            Box::new(move |_, work| worker.run(work))
        });
        let pool = pool_of(&workers);
        let mut supervisor = Supervisor {
            pool: pool.clone(),
            suspects: (0..size).map(|_| Suspect::default()).collect(),
            was_busy: false,
        };
        watchdog.begin(Box::new(move || supervisor.look()));
        Self {
            workers,
            _watchdog: watchdog,
            pool,
        }
    }

    pub(super) fn submit(&self, jobs: impl IntoIterator<Item = Job>) {
        self.pool.submit(jobs.into_iter().map(Task::new).collect());
    }

    pub(super) fn prepare(&self, preparation: Preparation) {
        self.pool.prepare(preparation);
    }

    pub(super) fn stop(&self, within: Duration) -> bool {
        self.workers.stop(within)
    }
}

/// Ends everything that runs; nothing is answered any more.
impl Drop for Workers {
    fn drop(&mut self) {
        self.workers.abandon();
        self.pool.watches.iter().for_each(Watch::cut);
    }
}
