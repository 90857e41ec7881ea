//! How the log looks: one line each on standard error, with the time unless the journal (or
//! whoever reads systemd's pipe) adds its own.

use std::io::Write;

/// Sets the logger up. `VPID_LOG` sets the level (error, warn, info, debug), info by default.
pub fn init() {
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut builder = env_logger::Builder::new();
    builder.filter_level(log::LevelFilter::Info);
    // What the libraries do is seldom the question; `VPID_LOG=debug,ureq=debug` asks for it.
    for library in ["ureq", "ureq_proto", "rustls", "mysql"] {
        builder.filter_module(library, log::LevelFilter::Warn);
    }
    if let Ok(filter) = std::env::var("VPID_LOG") {
        builder.parse_filters(&filter);
    }
    builder.format(move |out, record| {
        if !in_journal {
            let now = jiff::Zoned::now();
            write!(out, "{} ", now.strftime("%Y-%m-%d %H:%M:%S%.3f"))?;
        }
        writeln!(
            out,
            "{:<5} {}",
            record.level(),
            one_line(&record.args().to_string())
        )
    });
    builder.init();
}

/// Names and texts of players reach the log: nothing of theirs that moves a cursor or turns the
/// direction of writing around reaches a terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
