//! Environment variables that vpid knows.

use super::nearest::did_you_mean;
use super::reader::{Lookup, variable};
use super::tables::TABLES;

/// What another part of vpid reads, with what it stands for.
pub(super) const OTHERS: [(&str, &str); 2] = [
    ("VPID_CONFIG", "`--config`"),
    (
        "VPID_LOG",
        "level of the log: `error`, `warn`, `info` (default), `debug`; anything else gives a warning",
    ),
];

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
pub(super) fn unreadable(environment: Lookup<'_>) -> Vec<(&'static str, &'static str)> {
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
