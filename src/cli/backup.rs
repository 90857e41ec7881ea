//! `vpid backup`: what vpid keeps, as one file; `io/backup` makes it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::command::{Action, Base, Command, Kind, arg, switch};
use super::given::{Given, Stop};
use super::own_files::{Target, own_files, refuse_own, sqlite_files};
use super::table::{self, printable};
use super::users;
use crate::config::{self, Config, Engine};
use crate::io::backup::{self, Done, Output, Sources};
use crate::protocol::backup::{CONFIG, Member, is_hidden, is_plain_path};
use crate::protocol::counted::counted;

pub(super) const COMMAND: Command = Command {
    name: "backup",
    summary: "save the state folder, databases and configuration as one file",
    about: "\
Saves what vpid keeps as one tar file, which vpid restore puts back: the state folder (what waits for VyHub, rewards, \
playtime, caches), the SQLite databases, the configuration without its secrets, and the Python scripts. All of it is \
of one moment, whether vpid runs or not. Databases on MySQL or MariaDB are not part of it: mariadb-dump saves them.

Run it as the user that vpid runs as. Only this user can read the file: it contains data of players. FILE may be - \
for standard output.",
    args: &[arg("FILE", Kind::File)],
    options: &[
        switch(
            "--with-secrets",
            "with keys, passwords, and the files that contain them",
        ),
        switch("--force", "overwrite FILE"),
    ],
    base: Base::Run,
    examples: &["vpid backup /var/backups/vpid.tar --force"],
    action: Action::Run(main),
    ..Command::NONE
};

fn main(given: Given) -> Result<(), Stop> {
    let (with_secrets, force) = (given.has("--with-secrets"), given.has("--force"));
    let file = given.words.first().cloned().unwrap_or_default();
    let path = given.path.clone();
    let places = config::load_places(path.as_deref(), given.environment());
    let (config, text) = places.map_err(Stop::Configuration)?;
    // SQLite makes files beside a database, and the lock of a vpid is its user's.
    refuse_root(&config.state_dir, "backup")?;
    let is_stream = file == "-";
    let mut target = match is_stream {
        true => None,
        false => Some(Target::of(&file)?),
    };
    if let Some(Target::File(path)) = &target {
        refuse_own(&config, path)?;
    }
    let mut left_out = Vec::new();
    let sources = sources(&config, text, with_secrets, &mut left_out)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one ends it at once: it may wait for who reads from it.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
            .map_err(|error| format!("signals cannot be received ({error})"))?;
    }
    let mut stdout = std::io::stdout().lock();
    let output = match &mut target {
        None => Output::Stream(&mut stdout),
        Some(Target::Stream(device)) => Output::Stream(device),
        Some(Target::File(path)) => Output::File { path, force },
    };
    let mut done =
        backup::make(&sources, output, &interrupted).map_err(|error| error.to_string())?;
    done.left_out.append(&mut left_out);
    let text = report(&file, &done);
    let shown = match is_stream {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => stdout.write_all(text.as_bytes()),
    };
    Ok(table::but_for_a_gone_reader(shown)?)
}

/// What root writes here, vpid could not use.
pub(super) fn refuse_root(place: &Path, command: &str) -> Result<(), String> {
    let owner = backup::owner(place).unwrap_or(0);
    if owner == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let user = users::name_of(owner).unwrap_or_else(|| format!("#{owner}"));
    Err(format!(
        "{} belongs to {user}, and what root puts there is root's; run this as the user that vpid runs as: sudo -u {user} \
         vpid {command} ...",
        place.display()
    ))
}

fn sources(
    config: &Config,
    text: Option<String>,
    with_secrets: bool,
    left_out: &mut Vec<String>,
) -> Result<Sources, String> {
    for database in &config.databases {
        if let Engine::Mysql(mysql) = &database.engine {
            left_out.push(format!(
                "{database}: save it with mariadb-dump --single-transaction {}",
                mysql.database
            ));
        }
    }
    let text = text.map(|text| match with_secrets {
        true => Ok(text),
        false => config::redacted(&text).map(|(text, _)| text).ok_or_else(|| {
            "the configuration is not TOML, so its secrets cannot be left out; correct it, or use --with-secrets"
                .to_owned()
        }),
    });
    let text = text.transpose()?;
    for (_, path) in config.geoip.iter().flat_map(|geoip| geoip.files()) {
        left_out.push(format!(
            "{}: it is large, and can be downloaded again",
            path.display()
        ));
    }
    let created = Timestamp::now();
    let created = format!("{created:.0}");
    let readme = format!(
        "A backup of vpid {}, made at {created}. `vpid restore FILE` puts it back, and checks it before.\n\
         It contains data of players{}: keep it private.\n",
        env!("CARGO_PKG_VERSION"),
        if with_secrets {
            ", keys and passwords"
        } else {
            ""
        }
    );
    Ok(Sources {
        state_dir: config.state_dir.clone(),
        databases: sqlite_files(config),
        config: text,
        config_files: config_files(config, with_secrets, left_out),
        scripts: config.scripts.as_ref().and_then(|it| it.dir.clone()),
        own: own_files(config),
        secrets: with_secrets,
        created,
        readme,
    })
}

/// Files that the configuration names and that are in its folder; what is elsewhere is the owner's to save.
fn config_files(
    config: &Config,
    with_secrets: bool,
    left_out: &mut Vec<String>,
) -> Vec<(String, PathBuf)> {
    let Some(path) = config
        .path
        .as_deref()
        .and_then(|it| std::path::absolute(it).ok())
    else {
        return Vec::new();
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let scripts = config.scripts.as_ref();
    let interfaces = scripts.and_then(|it| it.vpi_interfaces.as_ref());
    for file in config.files.iter().chain(interfaces) {
        let shown = file.display();
        let inside = file.strip_prefix(folder).ok().and_then(Path::to_str);
        let inside = inside.filter(|it| is_plain_path(it) && *it != CONFIG);
        match inside {
            _ if !file.is_file() => {}
            _ if !with_secrets && config.secret_files.contains(file) => {
                left_out.push(format!("{shown}: it contains a secret"));
            }
            Some(name) if is_hidden(name) => left_out.push(format!(
                "{shown}: its name begins with a dot, and no restore writes such a file"
            )),
            Some(name) if !Member::Config(name.to_owned()).fits() => left_out.push(format!(
                "{shown}: its path is too long for an archive; shorten it"
            )),
            Some(name) if files.iter().any(|(known, _)| known == name) => {}
            Some(name) => files.push((name.to_owned(), file.clone())),
            None => left_out.push(format!(
                "{shown}: it is not in the folder of the configuration"
            )),
        }
    }
    files
}

fn report(file: &str, done: &Done) -> String {
    let mut counts = [0_usize; 4];
    let mut bytes = 0;
    for listed in &done.manifest.files {
        bytes += listed.size;
        match Member::parse(&listed.name) {
            Some(Member::State(_)) => counts[0] += 1,
            Some(Member::Database(_)) => counts[1] += 1,
            Some(Member::Config(_)) => counts[2] += 1,
            Some(Member::Script(_)) => counts[3] += 1,
            None => {}
        }
    }
    let [state, databases, config, scripts] = counts;
    let while_ = if done.running {
        "while vpid ran"
    } else {
        "while vpid did not run"
    };
    let secrets = if done.manifest.secrets {
        "with"
    } else {
        "without"
    };
    let name = if file == "-" { "standard output" } else { file };
    let mut text = format!(
        "{}: a backup, made {while_}, {} in all:\n  {} of the state folder\n  {}\n  {} of the configuration \
         ({secrets} secrets)\n  {} of Python scripts\n",
        printable(name),
        size(bytes),
        counted(state, "file"),
        counted(databases, "database"),
        counted(config, "file"),
        counted(scripts, "file")
    );
    if !done.left_out.is_empty() {
        text += "Not part of it:\n";
        for sentence in &done.left_out {
            text += &format!("  {}\n", printable(sentence));
        }
    }
    text
}

/// Of files, for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
