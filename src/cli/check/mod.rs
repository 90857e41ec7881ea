//! `vpid check`: tries everything that a first start can fail on, one line each.
//!
//! It looks, and where that is not enough it tries with files of its own that it removes
//! again. It makes none of the daemon's files, so it can run beside a running vpid.

mod folders;
mod outside;
mod python;
mod rcon;
mod scriptdata;
mod scripts;
mod signed;
mod system;
#[cfg(test)]
mod tests;
mod vyhub;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use super::arguments::{self, Arguments, Command, Stop};
use crate::config::{self, Config, Engine, Vyhub};
use crate::io::sql::{self, Finding};
use crate::protocol::vyhub::{Outcome, Request};

use outside::{Api, Consoles};

pub(super) const COMMAND: Command = Command {
    name: "check",
    summary: "try everything a first start can fail on",
    help: "\
Tries everything a first start can fail on, and says for each what is good or what to do. Exit
code 1 if anything is bad.

Usage: vpid check [--config FILE] [options of vpid run]

Give it the options and the environment that vpid runs with: --host, -p, -u, -d (or -db) and --password as
`vpid run --help` has them.

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
    system::clock(std::time::SystemTime::now(), report);
    system::open_files(report);
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
            signed::check(&config, &server.scriptdata, report);
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
            format!("others can read the secret in {}", path.display()),
            format!("chmod 600 '{}'", path.display()),
        );
    }
}

fn databases(config: &Config, report: &mut Report<'_>) {
    if config.default_database().is_none() {
        report.ok("database: none, as configured; SQL calls are answered with an error");
    }
    for (number, database) in config.databases.iter().enumerate() {
        let preparation = sql::Preparation {
            ticket: 0,
            schema: database.schema.as_ref().map(|file| file.schema.clone()),
            queries: config.queries_on(number),
        };
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
