//! What waits for an SQLite database and what runs there, for its worker and for who keeps that
//! one's time.
//!
//! Calls wait in one queue, in their order. While the database cannot be used, nothing leaves the
//! queue but calls whose time is up, and now and then the worker looks whether it is back.

use super::guard::Guard;
use super::outage::{Outage, Pending};
use crate::io::worker::{Next, Queue};
use crate::jobs::Job;
use crate::limits::{SQL_BATCH_JOBS_MAX, SQL_RETRY_MS_MIN, SUBMIT_JOBS_MIN};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub(super) struct Calls {
    pub jobs: VecDeque<Job>,
    pub preparation: Option<Pending>,
    /// The batch that runs.
    pub running: Option<Arc<Vec<Job>>>,
    /// How many of the first jobs ran in time and were undone by another's fault.
    pub undone: usize,
    pub outage: Option<Outage>,
    /// The database has not been opened yet.
    is_new: bool,
    /// The worker's.
    pub guard: Arc<Guard>,
    /// How many of its workers were given up.
    pub given_up: u64,
}

/// What the worker does next: first of all, it opens the database where it is not open.
pub(super) struct Work {
    pub preparation: Option<Pending>,
    pub jobs: Arc<Vec<Job>>,
    /// All of them ran before and were undone by a neighbour's fault.
    pub lenient: bool,
    /// One that waits behind them may be in the journal.
    pub keeps_journal: bool,
}

impl Calls {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self {
            jobs: VecDeque::new(),
            preparation: None,
            running: None,
            undone: 0,
            outage: None,
            is_new: true,
            guard,
            given_up: 0,
        }
    }

    /// What was taken out and is not done goes to the front again.
    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        let newer = std::mem::replace(&mut self.jobs, jobs.into());
        self.jobs.extend(newer);
    }

    /// The database cannot be used; it is tried again later. Gives what is new of that, and the
    /// preparation of which it was not said.
    pub(super) fn lose(&mut self, sentence: String) -> (Option<String>, Option<u64>) {
        let outage = Outage::new(self.outage.as_ref(), sentence, SQL_RETRY_MS_MIN);
        let news = outage.news();
        self.outage = Some(outage);
        (news, self.preparation.as_mut().and_then(Pending::untold))
    }

    /// Takes out those whose time is up.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Job> {
        let is_over = |job: &Job| job.deadline_ms.is_some_and(|deadline| deadline <= now_ms);
        if !self.jobs.iter().any(is_over) {
            return Vec::new();
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter();
        let (over, left): (Vec<_>, Vec<_>) = jobs.partition(is_over);
        self.jobs = left.into();
        if self.running.is_none() {
            self.undone = 0;
        }
        over
    }
}

impl Queue for Calls {
    type Work = Work;

    fn next(&mut self, _: usize) -> Next<Work> {
        match &self.outage {
            Some(outage) if Instant::now() < outage.retry_at => return Next::At(outage.retry_at),
            None if !self.is_ready() => return Next::Nothing,
            _ => self.is_new = false,
        }
        let most = match self.undone {
            0 => SQL_BATCH_JOBS_MAX,
            undone => undone,
        };
        let most = most.min(self.jobs.len());
        let jobs: Arc<Vec<Job>> = Arc::new(self.jobs.drain(..most).collect());
        if self.jobs.is_empty() {
            // What a burst took is given back.
            self.jobs.shrink_to(SUBMIT_JOBS_MIN);
        }
        self.running = Some(Arc::clone(&jobs));
        Next::Work(Work {
            preparation: self.preparation.take(),
            jobs,
            lenient: self.undone > 0,
            keeps_journal: self.jobs.iter().any(|job| job.recovered),
        })
    }

    fn is_ready(&self) -> bool {
        let is_free = self.outage.is_none() && self.running.is_none();
        is_free && (self.is_new || self.preparation.is_some() || !self.jobs.is_empty())
    }

    fn is_done(&self) -> bool {
        self.jobs.is_empty() && self.running.is_none()
    }
}
