//! [`Raw`] and the environment to [`Config`]: what values mean, and what cannot be meant.

use std::path::{Path, PathBuf};

use super::permissions::RAW_SQL_FUNCTION;
use super::raw::{Field, Given, Place, Raw};
use super::{Config, Database, Engine, Permissions, Problem, Server, Source, Watch, environment};
use crate::limits::{
    CALL_DEADLINE_MS_DEFAULT, CALL_DEADLINE_MS_MAX, CALL_DEADLINE_MS_MIN, POLL_MS_DEFAULT,
    POLL_MS_MAX, POLL_MS_MIN,
};

const ENVIRONMENT: &str = "environment";

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
    let mut checker = Checker {
        source,
        base_dir,
        environment,
        problems,
        warnings: Vec::new(),
        exposed: Vec::new(),
        // Where a line could not be read, what is missing may stand on it.
        report_missing: !raw.broken,
    };
    let (permissions, watch) = (checker.permissions(&raw), checker.watch(raw.watch));
    let poll_ms = checker.milliseconds(
        raw.poll_ms,
        "VPID_POLL_MS",
        POLL_MS_DEFAULT,
        POLL_MS_MIN..=POLL_MS_MAX,
    );
    let call_deadline_ms = checker.milliseconds(
        raw.call_deadline_ms,
        "VPID_CALL_DEADLINE_MS",
        CALL_DEADLINE_MS_DEFAULT,
        CALL_DEADLINE_MS_MIN..=CALL_DEADLINE_MS_MAX,
    );
    let servers = checker.servers(raw.servers);
    let state_dir = checker.own_path(raw.state_dir, "VPID_STATE_DIR", "state", &servers);
    let databases = checker.database(
        raw.database_type,
        raw.database_path,
        raw.database_durability,
        &servers,
    );
    checker.own_file(&servers);
    Config {
        path: source.file.map(Path::to_owned),
        state_dir,
        servers,
        databases,
        queries: Vec::new(),
        permissions,
        watch,
        poll_ms,
        call_deadline_ms,
        warnings: checker.warnings,
        exposed: checker.exposed,
    }
}

/// What the checks of all tables share.
pub(super) struct Checker<'a> {
    pub source: Source<'a>,
    base_dir: &'a Path,
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Vec<Problem>,
    pub warnings: Vec<String>,
    pub exposed: Vec<PathBuf>,
    pub report_missing: bool,
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(place.problem(message));
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

    /// The variable where it is set, else what the file says.
    fn overridden(&self, field: Field<String>, variable: &str) -> Field<String> {
        match environment::text(self.environment, variable) {
            Some(value) => from_environment(variable, value),
            None => field,
        }
    }

    fn watch(&mut self, field: Field<String>) -> Watch {
        let choices = [
            ("auto", Watch::Auto),
            ("inotify", Watch::Inotify),
            ("poll", Watch::Poll),
        ];
        self.choice(field, "VPID_WATCH", &choices)
    }

    /// One of a few words; the first of them when nothing is said.
    fn choice<T: Copy>(&mut self, field: Field<String>, variable: &str, of: &[(&str, T)]) -> T {
        if let Field::Given(given) = self.overridden(field, variable) {
            match of.iter().find(|(word, _)| *word == given.value) {
                Some((_, meaning)) => return *meaning,
                None => {
                    let words: Vec<_> = of.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                    let message = format!("{:?} is none of {}", given.value, words.join(", "));
                    self.problem(&given.place, message);
                }
            }
        }
        of[0].1
    }

    fn milliseconds(
        &mut self,
        field: Field<i64>,
        variable: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        let field = match environment::text(self.environment, variable) {
            None => field,
            Some(text) => {
                let Field::Given(given) = from_environment(variable, text) else {
                    return default;
                };
                match given.value.trim().parse() {
                    Ok(value) => Field::Given(Given {
                        value,
                        place: given.place,
                    }),
                    Err(_) => {
                        let message = format!("{:?} is not a whole number", given.value);
                        self.problem(&given.place, message);
                        return default;
                    }
                }
            }
        };
        let Field::Given(given) = field else {
            return default;
        };
        match u64::try_from(given.value)
            .ok()
            .filter(|value| range.contains(value))
        {
            Some(value) => value,
            None => {
                let (least, most) = range.into_inner();
                let message = format!("must be {least} to {most} milliseconds");
                self.problem(&given.place, message);
                default
            }
        }
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
        if servers
            .iter()
            .any(|server| file.starts_with(&server.scriptdata))
        {
            let place = self.absent("");
            self.problem(&place, format!("this file {IN_SCRIPTDATA}"));
        }
    }

    /// A path that is ours alone: game scripts write whatever name they like into scriptdata.
    fn own_path(
        &mut self,
        field: Field<String>,
        variable: &str,
        default: &str,
        servers: &[Server],
    ) -> PathBuf {
        let fallback = self.base_dir.join(default);
        let (path, place) = match self.overridden(field, variable) {
            Field::Bad => return fallback,
            Field::Absent => (fallback, self.absent(default)),
            Field::Given(given) => match self.path(&given) {
                Some(path) => (path, given.place),
                None => return fallback,
            },
        };
        if servers
            .iter()
            .any(|server| path.starts_with(&server.scriptdata))
        {
            self.problem(&place, IN_SCRIPTDATA);
        }
        path
    }

    fn database(
        &mut self,
        kind: Field<String>,
        path: Field<String>,
        durability: Field<String>,
        servers: &[Server],
    ) -> Vec<Database> {
        let full_durability = self.choice(
            durability,
            "VPID_DATABASE_DURABILITY",
            &[("full", true), ("normal", false)],
        );
        if let Field::Given(given) = self.overridden(kind, "VPID_DATABASE_TYPE") {
            match given.value.as_str() {
                "sqlite" => {}
                "none" => return Vec::new(),
                "mysql" | "mariadb" => self.problem(
                    &given.place,
                    "this build speaks to SQLite only, MySQL comes in a later version; use \
                     \"sqlite\" or \"none\"",
                ),
                other => {
                    let message = format!("{other:?} is none of \"sqlite\", \"none\"");
                    self.problem(&given.place, message);
                }
            }
        }
        let path = self.own_path(path, "VPID_DATABASE_PATH", "vpid.db", servers);
        let engine = Engine::Sqlite {
            path,
            full_durability,
        };
        vec![Database {
            name: String::new(),
            engine,
            schema: None,
        }]
    }

    fn permissions(&mut self, raw: &Raw) -> Permissions {
        let mut scripts = Vec::new();
        for (place, name, patterns) in &raw.scripts {
            if name != "*" {
                self.script_name(place, name);
            }
            for pattern in patterns {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_*".contains(&byte);
                if pattern.value.is_empty() || !pattern.value.bytes().all(fits) {
                    let message = format!(
                        "{:?} can match no function; use letters, digits, `_`, and `*` for any \
                         text",
                        pattern.value
                    );
                    self.problem(&pattern.place, message);
                }
                let named = pattern.value == RAW_SQL_FUNCTION;
                if named && !raw.raw_sql.iter().any(|script| script.value == *name) {
                    let message = format!(
                        "{RAW_SQL_FUNCTION} is permitted by raw_sql alone; this entry does not"
                    );
                    self.warn(&pattern.place, message);
                }
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

    fn script_name(&mut self, place: &Place, name: &str) {
        if name.is_empty() || name.contains(['*', '/', '\\']) {
            let message = format!("{name:?} is no script; write its bare file name, admin.nut");
            self.problem(place, message);
        } else if !name.ends_with(".nut") {
            self.warn(
                place,
                format!("{name:?} does not end in .nut, as names of scripts do"),
            );
        }
    }
}

pub(super) fn environment_place(name: &str) -> Place {
    Place {
        source: ENVIRONMENT.into(),
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
