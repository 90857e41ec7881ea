//! Puts `vpi.nut` together from the files in `vscripts/vpi/`, and gathers what `vpid --version` says.
//!
//! The game gets it as one file on purpose: a map can bring script files of its own, which the game then
//! takes instead of the owner's, and a part that came from elsewhere would be handed the key.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const PARTS: &str = "vscripts/vpi";
const NOTE: &str = "\
//
// This file was put together from the files in vscripts/vpi/ of the source. Change those.";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PARTS}");
    println!("cargo::rustc-env=VPID_BUILD={}", build());
    let mut script = String::new();
    expand("main.nut", &mut script)?;
    let folder = env::var_os("OUT_DIR").map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(folder.join("vpi.nut"), script)
}

/// The commit, the features and the target, a line each.
fn build() -> String {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let features = ["DEMO", "FAKE_GAME", "MYSQL"];
    let features = features
        .iter()
        .filter(|name| set(&format!("CARGO_FEATURE_{name}")).is_some());
    let features: Vec<_> = features
        .map(|name| name.to_lowercase().replace('_', "-"))
        .collect();
    let features = match features.is_empty() {
        true => "none".to_owned(),
        false => features.join(", "),
    };
    // A line of its own would end the instruction for cargo.
    format!(
        "commit {}; features: {features}; target {}",
        commit(set("VPID_COMMIT")),
        set("TARGET").unwrap_or_default()
    )
}

/// `given` is for sources without git, such as those of a package. Builds for development do not look for it: each
/// commit would compile everything again.
fn commit(given: Option<String>) -> String {
    println!("cargo::rerun-if-env-changed=VPID_COMMIT");
    let is_plain = |text: &String| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if let Some(given) = given.filter(is_plain) {
        return given;
    }
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "unknown (a build for development)".to_owned();
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if let Some(log) =
        git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|it| Path::new(it).exists())
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown (built without git)".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]).as_deref() {
        Some("") => commit,
        _ => format!("{commit}-changed"),
    }
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
