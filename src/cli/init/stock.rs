//! `--legacy`: a configuration for a stock script, which is found, read and never changed.
//!
//! Game modes bring a `vpi.nut` of their own, somewhere below the folder for scripts (MGE: `mge/vpi/`), and may
//! let it write into a folder below scriptdata.

use super::find::Surroundings;
use super::install::Report;
use super::{Options, install, line_of, read_script, write_config};
use crate::config::manual::example;
use crate::config::{self, PLACEHOLDER_KEY, Secret};
use crate::io::random;
use crate::limits::{
    KEY_BYTES_NEW, LOG_SECRET_DIGITS_NEW, SCRIPTS_DEPTH_MAX, SCRIPTS_ENTRIES_MAX, SCRIPTS_LOOK_MS,
    SECRET_BYTES_NEW,
};
use crate::vscripts::squirrel::{self, Returned};
use crate::vscripts::{self, Installed};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    let believes = Believes::Stock(&secret);
    let config = config_text(&scriptdata, None, &believes, options.community)?;
    let made = write_config(target, &config, &scriptdata, options.force)?;
    let mut report = Report::new(options, target.display().to_string());
    report.wrote(&scriptdata, made);
    report.room_for_hosts(&scriptdata, false);
    if let (Some(script), true) = (&script, written_below.is_some()) {
        report.say(format!(
            "  (the folder that SCRIPTDATA_DIR in {} names)",
            script.display()
        ));
    }
    match (kept, &script) {
        (Some(_), Some(script)) => report.say(format!(
            "Secret: that of {}, which stays unchanged",
            script.display()
        )),
        _ => report.new_secret(
            script.as_deref(),
            &found,
            line_of(&config, "legacy_secret ="),
        ),
    }
    if let Some(script) = script.filter(|_| !vscripts::sends_identity(&text)) {
        report.step(format!(
            "{} sends no identity with its calls. If you accept calls from everyone who can write \
             into the game's folder\n     (docs/security.md), set legacy_identity = \"optional\" \
             in {}",
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
             restore it first (vpid keeps it as {})",
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
                "found several vpi.nut; choose the one whose secret vpid should use:{}",
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

const HEAD: &str = "The configuration of vpid, written by `vpid init`. It contains a secret: keep \
                    its mode at 600. Test it with `vpid check`.";

/// What stands for the secret of the engine's log: in server.cfg and here, both commented out.
const LOG_SECRET: &str = "1234567890123456";

/// What the only server of a new configuration believes.
pub(super) enum Believes<'a> {
    /// Files that are signed with this key.
    Signed(&'a str),
    /// Files of the stock client that has this secret.
    Stock(&'a str),
}

/// What `--community` sets, as the example has it in comments.
const LOCAL_COMMUNITY: [&str; 2] = ["[community]", "type = \"local\""];

/// The whole file. `vscripts` is given where it is not in the usual place.
pub(super) fn config_text(
    scriptdata: &Path,
    vscripts: Option<&Path>,
    believes: &Believes<'_>,
    community: bool,
) -> Result<String, String> {
    let scriptdata = path_text(scriptdata)?;
    let vscripts = vscripts.map(path_text).transpose()?;
    let filled = |key: &str| match (key, believes) {
        ("scriptdata", _) => Some(format!("scriptdata = {scriptdata}")),
        ("vscripts", _) => vscripts.as_ref().map(|it| format!("vscripts = {it}")),
        ("key", Believes::Signed(key)) => Some(format!("key = {}", toml_text(key))),
        ("key", Believes::Stock(_)) => Some(format!("# key = '{PLACEHOLDER_KEY}'")),
        ("legacy_secret", Believes::Stock(secret)) => {
            Some(format!("legacy_secret = {}", toml_text(secret)))
        }
        _ => None,
    };
    // What the owner has may hold these digits too: it is filled in behind them.
    let mark = |key: &str| format!("\u{1}{key}\u{1}");
    let text = example(HEAD, &|key| filled(key).map(|_| mark(key)));
    let mut text = text.replace(LOG_SECRET, &fresh_log_secret());
    if community {
        for line in LOCAL_COMMUNITY {
            text = text.replace(&format!("\n# {line}\n"), &format!("\n{line}\n"));
        }
    }
    let keys = ["scriptdata", "vscripts", "key", "legacy_secret"];
    Ok(keys.iter().fold(text, |text, key| {
        text.replace(&mark(key), &filled(key).unwrap_or_default())
    }))
}

fn path_text(path: &Path) -> Result<String, String> {
    let text = path.to_str();
    text.map(toml_text)
        .ok_or_else(|| format!("{} is not UTF-8; a configuration must be", path.display()))
}

/// A text as TOML: as it is where that is possible, so that owners can copy it.
pub(super) fn toml_text(text: &str) -> String {
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key of the signed protocol: letters and digits, since owners copy it by hand.
pub(super) fn fresh_key() -> String {
    drawn(KEY_BYTES_NEW, |byte| byte.is_ascii_alphanumeric())
}

/// A secret of the stock protocol.
pub(super) fn fresh_secret() -> String {
    drawn(SECRET_BYTES_NEW, is_secret_sign)
}

/// A secret of the engine's log, in digits, as all tools that share it take it.
fn fresh_log_secret() -> String {
    drawn(LOG_SECRET_DIGITS_NEW, |byte| byte.is_ascii_digit())
}

/// Signs that stand as they are in a Squirrel text `@"..."` and in a TOML text `'...'`.
pub(super) fn is_secret_sign(byte: u8) -> bool {
    (35..=126).contains(&byte) && !matches!(byte, b'\'' | b'\\')
}

/// Bytes that do not fit are drawn again, so that the others stay equally likely.
fn drawn(length: usize, fits: impl Fn(u8) -> bool) -> String {
    let random = std::iter::repeat_with(random::bytes());
    random
        .filter(|&byte| fits(byte))
        .take(length)
        .map(char::from)
        .collect()
}

/// Writes beside the target and renames, so that there is always the old file or the new one,
/// and readable by its owner alone from its first moment.
pub(super) fn write_durably(target: &Path, text: &str, force: bool) -> Result<(), String> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let failed = |step: &str, error: std::io::Error| {
        format!("{} cannot be {step}: {error}", target.display())
    };
    // tempfile makes its files with mode 600.
    let mut file = tempfile::Builder::new()
        .prefix(".vpid-init-")
        .tempfile_in(folder)
        .map_err(|error| failed("made", error))?;
    file.write_all(text.as_bytes())
        .map_err(|error| failed("written", error))?;
    file.as_file()
        .sync_all()
        .map_err(|error| failed("flushed", error))?;
    let renamed = if force {
        file.persist(target)
    } else {
        file.persist_noclobber(target)
    };
    renamed.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(target),
        _ => failed("put in place", error.error),
    })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("made durable", error))
}

pub(super) fn exists(target: &Path) -> String {
    format!(
        "{} exists and was not changed; --force replaces it, --config FILE writes another, and \
             --vscripts DIR installs the scripts for it",
        target.display()
    )
}
