//! Functions of SQLite that are replaced, since one call of them could run for hours: `replace`,
//! `instr`, `trim` and `unhex` with the characters given, `json_patch`. They give what SQLite's
//! own give (the tests compare them), in a time that grows with the length of their arguments.
//!
//! SQLite calls no handler while a function runs, so neither a deadline nor an interrupt ends one.

#![expect(
    unsafe_code,
    reason = "rusqlite gives numbers to functions as numbers; only SQLite can make the same texts of them"
)]

use super::text::{self, Trim};
use crate::limits::{SQL_JSON_PATCH_BYTES2_MAX, SQL_VALUE_BYTES_MAX};
use rusqlite::{Connection, ffi};
use std::cell::OnceCell;
use std::ffi::{CStr, c_int, c_void};

pub(super) type Context = *mut ffi::sqlite3_context;
pub(super) type Values = *mut *mut ffi::sqlite3_value;
pub(super) type Function = unsafe extern "C" fn(Context, c_int, Values);

/// As SQLite's own are: usable in indexes, and by triggers and views of a schema that is not
/// trusted.
const FLAGS: c_int = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
const PLAIN: [(&CStr, c_int, Function); 6] = [
    (c"replace", 3, replace),
    (c"instr", 2, instr),
    (c"trim", 2, trim),
    (c"ltrim", 2, ltrim),
    (c"rtrim", 2, rtrim),
    (c"unhex", 2, unhex),
];
const JSON: [(&CStr, &str, Function); 2] = [
    (c"json_patch", "SELECT json_patch(?1, ?2)", json_patch),
    (c"jsonb_patch", "SELECT jsonb_patch(?1, ?2)", json_patch),
];
const NOT_UTF8: &str = "the characters to trim are not UTF-8";

/// Puts them over a connection.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    for (name, arguments, function) in PLAIN {
        create(connection, name, arguments, FLAGS, None, function)?;
    }
    #[cfg(test)]
    create(connection, c"stall", 1, ffi::SQLITE_UTF8, None, stall)?;
    for (name, query, function) in JSON {
        let flags = FLAGS | ffi::SQLITE_RESULT_SUBTYPE;
        create(connection, name, 2, flags, Some(query), function)?;
    }
    Ok(())
}

fn create(
    connection: &Connection,
    name: &CStr,
    arguments: c_int,
    flags: c_int,
    query: Option<&'static str>,
    function: Function,
) -> rusqlite::Result<()> {
    let (data, destroy) = match query {
        None => (std::ptr::null_mut(), None),
        Some(query) => {
            let original = Box::new(Original {
                query,
                connection: OnceCell::new(),
            });
            let destroy: unsafe extern "C" fn(*mut c_void) = forget_original;
            (Box::into_raw(original).cast(), Some(destroy))
        }
    };
    register(
        connection,
        name,
        arguments,
        flags,
        (data, destroy),
        function,
    )
}

/// Gives SQLite a function, with its data and what ends that.
pub(super) fn register(
    connection: &Connection,
    name: &CStr,
    arguments: c_int,
    flags: c_int,
    (data, destroy): (*mut c_void, Option<unsafe extern "C" fn(*mut c_void)>),
    function: Function,
) -> rusqlite::Result<()> {
    // SAFETY: the handle is that of an open connection; the functions have the signature that
    // SQLite calls, and their data lives until it calls `destroy`, which it does also when this
    // fails.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            arguments,
            flags,
            data,
            Some(function),
            None,
            None,
            destroy,
        )
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// An argument as text, where it is not NULL.
///
/// SAFETY: `at` is the number of an argument, and nothing reads it in another form while the
/// text is in use.
unsafe fn argument<'a>(values: Values, at: usize) -> Option<&'a [u8]> {
    // SAFETY: SQLite's pointer stays good for as many bytes as it then says, until the value is
    // read in another form, or the function returns.
    unsafe {
        let value = *values.add(at);
        let start = ffi::sqlite3_value_text(value);
        if start.is_null() {
            return None;
        }
        let length = usize::try_from(ffi::sqlite3_value_bytes(value)).unwrap_or(0);
        Some(std::slice::from_raw_parts(start, length))
    }
}

/// SAFETY: `context` is that of the running function.
unsafe fn give(context: Context, text: &[u8]) {
    let (start, length) = (text.as_ptr().cast(), text.len() as u64);
    let form = ffi::SQLITE_UTF8 as u8;
    // SAFETY: SQLite copies the bytes before it returns.
    unsafe {
        ffi::sqlite3_result_text64(context, start, length, ffi::SQLITE_TRANSIENT(), form);
    }
}

/// SAFETY: `context` is that of the running function.
unsafe fn fail(context: Context, message: &str) {
    let length = c_int::try_from(message.len()).unwrap_or(0);
    // SAFETY: SQLite copies the bytes before it returns.
    unsafe { ffi::sqlite3_result_error(context, message.as_ptr().cast(), length) }
}

unsafe extern "C" fn replace(context: Context, _: c_int, values: Values) {
    // SAFETY: SQLite calls this with three arguments, none of which changes its form again.
    unsafe {
        let (Some(text), Some(pattern)) = (argument(values, 0), argument(values, 1)) else {
            return;
        };
        let with = match argument(values, 2) {
            Some(with) => with,
            None if text::is_empty_pattern(pattern) => &[],
            None => return,
        };
        match text::replace(text, pattern, with, SQL_VALUE_BYTES_MAX) {
            Some(replaced) => give(context, &replaced),
            None => ffi::sqlite3_result_error_toobig(context),
        }
    }
}

unsafe extern "C" fn instr(context: Context, _: c_int, values: Values) {
    // SAFETY: SQLite calls this with two arguments. Of a blob its text has the same bytes.
    unsafe {
        let kinds = [0, 1].map(|at| ffi::sqlite3_value_type(*values.add(at)));
        let (Some(text), Some(pattern)) = (argument(values, 0), argument(values, 1)) else {
            return;
        };
        let is_text = kinds != [ffi::SQLITE_BLOB; 2];
        let place = text::instr(text, pattern, is_text);
        ffi::sqlite3_result_int64(context, i64::try_from(place).unwrap_or(i64::MAX));
    }
}

unsafe extern "C" fn trim(context: Context, _: c_int, values: Values) {
    // SAFETY: as for all of them.
    unsafe { trimmed(context, values, true, true) }
}

unsafe extern "C" fn ltrim(context: Context, _: c_int, values: Values) {
    // SAFETY: as for all of them.
    unsafe { trimmed(context, values, true, false) }
}

unsafe extern "C" fn rtrim(context: Context, _: c_int, values: Values) {
    // SAFETY: as for all of them.
    unsafe { trimmed(context, values, false, true) }
}

/// What nothing can interrupt, for so many milliseconds.
#[cfg(test)]
unsafe extern "C" fn stall(context: Context, _: c_int, values: Values) {
    // SAFETY: SQLite calls this with one argument.
    unsafe {
        let ms = ffi::sqlite3_value_int64(*values);
        std::thread::sleep(std::time::Duration::from_millis(ms.unsigned_abs()));
        ffi::sqlite3_result_int64(context, ms);
    }
}

/// SAFETY: SQLite has called a function of two arguments.
unsafe fn trimmed(context: Context, values: Values, left: bool, right: bool) {
    // SAFETY: there are two arguments, none of which changes its form again.
    unsafe {
        let (Some(text), Some(characters)) = (argument(values, 0), argument(values, 1)) else {
            return;
        };
        match Trim::new(characters) {
            Some(trim) => give(context, trim.of(text, left, right)),
            None => fail(context, NOT_UTF8),
        }
    }
}

unsafe extern "C" fn unhex(context: Context, _: c_int, values: Values) {
    // SAFETY: SQLite calls this with two arguments, none of which changes its form again.
    unsafe {
        let (Some(text), Some(between)) = (argument(values, 0), argument(values, 1)) else {
            return;
        };
        let Some(bytes) = text::unhex(text, between) else {
            return;
        };
        let (start, length) = (bytes.as_ptr().cast(), bytes.len() as u64);
        ffi::sqlite3_result_blob64(context, start, length, ffi::SQLITE_TRANSIENT());
    }
}

/// A function of SQLite's own, which a connection has on which it was not replaced.
struct Original {
    query: &'static str,
    connection: OnceCell<Connection>,
}

unsafe extern "C" fn forget_original(data: *mut c_void) {
    // SAFETY: it is what `create` made of a box, and SQLite calls this once.
    drop(unsafe { Box::from_raw(data.cast::<Original>()) });
}

/// It looks for each key of one in all of the other.
unsafe extern "C" fn json_patch(context: Context, _: c_int, values: Values) {
    // SAFETY: SQLite calls this with two arguments, and with the data that `create` gave it.
    unsafe {
        let bytes = [0, 1].map(|at| {
            let bytes = ffi::sqlite3_value_bytes(*values.add(at));
            u64::try_from(bytes).unwrap_or(0)
        });
        if bytes[0] * bytes[1] > SQL_JSON_PATCH_BYTES2_MAX {
            return fail(
                context,
                "json_patch: the two texts are too long for each other; 32 KiB each will do",
            );
        }
        let original = &*ffi::sqlite3_user_data(context).cast::<Original>();
        if let Err(error) = ask(original, context, values) {
            fail(context, &super::super::trouble::message(&error));
        }
    }
}

/// SAFETY: SQLite has called a function of two arguments.
unsafe fn ask(original: &Original, context: Context, values: Values) -> rusqlite::Result<()> {
    let connection = match original.connection.get() {
        Some(connection) => connection,
        None => {
            let opened = Connection::open_in_memory()?;
            original.connection.get_or_init(|| opened)
        }
    };
    // SAFETY: the statement is prepared, stepped and ended here, on a connection that only this
    // function uses; its value is copied while its row stands.
    unsafe {
        let handle = connection.handle();
        let mut statement = std::ptr::null_mut();
        let length = c_int::try_from(original.query.len()).unwrap_or(0);
        let query = original.query.as_ptr().cast();
        let no_tail = std::ptr::null_mut();
        let code = ffi::sqlite3_prepare_v2(handle, query, length, &mut statement, no_tail);
        if code == ffi::SQLITE_OK {
            for at in 0..2 {
                ffi::sqlite3_bind_value(statement, at + 1, *values.add(at as usize));
            }
        }
        let found = code == ffi::SQLITE_OK && ffi::sqlite3_step(statement) == ffi::SQLITE_ROW;
        if found {
            let value = ffi::sqlite3_column_value(statement, 0);
            ffi::sqlite3_result_value(context, value);
            // That it is JSON: else it would stand in other JSON as a text.
            ffi::sqlite3_result_subtype(context, ffi::sqlite3_value_subtype(value));
        }
        let message = CStr::from_ptr(ffi::sqlite3_errmsg(handle));
        let message = message.to_string_lossy().into_owned();
        let code = ffi::sqlite3_extended_errcode(handle);
        ffi::sqlite3_finalize(statement);
        if found {
            return Ok(());
        }
        let error = ffi::Error::new(code);
        Err(rusqlite::Error::SqliteFailure(error, Some(message)))
    }
}
