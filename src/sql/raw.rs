//! Raw queries: the placeholders of Python's drivers, as distinct from the text around them.

use super::Error;
use super::Param;
use super::scan::{self, Kind, Quoting, Word};
use crate::limits::SQL_PARAMS_MAX;
use serde_json::Value;

/// How deep lists may stand in each other as one value: `(a, b) IN %s` takes a list of lists.
const LISTS_MAX: usize = 3;

/// Whether the query's first word alone says that it changes nothing.
pub(super) fn surely_reads(query: &str, quoting: Quoting) -> bool {
    let word = scan::first_word(query, quoting);
    word.is_some_and(|word| {
        [
            "SELECT", "VALUES", "EXPLAIN", "PRAGMA", "SHOW", "DESCRIBE", "DESC", "TABLE",
        ]
        .contains(&word.as_str())
    })
}

/// Whether there is no statement in it, but comments at most.
pub fn is_blank(query: &str, quoting: Quoting) -> bool {
    scan::words(query, quoting).all(|word| word == Word::Sign(';'))
        && scan::pieces(query, quoting).all(|piece| piece.kind != Kind::Text)
}

/// The query with its values. A list among them is what MySQL's drivers in Python make of one: a
/// value for each of its elements, in parentheses, in the place of its `%s`.
pub(super) fn with_values(
    query: &str,
    values: &[Value],
    quoting: Quoting,
) -> Result<(String, Vec<Param>), Error> {
    let mut params = Vec::with_capacity(values.len());
    let mut shapes = Vec::with_capacity(values.len());
    for value in values {
        if value.is_array() && quoting == Quoting::Sqlite {
            return Err(Error::value(
                "format holds an array where one value belongs; on SQLite, write a placeholder \
                 and a value for each of its elements",
            ));
        }
        let mut shape = String::new();
        flatten(value, &mut params, &mut shape, 0)?;
        shapes.push(shape);
    }
    if params.len() > SQL_PARAMS_MAX {
        return Err(Error::value("format holds too many values"));
    }
    if values.iter().all(|value| !value.is_array()) {
        return Ok((query.to_owned(), params));
    }
    let mut places = shapes.iter();
    let written = replaced(query, quoting, |sign| match sign {
        "%s" => places.next().map_or("%s", String::as_str),
        other => other,
    });
    match places.next() {
        None => Ok((written, params)),
        Some(_) => Err(Error::value(
            "format has more values than the query has %s; an array needs one",
        )),
    }
}

/// Writes the placeholders of a value, and collects what they stand for.
fn flatten(
    value: &Value,
    params: &mut Vec<Param>,
    shape: &mut String,
    depth: usize,
) -> Result<(), Error> {
    let Value::Array(items) = value else {
        params.push(Param::read(value, "format")?);
        shape.push_str("%s");
        return Ok(());
    };
    if depth == LISTS_MAX {
        return Err(Error::value("format holds arrays in too many others"));
    }
    shape.push('(');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            shape.push_str(", ");
        }
        flatten(item, params, shape, depth + 1)?;
    }
    shape.push(')');
    Ok(())
}

/// Rewrites `%s` outside quotes and comments to `?`, and `%%` anywhere to `%`, as Python's drivers
/// of MySQL do for a query that comes with values. That of SQLite knows neither, so there a query
/// is left as it is unless its placeholders are written so.
pub(super) fn with_question_marks(query: &str, quoting: Quoting) -> String {
    if quoting == Quoting::Sqlite && !has_percent_places(query, quoting) {
        return query.to_owned();
    }
    replaced(query, quoting, |sign| match sign {
        "%s" => "?",
        _ => "%",
    })
}

/// Whether there is a `%s` among the code, and no `?`.
fn has_percent_places(query: &str, quoting: Quoting) -> bool {
    let code = || scan::pieces(query, quoting).filter(|piece| piece.kind == Kind::Code);
    code().any(|piece| piece.text.contains("%s")) && !code().any(|piece| piece.text.contains('?'))
}

/// Puts what `write` gives in the place of each `%s` outside quotes and comments, and of each `%%`
/// anywhere.
fn replaced<'a>(
    query: &str,
    quoting: Quoting,
    mut write: impl FnMut(&'static str) -> &'a str,
) -> String {
    let mut text = String::with_capacity(query.len());
    for piece in scan::pieces(query, quoting) {
        let mut rest = piece.text;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let (written, taken) = match rest.as_bytes().get(at + 1) {
                Some(b'%') => (write("%%"), 2),
                Some(b's') if piece.kind == Kind::Code => (write("%s"), 2),
                _ => ("%", 1),
            };
            text.push_str(written);
            rest = &rest[at + taken..];
        }
        text.push_str(rest);
    }
    text
}
