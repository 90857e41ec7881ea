//! Names of tables and columns: what is accepted as one, and whose table it is.

use super::Error;
use crate::limits::SQL_IDENTIFIER_BYTES_MAX;

/// What a name between quotes may have besides letters, digits and `_`. None of it ends a quote or
/// stands for a value.
const SIGNS_IN_QUOTES: &str = "$ -.,/+*#%&()!@=<>";

/// A name that is safe to write into a statement between backticks. It cannot be made otherwise
/// than by the checks in this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// A column's name, as it stands without quotes.
    pub fn new(name: &str) -> Result<Self, Error> {
        if !name.starts_with(begins_name) || !name.chars().all(is_in_name) {
            return Err(no_column(name));
        }
        Self::short(name)
    }

    /// A column's name that stood between quotes.
    pub fn quoted(name: &str) -> Result<Self, Error> {
        let fits = |sign| is_in_name(sign) || SIGNS_IN_QUOTES.contains(sign);
        if name.is_empty() || name.ends_with(' ') || !name.chars().all(fits) {
            return Err(Error::Value(format!(
                "{name:?} is not a column name that vpid writes, also in quotes; rename the \
                     column, or use VPI_DB_RawExecute"
            )));
        }
        Self::short(name)
    }

    fn short(name: &str) -> Result<Self, Error> {
        if name.len() > SQL_IDENTIFIER_BYTES_MAX {
            return Err(too_long(name));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name of a table that belongs to `script`: `user_<script without .nut>_<name>`. One in
    /// Python, `<script>.py`, shares those of the script of its name in the game.
    pub fn table(name: &str, script: &str) -> Result<Self, Error> {
        let stem = script.strip_suffix(".nut");
        let stem = stem.or_else(|| script.strip_suffix(".py"));
        let stem = stem.unwrap_or(script);
        // A script whose own name cannot stand in a table name has no tables.
        let owned = !stem.is_empty()
            && stem.bytes().all(is_name_byte)
            && name
                .strip_prefix("user_")
                .and_then(|rest| rest.strip_prefix(stem))
                .and_then(|rest| rest.strip_prefix('_'))
                .is_some_and(|rest| !rest.is_empty());
        if !owned {
            let detail =
                format!("{name:?} is not a table of {script}: those are user_{stem}_<name>");
            return Err(Error::Permission(detail));
        }
        if !name.bytes().all(is_name_byte) {
            let detail = format!("table {name:?} has characters other than letters, digits and _");
            return Err(Error::Value(detail));
        }
        Self::short(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a name without quotes begins with. The engines take every letter.
pub(super) fn begins_name(sign: char) -> bool {
    sign.is_alphabetic() || sign == '_'
}

pub(super) fn is_in_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '$'
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn no_column(name: &str) -> Error {
    Error::Value(format!("{name:?} is not a column name"))
}

fn too_long(name: &str) -> Error {
    let detail = format!(
        "a name of {} bytes is too long (most: {SQL_IDENTIFIER_BYTES_MAX})",
        name.len()
    );
    Error::Value(detail)
}
