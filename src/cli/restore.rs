//! `vpid restore`: puts a backup back; `io/backup` does it.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::backup::{refuse_root, size};
use super::command::{Action, Base, Command, Kind, arg, switch};
use super::given::{Given, Stop};
use super::own_files::{own_files, sqlite_files};
use super::table::{self, printable};
use crate::config::{self, Config, Engine};
use crate::core::outbox::Entry;
use crate::io::backup::{self, Archive, Plan, Restored, Targets};
use crate::io::files;
use crate::limits::BACKUP_TEXT_BYTES_MAX;
use crate::protocol::backup::{CONFIG, Listed, Member, is_hidden};
use crate::protocol::counted::counted;

pub(super) const COMMAND: Command = Command {
    name: "restore",
    summary: "put a backup back, while vpid does not run",
    about: "\
Puts back what vpid backup has saved, to where the configuration that is here says. The whole file is checked before \
anything changes. What was there before is kept beside its place, under names with before-restore in them. vpid must \
not run.

Where no configuration is yet, only that of the backup is put back, to the place that --config names: put the secrets \
into it, check its paths, then restore again.

Run it as the user that vpid runs as.",
    args: &[arg("FILE", Kind::File)],
    options: &[switch(
        "--dry-run",
        "only check the backup, and list what would go where",
    )],
    base: Base::Run,
    examples: &["vpid restore /var/backups/vpid.tar --dry-run"],
    action: Action::Run(main),
    ..Command::NONE
};

fn main(given: Given) -> Result<(), Stop> {
    let dry_run = given.has("--dry-run");
    let file = PathBuf::from(given.words.first().map_or("", String::as_str));
    let archive = Archive::open(&file).map_err(|error| error.to_string())?;
    let out = &mut std::io::stdout();
    match missing_configuration(&given)? {
        Some(place) => configuration(&archive, &place, dry_run, out)?,
        None => all(&archive, given, dry_run, out)?,
    }
    Ok(())
}

/// Where the configuration of the backup is to go, as there is none.
fn missing_configuration(given: &Given) -> Result<Option<PathBuf>, Stop> {
    let path = given.path.as_deref();
    match config::place(path, config::process_environment) {
        Some(place) if place.exists() => Ok(None),
        Some(place) => Ok(Some(place)),
        // The environment may say everything.
        None if config::load_places(path, config::process_environment).is_ok() => Ok(None),
        None => Err(Stop::Failed(
            "there is no configuration here; name the file for the one of the backup with --config FILE".to_owned(),
        )),
    }
}

/// Puts back the configuration alone. What is there already stays.
fn configuration(
    archive: &Archive,
    place: &Path,
    dry_run: bool,
    out: &mut dyn Write,
) -> Result<(), String> {
    refuse_root(place, "restore")?;
    let folder = files::parent(place);
    let mut found: Vec<(usize, PathBuf)> = Vec::new();
    let mut text = String::new();
    for (number, file) in archive.manifest().files.iter().enumerate() {
        if let Some(why) = passed_over(file) {
            text += &format!("{}: passed over: {why}\n", printable(&file.name));
            continue;
        }
        match Member::parse(&file.name) {
            Some(Member::Config(name)) if name == CONFIG => found.push((number, place.to_owned())),
            // The configuration comes last: it says that all is there.
            Some(Member::Config(name)) => found.insert(0, (number, folder.join(name))),
            _ => {}
        }
    }
    if !found.iter().any(|(_, to)| to == place) {
        return Err(
            "the backup has no configuration; write one (vpid init), then restore again".to_owned(),
        );
    }
    for (number, to) in found {
        let shown = printable(&to.display().to_string());
        if to.symlink_metadata().is_ok() {
            text += &format!("{shown}: stays as it is\n");
            continue;
        }
        if !dry_run {
            let content = archive.content(number).map_err(|error| error.to_string())?;
            let above = files::parent(&to);
            fs::create_dir_all(above)
                .and_then(|()| files::write_durably(&to, &content))
                .map_err(|error| format!("{shown} cannot be written ({error})"))?;
        }
        text += &format!(
            "{shown}: {}\n",
            if dry_run {
                "would be put back"
            } else {
                "was put back"
            }
        );
    }
    text += match archive.manifest().secrets {
        true => "Check its paths (vpid check), then run the same command again for all the rest.\n",
        false => {
            "Put its secrets back, where it has [] now, and check its paths (vpid check); then run the same command again \
             for all the rest.\n"
        }
    };
    table::but_for_a_gone_reader(out.write_all(text.as_bytes()))
}

/// Why a file is not put beside the configuration: anybody may have made the archive.
fn passed_over(file: &Listed) -> Option<&'static str> {
    match Member::parse(&file.name)? {
        Member::Config(name) if is_hidden(&name) => Some(backup::HIDDEN),
        Member::Config(_) if file.size > BACKUP_TEXT_BYTES_MAX => Some("it is too large"),
        _ => None,
    }
}

/// Puts back all but the configuration.
fn all(archive: &Archive, given: Given, dry_run: bool, out: &mut dyn Write) -> Result<(), Stop> {
    let path = given.path.clone();
    let places = config::load_places(path.as_deref(), given.environment());
    let (config, _) = places.map_err(Stop::Configuration)?;
    refuse_root(&config.state_dir, "restore")?;
    for server in config.servers.iter().filter(|it| it.scriptdata.exists()) {
        // vpid runs as the user that the game runs as.
        refuse_root(&server.scriptdata, "restore")?;
    }
    let (playtime, now_s) = (Cell::new(0), Timestamp::now().as_second());
    let edit_change = |name: &str, text: &str| {
        let entry = Entry::parse(name, text).ok()?;
        playtime.set(playtime.get() + usize::from(entry.may_count_twice()));
        Some(entry.of_backup(now_s).text())
    };
    let targets = targets(&config, &edit_change);
    let plan = Plan::new(archive, &targets);
    if dry_run {
        return Ok(table::but_for_a_gone_reader(list(archive, &plan, out))?);
    }
    let restored = backup::restore(archive, &plan, &targets).map_err(|error| error.to_string())?;
    let text = report(archive, &plan, &restored, playtime.get(), &config);
    Ok(table::but_for_a_gone_reader(
        out.write_all(text.as_bytes()),
    )?)
}

fn targets<'a>(
    config: &Config,
    edit_change: &'a dyn Fn(&str, &str) -> Option<String>,
) -> Targets<'a> {
    Targets {
        state_dir: config.state_dir.clone(),
        databases: sqlite_files(config),
        scripts: config.scripts.as_ref().and_then(|it| it.dir.clone()),
        own: own_files(config),
        stamp: Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string(),
        edit_change,
    }
}

fn list(archive: &Archive, plan: &Plan, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", about(archive))?;
    let rows: Vec<[String; 3]> = plan.items.iter().map(row).collect();
    table::write(["FILE", "SIZE", "GOES TO"], &rows, out)?;
    writeln!(out, "The backup is whole. Nothing was changed.")
}

fn row(item: &backup::Item) -> [String; 3] {
    let to = match &item.to {
        Ok(path) => printable(&path.display().to_string()),
        Err(why) => format!("- ({why})"),
    };
    [printable(&item.name), size(item.size), to]
}

fn about(archive: &Archive) -> String {
    let manifest = archive.manifest();
    printable(&format!(
        "A backup of vpid {}, made at {}, {} secrets.",
        manifest.vpid,
        manifest.created,
        if manifest.secrets { "with" } else { "without" }
    ))
}

fn report(
    archive: &Archive,
    plan: &Plan,
    restored: &Restored,
    playtime: usize,
    config: &Config,
) -> String {
    let files = counted(restored.files, "file");
    let mut text = format!("{}\nPut back: {files}.\n", about(archive));
    for path in &restored.aside {
        let path = printable(&path.display().to_string());
        text += &format!("What was there before is now {path}\n");
    }
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for why in plan.items.iter().filter_map(|item| item.to.as_ref().err()) {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((*why, 1)),
        }
    }
    for (why, count) in reasons {
        text += &format!("Passed over: {}, since {why}.\n", counted(count, "file"));
    }
    for database in &config.databases {
        if let Engine::Mysql(_) = database.engine {
            text += &format!(
                "{database}: it is not part of a backup; restore it by the means of its server.\n"
            );
        }
    }
    if playtime > 0 {
        text += &format!(
            "{playtime} changes of playtime wait. If vpid went on after the backup, some may have been sent, and would \
             count twice: `vpid queue list` shows them, `vpid queue drop ID` removes one.\n"
        );
    }
    text + &ending(config)
}

/// Whether vpid can be started now, and what its owner has to do before.
fn ending(config: &Config) -> String {
    let content = config.path.as_ref().map(fs::read_to_string);
    let content = content.and_then(Result::ok).unwrap_or_default();
    let left_out = config::left_out(&content);
    if left_out.is_empty() {
        return "vpid can be started now.\n".to_owned();
    }
    let path = config.path.as_deref().unwrap_or(Path::new(""));
    let mut text =
        "The backup came without these values, and the configuration has none:\n".to_owned();
    for (line, key) in left_out {
        text += &printable(&format!("  {}:{line}: {key}", path.display()));
        text.push('\n');
    }
    text + "Write them into it before the start; vpid check says whether it is right then.\n"
}
