//! How the log looks: one line each on standard error, with the time unless the journal (or
//! whoever reads systemd's pipe) adds its own.

//!
//! Lines that say the same are counted: `fold` decides.

mod fold;

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use log::{Level, Log, Metadata, Record};

use crate::protocol::log_targets;
use fold::{Fold, Pace};

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    lines: env_logger::Logger,
    fold: Mutex<Fold>,
    started: Instant,
}

/// What `VPID_LOG` can be. `off` is for operators who want no log at all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is wrong with a value of `VPID_LOG`, as a sentence: a level, and for single parts of the
/// program `part=level`, with commas between.
pub fn wrong_filter(filter: &str) -> Option<String> {
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let wrong = filter.split(',').map(str::trim).find(|part| {
        let level = part.split_once('=').map_or(*part, |(_, level)| level);
        !part.is_empty() && !is_level(level.trim())
    })?;
    let known = LEVELS[1..5].join(", ");
    Some(format!(
        "environment: VPID_LOG: {wrong:?} is not a log level; use one of {known}"
    ))
}

/// Sets the logger up. `VPID_LOG` sets the level (error, warn, info, debug), info by default.
pub fn init() {
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut builder = env_logger::Builder::new();
    builder.filter_level(log::LevelFilter::Info);
    // What the libraries do is seldom the question; `VPID_LOG=debug,ureq=debug` shows it.
    for library in ["ureq", "ureq_proto", "rustls", "mysql"] {
        builder.filter_module(library, log::LevelFilter::Warn);
    }
    let filter = std::env::var_os("VPID_LOG").unwrap_or_default();
    let filter = filter.to_string_lossy().into_owned();
    let wrong = wrong_filter(&filter);
    if wrong.is_none() && !filter.is_empty() {
        builder.parse_filters(&filter);
    }
    builder.format(move |out, record| {
        if !in_journal {
            let now = jiff::Zoned::now();
            write!(out, "{} ", now.strftime("%Y-%m-%d %H:%M:%S%.3f"))?;
        }
        writeln!(
            out,
            "{:<5} {}",
            record.level(),
            one_line(&record.args().to_string())
        )
    });
    let lines = builder.build();
    log::set_max_level(lines.filter());
    let logger = LOGGER.get_or_init(|| Logger {
        lines,
        fold: Mutex::default(),
        started: Instant::now(),
    });
    // Once a process; a second one changes nothing.
    let _ = log::set_logger(logger);
    if let Some(wrong) = wrong {
        log::warn!("{wrong}; the level is info now");
    }
}

/// Writes what was counted and is not written yet. To be called when the program ends.
pub fn finish() {
    if let Some(logger) = LOGGER.get() {
        logger.write_counts(true);
    }
}

impl Logger {
    fn write_counts(&self, the_end: bool) {
        let now_ms = self.now_ms();
        let mut fold = self.fold.lock().unwrap_or_else(PoisonError::into_inner);
        let due = fold.due(now_ms, the_end);
        drop(fold);
        for (level, text) in due {
            let mut record = Record::builder();
            record.level(level).target(module_path!());
            self.lines.log(&record.args(format_args!("{text}")).build());
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.lines.matches(record) {
            return;
        }
        // An operator who wants details gets all of them. What Python scripts log has bounds of its own.
        if record.level() <= Level::Info && record.target() != log_targets::SCRIPT {
            let place = (
                record.file_static().unwrap_or_default(),
                record.line().unwrap_or_default(),
            );
            let (text, now_ms) = (record.args().to_string(), self.now_ms());
            let mut fold = self.fold.lock().unwrap_or_else(PoisonError::into_inner);
            let is_change = record.level() == Level::Info || record.target() == log_targets::NEWS;
            let pace = if is_change {
                Pace::Change
            } else {
                Pace::Trouble
            };
            if !fold.admit(place, (record.level(), pace), &text, now_ms) {
                return;
            }
        }
        self.lines.log(record);
    }

    /// Writes the counts whose time has come. The daemon calls it every few seconds.
    fn flush(&self) {
        self.write_counts(false);
    }
}

/// Names and texts of players reach the log: nothing of theirs that moves a cursor or turns the
/// direction of writing around reaches a terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::wrong_filter;

    #[test]
    fn levels_are_distinguished_from_other_words() {
        for good in [
            "",
            "info",
            "Debug",
            "debug,ureq=debug",
            "warn, vpid=trace",
            "off",
        ] {
            assert_eq!(wrong_filter(good), None, "{good}");
        }
        for bad in ["nope", "debug,nope", "vpid=nope", "3", "info;debug"] {
            assert!(
                wrong_filter(bad).unwrap().contains("is not a log level"),
                "{bad}"
            );
        }
    }
}
