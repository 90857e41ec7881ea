//! Values and texts as `vpid trace` shows them: in one line, shortened, without control characters, and without
//! secrets.
//!
//! Two things are secrets here: the secrets of the configuration, wherever they stand in a text; and what stands
//! under a name, or behind a word, that names a secret (`password`, `api_key`, `sv_logsecret`), whatever it is.

use memchr::memmem;
use serde_json::Value;

use crate::limits::TRACE_TEXT_BYTES_MAX;
use crate::protocol::call_error::CallError;
use crate::protocol::game_json::Reader;
use crate::protocol::look_alike::harmless;

/// In place of a secret.
pub const MASK: &str = "***";

/// Parts of names of secrets, in lower case.
const PARTS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "signature",
    "credential",
    "authorization",
    "apikey",
    "nonce",
    "cookie",
];
/// Last words of such names: `key`, `api_key`, `rconPass`.
const WORDS: [&str; 5] = ["key", "pass", "pwd", "auth", "pin"];

/// Whether what stands under this name is a secret.
pub fn names_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if PARTS.iter().any(|part| lower.contains(part)) {
        return true;
    }
    WORDS.iter().any(|word| {
        let Some(at) = lower.len().checked_sub(word.len()) else {
            return false;
        };
        let before = lower.as_bytes()[..at].last();
        let is_begin = |byte: &u8| !byte.is_ascii_alphanumeric();
        // `rconPass`, and no `compass`.
        let is_word = before.is_none_or(is_begin)
            || name.is_char_boundary(at)
                && name[at..].starts_with(|c: char| c.is_ascii_uppercase());
        lower.ends_with(word) && is_word
    })
}

/// Whether something in a value names a secret: a key, or a word of a text.
fn mentions_secret(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(mentions_secret),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| names_secret(name) || mentions_secret(value)),
        value => text_mentions_secret(value),
    }
}

/// Whether a word of a text does: then what stands beside it may be the secret, such as the value for a column.
fn text_mentions_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => words(text).any(names_secret),
        Value::Array(items) => items.iter().any(text_mentions_secret),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| !names_secret(name) && text_mentions_secret(value)),
        _ => false,
    }
}

/// The arguments of a call or a request, as they are shown, and whether its result may be a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownArgs {
    pub text: String,
    hides_result: bool,
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Shows values and texts.
#[derive(Debug, Default)]
pub struct Redactor(Secrets);

/// It never prints itself.
#[derive(Default)]
struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Redactor {
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().collect();
        secrets.retain(|secret| !secret.is_empty());
        // One may stand within another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(Secrets(secrets))
    }

    /// A text, in one line.
    pub fn text(&self, text: &str) -> String {
        let mut out = String::new();
        push_plain(&mut out, &self.masked(text), TRACE_TEXT_BYTES_MAX);
        out
    }

    /// A value, as JSON in one line.
    pub fn value(&self, value: &Value) -> String {
        let mut out = String::new();
        self.push(&mut out, value);
        out
    }

    /// A response: JSON as one of vpid's decoders reads it.
    pub fn response(&self, json: &str) -> String {
        let exact = serde_json::from_str(json).ok();
        let value = exact.or_else(|| Reader::new(json.as_bytes()).value().ok());
        match value {
            Some(value) => self.value(&value),
            None => self.text(json),
        }
    }

    /// The arguments for a function.
    pub fn args(&self, function: &str, args: &Value) -> ShownArgs {
        let by_name = words(function).any(names_secret);
        let text = match args {
            Value::Null => String::new(),
            args if by_name || text_mentions_secret(args) => hidden(args.to_string().len()),
            args => self.value(args),
        };
        ShownArgs {
            text,
            hides_result: by_name || mentions_secret(args),
        }
    }

    /// The result of a call or a request. `args`: without them, any result may be a secret.
    pub fn result(
        &self,
        args: Option<&ShownArgs>,
        outcome: &Result<String, CallError>,
    ) -> Result<String, String> {
        let hides = args.is_none_or(|args| args.hides_result);
        match outcome {
            Ok(response) if hides => Ok(hidden(response.len())),
            Ok(response) => Ok(self.response(response)),
            Err(error) if hides => Err(self.text(&error.reason)),
            Err(error) => Err(self.text(&error.to_string())),
        }
    }

    /// Without the secrets of the configuration, and without what stands behind a word that names one.
    fn masked(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in &self.0.0 {
            if memmem::find(masked.as_bytes(), secret.as_bytes()).is_some() {
                masked = masked.replace(secret, MASK);
            }
        }
        let mut from = 0;
        while let Some(begin) = masked[from..].find(is_word) {
            let begin = from + begin;
            let end = masked[begin..].find(|c: char| !is_word(c));
            let end = end.map_or(masked.len(), |end| begin + end);
            if names_secret(&masked[begin..end]) && masked[end..].contains(is_word) {
                masked.truncate(end);
                masked.push(' ');
                masked.push_str(MASK);
                break;
            }
            from = end;
        }
        masked
    }

    /// False: there is no room for more.
    fn push(&self, out: &mut String, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                out.push('"');
                let fits = push_plain(out, &self.masked(text), TRACE_TEXT_BYTES_MAX);
                out.push('"');
                return fits;
            }
            Value::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    if !has_room(out) || !self.push(out, item) {
                        return false;
                    }
                }
                out.push(']');
            }
            Value::Object(fields) => {
                out.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    if !has_room(out) || !self.push(out, &Value::String(name.clone())) {
                        return false;
                    }
                    out.push(':');
                    if names_secret(name) && !value.is_null() {
                        out.push_str(MASK);
                    } else if !self.push(out, value) {
                        return false;
                    }
                }
                out.push('}');
            }
            // Numbers and words are short, and a secret may be digits.
            value => out.push_str(&self.masked(&value.to_string())),
        }
        has_room(out)
    }
}

/// In place of what may be a secret.
fn hidden(bytes: usize) -> String {
    format!("({bytes} bytes)")
}

/// Leaves a mark where there is none.
fn has_room(out: &mut String) -> bool {
    let has_room = out.len() < TRACE_TEXT_BYTES_MAX;
    if !has_room && !out.ends_with('\u{2026}') {
        out.push('\u{2026}');
    }
    has_room
}

/// What of a text has room, with nothing that moves a cursor or turns the direction of writing around.
fn push_plain(out: &mut String, text: &str, bytes_max: usize) -> bool {
    for c in text.chars() {
        if out.len() + c.len_utf8() > bytes_max {
            out.push('\u{2026}');
            return false;
        }
        out.push(harmless(c));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_secrets_are_known_and_other_names_are_none() {
        for name in [
            "password",
            "rcon_password",
            "sv_logsecret",
            "apiKey",
            "api_key",
            "key",
            "Key",
            "rconPass",
            "pass",
            "access_token",
            "X-Signature",
            "pwd",
            "auth",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "monkey", "compass", "author", "keyboard", "table", "passed", "", "\u{e9}", "spin",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let redactor = Redactor::new(["hunter2".into(), "hunter2-long".into(), String::new()]);
        let value = json!({
            "api_key": ["abc", 1], "a": {"Password": 5, "n": null, "token": null},
            "text": "x hunter2-long y hunter2", "line": "rcon_password \"geheim\"; say x",
            "hunter2": 1,
        });
        let shown = redactor.value(&value);
        for secret in ["hunter2", "long", "abc", "5", "geheim", "say x"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("\"text\":\"x *** y ***\""), "{shown}");
        assert!(shown.contains("\"token\":null"), "{shown}");
        assert_eq!(
            redactor.text("no such column: password"),
            "no such column: password"
        );
        assert_eq!(redactor.text("sv_logsecret 123"), "sv_logsecret ***");
        assert_eq!(redactor.response("[[\"hunter2\",1]]"), "[[\"***\",1]]");
        assert!(!format!("{redactor:?}").contains("hunter"));
        let digits = Redactor::new(["90210".to_owned()]);
        let value = json!({"n": 90210, "all": [90210, -1, true]});
        assert_eq!(digits.value(&value), r#"{"all":[***,-1,true],"n":***}"#);
    }

    #[test]
    fn what_stands_beside_the_name_of_a_secret_is_hidden_and_so_is_what_comes_back() {
        let redactor = Redactor::default();
        let failed = || Err(CallError::new("OperationalError", "no such column: geheim"));
        for (function, args) in [
            (
                "set_cvar",
                json!({"name": "rcon_password", "value": "geheim"}),
            ),
            (
                "VPI_DB_UserInsert",
                json!({"columns": ["n", "password"], "values": [1, "geheim"]}),
            ),
            ("shop.set_password", json!(["geheim"])),
            ("VPI_Ping", json!({"password": "geheim"})),
        ] {
            let shown = redactor.args(function, &args);
            assert!(!shown.text.contains("geheim"), "{shown:?}");
            let result = redactor.result(Some(&shown), &Ok("\"geheim\"".into()));
            assert_eq!(result, Ok("(8 bytes)".into()), "{function}");
            let error = redactor.result(Some(&shown), &failed());
            assert_eq!(error, Err("OperationalError".into()));
        }
        let plain = redactor.args("VPI_Ping", &json!({"a": 1}));
        assert_eq!(plain.text, r#"{"a":1}"#);
        assert_eq!(
            redactor.result(Some(&plain), &Ok("[1]".into())),
            Ok("[1]".into())
        );
        assert_eq!(
            redactor.result(None, &Ok("[1]".into())),
            Ok("(3 bytes)".into())
        );
        assert!(
            redactor
                .result(Some(&plain), &failed())
                .unwrap_err()
                .contains("no such")
        );
        assert_eq!(redactor.args("VPI_Ping", &Value::Null).text, "");
    }

    #[test]
    fn what_is_shown_is_short_and_moves_no_cursor() {
        let redactor = Redactor::default();
        // Stock responses have their control characters as they are.
        assert_eq!(redactor.response("[\"\u{7}a\u{1b}[2J\"]"), "[\"?a?[2J\"]");
        assert_eq!(redactor.text("a\n\u{202e}b"), "a??b");
        let long = "\u{e9}".repeat(100_000);
        let deep = json!([{"a": {"b": [1, 2, {"c": long}]}}, long, [long, long, long]]);
        let many: Value = (0..100_000).collect();
        for shown in [
            redactor.value(&deep),
            redactor.value(&many),
            redactor.text(&long),
        ] {
            assert!(shown.len() <= TRACE_TEXT_BYTES_MAX + 8, "{}", shown.len());
            assert!(shown.contains('\u{2026}'));
        }
        assert_eq!(
            redactor.value(&json!({"a": [1, 2.5, true, "x"]})),
            r#"{"a":[1,2.5,true,"x"]}"#
        );
    }
}
