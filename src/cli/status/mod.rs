//! `vpid status`: how a running vpid is, for people, programs, health checks and Prometheus.

mod braille;
mod text;
mod watch;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::command::{Action, Base, Command, JSON, switch};
use super::given::{Given, Stop};
use super::table::{self, console_text};
use crate::config::Problem;
use crate::io::control::{self, AskError};
use crate::protocol::control::Request;
use crate::protocol::counted::counted;
use crate::protocol::observable::{ObservableState, health, metrics};

pub(super) const COMMAND: Command = Command {
    name: "status",
    summary: "show how a running vpid is: servers, calls, queues, problems",
    about: "\
Shows how a running vpid is: its servers and who is on, calls and how long they take, workers, queues, Python scripts, \
what it cannot reach, and the latest warnings and errors.",
    options: &[
        JSON,
        switch("--watch", "redraw it each second, until q or Ctrl-C"),
        switch("--metrics", "print Prometheus' text format"),
        switch(
            "--health",
            "print one line; exit code 0 if vpid is healthy, else 1: docs/operations.md says what counts",
        ),
    ],
    base: Base::Run,
    examples: &["vpid status --watch"],
    action: Action::Run(main),
    ..Command::NONE
};

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Watch,
    Metrics,
    Health,
}

fn main(given: Given) -> Result<(), Stop> {
    let forms = [
        ("--json", Form::Json),
        ("--watch", Form::Watch),
        ("--metrics", Form::Metrics),
        ("--health", Form::Health),
    ];
    let forms: Vec<Form> = forms
        .into_iter()
        .filter_map(|(option, form)| given.has(option).then_some(form))
        .collect();
    let form = match forms[..] {
        [] => Form::Text,
        [form] => form,
        _ => {
            let problem = "--json, --watch, --metrics and --health exclude each other";
            return Err(Stop::Usage(problem.into()));
        }
    };
    if form == Form::Health {
        return health(given, &mut std::io::stdout());
    }
    let state_dir = given.state_dir()?;
    if form == Form::Watch {
        return Ok(watch::run(&state_dir)?);
    }
    let state = request(&state_dir, control::PATIENCE).map_err(|error| error.to_string())?;
    let shown = match form {
        Form::Json => {
            serde_json::to_string_pretty(&state).map(|text| table::json_text(&text) + "\n")
        }
        Form::Metrics => Ok(metrics::text(&state)),
        _ => Ok(text::text(&state, &TimeZone::system())),
    };
    let shown = shown.map_err(|error| error.to_string())?;
    Ok(table::print(|out| out.write_all(shown.as_bytes()))?)
}

/// Why no state was received.
#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(
        "the running vpid is of another version, and its reply cannot be read ({0}); restart it"
    )]
    Unreadable(serde_json::Error),
}

fn request(state_dir: &Path, patience: Duration) -> Result<ObservableState, StatusError> {
    let mut reply = control::ask(state_dir, &Request::Status, patience)?;
    serde_json::from_value(reply["status"].take()).map_err(StatusError::Unreadable)
}

/// A line, and an exit code of 0 or 1 whatever is wrong.
fn health(given: Given, out: &mut dyn Write) -> Result<(), Stop> {
    let state = match given.state_dir() {
        Ok(state_dir) => request(&state_dir, control::PATIENCE).map_err(|error| error.to_string()),
        Err(Stop::Configuration(problems)) => Err(problems
            .iter()
            .map(Problem::to_string)
            .collect::<Vec<_>>()
            .join("; ")),
        Err(stop) => return Err(stop),
    };
    let problems = match &state {
        Ok(state) => health::problems(state),
        Err(problem) => vec![problem.clone()],
    };
    let line = match (&state, &problems[..]) {
        (Ok(state), []) => format!(
            "healthy: {} served, {} players",
            counted(state.servers.len(), "server"),
            state.players()
        ),
        (_, problems) => format!("unhealthy: {}", problems.join("; ")),
    };
    let line = console_text(&line).replace('\n', " ");
    table::but_for_a_gone_reader(writeln!(out, "{line}"))?;
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Stop::Reported),
    }
}
