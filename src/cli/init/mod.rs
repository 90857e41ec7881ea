//! `vpid init`: writes a configuration that works, brings the scripts into the game, and says
//! what is left to do.
//!
//! Three ways through it: a new configuration for our own scripts, which are installed where
//! `--vscripts` says; the same scripts for a configuration that is there; and, with `--legacy`,
//! a configuration for the stock scripts, which it reads and never changes.

mod existing;
mod find;
mod install;
mod stock;
#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::arguments::{Arguments, Command, Stop};
use super::table;
use crate::config;
use crate::limits::SCRIPT_FILE_BYTES_MAX;
use crate::vscripts;
use existing::Existing;
use find::Surroundings;
use install::Report;
use stock::{Believes, config_text, exists, fresh_key, write_durably};

pub(super) const COMMAND: Command = Command {
    name: "init",
    summary: "write a configuration with a new key, and install the game scripts",
    help: "\
Writes a commented configuration with a new key, readable only by its owner, and installs the
game scripts that sign with this key.

Usage: vpid init [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]
       vpid init --legacy [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]
       vpid init --print vpi.nut|vpi_config.nut|mapspawn.nut

  --scriptdata DIR   the game's tf/scriptdata; without it, vpid looks for TF2 in the usual places
  --vscripts DIR     install the scripts in the game's tf/scripts/vscripts, or update them:
                     an existing configuration stays, and its key goes into them
  --config FILE      the file to write (default: ./vpid.toml)
  --force            replace an existing configuration
  --legacy           serve the stock vpi.nut instead: no script is changed, and its secret is
                     kept; --vscripts says where it is, if not beside scriptdata
  --print NAME       only print one of vpid's scripts, vpi.nut without a key

Your mapspawn.nut and vpi_config.nut are never changed; a stock vpi.nut is kept as
vpi.nut.before-vpid.

Example: vpid init --vscripts /home/tf2/serverfiles/tf/scripts/vscripts
",
    run: main,
};

/// What the command line said.
#[derive(Debug, Default)]
struct Options {
    /// The folder the game writes into, or the `tf` folder around it; none: look for it.
    scriptdata: Option<PathBuf>,
    /// Where to install the scripts, or with `legacy` where the stock vpi.nut is.
    vscripts: Option<PathBuf>,
    /// The file to write; none: ./vpid.toml.
    config: Option<PathBuf>,
    /// Replace a configuration that is there.
    force: bool,
    /// Serve the stock vpi.nut, and install nothing.
    legacy: bool,
}

fn main(arguments: Arguments) -> Result<(), Stop> {
    let (mut options, mut print) = (Options::default(), None);
    let given = arguments.read(|option, values| {
        match option {
            "--scriptdata" => options.scriptdata = Some(values.path()?),
            "--vscripts" => options.vscripts = Some(values.path()?),
            "--force" => options.force = true,
            "--legacy" => options.legacy = true,
            "--print" => print = Some(values.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    options.config = given.without_words()?.path;
    if let Some(name) = print {
        let text = shipped(&name)?;
        return Ok(table::print(|out| out.write_all(text.as_bytes()))?);
    }
    let around = Surroundings::of_this_process();
    Ok(run_among(&options, &around, &mut std::io::stdout())?)
}

/// A game script as it is before it is installed.
fn shipped(name: &str) -> Result<&'static str, Stop> {
    let found = vscripts::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let names = vscripts::ALL.map(|(name, _)| name).join(", ");
        Stop::Usage(format!("--print must be one of {names}, not {name:?}"))
    })
}

/// Does what the options say and reports it to `out`. Errors are sentences for the owner, which
/// say so where something has been written all the same.
fn run_among(options: &Options, around: &Surroundings, out: &mut dyn Write) -> Result<(), String> {
    if let (Some(vscripts), false, false) = (&options.vscripts, options.legacy, options.force)
        && let Some(existing) = Existing::find(options, around)
    {
        return existing::run(options, &existing, vscripts, around, out);
    }
    let target = options
        .config
        .clone()
        .unwrap_or_else(|| config::SEARCH_PATHS[0].into());
    let target = around.current.join(target);
    refuse_what_exists(&target, options.force)?;
    let scriptdata = scriptdata(options, around)?;
    if target.starts_with(&scriptdata) {
        return Err(format!(
            "{} would be in scriptdata, where every game script could overwrite it; name a path outside with \
             --config FILE",
            target.display()
        ));
    }
    if options.legacy {
        stock::serve(options, &target, &scriptdata, around, out)
    } else {
        serve_ours(options, &target, &scriptdata, around, out)
    }
}

/// A configuration with a fresh key, and the scripts for it where there is a place for them.
fn serve_ours(
    options: &Options,
    target: &Path,
    scriptdata: &Path,
    around: &Surroundings,
    out: &mut dyn Write,
) -> Result<(), String> {
    let usual = config::usual_scripts(scriptdata);
    let vscripts = options
        .vscripts
        .as_deref()
        .map(|given| find::scripts_folder(given, around));
    if let Some(vscripts) = &vscripts {
        install::look(vscripts, &[scriptdata])?;
    }
    let key = fresh_key();
    let elsewhere = vscripts
        .as_deref()
        .filter(|vscripts| !find::same_place(vscripts, &usual));
    let text = config_text(scriptdata, elsewhere, &Believes::Signed(&key))?;
    let made = write_config(target, &text, scriptdata, options.force)?;
    let mut report = Report::new(options, target.display().to_string());
    report.wrote(scriptdata, made);
    report.room_for_hosts(scriptdata, true);
    report.say(format!(
        "Key: new, in line {} of the configuration",
        line_of(&text, "key =")
    ));
    match &vscripts {
        Some(vscripts) => {
            let done = install::install(vscripts, &key).map_err(|error| {
                format!(
                    "{error}. {} was written; after correcting this, install the scripts: vpid \
                     init --vscripts '{}'{}",
                    target.display(),
                    vscripts.display(),
                    report.config_option()
                )
            })?;
            report.installed(&done);
        }
        None => {
            report.install_later(&usual, &stock::scripts_below(&usual));
        }
    }
    report.start_steps();
    report.print(out)
}

/// Counted from 1.
fn line_of(text: &str, start: &str) -> usize {
    let line = text.lines().position(|line| line.starts_with(start));
    1 + line.unwrap_or_default()
}

/// Whether scriptdata had to be made. Errors: nothing was written.
fn write_config(target: &Path, text: &str, scriptdata: &Path, force: bool) -> Result<bool, String> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    config::parse(text, folder, |_| None).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        format!("this configuration would not work: {}", problems.join("; "))
    })?;
    let made = make_scriptdata(scriptdata)?;
    write_durably(target, text, force)?;
    Ok(made)
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

/// The folder the game writes into, as an absolute path; it may not exist yet.
fn scriptdata(options: &Options, around: &Surroundings) -> Result<PathBuf, String> {
    let Some(given) = &options.scriptdata else {
        let vscripts = options.vscripts.as_deref();
        let of_scripts = vscripts.and_then(|given| find::game_of_scripts(given, around));
        let games = match of_scripts {
            Some(tf) => vec![tf],
            None => find::games(around),
        };
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
    let path = find::scriptdata_folder(given, around);
    let shown = path.display();
    if path.exists() && !path.is_dir() {
        return Err(format!(
            "{shown} is not a folder; name the scriptdata folder of the game"
        ));
    }
    if !path.exists() && !path.parent().is_some_and(Path::is_dir) {
        return Err(format!(
            "{shown} does not exist, nor does its parent folder; name the scriptdata folder of the game"
        ));
    }
    Ok(path)
}

/// Whether it had to be made. One of a game mode lies in that of the game, which may be missing too.
fn make_scriptdata(path: &Path) -> Result<bool, String> {
    if path.is_dir() {
        return Ok(false);
    }
    if let Some(around) = path
        .parent()
        .filter(|around| around.ends_with("scriptdata"))
    {
        make_scriptdata(around)?;
    }
    // The game cannot write into a folder of another user.
    let owner = path
        .parent()
        .and_then(|tf| tf.metadata().ok())
        .map(|tf| tf.uid());
    if let Some(owner) = owner.filter(|&uid| uid != rustix::process::geteuid().as_raw()) {
        return Err(format!(
            "{} must be created by the user that runs the game (uid {owner}); run `vpid init` as that user",
            path.display()
        ));
    }
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        .map(|()| true)
        .map_err(|error| {
            format!(
                "{} cannot be created: {error}; run as the user that runs the game",
                path.display()
            )
        })
}

fn read_script(path: &Path) -> Result<Vec<u8>, String> {
    let script = config::file::read(path, SCRIPT_FILE_BYTES_MAX, "script")?;
    config::file::without_mark(script).map_err(|wrong| format!("{} {wrong}", path.display()))
}
