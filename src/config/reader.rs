//! Reads TOML: tables by the declarations of their keys, with the lines of all that is wrong. A table is read
//! (types), variables are laid over it, and what is in force then is checked (words and bounds). What else it must
//! keep to is for the file of that table.

use super::Problem;
use super::file::{self, Blanks};
use super::key::{Declared, Key, Kind, TLS, Usual};
use super::nearest::nearest;
use super::redacted;
use super::secret::{exposure_warning, readable_by_others};
use crate::limits::CONFIG_NAME_BYTES_MAX;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

pub const ENVIRONMENT: &str = "environment";
pub const COMMAND_LINE: &str = "command line";
pub const TWO_BRACKETS: &str = "is a list of tables: write [[server]], with two brackets";
pub const IN_SCRIPTDATA: &str = "lies in a scriptdata folder, where every game script can overwrite \
                                 it; choose a place outside";

/// Looks up a variable, and an option of the command line by its long name (`--host`).
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is set to something: panels and compose files set unused ones to nothing.
pub fn variable(environment: Lookup<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

/// A configuration file that was read, or the environment that stands for one.
pub struct Written {
    /// As problems name it.
    pub name: String,
    pub file: Option<PathBuf>,
    pub text: String,
    pub base_dir: PathBuf,
}

/// Where a value stands, for problems with it.
#[derive(Debug, Clone)]
pub struct Location {
    pub source: String,
    pub line: Option<usize>,
    pub key: String,
}

impl Location {
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            source: self.source.clone(),
            line: self.line,
            key: self.key.clone(),
            message: message.into(),
        }
    }

    /// Of a variable, or of an option of the command line.
    pub fn of_variable(name: &str) -> Self {
        let source = match name.starts_with("--") {
            true => COMMAND_LINE,
            false => ENVIRONMENT,
        };
        Self {
            source: source.into(),
            line: None,
            key: name.into(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Given<T> {
    pub value: T,
    pub place: Location,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Integer(i64),
    Truth(bool),
    Texts(Vec<Given<String>>),
    Json(Json),
}

/// One table as it was written, with the variables that are laid over it.
#[derive(Debug)]
pub struct Table {
    pub place: Location,
    declared: &'static Declared,
    /// None: what stands there is no such value, which has been reported.
    values: BTreeMap<&'static str, Option<Given<Value>>>,
}

impl Table {
    pub fn empty(declared: &'static Declared, place: Location) -> Self {
        Self {
            place,
            declared,
            values: BTreeMap::new(),
        }
    }

    /// Takes over what `other` says for keys that both tables can have and that are not set here.
    pub fn adopt(&mut self, other: &Self) {
        for (name, given) in &other.values {
            if self.declared.key(name).is_some() {
                self.values.entry(name).or_insert_with(|| given.clone());
            }
        }
    }

    pub fn is_absent(&self, name: &str) -> bool {
        !self.values.contains_key(name)
    }

    /// Where a good value stands.
    pub fn place(&self, name: &str) -> Option<&Location> {
        Some(&self.given(name)?.place)
    }

    /// Where good values of these keys stand.
    pub fn places<'t>(&'t self, keys: &'t [Key]) -> impl Iterator<Item = &'t Location> {
        keys.iter().filter_map(|key| self.place(key.name))
    }

    fn given(&self, name: &str) -> Option<&Given<Value>> {
        debug_assert!(self.declared.key(name).is_some(), "{name} is not declared");
        self.values.get(name)?.as_ref()
    }

    /// Of the kinds that are texts, words or digits.
    pub fn text(&self, name: &str) -> Option<(&Location, &str)> {
        let given = self.given(name)?;
        match &given.value {
            Value::Text(text) => Some((&given.place, text)),
            _ => None,
        }
    }

    /// The same, or the default.
    pub fn word(&self, name: &str) -> &str {
        let default = self.declared.key(name).map(|key| key.default);
        match (self.text(name), default) {
            (Some((_, text)), _) => text,
            (None, Some(Usual::Text(text))) => text,
            _ => "",
        }
    }

    /// Whole numbers, and seconds as milliseconds.
    pub fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        match self.given(name)?.value {
            Value::Integer(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.given(name)?.value {
            Value::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    pub fn texts(&self, name: &str) -> Option<(&Location, &[Given<String>])> {
        let given = self.given(name)?;
        match &given.value {
            Value::Texts(texts) => Some((&given.place, texts)),
            _ => None,
        }
    }

    pub fn json(&self, name: &str) -> Option<(&Location, &Json)> {
        let given = self.given(name)?;
        match &given.value {
            Value::Json(value) => Some((&given.place, value)),
            _ => None,
        }
    }
}

/// Reads one configuration and gathers what is wrong with it. It goes on after a problem, so that the owner
/// sees all of them in one go.
pub struct Reader<'a> {
    pub written: &'a Written,
    pub environment: Lookup<'a>,
    tables: &'static [&'static Declared],
    problems: Vec<Problem>,
    pub warnings: Vec<String>,
    /// Files with a secret in them that others can read.
    pub exposed: Vec<PathBuf>,
    /// Files that were read for it, and those of them that have nothing but a secret.
    pub files: Vec<PathBuf>,
    pub secret_files: Vec<PathBuf>,
    /// Of the servers, once they are read.
    pub scriptdata: Vec<PathBuf>,
    /// Lines that are not TOML.
    broken: Vec<Option<usize>>,
    /// Not where a line could not be read: what is missing may stand on it.
    pub report_missing: bool,
}

impl<'a> Reader<'a> {
    pub fn new(
        written: &'a Written,
        environment: Lookup<'a>,
        tables: &'static [&'static Declared],
    ) -> (Self, Spanned<DeTable<'a>>) {
        let text = written.text.as_str();
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            written,
            environment,
            tables,
            problems: Vec::new(),
            warnings: Vec::new(),
            exposed: Vec::new(),
            files: Vec::new(),
            secret_files: Vec::new(),
            scriptdata: Vec::new(),
            broken: Vec::new(),
            report_missing: true,
        };
        // The parser's own Display quotes the line, which may hold a secret: its message does not.
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let (key, message) = if error.message() == "duplicate key" {
                let key = text.get(span.clone()).unwrap_or_default().trim();
                (key, second_time(text, &span).to_owned())
            } else {
                reader.report_missing = false;
                ("", format!("this is not TOML: {}", error.message()))
            };
            let place = reader.place(&span, key);
            reader.broken.push(place.line);
            reader.problem(&place, message);
        }
        (reader, document)
    }

    /// Every problem, in the order of the lines.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        // What recovery makes of a broken line is not what the owner wrote.
        let of_values = problems.split_off(self.broken.len());
        let is_broken =
            |it: &Problem| it.source == self.written.name && self.broken.contains(&it.line);
        problems.extend(of_values.into_iter().filter(|problem| !is_broken(problem)));
        problems.sort_by_key(|problem| (problem.line.is_none(), problem.line));
        problems.dedup();
        problems
    }

    pub fn problem(&mut self, place: &Location, message: impl Into<String>) {
        self.report(place.problem(message));
    }

    /// What was understood; what was not is reported.
    pub fn good<T, E: Display>(&mut self, place: &Location, read: Result<T, E>) -> Option<T> {
        read.map_err(|wrong| self.problem(place, wrong.to_string()))
            .ok()
    }

    /// Reports a list with more entries than fit, at the first that does not.
    pub fn bound(&mut self, beyond: Option<&Location>, count: usize, most: usize) {
        if let Some(place) = beyond {
            self.problem(place, format!("there are {count}; at most {most} fit"));
        }
    }

    /// Reports the first of these keys that is set, where `of`, which it is for, is not. `advice` goes on.
    pub fn without(&mut self, table: &Table, of: &str, keys: &[&str], advice: &str) {
        let set = keys.iter().find_map(|name| table.place(name));
        if let (true, Some(place)) = (table.is_absent(of), set) {
            self.missing(place, format!("is of no use without {of}; {advice}"));
        }
    }

    /// What is missing, or has no effect without what is missing.
    pub fn missing(&mut self, place: &Location, message: impl Into<String>) {
        if self.report_missing {
            self.problem(place, message);
        }
    }

    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub fn warn(&mut self, place: &Location, message: impl Into<String>) {
        self.warnings.push(place.problem(message).to_string());
    }

    pub fn place(&self, span: &Range<usize>, key: &str) -> Location {
        let before = &self.written.text.as_bytes()[..span.start.min(self.written.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Location {
            line: Some(line),
            ..self.absent(key)
        }
    }

    /// Of what the file does not have.
    pub fn absent(&self, key: &str) -> Location {
        Location {
            source: self.written.name.clone(),
            line: None,
            key: key.to_owned(),
        }
    }
}

/// Tables and values.
impl Reader<'_> {
    /// A table that is one: `what` says how its owner writes it.
    pub fn table_in<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
        key: &str,
        what: &str,
    ) -> Option<(Location, &'t DeTable<'i>)> {
        let (name, value) = table.get_key_value(key)?;
        let place = self.place(&name.span(), key);
        Some((place.clone(), self.table_of(&place, value, what)?))
    }

    pub fn table_of<'t, 'i>(
        &mut self,
        place: &Location,
        value: &'t Spanned<DeValue<'i>>,
        what: &str,
    ) -> Option<&'t DeTable<'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        self.problem(place, wrong_type(what, value.get_ref()));
        None
    }

    /// The tables in `[key]`, with their names: `[key.NAME]`.
    pub fn tables_in<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
        key: &str,
    ) -> Vec<(Location, &'t str, &'t DeTable<'i>)> {
        let what = match key {
            "script" => "tables, as in [script.NAME]".to_owned(),
            _ => format!("a [{key}] table"),
        };
        let Some((of, tables)) = self.table_in(table, key, &what) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in tables {
            let place = self.place(&name.span(), &dotted(&of.key, name.get_ref()));
            let is_general = key == "script" && self.is_key_of("[scripts]", name.get_ref());
            if is_general && !matches!(value.get_ref(), DeValue::Table(_)) {
                let message = "is for all scripts; it belongs to [scripts], with s";
                self.problem(&place, message);
                continue;
            }
            let what = format!("a table, as in [{key}.NAME]");
            if let Some(inner) = self.table_of(&place, value, &what) {
                found.push((place, name.get_ref().as_ref(), inner));
            }
        }
        found
    }

    fn is_key_of(&self, head: &str, name: &str) -> bool {
        let mut tables = self.tables.iter();
        tables.any(|table| table.head == head && table.key(name).is_some())
    }

    /// What a table says for its keys. Keys that it does not have are reported.
    pub fn table(
        &mut self,
        declared: &'static Declared,
        place: Location,
        table: &DeTable<'_>,
    ) -> Table {
        let mut read = Table::empty(declared, place);
        let prefix = match read.place.key.as_str() {
            "" => String::new(),
            key => format!("{key}."),
        };
        for (name, value) in table {
            let place = self.place(&name.span(), &format!("{prefix}{}", name.get_ref()));
            match declared.key(name.get_ref()) {
                Some(key) => {
                    let value = self.value(key, place, value);
                    read.values.insert(key.name, value);
                }
                None => self.unknown_key(declared, &prefix, name, value),
            }
        }
        read
    }

    fn unknown_key(
        &mut self,
        declared: &Declared,
        prefix: &str,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let (span, name) = (name.span(), name.get_ref().as_ref());
        let (key, advice) = match (declared.head, value.get_ref()) {
            ("[scripts]", DeValue::Table(_)) => (
                dotted("scripts", name),
                format!("the table of one script is [script.{name}], without s"),
            ),
            _ => (
                format!("{prefix}{name}"),
                self.advice(name, &declared.names()),
            ),
        };
        let place = self.place(&span, &key);
        self.problem(&place, format!("is not a key that vpid knows; {advice}"));
    }

    /// What the owner may have meant: the same key elsewhere (in TOML all keys after `[[server]]`
    /// belong to that server), one spelt alike, else what there is.
    fn advice(&self, name: &str, known: &[&str]) -> String {
        let longer = |known: &&&str| name.len() > 2 && known.starts_with(name);
        if let Some(longer) = known.iter().find(longer) {
            return format!("did you mean {longer}?");
        }
        if let Some(table) = self.tables.iter().find(|table| table.key(name).is_some()) {
            return format!("it belongs to {}", table.head);
        }
        match nearest(name, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known here: {}", known.join(", ")),
        }
    }

    fn value(
        &mut self,
        key: &Key,
        place: Location,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Given<Value>> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let read = match (key.kind, value.get_ref()) {
            (Kind::Own, _) => return None,
            (Kind::Texts(_), DeValue::Array(_)) => {
                let before = self.problems.len();
                let texts = self.texts(key.kind, &place, value);
                if self.problems.len() > before {
                    return None;
                }
                Some(Value::Texts(texts))
            }
            (Kind::Text | Kind::Words(_) | Kind::Digits | Kind::Tls, DeValue::String(it)) => {
                text(it)
            }
            (Kind::Tls, DeValue::Boolean(truth)) => text(TLS[if *truth { 2 } else { 0 }]),
            (Kind::Digits, DeValue::Integer(it)) if it.radix() == 10 => text(it.as_str()),
            // Beyond 64 bits is beyond every bound.
            (Kind::Integer(..) | Kind::IntegerOrZero(..), DeValue::Integer(it)) => {
                Some(Value::Integer(whole_number(it).unwrap_or(i64::MAX)))
            }
            (Kind::Truth, DeValue::Boolean(truth)) => Some(Value::Truth(*truth)),
            (Kind::Seconds(..), it) => {
                // What is no number at all becomes 0, which is below every bound.
                number(it).map(|seconds| Value::Integer((seconds * 1000.0).round() as i64))
            }
            (Kind::Number | Kind::Scalar, it) => json(key.kind, it).map(Value::Json),
            _ => None,
        };
        let Some(value) = read else {
            let message = match redacted::stands_for(key.name, value.get_ref()) {
                Some(what) => format!(
                    "is empty, as a backup without secrets leaves it; write the {what} here"
                ),
                None => wrong_type(&key.kind.expected(), value.get_ref()),
            };
            self.problem(&place, message);
            return None;
        };
        Some(Given { value, place })
    }

    /// The texts of a list. What is not text is reported, and left out.
    pub fn texts(
        &mut self,
        kind: Kind,
        place: &Location,
        value: &Spanned<DeValue<'_>>,
    ) -> Vec<Given<String>> {
        let DeValue::Array(entries) = value.get_ref() else {
            self.problem(place, wrong_type(&kind.expected(), value.get_ref()));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for entry in entries {
            let place = self.place(&entry.span(), &place.key);
            match entry.get_ref() {
                DeValue::String(text) => {
                    let value = text.clone().into_owned();
                    texts.push(Given { value, place });
                }
                other => self.problem(&place, wrong_type(&kind.expected(), other)),
            }
        }
        texts
    }

    /// The first of these options and variables that is set.
    pub fn variable(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let mut said = names
            .iter()
            .filter_map(|name| Some((*name, variable(self.environment, name)?)));
        said.next()
    }

    /// Those of a group of keys that a variable or an option sets.
    pub fn variables_of(&self, keys: &'static [Key]) -> Vec<(&'static Key, &'static str, String)> {
        let set = |key: &'static Key| {
            let (name, value) = self.variable(key.variables)?;
            Some((key, name, value))
        };
        keys.iter().filter_map(set).collect()
    }

    /// Lays variables and options over a group of keys, and checks what is in force then.
    pub fn overlay(&mut self, table: &mut Table, keys: &'static [Key]) {
        let set = self.variables_of(keys);
        for name in set.iter().flat_map(|(key, ..)| key.replaces) {
            table.values.remove(name);
        }
        let is_option = |name: &str| name.starts_with("--");
        for (key, name, text) in &set {
            // An option wins over a variable, also where that is for a key in its place.
            let beaten = set.iter().any(|(other, option, _)| {
                is_option(option) && !is_option(name) && other.replaces.contains(&key.name)
            });
            if !beaten {
                let value = self.value_of_variable(key, name, text);
                table.values.insert(key.name, value);
            }
        }
        self.check(table, keys);
    }

    /// Checks the words and bounds of a group of keys. What does not fit counts as reported.
    pub fn check(&mut self, table: &mut Table, keys: &'static [Key]) {
        for key in keys {
            let Some(Some(given)) = table.values.get(key.name) else {
                continue;
            };
            let message = match (&given.value, key.kind.words()) {
                (Value::Integer(number), _) if !key.kind.holds(*number) => {
                    format!("must be {}", key.kind.bounds())
                }
                (Value::Text(text), Some(words)) if !words.contains(&text.as_str()) => {
                    is_none_of(text, words)
                }
                _ => continue,
            };
            self.problem(&given.place, message);
            table.values.insert(key.name, None);
        }
    }

    fn value_of_variable(&mut self, key: &Key, name: &str, text: &str) -> Option<Given<Value>> {
        let place = Location::of_variable(name);
        let word = text.trim();
        let value = match key.kind {
            Kind::Integer(..) | Kind::IntegerOrZero(..) => word
                .parse()
                .map(Value::Integer)
                .map_err(|_| format!("{text:?} is not a whole number")),
            Kind::Seconds(..) => milliseconds(word)
                .map(Value::Integer)
                .ok_or_else(|| format!("{text:?} is not a number of seconds")),
            Kind::Truth => match word {
                "true" | "1" => Ok(Value::Truth(true)),
                "false" | "0" => Ok(Value::Truth(false)),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            Kind::Texts(such_as) => list(word)
                .map(|texts| {
                    let place = place.clone();
                    let given = texts.into_iter().map(move |value| Given {
                        value,
                        place: place.clone(),
                    });
                    Value::Texts(given.collect())
                })
                .ok_or_else(|| {
                    format!("must be texts with commas between, or a list such as [{such_as:?}]")
                }),
            _ => Ok(Value::Text(text.to_owned())),
        };
        let value = self.good(&place, value)?;
        Some(Given { value, place })
    }

    /// A table that stands in the file, or what the variables of its keys make of one that is not there, and those laid
    /// over it. `key`: as problems name it.
    pub fn table_or_variables(
        &mut self,
        declared: &'static Declared,
        keys: &'static [Key],
        key: &str,
        found: Option<(Location, &DeTable<'_>)>,
    ) -> Option<Table> {
        let mut table = match found {
            Some((place, table)) => self.table(declared, place, table),
            None if self.variables_of(keys).is_empty() => return None,
            None => Table::empty(declared, Location::of_variable(key)),
        };
        self.overlay(&mut table, keys);
        Some(table)
    }
}

/// Paths, secrets and names.
impl Reader<'_> {
    /// None when the text is no path; that has been reported then.
    pub fn path(&mut self, place: &Location, text: &str) -> Option<PathBuf> {
        if let Some(wrong) = no_path(text) {
            self.problem(place, wrong);
            return None;
        }
        match place.source == ENVIRONMENT {
            true => Some(std::path::absolute(text).unwrap_or_else(|_| text.into())),
            false => Some(self.written.base_dir.join(text)),
        }
    }

    pub fn in_scriptdata(&self, path: &Path) -> bool {
        self.scriptdata
            .iter()
            .any(|folder| path.starts_with(folder))
    }

    /// The path that a key names, outside of what game scripts can write.
    pub fn outside_path(&mut self, table: &Table, name: &str) -> Option<PathBuf> {
        let (place, text) = table.text(name)?;
        let path = self.path(place, text)?;
        if self.in_scriptdata(&path) {
            self.problem(place, IN_SCRIPTDATA);
            return None;
        }
        Some(path)
    }

    /// The same for a file or folder that vpid makes, where nothing is said the default.
    pub fn own_path(&mut self, table: &Table, name: &str, default: &str) -> PathBuf {
        let path = self.written.base_dir.join(default);
        if table.is_absent(name) && self.in_scriptdata(&path) {
            let place = self.absent(default);
            self.problem(&place, IN_SCRIPTDATA);
        }
        self.outside_path(table, name).unwrap_or(path)
    }

    /// A key, secret or password that stands in the configuration, or in the file that `NAME_file` says; none
    /// where there is neither, and where it has been reported. `blanks`: whether it may begin or end with some.
    pub fn secret(&mut self, table: &Table, name: &str, blanks: Blanks) -> Option<Given<Vec<u8>>> {
        match (table.text(name), table.text(&format!("{name}_file"))) {
            (Some(_), Some((place, _))) => {
                self.problem(place, format!("stands beside {name}; keep one of the two"));
                None
            }
            (Some((place, text)), _) => {
                if place.source == self.written.name && !text.is_empty() {
                    self.warn_if_exposed(self.written.file.as_deref());
                }
                Some(Given {
                    value: text.as_bytes().to_vec(),
                    place: place.clone(),
                })
            }
            (_, Some((place, file))) => {
                let path = self.path(place, file)?;
                self.files.push(path.clone());
                self.secret_files.push(path.clone());
                let line = match file::line(&path, name, blanks) {
                    Ok(line) => line,
                    Err(wrong) => {
                        self.problem(place, wrong.to_string());
                        return None;
                    }
                };
                self.warn_if_exposed(Some(&path));
                Some(Given {
                    value: line.into_bytes(),
                    place: place.clone(),
                })
            }
            _ => None,
        }
    }

    pub fn warn_if_exposed(&mut self, file: Option<&Path>) {
        let is_new = |path: &&Path| {
            readable_by_others(path) && !self.exposed.iter().any(|known| known == path)
        };
        if let Some(path) = file.filter(is_new) {
            self.warnings.push(exposure_warning(path));
            self.exposed.push(path.to_owned());
        }
    }

    /// Letters, digits and these signs: it becomes part of a name in scripts, or stands in a statement.
    pub fn name(&mut self, place: &Location, name: &str, of: &str, signs: &str) {
        let fits = |sign: char| sign.is_ascii_alphanumeric() || signs.contains(sign);
        if name.is_empty() || !name.chars().all(fits) || name.len() > CONFIG_NAME_BYTES_MAX {
            let signs = match signs {
                "_-" => ", digits, _ and -",
                _ => ", digits and _",
            };
            let message = format!(
                "{name:?} is no name for {of}; use at most {CONFIG_NAME_BYTES_MAX} letters{signs}"
            );
            self.problem(place, message);
        }
    }
}

/// What is wrong with a text that is no path here.
fn no_path(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix(|sign: char| sign.is_ascii_alphabetic());
    let has_drive = rest.is_some_and(|rest| rest.starts_with(":\\") || rest.starts_with(":/"));
    match text {
        "" => Some("is empty; name a path"),
        _ if text.contains('\0') => Some("has a NUL in it; name a path"),
        _ if text == "~" || (text.starts_with('~') && text.contains('/')) => {
            Some("~ is not expanded here: write the whole path, such as /home/tf2/...")
        }
        _ if has_drive || (text.contains('\\') && !text.contains('/')) => {
            Some("is a path of Windows; vpid runs on Linux: write a path such as /home/tf2/...")
        }
        _ => None,
    }
}

/// What to say of a key that stands there already.
fn second_time(text: &str, key: &Range<usize>) -> &'static str {
    let before = text.get(..key.start).unwrap_or_default();
    let before = before.rsplit('\n').next().unwrap_or_default().trim();
    match (text.get(key.clone()).map(str::trim), before) {
        (Some("server"), "[") => TWO_BRACKETS,
        (Some("server"), "[[") => {
            "there is a [server] above; write [[server]] there, with two brackets"
        }
        _ => "stands here a second time; keep one of them",
    }
}

/// Of a variable: seconds, perhaps with a fraction.
fn milliseconds(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    let ms = (seconds * 1000.0).round();
    (ms.is_finite() && ms.abs() < 1e15).then_some(ms as i64)
}

/// Of a variable: texts with commas between, or a list as the file has it.
fn list(text: &str) -> Option<Vec<String>> {
    if !text.starts_with("[\"") && !text.starts_with("['") && text != "[]" {
        let parts = text.split(',').map(str::trim);
        return Some(
            parts
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect(),
        );
    }
    let value = DeValue::parse(text).ok()?;
    let DeValue::Array(items) = value.get_ref() else {
        return None;
    };
    let text_of = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    items.iter().map(text_of).collect()
}

pub fn is_none_of(text: &str, words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("{text:?} is none of {}", words.join(", "))
}

/// None beyond 64 bits.
pub fn whole_number(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

pub fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => Some(whole_number(number)? as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

fn json(kind: Kind, value: &DeValue<'_>) -> Option<Json> {
    match (kind, value) {
        (Kind::Scalar, DeValue::String(text)) => Some(Json::from(text.as_ref())),
        (Kind::Scalar, DeValue::Boolean(value)) => Some(Json::from(*value)),
        (_, DeValue::Integer(number)) => Some(Json::from(whole_number(number))),
        (_, DeValue::Float(_)) => Some(number(value).map_or(Json::Null, Json::from)),
        _ => None,
    }
}

/// A key as TOML would have it.
pub fn dotted(table: &str, name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        format!("{table}.{name}")
    } else {
        format!("{table}.{name:?}")
    }
}

pub fn wrong_type(expected: &str, found: &DeValue<'_>) -> String {
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
