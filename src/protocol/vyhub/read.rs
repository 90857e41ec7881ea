//! Reading answers: what a good one holds, and VyHub's own words in another.
//!
//! Strict where a decision follows from a field, and an error is a sentence for the operator; what is only
//! shown may be anything. A field that is null is as one that is not there.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{
    Advert, Ban, BanList, Bundle, Expect, Group, Page, Property, Reply, Server, User, Warning,
};
use crate::limits::{
    ADVERT_CHARS_MAX, ADVERTS_MAX, VYHUB_DETAIL_CHARS_MAX, VYHUB_NAME_CHARS_MAX,
    VYHUB_URL_BYTES_MAX,
};
use crate::protocol::ban_list::bounded;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Reads the body of an answer with a 2xx status.
///
/// Errors: a sentence that says what is wrong with it.
pub fn reply(expect: Expect, body: &[u8]) -> Result<Reply, String> {
    match expect {
        Expect::Nothing => return Ok(Reply::Nothing),
        Expect::BanList => return BanList::read(body).map(|list| Reply::BanList(Arc::new(list))),
        _ => {}
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("it is no JSON: {error}"))?;
    Ok(match expect {
        Expect::Nothing | Expect::BanList => Reply::Nothing,
        Expect::Server => Reply::Server(server(value)?),
        Expect::Bundle => Reply::Bundle(bundle(value)?),
        Expect::User => Reply::User(user(value)?),
        Expect::Groups => Reply::Groups(list(value, "the groups", group)?),
        Expect::Properties => Reply::Properties(list(value, "the properties", property)?),
        Expect::Ban => Reply::Ban(ban(value)?),
        Expect::Bans => Reply::Bans(page(value, ban)?),
        Expect::Warning => Reply::Warning(warning(value)?),
        Expect::Warnings => Reply::Warnings(page(value, warning)?),
        Expect::FrontendUrl => Reply::FrontendUrl(frontend_url(value)?),
        Expect::Adverts => Reply::Adverts(adverts(value)?),
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

/// As VyHub writes it: with or without parts of a second, and without an offset it is UTC.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let aware = text.parse::<Timestamp>().ok();
    aware.or_else(|| {
        Offset::UTC
            .to_timestamp(text.parse::<DateTime>().ok()?)
            .ok()
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
struct BundleId {
    id: Uuid,
}

/// `of`: for sentences, such as "a ban".
fn model<T: DeserializeOwned>(of: &str, value: Value) -> Result<T, String> {
    let Value::Object(mut map) = value else {
        return Err(format!("{of} is no object"));
    };
    map.retain(|_, field| !field.is_null());
    serde_json::from_value(map.into()).map_err(|error| {
        let why = error.to_string();
        match why.strip_prefix("missing field ") {
            Some(field) => format!("{of} has no {field}"),
            None => format!("{of} cannot be understood: {why}"),
        }
    })
}

fn server(value: Value) -> Result<Server, String> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
        #[serde(default, rename = "type")]
        kind: Shown,
        serverbundle_id: Option<Uuid>,
        serverbundle: Option<BundleId>,
        #[serde(default)]
        extra: Value,
    }
    let model: Model = model("the server", value)?;
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

fn bundle(value: Value) -> Result<Bundle, String> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
    }
    let Model { id, name } = model("the bundle", value)?;
    let name = name.0.unwrap_or_default();
    Ok(Bundle { id, name })
}

fn user(value: Value) -> Result<User, String> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        identifier: String,
        #[serde(default)]
        username: Shown,
        #[serde(default)]
        admin: bool,
    }
    let model: Model = model("the user", value)?;
    let steam: Result<SteamId, ()> = model.identifier.parse();
    Ok(User {
        id: model.id,
        steam: steam.map_err(|()| "the user's `identifier` is no player's SteamID".to_string())?,
        username: model.username.0,
        admin: model.admin,
    })
}

fn group(value: Value) -> Result<Group, String> {
    #[derive(Deserialize)]
    struct Model {
        id: Uuid,
        #[serde(default)]
        name: Shown,
        #[serde(default)]
        permission_level: f64,
        #[serde(default)]
        properties: Value,
        max_ban_length: Option<f64>,
    }
    let model: Model = model("a group", value)?;
    let properties = match &model.properties {
        Value::Object(named) => named
            .iter()
            .map(|(name, value)| granted(name, value))
            .collect(),
        _ => Vec::new(),
    };
    Ok(Group {
        id: model.id,
        name: model.name.0.unwrap_or_default(),
        permission_level: model.permission_level as i64,
        properties,
        max_ban_s: model.max_ban_length.map(seconds),
    })
}

/// A property; what does not say that it is granted is not.
fn granted(name: &str, value: &Value) -> Property {
    Property {
        name: name.into(),
        granted: value.get("granted").and_then(Value::as_bool) == Some(true),
    }
}

fn property(value: Value) -> Result<Property, String> {
    match value.get("name").and_then(Value::as_str) {
        Some(name) => Ok(granted(name, &value)),
        None => Err("a property has no `name`".into()),
    }
}

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
}

fn ban(value: Value) -> Result<Ban, String> {
    let record: Record = model("a ban", value)?;
    Ok(Ban {
        id: record.id,
        reason: record.reason,
        length_s: record.length.map(seconds),
        created: record.created_on.0,
        ends: record.ends_on.map(|date| date.0),
        creator: record.creator.id,
        creator_name: record.creator.username.0,
    })
}

fn warning(value: Value) -> Result<Warning, String> {
    let record: Record = model("a warning", value)?;
    Ok(Warning {
        id: record.id,
        reason: record.reason,
        created: record.created_on.0,
        creator: record.creator.id,
        creator_name: record.creator.username.0,
    })
}

/// Ends up in messages to players.
fn frontend_url(value: Value) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Model {
        frontend_url: String,
    }
    let Model { frontend_url: url } = model("the answer", value)?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    match web && plain && url.len() <= VYHUB_URL_BYTES_MAX {
        true => Ok(url),
        false => Err("`frontend_url` is no address of a web page".into()),
    }
}

/// In the order in which they are shown. One that is not enabled is left out, whatever was requested, and
/// so is one that cannot be read.
fn adverts(value: Value) -> Result<Vec<Advert>, String> {
    #[derive(Deserialize)]
    struct Model {
        content: String,
        #[serde(default)]
        color: Shown,
        #[serde(default)]
        sort_id: f64,
        enabled: Option<bool>,
    }
    let models = list(value, "the adverts", |value| {
        Ok(model::<Model>("an advert", value).ok())
    })?;
    let mut models: Vec<Model> = models.into_iter().flatten().collect();
    models.retain(|model| model.enabled != Some(false));
    models.sort_by(|one, other| one.sort_id.total_cmp(&other.sort_id));
    let advert = |model: Model| {
        let colour = model.color.0.unwrap_or_default();
        let colour = colour.trim_start_matches('#');
        let digits = colour.len() == 6 && colour.bytes().all(|byte| byte.is_ascii_hexdigit());
        Advert {
            content: bounded(&model.content, ADVERT_CHARS_MAX).into(),
            colour: if digits { colour } else { "FFFFFF" }.to_owned(),
        }
    };
    Ok(models.into_iter().take(ADVERTS_MAX).map(advert).collect())
}

fn list<T>(
    value: Value,
    what: &str,
    each: fn(Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        Value::Array(items) => items.into_iter().map(each).collect(),
        Value::Null => Ok(Vec::new()),
        _ => Err(format!("{what} are no list")),
    }
}

fn page<T>(value: Value, each: fn(Value) -> Result<T, String>) -> Result<Page<T>, String> {
    #[derive(Deserialize)]
    struct Model {
        #[serde(default)]
        items: Value,
        total: Option<f64>,
    }
    let model: Model = model("the page", value)?;
    let items = list(model.items, "the page's `items`", each)?;
    let total = model.total.map(|total| seconds(total) as u64);
    Ok(Page {
        total: total.unwrap_or(items.len() as u64),
        items,
    })
}

#[cfg(test)]
mod tests;
