//! What a worker does when its turn has come: a read, the transaction of a host, a preparation, or a
//! look whether the server is back.

use super::queue::{Begun, Task};
use super::state::{State, Work};
use super::trouble::Trouble;
use super::worker::{Called, Worker};
use super::{alone, batch, prepare};
use crate::io::sql::Preparation;
use crate::jobs::{Caller, Done};
use crate::limits::MYSQL_TRIES_MAX;
use crate::protocol::call_error::CallError;
use crate::sql::Class;

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
