//! `[vyhub]`, and what connects a `[[server]]` with VyHub, RCON and the engine's log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::secret::Password;
use crate::protocol::engine_log::LogSecret;

/// `[vyhub]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vyhub {
    /// `https://api.vyhub.app/<name>/v1`, without a slash at its end.
    pub api_url: String,
    pub api_key: Password,
    /// Certificates to trust instead of the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// `http://[user:password@]host:port`: the HTTP proxy through which the API is reached, by
    /// CONNECT. Only where [`Vyhub::api_url`] is encrypted and leads to another machine. `None`: it
    /// is reached directly, whatever the environment says.
    pub proxy: Option<Password>,
    /// Texts for players by their keys, complete.
    pub messages: BTreeMap<String, String>,
    /// In which dates are shown to players.
    pub time_zone: TimeZone,
    /// What begins a command in chat; not empty, none of them empty.
    pub prefixes: Vec<String>,
    /// From one advert to the next; 0: none are shown.
    pub advert_interval_s: u64,
    /// What stands in front of each line of an advert.
    pub advert_prefix: String,
}

impl Vyhub {
    /// Whether the API is on another machine and spoken to over TLS.
    pub fn is_elsewhere(&self) -> bool {
        super::address::may_use_proxy(&self.api_url)
    }
}

/// How a game is reached by RCON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcon {
    /// `host:port`; looked up when it is connected to.
    pub address: String,
    pub password: Password,
}

/// Which commands in chat count that change something. Those that only ask always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChatCommands {
    /// Those of a map on which the signed scripts run and nothing has touched their guard, by players
    /// whom the game has confirmed.
    #[default]
    Guarded,
    /// Whatever the engine's log has, or, without a log, the scripts report.
    Log,
    /// None.
    Off,
}

impl ChatCommands {
    /// The words of the configuration.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("guarded", Self::Guarded),
        ("log", Self::Log),
        ("off", Self::Off),
    ];
}

/// Where the engine's log comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogListen {
    pub address: SocketAddr,
    /// What the game has as `sv_logsecret`; `None`: none.
    pub secret: Option<LogSecret>,
}
