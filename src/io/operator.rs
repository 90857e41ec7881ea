//! The operator's end of the control socket: one request, and the lines that come back.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::control;
use crate::protocol::control::Request;

/// How long a vpid may take to reply to what it can reply to by itself.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum AskError {
    #[error("no vpid runs on {0}; start it with `vpid run`")]
    NotRunning(PathBuf),
    #[error("{0}: vpid cannot be reached ({1}); run as the user that it runs as")]
    Unreachable(PathBuf, io::Error),
    #[error("the connection to vpid was lost ({0})")]
    Lost(io::Error),
    /// It may still carry out the request.
    #[error("vpid does not answer; see its log")]
    Late,
    #[error("vpid ended before it answered")]
    Ended,
    #[error(transparent)]
    Unreadable(serde_json::Error),
    /// What vpid replied.
    #[error("{0}")]
    Refused(String),
}

/// Makes one request of the vpid that holds this state folder, and waits for its reply.
pub fn ask(state_dir: &Path, request: &Request, patience: Duration) -> Result<Value, AskError> {
    Replies::to(state_dir, request, Some(patience))?.first()
}

/// What vpid sends to a request, line by line.
pub struct Replies(BufReader<UnixStream>);

impl Replies {
    /// Makes a request. Each line may take as long as `patience`.
    pub fn to(
        state_dir: &Path,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<Self, AskError> {
        let mut stream = control::connect(state_dir).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                AskError::NotRunning(state_dir.to_owned())
            }
            _ => AskError::Unreachable(state_dir.to_owned(), error),
        })?;
        writeln!(stream, "{}", request.to_json())
            .and_then(|()| stream.set_read_timeout(patience))
            .map_err(AskError::Lost)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The reply, where a request was carried out.
    pub fn first(&mut self) -> Result<Value, AskError> {
        let reply = self.line()?;
        match reply["error"].as_str() {
            Some(problem) => Err(AskError::Refused(problem.to_owned())),
            None => Ok(reply),
        }
    }

    /// The next line, whatever it says.
    pub fn line(&mut self) -> Result<Value, AskError> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Err(AskError::Ended),
            Ok(_) => serde_json::from_str(&line).map_err(AskError::Unreadable),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(AskError::Late)
            }
            Err(error) => Err(AskError::Lost(error)),
        }
    }
}
