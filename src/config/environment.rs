//! Environment variables that vpid knows.

use std::path::PathBuf;

use super::nearest::nearest;

/// Every variable that lays something over the file, or that another part of vpid reads.
pub(super) const KNOWN: &[&str] = &[
    "VPID_CALL_DEADLINE_MS",
    "VPID_CONFIG",
    "VPID_DATABASE_DURABILITY",
    "VPID_DATABASE_PASSWORD_FILE",
    "VPID_DATABASE_PATH",
    "VPID_DATABASE_TYPE",
    "VPID_KEY",
    "VPID_KEY_FILE",
    "VPID_LEGACY_SECRET",
    "VPID_LEGACY_SECRET_FILE",
    "VPID_LOG",
    "VPID_POLL_MS",
    "VPID_RCON",
    "VPID_RCON_PASSWORD",
    "VPID_RCON_PASSWORD_FILE",
    "VPID_SCRIPTDATA",
    "VPID_SCRIPTS_DIR",
    "VPID_STATE_DIR",
    "VPID_VPI_INTERFACES",
    "VPID_VYHUB_API_KEY",
    "VPID_VYHUB_API_KEY_FILE",
    "VPID_VYHUB_API_URL",
    "VPID_VYHUB_LANGUAGE",
    "VPID_VYHUB_SERVER_ID",
    "VPID_WATCH",
];

/// Those of the stock server, for a `[database]` on MySQL.
pub(super) const OF_MYSQL: [&str; 6] = [
    "VPI_HOST",
    "VPI_PORT",
    "VPI_USER",
    "VPI_PASSWORD",
    "VPI_INTERFACE",
    "VPID_DATABASE_PASSWORD_FILE",
];

/// Looks variables up in the environment of this process, for [`super::load`]. Bytes that are
/// not UTF-8 are replaced, and refused by [`unreadable`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A warning for each `VPID_*` name that vpid does not know, for the caller to pass the names
/// of its environment in: a lookup cannot see a name that is spelt wrong.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut unknown: Vec<String> = names
        .into_iter()
        .filter(|name| name.starts_with("VPID_") && !KNOWN.contains(&name.as_str()))
        .collect();
    unknown.sort();
    unknown
        .into_iter()
        .map(|name| {
            let hint = nearest(&name, KNOWN)
                .map_or(String::new(), |near| format!("; did you mean {near}?"));
            format!("environment: {name}: vpid knows no such variable{hint}")
        })
        .collect()
}

/// Variables with values that nobody has meant, with what is wrong with each: a file of variables
/// that an editor on Windows saved has a carriage return at the end of each value.
pub(super) fn unreadable(
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, &'static str)> {
    let names = KNOWN.iter().chain(&OF_MYSQL).chain(&["VPI_SCRIPTDATA_DIR"]);
    let mut found: Vec<(&str, &str)> = names
        .filter_map(|name| {
            let value = text(environment, name)?;
            if value.contains('\u{fffd}') {
                return Some((*name, "is not UTF-8; set it as UTF-8"));
            }
            value.contains(char::is_control).then_some((
                *name,
                "has the end of a line or another control character in it; a file of variables \
                 must have plain ends of lines (dos2unix makes them)",
            ))
        })
        .collect();
    found.dedup();
    found
}

/// A variable that is set to something: panels and compose files set unused ones to nothing.
pub(super) fn text(environment: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

pub(super) fn path(environment: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<PathBuf> {
    text(environment, name).map(PathBuf::from)
}

/// The scriptdata folder and the name of the variable that names it: our own, else the one
/// that the stock server reads.
pub(super) fn scriptdata(
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    ["VPID_SCRIPTDATA", "VPI_SCRIPTDATA_DIR"]
        .into_iter()
        .find_map(|name| text(environment, name).map(|value| (name, value)))
}
