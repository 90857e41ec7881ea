//! `[scripts]` and `[script.NAME]`: the owner's Python beside the game.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::Password;
use super::permissions::matches;
use crate::limits;
use crate::protocol::steam_id::SteamId;

/// The name of what runs `vpi_interfaces`; its own table is `[script.vpi_interfaces]`.
pub const INTERFACES_NAME: &str = "vpi_interfaces";

/// `[scripts]`, with the tables `[script.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scripts {
    /// Where the scripts are: `NAME.py`, or `NAME/main.py`.
    pub dir: Option<PathBuf>,
    /// A file of functions that was written for VPI.
    pub vpi_interfaces: Option<PathBuf>,
    /// The options of `run`, which a `vpi_config.py` beside that file reads as it did those of `vpi.py`. One of
    /// them may be the password.
    pub options: Vec<Password>,
    /// Built-in functions whose place those of that file take: patterns, `*` for any text.
    pub vpi_override: Vec<String>,
    /// The interpreter; a bare name is looked up in PATH.
    pub python: PathBuf,
    /// Scripts that start before the others, in this order.
    pub order: Vec<String>,
    /// Who may load and unload scripts in chat, besides administrators of VyHub.
    pub admins: Vec<SteamId>,
    /// What begins a command in chat; none of them empty.
    pub prefixes: Vec<String>,
    /// For scripts without a table of their own, and for what their tables leave out.
    pub settings: ScriptSettings,
    pub each: BTreeMap<String, ScriptSettings>,
}

/// What holds for one script.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptSettings {
    /// What it and the processes that it starts may use; 0: no bound.
    pub memory_bytes: u64,
    /// How long a function may run before it is interrupted.
    pub call_ms: u64,
    /// Events that wait for the script.
    pub queue: usize,
    /// Its own interpreter; `None`: that of its `.venv`, else the one of `[scripts]`.
    pub python: Option<PathBuf>,
    /// Started with vpid.
    pub start: bool,
    /// For `game.config`: an object.
    pub config: Value,
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self {
            memory_bytes: limits::SCRIPT_MEMORY_BYTES,
            call_ms: limits::SCRIPT_CALL_MS,
            queue: limits::SCRIPT_QUEUE,
            python: None,
            start: true,
            config: Value::Object(serde_json::Map::new()),
        }
    }
}

impl Scripts {
    /// What holds for a script.
    pub fn of(&self, name: &str) -> &ScriptSettings {
        self.each.get(name).unwrap_or(&self.settings)
    }

    /// Whether a function of `vpi_interfaces` takes the place of a built-in one.
    pub fn overrides(&self, function: &str) -> bool {
        let mut patterns = self.vpi_override.iter();
        patterns.any(|pattern| matches(pattern, function))
    }
}

/// Names of scripts are also names of files, and stand before a dot in those of functions:
/// letters, digits and `_`, not beginning with a digit.
pub fn is_script_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=limits::SCRIPT_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(fits)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}
