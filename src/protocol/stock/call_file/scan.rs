//! The identity of a file, found without reading the rest: the cheap look at what anybody may have
//! written.
//!
//! It follows strings and brackets only, by the rules of [`Reader`]. What it passes over may be no
//! JSON; but where the whole file can be read, it finds the identity that stands there.

use super::{FileError, identity};
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
    let mut scanner = Scanner {
        bytes,
        at: 0,
        objects: [false; DEPTH_MAX + 1],
        depth: 0,
    };
    scanner.space();
    if bytes.get(scanner.at) != Some(&b'{') {
        return Err(scanner.error("an object"));
    }
    let found = scanner.members()?;
    scanner.space();
    if scanner.at < bytes.len() {
        return Err(scanner.error("the end of the file"));
    }
    if found.calls != 1 || found.identities > 1 {
        return Err(super::WRONG_LISTS);
    }
    let Some((from, to)) = found.identity else {
        return Ok(None);
    };
    if to - from > IDENTITY_BYTES_MAX {
        return Err(FileError::Shape("its identity is too long"));
    }
    let value = Reader::new(&bytes[from..to]).value();
    let value = value.map_err(|error| SyntaxError {
        at: from + error.at,
        ..error
    })?;
    Ok(identity(&value))
}

#[derive(Default)]
struct Found {
    calls: usize,
    identities: usize,
    /// From where to where the value of the identity stands.
    identity: Option<(usize, usize)>,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether what is open at each depth is an object.
    objects: [bool; DEPTH_MAX + 1],
    depth: usize,
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

impl<'a> Scanner<'a> {
    /// Passes over the object that begins here, and notes what stands in it by name.
    fn members(&mut self) -> Result<Found, FileError> {
        let mut found = Found::default();
        let mut identity_from = None;
        let mut expects_key = false;
        loop {
            self.run();
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.error("more"));
            };
            match byte {
                b'"' if expects_key => {
                    let key = self.key()?;
                    expects_key = false;
                    if self.depth == 1 {
                        found.calls += usize::from(key == b"Calls");
                        if key == b"Identity" {
                            found.identities += 1;
                            identity_from = Some(self.at);
                        }
                    }
                    continue;
                }
                b'"' => {
                    self.text()?;
                    continue;
                }
                b'{' | b'[' => {
                    if self.depth == DEPTH_MAX {
                        return Err(self.error("less nesting"));
                    }
                    self.depth += 1;
                    expects_key = byte == b'{';
                    self.objects[self.depth] = expects_key;
                }
                b',' => expects_key = true,
                _ => {
                    if self.objects[self.depth] != (byte == b'}') {
                        return Err(self.error("what was opened to be closed"));
                    }
                    self.depth -= 1;
                    expects_key = false;
                }
            }
            // A value of the outer object ends at its comma or brace.
            if let Some(from) = identity_from
                && (self.depth == 0 || self.depth == 1 && byte == b',')
            {
                found.identity = Some((from, self.at));
                identity_from = None;
            }
            self.at += 1;
            if self.depth == 0 {
                return Ok(found);
            }
        }
    }

    /// Passes over what means nothing.
    fn run(&mut self) {
        let table = match self.objects[self.depth] {
            true => &IN_OBJECT,
            false => &IN_ARRAY,
        };
        let rest = &self.bytes[self.at..];
        let next = rest.iter().position(|byte| table[usize::from(*byte)]);
        self.at += next.unwrap_or(rest.len());
    }

    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// A key ends at the first quote that a colon follows.
    fn key(&mut self) -> Result<&'a [u8], FileError> {
        let from = self.at + 1;
        let mut to = from;
        while let Some(offset) = self.bytes[to..].iter().position(|byte| *byte == b'"') {
            to += offset;
            self.at = to + 1;
            self.space();
            if self.bytes.get(self.at) == Some(&b':') {
                self.at += 1;
                return Ok(&self.bytes[from..to]);
            }
            to += 1;
        }
        Err(self.error("a key's closing quote and colon"))
    }

    fn text(&mut self) -> Result<(), FileError> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                self.at = self.bytes.len();
                return Err(self.error("a text's closing quote"));
            };
            self.at += end + 1;
            if rest[end] == b'"' {
                return Ok(());
            }
            // Whatever is escaped ends no text.
            self.at += 1;
        }
    }

    fn error(&self, expected: &'static str) -> FileError {
        let at = self.at;
        FileError::Syntax(SyntaxError { at, expected })
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}
