//! Filters: `filter_column`, `filter_op` and `filter_value`, which four functions share.

use super::error::Error;
use super::grammar;
use super::literals::Literals;
use super::parse::{Arguments, is_truthy};
use super::{Comparison, Expr, Filter, Param, Test};
use serde_json::Value;

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
