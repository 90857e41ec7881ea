//! What `changes()`, `total_changes()` and `last_insert_rowid()` give to a host.
//!
//! All hosts share one connection, and vpid writes its journal there. So the first two are replaced
//! by functions that look here, and SQLite is given the third before each statement of a host. Inside
//! of a trigger `changes()` goes on counting the statements of that trigger.

#![expect(
    unsafe_code,
    reason = "rusqlite cannot set the last rowid, and gives no connection to a function"
)]

use super::functions::{self, Context, Values};
use rusqlite::{Connection, ffi};
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

/// What a host would find on a connection of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    changes: i64,
    total: i64,
    rowid: i64,
}

/// How a statement uses them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement {
    pub reads_only: bool,
    /// Its own text calls `changes()`.
    pub asks: bool,
    /// Its rows are counted.
    pub counted: bool,
}

/// For the functions, while a statement of a caller's runs. They run on the thread that sets this.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What `changes()` gives as long as the connection's own count is `before`.
    changes: AtomicI64,
    before: AtomicI64,
    /// What the host's total is more than the connection's.
    more: AtomicI64,
}

/// No count of a connection.
const NEVER: i64 = -1;

impl Counts {
    /// A statement of the host begins.
    pub(super) fn begin(&self, connection: &Connection, shown: &Shown, statement: Statement) {
        let live = changes(connection);
        // A trigger of the table may count as many rows as the statement before: only where the
        // text itself asks is the count that of the statement before.
        let is_meant = statement.reads_only || statement.asks;
        shown.changes.store(self.changes, Relaxed);
        shown
            .before
            .store(if is_meant { live } else { NEVER }, Relaxed);
        let more = self.total.wrapping_sub(total(connection));
        shown.more.store(more, Relaxed);
        // SAFETY: it is an open connection, used by this thread.
        unsafe { ffi::sqlite3_set_last_insert_rowid(connection.handle(), self.rowid) }
    }

    /// It has ended, one way or the other.
    pub(super) fn end(&mut self, connection: &Connection, shown: &Shown, statement: Statement) {
        if statement.counted {
            self.changes = changes(connection);
        }
        self.total = total(connection).wrapping_add(shown.more.load(Relaxed));
        self.rowid = connection.last_insert_rowid();
    }
}

fn changes(connection: &Connection) -> i64 {
    // SAFETY: it is an open connection, used by this thread.
    unsafe { ffi::sqlite3_changes64(connection.handle()) }
}

fn total(connection: &Connection) -> i64 {
    // SAFETY: the same.
    unsafe { ffi::sqlite3_total_changes64(connection.handle()) }
}

/// Puts the two functions over a connection.
pub(super) fn install(connection: &Connection, shown: &Arc<Shown>) -> rusqlite::Result<()> {
    // As SQLite's own: what they give changes from statement to statement.
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_INNOCUOUS;
    for (name, function) in [
        (c"changes", shown_changes as functions::Function),
        (c"total_changes", shown_total),
    ] {
        let data = Arc::into_raw(Arc::clone(shown)).cast_mut().cast();
        functions::register(connection, name, 0, flags, (data, Some(forget)), function)?;
    }
    Ok(())
}

unsafe extern "C" fn forget(data: *mut c_void) {
    // SAFETY: it is what `install` made of one Arc, and SQLite calls this once.
    drop(unsafe { Arc::from_raw(data.cast::<Shown>()) });
}

unsafe extern "C" fn shown_changes(context: Context, _: c_int, _: Values) {
    // SAFETY: SQLite calls this with the data that `install` gave it, on its open connection.
    unsafe {
        let shown = &*ffi::sqlite3_user_data(context).cast::<Shown>();
        let live = ffi::sqlite3_changes64(ffi::sqlite3_context_db_handle(context));
        let is_before = live == shown.before.load(Relaxed);
        let count = if is_before {
            shown.changes.load(Relaxed)
        } else {
            live
        };
        ffi::sqlite3_result_int64(context, count);
    }
}

unsafe extern "C" fn shown_total(context: Context, _: c_int, _: Values) {
    // SAFETY: the same.
    unsafe {
        let shown = &*ffi::sqlite3_user_data(context).cast::<Shown>();
        let live = ffi::sqlite3_total_changes64(ffi::sqlite3_context_db_handle(context));
        ffi::sqlite3_result_int64(context, live.wrapping_add(shown.more.load(Relaxed)));
    }
}
