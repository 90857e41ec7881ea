//! `vpid trace`: what passes through a running vpid, as it passes.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::command::{Action, Base, Command, JSON, Kind, option, switch};
use super::given::{Given, Stop};
use super::table::{clipped, json_text, printable};
use crate::io::control::{self, AskError, Replies};
use crate::protocol::control::Request;
use crate::protocol::trace::{TraceLine, TraceRequest};

pub(super) const COMMAND: Command = Command {
    name: "trace",
    summary: "show calls, messages and effects as they pass through a running vpid",
    about: "\
Shows what passes through a running vpid, a line each, until Ctrl-C or until vpid ends: calls, what Python scripts \
request and what runs in them, messages between the parts of vpid, events and effects. A line has the time, the host \
(or server, or script), what it is, how long it took, and the result. Arguments and results are shortened; secrets, \
and what is named like one, are shown as ***.",
    options: &[
        switch("--calls", "calls only"),
        option("--host", "HOST", Kind::Text, "only what is about this host"),
        option(
            "--server",
            "SERVER",
            Kind::Text,
            "only what is about this server, by its hostname or scriptdata folder",
        ),
        option(
            "--script",
            "SCRIPT",
            Kind::Text,
            "only what is about this script: calls that it makes (stats.nut, stats.py), and for a Python script what \
             runs in it, and what it requests",
        ),
        option(
            "--slow",
            "MS",
            Kind::Count(SLOW_MS_MAX),
            "only what took so many milliseconds or more",
        ),
        JSON,
    ],
    base: Base::Run,
    examples: &["vpid trace --script stats --slow 5"],
    action: Action::Run(main),
    ..Command::NONE
};

/// Longest time, and one line on a terminal.
const SLOW_MS_MAX: usize = 3_600_000;
const COLUMNS: usize = 100;

fn main(given: Given) -> Result<(), Stop> {
    let text = |option: &str| given.text(option).map(str::to_owned);
    let wanted = TraceRequest {
        calls: given.has("--calls"),
        host: text("--host"),
        server: text("--server"),
        script: text("--script"),
        slow_ms: given.count("--slow").map(|ms| ms as u64),
    };
    let json = given.json();
    let state_dir = given.state_dir()?;
    let request = Request::Trace(wanted);
    let mut replies =
        Replies::to(&state_dir, &request, Some(control::PATIENCE)).map_err(String::from)?;
    let reply = replies.first().map_err(String::from)?;
    begin("Tracing", &reply);
    replies.wait_for_ever().map_err(String::from)?;
    let columns = io::stdout().is_terminal().then_some(COLUMNS);
    let zone = TimeZone::system();
    let line = |line: Value| match json {
        true => Ok(json_text(&line.to_string())),
        false => shown(line, &zone, columns),
    };
    Ok(follow(&mut replies, &mut io::stdout(), line)?)
}

/// Tells the operator that lines come from now on, with what vpid has noted.
pub(super) fn begin(doing: &str, reply: &Value) {
    if let Some(note) = reply["note"].as_str() {
        eprintln!("{}", printable(note));
    }
    eprintln!("{doing}; Ctrl-C ends it.");
}

/// Shows what comes until vpid ends, or the reader of the output does. `shown`: as a line.
pub(super) fn follow(
    replies: &mut Replies,
    out: &mut dyn Write,
    shown: impl Fn(Value) -> Result<String, String>,
) -> Result<(), String> {
    loop {
        let line = match replies.line() {
            Ok(line) => line,
            Err(AskError::Ended) => return Err("vpid ended".into()),
            Err(error) => return Err(error.to_string()),
        };
        let text = shown(line)?;
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|error| error.to_string())?,
        }
    }
}

fn shown(line: Value, zone: &TimeZone, columns: Option<usize>) -> Result<String, String> {
    if let Some(dropped) = line["dropped"].as_u64() {
        return Ok(match dropped {
            1 => "... 1 line was dropped: it came too fast".to_owned(),
            _ => format!("... {dropped} lines were dropped: they came too fast"),
        });
    }
    let line: TraceLine = serde_json::from_value(line)
        .map_err(|error| format!("vpid sent a line that this program cannot read ({error})"))?;
    Ok(row(&line, zone, columns))
}

/// One line: time, host, what it is, duration, result. `columns`: where it is cut.
fn row(line: &TraceLine, zone: &TimeZone, columns: Option<usize>) -> String {
    let at = Timestamp::from_millisecond(line.at_ms as i64).unwrap_or_default();
    let at = at
        .to_zoned(zone.clone())
        .strftime("%H:%M:%S%.3f")
        .to_string();
    let script = Some(&line.script).filter(|script| !script.is_empty());
    let whose = line.host.as_ref().or(script).or(line.server.as_ref());
    let whose = clipped(whose.map_or("-", String::as_str), 16);
    let mut what = format!("{} {}", line.what, line.name);
    if !line.args.is_empty() {
        what += &format!(" {}", line.args);
    }
    if !line.caller.is_empty() {
        what += &format!(" of {}", line.caller);
    }
    let took = line.took_us.map_or_else(|| "-".to_owned(), duration);
    let result = match (line.ok, line.result.as_str()) {
        (None, _) => String::new(),
        (Some(true), "") => "ok".to_owned(),
        (Some(true), result) => result.to_owned(),
        (Some(false), "") => "failed".to_owned(),
        (Some(false), error) => format!("failed: {error}"),
    };
    let what = match columns {
        Some(_) => clipped(&what, 36),
        None => what,
    };
    let text = format!("{at} {whose:<16} {what:<36} {took:>9} {result}");
    let text = printable(text.trim_end());
    columns.map_or(text.clone(), |columns| clipped(&text, columns))
}

/// Calls are timed in whole milliseconds, the rest more exactly.
fn duration(took_us: u64) -> String {
    match took_us {
        0 => "< 1 ms".to_owned(),
        us @ ..1_000 => format!("{us} us"),
        us @ ..1_000_000 if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us @ ..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{:.2} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> TraceLine {
        TraceLine {
            at_ms: 1_700_000_000_123,
            what: "call".into(),
            name: "VPI_DB_UserSelect".into(),
            host: Some("my_server".into()),
            caller: "stats.nut".into(),
            took_us: Some(3_000),
            ok: Some(true),
            args: r#"{"table":"user_stats_players"}"#.into(),
            result: r#"[[1,"x"]]"#.into(),
            ..TraceLine::default()
        }
    }

    #[test]
    fn a_line_has_everything_in_a_pipe_and_100_columns_on_a_terminal() {
        let whole = row(&line(), &TimeZone::UTC, None);
        assert_eq!(
            whole,
            "22:13:20.123 my_server        call VPI_DB_UserSelect {\"table\":\"user_stats_players\"} \
             of stats.nut      3 ms [[1,\"x\"]]"
        );
        let cut = row(&line(), &TimeZone::UTC, Some(COLUMNS));
        assert_eq!(
            cut,
            "22:13:20.123 my_server        call VPI_DB_UserSelect {\"table\":\"us\u{2026}      3 ms [[1,\"x\"]]"
        );
        let long = TraceLine {
            host: Some("h".repeat(300)),
            result: "\u{e9}".repeat(300),
            ..line()
        };
        assert_eq!(
            row(&long, &TimeZone::UTC, Some(COLUMNS)).chars().count(),
            COLUMNS
        );
    }

    #[test]
    fn what_has_no_result_has_no_words_for_one_and_a_failure_says_so() {
        let event = TraceLine {
            what: "event".into(),
            name: "timer".into(),
            took_us: Some(12),
            ..TraceLine::default()
        };
        let shown = row(&event, &TimeZone::UTC, None);
        assert!(
            shown.ends_with("event timer                              12 us"),
            "{shown}"
        );
        let failed = TraceLine {
            ok: Some(false),
            result: "ValueError: \u{1b}[2J".into(),
            ..line()
        };
        let shown = row(&failed, &TimeZone::UTC, None);
        assert!(shown.ends_with("failed: ValueError: ?[2J"), "{shown}");
        let dropped = super::shown(serde_json::json!({"dropped": 7}), &TimeZone::UTC, None);
        assert!(dropped.unwrap().contains("7 lines were dropped"));
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (us, text) in [
            (0, "< 1 ms"),
            (999, "999 us"),
            (1_000, "1 ms"),
            (1_230, "1.2 ms"),
            (999_999, "1000.0 ms"),
            (1_500_000, "1.50 s"),
        ] {
            assert_eq!(duration(us), text);
        }
    }
}
