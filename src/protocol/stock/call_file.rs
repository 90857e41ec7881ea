//! A stock call file: bytes to calls.
//!
//! `{"Calls": {"async": [CALL, ...], "chain": [[CALL, ...], ...]}, "Identity": {...}}`, where
//! `chain` is written by older clients only and some forks write no identity. [`scan`] finds who wrote a
//! file. [`outline`] checks an authentic file as a whole and finds its calls. Each stays the bytes that it
//! came in until it starts, and is read then ([`Span::read`]). A call that cannot be understood is reported
//! beside the others; only a broken file fails as a whole.

mod scan;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::limits;
use crate::protocol::call::{BadCall, Call, CallResult};
use crate::protocol::game_json::{Reader, SyntaxError};

pub use scan::scan;

/// Why a file is rejected as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("it is not the JSON a game writes ({0})")]
    Syntax(#[from] SyntaxError),
    #[error("it is not a call file ({0})")]
    Shape(&'static str),
    #[error("it holds more than {} calls", limits::FILE_CALLS_MAX)]
    TooMany,
}

const WRONG_LISTS: FileError =
    FileError::Shape("it needs one list of calls and at most one identity");

/// A call as far as it must be known before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    pub token: String,
    pub function: String,
    pub callback: bool,
    pub call: Span,
}

/// Where a call stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    from: u32,
    to: u32,
    /// The values in it, itself included.
    values: u32,
}

/// The calls of a file, in the order in which they stand there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// Calls that do not depend on each other.
    pub singles: Vec<Sketch>,
    /// Lists that run in order, whatever the result of each call.
    pub chains: Vec<Vec<Sketch>>,
}

impl Span {
    pub fn bytes(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// What the call takes in memory while it runs, in bytes.
    pub fn cost(&self) -> usize {
        let values = (self.values as usize).min(limits::CALL_VALUES_MAX);
        limits::CALL_OVERHEAD_BYTES
            + self.bytes() * limits::CALL_BYTE_COST
            + values * limits::CALL_VALUE_COST_BYTES
    }

    /// Reads the call itself, from the bytes of the file that it was found in. A call with too many
    /// values is not read at all.
    pub fn read(&self, file: &[u8]) -> CallResult {
        if self.values as usize > limits::CALL_VALUES_MAX {
            return Err(unreadable("it holds more than 65,536 values"));
        }
        let bytes = file.get(self.from as usize..self.to as usize);
        // It was passed over before, and what can be passed over can be read.
        call(bytes.unwrap_or_default()).unwrap_or_else(|_| Err(unreadable("it cannot be read")))
    }
}

const _: () = assert!(limits::CALL_VALUES_MAX == 65_536);
const _: () = assert!(limits::CALL_FILE_BYTES_MAX < u32::MAX as usize);

/// Checks a file as a whole, and finds its calls. An error rejects all of it.
pub fn outline(bytes: &[u8]) -> Result<Outline, FileError> {
    let mut reader = Reader::new(bytes);
    let mut outline = Outline::default();
    let mut count = 0;
    let (mut lists, mut identities) = (0, 0);
    reader.members(|reader, key| {
        match key {
            b"Calls" => {
                lists += 1;
                calls(reader, &mut outline, &mut count)?;
            }
            key => {
                identities += usize::from(key == b"Identity");
                reader.skip_value()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if count > limits::FILE_CALLS_MAX || outline.chains.len() > limits::FILE_CALLS_MAX {
        return Err(FileError::TooMany);
    }
    if lists != 1 || identities > 1 {
        return Err(WRONG_LISTS);
    }
    Ok(outline)
}

fn calls(
    reader: &mut Reader<'_>,
    outline: &mut Outline,
    count: &mut usize,
) -> Result<(), SyntaxError> {
    reader.members(|reader, key| {
        match key {
            b"async" => reader.array(|reader| push(&mut outline.singles, reader, count)),
            b"chain" => reader.array(|reader| {
                let mut chain = Vec::new();
                reader.array(|reader| push(&mut chain, reader, count))?;
                // One more than may be is enough to know that there are too many.
                if outline.chains.len() <= limits::FILE_CALLS_MAX {
                    outline.chains.push(chain);
                }
                Ok(())
            }),
            _ => reader.skip_value().map(|_| ()),
        }
    })
}

/// Keeps a call, unless there are already too many: then it is only counted.
fn push(
    list: &mut Vec<Sketch>,
    reader: &mut Reader<'_>,
    count: &mut usize,
) -> Result<(), SyntaxError> {
    *count += 1;
    let sketch = sketch(reader)?;
    if *count <= limits::FILE_CALLS_MAX {
        list.push(sketch);
    }
    Ok(())
}

/// Of keys that stand twice the first counts, as in [`Span::read`].
fn sketch(reader: &mut Reader<'_>) -> Result<Sketch, SyntaxError> {
    let before = reader.values();
    let whole = reader.peek();
    let from = reader.at();
    let (mut token, mut function, mut callback) = (None, None, None);
    if whole == Some(b'{') {
        reader.members(|reader, key| {
            match key {
                b"token" if token.is_none() => token = Some(name(reader)?),
                b"func" if function.is_none() => function = Some(name(reader)?),
                _ => {
                    let at = reader.skip_value_below(1)?;
                    if key == b"callback" && callback.is_none() {
                        callback = Some(reader.text_at(at) == b"true");
                    }
                }
            }
            Ok(())
        })?;
    } else {
        reader.skip_value()?;
    }
    Ok(Sketch {
        token: token.flatten().unwrap_or_default(),
        function: function.flatten().unwrap_or_default(),
        callback: callback.unwrap_or(false),
        call: Span {
            from: from as u32,
            to: reader.at() as u32,
            values: (reader.values() - before + 1) as u32,
        },
    })
}

/// A text that is short enough, or nothing.
fn name(reader: &mut Reader<'_>) -> Result<Option<String>, SyntaxError> {
    match reader.peek() {
        Some(b'"') => reader.short_text(limits::CALL_NAME_BYTES_MAX),
        _ => reader.skip_value_below(1).map(|_| None),
    }
}

/// Reads a call. Of keys that stand twice the first counts, in what is reported of a call that is none.
fn call(bytes: &[u8]) -> Result<CallResult, SyntaxError> {
    let mut reader = Reader::new(bytes);
    if reader.peek() != Some(b'{') {
        return Ok(Err(unreadable("a call must be a table")));
    }
    let (mut token, mut function, mut script) = (None, None, None);
    let (mut callback, mut kwargs) = (None, None);
    let (mut others, mut twice) = (BTreeSet::new(), false);
    reader.members(|reader, key| {
        twice |= match key {
            b"token" => is_again(&mut token, name(reader)?),
            b"func" => is_again(&mut function, name(reader)?),
            b"script" => is_again(&mut script, name(reader)?),
            b"callback" => is_again(&mut callback, reader.value_below(1)? == Value::Bool(true)),
            b"kwargs" => is_again(&mut kwargs, reader.value_below(1)?),
            key => {
                reader.value_below(1)?;
                !others.insert(key)
            }
        };
        Ok(())
    })?;
    let twice = twice || reader.take_duplicate_key();
    let (token, function, script) = (token.flatten(), function.flatten(), script.flatten());
    let callback = callback.unwrap_or(false);
    let missing = match (&function, &script, &token) {
        _ if twice => Some("one of its keys stands twice"),
        (None, _, _) => Some("it needs `func`, a text of at most 256 bytes"),
        (_, None, _) => Some("it needs `script`, a text of at most 256 bytes"),
        (_, _, None) if callback => Some("it needs `token`, a text of at most 256 bytes"),
        _ => None,
    };
    let token = token.unwrap_or_default();
    let function = function.unwrap_or_default();
    Ok(match missing {
        Some(what) => Err(BadCall::new(token, function, callback, what)),
        None => Ok(Call {
            token,
            function,
            args: Vec::new(),
            kwargs: kwargs.unwrap_or_default(),
            callback,
            script: script.unwrap_or_default(),
            timeout_ms: None,
            sql_texts: true,
        }),
    })
}

/// Keeps the first value of a key, and says whether this is another one.
fn is_again<T>(first: &mut Option<T>, value: T) -> bool {
    let is_again = first.is_some();
    first.get_or_insert(value);
    is_again
}

/// A call of which nothing is known.
fn unreadable(what: &'static str) -> Box<BadCall> {
    BadCall::new(String::new(), String::new(), false, what)
}

#[cfg(test)]
mod tests;
