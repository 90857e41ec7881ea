//! The bans of a bundle, small and quick: a hundred thousand cost a few megabytes and one search
//! each time that somebody is looked up.

use crate::wire::steam_id::SteamId;
use crate::wire::uuid::Uuid;

/// A bundle's bans as VyHub listed them last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BanList {}

/// One ban of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<'a> {
    pub id: Uuid,
    pub steam: SteamId,
    /// Of the banned user, as VyHub knows them.
    pub username: &'a str,
    pub reason: &'a str,
    /// Empty: not known, or the system.
    pub creator: &'a str,
    /// Unix seconds.
    pub created_s: i64,
    /// `None`: permanent.
    pub ends_s: Option<i64>,
}
