//! SQL functions of the configuration: `[query.NAME]`, called as `VPI_SQL_NAME`.

use super::Error;
use super::scan::{self, Kind, Quoting, Word};
use super::{DatabaseId, Param, Returns};
use serde_json::{Map, Value};

/// How the names of these functions begin.
pub const QUERY_PREFIX: &str = "VPI_SQL_";

/// A function of the owner's: statements, and what may be put into them.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// As in `[query.NAME]`.
    pub name: String,
    pub database: DatabaseId,
    /// At least one; they run in one transaction.
    pub steps: Vec<Template>,
    pub params: Vec<QueryParam>,
    /// What the last step gives as the response.
    pub returns: Returns,
    /// Who may call it; none: as the permissions say.
    pub scripts: Option<Vec<String>>,
    /// How long a call may take, in milliseconds.
    pub deadline_ms: Option<u64>,
}

/// A parameter, by the name that stands in the statements.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryParam {
    pub name: String,
    pub kind: ParamKind,
    /// For a caller that gives none; `Null` where it is optional. None: it is required.
    pub default: Option<Param>,
}

/// What a value may be. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParamKind {
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// In characters.
    Text {
        min: usize,
        max: usize,
    },
    Boolean,
}

/// What is wrong with a statement of the owner's, in the database's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub of: Subject,
    /// A byte of the statement, where the database reported one.
    pub at: Option<usize>,
    pub message: String,
}

impl Fault {
    pub fn of_step(step: u32, line: usize, message: String) -> Self {
        let of = Subject::Schema { step, line };
        let at = None;
        Self { of, at, message }
    }

    pub fn of_query(query: &Query, step: usize, at: Option<usize>, message: String) -> Self {
        let name = query.name.clone();
        let of = Subject::Query { name, step };
        Self { of, at, message }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A line of the schema file.
    Schema {
        step: u32,
        line: usize,
    },
    Query {
        name: String,
        step: usize,
    },
}

impl Query {
    /// As scripts call it.
    pub fn function(&self) -> String {
        format!("{QUERY_PREFIX}{}", self.name)
    }

    /// Whether it can change anything, judged by its words.
    pub fn may_write(&self) -> bool {
        !self.steps.iter().all(|step| step.surely_reads)
    }

    /// The value of each parameter, from what the caller gave.
    pub fn bind(&self, given: &Map<String, Value>) -> Result<Vec<Param>, Error> {
        let known = |name: &String| self.params.iter().any(|param| param.name == *name);
        if let Some(name) = given.keys().find(|name| !known(name)) {
            return Err(Error::value(format!("'{name}' is none of its parameters")));
        }
        self.params
            .iter()
            .map(|param| param.value(given.get(&param.name)))
            .collect()
    }
}

impl QueryParam {
    fn value(&self, given: Option<&Value>) -> Result<Param, Error> {
        let value = match (given, &self.default) {
            (None | Some(Value::Null), Some(default)) => return Ok(default.clone()),
            (None, None) => {
                let detail = format!("'{}' is missing", self.name);
                return Err(Error::Key(detail));
            }
            (Some(value), _) => value,
        };
        let has_nul = matches!(value, Value::String(text) if text.contains('\0'));
        let without = if has_nul { ", without NUL" } else { "" };
        self.kind
            .read(value)
            .map_err(|wanted| Error::value(format!("'{}' must be {wanted}{without}", self.name)))
    }
}

impl ParamKind {
    /// The value as it goes to the database; else the kind, whose display says what it must be.
    ///
    /// A whole number may come as text, since those of the game have 32 bits; so may one
    /// with a fraction, and true and false may come as 1 and 0.
    pub fn read(self, value: &Value) -> Result<Param, Self> {
        let found = Param::read(value, "").ok();
        let read = match (self, found) {
            (Self::Integer { min, max }, Some(found)) => whole(&found)
                .filter(|number| (min..=max).contains(number))
                .map(Param::Int),
            (Self::Number { min, max }, Some(found)) => number(&found)
                .filter(|number| (min..=max).contains(number))
                .map(Param::Float),
            (Self::Text { min, max }, Some(Param::Text(text))) => {
                let fits = (min..=max).contains(&text.chars().count()) && !text.contains('\0');
                fits.then_some(Param::Text(text))
            }
            (Self::Boolean, Some(Param::Int(bit @ (0 | 1)))) => Some(Param::Int(bit)),
            _ => None,
        };
        read.ok_or(self)
    }
}

/// "a whole number from 1 to 50"
impl std::fmt::Display for ParamKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer {
                min: i64::MIN,
                max: i64::MAX,
            } => write!(f, "a whole number"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max } if *min == f64::MIN && *max == f64::MAX => {
                write!(f, "a number")
            }
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Text { min: 0, max } => write!(f, "a text of at most {max} characters"),
            Self::Text { min, max } => write!(f, "a text of {min} to {max} characters"),
            Self::Boolean => write!(f, "true or false"),
        }
    }
}

fn whole(found: &Param) -> Option<i64> {
    match found {
        Param::Int(number) => Some(*number),
        Param::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => {
            Some(*number as i64)
        }
        Param::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn number(found: &Param) -> Option<f64> {
    match found {
        Param::Int(number) => Some(*number as f64),
        Param::Float(number) => Some(*number),
        Param::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        Param::Null => None,
    }
}

// Statements that the owner wrote into the configuration: `:name` where a value goes.

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
    use serde_json::json;

    fn query(params: Vec<QueryParam>) -> Query {
        Query {
            name: "q".to_owned(),
            database: 0,
            steps: Vec::new(),
            params,
            returns: Returns::Rows,
            scripts: None,
            deadline_ms: None,
        }
    }

    fn param(name: &str, kind: ParamKind, default: Option<Param>) -> QueryParam {
        QueryParam {
            name: name.to_owned(),
            kind,
            default,
        }
    }

    #[test]
    fn values_are_checked_against_their_kinds() {
        let small = ParamKind::Integer { min: 1, max: 50 };
        for (kind, good, read) in [
            (small, json!(50), Param::Int(50)),
            (small, json!("7"), Param::Int(7)),
            (small, json!(3.0), Param::Int(3)),
            (ParamKind::Boolean, json!(true), Param::Int(1)),
            (ParamKind::Boolean, json!(0), Param::Int(0)),
            (
                ParamKind::Number { min: 0.0, max: 1.0 },
                json!(1),
                Param::Float(1.0),
            ),
            (
                ParamKind::Text { min: 0, max: 3 },
                json!("äöü"),
                Param::Text("äöü".to_owned()),
            ),
        ] {
            assert_eq!(kind.read(&good), Ok(read), "{good}");
        }
        for (kind, bad) in [
            (small, json!(0)),
            (small, json!(51)),
            (small, json!("x")),
            (small, json!(1.5)),
            (small, json!(true).to_string().into()),
            (small, json!(null)),
            (small, json!([1])),
            (ParamKind::Boolean, json!("true")),
            (ParamKind::Boolean, json!(2)),
            (ParamKind::Number { min: 0.0, max: 1.0 }, json!("nan")),
            (ParamKind::Text { min: 0, max: 3 }, json!("aaaa")),
            (ParamKind::Text { min: 1, max: 3 }, json!("")),
            (ParamKind::Text { min: 0, max: 3 }, json!("a\0")),
            (ParamKind::Text { min: 0, max: 3 }, json!(1)),
        ] {
            assert_eq!(kind.read(&bad), Err(kind), "{bad}");
        }
    }

    #[test]
    fn missing_and_unknown_arguments_are_reported() {
        let kind = ParamKind::Integer { min: 0, max: 9 };
        let query = query(vec![
            param("a", kind, None),
            param("b", kind, Some(Param::Int(5))),
            param("c", kind, Some(Param::Null)),
        ]);
        let bind = |kwargs: Value| query.bind(kwargs.as_object().unwrap());
        let bound = bind(json!({"a": 1, "c": null})).unwrap();
        assert_eq!(bound, [Param::Int(1), Param::Int(5), Param::Null]);
        let refused = |kwargs| bind(kwargs).unwrap_err().to_string();
        assert_eq!(refused(json!({})), "KeyError: 'a' is missing");
        assert_eq!(
            refused(json!({"a": null})),
            "ValueError: 'a' must be a whole number from 0 to 9"
        );
        assert_eq!(
            refused(json!({"a": 1, "d": 1})),
            "ValueError: 'd' is none of its parameters"
        );
    }

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
