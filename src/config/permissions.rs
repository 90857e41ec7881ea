//! Which script may call which function.

/// The function that runs any SQL. It is permitted by name only, never by a pattern.
pub const RAW_SQL_FUNCTION: &str = "VPI_DB_RawExecute";

/// The functions that act against players. They are permitted by patterns that name VyHub only.
pub const MODERATION_FUNCTIONS: [&str; 4] =
    ["VYHUB_Ban", "VYHUB_Unban", "VYHUB_Warn", "VYHUB_SetGroup"];
const VYHUB_PREFIX: &str = "VYHUB_";

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
