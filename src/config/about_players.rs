//! What `[community]`, `[vyhub]` and `[[server]]` share: the keys about players, and what is asked for.

use super::key::{InForce, Key, Kind, Usual, key, text};
use super::reader::Table;
use crate::limits::ADVERT_INTERVAL_S_MAX;

/// Keys that hold for every type. They can also stand in `[vyhub]`.
pub const ABOUT_PLAYERS: &[Key] = &[
    text(
        "language",
        "The language of texts for players: \"en\" and \"de\" are built in. `messages/LANGUAGE.json` beside the \
         configuration changes single texts of these, or adds another language. Letters, digits, `_` and `-`, at \
         most 32.",
    )
    .default(Usual::Text("en"))
    .variables(&["VPID_COMMUNITY_LANGUAGE", "VPID_VYHUB_LANGUAGE"])
    .in_force(InForce::WithNextStart),
    text(
        "messages",
        "The folder with [files of texts](vyhub.md#languages). Not inside scriptdata.",
    ).variables(&["VPID_COMMUNITY_MESSAGES"])
    .default(Usual::Text("messages")),
    text("time_zone", "The time zone in which players read dates.").variables(&["VPID_COMMUNITY_TIME_ZONE"])
        .default(Usual::Words("that of the system"))
        .example("\"Europe/Berlin\"")
        .in_force(InForce::WithNextStart),
    key("command_prefixes", PREFIX_LIST, PREFIXES_DOC).variables(&["VPID_COMMUNITY_COMMAND_PREFIXES"])
        .default(Usual::Words(PREFIXES_DEFAULT))
        .example(PREFIXES_EXAMPLE)
        .in_force(InForce::WithNextStart),
    key(
        "advert_interval_s",
        Kind::Integer(0, ADVERT_INTERVAL_S_MAX as i64, "seconds"),
        "The pause from one [advert](vyhub.md#adverts) to the next. 0: none are shown.",
    ).variables(&["VPID_COMMUNITY_ADVERT_INTERVAL_S"])
    .default(Usual::Number(ADVERT_INTERVAL_S as i64))
    .in_force(InForce::WithNextStart),
    text(
        "advert_prefix",
        "The beginning of each line of an advert, at most 32 characters.",
    ).variables(&["VPID_COMMUNITY_ADVERT_PREFIX"])
    .default(Usual::Text(ADVERT_PREFIX))
    .in_force(InForce::WithNextStart),
    // Tables of their own.
    key("groups", Kind::Own, "").in_force(InForce::WithNextStart),
    key("sourcemod", Kind::Own, "").in_force(InForce::WithNextStart),
    key("playtime", Kind::Own, ""),
    key("rewards", Kind::Own, ""),
];

/// What begins a command in chat, also in `[scripts]`.
pub const PREFIX_LIST: Kind = Kind::Texts("!");
pub const PREFIXES_DOC: &str =
    "The prefixes of commands in chat: 1 to 8, each of 1 to 8 characters without spaces.";
pub const PREFIXES_DEFAULT: &str = "`[\"!\", \"/\"]`";
pub const PREFIXES_EXAMPLE: &str = "[\"!\", \"/\"]";
pub const PREFIXES: [&str; 2] = ["!", "/"];

pub const ADVERT_INTERVAL_S: u64 = 180;
pub const ADVERT_PREFIX: &str = "[\u{2605}] ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Vyhub,
    Local,
    None,
}

/// What the file and the environment say of a community, as far as servers depend on it.
pub struct Asked {
    pub kind: Type,
    /// There is a `[vyhub]`, good or not.
    pub has_vyhub: bool,
    /// `[community]`, with the keys of `[vyhub]` that can stand here; none: neither is there.
    pub table: Option<Table>,
    pub vyhub: Option<Table>,
    pub head: &'static str,
}
