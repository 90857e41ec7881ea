//! `vpid call`: acts as a game server through the files and shows the response.

use std::time::Duration;

use serde_json::Value;

use super::arguments::{Arguments, Command, Stop};
use super::table;
use crate::config::{self, Config, Server};
use crate::game_side::signed::SignedGame;
use crate::game_side::stock::{Game, GameCall};
use crate::game_side::{choose, stock_secret};
use crate::io::control;
use crate::protocol::control::Request;

pub(super) const COMMAND: Command = Command {
    name: "call",
    summary: "make one call, as a game script would",
    help: "\
Acts as a game server through the files: makes one call and prints its response as JSON. Needs a
running vpid. Exit code 1 if the response is an error.

Usage: vpid call FUNCTION [JSON] [--host HOST] [--script NAME] [--timeout SECONDS] [--config FILE]

  --host HOST        call as this host (default: one that no game uses)
  --script NAME      call as this script; user tables belong to scripts (default: vpid_call.nut)
  --timeout SECONDS  how long to wait for the response (default: 5)

Example: vpid call VPI_DB_UserSelect '{\"table\": \"user_contracts_players\"}' --script contracts.nut
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (mut wanted, mut script) = (None, "vpid_call.nut".to_string());
    let mut timeout = Duration::from_secs(5);
    let mut given = arguments.read_with_run(|option, values| {
        match option {
            "--host" => wanted = Some(values.text()?),
            "--script" => script = values.text()?,
            "--timeout" => timeout = values.seconds()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let (function, kwargs) = match &mut std::mem::take(&mut given.words)[..] {
        [function] => (std::mem::take(function), None),
        [function, kwargs] => (std::mem::take(function), Some(std::mem::take(kwargs))),
        _ => {
            return Err(Stop::Usage(
                "call takes a function and its arguments: vpid call VPI_Ping '{\"a\": 1}'".into(),
            ));
        }
    };
    let path = given.path.clone();
    let config = config::load_to_call(path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let kwargs = match kwargs {
        None => Value::Null,
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            format!(
                "the arguments are not JSON ({error}); for example '{{\"table\": \"user_x_t\"}}'"
            )
        })?,
    };
    let (server, host) = choose(&config, wanted.as_deref(), "vpid_call").map_err(String::from)?;
    let call = GameCall::new(&script, &function, kwargs);
    let answer = match &server.key {
        Some(key) => {
            refuse_connected(&config, &host)?;
            signed(server, &host, key.as_bytes(), call, timeout)?
        }
        None => stock_call(server, &host, call, timeout, wanted.is_none())?,
    };
    table::print(|out| writeln!(out, "{answer:#}"))?;
    match answer.as_str() {
        Some(text) if text.starts_with("[VPI ERROR]") => Err(Stop::Reported),
        _ => Ok(()),
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
