//! From a checked call to one statement of a database's dialect.
//!
//! The text holds only words of this file and quoted identifiers; every value is bound. Each
//! operation stands in parentheses of its own, so that precedence never differs by dialect.

mod bounds;

use super::Error;
use super::dialect::{Dialect, in_order};
use super::expr::{Expr, Function, Operator, Row};
use super::names::Identifier;
use super::{Assignments, Column, Comparison, Filter, Param, SqlCall, Test, raw};
use crate::limits::SQL_PARAMS_MAX;
use std::borrow::Cow;

/// What the caller gets as the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// All rows, an array of arrays.
    Rows,
    /// All rows, an array of objects by the names of the columns.
    Objects,
    /// The first row as an array, or null.
    Row,
    /// The first column of the first row, or null.
    Value,
    /// How many rows were changed.
    Count,
    /// As many as the call proposes: each was added or changed, whatever the engine counts.
    Proposed(usize),
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

/// Writes one step of the call (see [`SqlCall::steps`]) as a statement. The steps before the last
/// are there for what they change. Fails where the call has more values than a statement can
/// have, or assignments that the dialect cannot make.
pub fn render(call: &SqlCall, step: usize, dialect: Dialect) -> Result<Statement<'_>, Error> {
    if let SqlCall::Query { query, values } = call {
        let template = &query.steps[step];
        let last = step + 1 == query.steps.len();
        return Ok(Statement {
            text: Cow::Borrowed(&template.text),
            params: template.params.iter().map(|&at| &values[at]).collect(),
            returns: if last { query.returns } else { Returns::Count },
        });
    }
    if let SqlCall::ByMode(readings) = call {
        return render(readings.under(dialect.mode())?, step, dialect);
    }
    if let SqlCall::Raw { query, params } = call {
        let text = match params {
            Some(_) => Cow::Owned(raw::with_question_marks(query, dialect.quoting())),
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
        qualified: false,
        replaces: 0,
        guards: 0,
        inserts: matches!(call, SqlCall::Insert { .. }),
        fault: None,
    };
    writer.call(call)?;
    if let Some(fault) = writer.fault {
        return Err(fault);
    }
    if writer.params.len() > SQL_PARAMS_MAX {
        let detail = format!(
            "{} values are more than a statement can have",
            writer.params.len()
        );
        return Err(Error::Value(detail));
    }
    let returns = match call {
        SqlCall::Select { .. } => Returns::Rows,
        SqlCall::Delete { filter: None, .. } => Returns::Nothing,
        SqlCall::InsertOrUpdate { rows, .. } => Returns::Proposed(rows.len()),
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
    /// In the update of an insert, where MySQL needs to know whose column an unqualified one is.
    qualified: bool,
    /// How often `REPLACE` stands in it, and whether that is an insert.
    replaces: usize,
    /// How many conditions on the length of a text stand around what is written.
    guards: usize,
    inserts: bool,
    /// The first thing that it may not have.
    fault: Option<Error>,
}

impl<'a> Writer<'a> {
    fn call(&mut self, call: &'a SqlCall) -> Result<(), Error> {
        match call {
            SqlCall::Raw { .. } | SqlCall::Query { .. } | SqlCall::ByMode(_) => {}
            SqlCall::Select {
                table,
                distinct,
                columns,
                filter,
            } => {
                self.text.push_str("SELECT ");
                if *distinct {
                    self.text.push_str("DISTINCT ");
                }
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
                self.text.push_str(match self.dialect {
                    Dialect::Sqlite => " ON CONFLICT DO UPDATE SET ",
                    Dialect::Mysql {
                        row_alias: true, ..
                    } => " AS `n` ON DUPLICATE KEY UPDATE ",
                    Dialect::Mysql { .. } => " ON DUPLICATE KEY UPDATE ",
                });
                self.qualified = self.dialect != Dialect::Sqlite;
                self.assignments(table, update)?;
            }
            SqlCall::Update {
                table,
                values,
                filter,
            } => {
                self.text.push_str("UPDATE ");
                self.identifier(table);
                self.text.push_str(" SET ");
                self.assignments(table, values)?;
                self.filter(table, filter.as_ref());
            }
            SqlCall::Delete { table, filter } => {
                self.text.push_str("DELETE FROM ");
                self.identifier(table);
                self.filter(table, filter.as_ref());
            }
        }
        Ok(())
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
            writer.list(row, |writer, expr| writer.stored(table, expr));
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

    /// In backticks on every engine: in double quotes, SQLite makes a text of a column that is not
    /// there.
    fn identifier(&mut self, name: &Identifier) {
        self.text.push('`');
        self.text.push_str(name.as_str());
        self.text.push('`');
    }

    /// A column's name or a text: in double quotes, SQLite looks which it is.
    fn word(&mut self, name: &Identifier) {
        if self.dialect != Dialect::Sqlite {
            return self.identifier(name);
        }
        self.text.push('"');
        self.text.push_str(name.as_str());
        self.text.push('"');
    }

    /// Bound as a text, since what is bound as a number is a float to MySQL.
    fn decimal(&mut self, digits: &'a Param, scale: usize) {
        self.text.push_str("CAST(? AS DECIMAL(65, ");
        self.text.push_str(&scale.to_string());
        self.text.push_str("))");
        self.params.push(digits);
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

    /// MySQL makes them one after the other, so that a later one sees what an earlier one has
    /// set. As everywhere else, values are meant as they were before: a column is set when
    /// no other assignment needs it any more.
    fn assignments(
        &mut self,
        table: &'a Identifier,
        assignments: &'a Assignments,
    ) -> Result<(), Error> {
        let mut left: Vec<_> = assignments.iter().collect();
        if self.dialect != Dialect::Sqlite {
            left = in_order(left)?;
        }
        for (index, (column, expr)) in left.into_iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.identifier(column);
            self.text.push_str(" = ");
            self.stored(table, expr);
        }
        Ok(())
    }

    fn filter(&mut self, table: &'a Identifier, filter: Option<&'a Filter>) {
        let Some(filter) = filter else { return };
        let mysql = self.dialect != Dialect::Sqlite;
        let unequal = matches!(filter.test, Test::Compare(Comparison::IsNot, _)) && mysql;
        self.text.push_str(" WHERE ");
        if unequal {
            self.text.push_str("NOT ");
        }
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
                    // NOT stands before all of it, and binds weaker than all of it.
                    Comparison::Is | Comparison::IsNot if mysql => " <=> ",
                    Comparison::Is => " IS ",
                    Comparison::IsNot => " IS NOT ",
                });
                match comparison {
                    Comparison::Like | Comparison::NotLike => self.pattern(table, value),
                    _ => self.expr(table, value),
                }
            }
        }
    }

    fn expr(&mut self, table: &'a Identifier, expr: &'a Expr) {
        match expr {
            Expr::Literal(param) => {
                self.text.push('?');
                self.params.push(param);
            }
            Expr::Column(row, name) => self.column_of(table, *row, name),
            Expr::Decimal { digits, scale } => self.decimal(digits, *scale),
            Expr::Word(name) => self.word(name),
            Expr::Default(None) => self.text.push_str("DEFAULT"),
            Expr::Default(Some(name)) => {
                self.text.push_str("DEFAULT(");
                self.identifier(name);
                self.text.push(')');
            }
            Expr::Negative(inner) => {
                // Parentheses keep two minus signs from becoming a comment.
                self.text.push_str("(-");
                self.expr(table, inner);
                self.text.push(')');
            }
            Expr::Binary(left, operator, right) => {
                let concatenates =
                    *operator == Operator::Concatenate && self.dialect != Dialect::Sqlite;
                self.text
                    .push_str(if concatenates { "CONCAT(" } else { "(" });
                self.expr(table, left);
                self.text.push_str(match operator {
                    Operator::Add => " + ",
                    Operator::Subtract => " - ",
                    Operator::Multiply => " * ",
                    Operator::Divide => " / ",
                    Operator::Remainder => " % ",
                    Operator::Concatenate if concatenates => ", ",
                    Operator::Concatenate => " || ",
                });
                self.expr(table, right);
                self.text.push(')');
            }
            Expr::Call(function, arguments) => self.function(table, *function, arguments),
            Expr::CountAll => self.text.push_str("COUNT(*)"),
        }
    }

    fn column_of(&mut self, table: &Identifier, row: Row, name: &Identifier) {
        let values = row == Row::Proposed
            && matches!(
                self.dialect,
                Dialect::Mysql {
                    row_alias: false,
                    ..
                }
            );
        match row {
            Row::Unqualified if !self.qualified => {}
            Row::Unqualified | Row::Standing => {
                self.identifier(table);
                self.text.push('.');
            }
            Row::Proposed if values => self.text.push_str("VALUES("),
            Row::Proposed if self.dialect == Dialect::Sqlite => self.text.push_str("excluded."),
            Row::Proposed => self.text.push_str("`n`."),
        }
        self.identifier(name);
        if values {
            self.text.push(')');
        }
    }

    fn function(&mut self, table: &'a Identifier, function: Function, arguments: &'a [Expr]) {
        let call = self.dialect.function(function);
        if function == Function::Replace {
            self.count_replace();
        }
        self.text.push_str(call.begin);
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.text.push_str(call.separator);
            }
            match function {
                Function::Replace => self.replaced(table, argument, index),
                _ => self.expr(table, argument),
            }
        }
        self.text.push_str(call.end);
    }
}
