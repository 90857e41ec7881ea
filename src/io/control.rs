//! The control socket: how an operator's commands reach a running vpid.
//!
//! It lies in the state folder and belongs to vpid's user alone. Both ends open it by the
//! folder's descriptor, since a socket's path must be short and a folder's need not be.

use super::private;
use crate::limits;
use crate::protocol::control::{Request, SOCKET};
use rustix::fs::FileType;
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

fn short_path(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// Connects to the vpid that holds this state folder.
pub fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(state_dir)?;
    UnixStream::connect(short_path(&folder, SOCKET))
}

pub struct Listener(UnixListener);

impl Listener {
    /// The lock on the state folder must be held: a socket of an earlier run is replaced.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let folder = File::open(state_dir)?;
        let fresh = format!("{SOCKET}.new");
        for name in [SOCKET, &fresh] {
            private::clear(&state_dir.join(name), FileType::Socket)?;
        }
        match fs::remove_file(state_dir.join(&fresh)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short_path(&folder, &fresh))?;
        listener.set_nonblocking(true)?;
        // It gets its name when no other user can open it any more.
        let fresh = state_dir.join(fresh);
        fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        fs::rename(fresh, state_dir.join(SOCKET))?;
        Ok(Self(listener))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The next connection that waits; `None`: there is none.
    pub fn accept(&self) -> io::Result<Option<Connection>> {
        let stream = match self.0.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        Ok(Some(Connection {
            stream,
            input: Vec::new(),
            output: Vec::new(),
        }))
    }
}

/// One operator's command.
pub struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Connection {
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub fn wants_to_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reads what is there; gives whole lines. `None`: the other side is gone, or has sent a line longer than
    /// any request is.
    pub fn read(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
            if self.input.len() > limits::CONTROL_LINE_BYTES_MAX {
                return None;
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            lines.push(line);
        }
        Some(lines)
    }

    /// Sends a line, now or when there is room. False: the other side is gone or does not read.
    pub fn send(&mut self, line: &str) -> bool {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
        self.flush() && self.output.len() <= limits::CONTROL_WAITING_BYTES_MAX
    }

    /// What the other side has not taken yet.
    pub fn waiting_bytes(&self) -> usize {
        self.output.len()
    }

    pub fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

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
        let mut stream = connect(state_dir).map_err(|error| match error.kind() {
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

    /// From now on a line may take as long as it likes.
    pub fn wait_for_ever(&mut self) -> Result<(), AskError> {
        let stream = self.0.get_ref();
        stream.set_read_timeout(None).map_err(AskError::Lost)
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
