//! `vpid call`: acts as a game server through the files and shows the response.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::command::{Action, Base, Command, Kind, Opt, option, text};
use super::given::{Given, Stop};
use super::json_text;
use super::table;
use crate::config::{self, Config, Server, nearest};
use crate::core::functions::BUILT_IN;
use crate::game_side::signed::SignedGame;
use crate::game_side::stock::{Game, GameCall};
use crate::game_side::{choose, stock_secret};
use crate::io::control::{self, AskError};
use crate::io::lock;
use crate::limits::{CALL_FILE_BYTES_MAX, CONTROL_LINE_BYTES_MAX};
use crate::protocol::control::{CallRequest, NO_SCRIPTS, Request, ScriptRequest};
use crate::protocol::names;
use crate::sql;

pub(super) const HOST: Opt = option(
    "--host",
    "HOST",
    Kind::Text,
    "call as this host (default: one that no game uses)",
);
pub(super) const TIMEOUT: Opt = option(
    "--timeout",
    "SECONDS",
    Kind::Seconds,
    "how long to wait for each response (default: 5)",
);

pub(super) const COMMAND: Command = Command {
    name: "call",
    summary: "make one call, as a game script would",
    about: "\
Makes one call and prints its response as JSON. Needs a running vpid. Exit code 1 if the response is an error.

A function of a Python script (NAME.function) or of vpid (VPI_...) is called through vpid's control socket if that \
vpid has [scripts] and the call has less than 64 KiB; else, and with --host, the call acts as a game server through \
the files. JSON can be -: then it is read from standard input.",
    args: &[text("FUNCTION"), text("JSON").optional()],
    options: &[
        HOST,
        option(
            "--script",
            "NAME",
            Kind::Text,
            "call as this script; user tables belong to scripts (default: vpid_call.nut)",
        ),
        TIMEOUT,
    ],
    base: Base::Run,
    examples: &[
        "vpid call VPI_DB_UserSelect '{\"table\": \"user_duels_wins\"}' --script duels.nut",
    ],
    action: Action::Run(main),
    ..Command::NONE
};

/// Why arguments are refused.
pub(super) fn not_json(error: &serde_json::Error) -> String {
    format!("the arguments are not JSON ({error}); for example '{{\"table\": \"user_x_t\"}}'")
}

/// What [`TIMEOUT`] says.
pub(super) fn timeout(given: &Given) -> Duration {
    given.seconds("--timeout").unwrap_or(Duration::from_secs(5))
}

fn main(given: Given) -> Result<(), Stop> {
    let wanted = given.text("--host").map(str::to_owned);
    let script = given.text("--script").unwrap_or("vpid_call.nut").to_owned();
    let timeout = timeout(&given);
    let function = given.words[0].clone();
    let kwargs = given
        .words
        .get(1)
        .map(|text| json_text(text, CALL_FILE_BYTES_MAX))
        .transpose()?;
    let path = given.path.clone();
    let config = config::load_to_call(path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let kwargs = match kwargs {
        None => Value::Null,
        Some(text) => serde_json::from_str(&text).map_err(|error| not_json(&error))?,
    };
    let call = GameCall::new(&script, &function, kwargs);
    let answer = make(&config, wanted.as_deref(), (call, None), timeout)?;
    show(&config.state_dir, &function, &answer)
}

/// Makes a call, as this host where one is wanted, and gives its response. `sql_texts`: whether texts among its
/// values are SQL; `None`: as in the protocol of the server.
pub(super) fn make(
    config: &Config,
    wanted: Option<&str>,
    (call, sql_texts): (GameCall, Option<bool>),
    timeout: Duration,
) -> Result<Value, String> {
    if !lock::is_held(&config.state_dir) {
        return Err(AskError::NotRunning(config.state_dir.clone()).into());
    }
    if wanted.is_none() && (call.function.contains('.') || call.function.starts_with("VPI_")) {
        // As a call through the files of such a server.
        let usual = || config.servers.iter().all(|server| server.key.is_none());
        let sql_texts = sql_texts.unwrap_or_else(usual);
        if let Some(answer) = by_socket(config, &call, sql_texts, timeout)? {
            return Ok(answer);
        }
    }
    let (server, host) = choose(config, wanted, names::CALL_HOST)?;
    match &server.key {
        Some(key) => {
            refuse_connected(config, &host)?;
            let sql_texts = sql_texts.unwrap_or(false);
            let call = GameCall { sql_texts, ..call };
            signed(server, &host, key.as_bytes(), call, timeout)
        }
        None if sql_texts == Some(false) && has_text(&call.kwargs) => Err(format!(
            "{}: the call was made by signed scripts, whose texts are plain, and this server has no key: the stock \
             protocol would take its texts for SQL",
            server.label()
        )),
        None => stock_call(server, &host, call, timeout, wanted.is_none()),
    }
}

/// Prints a response. With an error that there is no such function comes the one that may be meant.
fn show(state_dir: &Path, function: &str, answer: &Value) -> Result<(), Stop> {
    table::print(|out| table::write_json(answer, out))?;
    let Some(error) = error_of(answer) else {
        return Ok(());
    };
    if error.contains(":: UnknownFunction")
        && let Some(near) = suggestion(state_dir, function)
    {
        eprintln!("Did you mean {near}?");
    }
    Err(Stop::Reported)
}

/// The error that a response is.
pub(super) fn error_of(answer: &Value) -> Option<&str> {
    answer
        .as_str()
        .filter(|text| text.starts_with("[VPI ERROR]"))
}

/// The function of a Python script, or of vpid, whose name is most like this one.
fn suggestion(state_dir: &Path, function: &str) -> Option<String> {
    let request = Request::Script(ScriptRequest::List);
    let scripts = control::ask(state_dir, &request, control::PATIENCE).ok()?;
    let scripts = scripts["scripts"].as_array()?;
    let functions = scripts
        .iter()
        .filter_map(|script| script["functions"].as_array());
    let functions = functions.flatten().filter_map(Value::as_str);
    let all: Vec<&str> = functions.chain(BUILT_IN).chain(sql::FUNCTIONS).collect();
    nearest(function, &all).map(str::to_owned)
}

fn has_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().any(has_text),
        Value::Object(fields) => fields.values().any(has_text),
        _ => false,
    }
}

/// The response by the control socket; `None` where this vpid takes no calls there or does not run, or the call is
/// longer than a line of the socket may be.
fn by_socket(
    config: &Config,
    call: &GameCall,
    sql_texts: bool,
    timeout: Duration,
) -> Result<Option<Value>, String> {
    let request = Request::Function(CallRequest {
        name: call.function.clone(),
        kwargs: call.kwargs.clone(),
        script: call.script.clone(),
        timeout_ms: timeout.as_millis().try_into().unwrap_or(u64::MAX),
        sql_texts,
    });
    // With the end of the line.
    if request.to_json().to_string().len() + 1 > CONTROL_LINE_BYTES_MAX {
        return Ok(None);
    }
    match control::ask(&config.state_dir, &request, timeout + control::PATIENCE) {
        Ok(mut answer) => Ok(Some(answer["response"].take())),
        Err(AskError::NotRunning(_)) => Ok(None),
        Err(AskError::Refused(problem)) if problem == NO_SCRIPTS => Ok(None),
        Err(problem) => Err(problem.to_string()),
    }
}

/// A host has one session: ours would end that of its game.
fn refuse_connected(config: &Config, host: &str) -> Result<(), String> {
    let games = control::ask(&config.state_dir, &Request::Games, control::PATIENCE);
    let games = games.unwrap_or_default();
    let mut games = games["games"].as_array().into_iter().flatten();
    match games.any(|game| game["host"] == host) {
        true => Err(format!(
            "the game {host} is connected, and a call in its name would end its session; leave \
             --host out"
        )),
        false => Ok(()),
    }
}

fn signed(
    server: &Server,
    host: &str,
    key: &[u8],
    call: GameCall,
    timeout: Duration,
) -> Result<Value, String> {
    let mut game = SignedGame::connect(&server.scriptdata, host, key, timeout)?;
    let answer = game.call(call, timeout)?.ok_or_else(|| {
        let seconds = timeout.as_secs_f64();
        format!("no response came within {seconds} s; see vpid's log")
    });
    let _ = game.leave();
    Ok(answer?.unwrap_or_else(|failed| Value::String(failed.0)))
}

fn stock_call(
    server: &Server,
    host: &str,
    call: GameCall,
    timeout: Duration,
    is_made_up: bool,
) -> Result<Value, String> {
    let mut game = Game::new(&server.scriptdata, host, stock_secret(server)?);
    let answer = game.call(call, timeout).map_err(|error| {
        format!(
            "{}: the call could not be made ({error})",
            server.scriptdata.display()
        )
    })?;
    let Some(answer) = answer else {
        let seconds = timeout.as_secs_f64();
        return Err(if game.withdraw() {
            format!(
                "no vpid claimed the call within {seconds} s, and it was withdrawn: \
                 is `vpid run` running with this configuration?"
            )
        } else {
            format!("the call was claimed, but no response came within {seconds} s; see vpid's log")
        });
    };
    if is_made_up {
        // This host will not be played again.
        let _ = game.leave();
    }
    Ok(answer)
}
