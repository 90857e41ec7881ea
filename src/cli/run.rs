//! `vpid run`: the daemon, alone or with the game.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::command::{Action, Base, Command, Kind, Number, arg, option, switch};
use super::given::{Given, Stop};
use super::{engine_paths, init, users};
use crate::config::{self, Config, Problem};
use crate::daemon::{self, RunError};
use crate::io::notify::Notifier;
use crate::io::{lock, logging};
use crate::supervise::{self, Restart, Settings};

pub(super) const COMMAND: Command = Command {
    name: "run",
    summary: "serve until SIGTERM or SIGINT, with the game if you like",
    about: "\
Serves the scriptdata folders of the configuration until SIGTERM or SIGINT. SIGHUP reads the configuration again; one \
with errors is refused and the old one stays.

With --exec, as panels want it, vpid starts PROGRAM, the game, as soon as it serves, and ends with its exit code. The \
console stays the game's, and lines of vpid begin with [vpid].

The environment overrides the configuration: VPI_SCRIPTDATA_DIR, VPID_STATE_DIR and others, see docs/configuration.md. \
VPID_LOG sets the log level (error, warn, info, debug), VPID_LOG_FORMAT and VPID_LOG_FILE the form and the place of the log.",
    usage: &[
        "[--config FILE] [--install-scripts] [--host HOST] [-p PORT] [-u USER] [-d NAME] [--password TEXT]",
        "--exec [--restart WHEN] [--install-scripts] [--config FILE] -- PROGRAM [ARGUMENT...]",
    ],
    args: &[arg("PROGRAM", Kind::File).number(Number::Any)],
    options: &[
        switch(
            "--install-scripts",
            "first install the game scripts with their key, or bring them up to date",
        ),
        switch("--exec", "start PROGRAM, the game, too, and end with it"),
        option(
            "--restart",
            "WHEN",
            Kind::Words(&[
                Restart::WORDS[0].0,
                Restart::WORDS[1].0,
                Restart::WORDS[2].0,
            ]),
            "start the game again after its end: never (the default), on-failure, always; not after quit or exit at \
             the console, or SIGTERM or SIGINT",
        ),
        option(
            "--supervised",
            "PID",
            Kind::Count(i32::MAX as usize),
            "(of --exec itself) report to this process, and end with it",
        )
        .hidden(),
    ],
    base: Base::Run,
    examples: &[
        "vpid run --config /etc/vpid/vpid.toml",
        "vpid run --exec --install-scripts -- ./srcds_run -game tf +map cp_dustbowl",
    ],
    action: Action::Run(run),
};

/// What the command line said.
struct Options {
    exec: bool,
    restart: Option<Restart>,
    install_scripts: bool,
    /// The process that has started this one for `--exec`.
    supervised: Option<u32>,
}

fn run(mut given: Given) -> Result<(), Stop> {
    let options = Options {
        exec: given.has("--exec"),
        restart: given.text("--restart").and_then(Restart::of_word),
        install_scripts: given.has("--install-scripts"),
        supervised: given.count("--supervised").map(|pid| pid as u32),
    };
    let game = std::mem::take(&mut given.words);
    match (options.exec, game.is_empty()) {
        (true, true) => Err(usage(
            "--exec needs the game behind --, such as -- ./srcds_run -game tf",
        )),
        (true, false) => with_game(&options, given, game),
        (false, false) => Err(Stop::Usage(format!(
            "unexpected argument {:?}; to start a game, add --exec",
            game[0]
        ))),
        (false, true) if options.restart.is_some() => Err(usage("--restart is for --exec")),
        (false, true) => alone(&options, given),
    }
}

fn usage(problem: &str) -> Stop {
    Stop::Usage(problem.to_owned())
}

fn alone(options: &Options, given: Given) -> Result<(), Stop> {
    logging::init(logging::of_environment(config::process_environment));
    if let Some(pid) = options.supervised {
        lock::end_with(pid).map_err(|error| format!("--supervised: {error}"))?;
    }
    if let Some(warning) = given.exposed_password() {
        log::warn!("{warning}");
    }
    let path = given.path.clone();
    // Options are looked up by their names, also when the configuration is read again.
    let environment = given.environment();
    let config = config::load(path.as_deref(), &environment).map_err(Stop::Configuration)?;
    logging::apply(&config.log).map_err(|error| {
        let variable = environment("VPID_LOG_FILE").filter(|value| !value.is_empty());
        unusable(&config, &error, variable.is_some())
    })?;
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for warning in config::unknown_variables(names) {
        log::warn!("{warning}");
    }
    let path = path.or_else(|| config.path.clone());
    let is_root = rustix::process::geteuid().is_root();
    if let Some(warning) = is_root.then(|| warning_for_root(&config)).flatten() {
        log::warn!("{warning}");
    }
    report_folders(&config);
    if options.install_scripts {
        install_scripts(&config);
    }
    let notifier = match options.supervised {
        Some(_) => {
            Notifier::of_standard_input().map_err(|error| format!("--supervised: {error}"))?
        }
        None => notifier(),
    };
    daemon::run(config, path, Box::new(environment), notifier).map_err(|error| match error {
        RunError::Configuration(problems) => Stop::Configuration(problems),
        failure => Stop::Failed(failure.to_string()),
    })
}

/// `of_variable`: the environment names the file.
fn unusable(config: &Config, error: &logging::OpenError, of_variable: bool) -> Stop {
    let source = config.path.as_ref().filter(|_| !of_variable);
    let key = if of_variable { "VPID_LOG_FILE" } else { "" };
    Stop::Configuration(vec![Problem {
        source: source.map_or("environment".into(), |path| path.display().to_string()),
        line: None,
        key: key.to_owned(),
        message: error.to_string(),
    }])
}

/// The daemon is another process of this program: `supervise/mod.rs`.
fn with_game(options: &Options, given: Given, game: Vec<String>) -> Result<(), Stop> {
    let program = std::env::current_exe()
        .map_err(|error| format!("the path of this program is unknown ({error})"))?;
    let mut daemon = given.repeated();
    if options.install_scripts {
        daemon.push("--install-scripts".into());
    }
    let settings = Settings {
        game: game.into_iter().map(OsString::from).collect(),
        restart: options.restart.unwrap_or_default(),
        program,
        daemon,
    };
    let manager = Notifier::of_environment(|name| std::env::var_os(name)).unwrap_or_else(|error| {
        // Without standard error, no one can be told.
        let _ = writeln!(std::io::stderr(), "[vpid] {error}");
        Notifier::default()
    });
    match supervise::run(settings, manager) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Stop::Ended(code)),
        Err(error) => Err(Stop::Failed(error.to_string())),
    }
}

/// A game that runs with the scripts of before is better than none.
fn install_scripts(config: &Config) {
    for result in init::update_scripts(config) {
        match result {
            Ok(done) => log::info!("{done}"),
            Err(problem) => log::error!("the game scripts were not brought up to date: {problem}"),
        }
    }
}

/// Reports scriptdata folders that the game cannot use.
fn report_folders(config: &Config) {
    let mut seen: Vec<&Path> = Vec::new();
    for server in &config.servers {
        let folder = server.scriptdata.as_path();
        if seen.contains(&folder) {
            continue;
        }
        seen.push(folder);
        if let Some(warning) = engine_paths::misnamed(folder) {
            log::warn!("scriptdata: {warning}");
        }
        let mut here = config.servers.iter().filter(|it| it.scriptdata == folder);
        let signs = here.any(|server| server.key.is_some());
        if let Some(problem) = engine_paths::without_room(folder, signs) {
            log::error!("scriptdata: {problem}; move the game to a shorter path");
        }
    }
}

fn notifier() -> Notifier {
    Notifier::of_environment(|name| std::env::var_os(name)).unwrap_or_else(|error| {
        log::warn!("{error}");
        Notifier::default()
    })
}

/// Started as root, although another user runs a game. In containers root often runs both.
fn warning_for_root(config: &Config) -> Option<String> {
    let mut folders = config.servers.iter().map(|server| &server.scriptdata);
    let (folder, owner) = folders.find_map(|folder| {
        let owner = std::fs::metadata(folder).ok()?.uid();
        (owner != 0).then_some((folder, owner))
    })?;
    let user = users::name_of(owner).unwrap_or_else(|| format!("the user {owner}"));
    let (folder, state) = (folder.display(), config.state_dir.display());
    Some(format!(
        "vpid runs as root, but {folder} belongs to {user}: the game cannot empty the files that root writes, and \
         vpid cannot be started as {user} later, since {state} will be root's; stop it, and run it as {user}, or as a \
         service: vpid service install"
    ))
}
