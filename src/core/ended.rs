//! Calls that ended in one event, as the ring of the last moments has them: notes of a fixed size, without
//! arguments and results.

use std::fmt::{self, Display, Formatter, Write};

use super::ids::Caller;
use crate::limits::RING_NAME_BYTES_MAX;

/// A call that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedCall {
    pub caller: Caller,
    pub function: ShortName,
    /// From its arrival.
    pub took_ms: u64,
    /// Of its response, without those of an error.
    pub bytes: usize,
    pub failed: bool,
}

/// A name in a fixed number of bytes. Of a longer one, the begin and the end are kept: names of hosts and
/// functions often differ in either.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ShortName {
    len: u8,
    bytes: [u8; RING_NAME_BYTES_MAX],
}

const _: () = assert!(RING_NAME_BYTES_MAX < 1 << 8);

impl ShortName {
    pub fn new(name: &str) -> Self {
        let name = name.as_bytes();
        let mut bytes = [0; RING_NAME_BYTES_MAX];
        let len = name.len().min(RING_NAME_BYTES_MAX);
        bytes[..len].copy_from_slice(&name[..len]);
        if name.len() > RING_NAME_BYTES_MAX {
            let half = RING_NAME_BYTES_MAX / 2;
            bytes[half] = b'~';
            bytes[half + 1..].copy_from_slice(&name[name.len() - (len - half - 1)..]);
        }
        Self {
            len: len as u8,
            bytes,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Without anything that moves a cursor, and with `?` for what was cut through.
impl Display for ShortName {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]);
        for c in text.chars() {
            let is_plain = c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic();
            out.write_char(if is_plain { c } else { '?' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ShortName {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_begin_and_its_end_and_none_moves_a_cursor() {
        let shown = |name: &str| ShortName::new(name).to_string();
        assert_eq!(shown(""), "");
        assert_eq!(shown("VPI_DB_UserSelect"), "VPI_DB_UserSelect");
        let longest = "abcdefghijklmnopqrstuvwxyz01234";
        assert_eq!(shown(longest), longest);
        assert_eq!(
            shown("a_long_name_of_a_game_server_number_12"),
            "a_long_name_of_~erver_number_12"
        );
        assert_eq!(shown("a\u{1b}[2J\n\u{202e}b"), "a?[2J??b");
        // Characters that are cut through.
        let cut = shown(&"\u{e9}".repeat(40));
        assert!(
            cut.starts_with("\u{e9}\u{e9}") && cut.contains("?~?"),
            "{cut}"
        );
    }
}
