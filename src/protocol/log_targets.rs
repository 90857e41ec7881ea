//! Marks of log lines, which say how often they may be repeated (see `cli/logging/fold.rs`). Lines
//! without one that are warnings or errors are written once a minute, and counted.

/// Something changed, or an operator requested it: each time is worth a line, unless it goes back and forth.
pub const NEWS: &str = "vpid::news";

/// Output of a Python script. These lines have a bound of their own, in `core/scripts/journal.rs`.
pub const SCRIPT: &str = "vpid::script";
