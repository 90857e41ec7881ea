//! One change on its way to the backend, as it stands in its file. What depends on its kind is in `kinds`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::Now;
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The form of the files.
const VERSION: u64 = 1;

/// When it was accepted, in unix microseconds; never the same twice. It is also its file's name.
pub type EntryId = u64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    version: u64,
    pub id: EntryId,
    #[serde(flatten)]
    pub change: Change,
    /// Where it was made, in the backend's ids.
    pub server: Uuid,
    pub bundle: Uuid,
    /// Whom it is about.
    pub steam: SteamId,
    pub name: String,
    /// Who ordered it; `None`: the server itself.
    pub issuer: Option<Issuer>,
    pub created: Timestamp,
    /// The latest that it may have been ordered, by the backend's clock, unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_s: Option<i64>,
    /// The call that ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Origin>,
    pub state: State,
    pub tries: u32,
    /// When it is tried again, unix seconds; for people to read.
    pub next_s: i64,
    /// What was wrong the last time.
    pub problem: Option<String>,
    /// The earliest that it may have been sent first, by the backend's clock, unix seconds: what it made is
    /// not older.
    #[serde(default)]
    pub sent_s: Option<i64>,
    /// When the backend must have finished with the last try, by the clock of this machine, unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_s: Option<i64>,
    /// What it has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Uuid>,
    /// What others had made of the same player when it was sent: this is not it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Change {
    Ban {
        /// Seconds; `None`: permanent.
        length_s: Option<u64>,
        reason: String,
        /// False: it was lifted before it was sent. It is sent as lifted, so that it is known.
        standing: bool,
    },
    Unban,
    Warning {
        reason: String,
    },
    /// The player is in a group from now on; where the bundle has one group for each player, in no other.
    Membership {
        group: Uuid,
        /// As it was called.
        group_name: String,
        /// Seconds; `None`: without an end.
        length_s: Option<u64>,
    },
    /// The player is in a group no longer, or in none at all.
    #[serde(rename = "membership end")]
    MembershipEnd {
        group: Option<Uuid>,
        group_name: String,
    },
    Playtime(Playtime),
    /// An applied reward was executed on the entry's server.
    Reward {
        reward: Uuid,
    },
}

/// Time that a player was on, to be added to what the backend has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playtime {
    /// The attribute that it is added to.
    pub attribute: Uuid,
    /// A moment of the day on which it counts.
    pub date: Timestamp,
    /// The counter that it is of, and how far that was taken with it: see `community::playtime`.
    pub counter: u64,
    pub to_ms: u64,
    /// A multiple of [`limits::PLAYTIME_QUANTUM_MS`].
    pub ms: u64,
    /// Read before it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Total>,
}

/// What the backend had of a user's playtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    pub user: Uuid,
    /// As the backend writes it, in hours; `None`: it had none.
    pub hours: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    pub steam: SteamId,
    pub user: Uuid,
    pub name: String,
}

/// A call, by its file and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub file: u64,
    pub index: u32,
}

impl From<CallId> for Origin {
    fn from(call: CallId) -> Self {
        Self {
            file: call.number(),
            index: call.index,
        }
    }
}

impl From<Origin> for CallId {
    fn from(origin: Origin) -> Self {
        Self::of_number(origin.file, origin.index)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The backend has surely not carried it out.
    Waiting,
    /// It was sent, or may have been: it is looked for in the backend before it is sent again.
    Sending,
    /// The backend refuses vpid itself; the owner must do something.
    Held,
    /// A dead letter: it will not be sent any more, unless an operator says so.
    Dead,
    /// The backend has it. It is kept until what the backend lists has it too.
    Done,
}

/// Why a file is no entry.
#[derive(Debug)]
pub enum EntryError {
    NoJson(serde_json::Error),
    OtherVersion(u64),
    NoVersion,
    NotWhole(serde_json::Error),
    /// The id that it has inside.
    OtherName(EntryId),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(error) => write!(f, "it is no JSON ({error})"),
            Self::OtherVersion(other) => {
                write!(f, "it is of version {other}, this vpid knows {VERSION}")
            }
            Self::NoVersion => f.write_str("it has no version"),
            Self::NotWhole(error) => write!(f, "it is not whole ({error})"),
            Self::OtherName(id) => write!(f, "it says of itself that it is {id}"),
        }
    }
}

/// A change that is to become an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub change: Change,
    pub server: Uuid,
    pub bundle: Uuid,
    pub steam: SteamId,
    pub name: String,
    pub issuer: Option<Issuer>,
    pub call: Option<Origin>,
}

impl Entry {
    pub fn new(id: EntryId, created: Timestamp, new: NewEntry) -> Self {
        Self {
            version: VERSION,
            id,
            change: new.change,
            server: new.server,
            bundle: new.bundle,
            steam: new.steam,
            name: new.name,
            issuer: new.issuer,
            created,
            latest_s: None,
            call: new.call,
            state: State::Waiting,
            tries: 0,
            next_s: created.as_second(),
            problem: None,
            sent_s: None,
            settled_s: None,
            made: None,
            others: Vec::new(),
        }
    }

    pub fn parse(name: &str, text: &str) -> Result<Self, EntryError> {
        let value: Value = serde_json::from_str(text).map_err(EntryError::NoJson)?;
        match value["version"].as_u64() {
            Some(VERSION) => {}
            Some(other) => return Err(EntryError::OtherVersion(other)),
            None => return Err(EntryError::NoVersion),
        }
        let entry: Self = serde_json::from_value(value).map_err(EntryError::NotWhole)?;
        match name == entry.file() {
            true => Ok(entry),
            false => Err(EntryError::OtherName(entry.id)),
        }
    }

    /// For how long the backend may still be carrying it out, in milliseconds. A clock that was set makes it
    /// no longer.
    pub fn settles_ms(&self, now: Now) -> u64 {
        let left_s = match (self.state, self.settled_s) {
            (State::Sending, Some(settled_s)) => settled_s.saturating_sub(now.wall_s),
            (State::Sending, None) => limits::VYHUB_SETTLE_S,
            _ => 0,
        };
        left_s.clamp(0, limits::VYHUB_SETTLE_S) as u64 * 1_000
    }

    /// Its file's name, without the ending.
    pub fn file(&self) -> String {
        self.id.to_string()
    }

    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Whether it still has to be sent.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Sending | State::Held)
    }

    /// For a sentence: "the ban of Ann (76561…)".
    pub fn describe(&self) -> String {
        let name: String = self.name.chars().filter(|c| !c.is_control()).collect();
        format!("the {} of {name} ({})", self.change.kind(), self.steam)
    }
}
