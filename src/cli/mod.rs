//! The commands: a file or folder for each, with its own arguments and help.

mod arguments;
mod backup;
mod bench;
mod call;
mod check;
mod command;
mod community;
mod completions;
mod demo;
mod engine_paths;
mod game;
mod given;
mod help;
mod init;
mod man;
mod own_files;
mod play;
mod progress;
mod queue;
mod reload;
mod replay;
mod restore;
mod rewards;
mod run;
mod script;
mod service;
mod shadow;
mod status;
mod table;
mod trace;
mod users;

use std::ffi::OsString;
use std::io::Read;

use crate::config::file;
use crate::game_side::NoServer;
use crate::game_side::signed::SessionError;
use crate::io::control::AskError;
use crate::io::{color, logging, memory};
use arguments::Named;
use command::Command;

pub use crate::io::logging::complain;
pub use given::Stop;

/// Commands end with sentences.
macro_rules! sentences {
    ($($error:ty),*) => {
        $(impl From<$error> for String {
            fn from(error: $error) -> Self {
                error.to_string()
            }
        })*
    };
}

sentences!(AskError, file::Error, NoServer, SessionError);

/// In the order of `vpid --help`.
const COMMANDS: &[Command] = &[
    run::COMMAND,
    reload::COMMAND,
    init::COMMAND,
    check::COMMAND,
    call::COMMAND,
    status::COMMAND,
    game::COMMAND,
    queue::COMMAND,
    rewards::COMMAND,
    script::COMMAND,
    trace::COMMAND,
    replay::COMMAND,
    community::COMMAND,
    service::COMMAND,
    backup::COMMAND,
    restore::COMMAND,
    play::COMMAND,
    bench::COMMAND,
    demo::COMMAND,
    completions::COMMAND,
    man::COMMAND,
    help::COMMAND,
];

/// Does what the command line of this process says.
pub fn main() -> Result<(), Stop> {
    memory::keep_private();
    let mut named = Named::new();
    let ended = command(&mut named).or_else(|stop| match stop {
        Stop::Help(text) => Ok(table::print(|out| write!(out, "{text}"))?),
        Stop::Usage(problem) => Err(Stop::Usage(help::misuse(&named, &problem))),
        stop => Err(stop),
    });
    logging::finish();
    ended
}

fn command(named: &mut Named) -> Result<(), Stop> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.first().and_then(|word| word.to_str()) {
        Some("-h" | "--help") => return Err(Stop::Help(help::of(&[]))),
        Some("-V" | "--version") => {
            let build = env!("VPID_BUILD").replace("; ", "\n");
            let version = env!("CARGO_PKG_VERSION");
            return Err(Stop::Help(format!("vpid {version}\n{build}\n")));
        }
        Some(option) if option.starts_with('-') => {
            let why = format!("a command comes first, and options behind it, not {option}");
            return Err(Stop::Usage(why));
        }
        _ => {}
    }
    let (run, given) = arguments::read(COMMANDS, words, named)?;
    color::choose(given.text("--color"));
    run(given)
}

/// An argument that is JSON; `-` stands for standard input, of at most so many bytes.
fn json_text(word: &str, bytes_max: usize) -> Result<String, String> {
    if word != "-" {
        return Ok(word.to_owned());
    }
    let mut text = String::new();
    let mut input = std::io::stdin().take(bytes_max as u64 + 1);
    let read = input.read_to_string(&mut text);
    read.map_err(|error| format!("standard input cannot be read as text: {error}"))?;
    match text.len() <= bytes_max {
        true => Ok(text.trim().to_owned()),
        false => Err(format!("standard input has more than {bytes_max} bytes")),
    }
}

#[cfg(test)]
mod tests;
