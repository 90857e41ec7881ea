//! An SQLite database: one worker that owns the file, and the watchdog over it.

use super::calls::{Calls, Pending};
use super::guard::Guard;
use super::post::Suspect;
use super::supervisor::Supervisor;
use super::watchdog::Watchdog;
use super::worker::Worker;
use super::{OnReport, Preparation, Report, Run, Verdict};
use crate::config::Sqlite;
use crate::io::worker::{Options, Workers};
use crate::limits::SQLITE_STACK_BYTES;
use crate::sql::{DatabaseId, Job};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Lane {
    number: DatabaseId,
    workers: Workers<Calls>,
    watchdog: Watchdog,
    on_report: OnReport,
}

impl Lane {
    pub(super) fn start(
        number: DatabaseId,
        settings: &Sqlite,
        run: Run,
        on_report: OnReport,
    ) -> Self {
        let watchdog = Watchdog::new();
        let options = Options::new("sql", 1, SQLITE_STACK_BYTES);
        let (tries, abandoned) = (Arc::clone(&run.tries), Arc::clone(&options.abandoned));
        let waker = Some(watchdog.waker());
        let guard = Arc::new(Guard::new(run.clock_start, tries, abandoned, waker));
        let (place, reports) = (settings.clone(), Arc::clone(&on_report));
        let workers = Workers::new(options, Calls::new(guard), move |pool, _| {
            let guard = pool.with(|calls| Arc::clone(&calls.guard));
            let mut worker = Worker::new(number, place.clone(), guard, Arc::clone(&reports));
            Box::new(move |pool, work| worker.run(pool, work))
        });
        let mut supervisor = Supervisor {
            path: settings.path.clone(),
            pool: Arc::clone(&workers),
            tries: run.tries,
            on_report: Arc::clone(&on_report),
            suspect: Suspect::default(),
            was_busy: false,
        };
        watchdog.begin(Box::new(move || supervisor.look()));
        // It is opened, since the owner should read at once if it cannot be.
        workers.with(|_| ());
        Self {
            number,
            workers,
            watchdog,
            on_report,
        }
    }

    pub(super) fn submit(&self, jobs: Vec<Job>) {
        let is_away = self.workers.with(|calls| {
            calls.jobs.extend(jobs);
            calls.outage.is_some()
        });
        if is_away {
            self.watchdog.waker().begins();
        }
    }

    pub(super) fn prepare(&self, wanted: Preparation) {
        let away = self.workers.with(|calls| {
            let said_away = false;
            calls.preparation = Some(Pending { wanted, said_away });
            let sentence = calls.outage.as_ref()?.sentence.clone();
            Some((calls.untold()?, sentence))
        });
        if let Some((ticket, sentence)) = away {
            (self.on_report)(Report::Prepared {
                database: self.number,
                ticket,
                verdict: Verdict::Away(sentence),
            });
        }
    }

    #[cfg(test)]
    pub(super) fn given_up(&self) -> u64 {
        self.workers.with(|calls| calls.given_up)
    }

    pub(super) fn stop(&self, within: Duration) -> bool {
        self.workers.stop(within)
    }
}
