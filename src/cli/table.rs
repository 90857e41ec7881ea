//! What people read: tables, spans of time, and texts that do no harm to a terminal.

use std::io::{self, ErrorKind, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::protocol::look_alike::{harmless, turns};

/// Writes rows below their heads, each column as wide as it must be.
pub(super) fn write<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    let head = head.map(str::to_owned);
    let wide = |at: usize| {
        let all = rows.iter().chain([&head]);
        all.map(|row| row[at].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(wide);
    for row in [&head].into_iter().chain(rows) {
        let mut line = String::new();
        for (text, width) in row.iter().zip(widths) {
            line.push_str(&format!("{text:<width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A time in its largest unit that is not too coarse; of the future, none.
pub(super) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ ..120 => format!("{s} s"),
        s @ ..7_200 => format!("{} min", s / 60),
        s @ ..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

/// A moment, in unix seconds, by the clock of this zone.
pub(super) fn date(at_s: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at_s).unwrap_or_default();
    let at = at.to_zoned(zone.clone());
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As much of a text as fits, by its beginning.
pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Lines of a text, with nothing else that moves a cursor.
pub(super) fn console_text(text: &str) -> String {
    let lines = text.trim_end().lines().map(printable);
    lines.collect::<Vec<_>>().join("\n")
}

/// What players call themselves must not reach a terminal as it is.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// Writes a value as JSON for people and programs.
pub(super) fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", json_text(&format!("{value:#}")))
}

/// The same in one line.
pub(super) fn write_json_line(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", json_text(&value.to_string()))
}

/// JSON for a terminal: what serde_json leaves in its texts and a terminal acts on is escaped. It means the same.
pub(super) fn json_text(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match matches!(c, '\u{7f}'..='\u{9f}') || turns(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// Writes to standard output.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    but_for_a_gone_reader(write(&mut io::stdout()))
}

/// A reader that has gone (`vpid --help | head`) is no failure.
pub(super) fn but_for_a_gone_reader(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("the output cannot be written ({error})"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_without_what_a_terminal_acts_on() {
        let value = serde_json::json!({"a\u{9b}2J": "x\u{7f}\u{85}\u{202e}y\u{2066}\u{1b}ä€🎮\n"});
        let text = json_text(&format!("{value:#}"));
        assert!(
            text.contains("\"x\\u007f\\u0085\\u202ey\\u2066\\u001bä€🎮\\n\""),
            "{text}"
        );
        assert!(
            !text
                .chars()
                .any(|c| turns(c) || (c.is_control() && c != '\n'))
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, value);
    }
}
