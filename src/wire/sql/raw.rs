//! Raw queries: the placeholders of Python's drivers, told from the text around them.

use super::scan::{self, Kind, Quoting};

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

/// Rewrites `%s` outside quotes and comments to `?`, and `%%` anywhere to `%`, as Python's
/// drivers do for a query that comes with values.
pub(super) fn with_question_marks(query: &str, quoting: Quoting) -> String {
    let mut text = String::with_capacity(query.len());
    for piece in scan::pieces(query, quoting) {
        let mut rest = piece.text;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let (written, taken) = match rest.as_bytes().get(at + 1) {
                Some(b'%') => ("%", 2),
                Some(b's') if piece.kind == Kind::Code => ("?", 2),
                _ => ("%", 1),
            };
            text.push_str(written);
            rest = &rest[at + taken..];
        }
        text.push_str(rest);
    }
    text
}
