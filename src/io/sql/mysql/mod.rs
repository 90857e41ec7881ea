//! A MySQL or MariaDB server: workers with a connection each.
//!
//! `queue` says which calls may be begun, `pool` is what the workers share and who does what,
//! `worker` is one of them, `watch` keeps their time. A call that reads
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
mod statement;
mod trouble;
mod watch;
mod worker;

use super::watchdog::{Suspect, Watchdog};
use super::{Lane, OnReport, Preparation, Run};
use crate::config::{Database, Mysql};
use crate::io::worker as worker_pool;
use crate::io::worker::{Occupancy, Options};
use crate::jobs::{Caller, Done, Job};
use crate::limits::{MYSQL_STACK_BYTES, MYSQL_TRIES_MAX};
use crate::protocol::call_error::CallError;
use crate::sql::{Class, DatabaseId};
pub(super) use check::check;
use pool::{Pool, State, Supervisor, Work};
use queue::{Begun, Task};
pub(super) use session::{Session, Socket};
use std::sync::Arc;
use std::time::Duration;
pub(super) use trouble::{Trouble, sort};
use watch::Watch;
use worker::{Called, Worker};

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
}

impl Lane for Workers {
    fn submit(&self, jobs: &mut dyn Iterator<Item = Job>) {
        self.pool.submit(jobs.map(Task::new).collect());
    }

    fn prepare(&self, preparation: Preparation) {
        self.pool.prepare(preparation);
    }

    fn look(&self) -> (Occupancy, Option<String>) {
        let mut problem = None;
        let occupancy = self.workers.occupancy(|state| {
            problem = state.outage.as_ref().map(|it| it.sentence.clone());
            state.queue.tasks().count()
        });
        (occupancy, problem)
    }

    fn stop(&self, within: Duration) -> bool {
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

impl Worker {
    pub(super) fn run(&mut self, work: Work) {
        match work {
            Work::Connect => {
                if self.connect(true) {
                    self.pool.end_outage();
                }
            }
            Work::Call(begun) => self.begun(begun),
            Work::Prepare(preparation) => self.prepare(&preparation),
        }
        self.kill();
    }

    fn begun(&mut self, begun: Begun) {
        let (writes, back) = match begun {
            Begun::Read(task) if self.connect(false) => (None, self.read(task)),
            Begun::Read(task) => (None, vec![task]),
            Begun::Write(host) if self.has_journal() => (Some(host), self.write(host)),
            Begun::Write(host) => (Some(host), Vec::new()),
        };
        let seat = self.seat;
        let done = |state: &mut State| match writes {
            Some(host) => state.queue.written(host, back),
            None => state.read_done(seat, back),
        };
        match self.to_kill {
            None => self.pool.workers.finish(done),
            // That takes a while.
            Some(_) => self.pool.with(done),
        }
    }

    /// Answers a read, or gives it back where it waits again.
    fn read(&mut self, mut task: Task) -> Vec<Task> {
        let now_ms = self.pool.now_ms();
        let called = match &task.class {
            Err(refused) => Called::Outcome(Err(refused.clone())),
            Ok(_) if task.is_over(now_ms) => {
                Called::Outcome(Err(CallError::word("DeadlineExceeded")))
            }
            Ok(class) => self.call(&task, *class, now_ms),
        };
        match called {
            Called::Outcome(outcome) => self.pool.answer(&task, outcome),
            Called::Culprit(error) => {
                self.pool.answer(&task, Err(error));
                self.close_and_kill();
            }
            Called::Trouble(Trouble::Writes) => {
                task.class = Ok(Class::Write);
                return vec![task];
            }
            Called::Trouble(Trouble::Lost(reason)) => {
                self.close();
                return self.again(task, CallError::new("OperationalError", reason));
            }
            Called::Trouble(Trouble::Conflict(error) | Trouble::Endless(error)) => {
                return self.again(task, error);
            }
        }
        Vec::new()
    }

    fn prepare(&mut self, preparation: &Preparation) {
        let verdict = match self.connect(false) {
            true => prepare::prepare(self, preparation),
            false => None,
        };
        match verdict {
            Some(verdict) => self.pool.prepared(preparation.ticket, verdict),
            None => {
                self.pause(MYSQL_TRIES_MAX);
                self.pool.unprepared();
            }
        }
    }

    /// Runs the transaction of a host. Gives what waits again.
    fn write(&mut self, host: Caller) -> Vec<Task> {
        let Some(first) = self.pool.next(host, None) else {
            return Vec::new();
        };
        let (done, back) = match first.class == Ok(Class::Alone) {
            true => alone::run(self, first),
            false => batch::run(self, first),
        };
        let done = done.into_iter().map(|(task, outcome)| Done {
            id: task.job.id,
            outcome,
        });
        // Responses first: a host that goes on may send more of the same.
        self.pool.report(done.collect());
        back
    }
}

#[cfg(test)]
pub(in crate::io::sql) mod tests;
