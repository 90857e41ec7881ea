//! One transaction of one host: calls from the front of its queue, the record of them in the
//! journal, and what happens to all of them when something goes wrong.

use super::journal::{self, Found};
use super::last_id::LastId;
use super::queue::Task;
use super::session::Session;
use super::statement::Outcome;
use super::trouble::{Trouble, call_error, interrupted, not_connected, refusal};
use super::worker::{Called, Ended, Worker};
use crate::jobs::Caller;
use crate::limits::{
    MYSQL_BATCH_ANSWER_BYTES_MAX, MYSQL_TRIES_MAX, SQL_BATCH_JOBS_MAX, SQL_BATCH_MS_MAX,
    SQL_LATE_MS,
};
use crate::protocol::call_error::CallError;
use crate::sql::Class;
use mysql::{Error, MySqlError};

/// The savepoint is gone at the end if the transaction was, by an error that undoes all of it or
/// a statement that commits: then nothing counts as done.
const BEGIN: &str = "START TRANSACTION READ WRITE; SAVEPOINT vpid_all";
const STILL_OPEN: &str = "RELEASE SAVEPOINT vpid_all";
/// 1305: there is no such savepoint; 3101: another server of MySQL's group wrote the same.
const REPEATABLE: [u16; 6] = [1020, 1205, 1213, 1305, 3101, NOTED];
/// A row of this key is there: the journal has one of these calls.
const NOTED: u16 = 1062;
const READ_ONLY_SERVER: u16 = 1290;
const NO_SUCH_TABLE: u16 = 1146;

struct Batch<'a> {
    worker: &'a mut Worker,
    host: Caller,
    ran: Vec<Ran>,
    /// Of answers that are to be noted.
    answer_bytes: usize,
    newest: u64,
    last_id: LastId,
}

struct Ran {
    task: Task,
    outcome: Outcome,
    /// It is to be noted that it ran.
    wrote: bool,
}

/// Why a transaction ended before its commit, and whom it happened to.
type Fall = Box<(Task, Called)>;

/// Runs the transaction that begins with this call; the worker has its host. There is a connection,
/// and a journal.
pub(super) fn run(worker: &mut Worker, first: Task) -> Ended {
    let host = first.job.caller;
    let last_id = LastId::of(&worker.pool, host);
    let mut batch = Batch {
        worker,
        host,
        ran: Vec::new(),
        answer_bytes: 0,
        newest: 0,
        last_id,
    };
    if let Err(trouble) = batch.begin(&first) {
        return batch.lost(trouble, vec![first]);
    }
    match batch.tasks(first) {
        Ok(()) => batch.commit(),
        Err(fall) => batch.fall(fall),
    }
}

impl Batch<'_> {
    /// One of vpid's own statements.
    fn own(&mut self, text: &str) -> Result<(), Error> {
        self.worker.watch_own();
        self.watched(text).map(drop)
    }

    /// Statements of which one may give a number.
    fn watched(&mut self, text: &str) -> Result<Option<u64>, Error> {
        let ran = match &mut self.worker.session {
            Some(session) => session.own_number(text),
            None => Err(not_connected()),
        };
        self.worker.pool.unwatch(self.worker.seat);
        ran
    }

    fn begin(&mut self, first: &Task) -> Result<(), Error> {
        self.worker.watch_for(first);
        let give = self.last_id.give(self.worker.session.as_ref());
        let began = match give {
            Some(give) => self.watched(&format!("{BEGIN}; {give}")),
            None => self.watched(BEGIN),
        };
        if let Err(Error::MySqlError(error)) = &began
            && error.code == READ_ONLY_SERVER
        {
            let why = refusal(&Error::MySqlError(error.clone()));
            self.worker.pool.lose(&why, false);
        }
        began?;
        self.last_id.given(self.worker.session.as_mut());
        Ok(())
    }

    fn tasks(&mut self, first: Task) -> Result<(), Fall> {
        let began_ms = self.worker.pool.now_ms();
        let group = first.group;
        let mut next = Some(first);
        while let Some(task) = next {
            self.task(task)?;
            let took_ms = self.worker.pool.now_ms().saturating_sub(began_ms);
            let full = self.ran.len() >= SQL_BATCH_JOBS_MAX
                || took_ms >= SQL_BATCH_MS_MAX
                || self.answer_bytes >= MYSQL_BATCH_ANSWER_BYTES_MAX;
            next = match full {
                true => None,
                false => self.worker.pool.next(self.host, Some(group)),
            };
        }
        Ok(())
    }

    fn task(&mut self, task: Task) -> Result<(), Fall> {
        let now_ms = self.worker.pool.now_ms();
        let class = match &task.class {
            Ok(_) if task.is_over(now_ms) => Err(CallError::word("DeadlineExceeded")),
            class => class.clone(),
        };
        let class = match class {
            Ok(class) => class,
            Err(error) => {
                // It has no part in the transaction.
                self.worker.pool.answer(&task, Err(error));
                return Ok(());
            }
        };
        if task.job.recovered && class == Class::Write {
            match self.found(&task) {
                Ok(Found::Nothing) => {}
                Ok(Found::Answer(answer)) => {
                    if let Err(error) = self.forget_last_id() {
                        let how = Called::Trouble(Trouble::Lost(super::trouble::words(&error)));
                        return Err(Box::new((task, how)));
                    }
                    self.ran(task, answer, false);
                    return Ok(());
                }
                Ok(Found::Begun) => {
                    self.ran(task, Err(interrupted()), false);
                    return Ok(());
                }
                Err(trouble) => return Err(Box::new((task, Called::Trouble(trouble)))),
            }
        }
        match self.called(&task, class, now_ms) {
            Called::Outcome(outcome) => {
                let noted = outcome.is_ok() || task.job.notes_failure;
                let wrote = class == Class::Write && noted;
                self.ran(task, outcome, wrote);
                Ok(())
            }
            how => Err(Box::new((task, how))),
        }
    }

    fn forget_last_id(&mut self) -> Result<(), Error> {
        let session = self.worker.session.as_ref();
        if let Some(give) = self.last_id.forget(&self.worker.pool, session) {
            self.own(&give)?;
            self.last_id.given(self.worker.session.as_mut());
        }
        Ok(())
    }

    fn called(&mut self, task: &Task, class: Class, now_ms: u64) -> Called {
        let called = self.worker.call(task, class, now_ms);
        let failed = !matches!(called, Called::Outcome(Ok(_)));
        let session = self.worker.session.as_mut();
        self.last_id.ran(session, task, failed);
        called
    }

    fn found(&mut self, task: &Task) -> Result<Found, Trouble> {
        self.worker.watch_for(task);
        let Worker {
            pool,
            seat,
            session,
            ..
        } = &mut *self.worker;
        let found = match session {
            Some(session) => journal::find(session, pool.run.instance, task.job.id),
            None => Err(not_connected()),
        };
        pool.unwatch(*seat);
        found.map_err(Trouble::from)
    }

    fn ran(&mut self, task: Task, outcome: Outcome, wrote: bool) {
        if wrote {
            self.answer_bytes += outcome.as_ref().map_or(0, String::len);
            self.newest = self.newest.max(task.job.id.number());
        }
        self.ran.push(Ran {
            task,
            outcome,
            wrote,
        });
    }

    /// Nothing of it stands but the answers that it has.
    fn fall(mut self, fall: Fall) -> Ended {
        let (mut culprit, how) = *fall;
        match how {
            Called::Culprit(error) => {
                // The caller does not wait for the request to the server.
                self.worker.pool.answer(&culprit, Err(error));
                let back = self.undone();
                self.worker.close_and_kill();
                (Vec::new(), back)
            }
            Called::Trouble(Trouble::Lost(reason)) => {
                self.worker.close();
                culprit.tries += 1;
                let mut done = Vec::new();
                let mut back: Vec<Task> = self.ran.into_iter().map(|ran| ran.task).collect();
                if culprit.tries >= MYSQL_TRIES_MAX {
                    let error = CallError::new("OperationalError", reason);
                    done.push((culprit, Err(error)));
                } else {
                    self.worker.pause(culprit.tries);
                    back.push(culprit);
                }
                (done, back)
            }
            Called::Trouble(Trouble::Conflict(error)) => self.conflict(culprit, error),
            // It is not the transaction that was begun: what is outside of it only reads.
            Called::Trouble(Trouble::Writes) => {
                let error = CallError::new("OperationalError", "the transaction was ended");
                self.conflict(culprit, error)
            }
            Called::Trouble(Trouble::Endless(error)) => self.conflict(culprit, error),
            Called::Outcome(outcome) => (vec![(culprit, outcome)], self.undone()),
        }
    }

    /// Another transaction was in the way. Those that ran well go first next time, and whoever
    /// met it alone: what was held for long then, it does not hold.
    fn conflict(mut self, mut culprit: Task, error: CallError) -> Ended {
        if self.own("ROLLBACK").is_err() {
            self.worker.close();
        }
        culprit.tries += 1;
        let mut back = self.undone();
        if culprit.tries >= MYSQL_TRIES_MAX {
            return (vec![(culprit, Err(error))], back);
        }
        culprit.group = self.worker.pool.with(|state| state.queue.group());
        self.worker.pause(culprit.tries);
        back.push(culprit);
        (Vec::new(), back)
    }

    /// Tasks that ran well, in time, and not to the end: they share the next transaction, and
    /// have a little longer for it.
    fn undone(&mut self) -> Vec<Task> {
        let group = self.worker.pool.with(|state| state.queue.group());
        let again = |ran: Ran| {
            let mut task = ran.task;
            let deadline_ms = task.job.deadline_ms;
            task.deadline_ms = deadline_ms.map(|deadline| deadline.saturating_add(SQL_LATE_MS));
            task.group = group;
            task
        };
        self.ran.drain(..).map(again).collect()
    }

    /// The connection or the server failed; nothing stands.
    fn lost(self, error: Error, mut back: Vec<Task>) -> Ended {
        log::debug!("a transaction was lost: {}", super::trouble::words(&error));
        self.worker.close();
        self.worker.pause(1);
        let mut all: Vec<Task> = self.ran.into_iter().map(|ran| ran.task).collect();
        all.append(&mut back);
        (Vec::new(), all)
    }

    fn commit(mut self) -> Ended {
        let instance = self.worker.pool.run.instance;
        let wrote = self.ran.iter().filter(|ran| ran.wrote);
        let answers = wrote.map(|ran| (ran.task.job.id, &ran.outcome));
        let Some(notes) = journal::add(instance, answers) else {
            return match self.own("COMMIT") {
                Ok(()) => self.answered(),
                Err(error) => self.lost(error, Vec::new()),
            };
        };
        let mut text = format!("{STILL_OPEN}; {notes}; COMMIT");
        if let Some(read) = self.last_id.wanted() {
            text = format!("{read}; {text}");
        }
        self.worker.watch_own();
        match self.watched(&text) {
            Ok(last_id) => {
                let session = self.worker.session.as_mut();
                self.last_id.keep(&self.worker.pool, session, last_id);
                let newest = self.newest;
                self.prune(newest);
                self.answered()
            }
            Err(Error::MySqlError(error)) if REPEATABLE.contains(&error.code) => {
                self.unnoted(&error)
            }
            Err(error) => self.in_doubt(error),
        }
    }

    /// The journal or the commit met another transaction: all of it is undone. Those that were
    /// noted meanwhile are answered from the journal.
    fn unnoted(mut self, error: &MySqlError) -> Ended {
        if self.own("ROLLBACK").is_err() {
            self.worker.close();
        }
        let mut tasks = self.undone();
        for task in &mut tasks {
            task.tries += 1;
            // A commit that was given up has reached the server after all.
            task.job.recovered |= error.code == NOTED;
        }
        self.worker
            .pause(tasks.first().map_or(1, |task| task.tries));
        let (over, back): (Vec<_>, _) = tasks
            .into_iter()
            .partition(|task| task.tries >= MYSQL_TRIES_MAX);
        let done = over.into_iter().map(|task| (task, Err(call_error(error))));
        (done.collect(), back)
    }

    /// The commit may have been carried out: the journal knows.
    fn in_doubt(mut self, error: Error) -> Ended {
        let wrote = |ran: &mut Ran| (ran.task.job.recovered, ran.task.is_new) = (true, false);
        self.ran.iter_mut().for_each(wrote);
        if let Error::MySqlError(server) = &error {
            let missing = server.code == NO_SUCH_TABLE;
            let pool = &self.worker.pool;
            pool.with(|state| (state.journal, state.journal_wanted) = (false, !missing));
            if !missing {
                self.worker.pool.lose(&refusal(&error), false);
            }
        }
        self.lost(error, Vec::new())
    }

    fn answered(self) -> Ended {
        let done = self.ran.into_iter().map(|ran| (ran.task, ran.outcome));
        (done.collect(), Vec::new())
    }

    /// What fails here is tried again some time.
    fn prune(&mut self, newest: u64) {
        let now_ms = self.worker.pool.now_ms();
        let due = self.worker.pool.with(|state| {
            let recovering = state.queue.tasks().any(|task| task.job.recovered);
            newest > 0 && !recovering && state.pruning.take(now_ms)
        });
        if !due {
            return;
        }
        let instance = self.worker.pool.run.instance;
        self.worker.watch_own();
        let session = &mut self.worker.session;
        let forget = |session: &mut Session| journal::prune(session, instance, newest);
        let pruned = session.as_mut().map_or(Ok(()), forget);
        if pruned.is_err() && self.own("ROLLBACK").is_err() {
            self.worker.close();
        }
        self.worker.pool.unwatch(self.worker.seat);
    }
}
