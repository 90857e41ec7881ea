//! What a script prints, as lines of text. The core bounds them again, and takes out what a terminal would obey.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::limits;

pub struct Output {
    /// `None`: it has been closed.
    pipe: Option<OwnedFd>,
    /// The line so far, up to its bound.
    line: Vec<u8>,
    /// There was more of it.
    is_cut: bool,
}

impl Output {
    pub fn new(pipe: Option<OwnedFd>) -> Self {
        Self {
            pipe,
            line: Vec::new(),
            is_cut: false,
        }
    }

    pub fn set_nonblocking(&self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(())
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there, within the bound of a turn. At the end, what is left of a line is one.
    pub fn read(&mut self, is_end: bool, mut printed: impl FnMut(String)) {
        let mut buffer = [0; 4096];
        let mut read = 0;
        while read < limits::SCRIPT_OUTPUT_TURN_BYTES_MAX
            && let Some(pipe) = &self.pipe
        {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    read += count;
                    self.take(&buffer[..count], &mut printed);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.pipe = None,
            }
        }
        if is_end {
            self.pipe = None;
        }
        if self.pipe.is_none() {
            self.finish(&mut printed);
        }
    }

    fn take(&mut self, bytes: &[u8], printed: &mut impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let more = text.unwrap_or(part);
            let room = limits::SCRIPT_LOG_LINE_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&more[..more.len().min(room)]);
            self.is_cut |= more.len() > room;
            if text.is_some() {
                self.finish(printed);
            }
        }
    }

    fn finish(&mut self, printed: &mut impl FnMut(String)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        if std::mem::take(&mut self.is_cut) {
            printed(format!("{line} ..."));
        } else if !line.is_empty() {
            printed(line.into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut output = Output::new(None);
        let mut lines = Vec::new();
        for part in parts {
            output.take(part, &mut |line| lines.push(line));
        }
        output.read(true, |line| lines.push(line));
        lines
    }

    #[test]
    fn lines_come_whole_whatever_bytes_they_are() {
        let parts: [&[u8]; 3] = [
            b"one\r\n\ntw",
            b"o\x1b[31m\x07\xff\n",
            b"the\trest \xc2\x9b",
        ];
        assert_eq!(
            lines(&parts),
            ["one", "two\u{1b}[31m\u{7}\u{fffd}", "the\trest \u{9b}"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let long = "é".repeat(limits::SCRIPT_LOG_LINE_BYTES_MAX);
        let found = lines(&[b"a", long.as_bytes(), b"\nshort\n"]);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with(" ..."), "{}", found[0]);
        assert!(found[0].len() <= limits::SCRIPT_LOG_LINE_BYTES_MAX + 6);
        assert_eq!(found[1], "short");
    }
}
