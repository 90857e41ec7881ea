//! `vpid rewards`: lists unfinished rewards, and executes or skips one for the operator.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::command::{Action, Base, Command, JSON, text};
use super::given::{Given, Stop};
use super::table::{self, printable, span};
use crate::io::control;
use crate::protocol::control::{Request, RewardsRequest, is_queue_id};

pub(super) const COMMAND: Command = Command {
    name: "rewards",
    summary: "list, execute and skip unfinished rewards",
    about: "\
Shows the rewards, of VyHub's shop or of groups, that are open, running, unclear, failed or unreported. Needs a \
running vpid.

An ID may be abbreviated if it stays unambiguous. `unclear`: vpid ended or the console was lost while it was executed, \
so look in the game first. `failed`: PROBLEM says why; once corrected, it is executed automatically, unless it was cut \
short.",
    base: Base::Run,
    examples: &["vpid rewards list"],
    action: Action::Commands(&[
        Command::sub("list", &[], "all of them", |given| ask(&given, RewardsRequest::List)).options(&[JSON]),
        Command::sub(
            "run",
            &[text("ID")],
            "execute it, even if it is unclear or was cut short",
            |given| {
                let id = id_of(&given.words[0])?;
                ask(&given, RewardsRequest::Run { id })
            },
        ),
        Command::sub(
            "skip",
            &[text("ID")],
            "treat it as executed, and report that",
            |given| {
                let id = id_of(&given.words[0])?;
                ask(&given, RewardsRequest::Skip { id })
            },
        ),
    ]),
    ..Command::NONE
};

fn ask(given: &Given, request: RewardsRequest) -> Result<(), Stop> {
    Ok(run(
        &given.state_dir()?,
        request,
        given.json(),
        &mut io::stdout(),
    )?)
}

fn id_of(text: &str) -> Result<String, Stop> {
    match is_queue_id(text) {
        true => Ok(text.to_owned()),
        false => Err(Stop::Usage(format!(
            "{text:?} is no id; `vpid rewards list` shows them"
        ))),
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
        (RewardsRequest::List, true) => table::write_json(&answer, out),
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
