//! Calls whose statement commits by itself, so that the journal cannot be written in the same
//! transaction: what makes and changes tables. Their row is there before they begin; who finds
//! it without a response knows that it is unknown how far they came, and does not begin again.

use super::journal::{self, Found, READABLE, WRITABLE};
use super::last_id::{LastId, READ};
use super::queue::Task;
use super::trouble::{Trouble, interrupted, not_connected};
use super::worker::{Called, Ended, Worker};
use crate::limits::MYSQL_TRIES_MAX;
use crate::protocol::call_error::CallError;
use crate::sql::Class;

pub(super) fn run(worker: &mut Worker, mut task: Task) -> Ended {
    let now_ms = worker.pool.now_ms();
    if task.is_over(now_ms) {
        return answered(task, Err(CallError::word("DeadlineExceeded")));
    }
    match noted(worker, &mut task) {
        Ok(Found::Nothing) => {}
        Ok(Found::Answer(answer)) => return answered(task, answer),
        Ok(Found::Begun) => return answered(task, Err(interrupted())),
        Err(trouble) => return again(worker, task, trouble),
    }
    let instance = worker.pool.run.instance;
    match called(worker, &task, now_ms) {
        Called::Outcome(outcome) => {
            let note = match outcome.is_ok() || task.job.notes_failure {
                true => journal::end(instance, task.job.id, &outcome),
                false => journal::forget(instance, task.job.id),
            };
            // It is done, whether or not that can be noted.
            own(worker, &[&note, READABLE]);
            answered(task, outcome)
        }
        Called::Culprit(error) => {
            worker.pool.answer(&task, Err(error));
            worker.close_and_kill();
            (Vec::new(), Vec::new())
        }
        Called::Trouble(Trouble::Conflict(error)) => {
            own(worker, &[&journal::forget(instance, task.job.id), READABLE]);
            again(worker, task, Trouble::Conflict(error))
        }
        Called::Trouble(_) => {
            worker.close();
            answered(task, Err(interrupted()))
        }
    }
}

/// Runs it. A procedure may read and set `LAST_INSERT_ID()`, which stays its host's.
fn called(worker: &mut Worker, task: &Task, now_ms: u64) -> Called {
    if !task.job.call.uses().last_insert_id {
        return worker.call(task, Class::Alone, now_ms);
    }
    let mut last_id = LastId::of(&worker.pool, task.job.caller);
    if let Some(give) = last_id.give(worker.session.as_ref()) {
        own(worker, &[&give]);
    }
    last_id.given(worker.session.as_mut());
    let called = worker.call(task, Class::Alone, now_ms);
    let failed = !matches!(called, Called::Outcome(Ok(_)));
    last_id.ran(worker.session.as_mut(), task, failed);
    if failed {
        return called;
    }
    worker.watch_own();
    let session = worker.session.as_mut();
    // It has run, whether or not this can be read.
    let read = session.and_then(|session| session.own_number(READ).ok().flatten());
    worker.pool.unwatch(worker.seat);
    last_id.keep(&worker.pool, worker.session.as_mut(), read);
    called
}

/// Looks it up where it may have been begun before, and notes that it begins. What this thread
/// noted and did not come to run is nothing.
fn noted(worker: &mut Worker, task: &mut Task) -> Result<Found, Trouble> {
    let instance = worker.pool.run.instance;
    let id = task.job.id;
    worker.watch_own();
    let noted = match &mut worker.session {
        None => Err(Trouble::from(not_connected())),
        Some(session) => (|| {
            session.own("START TRANSACTION READ WRITE")?;
            if !task.is_new {
                let found = journal::find(session, instance, id)?;
                if found != Found::Nothing {
                    session.own("ROLLBACK")?;
                    return Ok(found);
                }
                task.is_new = true;
            }
            let note = journal::begin(instance, id);
            session.own(&format!("{note}; COMMIT; {WRITABLE}"))?;
            Ok(Found::Nothing)
        })(),
    };
    let ended = worker.pool.unwatch(worker.seat);
    match ended && noted.is_ok() {
        true => Err(Trouble::Lost("the server does not answer".to_owned())),
        false => noted,
    }
}

/// It was not begun.
fn again(worker: &mut Worker, mut task: Task, trouble: Trouble) -> Ended {
    let error = match trouble {
        Trouble::Conflict(error) | Trouble::Endless(error) => error,
        Trouble::Lost(reason) => CallError::new("OperationalError", reason),
        Trouble::Writes => CallError::new("OperationalError", "the server allows no writing"),
    };
    worker.close();
    task.tries += 1;
    if task.tries >= MYSQL_TRIES_MAX {
        return answered(task, Err(error));
    }
    worker.pause(task.tries);
    (Vec::new(), vec![task])
}

/// Statements of vpid's own behind one that ran; without the last of them the connection
/// is of no use.
fn own(worker: &mut Worker, texts: &[&str]) {
    worker.watch_own();
    let good = worker.session.as_mut().is_some_and(|session| {
        let mut good = true;
        for text in texts {
            good &= session.own(text).is_ok();
        }
        good
    });
    let ended = worker.pool.unwatch(worker.seat);
    if !good || ended {
        worker.close();
    }
}

fn answered(task: Task, outcome: Result<String, CallError>) -> Ended {
    (vec![(task, outcome)], Vec::new())
}
