//! The `[query.NAME]` tables.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{Field, Given, Place, Reader, Value, dotted, number, truth, whole_number, wrong_type};

pub(super) const KEYS: &[&str] = &[
    "sql",
    "steps",
    "params",
    "returns",
    "scripts",
    "deadline_ms",
    "database",
];
pub(super) const PARAM_KEYS: &[&str] = &["type", "default", "min", "max", "optional"];

#[derive(Debug)]
pub(in crate::config) struct RawQuery {
    pub place: Place,
    pub name: String,
    pub sql: Field<String>,
    pub steps: Field<Vec<Given<String>>>,
    /// By their names; none when they cannot be told, which has been reported then.
    pub params: Option<Vec<RawParam>>,
    pub returns: Field<String>,
    pub scripts: Field<Vec<Given<String>>>,
    pub deadline_ms: Field<i64>,
    pub database: Field<String>,
}

#[derive(Debug)]
pub(in crate::config) struct RawParam {
    pub place: Place,
    pub name: String,
    pub kind: Field<String>,
    /// Numbers, texts, true and false.
    pub default: Field<Json>,
    pub min: Field<Json>,
    pub max: Field<Json>,
    pub optional: Field<bool>,
}

impl Reader<'_> {
    pub(super) fn queries(&mut self, table: &DeTable<'_>) -> Vec<RawQuery> {
        let Some(queries) = self.table(table, "query") else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in queries {
            let place = self.place(&name.span(), &dotted("query", name.get_ref()));
            match value.get_ref() {
                DeValue::Table(table) => found.push(self.query(place, name.get_ref(), table)),
                other => {
                    let message = wrong_type("a table, as in [query.NAME]", other);
                    self.problems.push(place.problem(message));
                }
            }
        }
        found
    }

    fn query(&mut self, place: Place, name: &str, table: &DeTable<'_>) -> RawQuery {
        let prefix = &format!("{}.", place.key);
        self.unknown_keys(table, prefix, KEYS);
        RawQuery {
            place,
            name: name.to_owned(),
            sql: self.text(table, prefix, "sql"),
            steps: self.texts(table, prefix, "steps", "SELECT 1"),
            params: self.params(table, prefix),
            returns: self.text(table, prefix, "returns"),
            scripts: self.texts(table, prefix, "scripts", "admin.nut"),
            deadline_ms: self.integer(table, prefix, "deadline_ms"),
            database: self.text(table, prefix, "database"),
        }
    }

    /// `Bad` when anything in it is no text.
    pub(super) fn texts(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        key: &str,
        such_as: &str,
    ) -> Field<Vec<Given<String>>> {
        let Some((name, value)) = table.get_key_value(key) else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), &format!("{prefix}{key}"));
        let before = self.problems.len();
        let value = self.list(&place, value, such_as);
        match self.problems.len() == before {
            true => Field::Given(Given { value, place }),
            false => Field::Bad,
        }
    }

    fn params(&mut self, table: &DeTable<'_>, prefix: &str) -> Option<Vec<RawParam>> {
        let Some((name, value)) = table.get_key_value("params") else {
            return Some(Vec::new());
        };
        let key = format!("{prefix}params");
        let DeValue::Table(params) = value.get_ref() else {
            let message = wrong_type("a table, such as { limit = \"integer\" }", value.get_ref());
            let place = self.place(&name.span(), &key);
            self.problems.push(place.problem(message));
            return None;
        };
        let params = params.iter();
        let params = params.map(|(name, value)| self.param(&key, name, value));
        Some(params.collect())
    }

    /// What is not read here still names a parameter, which statements may use.
    fn param(&mut self, table: &str, name: &Spanned<DeString<'_>>, value: &Value<'_>) -> RawParam {
        let place = self.place(&name.span(), &dotted(table, name.get_ref()));
        let mut param = RawParam {
            place: place.clone(),
            name: name.get_ref().to_string(),
            kind: Field::Bad,
            default: Field::Absent,
            min: Field::Absent,
            max: Field::Absent,
            optional: Field::Absent,
        };
        match value.get_ref() {
            DeValue::String(kind) => {
                let value = kind.to_string();
                param.kind = Field::Given(Given { value, place });
            }
            DeValue::Table(keys) => {
                let prefix = &format!("{}.", place.key);
                let (bound, any) = ("a number", "a number, a text, true or false");
                self.unknown_keys(keys, prefix, PARAM_KEYS);
                param.kind = self.text(keys, prefix, "type");
                param.default = self.field(keys, prefix, "default", any, scalar);
                param.min = self.field(keys, prefix, "min", bound, bound_of);
                param.max = self.field(keys, prefix, "max", bound, bound_of);
                param.optional = self.field(keys, prefix, "optional", "true or false", truth);
            }
            other => {
                let expected = "a type, such as \"integer\", or a table with one";
                let problem = place.problem(wrong_type(expected, other));
                self.problems.push(problem);
            }
        }
        param
    }
}

fn scalar(value: &DeValue<'_>) -> Option<Json> {
    Some(match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(value) => Json::from(*value),
        _ => return bound_of(value),
    })
}

/// A number; one that is none (`nan`, `inf`) or beyond 64 bits becomes null, which fits nothing.
fn bound_of(value: &DeValue<'_>) -> Option<Json> {
    match value {
        DeValue::Integer(number) => Some(Json::from(whole_number(number))),
        DeValue::Float(_) => Some(number(value).map_or(Json::Null, Json::from)),
        _ => None,
    }
}
