//! `[community]`: what keeps users, bans and groups, and how players are spoken to. Its keys about players can also
//! stand in `[vyhub]`, where they were first.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use toml::de::{DeTable, DeValue};

use super::about_players::{
    ABOUT_PLAYERS, ADVERT_INTERVAL_S, ADVERT_PREFIX, Asked, PREFIXES, Type,
};
use super::groups::Groups;
use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::reader::{Location, Reader, Table};
use super::rewards::Rewards;
use super::{Database, Playtime, Server, Vyhub};
use crate::limits::{ADVERT_PREFIX_CHARS_MAX, PREFIX_CHARS_MAX, PREFIXES_MAX};
use crate::protocol::backend::Keeper;
use crate::sql::DatabaseId;

pub static TABLE: Declared = Declared {
    head: "[community]",
    keys: &[OWN, ABOUT_PLAYERS],
    also: &[],
    doc: "Users, bans, warnings, groups and playtime of all your servers; docs/community.md is its manual.",
    example: "# [community]",
};

const OWN: &[Key] = &[
    key(
        "type",
        Kind::Words(&["vyhub", "local", "none"]),
        "Where they are kept: \"vyhub\" (needs `[vyhub]`); \"local\", tables in one of your databases; \"none\", \
         nowhere.",
    )
    .default(Usual::Words("\"vyhub\" where there is a `[vyhub]`"))
    .example("\"local\"")
    .variables(&["VPID_COMMUNITY_TYPE"])
    .in_force(InForce::WithNextStart),
    text(
        "database",
        "For \"local\": the NAME of a `[database.NAME]`, in which vpid creates its tables. All servers that use \
         the same database are one community.",
    )
    .default(Usual::Words("`[database]`"))
    .example("\"main\"")
    .variables(&["VPID_COMMUNITY_DATABASE"])
    .in_force(InForce::WithNextStart),
];

/// `[community]`, with what `[vyhub]` says instead of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Community {
    pub backend: Backend,
    /// The table in which the owner has the keys about players: "community" or "vyhub".
    pub head: &'static str,
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
    /// What groups do in the game.
    pub groups: Groups,
    /// SourceMod's file of admins.
    pub admins_file: Option<PathBuf>,
    pub playtime: Playtime,
    pub rewards: Rewards,
}

/// What keeps the community.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    Vyhub(Vyhub),
    /// Tables in one of [`Config::databases`](super::Config::databases).
    Local(DatabaseId),
}

impl Community {
    pub fn keeper(&self) -> Keeper {
        match self.backend {
            Backend::Vyhub(_) => Keeper::Vyhub,
            Backend::Local(_) => Keeper::Database,
        }
    }

    pub fn vyhub(&self) -> Option<&Vyhub> {
        match &self.backend {
            Backend::Vyhub(vyhub) => Some(vyhub),
            Backend::Local(_) => None,
        }
    }

    pub fn database(&self) -> Option<DatabaseId> {
        match self.backend {
            Backend::Vyhub(_) => None,
            Backend::Local(database) => Some(database),
        }
    }
}

impl Reader<'_> {
    /// The tables, or what the variables make of some that are not there.
    pub(super) fn asked(&mut self, document: &DeTable<'_>) -> Asked {
        let vyhub = self.vyhub_table(document);
        let has_vyhub = vyhub.is_some() || document.contains_key("vyhub");
        let table = self.community_table(document);
        let kind = self.community_type(table.as_ref(), has_vyhub);
        self.no_key_twice(document);
        let place = vyhub.as_ref().map(|table| table.place.clone());
        let mut table = table.or_else(|| Some(Table::empty(&TABLE, place?)));
        if let Some(table) = &mut table {
            if let Some(vyhub) = &vyhub {
                table.adopt(vyhub);
            }
            self.overlay(table, ABOUT_PLAYERS);
        }
        Asked {
            kind,
            has_vyhub,
            table,
            vyhub,
            head: match document.contains_key("community") || !has_vyhub {
                true => "community",
                false => "vyhub",
            },
        }
    }

    fn community_table(&mut self, document: &DeTable<'_>) -> Option<Table> {
        let mut table = match self.table_in(document, "community", "a [community] table") {
            Some((place, table)) => self.table(&TABLE, place, table),
            None if document.contains_key("community") => return None,
            // A database or a language alone asks for nothing.
            None => {
                self.variable(&["VPID_COMMUNITY_TYPE"])?;
                Table::empty(&TABLE, Location::of_variable("community"))
            }
        };
        self.overlay(&mut table, OWN);
        Some(table)
    }

    fn community_type(&mut self, table: Option<&Table>, has_vyhub: bool) -> Type {
        let usual = match has_vyhub {
            true => Type::Vyhub,
            false => Type::None,
        };
        let Some(table) = table else {
            return usual;
        };
        if table.is_absent("type") && !has_vyhub {
            let message = "has no type; write type = \"local\" to keep it in a database of yours, or \
                           type = \"vyhub\" and a [vyhub] table";
            self.missing(&table.place, message);
        }
        let (place, kind) = match table.text("type") {
            Some((place, "vyhub")) => (place, Type::Vyhub),
            Some((place, "local")) => (place, Type::Local),
            Some((place, "none")) => (place, Type::None),
            _ => return usual,
        };
        if kind == Type::Vyhub && !has_vyhub {
            let message = "\"vyhub\" needs a [vyhub] table with api_url and api_key_file; add that, or write \
                           \"local\" to keep the community in a database of yours";
            self.missing(place, message);
        }
        if let (Type::Vyhub | Type::None, Some(place)) = (kind, table.place("database")) {
            self.problem(place, "is of no use without type = \"local\"; take it out");
        }
        kind
    }

    /// Reports keys that stand in both tables.
    fn no_key_twice(&mut self, document: &DeTable<'_>) {
        let (Some(community), Some(vyhub)) =
            (inner(document, "community"), inner(document, "vyhub"))
        else {
            return;
        };
        for key in ABOUT_PLAYERS {
            if let (Some((first, _)), Some((second, _))) = (
                community.get_key_value(key.name),
                vyhub.get_key_value(key.name),
            ) {
                let first = self.place(&first.span(), key.name).line.unwrap_or_default();
                let place = self.place(&second.span(), &format!("vyhub.{}", key.name));
                let message =
                    format!("stands in [community], too, in line {first}; keep one of the two");
                self.problem(&place, message);
            }
        }
    }

    /// The community, and the VyHub beside it from which another one is only imported. `document`: the whole file.
    pub(super) fn community(
        &mut self,
        asked: &Asked,
        document: &DeTable<'_>,
        servers: &[Server],
        databases: &[Database],
    ) -> (Option<Community>, Option<Vyhub>) {
        let vyhub = asked.vyhub.as_ref();
        let mut vyhub = vyhub.map(|table| self.vyhub(table));
        let Some(table) = &asked.table else {
            return (None, None);
        };
        let backend = match asked.kind {
            Type::Vyhub => vyhub.take().map(Backend::Vyhub),
            Type::Local => {
                let usual = "the community is in";
                let database = self.database_of(table, databases, usual);
                database.map(Backend::Local)
            }
            Type::None => None,
        };
        self.warn_of_no_use(asked, table, servers);
        let admins_file = self.sourcemod(document);
        // It is read whatever keeps it, for what is wrong with it.
        let about_players = Community {
            backend: Backend::Local(0),
            head: asked.head,
            messages: self.messages(table, asked.kind == Type::Local),
            time_zone: self.time_zone(table),
            prefixes: self.prefixes(table, "command_prefixes"),
            advert_interval_s: table
                .integer("advert_interval_s")
                .unwrap_or(ADVERT_INTERVAL_S),
            advert_prefix: self.advert_prefix(table),
            groups: self.groups(document, admins_file.is_some()),
            admins_file,
            playtime: self.playtime(document),
            rewards: self.rewards(document),
        };
        let community = backend.map(|backend| Community {
            backend,
            ..about_players
        });
        (community, vyhub.filter(|_| asked.kind == Type::Local))
    }

    fn warn_of_no_use(&mut self, asked: &Asked, table: &Table, servers: &[Server]) {
        let is_of_none = servers.iter().all(|server| server.community_id.is_none());
        let vyhub = asked.vyhub.as_ref();
        match (asked.kind, vyhub) {
            (Type::Vyhub, Some(vyhub)) if is_of_none && self.report_missing => {
                let message = "serves no server: no [[server]] has a vyhub_server_id";
                self.warn(&vyhub.place, message);
            }
            (Type::Local, _) if is_of_none && self.report_missing => {
                let message = "serves no server: every [[server]] has community = false";
                self.warn(&table.place, message);
            }
            (Type::None, Some(vyhub)) => {
                let message = "is not used: [community] has type = \"none\"";
                self.warn(&vyhub.place, message);
            }
            _ => {}
        }
        if let (Type::Local, Some(place)) = (asked.kind, vyhub.and_then(|it| it.place("login"))) {
            let message = "has no effect: with type = \"local\" in [community], there is no page to log in to";
            self.warn(place, message);
        }
    }

    fn advert_prefix(&mut self, table: &Table) -> String {
        let Some((place, text)) = table.text("advert_prefix") else {
            return ADVERT_PREFIX.to_owned();
        };
        if text.chars().count() > ADVERT_PREFIX_CHARS_MAX || text.contains(char::is_control) {
            let message = format!(
                "must be at most {ADVERT_PREFIX_CHARS_MAX} characters, none of them a control \
                 character"
            );
            self.problem(place, message);
        }
        text.to_owned()
    }

    fn time_zone(&mut self, table: &Table) -> TimeZone {
        let Some((place, name)) = table.text("time_zone") else {
            return TimeZone::system();
        };
        // Every system knows this one, also without a database of zones.
        if name.eq_ignore_ascii_case("UTC") {
            return TimeZone::UTC;
        }
        TimeZone::get(name).unwrap_or_else(|_| {
            let message = format!(
                "{name:?} is no time zone that this system knows; write one such as \
                 \"Europe/Berlin\" or \"UTC\" (they come with the system's package tzdata)"
            );
            self.problem(place, message);
            TimeZone::UTC
        })
    }

    pub(super) fn prefixes(&mut self, table: &Table, name: &str) -> Vec<String> {
        let Some((place, list)) = table.texts(name) else {
            return PREFIXES.map(str::to_owned).to_vec();
        };
        if list.is_empty() || list.len() > PREFIXES_MAX {
            let message = format!(
                "has {} entries; 1 to {PREFIXES_MAX} can be there, such as [\"!\"]",
                list.len()
            );
            self.problem(place, message);
        }
        let mut prefixes: Vec<String> = Vec::new();
        for prefix in list {
            let text = &prefix.value;
            let strange = |sign: char| sign.is_whitespace() || sign.is_control() || sign == '"';
            let fits = (1..=PREFIX_CHARS_MAX).contains(&text.chars().count());
            if !fits || text.contains(strange) {
                let message = format!(
                    "{text:?} cannot begin a command; use 1 to {PREFIX_CHARS_MAX} signs without \
                     spaces, such as \"!\""
                );
                self.problem(&prefix.place, message);
            } else if !prefixes.contains(text) {
                prefixes.push(text.clone());
            }
        }
        prefixes
    }

    /// A table below `[community]` or `[vyhub]`, with what it is below of.
    pub(super) fn below_community<'t, 'i>(
        &mut self,
        document: &'t DeTable<'i>,
        name: &str,
        what: &str,
    ) -> Option<(Location, &'t DeTable<'i>)> {
        let of = ["community", "vyhub"];
        let mut of = of
            .into_iter()
            .filter_map(|of| Some((of, inner(document, of)?)));
        let (of, (key, value)) =
            of.find_map(|(of, table)| Some((of, table.get_key_value(name)?)))?;
        let place = self.place(&key.span(), &format!("{of}.{name}"));
        let table = self.table_of(&place, value, &what.replace("OF", of))?;
        Some((place, table))
    }
}

fn inner<'t, 'i>(document: &'t DeTable<'i>, name: &str) -> Option<&'t DeTable<'i>> {
    match document.get(name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}
