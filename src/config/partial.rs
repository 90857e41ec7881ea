//! What commands need of the configuration that speak with a running vpid: less than `run`, so that they work
//! also where the rest of it stands in the environment or the options of the service, is not for this user to
//! read, or has a mistake that vpid has yet to see.

use std::path::{Path, PathBuf};

use super::checked::Checker;
use super::raw::{self, Field};
use super::{Config, Found, Problem, SEARCH_PATHS, environment, parse_anyway};

/// The state folder, in which a running vpid listens. Nothing else of the configuration counts.
///
/// Errors: there is no configuration, or what it says of `state_dir` cannot be read.
pub fn state_dir(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PathBuf, Vec<Problem>> {
    state_dir_from(path, &SEARCH_PATHS.map(PathBuf::from), &environment)
}

fn state_dir_from(
    path: Option<&Path>,
    candidates: &[PathBuf],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, Vec<Problem>> {
    let set = environment::text(environment, "VPID_STATE_DIR").is_some();
    let found = match Found::read(path, candidates, environment) {
        Ok(found) => found,
        // Its text does not count then. A file that was named is to be there.
        Err(_) if set && path.is_none() => Found {
            name: "environment".into(),
            file: None,
            text: String::new(),
            base_dir: ".".into(),
        },
        Err(mut problems) => {
            for problem in &mut problems {
                problem.message +=
                    ", or set VPID_STATE_DIR to the state folder of the vpid that runs";
            }
            return Err(problems);
        }
    };
    let (raw, mut problems) = raw::read(&found.name, &found.text);
    problems.retain(|problem| problem.key == "state_dir" || raw.broken);
    if set || matches!(raw.state_dir, Field::Given(_)) {
        problems.clear();
    }
    let mut checker = Checker::of(found.source(), &found.base_dir, environment, &mut problems);
    let field = checker.overridden(raw.state_dir, &["VPID_STATE_DIR"]);
    let state_dir = checker.own_path(field, "state", &[]);
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
    let found = Found::read(path, &SEARCH_PATHS.map(PathBuf::from), &environment)?;
    let (source, base_dir) = (found.source(), &found.base_dir);
    let (config, problems) = parse_anyway(source, &found.text, base_dir, &environment);
    let is_needed = |problem: &&Problem| is_needed_to_call(&problem.key);
    let needed: Vec<Problem> = problems.iter().filter(is_needed).cloned().collect();
    match needed.is_empty() {
        true if config.servers.is_empty() => Err(problems),
        true => Ok(config),
        false => Err(needed),
    }
}

/// Whether a problem with this key or variable is one of what a call needs. No key: the text is no TOML, and
/// what is needed may stand there.
fn is_needed_to_call(key: &str) -> bool {
    const KEYS: [&str; 18] = [
        "",
        "state_dir",
        "server",
        "server.scriptdata",
        "server.hostname",
        "server.key",
        "server.key_file",
        "server.legacy_secret",
        "server.legacy_secret_file",
        "server.legacy_identity",
        "VPID_STATE_DIR",
        "VPID_SCRIPTDATA",
        "VPI_SCRIPTDATA_DIR",
        "VPID_KEY",
        "VPID_KEY_FILE",
        "VPID_LEGACY_SECRET",
        "VPID_LEGACY_SECRET_FILE",
        "VPID_CONFIG",
    ];
    KEYS.contains(&key)
}
