//! The worker that owns the file of an SQLite database, and the watchdog over it.

use crate::config::Sqlite;
use crate::io::sql::calls::Calls;
use crate::io::sql::guard::Guard;
use crate::io::sql::outage::Pending;
use crate::io::sql::post::Suspect;
use crate::io::sql::supervisor::Supervisor;
use crate::io::sql::watchdog::Watchdog;
use crate::io::sql::worker::Worker;
use crate::io::sql::{OnReport, Preparation, Report, Run, Verdict};
use crate::io::worker::{self, Options};
use crate::jobs::Job;
use crate::limits::SQLITE_STACK_BYTES;
use crate::sql::DatabaseId;
use std::sync::Arc;
use std::time::Duration;

pub(in crate::io::sql) struct Workers {
    number: DatabaseId,
    workers: worker::Workers<Calls>,
    watchdog: Watchdog,
    on_report: OnReport,
}

impl Workers {
    pub(in crate::io::sql) fn start(
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
        let workers = worker::Workers::new(options, Calls::new(guard), move |pool, _| {
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

    pub(in crate::io::sql) fn submit(&self, jobs: impl IntoIterator<Item = Job>) {
        let is_away = self.workers.with(|calls| {
            calls.jobs.extend(jobs);
            calls.outage.is_some()
        });
        if is_away {
            self.watchdog.waker().begins();
        }
    }

    pub(in crate::io::sql) fn prepare(&self, wanted: Preparation) {
        let away = self.workers.with(|calls| {
            let pending = calls.preparation.insert(Pending::new(wanted));
            let sentence = calls.outage.as_ref()?.sentence.clone();
            Some((pending.untold()?, sentence))
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
    pub(in crate::io::sql) fn given_up(&self) -> u64 {
        self.workers.with(|calls| calls.given_up)
    }

    pub(in crate::io::sql) fn stop(&self, within: Duration) -> bool {
        self.workers.stop(within)
    }
}
