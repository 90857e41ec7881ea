//! The structure of the source: which room opens which, what is forbidden where, how long things
//! may be. Pure text, so that it holds for code that is not compiled here too.

mod circles;

use std::fmt::Write;
use std::fs;
use std::path::Path;

const FUNCTION_LINES_MAX: usize = 75;

/// What each room may open, besides itself. A room that is not listed opens all.
const DOORS: [(&str, &[&str]); 12] = [
    ("core", &["jobs", "protocol", "sql", "config", "limits"]),
    ("io", &["jobs", "protocol", "sql", "config", "limits"]),
    ("jobs", &["protocol", "sql", "limits"]),
    ("protocol", &["limits"]),
    ("sql", &["limits"]),
    ("config", &["protocol", "sql", "limits"]),
    ("limits", &[]),
    ("vscripts", &[]),
    ("supervise", &["io", "limits"]),
    (
        "game_side",
        &["io", "protocol", "config", "limits", "vscripts"],
    ),
    ("main", &["cli"]),
    (
        "daemon",
        &["core", "io", "jobs", "protocol", "sql", "config", "limits"],
    ),
];

/// What a pure room does not touch.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant",
    "SystemTime",
    "rustix::",
];

/// A source file: where it is, and its lines.
struct Source {
    /// From the root of the project, such as `src/core/mod.rs`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let (path, text) = (path.to_string(), text.to_string());
        Self { path, text }
    }

    fn is_of_the_program(&self) -> bool {
        self.path.starts_with("src/")
    }

    /// The room of a file of the program: its folder below `src`, else its own name.
    fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let first = below.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    /// How many `super` it takes to leave the crate's rooms.
    fn depth(&self) -> usize {
        let below = self.path.trim_start_matches("src/");
        let parts = below.split('/').count();
        parts - usize::from(below.ends_with("/mod.rs"))
    }

    /// Lines of code with their numbers, without comments; without tests where asked.
    fn code(&self, with_tests: bool) -> impl Iterator<Item = (usize, &str)> {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let all_tests = name.starts_with("tests") || self.path.contains("/tests/");
        let mut in_tests = all_tests;
        let mut pending = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let code = line.trim_start();
            // By the house's habit the tests come last; a module in a file of its own does not
            // begin them.
            if pending {
                in_tests |= code.starts_with("mod ") && code.ends_with('{');
                pending = code.starts_with("#[");
            }
            pending |= *line == "#[cfg(test)]";
            !code.starts_with("//") && (with_tests || !in_tests)
        })
    }
}

/// All Rust files below a folder of the project, in order.
fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        return found;
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            found.extend(sources(root, &path));
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&path)).expect("a readable file");
            found.push(Source { path, text });
        }
    }
    found
}

/// What is wrong, a line each.
#[derive(Default)]
struct Violations(String);

impl Violations {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        let _ = writeln!(self.0, "{}:{line}: {what}", source.path);
    }
}

fn starts_with_word(text: &str) -> &str {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

/// The rooms that a line of code names.
fn rooms_in(line: &str, depth: usize) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            // A list that goes on in the next line is what rustfmt makes of long ones only.
            Some(list) => rooms.extend(list.split(',').map(|item| starts_with_word(item.trim()))),
            None => rooms.push(starts_with_word(rest)),
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in line.match_indices(&up) {
        rooms.push(starts_with_word(&line[at + up.len()..]));
    }
    rooms.retain(|room| !room.is_empty() && *room != "super");
    rooms
}

fn check_doors(source: &Source, violations: &mut Violations) {
    let Some((room, open)) = DOORS.iter().find(|(room, _)| source.room() == Some(*room)) else {
        return;
    };
    for (number, line) in source.code(true) {
        // As main.rs calls the library.
        let line = match *room {
            "main" => line.replace("vpid::", "crate::"),
            _ => line.to_owned(),
        };
        for other in rooms_in(&line, source.depth()) {
            if other != *room && !open.contains(&other) {
                violations.add(source, number, &format!("{room} opens the door to {other}"));
            }
        }
    }
}

fn check_purity(source: &Source, violations: &mut Violations) {
    if !matches!(source.room(), Some("core" | "jobs" | "protocol" | "sql")) {
        return;
    }
    for (number, line) in source.code(false) {
        for impure in IMPURE.iter().filter(|impure| line.contains(*impure)) {
            violations.add(source, number, &format!("{impure} in a pure room"));
        }
    }
}

fn check_forbidden_calls(source: &Source, violations: &mut Violations) {
    if source.is_of_the_program() {
        for (number, line) in source.code(false) {
            if line.contains(".unwrap()") {
                violations.add(source, number, "unwrap() outside tests");
            }
            if line.contains("process::exit") && source.room() != Some("main") {
                violations.add(source, number, "only main.rs decides on exit codes");
            }
        }
    }
    // Put together, so that this file does not find itself.
    let notes = ["to!do!", "unimple!mented!", "db!g!", "FIX!ME", "X!XX"];
    let notes = notes.map(|note| note.replacen('!', "", 1));
    for (number, line) in (1..).zip(source.text.lines()) {
        for note in notes.iter().filter(|note| line.contains(*note)) {
            violations.add(source, number, &format!("{note} was left over"));
        }
    }
}

fn is_function(line: &str) -> bool {
    let mut rest = line.trim_start();
    for word in [
        "pub ",
        "pub(crate) ",
        "pub(super) ",
        "const ",
        "async ",
        "unsafe ",
    ] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.starts_with("fn ")
}

/// rustfmt closes a function with a brace as far in as the function begins.
fn check_lengths(source: &Source, violations: &mut Violations) {
    let lines: Vec<&str> = source.text.lines().collect();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| is_function(line))
    {
        let indent = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indent}}}");
        let body = lines[at..].iter().position(|line| *line == closing);
        let length = body.map_or(1, |body| body + 1);
        if length > FUNCTION_LINES_MAX && !line.ends_with(';') {
            let what = format!("a function of {length} lines, at most {FUNCTION_LINES_MAX}");
            violations.add(source, at + 1, &what);
        }
    }
}

fn check(source: &Source) -> String {
    let mut violations = Violations::default();
    if source.is_of_the_program() {
        check_doors(source, &mut violations);
        check_purity(source, &mut violations);
    }
    check_forbidden_calls(source, &mut violations);
    check_lengths(source, &mut violations);
    violations.0
}

#[test]
fn the_house_is_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "tests", "benches", "fuzz/fuzz_targets", "fuzz/src"];
    let all: Vec<Source> = folders
        .iter()
        .flat_map(|folder| sources(root, folder))
        .collect();
    assert!(all.len() > 50, "only {} files were found", all.len());
    let violations: String = all.iter().map(check).collect();
    assert!(violations.is_empty(), "\n{violations}");
}

#[test]
fn every_room_of_the_house_is_known_to_this_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = sources(root, "src");
    let known = |room: &str| {
        DOORS.iter().any(|(known, _)| *known == room) || ["cli", "lib"].contains(&room)
    };
    for source in &all {
        let room = source.room().expect("a file of the program");
        assert!(
            known(room),
            "{}: say in DOORS what {room} may open",
            source.path
        );
    }
    for (room, _) in DOORS {
        assert!(
            all.iter().any(|source| source.room() == Some(room)),
            "{room} is gone"
        );
    }
}

/// Checks that this one thing, and nothing else, is found in a file.
fn finds(path: &str, text: &str, expected: &str) {
    let found = check(&Source::new(path, text));
    assert!(found.contains(expected), "{path}: {text}\n{found}");
    assert_eq!(found.lines().count(), 1, "{path}\n{found}");
}

#[test]
fn a_wrong_door_is_found() {
    finds(
        "src/core/a.rs",
        "use crate::io::files;",
        "core opens the door to io",
    );
    finds(
        "src/io/a/mod.rs",
        "crate::core::Core::new();",
        "io opens the door to core",
    );
    finds(
        "src/protocol/a.rs",
        "use crate::{limits, config};",
        "protocol opens the door to config",
    );
    let up = "use super::super::super::daemon;";
    finds(
        "src/protocol/sql/a.rs",
        up,
        "protocol opens the door to daemon",
    );
    finds(
        "src/daemon/mod.rs",
        "use crate::game_side::demo;",
        "daemon opens the door to game_side",
    );
    finds(
        "src/main.rs",
        "use vpid::io::memory;",
        "main opens the door to io",
    );
    finds(
        "src/limits.rs",
        "use crate::config::Config;",
        "limits opens the door to config",
    );
}

#[test]
fn forbidden_calls_and_left_over_notes_are_found() {
    finds(
        "src/core/a.rs",
        "use std::time::Instant;",
        "Instant in a pure room",
    );
    finds(
        "src/protocol/a.rs",
        "std::fs::read(path)",
        "std::fs in a pure room",
    );
    finds("src/io/a.rs", "x.unwrap();", "unwrap() outside tests");
    finds(
        "src/cli/a.rs",
        "std::process::exit(1);",
        "only main.rs decides",
    );
    finds("src/io/a.rs", &["to", "do!()"].concat(), "was left over");
    finds(
        "tests/all/a.rs",
        &["// FIX", "ME: later"].concat(),
        "was left over",
    );
}

#[test]
fn what_is_too_long_is_found() {
    let function = |lines: usize| {
        let body = "        x();\n".repeat(lines - 2);
        format!("    pub(super) fn long() {{\n{body}    }}\n")
    };
    let text = function(FUNCTION_LINES_MAX + 1);
    finds("tests/all/a.rs", &text, "a function of 76 lines");
    assert_eq!(
        check(&Source::new("src/io/a.rs", &function(FUNCTION_LINES_MAX))),
        ""
    );
}

#[test]
fn what_is_allowed_is_let_through() {
    let good = [
        (
            "src/core/a.rs",
            "use super::Core;\nuse crate::sql;\n// std::fs, x.unwrap()",
        ),
        (
            "src/io/sql/mod.rs",
            "use super::files;\nuse crate::limits::X;",
        ),
        ("src/main.rs", "std::process::exit(1);"),
        (
            "src/core/a.rs",
            "#[cfg(test)]\nmod tests {\n    x.unwrap();\n}",
        ),
        ("src/core/tests.rs", "x.unwrap();"),
        ("tests/all/a.rs", "x.unwrap();"),
    ];
    for (path, text) in good {
        assert_eq!(check(&Source::new(path, text)), "", "{path}: {text}");
    }
}
