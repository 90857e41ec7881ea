//! Where the databases' languages differ.

use super::Error;
use super::expr::{Expr, Function, Row};
use super::literals::SqlMode;
use super::names::Identifier;
use super::scan::Quoting;
use std::collections::HashMap;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    /// MySQL and MariaDB.
    Mysql {
        /// What an insert proposes is named by an alias of the new row (MySQL from 8.0.19 on),
        /// else by `VALUES(column)` (MariaDB, older MySQL).
        row_alias: bool,
        /// How the session reads quotes.
        mode: SqlMode,
    },
}

/// What stands around and between the arguments of a function.
pub(super) struct Spelling {
    pub begin: &'static str,
    pub separator: &'static str,
    pub end: &'static str,
}

impl Dialect {
    pub fn quoting(self) -> Quoting {
        match self {
            Self::Sqlite => Quoting::Sqlite,
            Self::Mysql { .. } => Quoting::Mysql,
        }
    }

    pub(super) fn mode(self) -> SqlMode {
        match self {
            Self::Sqlite => SqlMode::default(),
            Self::Mysql { mode, .. } => mode,
        }
    }

    pub(super) fn function(self, function: Function) -> Spelling {
        let sqlite = self == Self::Sqlite;
        let begin = match (function, sqlite) {
            // `||` in SQLite: a null makes all of it null, as CONCAT of MySQL does.
            (Function::Concat, true) => return spelling("(", " || ", ")"),
            (Function::Concat, false) => "CONCAT(",
            (Function::Greatest, true) | (Function::Maximum, _) => "MAX(",
            (Function::Greatest, false) => "GREATEST(",
            (Function::Least, true) | (Function::Minimum, _) => "MIN(",
            (Function::Least, false) => "LEAST(",
            // In characters, not in bytes.
            (Function::Length, true) => "LENGTH(",
            (Function::Length, false) => "CHAR_LENGTH(",
            (Function::ByteLength, true) => "OCTET_LENGTH(",
            (Function::ByteLength, false) => "LENGTH(",
            (Function::UnixTimestamp, true) => "UNIXEPOCH(",
            (Function::UnixTimestamp, false) => "UNIX_TIMESTAMP(",
            (Function::Total, true) => "TOTAL(",
            (Function::Total, false) => return spelling("(COALESCE(SUM(", ", ", "), 0) + 0e0)"),
            (Function::CurrentTimestamp, _) => return spelling("CURRENT_TIMESTAMP", "", ""),
            (Function::CurrentDate, _) => return spelling("CURRENT_DATE", "", ""),
            (Function::CurrentTime, _) => return spelling("CURRENT_TIME", "", ""),
            (Function::Coalesce, _) => "COALESCE(",
            (Function::IfNull, _) => "IFNULL(",
            (Function::NullIf, _) => "NULLIF(",
            (Function::Abs, _) => "ABS(",
            (Function::Round, _) => "ROUND(",
            (Function::Upper, _) => "UPPER(",
            (Function::Lower, _) => "LOWER(",
            (Function::Trim, _) => "TRIM(",
            (Function::Substr, _) => "SUBSTR(",
            (Function::Replace, _) => "REPLACE(",
            (Function::Count, _) => "COUNT(",
            (Function::CountDistinct, _) => "COUNT(DISTINCT ",
            (Function::Sum, _) => "SUM(",
            (Function::Average, _) => "AVG(",
        };
        spelling(begin, ", ", ")")
    }
}

fn spelling(begin: &'static str, separator: &'static str, end: &'static str) -> Spelling {
    Spelling {
        begin,
        separator,
        end,
    }
}

type Assignment = (Identifier, Expr);

/// Such that no column is set before the last that needs its old value, whatever the order in
/// which they were written. Columns that need each other cannot be set by MySQL.
pub(super) fn in_order(assignments: Vec<&Assignment>) -> Result<Vec<&Assignment>, Error> {
    let names = assignments.iter().map(|(column, _)| lower(column));
    let places: HashMap<String, usize> = names.zip(0..).collect();
    let needs: Vec<Vec<usize>> = assignments
        .iter()
        .enumerate()
        .map(|(own, (_, expr))| {
            let mut needed = Vec::new();
            columns(expr, &mut |column| {
                needed.extend(places.get(&lower(column)))
            });
            needed.retain(|&place| place != own);
            needed
        })
        .collect();
    let mut needed_by = vec![0; assignments.len()];
    needs
        .iter()
        .flatten()
        .for_each(|&place| needed_by[place] += 1);
    let mut left: Vec<usize> = (0..assignments.len()).collect();
    let mut ordered = Vec::with_capacity(assignments.len());
    while !left.is_empty() {
        let Some(at) = left.iter().position(|&place| needed_by[place] == 0) else {
            let detail = format!(
                "column {:?} and others need each other's old values, which MySQL cannot do in \
                 one statement",
                assignments[left[0]].0.as_str()
            );
            return Err(Error::value(detail));
        };
        let place = left.remove(at);
        needs[place]
            .iter()
            .for_each(|&needed| needed_by[needed] -= 1);
        ordered.push(assignments[place]);
    }
    Ok(ordered)
}

fn lower(column: &Identifier) -> String {
    column.as_str().to_lowercase()
}

/// Every column of the row that stands in the table.
fn columns<'a>(expr: &'a Expr, each: &mut impl FnMut(&'a Identifier)) {
    match expr {
        Expr::Literal(_)
        | Expr::Decimal { .. }
        | Expr::CountAll
        | Expr::Default(_)
        | Expr::Column(Row::Proposed, _) => {}
        Expr::Column(_, name) | Expr::Word(name) => each(name),
        Expr::Negative(inner) => columns(inner, each),
        Expr::Binary(one, _, other) => {
            columns(one, each);
            columns(other, each);
        }
        Expr::Call(_, arguments) => arguments
            .iter()
            .for_each(|argument| columns(argument, each)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(assignments: &[(&str, &[&str])]) -> Result<String, Error> {
        let name = |name: &str| Identifier::new(name).unwrap();
        let made: Vec<Assignment> = assignments
            .iter()
            .map(|(column, needs)| {
                let needs = needs
                    .iter()
                    .map(|need| Expr::Column(Row::Standing, name(need)));
                (
                    name(column),
                    Expr::Call(Function::Coalesce, needs.collect()),
                )
            })
            .collect();
        let ordered = in_order(made.iter().collect())?;
        let names: Vec<_> = ordered.iter().map(|(column, _)| column.as_str()).collect();
        Ok(names.join(" "))
    }

    #[test]
    fn a_column_is_set_after_those_that_need_it() {
        assert_eq!(
            order(&[("a", &["a"]), ("b", &["A", "c", "c"]), ("c", &[])]).unwrap(),
            "b a c"
        );
        assert_eq!(order(&[("a", &[]), ("b", &["x"])]).unwrap(), "a b");
        let error = order(&[("c", &[]), ("a", &["b"]), ("b", &["a"])]).unwrap_err();
        assert!(error.detail().contains("\"a\""), "{error}");
    }
}
