//! `log`, `log_format` and `log_file`: how much is logged, in which form, and where.

use std::path::PathBuf;

use log::LevelFilter;

use super::key::{Key, Kind, Usual, key, text};
use super::nearest::nearest;
use super::reader::{Reader, Table};

pub(super) const KEYS: &[Key] = &[
    text(
        "log",
        "Which lines are logged: a level (\"error\", \"warn\", \"info\", \"debug\"), and for single parts of vpid \
         `PART=LEVEL`, with commas between, such as \"info,sql=debug\". The parts: [The log](operations.md#the-log).",
    )
    .default(Usual::Text("info"))
    .variables(&["VPID_LOG"]),
    key(
        "log_format",
        Kind::Words(&["text", "json"]),
        "How a line looks: \"text\" for people, or \"json\", an object for programs.",
    )
    .variables(&["VPID_LOG_FORMAT"]),
    text(
        "log_file",
        "The log goes to this file instead of standard error. SIGHUP opens it again, so that logrotate can move it. \
         Not inside scriptdata.",
    )
    .default(Usual::Words("standard error"))
    .variables(&["VPID_LOG_FILE"])
    .example("\"/var/log/vpid/vpid.log\""),
];

/// How vpid logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    pub filter: Filter,
    pub format: LogFormat,
    /// None: standard error.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Parts of vpid, as lines of the log name them, each with the modules that it consists of. The longest module that fits
/// counts.
pub const PARTS: [(&str, &[&str]); 11] = [
    (
        "bridge",
        &[
            "vpid::core::answers",
            "vpid::core::callbacks",
            "vpid::core::calls",
            "vpid::core::hosts",
            "vpid::core::link",
            "vpid::core::links",
            "vpid::daemon::effects",
            "vpid::daemon::folders",
            "vpid::daemon::scan",
            "vpid::daemon::signed",
            "vpid::daemon::take",
            "vpid::io::files",
            "vpid::io::overlooked",
            "vpid::io::rejected",
        ],
    ),
    (
        "chat",
        &[
            "vpid::core::chat_guard",
            "vpid::core::community::commands",
            "vpid::core::scripts::orders",
        ],
    ),
    (
        "community",
        &["vpid::core::community", "vpid::io::community"],
    ),
    ("config", &["vpid::config", "vpid::daemon::reload"]),
    // What is in no other part.
    (DAEMON, &["vpid"]),
    ("engine", &["vpid::core::roster", "vpid::io::engine_log"]),
    ("http", &["vpid::io::http", "ureq", "ureq_proto", "rustls"]),
    ("rcon", &["vpid::core::servers", "vpid::io::rcon"]),
    (
        "scripts",
        &[
            "vpid::core::scripts",
            "vpid::daemon::scripts",
            "vpid::io::python",
            "vpid::io::script_files",
            "vpid::io::venv",
            "vpid::script",
        ],
    ),
    ("sql", &["vpid::io::sql", "vpid::sql", "mysql"]),
    (
        "state",
        &[
            "vpid::io::aside",
            "vpid::io::instance",
            "vpid::io::lock",
            "vpid::io::private",
            "vpid::io::state_version",
            "vpid::io::store",
        ],
    ),
];

const DAEMON: &str = "daemon";

/// What libraries do is seldom the question: they log warnings, unless a rule names them.
const LIBRARIES: [&str; 4] = ["ureq", "ureq_proto", "rustls", "mysql"];

/// Its lines of the level trace have all bytes of requests, and so the API key.
const DUMPS: &str = "ureq_proto";

/// The part that a target of a log line belongs to.
pub fn part_of(target: &str) -> &'static str {
    let modules = PARTS.iter().flat_map(|(part, modules)| {
        let modules = modules.iter();
        modules.map(|module| (module.len(), *part, *module))
    });
    let fitting = modules.filter(|(_, _, module)| is_within(target, module));
    fitting.max().map_or(DAEMON, |(_, part, _)| part)
}

/// Whether a module is this one, or in it.
fn is_within(target: &str, module: &str) -> bool {
    let rest = target.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Which lines are logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    /// For a part, or for a module and those in it. The last that fits counts.
    rules: Vec<(String, LevelFilter)>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
            rules: Vec::new(),
        }
    }
}

impl Filter {
    /// Reads `info,sql=debug`. The error is what follows the name of the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for rule in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            match rule.split_once('=') {
                None => filter.level = level(rule)?,
                Some((name, word)) => {
                    let name = name.trim();
                    is_part(name)?;
                    filter.rules.push((name.to_owned(), level(word.trim())?));
                }
            }
        }
        Ok(filter)
    }

    /// Whether a line of this level and target is logged.
    pub fn admits(&self, line: log::Level, target: &str) -> bool {
        line <= self.of(target)
    }

    fn of(&self, target: &str) -> LevelFilter {
        // Most operators have no rules, and the part of a line takes a search.
        let part = (!self.rules.is_empty()).then(|| part_of(target));
        let mut rules = self.rules.iter().rev();
        let rule = rules.find(|(name, _)| part == Some(name) || is_within(target, name));
        let is_library = || LIBRARIES.iter().any(|it| is_within(target, it));
        let level = match rule {
            Some((_, level)) => *level,
            None if is_library() => self.level.min(LevelFilter::Warn),
            None => self.level,
        };
        match is_within(target, DUMPS) {
            true => level.min(LevelFilter::Debug),
            false => level,
        }
    }

    /// The level of the most talkative part.
    pub fn most(&self) -> LevelFilter {
        let rules = self.rules.iter().map(|(_, level)| *level);
        rules.chain([self.level]).max().unwrap_or(self.level)
    }
}

/// Understood are also `off`, for operators who want no log at all, and `trace`.
const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

fn level(word: &str) -> Result<LevelFilter, String> {
    word.parse().map_err(|_| {
        let known = LEVELS.join(", ");
        format!("{word:?} is not a log level; use one of {known}")
    })
}

fn is_part(name: &str) -> Result<(), String> {
    let parts = || PARTS.iter().map(|(part, _)| *part);
    let is_module = is_within(name, "vpid") || LIBRARIES.iter().any(|it| is_within(name, it));
    if is_module || parts().any(|part| part == name) {
        return Ok(());
    }
    let known: Vec<&str> = parts().collect();
    Err(match nearest(name, &known) {
        Some(near) => format!("{name:?} is no part of vpid; did you mean {near}?"),
        None => format!(
            "{name:?} is no part of vpid; use one of {}",
            known.join(", ")
        ),
    })
}

impl Reader<'_> {
    /// Of the top of the file.
    pub(super) fn log(&mut self, table: &Table) -> LogSettings {
        let filter = match table.text("log") {
            Some((place, text)) => self.good(place, Filter::parse(text)).unwrap_or_default(),
            None => Filter::default(),
        };
        let format = match table.word("log_format") {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        let file = self.outside_path(table, "log_file");
        LogSettings {
            filter,
            format,
            file,
        }
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn a_line_belongs_to_the_part_with_the_longest_module() {
        for (target, part) in [
            ("vpid::io::sql::sqlite::worker", "sql"),
            ("vpid::core::community::commands", "chat"),
            ("vpid::core::community::bans", "community"),
            ("vpid::core::links", "bridge"),
            ("vpid::daemon::turn", "daemon"),
            ("vpid::news", "daemon"),
            ("vpid::script", "scripts"),
            ("mysql::conn", "sql"),
            ("mysqlx", "daemon"),
        ] {
            assert_eq!(part_of(target), part, "{target}");
        }
    }

    #[test]
    fn rules_are_for_parts_and_modules_and_the_last_that_fits_counts() {
        let filter = Filter::parse("warn, sql=debug,vpid::io::sql::mysql=error").unwrap();
        assert!(filter.admits(Level::Debug, "vpid::io::sql::sqlite"));
        assert!(!filter.admits(Level::Warn, "vpid::io::sql::mysql::pool"));
        assert!(!filter.admits(Level::Info, "vpid::daemon"));
        assert_eq!(filter.most(), LevelFilter::Debug);
        // Libraries log warnings, unless they are named.
        let filter = Filter::parse("debug").unwrap();
        assert!(!filter.admits(Level::Info, "ureq::pool"));
        assert!(filter.admits(Level::Debug, "vpid::io::http"));
        let filter = Filter::parse("error,ureq=debug").unwrap();
        assert!(filter.admits(Level::Debug, "ureq::pool"));
        assert!(!filter.admits(Level::Warn, "rustls"));
        // Bytes of requests have the API key.
        for text in [
            "info,http=trace",
            "ureq_proto=trace",
            "ureq_proto::util=trace",
        ] {
            let filter = Filter::parse(text).unwrap();
            assert!(!filter.admits(Level::Trace, "ureq_proto::util"), "{text}");
            assert!(filter.admits(Level::Debug, "ureq_proto::util"), "{text}");
        }
        assert_eq!(Filter::parse(""), Ok(Filter::default()));
    }

    #[test]
    fn levels_and_parts_are_distinguished_from_other_words() {
        for good in [
            "info",
            "Debug",
            "debug,ureq=debug",
            "warn, vpid=trace",
            "off",
        ] {
            assert!(Filter::parse(good).is_ok(), "{good}");
        }
        for (bad, word) in [
            ("nope", "\"nope\" is not a log level"),
            ("debug,nope", "is not a log level"),
            ("vpid=nope", "is not a log level"),
            ("3", "is not a log level"),
            ("info;debug", "is not a log level"),
            ("sqll=debug", "did you mean sql?"),
            ("moonlight=debug", "use one of bridge, chat"),
        ] {
            let problem = Filter::parse(bad).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
    }
}
