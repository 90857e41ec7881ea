//! The parameters of a query: what may be put into its statements.

use std::fmt::Display;

use serde_json::Value;

use super::checked::Checker;
use super::raw::{Field, RawParam};
use crate::limits::{QUERY_TEXT_CHARS_DEFAULT, QUERY_TEXT_CHARS_MAX};
use crate::sql::{Param, ParamKind, QueryParam};

const KINDS: &str = "\"integer\", \"number\", \"text\", \"boolean\"";

impl Checker<'_> {
    pub(super) fn param(&mut self, raw: &RawParam) -> QueryParam {
        self.name(&raw.place, &raw.name, "a parameter");
        let kind = self.param_kind(raw);
        QueryParam {
            name: raw.name.clone(),
            kind: kind.unwrap_or(ParamKind::Boolean),
            default: self.param_default(raw, kind),
        }
    }

    /// None when it cannot be told; that has been reported then.
    fn param_kind(&mut self, raw: &RawParam) -> Option<ParamKind> {
        let given = match &raw.kind {
            Field::Given(given) => given,
            Field::Bad => return None,
            Field::Absent => {
                if self.report_missing {
                    let message = format!("has no type; it is one of {KINDS}");
                    self.problem(&raw.place, message);
                }
                return None;
            }
        };
        Some(match given.value.as_str() {
            "integer" => {
                let all = (i64::MIN, i64::MAX);
                let (min, max) = self.bounds(raw, all, "a whole number", Value::as_i64);
                ParamKind::Integer { min, max }
            }
            "number" => {
                let all = (f64::MIN, f64::MAX);
                let (min, max) = self.bounds(raw, all, "a number", Value::as_f64);
                ParamKind::Number { min, max }
            }
            "text" => {
                let usual = (0, QUERY_TEXT_CHARS_DEFAULT);
                let what = format!("a whole number of characters, 0 to {QUERY_TEXT_CHARS_MAX}");
                let length = |value: &Value| {
                    let length = usize::try_from(value.as_u64()?).ok()?;
                    (length <= QUERY_TEXT_CHARS_MAX).then_some(length)
                };
                let (min, max) = self.bounds(raw, usual, &what, length);
                ParamKind::Text { min, max }
            }
            "boolean" => {
                for place in [raw.min.place(), raw.max.place()].into_iter().flatten() {
                    self.problem(place, "is for numbers and texts; remove it");
                }
                ParamKind::Boolean
            }
            other => {
                let message = format!("{other:?} is none of {KINDS}");
                self.problem(&given.place, message);
                return None;
            }
        })
    }

    /// What `min` and `max` say, where they say nothing `unsaid`.
    fn bounds<T: PartialOrd + Copy + Display>(
        &mut self,
        raw: &RawParam,
        unsaid: (T, T),
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> (T, T) {
        let mut bound = |field: &Field<Value>, unsaid| match field.given() {
            None => unsaid,
            Some(given) => read(&given.value).unwrap_or_else(|| {
                self.problem(&given.place, format!("must be {what}"));
                unsaid
            }),
        };
        let (min, max) = (bound(&raw.min, unsaid.0), bound(&raw.max, unsaid.1));
        if min > max {
            let place = raw.min.place().or(raw.max.place());
            let place = place.unwrap_or(&raw.place);
            self.problem(place, format!("is above max, which is {max}"));
        }
        (min, max)
    }

    fn param_default(&mut self, raw: &RawParam, kind: Option<ParamKind>) -> Option<Param> {
        let is_optional = raw.optional.given().is_some_and(|given| given.value);
        let default = raw.default.given();
        if is_optional {
            if let Some(given) = default {
                let message = "stands beside optional = true; keep one of the two";
                self.problem(&given.place, message);
            }
            return Some(Param::Null);
        }
        let given = default?;
        match kind?.read(&given.value) {
            Ok(value) => Some(value),
            Err(wanted) => {
                self.problem(&given.place, format!("must be {wanted}"));
                None
            }
        }
    }
}
