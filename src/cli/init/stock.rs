//! `--legacy`: a configuration for a stock script, which is found, read and never changed.
//!
//! Game modes bring a `vpi.nut` of their own, somewhere below the folder for scripts (MGE: `mge/vpi/`), and may
//! let it write into a folder below scriptdata.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::config_file::{Believes, config_text, fresh_secret};
use super::find::Surroundings;
use super::report::Report;
use super::{Options, install, line_of, read_script, write_config};
use crate::config::{self, Secret};
use crate::limits::{SCRIPTS_DEPTH_MAX, SCRIPTS_ENTRIES_MAX, SCRIPTS_LOOK_MS};
use crate::vscripts::Installed;
use crate::vscripts::squirrel::{self, Returned};

/// A configuration with the secret of the stock script, which stays as it is.
pub(super) fn serve(
    options: &Options,
    target: &Path,
    scriptdata: &Path,
    around: &Surroundings,
    out: &mut dyn Write,
) -> Result<(), String> {
    let script = script(options.vscripts.as_deref(), scriptdata, around)?;
    let text = script.as_deref().map(read_script).transpose()?;
    let text = text.unwrap_or_default();
    let written_below = squirrel::used_text(&text, "SCRIPTDATA_DIR");
    let scriptdata = below(scriptdata, written_below.as_deref());
    let found = squirrel::returned_text(&text, "GetSecret");
    // Where the script's secret cannot be used, the steps say to replace it.
    let kept = match &found {
        Returned::Text { text, .. } if Secret::new(text).is_ok() => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    };
    let secret = kept.clone().unwrap_or_else(fresh_secret);
    let config = config_text(&scriptdata, None, &Believes::Stock(&secret))?;
    let made = write_config(target, &config, &scriptdata, options.force)?;
    let mut report = Report::new(options, target.display().to_string());
    report.wrote(&scriptdata, made);
    report.room_for_hosts(&scriptdata, false);
    if let (Some(script), true) = (&script, written_below.is_some()) {
        report.say(format!(
            "  (it is the folder that SCRIPTDATA_DIR in {} names)",
            script.display()
        ));
    }
    match (kept, &script) {
        (Some(_), Some(script)) => report.say(format!(
            "Secret: the one that {} has, so it goes on as it is",
            script.display()
        )),
        _ => report.new_secret(
            script.as_deref(),
            &found,
            line_of(&config, "legacy_secret ="),
        ),
    }
    if let Some(script) = script.filter(|_| !squirrel::has_word(&text, "Identity")) {
        report.step(format!(
            "{} sends no identity with its calls. If you accept calls of everything that can write into the \
             game's folder\n     (docs/security.md), set legacy_identity = \"optional\" in {}",
            script.display(),
            target.display()
        ));
    }
    report.change_over_steps();
    report.print(out)
}

/// The folder into which the script writes: forks put a constant in front of each name.
fn below(scriptdata: &Path, folder: Option<&str>) -> PathBuf {
    let plain =
        |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    match folder.filter(plain) {
        Some(name) if !scriptdata.ends_with(name) => scriptdata.join(name),
        _ => scriptdata.to_owned(),
    }
}

/// The stock script of the game, where there is one.
///
/// Errors: there are several, the only one is vpid's own, or the owner named no folder.
fn script(
    given: Option<&Path>,
    scriptdata: &Path,
    around: &Surroundings,
) -> Result<Option<PathBuf>, String> {
    let folder = match given {
        Some(given) => around.current.join(given),
        None => config::usual_scripts(game_folder(scriptdata)),
    };
    if given.is_some() && !folder.is_dir() {
        return Err(format!(
            "{} is not a folder; name .../tf/scripts/vscripts",
            folder.display()
        ));
    }
    let (ours, mut stock): (Vec<PathBuf>, Vec<PathBuf>) = all_below(&folder)
        .into_iter()
        .partition(|path| is_ours(path));
    // A folder that was named is meant, whatever lies below it.
    let named = folder.join("vpi.nut");
    if given.is_some() && stock.contains(&named) {
        return Ok(Some(named));
    }
    match (stock.len(), ours.first()) {
        (0, Some(ours)) => Err(format!(
            "{} is vpid's own script, which signs and needs no --legacy; to serve the stock one, \
             put it back first (vpid keeps it as {})",
            ours.display(),
            install::BACKUP
        )),
        (0 | 1, _) => Ok(stock.pop()),
        _ => {
            let lines: Vec<_> = stock
                .iter()
                .filter_map(|path| path.parent())
                .map(|folder| format!("\n  --vscripts '{}'", folder.display()))
                .collect();
            Err(format!(
                "found several vpi.nut; say whose secret is to be served:{}",
                lines.concat()
            ))
        }
    }
}

/// The scriptdata of the game, where a folder in it was named.
fn game_folder(scriptdata: &Path) -> &Path {
    let around = scriptdata
        .parent()
        .filter(|around| around.ends_with("scriptdata"));
    around.unwrap_or(scriptdata)
}

fn is_ours(path: &Path) -> bool {
    read_script(path).is_ok_and(|text| Installed::of(&text) != Installed::Foreign)
}

/// Every `vpi.nut` below a folder for scripts that is not vpid's.
pub(super) fn scripts_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = all_below(folder);
    found.retain(|path| !is_ours(path));
    found
}

/// Every `vpi.nut` in a folder and below it, the highest first. Links to folders are not followed; depth, number
/// and time have bounds.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let until = Instant::now() + Duration::from_millis(SCRIPTS_LOOK_MS);
    let mut found = Vec::new();
    let mut left = SCRIPTS_ENTRIES_MAX;
    let mut folders = vec![folder.to_owned()];
    for _ in 0..=SCRIPTS_DEPTH_MAX {
        folders.sort();
        let mut deeper = Vec::new();
        for folder in folders {
            let script = folder.join("vpi.nut");
            if script.is_file() {
                found.push(script);
            }
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            for entry in entries.take(left) {
                left -= 1;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    deeper.push(entry.path());
                }
            }
            if Instant::now() > until {
                return found;
            }
        }
        folders = deeper;
    }
    found
}
