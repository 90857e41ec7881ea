//! What the command line says: options with their values, words, and where the configuration is.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

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

/// What `vpid help` lists, and how one is run.
pub(super) struct Command {
    pub name: &'static str,
    pub summary: &'static str,
    pub help: &'static str,
    pub run: fn(Arguments) -> Result<(), Stop>,
}

/// What stands behind a command's name.
pub(super) struct Arguments {
    parser: lexopt::Parser,
    help: &'static str,
}

impl Arguments {
    pub fn new(parser: lexopt::Parser, help: &'static str) -> Self {
        Self { parser, help }
    }

    /// Reads all of it. `--help` and `--config` are everywhere; every other option, such as `--host` or `-p`,
    /// goes to `take`, which says whether it has it.
    pub fn read(
        mut self,
        mut take: impl FnMut(&str, &mut Values<'_>) -> Result<bool, Stop>,
    ) -> Result<Given, Stop> {
        let mut given = Given::default();
        let parser = &mut self.parser;
        while let Some(argument) = parser.next()? {
            let option = match argument {
                Short('h') | Long("help") => return Err(Stop::Help(self.help.to_owned())),
                Long("config") => {
                    given.path = Some(PathBuf::from(parser.value()?));
                    continue;
                }
                Value(word) => {
                    given.words.push(word.string()?);
                    continue;
                }
                Long(name) => format!("--{name}"),
                Short(letter) => format!("-{letter}"),
            };
            let option = option.as_str();
            if !take(option, &mut Values { parser, option })? {
                return Err(lexopt::Error::UnexpectedOption(option.to_owned()).into());
            }
        }
        Ok(given)
    }

    /// The same with the options of `run`, so that a command takes what vpid was started with. An option that
    /// `take` has under the same name is the command's.
    pub fn read_with_run(
        mut self,
        mut take: impl FnMut(&str, &mut Values<'_>) -> Result<bool, Stop>,
    ) -> Result<Given, Stop> {
        let mut is_text = false;
        let words = self.parser.raw_args()?.map(|word| {
            is_text |= word == "--";
            if is_text { word } else { stock_spelling(word) }
        });
        self.parser = lexopt::Parser::from_args(words.collect::<Vec<OsString>>());
        let mut database = HashMap::new();
        let given = self.read(|option, values| {
            if take(option, values)? {
                return Ok(true);
            }
            let name = match option {
                "--host" => "--host",
                "--port" | "-p" => "--port",
                "--user" | "-u" => "--user",
                "--database" | "-d" => "--database",
                "--password" => "--password",
                _ => return Ok(false),
            };
            database.insert(name, values.text()?);
            Ok(true)
        })?;
        Ok(Given { database, ..given })
    }

    /// The same for a command whose only option is `--json`: it prints for programs.
    pub fn read_json(self) -> Result<(Given, bool), Stop> {
        let mut json = false;
        let given = self.read_with_run(|option, _| {
            json |= option == "--json";
            Ok(option == "--json")
        })?;
        Ok((given, json))
    }
}

/// `-db NAME`, as the stock server has it, is no short option to us.
fn stock_spelling(word: OsString) -> OsString {
    match word.to_str() {
        Some("-db") => "--database".into(),
        Some(text) if text.starts_with("-db=") => text.replacen("-db", "--database", 1).into(),
        _ => word,
    }
}

/// A command that takes no options of its own.
pub(super) fn none(_: &str, _: &mut Values<'_>) -> Result<bool, Stop> {
    Ok(false)
}

/// The value behind an option.
pub(super) struct Values<'a> {
    parser: &'a mut lexopt::Parser,
    option: &'a str,
}

impl Values<'_> {
    pub fn path(&mut self) -> Result<PathBuf, Stop> {
        Ok(PathBuf::from(self.parser.value()?))
    }

    pub fn text(&mut self) -> Result<String, Stop> {
        Ok(self.parser.value()?.string()?)
    }

    /// A whole number from 1 to `max`.
    pub fn count(&mut self, max: usize) -> Result<usize, Stop> {
        let (text, option) = (self.text()?, self.option);
        let count = text.parse().ok().filter(|count| (1..=max).contains(count));
        count.ok_or_else(|| {
            Stop::Usage(format!(
                "{option} must be a whole number from 1 to {max}, not {text:?}"
            ))
        })
    }

    /// Seconds, above 0 and up to an hour.
    pub fn seconds(&mut self) -> Result<Duration, Stop> {
        let (text, option) = (self.text()?, self.option);
        let seconds = text.parse().ok();
        let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
        seconds.map(Duration::from_secs_f64).ok_or_else(|| {
            Stop::Usage(format!(
                "{option} must be a number of seconds up to 3600, not {text:?}"
            ))
        })
    }
}

/// What every command line can say.
#[derive(Default)]
pub(super) struct Given {
    /// What is no option.
    pub words: Vec<String>,
    /// The file of the configuration.
    pub path: Option<PathBuf>,
    /// Options of `run` for `[database]`, by their long names.
    database: HashMap<&'static str, String>,
}

impl Given {
    /// For a command that takes options only.
    pub fn without_words(self) -> Result<Self, Stop> {
        match self.words.first() {
            None => Ok(self),
            Some(word) => Err(lexopt::Error::UnexpectedArgument(word.into()).into()),
        }
    }

    /// A warning for an operator whose command line gives the password away.
    pub fn exposed_password(&self) -> Option<&'static str> {
        let warning = "--password: every user of this machine can see it in the list of processes; use \
                       password_file, or VPI_PASSWORD";
        self.database.contains_key("--password").then_some(warning)
    }

    /// A variable, or an option by its long name, which wins.
    pub fn environment(self) -> impl Fn(&str) -> Option<String> {
        move |name: &str| {
            let option = self.database.get(name).cloned();
            option.or_else(|| config::process_environment(name))
        }
    }

    /// The state folder, in which a running vpid listens: all that it takes to speak with it.
    pub fn state_dir(self) -> Result<PathBuf, Stop> {
        let path = self.path.clone();
        config::state_dir(path.as_deref(), self.environment()).map_err(Stop::Configuration)
    }
}
