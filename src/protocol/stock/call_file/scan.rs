//! The identity of a file, found without reading the rest: the cheap look at what any program may have
//! written.
//!
//! It follows texts and brackets only, by the rules of [`Reader`]. What it passes over may be no
//! JSON; but where the whole file can be read, it finds the identity that stands there.

use std::ops::Range;

use super::{FileError, WRONG_LISTS};
use crate::limits;
use crate::protocol::game_json::{Reader, SyntaxError};
use crate::protocol::stock::legacy::Identity;

/// An identity is no larger: two texts of a secret's length, each byte escaped, and two numbers.
const IDENTITY_BYTES_MAX: usize = 16 * limits::SECRET_BYTES_MAX;
/// The table of the file, that of its calls, a list of chains and a chain around values, which may
/// stand at any depth from 0.
const DEPTH_MAX: usize = limits::JSON_DEPTH_MAX + 5;

/// Finds the identity, if there is one. The error says why this is no call file.
pub fn scan(bytes: &[u8]) -> Result<Option<Identity>, FileError> {
    let mut reader = Reader::new(bytes);
    if reader.peek() != Some(b'{') {
        return Err(reader.error("an object").into());
    }
    let found = members(&mut reader)?;
    reader.end()?;
    if found.calls != 1 || found.identities > 1 {
        return Err(WRONG_LISTS);
    }
    match found.identity {
        None => Ok(None),
        Some(at) if at.len() > IDENTITY_BYTES_MAX => {
            Err(FileError::Shape("its identity is too long"))
        }
        Some(Range { start, end }) => identity(&bytes[start..end]).map_err(|error| {
            let at = start + error.at;
            SyntaxError { at, ..error }.into()
        }),
    }
}

/// What stands by name in the object of a file.
#[derive(Default)]
struct Found {
    calls: usize,
    identities: usize,
    /// Where the value of the identity stands.
    identity: Option<Range<usize>>,
}

/// The bytes that end a run of those that mean nothing, in an object and in an array.
const IN_OBJECT: [bool; 256] = table(b"\"{}[],");
const IN_ARRAY: [bool; 256] = table(b"\"{}[]");

const fn table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut place = 0;
    while place < bytes.len() {
        table[bytes[place] as usize] = true;
        place += 1;
    }
    table
}

/// Passes over the object that begins here.
fn members(reader: &mut Reader<'_>) -> Result<Found, SyntaxError> {
    let mut found = Found::default();
    let mut identity_from = None;
    let mut expects_key = false;
    // Whether what is open at each depth is an object.
    let mut objects = [false; DEPTH_MAX + 1];
    let mut depth = 0;
    loop {
        let table = match objects[depth] {
            true => &IN_OBJECT,
            false => &IN_ARRAY,
        };
        let byte = reader.skip_to(table).ok_or_else(|| reader.error("more"))?;
        match byte {
            b'"' if expects_key => {
                let key = reader.plain_key()?;
                expects_key = false;
                if depth == 1 {
                    found.calls += usize::from(key == b"Calls");
                    if key == b"Identity" {
                        found.identities += 1;
                        identity_from = Some(reader.at());
                    }
                }
                continue;
            }
            b'"' => {
                reader.raw_text()?;
                continue;
            }
            b'{' | b'[' => {
                if depth == DEPTH_MAX {
                    return Err(reader.error("less nesting"));
                }
                depth += 1;
                expects_key = byte == b'{';
                objects[depth] = expects_key;
            }
            b',' => expects_key = true,
            _ => {
                if objects[depth] != (byte == b'}') {
                    return Err(reader.error("what was opened to be closed"));
                }
                depth -= 1;
                expects_key = false;
            }
        }
        // A value of the outer object ends at its comma or brace.
        if let Some(from) = identity_from
            && (depth == 0 || depth == 1 && byte == b',')
        {
            found.identity = Some(from..reader.at());
            identity_from = None;
        }
        reader.step();
        if depth == 0 {
            return Ok(found);
        }
    }
}

/// Reads an identity. Of keys that stand twice the first counts.
fn identity(bytes: &[u8]) -> Result<Option<Identity>, SyntaxError> {
    let mut reader = Reader::new(bytes);
    let (mut enc, mut iv, mut timestamp, mut ticks) = (None, None, None, None);
    if reader.peek() != Some(b'{') {
        return reader.skip_value().map(|_| None);
    }
    reader.members(|reader, key| {
        match key {
            b"enc" if enc.is_none() => enc = Some(secret(reader)?),
            b"iv" if iv.is_none() => iv = Some(secret(reader)?),
            b"timestamp" if timestamp.is_none() => timestamp = Some(number(reader)?),
            b"ticks" if ticks.is_none() => ticks = Some(number(reader)?),
            _ => {
                reader.skip_value_below(1)?;
            }
        }
        Ok(())
    })?;
    let read = || {
        Some(Identity {
            enc: enc??,
            iv: iv??,
            timestamp: timestamp??,
            ticks: ticks??,
        })
    };
    Ok(read())
}

/// A text no longer than a secret.
fn secret(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, SyntaxError> {
    if reader.peek() != Some(b'"') {
        return reader.skip_value_below(1).map(|_| None);
    }
    let text = reader.text()?;
    let is_short = text.len() <= limits::SECRET_BYTES_MAX;
    Ok(is_short.then(|| text.into_owned().into_bytes()))
}

fn number(reader: &mut Reader<'_>) -> Result<Option<i64>, SyntaxError> {
    let value = reader.value_below(1)?;
    let float = || value.as_f64().map(|float| float as i64);
    Ok(value.as_i64().or_else(float))
}
