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

use super::command::{Action, Command, Kind, option, switch};
use super::given::{Given, Stop};
use super::table;
use crate::config;
use crate::limits::SCRIPT_FILE_BYTES_MAX;
use crate::vscripts;
use existing::Existing;
pub(super) use existing::update as update_scripts;
use find::Surroundings;
use install::Report;
use stock::{Believes, config_text, exists, fresh_key, write_durably};

pub(super) const COMMAND: Command = Command {
    name: "init",
    summary: "write a configuration with a new key, and install the game scripts",
    about: "\
Writes a commented configuration with a new key, readable only by its owner, and installs the game scripts that sign \
with this key.

Your mapspawn.nut and vpi_config.nut are never changed; a stock vpi.nut is kept as vpi.nut.before-vpid.",
    usage: &[
        "[--community] [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]",
        "--legacy [--community] [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]",
        "--print vpi.nut|vpi_config.nut|mapspawn.nut",
    ],
    options: &[
        option(
            "--scriptdata",
            "DIR",
            Kind::Dir,
            "the game's tf/scriptdata; without it, vpid looks for TF2 in the usual places",
        ),
        option(
            "--vscripts",
            "DIR",
            Kind::Dir,
            "install the scripts in the game's tf/scripts/vscripts, or update them: an existing configuration stays, \
             and its key goes into them",
        ),
        option(
            "--config",
            "FILE",
            Kind::File,
            "the file to write (default: ./vpid.toml); a missing folder for it is created",
        ),
        switch("--force", "replace an existing configuration"),
        switch(
            "--legacy",
            "serve the stock vpi.nut instead: no script is changed, and its secret is kept; --vscripts says where it \
             is, if not beside scriptdata",
        ),
        switch(
            "--community",
            "keep bans, groups and playtime in the database: a community of your own",
        ),
        option(
            "--print",
            "NAME",
            Kind::Words(&[vscripts::ALL[0].0, vscripts::ALL[1].0, vscripts::ALL[2].0]),
            "only print one of vpid's scripts, vpi.nut without a key",
        ),
    ],
    examples: &["vpid init --vscripts /home/tf2/serverfiles/tf/scripts/vscripts"],
    action: Action::Run(main),
    ..Command::NONE
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
    /// Keep a community in the database.
    community: bool,
}

fn main(given: Given) -> Result<(), Stop> {
    if let Some(name) = given.text("--print") {
        let script = vscripts::ALL.iter().find(|(known, _)| *known == name);
        let text = script.map_or("", |(_, text)| *text);
        return Ok(table::print(|out| out.write_all(text.as_bytes()))?);
    }
    let options = Options {
        scriptdata: given.file("--scriptdata"),
        vscripts: given.file("--vscripts"),
        force: given.has("--force"),
        legacy: given.has("--legacy"),
        community: given.has("--community"),
        config: given.path,
    };
    let around = Surroundings::of_this_process();
    Ok(run_among(&options, &around, &mut std::io::stdout())?)
}

/// Does what the options say and reports it to `out`. Errors are sentences for the owner, which
/// say so where something has been written all the same.
fn run_among(options: &Options, around: &Surroundings, out: &mut dyn Write) -> Result<(), String> {
    if let (Some(vscripts), false, false) = (&options.vscripts, options.legacy, options.force)
        && let Some(existing) = Existing::find(options, around)
    {
        if options.community {
            return Err(existing.without_community());
        }
        return existing::run(options, &existing, vscripts, around, out);
    }
    let target = options
        .config
        .clone()
        .unwrap_or_else(|| config::SEARCH_PATHS[0].into());
    let target = around.current.join(target);
    refuse_what_exists(&target, options.force)?;
    let scriptdata = scriptdata(options, around)?;
    if find::lies_in(&target, &scriptdata) {
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
        install::look(vscripts, &[scriptdata], install::NAME_ANOTHER)?;
    }
    let key = fresh_key();
    let elsewhere = vscripts
        .as_deref()
        .filter(|vscripts| !find::same_place(vscripts, &usual));
    let believes = Believes::Signed(&key);
    let text = config_text(scriptdata, elsewhere, &believes, options.community)?;
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
    if options.community {
        report.community_steps(&text);
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
    make_folder(folder)?;
    write_durably(target, text, force)?;
    Ok(made)
}

/// The folder of a configuration, which has secrets: closed to other users where it has to be made.
fn make_folder(folder: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        format!(
            "{} cannot be created: {error}; create it, or name another file with --config FILE",
            folder.display()
        )
    })
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
        let games = match vscripts {
            Some(given) => vec![find::game_of_scripts(given, around)?],
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
    // The game writes into no other name; below it, game modes have folders of theirs.
    let is_named = path
        .components()
        .any(|part| part.as_os_str() == "scriptdata");
    if !path.exists() && !is_named {
        return Err(format!(
            "{shown} does not exist, and the game writes into a folder named scriptdata; name that folder, as in \
             --scriptdata .../tf/scriptdata"
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
