//! A stock call file: bytes to calls.
//!
//! `{"Calls": {"async": [CALL, ...], "chain": [[CALL, ...], ...]}, "Identity": {...}}`, where
//! `chain` is written by older clients only and some forks write no identity. A call that
//! cannot be understood is reported beside the others; only a broken file fails as a whole.

mod outline;
mod scan;

use serde_json::Value;

use crate::limits;
pub use crate::protocol::call::{BadCall, Call, CallResult, weigh};
use crate::protocol::game_json::SyntaxError;
use crate::protocol::stock::legacy::Identity;

pub use outline::{Outline, Sketch, Span, outline};
pub use scan::scan;

/// The calls of one file, in the order in which they stand there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallFile {
    pub identity: Option<Identity>,
    /// Calls that do not depend on each other.
    pub singles: Vec<CallResult>,
    /// Lists that run in order, whatever comes of each call.
    pub chains: Vec<Vec<CallResult>>,
}

/// Why a file is set aside as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    Syntax(SyntaxError),
    Shape(&'static str),
    TooMany,
}

const WRONG_LISTS: FileError =
    FileError::Shape("it needs one list of calls and at most one identity");

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileError::Syntax(error) => write!(f, "it is not the JSON a game writes ({error})"),
            FileError::Shape(what) => write!(f, "it is not a call file ({what})"),
            FileError::TooMany => write!(f, "it holds more than {} calls", limits::FILE_CALLS_MAX),
        }
    }
}

impl From<SyntaxError> for FileError {
    fn from(error: SyntaxError) -> Self {
        FileError::Syntax(error)
    }
}

/// Reads a whole file at once; `bytes` ends before the closing NUL. Whoever serves games looks who
/// wrote it first ([`scan`]), and reads each call when it starts ([`outline`]).
pub fn parse(bytes: &[u8]) -> Result<CallFile, FileError> {
    let identity = scan(bytes)?;
    let outline = outline(bytes)?;
    let read = |sketch: Sketch| {
        sketch.call.read(bytes).map_err(|bad| {
            let (token, function, callback) = (sketch.token, sketch.function, sketch.callback);
            Box::new(BadCall {
                token,
                function,
                callback,
                ..*bad
            })
        })
    };
    let read = |sketches: Vec<Sketch>| sketches.into_iter().map(read).collect();
    Ok(CallFile {
        identity,
        singles: read(outline.singles),
        chains: outline.chains.into_iter().map(read).collect(),
    })
}

fn call(value: Value, duplicate: Option<String>) -> CallResult {
    let Value::Object(mut fields) = value else {
        return Err(BadCall::new(
            Default::default(),
            String::new(),
            false,
            "a call must be a table",
        ));
    };
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) if text.len() <= limits::CALL_NAME_BYTES_MAX => Some(text),
        _ => None,
    };
    let (token, function, script) = (text("token"), text("func"), text("script"));
    let callback = matches!(fields.remove("callback"), Some(Value::Bool(true)));
    let kwargs = fields.remove("kwargs").unwrap_or_default();
    let missing = match (&function, &script, &token) {
        _ if duplicate.is_some() => Some("one of its keys stands twice"),
        (None, _, _) => Some("it needs `func`, a text"),
        (_, None, _) => Some("it needs `script`, a text"),
        (_, _, None) if callback => Some("it needs `token`, a text"),
        _ => None,
    };
    let token = token.unwrap_or_default();
    let function = function.unwrap_or_default();
    match missing {
        Some(what) => Err(BadCall::new(token, function, callback, what)),
        None => Ok(Call {
            token,
            function,
            args: Vec::new(),
            kwargs,
            callback,
            script: script.unwrap_or_default(),
            timeout_ms: None,
            sql_texts: true,
        }),
    }
}

fn identity(value: &Value) -> Option<Identity> {
    let text = |name: &str| {
        let text = value.get(name)?.as_str()?;
        (text.len() <= limits::SECRET_BYTES_MAX).then(|| text.as_bytes().to_vec())
    };
    let number = |name: &str| {
        let number = value.get(name)?;
        number
            .as_i64()
            .or_else(|| number.as_f64().map(|float| float as i64))
    };
    Some(Identity {
        enc: text("enc")?,
        iv: text("iv")?,
        timestamp: number("timestamp")?,
        ticks: number("ticks")?,
    })
}

#[cfg(test)]
mod tests;
