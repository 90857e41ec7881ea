//! SourceMod's `admins_simple.ini`, which is the owner's: vpid keeps one block of lines in it, between two lines of
//! its own. Nothing else of it is touched; and where these two lines are not as vpid has left them, nothing at all
//! is: whose the lines between them are is not known then.
//!
//! A line is `"identity" "grant"`, `//` begins a comment. A player may have several lines, whose grants add up.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::str::FromStr;

use super::console::is_control;
use super::steam_id::SteamId;
use crate::limits::{GRANT_BYTES_MAX, GRANT_IMMUNITY_DIGITS_MAX};

/// The lines around the block.
pub const BEGIN: &str =
    "// vpid begins: what stands from here to the end is made from VyHub's groups";
pub const END: &str = "// vpid ends";

/// What an admin of SourceMod gets: flags such as `abc`, or a group such as `@VIP`, both perhaps with an immunity
/// in front (`99:z`). In the order of their immunities: of several lines of a player, the last one with an immunity
/// decides that (admin-simple.sp of SourceMod).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    immunity: u32,
    text: String,
}

/// Why a text is none, as a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is nothing that SourceMod knows; use flags (letters, such as \"abc\"), or \"@\" and the name of a group of \
     SourceMod, both perhaps with an immunity in front, such as \"99:z\""
)]
pub struct NoGrant;

impl FromStr for Grant {
    type Err = NoGrant;

    fn from_str(text: &str) -> Result<Self, NoGrant> {
        let (immunity, rest) = text.split_once(':').unwrap_or(("0", text));
        let digits = !immunity.is_empty()
            && immunity.len() <= GRANT_IMMUNITY_DIGITS_MAX
            && immunity.bytes().all(|byte| byte.is_ascii_digit());
        let strange = |sign: char| sign == '"' || sign == ':' || is_control(sign);
        let good = match rest.strip_prefix('@') {
            Some(group) => !group.trim().is_empty() && !group.contains(strange),
            None => !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase()),
        };
        match immunity.parse() {
            Ok(immunity) if digits && good && text.len() <= GRANT_BYTES_MAX => Ok(Self {
                immunity,
                text: text.to_owned(),
            }),
            _ => Err(NoGrant),
        }
    }
}

/// The lines of a block.
pub fn lines(grants: &BTreeSet<(SteamId, &Grant)>) -> String {
    let mut lines = String::new();
    for (steam, grant) in grants {
        let _ = writeln!(lines, "\"{}\" \"{}\"", steam.steam2(), grant.text);
    }
    lines
}

/// Why the block of a file cannot be replaced, as a sentence about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    #[error(
        "has the line `{BEGIN}` without `{END}` behind it; write that behind the players that vpid has put there, or \
         remove the line and them"
    )]
    NoEnd,
    #[error(
        "has the line `{END}` without `{BEGIN}` before it; write that before the players that vpid has put there, or \
         remove the line and them"
    )]
    NoBegin,
    #[error("has more than one block of vpid's (`{BEGIN}`); remove all but one of them")]
    Twice,
}

/// A file with these lines as vpid's block: in the place of the one that it has, or at its end.
pub fn with_block(file: &[u8], lines: &str) -> Result<Vec<u8>, Damaged> {
    let range = match block(file)? {
        Some(range) => range,
        None => file.len()..file.len(),
    };
    let (before, after) = (&file[..range.start], &file[range.end..]);
    let is_whole = before.last().is_none_or(|byte| *byte == b'\n');
    let gap = if is_whole { "" } else { "\n" };
    let block = format!("{gap}{BEGIN}\n{lines}{END}\n");
    Ok([before, block.as_bytes(), after].concat())
}

/// Where vpid's block is, with the lines around it.
pub fn block(file: &[u8]) -> Result<Option<std::ops::Range<usize>>, Damaged> {
    let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        match line.trim_ascii() {
            text if text == BEGIN.as_bytes() => begins.push(at),
            text if text == END.as_bytes() => ends.push(at + line.len()),
            _ => {}
        }
        at += line.len();
    }
    match (&begins[..], &ends[..]) {
        ([], []) => Ok(None),
        ([begin], [end]) if begin < end => Ok(Some(*begin..*end)),
        ([_, _, ..], _) | (_, [_, _, ..]) => Err(Damaged::Twice),
        ([_], _) => Err(Damaged::NoEnd),
        ([], _) => Err(Damaged::NoBegin),
    }
}
