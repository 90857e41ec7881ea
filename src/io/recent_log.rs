//! The latest warnings and errors, for operators who look at a running vpid: what the log has written, as far as it
//! was not counted instead.
//!
//! The logger belongs to the process, and so do these.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use log::Level;

use crate::limits::{STATUS_PROBLEM_BYTES_MAX, STATUS_PROBLEMS_MAX};
use crate::protocol::cut::cut;
use crate::protocol::observable::{Log, Problem};

static RECENT: Mutex<Recent> = Mutex::new(Recent::new());

struct Recent {
    warnings: u64,
    errors: u64,
    last: VecDeque<Problem>,
}

impl Recent {
    const fn new() -> Self {
        Self {
            warnings: 0,
            errors: 0,
            last: VecDeque::new(),
        }
    }

    fn add(&mut self, is_error: bool, text: &str, at_s: i64) {
        match is_error {
            true => self.errors += 1,
            false => self.warnings += 1,
        }
        let text = marked(text);
        let known = self
            .last
            .iter()
            .position(|it| it.is_error == is_error && it.text == text);
        let mut problem = known
            .and_then(|at| self.last.remove(at))
            .unwrap_or(Problem {
                at_s,
                is_error,
                text,
                count: 0,
            });
        problem.at_s = at_s;
        problem.count += 1;
        self.last.push_back(problem);
        if self.last.len() > STATUS_PROBLEMS_MAX {
            self.last.pop_front();
        }
    }
}

/// A line was written.
pub fn note(level: Level, text: &str) {
    if level <= Level::Warn {
        let at_s = jiff::Timestamp::now().as_second();
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        recent.add(level == Level::Error, text, at_s);
    }
}

/// The latest of them.
pub fn recent() -> Log {
    let recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    Log {
        warnings: recent.warnings,
        errors: recent.errors,
        last: recent.last.iter().cloned().collect(),
    }
}

fn marked(text: &str) -> String {
    let start = cut(text, STATUS_PROBLEM_BYTES_MAX);
    match start.len() < text.len() {
        true => format!("{start}..."),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_counted_and_the_oldest_goes_first() {
        let mut recent = Recent::new();
        recent.add(false, "a", 1);
        recent.add(true, "a", 2);
        recent.add(false, "a", 3);
        let last: Vec<_> = recent
            .last
            .iter()
            .map(|it| (it.at_s, it.is_error, it.count))
            .collect();
        assert_eq!(last, [(2, true, 1), (3, false, 2)]);
        for n in 0..2 * STATUS_PROBLEMS_MAX {
            recent.add(false, &format!("line {n}"), 4);
        }
        assert_eq!(recent.last.len(), STATUS_PROBLEMS_MAX);
        assert_eq!(
            (recent.warnings, recent.errors),
            (2 + 2 * STATUS_PROBLEMS_MAX as u64, 1)
        );
        let long = "\u{e4}".repeat(STATUS_PROBLEM_BYTES_MAX);
        recent.add(false, &long, 5);
        let text = &recent.last.back().unwrap().text;
        assert!(text.len() <= STATUS_PROBLEM_BYTES_MAX + 3 && text.ends_with("\u{e4}..."));
    }
}
