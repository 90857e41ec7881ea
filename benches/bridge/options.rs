//! The command line of the bench, and how much of everything it does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::Arg::{Long, Value};
use lexopt::ValueExt;

pub const HELP: &str = "\
Measures vpid beside the stock server and a bare loop, in one run.

Usage: cargo bench --bench bridge -- [--stock DIR [--python PATH] [--answers]] [--quick]
                                     [--rounds N] [--only TEXT] [--dir DIR] [--disk DIR]
                                     [--json | --markdown]

  --stock DIR    a checkout of Mince1844/VPI; without it the stock server is left out
  --python PATH  an interpreter that has aiosqlite and aiomysql (default: python3)
  --answers      measures nothing, but compares what vpid and the stock server answer to the same
                 calls (VPID_SEED=N plays the same once more). Without it that comes at the end
  --quick        two short rounds, to see whether it works
  --rounds N     how often everything is measured (default: 5)
  --only TEXT    only the rows whose names hold this, such as MariaDB
  --dir DIR      where the scriptdata folders are made (default: /dev/shm, in memory; the file
                 system of a disk costs every server the same, but not every time the same)
  --disk DIR     where the databases are made (default: the system's temporary folder)
";

/// How the results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Markdown,
    Json,
}

/// Where the stock server comes from.
#[derive(Debug, Clone)]
pub struct Stock {
    /// Holds its three files.
    pub checkout: PathBuf,
    pub python: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub stock: Option<Stock>,
    /// Where the scriptdata folders are made.
    pub dir: PathBuf,
    /// Where databases and state are.
    pub disk: PathBuf,
    pub form: Form,
    pub rounds: usize,
    /// Nothing but the answers is compared.
    pub answers: bool,
    /// What the names of all rows are to hold.
    pub only: Option<String>,
    /// Call files of all hosts together under throughput, and calls in each.
    pub files: usize,
    pub batch: usize,
    /// Calls whose latency is measured, one after the other.
    pub latency_calls: usize,
    /// The same for the stock server, which takes 200 ms for each.
    pub stock_latency_calls: usize,
    /// How long idle servers are watched.
    pub idle: Duration,
}

pub enum Command {
    Measure(Settings),
    /// This process is to be the bare loop: scriptdata folder, database, and whether it has that
    /// to itself.
    Bare(PathBuf, PathBuf, bool),
    Help,
}

pub fn parse() -> Result<Command, lexopt::Error> {
    let mut settings = Settings {
        stock: None,
        dir: memory(),
        disk: std::env::temp_dir(),
        form: Form::Text,
        rounds: 5,
        answers: false,
        only: None,
        files: 1600,
        batch: 20,
        latency_calls: 500,
        stock_latency_calls: 25,
        idle: Duration::from_secs(10),
    };
    let (mut checkout, mut python) = (None, PathBuf::from("python3"));
    let mut is_bench = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if word == "bare" || word == "bare-alone" => {
                let alone = word == "bare-alone";
                let (scriptdata, database) = (parser.value()?, parser.value()?);
                return Ok(Command::Bare(scriptdata.into(), database.into(), alone));
            }
            Long("stock") => checkout = Some(absolute(parser.value()?)?),
            Long("python") => python = program(parser.value()?.into()),
            Long("dir") => settings.dir = parser.value()?.into(),
            Long("disk") => settings.disk = parser.value()?.into(),
            Long("rounds") => settings.rounds = parser.value()?.parse()?,
            Long("only") => settings.only = Some(parser.value()?.string()?),
            Long("answers") => settings.answers = true,
            Long("json") => settings.form = Form::Json,
            Long("markdown") => settings.form = Form::Markdown,
            Long("quick") => {
                settings.rounds = 2;
                settings.files = 320;
                settings.latency_calls = 100;
                settings.stock_latency_calls = 6;
                settings.idle = Duration::from_secs(2);
            }
            Long("help") => return Ok(Command::Help),
            Long("bench") => is_bench = true,
            other => return Err(other.unexpected()),
        }
    }
    // `cargo bench` says so; `cargo test --all-targets` starts this too, and means no minutes.
    if !is_bench {
        return Ok(Command::Help);
    }
    settings.rounds = settings.rounds.max(1);
    settings.stock = checkout.map(|checkout| Stock { checkout, python });
    if settings.answers && settings.stock.is_none() {
        return Err("--answers needs --stock DIR".into());
    }
    Ok(Command::Measure(settings))
}

/// A folder in memory, where the system has one.
fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

fn absolute(path: std::ffi::OsString) -> Result<PathBuf, lexopt::Error> {
    std::path::absolute(path).map_err(|error| error.to_string().into())
}

/// A bare name is looked up in PATH; a path must survive that the server runs in another folder.
/// Links are kept: that is how a virtual environment knows itself.
fn program(python: PathBuf) -> PathBuf {
    if python == Path::new(python.file_name().unwrap_or_default()) {
        return python;
    }
    std::path::absolute(&python).unwrap_or(python)
}
