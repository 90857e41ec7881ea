//! The commands: a file or folder for each, with its own arguments and help.

mod arguments;
mod bench;
mod call;
mod check;
mod demo;
mod engine_paths;
mod game;
mod init;
mod logging;
mod queue;
mod rewards;
mod run;
mod script;
mod shadow;
mod table;

use lexopt::Arg::{Long, Short, Value};

use crate::config::file;
use crate::game_side::NoServer;
use crate::game_side::signed::SessionError;
use crate::io::control::AskError;
use crate::io::memory;
use arguments::{Arguments, Command};

pub use arguments::Stop;

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

const COMMANDS: [Command; 10] = [
    run::COMMAND,
    init::COMMAND,
    check::COMMAND,
    call::COMMAND,
    game::COMMAND,
    queue::COMMAND,
    rewards::COMMAND,
    script::COMMAND,
    bench::COMMAND,
    demo::COMMAND,
];

/// Does what the command line of this process says.
pub fn main() -> Result<(), Stop> {
    memory::keep_private();
    let ended = command().or_else(|stop| match stop {
        Stop::Help(text) => Ok(table::print(|out| write!(out, "{text}"))?),
        stop => Err(stop),
    });
    logging::finish();
    ended
}

fn command() -> Result<(), Stop> {
    let mut parser = lexopt::Parser::from_env();
    let name = match parser.next()? {
        Some(Value(name)) => name,
        Some(Short('h') | Long("help")) => return Err(Stop::Help(help())),
        Some(Short('V') | Long("version")) => {
            let version = concat!("vpid ", env!("CARGO_PKG_VERSION"), "\n");
            return Err(Stop::Help(version.to_owned()));
        }
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(Stop::Usage("no command given".into())),
    };
    match COMMANDS.iter().find(|command| name == command.name) {
        Some(command) => (command.run)(Arguments::new(parser, command.help)),
        None if name == "help" => Err(Stop::Help(help())),
        None => Err(Stop::Usage(format!(
            "there is no command {}",
            name.to_string_lossy()
        ))),
    }
}

fn help() -> String {
    let lines = COMMANDS.iter();
    let lines = lines.map(|command| format!("  {:<8}{}\n", command.name, command.summary));
    format!("{HELP_BEGIN}{}{HELP_END}", lines.collect::<String>())
}

const HELP_BEGIN: &str = "\
vpid: the daemon beside a Team Fortress 2 server that runs the calls that game scripts write as files

Usage: vpid COMMAND [OPTIONS]

Commands:
";

const HELP_END: &str = "
Commands that talk to a running vpid accept the options of run too, and need only the state_dir of the
configuration (call: also the servers; bench: all of it).

Options:
  --config FILE   the configuration (default: VPID_CONFIG, ./vpid.toml, or /etc/vpid/vpid.toml)
  -h, --help      this help, or that of a command: vpid COMMAND --help
  -V, --version

Exit codes: 0 done; 1 failed, or check found a problem, or the response to a call was an error;
2 wrong command line; 3 the configuration is wrong or missing.

Example: vpid demo
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_a_command_takes_stands_in_its_help() {
        let sources = [
            include_str!("run.rs"),
            include_str!("init/mod.rs"),
            include_str!("check/mod.rs"),
            include_str!("call.rs"),
            include_str!("game.rs"),
            include_str!("queue.rs"),
            include_str!("rewards.rs"),
            include_str!("script.rs"),
            include_str!("bench.rs"),
            include_str!("demo.rs"),
        ];
        let mut options = 0;
        for (command, source) in COMMANDS.iter().zip(sources) {
            let start = format!("Example: vpid {}", command.name);
            assert!(command.help.contains(&start), "{start}");
            let arms = source.split("            \"--").skip(1);
            for option in arms.filter_map(|arm| arm.split_once("\" => ")) {
                let option = format!("--{}", option.0);
                assert!(command.help.contains(&option), "{}: {option}", command.name);
                options += 1;
            }
        }
        assert!(options >= 15, "only {options} options were found");
    }

    #[test]
    fn every_command_is_listed() {
        for command in &COMMANDS {
            assert!(help().contains(&format!("\n  {:<8}", command.name)));
        }
    }
}
