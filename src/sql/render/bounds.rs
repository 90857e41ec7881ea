//! What MySQL and MariaDB are kept from: one function that runs for minutes, which nothing ends
//! there, and texts that grow with each update.
//!
//! `LIKE` and `REPLACE` compare what they look for at each place of a text, and MariaDB moves all
//! of the text with each replacement, so these are short. A text that is put together from
//! columns is stored up to the length that vpid allows on SQLite. What is too long is an error:
//! `EXP` of its length, which no number can hold. The servers evaluate that only where the
//! condition before it is true.

use super::Writer;
use crate::limits::{
    MYSQL_REPLACE_BYTES_MAX, MYSQL_REPLACED_BYTES_MAX, MYSQL_REPLACES_MAX, SQL_PATTERN_BYTES_MAX,
    SQL_VALUE_BYTES_MAX,
};
use crate::sql::expr::{Expr, Function, Operator};
use crate::sql::{Dialect, Error, Identifier, Param};

/// No number can hold `EXP` of more than 709.
const OVERFLOW: usize = 1_000;
/// How deep texts of unknown length may stand in each other.
const GUARDS_MAX: usize = 4;

impl<'a> Writer<'a> {
    fn is_bounded(&self) -> bool {
        self.dialect != Dialect::Sqlite
    }

    /// A value that is to be stored.
    pub(super) fn stored(&mut self, table: &'a Identifier, expr: &'a Expr) {
        match self.is_bounded() && is_text(expr) && grows(expr) {
            true => self.at_most(table, expr, SQL_VALUE_BYTES_MAX),
            false => self.expr(table, expr),
        }
    }

    /// What `LIKE` compares with.
    pub(super) fn pattern(&mut self, table: &'a Identifier, expr: &'a Expr) {
        if self.is_bounded() {
            self.looked_for(table, expr, SQL_PATTERN_BYTES_MAX, "a pattern of LIKE");
        } else {
            self.expr(table, expr);
        }
    }

    /// An argument of `REPLACE`: the text, what is looked for, what comes in its place.
    pub(super) fn replaced(&mut self, table: &'a Identifier, expr: &'a Expr, at: usize) {
        match at {
            _ if !self.is_bounded() => self.expr(table, expr),
            0 if is_short(expr) => self.expr(table, expr),
            0 => self.at_most(table, expr, MYSQL_REPLACED_BYTES_MAX),
            _ => self.looked_for(
                table,
                expr,
                MYSQL_REPLACE_BYTES_MAX,
                "an argument of REPLACE",
            ),
        }
    }

    /// Counts them: nothing ends a statement between two of them.
    pub(super) fn count_replace(&mut self) {
        self.replaces += 1;
        if self.is_bounded() && !self.inserts && self.replaces > MYSQL_REPLACES_MAX {
            self.refuse(format!(
                "more than {MYSQL_REPLACES_MAX} times REPLACE in one call"
            ));
        }
    }

    fn looked_for(&mut self, table: &'a Identifier, expr: &'a Expr, most: usize, what: &str) {
        match expr {
            Expr::Literal(Param::Text(text)) if text.len() > most => {
                self.refuse(format!("{what} may have {most} bytes"));
            }
            Expr::Literal(_) => self.expr(table, expr),
            _ => self.at_most(table, expr, most),
        }
    }

    /// The expression, where it has no more than so many bytes, else an error.
    fn at_most(&mut self, table: &'a Identifier, expr: &'a Expr, most: usize) {
        // Each level writes it three times.
        self.guards += 1;
        if self.guards > GUARDS_MAX {
            self.refuse("REPLACE in too many others".to_owned());
            self.guards -= 1;
            return;
        }
        let replaces = self.replaces;
        self.text.push_str("IF(LENGTH(");
        self.expr(table, expr);
        self.text
            .push_str(&format!(") > {most}, CONCAT(EXP(LENGTH("));
        self.expr(table, expr);
        self.text.push_str(&format!(") + {OVERFLOW})), "));
        self.replaces = replaces;
        self.expr(table, expr);
        self.text.push(')');
        self.guards -= 1;
    }

    fn refuse(&mut self, detail: String) {
        let fault = Error::Operational(detail);
        self.fault.get_or_insert(fault);
    }
}

/// Whether it can be longer than what it is made of.
fn grows(expr: &Expr) -> bool {
    let has_column = contains(expr, &|expr| matches!(expr, Expr::Column(..)));
    contains(expr, &is_replace) || (has_column && contains(expr, &concatenates))
}

/// Whether it is no longer than what `REPLACE` may change, where its own parts are not.
fn is_short(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Param::Text(text)) => text.len() <= MYSQL_REPLACED_BYTES_MAX,
        Expr::Literal(_) => true,
        Expr::Call(Function::Replace, arguments) => match &arguments[..] {
            [
                _,
                Expr::Literal(Param::Text(out)),
                Expr::Literal(Param::Text(with)),
            ] => with.len() <= out.len(),
            _ => false,
        },
        Expr::Call(Function::Trim | Function::Substr, arguments) => {
            arguments.first().is_some_and(is_short)
        }
        _ => false,
    }
}

fn is_replace(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(Function::Replace, _))
}

fn concatenates(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Binary(_, Operator::Concatenate, _) | Expr::Call(Function::Concat, _)
    )
}

/// Whether its value is a text because of what it is made with.
fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Binary(_, Operator::Concatenate, _) => true,
        Expr::Call(function, arguments) => match function {
            Function::Concat
            | Function::Replace
            | Function::Upper
            | Function::Lower
            | Function::Trim
            | Function::Substr => true,
            Function::Coalesce
            | Function::IfNull
            | Function::NullIf
            | Function::Greatest
            | Function::Least => arguments.iter().any(is_text),
            _ => false,
        },
        _ => false,
    }
}

/// Whether it or a part of it is so.
fn contains(expr: &Expr, is: &impl Fn(&Expr) -> bool) -> bool {
    is(expr)
        || match expr {
            Expr::Literal(_)
            | Expr::Decimal { .. }
            | Expr::Column(..)
            | Expr::Word(_)
            | Expr::Default(_)
            | Expr::CountAll => false,
            Expr::Negative(inner) => contains(inner, is),
            Expr::Binary(left, _, right) => contains(left, is) || contains(right, is),
            Expr::Call(_, arguments) => arguments.iter().any(|argument| contains(argument, is)),
        }
}
