//! Raw queries: the placeholders of Python's drivers, told from the text around them.

/// Whether the query's first word alone says that it changes nothing.
pub(super) fn surely_reads(query: &str) -> bool {
    let word = query
        .trim_start()
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or("");
    ["SELECT", "VALUES", "EXPLAIN", "PRAGMA"]
        .iter()
        .any(|reads| word.eq_ignore_ascii_case(reads))
}

/// Rewrites `%s` outside quotes and comments to `?`, and `%%` anywhere to `%`, as Python's
/// drivers do for a query that comes with values.
pub(super) fn with_question_marks(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    let mut rest = query;
    let mut inside: Option<&str> = None;
    while let Some(next) = rest.chars().next() {
        let mut taken = next.len_utf8();
        if rest.starts_with("%%") {
            text.push('%');
            rest = &rest[2..];
            continue;
        }
        match inside {
            // A doubled quote closes and opens again, which comes to the same.
            Some(end) if rest.starts_with(end) => {
                taken = end.len();
                inside = None;
            }
            Some(_) => {}
            None if rest.starts_with("%s") => {
                text.push('?');
                rest = &rest[2..];
                continue;
            }
            None => inside = opens(rest),
        }
        text.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    text
}

/// What ends the quote or comment that starts here.
fn opens(rest: &str) -> Option<&'static str> {
    const PAIRS: [(&str, &str); 6] = [
        ("'", "'"),
        ("\"", "\""),
        ("`", "`"),
        ("[", "]"),
        ("--", "\n"),
        ("/*", "*/"),
    ];
    PAIRS
        .into_iter()
        .find(|(start, _)| rest.starts_with(start))
        .map(|(_, end)| end)
}
