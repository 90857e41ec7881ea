//! `vpid call`: plays a game server through the files and shows the answer.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::operate;
use crate::config::{Config, Legacy, Server};
use crate::game_side::signed::SignedGame;
use crate::game_side::stock::{Game, GameCall};
use crate::protocol::control::Request;
use crate::protocol::names;

pub struct Options {
    pub function: String,
    /// JSON text of the arguments; none: null.
    pub kwargs: Option<String>,
    /// As this host; none: one that no game has.
    pub host: Option<String>,
    /// As this script.
    pub script: String,
    pub timeout: Duration,
}

/// Makes the call and prints its answer as JSON. False: the answer is an error.
pub fn run(config: &Config, options: &Options, out: &mut dyn Write) -> Result<bool, String> {
    let kwargs = match &options.kwargs {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|error| {
            format!(
                "the arguments are not JSON ({error}); for example '{{\"table\": \"user_x_t\"}}'"
            )
        })?,
    };
    let (server, host) = choose(config, options.host.as_deref(), "vpid_call")?;
    let call = GameCall::new(&options.script, &options.function, kwargs);
    let answer = match &server.key {
        Some(key) => {
            refuse_connected(config, &host)?;
            signed(server, &host, key.as_bytes(), call, options.timeout)?
        }
        None => stock_call(server, &host, call, options)?,
    };
    writeln!(out, "{answer:#}").map_err(|error| error.to_string())?;
    Ok(!answer
        .as_str()
        .is_some_and(|text| text.starts_with("[VPI ERROR]")))
}

/// A host has one session: ours would end that of its game.
fn refuse_connected(config: &Config, host: &str) -> Result<(), String> {
    let games = operate::ask(&config.state_dir, &Request::Games).unwrap_or_default();
    let games = games["games"].as_array();
    let is_it = |game: &Value| game["host"] == host;
    match games.is_some_and(|games| games.iter().any(is_it)) {
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
        format!("no answer came within {seconds} s; see vpid's log")
    });
    let _ = game.leave();
    Ok(answer?.unwrap_or_else(Value::String))
}

fn stock_call(
    server: &Server,
    host: &str,
    call: GameCall,
    options: &Options,
) -> Result<Value, String> {
    let mut game = game(server, host)?;
    let answer = game.call(call, options.timeout).map_err(|error| {
        format!(
            "{}: the call could not be made ({error})",
            server.scriptdata.display()
        )
    })?;
    let Some(answer) = answer else {
        let seconds = options.timeout.as_secs_f64();
        return Err(if game.withdraw() {
            format!(
                "nobody took the call within {seconds} s, and it was withdrawn: is `vpid run` \
                 running with this configuration?"
            )
        } else {
            format!("the call was taken, but no answer came within {seconds} s; see vpid's log")
        });
    };
    if options.host.is_none() {
        // This host will not be played again.
        let _ = game.leave();
    }
    Ok(answer)
}

/// The server to talk to, and the host to talk as: the one that was asked for, else one that no
/// game has, where the configuration serves such a one.
pub fn choose<'a>(
    config: &'a Config,
    wanted: Option<&str>,
    free: &str,
) -> Result<(&'a Server, String), String> {
    let Some(wanted) = wanted else {
        let open = config
            .servers
            .iter()
            .find(|server| server.hostname.is_none());
        return match (open, config.servers.first()) {
            (Some(server), _) => Ok((server, free.to_string())),
            (None, Some(_)) => Err("every server in the configuration serves one hostname only: say which with --host (while its game does not run, since both would read the same answers)".into()),
            (None, None) => Err("the configuration names no server".into()),
        };
    };
    if !names::is_host(wanted) {
        return Err(format!(
            "{wanted:?} is no host: use the name as it stands in file names, such as my_server"
        ));
    }
    let serves = |server: &&Server| server.hostname.as_deref() == Some(wanted);
    let server = config.servers.iter().find(serves);
    let server = server.or_else(|| {
        config
            .servers
            .iter()
            .find(|server| server.hostname.is_none())
    });
    let server =
        server.ok_or_else(|| format!("no server in the configuration serves the host {wanted}"))?;
    Ok((server, wanted.to_string()))
}

/// A game that plays `host` on this server.
pub fn game(server: &Server, host: &str) -> Result<Game, String> {
    let path: PathBuf = server.scriptdata.clone();
    let legacy = stock(server)?;
    Ok(Game::new(&path, host, legacy.secret.as_bytes()))
}

/// What it takes to play a stock client, which is all that the commands can play so far.
pub fn stock(server: &Server) -> Result<&Legacy, String> {
    let legacy = server.legacy.as_ref();
    legacy.ok_or_else(|| "this command needs a server with legacy_secret".into())
}
