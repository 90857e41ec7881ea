//! Console commands and code that the owner has written with places in them, such as `sm_say %nick%`, and the
//! one way in which values get into them.
//!
//! A template is cut into commands at `;` and into words before any value comes in, so that a value can never
//! become another command, or another word. What a value carries is data wherever it lands: in a console command a
//! word in quotation marks, in code a literal.
//!
//! `"` becomes `'` in a value, so that a name or a title with one does not block a reward.
//! Whatever else cannot be carried is an error. A place without a value stays as it is written.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::console::{self, Command, Unfit};
use super::script_line::Literal;

/// By the names of places, without their `%`.
pub type Values = BTreeMap<&'static str, String>;

/// One or more console commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    commands: Vec<Line>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// As it is written.
    text: String,
    words: Vec<Word>,
}

/// A word with places in it, by what it takes of its line, with its quotation marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    range: Range<usize>,
    quoted: bool,
}

/// Why a text is no template, as a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("has no command in it")]
    Empty,
    #[error("has a \" without a second one behind it")]
    Unclosed,
    #[error("has a line break or another control character")]
    Control,
    #[error("has a %place% in the name of a command, which must be written out")]
    PlaceInName,
}

/// Why values cannot be put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    #[error("the value of %{name}% {unfit}")]
    Value { name: String, unfit: Unfit },
    #[error("the command, with its values, {0}")]
    Command(Unfit),
    #[error(
        "%{0}% stands in a verbatim string or in quotes of another kind; write it inside \"...\""
    )]
    Verbatim(String),
}

/// A text with its values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled<T> {
    pub text: T,
    /// The names of places that have no value, and stay.
    pub unknown: Vec<String>,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains(console::is_control) {
            return Err(TemplateError::Control);
        }
        let mut commands = Vec::new();
        let mut rest = text;
        loop {
            let (line, end) = Line::parse(rest)?;
            if !line.text.is_empty() {
                commands.push(line);
            }
            match rest.get(end + 1..) {
                Some(after) => rest = after,
                None if commands.is_empty() => return Err(TemplateError::Empty),
                None => return Ok(Self { commands }),
            }
        }
    }

    /// Each command as it is written.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.commands.iter().map(|line| line.text.as_str())
    }

    /// The commands with their values, in their order.
    pub fn fill(&self, values: &Values) -> Result<Filled<Vec<Command>>, Unfilled> {
        let mut filled = Filled {
            text: Vec::new(),
            unknown: Vec::new(),
        };
        for line in &self.commands {
            let command = Command::Console(line.fill(values, &mut filled.unknown)?);
            command.line().map_err(Unfilled::Command)?;
            filled.text.push(command);
        }
        Ok(filled)
    }
}

impl Line {
    /// Reads one command, up to a `;` outside of quotation marks; gives where it ends.
    fn parse(text: &str) -> Result<(Self, usize), TemplateError> {
        let begin = text.len() - text.trim_start().len();
        let (mut at, mut words, mut first) = (begin, Vec::new(), true);
        while let Some(sign) = text[at..].chars().next() {
            let end = match sign {
                ';' => break,
                sign if sign.is_whitespace() => {
                    at += sign.len_utf8();
                    continue;
                }
                '"' => {
                    let inner = text[at + 1..].find('"').ok_or(TemplateError::Unclosed)?;
                    at + inner + 2
                }
                _ => {
                    let ends = |sign: char| sign.is_whitespace() || matches!(sign, ';' | '"');
                    text[at..]
                        .find(ends)
                        .map_or(text.len(), |length| at + length)
                }
            };
            if places(&text[at..end]).next().is_some() {
                if first {
                    return Err(TemplateError::PlaceInName);
                }
                words.push(Word {
                    range: at - begin..end - begin,
                    quoted: sign == '"',
                });
            }
            (first, at) = (false, end);
        }
        let text = text[begin..at].trim_end().to_owned();
        Ok((Self { text, words }, at))
    }

    fn fill(&self, values: &Values, unknown: &mut Vec<String>) -> Result<String, Unfilled> {
        let (mut filled, mut end) = (String::new(), 0);
        for word in &self.words {
            filled.push_str(&self.text[end..word.range.start]);
            filled.push_str(&word.fill(&self.text, values, unknown)?);
            end = word.range.end;
        }
        filled.push_str(&self.text[end..]);
        Ok(filled)
    }
}

impl Word {
    fn fill(
        &self,
        line: &str,
        values: &Values,
        unknown: &mut Vec<String>,
    ) -> Result<String, Unfilled> {
        let written = &line[self.range.clone()];
        let text = match self.quoted {
            true => &written[1..written.len() - 1],
            false => written,
        };
        let (mut filled, mut end, mut has_value) = (String::new(), 0, false);
        for (range, name) in places(text) {
            let Some(value) = value(name, values)? else {
                unknown.push(name.to_owned());
                continue;
            };
            filled.push_str(&text[end..range.start]);
            filled.push_str(&value);
            (end, has_value) = (range.end, true);
        }
        filled.push_str(&text[end..]);
        if !has_value || (!self.quoted && is_bare(&filled)) {
            return Ok(match has_value {
                true => filled,
                false => written.to_owned(),
            });
        }
        console::quoted(&filled).map_err(Unfilled::Command)
    }
}

/// Whether the console takes it for one word as it stands.
fn is_bare(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.#@".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// A value that a console and a literal can carry; `None`: there is none of this name.
fn value<'v>(name: &str, values: &'v Values) -> Result<Option<Cow<'v, str>>, Unfilled> {
    let Some(value) = values.get(name) else {
        return Ok(None);
    };
    let value: Cow<str> = match value.contains('"') {
        true => value.replace('"', "'").into(),
        false => value.as_str().into(),
    };
    match console::quoted(&value) {
        Ok(_) => Ok(Some(value)),
        Err(unfit) => Err(Unfilled::Value {
            name: name.to_owned(),
            unfit,
        }),
    }
}

/// Where `%name%` stands in a text, and the names: small letters, digits and `_`.
fn places(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let open = from + text[from..].find('%')?;
            let close = open + 1 + text[open + 1..].find('%')?;
            let name = &text[open + 1..close];
            let good =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !name.is_empty() && name.bytes().all(good) {
                from = close + 1;
                return Some((open..close + 1, name));
            }
            // This one may begin a place.
            from = close;
        }
    })
}

/// Code of the game's script engine (Squirrel) with its values. In a string literal a value becomes a part of it;
/// elsewhere a whole number of 32 bits stands as it is, and anything else becomes a literal of its own. Comments
/// stay as they are.
pub fn fill_script(code: &str, values: &Values) -> Result<Filled<String>, Unfilled> {
    let mut filled = Filled {
        text: String::with_capacity(code.len()),
        unknown: Vec::new(),
    };
    let mut at = 0;
    while at < code.len() {
        let (token, kind) = token(&code[at..]);
        at += token.len();
        let (mut end, mut literal) = (0, Literal::default());
        for (range, name) in places(token).filter(|_| kind != Token::Comment) {
            let Some(value) = value(name, values)? else {
                filled.unknown.push(name.to_owned());
                continue;
            };
            // What follows an escape may go on with it.
            literal.push_code(&token[end..range.start]);
            match kind {
                Token::Text => literal.push(&value),
                Token::Code if is_number(&value) => literal.push_code(&value),
                Token::Code => {
                    literal.push_code("\"");
                    literal.push(&value);
                    literal.push_code("\"");
                }
                _ => return Err(Unfilled::Verbatim(name.to_owned())),
            }
            end = range.end;
        }
        literal.push_code(&token[end..]);
        filled.text.push_str(&literal.into_text());
    }
    Ok(filled)
}

fn is_number(value: &str) -> bool {
    value
        .parse()
        .is_ok_and(|number: i32| number.to_string() == value)
}

/// A piece of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Code,
    /// A string literal with escapes.
    Text,
    /// A verbatim one, or a character.
    Other,
    Comment,
}

/// The first token of a code, which is not empty.
fn token(code: &str) -> (&str, Token) {
    let until = |begin: usize, end: &str| {
        let found = code[begin..].find(end);
        &code[..found.map_or(code.len(), |at| begin + at + end.len())]
    };
    if code.starts_with("//") || code.starts_with('#') {
        return (until(1, "\n"), Token::Comment);
    }
    if code.starts_with("/*") {
        return (until(2, "*/"), Token::Comment);
    }
    if code.starts_with("@\"") {
        let mut verbatim = until(2, "\"");
        // Twice, it is a quotation mark inside.
        while code[verbatim.len()..].starts_with('"') {
            verbatim = until(verbatim.len() + 1, "\"");
        }
        return (verbatim, Token::Other);
    }
    let quote = code
        .chars()
        .next()
        .filter(|sign| matches!(sign, '"' | '\''));
    let Some(quote) = quote else {
        let signs = code.char_indices().skip(1);
        let begins = |at: usize| {
            let rest = &code[at..];
            ["//", "/*", "#", "@\"", "\"", "'"]
                .iter()
                .any(|begin| rest.starts_with(begin))
        };
        let end = signs.map(|(at, _)| at).find(|at| begins(*at));
        return (&code[..end.unwrap_or(code.len())], Token::Code);
    };
    let mut escaped = false;
    let end = code.char_indices().skip(1).find(|(_, sign)| {
        let ends = *sign == quote && !escaped;
        escaped = *sign == '\\' && !escaped;
        ends
    });
    let token = &code[..end.map_or(code.len(), |(at, _)| at + 1)];
    (
        token,
        if quote == '"' {
            Token::Text
        } else {
            Token::Other
        },
    )
}
