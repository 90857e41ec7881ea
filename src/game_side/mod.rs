//! A game server's side of both protocols, for `vpid call`, `vpid bench`, `vpid demo` and the tests.

pub mod bench;
#[cfg(feature = "demo")]
pub mod demo;
pub mod forgetful;
pub mod signed;
pub mod stock;

use crate::config::{Config, Server};
use crate::protocol::names;
use thiserror::Error;

/// Why there is no server to play on.
#[derive(Debug, Error)]
pub enum NoServer {
    /// Every server is for one hostname only.
    #[error(
        "every server in the configuration serves one hostname only: name it with --host (while its \
         game does not run, since both would read the same responses)"
    )]
    NamedOnly,
    #[error("the configuration names no server")]
    Unconfigured,
    #[error("{0:?} is no host: use the name as it stands in file names, such as my_server")]
    NotAHost(String),
    #[error("no server in the configuration serves the host {0}")]
    Unserved(String),
    #[error("this command needs a server with legacy_secret")]
    NoLegacySecret,
}

/// The server to play on, and the host to play: `wanted`, else `free`, which no game has, where the
/// configuration serves such a one.
pub fn choose<'a>(
    config: &'a Config,
    wanted: Option<&str>,
    free: &str,
) -> Result<(&'a Server, String), NoServer> {
    let mut servers = config.servers.iter();
    let open = servers.clone().find(|server| server.hostname.is_none());
    let Some(wanted) = wanted else {
        return match (open, servers.next()) {
            (Some(server), _) => Ok((server, free.to_string())),
            (None, Some(_)) => Err(NoServer::NamedOnly),
            (None, None) => Err(NoServer::Unconfigured),
        };
    };
    if !names::is_host(wanted) {
        return Err(NoServer::NotAHost(wanted.to_owned()));
    }
    let named = servers.find(|server| server.hostname.as_deref() == Some(wanted));
    match named.or(open) {
        Some(server) => Ok((server, wanted.to_string())),
        None => Err(NoServer::Unserved(wanted.to_owned())),
    }
}

/// What a stock client of this server proves its files with.
pub fn stock_secret(server: &Server) -> Result<&[u8], NoServer> {
    match &server.legacy {
        Some(legacy) => Ok(legacy.secret.as_bytes()),
        None => Err(NoServer::NoLegacySecret),
    }
}
