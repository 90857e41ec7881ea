//! TOML text to [`Raw`]: keys, types and lines. What values mean is for `checked`.

mod database;
mod query;
mod scripts;
mod server;
mod vyhub;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::Problem;
use super::nearest::nearest;

pub(super) use database::RawDatabase;
pub(super) use query::{RawParam, RawQuery};
pub(super) use scripts::{RawScript, RawScripts, RawSettings};
pub(super) use server::RawServer;
pub(super) use vyhub::RawVyhub;

const TOP_KEYS: &[&str] = &[
    "state_dir",
    "watch",
    "poll_ms",
    "call_deadline_ms",
    "server",
    "database",
    "query",
    "vyhub",
    "scripts",
    "script",
    "permissions",
];
/// Tables with keys of their own, as their owner writes them. The top of the file comes first.
const TABLES: [(&str, &[&str]); 8] = [
    ("the top of the file, before the first [table]", TOP_KEYS),
    ("[[server]]", server::KEYS),
    ("[database]", database::KEYS),
    ("[query.NAME]", query::KEYS),
    ("[query.NAME.params]", query::PARAM_KEYS),
    ("[vyhub]", vyhub::KEYS),
    ("[scripts]", scripts::KEYS),
    ("[script.NAME]", scripts::EACH_KEYS),
];

/// All keys with a fixed name.
#[cfg(test)]
pub(super) fn every_key() -> impl Iterator<Item = &'static str> {
    TABLES.iter().flat_map(|(_, keys)| keys.iter().copied())
}

/// Where a value stands, for problems with it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub source: String,
    pub line: Option<usize>,
    pub key: String,
}

impl Place {
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            source: self.source.clone(),
            line: self.line,
            key: self.key.clone(),
            message: message.into(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub value: T,
    pub place: Place,
}

/// What the file says for a key. `Bad` has been reported, so nobody need miss it too.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    #[default]
    Absent,
    Bad,
    Given(Given<T>),
}

impl<T> Field<T> {
    pub fn given(&self) -> Option<&Given<T>> {
        match self {
            Self::Given(given) => Some(given),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Where it stands, if it does.
    pub fn place(&self) -> Option<&Place> {
        self.given().map(|given| &given.place)
    }
}

#[derive(Debug, Default)]
pub(super) struct Raw {
    pub state_dir: Field<String>,
    pub watch: Field<String>,
    pub poll_ms: Field<i64>,
    pub call_deadline_ms: Field<i64>,
    /// `Bad` when something stands there that cannot be servers.
    pub servers: Field<Vec<RawServer>>,
    /// The one of `[database]` first, where there is that table; then by their names.
    pub databases: Vec<RawDatabase>,
    /// By their names.
    pub queries: Vec<RawQuery>,
    pub vyhub: Field<RawVyhub>,
    pub scripts: Field<RawScripts>,
    /// By their names.
    pub each_script: Vec<RawScript>,
    /// In the order of the names.
    pub permissions: Vec<(Place, String, Vec<Given<String>>)>,
    pub raw_sql: Vec<Given<String>>,
    /// The text is not TOML as a whole: what seems to be missing may be there.
    pub broken: bool,
}

/// Reads as much as can be read, and says what cannot.
pub(super) fn read(source: &str, text: &str) -> (Raw, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        source,
        text,
        problems: Vec::new(),
    };
    // The parser's own Display quotes the line, which may hold a secret: its message does not.
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let (key, message) = if error.message() == "duplicate key" {
            let key = text.get(span.clone()).unwrap_or_default().trim();
            (
                key.to_owned(),
                "stands here a second time; keep one of them".to_owned(),
            )
        } else {
            (
                String::new(),
                format!("this is not TOML: {}", error.message()),
            )
        };
        let problem = reader.place(&span, &key).problem(message);
        reader.problems.push(problem);
    }
    let broken_lines: Vec<_> = reader.problems.iter().map(|problem| problem.line).collect();
    let mut raw = reader.document(document.get_ref());
    raw.broken = errors
        .iter()
        .any(|error| error.message() != "duplicate key");
    // What recovery makes of a broken line is not what the owner wrote.
    let from_parser = broken_lines.len();
    let mut problems = reader.problems;
    let of_values = problems.split_off(from_parser);
    problems.extend(
        of_values
            .into_iter()
            .filter(|found| !broken_lines.contains(&found.line)),
    );
    (raw, problems)
}

struct Reader<'a> {
    source: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn place(&self, span: &Range<usize>, key: &str) -> Place {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Place {
            source: self.source.to_owned(),
            line: Some(line),
            key: key.to_owned(),
        }
    }

    fn document(&mut self, table: &DeTable<'_>) -> Raw {
        self.unknown_keys(table, "", TOP_KEYS);
        let mut raw = Raw {
            state_dir: self.text(table, "", "state_dir"),
            watch: self.text(table, "", "watch"),
            poll_ms: self.integer(table, "", "poll_ms"),
            call_deadline_ms: self.integer(table, "", "call_deadline_ms"),
            servers: self.servers(table),
            databases: self.databases(table),
            queries: self.queries(table),
            vyhub: self.vyhub(table),
            scripts: self.scripts(table),
            each_script: self.each_script(table),
            ..Raw::default()
        };
        if let Some(permissions) = self.table(table, "permissions") {
            for (name, value) in permissions {
                let place = self.place(&name.span(), &dotted("permissions", name.get_ref()));
                let list = self.list(&place, value, "VPI_DB_User*");
                if name.get_ref() == "raw_sql" {
                    raw.raw_sql = list;
                } else {
                    raw.permissions
                        .push((place, name.get_ref().clone().into_owned(), list));
                }
            }
        }
        raw
    }

    fn table<'t, 'i>(&mut self, table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
        let (name, value) = table.get_key_value(key)?;
        if let DeValue::Table(inner) = value.get_ref() {
            return Some(inner);
        }
        let message = wrong_type(&format!("a [{key}] table"), value.get_ref());
        self.problems
            .push(self.place(&name.span(), key).problem(message));
        None
    }

    fn text(&mut self, table: &DeTable<'_>, prefix: &str, key: &str) -> Field<String> {
        self.field(table, prefix, key, "text in quotes", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    fn integer(&mut self, table: &DeTable<'_>, prefix: &str, key: &str) -> Field<i64> {
        self.field(table, prefix, key, "a whole number", |value| match value {
            // Beyond 64 bits is beyond every bound: the range check says the rest.
            DeValue::Integer(number) => Some(whole_number(number).unwrap_or(i64::MAX)),
            _ => None,
        })
    }

    /// Digits, in quotes or as a number: a text keeps the zeros in front.
    fn digits(&mut self, table: &DeTable<'_>, prefix: &str, key: &str) -> Field<String> {
        self.field(table, prefix, key, "digits", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
            _ => None,
        })
    }

    fn field<T>(
        &mut self,
        table: &DeTable<'_>,
        prefix: &str,
        key: &str,
        expected: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Field<T> {
        let Some((name, value)) = table.get_key_value(key) else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), &format!("{prefix}{key}"));
        match read(value.get_ref()) {
            Some(value) => Field::Given(Given { value, place }),
            None => {
                self.problems
                    .push(place.problem(wrong_type(expected, value.get_ref())));
                Field::Bad
            }
        }
    }

    /// The texts of a list. What is not text is reported, and left out.
    fn list(&mut self, place: &Place, value: &Value<'_>, such_as: &str) -> Vec<Given<String>> {
        let expected = &format!("a list of texts, such as [{such_as:?}]");
        let DeValue::Array(entries) = value.get_ref() else {
            self.problems
                .push(place.problem(wrong_type(expected, value.get_ref())));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for entry in entries {
            let place = self.place(&entry.span(), &place.key);
            match entry.get_ref() {
                DeValue::String(text) => {
                    texts.push(Given {
                        value: text.clone().into_owned(),
                        place,
                    });
                }
                other => self
                    .problems
                    .push(place.problem(wrong_type(expected, other))),
            }
        }
        texts
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, prefix: &str, known: &'static [&str]) {
        for name in table.keys() {
            self.unknown_key(name, prefix, known);
        }
    }

    fn unknown_key(&mut self, name: &Spanned<DeString<'_>>, prefix: &str, known: &[&str]) {
        if !known.contains(&name.get_ref().as_ref()) {
            let place = self.place(&name.span(), &format!("{prefix}{}", name.get_ref()));
            let message = format!("is no key that vpid knows; {}", advice(name, known));
            self.problems.push(place.problem(message));
        }
    }
}

/// What the owner may have meant: the same key elsewhere (in TOML all keys after `[[server]]`
/// belong to that server), one spelt alike, else what there is.
fn advice(name: &Spanned<DeString<'_>>, known: &[&str]) -> String {
    let name = name.get_ref().as_ref();
    let longer = known
        .iter()
        .find(|known| name.len() > 2 && known.starts_with(name));
    if let Some(longer) = longer {
        return format!("did you mean {longer}?");
    }
    if let Some((table, _)) = TABLES.iter().find(|(_, keys)| keys.contains(&name)) {
        return format!("it belongs to {table}");
    }
    match nearest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// None beyond 64 bits.
fn whole_number(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A key as TOML would have it.
fn dotted(table: &str, name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        format!("{table}.{name}")
    } else {
        format!("{table}.{name:?}")
    }
}

fn truth(value: &DeValue<'_>) -> Option<bool> {
    match value {
        DeValue::Boolean(value) => Some(*value),
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => Some(whole_number(number)? as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

fn wrong_type(expected: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("must be {expected}, and is {found}")
}
