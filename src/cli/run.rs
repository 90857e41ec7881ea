//! `vpid run`: the daemon.

use super::arguments::{self, Arguments, Command, Stop};
use super::logging;
use crate::config;
use crate::daemon::{self, RunError};

pub(super) const COMMAND: Command = Command {
    name: "run",
    summary: "serve until SIGTERM or SIGINT",
    help: "\
Serves the scriptdata folders of the configuration until SIGTERM or SIGINT. SIGHUP reads the
configuration again; one with errors is refused and the old one stays.

Usage: vpid run [--config FILE] [--host HOST] [-p PORT] [-u USER] [-d NAME] [--password TEXT]

For a [database] of type = \"mysql\", as for vpi.py:
  --host HOST          address of the server, instead of VPI_HOST or host
  -p, --port PORT      instead of VPI_PORT or port
  -u, --user USER      the user to log in as, instead of VPI_USER or user
  -d, --database NAME  the database on it, instead of VPI_INTERFACE or database; also -db NAME
  --password TEXT      instead of VPI_PASSWORD, password or password_file; other users of this
                       machine can see it

The environment overrides the configuration: VPI_SCRIPTDATA_DIR, VPID_STATE_DIR and others, see
docs/configuration.md. VPID_LOG sets the log level (error, warn, info, debug).

Example: vpid run --config /etc/vpid/vpid.toml
",
    run,
};

fn run(arguments: Arguments) -> Result<(), Stop> {
    let given = arguments.read_with_run(arguments::none)?.without_words()?;
    logging::init();
    if let Some(warning) = given.exposed_password() {
        log::warn!("{warning}");
    }
    let path = given.path.clone();
    // Options are looked up by their names, also when the configuration is read again.
    let environment = given.environment();
    let config = config::load(path.as_deref(), &environment).map_err(Stop::Configuration)?;
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for warning in config::unknown_variables(names) {
        log::warn!("{warning}");
    }
    let path = path.or_else(|| config.path.clone());
    daemon::run(config, path, Box::new(environment)).map_err(|error| match error {
        RunError::Configuration(problems) => Stop::Configuration(problems),
        failure => Stop::Failed(failure.to_string()),
    })
}
