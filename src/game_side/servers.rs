//! Which server of the configuration is played on, and as which host.

use crate::config::{Config, Server};
use crate::protocol::names;

/// The server to play on, and the host to play: the one that was asked for, else `free`, which no
/// game has, where the configuration serves such a one. The error is a sentence.
pub fn choose<'a>(
    config: &'a Config,
    wanted: Option<&str>,
    free: &str,
) -> Result<(&'a Server, String), String> {
    let mut servers = config.servers.iter();
    let open = servers.clone().find(|server| server.hostname.is_none());
    let Some(wanted) = wanted else {
        return match (open, servers.next()) {
            (Some(server), _) => Ok((server, free.to_string())),
            (None, Some(_)) => Err("every server in the configuration serves one hostname only: say which with --host (while its game does not run, since both would read the same answers)".into()),
            (None, None) => Err("the configuration names no server".into()),
        };
    };
    if !names::is_host(wanted) {
        return Err(format!(
            "{wanted:?} is no host: use the name as it stands in file names, such as my_server"
        ));
    }
    let named = servers.find(|server| server.hostname.as_deref() == Some(wanted));
    match named.or(open) {
        Some(server) => Ok((server, wanted.to_string())),
        None => Err(format!(
            "no server in the configuration serves the host {wanted}"
        )),
    }
}

/// What a stock client of this server proves its files with.
pub fn stock_secret(server: &Server) -> Result<&[u8], String> {
    match &server.legacy {
        Some(legacy) => Ok(legacy.secret.as_bytes()),
        None => Err("this command needs a server with legacy_secret".into()),
    }
}
