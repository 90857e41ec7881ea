//! Tables for people to read, and what stands in them.

use std::io::{self, Write};

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
