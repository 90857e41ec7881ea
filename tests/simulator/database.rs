//! The database, with a journal that commits together with what it records, and its worker, of which a
//! crash leaves nothing.

use std::collections::{BTreeMap, VecDeque};

use vpid::jobs::{CallId, Done, Job};
use vpid::protocol::call_error::CallError;
use vpid::sql::{Dialect, Param, render};

use crate::random::Random;

/// A number that is so much larger than another one fails as long as that one is not there.
pub const NEEDS: i64 = 1_000_000_000;

#[derive(Default)]
pub struct Database {
    journal: BTreeMap<(u64, u32), Result<String, CallError>>,
    /// The numbers that calls have inserted.
    pub rows: BTreeMap<i64, u32>,
    /// On the world's clock.
    pub away_until_ms: u64,
    /// It takes jobs, and does nothing with them.
    pub hangs_until_ms: u64,
    /// When each time began in which it was away or hung, and ended, in the order of the first.
    outages_ms: Vec<(u64, u64)>,
}

impl Database {
    pub fn is_away_until(&mut self, now_ms: u64, until_ms: u64) {
        self.away_until_ms = until_ms;
        self.outages_ms.push((now_ms, until_ms));
    }

    pub fn hangs_until(&mut self, now_ms: u64, until_ms: u64) {
        self.hangs_until_ms = until_ms;
        self.outages_ms.push((now_ms, until_ms));
    }

    /// For how much of this time nothing was done.
    pub fn was_out_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let (mut out_ms, mut counted_ms) = (0, from_ms);
        for (began_ms, ended_ms) in &self.outages_ms {
            let (began_ms, ended_ms) = (counted_ms.max(*began_ms), to_ms.min(*ended_ms));
            out_ms += ended_ms.saturating_sub(began_ms);
            counted_ms = counted_ms.max(ended_ms);
        }
        out_ms
    }

    fn run(&mut self, job: &Job, mono_ms: u64) -> Result<String, CallError> {
        let key = key(job.id);
        if let (true, Some(answer)) = (job.recovered, self.journal.get(&key)) {
            return answer.clone();
        }
        if job.deadline_ms.is_some_and(|deadline| deadline <= mono_ms) {
            return Err(CallError::word("DeadlineExceeded"));
        }
        let number = number_of(job);
        let needed = number.checked_sub(NEEDS).filter(|needed| *needed >= 0);
        let outcome = match needed.is_some_and(|needed| !self.rows.contains_key(&needed)) {
            true => Err(CallError::word("IntegrityError")),
            false => Ok("1".to_owned()),
        };
        if outcome.is_ok() {
            let times = self.rows.entry(number).or_default();
            *times += 1;
            assert_eq!(*times, 1, "call {number} ran twice");
        }
        if outcome.is_ok() || job.notes_failure {
            self.journal.insert(key, outcome.clone());
        }
        outcome
    }
}

fn key(id: CallId) -> (u64, u32) {
    (id.number(), id.index)
}

/// The number that a call puts into its table.
fn number_of(job: &Job) -> i64 {
    let statement = render(&job.call, 0, Dialect::Sqlite).expect("a statement");
    match statement.params[..] {
        [Param::Int(number)] => *number,
        _ => panic!("not one of our calls: {}", statement.text),
    }
}

#[derive(Default)]
pub struct Worker {
    waiting: VecDeque<Job>,
    work_ms: u64,
    /// Committed, and not reported yet.
    done: Vec<Done>,
    report_ms: u64,
}

impl Worker {
    pub fn submit(&mut self, jobs: Vec<Job>, now_ms: u64, random: &mut Random) {
        if self.waiting.is_empty() {
            self.work_ms = now_ms + 1 + random.below(20);
        }
        self.waiting.extend(jobs);
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.done.is_empty()
    }

    pub fn next_ms(&self) -> Option<u64> {
        let work = (!self.waiting.is_empty()).then_some(self.work_ms);
        let report = (!self.done.is_empty()).then_some(self.report_ms);
        work.into_iter().chain(report).min()
    }

    /// Runs some jobs. `began_ms`: when the clock of their deadlines began.
    pub fn work(
        &mut self,
        database: &mut Database,
        (now_ms, began_ms): (u64, u64),
        random: &mut Random,
    ) {
        if self.waiting.is_empty() || now_ms < self.work_ms {
            return;
        }
        self.work_ms = database.hangs_until_ms;
        if now_ms < self.work_ms {
            return;
        }
        self.work_ms = now_ms + 1 + random.below(20);
        let mono_ms = now_ms - began_ms;
        let expired = |job: &Job| job.deadline_ms.is_some_and(|deadline| deadline <= mono_ms);
        let is_away = now_ms < database.away_until_ms;
        let batch: Vec<Job> = match is_away {
            true => {
                self.work_ms += 50;
                let (over, waiting): (Vec<Job>, Vec<Job>) =
                    self.waiting.drain(..).partition(expired);
                self.waiting = waiting.into();
                over
            }
            false => {
                let count = 1 + random.below(self.waiting.len() as u64) as usize;
                self.waiting.drain(..count).collect()
            }
        };
        for job in batch {
            let outcome = match is_away {
                true => Err(CallError::word("DatabaseUnavailable")),
                false => database.run(&job, mono_ms),
            };
            self.done.push(Done {
                id: job.id,
                outcome,
            });
            self.report_ms = now_ms + random.below(30);
        }
    }

    /// What is reported by now.
    pub fn take_done(&mut self, now_ms: u64) -> Vec<Done> {
        match now_ms >= self.report_ms {
            true => std::mem::take(&mut self.done),
            false => Vec::new(),
        }
    }
}
