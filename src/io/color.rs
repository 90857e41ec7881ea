//! Whether what is printed has colours, and which.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

/// What `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Auto,
    Always,
    Never,
}

static CHOSEN: OnceLock<When> = OnceLock::new();

/// By the option of the command line.
pub fn choose(word: Option<&str>) {
    let when = match word {
        Some("always") => When::Always,
        Some("never") => When::Never,
        _ => When::Auto,
    };
    // Once a process; a second one changes nothing.
    let _ = CHOSEN.set(when);
}

/// Whether what goes to this stream has colours.
pub fn wanted(stream: &impl IsTerminal) -> bool {
    let when = CHOSEN.get().copied().unwrap_or(When::Auto);
    decide(when, |name| std::env::var_os(name), stream.is_terminal())
}

/// <https://no-color.org>: any value but the empty one.
fn decide(when: When, variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            is_terminal && !is_set("NO_COLOR") && variable("TERM").is_some_and(|it| it != "dumb")
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    Red,
    Green,
    Yellow,
    Grey,
}

impl Color {
    pub fn paint(self, text: &str, colors: bool) -> String {
        let code = match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Grey => 90,
        };
        match colors {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_command_line_says_otherwise() {
        let with = |when, no_color: Option<&str>, term: Option<&str>, is_terminal| {
            let variable = |name: &str| match name {
                "NO_COLOR" => no_color.map(Into::into),
                "TERM" => term.map(Into::into),
                _ => None,
            };
            decide(when, variable, is_terminal)
        };
        let xterm = Some("xterm");
        assert!(with(When::Auto, None, xterm, true));
        assert!(with(When::Auto, Some(""), xterm, true));
        assert!(!with(When::Auto, Some("1"), xterm, true));
        assert!(!with(When::Auto, None, xterm, false));
        assert!(!with(When::Auto, None, Some("dumb"), true));
        assert!(!with(When::Auto, None, None, true));
        assert!(with(When::Always, Some("1"), None, false));
        assert!(!with(When::Never, None, xterm, true));
        assert_eq!(Color::Red.paint("bad", true), "\x1b[31mbad\x1b[0m");
        assert_eq!(Color::Red.paint("bad", false), "bad");
    }
}
