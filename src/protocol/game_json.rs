//! Reads the JSON that games write, which is not quite JSON.
//!
//! The stock client does not escape keys, leaves most control bytes raw, writes raw bytes where
//! a player's name was cut inside a UTF-8 character, and prints floats as `nan`, `-nan(ind)`,
//! `inf` or `1.#QNAN`. All of that is read. A number that is none becomes null.

mod skip;

use serde_json::{Map, Number, Value};

use crate::limits;

/// A reader over the bytes of one file.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Names the first key that stood twice in one object since it was last taken. Keys are not
    /// escaped by the stock client, so a script can smuggle structure in through a key; what it
    /// smuggles in then stands beside what the client wrote.
    duplicate_key: Option<String>,
    escaped_keys: bool,
    /// Values that were passed over so far.
    values: usize,
}

/// What is wrong, at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: usize,
    pub expected: &'static str,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {}: expected {}", self.at, self.expected)
    }
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            duplicate_key: None,
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

    /// The key that stood twice in an object read since the last time this was asked.
    pub fn take_duplicate_key(&mut self) -> Option<String> {
        self.duplicate_key.take()
    }

    /// Reads one value.
    pub fn value(&mut self) -> Result<Value> {
        self.value_at_depth(0)
    }

    fn value_at_depth(&mut self, depth: usize) -> Result<Value> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        match self.peek() {
            Some(b'{') => {
                let mut object = Map::new();
                self.object(|reader, key| {
                    let value = reader.value_at_depth(depth + 1)?;
                    if object.contains_key(&key) {
                        reader.duplicate_key.get_or_insert(key);
                    } else {
                        object.insert(key, value);
                    }
                    Ok(())
                })?;
                Ok(Value::Object(object))
            }
            Some(b'[') => {
                let mut list = Vec::new();
                self.array(|reader| {
                    list.push(reader.value_at_depth(depth + 1)?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Some(b'"') => Ok(Value::String(self.text()?)),
            Some(_) => self.word(),
            None => Err(self.error("a value")),
        }
    }

    /// Reads an object, handing each key to `member`, which must read the value behind it.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, String) -> Result<()>,
    ) -> Result<()> {
        self.require(b'{', "an object")?;
        if self.skip(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            if self.skip(b'}') {
                return Ok(());
            }
            self.require(b',', "`,` or `}`")?;
        }
    }

    /// Reads an array; `element` must read each of its values.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.require(b'[', "an array")?;
        if self.skip(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.skip(b']') {
                return Ok(());
            }
            self.require(b',', "`,` or `]`")?;
        }
    }

    /// The end of the file, but for white space.
    pub fn end(&mut self) -> Result<()> {
        if self.peek().is_none() {
            Ok(())
        } else {
            Err(self.error("the end of the file"))
        }
    }

    /// The next byte that is not white space.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.skip(byte) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            at: self.at,
            expected,
        }
    }

    /// A key and the colon behind it.
    fn key(&mut self) -> Result<String> {
        if self.escaped_keys {
            let key = self.text()?;
            self.require(b':', "a colon")?;
            return Ok(key);
        }
        let key = self.plain_key()?;
        Ok(String::from_utf8_lossy(key).into_owned())
    }

    /// The same as it stands there. The stock client does not escape keys, so its key ends at the
    /// first quote that a colon follows, and a backslash in it is a backslash.
    fn plain_key(&mut self) -> Result<&'a [u8]> {
        self.require(b'"', "a key")?;
        let start = self.at;
        while let Some(quote) = find(self.bytes, self.at, b'"') {
            let key = &self.bytes[start..quote];
            self.at = quote + 1;
            if self.skip(b':') {
                return Ok(key);
            }
            self.at = quote + 1;
        }
        Err(self.error("a key's closing quote and colon"))
    }

    fn text(&mut self) -> Result<String> {
        self.require(b'"', "a text")?;
        let start = self.at;
        // Most texts hold no escape and are taken in one piece.
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => return self.escaped_text(start),
                _ => self.at += 1,
            }
        }
        Err(self.error("a text's closing quote"))
    }

    fn escaped_text(&mut self, start: usize) -> Result<String> {
        let mut text = self.bytes[start..self.at].to_vec();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return Ok(String::from_utf8_lossy(&text).into_owned()),
                b'\\' => self.escape(&mut text)?,
                _ => text.push(byte),
            }
        }
        Err(self.error("a text's closing quote"))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<()> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.error("an escape"));
        };
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => text.push(byte),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let character = self.unicode_escape()?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            // Not an escape that anybody defined: both characters stand for themselves.
            _ => text.extend_from_slice(&[b'\\', byte]),
        }
        Ok(())
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
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let mut code = 0;
        for &digit in digits {
            let Some(value) = char::from(digit).to_digit(16) else {
                return Err(self.error("four hexadecimal digits"));
            };
            code = code * 16 + value;
        }
        if digits.is_empty() {
            return Err(self.error("four hexadecimal digits"));
        }
        self.at += 4;
        Ok(code)
    }

    /// A number, `true`, `false`, `null`, or one of the ways in which C prints no number.
    fn word(&mut self) -> Result<Value> {
        let start = self.at;
        let word = std::str::from_utf8(self.plain_word()).unwrap_or_default();
        let value = match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            _ => number(word),
        };
        value.ok_or(SyntaxError {
            at: start,
            expected: "a value",
        })
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

fn find(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    bytes[from..]
        .iter()
        .position(|b| *b == byte)
        .map(|offset| from + offset)
}

fn number(word: &str) -> Option<Value> {
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
