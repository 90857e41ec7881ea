//! The game's console and the engine's log: what of them works, and what to write into the game's
//! server.cfg.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use super::Report;
use super::folders::Daemon;
use crate::config::{Config, LogListen, Rcon, Server};
use crate::protocol::rcon::Failure;

#[cfg(test)]
mod tests;

const POINT: &str = "sv_allow_point_servercommand";
const RCON_LOG: &str = "sv_rcon_log";

/// Runs a line on the console of a server and waits for the reply. It logs in with the first line,
/// and after a failure it is not tried again: the engine bans addresses that try passwords.
pub(super) type Ask<'a> = &'a mut dyn FnMut(usize, &Rcon, &str) -> Result<String, Failure>;

/// Binds a UDP socket for the log, and lets go of it.
pub(super) fn try_bind(address: SocketAddr) -> io::Result<()> {
    std::net::UdpSocket::bind(address).map(drop)
}

pub(super) fn check(config: &Config, running: Daemon, ask: Ask<'_>, report: &mut Report<'_>) {
    for (number, server) in config.servers.iter().enumerate() {
        let name = server.label();
        if let Some(log) = server.log {
            bound(&name, log.address, try_bind(log.address), running, report);
        }
        match &server.rcon {
            Some(rcon) => {
                let mut line = |line: &str| ask(number, rcon, line);
                if let Err(failure) = console(&name, rcon, server.log, &mut line, report) {
                    failed(&name, rcon, &failure, report);
                }
            }
            None => without(&name, server, report),
        }
    }
}

fn without(name: &str, server: &Server, report: &mut Report<'_>) {
    if server.community_id.is_some() {
        report.warn(format!(
            "rcon: {name} has none: kicks and other commands go through the game script, whose commands \
             the game runs only on Valve's own maps, unless its server.cfg has {POINT} always (then on \
             every map, for every script). Set rcon and rcon_password_file"
        ));
    } else if server.key.is_some() {
        report.ok(format!(
            "rcon: {name} has none: commands (VPI_ functions of yours, `vpid game command`) go through the \
             game script, whose commands the game runs only on Valve's own maps, unless its server.cfg has \
             {POINT} always"
        ));
    }
    if let Some(log) = server.log {
        report.warn(format!(
            "log: without rcon, vpid cannot check whether {name} sends its log; server.cfg needs: {}",
            log_lines(log)
        ));
    }
}

fn console(
    name: &str,
    rcon: &Rcon,
    log: Option<LogListen>,
    ask: &mut dyn FnMut(&str) -> Result<String, Failure>,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let address = &rcon.address;
    status(name, address, &ask("status")?, report);
    point(name, &ask(POINT)?, report);
    quiet(name, &ask(RCON_LOG)?, report);
    if let Some(log) = log {
        let list = ask("logaddress_list")?;
        let on = ask("log")?;
        let secret = ask("sv_logsecret")?;
        sends_log(name, log, &list, &on, report);
        same_secret(name, log, &secret, report);
    }
    Ok(())
}

fn failed(name: &str, rcon: &Rcon, failure: &Failure, report: &mut Report<'_>) {
    let address = &rcon.address;
    match failure {
        Failure::Refused(why) => report.bad(
            format!("rcon: {name} refuses the password at {address}: {why}"),
            "put the rcon_password of its server.cfg into rcon_password_file; after several wrong \
             ones the game bans this address (removeip, or a restart of the game; \
             sv_rcon_whitelist_address in server.cfg names an address that is never banned)",
        ),
        Failure::Away(why) => report.bad(
            format!("rcon: {name} is unreachable at {address}: {why}"),
            "start the game with -usercon and the right -ip and -port, and set rcon_password in \
             its server.cfg",
        ),
        Failure::Unclear(why) => report.bad(
            format!("rcon: {name} does not reply at {address}: {why}"),
            "check whether the game hangs, then try again",
        ),
    }
}

/// Value of a line such as `map     : cp_badlands at: ...`.
fn header<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    let head = status.lines().take_while(|line| !line.starts_with('#'));
    let mut pairs = head.filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(name, _)| name.trim_end() == key)?;
    value.split_whitespace().next()
}

fn status(name: &str, address: &str, reply: &str, report: &mut Report<'_>) {
    match (header(reply, "map"), header(reply, "players")) {
        (Some(map), Some(players)) => report.ok(format!(
            "rcon: {name} at {address} replies: {map}, {players} players"
        )),
        _ => report.bad(
            format!("rcon: {name} at {address} accepted the password, but its status is empty"),
            "check that rcon is the address of a game",
        ),
    }
}

/// The value in what the engine says of a variable: `"name" = "value" ( def. "x" )`.
fn value_of<'a>(reply: &'a str, variable: &str) -> Option<&'a str> {
    let beginning = format!("\"{variable}\" = \"");
    let at = reply.find(&beginning)? + beginning.len();
    reply[at..].split_once('"').map(|(value, _)| value)
}

fn point(name: &str, reply: &str, report: &mut Report<'_>) {
    match value_of(reply, POINT) {
        Some("always") => report.warn(format!(
            "rcon: {name} has {POINT} always, which lets every map and script run any command; with rcon, vpid \
             does not need it: set {POINT} official in server.cfg"
        )),
        Some(value) => report.ok(format!(
            "rcon: {name} has {POINT} {value}, and vpid uses rcon"
        )),
        None => report.ok(format!("rcon: vpid uses rcon for {name}")),
    }
}

/// Each command by RCON is a line of the log, and goes to all who receive it.
fn quiet(name: &str, reply: &str, report: &mut Report<'_>) {
    if value_of(reply, RCON_LOG).is_some_and(|value| value != "0") {
        report.ok(format!(
            "rcon: {name} writes each command into its log; {RCON_LOG} 0 in server.cfg stops that"
        ));
    }
}

/// The lines for server.cfg. The secret itself is not shown: reports are passed on.
fn log_lines(log: LogListen) -> String {
    let address = match log.address.ip().is_unspecified() {
        true => format!("<this machine's address>:{}", log.address.port()),
        false => log.address.to_string(),
    };
    let secret = match log.secret {
        Some(_) => "; sv_logsecret <the digits of log_secret>",
        None => "",
    };
    format!("log on; logaddress_add {address}{secret}")
}

fn sends_log(name: &str, log: LogListen, list: &str, on: &str, report: &mut Report<'_>) {
    let addresses = list.split_whitespace();
    let mut addresses = addresses.filter_map(|word| word.parse::<SocketAddr>().ok());
    let listed = addresses.any(|found| match log.address.ip().is_unspecified() {
        true => found.port() == log.address.port(),
        false => found == log.address,
    });
    let off = on.contains("not currently logging");
    if listed && !off {
        return report.ok(format!(
            "log: {name} sends it to port {}",
            log.address.port()
        ));
    }
    let what = match listed {
        true => "writes no log",
        false => "does not send its log here",
    };
    report.bad(
        format!("log: {name} {what}"),
        format!("add to its server.cfg, and run there: {}", log_lines(log)),
    );
}

fn same_secret(name: &str, log: LogListen, reply: &str, report: &mut Report<'_>) {
    // A game that does not report it may have it.
    let Some(value) = value_of(reply, "sv_logsecret") else {
        return;
    };
    let value = value.trim();
    let theirs = Some(value).filter(|value| value.bytes().any(|byte| !b"0.".contains(&byte)));
    let same = match log.secret {
        Some(secret) => secret.is(value.as_bytes()),
        None => theirs.is_none(),
    };
    if same {
        return;
    }
    let what = match (log.secret, theirs) {
        (Some(_), None) => "has no sv_logsecret, so vpid ignores its lines",
        (None, _) => "has a sv_logsecret but log_secret is missing, so vpid ignores its lines",
        _ => "has an sv_logsecret that differs from log_secret, so vpid ignores its lines",
    };
    report.bad(
        format!("log: {name} {what}"),
        "set both to the same digits, including leading zeros, in server.cfg and in the configuration",
    );
}

fn bound(
    name: &str,
    address: SocketAddr,
    tried: io::Result<()>,
    running: Daemon,
    report: &mut Report<'_>,
) {
    let text = format!("log: {address} for {name}");
    match tried {
        Ok(()) => report.ok(format!("{text}: vpid can listen there")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && running == Daemon::Running => {
            report.ok(format!("{text} is in use by the running vpid"));
        }
        Err(error) => {
            let remedy = match error.kind() {
                ErrorKind::AddrInUse => "another program uses this port; choose another",
                ErrorKind::AddrNotAvailable => {
                    "log_listen must be an address of the machine on which vpid runs"
                }
                ErrorKind::PermissionDenied => "choose a port above 1023",
                _ => "choose another address and port",
            };
            report.bad(format!("{text}: vpid cannot listen there: {error}"), remedy);
        }
    }
}
