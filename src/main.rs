//! Arguments to command to exit code. Exit codes are decided here and nowhere else.
//!
//! 0 done. 1 it failed, or `check` found something bad, or the answer to `call` was an error.
//! 2 the command line was wrong. 3 the configuration is wrong or missing.

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
        Err(Stop::Failed(problem)) => {
            eprintln!("vpid: {problem}");
            FAILED
        }
        Err(Stop::Usage(problem)) => {
            eprintln!("vpid: {problem}\nTry `vpid --help`.");
            WRONG_USAGE
        }
        Err(Stop::Configuration(problems)) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            WRONG_CONFIGURATION
        }
    };
    ExitCode::from(code)
}
