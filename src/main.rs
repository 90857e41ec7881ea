//! The door: arguments to command to exit code. Exit codes are decided here and nowhere else.
//!
//! 0 done. 1 it failed, or `check` found something bad, or the answer to `call` was an error.
//! 2 the command line was wrong. 3 the configuration is wrong or missing.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::Arg::{self, Long, Short, Value};
use lexopt::ValueExt;
use vpid::cli::{call, check, init, logging, operate, queue, script};
use vpid::config;
use vpid::daemon::RunError;
use vpid::game_side::bench;
#[cfg(feature = "demo")]
use vpid::game_side::demo;
use vpid::io::memory;
use vpid::protocol::control::Request;
use vpid::protocol::signed::messages::{Place, Push};

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const WRONG_CONFIGURATION: u8 = 3;

mod help;

/// Why a command did not succeed; each has its exit code.
enum Failure {
    /// It said what was to be said.
    Quiet,
    Failed(String),
    Usage(String),
    Configuration(Vec<config::Problem>),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Failure::Failed(problem)
    }
}

fn main() -> ExitCode {
    memory::keep_private();
    let ended = run();
    logging::finish();
    let code = match ended {
        Ok(()) => DONE,
        Err(Failure::Quiet) => FAILED,
        Err(Failure::Failed(problem)) => {
            eprintln!("vpid: {problem}");
            FAILED
        }
        Err(Failure::Usage(problem)) => {
            eprintln!("vpid: {problem}\nTry `vpid --help`.");
            WRONG_USAGE
        }
        Err(Failure::Configuration(problems)) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            WRONG_CONFIGURATION
        }
    };
    ExitCode::from(code)
}

fn run() -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_env();
    match parser.next()? {
        Some(Value(command)) => match command.to_str() {
            Some("run") => run_daemon(parser),
            Some("init") => run_init(parser),
            Some("check") => run_check(parser),
            Some("call") => run_call(parser),
            Some("game") => run_game(parser),
            Some("queue") => run_queue(parser),
            Some("script") => run_script(parser),
            Some("bench") => run_bench(parser),
            Some("demo") => run_demo(parser),
            Some("help") => print(help::MAIN),
            _ => Err(Failure::Usage(format!(
                "there is no command {}",
                command.to_string_lossy()
            ))),
        },
        Some(Short('h') | Long("help")) => print(help::MAIN),
        Some(Short('V') | Long("version")) => {
            print(concat!("vpid ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Some(other) => Err(other.unexpected().into()),
        None => Err(Failure::Usage("say what to do".into())),
    }
}

/// Writes to standard output; a reader that has gone (`vpid --help | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Reads the options of a command: `--help` and `--config` are everywhere, the rest goes to
/// `take`. `None` when help was asked for and given.
fn options(
    mut parser: lexopt::Parser,
    help: &str,
    mut take: impl FnMut(Arg<'_>, &mut Values<'_>) -> Result<(), Failure>,
) -> Result<Option<Option<PathBuf>>, Failure> {
    let mut config = None;
    loop {
        // The argument borrows the parser, whose values are wanted beside it.
        let argument = match parser.next()? {
            None => return Ok(Some(config)),
            Some(Short('h') | Long("help")) => {
                print(help)?;
                return Ok(None);
            }
            Some(Long("config")) => {
                config = Some(PathBuf::from(parser.value()?));
                continue;
            }
            Some(Long(name)) => Owned::Long(name.to_string()),
            Some(Short(letter)) => Owned::Short(letter),
            Some(Value(value)) => Owned::Value(value),
        };
        take(argument.borrow(), &mut Values(&mut parser))?;
    }
}

enum Owned {
    Long(String),
    Short(char),
    Value(OsString),
}

impl Owned {
    fn borrow(&self) -> Arg<'_> {
        match self {
            Owned::Long(name) => Long(name),
            Owned::Short(letter) => Short(*letter),
            Owned::Value(value) => Value(value.clone()),
        }
    }
}

/// The values behind options.
struct Values<'a>(&'a mut lexopt::Parser);

impl Values<'_> {
    fn path(&mut self) -> Result<PathBuf, Failure> {
        Ok(PathBuf::from(self.0.value()?))
    }

    fn text(&mut self) -> Result<String, Failure> {
        Ok(self.0.value()?.string()?)
    }

    /// A whole number from 1 to `max`.
    fn count(&mut self, name: &str, max: usize) -> Result<usize, Failure> {
        let text = self.text()?;
        let count = text.parse().ok().filter(|count| (1..=max).contains(count));
        count.ok_or_else(|| {
            Failure::Usage(format!(
                "{name} is a whole number from 1 to {max}, not {text:?}"
            ))
        })
    }

    /// Seconds, above 0 and up to an hour.
    fn seconds(&mut self, name: &str) -> Result<Duration, Failure> {
        let text = self.text()?;
        let seconds = text
            .parse()
            .ok()
            .filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
        seconds.map(Duration::from_secs_f64).ok_or_else(|| {
            Failure::Usage(format!(
                "{name} is a number of seconds up to 3600, not {text:?}"
            ))
        })
    }
}

/// What the command line says of the configuration.
struct Given {
    path: Option<PathBuf>,
    /// Options of `run` that speak of `[database]`, by their long names.
    database: HashMap<&'static str, String>,
}

impl Given {
    /// A variable, or an option by its long name, which wins.
    fn environment(self) -> impl Fn(&str) -> Option<String> {
        move |name: &str| {
            let option = self.database.get(name).cloned();
            option.or_else(|| config::process_environment(name))
        }
    }

    /// The state folder, in which a running vpid listens: all that it takes to speak with it.
    fn state_dir(self) -> Result<PathBuf, Failure> {
        let path = self.path.clone();
        config::state_dir(path.as_deref(), self.environment()).map_err(Failure::Configuration)
    }
}

const PASSWORD_SEEN: &str = "--password: everybody on this machine sees it in the list of processes; use \
                             password_file, or VPI_PASSWORD";

/// [`options`], and those of `run`, so that a command takes what vpid was started with. What the command has
/// under the same name (`own`) is the command's.
fn options_of_run(
    mut parser: lexopt::Parser,
    help: &str,
    own: &[&str],
    mut take: impl FnMut(Arg<'_>, &mut Values<'_>) -> Result<(), Failure>,
) -> Result<Option<Given>, Failure> {
    let mut is_text = false;
    let words = parser.raw_args()?.map(|word| {
        is_text |= word == "--";
        if is_text { word } else { stock_spelling(word) }
    });
    let parser = lexopt::Parser::from_args(words.collect::<Vec<OsString>>());
    let mut database = HashMap::new();
    let path = options(parser, help, |argument, values| {
        let name = match argument {
            Long(name) if own.contains(&name) => return take(argument, values),
            Long("host") => "--host",
            Long("port") | Short('p') => "--port",
            Long("user") | Short('u') => "--user",
            Long("database") | Short('d') => "--database",
            Long("password") => "--password",
            other => return take(other, values),
        };
        database.insert(name, values.text()?);
        Ok(())
    })?;
    Ok(path.map(|path| Given { path, database }))
}

fn run_daemon(parser: lexopt::Parser) -> Result<(), Failure> {
    let given = options_of_run(parser, help::RUN, &[], |argument, _| {
        Err(argument.unexpected().into())
    })?;
    let Some(given) = given else { return Ok(()) };
    logging::init();
    if given.database.contains_key("--password") {
        log::warn!("{PASSWORD_SEEN}");
    }
    let path = given.path.clone();
    // Options are asked for by their names, also when the configuration is read again.
    let environment = given.environment();
    let config = config::load(path.as_deref(), &environment).map_err(Failure::Configuration)?;
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for warning in config::unknown_variables(names) {
        log::warn!("{warning}");
    }
    let path = path.or_else(|| config.path.clone());
    vpid::daemon::run(config, path, Box::new(environment)).map_err(|error| match error {
        RunError::Failed(problem) => Failure::Failed(problem),
        RunError::Configuration(problems) => Failure::Configuration(problems),
    })
}

/// `-db NAME`, as the stock server has it, is no short option to us.
fn stock_spelling(word: OsString) -> OsString {
    match word.to_str() {
        Some("-db") => "--database".into(),
        Some(text) if text.starts_with("-db=") => text.replacen("-db", "--database", 1).into(),
        _ => word,
    }
}

fn run_init(parser: lexopt::Parser) -> Result<(), Failure> {
    let mut chosen = init::Options::default();
    let path = options(parser, help::INIT, |argument, values| {
        match argument {
            Long("scriptdata") => chosen.scriptdata = Some(values.path()?),
            Long("vscripts") => chosen.vscripts = Some(values.path()?),
            Long("force") => chosen.force = true,
            Long("legacy") => chosen.legacy = true,
            other => return Err(other.unexpected().into()),
        }
        Ok(())
    })?;
    let Some(path) = path else { return Ok(()) };
    chosen.config = path;
    Ok(init::run(&chosen, &mut std::io::stdout())?)
}

fn run_check(parser: lexopt::Parser) -> Result<(), Failure> {
    let given = options_of_run(parser, help::CHECK, &[], |argument, _| {
        Err(argument.unexpected().into())
    })?;
    let Some(given) = given else { return Ok(()) };
    let path = given.path.clone();
    let seen = given.database.contains_key("--password");
    let known = seen.then_some(PASSWORD_SEEN);
    let mut out = std::io::stdout();
    let good = check::run(path.as_deref(), given.environment(), known, &mut out);
    if good { Ok(()) } else { Err(Failure::Quiet) }
}

fn run_call(parser: lexopt::Parser) -> Result<(), Failure> {
    let mut words = Vec::new();
    let (mut host, mut script, mut timeout) =
        (None, "vpid_call.nut".to_string(), Duration::from_secs(5));
    let given = options_of_run(parser, help::CALL, &["host"], |argument, values| {
        match argument {
            Value(word) => words.push(word.string()?),
            Long("host") => host = Some(values.text()?),
            Long("script") => script = values.text()?,
            Long("timeout") => timeout = values.seconds("--timeout")?,
            other => return Err(other.unexpected().into()),
        }
        Ok(())
    })?;
    let Some(given) = given else { return Ok(()) };
    let mut words = words.into_iter();
    let (function, kwargs) = (words.next(), words.next());
    let (Some(function), None) = (function, words.next()) else {
        return Err(Failure::Usage(
            "call takes a function and its arguments: vpid call VPI_Ping '{\"a\": 1}'".into(),
        ));
    };
    let options = call::Options {
        function,
        kwargs,
        host,
        script,
        timeout,
    };
    let path = given.path.clone();
    let config = config::load_to_call(path.as_deref(), given.environment());
    let config = config.map_err(Failure::Configuration)?;
    let good = call::run(&config, &options, &mut std::io::stdout())?;
    if good { Ok(()) } else { Err(Failure::Quiet) }
}

fn run_game(parser: lexopt::Parser) -> Result<(), Failure> {
    let mut words = Vec::new();
    let (mut host, mut keep, mut json, mut said) = (None, false, false, Vec::new());
    let (mut to, mut place, mut timeout) = (None, "chat".to_string(), Duration::from_secs(10));
    let given = options_of_run(parser, help::GAME, &["host"], |argument, values| {
        if let Long(name) = &argument {
            said.push((*name).to_owned());
        }
        match argument {
            Value(word) => words.push(word.string()?),
            Long("host") => host = Some(values.text()?),
            Long("to") => to = Some(values.count("--to", 65_535)? as i32),
            Long("where") => place = values.text()?,
            Long("keep") => keep = true,
            Long("json") => json = true,
            Long("timeout") => timeout = values.seconds("--timeout")?,
            other => return Err(other.unexpected().into()),
        }
        Ok(())
    })?;
    let Some(given) = given else { return Ok(()) };
    let mut words = words.iter().map(String::as_str);
    let (verb, first, second, more) = (words.next(), words.next(), words.next(), words.next());
    let name = first.unwrap_or_default().to_string();
    let push = match (verb, first, second, more) {
        (Some("list"), None, ..) => None,
        (Some("watch"), None, ..) => None,
        (Some("call"), Some(_), args, None) => {
            let args = operate::data(args);
            let function = name;
            Some(Push::Call { function, args })
        }
        (Some("message"), Some(_), data, None) => {
            let data = operate::data(data);
            Some(Push::Message { name, data })
        }
        (Some("hook"), Some(_), data, None) => {
            let data = second.map_or_else(|| serde_json::json!({}), |_| operate::data(data));
            Some(Push::Hook { name, data })
        }
        (Some("command"), Some(_), None, _) => Some(Push::Command(name)),
        (Some("say"), Some(_), None, _) => Some(Push::Print {
            text: name,
            to,
            place: Place::parse(&place).ok_or_else(|| {
                Failure::Usage(format!("--where is chat, center or console, not {place:?}"))
            })?,
        }),
        _ => {
            return Err(Failure::Usage(
                "game takes one of list, watch, call, message, hook, command, say; see `vpid game \
                 --help`"
                    .into(),
            ));
        }
    };
    operate::options_have_effect(verb, &said).map_err(Failure::Usage)?;
    let request = match (push, verb) {
        (Some(push), _) => Request::Push { host, push, keep },
        (None, Some("watch")) => Request::Watch { host },
        (None, _) => Request::Games,
    };
    let options = operate::Options {
        request,
        json,
        timeout,
    };
    let state_dir = given.state_dir()?;
    Ok(operate::run(&state_dir, &options, &mut std::io::stdout())?)
}

fn run_queue(parser: lexopt::Parser) -> Result<(), Failure> {
    let Some((words, json, given)) = words(parser, help::QUEUE)? else {
        return Ok(());
    };
    let request = queue::request(&words).map_err(Failure::Usage)?;
    let state_dir = given.state_dir()?;
    let mut out = std::io::stdout();
    Ok(queue::run(&state_dir, request, json, &mut out)?)
}

fn run_script(parser: lexopt::Parser) -> Result<(), Failure> {
    let Some((words, json, given)) = words(parser, help::SCRIPT)? else {
        return Ok(());
    };
    let request = script::request(&words).map_err(Failure::Usage)?;
    let state_dir = given.state_dir()?;
    let mut out = std::io::stdout();
    Ok(script::run(&state_dir, request, json, &mut out)?)
}

/// What commands take that ask a running vpid: words, `--json`, and where the configuration is.
type Words = (Vec<String>, bool, Given);

/// `None`: help was wanted, and shown.
fn words(parser: lexopt::Parser, help: &str) -> Result<Option<Words>, Failure> {
    let (mut words, mut json) = (Vec::new(), false);
    let given = options_of_run(parser, help, &[], |argument, _| {
        match argument {
            Value(word) => words.push(word.string()?),
            Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
        Ok(())
    })?;
    Ok(given.map(|given| (words, json, given)))
}

fn run_bench(parser: lexopt::Parser) -> Result<(), Failure> {
    let mut chosen = bench::Options::default();
    let given = options_of_run(parser, help::BENCH, &[], |argument, values| {
        match argument {
            Long("hosts") => chosen.hosts = values.count("--hosts", 256)?,
            Long("files") => chosen.files = values.count("--files", 100_000)?,
            Long("batch") => chosen.batch = values.count("--batch", 1000)?,
            Long("work") => chosen.work = values.text()?.parse().map_err(Failure::Usage)?,
            Long("json") => chosen.json = true,
            other => return Err(other.unexpected().into()),
        }
        Ok(())
    })?;
    let Some(given) = given else { return Ok(()) };
    let path = given.path.clone();
    let config = config::load(path.as_deref(), given.environment());
    let config = config.map_err(Failure::Configuration)?;
    let good = bench::run(&config, &chosen, &mut std::io::stdout())?;
    if good { Ok(()) } else { Err(Failure::Quiet) }
}

fn run_demo(parser: lexopt::Parser) -> Result<(), Failure> {
    let path = options(parser, help::DEMO, |argument, _| {
        Err(argument.unexpected().into())
    })?;
    if path.is_none() {
        return Ok(());
    }
    #[cfg(feature = "demo")]
    return Ok(demo::run(&mut std::io::stdout())?);
    #[cfg(not(feature = "demo"))]
    Err(
        "this vpid was built without its demo; build it with the feature `demo`"
            .to_owned()
            .into(),
    )
}
