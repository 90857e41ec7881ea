//! The control socket: how an operator's commands reach a running vpid.
//!
//! It lies in the state folder and belongs to vpid's user alone. Both ends open it by the
//! folder's descriptor, since a socket's path must be short and a folder's need not be.

use super::private;
use crate::limits;
use crate::protocol::control::{Request, SOCKET};
use rustix::fs::FileType;
use rustix::io::Errno;
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
            // Where one waits nevertheless, the descriptor is ready again.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Connection::new(stream).map(Some)
    }
}

/// Whether the system has only no descriptor, or no memory, for a connection now.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
    )
}

/// One operator's command.
pub struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    ended: bool,
}

impl Connection {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            ended: false,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub fn wants_to_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether there is room for more of what the other side sends.
    pub fn wants_to_read(&self) -> bool {
        !self.ended && self.input.len() <= limits::CONTROL_LINE_BYTES_MAX
    }

    /// Whether the other side sends nothing more. It may still wait for the replies.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads what is there and has room. False: the other side is gone, or has sent a line longer than any
    /// request is.
    pub fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        while self.wants_to_read() {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.ended
            || self
                .line_end()
                .is_some_and(|end| end < limits::CONTROL_LINE_BYTES_MAX)
    }

    fn line_end(&self) -> Option<usize> {
        self.input.iter().position(|byte| *byte == b'\n')
    }

    /// Whether a request can be carried out: not before the other side has taken the replies to earlier ones.
    pub fn has_request(&self) -> bool {
        self.output.is_empty() && self.line_end().is_some()
    }

    /// The next request that can be carried out, with its newline.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        let end = self.line_end().filter(|_| self.output.is_empty())?;
        Some(self.input.drain(..=end).collect())
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
    #[error(
        "no vpid runs on {0}; start it with `vpid run`; if one runs with another `state_dir`, \
         restart it"
    )]
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
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(_) if !line.ends_with(b"\n") => Err(AskError::Ended),
            Ok(_) => serde_json::from_slice(&line).map_err(AskError::Unreadable),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(AskError::Late)
            }
            Err(error) => Err(AskError::Lost(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, Connection) {
        let (client, stream) = UnixStream::pair().unwrap();
        (client, Connection::new(stream).unwrap())
    }

    #[test]
    fn requests_are_taken_one_by_one_and_none_before_replies_are_read() {
        let (mut client, mut connection) = pair();
        client.write_all(b"one\ntwo\nthr").unwrap();
        assert!(connection.read() && connection.has_request());
        assert_eq!(connection.next_request().as_deref(), Some(&b"one\n"[..]));
        let long = "x".repeat(limits::CONTROL_WAITING_BYTES_MAX - 1);
        assert!(connection.send(&long) && connection.waiting_bytes() > 0);
        assert!(!connection.has_request());
        assert_eq!(connection.next_request(), None);
        let reader = std::thread::spawn(move || {
            let mut reply = vec![0; limits::CONTROL_WAITING_BYTES_MAX];
            client.read_exact(&mut reply).map(|()| client)
        });
        while connection.wants_to_write() {
            assert!(connection.flush());
            std::thread::yield_now();
        }
        assert_eq!(connection.next_request().as_deref(), Some(&b"two\n"[..]));
        assert_eq!(connection.next_request(), None);
        let client = reader.join().unwrap().unwrap();
        assert!(connection.read());
        drop(client);
        assert!(connection.read() && connection.has_ended() && !connection.wants_to_read());
    }

    #[test]
    fn many_requests_wait_and_a_line_without_an_end_is_refused() {
        let (mut client, mut connection) = pair();
        let line = format!("{}\n", "x".repeat(999));
        client.write_all(line.repeat(80).as_bytes()).unwrap();
        let mut count = 0;
        while connection.read() && connection.next_request().is_some() {
            count += 1;
        }
        assert_eq!(count, 80);
        client
            .write_all(&vec![b'x'; limits::CONTROL_LINE_BYTES_MAX + 1])
            .unwrap();
        assert!(!connection.read());
    }

    #[test]
    fn a_reply_that_is_cut_off_is_an_end() {
        for cut in [&b""[..], b"{\"status\": \"a", b"{\"status\": \"\xc3"] {
            let (client, mut vpid) = UnixStream::pair().unwrap();
            vpid.write_all(cut).unwrap();
            drop(vpid);
            let mut replies = Replies(BufReader::new(client));
            assert!(matches!(replies.line(), Err(AskError::Ended)), "{cut:?}");
        }
    }

    #[test]
    fn what_the_system_lacks_for_now_is_a_shortage() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS] {
            assert!(is_shortage(&errno.into()), "{errno}");
        }
        assert!(!is_shortage(&Errno::INVAL.into()));
    }
}
