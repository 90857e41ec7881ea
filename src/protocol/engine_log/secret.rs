//! What an engine puts into each line of its log, so that its receiver knows it.

use std::fmt;
use std::str::FromStr;

use crate::limits::LOG_SECRET_DIGITS_MAX;

/// The game's `sv_logsecret`: the digits as the engine sends them, zeros in front included. One
/// text is shared by all that receive the log, and tools set it as a text. It never prints itself.
#[derive(Clone, Copy)]
pub struct LogSecret {
    digits: [u8; LOG_SECRET_DIGITS_MAX],
    len: usize,
}

/// Not 1 to [`LOG_SECRET_DIGITS_MAX`] digits, or zeros only, with which the engine sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSecret;

impl LogSecret {
    /// What follows this secret in a text, if that begins with it. It takes as long
    /// however many digits are right.
    pub(super) fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (given, rest) = text.split_at_checked(self.len)?;
        self.is(given).then_some(rest)
    }

    /// Whether this is the text, compared in constant time.
    pub fn is(&self, given: &[u8]) -> bool {
        let differing = given.iter().zip(&self.digits[..self.len]);
        let differing = differing.fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == self.len && differing == 0
    }

    /// Whether it has been found out after few tries: a number below 2^24, or a few digits.
    pub fn is_weak(&self) -> bool {
        let digits = &self.digits[..self.len];
        let significant = digits.iter().position(|digit| *digit != b'0');
        let number = significant.map_or(&digits[..0], |at| &digits[at..]);
        // Eight digits or more are below 2^24 up to this.
        number.len() < 8 || (number.len() == 8 && number < b"16777216".as_slice())
    }
}

impl FromStr for LogSecret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let bytes = text.as_bytes();
        let is_one = (1..=LOG_SECRET_DIGITS_MAX).contains(&bytes.len())
            && bytes.iter().all(u8::is_ascii_digit)
            && bytes.iter().any(|digit| *digit != b'0');
        if !is_one {
            return Err(NoSecret);
        }
        let mut digits = [0; LOG_SECRET_DIGITS_MAX];
        digits[..bytes.len()].copy_from_slice(bytes);
        let len = bytes.len();
        Ok(Self { digits, len })
    }
}

/// For comparing configurations.
impl PartialEq for LogSecret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.digits[..other.len])
    }
}

impl Eq for LogSecret {}

impl fmt::Debug for LogSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_text_of_digits() {
        for text in ["1", "0012345", "7340128876543210", "18446744073709551615"] {
            let secret: LogSecret = text.parse().expect(text);
            assert!(secret.is(text.as_bytes()), "{text}");
            let line = format!("{text}L 1");
            assert_eq!(secret.strip(line.as_bytes()), Some(b"L 1".as_slice()));
            assert!(!secret.is(&text.as_bytes()[..text.len() - 1]), "{text}");
            assert!(!secret.is(format!("0{text}").as_bytes()), "{text}");
            assert_eq!(format!("{secret:?}"), "LogSecret(..)");
        }
        for text in [
            "",
            "0",
            "0000",
            "-1",
            "+1",
            "1 2",
            "12a",
            "123456789012345678901",
            "\u{661}",
        ] {
            assert_eq!(text.parse::<LogSecret>(), Err(NoSecret), "{text}");
        }
    }

    #[test]
    fn what_is_soon_found_out_is_weak() {
        for (text, weak) in [
            ("1234567", true),
            ("16777215", true),
            ("16777216", false),
            ("00000000012345", true),
            ("123456789", false),
            ("7340128876543210", false),
        ] {
            assert_eq!(text.parse::<LogSecret>().unwrap().is_weak(), weak, "{text}");
        }
    }
}
