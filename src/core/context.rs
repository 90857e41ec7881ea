//! What a part of the core may use besides its own state.

use super::event::Now;
use super::functions::Functions;
use super::hosts::{Hosts, Reconfigured};
use super::ids::{FolderId, HostId, ServerId};
use super::output::Output;
use super::servers::Servers;
use crate::config::Config;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// What several parts read and change.
pub struct Shared {
    pub hosts: Hosts,
    pub servers: Servers,
    pub functions: Functions,
}

impl Shared {
    /// `None` for a host that was forgotten.
    pub fn server_of(&self, host: HostId) -> Option<ServerId> {
        Some(self.hosts.get(host)?.server)
    }

    /// Applies a configuration: its servers, and then the server of each known host. `folders` are those of
    /// its servers, in their order.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) -> Reconfigured {
        let changed = self.hosts.reconfigure(config, folders);
        self.servers.reconfigure(config, self.hosts.servers());
        let hosts = &self.hosts;
        let reports = |server, host| hosts.signs_for(host, server);
        self.servers.keep_hosts(reports);
        changed
    }

    pub fn context<'a>(&'a mut self, now: Now, out: &'a mut Output) -> Context<'a> {
        Context {
            now,
            out,
            hosts: &mut self.hosts,
            servers: &mut self.servers,
            functions: &mut self.functions,
            directory: None,
        }
    }
}

pub struct Context<'a> {
    pub now: Now,
    pub out: &'a mut Output,
    pub hosts: &'a mut Hosts,
    pub servers: &'a mut Servers,
    pub functions: &'a mut Functions,
    /// For the Python scripts, where there is a community.
    pub directory: Option<&'a dyn Directory>,
}

/// What the community knows of players.
pub trait Directory {
    fn about(&self, server: ServerId, steam: SteamId, now: Now) -> Option<About>;

    /// Whether a player is an administrator of the whole community, as far as is known.
    fn is_administrator(&self, server: ServerId, steam: SteamId, now: Now) -> bool;
}

/// What the community knows of a player on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub user: Option<Uuid>,
    /// May ban or warn there.
    pub admin: bool,
    /// Names, the highest first.
    pub groups: Vec<String>,
}
