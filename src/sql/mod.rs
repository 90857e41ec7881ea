//! SQL calls as values: what a script calls, checked, before it reaches a database.
//!
//! `parse` turns a function's `kwargs` into a [`SqlCall`], `grammar` reads the expressions in
//! it, `render` writes a call as one statement with bound parameters. Nothing a caller
//! sends is ever pasted into SQL text: identifiers are checked and quoted, operators and
//! function names come from lists, everything else is bound. Raw queries are the exception
//! that their name promises; who may send them is decided elsewhere.

mod classify;
mod connection;
mod dialect;
mod expr;
mod grammar;
mod literals;
mod names;
mod parse;
mod query;
mod raw;
mod render;
mod scan;
mod schema;

pub use classify::{Class, class_of};
pub use connection::{Uses, is_counted, reads_change_count};
pub use dialect::Dialect;
pub use expr::{Expr, Function, Operator, Row};
pub use literals::{Literals, SqlMode};
pub use names::Identifier;
pub use parse::{FUNCTIONS, Readings, is_sql_function, parse};
pub use query::{
    Fault, ParamKind, QUERY_PREFIX, Query, QueryParam, Subject, Template, TemplateError,
};
pub use raw::is_blank;
pub use render::{Returns, Statement, render};
pub use scan::Quoting;
pub use schema::{Schema, SchemaError, SchemaStep};
use serde_json::Value;
use std::sync::Arc;

/// A database of the configuration, by its position there; the default one comes first.
pub type DatabaseId = usize;

/// How a text among the `values` of a call is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the stock client means it: the text is SQL of the database's engine (see [`Literals`]), so
    /// it is read as an expression, and what a filter compares with is a text.
    Legacy,
    /// As our own scripts mean it: the text is a text; `{"expr": "..."}` is an expression.
    Signed,
}

/// A value that goes to the database beside the statement, never in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

impl Param {
    /// The value of the argument `name`, which holds one.
    fn read(value: &Value, name: &str) -> Result<Self, Error> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Int(i64::from(*value)),
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Int(whole),
                (None, Some(float)) => Self::Float(float),
                (None, None) => {
                    return Err(Error::value(format!("{name} holds the number {number}")));
                }
            },
            Value::Array(_) | Value::Object(_) => return Err(no_single_value(name)),
        })
    }
}

fn no_single_value(name: &str) -> Error {
    Error::value(format!(
        "{name} holds an array or a table where one value belongs"
    ))
}

/// What a select may return.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    All,
    Value {
        expr: Expr,
        alias: Option<Identifier>,
    },
}

/// One condition on one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub column: Expr,
    pub test: Test,
}

/// What a filter compares its column with.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    IsNull,
    IsNotNull,
    Compare(Comparison, Expr),
}

/// The comparisons that a filter knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
    /// Equal, where null equals null.
    Is,
    IsNot,
}

/// Columns with the values they are set to; each column once.
pub type Assignments = Vec<(Identifier, Expr)>;

/// A checked call. Every row of an insert is as long as `columns`, where there are any.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlCall {
    Raw {
        query: String,
        /// None where the caller gave no `format`: then `%` means nothing in the query.
        params: Option<Vec<Param>>,
    },
    Select {
        table: Identifier,
        /// Each row once.
        distinct: bool,
        columns: Vec<Column>,
        filter: Option<Filter>,
    },
    Insert {
        table: Identifier,
        columns: Vec<Identifier>,
        rows: Vec<Vec<Expr>>,
    },
    InsertOrUpdate {
        table: Identifier,
        columns: Vec<Identifier>,
        rows: Vec<Vec<Expr>>,
        update: Assignments,
    },
    Update {
        table: Identifier,
        values: Assignments,
        filter: Option<Filter>,
    },
    Delete {
        table: Identifier,
        /// None empties the table, and only an explicit wipe is read as that.
        filter: Option<Filter>,
    },
    /// A function of the configuration, with a value for each of its parameters.
    Query {
        query: Arc<Query>,
        values: Vec<Param>,
    },
    /// One whose texts mean something else in other modes of a MySQL server.
    ByMode(Box<Readings>),
}

impl SqlCall {
    /// Whether the call can change anything. What the owner or a script wrote as SQL counts as
    /// writing unless its first word says that it cannot; the engine knows better once it has
    /// prepared it.
    pub fn may_write(&self, quoting: Quoting) -> bool {
        match self {
            Self::Select { .. } => false,
            Self::Raw { query, .. } => !raw::surely_reads(query, quoting),
            Self::Query { query, .. } => query.may_write(),
            Self::ByMode(readings) => readings.any().may_write(quoting),
            _ => true,
        }
    }

    /// How long it may take by its owner's word, in milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Query { query, .. } => query.deadline_ms,
            _ => None,
        }
    }

    /// How many statements it is; more than one stand or fall together.
    pub fn steps(&self) -> usize {
        match self {
            Self::Query { query, .. } => query.steps.len(),
            _ => 1,
        }
    }
}

/// Each is named like the exception of Python's that vpi.py raised, since scripts compare that word;
/// the text is for the person who reads the console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.reason(), self.detail())]
pub enum Error {
    /// An argument is missing.
    Key(String),
    /// An argument is not what its function takes.
    Value(String),
    /// The caller may not use this table, or no caller may run this statement.
    Permission(String),
    /// It would keep the database busy for too long.
    Operational(String),
}

impl Error {
    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::Value(detail.into())
    }

    pub fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "KeyError",
            Self::Value(_) => "ValueError",
            Self::Permission(_) => "PermissionError",
            Self::Operational(_) => "OperationalError",
        }
    }

    pub fn detail(&self) -> &str {
        match self {
            Self::Key(detail)
            | Self::Value(detail)
            | Self::Permission(detail)
            | Self::Operational(detail) => detail,
        }
    }
}

#[cfg(test)]
mod tests;
