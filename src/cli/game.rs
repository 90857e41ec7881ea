//! `vpid game`: looks at the games that a running vpid serves, and sends them something.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::not_json;
use super::command::{Action, Base, Command, JSON, Kind, Opt, option, switch, text};
use super::given::{Given, Stop};
use super::json_text;
use super::table::{self, console_text, printable};
use super::trace;
use crate::io::control::{AskError, Replies};
use crate::limits::CONTROL_LINE_BYTES_MAX;
use crate::protocol::control::Request;
use crate::protocol::signed::messages::{Place, Push};

pub(super) const COMMAND: Command = Command {
    name: "game",
    summary: "show the connected games, and send messages, texts and commands to them",
    about: "\
Shows the games that a running vpid serves with signed game scripts, and sends to them. With RCON, `say` and `command` \
also reach a game without these scripts.

JSON can be -: then it is read from standard input. What does not look like JSON is sent as a text.

message and hook end when the game has received them. Whether one of its scripts listens is not known.",
    base: Base::Run,
    examples: &["vpid game say 'The server restarts in five minutes' --where center"],
    action: Action::Commands(&[
        Command::sub(
            "list",
            &[],
            "the connected games, with maps and players",
            |given| ask(&given, &Request::Games),
        )
        .options(&[JSON, TIMEOUT]),
        Command::sub(
            "watch",
            &[],
            "what games report, as JSON lines, until Ctrl-C",
            |given| {
                let host = given.text("--host").map(str::to_owned);
                ask(&given, &Request::Watch { host })
            },
        )
        .options(&[HOST]),
        Command::sub(
            "call",
            &[text("FUNCTION"), text("JSON").optional()],
            "call a function given to VPI.Register, and print its result",
            |given| {
                let args = data(&given)?.unwrap_or_default();
                let function = given.words[0].clone();
                push(&given, Push::Call { function, args })
            },
        )
        .options(&[HOST, KEEP, TIMEOUT]),
        Command::sub(
            "message",
            &[text("NAME"), text("JSON").optional()],
            "send a message to functions given to VPI.On",
            |given| {
                let data = data(&given)?.unwrap_or_default();
                let name = given.words[0].clone();
                push(&given, Push::Message { name, data })
            },
        )
        .options(&[HOST, KEEP, TIMEOUT]),
        Command::sub(
            "hook",
            &[text("NAME"), text("JSON").optional()],
            "raise a script hook",
            |given| {
                let data = data(&given)?.unwrap_or_else(|| json!({}));
                if !(data.is_object() || data.is_null()) {
                    let problem = "JSON must be an object, for example '{\"userid\": 2}'";
                    return Err(Stop::Failed(problem.into()));
                }
                let name = given.words[0].clone();
                push(&given, Push::Hook { name, data })
            },
        )
        .options(&[HOST, KEEP, TIMEOUT]),
        Command::sub("say", &[text("TEXT")], "show a text to players", say).options(&[
            option(
                "--where",
                "PLACE",
                Kind::Words(&["chat", "center", "console"]),
                "chat (default), center or console",
            ),
            option("--to", "USERID", Kind::Count(65_535), "to one player only"),
            HOST,
            KEEP,
            TIMEOUT,
        ]),
        Command::sub(
            "command",
            &[text("COMMAND")],
            "run a command on the server's console, if the game allows it",
            |given| push(&given, Push::Command(filled(&given, "COMMAND")?)),
        )
        .options(&[HOST, KEEP, TIMEOUT]),
    ]),
    ..Command::NONE
};

const HOST: Opt = option(
    "--host",
    "HOST",
    Kind::Text,
    "the game (default: the only one that is connected)",
);
const KEEP: Opt = switch("--keep", "deliver to the next map if this one ends first");
const TIMEOUT: Opt = option(
    "--timeout",
    "SECONDS",
    Kind::Seconds,
    "how long to wait for the game (default: 10)",
);

fn say(given: Given) -> Result<(), Stop> {
    let place = given.text("--where").unwrap_or("chat");
    let place =
        Place::parse(place).ok_or_else(|| Stop::Usage(format!("there is no place {place:?}")))?;
    let text = filled(&given, "TEXT")?;
    let to = given
        .count("--to")
        .and_then(|userid| i32::try_from(userid).ok());
    push(&given, Push::Print { text, to, place })
}

/// The first argument, of which nothing would come if it were empty.
fn filled(given: &Given, name: &str) -> Result<String, Stop> {
    let text = &given.words[0];
    match text.trim().is_empty() {
        true => Err(Stop::Usage(format!("{name} is empty"))),
        false => Ok(text.clone()),
    }
}

fn push(given: &Given, push: Push) -> Result<(), Stop> {
    let host = given.text("--host").map(str::to_owned);
    let keep = given.has("--keep");
    ask(given, &Request::Push { host, push, keep })
}

fn ask(given: &Given, request: &Request) -> Result<(), Stop> {
    let timeout = match request {
        Request::Watch { .. } => None,
        _ => given.seconds("--timeout"),
    };
    let timeout = timeout.unwrap_or(Duration::from_secs(10));
    Ok(run(&given.state_dir()?, request, given.json(), timeout)?)
}

/// The JSON behind a name; a text that does not look like JSON stands for itself.
fn data(given: &Given) -> Result<Option<Value>, Stop> {
    let Some(word) = given.words.get(1) else {
        return Ok(None);
    };
    let text = json_text(word, CONTROL_LINE_BYTES_MAX)?;
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => {
            Err(Stop::Failed(not_json(&error)))
        }
        Err(_) => Ok(Some(text.into())),
    }
}

/// Shows what the vpid that holds this state folder replies. Errors are sentences.
fn run(state_dir: &Path, request: &Request, json: bool, timeout: Duration) -> Result<(), String> {
    let late = |error| match error {
        AskError::Late => format!(
            "the game did not receive it within {} s; it may still do so",
            timeout.as_secs_f64()
        ),
        error => error.to_string(),
    };
    let is_watch = matches!(request, Request::Watch { .. });
    let patience = (!is_watch).then_some(timeout);
    let mut replies = Replies::to(state_dir, request, patience).map_err(late)?;
    let reply = replies.first().map_err(late)?;
    table::print(|out| match request {
        Request::Games if json => table::write_json(&reply["games"], out),
        Request::Games => list(&reply["games"], out),
        Request::Push {
            push: Push::Call { .. },
            ..
        } => table::write_json(&reply["ok"], out),
        // What a console has replied; what goes by a game's script is not replied to.
        Request::Push { .. } => match reply["ok"].as_str() {
            Some(reply) if !reply.trim().is_empty() => writeln!(out, "{}", console_text(reply)),
            _ => Ok(()),
        },
        _ => Ok(()),
    })?;
    match is_watch {
        true => {
            trace::begin("Watching", &reply);
            watch(&mut replies)
        }
        false => Ok(()),
    }
}

fn watch(replies: &mut Replies) -> Result<(), String> {
    trace::follow(replies, &mut io::stdout(), |line| {
        Ok(table::json_text(&line.to_string()))
    })
}

fn list(games: &Value, out: &mut dyn Write) -> io::Result<()> {
    let games = games.as_array().map(Vec::as_slice).unwrap_or_default();
    if games.is_empty() {
        return writeln!(
            out,
            "No game is connected. Games connect when a map starts with vpi.nut."
        );
    }
    writeln!(
        out,
        "{:<24} {:<24} {:>9} {:>10}  SCRIPTS",
        "HOST", "MAP", "PLAYERS", "HEARD"
    )?;
    for game in games {
        let text = |key: &str| printable(game[key].as_str().unwrap_or_default());
        let players = game["players"].as_array().map_or(0, Vec::len);
        let slots = match game["max_players"].as_i64() {
            Some(0) | None => "?".to_string(),
            Some(slots) => slots.to_string(),
        };
        let heard = format!("{} s ago", game["heard_s_ago"]);
        let (players, script) = (format!("{players}/{slots}"), text("script"));
        writeln!(
            out,
            "{:<24} {:<24} {players:>9} {heard:>10}  {script}",
            text("host"),
            text("map")
        )?;
        if let Some(missed) = game["missed"].as_str() {
            writeln!(out, "  {}", printable(missed))?;
        }
        for player in game["players"].as_array().into_iter().flatten() {
            let text = |key: &str| printable(player[key].as_str().unwrap_or_default());
            writeln!(
                out,
                "  #{:<5} {:<32} {:<20} score {:>4}  ping {:>4}",
                player["userid"],
                text("name"),
                text("id"),
                player["score"],
                player["ping"]
            )?;
        }
    }
    Ok(())
}
