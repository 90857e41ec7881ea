//! `vpid game`: looks at the games that a running vpid serves, and sends them something.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::io::control;
use crate::protocol::control::Request;
use crate::protocol::signed::messages::Push;

const ASK_PATIENCE: Duration = Duration::from_secs(5);

pub struct Options {
    pub request: Request,
    /// Print for programs.
    pub json: bool,
    pub timeout: Duration,
}

/// Arguments as JSON; a text that is none stands for itself.
pub fn data(text: Option<&str>) -> Value {
    let text = text.unwrap_or("null");
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Whether each of these options of `vpid game` does something for the verb.
///
/// Errors: a sentence about the first that does not.
pub fn options_have_effect(verb: Option<&str>, options: &[String]) -> Result<(), String> {
    let verb = verb.unwrap_or_default();
    let useless = match verb {
        "list" => &["host", "to", "where", "keep"][..],
        "watch" => &["to", "where", "keep", "timeout"],
        "say" => &[],
        _ => &["to", "where"],
    };
    match options.iter().find(|it| useless.contains(&it.as_str())) {
        Some(option) => Err(format!(
            "--{option} has no effect on `game {verb}`; leave it out"
        )),
        None => Ok(()),
    }
}

/// Shows what the vpid that holds this state folder answers. Errors are sentences.
pub fn run(state_dir: &Path, options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let patience = match options.request {
        Request::Watch { .. } => None,
        _ => Some(options.timeout),
    };
    let stream = send(state_dir, &options.request, patience)?;
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || match lines.next() {
        Some(Ok(line)) => Ok(Some(
            serde_json::from_str::<Value>(&line).unwrap_or_default(),
        )),
        Some(Err(error)) if is_late(&error) => {
            let seconds = options.timeout.as_secs_f64();
            Err(format!(
                "the game did not take it within {seconds} s; it may still do so"
            ))
        }
        Some(Err(error)) => Err(lost(error)),
        None => Ok(None),
    };
    let Some(mut answer) = next()? else {
        return Err("vpid ended before it answered".into());
    };
    if let Some(problem) = answer["error"].as_str() {
        return Err(problem.to_string());
    }
    let written = match &options.request {
        Request::Games if options.json => writeln!(out, "{:#}", answer["games"].take()),
        Request::Games => list(&answer["games"], out),
        Request::Watch { .. } => {
            eprintln!("Watching; Ctrl-C ends it.");
            while let Some(line) = next()? {
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    return Ok(());
                }
            }
            return Err("vpid ended".into());
        }
        Request::Push {
            push: Push::Call { .. },
            ..
        } => writeln!(out, "{:#}", answer["ok"].take()),
        // What a console has replied; what goes by a game's script is not replied to.
        Request::Push { .. } => match answer["ok"].as_str() {
            Some(reply) if !reply.trim().is_empty() => writeln!(out, "{}", console_text(reply)),
            _ => Ok(()),
        },
        Request::Queue(_) | Request::Script(_) => writeln!(out, "{answer:#}"),
    };
    written.map_err(|error| error.to_string())
}

/// Asks one thing, and gives the answer. Errors are sentences.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Value, String> {
    answer(&send(state_dir, request, Some(ASK_PATIENCE))?)
}

/// The same, of a vpid that may take so long; what it says against it is an error, too.
pub(super) fn ask_patiently(
    state_dir: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Value, String> {
    good(answer(&send(state_dir, request, Some(patience))?)?)
}

/// The same; `None` where no vpid runs on this state folder. What vpid says against it is an
/// error, too.
pub(super) fn ask_if_running(state_dir: &Path, request: &Request) -> Result<Option<Value>, String> {
    let stream = match control::connect(state_dir) {
        Ok(stream) => stream,
        Err(error) if nobody_is_there(&error) => return Ok(None),
        Err(error) => return Err(absent(state_dir, &error)),
    };
    put(&stream, request, Some(ASK_PATIENCE))?;
    good(answer(&stream)?).map(Some)
}

fn answer(stream: &UnixStream) -> Result<Value, String> {
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(0) => Err("vpid ended before it answered".into()),
        Ok(_) => serde_json::from_str(&line).map_err(|error| error.to_string()),
        Err(error) if is_late(&error) => Err("vpid does not answer; see its log".into()),
        Err(error) => Err(lost(error)),
    }
}

fn good(answer: Value) -> Result<Value, String> {
    match answer["error"].as_str() {
        Some(problem) => Err(problem.to_owned()),
        None => Ok(answer),
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sends a request; the answers are waited for so long each.
fn send(
    state_dir: &Path,
    request: &Request,
    patience: Option<Duration>,
) -> Result<UnixStream, String> {
    let stream = control::connect(state_dir).map_err(|error| absent(state_dir, &error))?;
    put(&stream, request, patience)?;
    Ok(stream)
}

fn put(
    mut stream: &UnixStream,
    request: &Request,
    patience: Option<Duration>,
) -> Result<(), String> {
    writeln!(stream, "{}", request.to_json()).map_err(lost)?;
    stream.set_read_timeout(patience).map_err(lost)
}

fn lost(error: io::Error) -> String {
    format!("the connection to vpid was lost ({error})")
}

fn absent(state_dir: &Path, error: &io::Error) -> String {
    let state = state_dir.display();
    match nobody_is_there(error) {
        true => format!("no vpid runs on {state}; start it with `vpid run`"),
        false => {
            format!("{state}: vpid cannot be reached ({error}); run as the user that it runs as")
        }
    }
}

fn nobody_is_there(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused)
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

/// Lines of a text, with nothing else that moves a cursor.
pub(super) fn console_text(text: &str) -> String {
    let lines = text.trim_end().lines().map(printable);
    lines.collect::<Vec<_>>().join("\n")
}

/// What players call themselves must not reach a terminal as it is.
pub(super) fn printable(text: &str) -> String {
    // Signs that turn the direction of writing around would mix up what stands beside them.
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harmless = |c: char| if c.is_control() || turns(c) { '?' } else { c };
    text.chars().map(harmless).collect()
}
