//! The one kind of failure that a caller ever sees.

use std::borrow::Cow;

use thiserror::Error;

use super::cut::cut;
use crate::limits::ERROR_DETAIL_BYTES_MAX;

/// Why a call was not done. `reason` is the stable word that scripts may compare (upstream's
/// exception names where it has one: `ValueError`, `KeyError`, `PermissionError`,
/// `OperationalError`, `IntegrityError`); `detail` is for the person who reads the console.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}{}{detail}", if detail.is_empty() { "" } else { ": " })]
pub struct CallError {
    pub reason: Cow<'static, str>,
    pub detail: String,
}

/// The reason of a call that ran when its process ended, and that is not run again.
pub const INTERRUPTED: &str = "Interrupted";

/// How a noted error begins.
const NOTE_MARK: char = '!';

impl CallError {
    /// A failure with its explanation; long explanations are cut at a character boundary.
    pub fn new(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if detail.len() > ERROR_DETAIL_BYTES_MAX {
            detail.truncate(cut(&detail, ERROR_DETAIL_BYTES_MAX).len());
        }
        Self {
            reason: reason.into(),
            detail,
        }
    }

    /// A failure that its word explains.
    pub fn word(reason: &'static str) -> Self {
        Self {
            reason: Cow::Borrowed(reason),
            detail: String::new(),
        }
    }

    /// As it stands among noted responses, which are JSON and so begin otherwise.
    pub fn to_note(&self) -> String {
        format!("{NOTE_MARK}{}\n{}", self.reason, self.detail)
    }

    /// Reads a note: a response, or the error that was noted in its place.
    pub fn read_note(note: String) -> Result<String, Self> {
        let Some(text) = note.strip_prefix(NOTE_MARK) else {
            return Ok(note);
        };
        let (reason, detail) = text.split_once('\n').unwrap_or((text, ""));
        Err(Self::new(reason.to_owned(), detail))
    }

    /// Of a function whose arguments have names, called with a value that has none.
    pub fn no_table() -> Self {
        let detail = "kwargs are not a table; give the arguments by their names";
        Self::new("ValueError", detail)
    }

    /// The text that the caller receives: stock clients take a text that starts with
    /// `[VPI ERROR]` for an error.
    pub fn to_answer(&self, function: &str) -> String {
        format!("[VPI ERROR] ({function}) :: {self}")
    }
}
