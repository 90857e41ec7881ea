//! `vpid service`: a unit of systemd for the configuration of this machine: written, checked, removed.

mod access;
mod folders;
mod unit;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use serde_json::json;

use super::command::{Action, Base, Command, JSON, Kind, Opt, option, switch};
use super::given::{Given, Stop};
use super::table;
use super::users::{self, User};
use crate::config::{self, Config, Engine};
use crate::io::published::Published;
use access::{EXECUTE, READ, WRITE};
use unit::{MARK, Machine};

/// Where units of the owner belong.
const UNITS: &str = "/etc/systemd/system";

/// How many entries of a folder `status` looks at.
const ENTRIES_CHECKED_MAX: usize = 1000;

pub(super) const COMMAND: Command = Command {
    name: "service",
    summary: "install vpid as a service of systemd, check it, remove it",
    about: "\
Writes a unit of systemd for this machine: with the paths of this vpid and of the configuration, the user that owns \
the game's scriptdata, and the folders of the configuration as the only ones in which the service can write.",
    base: Base::Config,
    options: &[
        option(
            "--name",
            "NAME",
            Kind::Text,
            "the name of the unit, without .service (default: vpid)",
        ),
        option(
            "--unit-dir",
            "DIR",
            Kind::Dir,
            "where units are (default: /etc/systemd/system)",
        ),
    ],
    examples: &["vpid service install --config /etc/vpid/vpid.toml --now"],
    action: Action::Commands(&[
        Command::sub(
            "install",
            &[],
            "write the unit, or write it again after an update or a change of paths",
            |given| install(&Options::of(&given)?, &given, &mut std::io::stdout()),
        )
        .about("A unit of that name from elsewhere is kept as NAME.service.before-vpid.")
        .options(&[
            USER,
            switch("--now", "start it, now and at every boot"),
            DRY_RUN,
        ]),
        Command::sub(
            "status",
            &[],
            "check the unit, and what the service needs; exit code 1 if something is wrong",
            |given| status(&Options::of(&given)?, &given, &mut std::io::stdout()),
        )
        .options(&[USER, JSON]),
        Command::sub(
            "uninstall",
            &[],
            "stop the service and remove its unit; configuration and data stay",
            |given| Ok(uninstall(&Options::of(&given)?, &mut std::io::stdout())?),
        )
        .options(&[DRY_RUN]),
    ]),
    ..Command::NONE
};

const USER: Opt = option(
    "--user",
    "USER",
    Kind::Text,
    "the user of the service, where it is not the owner of scriptdata; root only if named here",
);
const DRY_RUN: Opt = switch("--dry-run", "show what would be done, and change nothing");

#[derive(Debug)]
struct Options {
    user: Option<String>,
    name: String,
    units: PathBuf,
    now: bool,
    dry_run: bool,
}

impl Options {
    fn of(given: &Given) -> Result<Self, Stop> {
        let name = given.text("--name").unwrap_or("vpid");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            let problem =
                format!("--name must consist of letters, digits, - and _, and is {name:?}");
            return Err(Stop::Usage(problem));
        }
        Ok(Self {
            user: given.text("--user").map(str::to_owned),
            name: name.to_owned(),
            units: given.file("--unit-dir").unwrap_or_else(|| UNITS.into()),
            now: given.has("--now"),
            dry_run: given.has("--dry-run"),
        })
    }

    fn unit_file(&self) -> String {
        format!("{}.service", self.name)
    }

    fn unit_path(&self) -> PathBuf {
        self.units.join(self.unit_file())
    }

    /// Where a unit goes that another one replaces; systemd reads no file of this name.
    fn kept_path(&self) -> PathBuf {
        self.units.join(format!("{}.before-vpid", self.unit_file()))
    }
}

/// What the service needs, and for which configuration and user.
struct Needs {
    machine: Machine,
    user: User,
    config: Config,
}

fn needs(options: &Options, given: &Given) -> Result<Needs, Stop> {
    let config = config::load(given.path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let Some(path) = config.path.clone() else {
        let problem = "a service needs a configuration in a file: `vpid init` writes one";
        return Err(Stop::Failed(problem.to_owned()));
    };
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let user = user(options, &config, &path)?;
    check_owner(&path, &user)?;
    let group = users::group_name(user.gid).unwrap_or_else(|| user.gid.to_string());
    let binary = std::env::current_exe()
        .map_err(|error| format!("the path of this program is unknown ({error})"))?;
    let mut scriptdata: Vec<PathBuf> = Vec::new();
    for server in &config.servers {
        let folder = folders::plain(&server.scriptdata);
        if !scriptdata.contains(&folder) {
            scriptdata.push(folder);
        }
    }
    let machine = Machine {
        binary,
        config: folders::plain(&absolute),
        user: user.name.clone(),
        group,
        scriptdata,
        written: written(&config),
    };
    Ok(Needs {
        machine,
        user,
        config,
    })
}

/// The folders in which vpid writes, besides scriptdata, each once.
fn written(config: &Config) -> Vec<PathBuf> {
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    let databases = config.databases.iter().filter_map(|it| match &it.engine {
        Engine::Sqlite(sqlite) => parent(&sqlite.path),
        Engine::Mysql(_) => None,
    });
    let admins = config.community.iter();
    let admins = admins.filter_map(|it| parent(it.admins_file.as_deref()?));
    let log = config.log.file.as_deref().and_then(parent);
    let published = Published::all(config).into_iter();
    let published = published.filter_map(|it| parent(&it.path));
    let mut folders = vec![config.state_dir.clone()];
    folders.extend(databases.chain(admins).chain(log).chain(published));
    let mut folders: Vec<PathBuf> = folders.iter().map(|it| folders::plain(it)).collect();
    let all = folders.clone();
    let is_below = |path: &PathBuf| {
        let mut others = all.iter();
        others.any(|other| path != other && path.starts_with(other))
    };
    folders.retain(|path| !is_below(path));
    folders.sort();
    folders.dedup();
    folders
}

/// The user that runs the game: as the operator says, else the owner of its folder, else of the configuration.
fn user(options: &Options, config: &Config, path: &Path) -> Result<User, String> {
    let found = |name: &str| {
        users::find(name).ok_or_else(|| {
            format!("{name} is no user of this machine, by /etc/passwd; name one with --user")
        })
    };
    if let Some(name) = &options.user {
        return found(name);
    }
    let owner = |path: &Path| fs::metadata(path).ok().map(|it| it.uid());
    let folders = config.servers.iter().map(|server| &server.scriptdata);
    let mut owners: Vec<(u32, &PathBuf)> = folders
        .filter_map(|folder| Some((owner(folder)?, folder)))
        .collect();
    owners.dedup_by_key(|(owner, _)| *owner);
    match owners[..] {
        [(0, folder)] => Err(format!(
            "{} belongs to root; make it the game's user's (chown), or say --user root",
            folder.display()
        )),
        [(uid, _)] => found(&uid.to_string()),
        [(_, one), (_, other), ..] => Err(format!(
            "{} and {} belong to different users, and one vpid serves the games of one; give each user a \
             configuration and a service: dist/vpid@.service",
            one.display(),
            other.display()
        )),
        [] => match owner(path) {
            Some(uid) if uid != 0 => found(&uid.to_string()),
            _ => Err(
                "no scriptdata folder exists yet, so the game's user is unknown; name it with --user"
                    .to_owned(),
            ),
        },
    }
}

/// What root does here follows the configuration, so that must be root's or of the user that it is for.
fn check_owner(path: &Path, user: &User) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if [0, user.uid].contains(&found.uid()) {
        return Ok(());
    }
    let owner = users::name_of(found.uid()).unwrap_or_else(|| found.uid().to_string());
    Err(format!(
        "{0} belongs to {owner}, and the service would run as {1}; make it theirs: chown {1} '{0}'",
        path.display(),
        user.name
    ))
}

impl Needs {
    /// What keeps the service from working, as sentences.
    fn problems(&self) -> Vec<String> {
        let Machine { binary, config, .. } = &self.machine;
        let mut checks = vec![
            access::check(&self.user, binary, READ | EXECUTE),
            access::check(&self.user, config, READ),
        ];
        // Some may be missing, such as texts of the owner's.
        for file in self.config.files.iter().filter(|file| file.exists()) {
            checks.push(access::check(&self.user, file, READ));
        }
        for folder in self.machine.written.iter().chain(&self.machine.scriptdata) {
            // What is missing is made by `install`, or later by the game.
            if folder.exists() {
                checks.push(access::check(&self.user, folder, READ | WRITE | EXECUTE));
            }
        }
        for folder in &self.machine.written {
            checks.push(folders::missing(folder, &self.user).map(|_| ()));
        }
        let used = self.used();
        let used = used.iter().filter(|(path, _)| path.exists());
        checks.extend(used.map(|(path, what)| access::check(&self.user, path, *what)));
        for path in [binary, config] {
            if ["/tmp", "/var/tmp", "/dev/shm"]
                .iter()
                .any(|it| path.starts_with(it))
            {
                checks.push(Err(format!(
                    "{} lies in a temporary folder, which the service does not see; move it",
                    path.display()
                )));
            }
        }
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// Files and folders that vpid uses where they exist, and what for.
    fn used(&self) -> Vec<(PathBuf, u32)> {
        let mut used = Vec::new();
        for database in &self.config.databases {
            if let Engine::Sqlite(sqlite) = &database.engine {
                for suffix in ["", "-wal", "-shm"] {
                    let mut path = sqlite.path.clone().into_os_string();
                    path.push(suffix);
                    used.push((path.into(), READ | WRITE));
                }
            }
        }
        for (path, is_folder) in entries(&self.config.state_dir) {
            let what = if is_folder {
                READ | WRITE | EXECUTE
            } else {
                READ | WRITE
            };
            used.push((path, what));
        }
        if let Some(scripts) = &self.config.scripts {
            let sources = scripts.dir.iter().flat_map(|dir| entries(dir));
            let sources = sources.filter(|(path, _)| path.extension().is_some_and(|it| it == "py"));
            used.extend(sources.map(|(path, _)| (path, READ)));
            used.extend(scripts.dir.iter().map(|dir| (dir.clone(), READ | EXECUTE)));
            used.extend(scripts.vpi_interfaces.iter().map(|it| (it.clone(), READ)));
        }
        let geoip = self.config.geoip.iter().flat_map(|geoip| geoip.files());
        used.extend(geoip.map(|(_, path)| (path.clone(), READ)));
        let admins = self.config.community.iter();
        used.extend(admins.filter_map(|it| Some((it.admins_file.clone()?, READ))));
        used
    }
}

fn install(options: &Options, given: &Given, out: &mut dyn Write) -> Result<(), Stop> {
    let needs = needs(options, given)?;
    let text = needs.machine.unit().map_err(|error| error.to_string())?;
    let path = options.unit_path();
    if options.dry_run {
        let head = format!("# {} would be:\n\n", path.display());
        table::but_for_a_gone_reader(out.write_all((head + &text).as_bytes()))?;
        return report_problems(&needs, out);
    }
    // None is made where one is refused.
    let missing = needs.machine.written.iter();
    let missing = missing.map(|folder| folders::missing(folder, &needs.user));
    for folder in missing.collect::<Result<Vec<_>, _>>()?.iter().flatten() {
        folder.make(&needs.user)?;
    }
    keep_another(options, out)?;
    write_unit(&path, &text)?;
    say(out, &format!("Unit: {}", path.display()))?;
    say(out, &format!("User: {}", needs.user.name))?;
    let runs = systemd_runs(options);
    if runs {
        systemctl(&["daemon-reload"])?;
    }
    report_problems(&needs, out)?;
    let name = options.unit_file();
    if !runs {
        return Ok(say(
            out,
            "systemd does not run here; the unit takes effect where it does",
        )?);
    }
    match options.now {
        true => {
            systemctl(&["enable", "--now", &name])?;
            Ok(say(
                out,
                &format!("{name} runs, and starts at every boot; its log: journalctl -u {name}"),
            )?)
        }
        false => Ok(say(
            out,
            &format!("Start it, now and at every boot:  systemctl enable --now {name}"),
        )?),
    }
}

fn status(options: &Options, given: &Given, out: &mut dyn Write) -> Result<(), Stop> {
    let needs = needs(options, given)?;
    let text = needs.machine.unit().map_err(|error| error.to_string())?;
    let path = options.unit_path();
    let remedy = "write it again: vpid service install";
    let unit = match fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        Ok(_) => Err(format!(
            "{} is not the one for this vpid and configuration; {remedy}",
            path.display()
        )),
        Err(error) => Err(format!(
            "{} cannot be read ({error}); {remedy}",
            path.display()
        )),
    };
    let systemd = systemd_runs(options).then(|| {
        let name = options.unit_file();
        (asked("is-enabled", &name), asked("is-active", &name))
    });
    if given.json() {
        let problems = needs.problems().into_iter().chain(unit.err());
        let problems: Vec<String> = problems.collect();
        let (at_boot, now) = systemd.unzip();
        let result = json!({
            "good": problems.is_empty(), "unit": path, "user": needs.user.name,
            "at_boot": at_boot, "now": now, "problems": problems,
        });
        table::but_for_a_gone_reader(table::write_json(&result, out))?;
        return if problems.is_empty() {
            Ok(())
        } else {
            Err(Stop::Reported)
        };
    }
    match &unit {
        Ok(()) => say(out, &format!("ok    unit: {}", path.display()))?,
        Err(problem) => say(out, &format!("bad   {problem}"))?,
    }
    if let Some((at_boot, now)) = systemd {
        say(out, &format!("      at boot: {at_boot}"))?;
        say(out, &format!("      now: {now}"))?;
    }
    report_problems(&needs, out)?;
    unit.map_err(|_| Stop::Reported)
}

fn uninstall(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let (path, name) = (options.unit_path(), options.unit_file());
    if !path.exists() {
        return Err(format!("{} does not exist", path.display()));
    }
    if is_another(&path) {
        return Err(format!(
            "{} was not written by `vpid service install`, and stays; remove it by hand",
            path.display()
        ));
    }
    if options.dry_run {
        return say(
            out,
            &format!("{name} would be stopped, and {} removed", path.display()),
        );
    }
    let runs = systemd_runs(options);
    if runs {
        systemctl(&["disable", "--now", &name])?;
    }
    fs::remove_file(&path)
        .map_err(|error| format!("{}: {error}; run this as root", path.display()))?;
    if runs {
        systemctl(&["daemon-reload"])?;
    }
    say(
        out,
        &format!("{name} was removed; configuration and data stay"),
    )
}

/// The problems a line each; an error if there are any.
fn report_problems(needs: &Needs, out: &mut dyn Write) -> Result<(), Stop> {
    let problems = needs.problems();
    for problem in &problems {
        say(out, &format!("bad   {problem}"))?;
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Stop::Reported),
    }
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), String> {
    table::but_for_a_gone_reader(writeln!(out, "{}", table::printable(line)))
}

/// The entries of a folder, each with whether it is a folder itself.
fn entries(folder: &Path) -> Vec<(PathBuf, bool)> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = found.take(ENTRIES_CHECKED_MAX);
    let found = found.map(|entry| {
        let path = entry.path();
        let is_folder = path.is_dir();
        (path, is_folder)
    });
    found.collect()
}

/// Whether a unit stands there that is not of [`install`].
fn is_another(path: &Path) -> bool {
    let is_there = fs::symlink_metadata(path).is_ok();
    is_there && !fs::read(path).is_ok_and(|text| text.starts_with(MARK.as_bytes()))
}

/// Keeps a unit that is not of [`install`] under another name.
fn keep_another(options: &Options, out: &mut dyn Write) -> Result<(), String> {
    let (path, kept) = (options.unit_path(), options.kept_path());
    if !is_another(&path) {
        return Ok(());
    }
    // Fails if there is one already: that may be the only copy.
    fs::hard_link(&path, &kept).map_err(|error| {
        format!(
            "{} was not written by `vpid service install`, and cannot be kept as {} ({error}); move it, or choose \
             another --name",
            path.display(),
            kept.display()
        )
    })?;
    let line = format!("The unit that was there is kept: {}", kept.display());
    say(out, &line)
}

/// Whole or not at all.
fn write_unit(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}; run this as root", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let mode = fs::Permissions::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether the units of this folder are those of a systemd that runs here (sd_booted(3)).
fn systemd_runs(options: &Options) -> bool {
    options.units == Path::new(UNITS) && Path::new("/run/systemd/system").is_dir()
}

fn systemctl(arguments: &[&str]) -> Result<(), String> {
    let shown = format!("systemctl {}", arguments.join(" "));
    let status = Process::new("systemctl").args(arguments).status();
    let status = status.map_err(|error| format!("{shown}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{shown} failed; see what it says above")),
    }
}

fn asked(verb: &str, name: &str) -> String {
    let output = Process::new("systemctl").args([verb, name]).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    text.unwrap_or_else(|error| format!("unknown ({error})"))
}
