//! Reads the JSON that games write, which is not quite JSON.
//!
//! The stock client does not escape keys, leaves most control bytes raw, writes raw bytes where
//! a player's name was cut inside a UTF-8 character, and prints floats as `nan`, `-nan(ind)`,
//! `inf` or `1.#QNAN`. All of that is read. A number that is none becomes null.
//!
//! A value is read, or passed over: what can be read can be passed over, and the other way round; an
//! error is found at the same byte.

use std::borrow::Cow;
use std::ops::Range;
use std::string::FromUtf8Error;

use memchr::{memchr, memchr2};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::limits;

/// A reader over the bytes of one file.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// A key stood twice in an object that was read. Keys are not escaped by the stock client, so a
    /// script can smuggle structure in through a key; what it smuggles in then stands beside what the
    /// client wrote.
    duplicate_key: bool,
    escaped_keys: bool,
    /// Values that were passed over so far.
    values: usize,
}

/// What is wrong, at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: expected {expected}")]
pub struct SyntaxError {
    pub at: usize,
    pub expected: &'static str,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            duplicate_key: false,
            escaped_keys: false,
            values: 0,
        }
    }

    /// For our own client, which escapes keys as it does texts.
    pub fn with_escaped_keys(bytes: &'a [u8]) -> Self {
        Self {
            escaped_keys: true,
            ..Self::new(bytes)
        }
    }

    /// Whether a key stood twice in an object read since the last time this was called.
    pub fn take_duplicate_key(&mut self) -> bool {
        std::mem::take(&mut self.duplicate_key)
    }

    /// How far it has come.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes of a value that was passed over.
    pub fn text_at(&self, at: Range<usize>) -> &'a [u8] {
        &self.bytes[at]
    }

    /// How many values were passed over so far, those inside others included.
    pub fn values(&self) -> usize {
        self.values
    }

    /// Reads one value.
    pub fn value(&mut self) -> Result<Value> {
        self.value_below(0)
    }

    /// The same for a value that stands inside so many others.
    pub fn value_below(&mut self, depth: usize) -> Result<Value> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        match self.peek() {
            Some(b'{') => {
                let mut object = Map::new();
                self.items(OBJECT, |reader| {
                    let key = reader.key()?;
                    let value = reader.value_below(depth + 1)?;
                    match object.entry(key) {
                        Entry::Vacant(entry) => drop(entry.insert(value)),
                        Entry::Occupied(_) => reader.duplicate_key = true,
                    }
                    Ok(())
                })?;
                Ok(Value::Object(object))
            }
            Some(b'[') => {
                let mut list = Vec::new();
                self.items(ARRAY, |reader| {
                    list.push(reader.value_below(depth + 1)?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Some(b'"') => Ok(Value::String(self.text()?.into_owned())),
            Some(_) => self.word(),
            None => Err(self.error("a value")),
        }
    }

    /// Passes over the next value, and says where it stands.
    pub fn skip_value(&mut self) -> Result<Range<usize>> {
        self.skip_value_below(0)
    }

    /// The same for a value that stands inside so many others.
    pub fn skip_value_below(&mut self, depth: usize) -> Result<Range<usize>> {
        self.peek();
        let start = self.at;
        self.skip(depth)?;
        Ok(start..self.at)
    }

    fn skip(&mut self, depth: usize) -> Result<()> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        self.values += 1;
        match self.peek() {
            Some(b'{') => self.members(|reader, _| reader.skip(depth + 1)),
            Some(b'[') => self.array(|reader| reader.skip(depth + 1)),
            Some(b'"') => self.raw_text().map(drop),
            Some(_) => self.skip_word(),
            None => Err(self.error("a value")),
        }
    }

    /// Reads an object whose keys are not escaped, handing each to `member` as it stands there, which
    /// must read the value behind it.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Result<()>,
    ) -> Result<()> {
        self.items(OBJECT, |reader| {
            let key = reader.plain_key()?;
            member(reader, key)
        })
    }

    /// Reads an array; `element` must read each of its values.
    pub fn array(&mut self, element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.items(ARRAY, element)
    }

    fn items(&mut self, list: List, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.require(list.open, list.name)?;
        if self.take(list.close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(list.close) {
                return Ok(());
            }
            self.require(b',', list.next)?;
        }
    }

    /// The end of the file, but for white space.
    pub fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("the end of the file")),
        }
    }

    /// The next byte that is not white space.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.error(expected)),
        }
    }

    /// Moves to the next byte of the table, and gives it.
    pub fn skip_to(&mut self, table: &[bool; 256]) -> Option<u8> {
        let mut rest = self.bytes[self.at..].iter();
        let next = rest.position(|byte| table[usize::from(*byte)]);
        self.at = next.map_or(self.bytes.len(), |next| self.at + next);
        self.bytes.get(self.at).copied()
    }

    /// Passes over one byte.
    pub fn step(&mut self) {
        self.at += 1;
    }

    pub fn error(&self, expected: &'static str) -> SyntaxError {
        let at = self.at;
        SyntaxError { at, expected }
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Result<String> {
        let key = match self.escaped_keys {
            true => {
                let key = self.text()?;
                self.require(b':', "a colon")?;
                key
            }
            false => lossy(self.plain_key()?),
        };
        Ok(key.into_owned())
    }

    /// The same as it stands there. The stock client does not escape keys, so its key ends at the
    /// first quote that a colon follows, and a backslash in it is a backslash.
    pub fn plain_key(&mut self) -> Result<&'a [u8]> {
        self.require(b'"', "a key")?;
        let start = self.at;
        let mut end = start;
        while let Some(offset) = memchr(b'"', &self.bytes[end..]) {
            let key = &self.bytes[start..end + offset];
            end += offset + 1;
            self.at = end;
            if self.take(b':') {
                return Ok(key);
            }
            self.at = end;
        }
        Err(self.error("a key's closing quote and colon"))
    }

    /// Passes over a text, and gives it where it has so many bytes at most.
    pub fn short_text(&mut self, bytes_max: usize) -> Result<Option<String>> {
        self.values += 1;
        let (raw, has_escape) = self.raw_text()?;
        // Escapes only make a text longer than what it stands for, six bytes for one at most.
        if raw.len() > 6 * bytes_max {
            return Ok(None);
        }
        let text = match has_escape {
            true => Cow::Owned(unescaped(raw)?),
            false => lossy(raw),
        };
        Ok((text.len() <= bytes_max).then(|| text.into_owned()))
    }

    /// Reads a text.
    pub fn text(&mut self) -> Result<Cow<'a, str>> {
        match self.raw_text()? {
            (raw, false) => Ok(lossy(raw)),
            (raw, true) => unescaped(raw).map(Cow::Owned),
        }
    }

    /// Passes over a text whose escapes are checked. Gives what stands between its quotes, and whether
    /// there is an escape in it.
    pub fn raw_text(&mut self) -> Result<(&'a [u8], bool)> {
        self.require(b'"', "a text")?;
        let start = self.at;
        let mut has_escape = false;
        while let Some(offset) = memchr2(b'"', b'\\', &self.bytes[self.at..]) {
            self.at += offset + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Ok((&self.bytes[start..self.at - 1], has_escape));
            }
            has_escape = true;
            if self.escaped()? == b'u' {
                self.unicode_escape()?;
            }
        }
        self.at = self.bytes.len();
        Err(self.error("a text's closing quote"))
    }

    /// The byte behind a backslash.
    fn escaped(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or_else(|| self.error("an escape"))?;
        self.at += 1;
        Ok(byte)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32> {
        let wrong = self.error("four hexadecimal digits");
        let digits = self.bytes.get(self.at..self.at + 4);
        let mut code = 0;
        for &digit in digits.ok_or_else(|| wrong.clone())? {
            let digit = char::from(digit).to_digit(16);
            code = code * 16 + digit.ok_or_else(|| wrong.clone())?;
        }
        self.at += 4;
        Ok(code)
    }

    /// A number, `true`, `false`, `null`, or one of the ways in which C prints no number.
    fn word(&mut self) -> Result<Value> {
        let start = self.at;
        let value = match self.plain_word() {
            b"true" => Some(Value::Bool(true)),
            b"false" => Some(Value::Bool(false)),
            b"null" => Some(Value::Null),
            word => number(word),
        };
        value.ok_or(SyntaxError {
            at: start,
            expected: "a value",
        })
    }

    /// What has digits only needs no look at its value.
    fn skip_word(&mut self) -> Result<()> {
        let start = self.at;
        let word = self.plain_word();
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            return Ok(());
        }
        self.at = start;
        self.word().map(drop)
    }

    fn plain_word(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let is_in_words = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'#' | b'(' | b')')
        };
        let end = rest.iter().position(|byte| !is_in_words(byte));
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }
}

/// How the values of an object or an array stand beside each other.
#[derive(Clone, Copy)]
struct List {
    open: u8,
    close: u8,
    name: &'static str,
    next: &'static str,
}

const OBJECT: List = List {
    open: b'{',
    close: b'}',
    name: "an object",
    next: "`,` or `}`",
};

const ARRAY: List = List {
    open: b'[',
    close: b']',
    name: "an array",
    next: "`,` or `]`",
};

/// What stands between the quotes of a text, whose escapes were checked, without them.
fn unescaped(raw: &[u8]) -> Result<String> {
    let mut text = Vec::with_capacity(raw.len());
    let mut reader = Reader::new(raw);
    while let Some(offset) = memchr(b'\\', &raw[reader.at..]) {
        text.extend_from_slice(&raw[reader.at..reader.at + offset]);
        reader.at += offset + 1;
        match reader.escaped()? {
            byte @ (b'"' | b'\\' | b'/') => text.push(byte),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let character = reader.unicode_escape()?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            // No escape of JSON: both characters stand for themselves.
            byte => text.extend_from_slice(&[b'\\', byte]),
        }
    }
    text.extend_from_slice(&raw[reader.at..]);
    let lossily = |error: FromUtf8Error| lossy(error.as_bytes()).into_owned();
    Ok(String::from_utf8(text).unwrap_or_else(lossily))
}

/// What is no UTF-8 becomes U+FFFD.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

fn number(word: &[u8]) -> Option<Value> {
    let word = str::from_utf8(word).ok()?;
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if unsigned.starts_with(|c: char| c.is_ascii_digit()) && !unsigned.contains('#') {
        if let Ok(integer) = word.parse::<i64>() {
            return Some(Value::Number(integer.into()));
        }
        let float: f64 = word.parse().ok()?;
        return Some(Number::from_f64(float).map_or(Value::Null, Value::Number));
    }
    // nan, -nan, nan(ind), -nan(snan), inf, infinity, 1.#IND, 1.#QNAN, -1.#INF
    let lower = unsigned.to_ascii_lowercase();
    let known = ["nan", "inf", "1.#ind", "1.#inf", "1.#qnan", "1.#snan"];
    known
        .iter()
        .any(|prefix| lower.starts_with(prefix))
        .then_some(Value::Null)
}

#[cfg(test)]
mod tests;
