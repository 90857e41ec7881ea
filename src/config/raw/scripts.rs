//! `[scripts]` and the `[script.NAME]` tables.

use serde_json::{Map, Value as Json};
use toml::de::{DeTable, DeValue};

use super::{Field, Given, Place, Reader, Value, dotted, number, truth, whole_number, wrong_type};
use crate::limits::SCRIPT_CONFIG_DEPTH_MAX;

pub(super) const KEYS: &[&str] = &[
    "dir",
    "vpi_interfaces",
    "vpi_override",
    "python",
    "order",
    "admins",
    "prefixes",
    "memory_mb",
    "call_s",
    "queue",
];
pub(super) const EACH_KEYS: &[&str] =
    &["memory_mb", "call_s", "queue", "python", "start", "config"];

#[derive(Debug)]
pub(in crate::config) struct RawScripts {
    pub place: Place,
    pub dir: Field<String>,
    pub vpi_interfaces: Field<String>,
    pub vpi_override: Field<Vec<Given<String>>>,
    pub order: Field<Vec<Given<String>>>,
    pub admins: Field<Vec<Given<String>>>,
    pub prefixes: Field<Vec<Given<String>>>,
    pub settings: RawSettings,
}

/// What `[scripts]` says for all scripts, and `[script.NAME]` for one.
#[derive(Debug, Default)]
pub(in crate::config) struct RawSettings {
    pub python: Field<String>,
    pub memory_mb: Field<i64>,
    pub call_s: Field<f64>,
    pub queue: Field<i64>,
}

#[derive(Debug)]
pub(in crate::config) struct RawScript {
    pub place: Place,
    pub name: String,
    pub settings: RawSettings,
    pub start: Field<bool>,
    /// An object.
    pub config: Field<Json>,
}

impl RawScripts {
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            dir: Field::Absent,
            vpi_interfaces: Field::Absent,
            vpi_override: Field::Absent,
            order: Field::Absent,
            admins: Field::Absent,
            prefixes: Field::Absent,
            settings: RawSettings::default(),
        }
    }
}

impl Reader<'_> {
    pub(super) fn scripts(&mut self, table: &DeTable<'_>) -> Field<RawScripts> {
        let Some((name, value)) = table.get_key_value("scripts") else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), "scripts");
        let DeValue::Table(table) = value.get_ref() else {
            let message = wrong_type("a [scripts] table", value.get_ref());
            self.problems.push(place.problem(message));
            return Field::Bad;
        };
        let prefix = "scripts.";
        for (name, value) in table {
            let known = KEYS.contains(&name.get_ref().as_ref());
            if let (false, DeValue::Table(_)) = (known, value.get_ref()) {
                let place = self.place(&name.span(), &dotted("scripts", name.get_ref()));
                let message = format!(
                    "is no key that vpid knows; the table of one script is [script.{}], without s",
                    name.get_ref()
                );
                self.problems.push(place.problem(message));
            } else {
                self.unknown_key(name, prefix, KEYS);
            }
        }
        let value = RawScripts {
            place: place.clone(),
            dir: self.text(table, prefix, "dir"),
            vpi_interfaces: self.text(table, prefix, "vpi_interfaces"),
            vpi_override: self.texts(table, prefix, "vpi_override", "VPI_Ping"),
            order: self.texts(table, prefix, "order", "stats"),
            admins: self.texts(table, prefix, "admins", "[U:1:22202]"),
            prefixes: self.texts(table, prefix, "prefixes", "!"),
            settings: self.settings(table, prefix),
        };
        Field::Given(Given { value, place })
    }

    fn settings(&mut self, table: &DeTable<'_>, prefix: &str) -> RawSettings {
        RawSettings {
            python: self.text(table, prefix, "python"),
            memory_mb: self.integer(table, prefix, "memory_mb"),
            call_s: self.field(table, prefix, "call_s", "a number", number),
            queue: self.integer(table, prefix, "queue"),
        }
    }

    pub(super) fn each_script(&mut self, table: &DeTable<'_>) -> Vec<RawScript> {
        let Some((name, value)) = table.get_key_value("script") else {
            return Vec::new();
        };
        let DeValue::Table(scripts) = value.get_ref() else {
            let message = wrong_type("tables, as in [script.NAME]", value.get_ref());
            let place = self.place(&name.span(), "script");
            self.problems.push(place.problem(message));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in scripts {
            let place = self.place(&name.span(), &dotted("script", name.get_ref()));
            match value.get_ref() {
                DeValue::Table(table) => found.push(self.script(place, name.get_ref(), table)),
                // Most likely meant for all scripts.
                _ if KEYS.contains(&name.get_ref().as_ref()) => {
                    let message = "is for all scripts; it belongs to [scripts], with s";
                    self.problems.push(place.problem(message));
                }
                other => {
                    let message = wrong_type("a table, as in [script.NAME]", other);
                    self.problems.push(place.problem(message));
                }
            }
        }
        found
    }

    fn script(&mut self, place: Place, name: &str, table: &DeTable<'_>) -> RawScript {
        let prefix = &format!("{}.", place.key);
        self.unknown_keys(table, prefix, EACH_KEYS);
        RawScript {
            place,
            name: name.to_owned(),
            settings: self.settings(table, prefix),
            start: self.field(table, prefix, "start", "true or false", truth),
            config: self.free(table, prefix, "config"),
        }
    }

    /// A table of whatever the owner likes. What cannot be handed on is reported, each at its
    /// own place.
    fn free(&mut self, table: &DeTable<'_>, prefix: &str, key: &str) -> Field<Json> {
        let Some((name, value)) = table.get_key_value(key) else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), &format!("{prefix}{key}"));
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            let message = wrong_type("a table, such as { limit = 5 }", value.get_ref());
            self.problems.push(place.problem(message));
            return Field::Bad;
        }
        let before = self.problems.len();
        let value = self.json(&place, value, SCRIPT_CONFIG_DEPTH_MAX);
        match self.problems.len() == before {
            true => Field::Given(Given { value, place }),
            false => Field::Bad,
        }
    }

    /// `depth`: how many tables and lists may yet be in each other, this one among them.
    fn json(&mut self, place: &Place, value: &Value<'_>, depth: usize) -> Json {
        let problem = |message: String| place.problem(message);
        match value.get_ref() {
            DeValue::String(text) => Json::from(text.as_ref()),
            DeValue::Boolean(value) => Json::from(*value),
            DeValue::Datetime(time) => Json::from(time.to_string()),
            DeValue::Integer(number) => whole_number(number).map_or_else(
                || {
                    let message = "is a whole number beyond 64 bits; write it as text";
                    self.problems.push(problem(message.into()));
                    Json::Null
                },
                Json::from,
            ),
            DeValue::Float(_) => {
                // Neither JSON nor this configuration has an infinite number.
                let found = number(value.get_ref()).filter(|number| number.is_finite());
                if found.is_none() {
                    let message = "is no number that can be handed on; write it as text";
                    self.problems.push(problem(message.into()));
                }
                found.map_or(Json::Null, Json::from)
            }
            DeValue::Array(_) | DeValue::Table(_) if depth == 0 => {
                let message = format!("is nested deeper than {SCRIPT_CONFIG_DEPTH_MAX} levels");
                self.problems.push(problem(message));
                Json::Null
            }
            DeValue::Array(entries) => {
                let mut list = Vec::new();
                for (at, entry) in entries.iter().enumerate() {
                    let place = self.place(&entry.span(), &format!("{}[{at}]", place.key));
                    list.push(self.json(&place, entry, depth - 1));
                }
                Json::Array(list)
            }
            DeValue::Table(table) => {
                let mut object = Map::new();
                for (name, value) in table {
                    let place = self.place(&name.span(), &dotted(&place.key, name.get_ref()));
                    let value = self.json(&place, value, depth - 1);
                    object.insert(name.get_ref().to_string(), value);
                }
                Json::Object(object)
            }
        }
    }
}
