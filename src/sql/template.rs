//! Statements that the owner wrote into the configuration: `:name` where a value goes.

use super::scan::{self, Kind, Quoting, Word};

/// One statement, with its named placeholders written as `?`. Each is as long as it was, so a
/// position in `text` is one in what the owner wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub text: String,
    /// For each `?` the position of its parameter.
    pub params: Vec<usize>,
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
            surely_reads: reads(sql, quoting),
            text,
        })
    }

    /// Whether the statement has rows to give, judged by its words.
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
    fn statements_with_rows_are_distinguished_from_those_without() {
        let gives = |sql| parse(sql).unwrap().gives_rows(Quoting::Sqlite);
        assert!(gives("INSERT INTO t VALUES (1) RETURNING id"));
        assert!(gives("WITH x AS (SELECT 1) SELECT * FROM x"));
        assert!(!gives("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"));
        assert!(!gives("UPDATE t SET a = 1"));
    }
}
