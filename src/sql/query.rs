//! SQL functions of the configuration: `[query.NAME]`, called as `VPI_SQL_NAME`.

use super::error::Error;
use super::template::Template;
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
        self.kind
            .read(value)
            .map_err(|wanted| Error::value(format!("'{}' must be {wanted}", self.name)))
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
}
