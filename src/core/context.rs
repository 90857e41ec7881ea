//! What a part of the core may use besides its own state.

use super::event::Now;
use super::functions::Functions;
use super::ids::{HostId, ServerId};
use super::output::Output;
use super::servers::Servers;
use super::sessions::Hosts;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// What several parts read and change.
pub struct Shared {
    pub hosts: Hosts,
    pub servers: Servers,
    pub functions: Functions,
}

impl Shared {
    /// The game server that a host is.
    pub fn server_of(&self, host: HostId) -> Option<ServerId> {
        let known = self.hosts.get(host)?;
        self.servers.of_host(known.folder, &known.name)
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
