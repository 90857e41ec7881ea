//! Which script may call which function.

/// The function that runs any SQL. It is permitted by name only, never by a pattern.
pub const RAW_SQL_FUNCTION: &str = "VPI_DB_RawExecute";

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
    /// is not listed, where there is no `*` either, may call everything but raw SQL.
    pub fn allows(&self, script: &str, function: &str) -> bool {
        if function == RAW_SQL_FUNCTION {
            return self.raw_sql.iter().any(|name| name == script);
        }
        let listed = |wanted: &str| self.scripts.iter().find(|(name, _)| name == wanted);
        match listed(script).or_else(|| listed("*")) {
            Some((_, patterns)) => patterns.iter().any(|pattern| matches(pattern, function)),
            None => true,
        }
    }
}

/// Whether `text` is what `pattern` describes. On a mismatch the last `*` takes one byte more;
/// earlier ones never need to, so this ends after at most pattern times text steps.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
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
