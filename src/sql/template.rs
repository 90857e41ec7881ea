//! Statements that the owner wrote into the configuration: `:name` where a value goes.

use super::scan::{self, Kind, Quoting, Word};

/// One statement, with its named placeholders written as `?`. Each is as long as it was, so a
/// position in `text` is one in what the owner wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub text: String,
    /// For each `?` the position of its parameter.
    pub params: Vec<usize>,
    /// The tables it names, in lower case, and perhaps other names: never too few, except
    /// what a view or a trigger reaches.
    pub tables: Vec<String>,
    /// Its words say that it changes nothing.
    pub surely_reads: bool,
}

/// What is wrong with a statement, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub at: usize,
    pub message: String,
}

impl Template {
    /// Reads a statement whose parameters have these names.
    pub fn parse(sql: &str, quoting: Quoting, names: &[&str]) -> Result<Self, TemplateError> {
        if scan::words(sql, quoting).all(|word| word == Word::Sign(';')) {
            return Err(TemplateError {
                at: 0,
                message: "there is no statement; write one".to_owned(),
            });
        }
        let mut text = String::with_capacity(sql.len());
        let mut params = Vec::new();
        for piece in scan::pieces(sql, quoting) {
            if piece.kind != Kind::Code {
                text.push_str(piece.text);
                continue;
            }
            check_code(piece, sql)?;
            let mut rest = piece.text;
            while let Some(colon) = rest.find(':') {
                let at = piece.at + (piece.text.len() - rest.len()) + colon;
                let (before, behind) = rest.split_at(colon + 1);
                let length = behind
                    .find(|sign: char| !scan::is_word(sign))
                    .unwrap_or(behind.len());
                let (name, after) = behind.split_at(length);
                // `:=` assigns in MySQL, `::` means nothing here.
                if name.is_empty() {
                    text.push_str(before);
                    rest = behind;
                    continue;
                }
                let known = names.iter().position(|known| *known == name);
                params.push(known.ok_or_else(|| TemplateError {
                    at,
                    message: format!(":{name} is not among its params"),
                })?);
                text.push_str(&before[..colon]);
                text.push('?');
                text.extend(std::iter::repeat_n(' ', name.len()));
                rest = after;
            }
            text.push_str(rest);
        }
        Ok(Self {
            params,
            tables: tables(sql, quoting),
            surely_reads: reads(sql, quoting),
            text,
        })
    }

    /// Whether the statement has rows to give, as far as its words tell.
    pub fn gives_rows(&self, quoting: Quoting) -> bool {
        self.surely_reads || has_word(&self.text, quoting, &["RETURNING"])
    }
}

/// Whether the words say that nothing is changed; a `WITH` may stand before either.
fn reads(sql: &str, quoting: Quoting) -> bool {
    const CHANGES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];
    match scan::first_word(sql, quoting).as_deref() {
        Some("WITH") => !has_word(sql, quoting, &CHANGES),
        _ => super::raw::surely_reads(sql, quoting),
    }
}

fn has_word(sql: &str, quoting: Quoting, wanted: &[&str]) -> bool {
    scan::words(sql, quoting).any(|word| match word {
        Word::Bare(word) => wanted.iter().any(|one| word.eq_ignore_ascii_case(one)),
        _ => false,
    })
}

/// Values come by name, and one statement at a time.
fn check_code(piece: scan::Piece<'_>, sql: &str) -> Result<(), TemplateError> {
    if let Some(at) = piece.text.find('?') {
        return Err(TemplateError {
            at: piece.at + at,
            message: "`?` stands for no parameter here; write its name, as in :name".to_owned(),
        });
    }
    if let Some(at) = piece.text.find(';')
        && !sql[piece.at + at..]
            .chars()
            .all(|sign| sign == ';' || sign.is_whitespace())
    {
        return Err(TemplateError {
            at: piece.at + at,
            message: "one statement goes before the `;`; several stand in steps = [...]".to_owned(),
        });
    }
    Ok(())
}

/// Names that stand where tables do: behind FROM, JOIN, INTO, UPDATE and TABLE, up to what ends
/// such a list. In lower case, each once.
pub fn tables(sql: &str, quoting: Quoting) -> Vec<String> {
    const OPENERS: [&str; 7] = [
        "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "REPLACE", "DELETE",
    ];
    const ENDS: [&str; 12] = [
        "SELECT",
        "WHERE",
        "SET",
        "VALUES",
        "VALUE",
        "ON",
        "USING",
        "GROUP",
        "ORDER",
        "LIMIT",
        "HAVING",
        "RETURNING",
    ];
    let mut found: Vec<String> = Vec::new();
    let (mut listing, mut into) = (false, false);
    for word in scan::words(sql, quoting) {
        let name = match word {
            Word::Bare(word) => {
                let upper = word.to_ascii_uppercase();
                if OPENERS.contains(&upper.as_str()) {
                    (listing, into) = (true, upper == "INTO");
                    continue;
                }
                listing &= !ENDS.contains(&upper.as_str());
                word
            }
            Word::Name(name) => name,
            // The columns of an insert.
            Word::Sign('(') if into => {
                listing = false;
                continue;
            }
            Word::Sign(_) => continue,
        };
        let name = name.to_lowercase();
        if listing && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str) -> Result<Template, TemplateError> {
        Template::parse(sql, Quoting::Sqlite, &["a", "limit"])
    }

    #[test]
    fn names_become_placeholders_in_their_order() {
        let sql = "SELECT ':a' AS \":a\" FROM t WHERE x = :limit AND y > :a -- :b\n OR z=:a;";
        let template = parse(sql).unwrap();
        assert_eq!(
            template.text,
            "SELECT ':a' AS \":a\" FROM t WHERE x = ?      AND y > ?  -- :b\n OR z=? ;"
        );
        assert_eq!(template.params, [1, 0, 0]);
        assert!(template.surely_reads && template.gives_rows(Quoting::Sqlite));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (sql, at, word) in [
            ("SELECT :b", 7, ":b"),
            ("SELECT :limits", 7, ":limits"),
            ("SELECT ?", 7, "`?`"),
            ("SELECT 1; SELECT 2", 8, "steps"),
            ("", 0, "no statement"),
            (" ; -- nothing", 0, "no statement"),
        ] {
            let error = parse(sql).unwrap_err();
            assert_eq!(error.at, at, "{sql}");
            assert!(error.message.contains(word), "{}", error.message);
        }
    }

    #[test]
    fn tables_are_found_wherever_they_stand() {
        for (sql, wanted) in [
            (
                "SELECT a, b FROM T1 AS x, \"T 2\" WHERE c IN (SELECT d FROM t3)",
                &["t1", "t 2", "t3"][..],
            ),
            ("INSERT INTO t1 (a, b) SELECT c, d FROM t2", &["t1", "t2"]),
            ("UPDATE t1 SET a = (SELECT max(b) FROM t2)", &["t1", "t2"]),
            ("DELETE FROM t1 WHERE a = 1", &["t1"]),
            ("SELECT 1 FROM (t1 LEFT JOIN t2 ON a = b)", &["t1", "t2"]),
            ("WITH x AS (SELECT a FROM t1) SELECT a FROM x", &["t1", "x"]),
            ("REPLACE INTO t1 VALUES (1)", &["t1"]),
            ("INSERT IGNORE INTO db.t1 (a) VALUES (1)", &["db", "t1"]),
        ] {
            let found = tables(sql, Quoting::Sqlite);
            for table in wanted {
                assert!(found.iter().any(|name| name == table), "{sql}: {found:?}");
            }
            for column in ["a", "b", "c", "d"] {
                assert!(!found.iter().any(|name| name == column), "{sql}: {found:?}");
            }
        }
    }

    #[test]
    fn statements_with_rows_are_told_from_those_without() {
        let gives = |sql| parse(sql).unwrap().gives_rows(Quoting::Sqlite);
        assert!(gives("INSERT INTO t VALUES (1) RETURNING id"));
        assert!(gives("WITH x AS (SELECT 1) SELECT * FROM x"));
        assert!(!gives("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"));
        assert!(!gives("UPDATE t SET a = 1"));
    }
}
