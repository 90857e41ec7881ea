//! SourceMod's files of keys and values, such as `admins.cfg`: sections in braces, keys and values in quotation
//! marks or without, comments behind `//` or between `/*` and `*/`.

use super::Problem;
use crate::limits::{IMPORT_DEPTH_MAX, IMPORT_LINE_BYTES_MAX};

/// A section of the file's only section, such as one admin of `"Admins"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub name: String,
    /// Its own keys, in lower case; not those of sections in it.
    pub values: Vec<(String, String)>,
}

impl Section {
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.values.iter().filter(move |(known, _)| known == key);
        same.map(|(_, value)| value.as_str())
    }

    /// The last one counts.
    pub fn value(&self, key: &str) -> Option<&str> {
        let same = self.values.iter().rev().find(|(known, _)| known == key);
        same.map(|(_, value)| value.as_str())
    }
}

/// The name of the outermost section, where the file is one of these; in lower case.
pub fn head(file: &[u8]) -> Option<String> {
    let mut tokens = Tokens::new(file);
    match (tokens.next()?, tokens.next()?) {
        ((_, Ok(Token::Text(name))), (_, Ok(Token::Open))) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// The sections, up to the first that cannot be read, and where and why that is.
pub fn sections(file: &[u8]) -> (Vec<Section>, Option<(usize, Problem)>) {
    let mut found = Vec::new();
    // A key that has no value yet.
    let mut key: Option<String> = None;
    let mut depth = 0;
    let mut line = 1;
    for (at, token) in Tokens::new(file) {
        line = at;
        match token {
            Err(problem) => return (found, Some((line, problem))),
            Ok(Token::Open) => {
                let name = key.take().unwrap_or_default();
                depth += 1;
                if depth == 2 {
                    let values = Vec::new();
                    found.push(Section { line, name, values });
                }
                if depth > IMPORT_DEPTH_MAX {
                    return (found, Some((line, Problem::TooDeep)));
                }
            }
            Ok(Token::Close) if depth == 0 => return (found, Some((line, Problem::Braces))),
            Ok(Token::Close) => {
                depth -= 1;
                key = None;
            }
            Ok(Token::Text(text)) => match (key.take(), found.last_mut()) {
                (Some(key), Some(section)) if depth == 2 => {
                    section.values.push((key.to_ascii_lowercase(), text));
                }
                (Some(_), _) => {}
                (None, _) => key = Some(text),
            },
        }
    }
    (found, (depth > 0).then_some((line, Problem::Braces)))
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Text(String),
}

/// With the lines that they begin in.
struct Tokens<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Tokens<'a> {
    fn new(file: &'a [u8]) -> Self {
        let rest = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        Self { rest, line: 1 }
    }

    fn skip(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.rest = rest;
    }

    fn skip_blanks(&mut self) {
        loop {
            let blanks = self
                .rest
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace());
            self.skip(blanks.count());
            let end = if self.rest.starts_with(b"//") {
                self.rest.iter().position(|byte| *byte == b'\n')
            } else if self.rest.starts_with(b"/*") {
                let inner = self.rest[2..].windows(2).position(|two| two == b"*/");
                inner.map(|at| at + 4)
            } else {
                return;
            };
            self.skip(end.unwrap_or(self.rest.len()));
        }
    }

    fn quoted(&mut self) -> Result<Token, Problem> {
        let mut text = Vec::new();
        let mut at = 1;
        loop {
            match self.rest.get(at) {
                Some(b'"') => break,
                Some(b'\\') if matches!(self.rest.get(at + 1), Some(b'"' | b'\\')) => {
                    text.push(self.rest[at + 1]);
                    at += 2;
                }
                // A text ends in its line.
                None | Some(b'\n') => return Err(Problem::Unclosed),
                Some(_) if text.len() == IMPORT_LINE_BYTES_MAX => return Err(Problem::LongLine),
                Some(byte) => {
                    text.push(*byte);
                    at += 1;
                }
            }
        }
        self.skip(at + 1);
        text_of(&text)
    }

    fn bare(&mut self) -> Result<Token, Problem> {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}' | b'"');
        let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        if end > IMPORT_LINE_BYTES_MAX {
            return Err(Problem::LongLine);
        }
        let text = text_of(&self.rest[..end]);
        self.skip(end);
        text
    }
}

fn text_of(bytes: &[u8]) -> Result<Token, Problem> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match text.contains(char::is_control) {
        true => Err(Problem::Control),
        false => Ok(Token::Text(text)),
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Result<Token, Problem>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let line = self.line;
        let token = match self.rest.first()? {
            b'{' => {
                self.skip(1);
                Ok(Token::Open)
            }
            b'}' => {
                self.skip(1);
                Ok(Token::Close)
            }
            b'"' => self.quoted(),
            _ => self.bare(),
        };
        if token.is_err() {
            self.rest = &[];
        }
        Some((line, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_their_own_keys_alone() {
        let file = b"// SourceMod\n\"Admins\"\n{\n  /* one\n  */ \"Bob\\\"s\"\n  {\n    \"Auth\" \"steam\"\n    flags abc\n    \
                     \"Overrides\" { \"sm_x\" \"allow\" }\n    \"flags\" \"z\"\n  }\n}\n";
        assert_eq!(head(file).as_deref(), Some("admins"));
        let (sections, problem) = sections(file);
        assert_eq!(problem, None);
        assert_eq!(sections.len(), 1);
        assert_eq!((sections[0].line, &*sections[0].name), (6, "Bob\"s"));
        assert_eq!(sections[0].value("auth"), Some("steam"));
        assert_eq!(sections[0].all("flags").collect::<Vec<_>>(), ["abc", "z"]);
        assert_eq!(sections[0].value("sm_x"), None);
    }

    #[test]
    fn what_is_broken_is_named_with_its_line_and_what_stands_before_is_read() {
        let good = "Admins {\n a { x y }\n";
        for (rest, problem) in [
            ("b { \"x\" \"y\n }", (3, Problem::Unclosed)),
            ("b {", (3, Problem::Braces)),
            ("} }", (3, Problem::Braces)),
            ("b { x \"a\x01\" }", (3, Problem::Control)),
            (&"{".repeat(100), (3, Problem::TooDeep)),
            (&"x".repeat(5_000), (3, Problem::LongLine)),
        ] {
            let (found, why) = sections(format!("{good}{rest}").as_bytes());
            assert_eq!(why, Some(problem), "{rest}");
            assert_eq!(found[0].values, [("x".to_owned(), "y".to_owned())]);
        }
        assert_eq!(head(b"\"STEAM_0:0:1\" \"abc\""), None);
    }

    #[test]
    fn no_bytes_are_too_much() {
        arbtest::arbtest(|u| {
            let bytes: Vec<u8> = u.arbitrary()?;
            let (found, _) = sections(&bytes);
            assert!(found.len() <= bytes.len());
            let _ = head(&bytes);
            Ok(())
        });
    }
}
