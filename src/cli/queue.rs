//! `vpid queue`: what waits to be sent to the community, and what was refused there.
//!
//! A running vpid gets the request. Without one, its files are read as they are.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::command::{Action, Base, Command, JSON, text};
use super::given::{Given, Stop};
use super::table::{self, printable, span};
use crate::io::control::{self, AskError};
use crate::limits::{QUEUE_FILE_BYTES_MAX, QUEUE_FILES_MAX};
use crate::protocol::backend::Keeper;
use crate::protocol::control::{QueueRequest, Request, RewardsRequest, is_queue_id};
use crate::protocol::counted::counted;

#[cfg(test)]
mod tests;

pub(super) const COMMAND: Command = Command {
    name: "queue",
    summary: "show the changes that wait for the community, and those that were refused",
    about: "\
Shows the changes that wait to be sent to VyHub, or to the community's database, and those that were refused there: \
bans, unbans, warnings, memberships, playtime, reports of executed rewards.

Without a running vpid, list and show read the files of the state folder; retry and drop need a running one.",
    base: Base::Run,
    examples: &["vpid queue list"],
    action: Action::Commands(&[
        Command::sub("list", &[], "all changes, the oldest first", |given| {
            ask(&given, QueueRequest::List)
        })
        .options(&[JSON]),
        Command::sub("show", &[text("ID")], "one change with all its data", |given| {
            let id = id_of(&given.words[0])?;
            ask(&given, QueueRequest::Show { id })
        })
        .options(&[JSON]),
        Command::sub(
            "retry",
            &[text("ID|all")],
            "send it now, even one that was refused; or all",
            |given| {
                let id = match given.words[0].as_str() {
                    "all" => None,
                    text => Some(id_of(text)?),
                };
                ask(&given, QueueRequest::Retry { id })
            },
        ),
        Command::sub("drop", &[text("ID")], "remove it: it is never sent", |given| {
            let id = id_of(&given.words[0])?;
            ask(&given, QueueRequest::Drop { id })
        }),
    ]),
    ..Command::NONE
};

fn ask(given: &Given, request: QueueRequest) -> Result<(), Stop> {
    Ok(run(
        &given.state_dir()?,
        request,
        given.json(),
        &mut std::io::stdout(),
    )?)
}

fn id_of(text: &str) -> Result<String, Stop> {
    match is_queue_id(text) {
        true => Ok(text.to_owned()),
        false => Err(Stop::Usage(format!(
            "{text:?} is not an id; `vpid queue list` shows them"
        ))),
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
        (QueueRequest::List, true) => {
            match answer["more"].as_u64().unwrap_or(0) {
                0 => {}
                1 => eprintln!("1 more entry is not shown"),
                more => eprintln!("{more} more entries are not shown"),
            }
            table::write_json(&answer["queue"], out)
        }
        (QueueRequest::List, false) => {
            list(&answer, now_s, out).and_then(|()| unclear_rewards(state_dir, out))
        }
        (QueueRequest::Show { .. }, true) => table::write_json(&answer["entry"], out),
        (QueueRequest::Show { .. }, false) => show(&answer["entry"], now_s, out),
        (QueueRequest::Retry { id }, _) => {
            let what = match (id, &answer["ok"]) {
                (Some(id), _) => format!("{id} is"),
                (None, count) if *count == 1 => "1 entry is".into(),
                (None, count) => format!("{count} entries are"),
            };
            let keeper = answer["keeper"].as_str().unwrap_or_default();
            match answer["wait_s"].as_u64().unwrap_or(0) {
                0 => writeln!(out, "{what} tried now."),
                wait_s => writeln!(
                    out,
                    "{what} tried in {wait_s} s at the latest: {keeper} has asked to be left alone, or may \
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

/// All entries on disk, the oldest first, whatever keeps the community. One that cannot be read says so, in its
/// place.
fn entries(state_dir: &Path) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for keeper in [Keeper::Vyhub, Keeper::Database] {
        let [folder, ..] = keeper.folders();
        entries_in(&state_dir.join(folder), &mut found)?;
    }
    found.sort_by_cached_key(|entry| {
        let number = entry["id"].as_u64();
        (created(entry), number, id(entry))
    });
    Ok(found)
}

fn entries_in(folder: &Path, found: &mut Vec<Value>) -> Result<(), String> {
    let shown = folder.display();
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        // Nothing has ever waited.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(format!(
                "{shown} cannot be read ({error}); run as the user that vpid runs as"
            ));
        }
    };
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
    Ok(())
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

fn list(answer: &Value, now_s: i64, out: &mut dyn Write) -> io::Result<()> {
    let more = answer["more"].as_u64().unwrap_or(0);
    let entries = answer["queue"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if entries.is_empty() && more == 0 {
        return writeln!(out, "Nothing waits, and nothing was refused.");
    }
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, now_s)).collect();
    let head = [
        "ID", "KIND", "PLAYER", "STATE", "AGE", "TRIES", "NEXT", "PROBLEM",
    ];
    table::write(head, &rows, out)?;
    match more {
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
    }
}

/// Points to rewards that wait for the operator; only a running vpid knows of them.
fn unclear_rewards(state_dir: &Path, out: &mut dyn Write) -> io::Result<()> {
    let asked = Request::Rewards(RewardsRequest::List);
    let Ok(answer) = control::ask(state_dir, &asked, control::PATIENCE) else {
        return Ok(());
    };
    let rewards = answer["rewards"].as_array().into_iter().flatten();
    let advice = "see `vpid rewards list`";
    match rewards.filter(|it| it["state"] == "unclear").count() {
        0 => Ok(()),
        1 => writeln!(out, "1 reward is unclear; {advice}"),
        count => writeln!(out, "{count} rewards are unclear; {advice}"),
    }
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
    let whom = text("steam").or_else(|| text("range"));
    printable(&match (text("name"), whom) {
        (Some(name), Some(range)) if name == range => name.to_owned(),
        (Some(name), Some(whom)) => format!("{name} ({whom})"),
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
    if entry["kind"] == "ban" || entry["kind"] == "address ban" {
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
    let tried = counted(tries, "time");
    line("state", format!("{}, tried {tried}", text("state")))?;
    line("next try", next(entry, now_s))?;
    line("problem", text("problem"))
}

/// Unix seconds.
fn created(entry: &Value) -> Option<i64> {
    let at: Timestamp = entry["created"].as_str()?.parse().ok()?;
    Some(at.as_second())
}
