//! Why the arguments of a call make no statement.

/// Each is named like the exception of Python's that vpi.py raised, since scripts compare that word;
/// the text is for the person who reads the console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.reason(), self.detail())]
pub enum Error {
    /// An argument is missing.
    Key(String),
    /// An argument is not what its function takes.
    Value(String),
    /// The caller may not use this table, or no caller may run this statement.
    Permission(String),
    /// It would keep the database busy for too long.
    Operational(String),
}

impl Error {
    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::Value(detail.into())
    }

    pub fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "KeyError",
            Self::Value(_) => "ValueError",
            Self::Permission(_) => "PermissionError",
            Self::Operational(_) => "OperationalError",
        }
    }

    pub fn detail(&self) -> &str {
        match self {
            Self::Key(detail)
            | Self::Value(detail)
            | Self::Permission(detail)
            | Self::Operational(detail) => detail,
        }
    }
}
