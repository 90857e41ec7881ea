//! The log: one line for each event, on standard error or in `log_file`.
//!
//! Two things pass before a line is written. The filter of the configuration says whether its level and part are
//! logged; and lines that say the same are counted (`fold`). `lines` says how one looks.
//!
//! Before the configuration is read, its variables apply, so that problems with it are logged as the owner wants it.

mod fold;
mod lines;
mod output;

use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use log::{Level, Log, Metadata, Record};

use crate::config::{LogFormat, LogSettings, part_of};
use crate::io::recent_log;
use crate::protocol::log_targets;
use fold::{Fold, Pace};
pub use lines::one_line;
use lines::{About, Line};
use output::Output;
pub use output::{OpenError, try_open};
use output::{in_journal, priority};

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    settings: RwLock<LogSettings>,
    output: Mutex<Output>,
    fold: Mutex<Fold<Mark>>,
    started: Instant,
}

/// What a count of lines keeps of the last of them.
#[derive(Clone)]
struct Mark {
    level: Level,
    part: &'static str,
    about: About,
}

/// Starts to log to standard error. Once a process; a second call changes nothing.
pub fn init(settings: LogSettings) {
    let logger = LOGGER.get_or_init(|| Logger {
        settings: RwLock::default(),
        output: Mutex::new(Output::standard_error()),
        fold: Mutex::default(),
        started: Instant::now(),
    });
    logger.set(settings);
    let _ = log::set_logger(logger);
}

/// Logs as the configuration says from now on. Its file is opened, also one that is open already: it may have been
/// moved.
///
/// Errors: it cannot be opened. Then all stays as it was.
pub fn apply(settings: &LogSettings) -> Result<(), OpenError> {
    let Some(logger) = LOGGER.get() else {
        return Ok(());
    };
    let output = Output::open(settings.file.as_deref())?;
    // Counts are about lines that the former file has.
    logger.write_counts(true);
    *lock(&logger.output) = output;
    logger.set(settings.clone());
    Ok(())
}

/// Opens the file again, after logrotate has moved it.
pub fn reopen() {
    let Some(logger) = LOGGER.get() else { return };
    let file = logger.settings().file.clone();
    let Some(file) = file else { return };
    match Output::open(Some(&file)) {
        Ok(output) => *lock(&logger.output) = output,
        Err(error) => log::error!(
            target: log_targets::NEWS,
            "{error}; vpid goes on with the file that it has open"
        ),
    }
}

/// Writes what was counted and is not written yet. To be called when the program ends.
pub fn finish() {
    if let Some(logger) = LOGGER.get() {
        logger.write_counts(true);
    }
}

/// Writes lines about the end of this program to standard error.
pub fn complain(text: &str) {
    let before = match in_journal() {
        true => priority(Level::Error),
        false => "",
    };
    for line in text.lines() {
        // With no standard error, there is no place to report that.
        let _ = writeln!(std::io::stderr(), "{before}{}", one_line(line));
    }
}

impl Logger {
    fn set(&self, settings: LogSettings) {
        log::set_max_level(settings.filter.most());
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> std::sync::RwLockReadGuard<'_, LogSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mark: &Mark, target: &str, text: &str) {
        let line = Line {
            level: mark.level,
            part: mark.part,
            target,
            about: &mark.about,
            text,
        };
        let format = self.settings().format;
        lock(&self.output).write(&line, format);
    }

    fn write_counts(&self, the_end: bool) {
        let now_ms = self.now_ms();
        let due = lock(&self.fold).due(now_ms, the_end);
        for (mark, text) in due {
            recent_log::note(mark.level, &text);
            self.write(&mark, module_path!(), &text);
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let settings = self.settings();
        settings.filter.admits(metadata.level(), metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        // What a mark says is about how often a line is written; the part is that of the module.
        let target = match record.target() {
            log_targets::NEWS => record.module_path().unwrap_or(log_targets::NEWS),
            other => other,
        };
        if !self.settings().filter.admits(record.level(), target) {
            return;
        }
        let text = record.args().to_string();
        let mark = Mark {
            level: record.level(),
            part: part_of(target),
            about: About::of(record),
        };
        // An operator who wants details gets all of them. What Python scripts log has bounds of its own.
        if record.level() <= Level::Info && record.target() != log_targets::SCRIPT {
            let place = (
                record.file_static().unwrap_or_default(),
                record.line().unwrap_or_default(),
            );
            let is_change = record.level() == Level::Info || record.target() == log_targets::NEWS;
            let pace = match is_change {
                true => Pace::Change,
                false => Pace::Trouble,
            };
            let now_ms = self.now_ms();
            if !lock(&self.fold).admit(place, (&mark, pace), &text, now_ms) {
                return;
            }
            recent_log::note(record.level(), &text);
        }
        self.write(&mark, target, &text);
    }

    /// Writes the counts whose time has come. The daemon calls it every few seconds.
    fn flush(&self) {
        self.write_counts(false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the environment says, for what is logged before the configuration is read. What is wrong in it is reported with
/// the configuration.
pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> LogSettings {
    let filter = variable("VPID_LOG").and_then(|text| crate::config::Filter::parse(&text).ok());
    let is_json = variable("VPID_LOG_FORMAT").is_some_and(|word| word == "json");
    LogSettings {
        filter: filter.unwrap_or_default(),
        format: match is_json {
            true => LogFormat::Json,
            false => LogFormat::Text,
        },
        file: None,
    }
}
