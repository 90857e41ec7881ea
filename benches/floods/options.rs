//! The command line of the bench.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::Long;
use lexopt::ValueExt;

pub const HELP: &str = "\
Floods a vpid, and measures how long others wait for it meanwhile.

Usage: cargo bench --bench floods -- [--before PATH] [--binary PATH] [--only TEXT]
                                     [--seconds N] [--patience N] [--dir DIR] [--disk DIR]
                                     [--markdown] [--list]

  --before PATH  a vpid to compare with, such as one of an earlier version: both are measured in
                 one run, by turns
  --binary PATH  the vpid that is measured (default: the one that cargo has built);
                 none: measures that of --before alone
  --only TEXT    only the floods whose names hold this
  --seconds N    how long each flood is watched (default: 10)
  --patience N   how long calls without an answer are waited for after that (default: 20)
  --dir DIR      where scriptdata folders and state are made (default: /dev/shm, in memory). The
                 largest flood takes 1.6 GB of it
  --disk DIR     where the databases are made (default: the system's temporary folder)
  --markdown     prints the tables of docs/performance.md
  --list         prints the names of the floods
";

#[derive(Debug, Clone)]
pub struct Settings {
    /// The builds that are measured, with their names in the tables.
    pub builds: Vec<(&'static str, PathBuf)>,
    pub only: Option<String>,
    pub watched: Duration,
    pub patience: Duration,
    pub dir: PathBuf,
    pub disk: PathBuf,
    pub markdown: bool,
}

pub enum Command {
    Measure(Settings),
    List,
    Help,
}

pub fn parse() -> Result<Command, lexopt::Error> {
    let mut settings = Settings {
        builds: Vec::new(),
        only: None,
        watched: Duration::from_secs(10),
        patience: Duration::from_secs(20),
        dir: memory(),
        disk: std::env::temp_dir(),
        markdown: false,
    };
    let (mut before, mut now) = (None, Some(PathBuf::from(env!("CARGO_BIN_EXE_vpid"))));
    let (mut is_bench, mut list) = (false, false);
    let mut parser = lexopt::Parser::from_env();
    let absolute = |path: std::ffi::OsString| {
        std::path::absolute(path).map_err(|error| lexopt::Error::from(error.to_string()))
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("before") => before = Some(absolute(parser.value()?)?),
            Long("binary") => {
                let path = parser.value()?;
                now = match path == "none" {
                    true => None,
                    false => Some(absolute(path)?),
                };
            }
            Long("only") => settings.only = Some(parser.value()?.string()?),
            Long("seconds") => settings.watched = Duration::from_secs(parser.value()?.parse()?),
            Long("patience") => settings.patience = Duration::from_secs(parser.value()?.parse()?),
            Long("dir") => settings.dir = parser.value()?.into(),
            Long("disk") => settings.disk = parser.value()?.into(),
            Long("markdown") => settings.markdown = true,
            Long("list") => list = true,
            Long("help") => return Ok(Command::Help),
            Long("bench") => is_bench = true,
            other => return Err(other.unexpected()),
        }
    }
    // `cargo bench` says so; `cargo test --all-targets` starts this too, and means no minutes.
    if !is_bench {
        return Ok(Command::Help);
    }
    if list {
        return Ok(Command::List);
    }
    settings.builds.extend(before.map(|path| ("before", path)));
    settings.builds.extend(now.map(|path| ("now", path)));
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
