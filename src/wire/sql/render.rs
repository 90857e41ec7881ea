//! From a checked call to one statement of a database's dialect.
//!
//! The text holds only words of this file and quoted identifiers; every value is bound. Each
//! operation stands in parentheses of its own, so that precedence never differs by dialect.

use super::expr::{Expr, Function, Operator, Row};
use super::names::Identifier;
use super::{Column, Comparison, Filter, Param, SqlCall, Test, raw};
use crate::limits::SQL_PARAMS_MAX;
use crate::wire::call_error::CallError;
use std::borrow::Cow;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
}

/// What the caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// All rows, an array of arrays.
    Rows,
    /// How many rows were changed.
    Count,
    /// Null.
    Nothing,
}

/// A statement with the values for its placeholders, in their order.
#[derive(Debug, PartialEq)]
pub struct Statement<'a> {
    pub text: Cow<'a, str>,
    pub params: Vec<&'a Param>,
    pub returns: Returns,
}

/// Writes the call as one statement. Fails only where the call has more values than a
/// statement can have.
pub fn render(call: &SqlCall, dialect: Dialect) -> Result<Statement<'_>, CallError> {
    if let SqlCall::Raw { query, params } = call {
        let text = match params {
            Some(_) => Cow::Owned(raw::with_question_marks(query)),
            None => Cow::Borrowed(query.as_str()),
        };
        let params = params.iter().flatten().collect();
        return Ok(Statement {
            text,
            params,
            returns: Returns::Rows,
        });
    }
    let mut writer = Writer {
        dialect,
        text: String::with_capacity(128),
        params: Vec::new(),
    };
    writer.call(call);
    if writer.params.len() > SQL_PARAMS_MAX {
        let detail = format!(
            "{} values are more than a statement can have",
            writer.params.len()
        );
        return Err(CallError::new("ValueError", detail));
    }
    let returns = match call {
        SqlCall::Select { .. } => Returns::Rows,
        SqlCall::Delete { filter: None, .. } => Returns::Nothing,
        _ => Returns::Count,
    };
    Ok(Statement {
        text: Cow::Owned(writer.text),
        params: writer.params,
        returns,
    })
}

struct Writer<'a> {
    dialect: Dialect,
    text: String,
    params: Vec<&'a Param>,
}

impl<'a> Writer<'a> {
    fn call(&mut self, call: &'a SqlCall) {
        match call {
            SqlCall::Raw { .. } => {}
            SqlCall::Select {
                table,
                columns,
                filter,
            } => {
                self.text.push_str("SELECT ");
                self.list(columns, |writer, column| writer.column(table, column));
                self.text.push_str(" FROM ");
                self.identifier(table);
                self.filter(table, filter.as_ref());
            }
            SqlCall::Insert {
                table,
                columns,
                rows,
            } => self.insert(table, columns, rows),
            SqlCall::InsertOrUpdate {
                table,
                columns,
                rows,
                update,
            } => {
                self.insert(table, columns, rows);
                match self.dialect {
                    Dialect::Sqlite => self.text.push_str(" ON CONFLICT DO UPDATE SET "),
                }
                self.list(update, |writer, (column, expr)| {
                    writer.assignment(table, column, expr)
                });
            }
            SqlCall::Update {
                table,
                values,
                filter,
            } => {
                self.text.push_str("UPDATE ");
                self.identifier(table);
                self.text.push_str(" SET ");
                self.list(values, |writer, (column, expr)| {
                    writer.assignment(table, column, expr)
                });
                self.filter(table, filter.as_ref());
            }
            SqlCall::Delete { table, filter } => {
                self.text.push_str("DELETE FROM ");
                self.identifier(table);
                self.filter(table, filter.as_ref());
            }
        }
    }

    fn insert(&mut self, table: &'a Identifier, columns: &'a [Identifier], rows: &'a [Vec<Expr>]) {
        self.text.push_str("INSERT INTO ");
        self.identifier(table);
        if !columns.is_empty() {
            self.text.push_str(" (");
            self.list(columns, Self::identifier);
            self.text.push(')');
        }
        self.text.push_str(" VALUES ");
        self.list(rows, |writer, row| {
            writer.text.push('(');
            writer.list(row, |writer, expr| writer.expr(table, expr));
            writer.text.push(')');
        });
    }

    fn list<T>(&mut self, items: &'a [T], mut write: impl FnMut(&mut Self, &'a T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            write(self, item);
        }
    }

    fn identifier(&mut self, name: &Identifier) {
        self.text.push('"');
        self.text.push_str(name.as_str());
        self.text.push('"');
    }

    fn column(&mut self, table: &'a Identifier, column: &'a Column) {
        match column {
            Column::All => self.text.push('*'),
            Column::Value { expr, alias } => {
                self.expr(table, expr);
                if let Some(alias) = alias {
                    self.text.push_str(" AS ");
                    self.identifier(alias);
                }
            }
        }
    }

    fn assignment(&mut self, table: &'a Identifier, column: &'a Identifier, expr: &'a Expr) {
        self.identifier(column);
        self.text.push_str(" = ");
        self.expr(table, expr);
    }

    fn filter(&mut self, table: &'a Identifier, filter: Option<&'a Filter>) {
        let Some(filter) = filter else { return };
        self.text.push_str(" WHERE ");
        self.expr(table, &filter.column);
        match &filter.test {
            Test::IsNull => self.text.push_str(" IS NULL"),
            Test::IsNotNull => self.text.push_str(" IS NOT NULL"),
            Test::Compare(comparison, value) => {
                self.text.push_str(match comparison {
                    Comparison::Equal => " = ",
                    Comparison::NotEqual => " <> ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                    Comparison::Greater => " > ",
                    Comparison::GreaterOrEqual => " >= ",
                    Comparison::Like => " LIKE ",
                    Comparison::NotLike => " NOT LIKE ",
                    Comparison::Is => " IS ",
                    Comparison::IsNot => " IS NOT ",
                });
                self.expr(table, value);
            }
        }
    }

    fn expr(&mut self, table: &'a Identifier, expr: &'a Expr) {
        match expr {
            Expr::Literal(param) => {
                self.text.push('?');
                self.params.push(param);
            }
            Expr::Column(row, name) => {
                match row {
                    Row::Unqualified => {}
                    Row::Standing => {
                        self.identifier(table);
                        self.text.push('.');
                    }
                    Row::Proposed => match self.dialect {
                        Dialect::Sqlite => self.text.push_str("excluded."),
                    },
                }
                self.identifier(name);
            }
            Expr::Negative(inner) => {
                // Parentheses keep two minus signs from becoming a comment.
                self.text.push_str("(-");
                self.expr(table, inner);
                self.text.push(')');
            }
            Expr::Binary(left, operator, right) => {
                self.text.push('(');
                self.expr(table, left);
                self.text.push_str(match operator {
                    Operator::Add => " + ",
                    Operator::Subtract => " - ",
                    Operator::Multiply => " * ",
                    Operator::Divide => " / ",
                    Operator::Remainder => " % ",
                    Operator::Concatenate => " || ",
                });
                self.expr(table, right);
                self.text.push(')');
            }
            Expr::Call(function, arguments) => self.function(table, *function, arguments),
            Expr::CountAll => self.text.push_str("COUNT(*)"),
        }
    }

    fn function(&mut self, table: &'a Identifier, function: Function, arguments: &'a [Expr]) {
        let (name, separator) = match (self.dialect, function) {
            (Dialect::Sqlite, Function::Concat) => ("", " || "),
            (Dialect::Sqlite, function) => match sqlite_name(function) {
                (name, true) => (name, ", "),
                (word, false) => return self.text.push_str(word),
            },
        };
        self.text.push_str(name);
        self.text.push('(');
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.text.push_str(separator);
            }
            self.expr(table, argument);
        }
        self.text.push(')');
    }
}

/// SQLite's name of a function, and whether parentheses follow it.
fn sqlite_name(function: Function) -> (&'static str, bool) {
    match function {
        Function::Coalesce => ("COALESCE", true),
        Function::IfNull => ("IFNULL", true),
        Function::NullIf => ("NULLIF", true),
        Function::Abs => ("ABS", true),
        Function::Round => ("ROUND", true),
        Function::Upper => ("UPPER", true),
        Function::Lower => ("LOWER", true),
        Function::Length => ("LENGTH", true),
        Function::Trim => ("TRIM", true),
        Function::Substr => ("SUBSTR", true),
        Function::Replace => ("REPLACE", true),
        Function::Concat => ("CONCAT", true),
        Function::Greatest | Function::Maximum => ("MAX", true),
        Function::Least | Function::Minimum => ("MIN", true),
        Function::CurrentTimestamp => ("CURRENT_TIMESTAMP", false),
        Function::CurrentDate => ("CURRENT_DATE", false),
        Function::CurrentTime => ("CURRENT_TIME", false),
        Function::UnixTimestamp => ("UNIXEPOCH", true),
        Function::Count => ("COUNT", true),
        Function::Sum => ("SUM", true),
        Function::Average => ("AVG", true),
        Function::Total => ("TOTAL", true),
    }
}
