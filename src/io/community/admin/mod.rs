//! What operators do to a community on its database, whether a vpid runs or not: a file for each subject.
//!
//! A change is one transaction, which first counts its topics up in vpid_changes and then writes rows with the new
//! counter, as every vpid does; the vpids that wait for changes are woken after it. The ids of new rows are chosen
//! before the transaction, so that it can be repeated where it is not clear whether it was committed.

mod adverts;
mod bans;
mod groups;
mod members;
mod playtime;
mod rewards;
pub(super) mod rows;
mod servers;
mod users;
mod warnings;

use serde::Serialize;
use thiserror::Error;

use super::changes::{self, Topic};
use crate::config::Database;
use crate::io::random;
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::CANDIDATES_MAX;
use crate::protocol::look_alike::turns;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub use adverts::{Advert, AdvertEdit, NewAdvert};
pub use bans::{AddressBan, Ban, BanEdit, BanFilter, BanFound, NewBan, Terms};
pub use groups::{Group, GroupEdit};
pub use members::{Joined, Member, MemberFilter};
pub use playtime::{Day, Playtime};
pub use rewards::{NewReward, Reward, RewardEdit, event_name, event_of};
pub use servers::{Server, ServerEdit, ServerEdited};
pub use users::{Player, User, UserEdit, UserSummary, steam_id};
pub use warnings::Warning;

/// A community's database, for an operator.
pub struct Admin {
    pub(super) own: Own,
    database: Database,
}

/// Which part of a list is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub limit: usize,
    pub skip: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// How many follow.
    pub more: u64,
    /// Tables and first columns of the rows of this part that are not as vpid writes them.
    pub left_out: Vec<String>,
}

/// Why something was not done, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdminError {
    #[error("{0}")]
    Database(#[from] OwnError),
    #[error(
        "no player of the community is called {0:?}; use the SteamID ([U:1:22202], STEAM_0:0:11101 or \
         76561197960287930), or look with `vpid community user list`"
    )]
    NoPlayer(String),
    #[error("{text:?} may be any of these: {}; use the SteamID", candidates(.found))]
    SeveralPlayers { text: String, found: Vec<String> },
    #[error("there is no group {name:?}{}", others(.known))]
    NoGroup { name: String, known: Vec<String> },
    #[error("there is a group {0:?} already; `vpid community group edit` changes it")]
    GroupExists(String),
    #[error(
        "there is a group {0:?}, and the new name differs from that in capital letters alone; choose another name"
    )]
    GroupAlike(String),
    #[error("no {what} has an id that begins with {id}; `vpid community {what} list` shows them")]
    NoRecord { what: &'static str, id: String },
    #[error("more than one {what} has an id that begins with {id}; write more of it")]
    SeveralRecords { what: &'static str, id: String },
    #[error(
        "there is no server {name:?}{}; a server is there once its vpid has reported it",
        others(.known)
    )]
    NoServer { name: String, known: Vec<String> },
    #[error(
        "{who} is banned already, by the ban {id}; change that with `vpid community ban edit {id}`, or lift it first"
    )]
    AlreadyBanned { who: String, id: String },
    #[error("{0} is not banned")]
    NotBanned(String),
    #[error("{who} is in no group{}", of_name(.group))]
    NotMember { who: String, group: Option<String> },
    #[error("{what} is longer than {chars_max} characters; shorten it")]
    TooLong {
        what: &'static str,
        chars_max: usize,
    },
    #[error("{what} is empty")]
    Empty { what: &'static str },
    #[error("the name has a character that moves a cursor or turns the text around; leave it out")]
    OddName,
}

fn candidates(found: &[String]) -> String {
    let mut shown = found[..found.len().min(CANDIDATES_MAX)].join(", ");
    if found.len() > CANDIDATES_MAX {
        shown += ", \u{2026}";
    }
    shown
}

fn others(names: &[String]) -> String {
    match names {
        [] => "; there is none yet".to_owned(),
        names => format!("; there are {}", candidates(names)),
    }
}

fn of_name(name: &Option<String>) -> String {
    name.as_ref()
        .map_or_else(String::new, |name| format!(" {name:?}"))
}

/// A transaction that may still find that something is not to be done.
pub(super) type Found<T> = Result<Result<T, AdminError>, OwnError>;

impl Admin {
    /// # Errors
    ///
    /// See [`super::open`].
    pub fn open(database: &Database) -> Result<Self, AdminError> {
        Ok(Self {
            own: super::open(database)?,
            database: database.clone(),
        })
    }

    /// Runs a change, and wakes the vpids that wait for one of its topics. `work` gets the new counters in the
    /// order of `topics`, and may run more than once.
    fn change<T>(
        &mut self,
        topics: &[Topic],
        work: impl FnMut(&mut Own, &[i64]) -> Found<T>,
    ) -> Result<T, AdminError> {
        let done = self.change_quietly(topics, work)?;
        // Nobody waits for warnings.
        if topics.iter().any(|topic| *topic != Topic::Warnings) {
            self.announce();
        }
        Ok(done)
    }

    /// The same without waking anybody.
    pub(super) fn change_quietly<T>(
        &mut self,
        topics: &[Topic],
        mut work: impl FnMut(&mut Own, &[i64]) -> Found<T>,
    ) -> Result<T, AdminError> {
        debug_assert!(topics.is_sorted(), "all lock their rows in one order");
        let mut all = |own: &mut Own| {
            let counters = topics.iter().map(|topic| changes::count(own, *topic));
            let counters = counters.collect::<Result<Vec<_>, _>>()?;
            work(own, &counters)
        };
        let done = match self.own.transaction(&mut all) {
            // The ids of its rows are chosen, and what it sets is the same: it can be repeated.
            Err(OwnError::Unclear(_)) => {
                self.own = super::open(&self.database)?;
                self.own.transaction(&mut all)
            }
            done => done,
        };
        let done = done??;
        Ok(done)
    }

    /// Wakes the vpids that wait for changes.
    pub(super) fn announce(&mut self) {
        // One that cannot be woken looks by itself.
        if let Err(error) = changes::wake(&mut self.own) {
            log::debug!("the vpids that wait for changes are not woken: {error}");
        }
    }

    /// By the clock of the database.
    pub(super) fn now_us(&mut self) -> Result<i64, AdminError> {
        Ok(changes::clock_us(&mut self.own)?)
    }
}

/// Random, as version 4 of UUIDs has it.
fn new_id() -> Uuid {
    let mut random = random::bytes();
    let number = u128::from_be_bytes(std::array::from_fn(|_| random()));
    let version = 0x4 << 76;
    let variant = 0x2 << 62;
    Uuid(number & !(0xf << 76) & !(0x3 << 62) | version | variant)
}

/// A text that fits its column.
fn fitting(text: &str, what: &'static str, chars_max: usize) -> Result<(), AdminError> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err(AdminError::Empty { what }),
        count if count > chars_max => Err(AdminError::TooLong { what, chars_max }),
        _ => Ok(()),
    }
}

/// A name that fits its column, without blanks around it.
fn fitting_name(name: &str, chars_max: usize) -> Result<&str, AdminError> {
    let name = name.trim();
    fitting(name, "the name", chars_max)?;
    match name.contains(|c: char| c.is_control() || turns(c)) {
        true => Err(AdminError::OddName),
        false => Ok(name),
    }
}

/// The one of these records whose id begins so.
fn only<T>(mut found: Vec<T>, what: &'static str, id: &str) -> Result<T, AdminError> {
    let id = id.to_owned();
    match found.len() {
        0 => Err(AdminError::NoRecord { what, id }),
        1 => Ok(found.remove(0)),
        _ => Err(AdminError::SeveralRecords { what, id }),
    }
}

/// What `LIKE` compares ids with that begin so: see [`is_id`].
fn id_pattern(beginning: &str) -> Value {
    Value::Text(format!("{}%", beginning.to_ascii_lowercase()))
}

/// Whether a text can be an id or its beginning. Nothing else stands in a pattern of `LIKE`.
pub fn is_id(text: &str) -> bool {
    (1..=36).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What a player is called in lists: the name, and the SteamID where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issuer {
    pub steam: Option<SteamId>,
    pub name: String,
}
