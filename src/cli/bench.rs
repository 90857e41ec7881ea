//! `vpid bench`: measures a running vpid through the files.

use super::command::{Action, Base, Command, JSON, Kind, option};
use super::given::{Given, Stop};
use super::progress::Progress;
use super::table;
use crate::config;
use crate::game_side::bench::{self, Options, Work};
use crate::io::control::AskError;
use crate::io::lock;

const WORK: &[&str] = &["select", "insert", "echo"];

pub(super) const COMMAND: Command = Command {
    name: "bench",
    summary: "measure a running vpid through the files",
    about: "\
Measures a running vpid through the files, as games would use it: latency of single calls, then throughput. Creates \
the table user_vpidbench_rows in the database, which must be SQLite, and removes it again; `--work echo` needs no \
database.",
    options: &[
        option(
            "--hosts",
            "N",
            Kind::Count(256),
            "number of games that write at the same time (default: 4)",
        ),
        option(
            "--files",
            "N",
            Kind::Count(100_000),
            "call files of each game, and calls in the latency measurement (default: 200)",
        ),
        option(
            "--batch",
            "N",
            Kind::Count(1000),
            "calls in each file (default: 20)",
        ),
        option(
            "--work",
            "WHAT",
            Kind::Words(WORK),
            "what each call does: select (default), insert or echo",
        ),
        JSON,
    ],
    base: Base::Run,
    examples: &["vpid bench --hosts 16 --work insert"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(given: Given) -> Result<(), Stop> {
    let usual = Options::default();
    let options = Options {
        hosts: given.count("--hosts").unwrap_or(usual.hosts),
        files: given.count("--files").unwrap_or(usual.files),
        batch: given.count("--batch").unwrap_or(usual.batch),
        work: given.text("--work").map_or(usual.work, work),
        ..usual
    };
    let json = given.json();
    let config = config::load(given.path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    if !lock::is_held(&config.state_dir) {
        return Err(String::from(AskError::NotRunning(config.state_dir)).into());
    }
    let mut progress = Progress::new();
    let show =
        move |phase: &str, done, total| progress.show(|| format!("{phase}: {done} of {total}"));
    let report =
        bench::run(&config, &options, Some(Box::new(show))).map_err(|error| error.to_string())?;
    table::print(|out| match json {
        true => table::write_json(&report.to_json(), out),
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

/// One of [`WORK`].
fn work(text: &str) -> Work {
    match text {
        "insert" => Work::Insert,
        "echo" => Work::Echo,
        _ => Work::Select,
    }
}
