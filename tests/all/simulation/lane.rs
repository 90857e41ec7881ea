//! The model of the SQL lane and its database: batches, outages, and a journal that commits
//! together with what it records.

use std::collections::{HashMap, VecDeque};

use vpid::jobs::{CallId, Done, Job};
use vpid::protocol::call_error::CallError;
use vpid::sql::{Dialect, Param, render};

use crate::support::Random;

/// A number that is so much larger than another fails as long as that one is not there.
pub const NEEDS: i64 = 1_000_000_000;

/// What survives a crash.
#[derive(Default)]
pub struct Database {
    journal: HashMap<CallId, Result<String, CallError>>,
    /// How often each numbered call took effect.
    pub effects: HashMap<i64, u32>,
}

/// What a crash takes away.
pub struct Lane {
    waiting: VecDeque<Job>,
    /// Committed; the loop has not been told yet.
    done: Vec<Done>,
    tell_at_ms: u64,
    pub away_until_ms: u64,
}

impl Lane {
    pub fn new(away_until_ms: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            done: Vec::new(),
            tell_at_ms: 0,
            away_until_ms,
        }
    }

    pub fn submit(&mut self, jobs: Vec<Job>) {
        self.waiting.extend(jobs);
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.done.is_empty()
    }

    /// Works for a moment.
    pub fn work(&mut self, database: &mut Database, now_ms: u64, random: &mut Random) {
        if now_ms < self.away_until_ms {
            let expired = |job: &Job| job.deadline_ms.is_some_and(|deadline| deadline <= now_ms);
            let (over, waiting): (Vec<Job>, Vec<Job>) = self.waiting.drain(..).partition(expired);
            self.waiting = waiting.into();
            self.finish(over, now_ms, random, |_| {
                Err(CallError::word("DatabaseUnavailable"))
            });
            return;
        }
        if self.waiting.is_empty() || random.chance(60) {
            return;
        }
        let count = 1 + random.below(self.waiting.len() as u64) as usize;
        let batch = self.waiting.drain(..count).collect();
        self.finish(batch, now_ms, random, |job| database.run(job, now_ms));
    }

    fn finish(
        &mut self,
        jobs: Vec<Job>,
        now_ms: u64,
        random: &mut Random,
        mut run: impl FnMut(&Job) -> Result<String, CallError>,
    ) {
        for job in jobs {
            let outcome = run(&job);
            self.done.push(Done {
                id: job.id,
                outcome,
            });
        }
        self.tell_at_ms = now_ms + random.below(30);
    }

    /// What the loop hears of by now.
    pub fn take_done(&mut self, now_ms: u64) -> Vec<Done> {
        if now_ms < self.tell_at_ms {
            return Vec::new();
        }
        std::mem::take(&mut self.done)
    }
}

impl Database {
    fn run(&mut self, job: &Job, now_ms: u64) -> Result<String, CallError> {
        if let (true, Some(answer)) = (job.recovered, self.journal.get(&job.id)) {
            return answer.clone();
        }
        if job.deadline_ms.is_some_and(|deadline| deadline <= now_ms) {
            return Err(CallError::word("DeadlineExceeded"));
        }
        let number = number_of(job);
        let needed = number.checked_sub(NEEDS).filter(|needed| *needed >= 0);
        let outcome = match needed.is_some_and(|needed| !self.effects.contains_key(&needed)) {
            true => Err(CallError::word("IntegrityError")),
            false => Ok("1".to_owned()),
        };
        if outcome.is_ok() {
            *self.effects.entry(number).or_default() += 1;
        }
        if outcome.is_ok() || job.notes_failure {
            self.journal.insert(job.id, outcome.clone());
        }
        outcome
    }
}

/// The number that a call puts into its table.
fn number_of(job: &Job) -> i64 {
    let statement = render(&job.call, 0, Dialect::Sqlite).expect("a statement");
    match statement.params[..] {
        [Param::Int(number)] => *number,
        _ => panic!("not one of our calls: {}", statement.text),
    }
}
