//! `[community.rewards]`: what the server executes of what players are owed.

use toml::de::DeTable;

use super::key::{Declared, InForce, Key, Kind, Usual, key};
use super::reader::{Reader, Table};
use crate::limits::{CONSOLE_LINE_BYTES_MAX, REWARD_PATTERNS_MAX};

pub static TABLE: Declared = Declared {
    head: "[community.rewards]",
    keys: &[KEYS],
    also: &[],
    doc: "Rewards, of VyHub's shop or of groups: docs/vyhub.md and docs/community.md, Rewards.",
    example: "# [community.rewards]",
};

const KEYS: &[Key] = &[
    key(
        "enabled",
        Kind::Truth,
        "`false`: rewards are neither fetched nor executed.",
    ).variables(&["VPID_COMMUNITY_REWARDS_ENABLED"])
    .default(Usual::Words("true"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "allow",
        Kind::Texts("sm_addvip *"),
        "Which console commands of rewards are executed: each must match one of these patterns as it is written \
         there, with its `%places%`; `*` stands for any text. By default all are, as in every other client of \
         VyHub: users who may edit packets there can run commands on your servers. List those that you use.",
    ).variables(&["VPID_COMMUNITY_REWARDS_ALLOW"])
    .default(Usual::Words("`[\"*\"]`"))
    .example("[\"sm_addvip *\", \"sm_say *\"]")
    .in_force(InForce::WithNextStart),
    key(
        "scripts",
        Kind::Truth,
        "Rewards of the type SCRIPT run as Squirrel in the game, with `PLAYER` defined. They can do all that a \
         game script can, and `allow` does not limit them.",
    ).variables(&["VPID_COMMUNITY_REWARDS_SCRIPTS"])
    .default(Usual::Words("false"))
    .example("true")
    .in_force(InForce::WithNextStart),
    key(
        "on_unclear",
        Kind::Words(&["ask", "repeat", "done"]),
        "What to do if a crash or a lost connection leaves it unclear whether a reward was executed: \"ask\" \
         leaves it to you (`vpid rewards list`), \"repeat\" executes it again, \"done\" reports it as executed.",
    ).variables(&["VPID_COMMUNITY_REWARDS_ON_UNCLEAR"])
    .in_force(InForce::WithNextStart),
];

/// `[community.rewards]`.
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
    /// `document`: the whole file.
    pub(super) fn rewards(&mut self, document: &DeTable<'_>) -> Rewards {
        let default = Rewards::default();
        let what = "a [OF.rewards] table";
        let found = self.below_community(document, "rewards", what);
        let Some(table) = self.table_or_variables(&TABLE, KEYS, "community.rewards", found) else {
            return default;
        };
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
