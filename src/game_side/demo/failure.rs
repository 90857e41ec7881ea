//! Why the demo ends early.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use serde_json::Value;
use thiserror::Error;

use super::PATIENCE;
use crate::game_side::signed::SessionError;
use crate::io::operator::AskError;
use crate::protocol::signed::messages::CallFailed;

/// What ends the demo; its text is what the operator reads.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("the answer is {0}, and should be {1}")]
    Answer(Value, Value),
    /// Something else is not as the story has it; a sentence.
    #[error("{0}")]
    Unexpected(String),
    #[error("{0} rows and different ones, and should be {1} of each")]
    Rows(String, usize),
    #[error("{0} of {1} answers were lost")]
    Lost(usize, usize),
    #[error("{0} did not come within {seconds} s", seconds = PATIENCE.as_secs())]
    Late(String),
    #[error("interrupted")]
    Interrupted,
    /// And when.
    #[error("the daemon ended {1} ({0})")]
    DaemonEnded(ExitStatus, &'static str),
    /// The system did not do this.
    #[error("{0} ({1})")]
    System(String, io::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Errno(#[from] rustix::io::Errno),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Operator(#[from] AskError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error("{0} was left behind")]
    LeftBehind(PathBuf),
    #[error("{0}\nThe end of the daemon's log:\n{1}")]
    Logged(Box<Failure>, String),
    /// The second one while everything was removed.
    #[error("{0}\n{1}")]
    Both(Box<Failure>, Box<Failure>),
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub fn unexpected<T>(sentence: impl Into<String>) -> Outcome<T> {
        Err(Self::Unexpected(sentence.into()))
    }

    /// For `map_err`: the system cannot do `what`.
    pub fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System(what, error)
    }
}
