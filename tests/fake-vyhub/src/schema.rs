//! What values may be: the fields of bodies and the parameters of queries, by VyHub's definition.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    Uuid,
    /// A list of them.
    Uuids,
    /// Date and time with an offset.
    Date,
    /// Seconds, not negative; null is none.
    Length,
    /// A whole number, not negative.
    Count,
    /// From 1 to this.
    UpTo(u64),
    Flag,
    Object,
    OneOf(&'static [&'static str]),
    ListOf(&'static [Field]),
    Record(&'static [Field]),
}

/// A field of a body or a parameter of a query.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// A parameter that may stand there several times.
    pub repeats: bool,
}

pub const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        repeats: false,
    }
}

impl Field {
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }
}

/// What is wrong with a request, one thing.
#[derive(Debug)]
pub struct Problem {
    /// Where: `body`, then the names of fields.
    place: Vec<String>,
    what: String,
    code: &'static str,
}

impl Problem {
    pub fn new(place: &[&str], what: impl Into<String>, code: &'static str) -> Self {
        let place = place.iter().map(|part| (*part).to_owned()).collect();
        let what = what.into();
        Self { place, what, code }
    }

    pub fn sentence(&self) -> String {
        format!("{}: {}", self.place.join("."), self.what)
    }

    pub fn json(&self) -> Value {
        json!({"loc": self.place, "msg": self.what, "type": self.code})
    }
}

/// Checks a body.
pub fn check_record(body: &Value, fields: &[Field], place: &[&str], problems: &mut Vec<Problem>) {
    let Some(record) = body.as_object() else {
        problems.push(Problem::new(place, "is not an object", "model_type"));
        return;
    };
    let inside = |name: &str| -> Vec<String> {
        let outer = place.iter().map(|part| (*part).to_owned());
        outer.chain([name.to_owned()]).collect()
    };
    for name in record.keys() {
        if !fields.iter().any(|field| field.name == name) {
            problems.push(Problem {
                place: inside(name),
                what: "is no field of this body".into(),
                code: "extra_forbidden",
            });
        }
    }
    for field in fields {
        let place = inside(field.name);
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        check_field(record, field, &place, problems);
    }
}

fn check_field(
    record: &Map<String, Value>,
    field: &Field,
    place: &[&str],
    problems: &mut Vec<Problem>,
) {
    match record.get(field.name) {
        None if field.required => problems.push(Problem::new(place, "is missing", "missing")),
        None => {}
        Some(Value::Null) if !field.required => {}
        Some(value) => check_value(value, field.kind, place, problems),
    }
}

fn check_value(value: &Value, kind: Kind, place: &[&str], problems: &mut Vec<Problem>) {
    let wrong = match kind {
        Kind::Text => (!value.is_string()).then_some("a text"),
        Kind::Uuid => (!value.as_str().is_some_and(is_uuid)).then_some("a UUID"),
        Kind::Uuids => {
            let all = value.as_array().map(Vec::as_slice);
            let is_uuids = |list: &[Value]| list.iter().all(|id| id.as_str().is_some_and(is_uuid));
            (!all.is_some_and(is_uuids)).then_some("a list of UUIDs")
        }
        Kind::Date => {
            (!value.as_str().is_some_and(is_date)).then_some("a date and time with an offset")
        }
        Kind::Length => (!value.as_f64().is_some_and(|seconds| seconds >= 0.0))
            .then_some("a number of seconds from 0"),
        Kind::Count => (!value.is_u64()).then_some("a whole number from 0"),
        Kind::UpTo(max) => (!value.as_u64().is_some_and(|number| in_range(number, max)))
            .then_some("a number in its range"),
        Kind::Flag => (!value.is_boolean()).then_some("true or false"),
        Kind::Object => (!value.is_object()).then_some("an object"),
        Kind::OneOf(names) => (!value.as_str().is_some_and(|name| names.contains(&name)))
            .then_some("one of its names"),
        Kind::Record(fields) => {
            check_record(value, fields, place, problems);
            None
        }
        Kind::ListOf(fields) => match value.as_array() {
            None => Some("a list"),
            Some(items) => {
                for (at, item) in items.iter().enumerate() {
                    let number = at.to_string();
                    let inside: Vec<&str> = place.iter().copied().chain([&*number]).collect();
                    check_record(item, fields, &inside, problems);
                }
                None
            }
        },
    };
    if let Some(expected) = wrong {
        let what = format!("{value} is not {expected}");
        problems.push(Problem::new(place, what, "type_error"));
    }
}

/// Checks the parameters of a query.
pub fn check_query(query: &[(String, String)], fields: &[Field], problems: &mut Vec<Problem>) {
    for (name, value) in query {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let problem = "is no parameter of this path";
            problems.push(Problem::new(&["query", name], problem, "extra_forbidden"));
            continue;
        };
        let right = match field.kind {
            Kind::Uuid => is_uuid(value),
            Kind::Flag => ["true", "false"].contains(&value.as_str()),
            Kind::OneOf(names) => names.contains(&value.as_str()),
            Kind::Count => value.parse::<u64>().is_ok(),
            Kind::UpTo(max) => value.parse().is_ok_and(|number| in_range(number, max)),
            _ => true,
        };
        if !right {
            let what = format!("{value:?} is not a {:?}", field.kind);
            problems.push(Problem::new(&["query", name], what, "type_error"));
        }
    }
    for field in fields {
        let count = query.iter().filter(|(name, _)| name == field.name).count();
        let place = ["query", field.name];
        if count == 0 && field.required {
            problems.push(Problem::new(&place, "is missing", "missing"));
        }
        if count > 1 && !field.repeats {
            problems.push(Problem::new(&place, "stands there twice", "repeated"));
        }
    }
}

fn in_range(number: u64, max: u64) -> bool {
    (1..=max).contains(&number)
}

pub fn is_uuid(text: &str) -> bool {
    let part = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(part)
}

fn is_date(text: &str) -> bool {
    date(text).is_some()
}

/// A date with an offset, as far as VyHub keeps it: microseconds.
pub fn date(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(10) != Some(&b'T') || text.contains('[') {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    Timestamp::from_microsecond(time.as_microsecond()).ok()
}

/// A SteamID64 of a player.
pub fn is_steam64(text: &str) -> bool {
    text.len() == 17
        && text.starts_with("7656119")
        && text.bytes().all(|byte| byte.is_ascii_digit())
}
