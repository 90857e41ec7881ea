//! Marks of log lines, which say how often they may be repeated (see `io/logging/fold.rs`), and how a line says what it
//! is about. Lines without a mark that are warnings or errors are written once a minute, and counted.

/// Something changed, or an operator requested it: each time is worth a line, unless it goes back and forth.
pub const NEWS: &str = "vpid::news";

/// Output of a Python script. These lines have a bound of their own, in `core/scripts/journal.rs`.
pub const SCRIPT: &str = "vpid::script";

/// Logs a line about a server: `log_server!(warn, label, "what there is")`, or `warn at NEWS` for one with a mark. Its
/// label is before the text, and in the fields that programs read.
macro_rules! log_server {
    ($level:ident $(at $mark:expr)?, $label:expr, $($text:tt)+) => {{
        let label = &$label;
        log::$level!($(target: $mark,)? server:% = label; "{label}: {}", format_args!($($text)+));
    }};
}
pub(crate) use log_server;
