//! What an authentic file asks for, before its calls are read: each is checked and measured, and
//! stays the bytes that it came in until it starts.

use super::{FileError, call};
use crate::limits;
use crate::protocol::call::{BadCall, CallResult};
use crate::protocol::game_json::{Reader, SyntaxError};

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
    /// Lists that run in order, whatever comes of each call.
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
            let what = "it holds more than 65,536 values";
            return Err(BadCall::new(String::new(), String::new(), false, what));
        }
        let bytes = file.get(self.from as usize..self.to as usize);
        let mut reader = Reader::new(bytes.unwrap_or_default());
        // It was passed over before, and what can be passed over can be read.
        let value = reader.value().unwrap_or_default();
        let duplicate = reader.take_duplicate_key();
        call(value, duplicate)
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
        return Err(super::WRONG_LISTS);
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
    let is_text = reader.peek() == Some(b'"');
    let at = reader.skip_value_below(1)?;
    // Escapes only make a text longer than what it stands for, six bytes for one at most.
    if !is_text || at.len() > 6 * limits::CALL_NAME_BYTES_MAX + 2 {
        return Ok(None);
    }
    let text = Reader::new(reader.text_at(at)).value()?;
    let text = text
        .as_str()
        .filter(|text| text.len() <= limits::CALL_NAME_BYTES_MAX);
    Ok(text.map(str::to_owned))
}
