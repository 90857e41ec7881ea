//! What people read: tables, spans of time, and texts that do no harm to a terminal.

use std::io::{self, ErrorKind, Write};

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

/// Lines of a text, with nothing else that moves a cursor.
pub(super) fn console_text(text: &str) -> String {
    let lines = text.trim_end().lines().map(printable);
    lines.collect::<Vec<_>>().join("\n")
}

/// What players call themselves must not reach a terminal as it is.
pub(super) fn printable(text: &str) -> String {
    // Signs that turn the direction of writing around would mix up what stands beside them.
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harmless = |c: char| if c.is_control() || turns(c) { '?' } else { c };
    text.chars().map(harmless).collect()
}

/// Writes to standard output.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    but_for_a_gone_reader(write(&mut io::stdout()))
}

/// A reader that has gone (`vpid --help | head`) is no failure.
pub(super) fn but_for_a_gone_reader(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
