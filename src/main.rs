//! Arguments to command to exit code. Exit codes are decided here and nowhere else.
//!
//! 0 done. 1 it failed, or `check` found something bad, or the answer to `call` was an error.
//! 2 the command line was wrong. 3 the configuration is wrong or missing. `run --exec`: that of the game.

use std::process::ExitCode;

use vpid::cli::{self, Stop};

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const WRONG_CONFIGURATION: u8 = 3;

fn main() -> ExitCode {
    let code = match cli::main() {
        Ok(()) | Err(Stop::Help(_)) => DONE,
        Err(Stop::Reported) => FAILED,
        Err(Stop::Ended(code)) => code,
        Err(Stop::Failed(problem)) => {
            cli::complain(&format!("vpid: {problem}"));
            FAILED
        }
        Err(Stop::Usage(problem)) => {
            cli::complain(&problem);
            WRONG_USAGE
        }
        Err(Stop::Configuration(problems)) => {
            for problem in problems {
                cli::complain(&problem.to_string());
            }
            WRONG_CONFIGURATION
        }
        Err(Stop::Refused(problems)) => {
            for problem in problems {
                cli::complain(&problem);
            }
            cli::complain("vpid: the configuration was not reloaded: the old one stays in force");
            WRONG_CONFIGURATION
        }
    };
    ExitCode::from(code)
}
