//! What a VyHub knows, and what it was asked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::attributes::{Addition, Definition, LoginRecord};
use crate::rewards::RewardRecord;
use crate::schema;

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub steam: String,
    pub username: Option<String>,
    pub admin: bool,
    pub registered: Timestamp,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub level: i64,
    pub properties: BTreeMap<String, bool>,
    /// Longest ban in seconds; `None`: no bound.
    pub max_ban_s: Option<u64>,
    /// What games call it, and in which bundle; `None`: in all.
    pub mappings: Vec<(String, Option<String>)>,
    /// Nobody may be put into it or taken out of it.
    pub protected: bool,
}

/// A user is in a group of a bundle for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipRecord {
    pub id: String,
    pub user: String,
    pub group: String,
    pub bundle: String,
    pub begin: Timestamp,
    pub end: Option<Timestamp>,
}

impl MembershipRecord {
    /// It stands at that time.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.begin <= now && self.end.is_none_or(|end| end > now)
    }
}

/// A ban, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BanRecord {
    pub id: String,
    /// SteamID64 of the user.
    pub steam: String,
    pub user: String,
    pub reason: Option<String>,
    /// Seconds; `None`: permanent.
    pub length_s: Option<f64>,
    /// `None`: everywhere.
    pub bundle: Option<String>,
    /// A user's id; `None`: the server itself.
    pub creator: Option<String>,
    pub created_on: Timestamp,
    /// `ACTIVE` or `UNBANNED`.
    pub status: String,
}

impl BanRecord {
    pub fn ends_on(&self) -> Option<Timestamp> {
        let length = SignedDuration::try_from_secs_f64(self.length_s?).ok()?;
        self.created_on.checked_add(length).ok()
    }

    /// In force at that time.
    pub fn is_active(&self, now: Timestamp) -> bool {
        let over = self.length_s.is_some() && self.ends_on().is_some_and(|ends| ends <= now);
        self.status == "ACTIVE" && !over
    }
}

/// A warning, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct WarningRecord {
    pub id: String,
    /// SteamID64 of the user.
    pub steam: String,
    pub user: String,
    pub reason: Option<String>,
    pub bundle: String,
    pub creator: Option<String>,
    pub created_on: Timestamp,
    pub disabled: bool,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    pub at: Timestamp,
    pub method: String,
    /// Below the API's address, with its query.
    pub path: String,
    pub body: Value,
    /// What was answered; `None`: nothing, or nothing yet.
    pub status: Option<u16>,
    /// Whether VyHub carried it out.
    pub applied: bool,
}

/// A status of the server that came.
#[derive(Debug, Clone)]
pub struct StatusRecord {
    pub at: Timestamp,
    pub body: Value,
}

/// A ban list as it was answered, for as long as it is true.
pub struct RenderedList {
    pub active: Option<bool>,
    pub until: Option<Timestamp>,
    /// By which clock.
    pub skew_ms: i64,
    pub body: Arc<Vec<u8>>,
}

/// All of it.
pub struct State {
    pub(crate) key: String,
    /// Whether the key has the right to act as somebody else.
    pub key_may_morph: bool,
    /// Whether it may list who is on.
    pub key_may_list: bool,
    pub(crate) server: String,
    pub(crate) bundle: String,
    /// Of which this server knows nothing.
    pub(crate) other_bundle: String,
    /// What was told about the server, by the names of `ServerModel`.
    pub(crate) server_fields: Map<String, Value>,
    pub(crate) users: HashMap<String, User>,
    /// Ids by SteamID64.
    pub(crate) by_steam: HashMap<String, String>,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) memberships: Vec<MembershipRecord>,
    pub(crate) bans: Vec<BanRecord>,
    pub(crate) warnings: Vec<WarningRecord>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) additions: Vec<Addition>,
    /// By their codes.
    pub(crate) logins: BTreeMap<String, LoginRecord>,
    /// Their contents and colours.
    pub(crate) adverts: Vec<(String, String)>,
    pub(crate) rewards: Vec<RewardRecord>,
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) statuses: Vec<StatusRecord>,
    pub(crate) violations: Vec<String>,
    pub(crate) rendered: Option<RenderedList>,
    /// How wrong the clock is, in milliseconds.
    pub(crate) skew_ms: i64,
    /// Requests that are allowed in a second.
    pub(crate) per_second_max: Option<usize>,
    pub(crate) recent: VecDeque<Instant>,
    ids: u64,
    dates: u64,
}

impl State {
    pub(crate) fn new() -> Self {
        let mut state = Self {
            key: "fake-key-5Yt2mQ8rVb1nXz7Lw4Kc".into(),
            key_may_morph: true,
            key_may_list: true,
            server: String::new(),
            bundle: String::new(),
            other_bundle: String::new(),
            server_fields: Map::new(),
            users: HashMap::new(),
            by_steam: HashMap::new(),
            groups: HashMap::new(),
            memberships: Vec::new(),
            bans: Vec::new(),
            warnings: Vec::new(),
            definitions: Vec::new(),
            additions: Vec::new(),
            logins: BTreeMap::new(),
            adverts: Vec::new(),
            rewards: Vec::new(),
            requests: Vec::new(),
            statuses: Vec::new(),
            violations: Vec::new(),
            rendered: None,
            skew_ms: 0,
            per_second_max: None,
            recent: VecDeque::new(),
            ids: 0,
            dates: 0,
        };
        state.server = state.new_id();
        state.bundle = state.new_id();
        state.other_bundle = state.new_id();
        for (name, value) in [
            ("name", json!("Fake TF2 server")),
            ("type", json!("GMOD")),
            ("address", json!("127.0.0.1")),
            ("port", json!(27015)),
            ("hidden", json!(false)),
            ("extra", json!({})),
        ] {
            state.server_fields.insert(name.into(), value);
        }
        state
    }

    pub fn users(&self) -> Vec<User> {
        let mut users: Vec<User> = self.users.values().cloned().collect();
        users.sort_by(|a, b| a.steam.cmp(&b.steam));
        users
    }

    pub fn user(&self, steam64: u64) -> Option<&User> {
        self.users.get(self.by_steam.get(&steam64.to_string())?)
    }

    /// The id of a group.
    pub fn group_named(&self, name: &str) -> Option<String> {
        let mut groups = self.groups.values();
        let group = groups.find(|group| group.name == name)?;
        Some(group.id.clone())
    }

    /// Memberships of a player, ended ones too, the oldest first.
    pub fn memberships_of(&self, steam64: u64) -> Vec<MembershipRecord> {
        let user = self.user(steam64).map(|user| user.id.as_str());
        let of = |it: &&MembershipRecord| Some(it.user.as_str()) == user;
        self.memberships.iter().filter(of).cloned().collect()
    }

    /// Ids of the groups of this bundle in which a player is now.
    pub fn groups_now(&self, steam64: u64) -> Vec<String> {
        let groups = self.user(steam64).map(|user| self.groups_of(user, false));
        let groups = groups.into_iter().flatten();
        groups.map(|group| group.id.clone()).collect()
    }

    /// Names of the same.
    pub fn group_names_now(&self, steam64: u64) -> Vec<String> {
        let groups = self.user(steam64).map(|user| self.groups_of(user, false));
        let groups = groups.into_iter().flatten();
        groups.map(|group| group.name.clone()).collect()
    }

    /// All bans, oldest first, lifted ones too.
    pub fn bans(&self) -> &[BanRecord] {
        &self.bans
    }

    pub fn bans_of(&self, steam64: u64) -> Vec<BanRecord> {
        let steam = steam64.to_string();
        let of = |ban: &&BanRecord| ban.steam == steam;
        self.bans.iter().filter(of).cloned().collect()
    }

    pub fn warnings(&self) -> &[WarningRecord] {
        &self.warnings
    }

    pub fn requests(&self) -> &[RequestRecord] {
        &self.requests
    }

    /// How many requests came with this method and a path that begins so.
    pub fn requests_to(&self, method: &str, path: &str) -> usize {
        let same =
            |request: &&RequestRecord| request.method == method && request.path.starts_with(path);
        self.requests.iter().filter(same).count()
    }

    pub fn statuses(&self) -> &[StatusRecord] {
        &self.statuses
    }

    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(crate) fn add_user(&mut self, steam: &str, username: Option<&str>, admin: bool) -> String {
        let user = User {
            id: self.new_id(),
            steam: steam.to_owned(),
            username: username.map(str::to_owned),
            admin,
            registered: self.stamp(),
        };
        let id = user.id.clone();
        self.by_steam.insert(steam.to_owned(), id.clone());
        self.users.insert(id.clone(), user);
        id
    }

    /// A UUID that was not there before.
    pub(crate) fn new_id(&mut self) -> String {
        self.ids += 1;
        let high = scrambled(self.ids.wrapping_mul(2));
        let low = scrambled(self.ids.wrapping_mul(2) + 1);
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    /// The API's clock.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let skew = SignedDuration::from_millis(self.skew_ms);
        now.checked_add(skew).unwrap_or(now)
    }

    /// The time for a record: every other one falls on a whole second, so that dates come with and
    /// without microseconds.
    pub(crate) fn stamp(&mut self) -> Timestamp {
        self.dates += 1;
        let mut microseconds = self.now().as_microsecond();
        if self.dates % 2 == 0 {
            microseconds -= microseconds.rem_euclid(1_000_000);
        }
        Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn violation(&mut self, request: &str, what: &str) {
        self.violations.push(format!("{request}: {what}"));
    }

    /// What groups grant: of several that mention a right, the highest decides.
    pub(crate) fn properties(mut groups: Vec<&Group>) -> BTreeMap<String, bool> {
        groups.sort_by_key(|group| group.level);
        let all = groups.into_iter().flat_map(|group| &group.properties);
        all.map(|(name, granted)| (name.clone(), *granted))
            .collect()
    }

    /// Whether one more request is too many.
    pub(crate) fn is_too_much(&mut self) -> bool {
        let Some(most) = self.per_second_max else {
            return false;
        };
        let now = Instant::now();
        self.recent.push_back(now);
        let old = |at: &Instant| now.duration_since(*at) >= Duration::from_secs(1);
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
        self.recent.len() > most
    }
}

/// A date as Python's `isoformat` writes it: microseconds only where there are any.
pub(crate) fn iso(time: Timestamp) -> String {
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = match time.subsec_nanosecond() / 1000 {
        0 => String::new(),
        microseconds => format!(".{microseconds:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00")
}

/// A date that a client sent and that was checked.
pub(crate) fn sent_date(value: &Value) -> Option<Timestamp> {
    schema::date(value.as_str()?)
}

pub(crate) fn scrambled(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
