//! What the community (users, bans, warnings, groups) is kept in, as the core speaks with it: requests,
//! replies and failures. VyHub's API carries them out (`protocol::vyhub`), or tables of a database
//! (`io::community`); nothing here knows a path, a status code, a field of JSON or a statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address_range::AddressRange;
use super::call_error::CallError;
use super::steam_id::SteamId;
use super::uuid::Uuid;

pub use super::ban_list::{BanList, Listed};

/// What keeps a community, as sentences call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    Vyhub,
    Database,
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vyhub => "VyHub",
            Self::Database => "the community's database",
        })
    }
}

impl Keeper {
    /// Names of folders of the state folder: what waits to be sent, what was replied, and what was done with
    /// rewards. Each keeper has its own, so that what was meant for one never goes to another.
    pub fn folders(self) -> [&'static str; 3] {
        match self {
            Self::Vyhub => ["outbox", "vyhub", "rewards"],
            Self::Database => ["community-outbox", "community", "community-rewards"],
        }
    }

    /// Whether it knows by the id of a change that an addition was made before. Then nothing has to be read before, and
    /// many can be sent at once.
    pub fn knows_additions(self) -> bool {
        match self {
            Self::Vyhub => false,
            Self::Database => true,
        }
    }

    /// The error of a call that it would have to answer.
    pub fn unavailable(self, why: impl fmt::Display) -> CallError {
        let class = match self {
            Self::Vyhub => "VyHubUnavailable",
            Self::Database => "CommunityUnavailable",
        };
        CallError::new(class, why.to_string())
    }
}

/// The attribute for the time that players were on.
pub const PLAYTIME: &str = "playtime";

/// Names of properties of groups, from which rights follow.
pub const BAN_EDIT: &str = "ban_edit";
pub const WARNING_EDIT: &str = "warning_edit";
/// VyHub's own pages ask for it where memberships are changed.
pub const USER_EDIT: &str = "user_edit";

/// Most records on one page of a list.
pub const PAGE_SIZE: u64 = 100;

/// `issuer`: the user in whose name something is done; `None`: the server itself. Pages count from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    FindServer(Uuid),
    FindBundle(Uuid),
    FindLinks,
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
    /// All bans of a bundle that are in force. `newest`: also those that others have ordered a moment ago, which a
    /// database is otherwise asked for now and then.
    ListBans {
        bundle: Uuid,
        newest: bool,
    },
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
    EndBan {
        ban: Uuid,
        issuer: Option<Uuid>,
    },
    /// Of the user in this bundle, and no others.
    EndBans {
        user: Uuid,
        bundle: Uuid,
        issuer: Option<Uuid>,
    },
    /// All bans of addresses in a bundle that are in force. `newest`: as above.
    ListAddressBans {
        bundle: Uuid,
        newest: bool,
    },
    CreateAddressBan {
        ban: NewAddressBan,
        issuer: Option<Uuid>,
    },
    /// Of exactly this range in this bundle, as far as they were created until then.
    EndAddressBans {
        range: AddressRange,
        until: Timestamp,
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
    /// The memberships of all users who are on a server, by the last report of its state.
    ListActivity {
        server: Uuid,
    },
    /// Of the user in this bundle.
    ListMemberships {
        user: Uuid,
        bundle: Uuid,
    },
    EndMembership {
        membership: Uuid,
        issuer: Option<Uuid>,
    },
    /// Of the user in this group of this bundle.
    EndMembershipsOfGroup {
        user: Uuid,
        bundle: Uuid,
        group: Uuid,
        issuer: Option<Uuid>,
    },
    /// An attribute that users can have, by its name.
    FindAttribute(&'static str),
    CreateAttribute(NewAttribute),
    /// Adds to what a user has of an attribute in a bundle.
    AddToAttribute(Addition),
    /// The same for many at once, all or none of them; of those that were made before, nothing. For keepers that
    /// [know a repetition](Keeper::knows_additions).
    AddAllToAttribute(Vec<Addition>),
    /// What a user has of each attribute in a bundle.
    AttributesOfUser {
        user: Uuid,
        bundle: Uuid,
    },
    /// Applied rewards of these users that a server of this bundle must execute; at most
    /// [`limits::REWARD_USERS_MAX`](crate::limits::REWARD_USERS_MAX) users.
    ListRewards {
        server: Uuid,
        bundle: Uuid,
        users: Vec<Uuid>,
    },
    /// An applied reward was executed on a server.
    ReportReward {
        reward: Uuid,
        server: Uuid,
        /// Whose it is.
        steam: SteamId,
    },
    /// Confirms that a browser with this code is that of a player.
    ConfirmLogin {
        code: Uuid,
        steam: SteamId,
    },
}

/// How urgent a request is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A change, and what the issuer of an order waits for.
    Order,
    /// What is requested again and again anyway.
    Poll,
    User,
    Background,
}

impl Request {
    pub const CREATE_BAN: &str = "creating bans";
    pub const END_BANS: &str = "ending bans";
    pub const CREATE_ADDRESS_BAN: &str = "creating bans of addresses";
    pub const END_ADDRESS_BANS: &str = "ending bans of addresses";
    pub const CREATE_WARNING: &str = "creating warnings";
    pub const END_MEMBERSHIPS: &str = "ending memberships";
    pub const CREATE_MEMBERSHIP: &str = "creating memberships";
    pub const ADD_TO_ATTRIBUTE: &str = "adding to attributes";
    pub const REPORT_REWARD: &str = "reporting rewards";

    /// What it does, for sentences; requests of one kind have the same.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FindServer(_) => "finding the server",
            Self::FindBundle(_) => "finding the bundle",
            Self::FindLinks => "finding its pages",
            Self::ReportState { .. } => "reporting the state",
            Self::FindUser(_) => "finding users",
            Self::CreateUser(_) => "creating users",
            Self::GroupsOfUser { .. } => "listing groups of users",
            Self::ListGroups => "listing groups",
            Self::EndMemberships { .. }
            | Self::EndMembership { .. }
            | Self::EndMembershipsOfGroup { .. } => Self::END_MEMBERSHIPS,
            Self::CreateMembership { .. } => Self::CREATE_MEMBERSHIP,
            Self::ListBans { .. } => "listing bans",
            Self::BansOfUser { .. } => "listing bans of users",
            Self::CreateBan { .. } => Self::CREATE_BAN,
            Self::EndBan { .. } | Self::EndBans { .. } => Self::END_BANS,
            Self::ListAddressBans { .. } => "listing bans of addresses",
            Self::CreateAddressBan { .. } => Self::CREATE_ADDRESS_BAN,
            Self::EndAddressBans { .. } => Self::END_ADDRESS_BANS,
            Self::WarningsOfUser { .. } => "listing warnings of users",
            Self::CreateWarning { .. } => Self::CREATE_WARNING,
            Self::ListAdverts(_) => "listing adverts",
            Self::ListActivity { .. } => "listing who is on",
            Self::ListMemberships { .. } => "listing memberships of users",
            Self::FindAttribute(_) => "finding attributes",
            Self::CreateAttribute(_) => "creating attributes",
            Self::AddToAttribute(_) | Self::AddAllToAttribute(_) => Self::ADD_TO_ATTRIBUTE,
            Self::AttributesOfUser { .. } => "listing attributes of users",
            Self::ListRewards { .. } => "listing rewards",
            Self::ReportReward { .. } => Self::REPORT_REWARD,
            Self::ConfirmLogin { .. } => "confirming logins",
        }
    }

    /// The bundle of what it is about.
    pub fn bundle(&self) -> Option<Uuid> {
        match self {
            Self::GroupsOfUser { bundle, .. }
            | Self::ListBans { bundle, .. }
            | Self::BansOfUser { bundle, .. }
            | Self::WarningsOfUser { bundle, .. }
            | Self::ListMemberships { bundle, .. }
            | Self::AttributesOfUser { bundle, .. }
            | Self::ListRewards { bundle, .. }
            | Self::ListAddressBans { bundle, .. }
            | Self::EndAddressBans { bundle, .. }
            | Self::ListAdverts(bundle) => Some(*bundle),
            _ => None,
        }
    }

    /// In whose name it is, where that is not vpid's own.
    pub fn issuer(&self) -> Option<Uuid> {
        match self {
            Self::EndMemberships { issuer, .. }
            | Self::EndMembership { issuer, .. }
            | Self::EndMembershipsOfGroup { issuer, .. }
            | Self::CreateMembership { issuer, .. }
            | Self::CreateBan { issuer, .. }
            | Self::EndBan { issuer, .. }
            | Self::EndBans { issuer, .. }
            | Self::CreateAddressBan { issuer, .. }
            | Self::EndAddressBans { issuer, .. }
            | Self::CreateWarning { issuer, .. } => *issuer,
            _ => None,
        }
    }

    pub fn urgency(&self) -> Urgency {
        match self {
            Self::FindServer(_)
            | Self::FindBundle(_)
            | Self::FindLinks
            | Self::ReportState { .. }
            | Self::ListActivity { .. }
            | Self::ListRewards { .. }
            | Self::ListBans { .. }
            | Self::ListAddressBans { .. } => Urgency::Poll,
            Self::FindUser(_) | Self::CreateUser(_) => Urgency::User,
            Self::GroupsOfUser { .. }
            | Self::ListAdverts(_)
            | Self::FindAttribute(_)
            | Self::CreateAttribute(_)
            | Self::AddToAttribute(_)
            | Self::AddAllToAttribute(_)
            | Self::AttributesOfUser { .. } => Urgency::Background,
            _ => Urgency::Order,
        }
    }
}

/// Of a change in the outbox, never the same twice in one vpid: a backend that keeps it carries no change out twice.
pub type ChangeId = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    pub change: ChangeId,
    pub user: Uuid,
    /// What the player is called, for a backend that does not know it yet.
    pub name: Option<String>,
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
    pub change: ChangeId,
    pub user: Uuid,
    pub bundle: Uuid,
    pub group: Uuid,
    pub begin: Timestamp,
    /// `None`: without an end.
    pub end: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAddressBan {
    pub change: ChangeId,
    pub range: AddressRange,
    pub bundle: Uuid,
    /// Seconds; `None`: permanent.
    pub length_s: Option<u64>,
    pub reason: String,
    pub created: Timestamp,
    /// False: it was lifted before it could be sent.
    pub standing: bool,
}

/// An attribute whose additions are summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttribute {
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    pub change: ChangeId,
    pub attribute: Uuid,
    pub user: Uuid,
    pub bundle: Uuid,
    /// A decimal number, in the unit of the attribute.
    pub value: String,
    /// The day on which it counts.
    pub date: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWarning {
    pub change: ChangeId,
    pub user: Uuid,
    /// As that of a [`NewBan`].
    pub name: Option<String>,
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
    Groups(Listing<Group>),
    BanList(Arc<BanList>),
    Ban(Ban),
    Bans(Page<Ban>),
    /// Bans or warnings of all users; only imports request them.
    Past(Page<Past>),
    AddressBan(AddressBan),
    AddressBans(Listing<AddressBan>),
    Warning(Warning),
    Warnings(Page<Warning>),
    Links(Links),
    Adverts(Listing<Advert>),
    Activity(Listing<Activity>),
    Membership(Membership),
    Memberships(Listing<Membership>),
    Attribute(Attribute),
    /// By the names of attributes.
    Attributes(BTreeMap<String, String>),
    Rewards(RewardList),
}

impl Reply {
    /// How many records could not be read and are left out.
    pub fn skipped(&self) -> usize {
        match self {
            Self::Groups(groups) => groups.skipped,
            Self::BanList(list) => list.skipped(),
            Self::Bans(page) => page.skipped.len(),
            Self::Past(page) => page.skipped.len(),
            Self::AddressBans(bans) => bans.skipped,
            Self::Warnings(page) => page.skipped.len(),
            Self::Adverts(adverts) => adverts.skipped,
            Self::Activity(activity) => activity.skipped,
            Self::Memberships(memberships) => memberships.skipped,
            Self::Rewards(rewards) => rewards.unread.len(),
            _ => 0,
        }
    }
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
    /// A player can be in several groups at once.
    #[serde(default)]
    pub multigroup: bool,
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
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

/// What a group is called in games.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub name: String,
    /// `None`: in every bundle.
    pub bundle: Option<Uuid>,
}

/// A user is in a group of a bundle for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub id: Uuid,
    pub user: Uuid,
    pub group: Uuid,
    pub bundle: Uuid,
    pub begin: Timestamp,
    /// `None`: without an end.
    pub end: Option<Timestamp>,
    /// As the backend has it; `None`: it does not say.
    pub active: Option<bool>,
}

/// A user who is on a server, with all memberships, warnings and bans that the backend gives out about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub user: Uuid,
    pub steam: SteamId,
    pub username: Option<String>,
    pub memberships: Vec<Membership>,
    /// How many that count.
    pub warnings: usize,
    pub bans: usize,
}

/// An attribute that users can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    pub id: Uuid,
    pub name: String,
    /// Additions are summed up; else the newest counts.
    pub accumulated: bool,
}

/// A reward that was applied to a user and must be executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reward {
    /// Of the applied one.
    pub id: Uuid,
    /// Of the reward of the packet.
    pub of: Uuid,
    pub name: String,
    pub steam: SteamId,
    pub user: Uuid,
    pub action: Action,
    pub on: RewardEvent,
    /// By which those of one user are executed one after the other.
    pub order: f64,
    pub once: bool,
    /// Once on all servers together.
    pub once_from_all: bool,
    /// Executed again where the packet was extended.
    pub reactivates: bool,
    /// False: the user does not fulfil what it requires.
    pub is_fulfilled: bool,
    pub applied_packet: Uuid,
    pub packet_title: String,
    /// Such as "5.00 EUR"; `None`: it was not bought.
    pub amount: Option<String>,
    /// Servers on which it was executed.
    pub executed_on: Vec<Uuid>,
}

/// What a reward does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A command of the console.
    Command(String),
    /// Code in the language of the game's scripts.
    Script(String),
    /// Of another kind, by its name.
    Other(String),
}

/// When a reward is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RewardEvent {
    Direct,
    Connect,
    Spawn,
    Death,
    Disconnect,
    Disable,
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
    /// `None`: of all bundles.
    pub bundle: Option<Uuid>,
    /// It has neither ended nor been lifted; `None`: the backend does not say.
    pub active: Option<bool>,
}

/// A ban or a warning, in force or not, with whom it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub id: Uuid,
    pub user: Person,
    pub creator: Option<Person>,
    pub reason: String,
    pub created: Timestamp,
    /// Of a ban, in seconds; `None`: permanent.
    pub length_s: Option<i64>,
    pub ends: Option<Timestamp>,
    /// It was not lifted or withdrawn; it may be over.
    pub stands: bool,
}

/// A user as records name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: Uuid,
    /// `None`: no player on Steam.
    pub steam: Option<SteamId>,
    pub name: String,
}

/// A ban of all players who come from certain addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBan {
    pub id: Uuid,
    pub range: AddressRange,
    pub reason: String,
    pub created: Timestamp,
    /// `None`: permanent.
    pub ends: Option<Timestamp>,
    pub creator: Option<Uuid>,
    /// Empty: not known, or the server itself.
    pub creator_name: String,
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

/// Where players find the backend's pages: addresses in which `{id}` stands for an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links(BTreeMap<WebPage, String>);

/// A page for players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebPage {
    Bans,
    /// Of one ban.
    Ban,
    /// Of one server.
    Dashboard,
    News,
    Shop,
    /// Of one user.
    User,
    Warnings,
}

impl Links {
    const ID: &str = "{id}";

    pub fn new(pages: impl IntoIterator<Item = (WebPage, String)>) -> Self {
        Self(pages.into_iter().collect())
    }

    /// Of a ban; `None`: of all bans.
    pub fn ban(&self, id: Option<Uuid>) -> String {
        let page = id.map_or(WebPage::Bans, |_| WebPage::Ban);
        self.page(page, id).unwrap_or_default()
    }

    /// `None`: it is not known where this page is.
    pub fn page(&self, page: WebPage, id: Option<Uuid>) -> Option<String> {
        let address = self.0.get(&page)?;
        Some(match id {
            Some(id) => address.replace(Self::ID, &id.to_string()),
            None => address.clone(),
        })
    }
}

/// A list of which records that cannot be read are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// How many were left out.
    pub skipped: usize,
}

/// Rewards of some players.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RewardList {
    pub items: Vec<Reward>,
    /// What was left out since it cannot be read, or is too much: whose it is, and its id where that can be read.
    pub unread: BTreeSet<(SteamId, Option<Uuid>)>,
}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Records of this page that cannot be read and are left out: when each was created, as far as it says.
    pub skipped: Vec<Option<Timestamp>>,
    /// How many there are on all pages.
    pub total: u64,
}

impl<T> Page<T> {
    /// Whether another one follows page `number`.
    pub fn has_next(&self, number: u64) -> bool {
        self.items.len() + self.skipped.len() > 0 && number * PAGE_SIZE < self.total
    }
}

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// What happened, for a sentence.
    pub why: String,
    /// How long the backend wants to be left alone, in seconds.
    pub retry_after_s: u64,
    /// The backend itself has replied, and is able to work.
    pub reachable: bool,
    /// The backend may still be carrying it out.
    pub under_way: bool,
}

/// What a failure says about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Surely not carried out: there is no connection, so no other request would fare better.
    Unreachable,
    /// Surely not carried out: it was not sent, since its turn did not come in time.
    Unsent,
    /// Surely not carried out: something between here and the backend has replied.
    Foreign,
    /// Surely not carried out: the backend wants fewer requests, of any kind.
    Busy,
    /// Surely not carried out; it is to be sent again later.
    TooEarly,
    /// It may have been carried out: there is no reply, or none that can be understood.
    Unclear,
    /// It may have been carried out, and the backend has failed at it.
    Broken,
    /// The backend does not accept vpid itself.
    Unauthorized,
    Forbidden(Lacking),
    /// The backend does not know the user, or something else that it is about.
    NotFound,
    /// It will never be accepted.
    Invalid,
    /// The backend has nothing of this kind: the request was not sent, and says nothing of the backend.
    Unsupported,
}

/// Who lacks the right to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    Issuer,
    /// vpid itself, of which no change of an issuer's is to blame.
    Key,
    /// The reply does not say.
    Unsaid,
}

impl Failure {
    /// A reply that cannot be understood.
    pub fn unclear(why: &str) -> Self {
        Self::of(FailureKind::Unclear, why)
    }

    /// It was not sent.
    pub fn unsent(why: &str) -> Self {
        Self::of(FailureKind::Unsent, why)
    }

    /// It will never be accepted.
    pub fn invalid(why: &str) -> Self {
        Self::replied(FailureKind::Invalid, why)
    }

    /// The backend itself has replied, and is able to work.
    pub fn replied(kind: FailureKind, why: &str) -> Self {
        Self {
            reachable: true,
            ..Self::of(kind, why)
        }
    }

    /// The backend has nothing of this kind.
    pub fn unsupported(why: &str) -> Self {
        Self::of(FailureKind::Unsupported, why)
    }

    /// There is no reply of the backend's.
    pub fn of(kind: FailureKind, why: &str) -> Self {
        Self {
            kind,
            why: why.into(),
            retry_after_s: 0,
            reachable: false,
            under_way: false,
        }
    }

    pub fn is_unclear(&self) -> bool {
        matches!(self.kind, FailureKind::Unclear | FailureKind::Broken)
    }

    /// Whether it says something about the backend, and not only about this request.
    pub fn is_trouble(&self) -> bool {
        !matches!(
            self.kind,
            FailureKind::Forbidden(_)
                | FailureKind::NotFound
                | FailureKind::Invalid
                | FailureKind::Unsupported
        )
    }

    /// Whether the backend refuses vpid or an issuer.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Unauthorized | FailureKind::Forbidden(_)
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Of what a backend reports that it was changed, by whomever: what is known of it is to be refreshed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Topics {
    pub bans: bool,
    /// Bans of addresses.
    pub addresses: bool,
    pub groups: bool,
    /// Who is in which group, and who is an administrator.
    pub members: bool,
    pub adverts: bool,
    pub rewards: bool,
    /// Options of servers.
    pub servers: bool,
}

impl Topics {
    pub fn is_empty(self) -> bool {
        self == Self::default()
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
