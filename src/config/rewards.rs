//! `[vyhub.rewards]`: what the server executes of what players are owed.

use toml::de::{DeTable, DeValue};

use super::key::{Declared, InForce, Key, Kind, Usual, key};
use super::reader::{Reader, Table};
use crate::limits::{CONSOLE_LINE_BYTES_MAX, REWARD_PATTERNS_MAX};

pub static TABLE: Declared = Declared {
    head: "[vyhub.rewards]",
    keys: &[KEYS],
    also: &[],
    doc: "Rewards of VyHub's shop: docs/vyhub.md, Rewards.",
    example: "# [vyhub.rewards]",
};

const KEYS: &[Key] = &[
    key(
        "enabled",
        Kind::Truth,
        "`false`: rewards are neither fetched nor executed.",
    )
    .default(Usual::Words("true"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "allow",
        Kind::Texts("sm_addvip *"),
        "Which console commands of rewards are executed: each must fit one of these patterns as it is written in \
         VyHub, with its `%places%`; `*` stands for any text. By default all are, as in every other client of \
         VyHub: users who may edit packets there can run commands here. List those that you use.",
    )
    .default(Usual::Words("`[\"*\"]`"))
    .example("[\"sm_addvip *\", \"sm_say *\"]")
    .in_force(InForce::WithNextStart),
    key(
        "scripts",
        Kind::Truth,
        "Rewards of the type SCRIPT run as Squirrel in the game, with `PLAYER` defined. They can do all that a \
         game script can, and `allow` does not limit them.",
    )
    .default(Usual::Words("false"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "on_unclear",
        Kind::Words(&["ask", "repeat", "done"]),
        "What to do if a crash or a lost connection leaves it unclear whether a reward was executed: \"ask\" \
         leaves it to you (`vpid rewards list`), \"repeat\" executes it once more, \"done\" reports it as executed.",
    )
    .in_force(InForce::WithNextStart),
];

/// `[vyhub.rewards]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewards {
    pub enabled: bool,
    /// What commands may be, `*` standing for any text.
    pub allow: Vec<String>,
    pub scripts: bool,
    pub on_unclear: OnUnclear,
}

/// What follows where it is unclear whether a reward was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnclear {
    Ask,
    Repeat,
    Done,
}

impl Default for Rewards {
    fn default() -> Self {
        Self {
            enabled: true,
            allow: vec!["*".to_owned()],
            scripts: false,
            on_unclear: OnUnclear::Ask,
        }
    }
}

impl Reader<'_> {
    /// The table below `[vyhub]`.
    pub(super) fn rewards(&mut self, document: &DeTable<'_>) -> Rewards {
        let default = Rewards::default();
        let Some(DeValue::Table(vyhub)) = document.get("vyhub").map(toml::Spanned::get_ref) else {
            return default;
        };
        let Some((name, value)) = vyhub.get_key_value("rewards") else {
            return default;
        };
        let place = self.place(&name.span(), "vyhub.rewards");
        let Some(written) = self.table_of(&place, value, "a [vyhub.rewards] table") else {
            return default;
        };
        let mut table = self.table(&TABLE, place, written);
        self.check(&mut table, KEYS);
        Rewards {
            enabled: table.truth("enabled").unwrap_or(default.enabled),
            allow: self.allowed(&table).unwrap_or(default.allow),
            scripts: table.truth("scripts").unwrap_or(default.scripts),
            on_unclear: match table.word("on_unclear") {
                "repeat" => OnUnclear::Repeat,
                "done" => OnUnclear::Done,
                _ => OnUnclear::Ask,
            },
        }
    }

    fn allowed(&mut self, table: &Table) -> Option<Vec<String>> {
        let (place, patterns) = table.texts("allow")?;
        if patterns.len() > REWARD_PATTERNS_MAX {
            let message = format!(
                "has {} patterns; at most {REWARD_PATTERNS_MAX} fit",
                patterns.len()
            );
            self.problem(place, message);
        }
        for pattern in patterns {
            let text = &pattern.value;
            let fits = (1..=CONSOLE_LINE_BYTES_MAX).contains(&text.len());
            if !fits || text.contains(char::is_control) {
                let message = format!(
                    "{text:?} describes no command of a console; write one such as \"sm_addvip *\""
                );
                self.problem(&pattern.place, message);
            }
        }
        Some(patterns.iter().map(|it| it.value.clone()).collect())
    }
}
