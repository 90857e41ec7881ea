//! Rows as the JSON of an answer, straight from SQLite's memory.

use crate::limits::SQL_ANSWER_BYTES_MAX;
use crate::wire::answer_text::Decoder;
use crate::wire::answer_text::{push_bool, push_float, push_int, push_null, push_text};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

/// Why rows did not become an answer.
#[derive(Debug)]
pub(super) enum RowsError {
    Sqlite(rusqlite::Error),
    /// More than an answer may hold.
    TooLong,
}

impl From<rusqlite::Error> for RowsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Runs a statement whose parameters are bound and reads its rows as an array of arrays. The
/// bound on the answer bounds the rows as well, since each takes three bytes at least.
pub(super) fn rows(statement: &mut Statement<'_>, decoder: Decoder) -> Result<String, RowsError> {
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut out = String::with_capacity(64);
    out.push('[');
    while let Some(row) = rows.next()? {
        out.push_str(if out.len() == 1 { "[" } else { ",[" });
        for column in 0..columns {
            if column > 0 {
                out.push(',');
            }
            push_cell(&mut out, row, column, decoder)?;
        }
        out.push(']');
        if out.len() >= SQL_ANSWER_BYTES_MAX {
            return Err(RowsError::TooLong);
        }
    }
    out.push(']');
    Ok(out)
}

fn push_cell(
    out: &mut String,
    row: &Row<'_>,
    column: usize,
    decoder: Decoder,
) -> Result<(), RowsError> {
    match row.get_ref(column)? {
        ValueRef::Null => push_null(out),
        ValueRef::Integer(value) => push_int(out, value),
        ValueRef::Real(value) => push_float(out, value),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() > SQL_ANSWER_BYTES_MAX => {
            return Err(RowsError::TooLong);
        }
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, text, decoder),
            Err(_) => push_text(out, &String::from_utf8_lossy(bytes), decoder),
        },
        ValueRef::Blob([0]) => push_bool(out, false),
        ValueRef::Blob([1]) => push_bool(out, true),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, text, decoder),
            Err(_) => push_base64(out, bytes),
        },
    }
    Ok(())
}

/// Base64 as of RFC 4648 with padding, in quotes: none of its characters needs an escape.
pub(super) fn push_base64(out: &mut String, bytes: &[u8]) {
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
        let read = |sql: &str| rows(&mut connection.prepare(sql).unwrap(), Decoder::Stock).unwrap();
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
            let read = rows(&mut connection.prepare(sql).unwrap(), Decoder::Stock);
            assert!(matches!(read, Err(RowsError::TooLong)), "{sql}");
        }
    }
}
