//! [`Raw`] and the environment to [`Config`]: what values mean, and what cannot be meant.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::permissions::RAW_SQL_FUNCTION;
use super::raw::{Field, Given, Place, Raw};
use super::{Config, Permissions, Problem, Server, Source, Watch, environment};
use crate::limits::{
    CALL_DEADLINE_MS_DEFAULT, CALL_DEADLINE_MS_MAX, CALL_DEADLINE_MS_MIN, POLL_MS_DEFAULT,
    POLL_MS_MAX, POLL_MS_MIN,
};

pub(super) const ENVIRONMENT: &str = "environment";
pub(super) const COMMAND_LINE: &str = "command line";

pub(super) const IN_SCRIPTDATA: &str = "lies in a scriptdata folder, where every game script can overwrite \
                             it; choose a place outside";

/// The configuration that is meant. It is only good for use when `problems` stayed empty:
/// what could not be understood holds its default.
pub(super) fn check(
    raw: Raw,
    source: Source<'_>,
    base_dir: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Config {
    let mut checker = Checker::of(source, base_dir, environment, problems);
    // Where a line could not be read, what is missing may stand on it.
    checker.report_missing = !raw.broken;
    for (name, message) in environment::unreadable(environment) {
        checker.problem(&environment_place(name), message);
    }
    let (permissions, watch) = (checker.permissions(&raw), checker.watch(raw.watch));
    if let (Watch::Inotify, Some(place)) = (watch, raw.poll_ms.place()) {
        let message =
            "has no effect with watch = \"inotify\"; take it out, or set watch = \"auto\"";
        checker.warn(place, message);
    }
    let poll_ms = checker.overridden_number(raw.poll_ms, &["VPID_POLL_MS"]);
    let poll_ms = checker
        .number(&poll_ms, POLL_MS_MIN..=POLL_MS_MAX, " milliseconds")
        .unwrap_or(POLL_MS_DEFAULT);
    let deadline = checker.overridden_number(raw.call_deadline_ms, &["VPID_CALL_DEADLINE_MS"]);
    let call_deadline_ms = checker
        .deadline(&deadline)
        .unwrap_or(CALL_DEADLINE_MS_DEFAULT);
    let vyhub = checker.override_vyhub(raw.vyhub);
    let for_vyhub = !matches!(vyhub, Field::Absent);
    let servers = checker.servers(raw.servers, for_vyhub);
    let state_dir = checker.overridden(raw.state_dir, &["VPID_STATE_DIR"]);
    let state_dir = checker.own_path(state_dir, "state", &servers);
    let databases = checker.databases(raw.databases, &servers);
    let queries = checker.queries(raw.queries, &databases);
    let vyhub = checker.vyhub(vyhub, &servers);
    let scripts = checker.override_scripts(raw.scripts);
    let scripts = checker.python_scripts(scripts, raw.each_script, &servers);
    checker.own_file(&servers);
    Config {
        path: source.file.map(Path::to_owned),
        state_dir,
        servers,
        databases,
        queries,
        vyhub,
        scripts,
        permissions,
        watch,
        poll_ms,
        call_deadline_ms,
        warnings: checker.warnings,
        exposed: checker.exposed,
        files: checker.files,
    }
}

/// What the checks of all tables share.
pub(super) struct Checker<'a> {
    pub source: Source<'a>,
    pub base_dir: &'a Path,
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Vec<Problem>,
    pub warnings: Vec<String>,
    pub exposed: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
    pub report_missing: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn of(
        source: Source<'a>,
        base_dir: &'a Path,
        environment: &'a dyn Fn(&str) -> Option<String>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self {
            source,
            base_dir,
            environment,
            problems,
            warnings: Vec::new(),
            exposed: Vec::new(),
            files: Vec::new(),
            report_missing: true,
        }
    }
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.report(place.problem(message));
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(place.problem(message).to_string());
    }

    pub(super) fn absent(&self, key: &str) -> Place {
        Place {
            source: self.source.name.to_owned(),
            line: None,
            key: key.to_owned(),
        }
    }

    /// The first of these options and variables that is set, else what the file says.
    pub(super) fn overridden(&self, field: Field<String>, names: &[&str]) -> Field<String> {
        let said = |name: &&str| {
            let value = environment::text(self.environment, name)?;
            Some(from_environment(name, value))
        };
        names.iter().find_map(said).unwrap_or(field)
    }

    /// The same for a number.
    pub(super) fn overridden_number(&mut self, field: Field<i64>, names: &[&str]) -> Field<i64> {
        let Field::Given(given) = self.overridden(Field::Absent, names) else {
            return field;
        };
        let place = given.place;
        match given.value.trim().parse() {
            Ok(value) => Field::Given(Given { value, place }),
            Err(_) => {
                let message = format!("{:?} is not a whole number", given.value);
                self.problem(&place, message);
                Field::Bad
            }
        }
    }

    fn watch(&mut self, field: Field<String>) -> Watch {
        let field = self.overridden(field, &["VPID_WATCH"]);
        let choices = [
            ("auto", Watch::Auto),
            ("inotify", Watch::Inotify),
            ("poll", Watch::Poll),
        ];
        self.choice(&field, &choices).unwrap_or(Watch::Auto)
    }

    /// One of a few words; none when nothing is said, or something else.
    pub(super) fn choice<T: Clone>(
        &mut self,
        field: &Field<String>,
        of: &[(&str, T)],
    ) -> Option<T> {
        let given = field.given()?;
        let found = of.iter().find(|(word, _)| *word == given.value);
        if found.is_none() {
            let words: Vec<_> = of.iter().map(|(word, _)| format!("{word:?}")).collect();
            let message = format!("{:?} is none of {}", given.value, words.join(", "));
            self.problem(&given.place, message);
        }
        found.map(|(_, meaning)| meaning.clone())
    }

    /// A number in its range; none when nothing is said, or something else.
    pub(super) fn number<T: TryFrom<i64> + PartialOrd + Display>(
        &mut self,
        field: &Field<i64>,
        range: RangeInclusive<T>,
        unit: &str,
    ) -> Option<T> {
        let given = field.given()?;
        let value = T::try_from(given.value).ok();
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("must be {} to {}{unit}", range.start(), range.end());
            self.problem(&given.place, message);
        }
        value
    }

    pub(super) fn deadline(&mut self, field: &Field<i64>) -> Option<u64> {
        let range = CALL_DEADLINE_MS_MIN..=CALL_DEADLINE_MS_MAX;
        self.number(field, range, " milliseconds")
    }

    /// None when the text is no path; that has been reported then.
    pub(super) fn path(&mut self, given: &Given<String>) -> Option<PathBuf> {
        if given.value.is_empty() || given.value.contains('\0') {
            let what = if given.value.is_empty() {
                "is empty"
            } else {
                "has a NUL in it"
            };
            self.problem(&given.place, format!("{what}; name a path"));
            return None;
        }
        if given.place.source == ENVIRONMENT {
            return Some(
                std::path::absolute(&given.value).unwrap_or_else(|_| (&given.value).into()),
            );
        }
        Some(self.base_dir.join(&given.value))
    }

    /// The configuration decides who may do what, so no game script may write it.
    fn own_file(&mut self, servers: &[Server]) {
        let Some(file) = self
            .source
            .file
            .and_then(|file| std::path::absolute(file).ok())
        else {
            return;
        };
        if in_scriptdata(&file, servers) {
            let place = self.absent("");
            self.problem(&place, format!("this file {IN_SCRIPTDATA}"));
        }
    }

    /// A path that is ours alone: game scripts write whatever name they like into scriptdata.
    pub(super) fn own_path(
        &mut self,
        field: Field<String>,
        default: &str,
        servers: &[Server],
    ) -> PathBuf {
        let fallback = self.base_dir.join(default);
        let (path, place) = match field {
            Field::Bad => return fallback,
            Field::Absent => (fallback, self.absent(default)),
            Field::Given(given) => match self.path(&given) {
                Some(path) => (path, given.place),
                None => return fallback,
            },
        };
        if in_scriptdata(&path, servers) {
            self.problem(&place, IN_SCRIPTDATA);
        }
        path
    }

    fn permissions(&mut self, raw: &Raw) -> Permissions {
        let mut scripts = Vec::new();
        for (place, name, patterns) in &raw.permissions {
            if name != "*" {
                self.script_name(place, name);
            }
            for pattern in patterns {
                self.pattern(pattern);
                let named = pattern.value == RAW_SQL_FUNCTION;
                if named && !raw.raw_sql.iter().any(|script| script.value == *name) {
                    let message = format!(
                        "{RAW_SQL_FUNCTION} is permitted by raw_sql alone; this entry does not"
                    );
                    self.warn(&pattern.place, message);
                }
                self.query_is_there(pattern, &raw.queries);
            }
            let patterns = patterns
                .iter()
                .map(|pattern| pattern.value.clone())
                .collect();
            scripts.push((name.clone(), patterns));
        }
        for script in &raw.raw_sql {
            self.script_name(&script.place, &script.value);
        }
        let raw_sql = raw
            .raw_sql
            .iter()
            .map(|script| script.value.clone())
            .collect();
        Permissions { scripts, raw_sql }
    }

    /// One of functions. Those of Python scripts have a dot in their names.
    pub(super) fn pattern(&mut self, pattern: &Given<String>) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.*".contains(&byte);
        if pattern.value.is_empty() || !pattern.value.bytes().all(fits) {
            let message = format!(
                "{:?} can match no function; use letters, digits, `_`, `.`, and `*` for any text",
                pattern.value
            );
            self.problem(&pattern.place, message);
        }
    }

    pub(super) fn script_name(&mut self, place: &Place, name: &str) {
        if name.is_empty() || name.contains(['*', '/', '\\']) {
            let message = format!("{name:?} is no script; write its bare file name, admin.nut");
            self.problem(place, message);
        } else if ![".nut", ".py"].iter().any(|end| name.ends_with(end)) {
            self.warn(
                place,
                format!("{name:?} does not end in .nut or .py, as names of scripts do"),
            );
        }
    }
}

pub(super) fn in_scriptdata(path: &Path, servers: &[Server]) -> bool {
    let mut folders = servers.iter().map(|server| &server.scriptdata);
    folders.any(|folder| path.starts_with(folder))
}

/// Where a variable stands, or an option of the command line.
pub(super) fn environment_place(name: &str) -> Place {
    let source = match name.starts_with("--") {
        true => COMMAND_LINE,
        false => ENVIRONMENT,
    };
    Place {
        source: source.into(),
        line: None,
        key: name.into(),
    }
}

pub(super) fn from_environment(variable: &str, value: String) -> Field<String> {
    Field::Given(Given {
        value,
        place: environment_place(variable),
    })
}
