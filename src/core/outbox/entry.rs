//! One change on its way to the backend, as it stands in its file. What depends on its kind is in `kinds`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::Now;
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::address_range::AddressRange;
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
    #[serde(flatten)]
    pub whom: Whom,
    /// Of the player, or of the one whose address it was; else what stands for the addresses.
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
    /// What others had made of the same player when it was sent: this is not it. Of an unban or an end of
    /// memberships: what was there when it was ordered, as far as that was known.
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
    /// All who come from the entry's addresses are banned.
    #[serde(rename = "address ban")]
    AddressBan {
        /// Seconds; `None`: permanent.
        length_s: Option<u64>,
        reason: String,
        /// As for a ban.
        standing: bool,
    },
    #[serde(rename = "address unban")]
    AddressUnban,
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

impl Change {
    /// About addresses, and not about a player.
    pub fn is_about_addresses(&self) -> bool {
        matches!(self, Self::AddressBan { .. } | Self::AddressUnban)
    }
}

/// Whom an entry is about. In its file stands `steam` or `range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Whom {
    Player { steam: SteamId },
    Addresses { range: AddressRange },
}

impl Whom {
    pub fn steam(self) -> Option<SteamId> {
        match self {
            Self::Player { steam } => Some(steam),
            Self::Addresses { .. } => None,
        }
    }

    pub fn range(self) -> Option<AddressRange> {
        match self {
            Self::Addresses { range } => Some(range),
            Self::Player { .. } => None,
        }
    }
}

impl From<SteamId> for Whom {
    fn from(steam: SteamId) -> Self {
        Self::Player { steam }
    }
}

impl From<AddressRange> for Whom {
    fn from(range: AddressRange) -> Self {
        Self::Addresses { range }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Player { steam } => steam.fmt(f),
            Self::Addresses { range } => range.fmt(f),
        }
    }
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
    /// It is about a player in the place of addresses, or the reverse.
    OtherWhom(&'static str, Whom),
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
            Self::OtherWhom(kind, whom) => {
                write!(f, "{whom} can have no change of the kind {kind}")
            }
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
    pub whom: Whom,
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
            whom: new.whom,
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
        if entry.change.is_about_addresses() != entry.whom.range().is_some() {
            return Err(EntryError::OtherWhom(entry.change.kind(), entry.whom));
        }
        match name == entry.file() {
            true => Ok(entry),
            false => Err(EntryError::OtherName(entry.id)),
        }
    }

    /// As it is restored from a backup: the vpid that it is of may have sent it after that, the last time just before
    /// this moment, in unix seconds. What can be found in the backend is looked for there before it is sent again.
    pub fn of_backup(mut self, now_s: i64) -> Self {
        let is_unsent = matches!(self.state, State::Waiting | State::Held);
        let can_be_found = matches!(
            self.change,
            Change::Ban { .. } | Change::Warning { .. } | Change::Membership { .. }
        );
        if is_unsent && can_be_found {
            self.state = State::Sending;
            self.sent_s.get_or_insert(self.created.as_second());
            self.settled_s = Some(now_s + limits::VYHUB_SETTLE_S);
        }
        self
    }

    /// Whether one of a backup is added once more, if it was sent after that: nothing in the backend shows it.
    pub fn may_count_twice(&self) -> bool {
        matches!(&self.change, Change::Playtime(playtime) if playtime.before.is_none())
            && self.is_open()
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

    /// What the player is called; none where only the SteamID was known.
    pub fn player_name(&self) -> Option<String> {
        let steam = self.whom.steam()?;
        (self.name != steam.steam3()).then(|| self.name.clone())
    }

    /// For a sentence: "the ban of Ann (76561…)".
    pub fn describe(&self) -> String {
        let name: String = self.name.chars().filter(|c| !c.is_control()).collect();
        format!("the {} of {name} ({})", self.change.kind(), self.whom)
    }
}
