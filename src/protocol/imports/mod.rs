//! Files of other programs from which a community is imported: the engine's lists of bans, and SourceMod's admins.
//!
//! Such files may be large, old and edited by hand: each reader goes on behind what it cannot read, and says why.

pub mod key_values;
pub mod server_cfg;
pub mod sourcemod;

use thiserror::Error;

use crate::limits::IMPORT_LINE_BYTES_MAX;

/// What stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// Counted from 1.
    pub line: usize,
    pub read: Result<T, Problem>,
}

/// Why an entry is not imported, as what follows the number of its line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("is longer than {IMPORT_LINE_BYTES_MAX} bytes, which no such line is")]
    LongLine,
    #[error("has a control character")]
    Control,
    #[error("has a quotation mark without a second one")]
    Unclosed,
    #[error("has no more words where {0} should be")]
    Missing(&'static str),
    #[error("{0:?} is another command")]
    OtherCommand(String),
    #[error("{0:?} is no player's SteamID")]
    NoSteamId(String),
    #[error("{0:?} is no address of IPv4")]
    NoAddress(String),
    #[error("bans for {0} minutes each time that it runs, and not since a time that is known")]
    ForATime(String),
    #[error("is for whoever is called {0:?}; vpid knows players by their SteamIDs alone")]
    ByName(String),
    #[error("is for whoever comes from {0:?}; vpid knows players by their SteamIDs alone")]
    ByAddress(String),
    #[error("{0:?} needs a password in the game, which vpid does not have; add the player by hand")]
    Password(String),
    #[error("{0:?} are no flags, and no group, of SourceMod")]
    NoFlags(String),
    #[error("has nothing that gives {0} any rights")]
    NoRights(String),
    #[error("has more than it closes, or closes more than it has; the rest is not read")]
    Braces,
    #[error("is nested deeper than such files are; the rest is not read")]
    TooDeep,
}

/// The lines of a file with their numbers, without their ends; in place of one that is too long, or no text, why.
pub(super) fn lines(file: &[u8]) -> impl Iterator<Item = (usize, Result<String, Problem>)> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    (1..).zip(file.split(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > IMPORT_LINE_BYTES_MAX {
            return Err(Problem::LongLine);
        }
        let text = String::from_utf8_lossy(line).into_owned();
        match text.contains(|sign: char| sign.is_control() && sign != '\t') {
            true => Err(Problem::Control),
            false => Ok(text),
        }
    }))
}

/// The words of a line, with what stands in quotation marks as one.
pub(super) fn words(line: &str) -> Result<Vec<String>, Problem> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inner) => inner.split_once('"').ok_or(Problem::Unclosed)?,
            None => {
                let end = rest.find(|sign: char| sign.is_whitespace() || sign == '"');
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

/// A line up to where a comment begins that is outside of quotation marks. `semicolon`: it begins one, too.
pub(super) fn without_comment(line: &str, semicolon: bool) -> &str {
    let mut is_quoted = false;
    let mut signs = line.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        let slashes = sign == '/' && signs.peek().is_some_and(|(_, next)| *next == '/');
        match sign {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            _ if slashes || (semicolon && sign == ';') => return &line[..at],
            _ => {}
        }
    }
    line
}
