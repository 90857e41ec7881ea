//! What a statement has to do with the state of its connection, judged by its words.
//!
//! vpi.py had one connection for one call at a time, so a call saw what the one before it had left
//! there. vpid has several for many hosts. `LAST_INSERT_ID()` is carried from call to call of a host,
//! as `changes()` of SQLite is; the rest cannot be, and is refused with what to write instead.

use super::SqlCall;
use super::scan::{self, Quoting, Word};
use crate::limits::SQL_VARIABLES_MAX;

/// Of a statement for a MySQL server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// It reads or sets what `LAST_INSERT_ID()` gives.
    pub last_insert_id: bool,
    /// User variables, without the `@`, but for those whose names stand in quotes. In a raw query, all of
    /// them are given a value in the statement itself.
    pub variables: Vec<String>,
}

impl SqlCall {
    /// What the call needs of its connection on a MySQL server.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        self.each_text(|text| {
            uses.last_insert_id |= reads_last_insert_id(text);
            // One in quotes can only be a [query]'s: raw queries with such are refused.
            for variable in variables(text).into_iter().filter(|it| !it.name.is_empty()) {
                if !uses.variables.contains(&variable.name) {
                    uses.variables.push(variable.name);
                }
            }
        });
        uses
    }

    fn each_text(&self, mut look: impl FnMut(&str)) {
        match self {
            Self::Raw { query, .. } => look(query),
            Self::Query { query, .. } => query.steps.iter().for_each(|step| look(&step.text)),
            _ => {}
        }
    }
}

/// A procedure may do whatever its body says.
fn reads_last_insert_id(text: &str) -> bool {
    let calls = scan::first_word(text, Quoting::Mysql).is_some_and(|word| word == "CALL");
    let has_settings = text.contains("@@");
    let reads = |word: Word<'_>| {
        let is = |name: &str| matches!(word, Word::Bare(word) if word.eq_ignore_ascii_case(name));
        // The variable @@identity is the same.
        is("LAST_INSERT_ID") || has_settings && is("IDENTITY")
    };
    calls || scan::words(text, Quoting::Mysql).any(reads)
}

/// Why.
const SHARED: &str = "is of a connection, which calls share here";

/// What is refused in a raw query, and what to write instead.
pub(super) fn refusal(text: &str) -> Option<String> {
    // Functions, by the parenthesis behind their name.
    const FUNCTIONS: [(&[&str], &str); 4] = [
        (
            &["ROW_COUNT"],
            "the VPI_DB_User functions answer with the count, so does a [query] with returns = \
             \"count\", and RETURNING gives the rows",
        ),
        (
            &["FOUND_ROWS"],
            "select COUNT(*), or COUNT(*) OVER () as a column of the query itself",
        ),
        (
            &["GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS"],
            "let a row of your own table be the lock, with an UPDATE whose WHERE has the old value",
        ),
        (
            &["LASTVAL"],
            "SELECT NEXTVAL(...) answers with the value itself",
        ),
    ];
    let words: Vec<Word<'_>> = scan::words(text, Quoting::Mysql).collect();
    for pair in words.windows(2) {
        let (Word::Bare(name), Word::Sign('(')) = (pair[0], pair[1]) else {
            continue;
        };
        for (names, instead) in FUNCTIONS {
            if names.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let name = name.to_ascii_uppercase();
                return Some(format!("{name}() {SHARED}; {instead}"));
            }
        }
    }
    let bare = |at: usize| match words.get(at) {
        Some(Word::Bare(word)) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    let made = if bare(1) == "OR" { 3 } else { 1 };
    let is_temporary = bare(made) == "TEMPORARY";
    if matches!(bare(0).as_str(), "CREATE" | "DROP") && is_temporary {
        return Some(format!(
            "a temporary table {SHARED}; use a table of your own, user_<script>_<name>"
        ));
    }
    // SHOW COUNT(*) WARNINGS
    let shown = if bare(1) == "COUNT" { 5 } else { 1 };
    if bare(0) == "SHOW" && matches!(bare(shown).as_str(), "WARNINGS" | "ERRORS") {
        return Some(format!("what SHOW {} shows {SHARED}", bare(shown)));
    }
    let counts = |word: &Word<'_>| {
        let is = |name: &str| matches!(word, Word::Bare(word) if word.eq_ignore_ascii_case(name));
        is("WARNING_COUNT") || is("ERROR_COUNT")
    };
    if words.iter().any(counts) && text.contains("@@") {
        return Some(format!("the count of warnings or errors {SHARED}"));
    }
    let previous = |three: &[Word<'_>]| {
        let is = |at: usize, name: &str| matches!(three[at], Word::Bare(word) if word.eq_ignore_ascii_case(name));
        is(0, "PREVIOUS") && is(1, "VALUE") && is(2, "FOR")
    };
    if words.windows(3).any(previous) {
        return Some(format!(
            "PREVIOUS VALUE {SHARED}; SELECT NEXT VALUE FOR answers with the value itself"
        ));
    }
    unset_variable(text)
}

/// A user variable lives as long as one statement: what another left in it is another host's, maybe.
fn unset_variable(text: &str) -> Option<String> {
    let found = variables(text);
    if found.len() > SQL_VARIABLES_MAX {
        return Some(format!("more than {SQL_VARIABLES_MAX} user variables"));
    }
    let unset = found.iter().find(|variable| !variable.is_set)?;
    Some(match unset.name.is_empty() {
        true => "a user variable is written without quotes here, as @name".to_owned(),
        false => format!(
            "@{:.32} has no value in this statement, and what an earlier one has left {SHARED}; set \
             it here (:= or INTO), or keep it in a table",
            unset.name
        ),
    })
}

struct Variable {
    /// In lower case, as the server takes it. Empty where it stands in quotes.
    name: String,
    /// It is given a value, or a procedure may do so.
    is_set: bool,
}

/// The user variables that stand in the code, each once.
fn variables(text: &str) -> Vec<Variable> {
    let mut found: Vec<Variable> = Vec::new();
    if !text.contains('@') {
        return found;
    }
    let calls = scan::first_word(text, Quoting::Mysql).is_some_and(|word| word == "CALL");
    let mut into = false;
    for (before, name, behind) in scan::variables(text) {
        // SELECT ... INTO @a, @b
        into = match before.trim_end() {
            "," => into,
            before => ends_with_word(before, "INTO"),
        };
        let is_set = calls || into || behind.trim_start().starts_with(":=");
        let name = name.to_lowercase();
        if found.len() > SQL_VARIABLES_MAX {
            break;
        }
        match found.iter_mut().find(|variable| variable.name == name) {
            Some(variable) => variable.is_set |= is_set,
            None => found.push(Variable { name, is_set }),
        }
    }
    found
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let from = text.len().checked_sub(word.len());
    let end = from.and_then(|from| text.get(from..));
    let before = from
        .and_then(|from| text.get(..from))
        .and_then(|text| text.chars().next_back());
    end.is_some_and(|end| end.eq_ignore_ascii_case(word)) && !before.is_some_and(scan::is_word)
}

/// Whether an SQLite statement, which writes, is one that `changes()` counts.
pub fn is_counted(text: &str) -> bool {
    let word = scan::first_word(text, Quoting::Sqlite);
    let counted = ["INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"];
    word.is_some_and(|word| counted.contains(&word.as_str()))
}

/// Whether an SQLite statement calls `changes()` itself, and not only a trigger of its table.
pub fn reads_change_count(text: &str) -> bool {
    scan::words(text, Quoting::Sqlite).any(|word| match word {
        Word::Bare(word) | Word::Name(word) => word.eq_ignore_ascii_case("changes"),
        Word::Sign(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ERROR_DETAIL_BYTES_MAX;

    fn raw(query: &str) -> SqlCall {
        SqlCall::Raw {
            query: query.to_owned(),
            params: None,
        }
    }

    #[test]
    fn what_reads_the_last_id_is_known_by_its_words() {
        for (text, reads) in [
            ("SELECT LAST_INSERT_ID()", true),
            ("select last_insert_id ( )", true),
            ("SELECT @@last_insert_id", true),
            ("SELECT @@IDENTITY", true),
            ("SELECT @@session.identity", true),
            ("UPDATE t SET n = LAST_INSERT_ID(n + 1)", true),
            ("CALL p()", true),
            ("SELECT 'LAST_INSERT_ID()' -- LAST_INSERT_ID()", false),
            ("SELECT `LAST_INSERT_ID` FROM t", false),
            ("SELECT identity FROM t", false),
            ("INSERT INTO t VALUES (1)", false),
        ] {
            assert_eq!(raw(text).uses().last_insert_id, reads, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_with_the_way_out() {
        for (text, word) in [
            ("SELECT ROW_COUNT()", "RETURNING"),
            ("SELECT found_rows ()", "COUNT(*)"),
            ("SELECT GET_LOCK('x', 1)", "UPDATE"),
            ("DO RELEASE_LOCK('x')", "UPDATE"),
            ("SELECT LASTVAL(s)", "NEXTVAL"),
            ("SELECT PREVIOUS VALUE FOR s", "NEXT VALUE"),
            ("CREATE TEMPORARY TABLE x (a INT)", "user_<script>_<name>"),
            ("create or replace temporary table x (a int)", "user_"),
            ("DROP TEMPORARY TABLE IF EXISTS x", "user_"),
            ("SHOW WARNINGS", "connection"),
            ("SHOW COUNT(*) WARNINGS", "connection"),
            ("SELECT @@warning_count", "connection"),
            ("SELECT @@session.error_count", "connection"),
            ("SELECT @a", "@a has no value"),
            ("SELECT @A, @b := 1", "@a has no value"),
            ("SELECT @`a` := 1", "without quotes"),
        ] {
            let refusal = refusal(text).unwrap_or_else(|| panic!("{text}"));
            assert!(refusal.contains(word), "{text}: {refusal}");
            assert!(
                refusal.len() <= ERROR_DETAIL_BYTES_MAX,
                "it is cut: {refusal}"
            );
        }
        for text in [
            "SELECT row_count FROM t",
            "SELECT 'ROW_COUNT()', `found_rows` FROM t",
            "CREATE TABLE temporary (a INT)",
            "SHOW TABLES",
            "SELECT @n := @n + 1, name FROM t, (SELECT @n := 0) AS first",
            "SELECT a, b INTO @x, @y FROM t",
            "CALL p(1, @out)",
            "SELECT 'a@b.c', @@version, @@session.sql_mode",
            "SELECT IS_FREE_LOCK('x')",
            "SHOW GRANTS FOR 'a'@'b'",
            "CREATE DEFINER = root@localhost VIEW v AS SELECT 1",
        ] {
            assert_eq!(refusal(text), None, "{text}");
        }
        let uses = raw("SELECT @N := @n + 1 FROM t, (SELECT @n := 0) AS x").uses();
        assert_eq!(uses.variables, ["n"]);
        let uses = raw("SELECT @`a b` := 1, @'c' := 2, @\"d\" := 3, @e := 4").uses();
        assert_eq!(uses.variables, ["e"]);
    }

    #[test]
    fn statements_whose_rows_are_counted_are_distinguished_from_others() {
        for text in [
            "UPDATE t SET a = 1",
            " -- x\nwith y as (select 1) delete from t",
            "REPLACE INTO t VALUES (1)",
        ] {
            assert!(is_counted(text), "{text}");
        }
        for text in ["CREATE TABLE t (a)", "DROP TABLE t", "VACUUM"] {
            assert!(!is_counted(text), "{text}");
        }
        assert!(reads_change_count("INSERT INTO t SELECT Changes()"));
        assert!(!reads_change_count("INSERT INTO t VALUES ('changes()')"));
    }
}
