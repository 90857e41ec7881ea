//! `vpid replay`: runs the calls of rejected or saved call files again, by the running vpid.

mod file;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::call;
use super::command::{Action, Base, Command, JSON, Kind, Number, arg, switch};
use super::given::{Given, Stop};
use super::table::{self, console_text, printable};
use crate::config::{self, Config};
use crate::game_side::stock::GameCall;
use crate::limits;
use crate::protocol::call::CallResult;
use file::{CallFile, List, Unreadable};

pub(super) const COMMAND: Command = Command {
    name: "replay",
    summary: "run the calls of rejected or saved call files again",
    about: "\
Runs the calls of call files again, of the stock protocol or the signed one, and prints the responses. Needs a running \
vpid, which is called as by vpid call: no game gets the responses. Other messages in a file are left out. Calls that \
have run already run once more.

A file is run only if its signature is good, which is so while vpid knows its session. Every other file may be \
anyone's: look at its calls first (--dry-run), then run it with --unsigned.

FILE is a file of rejected/ in the state folder, or a copy of a call file; - reads standard input; names that end in \
.reason are passed over. The exit code is 1 if a file could not be read or was not run, or a response is an error.",
    args: &[arg("FILE", Kind::File).number(Number::OneOrMore)],
    options: &[
        switch("--dry-run", "show the calls, and run none"),
        switch("--unsigned", "run files without a good signature, too"),
        call::HOST,
        call::TIMEOUT,
        JSON,
    ],
    base: Base::Run,
    examples: &["vpid replay --dry-run state/rejected/*"],
    action: Action::Run(main),
    ..Command::NONE
};

/// Longest arguments that are shown to people.
const SHOWN_CHARS_MAX: usize = 2_000;
/// What is read of the file that says why a call file was rejected.
const REASON_BYTES_MAX: u64 = 4_096;

struct Options {
    dry_run: bool,
    unsigned: bool,
    json: bool,
    host: Option<String>,
    timeout: Duration,
}

fn main(given: Given) -> Result<(), Stop> {
    let options = Options {
        dry_run: given.has("--dry-run"),
        unsigned: given.has("--unsigned"),
        json: given.json(),
        host: given.text("--host").map(str::to_owned),
        timeout: call::timeout(&given),
    };
    let files = &given.words;
    let path = given.path.clone();
    let config = config::load_to_call(path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let mut replay = Replay {
        config: &config,
        options: &options,
        failed: false,
    };
    // Those are no call files, and stand among them.
    for file in files.iter().filter(|file| !file.ends_with(".reason")) {
        replay.file(file)?;
    }
    match replay.failed {
        true => Err(Stop::Reported),
        false => Ok(()),
    }
}

struct Replay<'a> {
    config: &'a Config,
    options: &'a Options,
    failed: bool,
}

impl Replay<'_> {
    /// A failure of a file is reported, and the next one has its turn. Errors: the output is gone.
    fn file(&mut self, path: &str) -> Result<(), String> {
        let read = match path {
            "-" => read(io::stdin()).and_then(|bytes| CallFile::read("", &bytes, self.config)),
            path => {
                let name = Path::new(path).file_name().unwrap_or_default();
                let bytes = open(path).and_then(read);
                let name = name.to_string_lossy();
                bytes.and_then(|bytes| CallFile::read(&name, &bytes, self.config))
            }
        };
        let file = match read {
            Ok(file) => file,
            Err(problem) => {
                self.complain(path, &problem.to_string());
                return Ok(());
            }
        };
        self.describe(path, &file)?;
        let may_run = file.is_signed() || self.options.unsigned;
        let runs = may_run && !self.options.dry_run;
        let mut number = 0;
        for list in &file.lists {
            if !self.list(path, list, runs, &mut number)? {
                break;
            }
        }
        if !may_run && !self.options.dry_run && file.calls() > 0 {
            let problem = format!(
                "{}; nothing was run. If you trust these calls, run them with --unsigned",
                file.proof
            );
            self.complain(path, &problem);
        }
        Ok(())
    }

    fn complain(&mut self, path: &str, problem: &str) {
        self.failed = true;
        eprintln!("{}: {}", printable(path), printable(problem));
    }

    fn describe(&self, path: &str, file: &CallFile) -> Result<(), String> {
        if self.options.json {
            return Ok(());
        }
        let reason = reason_of(path);
        table::print(|out| {
            let calls = match file.calls() {
                1 => "1 call".to_owned(),
                count => format!("{count} calls"),
            };
            write!(out, "{}: {calls}", printable(path))?;
            if let Some(host) = &file.host {
                write!(out, " of the host {}", printable(host))?;
            }
            match file.others {
                0 => writeln!(out)?,
                1 => writeln!(out, "; 1 message that is no call is left out")?,
                count => writeln!(out, "; {count} messages that are no calls are left out")?,
            }
            if let Some(reason) = reason {
                writeln!(out, "   it was rejected: {}", console_text(&reason))?;
            }
            writeln!(out, "   {}", printable(&file.proof.to_string()))
        })
    }

    /// Runs calls one after the other. False: no response came, and nothing more of the file is to run.
    fn list(
        &mut self,
        path: &str,
        list: &List,
        runs: bool,
        number: &mut usize,
    ) -> Result<bool, String> {
        for (place, call) in list.calls.iter().enumerate() {
            *number += 1;
            let response = match (runs, call) {
                (true, Ok(call)) => {
                    let made = GameCall::new(&call.script, &call.function, call.kwargs.clone());
                    let host = self.options.host.as_deref();
                    let with_texts = (made, Some(call.sql_texts));
                    match call::make(self.config, host, with_texts, self.options.timeout) {
                        Ok(response) => Some(response),
                        Err(problem) => {
                            self.show(path, *number, call_of(&list.calls[place]), None)?;
                            let behind = "; the calls behind it were not run";
                            self.complain(path, &format!("call {number}: {problem}{behind}"));
                            return Ok(false);
                        }
                    }
                }
                _ => None,
            };
            let is_error = call.is_err() || response.as_ref().and_then(call::error_of).is_some();
            self.failed |= is_error;
            self.show(path, *number, call_of(call), response.as_ref())?;
            let left = list.calls.len() - place - 1;
            if runs && is_error && list.stops && left > 0 {
                self.complain(
                    path,
                    &format!("the chain ends here: {left} calls of it were not run"),
                );
                *number += left;
                break;
            }
        }
        Ok(true)
    }

    fn show(
        &self,
        path: &str,
        number: usize,
        call: Shown<'_>,
        response: Option<&Value>,
    ) -> Result<(), String> {
        table::print(|out| match self.options.json {
            true => {
                let mut line = json!({
                    "file": path, "number": number, "function": call.function,
                    "script": call.script, "kwargs": call.kwargs,
                });
                if let Some(problem) = &call.problem {
                    line["problem"] = problem.clone().into();
                }
                if let Some(response) = response {
                    line["response"] = response.clone();
                }
                table::write_json_line(&line, out)
            }
            false => {
                let function = printable(call.function);
                write!(out, "{number}. {function}")?;
                if !call.script.is_empty() {
                    write!(out, " of {}", printable(call.script))?;
                }
                if !call.kwargs.is_null() {
                    write!(out, " {}", shortened(call.kwargs))?;
                }
                writeln!(out)?;
                if let Some(problem) = &call.problem {
                    writeln!(out, "   cannot be read: {}", printable(problem))?;
                }
                match response {
                    Some(response) => writeln!(out, "   {}", printable(&response.to_string())),
                    None => Ok(()),
                }
            }
        })
    }
}

/// What is shown of a call.
struct Shown<'a> {
    function: &'a str,
    script: &'a str,
    kwargs: &'a Value,
    problem: Option<String>,
}

fn call_of(call: &CallResult) -> Shown<'_> {
    match call {
        Ok(call) => Shown {
            function: &call.function,
            script: &call.script,
            kwargs: &call.kwargs,
            problem: None,
        },
        Err(bad) => Shown {
            function: &bad.function,
            script: "",
            kwargs: &Value::Null,
            problem: Some(bad.error.detail.clone()),
        },
    }
}

/// Arguments in one line, for people.
fn shortened(value: &Value) -> String {
    let text = printable(&value.to_string());
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!(
            "{}\u{2026} ({} bytes; --json shows all)",
            &text[..end],
            text.len()
        ),
    }
}

/// Opens a regular file. What else there is could keep a reader waiting for ever.
fn open(path: &str) -> Result<File, Unreadable> {
    let file = config::file::open(Path::new(path))?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Unreadable::NotAFile),
    }
}

/// Why a file was rejected, where that stands beside it.
fn reason_of(path: &str) -> Option<String> {
    if path == "-" {
        return None;
    }
    let file = open(&format!("{path}.reason")).ok()?;
    let mut bytes = Vec::new();
    file.take(REASON_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(from: impl Read) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    // One byte more than may be shows that it is too large.
    let most = limits::CALL_FILE_BYTES_MAX as u64 + 1;
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
