//! How far long work is: one line of standard error that is written again and again. Nothing where that is no
//! terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines.
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress<W: Write = io::Stderr> {
    /// None: nothing is shown.
    out: Option<W>,
    /// When a line is due.
    next: Instant,
    is_shown: bool,
}

impl Progress {
    pub fn new() -> Self {
        let out = io::stderr();
        Self {
            next: Instant::now() + EVERY,
            out: out.is_terminal().then_some(out),
            is_shown: false,
        }
    }
}

impl<W: Write> Progress<W> {
    /// Shows a text, if the last one is old enough.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if self.out.is_some() {
            self.show_at(Instant::now(), text);
        }
    }

    fn show_at(&mut self, now: Instant, text: impl FnOnce() -> String) {
        let Some(out) = self.out.as_mut().filter(|_| now >= self.next) else {
            return;
        };
        self.next = now + EVERY;
        self.is_shown = true;
        // A terminal that has gone ends no work.
        let _ = write!(out, "\r\x1b[K{}", text());
        let _ = out.flush();
    }
}

/// What is printed next begins on an empty line.
impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|_| self.is_shown) {
            let _ = write!(out, "\r\x1b[K");
            let _ = out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_five_times_a_second_at_most_and_taken_away_at_the_end() {
        let began = Instant::now();
        let mut out = Vec::new();
        let mut progress = Progress {
            out: Some(&mut out),
            next: began + EVERY,
            is_shown: false,
        };
        for ms in (0..=1_000).step_by(10) {
            progress.show_at(began + Duration::from_millis(ms), || {
                format!("{ms} of 1000")
            });
        }
        drop(progress);
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.split("\r\x1b[K").collect();
        let expected = [
            "",
            "200 of 1000",
            "400 of 1000",
            "600 of 1000",
            "800 of 1000",
            "1000 of 1000",
            "",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn work_that_ends_at_once_shows_nothing() {
        let mut out = Vec::new();
        let mut progress = Progress {
            out: Some(&mut out),
            next: Instant::now() + EVERY,
            is_shown: false,
        };
        progress.show_at(Instant::now() - EVERY, || "1 of 1".to_owned());
        drop(progress);
        assert!(out.is_empty());
    }
}
