//! The channel to a script: lines both ways over a stream of bytes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::limits;

/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// Short lines that wait are put together up to this size.
const PIECE_BYTES: usize = 64 << 10;

pub struct Channel {
    stream: UnixStream,
    /// The beginning of a line whose end has not come yet.
    input: Vec<u8>,
    /// The process has closed it.
    closed: bool,
    /// A line was too long: nothing more is read.
    too_long: bool,
    waiting: VecDeque<Vec<u8>>,
    /// Of the first piece that waits, so many bytes are sent.
    sent: usize,
    waiting_bytes: usize,
}

impl Channel {
    /// The stream must not block.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            closed: false,
            too_long: false,
            waiting: VecDeque::new(),
            sent: 0,
            waiting_bytes: 0,
        }
    }

    /// What to wait for; `None`: nothing more is read, and the system would report that for ever.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.closed && !self.too_long).then(|| self.stream.as_fd())
    }

    pub fn wants_to_write(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends bytes, now or later. False: more wait than may.
    pub fn send(&mut self, bytes: Vec<u8>) -> bool {
        if self.closed || bytes.is_empty() {
            return true;
        }
        self.waiting_bytes += bytes.len();
        match self.waiting.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend(bytes),
            _ => self.waiting.push_back(bytes),
        }
        self.flush();
        if self.waiting_bytes <= limits::SCRIPT_UNWRITTEN_BYTES_MAX {
            return true;
        }
        self.forget_waiting();
        false
    }

    pub fn flush(&mut self) {
        while let Some(piece) = self.waiting.front() {
            match self.stream.write(&piece[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.waiting_bytes -= count;
                    if self.sent == piece.len() {
                        self.sent = 0;
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The process reads nothing any more; reading shows why.
                Err(_) => return self.forget_waiting(),
            }
        }
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        (self.sent, self.waiting_bytes) = (0, 0);
    }

    /// Reads whole lines, as many as a turn may; at the end of the process all that are left.
    /// True: a line is too long, and what follows it is never read.
    pub fn read(&mut self, is_end: bool, lines: &mut Vec<Vec<u8>>) -> bool {
        let most = match is_end {
            true => limits::SCRIPT_LINE_BYTES_MAX,
            false => limits::SCRIPT_TURN_BYTES_MAX,
        };
        let mut read = 0;
        while read < most && self.fd().is_some() {
            let before = self.input.len();
            self.input.reserve(READ_BYTES);
            let room = self.input.capacity() - before;
            match rustix::io::read(&self.stream, spare_capacity(&mut self.input)) {
                Ok(0) => self.closed = true,
                Ok(count) => {
                    read += count;
                    self.take_lines(before, lines);
                    // Less than there was room for is all that there was.
                    if count < room && !is_end {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.closed = true,
            }
        }
        let is_too_long = self.too_long && read > 0;
        if is_too_long {
            self.input = Vec::new();
        }
        is_too_long
    }

    /// Takes the whole lines out of what was read, where none ends before `from`.
    fn take_lines(&mut self, from: usize, lines: &mut Vec<Vec<u8>>) {
        let last = self.input[from..].iter().rposition(|byte| *byte == b'\n');
        let Some(last) = last.map(|at| from + at) else {
            self.too_long = self.input.len() > limits::SCRIPT_LINE_BYTES_MAX;
            return;
        };
        let rest = self.input.split_off(last + 1);
        let whole = std::mem::replace(&mut self.input, rest);
        for line in whole[..last].split(|byte| *byte == b'\n') {
            if line.len() > limits::SCRIPT_LINE_BYTES_MAX {
                self.too_long = true;
                return;
            }
            lines.push(line.to_vec());
        }
    }
}
