//! `vpid script`: the owner's Python scripts, as a running vpid has them, and what their authors work with.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::command::{Action, Base, Command, JSON, Kind, Number, arg, option, switch, text};
use super::given::{Given, Stop};
use super::table::{self, console_text, printable, span};
use crate::config::is_script_name;
use crate::io::control;
use crate::limits::{SCRIPT_COMMAND_MS, SCRIPT_FOLLOW_MS};
use crate::protocol::control::{Request, ScriptRequest};
use crate::protocol::counted::counted;

#[cfg(test)]
mod tests;
mod workbench;

/// Names of the levels 0 to 5, and what `vpid script level` takes besides.
const LEVELS: [&str; 6] = ["critical", "error", "warning", "info", "debug", "trace"];
const USUAL: &str = "usual";

pub(super) const COMMAND: Command = Command {
    name: "script",
    summary: "show your Python scripts, load, write and test them",
    about: "\
Shows the Python scripts of a running vpid, and loads and unloads them. new, test and stubs are for the authors of \
scripts and need no running vpid.",
    base: Base::Run,
    examples: &["vpid script reload stats"],
    action: Action::Commands(&[
        Command::sub("list", &[], "all of them, with their states", |given| {
            ask(&given, ScriptRequest::List)
        })
        .options(&[JSON]),
        Command::sub("load", &[text("NAME")], "start it", |given| {
            let name = script_name(&given.words[0])?;
            ask(&given, ScriptRequest::Load { name })
        }),
        Command::sub(
            "unload",
            &[text("NAME")],
            "end it; it is not started until it is loaded again",
            |given| {
                let name = script_name(&given.words[0])?;
                ask(&given, ScriptRequest::Unload { name })
            },
        ),
        Command::sub(
            "reload",
            &[text("NAME")],
            "end it and start it again from the file on disk",
            |given| {
                let name = script_name(&given.words[0])?;
                ask(&given, ScriptRequest::Reload { name })
            },
        ),
        Command::sub(
            "stats",
            &[text("NAME").optional()],
            "how often its hooks, functions and timers ran, and for how long; its memory",
            |given| {
                let name = given
                    .words
                    .first()
                    .map(|text| script_name(text))
                    .transpose()?;
                ask(&given, ScriptRequest::Stats { name })
            },
        )
        .options(&[JSON]),
        Command::sub(
            "log",
            &[text("NAME")],
            "its latest output and log lines",
            log_of,
        )
        .options(&[
            switch(
                "--follow",
                "go on with new lines as they come, until Ctrl-C",
            )
            .short('f'),
            JSON,
        ]),
        Command::sub(
            "level",
            &[
                text("NAME"),
                arg(
                    "LEVEL",
                    Kind::Words(&[
                        LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[3], LEVELS[4], LEVELS[5], USUAL,
                    ]),
                ),
            ],
            "which of its lines vpid logs, until vpid ends",
            |given| {
                let name = script_name(&given.words[0])?;
                let level = level_of(&given.words[1]);
                ask(&given, ScriptRequest::Level { name, level })
            },
        )
        .about(
            "LEVEL is critical, error, warning, info, debug, trace, or usual (as VPID_LOG says).",
        ),
        Command::sub(
            "new",
            &[text("NAME")],
            "write a small script and its test, into the folder of [scripts]",
            workbench::new,
        )
        .options(&[option("--dir", "DIR", Kind::Dir, "the folder of scripts")]),
        Command::sub(
            "test",
            &[arg("FILE|DIR", Kind::File).number(Number::OneOrMore)],
            "run the tests of scripts, test_*.py, without a game",
            workbench::test,
        )
        .base(Base::Nothing)
        .options(&[
            switch("--pytest", "with pytest, not unittest"),
            option(
                "--python",
                "FILE",
                Kind::File,
                "the interpreter (default: python3)",
            ),
        ]),
        Command::sub(
            "stubs",
            &[arg("DIR", Kind::Dir)],
            "write game.pyi and game_testing.pyi, for mypy, pyright and editors",
            workbench::stubs,
        )
        .base(Base::Nothing)
        .options(&[switch(
            "--modules",
            "also vpid's modules, for tests with PYTHONPATH=DIR and without vpid",
        )]),
    ]),
    ..Command::NONE
};

fn ask(given: &Given, request: ScriptRequest) -> Result<(), Stop> {
    Ok(run(
        &given.state_dir()?,
        request,
        given.json(),
        &mut std::io::stdout(),
    )?)
}

fn log_of(given: Given) -> Result<(), Stop> {
    let name = script_name(&given.words[0])?;
    match given.has("--follow") {
        true => Ok(follow(
            &given.state_dir()?,
            &name,
            given.json(),
            &mut std::io::stdout(),
        )?),
        false => ask(&given, ScriptRequest::Log { name, after: 0 }),
    }
}

/// As the control socket has it; none for the usual one.
fn level_of(word: &str) -> Option<u8> {
    let level = LEVELS.iter().position(|known| *known == word);
    level.map(|level| level as u8)
}

/// The name of a script, also as its file is called. Log lines and permissions have it without `.py`.
fn script_name(text: &str) -> Result<String, Stop> {
    let bare = text.strip_suffix(".py").unwrap_or(text);
    match is_script_name(bare) {
        true => Ok(bare.to_owned()),
        false => Err(Stop::Usage(format!(
            "{text:?} is not the name of a script; `vpid script list` shows them"
        ))),
    }
}

/// Shows lines as they come, until the reader is gone or vpid ends.
fn follow(state_dir: &Path, name: &str, json: bool, out: &mut dyn Write) -> Result<(), String> {
    let patience = Duration::from_millis(SCRIPT_COMMAND_MS);
    let mut after = 0;
    loop {
        let asked = Request::Script(ScriptRequest::Log {
            name: name.to_owned(),
            after,
        });
        let answer = control::ask(state_dir, &asked, patience)
            .map_err(|problem| console_text(&problem.to_string()))?;
        let lines = answer["log"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let all = answer["lines"].as_u64().unwrap_or_default();
        // A script that was forgotten and added again counts its lines from 0.
        if all < after {
            after = 0;
            continue;
        }
        let lost = all.saturating_sub(after).saturating_sub(lines.len() as u64);
        let shown = (|| {
            if lost > 0 && after > 0 {
                let lost = counted(lost, "line");
                writeln!(out, "... {lost} came too fast")?;
            }
            match json {
                true => lines
                    .iter()
                    .try_for_each(|line| table::write_json_line(line, out)),
                false => lines
                    .iter()
                    .try_for_each(|line| log_line(line, &TimeZone::system(), out)),
            }?;
            out.flush()
        })();
        match shown {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            shown => shown.map_err(|error| error.to_string())?,
        }
        after = all;
        std::thread::sleep(Duration::from_millis(SCRIPT_FOLLOW_MS));
    }
}

/// Makes the request, and shows its result.
fn run(
    state_dir: &Path,
    request: ScriptRequest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), String> {
    let patience = Duration::from_millis(SCRIPT_COMMAND_MS);
    let asked = Request::Script(request.clone());
    // What a script said may be part of what went wrong.
    let answer = control::ask(state_dir, &asked, patience)
        .map_err(|problem| console_text(&problem.to_string()))?;
    let shown = match (&request, json) {
        (ScriptRequest::List, true) => table::write_json(&answer["scripts"], out),
        (ScriptRequest::List, false) => list(&answer, out),
        (ScriptRequest::Stats { .. }, true) => table::write_json(&answer["stats"], out),
        (ScriptRequest::Stats { .. }, false) => stats(&answer["stats"], out),
        (ScriptRequest::Log { .. }, true) => table::write_json(&answer["log"], out),
        (ScriptRequest::Log { name, .. }, false) => {
            log(name, &answer["log"], &TimeZone::system(), out)
        }
        _ => writeln!(out, "{}", console_text(answer["ok"].as_str().unwrap_or(""))),
    };
    table::but_for_a_gone_reader(shown)
}

fn list(answer: &Value, out: &mut dyn Write) -> io::Result<()> {
    let all = |key: &str| {
        answer[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let scripts = all("scripts");
    if scripts.is_empty() {
        writeln!(
            out,
            "There are no scripts. They are NAME.py or NAME/main.py in the folder that [scripts] \
             names in the configuration."
        )?;
    } else {
        table(scripts, out)?;
    }
    let mut passed_over = all("passed_over").iter().filter_map(Value::as_str);
    passed_over.try_for_each(|sentence| writeln!(out, "{}", printable(sentence)))
}

fn table(scripts: &[Value], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = scripts.iter().map(row).collect();
    let head = [
        "NAME",
        "VERSION",
        "STATE",
        "PYTHON",
        "SINCE",
        "HOOKS",
        "FUNCTIONS",
        "WAITING",
        "RESTARTS",
        "PROBLEM",
    ];
    if rows.iter().any(|row| row[9] != "-") {
        return table::write(head, &rows, out);
    }
    // It is wide enough without what none of them has.
    let rows: Vec<[String; 9]> = rows.iter().map(but_for_the_last).collect();
    table::write(but_for_the_last(&head), &rows, out)
}

fn but_for_the_last<T: Clone>(row: &[T; 10]) -> [T; 9] {
    std::array::from_fn(|at| row[at].clone())
}

fn row(script: &Value) -> [String; 10] {
    let text = |key: &str| match script[key].as_str() {
        // What a script said last goes on for many lines, and here is one.
        Some(text) if !text.is_empty() => printable(text.trim()),
        _ => "-".to_owned(),
    };
    let count = |key: &str| match &script[key] {
        Value::Array(entries) => entries.len().to_string(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    // Lost ones must not look as if they still waited.
    let waiting = match script["dropped"].as_u64() {
        Some(dropped @ 1..) => format!("{} ({dropped} lost)", count("waiting")),
        _ => count("waiting"),
    };
    let since = script["seconds"].as_f64();
    [
        text("name"),
        text("version"),
        text("state"),
        text("python"),
        since.map_or("-".into(), |seconds| span(seconds as i64)),
        count("hooks"),
        count("functions"),
        waiting,
        count("restarts"),
        text("problem"),
    ]
}

/// A line on each script, and a table of what ran in it.
fn stats(scripts: &Value, out: &mut dyn Write) -> io::Result<()> {
    let scripts = scripts.as_array().map(Vec::as_slice).unwrap_or_default();
    if scripts.is_empty() {
        return writeln!(out, "There are no scripts.");
    }
    for (number, script) in scripts.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let text = |key: &str| printable(script[key].as_str().unwrap_or("-"));
        let count = |key: &str| script[key].as_u64().unwrap_or_default();
        let memory = script["memory_bytes"].as_f64();
        let memory = memory.map_or("-".into(), |it| {
            format!("{:.1} MiB", it / f64::from(1 << 20))
        });
        let restarts = match count("restarts") {
            0 => String::new(),
            restarts => format!(", {restarts} of them after it ended by itself"),
        };
        writeln!(
            out,
            "{}: {}, memory {memory}, {} waiting, {} lost, {}{restarts}",
            text("name"),
            text("state"),
            count("waiting"),
            count("dropped"),
            counted(count("starts"), "start"),
        )?;
        if script["responded"] == false {
            writeln!(
                out,
                "It is busy and did not respond: what runs now, and what it counted last, is not in the table."
            )?;
        }
        let times = script["times"].as_array().map(Vec::as_slice);
        let rows: Vec<_> = times.unwrap_or_default().iter().map(stats_row).collect();
        if !rows.is_empty() {
            let head = ["KIND", "NAME", "CALLS", "TOTAL", "P50", "P99", "WORST"];
            table::write(head, &rows, out)?;
        }
    }
    Ok(())
}

fn stats_row(times: &Value) -> [String; 7] {
    let text = |key: &str| printable(times[key].as_str().unwrap_or("-"));
    let time = |key: &str| short_span(times[key].as_f64().unwrap_or_default());
    [
        text("kind"),
        text("name"),
        times["calls"].to_string(),
        time("total_s"),
        time("p50_s"),
        time("p99_s"),
        time("worst_s"),
    ]
}

/// A time of less than some minutes, in the unit that suits it.
fn short_span(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

fn log(name: &str, lines: &Value, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return writeln!(out, "{name} has printed and logged nothing yet.");
    }
    lines.iter().try_for_each(|line| log_line(line, zone, out))
}

fn log_line(line: &Value, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let at = line[0].as_f64().unwrap_or_default();
    let at = table::date(at as i64, zone);
    let level = line[1]
        .as_u64()
        .and_then(|level| usize::try_from(level).ok());
    let level = level.and_then(|level| LEVELS.get(level)).unwrap_or(&"?");
    let text = console_text(line[2].as_str().unwrap_or_default());
    // A line that begins with a time must be one of the log.
    let text = text.replace('\n', "\n    ");
    writeln!(out, "{at} {level:<8} {text}")
}
