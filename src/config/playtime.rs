//! `[vyhub.playtime]`: how long players were on.

use toml::de::{DeTable, DeValue};

use super::key::{Declared, InForce, Key, Kind, Usual, key};
use super::reader::Reader;

pub static TABLE: Declared = Declared {
    head: "[vyhub.playtime]",
    keys: &[KEYS],
    also: &[],
    doc: "Playtime, which vpid counts and sends to VyHub.",
    example: "# [vyhub.playtime]",
};

const KEYS: &[Key] = &[
    key(
        "enabled",
        Kind::Truth,
        "Whether [playtime](vyhub.md#playtime) is counted.",
    )
    .default(Usual::Words("`true`"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "count_spectators",
        Kind::Truth,
        "Whether the time of spectators counts. Only vpid's game scripts report who is one; without \
         them, all time counts.",
    )
    .default(Usual::Words("`true`"))
    .example("true")
    .in_force(InForce::WithNextStart),
];

/// `[vyhub.playtime]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Playtime {
    pub enabled: bool,
    pub count_spectators: bool,
}

impl Default for Playtime {
    fn default() -> Self {
        Self {
            enabled: true,
            count_spectators: true,
        }
    }
}

impl Reader<'_> {
    /// `document`: the whole file.
    pub(super) fn playtime(&mut self, document: &DeTable<'_>) -> Playtime {
        let usual = Playtime::default();
        let Some(DeValue::Table(vyhub)) = document.get("vyhub").map(|value| value.get_ref()) else {
            return usual;
        };
        let what = "a [vyhub.playtime] table";
        let Some((mut place, table)) = self.table_in(vyhub, "playtime", what) else {
            return usual;
        };
        place.key = "vyhub.playtime".into();
        let table = self.table(&TABLE, place, table);
        Playtime {
            enabled: table.truth("enabled").unwrap_or(usual.enabled),
            count_spectators: table
                .truth("count_spectators")
                .unwrap_or(usual.count_spectators),
        }
    }
}
