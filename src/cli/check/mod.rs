//! `vpid check`: tries everything that a first start can fail on, one line each.
//!
//! It looks, and where that is not enough it tries with files of its own that it removes
//! again. It makes none of the daemon's files, so it can run beside a running vpid.

mod folders;
mod python;
mod rcon;
mod scriptdata;
mod scripts;
mod vyhub;

use super::arguments::{self, Arguments, Command, Stop};
use crate::config::{self, Config, Engine, Rcon, Vyhub};
use crate::io::http::Http;
use crate::io::rcon::Console;
use crate::io::sql::{self, Finding};
use crate::limits::{self, OPEN_FILES_ADVISED};
use crate::protocol::rcon::{Done as ConsoleDone, Failure as ConsoleFailure, Job as ConsoleJob};
use crate::protocol::server_id::ServerId;
use crate::protocol::vyhub::{Done, Failure, Job, Outcome, Request};
use rustix::fs::inotify;
use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const COMMAND: Command = Command {
    name: "check",
    summary: "test everything on which a first start can fail",
    help: "\
Tests everything on which a first start can fail, and prints for each what works or what to do. Exit
code 1 if there is a problem (`bad`).

Usage: vpid check [--config FILE] [options of vpid run]

Give it the options and the environment of vpid: --host, -p, -u, -d (or -db) and --password, as in
`vpid run --help`.

Example: vpid check --config /etc/vpid/vpid.toml
",
    run: main,
};

fn main(arguments: Arguments) -> Result<(), Stop> {
    let given = arguments.read_with_run(arguments::none)?.without_words()?;
    let (path, known) = (given.path.clone(), given.exposed_password());
    let mut out = std::io::stdout();
    match run(path.as_deref(), given.environment(), known, &mut out) {
        true => Ok(()),
        false => Err(Stop::Reported),
    }
}

/// Checks the configuration of `path` (none: the usual places) and all it names, and writes a
/// line for each finding: `ok`, `warn`, or `bad` with its remedy. `environment` looks variables and options up
/// as for [`config::load`]; `known` is one more warning. True when nothing is bad.
fn run(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    known: Option<&str>,
    out: &mut dyn Write,
) -> bool {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let unknown = config::unknown_variables(names);
    let mut report = Report { out, good: true };
    let filter = std::env::var_os("VPID_LOG").unwrap_or_default();
    let filter = super::logging::wrong_filter(&filter.to_string_lossy());
    let known = known.map(str::to_owned);
    for warning in unknown.into_iter().chain(filter).chain(known) {
        report.warn(warning);
    }
    let (mut api, mut consoles) = (Api::default(), Consoles::default());
    let mut outside = Outside {
        api: &mut |vyhub, request| api.ask(vyhub, request),
        console: &mut |server, rcon, line| consoles.ask(server, rcon, line),
    };
    all(path, environment, &mut outside, &mut report);
    report.good
}

/// What is reached over a network. Each function waits for the result.
struct Outside<'a> {
    /// Makes one request of VyHub's API.
    api: &'a mut dyn FnMut(&Vyhub, Request) -> Outcome,
    /// Runs a line on the console of the server with this number.
    console: rcon::Ask<'a>,
}

fn all(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    outside: &mut Outside<'_>,
    report: &mut Report<'_>,
) {
    clock(std::time::SystemTime::now(), report);
    open_files(report);
    let config = match config::load(path, environment) {
        Ok(config) => config,
        Err(problems) => {
            // Each says its own remedy, where the key alone is not enough.
            for problem in problems {
                report.line("bad ", &problem.to_string());
            }
            return;
        }
    };
    configuration(&config, report);
    let running = folders::state(&config.state_dir, report);
    databases(&config, report);
    let config_option = match path {
        Some(path) => format!(" --config '{}'", path.display()),
        None => String::new(),
    };
    scripts::check(&config, &config_option, report);
    python::check(&config, report);
    let mut seen: Vec<&Path> = Vec::new();
    for server in &config.servers {
        if !seen.contains(&server.scriptdata.as_path()) {
            seen.push(&server.scriptdata);
            scriptdata::check(&config, &server.scriptdata, running, report);
            scriptdata::check_signed(&config, &server.scriptdata, report);
        }
    }
    let now_s = jiff::Timestamp::now().as_second();
    vyhub::check(&config, now_s, outside.api, report);
    rcon::check(&config, running, outside.console, report);
}

fn configuration(config: &Config, report: &mut Report<'_>) {
    match &config.path {
        Some(path) => report.ok(format!("configuration: {}", path.display())),
        None => report.ok("configuration: from the environment alone"),
    }
    let exposures: Vec<_> = config
        .exposed
        .iter()
        .map(|path| config::exposure_warning(path))
        .collect();
    for warning in config
        .warnings
        .iter()
        .filter(|warning| !exposures.contains(warning))
    {
        report.warn(warning);
    }
    for path in &config.exposed {
        report.bad(
            format!("other users can read the secret in {}", path.display()),
            format!("chmod 600 '{}'", path.display()),
        );
    }
}

fn databases(config: &Config, report: &mut Report<'_>) {
    if config.default_database().is_none() {
        report.ok("database: none, as configured; SQL calls get an error");
    }
    for (number, database) in config.databases.iter().enumerate() {
        let preparation = sql::Preparation::of(config, number, 0);
        let label = format!("database {}", database.name);
        let label = label.trim_end();
        for finding in sql::check(database, &preparation) {
            match finding {
                Finding::Good(text) => report.ok(format!("{label}: {text}")),
                Finding::Warn(text) => report.warn(format!("{label}: {text}")),
                Finding::Bad(text, remedy) => report.bad(format!("{label}: {text}"), remedy),
                Finding::Fault(fault) => {
                    report.line("bad ", &config.problem_of(number, &fault).to_string());
                }
            }
        }
        if let Engine::Sqlite(sqlite) = &database.engine
            && let Some(folder) = sqlite.path.parent()
        {
            folders::private_database(&sqlite.path, report);
            folders::free_space(label, folder, report);
        }
    }
}

/// Where the findings go. A reader that went away ends nothing: the verdict is still wanted.
struct Report<'a> {
    out: &'a mut dyn Write,
    good: bool,
}

impl Report<'_> {
    fn ok(&mut self, text: impl AsRef<str>) {
        self.line("ok  ", text.as_ref());
    }

    fn warn(&mut self, text: impl AsRef<str>) {
        self.line("warn", text.as_ref());
    }

    fn bad(&mut self, text: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.line("bad ", &format!("{} — {}", text.as_ref(), remedy.as_ref()));
    }

    /// Names of files are the game's: a newline in one must not look like a finding.
    fn line(&mut self, verdict: &str, text: &str) {
        self.good &= verdict != "bad ";
        let text = text.replace(char::is_control, "?");
        let _ = writeln!(self.out, "{verdict}  {text}");
    }
}

/// Names of hosts that one line lists.
const HOSTS_NAMED_MAX: usize = 5;

fn listed(hosts: &BTreeSet<String>) -> String {
    let named: Vec<_> = hosts
        .iter()
        .take(HOSTS_NAMED_MAX)
        .map(|host| format!("\"{host}\""))
        .collect();
    match hosts.len().saturating_sub(HOSTS_NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// 2024-01-01. A clock before it was never set: vpid did not exist.
const YEAR_2024_S: u64 = 1_704_067_200;

/// Dates of bans and the guard against replays depend on the clock.
fn clock(now: SystemTime, report: &mut Report<'_>) {
    if now < UNIX_EPOCH + Duration::from_secs(YEAR_2024_S) {
        report.bad(
            "clock: it is before 2024",
            "set the clock, with timedatectl or NTP",
        );
    } else {
        report.ok("clock: plausible");
    }
}

fn open_files(report: &mut Report<'_>) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < OPEN_FILES_ADVISED => report.warn(format!(
            "open files: only {limit} are allowed; raise the limit to {OPEN_FILES_ADVISED} or more \
             (ulimit -n, LimitNOFILE= in the unit)"
        )),
        Some(limit) => report.ok(format!("open files: {limit} allowed")),
        None => report.ok("open files: no limit"),
    }
}

/// Whether a watch on this folder can be made now. Errors say which limit is in the way.
fn try_inotify(folder: &Path) -> Result<(), String> {
    let limit = |name: &str| {
        let path = format!("/proc/sys/fs/inotify/{name}");
        std::fs::read_to_string(path).map_or("unknown".into(), |text| text.trim().to_owned())
    };
    let inotify = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(|error| {
        let instances = limit("max_user_instances");
        format!("{error}; fs.inotify.max_user_instances is {instances}, raise it with sysctl")
    })?;
    let events = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::ONLYDIR;
    inotify::add_watch(&inotify, folder, events)
        .map(|_| ())
        .map_err(|error| {
            let watches = limit("max_user_watches");
            format!("{error}; fs.inotify.max_user_watches is {watches}, raise it with sysctl")
        })
}

/// How long a worker is waited for: a little longer than its own deadline.
fn patience() -> Duration {
    Duration::from_millis(limits::CHECK_PATIENCE_MS) + Duration::from_secs(2)
}

/// VyHub's API. The worker starts with the first request.
#[derive(Default)]
struct Api {
    worker: Option<(Http, mpsc::Receiver<Done>)>,
}

impl Api {
    fn ask(&mut self, vyhub: &Vyhub, request: Request) -> Outcome {
        let none = |why: String| Outcome {
            result: Err(Failure::Unreachable(why)),
            api_s: None,
        };
        if self.worker.is_none() {
            let (send, receive) = mpsc::channel();
            match Http::start(vyhub, move |done| drop(send.send(done))) {
                Ok(http) => self.worker = Some((http, receive)),
                Err(why) => return none(why.to_string()),
            }
        }
        let Some((http, receive)) = &self.worker else {
            return none("there is no worker".into());
        };
        http.submit(Job {
            ticket: 0,
            request,
            patience_ms: limits::CHECK_PATIENCE_MS,
        });
        match receive.recv_timeout(patience()) {
            Ok(done) => done.outcome,
            Err(_) => none("it took too long".into()),
        }
    }
}

/// Consoles by the numbers of their servers: one connection each, so one login.
#[derive(Default)]
struct Consoles {
    workers: HashMap<usize, (Console, mpsc::Receiver<ConsoleDone>)>,
}

impl Consoles {
    fn ask(&mut self, server: usize, rcon: &Rcon, line: &str) -> Result<String, ConsoleFailure> {
        let (worker, receive) = match self.workers.entry(server) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let (send, receive) = mpsc::channel();
                let worker =
                    Console::start(ServerId(server), rcon, move |done| drop(send.send(done)));
                vacant.insert((worker, receive))
            }
        };
        worker.submit(ConsoleJob {
            ticket: 0,
            line: line.to_owned(),
        });
        match receive.recv_timeout(patience()) {
            Ok(done) => done.result,
            Err(_) => Err(ConsoleFailure::Away("it took too long".into())),
        }
    }
}

#[cfg(test)]
mod tests;
