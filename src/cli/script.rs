//! `vpid script`: the owner's Python scripts, as a running vpid has them.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::arguments::{Arguments, Command, Stop};
use super::table::{self, console_text, printable, span};
use crate::config::is_script_name;
use crate::io::control;
use crate::limits::SCRIPT_COMMAND_MS;
use crate::protocol::control::{Request, ScriptRequest};

#[cfg(test)]
mod tests;

/// Names of the levels 0 to 5.
const LEVELS: [&str; 6] = ["critical", "error", "warning", "info", "debug", "trace"];

pub(super) const COMMAND: Command = Command {
    name: "script",
    summary: "show your Python scripts, load and unload them",
    help: "\
Shows the Python scripts of a running vpid, and loads and unloads them.

Usage: vpid script list [--json]       all of them, with their states
       vpid script load NAME           start it
       vpid script unload NAME         end it; it is not started until it is loaded again
       vpid script reload NAME         end it and start it again from the file on disk
       vpid script log NAME [--json]   its latest output and log lines

  --config FILE      the configuration that vpid runs with

Example: vpid script reload stats
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (given, json) = arguments.read_json()?;
    let request = request(&given.words).map_err(Stop::Usage)?;
    let state_dir = given.state_dir()?;
    Ok(run(&state_dir, request, json, &mut std::io::stdout())?)
}

/// The request that the words behind `vpid script` stand for. The error is for the operator.
fn request(words: &[String]) -> Result<ScriptRequest, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = |text: &str| {
        // As the file is called, and as log lines and permissions have it.
        let bare = text.strip_suffix(".py").unwrap_or(text);
        match is_script_name(bare) {
            true => Ok(bare.to_owned()),
            false => Err(format!(
                "{text:?} is not the name of a script; `vpid script list` shows them"
            )),
        }
    };
    match words[..] {
        ["list"] => Ok(ScriptRequest::List),
        ["load", text] => Ok(ScriptRequest::Load { name: name(text)? }),
        ["unload", text] => Ok(ScriptRequest::Unload { name: name(text)? }),
        ["reload", text] => Ok(ScriptRequest::Reload { name: name(text)? }),
        ["log", text] => Ok(ScriptRequest::Log { name: name(text)? }),
        ["load" | "unload" | "reload" | "log", ..] => {
            Err(format!("script {} takes the name of a script", words[0]))
        }
        _ => Err(
            "script takes one of list, load, unload, reload, log; see `vpid script --help`".into(),
        ),
    }
}

/// Makes the request, and shows its result.
fn run(
    state_dir: &Path,
    request: ScriptRequest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), String> {
    let patience = Duration::from_millis(SCRIPT_COMMAND_MS);
    let asked = Request::Script(request.clone());
    // What a script said may be part of what went wrong.
    let answer = control::ask(state_dir, &asked, patience)
        .map_err(|problem| console_text(&problem.to_string()))?;
    let shown = match (&request, json) {
        (ScriptRequest::List, true) => writeln!(out, "{:#}", answer["scripts"]),
        (ScriptRequest::List, false) => list(&answer["scripts"], out),
        (ScriptRequest::Log { .. }, true) => writeln!(out, "{:#}", answer["log"]),
        (ScriptRequest::Log { name }, false) => log(name, &answer["log"], &TimeZone::system(), out),
        _ => writeln!(out, "{}", console_text(answer["ok"].as_str().unwrap_or(""))),
    };
    table::but_for_a_gone_reader(shown)
}

fn list(scripts: &Value, out: &mut dyn Write) -> io::Result<()> {
    let scripts = scripts.as_array().map(Vec::as_slice).unwrap_or_default();
    if scripts.is_empty() {
        return writeln!(
            out,
            "There are no scripts. They are NAME.py or NAME/main.py in the folder that [scripts] \
             names in the configuration."
        );
    }
    let rows: Vec<_> = scripts.iter().map(row).collect();
    let head = [
        "NAME",
        "STATE",
        "PYTHON",
        "SINCE",
        "HOOKS",
        "FUNCTIONS",
        "WAITING",
        "RESTARTS",
        "PROBLEM",
    ];
    table::write(head, &rows, out)
}

fn row(script: &Value) -> [String; 9] {
    let text = |key: &str| match script[key].as_str() {
        // What a script said last goes on for many lines, and here is one.
        Some(text) if !text.is_empty() => printable(text.trim()),
        _ => "-".to_owned(),
    };
    let count = |key: &str| match &script[key] {
        Value::Array(entries) => entries.len().to_string(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    // Lost ones must not look as if they still waited.
    let waiting = match script["dropped"].as_u64() {
        Some(dropped @ 1..) => format!("{} ({dropped} lost)", count("waiting")),
        _ => count("waiting"),
    };
    let since = script["seconds"].as_f64();
    [
        text("name"),
        text("state"),
        text("python"),
        since.map_or("-".into(), |seconds| span(seconds as i64)),
        count("hooks"),
        count("functions"),
        waiting,
        count("restarts"),
        text("problem"),
    ]
}

fn log(name: &str, lines: &Value, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return writeln!(out, "{name} has printed and logged nothing yet.");
    }
    for line in lines {
        let at = line[0].as_f64().unwrap_or_default();
        let at = Timestamp::from_second(at as i64).unwrap_or_default();
        let at = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        let level = line[1]
            .as_u64()
            .and_then(|level| usize::try_from(level).ok());
        let level = level.and_then(|level| LEVELS.get(level)).unwrap_or(&"?");
        let text = console_text(line[2].as_str().unwrap_or_default());
        // A line that begins with a time must be one of the log.
        let text = text.replace('\n', "\n    ");
        writeln!(out, "{at} {level:<8} {text}")?;
    }
    Ok(())
}
