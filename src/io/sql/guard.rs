//! What a caller's statement may do while it is prepared and run, and for how long.
//!
//! SQLite asks `authorize` about everything that a statement touches, triggers and views
//! included, and `is_over` every few thousand instructions. Both look at the same few atomics,
//! which the lane sets around each statement: its own statements pass unasked.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::limits::SQL_CLOCK_INSTRUCTIONS;

/// Every table of vpid's own starts so; callers never reach them.
const OWN_PREFIX: &str = "vpid_";
const NO_LIMIT: u64 = u64::MAX;

/// Shared between the lane's thread, SQLite's callbacks on that thread, and `stop`.
#[derive(Debug)]
pub(super) struct Guard {
    clock_start: Instant,
    caller: AtomicBool,
    names_own_tables: AtomicBool,
    limit_ms: AtomicU64,
    abandoned: Arc<AtomicBool>,
}

impl Guard {
    pub(super) fn new(clock_start: Instant, abandoned: Arc<AtomicBool>) -> Self {
        Self {
            clock_start,
            caller: AtomicBool::new(false),
            names_own_tables: AtomicBool::new(false),
            limit_ms: AtomicU64::new(NO_LIMIT),
            abandoned,
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock_start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// From here to `leave`, statements are a caller's.
    pub(super) fn enter(&self, limit_ms: u64) {
        self.limit_ms.store(limit_ms, Relaxed);
        self.caller.store(true, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.caller.store(false, Relaxed);
        self.limit_ms.store(NO_LIMIT, Relaxed);
    }

    /// A renamed table's new name is not among the things SQLite asks about, so the text of a
    /// raw query is looked at instead.
    pub(super) fn look_at(&self, query: &str) {
        let names = query.as_bytes().windows(OWN_PREFIX.len());
        let found = names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(OWN_PREFIX.as_bytes()));
        self.names_own_tables.store(found, Relaxed);
    }

    fn is_over(&self) -> bool {
        let limit_ms = self.limit_ms.load(Relaxed);
        self.is_abandoned() || (limit_ms != NO_LIMIT && self.now_ms() >= limit_ms)
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
            // They would end the lane's transaction, or leave its database.
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
            Analyze { .. } | Function { .. } | Reindex { .. } | Recursive | Select => true,
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
        // Full-text search asks for the last by itself.
        None => ["table_list", "user_version", "data_version"]
            .into_iter()
            .any(named),
    }
}
