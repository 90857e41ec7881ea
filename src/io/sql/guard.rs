//! What a caller's statement may do while it is prepared and run, and for how long.
//!
//! SQLite calls `authorize` for everything that a statement touches, triggers and views
//! included, and `is_over` every few thousand instructions. Both look at the same few atomics,
//! which the worker sets around each statement: its own statements pass unasked.
//!
//! The supervisor looks at them too. It interrupts a statement that is over its limit,
//! which SQLite notices at each turn of a loop, and gives up a thread whose statement does not
//! even end then. Only a thread that is inside a caller's statement can be given up, and it
//! learns of it when it comes out: so it never commits afterwards.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, InterruptHandle};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::since;
use super::tries::Tries;
use super::watchdog::Waker;
use super::watchdog::{Post, Running};
use crate::jobs::CallId;
use crate::limits::{SQL_CLOCK_INSTRUCTIONS, SQL_FUNCTIONS_COST_MAX};

/// Every table of vpid's own starts so; callers never reach them.
const OWN_PREFIX: &str = "vpid_";
/// Values of the limit that are no time.
const NO_LIMIT: u64 = u64::MAX;
const GIVEN_UP: u64 = u64::MAX - 1;
/// Set while the supervisor interrupts: the statement waits for it when it ends, so that the
/// interrupt meets no other.
const INTERRUPTING: u64 = 1 << 63;

/// Shared between the worker, SQLite's callbacks on that thread, the supervisor, and
/// `stop`.
pub(super) struct Guard {
    clock_start: Instant,
    caller: AtomicBool,
    names_own_tables: AtomicBool,
    /// What functions of the statement that is prepared cost so far, and may cost.
    cost: AtomicU32,
    cost_max: AtomicU32,
    limit_ms: AtomicU64,
    post: Post,
    /// `stop` has no more patience.
    abandoned: Arc<AtomicBool>,
    tries: Arc<Tries>,
    /// What keeps the time of calls; nothing does for `check`.
    watchdog: Option<Waker>,
    interrupt: Mutex<Option<InterruptHandle>>,
}

impl Guard {
    pub(super) fn new(
        clock_start: Instant,
        tries: Arc<Tries>,
        abandoned: Arc<AtomicBool>,
        watchdog: Option<Waker>,
    ) -> Self {
        Self {
            clock_start,
            caller: AtomicBool::new(false),
            names_own_tables: AtomicBool::new(false),
            cost: AtomicU32::new(0),
            cost_max: AtomicU32::new(SQL_FUNCTIONS_COST_MAX),
            limit_ms: AtomicU64::new(NO_LIMIT),
            post: Post::default(),
            abandoned,
            tries,
            watchdog,
            interrupt: Mutex::new(None),
        }
    }

    /// Over a connection whose calls have no deadline.
    pub(super) fn alone() -> Self {
        Self::new(Instant::now(), Arc::default(), Arc::default(), None)
    }

    /// The same for the worker that takes over.
    pub(super) fn successor(&self) -> Self {
        let (tries, abandoned) = (Arc::clone(&self.tries), Arc::clone(&self.abandoned));
        Self::new(self.clock_start, tries, abandoned, self.watchdog.clone())
    }

    pub(super) fn now_ms(&self) -> u64 {
        since(self.clock_start)
    }

    pub(super) fn tries(&self) -> &Tries {
        &self.tries
    }

    /// Nothing of this thread is wanted any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed) || self.is_given_up()
    }

    /// Another thread has taken over.
    pub(super) fn is_given_up(&self) -> bool {
        self.limit_ms.load(SeqCst) == GIVEN_UP
    }

    /// From here to `call_ended`, the thread is at this call.
    pub(super) fn call_begins(&self, id: CallId) {
        self.post.begin(id);
        self.keep_time();
    }

    /// Something runs or waits that has an end to its time.
    pub(super) fn keep_time(&self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.begins();
        }
    }

    pub(super) fn call_ended(&self) {
        self.post.end();
    }

    /// The call that runs now.
    pub(super) fn running(&self) -> Option<Running> {
        self.post.running()
    }

    /// From here to `leave`, statements are a caller's.
    pub(super) fn enter(&self, limit_ms: u64) {
        self.begin_cost();
        self.set_limit(limit_ms.min(INTERRUPTING - 1));
        self.caller.store(true, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.caller.store(false, Relaxed);
        self.set_limit(NO_LIMIT);
    }

    /// A thread that is given up stays so.
    fn set_limit(&self, limit_ms: u64) {
        let mut before = self.limit_ms.load(SeqCst);
        while before != GIVEN_UP {
            if before != NO_LIMIT && before & INTERRUPTING != 0 {
                std::hint::spin_loop();
                before = self.limit_ms.load(SeqCst);
                continue;
            }
            match self
                .limit_ms
                .compare_exchange(before, limit_ms, SeqCst, SeqCst)
            {
                Ok(_) => return,
                Err(now) => before = now,
            }
        }
    }

    /// Until when the caller's statement may run that runs now.
    pub(super) fn limit_ms(&self) -> Option<u64> {
        let limit_ms = self.limit_ms.load(SeqCst);
        (limit_ms < INTERRUPTING).then_some(limit_ms)
    }

    /// The connection that the supervisor may interrupt.
    pub(super) fn set_interrupt(&self, handle: InterruptHandle) {
        *self
            .interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// Interrupts the statement that has this limit, and no other.
    pub(super) fn interrupt(&self, limit_ms: u64) {
        let marked = limit_ms | INTERRUPTING;
        let begin = self
            .limit_ms
            .compare_exchange(limit_ms, marked, SeqCst, SeqCst);
        if begin.is_ok() {
            let handle = self
                .interrupt
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(handle) = handle.as_ref() {
                handle.interrupt();
            }
            drop(handle);
            self.limit_ms.store(limit_ms, SeqCst);
        }
    }

    /// Gives the thread up if it is still inside the statement that has this limit.
    pub(super) fn give_up(&self, limit_ms: u64) -> bool {
        self.limit_ms
            .compare_exchange(limit_ms, GIVEN_UP, SeqCst, SeqCst)
            .is_ok()
    }

    /// A renamed table's new name is not among what SQLite calls it for, so the text of a
    /// raw query is looked at instead.
    pub(super) fn look_at(&self, query: &str) {
        let names = query.as_bytes().windows(OWN_PREFIX.len());
        let found = names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(OWN_PREFIX.as_bytes()));
        self.names_own_tables.store(found, Relaxed);
    }

    /// A call begins, and the functions of each of its statements may cost so much.
    pub(super) fn allow_cost(&self, cost_max: u32) {
        self.begin_cost();
        self.cost_max.store(cost_max, Relaxed);
    }

    pub(super) fn begin_cost(&self) {
        self.cost.store(0, Relaxed);
    }

    /// Whether the statement was refused since its functions cost too much.
    pub(super) fn costs_too_much(&self) -> bool {
        self.cost.load(Relaxed) > self.cost_max.load(Relaxed)
    }

    fn affords(&self, function: &str) -> bool {
        let cost = cost(function);
        self.cost.fetch_add(cost, Relaxed).saturating_add(cost) <= self.cost_max.load(Relaxed)
    }

    fn is_over(&self) -> bool {
        let is_late = |limit_ms| self.now_ms() >= limit_ms;
        self.is_abandoned() || self.limit_ms().is_some_and(is_late)
    }

    fn authorize(&self, action: AuthAction<'_>) -> Authorization {
        if !self.caller.load(Relaxed) || self.allows(action) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }

    fn allows(&self, action: AuthAction<'_>) -> bool {
        use AuthAction::{
            AlterTable, Analyze, Attach, CreateIndex, CreateTable, CreateTempIndex,
            CreateTempTable, CreateTempTrigger, CreateTempView, CreateTrigger, CreateView,
            CreateVtable, Delete, Detach, DropIndex, DropTable, DropTempIndex, DropTempTable,
            DropTempTrigger, DropTempView, DropTrigger, DropView, DropVtable, Function, Insert,
            Pragma, Read, Recursive, Reindex, Savepoint, Select, Transaction, Update,
        };
        match action {
            // They would end the worker's transaction, or leave its database.
            Transaction { .. } | Savepoint { .. } | Attach { .. } | Detach { .. } => false,
            Pragma {
                pragma_name,
                pragma_value,
            } => is_read_pragma(pragma_name, pragma_value),
            CreateIndex { table_name, .. }
            | CreateTable { table_name }
            | CreateTempIndex { table_name, .. }
            | CreateTempTable { table_name }
            | CreateTempTrigger { table_name, .. }
            | CreateTempView {
                view_name: table_name,
            }
            | CreateTrigger { table_name, .. }
            | CreateView {
                view_name: table_name,
            }
            | CreateVtable { table_name, .. }
            | Delete { table_name }
            | DropIndex { table_name, .. }
            | DropTable { table_name }
            | DropTempIndex { table_name, .. }
            | DropTempTable { table_name }
            | DropTempTrigger { table_name, .. }
            | DropTempView {
                view_name: table_name,
            }
            | DropTrigger { table_name, .. }
            | DropView {
                view_name: table_name,
            }
            | DropVtable { table_name, .. }
            | Insert { table_name }
            | Read { table_name, .. }
            | Update { table_name, .. } => !is_own(table_name),
            AlterTable { table_name, .. } => {
                !is_own(table_name) && !self.names_own_tables.load(Relaxed)
            }
            // SQLite itself keeps `load_extension` and its like from statements.
            Function { function_name } => self.affords(function_name),
            Analyze { .. } | Reindex { .. } | Recursive | Select => true,
            _ => false,
        }
    }
}

/// Puts the guard over a connection.
pub(super) fn install(connection: &mut Connection, guard: &Arc<Guard>) -> rusqlite::Result<()> {
    let asked = Arc::clone(guard);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        asked.authorize(context.action)
    }))?;
    let asked = Arc::clone(guard);
    connection.progress_handler(SQL_CLOCK_INSTRUCTIONS, Some(move || asked.is_over()))
}

/// What one call of a function may cost that works on the longest texts, in milliseconds or so.
fn cost(function: &str) -> u32 {
    const FREE: [&str; 22] = [
        "abs",
        "avg",
        "changes",
        "coalesce",
        "count",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "datetime",
        "ifnull",
        "iif",
        "julianday",
        "nullif",
        "random",
        "round",
        "row_number",
        "sum",
        "time",
        "total",
        "typeof",
        "unixepoch",
    ];
    let is = |name: &&str| function.eq_ignore_ascii_case(name);
    let begins = |start: &str| {
        let name = function.as_bytes().get(..start.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(start.as_bytes()))
    };
    match function {
        _ if FREE.iter().any(is) => 0,
        _ if ["like", "glob", "match", "regexp"].iter().any(is) => 40,
        _ if begins("json") || begins("->") => 8,
        _ => 1,
    }
}

fn is_own(table: &str) -> bool {
    table
        .as_bytes()
        .get(..OWN_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX.as_bytes()))
}

fn is_read_pragma(name: &str, value: Option<&str>) -> bool {
    let named = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    match value {
        Some(_) => ["table_info", "table_list", "index_list", "index_info"]
            .into_iter()
            .any(named),
        // Full-text search uses the last by itself.
        None => ["table_list", "user_version", "data_version"]
            .into_iter()
            .any(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inside_its_statement_a_thread_can_be_given_up_and_it_stays_so() {
        let guard = Guard::alone();
        assert!(!guard.give_up(NO_LIMIT - 7) && guard.limit_ms().is_none());
        guard.enter(500);
        guard.interrupt(500);
        assert_eq!(guard.limit_ms(), Some(500));
        assert!(!guard.give_up(499) && !guard.is_abandoned());
        assert!(guard.give_up(500) && guard.is_given_up() && guard.is_abandoned());
        guard.leave();
        guard.enter(900);
        assert!(guard.is_given_up() && guard.is_over());
    }
}
