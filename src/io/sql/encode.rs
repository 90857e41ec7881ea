//! Rows as the JSON of an answer, straight from SQLite's memory.

use crate::limits::SQL_ANSWER_BYTES_MAX;
use crate::protocol::response_text::Decoder;
use crate::protocol::response_text::{push_bool, push_float, push_int, push_null, push_text};
use crate::sql::Returns;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

/// Why rows did not become an answer.
#[derive(Debug)]
pub(super) enum RowsError {
    Sqlite(rusqlite::Error),
    /// More than an answer may hold.
    TooLong,
    /// More rows than were allowed.
    TooMany,
}

impl From<rusqlite::Error> for RowsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Runs a statement whose parameters are bound and writes its rows in the shape that is wanted,
/// an array of arrays unless it is another. The bound on the answer bounds the rows as well,
/// since each takes three bytes at least.
pub(super) fn answer(
    statement: &mut Statement<'_>,
    returns: Returns,
    rows_max: usize,
    decoder: Decoder,
) -> Result<String, RowsError> {
    let single = matches!(returns, Returns::Row | Returns::Value);
    let mut out = String::with_capacity(64);
    let mut names = Vec::new();
    let mut count = 0;
    let mut rows = statement.raw_query();
    if !single {
        out.push('[');
    }
    while let Some(row) = rows.next()? {
        if count == rows_max {
            return Err(RowsError::TooMany);
        }
        if count > 0 {
            out.push(',');
        } else if returns == Returns::Objects {
            names = keys(row, decoder);
        }
        match returns {
            Returns::Value => push_cell(&mut out, row, 0, decoder)?,
            Returns::Objects => push_object(&mut out, row, &names, decoder)?,
            _ => push_array(&mut out, row, decoder)?,
        }
        if out.len() >= SQL_ANSWER_BYTES_MAX {
            return Err(RowsError::TooLong);
        }
        if single {
            return Ok(out);
        }
        count += 1;
    }
    out.push_str(if single { "null" } else { "]" });
    Ok(out)
}

fn push_array(out: &mut String, row: &Row<'_>, decoder: Decoder) -> Result<(), RowsError> {
    out.push('[');
    // Asked of the row: a statement that was prepared before a column was added learns of it
    // only when it runs.
    for column in 0..row.as_ref().column_count() {
        if column > 0 {
            out.push(',');
        }
        push_cell(out, row, column, decoder)?;
    }
    out.push(']');
    Ok(())
}

fn push_object(
    out: &mut String,
    row: &Row<'_>,
    names: &[String],
    decoder: Decoder,
) -> Result<(), RowsError> {
    for (column, name) in names.iter().enumerate() {
        out.push(if column == 0 { '{' } else { ',' });
        out.push_str(name);
        push_cell(out, row, column, decoder)?;
    }
    out.push('}');
    Ok(())
}

/// The name of each column as the key of an object, with its colon.
fn keys(row: &Row<'_>, decoder: Decoder) -> Vec<String> {
    let names = row.as_ref().column_names().map(|name| {
        let mut key = String::new();
        push_text(&mut key, name, decoder);
        key.push(':');
        key
    });
    names.collect()
}

fn push_cell(
    out: &mut String,
    row: &Row<'_>,
    column: usize,
    decoder: Decoder,
) -> Result<(), RowsError> {
    match row.get_ref(column)? {
        ValueRef::Null => push_null(out),
        ValueRef::Integer(value) => push_int(out, value, decoder),
        ValueRef::Real(value) => push_float(out, value, decoder),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() > SQL_ANSWER_BYTES_MAX => {
            return Err(RowsError::TooLong);
        }
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, text, decoder),
            Err(_) => push_text(out, &String::from_utf8_lossy(bytes), decoder),
        },
        ValueRef::Blob(bytes) => push_blob(out, bytes, decoder),
    }
    Ok(())
}

/// [0] and [1] are false and true, text is text, anything else is base64.
pub(super) fn push_blob(out: &mut String, bytes: &[u8], decoder: Decoder) {
    match bytes {
        [0] => push_bool(out, false),
        [1] => push_bool(out, true),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, text, decoder),
            Err(_) => push_base64(out, bytes),
        },
    }
}

/// Base64 as of RFC 4648 with padding, in quotes: none of its characters needs an escape.
fn push_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit > group.len() {
                out.push('=');
            } else {
                let index = bits >> (18 - 6 * digit) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &rusqlite::Connection, sql: &str) -> Result<String, RowsError> {
        let mut statement = connection.prepare(sql).unwrap();
        answer(&mut statement, Returns::Rows, usize::MAX, Decoder::Stock)
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let encoded = |bytes: &[u8]| {
            let mut out = String::new();
            push_base64(&mut out, bytes);
            out
        };
        assert_eq!(encoded(b"f"), "\"Zg==\"");
        assert_eq!(encoded(b"fo"), "\"Zm8=\"");
        assert_eq!(encoded(b"foobar"), "\"Zm9vYmFy\"");
        assert_eq!(encoded(&[0xff, 0xfe]), "\"//4=\"");
    }

    #[test]
    fn cells_become_what_upstream_makes_of_them() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let read = |sql: &str| rows(&connection, sql).unwrap();
        assert_eq!(read("SELECT 1, 2.0, 'a', NULL"), "[[1,2.0,\"a\",null]]");
        assert_eq!(
            read("SELECT x'00', x'01', x'41', x'ff'"),
            "[[false,true,\"A\",\"/w==\"]]"
        );
        assert_eq!(read("SELECT CAST(x'61ff' AS TEXT)"), "[[\"a\u{fffd}\"]]");
        assert_eq!(read("SELECT 1 WHERE 0"), "[]");
        assert_eq!(read("VALUES (1), (2)"), "[[1],[2]]");
    }

    #[test]
    fn a_long_answer_is_given_up_early() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for sql in [
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
            "SELECT zeroblob(100000)",
        ] {
            let read = rows(&connection, sql);
            assert!(matches!(read, Err(RowsError::TooLong)), "{sql}");
        }
    }
}
