//! Reading answers: what a good one holds, and VyHub's own words in another.
//!
//! Strict where a decision follows from a field, and an error is a sentence for the operator;
//! what is only shown may be anything.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde_json::{Map, Value};

use super::{Ban, BanList, Bundle, Expect, Group, Page, Property, Reply, Server, User, Warning};
use crate::limits::{VYHUB_DETAIL_CHARS_MAX, VYHUB_NAME_CHARS_MAX, VYHUB_URL_BYTES_MAX};
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
    let value = &value;
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

/// At most `chars_max` characters of a text.
pub(super) fn bounded(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Whole seconds of a number, which VyHub gives as a fraction.
pub(super) fn seconds(number: f64) -> i64 {
    number.max(0.0) as i64
}

fn server(value: &Value) -> Result<Server, String> {
    let fields = Fields::of("the server", value)?;
    let bundle = match fields.optional_id("serverbundle_id")? {
        Some(bundle) => Some(bundle),
        None => fields
            .inner("serverbundle")?
            .map(|it| it.id("id"))
            .transpose()?,
    };
    let extra = fields.get("extra").filter(|extra| extra.is_object());
    Ok(Server {
        id: fields.id("id")?,
        name: fields.shown("name").unwrap_or_default(),
        bundle,
        kind: fields.shown("type").unwrap_or_default(),
        extra: extra.cloned().unwrap_or_else(|| Map::new().into()),
    })
}

fn bundle(value: &Value) -> Result<Bundle, String> {
    let fields = Fields::of("the bundle", value)?;
    Ok(Bundle {
        id: fields.id("id")?,
        name: fields.shown("name").unwrap_or_default(),
    })
}

fn user(value: &Value) -> Result<User, String> {
    let fields = Fields::of("the user", value)?;
    let identifier = fields.text("identifier")?;
    let steam: Result<SteamId, ()> = identifier.parse();
    Ok(User {
        id: fields.id("id")?,
        steam: steam.map_err(|()| "the user's `identifier` is no player's SteamID".to_string())?,
        username: fields.shown("username"),
        admin: fields.flag("admin")?.unwrap_or(false),
    })
}

fn group(value: &Value) -> Result<Group, String> {
    let fields = Fields::of("a group", value)?;
    let properties = match fields.get("properties") {
        Some(Value::Object(named)) => named
            .iter()
            .map(|(name, value)| granted(name, value))
            .collect(),
        _ => Vec::new(),
    };
    Ok(Group {
        id: fields.id("id")?,
        name: fields.shown("name").unwrap_or_default(),
        permission_level: fields.number("permission_level")?.unwrap_or(0.0) as i64,
        properties,
        max_ban_s: fields.number("max_ban_length")?.map(seconds),
    })
}

/// A group's property; what does not say that it is granted is not.
fn granted(name: &str, value: &Value) -> Property {
    Property {
        name: name.into(),
        granted: value.get("granted").and_then(Value::as_bool) == Some(true),
    }
}

fn property(value: &Value) -> Result<Property, String> {
    let fields = Fields::of("a property", value)?;
    Ok(granted(fields.text("name")?, value))
}

fn ban(value: &Value) -> Result<Ban, String> {
    let fields = Fields::of("a ban", value)?;
    let creator = fields.inner("creator")?;
    let standing = fields.text("status")? == "ACTIVE";
    Ok(Ban {
        id: fields.id("id")?,
        reason: fields.optional_text("reason")?,
        length_s: fields.number("length")?.map(seconds),
        created: fields.date("created_on")?,
        ends: fields.optional_date("ends_on")?,
        standing,
        active: fields.flag("active")?.unwrap_or(standing),
        creator: creator.as_ref().map(|it| it.id("id")).transpose()?,
        creator_name: creator.and_then(|it| it.shown("username")),
        bundle: fields.bundle()?,
    })
}

fn warning(value: &Value) -> Result<Warning, String> {
    let fields = Fields::of("a warning", value)?;
    let creator = fields.inner("creator")?;
    let disabled = fields.flag("disabled")?.unwrap_or(false);
    Ok(Warning {
        id: fields.id("id")?,
        reason: fields.optional_text("reason")?,
        created: fields.date("created_on")?,
        active: fields.flag("active")?.unwrap_or(!disabled),
        disabled,
        creator: creator.as_ref().map(|it| it.id("id")).transpose()?,
        creator_name: creator.and_then(|it| it.shown("username")),
        bundle: fields.bundle()?,
    })
}

/// Ends up in messages to players.
fn frontend_url(value: &Value) -> Result<String, String> {
    let fields = Fields::of("the answer", value)?;
    let url = fields.text("frontend_url")?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    match web && plain && url.len() <= VYHUB_URL_BYTES_MAX {
        true => Ok(url.into()),
        false => Err("`frontend_url` is no address of a web page".into()),
    }
}

fn list<T>(
    value: &Value,
    what: &str,
    each: fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        Value::Array(items) => items.iter().map(each).collect(),
        Value::Null => Ok(Vec::new()),
        _ => Err(format!("{what} are no list")),
    }
}

fn page<T>(value: &Value, each: fn(&Value) -> Result<T, String>) -> Result<Page<T>, String> {
    let fields = Fields::of("the page", value)?;
    let items = fields.get("items").unwrap_or(&Value::Null);
    let items = list(items, "the page's `items`", each)?;
    let total = fields.number("total")?.map(|total| seconds(total) as u64);
    Ok(Page {
        total: total.unwrap_or(items.len() as u64),
        items,
    })
}

/// An object of an answer. A field that is null is as one that is not there.
struct Fields<'a> {
    /// For sentences: "a ban".
    of: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(of: &'static str, value: &'a Value) -> Result<Self, String> {
        match value {
            Value::Object(map) => Ok(Self { of, map }),
            _ => Err(format!("{of} is no object")),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, what: &str) -> String {
        format!("`{name}` of {} is no {what}", self.of)
    }

    fn needed<T>(&self, name: &str, found: Result<Option<T>, String>) -> Result<T, String> {
        found?.ok_or_else(|| format!("{} has no `{name}`", self.of))
    }

    fn inner(&self, name: &'static str) -> Result<Option<Self>, String> {
        self.get(name)
            .map(|value| Fields::of(name, value))
            .transpose()
    }

    fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        let text = |value: &Value| value.as_str().map(String::from);
        let wrong = || self.wrong(name, "text");
        let value = self.get(name);
        value.map(|value| text(value).ok_or_else(wrong)).transpose()
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        let wrong = || self.wrong(name, "text");
        let value = self.needed(name, Ok(self.get(name)))?;
        value.as_str().ok_or_else(wrong)
    }

    /// A name that is only shown.
    fn shown(&self, name: &str) -> Option<String> {
        let text = self.get(name)?.as_str()?;
        Some(bounded(text, VYHUB_NAME_CHARS_MAX).into())
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        let wrong = || self.wrong(name, "truth value");
        let value = self.get(name);
        value
            .map(|value| value.as_bool().ok_or_else(wrong))
            .transpose()
    }

    fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let wrong = || self.wrong(name, "number");
        let value = self.get(name);
        value
            .map(|value| value.as_f64().ok_or_else(wrong))
            .transpose()
    }

    fn optional_id(&self, name: &str) -> Result<Option<Uuid>, String> {
        let id = |value: &Value| value.as_str()?.parse().ok();
        let wrong = || self.wrong(name, "UUID");
        let value = self.get(name);
        value.map(|value| id(value).ok_or_else(wrong)).transpose()
    }

    fn id(&self, name: &str) -> Result<Uuid, String> {
        self.needed(name, self.optional_id(name))
    }

    fn optional_date(&self, name: &str) -> Result<Option<Timestamp>, String> {
        let wrong = || self.wrong(name, "date");
        let value = self.get(name);
        value
            .map(|value| value.as_str().and_then(date).ok_or_else(wrong))
            .transpose()
    }

    fn date(&self, name: &str) -> Result<Timestamp, String> {
        self.needed(name, self.optional_date(name))
    }

    /// The bundle that a ban or a warning is for.
    fn bundle(&self) -> Result<Option<Uuid>, String> {
        match self.inner("serverbundle")? {
            Some(bundle) => bundle.id("id").map(Some),
            None => self.optional_id("serverbundle_id"),
        }
    }
}

#[cfg(test)]
mod tests;
