//! One change on its way to the backend, as it stands in its file. What depends on its kind is in `kinds`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jobs::CallId;
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
    /// The call that ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Origin>,
    pub state: State,
    pub tries: u32,
    /// When it is tried again, unix seconds; for people to read.
    pub next_s: i64,
    /// What was wrong the last time.
    pub problem: Option<String>,
    /// The backend's clock when it was sent first, unix seconds: what it made is not older.
    #[serde(default)]
    pub sent_s: Option<i64>,
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
            call: new.call,
            state: State::Waiting,
            tries: 0,
            next_s: created.as_second(),
            problem: None,
            sent_s: None,
        }
    }

    /// Reads a file. The error is a sentence.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("it is no JSON ({error})"))?;
        match value["version"].as_u64() {
            Some(VERSION) => {}
            Some(other) => {
                return Err(format!(
                    "it is of version {other}, this vpid knows {VERSION}"
                ));
            }
            None => return Err("it has no version".into()),
        }
        let entry: Self =
            serde_json::from_value(value).map_err(|error| format!("it is not whole ({error})"))?;
        match name == entry.file() {
            true => Ok(entry),
            false => Err(format!("it says of itself that it is {}", entry.id)),
        }
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
