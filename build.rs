//! Puts `vpi.nut` together from the files in `vscripts/vpi/`.
//!
//! The game gets it as one file on purpose: a map can bring script files of its own, which the game then
//! takes instead of the owner's, and a part that came from elsewhere would be handed the key.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PARTS: &str = "vscripts/vpi";
const NOTE: &str = "\
//
// This file was put together from the files in vscripts/vpi/ of the source. Change those.";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PARTS}");
    let mut script = String::new();
    expand("main.nut", &mut script)?;
    let folder = env::var_os("OUT_DIR").map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(folder.join("vpi.nut"), script)
}

/// Adds a part, and in it the parts that it asks for. Each of those becomes a function of its own, so
/// that its variables stay its own.
fn expand(name: &str, script: &mut String) -> io::Result<()> {
    let path = Path::new(PARTS).join(name);
    let text = fs::read_to_string(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    for line in text.lines() {
        if line == "//@ GENERATED" {
            script.push_str(NOTE);
        } else if let Some((part, table)) = wanted(line) {
            script.push_str(&format!("\n// ======== {part}\n\n"));
            script.push_str(&format!("{table}.part <- function()\n{{\n"));
            expand(part, script)?;
            script.push_str(&format!("}}\n{table}.part()"));
        } else {
            script.push_str(line);
        }
        script.push('\n');
    }
    Ok(())
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
