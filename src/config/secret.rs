//! Secrets: read, checked, and kept out of every message.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use thiserror::Error;

use crate::limits::{
    ENGINE_READ_BYTES_MAX, KEY_BYTES_MAX, KEY_BYTES_MIN, KEY_BYTES_NEW, SECRET_BYTES_MAX,
};

/// What config.example.toml has where the key belongs.
pub const PLACEHOLDER_KEY: &str = "PUT-A-KEY-OF-32-TO-64-SIGNS-HERE";
/// And where the secret of the stock protocol belongs.
pub const PLACEHOLDER_SECRET: &str = "PUT-THE-SECRET-OF-vpi.nut-HERE--";

/// A key of the signed protocol, or a secret of the stock one. It never prints itself. `==` is
/// for comparing configurations; what a caller sent is compared elsewhere, in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A password for another program's server. It never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Signs that stand as they are in the texts of Squirrel and TOML, whatever the quotes.
pub fn is_key_sign(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\')
}

/// Why a text is no key or no stock secret. The sentence holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unfit {
    #[error("is empty; `vpid init` makes a key")]
    KeyEmpty,
    #[error("is still the placeholder of the example; `vpid init` makes a key")]
    KeyPlaceholder,
    /// Counted from 1.
    #[error(
        "character {0} is none that a key can have; use letters, digits and signs, without space, \
         quotes and backslash"
    )]
    KeyCharacter(usize),
    #[error(
        "is {0} characters long, and a key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX}; `vpid init` makes \
         one of {KEY_BYTES_NEW}"
    )]
    KeyLength(usize),
    #[error("is empty; `vpid init` makes a secret")]
    SecretEmpty,
    #[error(
        "is still the placeholder of the example; put the secret here that GetSecret in vpi.nut returns"
    )]
    SecretPlaceholder,
    /// Counted from 1, and what it is.
    #[error(
        "character {0} is {1}, which the stock protocol cannot carry; choose a secret of ASCII letters, \
         digits, signs and spaces, and put the same text into GetSecret of vpi.nut"
    )]
    SecretCharacter(usize, &'static str),
    #[error(
        "is {0} characters long; every answer file carries it twice, and the game reads no file above \
         {ENGINE_READ_BYTES_MAX} bytes, so use at most {SECRET_BYTES_MAX}"
    )]
    SecretLength(usize),
}

impl Secret {
    /// A key: [`KEY_BYTES_MIN`] to [`KEY_BYTES_MAX`] signs, each an [`is_key_sign`].
    pub fn key(text: &[u8]) -> Result<Self, Unfit> {
        let strange = text.iter().position(|&byte| !is_key_sign(byte));
        match (text, strange) {
            (b"", _) => Err(Unfit::KeyEmpty),
            (text, _) if text == PLACEHOLDER_KEY.as_bytes() => Err(Unfit::KeyPlaceholder),
            (_, Some(at)) => Err(Unfit::KeyCharacter(position(text, at))),
            _ if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&text.len()) => {
                Err(Unfit::KeyLength(text.len()))
            }
            _ => Ok(Self(text.to_vec())),
        }
    }

    /// A stock secret: 1 to [`SECRET_BYTES_MAX`] bytes, each in 32..=126: what the stock cipher gives
    /// back as it was.
    pub fn new(text: &[u8]) -> Result<Self, Unfit> {
        let strange = text.iter().position(|&byte| !is_secret_byte(byte));
        match (text, strange) {
            (b"", _) => Err(Unfit::SecretEmpty),
            (text, _) if text == PLACEHOLDER_SECRET.as_bytes() => Err(Unfit::SecretPlaceholder),
            (_, Some(at)) => {
                let kind = kind_of(text[at]);
                Err(Unfit::SecretCharacter(position(text, at), kind))
            }
            _ if text.len() > SECRET_BYTES_MAX => Err(Unfit::SecretLength(text.len())),
            _ => Ok(Self(text.to_vec())),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the stock cipher, which works modulo 95, gives this byte back as it was.
fn is_secret_byte(byte: u8) -> bool {
    (32..=126).contains(&byte)
}

/// What a byte of no secret is, without showing it.
fn kind_of(byte: u8) -> &'static str {
    match byte {
        b'\t' => "a tab",
        b'\n' | b'\r' => "the end of a line",
        _ if byte.is_ascii_control() => "a control character",
        _ => "not ASCII (an umlaut, or a sign from a text program)",
    }
}

/// The byte at `at` as an owner counts: in characters, from 1.
fn position(text: &[u8], at: usize) -> usize {
    String::from_utf8_lossy(&text[..at]).chars().count() + 1
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether other users may read the file; false where that is unknown.
pub fn readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o044 != 0)
}

/// What to say about a file with a secret in it that others can read.
pub fn exposure_warning(path: &Path) -> String {
    let path = path.display();
    format!("{path}: others can read the secret in this file; run: chmod 600 {path}")
}
