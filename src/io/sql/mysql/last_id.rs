//! `LAST_INSERT_ID()`, carried from call to call of a host over the connections of the pool.
//!
//! The server keeps it for each connection. Here it is kept for each host: a transaction of the host
//! begins by giving it to the connection, where that has another, and what calls may have changed is
//! read back together with their commit. It counts once that is done.

use super::pool::Pool;
use super::queue::Task;
use super::session::Session;
use crate::jobs::Caller;
use crate::sql::Class;

/// Gives the number, among statements that give no rows.
pub(super) const READ: &str = "SELECT LAST_INSERT_ID()";

/// Of the host whose transaction a connection has.
#[derive(Debug)]
pub(super) struct LastId {
    host: Caller,
    /// As it is before the transaction.
    carried: u64,
    may_differ: bool,
}

impl LastId {
    pub(super) fn of(pool: &Pool, host: Caller) -> Self {
        Self {
            host,
            carried: pool.with(|state| state.last_ids.get(host)),
            may_differ: false,
        }
    }

    /// The statement that gives the connection the host's, where it has another.
    pub(super) fn give(&self, session: Option<&Session>) -> Option<String> {
        let differs = session.is_some_and(|session| session.last_id != Some(self.carried));
        differs.then(|| format!("DO LAST_INSERT_ID({})", self.carried))
    }

    /// The connection has the host's.
    pub(super) fn given(&self, session: Option<&mut Session>) {
        if let Some(session) = session {
            session.last_id = Some(self.carried);
        }
    }

    /// A call of the host was found in the journal: what it left there when it ran went with its
    /// connection, so it is as of a new one. Gives the statement that says so, where it is needed.
    pub(super) fn forget(&mut self, pool: &Pool, session: Option<&Session>) -> Option<String> {
        pool.with(|state| state.last_ids.set(self.host, 0));
        self.carried = 0;
        self.give(session)
    }

    /// A call of the host has run. After one that failed, the server gives what it likes.
    pub(super) fn ran(&mut self, session: Option<&mut Session>, task: &Task, failed: bool) {
        let reads = task.class == Ok(Class::Read);
        if let Some(session) = session
            && !reads
            && (session.generated || failed || task.job.call.uses().last_insert_id)
        {
            session.last_id = None;
            self.may_differ = true;
        }
    }

    /// What is to be read before the commit.
    pub(super) fn wanted(&self) -> Option<&'static str> {
        self.may_differ.then_some(READ)
    }

    /// The transaction is durable; what was read, where something was.
    pub(super) fn keep(&self, pool: &Pool, session: Option<&mut Session>, read: Option<u64>) {
        if let (Some(id), true) = (read, self.may_differ) {
            pool.with(|state| state.last_ids.set(self.host, id));
            if let Some(session) = session {
                session.last_id = Some(id);
            }
        }
    }
}
