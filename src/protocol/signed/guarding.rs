//! What the scripts of a game report of how far players' chat can be relied on.

use serde_json::Value;

use crate::limits;

/// How chat stands on a map, as its scripts report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarding {
    /// What makes it doubtful, as a part of a sentence; `None`: nothing has touched the guard.
    pub doubt: Option<String>,
    /// With which beginnings scripts cannot say anything in a player's name, in lower case.
    pub prefixes: Vec<String>,
    /// The scripts say nothing more on this map, and read nothing.
    pub silent: bool,
}

impl Guarding {
    /// `{"doubt": text or null, "prefixes": [text, ...], "silent": bool}`, the last one not needed;
    /// `None`: it is something else.
    pub fn read(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let doubt = match fields.get("doubt")? {
            Value::Null => None,
            Value::String(text) => {
                let plain = text.chars().filter(|c| !c.is_control());
                Some(plain.take(limits::CHAT_DOUBT_CHARS_MAX).collect())
            }
            _ => return None,
        };
        let prefixes = fields.get("prefixes")?.as_array()?.iter();
        let prefixes = prefixes.filter_map(Value::as_str);
        let prefixes = prefixes.take(limits::CHAT_PREFIXES_MAX).map(str::to_owned);
        Some(Self {
            doubt,
            prefixes: prefixes.collect(),
            silent: fields.get("silent").and_then(Value::as_bool) == Some(true),
        })
    }
}
