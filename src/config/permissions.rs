//! `[permissions]`: which script may call which function.

use toml::de::DeTable;

use super::key::{Declared, Key, Kind, key};
use super::reader::did_you_mean;
use super::reader::{Given, Location, Reader, dotted};
use crate::sql::QUERY_PREFIX;

/// The function that runs any SQL. It is permitted by name only, never by a pattern.
pub const RAW_SQL_FUNCTION: &str = "VPI_DB_RawExecute";

/// The functions that act against players. They are permitted by patterns that name VyHub only.
pub const MODERATION_FUNCTIONS: [&str; 5] = [
    "VYHUB_Ban",
    "VYHUB_Unban",
    "VYHUB_Warn",
    "VYHUB_SetGroup",
    "VYHUB_RemoveGroup",
];
const VYHUB_PREFIX: &str = "VYHUB_";

pub static TABLE: Declared = Declared {
    head: "[permissions]",
    keys: &[KEYS],
    also: &[],
    doc: "Which functions a script may call; `*` stands for any text. Without an entry a script may call all but \
          raw SQL and what acts against players, with an empty list it may call nothing. \"*\" is for scripts \
          without an entry of their own.",
    example: "[permissions]\n# \"contracts.nut\" = [\"VPI_DB_UserSelect\", \"VPI_DB_UserInsert*\"]\n\
              # \"*\" = [\"VPI_DB_User*\", \"VPI_Ping\"]",
};

/// The others are names of scripts.
const KEYS: &[Key] = &[key(
    "raw_sql",
    PATTERNS,
    "Scripts that may run any SQL with VPI_DB_RawExecute. No pattern above permits that.",
)
.example("[]")
.shown()];

const PATTERNS: Kind = Kind::Texts("VPI_DB_User*");

/// The `[permissions]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Script, and patterns of functions (`*` stands for any text). The script `*` stands for
    /// all that are not listed.
    pub scripts: Vec<(String, Vec<String>)>,
    /// Scripts that may call [`RAW_SQL_FUNCTION`].
    pub raw_sql: Vec<String>,
}

impl Permissions {
    /// Whether `script` (a bare file name, `contracts.nut`) may call `function`. A script that
    /// is not listed, where there is no `*` either, may call everything but raw SQL and what acts
    /// against players.
    pub fn allows(&self, script: &str, function: &str) -> bool {
        if function == RAW_SQL_FUNCTION {
            return self.raw_sql.iter().any(|name| name == script);
        }
        let listed = |wanted: &str| self.scripts.iter().find(|(name, _)| name == wanted);
        let moderates = MODERATION_FUNCTIONS.contains(&function);
        let fits = |pattern: &String| {
            matches(pattern, function) && (!moderates || pattern.starts_with(VYHUB_PREFIX))
        };
        match listed(script).or_else(|| listed("*")) {
            Some((_, patterns)) => patterns.iter().any(fits),
            None => !moderates,
        }
    }

    /// The same for a script of the owner's beside the game (`welcome.py`). It runs as vpid's user
    /// and can do what vpid can; so it may call everything, unless it is listed by its own name.
    pub fn allows_own(&self, script: &str, function: &str) -> bool {
        let listed = self.scripts.iter().find(|(name, _)| name == script);
        let Some((_, patterns)) = listed else {
            return true;
        };
        let named = self.raw_sql.iter().any(|name| name == script);
        let fits = patterns.iter().any(|pattern| matches(pattern, function));
        match function {
            RAW_SQL_FUNCTION => named,
            _ => fits,
        }
    }
}

/// Whether `text` is what `pattern` describes. On a mismatch the last `*` takes one byte more;
/// earlier ones never need to, so this ends after at most pattern times text steps.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            last_star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, taken)) = last_star {
            last_star = Some((star, taken + 1));
            p = star + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl Reader<'_> {
    /// `queries`: the names of those that there are.
    pub(super) fn permissions(&mut self, document: &DeTable<'_>, queries: &[&str]) -> Permissions {
        let mut permissions = Permissions::default();
        let what = "a [permissions] table";
        let Some((of, table)) = self.table_in(document, "permissions", what) else {
            return permissions;
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            let place = self.place(&name.span(), &dotted(&of.key, name.get_ref()));
            let list = self.texts(PATTERNS, &place, value);
            if name.get_ref() == "raw_sql" {
                permissions.raw_sql = list.iter().map(|it| it.value.clone()).collect();
                for script in &list {
                    self.script_name(&script.place, &script.value);
                }
            } else {
                entries.push((place, name.get_ref().to_string(), list));
            }
        }
        for (place, name, patterns) in entries {
            if name != "*" {
                self.script_name(&place, &name);
            }
            for pattern in &patterns {
                self.pattern(pattern);
                if pattern.value == RAW_SQL_FUNCTION && !permissions.raw_sql.contains(&name) {
                    let message = format!(
                        "{RAW_SQL_FUNCTION} is permitted by raw_sql alone; this entry does not"
                    );
                    self.warn(&pattern.place, message);
                }
                self.query_is_there(pattern, queries);
            }
            let patterns = patterns.into_iter().map(|pattern| pattern.value);
            permissions.scripts.push((name, patterns.collect()));
        }
        permissions
    }

    /// Warns of a permission for a query that does not exist.
    fn query_is_there(&mut self, pattern: &Given<String>, queries: &[&str]) {
        let Some(name) = pattern.value.strip_prefix(QUERY_PREFIX) else {
            return;
        };
        if name.contains('*') || queries.contains(&name) {
            return;
        }
        let functions: Vec<_> = queries
            .iter()
            .map(|it| format!("{QUERY_PREFIX}{it}"))
            .collect();
        let functions: Vec<_> = functions.iter().map(String::as_str).collect();
        let hint = did_you_mean(&pattern.value, &functions);
        let message = format!(
            "{} is permitted, but there is no [query.{name}]{hint}",
            pattern.value
        );
        self.warn(&pattern.place, message);
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

    pub(super) fn script_name(&mut self, place: &Location, name: &str) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acting_against_players_is_permitted_by_name() {
        let may = |script: &str, patterns: &[&str], function: &str| {
            let patterns = patterns.iter().map(|pattern| (*pattern).to_owned());
            let scripts = vec![(script.to_owned(), patterns.collect())];
            let permissions = Permissions {
                scripts,
                raw_sql: Vec::new(),
            };
            permissions.allows("a.nut", function)
        };
        for function in MODERATION_FUNCTIONS {
            assert!(!Permissions::default().allows("a.nut", function));
            assert!(!may("a.nut", &["*"], function));
            assert!(!may("a.nut", &["V*"], function));
            assert!(!may("b.nut", &["VYHUB_*"], function));
            assert!(may("a.nut", &["VYHUB_*"], function));
            assert!(may("*", &[function], function));
        }
        assert!(may("a.nut", &["*"], "VYHUB_IsBanned"));
        assert!(Permissions::default().allows("a.nut", "VYHUB_GetUser"));
    }
}
