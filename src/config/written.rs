//! Where a configuration is found, and how much of it a command needs.
//!
//! What speaks with a running vpid needs less than `run`, so that it works also where the rest of it stands in
//! the environment or the options of the service, is not for this user to read, or has a mistake that vpid has
//! yet to see.

use super::TABLES;
use super::nearest::did_you_mean;
use super::reader::{Location, Lookup, Reader, Written, variable};
use super::{Config, Problem, SEARCH_PATHS, file, server};
use crate::limits::CONFIG_FILE_BYTES_MAX;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Reads the configuration from `path`, else from `VPID_CONFIG`, else from the first of
/// [`SEARCH_PATHS`] that exists, else from the environment alone when that names a scriptdata
/// folder. `environment` looks a variable up, and an option of the command line by its long name
/// (`--host`), which wins; an empty one counts as not set.
///
/// Errors: every problem of the file and the environment, in the order of the lines.
pub fn load(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    load_from(path, &SEARCH_PATHS.map(PathBuf::from), &environment)
}

pub(super) fn load_from(
    path: Option<&Path>,
    candidates: &[PathBuf],
    environment: Lookup<'_>,
) -> Result<Config, Vec<Problem>> {
    Written::find(path, candidates, environment)?.config(environment)
}

/// Checks the text of a configuration file whose folder is `base_dir`; problems name it
/// `vpid.toml`. Secret files it names are read.
///
/// Errors: every problem of the text and the environment, in the order of the lines.
pub fn parse(
    text: &str,
    base_dir: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    let written = Written {
        name: SEARCH_PATHS[0].to_owned(),
        file: None,
        text: text.to_owned(),
        base_dir: base_dir.to_owned(),
    };
    written.config(&environment)
}

/// The state folder, in which a running vpid listens. Nothing else of the configuration counts.
///
/// Errors: there is no configuration, or what it says of `state_dir` cannot be read.
pub fn state_dir(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PathBuf, Vec<Problem>> {
    let is_set = variable(&environment, "VPID_STATE_DIR").is_some();
    let written = match Written::find(path, &SEARCH_PATHS.map(PathBuf::from), &environment) {
        Ok(written) => written,
        // Its text does not count then. A file that was named is to be there.
        Err(_) if is_set && path.is_none() => Written::environment(),
        Err(mut problems) => {
            for problem in &mut problems {
                problem.message +=
                    ", or set VPID_STATE_DIR to the state folder of the vpid that runs";
            }
            return Err(problems);
        }
    };
    let (mut reader, document) = Reader::new(&written, &environment, &TABLES);
    let table = reader.top(document.get_ref());
    let state_dir = reader.own_path(&table, "state_dir", "state");
    let is_said = is_set || table.place("state_dir").is_some();
    // Where a line could not be read, it may stand on that.
    let may_be_missed = !is_said && !reader.report_missing;
    let mut problems = reader.into_problems();
    problems.retain(|problem| match problem.key.as_str() {
        "VPID_STATE_DIR" => true,
        "state_dir" => !is_set,
        _ => may_be_missed,
    });
    match problems.is_empty() {
        true => Ok(state_dir),
        false => Err(problems),
    }
}

/// What it takes to play a game server beside a running vpid: the servers with their keys and secrets, and the
/// state folder. The other parts hold what was understood of them.
///
/// Errors: every problem of these parts.
pub fn load_to_call(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    let written = Written::find(path, &SEARCH_PATHS.map(PathBuf::from), &environment)?;
    let (config, problems) = written.config_anyway(&environment);
    let is_needed = |problem: &&Problem| is_needed_to_call(&problem.key);
    let needed: Vec<Problem> = problems.iter().filter(is_needed).cloned().collect();
    match needed.is_empty() {
        true if config.servers.is_empty() => Err(problems),
        true => Ok(config),
        false => Err(needed),
    }
}

/// Where databases are. The other parts hold what was understood of them.
///
/// Errors: every problem of these tables.
pub fn load_databases(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    let written = Written::find(path, &SEARCH_PATHS.map(PathBuf::from), &environment)?;
    let (config, mut problems) = written.config_anyway(&environment);
    problems.retain(|problem| is_of_databases(&problem.key));
    match problems.is_empty() {
        true => Ok(config),
        false => Err(problems),
    }
}

/// What it takes to find all that vpid keeps: the state folder, the databases, and the folder of Python scripts. The other
/// parts hold what was understood of them. Gives its text as well; none where the environment says everything.
///
/// Errors: every problem of these parts.
pub fn load_places(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(Config, Option<String>), Vec<Problem>> {
    let written = Written::find(path, &SEARCH_PATHS.map(PathBuf::from), &environment)?;
    let (config, mut problems) = written.config_anyway(&environment);
    let is_place = |key: &str| {
        let named = ["", "database", "state_dir", "scripts.dir"].contains(&key);
        let of_database = key.starts_with("database.");
        named
            || (of_database && (key.ends_with(".path") || key.ends_with(".type")))
            || [
                "VPID_CONFIG",
                "VPID_STATE_DIR",
                "VPID_SCRIPTS_DIR",
                "VPID_DATABASE_PATH",
                "VPID_DATABASE_TYPE",
            ]
            .contains(&key)
    };
    problems.retain(|problem| is_place(&problem.key));
    match problems.is_empty() {
        true => Ok((config, written.file.is_some().then_some(written.text))),
        false => Err(problems),
    }
}

/// Where a configuration is, or would be: as [`load`] looks for it. None: nothing says where.
pub fn place(path: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    searched(path, &SEARCH_PATHS.map(PathBuf::from), &environment)
}

fn searched(
    path: Option<&Path>,
    candidates: &[PathBuf],
    environment: Lookup<'_>,
) -> Option<PathBuf> {
    let in_variable = || variable(environment, "VPID_CONFIG").map(PathBuf::from);
    let named = path.map(Path::to_owned).or_else(in_variable);
    named.or_else(|| candidates.iter().find(|path| path.exists()).cloned())
}

/// Whether a problem with this key or variable is one of a database. No key: the text is no TOML.
fn is_of_databases(name: &str) -> bool {
    let is_key = ["database", "community"]
        .iter()
        .any(|table| name == *table || name.starts_with(&format!("{table}.")));
    let is_variable = name.starts_with("VPID_DATABASE") || name.starts_with("VPI_");
    let is_option = name.starts_with("--");
    is_key || is_variable || is_option || ["", "VPID_CONFIG"].contains(&name)
}

/// Whether a problem with this key or variable is one of what a call needs. No key: the text is no TOML, and
/// what is needed may stand there.
fn is_needed_to_call(name: &str) -> bool {
    let of_server = name.strip_prefix("server.").unwrap_or_default();
    let mut keys = server::FILES.iter().chain(&super::KEYS[..1]);
    ["", "server", "state_dir", "VPID_CONFIG"].contains(&name)
        || keys.any(|key| key.name == of_server || key.variables.contains(&name))
}

impl Written {
    fn environment() -> Self {
        Self {
            name: "environment".into(),
            file: None,
            text: String::new(),
            base_dir: ".".into(),
        }
    }

    fn find(
        path: Option<&Path>,
        candidates: &[PathBuf],
        environment: Lookup<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let Some(path) = searched(path, candidates, environment) else {
            let is_set = |name: &str| variable(environment, name).is_some();
            if server::SCRIPTDATA.iter().any(|name| is_set(name)) {
                return Ok(Self::environment());
            }
            let message = format!(
                "none of {} exists, and VPID_SCRIPTDATA is not set; `vpid init` writes one, \
                 --config FILE names another",
                SEARCH_PATHS.join(", ")
            );
            return Err(vec![unreadable("configuration", None, message)]);
        };
        let name = path.display().to_string();
        let text = read_bounded(&path).map_err(|error| {
            let advice = match error {
                Unreadable::Missing(_) => {
                    format!("; `vpid init --config '{name}'` writes a new one")
                }
                _ => String::new(),
            };
            (None, format!("{error}{advice}"))
        });
        let text = text.and_then(|bytes| {
            file::text(bytes).map_err(|wrong| (Some(wrong.line), wrong.message.to_owned()))
        });
        match text {
            Ok(text) => Ok(Self {
                name,
                base_dir: folder_of(&path),
                file: Some(path),
                text,
            }),
            Err((line, message)) => Err(vec![unreadable(&name, line, message)]),
        }
    }

    fn config(&self, environment: Lookup<'_>) -> Result<Config, Vec<Problem>> {
        match self.config_anyway(environment) {
            (config, problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// What was understood, and every problem in the order of the lines. What a problem is about holds its
    /// default, or is missing.
    fn config_anyway(&self, environment: Lookup<'_>) -> (Config, Vec<Problem>) {
        let (mut reader, document) = Reader::new(self, environment, &TABLES);
        for (name, message) in unreadable_variables(environment) {
            reader.problem(&Location::of_variable(name), message);
        }
        let config = reader.config(document.get_ref());
        (config, reader.into_problems())
    }
}

fn unreadable(source: &str, line: Option<usize>, message: String) -> Problem {
    Problem {
        source: source.to_owned(),
        line,
        key: String::new(),
        message,
    }
}

/// Absolute, so that neither a later change of folder nor a service unit's own idea of the
/// current folder moves the files.
fn folder_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .parent()
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Why a configuration file cannot be read, as what follows its name.
#[derive(Debug, Error)]
enum Unreadable {
    #[error("is a folder; name the file in it")]
    Folder,
    #[error("is larger than {CONFIG_FILE_BYTES_MAX} bytes, which no configuration is")]
    TooLarge,
    #[error("cannot be read: {0}")]
    Missing(io::Error),
    #[error("cannot be read: {0}; vpid must run as a user that can read it")]
    Io(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing(error),
            _ => Self::Io(error),
        }
    }
}

/// Unlike [`file::read`], also from a pipe, which `--config` may name.
fn read_bounded(path: &Path) -> Result<Vec<u8>, Unreadable> {
    if path.is_dir() {
        return Err(Unreadable::Folder);
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(CONFIG_FILE_BYTES_MAX as u64 + 1);
    match file.read_to_end(&mut bytes)? > CONFIG_FILE_BYTES_MAX {
        true => Err(Unreadable::TooLarge),
        false => Ok(bytes),
    }
}

/// What another part of vpid reads, with what it stands for.
pub(super) const OTHERS: [(&str, &str); 1] = [("VPID_CONFIG", "`--config`")];

/// Every variable that lays something over the file, or that another part of vpid reads.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    let keys = TABLES.iter().flat_map(|table| table.keys());
    let of_keys = keys.flat_map(|key| key.variables).copied();
    let variables = of_keys.filter(|name| !name.starts_with("--"));
    variables.chain(OTHERS.iter().map(|(name, _)| *name))
}

/// Looks variables up in the environment of this process, for [`super::load`]. Bytes that are
/// not UTF-8 are replaced, and refused by [`unreadable`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A warning for each `VPID_*` name that vpid does not know, for the caller to pass the names
/// of its environment in: a lookup cannot see a name that is spelt wrong.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known: Vec<_> = variables()
        .filter(|name| name.starts_with("VPID_"))
        .collect();
    let is_unknown = |name: &String| name.starts_with("VPID_") && !known.contains(&name.as_str());
    let mut unknown: Vec<String> = names.into_iter().filter(is_unknown).collect();
    unknown.sort();
    let warning = |name: &String| {
        let hint = did_you_mean(name, &known);
        format!("environment: {name}: vpid knows no such variable{hint}")
    };
    unknown.iter().map(warning).collect()
}

/// Variables with values that cannot be meant, with what is wrong with each: a file of variables
/// that an editor on Windows saved has a carriage return at the end of each value.
fn unreadable_variables(environment: Lookup<'_>) -> Vec<(&'static str, &'static str)> {
    let wrong = |name| {
        let value = variable(environment, name)?;
        if value.contains('\u{fffd}') {
            return Some((name, "is not UTF-8; set it as UTF-8"));
        }
        value.contains(char::is_control).then_some((
            name,
            "has the end of a line or another control character in it; a file of variables \
             must have plain ends of lines (dos2unix makes them)",
        ))
    };
    variables().filter_map(wrong).collect()
}
