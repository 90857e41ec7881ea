//! Every file that an owner writes is read here: whole, within a bound, and as UTF-8 text.
//!
//! Editors leave traces in such files: a byte-order mark in front, `\r\n` at the ends of lines, an
//! empty line or a blank at the end. What cannot be meant is left out; what could be meant is
//! refused with a sentence. Nothing is kept or dropped without a word.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::limits::SECRET_FILE_BYTES_MAX;

/// What blanks at the ends of a file of one line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blanks {
    /// None: nothing of this kind has any. They are left out.
    NoPart,
    /// Perhaps a part of it, as in a password. They are refused, since most likely an editor put
    /// them there.
    MaybePart,
}

/// Why the bytes of a file are no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotText {
    /// From here on, counted from 1.
    pub line: usize,
    /// Goes on after the file's name: `is UTF-16 ...`.
    pub message: &'static str,
}

/// Why a file cannot be used, as a sentence that names it and holds nothing of what stands in it.
#[derive(Debug, thiserror::Error)]
#[error("{path}{why}")]
pub struct Error {
    path: PathBuf,
    why: Why,
}

/// `what`: what was to be in it.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(" cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error(" is not a file; name the file with the {what}")]
    NotAFile { what: String },
    #[error(" is larger than {bytes_max} bytes, which no {what} is")]
    TooLarge { bytes_max: usize, what: String },
    #[error(" {0}")]
    NotText(&'static str),
    #[error(" has several lines; it is to hold the {key} alone, in one line")]
    SeveralLines { key: String },
    #[error(
        ": the line {end} with a blank or a sign that cannot be seen; remove it. If it belongs to the \
         {key}, write that into the configuration, in quotes: {key} = \"...\""
    )]
    Blank { end: &'static str, key: String },
}

/// The bytes of the file with the `what`, at most `bytes_max`. What the owner points us to may
/// be a link (as panels and containers make them), but not a pipe that would hold the start up.
pub fn read(path: &Path, bytes_max: usize, what: &str) -> Result<Vec<u8>, Error> {
    let failed = |why| Error {
        path: path.to_owned(),
        why,
    };
    let unreadable = |error| failed(Why::Unreadable(error));
    let what = what.to_owned();
    let file = open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(failed(Why::NotAFile { what }));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match bytes.len() > bytes_max {
        true => Err(failed(Why::TooLarge { bytes_max, what })),
        false => Ok(bytes),
    }
}

/// Waits for no other end of a pipe.
pub fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

/// The text that a file holds, without a byte-order mark.
pub fn text(bytes: Vec<u8>) -> Result<String, NotText> {
    let bytes = without_mark(bytes).map_err(|message| NotText { line: 1, message })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        NotText {
            line: 1 + good.iter().filter(|&&byte| byte == b'\n').count(),
            message: "is not UTF-8 from here on (Latin-1, Windows-1252 or \"ANSI\", most likely); \
                      save the file as UTF-8",
        }
    })
}

/// The bytes of a file that builds on ASCII, in whatever encoding, without a byte-order mark.
///
/// Errors: goes on after the file's name.
pub fn without_mark(mut bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    match encoding(&bytes) {
        Some(message) => Err(message),
        None => {
            bytes.drain(..mark_bytes(&bytes));
            Ok(bytes)
        }
    }
}

/// The secret or password that is the only line of a file; empty where there is none. `key`: where a value
/// with blanks at its ends can be written in quotes.
pub(super) fn line(path: &Path, key: &str, blanks: Blanks) -> Result<String, Error> {
    let failed = |why| Error {
        path: path.to_owned(),
        why,
    };
    let bytes = read(path, SECRET_FILE_BYTES_MAX, "secret")?;
    let text = text(bytes).map_err(|wrong| failed(Why::NotText(wrong.message)))?;
    let mut lines = text
        .split(['\n', '\r'])
        .filter(|line| !line.trim_matches(is_blank).is_empty());
    let line = lines.next().unwrap_or_default();
    let key = key.to_owned();
    if lines.next().is_some() {
        return Err(failed(Why::SeveralLines { key }));
    }
    let bare = line.trim_matches(is_blank);
    if blanks == Blanks::MaybePart && bare != line {
        let end = match line.starts_with(bare) {
            true => "ends",
            false => "begins",
        };
        return Err(failed(Why::Blank { end, key }));
    }
    Ok(bare.to_owned())
}

/// White space, and what takes no place at all in an editor.
fn is_blank(sign: char) -> bool {
    sign.is_whitespace()
        || matches!(
            sign,
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}'
        )
}

const MARK: &[u8] = "\u{feff}".as_bytes();

/// How many bytes of byte-order marks are in front: some editors add one at every save.
pub(super) fn mark_bytes(bytes: &[u8]) -> usize {
    let marks = bytes.chunks(MARK.len()).take_while(|chunk| *chunk == MARK);
    marks.count() * MARK.len()
}

/// What a text is in an encoding that does not build on ASCII, by its mark, or by the NUL that
/// UTF-16 makes of every other byte.
fn encoding(bytes: &[u8]) -> Option<&'static str> {
    const UTF_32: &str = "is UTF-32; save the file as UTF-8";
    const UTF_16: &str = "is UTF-16 (\"Unicode\" in some editors); save the file as UTF-8";
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Some(UTF_32);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(UTF_16);
    }
    let (pairs, _) = bytes[..bytes.len().min(ENCODING_BYTES)].as_chunks::<2>();
    let every = |at: usize| pairs.iter().all(|pair| pair[at] == 0 && pair[1 - at] != 0);
    (pairs.len() >= 2 && (every(0) || every(1))).then_some(UTF_16)
}

/// So much of a file is enough to see its encoding.
const ENCODING_BYTES: usize = 64;

/// Looks at the beginning of a file that another program reads: a script. None where it is in an
/// encoding that builds on ASCII, or cannot be read. Else what goes on after its name.
pub fn other_encoding(path: &Path) -> Option<&'static str> {
    let mut bytes = Vec::new();
    open(path)
        .ok()?
        .take(ENCODING_BYTES as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    encoding(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_part_of_a_text_and_other_encodings_are_named() {
        let utf_16 = |text: &str, big: bool| -> Vec<u8> {
            let swap = |unit: u16| match big {
                true => unit.to_be_bytes(),
                false => unit.to_le_bytes(),
            };
            text.encode_utf16().flat_map(swap).collect()
        };
        for (bytes, expected) in [
            (b"plain".to_vec(), Ok("plain")),
            (b"\xef\xbb\xbfmarked".to_vec(), Ok("marked")),
            (b"\xef\xbb\xbf\xef\xbb\xbftwice".to_vec(), Ok("twice")),
            (b"\xef\xbb\xbf".to_vec(), Ok("")),
            (b"a\0".to_vec(), Ok("a\0")),
            (utf_16("\u{feff}text", false), Err((1, "is UTF-16"))),
            (utf_16("\u{feff}text", true), Err((1, "is UTF-16"))),
            (utf_16("unmarked", false), Err((1, "is UTF-16"))),
            (utf_16("unmarked", true), Err((1, "is UTF-16"))),
            (b"\xff\xfe\0\0t\0\0\0".to_vec(), Err((1, "is UTF-32"))),
            (b"one\ncaf\xe9\n".to_vec(), Err((2, "is not UTF-8"))),
        ] {
            let found = text(bytes.clone());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(wrong), Err((line, message))) => {
                    assert_eq!(wrong.line, line);
                    assert!(wrong.message.starts_with(message), "{wrong:?}");
                }
                (found, _) => panic!("{bytes:?}: {found:?}"),
            }
        }
    }
}
