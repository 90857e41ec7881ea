//! `vpid rewards`: lists unfinished rewards, and executes or skips one for the operator.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::arguments::{Arguments, Command, Stop};
use super::table::{self, printable, span};
use crate::io::control;
use crate::protocol::control::{Request, RewardsRequest, is_queue_id};

pub(super) const COMMAND: Command = Command {
    name: "rewards",
    summary: "list, execute and skip unfinished rewards",
    help: "\
Shows the rewards of VyHub's shop that are open, running, unclear, failed or unreported. Needs a running vpid.

Usage: vpid rewards list [--json]    all of them
       vpid rewards run ID           execute it, even if it is unclear or was cut short
       vpid rewards skip ID          treat it as executed, and report that to VyHub

An ID may be abbreviated if it stays unambiguous. `unclear`: vpid ended or the console was lost while it was
executed, so look in the game first. `failed`: PROBLEM says why; once corrected, it is executed automatically, unless it
was cut short.

  --config FILE      the configuration that vpid runs with

Example: vpid rewards list
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (given, json) = arguments.read_json()?;
    let request = request(&given.words).map_err(Stop::Usage)?;
    let state_dir = given.state_dir()?;
    Ok(run(&state_dir, request, json, &mut io::stdout())?)
}

fn request(words: &[String]) -> Result<RewardsRequest, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = |text: &str| match is_queue_id(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no id; `vpid rewards list` shows them")),
    };
    match words[..] {
        ["list"] => Ok(RewardsRequest::List),
        ["run", text] => Ok(RewardsRequest::Run { id: id(text)? }),
        ["skip", text] => Ok(RewardsRequest::Skip { id: id(text)? }),
        ["run" | "skip"] => Err(format!("rewards {} takes an id", words[0])),
        _ => Err("rewards takes one of list, run, skip; see `vpid rewards --help`".into()),
    }
}

/// Makes the request, and shows its result.
fn run(
    state_dir: &Path,
    request: RewardsRequest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), String> {
    let asked = Request::Rewards(request.clone());
    let answer = control::ask(state_dir, &asked, control::PATIENCE)?;
    let shown = match (&request, json) {
        (RewardsRequest::List, true) => writeln!(out, "{answer:#}"),
        (RewardsRequest::List, false) => list(&answer, Timestamp::now().as_second(), out),
        _ => {
            let sentence = answer["ok"].as_str().unwrap_or_default();
            writeln!(out, "{}.", printable(sentence))
        }
    };
    table::but_for_a_gone_reader(shown)
}

fn list(answer: &Value, now_s: i64, out: &mut dyn Write) -> io::Result<()> {
    let rewards = answer["rewards"].as_array().map(Vec::as_slice);
    let rewards = rewards.unwrap_or_default();
    if rewards.is_empty() {
        return writeln!(out, "No rewards to list.");
    }
    let rows: Vec<_> = rewards.iter().map(|reward| row(reward, now_s)).collect();
    let head = [
        "ID", "SERVER", "PLAYER", "REWARD", "PACKET", "EVENT", "STATE", "SINCE", "PROBLEM",
    ];
    table::write(head, &rows, out)?;
    match answer["more"].as_u64() {
        Some(more @ 1..) => writeln!(out, "... and {more} more."),
        _ => Ok(()),
    }
}

fn row(reward: &Value, now_s: i64) -> [String; 9] {
    let text = |key: &str| printable(reward[key].as_str().unwrap_or("-"));
    let since_s = reward["since_s"].as_i64();
    let player = format!("{} ({})", text("player"), text("steam"));
    [
        text("id"),
        text("server"),
        player,
        text("reward"),
        text("packet"),
        text("event"),
        text("state"),
        since_s.map_or("-".into(), |since_s| span(now_s - since_s)),
        text("problem"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_read() {
        let of = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            request(&words)
        };
        let id = "01234567-89ab".to_owned();
        assert_eq!(of("list"), Ok(RewardsRequest::List));
        let run = RewardsRequest::Run { id: id.clone() };
        assert_eq!(of("run 01234567-89ab"), Ok(run));
        assert_eq!(of("skip 01234567-89ab"), Ok(RewardsRequest::Skip { id }));
        for (wrong, part) in [
            ("", "one of list"),
            ("run", "takes an id"),
            ("run ../x", "is no id"),
            ("list all", "one of list"),
        ] {
            assert!(of(wrong).unwrap_err().contains(part), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_shown_and_moves_no_cursor() {
        let mut out = Vec::new();
        let answer = json!({"rewards": [
            {"id": "0123", "server": "one", "player": "A\u{1b}[2Jnn", "steam": "765", "reward": "VIP",
             "packet": "Gold", "event": null, "state": "unclear", "since_s": 940, "problem": "vpid ended"},
        ], "more": 3});
        list(&answer, 1_000, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let row = text.lines().nth(1).unwrap();
        for part in ["0123", "A?[2Jnn (765)", "unclear", "60 s", "vpid ended"] {
            assert!(row.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("... and 3 more.\n"), "{text}");
        let mut out = Vec::new();
        list(&json!({"rewards": [], "more": 0}), 0, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("No reward"));
    }
}
