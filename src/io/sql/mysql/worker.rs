//! One thread of the pool: its connection, and what it does with it.

use super::journal;
use super::pool::Pool;
use super::queue::Task;
use super::session::{self, Session};
use super::state::Work;
use super::statement;
use super::trouble::{Refusal, Trouble, sort};
use crate::config::Mysql;
use crate::io::sql::Preparation;
use crate::jobs::Done;
use crate::limits::{
    MYSQL_BURNING_MAX, MYSQL_OWN_MS_MAX, MYSQL_PAUSE_MS, MYSQL_READS_MAX, MYSQL_TRIES_MAX,
};
use crate::protocol::call_error::CallError;
use crate::sql::{Class, SqlCall};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Worker {
    pub pool: Arc<Pool>,
    /// Which of the pool's threads it is.
    pub thread: usize,
    pub settings: Arc<Mysql>,
    pub session: Option<Session>,
    /// A connection that was given up while the server was at it.
    pub to_kill: Option<u32>,
}

impl Worker {
    pub(super) fn run(mut self) {
        loop {
            match self.pool.next(self.thread) {
                Work::End => break,
                Work::Connect => {
                    if self.connect(true) {
                        self.pool.end_outage();
                    }
                }
                Work::Read => {
                    if self.connect(false) {
                        self.reads();
                    }
                }
                Work::Write(host) => self.write(host),
                Work::Prepare(preparation) => self.prepare(&preparation),
            }
            self.kill();
        }
        if self.pool.is_abandoned() {
            self.close();
        }
    }

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
        if !(refusal.too_many && self.pool.rest(self.thread, &refusal)) {
            self.pool.lose(&refusal, tried);
        }
        false
    }

    fn open(&mut self) -> Result<(), Refusal> {
        self.close();
        self.pool.connects(self.thread);
        let session = Session::open(&self.settings)?;
        self.adopt(session)?;
        self.kill_others();
        let wanted = self.pool.lock().journal_wanted;
        if wanted {
            self.ensure_journal()?;
        }
        Ok(())
    }

    fn adopt(&mut self, session: Session) -> Result<(), Refusal> {
        let socket = session.be_patient().and_then(|()| session.socket.another());
        let socket = socket.map_err(|error| Refusal::new(error.to_string()))?;
        self.pool.connected(self.thread, Some(socket));
        self.session = Some(session);
        Ok(())
    }

    /// Whether there is a connection, and the journal's table. It is made when the first call is
    /// to be written; from a failure on, no connection is good without it.
    fn has_journal(&mut self) -> bool {
        if !self.connect(false) {
            return false;
        }
        if self.pool.lock().journal {
            return true;
        }
        if self.ensure_journal().is_ok() {
            return true;
        }
        self.pool.lock().journal_wanted = true;
        self.reopen(false)
    }

    fn ensure_journal(&mut self) -> Result<(), Refusal> {
        self.watch_own();
        let instance = self.pool.run.instance;
        let ensure = |session: &mut Session| journal::ensure(session, instance);
        let made = self.session.as_mut().map_or(Ok(()), ensure);
        self.pool.unwatch(self.thread);
        made?;
        let mut state = self.pool.lock();
        (state.journal, state.journal_wanted) = (true, false);
        Ok(())
    }

    /// Takes leave of the connection without waiting for anything on it.
    pub(super) fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.socket.end();
        }
        self.pool.connected(self.thread, None);
    }

    /// The same where the server may still be at it. Whoever waits does so no longer; then the
    /// server is told.
    pub(super) fn close_and_kill(&mut self) {
        self.to_kill = self.session.as_ref().map(Session::id);
        self.close();
    }

    /// Ends what such a connection runs, by another one, which is then this thread's.
    fn kill(&mut self) {
        let Some(id) = self.to_kill.take() else {
            return;
        };
        self.pool.connects(self.thread);
        let adopted = Session::open(&self.settings).and_then(|mut session| {
            session::kill(&mut session, id);
            self.pool.killed(id);
            self.adopt(session)
        });
        if let Err(refusal) = adopted {
            self.close();
            if refusal.too_many {
                self.pool.kill_later(id);
            }
            if !(refusal.too_many && self.pool.rest(self.thread, &refusal)) {
                self.pool.lose(&refusal, false);
            }
        }
    }

    /// Ends on the server what those gave up who got no other connection to do it.
    fn kill_others(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let ids = self.pool.take_kills();
        if ids.is_empty() {
            return;
        }
        self.pool.watch(
            self.thread,
            self.pool.now_ms().saturating_add(MYSQL_OWN_MS_MAX),
        );
        for id in ids {
            session::kill(session, id);
            self.pool.killed(id);
        }
        self.pool.unwatch(self.thread);
    }

    /// For statements of the lane's own.
    pub(super) fn watch_own(&self) {
        self.watch_for(None);
    }

    /// For those that are made for one task first of all: they take no longer than it may wait.
    pub(super) fn watch_for(&self, task: Option<&Task>) {
        let now_ms = self.pool.now_ms();
        let own_ms = now_ms.saturating_add(MYSQL_OWN_MS_MAX);
        let limit_ms = task.map_or(own_ms, |task| task.limit_ms(now_ms).min(own_ms));
        self.pool.watch(self.thread, limit_ms);
    }

    /// Several reads, each by itself and answered at once.
    fn reads(&mut self) {
        for _ in 0..MYSQL_READS_MAX {
            let Some(task) = self.pool.next_read(self.thread) else {
                return;
            };
            if !self.read(task) {
                return;
            }
        }
    }

    /// Whether the connection is as good as before.
    fn read(&mut self, mut task: Task) -> bool {
        let now_ms = self.pool.now_ms();
        let class = match &task.class {
            Ok(class) => *class,
            Err(refused) => {
                self.pool.answer(&task, Err(refused.clone()));
                return true;
            }
        };
        if task.is_over(now_ms) {
            self.pool
                .answer(&task, Err(CallError::word("DeadlineExceeded")));
            return true;
        }
        match self.call(&task, class, now_ms) {
            Called::Outcome(outcome) => {
                self.pool.answer(&task, outcome);
                true
            }
            Called::Culprit(error) => {
                self.pool.answer(&task, Err(error));
                self.close_and_kill();
                false
            }
            Called::Trouble(Trouble::Writes) => {
                task.class = Ok(Class::Write);
                self.pool.put_back(task);
                true
            }
            Called::Trouble(Trouble::Lost(reason)) => {
                self.close();
                self.again(task, CallError::new("OperationalError", reason));
                false
            }
            Called::Trouble(Trouble::Conflict(error) | Trouble::Endless(error)) => {
                self.again(task, error);
                true
            }
        }
    }

    /// A task that was begun in vain waits again, after a pause; or is answered, if that was the
    /// last time.
    fn again(&mut self, mut task: Task, error: CallError) {
        task.tries += 1;
        if task.tries >= MYSQL_TRIES_MAX {
            return self.pool.answer(&task, Err(error));
        }
        self.pause(task.tries);
        self.pool.put_back(task);
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
        let (thread, id) = (self.thread, task.job.id);
        self.pool
            .watch_call(thread, id, now_ms, task.limit_ms(now_ms));
        let allowed = session.allow(task.job.limit_ms);
        let called = match allowed.map_err(sort) {
            Ok(()) => statement::call(session, &task.job, class),
            Err(Err(trouble)) => Err(trouble),
            Err(Ok(mistake)) => Err(Trouble::Lost(mistake.detail)),
        };
        let ended = self.pool.unwatch_call(thread);
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

    fn prepare(&mut self, preparation: &Preparation) {
        let verdict = match self.connect(false) {
            true => super::prepare::prepare(self, preparation),
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

    fn write(&mut self, host: u32) {
        if !self.has_journal() {
            return self.pool.written(host, Vec::new());
        }
        let (done, back) = super::batch::run(self, host);
        let ids = done.into_iter().map(|(task, outcome)| Done {
            id: task.job.id,
            outcome,
        });
        let done = ids.collect();
        // What is answered first: a host that goes on may tell more of the same.
        self.pool.report(done);
        self.pool.written(host, back);
    }
}

/// An error where too many statements that were ended are still at work on the server: each has
/// one of its processors.
fn burning(pool: &Pool, session: &mut Session) -> Option<CallError> {
    let killed = pool.lock().killed.clone();
    if killed.len() < MYSQL_BURNING_MAX {
        return None;
    }
    let alive = session::alive(session, &killed).ok()?;
    let mut state = pool.lock();
    state
        .killed
        .retain(|id| alive.contains(id) || !killed.contains(id));
    let burning = state.killed.len();
    drop(state);
    (burning >= MYSQL_BURNING_MAX).then(|| {
        let detail = format!(
            "{burning} statements that were ended are still at work on the server, which cannot \
             interrupt a function; no raw SQL begins before one has ended"
        );
        CallError::new("OperationalError", detail)
    })
}

/// What came of a call on a connection.
pub(super) enum Called {
    Outcome(Result<String, CallError>),
    /// Its caller gets this, and the connection is of no use any more, by its fault.
    Culprit(CallError),
    /// Never `Endless`.
    Trouble(Trouble),
}
