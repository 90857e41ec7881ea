//! From a function's `kwargs` to a checked call, in the shapes that upstream's functions take.

use super::Error;
use super::grammar::{self, Scope};
use super::literals::{Literals, SqlMode, as_python_writes};
use super::names::Identifier;
use super::scan::Quoting;
use super::{Assignments, Column, Comparison, Expr, Filter, Param, Reading, SqlCall, Test, raw};
use crate::limits::{SQL_COLUMNS_MAX, SQL_PARAMS_MAX, SQL_QUERY_BYTES_MAX, SQL_ROWS_MAX};
use serde_json::{Map, Value};

/// The functions that this room understands.
pub const FUNCTIONS: [&str; 6] = [
    "VPI_DB_RawExecute",
    "VPI_DB_UserSelect",
    "VPI_DB_UserInsert",
    "VPI_DB_UserInsertOrUpdate",
    "VPI_DB_UserUpdate",
    "VPI_DB_UserDelete",
];

pub fn is_sql_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

/// Reads the call of `function` (one of [`FUNCTIONS`]) by `script` (its file name), which goes to
/// a database of `engine`. Arguments that no function knows are ignored, as upstream does.
pub fn parse(
    function: &str,
    script: &str,
    kwargs: &Map<String, Value>,
    reading: Reading,
    engine: Quoting,
) -> Result<SqlCall, Error> {
    let literals = match reading {
        Reading::Legacy => Literals::stock(engine),
        Reading::Signed => Literals::Portable,
    };
    if function == "VPI_DB_RawExecute" {
        return raw_call(kwargs, engine);
    }
    if !literals.is_mysql() {
        return user_call(function, script, kwargs, literals);
    }
    let minds = SqlMode {
        ansi_quotes: holds(kwargs, '"'),
        no_backslash_escapes: holds(kwargs, '\\'),
    };
    Readings::of(minds, |mode| {
        user_call(function, script, kwargs, Literals::Mysql(mode))
    })
}

/// Whether the sign stands in one of the texts.
fn holds(fields: &Map<String, Value>, sign: char) -> bool {
    fn in_value(value: &Value, sign: char) -> bool {
        match value {
            Value::String(text) => text.contains(sign),
            Value::Array(items) => items.iter().any(|item| in_value(item, sign)),
            Value::Object(fields) => holds(fields, sign),
            _ => false,
        }
    }
    let mut fields = fields.iter();
    fields.any(|(key, value)| key.contains(sign) || in_value(value, sign))
}

fn user_call(
    function: &str,
    script: &str,
    kwargs: &Map<String, Value>,
    literals: Literals,
) -> Result<SqlCall, Error> {
    let Value::String(table) = required(kwargs, "table")? else {
        return Err(Error::value("table is not a text"));
    };
    let table = literals.kept(table);
    let table = Identifier::table(without_quotes(&table, literals), script)?;
    let arguments = Arguments {
        kwargs,
        literals,
        table,
    };
    match function {
        "VPI_DB_UserSelect" => arguments.select(),
        "VPI_DB_UserInsert" => arguments.insert(),
        "VPI_DB_UserInsertOrUpdate" => arguments.insert_or_update(),
        "VPI_DB_UserUpdate" => arguments.update(),
        "VPI_DB_UserDelete" => arguments.delete(),
        _ => Err(Error::value(format!("{function} is not an SQL function"))),
    }
}

/// The table's name without the quotes around it.
fn without_quotes(name: &str, literals: Literals) -> &str {
    let name = name.trim_end();
    let closed_by = |end: char| name.get(1..).and_then(|rest| rest.strip_suffix(end));
    let inner = match name.chars().next() {
        Some(quote @ ('`' | '"')) => closed_by(quote),
        Some('[') if literals == Literals::Sqlite => closed_by(']'),
        _ => None,
    };
    inner.unwrap_or(name)
}

fn raw_call(kwargs: &Map<String, Value>, engine: Quoting) -> Result<SqlCall, Error> {
    let Value::String(query) = required(kwargs, "query")? else {
        return Err(Error::value("query is not a text"));
    };
    // SQLite has nothing to do for nothing; MySQL refuses it.
    let is_missing = query.trim().is_empty() && engine == Quoting::Mysql;
    if is_missing || query.len() > SQL_QUERY_BYTES_MAX || query.contains('\0') {
        return Err(Error::value("query is empty, too long or holds a NUL"));
    }
    let (query, params) = match kwargs.get("format") {
        None | Some(Value::Null) => (query.clone(), None),
        Some(Value::Array(values)) if values.len() <= SQL_PARAMS_MAX => {
            let (query, params) = raw::with_values(query, values, engine)?;
            (query, Some(params))
        }
        Some(_) => return Err(Error::value("format is not an array, or too long")),
    };
    Ok(SqlCall::Raw { query, params })
}

/// The arguments of one call on a user's table.
pub(super) struct Arguments<'a> {
    pub(super) kwargs: &'a Map<String, Value>,
    pub(super) literals: Literals,
    table: Identifier,
}

impl Arguments<'_> {
    fn select(self) -> Result<SqlCall, Error> {
        let scope = Scope {
            aggregates: true,
            ..self.scope()
        };
        let mut columns = Vec::new();
        let mut distinct = false;
        if let Some(Value::Array(entries)) = self.kwargs.get("columns") {
            for entry in entries.iter().filter_map(Value::as_str) {
                let entry = grammar::parse_columns(entry, scope)?;
                // Upstream pasted the entries behind SELECT, where DISTINCT can only come first.
                if entry.distinct && !columns.is_empty() {
                    return Err(Error::value(
                        "DISTINCT belongs before the first of the columns",
                    ));
                }
                distinct |= entry.distinct;
                columns.extend(entry.columns);
                check_columns(columns.len())?;
            }
            if columns.is_empty() && !entries.is_empty() {
                return Err(Error::value("columns holds no text"));
            }
        }
        if columns.is_empty() {
            columns.push(Column::All);
        }
        let filter = self.filter()?;
        Ok(SqlCall::Select {
            table: self.table,
            distinct,
            columns,
            filter,
        })
    }

    fn insert(self) -> Result<SqlCall, Error> {
        let columns = self.insert_columns()?;
        let rows = self.rows(&columns)?;
        Ok(SqlCall::Insert {
            table: self.table,
            columns,
            rows,
        })
    }

    fn insert_or_update(self) -> Result<SqlCall, Error> {
        let columns = self.insert_columns()?;
        let rows = self.rows(&columns)?;
        let update = self.assignments("update_values", true)?;
        Ok(SqlCall::InsertOrUpdate {
            table: self.table,
            columns,
            rows,
            update,
        })
    }

    /// Upstream drops a filter that has no value, and then changes every row. No caller means
    /// that, so an update with half a filter is refused; one without any is done.
    fn update(self) -> Result<SqlCall, Error> {
        let values = self.assignments("values", false)?;
        let filter = self.filter()?;
        let asked = ["filter_column", "filter_value"]
            .into_iter()
            .any(|name| self.given(name));
        if filter.is_none() && asked {
            return Err(Error::value(
                "half a filter (column, op or value is null or empty) would change every row; leave \
                 all three out to do that",
            ));
        }
        Ok(SqlCall::Update {
            table: self.table,
            values,
            filter,
        })
    }

    fn delete(self) -> Result<SqlCall, Error> {
        if self.kwargs.get("wipe").is_some_and(is_truthy) {
            return Ok(SqlCall::Delete {
                table: self.table,
                filter: None,
            });
        }
        required(self.kwargs, "filter_column")?;
        required(self.kwargs, "filter_value")?;
        let Some(filter) = self.filter()? else {
            return Err(Error::value(
                "half a filter (column, op or value is null or empty) would delete every row; use wipe \
                 to do that",
            ));
        };
        Ok(SqlCall::Delete {
            table: self.table,
            filter: Some(filter),
        })
    }

    fn given(&self, name: &str) -> bool {
        self.kwargs.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            table: &self.table,
            literals: self.literals,
            proposed: false,
            aggregates: false,
        }
    }

    fn insert_columns(&self) -> Result<Vec<Identifier>, Error> {
        let entries = match self.kwargs.get("columns") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            // As upstream, and as in a select.
            Some(_) if self.literals.is_stock() => return Ok(Vec::new()),
            Some(_) => return Err(Error::value("columns is not an array")),
        };
        check_columns(entries.len())?;
        entries
            .iter()
            .map(|entry| match entry {
                Value::String(name) => grammar::parse_target(name, self.scope()),
                _ => Err(Error::value("columns holds something that is not a text")),
            })
            .collect()
    }

    /// `values`: one row, or an array in which every element is a row.
    fn rows(&self, columns: &[Identifier]) -> Result<Vec<Vec<Expr>>, Error> {
        let values = match required(self.kwargs, "values")? {
            Value::Array(values) if !values.is_empty() => values,
            _ => return Err(Error::value("values is not an array, or empty")),
        };
        let rows: Vec<&[Value]> = if values.iter().all(Value::is_array) {
            values
                .iter()
                .filter_map(Value::as_array)
                .map(Vec::as_slice)
                .collect()
        } else {
            vec![values.as_slice()]
        };
        let width = if columns.is_empty() {
            rows[0].len()
        } else {
            columns.len()
        };
        if width == 0 || rows.iter().any(|row| row.len() != width) {
            return Err(Error::value(format!(
                "a row of values has not {width} elements"
            )));
        }
        check_columns(width)?;
        if rows.len() > SQL_ROWS_MAX || rows.len() * width > SQL_PARAMS_MAX {
            return Err(Error::value(format!(
                "{} rows of {width} values are too many",
                rows.len()
            )));
        }
        rows.into_iter()
            .map(|row| {
                row.iter()
                    .map(|value| self.expression(value, self.scope(), "values"))
                    .collect()
            })
            .collect()
    }

    fn assignments(&self, name: &str, proposed: bool) -> Result<Assignments, Error> {
        let values = match required(self.kwargs, name)? {
            Value::Object(values) if !values.is_empty() => values,
            _ => return Err(Error::value(format!("{name} is not a table, or empty"))),
        };
        check_columns(values.len())?;
        let scope = Scope {
            proposed,
            ..self.scope()
        };
        let mut assignments = Assignments::with_capacity(values.len());
        for (key, value) in values {
            let column = grammar::parse_target(key, self.scope())?;
            if assignments
                .iter()
                .any(|(other, _)| same_column(other, &column))
            {
                return Err(Error::value(format!("{name} sets column {key:?} twice")));
            }
            assignments.push((column, self.expression(value, scope, name)?));
        }
        Ok(assignments)
    }

    pub(super) fn expression(
        &self,
        value: &Value,
        scope: Scope<'_>,
        name: &str,
    ) -> Result<Expr, Error> {
        match (value, self.literals) {
            (Value::Object(object), Literals::Portable) => match object.get("expr") {
                Some(Value::String(text)) if object.len() == 1 => grammar::parse(text, scope),
                _ => Err(Error::value(format!(
                    "{name} holds a table that is not {{\"expr\": text}}"
                ))),
            },
            (Value::String(text), Literals::Mysql(_)) if is_default(text) => {
                Ok(Expr::Default(None))
            }
            (Value::String(text), literals) if literals.is_stock() => grammar::parse(text, scope),
            // Upstream wrote its digits into the statement.
            (Value::Number(number), Literals::Mysql(_)) => {
                grammar::parse(&as_python_writes(number), scope)
            }
            _ => Ok(Expr::Literal(Param::read(value, name)?)),
        }
    }
}

fn is_default(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("DEFAULT")
}

fn same_column(a: &Identifier, b: &Identifier) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

fn required<'a>(kwargs: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Error> {
    kwargs
        .get(name)
        .ok_or_else(|| Error::Key(format!("'{name}' is missing")))
}

fn check_columns(count: usize) -> Result<(), Error> {
    if count <= SQL_COLUMNS_MAX {
        return Ok(());
    }
    Err(Error::value(format!(
        "{count} columns are too many (most: {SQL_COLUMNS_MAX})"
    )))
}

/// What Python takes for true: upstream reads `wipe` and `filter_column` that way.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

// Calls whose texts depend on the mode of the MySQL server: which it is, only a connection knows.

/// What a call is in each mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    first: SqlCall,
    /// In the order of [`SqlMode::ALL`].
    each: [InMode; 4],
}

#[derive(Debug, Clone, PartialEq)]
enum InMode {
    First,
    Other(SqlCall),
    Wrong(Error),
}

impl Readings {
    /// The call, where it is the same in all modes; else one that its connection decides. `read`
    /// gives the call in a mode; `minds` says what of a mode can make a difference to it.
    pub(super) fn of(
        minds: SqlMode,
        read: impl Fn(SqlMode) -> Result<SqlCall, Error>,
    ) -> Result<SqlCall, Error> {
        let [usual, plain, ansi, both] = SqlMode::ALL;
        let usual = read(usual);
        if minds == SqlMode::default() {
            return usual;
        }
        let read_if = |minded: bool, mode, same: &Result<_, _>| match minded {
            true => read(mode),
            false => same.clone(),
        };
        let plain = read_if(minds.no_backslash_escapes, plain, &usual);
        let ansi = read_if(minds.ansi_quotes, ansi, &usual);
        let both = match (minds.ansi_quotes, minds.no_backslash_escapes) {
            (true, true) => read(both),
            (true, false) => ansi.clone(),
            (false, _) => plain.clone(),
        };
        let each = [usual, plain, ansi, both];
        let Some(first) = each.iter().find_map(|read| read.as_ref().ok()).cloned() else {
            let [usual, ..] = each;
            return usual;
        };
        let each = each.map(|read| match read {
            Ok(call) if call == first => InMode::First,
            Ok(call) => InMode::Other(call),
            Err(error) => InMode::Wrong(error),
        });
        match each.iter().all(|reading| *reading == InMode::First) {
            true => Ok(first),
            false => Ok(SqlCall::ByMode(Box::new(Self { first, each }))),
        }
    }

    pub fn under(&self, mode: SqlMode) -> Result<&SqlCall, Error> {
        match &self.each[mode.place()] {
            InMode::First => Ok(&self.first),
            InMode::Other(call) => Ok(call),
            InMode::Wrong(error) => Err(error.clone()),
        }
    }

    /// One of them, for what is the same of all: function and table.
    pub fn any(&self) -> &SqlCall {
        &self.first
    }
}

impl Arguments<'_> {
    /// None where upstream would not filter: no column, an empty operator, or a null value without
    /// IS.
    pub(super) fn filter(&self) -> Result<Option<Filter>, Error> {
        let column = match self.kwargs.get("filter_column") {
            None => return Ok(None),
            Some(value) if !is_truthy(value) => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(Error::value("filter_column is not a text")),
        };
        let comparison = match self.kwargs.get("filter_op") {
            None => Comparison::Equal,
            Some(op) if self.literals.is_stock() && !is_truthy(op) => return Ok(None),
            Some(Value::Null) => Comparison::Equal,
            Some(Value::String(word)) => self.comparison(word)?,
            Some(_) => return Err(Error::value("filter_op is not a text")),
        };
        let value = self.kwargs.get("filter_value").unwrap_or(&Value::Null);
        let asks_for_null = match value {
            Value::Null => true,
            Value::String(text) => text.trim().eq_ignore_ascii_case("NULL"),
            _ => false,
        };
        let test = match comparison {
            Comparison::Is if asks_for_null => Test::IsNull,
            Comparison::IsNot if asks_for_null => Test::IsNotNull,
            _ if value.is_null() => return Ok(None),
            _ => Test::Compare(comparison, self.filter_value(value)?),
        };
        let column = grammar::parse(column, self.scope())?;
        Ok(Some(Filter { column, test }))
    }

    /// Upstream writes the value of a filter between quotes, so it is a text, whatever it was. Our
    /// own scripts' is what it is.
    fn filter_value(&self, value: &Value) -> Result<Expr, Error> {
        const NAME: &str = "filter_value";
        match (value, self.literals) {
            (Value::Object(_), Literals::Portable) => self.expression(value, self.scope(), NAME),
            (_, Literals::Portable) => Ok(Expr::Literal(Param::read(value, NAME)?)),
            (_, literals) => {
                let text = literals.between_quotes(value, NAME)?;
                Ok(Expr::Literal(Param::Text(text)))
            }
        }
    }

    /// Any white space may stand between the words of one.
    fn comparison(&self, word: &str) -> Result<Comparison, Error> {
        let kept = self.literals.kept(word);
        let is = |known: &str| {
            let mut words = kept.split_ascii_whitespace();
            known.split(' ').all(|one| {
                words
                    .next()
                    .is_some_and(|word| word.eq_ignore_ascii_case(one))
            }) && words.next().is_none()
        };
        let known = COMPARISONS.iter().find(|(known, _)| is(known));
        known
            .map(|(_, comparison)| *comparison)
            .ok_or_else(|| Error::value(format!("filter_op {kept:?} is not a comparison")))
    }
}

const COMPARISONS: [(&str, Comparison); 12] = [
    ("=", Comparison::Equal),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("LIKE", Comparison::Like),
    ("NOT LIKE", Comparison::NotLike),
    ("IS", Comparison::Is),
    ("IS NOT", Comparison::IsNot),
];
