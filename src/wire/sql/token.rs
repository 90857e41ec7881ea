//! The words of an expression: one pass over the text, no memory of what came before.

use crate::wire::call_error::CallError;

/// One word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(&'a str),
    /// What stood between the quotes, with doubled quotes made single.
    Text(String),
    Symbol(&'static str),
    End,
}

impl Token<'_> {
    /// The word as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(text) | Self::Number(text) => format!("`{text}`"),
            Self::Text(_) => "a text".to_owned(),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer symbols first: the first that fits is taken.
const SYMBOLS: [&str; 10] = ["||", "+", "-", "*", "/", "%", "(", ")", ",", "."];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word and the byte at which it starts.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), CallError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        let token = if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.bytes().take_while(|byte| is_name_byte(*byte)).count();
            self.at += length;
            Token::Name(&rest[..length])
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            self.number(rest)?
        } else if first == '\'' {
            self.quoted(rest)?
        } else if rest.starts_with("--") || rest.starts_with("/*") {
            return Err(unexpected("a comment", start));
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            Token::Symbol(symbol)
        } else {
            return Err(unexpected(&format!("{first:?}"), start));
        };
        Ok((start, token))
    }

    /// `12`, `1.5`, `.5`, `5.`, `1e-3`.
    fn number(&mut self, rest: &'a str) -> Result<Token<'a>, CallError> {
        let bytes = rest.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') {
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits((length + 1 + signed).min(bytes.len()));
            if exponent > 0 {
                length += 1 + signed + exponent;
            }
        }
        // `12abc`, `1.2.3` and `0x10` are slips that must not be read as two words.
        if bytes
            .get(length)
            .is_some_and(|byte| is_name_byte(*byte) || *byte == b'.')
        {
            return Err(unexpected("a malformed number", self.at));
        }
        self.at += length;
        Ok(Token::Number(&rest[..length]))
    }

    fn quoted(&mut self, rest: &'a str) -> Result<Token<'a>, CallError> {
        let start = self.at;
        let mut content = String::new();
        let mut from = 1;
        loop {
            let Some(length) = rest[from..].find('\'') else {
                return Err(unexpected("a text without its closing quote", start));
            };
            content.push_str(&rest[from..from + length]);
            from += length + 1;
            if !rest[from..].starts_with('\'') {
                self.at += from;
                return Ok(Token::Text(content));
            }
            content.push('\'');
            from += 1;
        }
    }
}

/// The one way in which an expression is refused: what was found, and where.
pub(super) fn unexpected(found: &str, at: usize) -> CallError {
    CallError::new(
        "ValueError",
        format!("expression: {found} at byte {at} is not understood"),
    )
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
