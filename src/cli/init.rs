//! `vpid init`: writes a configuration that works, and says what is left to do.
//!
//! It changes nothing of the game but for making an empty scriptdata folder: the owner's
//! scripts are read for the secret they have, and theirs to edit.

mod find;
mod stock_script;
#[cfg(test)]
mod tests;
mod text;

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::config::{self, Secret};
use crate::limits::SCRIPT_FILE_BYTES_MAX;
use find::Surroundings;
use stock_script::Found;
use text::{Believes, config_text, fresh_secret};

/// What the command line said.
#[derive(Debug, Default)]
pub struct Options {
    /// The folder the game writes into, or the `tf` folder around it; none: look for it.
    pub scriptdata: Option<PathBuf>,
    /// Where the stock vpi.nut is; none: `scripts/vscripts` beside scriptdata.
    pub vscripts: Option<PathBuf>,
    /// The file to write; none: ./vpid.toml.
    pub config: Option<PathBuf>,
    /// Replace a file that is there.
    pub force: bool,
}

/// Writes the configuration and tells `out` about it. Errors are sentences for the owner;
/// nothing has been written then.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    run_among(options, &Surroundings::of_this_process(), out)
}

fn run_among(options: &Options, around: &Surroundings, out: &mut dyn Write) -> Result<(), String> {
    let target = options
        .config
        .clone()
        .unwrap_or_else(|| config::SEARCH_PATHS[0].into());
    let target = around.current.join(target);
    refuse_what_exists(&target, options.force)?;
    let scriptdata = scriptdata(options.scriptdata.as_deref(), around)?;
    if target.starts_with(&scriptdata) {
        return Err(format!(
            "{} would lie in scriptdata, where every game script could overwrite it; name a \
             place outside with --config FILE",
            target.display()
        ));
    }
    let script = stock_script_path(options.vscripts.as_deref(), &scriptdata, around)?;
    let found = match &script {
        Some(path) => stock_script::secret(&read_script(path)?),
        None => Found::Nothing,
    };
    // Where the script's secret cannot be used, the steps below ask to replace it.
    let kept = match &found {
        Found::Secret { text, .. } if Secret::new(text).is_ok() => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    };
    let secret = match &kept {
        Some(secret) => secret.clone(),
        None => fresh_secret(),
    };
    let text = config_text(&scriptdata, None, &Believes::Stock(&secret))?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    config::parse(&text, folder, |_| None).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("this configuration would not work: {}", problems.join("; "))
    })?;
    let made = make_scriptdata(&scriptdata)?;
    write_durably(&target, &text, options.force)?;

    let say = |error| format!("the configuration was written, but not this report: {error}");
    let line = 1 + text
        .lines()
        .position(|l| l.starts_with("legacy_secret ="))
        .unwrap_or(0);
    let made = if made { " (made now)" } else { "" };
    writeln!(out, "Wrote {} (mode 600)", target.display()).map_err(say)?;
    writeln!(out, "Game folder: {}{made}", scriptdata.display()).map_err(say)?;
    let written = Written {
        config: &target,
        named: options.config.is_some(),
        line,
    };
    next_steps(&written, script.as_deref(), &found, kept.is_some(), out).map_err(say)
}

fn refuse_what_exists(target: &Path, force: bool) -> Result<(), String> {
    let path = target.display();
    if target.is_dir() {
        return Err(format!(
            "{path} is a folder; name the file to write with --config FILE"
        ));
    }
    if target.symlink_metadata().is_ok() && !force {
        return Err(exists(target));
    }
    Ok(())
}

fn exists(target: &Path) -> String {
    format!(
        "{} exists and was left as it is; --force replaces it, --config FILE writes another",
        target.display()
    )
}

/// The folder the game writes into, as an absolute path; it may not exist yet.
fn scriptdata(given: Option<&Path>, around: &Surroundings) -> Result<PathBuf, String> {
    let Some(given) = given else {
        let games = find::games(around);
        return match &games[..] {
            [tf] => Ok(tf.join("scriptdata")),
            [] => Err("found no TF2 server in the usual places (Steam, LinuxGSM, \
                       /home/container, this folder); say where it is with \
                       --scriptdata .../tf/scriptdata"
                .into()),
            several => {
                let lines: Vec<_> = several
                    .iter()
                    .map(|tf| format!("\n  --scriptdata '{}'", tf.join("scriptdata").display()))
                    .collect();
                Err(format!(
                    "found several TF2 servers; say which one:{}",
                    lines.concat()
                ))
            }
        };
    };
    let path = around.current.join(given);
    let path = if find::is_game(&path) {
        path.join("scriptdata")
    } else {
        path
    };
    let shown = path.display();
    if path.exists() && !path.is_dir() {
        return Err(format!(
            "{shown} is not a folder; name the scriptdata folder of the game"
        ));
    }
    if !path.exists() && !path.parent().is_some_and(Path::is_dir) {
        return Err(format!(
            "{shown} does not exist, nor does the folder it would be made in; name the \
             scriptdata folder of the game"
        ));
    }
    Ok(path)
}

/// Whether it had to be made.
fn make_scriptdata(path: &Path) -> Result<bool, String> {
    if path.is_dir() {
        return Ok(false);
    }
    // A folder that belongs to somebody else is one the game cannot write into.
    let owner = path
        .parent()
        .and_then(|tf| tf.metadata().ok())
        .map(|tf| tf.uid());
    if let Some(owner) = owner.filter(|&uid| uid != rustix::process::geteuid().as_raw()) {
        return Err(format!(
            "{} has to be made, and must belong to the user that runs the game (uid {owner}); \
             run `vpid init` as that user",
            path.display()
        ));
    }
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        .map(|()| true)
        .map_err(|error| {
            format!(
                "{} cannot be made: {error}; run as the user that runs the game",
                path.display()
            )
        })
}

/// Errors only where the owner named a folder that does not have the script.
fn stock_script_path(
    given: Option<&Path>,
    scriptdata: &Path,
    around: &Surroundings,
) -> Result<Option<PathBuf>, String> {
    let Some(given) = given else {
        let usual = scriptdata
            .with_file_name("scripts")
            .join("vscripts/vpi.nut");
        return Ok(usual.is_file().then_some(usual));
    };
    let folder = around.current.join(given);
    if !folder.is_dir() {
        return Err(format!(
            "{} is not a folder; name .../tf/scripts/vscripts",
            folder.display()
        ));
    }
    let script = folder.join("vpi.nut");
    Ok(script.is_file().then_some(script))
}

fn read_script(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{} cannot be read: {error}", path.display());
    let mut script = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(SCRIPT_FILE_BYTES_MAX as u64)
        .read_to_end(&mut script)
        .map_err(failed)?;
    Ok(script)
}

/// Writes beside the target and renames, so that there is always the old file or the new one,
/// and readable by its owner alone from its first moment.
fn write_durably(target: &Path, text: &str, force: bool) -> Result<(), String> {
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

struct Written<'a> {
    config: &'a Path,
    /// Whether the owner chose the name, and so must repeat it.
    named: bool,
    /// Where the secret stands in it.
    line: usize,
}

fn next_steps(
    written: &Written<'_>,
    script: Option<&Path>,
    found: &Found,
    kept: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let (config, line) = (written.config.display(), written.line);
    let option = if written.named {
        format!(" --config '{config}'")
    } else {
        String::new()
    };
    let mut steps = Vec::new();
    if kept {
        let script = script
            .map(Path::display)
            .map(|path| path.to_string())
            .unwrap_or_default();
        writeln!(
            out,
            "Secret: the one that {script} has, so it goes on as it is"
        )?;
    } else {
        writeln!(
            out,
            "Secret: a new one, in line {line} of the configuration"
        )?;
        let place = match (script, found) {
            (Some(path), Found::Empty { line: at }) => {
                format!("In {}, put this in place of line {at}:", path.display())
            }
            (Some(path), Found::Secret { line: at, .. }) => format!(
                "The secret in {} has characters that the protocol cannot carry. Put this in \
                 place of line {at}:",
                path.display()
            ),
            (Some(path), Found::Nothing) => {
                format!("In {}, let GetSecret do nothing but this:", path.display())
            }
            (None, _) => {
                "No vpi.nut was found. In yours, let GetSecret do nothing but this:".into()
            }
        };
        steps.push(format!(
            "{place}\n       return @\"SECRET\";\n     For SECRET, copy legacy_secret from \
             {config}, line {line}, without the quotes around it."
        ));
    }
    steps.push(format!("Try everything a start needs: vpid check{option}"));
    steps.push("Stop the old server: python vpi.py".into());
    steps.push(format!("Start the new one: vpid run{option}"));
    writeln!(out, "\nWhat to do next:")?;
    for (number, step) in (1..).zip(steps) {
        writeln!(out, "  {number}. {step}")?;
    }
    Ok(())
}
