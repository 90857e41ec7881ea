//! The control socket: how an operator's commands reach a running vpid.
//!
//! It lies in the state folder and belongs to vpid's user alone. Both ends open it by the
//! folder's descriptor, since a socket's path must be short and a folder's need not be.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::private;
use crate::limits;
use crate::protocol::control::SOCKET;

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
