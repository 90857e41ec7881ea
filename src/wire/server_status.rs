//! What the engine answers to `status`.

use super::steam_id::SteamId;

/// A server as its engine sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerStatus {
    pub map: String,
    pub max_players: i64,
    pub players: Vec<StatusPlayer>,
}

/// One line of `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusPlayer {
    pub userid: i64,
    pub name: String,
    pub id: Option<SteamId>,
    pub bot: bool,
    /// Seconds since the player connected.
    pub connected_s: u64,
    /// Milliseconds.
    pub ping: i64,
    /// `active`; else still connecting or spawning.
    pub active: bool,
}
// STUB
pub fn parse(_text: &str) -> Option<ServerStatus> {
    None
}
