//! `vpid check`: tries everything that a first start can fail on, one line each.
//!
//! It looks, and where that is not enough it tries with files of its own that it removes
//! again. It makes none of the daemon's files, so it can run beside a running vpid.

mod community;
mod folders;
mod python;
mod rcon;
mod scriptdata;
mod scripts;
mod vyhub;

use super::command::{Action, Base, Command, JSON};
use super::given::{Given, Stop};
use super::{help, table};
use crate::config::{self, Config, Engine, Rcon, Vyhub};
use crate::io::http::Http;
use crate::io::published::Published;
use crate::io::rcon::Console;
use crate::io::sql::{self, Finding};
use crate::io::{color, logging};
use crate::limits::{self, OPEN_FILES_ADVISED};
use crate::protocol::rcon::{Done as ConsoleDone, Failure as ConsoleFailure, Job as ConsoleJob};
use crate::protocol::server_id::ServerId;
use crate::protocol::vyhub::{Done, Failure, Job, Outcome, Request};
use rustix::fs::inotify;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const COMMAND: Command = Command {
    name: "check",
    summary: "test everything on which a first start can fail",
    about: "\
Tests everything on which a first start can fail, and prints for each what works or what to do: ok, warn, or bad. Give \
it the options and the environment of vpid. Exit code 1 if something is bad.",
    options: &[JSON],
    base: Base::Run,
    examples: &["vpid check --config /etc/vpid/vpid.toml"],
    action: Action::Run(main),
    ..Command::NONE
};

fn main(given: Given) -> Result<(), Stop> {
    let mut out = std::io::stdout();
    let mut report = match given.json() {
        true => Report::json(),
        false => Report::lines(&mut out, color::wanted(&std::io::stdout()))
            .wrapped(std::io::stdout().is_terminal()),
    };
    let (path, known) = (given.path.as_deref(), given.exposed_password());
    run(path, given.environment(), known, &mut report);
    let good = report.good;
    report.end()?;
    match good {
        true => Ok(()),
        false => Err(Stop::Reported),
    }
}

/// Checks the configuration of `path` (none: the usual places) and all it names, and reports each finding: `ok`,
/// `warn`, or `bad` with its remedy. `environment` looks variables and options up as for [`config::load`]; `known` is
/// one more warning.
fn run(
    path: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    known: Option<&str>,
    report: &mut Report<'_>,
) {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let unknown = config::unknown_variables(names);
    let known = known.map(str::to_owned);
    for warning in unknown.into_iter().chain(known) {
        report.warn(warning);
    }
    let (mut api, mut consoles) = (Api::default(), Consoles::default());
    let mut outside = Outside {
        api: &mut |vyhub, request| api.ask(vyhub, request),
        console: &mut |server, rcon, line| consoles.ask(server, rcon, line),
    };
    all(path, environment, &mut outside, report);
}

/// The databases that say where players come from.
fn geoip(config: &Config, report: &mut Report<'_>) {
    for (key, path) in config.geoip.iter().flat_map(config::Geoip::files) {
        match crate::io::geoip::about(key, path) {
            Ok((kind, built_s)) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let age_s = now.map_or(0, |now| now.as_secs().saturating_sub(built_s));
                let age = super::table::span(i64::try_from(age_s).unwrap_or(i64::MAX));
                let kind = super::table::printable(&kind);
                report.ok(format!("{}: {kind}, made {age} ago", path.display()));
            }
            // It says its own remedy.
            Err(error) => report.problem(error.to_string()),
        }
    }
}

/// The files that vpid writes for other programs.
fn published(config: &Config, report: &mut Report<'_>) {
    let scriptdata = config.servers.iter().map(|it| it.scriptdata.clone());
    let scriptdata: Vec<PathBuf> = scriptdata.collect();
    for file in Published::all(config) {
        let (key, shown) = (file.key, file.path.display());
        match file.check(&scriptdata) {
            Err(error) => report.problem(format!("{key}: {error}")),
            Ok(folder) => match folders::try_file(&folder) {
                Ok(()) => report.ok(format!("{key}: {shown} can be written")),
                Err(error) => report.bad(
                    format!("{key}: {shown} cannot be written: {error}"),
                    format!("let the user of vpid write into its folder, or correct {key}"),
                ),
            },
        }
    }
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
                report.problem(problem.to_string());
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
    geoip(&config, report);
    published(&config, report);
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
    community::check(&config, now_s, report);
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
    if let Some(file) = &config.log.file {
        match logging::try_open(file) {
            Ok(()) => report.ok(format!("log: {}", file.display())),
            Err(error) => report.problem(error.to_string()),
        }
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
                    report.problem(config.problem_of(number, &fault).to_string());
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
    form: Form<'a>,
    good: bool,
}

enum Form<'a> {
    Lines {
        out: &'a mut dyn Write,
        colors: bool,
        /// Lines are no longer than 80 columns.
        wraps: bool,
        /// How the first line ended that could not be written. The rest is tried all the same: the verdict counts.
        written: io::Result<()>,
    },
    Json(Vec<Value>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Bad,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    fn color(self) -> color::Color {
        match self {
            Self::Ok => color::Color::Green,
            Self::Warn => color::Color::Yellow,
            Self::Bad => color::Color::Red,
        }
    }
}

impl<'a> Report<'a> {
    fn lines(out: &'a mut dyn Write, colors: bool) -> Self {
        let form = Form::Lines {
            out,
            colors,
            wraps: false,
            written: Ok(()),
        };
        Self { form, good: true }
    }

    /// For a terminal: long findings go on below their texts.
    fn wrapped(mut self, wanted: bool) -> Self {
        if let Form::Lines { wraps, .. } = &mut self.form {
            *wraps = wanted;
        }
        self
    }

    fn json() -> Self {
        let form = Form::Json(Vec::new());
        Self { form, good: true }
    }

    /// Ends it: one as JSON is written now.
    fn end(self) -> Result<(), String> {
        match self.form {
            Form::Lines { written, .. } => table::but_for_a_gone_reader(written),
            Form::Json(findings) => {
                let result = json!({"good": self.good, "findings": findings});
                table::print(|out| table::write_json(&result, out))
            }
        }
    }

    fn ok(&mut self, text: impl AsRef<str>) {
        self.finding(Verdict::Ok, text.as_ref(), None);
    }

    fn warn(&mut self, text: impl AsRef<str>) {
        self.finding(Verdict::Warn, text.as_ref(), None);
    }

    fn bad(&mut self, text: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.finding(Verdict::Bad, text.as_ref(), Some(remedy.as_ref()));
    }

    /// Something bad whose sentence says its own remedy.
    fn problem(&mut self, text: impl AsRef<str>) {
        self.finding(Verdict::Bad, text.as_ref(), None);
    }

    /// Names of files are the game's: a newline in one must not look like a finding.
    fn finding(&mut self, verdict: Verdict, text: &str, remedy: Option<&str>) {
        self.good &= verdict != Verdict::Bad;
        let plain = |text: &str| text.replace(char::is_control, "?");
        let (text, remedy) = (plain(text), remedy.map(plain));
        match &mut self.form {
            Form::Json(findings) => findings.push(json!({
                "verdict": verdict.name(), "text": text, "remedy": remedy,
            })),
            Form::Lines {
                out,
                colors,
                wraps,
                written,
            } => {
                let name = format!("{:<4}", verdict.name());
                let remedy = remedy.map_or(String::new(), |remedy| format!(" — {remedy}"));
                let mut text = format!("  {text}{remedy}\n");
                if *wraps {
                    // What is painted takes no columns.
                    let indent = " ".repeat(name.len() + 2);
                    text = help::wrapped(&text, &indent, &indent).split_off(name.len());
                }
                let line = write!(out, "{}{text}", verdict.color().paint(&name, *colors));
                if written.is_ok() {
                    *written = line;
                }
            }
        }
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
            is_urgent: false,
        });
        match receive.recv_timeout(patience()) {
            Ok(done) => done.result,
            Err(_) => Err(ConsoleFailure::Away("it took too long".into())),
        }
    }
}

#[cfg(test)]
mod tests;
