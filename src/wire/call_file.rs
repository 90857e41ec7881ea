//! A stock call file: bytes to calls.
//!
//! `{"Calls": {"async": [CALL, ...], "chain": [[CALL, ...], ...]}, "Identity": {...}}`, where
//! `chain` is written by older clients only and some forks write no identity. A call that
//! cannot be understood is reported beside the others; only a broken file fails as a whole.

use serde_json::Value;

use super::call_error::CallError;
use super::game_json::{Reader, SyntaxError};
use super::legacy::Identity;
use super::sql::Reading;
use crate::limits;

/// What a script asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Unique within one script VM (one map), not beyond.
    pub token: String,
    pub function: String,
    /// Arguments without names: only scripts in Python give such.
    pub args: Vec<Value>,
    /// An object, or null.
    pub kwargs: Value,
    /// Whether somebody waits for the answer.
    pub callback: bool,
    /// Bare file name of the calling script.
    pub script: String,
    /// How long the caller waits; `None`: it does not say.
    pub timeout_ms: Option<u64>,
    /// How texts among the values of an SQL call are meant.
    pub reading: Reading,
}

/// A call that cannot be done, with as much of it as could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BadCall {
    pub token: String,
    pub function: String,
    pub callback: bool,
    pub error: CallError,
}

pub type CallResult = Result<Call, Box<BadCall>>;

/// The calls of one file, in the order in which they stand there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallFile {
    pub identity: Option<Identity>,
    /// Calls that do not depend on each other.
    pub singles: Vec<CallResult>,
    /// Lists that run in order until one fails.
    pub chains: Vec<Vec<CallResult>>,
}

/// Why a file is set aside as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    Syntax(SyntaxError),
    Shape(&'static str),
    TooMany,
}

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

/// Reads a file that is complete; `bytes` ends before the closing NUL.
pub fn parse(bytes: &[u8]) -> Result<CallFile, FileError> {
    let mut reader = Reader::new(bytes);
    let mut file = CallFile::default();
    let mut seen = Vec::new();
    let mut too_many = false;
    reader.object(|reader, key| {
        match key.as_str() {
            "Calls" => read_calls(reader, &mut file, &mut too_many)?,
            "Identity" => file.identity = identity(&reader.value()?),
            _ => drop(reader.value()?),
        }
        seen.push(key);
        Ok(())
    })?;
    reader.end()?;
    if too_many {
        return Err(FileError::TooMany);
    }
    let count = |name: &str| seen.iter().filter(|key| *key == name).count();
    if count("Calls") != 1 || count("Identity") > 1 {
        return Err(FileError::Shape(
            "it needs one list of calls and at most one identity",
        ));
    }
    Ok(file)
}

fn read_calls(
    reader: &mut Reader<'_>,
    file: &mut CallFile,
    too_many: &mut bool,
) -> Result<(), SyntaxError> {
    let mut count = 0;
    reader.object(|reader, key| {
        reader.take_duplicate_key();
        match key.as_str() {
            "async" => reader.array(|reader| {
                push(&mut file.singles, read_call(reader)?, &mut count);
                Ok(())
            })?,
            "chain" => reader.array(|reader| {
                let mut chain = Vec::new();
                reader.array(|reader| {
                    push(&mut chain, read_call(reader)?, &mut count);
                    Ok(())
                })?;
                file.chains.push(chain);
                Ok(())
            })?,
            _ => drop(reader.value()?),
        }
        Ok(())
    })?;
    *too_many = count > limits::FILE_CALLS_MAX || file.chains.len() > limits::FILE_CALLS_MAX;
    Ok(())
}

/// Keeps a call, unless there are already too many: then it is only counted.
fn push(list: &mut Vec<CallResult>, call: CallResult, count: &mut usize) {
    *count += 1;
    if *count <= limits::FILE_CALLS_MAX {
        list.push(call);
    }
}

fn read_call(reader: &mut Reader<'_>) -> Result<CallResult, SyntaxError> {
    let value = reader.value()?;
    let duplicate = reader.take_duplicate_key();
    Ok(call(value, duplicate))
}

fn call(value: Value, duplicate: Option<String>) -> CallResult {
    let Value::Object(mut fields) = value else {
        return Err(bad(
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
        _ if !kwargs.is_object() && !kwargs.is_null() => Some("`kwargs` must be a table or null"),
        _ => None,
    };
    let token = token.unwrap_or_default();
    let function = function.unwrap_or_default();
    match missing {
        Some(what) => Err(bad(token, function, callback, what)),
        None => Ok(Call {
            token,
            function,
            args: Vec::new(),
            kwargs,
            callback,
            script: script.unwrap_or_default(),
            timeout_ms: None,
            reading: Reading::Legacy,
        }),
    }
}

/// A call of which something is missing.
pub(super) fn bad(
    token: String,
    function: String,
    callback: bool,
    what: &'static str,
) -> Box<BadCall> {
    Box::new(BadCall {
        token,
        function,
        callback,
        error: CallError::new("MalformedCall", what),
    })
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
mod tests {
    use super::*;
    use serde_json::json;

    const IDENTITY: &str = r#""Identity":{"enc":"abc","iv":"def","timestamp":17,"ticks":4.0}"#;

    fn file(calls: &str) -> Result<CallFile, FileError> {
        parse(format!("{{\"Calls\":{calls},{IDENTITY}}}").as_bytes())
    }

    #[test]
    fn calls_chains_and_identity_are_read() {
        let call = r#"{"token":"_1_","func":"VPI_Ping","kwargs":{"a":1},"callback":true,"script":"x.nut"}"#;
        let file = file(&format!(
            r#"{{"async":[{call}],"chain":[[{call},{call}]]}}"#
        ))
        .unwrap();
        let expected = Call {
            token: "_1_".into(),
            function: "VPI_Ping".into(),
            args: Vec::new(),
            kwargs: json!({"a": 1}),
            callback: true,
            script: "x.nut".into(),
            timeout_ms: None,
            reading: Reading::Legacy,
        };
        assert_eq!(file.singles, [Ok(expected.clone())]);
        assert_eq!(file.chains, [[Ok(expected.clone()), Ok(expected)]]);
        let identity = Identity {
            enc: b"abc".into(),
            iv: b"def".into(),
            timestamp: 17,
            ticks: 4,
        };
        assert_eq!(file.identity, Some(identity));
    }

    #[test]
    fn a_bad_call_leaves_the_others_alone() {
        let good =
            r#"{"token":"t","func":"VPI_Ping","kwargs":null,"callback":false,"script":"x.nut"}"#;
        let bad = [
            r#"{"token":"t","callback":true,"script":"x.nut"}"#,
            r#"{"token":"t","func":7,"script":"x.nut"}"#,
            r#"{"func":"VPI_Ping","callback":true,"script":"x.nut"}"#,
            r#"{"token":"t","func":"VPI_Ping"}"#,
            r#"{"token":"t","func":"VPI_Ping","script":"x.nut","kwargs":[1]}"#,
            r#"{"token":"t","func":"VPI_Ping","script":"x.nut","script":"admin.nut"}"#,
            "17",
        ];
        for bad in bad {
            let file = file(&format!(r#"{{"async":[{good},{bad},{good}]}}"#)).unwrap();
            let outcomes: Vec<bool> = file.singles.iter().map(Result::is_ok).collect();
            assert_eq!(outcomes, [true, false, true], "{bad}");
        }
    }

    #[test]
    fn a_key_that_smuggles_structure_in_spoils_only_its_call() {
        // What a client prints for kwargs = { ["x\":1},\"script\":\"admin.nut\",\"y\":{\"z"] = 1 }.
        let text = r#"{"async":[{"token":"t","func":"F","kwargs":{"x":1},"script":"admin.nut","y":{"z":1},"script":"a.nut"}]}"#;
        assert!(file(text).unwrap().singles[0].is_err());
    }

    #[test]
    fn files_that_are_none_fail_as_a_whole() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Calls":[]}"#,
            r#"{"Calls":{},"Calls":{}}"#,
            r#"{"Calls":{"async":[}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let many = format!(r#"{{"async":[{}1]}}"#, "1,".repeat(limits::FILE_CALLS_MAX));
        assert_eq!(file(&many), Err(FileError::TooMany));
    }

    #[test]
    fn a_file_without_identity_is_readable() {
        let file = parse(br#"{"Calls":{"async":[]}}"#).unwrap();
        assert_eq!(file.identity, None);
    }
}
