//! What the supervisor decides, without a process or a clock.

use std::time::Duration;

use crate::limits::{
    CONSOLE_WAITING_BYTES_MAX, RESTART_MS_MAX, RESTART_MS_MIN, RESTART_SETTLED_MS,
    SUPERVISED_LINE_BYTES_MAX,
};

/// When the game is started again after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    #[default]
    Never,
    /// After an exit code other than 0, or a signal.
    OnFailure,
    Always,
}

impl Restart {
    pub const WORDS: [(&str, Self); 3] = [
        ("never", Self::Never),
        ("on-failure", Self::OnFailure),
        ("always", Self::Always),
    ];

    pub fn of_word(word: &str) -> Option<Self> {
        let mut known = Self::WORDS.iter();
        known.find(|(name, _)| *name == word).map(|(_, it)| *it)
    }

    /// Whether the game is started again, which has ended with this exit code and by itself.
    pub fn again(self, code: u8) -> bool {
        match self {
            Self::Never => false,
            Self::OnFailure => code != 0,
            Self::Always => true,
        }
    }
}

/// How long to wait before the next start: longer each time, until one has lasted.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// What has run for `ran` has ended.
    pub fn next(&mut self, ran: Duration) -> Duration {
        if ran.as_millis() as u64 >= RESTART_SETTLED_MS {
            self.failures = 0;
        }
        let wait_ms = RESTART_MS_MIN << self.failures.min(16);
        self.failures += 1;
        Duration::from_millis(wait_ms.min(RESTART_MS_MAX))
    }
}

/// Cuts bytes into lines, each with its end. A line that is too long is cut.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    pub fn add(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() >= SUPERVISED_LINE_BYTES_MAX {
                each(&std::mem::take(&mut self.0));
            }
        }
    }

    /// What has no end yet.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Whether a line of the console ends the game: then it is not started again.
pub fn is_quit(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let word = text.split(|byte| b" ;\t".contains(byte)).next();
    let is = |known: &&[u8]| word.is_some_and(|word| word.eq_ignore_ascii_case(known));
    [&b"quit"[..], b"exit"].iter().any(is)
}

/// Bytes that wait for room in a pipe, whole lines at a time.
#[derive(Debug, Default)]
pub struct Waiting {
    bytes: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
}

impl Waiting {
    /// False: there is no room for it.
    pub fn push(&mut self, line: &[u8]) -> bool {
        let fits = self.bytes.len() + line.len() <= CONSOLE_WAITING_BYTES_MAX;
        match fits {
            true => self.bytes.extend_from_slice(line),
            false => self.dropped += 1,
        }
        fits
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What a pipe takes without blocking once it has room (PIPE_BUF of pipe(7)).
    pub fn next(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(4096)]
    }

    pub fn written(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// How many lines were dropped, once there is room again.
    pub fn take_dropped(&mut self) -> u64 {
        match self.bytes.is_empty() {
            true => std::mem::take(&mut self.dropped),
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_starts_the_game_again_after_the_ends_it_names() {
        for (word, after_0, after_1) in [
            ("never", false, false),
            ("on-failure", false, true),
            ("always", true, true),
        ] {
            let policy = Restart::of_word(word).unwrap();
            assert_eq!(
                (policy.again(0), policy.again(1)),
                (after_0, after_1),
                "{word}"
            );
        }
        assert_eq!(Restart::of_word("sometimes"), None);
    }

    #[test]
    fn starts_that_fail_at_once_are_tried_ever_more_seldom_until_one_lasts() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..9)
            .map(|_| backoff.next(Duration::ZERO).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for _ in 0..100 {
            backoff.next(Duration::ZERO);
        }
        assert_eq!(backoff.next(Duration::from_secs(3600)).as_secs(), 1);
        assert_eq!(backoff.next(Duration::ZERO).as_secs(), 2);
    }

    #[test]
    fn lines_are_cut_at_their_ends_and_at_a_bound() {
        let mut lines = Lines::default();
        let mut found: Vec<Vec<u8>> = Vec::new();
        lines.add(b"one\ntw", |line| found.push(line.to_vec()));
        lines.add(b"o\n\nthree", |line| found.push(line.to_vec()));
        assert_eq!(found, [&b"one\n"[..], b"two\n", b"\n"]);
        assert_eq!(lines.rest(), b"three");
        let mut count = 0;
        for _ in 0..10 {
            lines.add(&[b'x'; SUPERVISED_LINE_BYTES_MAX / 2], |_| count += 1);
        }
        assert_eq!(count, 5);
    }

    #[test]
    fn quit_is_recognised_as_a_command() {
        for line in ["quit\n", " QUIT ", "exit;", "exit 1\r\n"] {
            assert!(is_quit(line.as_bytes()), "{line:?}");
        }
        for line in ["", "say quit", "quitting", "sm_quit"] {
            assert!(!is_quit(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded_and_what_was_dropped_is_counted() {
        let mut waiting = Waiting::default();
        let line = [b'x'; 1000];
        let took = (0..200).filter(|_| waiting.push(&line)).count();
        assert_eq!(took, CONSOLE_WAITING_BYTES_MAX / line.len());
        assert_eq!(waiting.take_dropped(), 0);
        while !waiting.is_empty() {
            let count = waiting.next().len();
            assert!(count > 0 && count <= 4096);
            waiting.written(count);
        }
        assert_eq!(waiting.take_dropped() as usize, 200 - took);
        assert_eq!(waiting.take_dropped(), 0);
    }
}
