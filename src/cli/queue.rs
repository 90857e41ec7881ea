//! `vpid queue`: what waits to be sent to VyHub, and what was refused.
//!
//! A running vpid gets the request. Without one, its files are read as they are.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{Arguments, Command, Stop};
use super::table::{self, printable, span};
use crate::io::control::{self, AskError};
use crate::limits::{QUEUE_FILE_BYTES_MAX, QUEUE_FILES_MAX};
use crate::protocol::control::{QueueRequest, Request, is_queue_id};

#[cfg(test)]
mod tests;

/// Where the files are in the state folder.
const FOLDER: &str = "outbox";

pub(super) const COMMAND: Command = Command {
    name: "queue",
    summary: "show the changes that wait for VyHub, and those that VyHub refused",
    help: "\
Shows the changes that wait to be sent to VyHub and those that VyHub refused: bans, unbans,
warnings, memberships, playtime and reports of executed rewards.

Usage: vpid queue list [--json]      all changes, the oldest first
       vpid queue show ID [--json]   one change with all its data
       vpid queue retry ID           send it now, even one that was refused
       vpid queue retry all          send all now
       vpid queue drop ID            remove it: it is never sent to VyHub

Without a running vpid, list and show read the files of the state folder; retry and drop need
a running one.

  --config FILE      the configuration that vpid runs with

Example: vpid queue list
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (given, json) = arguments.read_json()?;
    let request = request(&given.words).map_err(Stop::Usage)?;
    let state_dir = given.state_dir()?;
    Ok(run(&state_dir, request, json, &mut std::io::stdout())?)
}

/// The request that the words behind `vpid queue` stand for. The error is for the operator.
fn request(words: &[String]) -> Result<QueueRequest, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = |text: &str| match is_queue_id(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is not an id; `vpid queue list` shows them"
        )),
    };
    match words[..] {
        ["list"] => Ok(QueueRequest::List),
        ["show", text] => Ok(QueueRequest::Show { id: id(text)? }),
        ["retry", "all"] => Ok(QueueRequest::Retry { id: None }),
        ["retry", text] => Ok(QueueRequest::Retry {
            id: Some(id(text)?),
        }),
        ["drop", text] => Ok(QueueRequest::Drop { id: id(text)? }),
        ["show" | "drop"] => Err(format!("queue {} takes an id", words[0])),
        ["retry"] => Err("queue retry takes an id, or `all`".into()),
        _ => Err("queue takes one of list, show, retry, drop; see `vpid queue --help`".into()),
    }
}

/// Makes the request, and shows its result.
fn run(
    state_dir: &Path,
    request: QueueRequest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), String> {
    let now_s = Timestamp::now().as_second();
    let asked = Request::Queue(request.clone());
    let answer = match control::ask(state_dir, &asked, control::PATIENCE) {
        Err(AskError::NotRunning(_)) => without_vpid(state_dir, &request)?,
        answer => answer?,
    };
    let shown = match (&request, json) {
        (QueueRequest::List, true) => writeln!(out, "{:#}", answer["queue"]),
        (QueueRequest::List, false) => list(&answer["queue"], now_s, out),
        (QueueRequest::Show { .. }, true) => writeln!(out, "{:#}", answer["entry"]),
        (QueueRequest::Show { .. }, false) => show(&answer["entry"], now_s, out),
        (QueueRequest::Retry { id }, _) => {
            let what = match (id, &answer["ok"]) {
                (Some(id), _) => format!("{id} is"),
                (None, count) if *count == 1 => "1 entry is".into(),
                (None, count) => format!("{count} entries are"),
            };
            match answer["wait_s"].as_u64().unwrap_or(0) {
                0 => writeln!(out, "{what} tried now."),
                wait_s => writeln!(
                    out,
                    "{what} tried in {wait_s} s at the latest: VyHub has asked to be left alone, or may \
                     still be carrying out the last try."
                ),
            }
        }
        (QueueRequest::Drop { id }, _) => writeln!(out, "{id} is removed and will not be sent."),
    };
    table::but_for_a_gone_reader(shown)
}

/// What a running vpid would answer, from the files of one that does not run.
fn without_vpid(state_dir: &Path, request: &QueueRequest) -> Result<Value, String> {
    match request {
        QueueRequest::List => Ok(json!({ "queue": entries(state_dir)? })),
        QueueRequest::Show { id } => {
            let is_it = |entry: &Value| self::id(entry).as_ref() == Some(id);
            let entry = entries(state_dir)?.into_iter().find(is_it);
            let entry =
                entry.ok_or_else(|| format!("{id} is not in the queue; see `vpid queue list`"))?;
            Ok(json!({ "entry": entry }))
        }
        QueueRequest::Retry { .. } | QueueRequest::Drop { .. } => Err(format!(
            "no vpid runs on {}, and only a running one can change its queue; start it with `vpid \
             run`",
            state_dir.display()
        )),
    }
}

/// All entries on disk, the oldest first. One that cannot be read says so, in its place.
fn entries(state_dir: &Path) -> Result<Vec<Value>, String> {
    let folder = state_dir.join(FOLDER);
    let shown = folder.display();
    let files = match std::fs::read_dir(&folder) {
        Ok(files) => files,
        // Nothing has ever waited.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(format!(
                "{shown} cannot be read ({error}); run as the user that vpid runs as"
            ));
        }
    };
    let mut found = Vec::new();
    for file in files.flatten() {
        let name = file.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        if found.len() == QUEUE_FILES_MAX {
            return Err(format!("{shown} has more than {QUEUE_FILES_MAX} entries"));
        }
        // A running vpid would have renamed one that is unreadable.
        found.push(read(&file.path()).unwrap_or_else(
            |problem| json!({"id": id, "state": "unreadable", "problem": problem}),
        ));
    }
    found.sort_by_cached_key(|entry| {
        let number = entry["id"].as_u64();
        (created(entry), number, id(entry))
    });
    Ok(found)
}

fn read(path: &Path) -> Result<Value, String> {
    let failed = |error: io::Error| format!("its file cannot be read: {error}");
    if !path.symlink_metadata().map_err(failed)?.is_file() {
        return Err("it is not a file".into());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(QUEUE_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > QUEUE_FILE_BYTES_MAX {
        return Err("its file is larger than any entry is".into());
    }
    let entry: Value =
        serde_json::from_str(&text).map_err(|error| format!("its file is not JSON ({error})"))?;
    match entry["id"].is_u64() {
        true => Ok(entry),
        false => Err("its file does not contain an entry of the queue".into()),
    }
}

/// A number; of what cannot be read, the name of its file.
fn id(entry: &Value) -> Option<String> {
    match &entry["id"] {
        Value::Number(number) => Some(number.to_string()),
        Value::String(name) => Some(name.clone()),
        _ => None,
    }
}

fn shown_id(entry: &Value) -> String {
    printable(&id(entry).unwrap_or_else(|| "-".into()))
}

fn list(entries: &Value, now_s: i64, out: &mut dyn Write) -> io::Result<()> {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return writeln!(out, "Nothing waits, and nothing was refused.");
    }
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, now_s)).collect();
    let head = [
        "ID", "KIND", "PLAYER", "STATE", "AGE", "TRIES", "NEXT", "PROBLEM",
    ];
    table::write(head, &rows, out)
}

fn row(entry: &Value, now_s: i64) -> [String; 8] {
    let text = |key: &str| printable(entry[key].as_str().unwrap_or("-"));
    let age = created(entry).map_or("?".into(), |at_s| span(now_s - at_s));
    let tries = entry["tries"].as_u64().unwrap_or(0).to_string();
    let (kind, state, problem) = (text("kind"), text("state"), text("problem"));
    let next = next(entry, now_s);
    [
        shown_id(entry),
        kind,
        player(entry),
        state,
        age,
        tries,
        next,
        problem,
    ]
}

fn player(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    printable(&match (text("name"), text("steam")) {
        (Some(name), Some(steam)) => format!("{name} ({steam})"),
        (one, other) => one.or(other).unwrap_or("?").to_owned(),
    })
}

/// When it is tried, of what has to be sent.
fn next(entry: &Value, now_s: i64) -> String {
    match (entry["state"].as_str(), entry["next_s"].as_i64()) {
        (Some("waiting" | "sending" | "held"), Some(at_s)) if at_s > now_s => {
            format!("in {}", span(at_s - now_s))
        }
        (Some("waiting" | "sending" | "held"), _) => "soon".into(),
        _ => "-".into(),
    }
}

fn show(entry: &Value, now_s: i64, out: &mut dyn Write) -> io::Result<()> {
    let text = |key: &str| printable(entry[key].as_str().unwrap_or("-"));
    let mut line = |name: &str, value: String| writeln!(out, "{name:<9}{value}");
    line("id", shown_id(entry))?;
    line("kind", text("kind"))?;
    line("player", player(entry))?;
    if entry["kind"] == "ban" {
        let length = entry["length_s"].as_i64();
        line("length", length.map_or("permanent".into(), span))?;
        if entry["standing"] == false {
            line("", "It was lifted before it was sent.".into())?;
        }
    }
    if let Some(group) = entry["group_name"].as_str() {
        let all = group.is_empty().then_some("all");
        line("group", printable(all.unwrap_or(group)))?;
    }
    if entry["kind"] == "membership" {
        let length = entry["length_s"].as_i64();
        line("length", length.map_or("without an end".into(), span))?;
    }
    if entry["kind"] == "reward" {
        line("reward", text("reward"))?;
    }
    if entry["kind"] == "playtime" {
        line("time", span(entry["ms"].as_i64().unwrap_or(0) / 1_000))?;
        line("on", text("date"))?;
    }
    line("reason", text("reason"))?;
    line(
        "by",
        match &entry["issuer"] {
            Value::Null => "the server".into(),
            issuer => player(issuer),
        },
    )?;
    line("server", text("server"))?;
    let age = created(entry).map_or(String::new(), |at_s| {
        format!(" ({} ago)", span(now_s - at_s))
    });
    line("created", format!("{}{age}", text("created")))?;
    let tries = entry["tries"].as_u64().unwrap_or(0);
    line("state", format!("{}, tried {tries} times", text("state")))?;
    line("next try", next(entry, now_s))?;
    line("problem", text("problem"))
}

/// Unix seconds.
fn created(entry: &Value) -> Option<i64> {
    let at: Timestamp = entry["created"].as_str()?.parse().ok()?;
    Some(at.as_second())
}
