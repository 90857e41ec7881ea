//! TOML text to [`Raw`]: keys, types and lines. What values mean is for `checked`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Problem;
use super::nearest::nearest;

const TOP_KEYS: &[&str] = &[
    "state_dir",
    "watch",
    "poll_ms",
    "call_deadline_ms",
    "server",
    "database",
    "permissions",
];
const SERVER_KEYS: &[&str] = &[
    "scriptdata",
    "hostname",
    "key",
    "key_file",
    "vscripts",
    "legacy_secret",
    "legacy_secret_file",
    "legacy_identity",
];
const DATABASE_KEYS: &[&str] = &["type", "path", "durability"];

/// Tables with keys of their own, as their owner writes them. The top of the file comes first.
const TABLES: [(&str, &[&str]); 3] = [
    ("the top of the file, before the first [table]", TOP_KEYS),
    ("[[server]]", SERVER_KEYS),
    ("[database]", DATABASE_KEYS),
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

#[derive(Debug, Default)]
pub(super) struct Raw {
    pub state_dir: Field<String>,
    pub watch: Field<String>,
    pub poll_ms: Field<i64>,
    pub call_deadline_ms: Field<i64>,
    /// `Bad` when something stands there that cannot be servers.
    pub servers: Field<Vec<RawServer>>,
    pub database_type: Field<String>,
    pub database_path: Field<String>,
    pub database_durability: Field<String>,
    /// In the order of the names.
    pub scripts: Vec<(Place, String, Vec<Given<String>>)>,
    pub raw_sql: Vec<Given<String>>,
    /// The text is not TOML as a whole: what seems to be missing may be there.
    pub broken: bool,
}

#[derive(Debug)]
pub(super) struct RawServer {
    pub place: Place,
    pub scriptdata: Field<String>,
    pub hostname: Field<String>,
    pub key: Field<String>,
    pub key_file: Field<String>,
    pub vscripts: Field<String>,
    pub secret: Field<String>,
    pub secret_file: Field<String>,
    pub identity: Field<String>,
}

impl RawServer {
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            scriptdata: Field::Absent,
            hostname: Field::Absent,
            key: Field::Absent,
            key_file: Field::Absent,
            vscripts: Field::Absent,
            secret: Field::Absent,
            secret_file: Field::Absent,
            identity: Field::Absent,
        }
    }
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
            ..Raw::default()
        };
        if let Some(database) = self.table(table, "database") {
            self.unknown_keys(database, "database.", DATABASE_KEYS);
            raw.database_type = self.text(database, "database.", "type");
            raw.database_path = self.text(database, "database.", "path");
            raw.database_durability = self.text(database, "database.", "durability");
        }
        if let Some(permissions) = self.table(table, "permissions") {
            for (name, value) in permissions {
                let place = self.place(&name.span(), &permission_key(name.get_ref()));
                let list = self.list(&place, value);
                if name.get_ref() == "raw_sql" {
                    raw.raw_sql = list;
                } else {
                    raw.scripts
                        .push((place, name.get_ref().clone().into_owned(), list));
                }
            }
        }
        raw
    }

    fn servers(&mut self, table: &DeTable<'_>) -> Field<Vec<RawServer>> {
        let Some((name, value)) = table.get_key_value("server") else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), "server");
        let mut servers = Vec::new();
        match value.get_ref() {
            DeValue::Array(entries) => {
                for entry in entries {
                    let place = self.place(&entry.span(), "server");
                    match entry.get_ref() {
                        DeValue::Table(table) => servers.push(self.server(place, table)),
                        other => {
                            let message = wrong_type("a [[server]] table", other);
                            self.problems.push(place.problem(message));
                        }
                    }
                }
            }
            DeValue::Table(table) => {
                self.problems.push(
                    place.problem("is a list of tables: write [[server]], with two brackets"),
                );
                servers.push(self.server(place.clone(), table));
            }
            other => {
                self.problems
                    .push(place.problem(wrong_type("a [[server]] table", other)));
                return Field::Bad;
            }
        }
        Field::Given(Given {
            value: servers,
            place,
        })
    }

    fn server(&mut self, place: Place, table: &DeTable<'_>) -> RawServer {
        self.unknown_keys(table, "server.", SERVER_KEYS);
        RawServer {
            place,
            scriptdata: self.text(table, "server.", "scriptdata"),
            hostname: self.text(table, "server.", "hostname"),
            key: self.text(table, "server.", "key"),
            key_file: self.text(table, "server.", "key_file"),
            vscripts: self.text(table, "server.", "vscripts"),
            secret: self.text(table, "server.", "legacy_secret"),
            secret_file: self.text(table, "server.", "legacy_secret_file"),
            identity: self.text(table, "server.", "legacy_identity"),
        }
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
            DeValue::Integer(number) => {
                Some(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX))
            }
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
    fn list(&mut self, place: &Place, value: &Value<'_>) -> Vec<Given<String>> {
        let expected = "a list of texts, such as [\"VPI_DB_User*\"]";
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
        for name in table
            .keys()
            .filter(|name| !known.contains(&name.get_ref().as_ref()))
        {
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
    if let Some((table, _)) = TABLES.iter().find(|(_, keys)| keys.contains(&name)) {
        return format!("it belongs to {table}");
    }
    match nearest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn permission_key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.bytes().all(bare) {
        format!("permissions.{name}")
    } else {
        format!("permissions.{name:?}")
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
