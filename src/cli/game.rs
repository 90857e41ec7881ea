//! `vpid game`: looks at the games that a running vpid serves, and sends them something.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::{Arguments, Command, Stop};
use super::table::{self, console_text, printable};
use crate::io::control::{AskError, Replies};
use crate::protocol::control::Request;
use crate::protocol::signed::messages::{Place, Push};

pub(super) const COMMAND: Command = Command {
    name: "game",
    summary: "show the connected games, and send messages, texts and commands to them",
    help: "\
Shows the games that a running vpid serves with signed game scripts, and sends to them.
With RCON, `say` and `command` also reach a game without these scripts.

Usage: vpid game list [--json]
       vpid game watch                   what games report, as JSON lines, until Ctrl-C
       vpid game call FUNCTION [JSON]    call a function given to VPI.Register, print its result
       vpid game message NAME [JSON]     send a message to functions given to VPI.On
       vpid game hook NAME [JSON]        raise a script hook
       vpid game say TEXT                show a text
       vpid game command TEXT            run a command on the server's console, if the game allows it

  --host HOST        the game (default: the only one that is connected)
  --to USERID        say: to one player only
  --where PLACE      say: chat, center or console (default: chat)
  --keep             deliver to the next map if this one ends first
  --timeout SECONDS  how long to wait for the game (default: 10)
  --config FILE      the configuration that vpid runs with

Example: vpid game say 'The server restarts in five minutes' --where center
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (mut host, mut keep, mut json, mut to) = (None, false, false, None);
    let (mut place, mut timeout) = ("chat".to_string(), Duration::from_secs(10));
    let mut options = Vec::new();
    let mut given = arguments.read_with_run(|option, values| {
        match option {
            "--host" => host = Some(values.text()?),
            "--to" => to = Some(values.count(65_535)? as i32),
            "--where" => place = values.text()?,
            "--keep" => keep = true,
            "--json" => json = true,
            "--timeout" => timeout = values.seconds()?,
            _ => return Ok(false),
        }
        options.push(option.to_owned());
        Ok(true)
    })?;
    let words = std::mem::take(&mut given.words);
    let place = || {
        Place::parse(&place).ok_or_else(|| {
            Stop::Usage(format!("--where is chat, center or console, not {place:?}"))
        })
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let push = |push| Request::Push {
        host: host.clone(),
        push,
        keep,
    };
    let request = match words[..] {
        ["list"] => Request::Games,
        ["watch"] => Request::Watch { host: host.clone() },
        ["call", function, ref args @ ..] if args.len() < 2 => push(Push::Call {
            function: function.to_owned(),
            args: args.first().map_or(Value::Null, |text| data(text)),
        }),
        ["message", name, ref args @ ..] if args.len() < 2 => push(Push::Message {
            name: name.to_owned(),
            data: args.first().map_or(Value::Null, |text| data(text)),
        }),
        ["hook", name, ref args @ ..] if args.len() < 2 => push(Push::Hook {
            name: name.to_owned(),
            data: args.first().map_or_else(|| json!({}), |text| data(text)),
        }),
        ["command", line] => push(Push::Command(line.to_owned())),
        ["say", text] => push(Push::Print {
            text: text.to_owned(),
            to,
            place: place()?,
        }),
        _ => {
            return Err(Stop::Usage(
                "game takes one of list, watch, call, message, hook, command, say; see `vpid game \
                 --help`"
                    .into(),
            ));
        }
    };
    options_have_effect(words[0], &options).map_err(Stop::Usage)?;
    let state_dir = given.state_dir()?;
    Ok(run(&state_dir, &request, json, timeout)?)
}

/// Arguments as JSON; a text that is none stands for itself.
fn data(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Whether each of these options of `vpid game` does something for the verb.
///
/// Errors: a sentence about the first that does not.
fn options_have_effect(verb: &str, options: &[String]) -> Result<(), String> {
    let useless = match verb {
        "list" => &["--host", "--to", "--where", "--keep"][..],
        "watch" => &["--to", "--where", "--keep", "--timeout"],
        "say" => &[],
        _ => &["--to", "--where"],
    };
    match options.iter().find(|it| useless.contains(&it.as_str())) {
        Some(option) => Err(format!(
            "{option} has no effect on `game {verb}`; leave it out"
        )),
        None => Ok(()),
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
        Request::Games if json => writeln!(out, "{:#}", reply["games"]),
        Request::Games => list(&reply["games"], out),
        Request::Push {
            push: Push::Call { .. },
            ..
        } => writeln!(out, "{:#}", reply["ok"]),
        // What a console has replied; what goes by a game's script is not replied to.
        Request::Push { .. } => match reply["ok"].as_str() {
            Some(reply) if !reply.trim().is_empty() => writeln!(out, "{}", console_text(reply)),
            _ => Ok(()),
        },
        _ => Ok(()),
    })?;
    match is_watch {
        true => watch(&mut replies),
        false => Ok(()),
    }
}

/// Shows what comes until vpid ends, or the reader of the output does.
fn watch(replies: &mut Replies) -> Result<(), String> {
    eprintln!("Watching; Ctrl-C ends it.");
    let mut out = io::stdout();
    loop {
        let line = match replies.line() {
            Ok(line) => line,
            Err(AskError::Ended) => return Err("vpid ended".into()),
            Err(error) => return Err(error.to_string()),
        };
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
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
