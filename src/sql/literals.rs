//! How an engine reads what stands between quotes, and what `vpi.py` put there: it pasted the texts
//! of a call into its statement, so a text of a stock call means what its engine made of it.

use super::Error;
use super::scan::Quoting;
use serde_json::{Number, Value};
use std::borrow::Cow;

/// Whose rules the texts of a call follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literals {
    /// Those of expressions that our own scripts write, the same for every engine: 'text', "name"
    /// and `name`.
    Portable,
    /// SQLite's as Python builds it: "word" is a column where the table has one, else a text;
    /// [name] and `name` are names.
    Sqlite,
    /// MySQL's and MariaDB's in this mode: a backslash escapes in a text, "text" is one.
    Mysql(SqlMode),
}

/// What of a MySQL server's `sql_mode` decides how it reads quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqlMode {
    /// "name" is a name.
    pub ansi_quotes: bool,
    /// A backslash is a backslash.
    pub no_backslash_escapes: bool,
}

impl SqlMode {
    pub(super) const ALL: [Self; 4] = [
        Self::new(false, false),
        Self::new(false, true),
        Self::new(true, false),
        Self::new(true, true),
    ];

    const fn new(ansi_quotes: bool, no_backslash_escapes: bool) -> Self {
        Self {
            ansi_quotes,
            no_backslash_escapes,
        }
    }

    /// Reads the value of `@@sql_mode`, where ANSI stands beside the modes that it means.
    pub fn read(value: &str) -> Self {
        let has = |wanted: &str| value.split(',').any(|mode| mode.trim() == wanted);
        Self::new(has("ANSI_QUOTES"), has("NO_BACKSLASH_ESCAPES"))
    }

    /// Its place in [`SqlMode::ALL`].
    pub(super) fn place(self) -> usize {
        usize::from(self.ansi_quotes) * 2 + usize::from(self.no_backslash_escapes)
    }
}

/// What stands between quotes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Text,
    Name,
    /// A column where there is one, else a text.
    Either,
}

impl Literals {
    /// The rules of a stock call for this engine, with a MySQL server's usual mode.
    pub fn stock(engine: Quoting) -> Self {
        match engine {
            Quoting::Sqlite => Self::Sqlite,
            Quoting::Mysql => Self::Mysql(SqlMode::default()),
        }
    }

    pub(super) fn is_stock(self) -> bool {
        self != Self::Portable
    }

    pub(super) fn is_mysql(self) -> bool {
        matches!(self, Self::Mysql(_))
    }

    /// What the quote opens; None where it is no quote.
    pub(super) fn between(self, quote: char) -> Option<Between> {
        Some(match (quote, self) {
            ('\'', _) => Between::Text,
            ('`', _) => Between::Name,
            ('"', Self::Portable) => Between::Name,
            ('"', Self::Sqlite) => Between::Either,
            ('"', Self::Mysql(mode)) if mode.ansi_quotes => Between::Name,
            ('"', Self::Mysql(_)) => Between::Text,
            ('[', Self::Sqlite) => Between::Name,
            _ => return None,
        })
    }

    /// Whether a backslash escapes in a text.
    pub(super) fn escapes(self) -> bool {
        matches!(self, Self::Mysql(mode) if !mode.no_backslash_escapes)
    }

    /// What `vpi.py` removed from every text of a stock call. Here it is passed over where it is no
    /// part of a text.
    pub(super) fn removes(self, sign: char) -> bool {
        self.is_stock() && matches!(sign, ';' | '\0' | '\x1a')
    }

    /// A text without what `vpi.py` removed from it.
    pub(super) fn kept(self, text: &str) -> Cow<'_, str> {
        match text.contains(|sign| self.removes(sign)) {
            true => Cow::Owned(text.replace(|sign| self.removes(sign), "")),
            false => Cow::Borrowed(text),
        }
    }

    /// The text that the value is once `vpi.py` has put it between quotes and the engine has read
    /// it. Numbers and truth values are as Python writes them.
    pub(super) fn between_quotes(self, value: &Value, name: &str) -> Result<String, Error> {
        match value {
            Value::String(text) => Ok(self.pasted(text)),
            Value::Number(number) => Ok(as_python_writes(number)),
            Value::Bool(true) => Ok("True".to_owned()),
            Value::Bool(false) => Ok("False".to_owned()),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(super::no_single_value(name)),
        }
    }

    /// A text between single quotes: a doubled quote is one, and MySQL's backslash escapes. Where
    /// the engine would see the text end early, the quote or the last backslash means itself.
    fn pasted(self, text: &str) -> String {
        let mut read = String::with_capacity(text.len());
        let mut signs = text.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '\'' => {
                    signs.next_if_eq(&'\'');
                    read.push('\'');
                }
                '\\' if self.escapes() => match signs.next() {
                    Some(escaped) => push_escaped(&mut read, escaped),
                    None => read.push('\\'),
                },
                _ => read.push(sign),
            }
        }
        read
    }
}

/// What a backslash and this sign are in a text of MySQL. `\%` and `\_` stay as they are, for LIKE.
/// <https://dev.mysql.com/doc/refman/8.4/en/string-literals.html>
pub(super) fn push_escaped(text: &mut String, sign: char) {
    match sign {
        '%' | '_' => text.extend(['\\', sign]),
        '0' => text.push('\0'),
        'b' => text.push('\x08'),
        'n' => text.push('\n'),
        'r' => text.push('\r'),
        't' => text.push('\t'),
        'Z' => text.push('\x1a'),
        _ => text.push(sign),
    }
}

/// `str()` of the number that Python's JSON makes of it: the shortest digits that are read as the
/// same float, with an exponent below 1e-4 and from 1e16 on.
pub(super) fn as_python_writes(number: &Number) -> String {
    if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
        return python_float(float);
    }
    number.to_string()
}

fn python_float(float: f64) -> String {
    if float == 0.0 || (1e-4..1e16).contains(&float.abs()) {
        // Rust writes the same digits, and never an exponent by itself.
        let point = if float.fract() == 0.0 { ".0" } else { "" };
        return format!("{float}{point}");
    }
    let written = format!("{float:e}");
    let Some((digits, exponent)) = written.split_once('e') else {
        return written;
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const USUAL: Literals = Literals::Mysql(SqlMode::new(false, false));
    const PLAIN: Literals = Literals::Mysql(SqlMode::new(false, true));

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (json, written) in [
            ("0", "0"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("0.1", "0.1"),
            ("2.50", "2.5"),
            ("1e2", "100.0"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1.5e-7", "1.5e-07"),
            ("1e15", "1000000000000000.0"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("1e16", "1e+16"),
            ("1.25e100", "1.25e+100"),
            ("-3e-300", "-3e-300"),
        ] {
            let whole = json.parse::<u64>().map(Number::from);
            let whole = whole.or_else(|_| json.parse::<i64>().map(Number::from));
            let number = whole.unwrap_or_else(|_| Number::from_f64(json.parse().unwrap()).unwrap());
            let value = Value::Number(number);
            let read = Literals::Sqlite.between_quotes(&value, "x").unwrap();
            assert_eq!(read, written, "{json}");
        }
        let read = |value: Value| USUAL.between_quotes(&value, "x");
        assert_eq!(read(json!(true)).unwrap(), "True");
        assert_eq!(read(json!(false)).unwrap(), "False");
        assert_eq!(read(json!([1])).unwrap_err().reason(), "ValueError");
    }

    #[test]
    fn a_text_between_quotes_is_what_its_engine_reads() {
        for (text, sqlite, mysql, plain) in [
            ("O''Brien", "O'Brien", "O'Brien", "O'Brien"),
            ("O'Brien", "O'Brien", "O'Brien", "O'Brien"),
            ("''''", "''", "''", "''"),
            ("'''", "''", "''", "''"),
            (r"O\'Brien", r"O\'Brien", "O'Brien", r"O\'Brien"),
            (r#"a\"b"#, r#"a\"b"#, r#"a"b"#, r#"a\"b"#),
            (r"a\\b\n", r"a\\b\n", "a\\b\n", r"a\\b\n"),
            (r"\t\r\b\Z\x", r"\t\r\b\Z\x", "\t\r\x08\x1ax", r"\t\r\b\Z\x"),
            (r"50\%\_", r"50\%\_", r"50\%\_", r"50\%\_"),
            ("end\\", "end\\", "end\\", "end\\"),
            ("a\"\"b", "a\"\"b", "a\"\"b", "a\"\"b"),
        ] {
            for (rules, read) in [(Literals::Sqlite, sqlite), (USUAL, mysql), (PLAIN, plain)] {
                assert_eq!(rules.pasted(text), read, "{text} {rules:?}");
            }
        }
        assert_eq!(USUAL.pasted(r"a\0b"), "a\0b");
    }

    #[test]
    fn the_mode_of_a_server_is_read_from_its_setting() {
        let usual = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION";
        assert_eq!(SqlMode::read(usual), SqlMode::default());
        assert_eq!(SqlMode::read(""), SqlMode::default());
        let ansi = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI";
        assert_eq!(SqlMode::read(ansi), SqlMode::new(true, false));
        let both = "NO_BACKSLASH_ESCAPES,ANSI_QUOTES";
        assert_eq!(SqlMode::read(both), SqlMode::new(true, true));
        for (place, mode) in SqlMode::ALL.into_iter().enumerate() {
            assert_eq!(mode.place(), place);
        }
    }
}
