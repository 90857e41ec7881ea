//! `[permissions]`: which script may call which function.

use toml::de::DeTable;

use super::key::{Declared, Key, Kind, key};
use super::nearest::{did_you_mean, nearest};
use super::reader::{Given, Location, Reader, dotted};
use crate::sql::QUERY_PREFIX;

/// The function that runs any SQL. It is permitted by name only, never by a pattern.
pub const RAW_SQL_FUNCTION: &str = "VPI_DB_RawExecute";

/// The functions that act against players, by their first names. They are permitted by patterns that name the
/// community only.
pub const MODERATION_FUNCTIONS: [&str; 7] = [
    "VYHUB_Ban",
    "VYHUB_Unban",
    "VYHUB_BanAddress",
    "VYHUB_UnbanAddress",
    "VYHUB_Warn",
    "VYHUB_SetGroup",
    "VYHUB_RemoveGroup",
];
/// Functions of the community have two names, one with each of these in front. A script that may call
/// the one may call the other.
const COMMUNITY_PREFIXES: [&str; 2] = ["VYHUB_", "COMMUNITY_"];

/// How the names of what Python scripts do by the module `game` begin.
const GAME_PREFIX: &str = "game.";

/// What a Python script does to games and to other scripts by the module `game`, by the names that a list has for
/// it. Those with a function of vpid's are permitted by the name of either. What only reads has no name, except
/// `cvar`, which also reads passwords.
pub const GAME_ACTIONS: [(&str, Option<&str>); 26] = [
    ("game.say", None),
    ("game.tell", None),
    ("game.tell_admins", None),
    ("game.tell_all", None),
    ("game.center", None),
    ("game.kick", None),
    ("game.command", None),
    ("game.cvar", None),
    ("game.set_cvar", None),
    ("game.change_map", None),
    ("game.send", None),
    ("game.message", None),
    ("game.hook", None),
    ("game.geoip", None),
    ("game.country", None),
    ("game.ban", Some("VYHUB_Ban")),
    ("game.unban", Some("VYHUB_Unban")),
    ("game.ban_address", Some("VYHUB_BanAddress")),
    ("game.unban_address", Some("VYHUB_UnbanAddress")),
    ("game.warn", Some("VYHUB_Warn")),
    ("game.set_group", Some("VYHUB_SetGroup")),
    ("game.remove_group", Some("VYHUB_RemoveGroup")),
    ("game.user", Some("VYHUB_GetUser")),
    ("game.playtime", Some("VYHUB_GetPlaytime")),
    ("game.vyhub_server", Some("VYHUB_GetServer")),
    ("game.community_server", Some("VYHUB_GetServer")),
];

pub static TABLE: Declared = Declared {
    head: "[permissions]",
    keys: &[KEYS],
    also: &[],
    doc: "Which functions a script may call, and what a Python script may do by the module game (\"game.kick\"); \
          `*` stands for any text. Without an entry a game script may call all but raw SQL and what acts against \
          players, and a Python script may do everything; with an empty list neither may do anything. \"*\" is for \
          game scripts without an entry of their own.",
    example: "[permissions]\n# \"contracts.nut\" = [\"VPI_DB_UserSelect\", \"VPI_DB_UserInsert*\"]\n\
              # \"*\" = [\"VPI_DB_User*\", \"VPI_Ping\"]",
};

/// The others are names of scripts.
const KEYS: &[Key] = &[key(
    "raw_sql",
    PATTERNS,
    "Scripts that may run any SQL with VPI_DB_RawExecute. No pattern above permits that.",
)
.variables(&["VPID_PERMISSIONS_RAW_SQL"])
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
        let names = names_of(function);
        let moderates = MODERATION_FUNCTIONS
            .iter()
            .any(|it| names.iter().any(|name| name == it));
        let of_community =
            |pattern: &str| COMMUNITY_PREFIXES.iter().any(|it| pattern.starts_with(it));
        let fits = |pattern: &String| {
            names.iter().any(|name| matches(pattern, name)) && (!moderates || of_community(pattern))
        };
        match listed(script).or_else(|| listed("*")) {
            Some((_, patterns)) => patterns.iter().any(fits),
            None => !moderates,
        }
    }

    /// The same for a script of the owner's beside the game (`welcome.py`), and for what it does by the module
    /// `game` ([`GAME_ACTIONS`]). It runs as vpid's user and can do what vpid can; so it may do everything, unless it
    /// is listed by its own name.
    pub fn allows_own(&self, script: &str, function: &str) -> bool {
        let listed = self.scripts.iter().find(|(name, _)| name == script);
        let Some((_, patterns)) = listed else {
            return true;
        };
        if function == RAW_SQL_FUNCTION {
            return self.raw_sql.iter().any(|name| name == script);
        }
        let names = names_of(function);
        let is_same = |of: &str| names.iter().any(|name| name == of);
        let actions = GAME_ACTIONS
            .iter()
            .filter(|(_, of)| of.is_some_and(is_same));
        let actions: Vec<&str> = actions.map(|(name, _)| *name).collect();
        let fits = |pattern: &String| {
            let mut all = names
                .iter()
                .map(String::as_str)
                .chain(actions.iter().copied());
            all.any(|it| matches(pattern, it))
        };
        patterns.iter().any(fits)
    }
}

/// The names by which a function can be permitted: one, or two of a function of the community.
fn names_of(function: &str) -> Vec<String> {
    let mut prefixes = COMMUNITY_PREFIXES.iter();
    match prefixes.find_map(|prefix| function.strip_prefix(prefix)) {
        Some(rest) => COMMUNITY_PREFIXES
            .map(|prefix| format!("{prefix}{rest}"))
            .to_vec(),
        None => vec![function.to_owned()],
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
        let table = self.table_in(document, "permissions", what);
        let written = table.iter().flat_map(|(of, table)| {
            let entries = table.iter();
            entries.map(|(name, value)| (&of.key, name, value))
        });
        let mut entries = Vec::new();
        for (of, name, value) in written {
            let place = self.place(&name.span(), &dotted(of, name.get_ref()));
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
        if let Some(scripts) = self.raw_sql_of_variable() {
            permissions.raw_sql = scripts;
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
                self.action_is_there(pattern, &name);
            }
            let patterns = patterns.into_iter().map(|pattern| pattern.value);
            permissions.scripts.push((name, patterns.collect()));
        }
        permissions
    }

    /// What the variable says, which wins over the file.
    fn raw_sql_of_variable(&mut self) -> Option<Vec<String>> {
        let table = self.table_or_variables(&TABLE, KEYS, "permissions", None)?;
        let (_, scripts) = table.texts("raw_sql")?;
        for script in scripts {
            self.script_name(&script.place, &script.value);
        }
        Some(scripts.iter().map(|it| it.value.clone()).collect())
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

    /// Warns of a name that stands for nothing in the module `game`, or is not for this script.
    fn action_is_there(&mut self, pattern: &Given<String>, script: &str) {
        let wanted = pattern.value.as_str();
        if !wanted.starts_with(GAME_PREFIX) {
            return;
        }
        let known = GAME_ACTIONS.map(|(name, _)| name);
        let hint = match wanted {
            _ if !script.ends_with(".py") => {
                let message = format!(
                    "{wanted} is for Python scripts, and has no effect for {script:?}; write the \
                     functions that it may call"
                );
                return self.warn(&pattern.place, message);
            }
            _ if known.iter().any(|name| matches(wanted, name)) => return,
            "game.sql" => "; raw_sql alone permits that".to_owned(),
            "game.query" => format!("; write {QUERY_PREFIX} and the name of the query"),
            "game.call" => "; write the names of the functions that it may call".to_owned(),
            "game.hint" => "; write game.center".to_owned(),
            _ => {
                let bare = known.map(|name| &name[GAME_PREFIX.len()..]);
                let near = nearest(&wanted[GAME_PREFIX.len()..], &bare);
                let all = || format!("; the names are {} (reading needs none)", known.join(", "));
                near.map_or_else(all, |near| format!("; did you mean {GAME_PREFIX}{near}?"))
            }
        };
        let message = format!("{wanted} permits nothing{hint}");
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
    fn what_the_module_game_does_is_permitted_by_its_name_or_its_function() {
        let may = |patterns: &[&str], wanted: &str| {
            let patterns = patterns.iter().map(|pattern| (*pattern).to_owned());
            let permissions = Permissions {
                scripts: vec![("a.py".to_owned(), patterns.collect())],
                raw_sql: Vec::new(),
            };
            permissions.allows_own("a.py", wanted)
        };
        for (name, function) in GAME_ACTIONS {
            for wanted in [Some(name), function].into_iter().flatten() {
                assert!(Permissions::default().allows_own("a.py", wanted));
                assert!(!may(&[], wanted), "{wanted}");
                assert!(!may(&["VPI_*", "stats.*", "game.x"], wanted), "{wanted}");
                assert!(may(&["game.*"], wanted), "{wanted}");
                assert!(may(&[name], wanted), "{wanted}");
            }
            if let Some(function) = function {
                assert!(may(&["VYHUB_*"], function) && !may(&["VYHUB_*"], name));
            }
        }
        assert!(!may(&["game.*"], RAW_SQL_FUNCTION) && !may(&["game.*"], "stats.top"));
    }

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
        // Each has two names, and a permission of the one is one of the other.
        assert!(!Permissions::default().allows("a.nut", "COMMUNITY_Ban"));
        assert!(!may("a.nut", &["*", "C*"], "COMMUNITY_Ban"));
        for pattern in ["VYHUB_Ban", "COMMUNITY_Ban", "COMMUNITY_*"] {
            for function in ["VYHUB_Ban", "COMMUNITY_Ban"] {
                assert!(may("a.nut", &[pattern], function), "{pattern} {function}");
            }
            assert_eq!(
                may("a.nut", &[pattern], "COMMUNITY_Warn"),
                pattern.ends_with('*')
            );
        }
        assert!(Permissions::default().allows("a.nut", "VYHUB_GetUser"));
    }
}
