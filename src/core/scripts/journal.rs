//! What a script logs and prints: into the log, a bounded number of lines a second, and kept for
//! `vpid script log`.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::core::Now;
use crate::limits;
use crate::protocol::log_targets;

/// Levels as the hub has them.
pub const CRITICAL: u8 = 0;
pub const ERROR: u8 = 1;
pub const WARNING: u8 = 2;
pub const INFO: u8 = 3;

/// How the errors of timers begin, `OnTimer` among them.
const TIMER: &str = "timer: ";

#[derive(Default)]
pub struct Journal {
    /// Unix seconds, level and text, the oldest first.
    kept: VecDeque<(i64, u8, String)>,
    /// Lines that may still be logged, and when that was counted.
    credit: u64,
    counted_ms: Option<u64>,
    left_out: u64,
    /// How many lines there were before those that are kept.
    gone: u64,
    /// Which lines are logged, where the operator has chosen that.
    level: Option<u8>,
    /// Errors of timers that were logged: the text, when, and how often it came since.
    timer_errors: VecDeque<(String, u64, u64)>,
    /// What the script's `memory_mb` is, until an error that it causes was explained.
    memory_mb: Option<u64>,
}

impl Journal {
    /// A process starts that may have so much memory; 0: as much as it likes.
    pub fn start(&mut self, memory_bytes: u64) {
        self.memory_mb = (memory_bytes > 0).then_some(memory_bytes >> 20);
    }

    /// Keeps a line, and logs it unless there were too many. The first error that lacking memory
    /// causes is explained.
    pub fn add(&mut self, script: &str, level: u8, text: &str, now: Now) {
        if level == ERROR && text.starts_with(TIMER) && self.is_repeated(script, text, now) {
            return;
        }
        self.line(script, level, text, now);
        if level <= WARNING
            && lacks_memory(text)
            && let Some(memory_mb) = self.memory_mb.take()
        {
            self.line(script, level, &memory_advice(script, memory_mb), now);
        }
    }

    /// Whether this error of a timer was logged lately: one that fails each second would fill everything.
    fn is_repeated(&mut self, script: &str, text: &str, now: Now) -> bool {
        let text = cut(text);
        let place = self
            .timer_errors
            .iter()
            .position(|(known, ..)| *known == text);
        if let Some(place) = place {
            let (_, at_ms, count) = &mut self.timer_errors[place];
            if now.mono_ms.saturating_sub(*at_ms) < limits::SCRIPT_TIMER_ERROR_MS {
                *count += 1;
                return true;
            }
            if let Some((_, _, count @ 1..)) = self.timer_errors.remove(place) {
                let more = format!("the error of a timer that follows came {count} times more");
                self.line(script, ERROR, &more, now);
            }
        }
        if self.timer_errors.len() >= limits::SCRIPT_TIMER_ERRORS_MAX {
            self.timer_errors.pop_front();
        }
        self.timer_errors.push_back((text, now.mono_ms, 0));
        false
    }

    /// Logs what has this level or a graver one; `None`: as vpid's own log.
    pub fn level_is(&mut self, level: Option<u8>) {
        self.level = level;
    }

    fn line(&mut self, script: &str, level: u8, text: &str, now: Now) {
        let text = cut(text);
        if self.kept.len() >= limits::SCRIPT_LOG_KEPT {
            self.kept.pop_front();
            self.gone += 1;
        }
        self.kept.push_back((now.wall_s, level, text.clone()));
        if self.level.is_some_and(|most| level > most) {
            return;
        }
        if !self.spend(now) {
            self.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            log::warn!(target: log_targets::SCRIPT, script:% = script; "script {script}: {left_out} lines were left out of the log");
        }
        // Each line has the script's name, so that no script can forge another one's.
        // vpid's own level does not keep back what the operator wants to see of this script.
        let shown = match self.level {
            Some(_) => of(level).min(log::Level::Info),
            None => of(level),
        };
        let mark = if shown == of(level) { "" } else { "(debug) " };
        for line in text.trim_end().lines() {
            log::log!(target: log_targets::SCRIPT, shown, script:% = script; "script {script}: {mark}{line}");
        }
    }

    /// Whether one more line may be logged.
    fn spend(&mut self, now: Now) -> bool {
        let since_ms = now.mono_ms - self.counted_ms.unwrap_or(0).min(now.mono_ms);
        let earned = since_ms * limits::SCRIPT_LOG_LINES_PER_S / 1_000;
        if self.counted_ms.is_none() {
            self.credit = limits::SCRIPT_LOG_BURST;
            self.counted_ms = Some(now.mono_ms);
        } else if earned > 0 {
            self.credit = (self.credit + earned).min(limits::SCRIPT_LOG_BURST);
            self.counted_ms = Some(now.mono_ms);
        }
        let may = self.credit > 0;
        self.credit -= u64::from(may);
        may
    }

    /// The lines behind the first `after` ones, as far as they are kept, and how many there were at all.
    pub fn to_json(&self, after: u64) -> (Value, u64) {
        let skipped = usize::try_from(after.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        let lines = self.kept.iter().skip(skipped);
        let lines = lines.map(|(time, level, text)| json!([time, level, text]));
        (lines.collect(), self.gone + self.kept.len() as u64)
    }
}

/// Whether a text reports that memory was lacking: Python's own words, those of the
/// system, of C++, and of libraries that start threads.
pub fn lacks_memory(text: &str) -> bool {
    const WORDS: [&str; 6] = [
        "MemoryError",
        "can't start new thread",
        "Cannot allocate memory",
        "std::bad_alloc",
        "pthread_create failed",
        "out of memory",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// What to do then.
pub fn memory_advice(script: &str, memory_mb: u64) -> String {
    format!(
        "its memory_mb is {memory_mb}, which most likely was not enough; raise it in \
         [script.{script}] or [scripts], then: vpid script reload {script}"
    )
}

fn of(level: u8) -> log::Level {
    match level {
        CRITICAL | ERROR => log::Level::Error,
        WARNING => log::Level::Warn,
        INFO => log::Level::Info,
        4 => log::Level::Debug,
        _ => log::Level::Trace,
    }
}

/// At most so many bytes of it, and nothing that moves a terminal; tracebacks have lines.
fn cut(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                ' '
            } else {
                c
            }
        })
        .collect();
    if out.len() > limits::SCRIPT_LOG_LINE_BYTES_MAX {
        let mut end = limits::SCRIPT_LOG_LINE_BYTES_MAX;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push('\u{2026}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_a_burst_and_a_rate_and_the_newest_are_kept() {
        let mut journal = Journal::default();
        let at = |mono_ms| Now { mono_ms, wall_s: 7 };
        for n in 0..10_000 {
            journal.add("s", INFO, &format!("line {n}"), at(5));
        }
        assert_eq!(journal.left_out, 10_000 - limits::SCRIPT_LOG_BURST);
        let (kept, all) = journal.to_json(0);
        assert_eq!(all, 10_000);
        let (latest, _) = journal.to_json(9_998);
        assert_eq!(latest, json!([[7, 3, "line 9998"], [7, 3, "line 9999"]]));
        assert_eq!(journal.to_json(u64::MAX).0, json!([]));
        assert_eq!(kept.as_array().unwrap().len(), limits::SCRIPT_LOG_KEPT);
        assert_eq!(
            kept[limits::SCRIPT_LOG_KEPT - 1],
            json!([7, 3, "line 9999"])
        );
        journal.add("s", INFO, "a second later", at(1_005));
        assert_eq!(journal.left_out, 0);
        assert_eq!(journal.credit, limits::SCRIPT_LOG_LINES_PER_S - 1);
    }

    #[test]
    fn the_first_error_that_lacking_memory_causes_is_explained() {
        let mut journal = Journal::default();
        let at = Now {
            mono_ms: 5,
            wall_s: 7,
        };
        let count = |journal: &Journal| {
            journal
                .to_json(0)
                .0
                .to_string()
                .matches("memory_mb")
                .count()
        };
        journal.start(64 << 20);
        journal.add("s", INFO, "an essay on MemoryError", at);
        assert_eq!(count(&journal), 0);
        for _ in 0..3 {
            journal.add("s", ERROR, "call: RuntimeError: can't start new thread", at);
        }
        assert_eq!(count(&journal), 1);
        journal.start(0);
        journal.add("s", ERROR, "MemoryError", at);
        assert_eq!(count(&journal), 1);
        journal.start(64 << 20);
        journal.add("s", WARNING, "MemoryError", at);
        assert_eq!(count(&journal), 2);
    }

    #[test]
    fn the_same_error_of_a_timer_is_said_once_a_minute() {
        let mut journal = Journal::default();
        let errors = |journal: &Journal| {
            journal
                .to_json(0)
                .0
                .to_string()
                .matches("TypeError")
                .count()
        };
        for second in 0..120 {
            let (mono_ms, wall_s) = (second * 1_000, 7);
            journal.add("s", ERROR, "timer: TypeError: no", Now { mono_ms, wall_s });
            journal.add("s", ERROR, "timer: KeyError: no", Now { mono_ms, wall_s });
        }
        assert_eq!(errors(&journal), 2);
        let text = journal.to_json(0).0.to_string();
        assert!(text.contains("came 59 times more"), "{text}");
        // Errors of other functions have their own causes, each time.
        for _ in 0..3 {
            let now = Now {
                mono_ms: 200_000,
                wall_s: 7,
            };
            journal.add("s", ERROR, "OnPlayerChat: TypeError: no", now);
        }
        assert_eq!(errors(&journal), 5);
    }

    #[test]
    fn a_line_is_bounded_and_moves_no_terminal() {
        let text = cut(&format!("\u{1b}[2Ja\n{}", "ä".repeat(5_000)));
        assert!(text.starts_with(" [2Ja\n"));
        assert!(text.len() <= limits::SCRIPT_LOG_LINE_BYTES_MAX + 3);
    }
}
