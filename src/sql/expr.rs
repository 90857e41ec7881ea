//! Expressions as values: what scripts may write among their values, once it has been read.

use super::Param;
use super::names::Identifier;

/// Whose column is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `col`: as the database understands it.
    Unqualified,
    /// `t.col`, or the table's name before it: the row that stands in the table.
    Standing,
    /// `n.col`: the row that was proposed for insertion.
    Proposed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Concatenate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Coalesce,
    IfNull,
    NullIf,
    Abs,
    Round,
    Upper,
    Lower,
    /// In characters.
    Length,
    /// In bytes.
    ByteLength,
    Trim,
    Substr,
    Replace,
    Concat,
    /// The largest of its arguments: `MAX(a, b)` or `GREATEST(a, b)`.
    Greatest,
    Least,
    CurrentTimestamp,
    CurrentDate,
    CurrentTime,
    UnixTimestamp,
    Count,
    /// Of different values.
    CountDistinct,
    Sum,
    Average,
    Minimum,
    Maximum,
    Total,
}

impl Function {
    pub fn is_aggregate(self) -> bool {
        matches!(
            self,
            Self::Count
                | Self::CountDistinct
                | Self::Sum
                | Self::Average
                | Self::Minimum
                | Self::Maximum
                | Self::Total
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Literal(Param),
    /// A number of MySQL's that is no whole one of 64 bits and no float: its digits, as a text.
    Decimal {
        digits: Param,
        /// How many of them stand behind the point.
        scale: usize,
    },
    Column(Row, Identifier),
    /// A column of this name where the table has one, else a text: SQLite decides.
    Word(Identifier),
    /// A column's default: of the one that is set, or of another.
    Default(Option<Identifier>),
    Negative(Box<Expr>),
    Binary(Box<Expr>, Operator, Box<Expr>),
    Call(Function, Vec<Expr>),
    /// `COUNT(*)`.
    CountAll,
}
