//! What the owner's commands and code can have in them about a player: `%nick%`, `%steamid64%` and so on. How values
//! get in is in `protocol::template`.

use super::Cx;
use crate::core::servers::ServerId;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub use crate::protocol::template::{Filled, Template, Unfilled, Values, fill_script};

/// A player, present or not.
pub struct About<'a> {
    /// In the backend, if that is known.
    pub user: Option<Uuid>,
    pub steam: SteamId,
    pub name: &'a str,
    /// `None`: not on the server; `%userid%` is 0 then, which is nobody's.
    pub userid: Option<i64>,
}

impl Cx<'_> {
    /// The values that commands for a player on this server can have.
    pub fn values(&self, server: ServerId, about: &About<'_>) -> Values {
        let game = self.servers.get(server);
        let map = game.map_or("", |game| game.roster.map());
        let user = about.user.map(|user| user.to_string());
        Values::from([
            ("user_id", user.unwrap_or_default()),
            ("nick", about.name.to_owned()),
            ("steamid64", about.steam.to_string()),
            ("steamid3", about.steam.steam3()),
            ("steamid32", about.steam.steam2()),
            ("userid", about.userid.unwrap_or(0).to_string()),
            ("server", self.label(server).to_owned()),
            ("map", map.to_owned()),
        ])
    }
}
