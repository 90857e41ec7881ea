//! `vscripts/vpi.nut`, put together from its parts.
//!
//! It ships as one file on purpose. A map can bring script files of its own, which the game then
//! takes instead of the owner's; a part that came from elsewhere would be handed the key.

use std::fs;
use std::path::{Path, PathBuf};

const NOTE: &str = "\
//
// This file was put together from the files in vscripts/vpi/ of the source. Change those.";

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vscripts")
}

fn part(name: &str) -> String {
    let path = folder().join("vpi").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name of the part that a line asks for, and the table that it is loaded into.
fn wanted(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(name) = line.strip_prefix("//@ ") {
        return name.ends_with(".nut").then_some((name, "vpi"));
    }
    let name = line.strip_prefix("::IncludeScript(\"vpi/")?;
    Some((name.strip_suffix("\", this)")?, "this"))
}

/// A part becomes a function of its own, so that its variables stay its own.
fn expand(text: &str, into: &mut String) {
    for line in text.lines() {
        if line == "//@ GENERATED" {
            into.push_str(NOTE);
        } else if let Some((name, table)) = wanted(line) {
            into.push_str(&format!("\n// ======== {name}\n\n"));
            into.push_str(&format!("{table}.part <- function()\n{{\n"));
            expand(&part(name), into);
            into.push_str(&format!("}}\n{table}.part()"));
        } else {
            into.push_str(line);
        }
        into.push('\n');
    }
}

pub fn assembled() -> String {
    let mut script = String::new();
    expand(&part("main.nut"), &mut script);
    script
}
