//! Reading answers: what a good one holds, and VyHub's own words in another.
//!
//! A body without a field that the definition requires is not VyHub's answer. Of a list, one element that
//! cannot be read is left out and counted. What is only shown may be anything, and a field that is null is
//! as one that is not there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{DeserializeOwned, Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{
    Action, Activity, Advert, Attribute, Ban, BanList, Bundle, Expect, Group, Links, Listing,
    Mapping, Membership, PAGE_SIZE, Page, Property, Reply, Reward, RewardEvent, RewardList, Server,
    User, Warning, WebPage,
};
use crate::limits::{
    ADVERT_CHARS_MAX, ADVERTS_MAX, REWARD_TEXT_BYTES_MAX, REWARDS_MAX, VYHUB_DETAIL_CHARS_MAX,
    VYHUB_NAME_CHARS_MAX, VYHUB_URL_BYTES_MAX,
};
use crate::protocol::backend::{Past, Person};
use crate::protocol::ban_list::bounded;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Why a body is not what VyHub answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    NoJson(String),
    /// What should be one, such as "a ban".
    NoObject(&'static str),
    NoList(&'static str),
    /// A record and the field that the definition requires of it.
    Missing(&'static str, String),
    /// A record and why it cannot be understood.
    Odd(&'static str, String),
    NoSteamId,
    NoWebPage,
    /// The page that was requested, and the one that came.
    OtherPage(u64, u64),
    /// How many records are on a page that should have so many.
    ShortPage(u64, u64),
    BrokenOff(String),
    NoneRead,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(why) => write!(f, "it is no JSON: {why}"),
            Self::NoObject(of) => write!(f, "{of} is no object"),
            Self::NoList(what) => write!(f, "{what} are no list"),
            Self::Missing(of, field) => write!(f, "{of} has no {field}"),
            Self::Odd(of, why) => write!(f, "{of} cannot be understood: {why}"),
            Self::NoSteamId => f.write_str("the user's `identifier` is no player's SteamID"),
            Self::NoWebPage => f.write_str("`frontend_url` is no address of a web page"),
            Self::OtherPage(wanted, came) => write!(f, "it is page {came} and not page {wanted}"),
            Self::ShortPage(came, expected) => {
                write!(
                    f,
                    "the page has {came} records, and its total makes {expected}"
                )
            }
            Self::BrokenOff(why) => write!(f, "the list of bans broke off: {why}"),
            Self::NoneRead => f.write_str("no ban of the list can be read"),
        }
    }
}

/// Reads the body of an answer with a 2xx status.
pub fn reply(expect: Expect, body: &[u8]) -> Result<Reply, ReadError> {
    match expect {
        Expect::Nothing if body.trim_ascii().is_empty() => return Ok(Reply::Nothing),
        Expect::BanList => return BanList::read(body).map(|list| Reply::BanList(Arc::new(list))),
        Expect::Rewards => return rewards(body).map(Reply::Rewards),
        _ => {}
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| ReadError::NoJson(error.to_string()))?;
    Ok(match expect {
        Expect::Nothing | Expect::BanList | Expect::Rewards => Reply::Nothing,
        Expect::Server => Reply::Server(server(value)?),
        Expect::Bundle => Reply::Bundle(bundle(value)?),
        Expect::User => Reply::User(user(value)?),
        Expect::Groups => Reply::Groups(list(value, "the groups", group)?),
        Expect::Ban => Reply::Ban(ban(value)?),
        Expect::Bans(number) => Reply::Bans(page(value, number, ban)?),
        Expect::AllBans(number) => Reply::Past(page(value, number, past_ban)?),
        Expect::AllWarnings(number) => Reply::Past(page(value, number, past_warning)?),
        Expect::Warning => Reply::Warning(warning(value)?),
        Expect::Warnings(number) => Reply::Warnings(page(value, number, warning)?),
        Expect::Membership => Reply::Membership(membership(value)?),
        Expect::Memberships => Reply::Memberships(list(value, "the memberships", membership)?),
        Expect::Links => Reply::Links(links(value)?),
        Expect::Adverts => Reply::Adverts(adverts(value)?),
        Expect::Activity => Reply::Activity(list(value, "the users", activity)?),
        Expect::Attribute => Reply::Attribute(attribute(value)?),
        Expect::Addition => present("the addition", ADDITION, value)?,
        Expect::Attributes => Reply::Attributes(attributes(value)?),
        Expect::AppliedReward => present("the reward", APPLIED_REWARD, value)?,
        Expect::Login => present("the login", LOGIN, value)?,
    })
}

/// What VyHub says in the body of another answer, in one line. `None`: it does not say anything,
/// or it was not VyHub who answered.
pub fn detail(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let words = match value.get("detail")? {
        Value::Array(problems) => {
            let words: Vec<String> = problems.iter().map(problem).collect();
            words.join("; ")
        }
        other @ (Value::Object(_) | Value::String(_)) => problem(other),
        _ => return None,
    };
    let words = one_line(&words);
    (!words.is_empty()).then_some(words)
}

/// One of VyHub's complaints, with where in the request it is.
fn problem(problem: &Value) -> String {
    let part = |name: &str| problem.get(name).and_then(Value::as_str);
    if let Some(text) = problem.as_str() {
        return text.into();
    }
    let Some(words) = part("msg").or_else(|| part("code")) else {
        return problem.to_string();
    };
    let place: Vec<String> = match problem.get("loc").and_then(Value::as_array) {
        Some(place) => place.iter().map(plain).collect(),
        None => Vec::new(),
    };
    match place.is_empty() {
        true => words.into(),
        false => format!("{}: {words}", place.join(".")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bounded, and without what could move a cursor or turn a line around.
fn one_line(text: &str) -> String {
    let moves =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harmless = text.chars().map(|c| if moves(c) { ' ' } else { c });
    let bounded: String = harmless.take(VYHUB_DETAIL_CHARS_MAX).collect();
    bounded.trim().into()
}

/// As VyHub writes it: with or without parts of a second, and without an offset it is UTC. A date that is later or
/// earlier than all moments (`9999-12-31T23:59:59+00:00`) is the last one or the first.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let aware = text.parse::<Timestamp>().ok();
    aware.or_else(|| {
        let civil = text.trim_end_matches(['Z', 'z']).parse::<DateTime>().ok()?;
        let nearest = match civil.year() < 0 {
            true => Timestamp::MIN,
            false => Timestamp::MAX,
        };
        Some(Offset::UTC.to_timestamp(civil).unwrap_or(nearest))
    })
}

/// Whole seconds of a number, which VyHub gives as a fraction.
pub(super) fn seconds(number: f64) -> i64 {
    number.max(0.0) as i64
}

/// A name that is only shown; `None`: it is no text.
#[derive(Default)]
struct Shown(Option<String>);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let text = value
            .as_str()
            .map(|text| bounded(text, VYHUB_NAME_CHARS_MAX));
        Ok(Self(text.map(str::to_owned)))
    }
}

pub(super) struct Date(pub Timestamp);

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let no_date = || D::Error::custom(format!("{text:?} is no date"));
        date(&text).map(Self).ok_or_else(no_date)
    }
}

/// The user who created something.
#[derive(Default, Deserialize)]
struct Creator {
    id: Option<Uuid>,
    #[serde(default)]
    username: Shown,
}

#[derive(Deserialize)]
struct OnlyId {
    id: Uuid,
}

/// `of`: for sentences, such as "a ban". `required`: the fields that the definition requires, of which some may be null.
fn model<T: DeserializeOwned>(
    of: &'static str,
    required: &str,
    value: Value,
) -> Result<T, ReadError> {
    let Value::Object(mut map) = value else {
        return Err(ReadError::NoObject(of));
    };
    if let Some(field) = required
        .split_whitespace()
        .find(|field| !map.contains_key(*field))
    {
        return Err(ReadError::Missing(of, format!("`{field}`")));
    }
    map.retain(|_, field| !field.is_null());
    serde_json::from_value(map.into()).map_err(|error| {
        let why = error.to_string();
        match why.strip_prefix("missing field ") {
            Some(field) => ReadError::Missing(of, field.into()),
            None => ReadError::Odd(of, why),
        }
    })
}

const SERVER: &str = "id name type address port hidden status";

fn server(value: Value) -> Result<Server, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
        #[serde(default, rename = "type")]
        kind: Shown,
        serverbundle_id: Option<Uuid>,
        serverbundle: Option<OnlyId>,
        #[serde(default)]
        extra: Value,
    }
    let model: Model = model("the server", SERVER, value)?;
    let bundle = model.serverbundle.map(|bundle| bundle.id);
    Ok(Server {
        id: model.id,
        name: model.name.0.unwrap_or_default(),
        bundle: model.serverbundle_id.or(bundle),
        kind: model.kind.0.unwrap_or_default(),
        extra: match model.extra {
            extra @ Value::Object(_) => extra,
            _ => Map::new().into(),
        },
    })
}

const BUNDLE: &str = "id name multigroup server_type sort_id";

fn bundle(value: Value) -> Result<Bundle, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
        multigroup: bool,
    }
    let model: Model = model("the bundle", BUNDLE, value)?;
    Ok(Bundle {
        id: model.id,
        name: model.name.0.unwrap_or_default(),
        multigroup: model.multigroup,
    })
}

const USER: &str = "id type identifier registered_on admin credit_account_id attributes \
                    email_notification activities linked_users";

fn user(value: Value) -> Result<User, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        identifier: String,
        #[serde(default)]
        username: Shown,
        admin: bool,
    }
    let model: Model = model("the user", USER, value)?;
    let steam: Result<SteamId, ()> = model.identifier.parse();
    Ok(User {
        id: model.id,
        steam: steam.map_err(|()| ReadError::NoSteamId)?,
        username: model.username.0,
        admin: model.admin,
    })
}

const GROUP: &str = "id name permission_level color properties mappings is_team";

fn group(value: Value) -> Result<Group, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
        permission_level: f64,
        properties: Map<String, Value>,
        mappings: Vec<Named>,
        max_ban_length: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
        serverbundle_id: Option<Uuid>,
    }
    let model: Model = model("a group", GROUP, value)?;
    // What does not say that it is granted is not.
    let property = |(name, value): (String, Value)| Property {
        granted: value.get("granted").and_then(Value::as_bool) == Some(true),
        name,
    };
    Ok(Group {
        id: model.id,
        name: model.name.0.unwrap_or_default(),
        permission_level: model.permission_level as i64,
        properties: model.properties.into_iter().map(property).collect(),
        max_ban_s: model.max_ban_length.map(seconds),
        mappings: model
            .mappings
            .into_iter()
            .map(|mapping| Mapping {
                name: mapping.name,
                bundle: mapping.serverbundle_id,
            })
            .collect(),
    })
}

const BAN: &str = "id created_on status active user protests";
const WARNING: &str = "id creator created_on active disabled user";

/// `BanModel` and `WarningModel`, as far as they are needed.
#[derive(Deserialize)]
struct Record {
    id: Uuid,
    reason: Option<String>,
    created_on: Date,
    length: Option<f64>,
    ends_on: Option<Date>,
    #[serde(default)]
    creator: Creator,
    serverbundle: Option<OnlyId>,
    active: Option<bool>,
}

fn ban(value: Value) -> Result<Ban, ReadError> {
    let record: Record = model("a ban", BAN, value)?;
    Ok(Ban {
        id: record.id,
        reason: record.reason,
        length_s: record.length.map(seconds),
        created: record.created_on.0,
        ends: record.ends_on.map(|date| date.0),
        creator: record.creator.id,
        creator_name: record.creator.username.0,
        bundle: record.serverbundle.map(|bundle| bundle.id),
        active: record.active,
    })
}

fn warning(value: Value) -> Result<Warning, ReadError> {
    let record: Record = model("a warning", WARNING, value)?;
    Ok(Warning {
        id: record.id,
        reason: record.reason,
        created: record.created_on.0,
        creator: record.creator.id,
        creator_name: record.creator.username.0,
    })
}

/// `UserModelShort`
#[derive(Deserialize)]
struct Short {
    id: Uuid,
    identifier: Option<String>,
    #[serde(default)]
    username: Shown,
}

/// `BanModel` and `WarningModel`
#[derive(Deserialize)]
struct PastRecord {
    id: Uuid,
    user: Short,
    creator: Option<Short>,
    reason: Option<String>,
    created_on: Date,
    length: Option<f64>,
    ends_on: Option<Date>,
    status: Option<String>,
    #[serde(default)]
    disabled: bool,
}

const BAN_OF_ANYBODY: &str = "id created_on status active user";

fn past_ban(value: Value) -> Result<Past, ReadError> {
    past(model("a ban", BAN_OF_ANYBODY, value)?)
}

fn past_warning(value: Value) -> Result<Past, ReadError> {
    past(model("a warning", WARNING, value)?)
}

fn past(record: PastRecord) -> Result<Past, ReadError> {
    let end = |date: Option<Date>| date.map(|date| date.0);
    Ok(Past {
        id: record.id,
        user: person(record.user),
        creator: record.creator.map(person),
        reason: record.reason.unwrap_or_default(),
        created: record.created_on.0,
        length_s: record.length.map(seconds),
        ends: end(record.ends_on).filter(|ends| *ends < Timestamp::MAX),
        stands: record.status.as_deref() != Some("UNBANNED") && !record.disabled,
    })
}

fn person(short: Short) -> Person {
    Person {
        id: short.id,
        steam: short.identifier.and_then(|text| text.parse().ok()),
        name: short.username.0.unwrap_or_default(),
    }
}

const MEMBERSHIP: &str = "id bounds begin group active user_id serverbundle";
const MEMBERSHIP_SHORT: &str = "id group begin bounds user_id serverbundle_id";

/// `MembershipModel` and `MembershipModelShort`.
#[derive(Deserialize)]
struct MembershipRecord {
    id: Uuid,
    begin: Date,
    end: Option<Date>,
    group: OnlyId,
    active: Option<bool>,
    user_id: Uuid,
    serverbundle: Option<OnlyId>,
    serverbundle_id: Option<Uuid>,
}

fn membership(value: Value) -> Result<Membership, ReadError> {
    membership_of(MEMBERSHIP, value)
}

fn membership_of(required: &str, value: Value) -> Result<Membership, ReadError> {
    let of = "a membership";
    let record: MembershipRecord = model(of, required, value)?;
    let bundle = record.serverbundle.map(|bundle| bundle.id);
    let bundle = bundle.or(record.serverbundle_id);
    Ok(Membership {
        id: record.id,
        user: record.user_id,
        group: record.group.id,
        bundle: bundle.ok_or_else(|| ReadError::Missing(of, "`serverbundle`".into()))?,
        begin: record.begin.0,
        end: record.end.map(|date| date.0),
        active: record.active,
    })
}

const ACTIVITY: &str = "id type identifier username avatar memberships warnings bans activities";

/// `UserModelActivity`. A user with an unreadable membership is left out, and so loses no group.
fn activity(value: Value) -> Result<Activity, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        identifier: String,
        #[serde(default)]
        username: Shown,
        memberships: Vec<Value>,
        warnings: Vec<Value>,
        bans: Vec<Value>,
    }
    let model: Model = model("a user", ACTIVITY, value)?;
    let steam: Result<SteamId, ()> = model.identifier.parse();
    let memberships = model.memberships.into_iter();
    let memberships = memberships.map(|value| membership_of(MEMBERSHIP_SHORT, value));
    let is = |value: &Value, name: &str| value.get(name).and_then(Value::as_bool) == Some(true);
    let counts = |value: &&Value| is(value, "active") && !is(value, "disabled");
    Ok(Activity {
        user: model.id,
        steam: steam.map_err(|()| ReadError::NoSteamId)?,
        username: model.username.0,
        memberships: memberships.collect::<Result<_, _>>()?,
        warnings: model.warnings.iter().filter(counts).count(),
        bans: model.bans.iter().filter(counts).count(),
    })
}

const ATTRIBUTE: &str = "name title unit type unspecific id";

/// `UserAttributeDefinitionModel`.
fn attribute(value: Value) -> Result<Attribute, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        name: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let model: Model = model("the attribute", ATTRIBUTE, value)?;
    Ok(Attribute {
        id: model.id,
        name: model.name,
        accumulated: model.kind == "ACCUMULATED",
    })
}

/// What a user has of each attribute; one without a value is as one that is not there.
fn attributes(value: Value) -> Result<BTreeMap<String, String>, ReadError> {
    let Value::Object(all) = value else {
        return Err(ReadError::NoObject("the user's attributes"));
    };
    let texts = all.into_iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((name, text)),
        Value::Number(number) => Some((name, number.to_string())),
        _ => None,
    });
    Ok(texts.collect())
}

const ADDITION: &str = "value definition_id user_id";
const LOGIN: &str = "validation_uuid user_type created valid confirmed";

/// Nothing of it is needed, but that it is VyHub's.
fn present(of: &'static str, required: &str, value: Value) -> Result<Reply, ReadError> {
    model::<IgnoredAny>(of, required, value).map(|_| Reply::Nothing)
}

const APPLIED_REWARD: &str =
    "id active reward user applied_packet_id applied_packet status executed_on";
const REWARD: &str = "name type on_event id serverbundle";

/// An object of lists of `AppliedRewardModel` by SteamID. Keys that are no player's SteamID are passed over, and so are
/// rewards that are not due; a reward that cannot be understood is left out and named.
fn rewards(body: &[u8]) -> Result<RewardList, ReadError> {
    let no_list =
        |error: serde_json::Error| ReadError::Odd("the list of rewards", error.to_string());
    let players: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(no_list)?;
    let mut all = RewardList::default();
    for (key, list) in players {
        let Some(steam) = key.parse().ok().and_then(SteamId::from_u64) else {
            // Such as `detail`: no list, but what went wrong.
            serde_json::from_str::<Vec<IgnoredAny>>(list.get()).map_err(no_list)?;
            continue;
        };
        for raw in serde_json::from_str::<Vec<&RawValue>>(list.get()).map_err(no_list)? {
            let value: Value = serde_json::from_str(raw.get()).map_err(no_list)?;
            let id = value["id"].as_str().and_then(|id| id.parse().ok());
            match reward(steam, value) {
                Ok(None) => {}
                Ok(Some(reward)) if all.items.len() < REWARDS_MAX => all.items.push(reward),
                _ => drop(all.unread.insert((steam, id))),
            }
        }
    }
    Ok(all)
}

/// `AppliedRewardModel`.
#[derive(Deserialize)]
struct AppliedReward {
    id: Uuid,
    reward: Value,
    user: Owner,
    status: Option<String>,
    applied_packet_id: Uuid,
    applied_packet: Packet,
    executed_on: Vec<Uuid>,
}
#[derive(Deserialize)]
struct Owner {
    id: Uuid,
    identifier: Option<String>,
}
#[derive(Deserialize)]
struct Packet {
    packet: Titled,
    purchase: Option<Purchase>,
}
#[derive(Deserialize)]
struct Titled {
    #[serde(default)]
    title: Shown,
}
#[derive(Deserialize)]
struct Purchase {
    #[serde(default)]
    amount_text: Shown,
}
#[derive(Deserialize)]
struct RewardRecord {
    id: Uuid,
    #[serde(default)]
    name: Shown,
    #[serde(rename = "type")]
    kind: String,
    on_event: RewardEvent,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    order: f64,
    #[serde(default)]
    once: bool,
    #[serde(default)]
    once_from_all: bool,
    #[serde(default)]
    reactivate_on_extend: bool,
    requirement_set: Option<RequirementSet>,
}
#[derive(Deserialize)]
struct RequirementSet {
    fulfilled: Option<bool>,
}

/// Whether a reward says of itself that it is to be executed, for this player. `active` does not decide: rewards on
/// `DISABLE` are due where their packet is not active any more.
fn is_due(reward: &AppliedReward, steam: SteamId) -> bool {
    let identifier = reward.user.identifier.as_deref();
    // Of another type than STEAM it is no SteamID.
    let of = identifier.and_then(|text| text.parse::<SteamId>().ok());
    let is_open = reward.status.as_deref().is_none_or(|it| it == "OPEN");
    is_open && of.is_none_or(|of| of == steam)
}

/// `None`: it is not due.
fn reward(steam: SteamId, value: Value) -> Result<Option<Reward>, ReadError> {
    let outer: AppliedReward = model("a reward", APPLIED_REWARD, value)?;
    if !is_due(&outer, steam) {
        return Ok(None);
    }
    let inner: RewardRecord = model("a reward", REWARD, outer.reward)?;
    let text = |key: &'static str| match inner.data.get(key) {
        Some(Value::String(text)) if text.len() <= REWARD_TEXT_BYTES_MAX => Ok(text.clone()),
        Some(Value::String(_)) => Err(ReadError::Odd("a reward", format!("`{key}` is too long"))),
        _ => Err(ReadError::Missing("a reward", format!("`data.{key}`"))),
    };
    let action = match inner.kind.as_str() {
        "COMMAND" => Action::Command(text("command")?),
        "SCRIPT" => Action::Script(text("script")?),
        other => Action::Other(bounded(other, VYHUB_NAME_CHARS_MAX).into()),
    };
    let requirements = inner.requirement_set.and_then(|set| set.fulfilled);
    let purchase = outer.applied_packet.purchase;
    Ok(Some(Reward {
        id: outer.id,
        of: inner.id,
        name: inner.name.0.unwrap_or_default(),
        steam,
        user: outer.user.id,
        action,
        on: inner.on_event,
        order: inner.order,
        once: inner.once,
        once_from_all: inner.once_from_all,
        reactivates: inner.reactivate_on_extend,
        is_fulfilled: requirements != Some(false),
        applied_packet: outer.applied_packet_id,
        packet_title: outer.applied_packet.packet.title.0.unwrap_or_default(),
        amount: purchase.and_then(|purchase| purchase.amount_text.0),
        executed_on: outer.executed_on,
    }))
}

/// Ends up in messages to players.
fn links(value: Value) -> Result<Links, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        frontend_url: String,
    }
    let Model { frontend_url: url } = model("the answer", "", value)?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    if !web || !plain || url.len() > VYHUB_URL_BYTES_MAX {
        return Err(ReadError::NoWebPage);
    }
    Ok(Links::of(url.trim_end_matches('/')))
}

impl Links {
    /// Below the address of VyHub's pages.
    pub fn of(frontend: &str) -> Self {
        let pages = [
            (WebPage::Bans, "bans"),
            (WebPage::Ban, "bans/{id}"),
            (WebPage::Dashboard, "server-dashboard/{id}"),
            (WebPage::News, "news"),
            (WebPage::Shop, "shop"),
            (WebPage::User, "user/{id}"),
            (WebPage::Warnings, "warnings"),
        ];
        Self::new(pages.map(|(page, path)| (page, format!("{frontend}/{path}"))))
    }
}

const ADVERT: &str = "id title content sort_id color enabled serverbundles";

/// In the order in which they are shown. One that is not enabled is left out, whatever was requested.
fn adverts(value: Value) -> Result<Listing<Advert>, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        content: String,
        #[serde(default)]
        color: Shown,
        sort_id: f64,
        enabled: bool,
    }
    let read = |value| model::<Model>("an advert", ADVERT, value);
    let Listing { mut items, skipped } = list(value, "the adverts", read)?;
    items.retain(|model| model.enabled);
    items.sort_by(|one, other| one.sort_id.total_cmp(&other.sort_id));
    let advert = |model: Model| {
        let colour = model.color.0.unwrap_or_default();
        let colour = colour.trim_start_matches('#');
        let digits = colour.len() == 6 && colour.bytes().all(|byte| byte.is_ascii_hexdigit());
        Advert {
            content: bounded(&model.content, ADVERT_CHARS_MAX).into(),
            colour: if digits { colour } else { "FFFFFF" }.to_owned(),
        }
    };
    let items = items.into_iter().take(ADVERTS_MAX).map(advert).collect();
    Ok(Listing { items, skipped })
}

fn list<T>(
    value: Value,
    what: &'static str,
    each: fn(Value) -> Result<T, ReadError>,
) -> Result<Listing<T>, ReadError> {
    let Value::Array(all) = value else {
        return Err(ReadError::NoList(what));
    };
    let count = all.len();
    let items: Vec<T> = all.into_iter().filter_map(|item| each(item).ok()).collect();
    let skipped = count - items.len();
    Ok(Listing { items, skipped })
}

const PAGE: &str = "items total page size";

fn page<T>(
    value: Value,
    number: u64,
    each: fn(Value) -> Result<T, ReadError>,
) -> Result<Page<T>, ReadError> {
    #[derive(Deserialize)]
    struct Model {
        items: Value,
        total: f64,
        page: f64,
    }
    let model: Model = model("the page", PAGE, value)?;
    let Value::Array(all) = model.items else {
        return Err(ReadError::NoList("the page's `items`"));
    };
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    for value in all {
        let created = value.get("created_on").and_then(Value::as_str);
        let created = created.and_then(date);
        match each(value) {
            Ok(item) => items.push(item),
            Err(_) => skipped.push(created),
        }
    }
    let (total, came) = (seconds(model.total) as u64, seconds(model.page) as u64);
    if came != number {
        return Err(ReadError::OtherPage(number, came));
    }
    let before = number.saturating_sub(1).saturating_mul(PAGE_SIZE);
    let expected = total.saturating_sub(before).min(PAGE_SIZE);
    let count = (items.len() + skipped.len()) as u64;
    if count < expected {
        return Err(ReadError::ShortPage(count, expected));
    }
    Ok(Page {
        items,
        skipped,
        total,
    })
}

#[cfg(test)]
mod tests;
