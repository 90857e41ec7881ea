//! The words of an expression: one pass over the text, no memory of what came before.

use super::error::Error;
use super::literals::{Between, Literals, push_escaped};
use super::names;
use std::borrow::Cow;

/// One word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(&'a str),
    /// What stood between the quotes of a text, as its engine reads it.
    Text(Cow<'a, str>),
    /// What stood between quotes of names.
    Quoted(Cow<'a, str>),
    /// In double quotes, where that is a column or a text.
    Word(Cow<'a, str>),
    Symbol(&'static str),
    End,
}

impl Token<'_> {
    /// The word as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(text) | Self::Number(text) => format!("`{text}`"),
            Self::Quoted(text) | Self::Word(text) => format!("the name {text:?}"),
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
    literals: Literals,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, literals: Literals) -> Self {
        Self {
            text,
            at: 0,
            literals,
        }
    }

    /// Whether upstream would have joined what stands apart here, by what it removes.
    pub(super) fn may_be_joined(&self) -> bool {
        self.text.contains(|sign| self.literals.removes(sign))
    }

    /// The next word and the byte at which it starts.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), Error> {
        let rest = &self.text[self.at..];
        let blank = |sign| matches!(sign, ' ' | '\t' | '\r' | '\n') || self.literals.removes(sign);
        self.at += rest.len() - rest.trim_start_matches(blank).len();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        let token = if names::begins_name(first) {
            let length = rest
                .find(|sign| !names::is_in_name(sign))
                .unwrap_or(rest.len());
            self.at += length;
            Token::Name(&rest[..length])
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            self.number(rest)?
        } else if let Some(between) = self.literals.between(first) {
            self.quoted(rest, first, between)?
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
    fn number(&mut self, rest: &'a str) -> Result<Token<'a>, Error> {
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
        let slip = |sign| names::is_in_name(sign) || sign == '.';
        if rest[length..].starts_with(slip) {
            return Err(unexpected("a malformed number", self.at));
        }
        self.at += length;
        Ok(Token::Number(&rest[..length]))
    }

    /// What stands between the quotes at which `rest` begins. A doubled quote is one of it, but not
    /// in brackets.
    fn quoted(&mut self, rest: &'a str, quote: char, between: Between) -> Result<Token<'a>, Error> {
        let escapes = between == Between::Text && self.literals.escapes();
        let end = if quote == '[' { ']' } else { quote };
        let mut content = Cow::Borrowed("");
        let mut left = &rest[1..];
        while let Some(at) = left.find(|sign| sign == end || escapes && sign == '\\') {
            content += &left[..at];
            let mut signs = left[at..].chars();
            if signs.next() == Some('\\') {
                // A text that ends here is not closed.
                if let Some(escaped) = signs.next() {
                    push_escaped(content.to_mut(), escaped);
                }
            } else if quote != '[' && signs.as_str().starts_with(end) {
                signs.next();
                content.to_mut().push(end);
            } else {
                self.at += rest.len() - signs.as_str().len();
                return Ok(match between {
                    Between::Text => Token::Text(content),
                    Between::Name => Token::Quoted(content),
                    Between::Either => Token::Word(content),
                });
            }
            left = signs.as_str();
        }
        let what = match between {
            Between::Name => "a name without its closing quote",
            _ => "a text without its closing quote",
        };
        Err(unexpected(what, self.at))
    }
}

/// The one way in which an expression is refused: what was found, and where.
pub(super) fn unexpected(found: &str, at: usize) -> Error {
    Error::Value(format!(
        "expression: {found} at byte {at} is not understood"
    ))
}
