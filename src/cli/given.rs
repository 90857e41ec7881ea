//! What a command line has said, and how a command ends.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, Problem};

/// Why a command ended before its work was done, or with a bad result.
pub enum Stop {
    /// Help was requested: this text.
    Help(String),
    /// It has reported what went wrong.
    Reported,
    Failed(String),
    Usage(String),
    Configuration(Vec<Problem>),
    /// A running vpid refused its configuration, for these reasons.
    Refused(Vec<String>),
    /// What it has run ended with this exit code.
    Ended(u8),
}

impl From<lexopt::Error> for Stop {
    fn from(error: lexopt::Error) -> Self {
        Stop::Usage(error.to_string())
    }
}

impl From<String> for Stop {
    fn from(problem: String) -> Self {
        Stop::Failed(problem)
    }
}

/// The arguments and options of a command line. Their values were checked against the declarations.
#[derive(Default)]
pub(super) struct Given {
    /// What is no option.
    pub words: Vec<String>,
    /// The file of the configuration.
    pub path: Option<PathBuf>,
    /// In their order, by their long names.
    pub(super) options: Vec<(&'static str, OsString)>,
    /// Options of `run` for `[database]`, by their long names.
    pub(super) database: HashMap<&'static str, String>,
    /// The options of the command and its subcommands.
    pub(super) declared: Vec<&'static str>,
}

impl Given {
    pub fn has(&self, option: &str) -> bool {
        self.value(option).is_some()
    }

    pub fn json(&self) -> bool {
        self.has("--json")
    }

    /// A command that asks for an option that it has not declared would never get it.
    fn check(&self, option: &str) {
        debug_assert!(
            self.declared.is_empty() || self.declared.contains(&option),
            "{option} is not declared"
        );
    }

    /// The last one counts.
    fn value(&self, option: &str) -> Option<&OsStr> {
        self.check(option);
        let mut newest = self.options.iter().rev();
        let same = newest.find(|(known, _)| *known == option);
        same.map(|(_, value)| value.as_os_str())
    }

    pub fn text(&self, option: &str) -> Option<&str> {
        self.value(option)?.to_str()
    }

    /// Of an option that can be repeated.
    pub fn texts<'a>(&'a self, option: &'a str) -> impl Iterator<Item = &'a str> {
        self.check(option);
        let same = self
            .options
            .iter()
            .filter(move |(known, _)| *known == option);
        same.filter_map(|(_, value)| value.to_str())
    }

    pub fn file(&self, option: &str) -> Option<PathBuf> {
        self.value(option).map(PathBuf::from)
    }

    pub fn count(&self, option: &str) -> Option<usize> {
        self.text(option)?.parse().ok()
    }

    pub fn number(&self, option: &str) -> Option<i64> {
        self.text(option)?.parse().ok()
    }

    pub fn seconds(&self, option: &str) -> Option<Duration> {
        let seconds = self.text(option)?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Of an option that is yes or no.
    pub fn truth(&self, option: &str) -> Option<bool> {
        self.text(option).map(|text| text == "yes")
    }

    /// A warning for an operator whose command line gives the password away.
    pub fn exposed_password(&self) -> Option<&'static str> {
        let warning = "--password: every user of this machine can see it in the list of processes; use \
                       password_file, or VPI_PASSWORD";
        self.database.contains_key("--password").then_some(warning)
    }

    /// A variable, or an option by its long name, which wins.
    pub fn environment(&self) -> impl Fn(&str) -> Option<String> + use<> {
        let database = self.database.clone();
        move |name: &str| {
            let option = database.get(name).cloned();
            option.or_else(|| config::process_environment(name))
        }
    }

    /// Arguments that say the same to `vpid run`.
    pub fn repeated(&self) -> Vec<OsString> {
        let path = self.path.iter();
        let path = path.flat_map(|path| ["--config".into(), path.clone().into_os_string()]);
        let color = self.text("--color").into_iter();
        let color = color.flat_map(|when| ["--color".into(), OsString::from(when)]);
        let database = self.database.iter();
        let database = database.flat_map(|(name, value)| [OsString::from(name), value.into()]);
        path.chain(color).chain(database).collect()
    }

    /// The state folder, in which a running vpid listens: all that it takes to speak with it.
    pub fn state_dir(&self) -> Result<PathBuf, Stop> {
        config::state_dir(self.path.as_deref(), self.environment()).map_err(Stop::Configuration)
    }
}
