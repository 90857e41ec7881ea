//! Passing over values: what the reader accepts is accepted, what it refuses is refused, at the same
//! byte, and nothing is made of it.

use std::ops::Range;

use super::{Reader, Result, number};
use crate::limits;

impl<'a> Reader<'a> {
    /// Where the next value stands. It is checked as [`Reader::value`] does.
    pub fn skip_value(&mut self) -> Result<Range<usize>> {
        self.skip_value_below(0)
    }

    /// The same for a value that stands inside so many others.
    pub fn skip_value_below(&mut self, depth: usize) -> Result<Range<usize>> {
        self.peek();
        let start = self.at;
        self.skip_at_depth(depth)?;
        Ok(start..self.at)
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

    fn skip_at_depth(&mut self, depth: usize) -> Result<()> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        self.values += 1;
        match self.peek() {
            Some(b'{') => self.members(|reader, _| reader.skip_at_depth(depth + 1)),
            Some(b'[') => self.array(|reader| reader.skip_at_depth(depth + 1)),
            Some(b'"') => self.skip_text(),
            Some(_) => self.skip_word(),
            None => Err(self.error("a value")),
        }
    }

    /// Reads an object whose keys are not escaped, handing each to `member` as it stands there.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Result<()>,
    ) -> Result<()> {
        self.require(b'{', "an object")?;
        if self.skip(b'}') {
            return Ok(());
        }
        loop {
            let key = self.plain_key()?;
            member(self, key)?;
            if self.skip(b'}') {
                return Ok(());
            }
            self.require(b',', "`,` or `}`")?;
        }
    }

    fn skip_text(&mut self) -> Result<()> {
        self.require(b'"', "a text")?;
        while let Some(offset) = self.bytes[self.at..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))
        {
            self.at += offset + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Ok(());
            }
            self.skip_escape()?;
        }
        self.at = self.bytes.len();
        Err(self.error("a text's closing quote"))
    }

    fn skip_escape(&mut self) -> Result<()> {
        let Some(byte) = self.bytes.get(self.at) else {
            return Err(self.error("an escape"));
        };
        self.at += 1;
        if *byte == b'u' {
            self.unicode_escape()?;
        }
        Ok(())
    }

    fn skip_word(&mut self) -> Result<()> {
        let start = self.at;
        let word = self.plain_word();
        let digits = match word {
            [b'-' | b'+', digits @ ..] => digits,
            digits => digits,
        };
        let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if is_plain || matches!(word, b"true" | b"false" | b"null") {
            return Ok(());
        }
        let word = std::str::from_utf8(word).unwrap_or_default();
        match number(word) {
            Some(_) => Ok(()),
            None => {
                self.at = start;
                Err(self.error("a value"))
            }
        }
    }
}
