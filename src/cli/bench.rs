//! `vpid bench`: measures a running vpid through the files.

use std::io::IsTerminal;

use super::arguments::{Arguments, Command, Stop};
use super::table;
use crate::config;
use crate::game_side::bench::{self, Options, Work};

pub(super) const COMMAND: Command = Command {
    name: "bench",
    summary: "measure a running vpid through the files",
    help: "\
Measures a running vpid through the files, as games would use it: latency of single calls, then
throughput. Creates the table user_vpidbench_rows in the database, which must be SQLite, and removes
it again; `--work echo` needs no database.

Usage: vpid bench [--hosts 4] [--files 200] [--batch 20] [--work select|insert|echo] [--json]
                  [--config FILE]

  --hosts N    number of games that write at the same time
  --files N    call files of each game, and calls in the latency measurement
  --batch N    calls in each file
  --work WHAT  what each call does
  --json       print JSON

Example: vpid bench --hosts 16 --work insert
",
    run,
};

fn run(arguments: Arguments) -> Result<(), Stop> {
    let (mut options, mut json) = (Options::default(), false);
    let given = arguments.read_with_run(|option, values| {
        match option {
            "--hosts" => options.hosts = values.count(256)?,
            "--files" => options.files = values.count(100_000)?,
            "--batch" => options.batch = values.count(1000)?,
            "--work" => options.work = work(&values.text()?)?,
            "--json" => json = true,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let given = given.without_words()?;
    let path = given.path.clone();
    let config = config::load(path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let progress = std::io::stderr().is_terminal() && !json;
    let report = bench::run(&config, &options, progress).map_err(|error| error.to_string())?;
    table::print(|out| match json {
        true => writeln!(out, "{:#}", report.to_json()),
        false => write!(out, "{report}"),
    })?;
    match report.failed() {
        (0, 0) => Ok(()),
        (0, errors) => Err(Stop::Failed(format!(
            "{errors} calls got an error; the log of `vpid run` says which"
        ))),
        (unanswered, _) => Err(Stop::Failed(format!(
            "{unanswered} calls got no response: is `vpid run` running with this configuration?"
        ))),
    }
}

fn work(text: &str) -> Result<Work, Stop> {
    match text {
        "select" => Ok(Work::Select),
        "insert" => Ok(Work::Insert),
        "echo" => Ok(Work::Echo),
        _ => Err(Stop::Usage(format!(
            "--work is select, insert or echo, not {text:?}"
        ))),
    }
}
