//! `[community.playtime]`: how long players were on.

use toml::de::DeTable;

use super::key::{Declared, InForce, Key, Kind, Usual, key};
use super::reader::Reader;
use crate::limits::PLAYTIME_IDLE_MINUTES_MAX;

pub static TABLE: Declared = Declared {
    head: "[community.playtime]",
    keys: &[KEYS],
    also: &[],
    doc: "Playtime, which vpid counts.",
    example: "# [community.playtime]",
};

const KEYS: &[Key] = &[
    key(
        "enabled",
        Kind::Truth,
        "Whether [playtime](vyhub.md#playtime) is counted.",
    ).variables(&["VPID_COMMUNITY_PLAYTIME_ENABLED"])
    .default(Usual::Words("`true`"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "count_spectators",
        Kind::Truth,
        "Whether the time of spectators counts. Only vpid's game scripts report who is one; without \
         them, all time counts.",
    ).variables(&["VPID_COMMUNITY_PLAYTIME_COUNT_SPECTATORS"])
    .default(Usual::Words("`true`"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "idle_minutes",
        Kind::Integer(0, PLAYTIME_IDLE_MINUTES_MAX as i64, "minutes"),
        "After so many minutes in which a player has not moved, looked around or written in chat, their time does not \
         count until they do. 0: it counts. Only vpid's game scripts report that; without them, all time counts.",
    ).variables(&["VPID_COMMUNITY_PLAYTIME_IDLE_MINUTES"])
    .default(Usual::Number(0))
    .example("0")
    .in_force(InForce::WithNextStart),
];

/// `[community.playtime]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Playtime {
    pub enabled: bool,
    pub count_spectators: bool,
    /// The time of who is idle for longer does not count. 0: it does.
    pub idle_minutes: u64,
}

impl Default for Playtime {
    fn default() -> Self {
        Self {
            enabled: true,
            count_spectators: true,
            idle_minutes: 0,
        }
    }
}

impl Reader<'_> {
    /// `document`: the whole file.
    pub(super) fn playtime(&mut self, document: &DeTable<'_>) -> Playtime {
        let usual = Playtime::default();
        let what = "a [OF.playtime] table";
        let found = self.below_community(document, "playtime", what);
        let Some(table) = self.table_or_variables(&TABLE, KEYS, "community.playtime", found) else {
            return usual;
        };
        Playtime {
            enabled: table.truth("enabled").unwrap_or(usual.enabled),
            count_spectators: table
                .truth("count_spectators")
                .unwrap_or(usual.count_spectators),
            idle_minutes: table.integer("idle_minutes").unwrap_or(usual.idle_minutes),
        }
    }
}
