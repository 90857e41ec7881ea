//! VyHub's API: requests, and what it answers.
//!
//! Shapes are those of VyHub's own API definition; where the written guideline differs, the
//! definition wins. Readers are tolerant of what they do not need: unknown and missing fields,
//! nulls, dates with and without microseconds.

mod bans;
mod read;
mod request;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub use bans::{BanList, Listed};
pub use read::{detail, reply};
pub use request::{NewBan, NewMembership, NewWarning, PAGE_SIZE, ServerState};

/// One request. Made by the functions in `request`, each with its own shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    /// Below the API's address, with its query: `/ban/?morph_user_id=...`.
    pub path: String,
    pub body: Option<Value>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

/// What a good answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Its status says all.
    Nothing,
    Server,
    Bundle,
    User,
    Groups,
    Properties,
    /// The active bans of a bundle; read as it comes, since it can be large.
    BanList,
    Ban,
    Bans,
    Warning,
    Warnings,
    FrontendUrl,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Nothing,
    Server(Server),
    Bundle(Bundle),
    User(User),
    Groups(Vec<Group>),
    Properties(Vec<Property>),
    BanList(Arc<BanList>),
    Ban(Ban),
    Bans(Page<Ban>),
    Warning(Warning),
    Warnings(Page<Warning>),
    FrontendUrl(String),
}

/// Any other outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Surely not carried out: no address, no connection, no TLS. A sentence.
    Unreachable(String),
    /// It may have been carried out: the connection broke, time was over, or the answer cannot be
    /// understood. A sentence.
    Unclear(String),
    /// An answer with another status than 2xx.
    Status {
        code: u16,
        /// What `Retry-After` asks for, in seconds.
        retry_after_s: Option<u64>,
        /// VyHub's own words; `None`: it was not VyHub who answered (a proxy's page).
        detail: Option<String>,
    },
}

/// What happened, for a sentence.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Unclear(why) => f.write_str(why),
            Self::Status { code, detail, .. } => match detail {
                Some(detail) => write!(f, "VyHub answered {code}: {detail}"),
                None => write!(f, "the answer was {code}, and not in VyHub's words"),
            },
        }
    }
}

impl Failure {
    /// How long VyHub wants to be left alone, within bounds; 0: it does not say.
    pub fn retry_after_s(&self) -> u64 {
        match self {
            Self::Status {
                retry_after_s: Some(after_s),
                ..
            } => (*after_s).min(limits::RETRY_AFTER_S_MAX),
            _ => 0,
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub result: Result<Reply, Failure>,
    /// The API's clock when it answered, unix seconds.
    pub api_s: Option<i64>,
}

/// `ServerModel`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub id: Uuid,
    pub name: String,
    /// `ServerType`, such as `SOURCE`; empty where it was not told.
    #[serde(default)]
    pub kind: String,
    pub bundle: Option<Uuid>,
    /// Options of the owner's, by their names.
    pub extra: Value,
}

/// `ServerbundleModel`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    pub id: Uuid,
    pub name: String,
}

/// `UserModel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub steam: SteamId,
    pub username: Option<String>,
    pub admin: bool,
}

/// `GroupModel`, as far as rights follow from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: Uuid,
    pub name: String,
    pub permission_level: i64,
    /// Properties that it grants or denies, by name.
    pub properties: Vec<Property>,
    /// Longest ban in seconds; `None`: no bound.
    pub max_ban_s: Option<i64>,
}

/// `UserPropertyModel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub name: String,
    pub granted: bool,
}

/// `BanModel`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ban {
    pub id: Uuid,
    pub reason: Option<String>,
    /// Seconds; `None`: permanent.
    pub length_s: Option<i64>,
    pub created: Timestamp,
    pub ends: Option<Timestamp>,
    /// Not lifted by anybody.
    pub standing: bool,
    /// In force at the moment of the answer.
    pub active: bool,
    pub creator: Option<Uuid>,
    pub creator_name: Option<String>,
    /// `None`: everywhere.
    pub bundle: Option<Uuid>,
}

/// `WarningModel`.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    pub id: Uuid,
    pub reason: Option<String>,
    pub created: Timestamp,
    pub active: bool,
    pub disabled: bool,
    pub creator: Option<Uuid>,
    pub creator_name: Option<String>,
    pub bundle: Option<Uuid>,
}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A request for the lane that speaks with VyHub.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub ticket: u64,
    pub request: Request,
    /// For all of it, in milliseconds.
    pub patience_ms: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub ticket: u64,
    pub outcome: Outcome,
}
