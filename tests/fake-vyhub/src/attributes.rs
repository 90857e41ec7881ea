//! Attributes of users: their definitions, and what is added to them by days; and logins of browsers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::FakeVyhub;
use crate::answer::Answer;
use crate::call::Call;
use crate::servers::no_bundle;
use crate::state::{State, iso, sent_date};
use crate::users::no_user;

/// A definition of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub id: String,
    pub name: String,
    pub title: String,
    pub unit: String,
    /// `ACCUMULATED` or `NEWEST`.
    pub kind: String,
}

/// What was added.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    pub user: String,
    pub definition: String,
    /// In millionths.
    pub value: i64,
    /// `2026-11-20`, in UTC.
    pub day: String,
}

/// A browser that waits for being confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginRecord {
    /// The SteamID64 of who has confirmed it.
    pub confirmed_by: Option<String>,
    /// It is not too old.
    pub valid: bool,
}

/// A decimal number, in millionths.
fn millionths(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    Some(whole.parse::<i64>().ok()? * 1_000_000 + format!("{part:0<6}").parse::<i64>().ok()?)
}

fn no_definition() -> Answer {
    let msg = "There is no such attribute.";
    Answer::refused(404, "user_attribute_definition_not_found", msg)
}

impl State {
    fn definition(&self, id_or_name: &str) -> Option<&Definition> {
        let mut all = self.definitions.iter();
        all.find(|it| it.id == id_or_name || it.name == id_or_name)
    }

    pub(crate) fn get_definition(&self, call: &Call) -> Answer {
        self.definition(call.id)
            .map_or_else(no_definition, |it| Answer::ok(&it.model()))
    }

    pub(crate) fn create_definition(&mut self, call: &Call) -> Answer {
        let text = |name| call.text(name).unwrap_or_default().to_owned();
        if self.definition(&text("name")).is_some() {
            let msg = "There is an attribute of this name.";
            return Answer::refused(400, "user_attribute_definition_exists", msg);
        }
        let definition = Definition {
            id: self.new_id(),
            name: text("name"),
            title: text("title"),
            unit: text("unit"),
            kind: text("type"),
        };
        let answer = Answer::ok(&definition.model());
        self.definitions.push(definition);
        answer
    }

    pub(crate) fn create_attribute(&mut self, call: &Call) -> Answer {
        let text = |name| call.text(name).unwrap_or_default().to_owned();
        let (user, definition, value) = (text("user_id"), text("definition_id"), text("value"));
        if !self.users.contains_key(&user) {
            return no_user();
        }
        if self.definition(&definition).is_none() {
            return no_definition();
        }
        if call
            .text("serverbundle_id")
            .is_some_and(|it| it != self.bundle)
        {
            return no_bundle();
        }
        let Some(millionths) = millionths(&value) else {
            self.violation("POST /user/attribute/", &format!("{value:?} is no number"));
            return Answer::sentence(400, "This is no number.");
        };
        let date = sent_date(&call.body["date"]).unwrap_or_else(|| self.now());
        let addition = Addition {
            user,
            definition,
            value: millionths,
            day: iso(date)[..10].to_owned(),
        };
        self.additions.push(addition);
        Answer::ok(&json!({
            "date": iso(date),
            "value": value,
            "definition_id": call.text("definition_id"),
            "serverbundle_id": call.text("serverbundle_id"),
            "user_id": call.text("user_id"),
        }))
    }

    pub(crate) fn current_attributes(&self, call: &Call) -> Answer {
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let mut all = BTreeMap::new();
        for addition in self.additions.iter().filter(|it| it.user == call.id) {
            if let Some(definition) = self.definition(&addition.definition) {
                *all.entry(definition.name.clone()).or_insert(0) += addition.value;
            }
        }
        let text = |value: i64| format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
        let all = all
            .into_iter()
            .map(|(name, value)| (name, text(value).into()));
        Answer::ok(&Value::Object(all.collect()))
    }

    pub(crate) fn confirm_login(&mut self, call: &Call) -> Answer {
        let steam = call.text("identifier").unwrap_or_default().to_owned();
        let now = iso(self.now());
        let login = self.logins.get_mut(call.id);
        let Some(login) = login.filter(|login| login.valid && login.confirmed_by.is_none()) else {
            let msg = "There is no such login.";
            return Answer::refused(404, "auth_request_not_found", msg);
        };
        login.confirmed_by = Some(steam.clone());
        Answer::ok(&json!({
            "validation_uuid": call.id,
            "user_type": "STEAM",
            "identifier": steam,
            "created": now,
            "valid": true,
            "confirmed": true,
        }))
    }
}

impl Definition {
    fn model(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "type": self.kind,
            "statistics_interval": null,
            "accumulation_interval": "day",
            "unspecific": true,
            "requirement_set_id": null,
            "id": self.id,
        })
    }
}

impl FakeVyhub {
    /// A definition that is there already; gives its id.
    pub fn add_definition(&self, name: &str, kind: &str) -> String {
        self.with(|state| {
            let id = state.new_id();
            state.definitions.push(Definition {
                id: id.clone(),
                name: name.to_owned(),
                title: name.to_owned(),
                unit: "HOURS".to_owned(),
                kind: kind.to_owned(),
            });
            id
        })
    }

    /// Somebody else adds to it, in millionths.
    pub fn add_to_attribute(&self, definition: &str, user: &str, value: i64) {
        self.with(|state| {
            let day = iso(state.now())[..10].to_owned();
            state.additions.push(Addition {
                user: user.to_owned(),
                definition: definition.to_owned(),
                value,
                day,
            });
        });
    }

    pub fn definitions(&self) -> Vec<Definition> {
        self.with(|state| state.definitions.clone())
    }

    /// What was added to attributes, the oldest first.
    pub fn additions(&self) -> Vec<Addition> {
        self.with(|state| state.additions.clone())
    }

    /// A browser wants to be logged in; gives its code.
    pub fn add_login(&self) -> String {
        self.with(|state| {
            let code = state.new_id();
            let login = LoginRecord {
                confirmed_by: None,
                valid: true,
            };
            state.logins.insert(code.clone(), login);
            code
        })
    }

    pub fn login(&self, code: &str) -> Option<LoginRecord> {
        self.with(|state| state.logins.get(code).cloned())
    }
}
