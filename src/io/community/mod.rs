//! A community of one's own, kept in the tables of `schema.sql` in one of the owner's databases: requests in, outcomes
//! out, each exactly once and in no promised order.
//!
//! `requests` gives each to its subject, which carries it out with what `work` has: a connection and transactions.
//! What was read is kept (`known`) up to the counters of `changes`: while these stand still, what is requested again
//! and again costs no statement. `listener` waits for others' changes. A change and its id commit together, so one
//! whose reply was lost can be sent again.

mod adverts;
mod bans;
mod bans_of_addresses;
pub mod changes;
pub mod check;
mod groups;
mod issuer;
mod known;
mod listener;
mod members;
mod memberships;
mod people;
mod playtime;
mod requests;
mod reward_definitions;
mod rewards;
mod row;
mod servers;
mod warnings;
mod work;

#[cfg(all(test, feature = "mysql"))]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub mod admin;
pub mod export;
pub mod import;

use super::sql::own::{Own, OwnError};
use super::worker::{Fifo, Occupancy, Options, Workers};
use crate::config::{Database, Engine};
use crate::limits::{
    HTTP_PATIENCE_MS_MAX, LOCAL_JOBS_MAX, LOCAL_SEATS_MYSQL, LOCAL_SEATS_SQLITE, LOCAL_STACK_BYTES,
};
use crate::protocol::backend::{Done, Failure, Job, Outcome, Topics};
use crate::protocol::uuid::Uuid;
use crate::sql::Schema;
use known::Shared;
use work::Work;

/// What has run of `schema.sql`.
const LEDGER: &str = "vpid_community";

/// Connects, and makes the tables or brings them up to date.
///
/// # Errors
///
/// See [`Own::open`] and [`Own::bring_up_to_date`].
pub fn open(database: &Database) -> Result<Own, OwnError> {
    let mut own = Own::open(database)?;
    own.bring_up_to_date(&schema()?, LEDGER)?;
    Ok(own)
}

fn schema() -> Result<Schema, OwnError> {
    let schema = Schema::parse(include_str!("schema.sql"));
    schema.map_err(|error| OwnError::Refused(error.message))
}

/// What the worker reports.
#[derive(Debug)]
pub enum Report {
    /// A request has its outcome.
    Done(Box<Done>),
    /// This vpid, another one, an operator or a page of the owner's has changed something.
    Changed(Topics),
}

/// Carries requests out on the community's database. Dropped, it breaks off what is under way.
pub struct Local {
    shared: Arc<Shared>,
    workers: Workers<Fifo<Box<Waiting>>>,
}

struct Waiting {
    job: Job,
    since: Instant,
    /// The end of its time; waiting here counts.
    until: Instant,
}

impl Local {
    /// `instance`: of this vpid (`io::instance`). `servers`: those that it serves, by
    /// [`local_ids::server`](crate::protocol::local_ids::server), with their names in the community. `on_report` is
    /// called from threads of this worker and from `submit`, and should only hand over. A database that cannot be
    /// reached is waited for.
    pub fn start(
        database: &Database,
        instance: u64,
        servers: Vec<(Uuid, String)>,
        on_report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::new(database, instance, servers, on_report));
        let seats = match database.engine {
            Engine::Sqlite(_) => LOCAL_SEATS_SQLITE,
            Engine::Mysql(_) => LOCAL_SEATS_MYSQL,
        };
        let options = Options::new("community", seats, LOCAL_STACK_BYTES);
        let of_workers = Arc::clone(&shared);
        let workers = Workers::new(options, Fifo::new(LOCAL_JOBS_MAX, 1), move |_, seat| {
            let mut work = Work::new(&of_workers, seat);
            Box::new(move |pool, waiting: Vec<Box<Waiting>>| {
                for waiting in waiting {
                    let Waiting { job, since, until } = *waiting;
                    let outcome = match Instant::now() < until {
                        true => requests::outcome(&mut work, &job.request, (since, until)),
                        false => unsent("its time was over before its turn came"),
                    };
                    if !pool.is_abandoned() {
                        let ticket = job.ticket;
                        let done = Box::new(Done { ticket, outcome });
                        work.shared.report(Report::Done(done));
                    }
                }
            })
        });
        listener::start(&shared);
        Self { shared, workers }
    }

    /// Hands a request over. Its time begins now.
    pub fn submit(&self, job: Job) {
        let patience = Duration::from_millis(job.patience_ms.min(HTTP_PATIENCE_MS_MAX));
        let since = Instant::now();
        let until = since + patience;
        let waiting = Box::new(Waiting { job, since, until });
        if let Err(refused) = self.workers.with(|fifo| fifo.push(waiting)) {
            let ticket = refused.job.ticket;
            let outcome = unsent("too many requests to the community's database wait already");
            let done = Box::new(Done { ticket, outcome });
            self.shared.report(Report::Done(done));
        }
    }

    pub fn occupancy(&self) -> Occupancy {
        self.workers.fifo_occupancy()
    }

    /// Does what was submitted, for as long as `patience`. What is not done then is broken off, and nothing is
    /// reported of it. True: all was done.
    pub fn stop(self, patience: Duration) -> bool {
        self.workers.stop(patience)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.workers.abandon();
        self.shared.stop();
    }
}

fn unsent(why: &str) -> Outcome {
    Outcome {
        result: Err(Failure::unsent(why)),
        api_s: None,
    }
}
