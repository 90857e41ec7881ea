//! What the community (users, bans, warnings, groups) is kept in, as the core speaks with it: requests,
//! replies and failures. VyHub's API carries them out (`protocol::vyhub`); nothing here knows a path, a
//! status code or a field of JSON.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::steam_id::SteamId;
use super::uuid::Uuid;

pub use super::ban_list::{BanList, Listed};

/// Most records on one page of a list.
pub const PAGE_SIZE: u64 = 100;

/// `issuer`: the user in whose name something is done; `None`: the server itself. Pages count from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    FindServer(Uuid),
    FindBundle(Uuid),
    FindFrontend,
    ReportState {
        server: Uuid,
        state: ServerState,
    },
    FindUser(SteamId),
    CreateUser(SteamId),
    GroupsOfUser {
        user: Uuid,
        bundle: Uuid,
    },
    PropertiesOfUser(Uuid),
    ListGroups,
    /// Of the user in this bundle.
    EndMemberships {
        user: Uuid,
        bundle: Uuid,
        issuer: Option<Uuid>,
    },
    CreateMembership {
        membership: NewMembership,
        issuer: Option<Uuid>,
    },
    /// All bans of a bundle that are in force.
    ListBans(Uuid),
    /// The newest first.
    BansOfUser {
        user: Uuid,
        bundle: Uuid,
        page: u64,
    },
    CreateBan {
        ban: NewBan,
        issuer: Option<Uuid>,
    },
    /// Of the user in this bundle, and no others.
    EndBans {
        user: Uuid,
        bundle: Uuid,
        issuer: Option<Uuid>,
    },
    /// The newest first.
    WarningsOfUser {
        user: Uuid,
        bundle: Uuid,
        page: u64,
    },
    CreateWarning {
        warning: NewWarning,
        issuer: Option<Uuid>,
    },
    /// Those of a bundle that are to be shown, in their order.
    ListAdverts(Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    pub user: Uuid,
    pub bundle: Uuid,
    /// Seconds; `None`: permanent.
    pub length_s: Option<u64>,
    pub reason: String,
    pub created: Timestamp,
    /// False: it was lifted before it could be sent.
    pub standing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMembership {
    pub user: Uuid,
    pub bundle: Uuid,
    pub group: Uuid,
    pub begin: Timestamp,
    /// `None`: without an end.
    pub end: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWarning {
    pub user: Uuid,
    pub bundle: Uuid,
    pub reason: String,
}

/// The state of a game server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerState {
    pub users_max: i64,
    pub users_current: usize,
    pub map: String,
    pub is_alive: bool,
    /// Users with what is known of each.
    pub activities: Vec<(Uuid, Map<String, Value>)>,
}

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
    Adverts(Vec<Advert>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub id: Uuid,
    pub name: String,
    /// Such as `SOURCE`; empty where it is not known.
    #[serde(default)]
    pub kind: String,
    pub bundle: Option<Uuid>,
    /// Options of the owner's, by their names.
    pub extra: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    pub id: Uuid,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub steam: SteamId,
    pub username: Option<String>,
    pub admin: bool,
}

/// A group, as far as rights follow from it.
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub name: String,
    pub granted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ban {
    pub id: Uuid,
    pub reason: Option<String>,
    /// Seconds; `None`: permanent.
    pub length_s: Option<i64>,
    pub created: Timestamp,
    pub ends: Option<Timestamp>,
    pub creator: Option<Uuid>,
    pub creator_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    pub id: Uuid,
    pub reason: Option<String>,
    pub created: Timestamp,
    pub creator: Option<Uuid>,
    pub creator_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advert {
    /// One or more lines.
    pub content: String,
    /// `RRGGBB`.
    pub colour: String,
}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

impl<T> Page<T> {
    /// Whether another one follows page `number`.
    pub fn has_next(&self, number: u64) -> bool {
        !self.items.is_empty() && number * PAGE_SIZE < self.total
    }
}

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// What happened, for a sentence.
    pub why: String,
    /// How long it is to be left alone at least, in seconds.
    pub retry_after_s: u64,
    /// The backend itself has replied, and is able to work.
    pub reachable: bool,
}

/// What a failure says about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Surely not carried out, and no other request would be now.
    Unreachable,
    /// It may have been carried out. Other requests would fare no better now.
    Unclear,
    /// It may have been carried out. Other requests may work.
    Broken,
    /// Surely not carried out; it is to be sent again later.
    TooEarly,
    /// The backend does not accept vpid itself.
    Unauthorized,
    /// The issuer has no right to this, or vpid has none to act for others.
    Forbidden,
    /// The backend does not know the user, or something else that it is about.
    NotFound,
    /// It will never be accepted.
    Invalid,
}

impl Failure {
    /// A reply that cannot be understood.
    pub fn unclear(why: &str) -> Self {
        Self {
            kind: FailureKind::Unclear,
            why: why.into(),
            retry_after_s: 0,
            reachable: false,
        }
    }

    pub fn is_unclear(&self) -> bool {
        matches!(self.kind, FailureKind::Unclear | FailureKind::Broken)
    }

    /// Whether the trouble is not about this request alone.
    pub fn is_general(&self) -> bool {
        matches!(self.kind, FailureKind::Unreachable | FailureKind::Unclear)
    }

    /// Whether the backend refuses vpid or an issuer.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Unauthorized | FailureKind::Forbidden
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// The result of a request. `F`: how a backend itself says that it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<F = Failure> {
    pub result: Result<Reply, F>,
    /// The backend's clock when it replied, unix seconds.
    pub api_s: Option<i64>,
}

/// A request on its way. `R`: as a backend itself is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct Job<R = Request> {
    pub ticket: u64,
    pub request: R,
    /// For all of it, in milliseconds.
    pub patience_ms: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Done<F = Failure> {
    pub ticket: u64,
    pub outcome: Outcome<F>,
}
