//! One of the workers: its connection, and what it does with it.

use super::journal;
use super::pool::Pool;
use super::queue::Task;
use super::session::{self, Session};
use super::statement::{self, Outcome};
use super::trouble::{Refusal, Trouble};
use crate::config::Mysql;
use crate::limits::{MYSQL_BURNING_MAX, MYSQL_OWN_MS_MAX, MYSQL_PAUSE_MS, MYSQL_TRIES_MAX};
use crate::protocol::call_error::CallError;
use crate::sql::{Class, SqlCall};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Worker {
    pub pool: Pool,
    pub seat: usize,
    pub settings: Arc<Mysql>,
    pub session: Option<Session>,
    /// A connection that was given up while the server was at it.
    pub to_kill: Option<u32>,
}

impl Worker {
    /// Whether there is a connection; `tried` where it was to be seen whether there can be one.
    pub(super) fn connect(&mut self, tried: bool) -> bool {
        if self.session.is_some() && !tried {
            self.kill_others();
            return true;
        }
        self.reopen(tried)
    }

    fn reopen(&mut self, tried: bool) -> bool {
        let Err(refusal) = self.open() else {
            return true;
        };
        self.close();
        if !(refusal.too_many && self.pool.rest(self.seat, &refusal)) {
            self.pool.lose(&refusal, tried);
        }
        false
    }

    fn open(&mut self) -> Result<(), Refusal> {
        self.close();
        self.pool.connects(self.seat);
        let session = Session::open(&self.settings)?;
        self.adopt(session)?;
        self.kill_others();
        if self.pool.with(|state| state.journal_wanted) {
            self.ensure_journal()?;
        }
        Ok(())
    }

    fn adopt(&mut self, session: Session) -> Result<(), Refusal> {
        let socket = session.be_patient().and_then(|()| session.socket.another());
        let socket = socket.map_err(|error| Refusal::new(error.to_string()))?;
        self.pool.connected(self.seat, Some(socket));
        self.session = Some(session);
        Ok(())
    }

    /// Whether there is a connection, and the journal's table. It is made when the first call is
    /// to be written; from a failure on, no connection is good without it.
    pub(super) fn has_journal(&mut self) -> bool {
        if !self.connect(false) {
            return false;
        }
        if self.pool.with(|state| state.journal) || self.ensure_journal().is_ok() {
            return true;
        }
        self.pool.with(|state| state.journal_wanted = true);
        self.reopen(false)
    }

    fn ensure_journal(&mut self) -> Result<(), Refusal> {
        self.watch_own();
        let instance = self.pool.run.instance;
        let ensure = |session: &mut Session| journal::ensure(session, instance);
        let made = self.session.as_mut().map_or(Ok(()), ensure);
        self.pool.unwatch(self.seat);
        made?;
        self.pool
            .with(|state| (state.journal, state.journal_wanted) = (true, false));
        Ok(())
    }

    /// Takes leave of the connection without waiting for anything on it.
    pub(super) fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.socket.end();
        }
        self.pool.connected(self.seat, None);
    }

    /// The same where the server may still be at it. Whoever waits does so no longer; then the
    /// server is told.
    pub(super) fn close_and_kill(&mut self) {
        self.to_kill = self.session.as_ref().map(Session::id);
        self.close();
    }

    /// Ends what such a connection runs, by another one, which is then this thread's.
    pub(super) fn kill(&mut self) {
        let Some(id) = self.to_kill.take() else {
            return;
        };
        self.pool.connects(self.seat);
        let adopted = Session::open(&self.settings).and_then(|mut session| {
            session::kill(&mut session, id);
            self.pool.killed(id);
            self.adopt(session)
        });
        if let Err(refusal) = adopted {
            self.close();
            if refusal.too_many {
                self.pool.with(|state| state.kills.push(id));
            }
            if !(refusal.too_many && self.pool.rest(self.seat, &refusal)) {
                self.pool.lose(&refusal, false);
            }
        }
    }

    /// Ends on the server what those gave up who got no other connection to do it.
    fn kill_others(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let ids = self.pool.with(|state| std::mem::take(&mut state.kills));
        if ids.is_empty() {
            return;
        }
        let limit_ms = self.pool.now_ms() + MYSQL_OWN_MS_MAX;
        self.pool.watch(self.seat, limit_ms, None);
        for id in ids {
            session::kill(session, id);
            self.pool.killed(id);
        }
        self.pool.unwatch(self.seat);
    }

    /// For statements of vpid's own.
    pub(super) fn watch_own(&self) {
        self.watch_within(MYSQL_OWN_MS_MAX);
    }

    pub(super) fn watch_within(&self, own_ms: u64) {
        let limit_ms = self.pool.now_ms().saturating_add(own_ms);
        self.pool.watch(self.seat, limit_ms, None);
    }

    /// For those that are made for one task first of all: they take no longer than it may wait.
    pub(super) fn watch_for(&self, task: &Task) {
        let left_ms = |now_ms: u64| task.limit_ms(now_ms).saturating_sub(now_ms);
        self.watch_within(left_ms(self.pool.now_ms()).min(MYSQL_OWN_MS_MAX));
    }

    /// A task that was begun in vain waits again, after a pause; or is answered, if that was the
    /// last time.
    pub(super) fn again(&mut self, mut task: Task, error: CallError) -> Vec<Task> {
        task.tries += 1;
        if task.tries >= MYSQL_TRIES_MAX {
            self.pool.answer(&task, Err(error));
            return Vec::new();
        }
        self.pause(task.tries);
        vec![task]
    }

    /// Longer with each try.
    pub(super) fn pause(&self, tries: u32) {
        let pause_ms = MYSQL_PAUSE_MS << tries.min(MYSQL_TRIES_MAX).saturating_sub(1);
        std::thread::sleep(Duration::from_millis(pause_ms));
    }

    /// Runs a call on the connection that there is.
    pub(super) fn call(&mut self, task: &Task, class: Class, now_ms: u64) -> Called {
        let Some(session) = &mut self.session else {
            return Called::Trouble(Trouble::Lost("there is no connection".to_owned()));
        };
        let tries = &self.pool.run.tries;
        if let Some(error) = tries.begin(&task.job) {
            return Called::Outcome(Err(error));
        }
        if matches!(task.job.call, SqlCall::Raw { .. })
            && let Some(error) = burning(&self.pool, session)
        {
            return Called::Outcome(Err(error));
        }
        let (seat, id) = (self.seat, task.job.id);
        self.pool.watch(seat, task.limit_ms(now_ms), Some(id));
        let allowed = session.allow(task.job.limit_ms);
        let called = allowed.map_err(Trouble::from);
        let called = called.and_then(|()| statement::call(session, &task.job, class));
        let ended = self.pool.unwatch(seat);
        if task.job.tries > 0 {
            tries.ended(id);
        }
        if ended {
            return Called::Culprit(CallError::word("DeadlineExceeded"));
        }
        match called {
            Ok(outcome) => Called::Outcome(outcome),
            Err(Trouble::Endless(error)) => Called::Culprit(error),
            Err(trouble) => Called::Trouble(trouble),
        }
    }
}

/// Whoever waits for a server that is not wanted any more does so no longer.
impl Drop for Worker {
    fn drop(&mut self) {
        if self.pool.is_abandoned()
            && let Some(session) = &self.session
        {
            session.socket.end();
        }
    }
}

/// An error where too many statements that were ended are still at work on the server: each has
/// one of its processors.
fn burning(pool: &Pool, session: &mut Session) -> Option<CallError> {
    let killed = pool.with(|state| state.killed.clone());
    if killed.len() < MYSQL_BURNING_MAX {
        return None;
    }
    let alive = session::alive(session, &killed).ok()?;
    let burning = pool.with(|state| {
        let burns = |id: &u32| alive.contains(id) || !killed.contains(id);
        state.killed.retain(burns);
        state.killed.len()
    });
    (burning >= MYSQL_BURNING_MAX).then(|| {
        let detail = format!(
            "{burning} statements that were ended are still at work on the server, which cannot \
             interrupt a function; no raw SQL begins before one has ended"
        );
        CallError::new("OperationalError", detail)
    })
}

/// Tasks with their outcomes, and tasks that wait again.
pub(super) type Ended = (Vec<(Task, Outcome)>, Vec<Task>);

/// The result of a call on a connection.
pub(super) enum Called {
    Outcome(Result<String, CallError>),
    /// Its caller gets this, and the connection is of no use any more, by its fault.
    Culprit(CallError),
    /// Never `Endless`.
    Trouble(Trouble),
}
