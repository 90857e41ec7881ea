//! Records as VyHub's answers show them: every optional field is there, null when it has no value.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::state::{BanRecord, Group, State, User, WarningRecord, iso};

impl State {
    pub(crate) fn user_model(&self, user: &User) -> Value {
        json!({
            "id": user.id,
            "type": "STEAM",
            "identifier": user.steam,
            "registered_on": iso(user.registered),
            "username": user.username,
            "avatar": null,
            "admin": user.admin,
            "credit_account_id": self.server,
            "attributes": {},
            "email": null,
            "email_notification": false,
            "activities": [],
            "linked_users": [],
        })
    }

    pub(crate) fn group_model(&self, group: &Group) -> Value {
        let property = |(name, granted): (&String, &bool)| {
            let model = json!({"name": name, "granted": granted, "value": null});
            (name.clone(), model)
        };
        let properties: serde_json::Map<String, Value> =
            group.properties.iter().map(property).collect();
        let mapping = |(name, bundle): &(String, Option<String>)| {
            json!({
                "name": name, "serverbundle_id": bundle, "id": group.id, "group_id": group.id,
            })
        };
        let mappings: Vec<Value> = group.mappings.iter().map(mapping).collect();
        json!({
            "id": group.id,
            "name": group.name,
            "permission_level": group.level,
            "color": "#ff8800",
            "properties": properties,
            "mappings": mappings,
            "is_team": true,
            "max_ban_length": group.max_ban_s.map(|seconds| seconds as f64),
        })
    }

    pub(crate) fn bundle_short(&self) -> Value {
        serde_json::from_str(&self.bundle_text()).expect("what was just written")
    }

    /// `ServerbundleModelShort` as text.
    fn bundle_text(&self) -> String {
        let id = &self.bundle;
        format!("{{\"id\":\"{id}\",\"name\":\"Fake bundle\",\"icon\":null,\"sort_id\":1}}")
    }

    pub(crate) fn bundle_model(&self) -> Value {
        json!({
            "id": self.bundle,
            "name": "Fake bundle",
            "icon": null,
            "multigroup": false,
            "server_type": "SOURCE",
            "default_group": null,
            "sort_id": 1,
        })
    }

    pub(crate) fn server_model(&self) -> Value {
        let mut model = json!({
            "users_max": null,
            "users_current": null,
            "map": null,
            "extra": {},
            "id": self.server,
            "last_update": self.statuses.last().map(|status| iso(status.at)),
            "serverbundle_id": self.bundle,
            "serverbundle": self.bundle_short(),
        });
        for (name, value) in &self.server_fields {
            if !["is_alive", "user_activities", "secrets"].contains(&name.as_str()) {
                model[name] = value.clone();
            }
        }
        let status = match self.server_fields.get("is_alive") {
            Some(Value::Bool(true)) => "ONLINE",
            Some(Value::Bool(false)) => "OFFLINE",
            _ => "UNKNOWN",
        };
        model["status"] = status.into();
        model
    }

    /// `BanModelReduced` as text: a list may hold a hundred thousand of them.
    pub(crate) fn ban_text(&self, ban: &BanRecord, now: Timestamp) -> String {
        let bundle = ban.bundle.as_ref().map(|_| self.bundle_text());
        let seconds = |length_s: f64| format!("{length_s:?}");
        format!(
            "{{\"length\":{},\"reason\":{},\"id\":\"{}\",\"creator\":{},\"created_on\":\"{}\",\
             \"status\":\"{}\",\"ends_on\":{},\"active\":{},\"user\":{},\"serverbundle\":{}}}",
            or_null(ban.length_s.map(seconds)),
            or_null(ban.reason.as_deref().map(quoted)),
            ban.id,
            or_null(ban.creator.as_ref().and_then(|id| self.user_text(id))),
            iso(ban.created_on),
            ban.status,
            or_null(ban.ends_on().map(|ends| quoted(&iso(ends)))),
            ban.is_active(now),
            or_null(self.user_text(&ban.user)),
            or_null(bundle),
        )
    }

    /// `UserModelShort` as text.
    fn user_text(&self, id: &str) -> Option<String> {
        let user = self.users.get(id)?;
        Some(format!(
            "{{\"id\":\"{}\",\"username\":{},\"type\":\"STEAM\",\"identifier\":\"{}\",\
             \"avatar\":null}}",
            user.id,
            or_null(user.username.as_deref().map(quoted)),
            user.steam,
        ))
    }

    pub(crate) fn ban_reduced(&self, ban: &BanRecord) -> Value {
        serde_json::from_str(&self.ban_text(ban, self.now())).expect("what was just written")
    }

    pub(crate) fn ban_model(&self, ban: &BanRecord) -> Value {
        let mut model = self.ban_reduced(ban);
        model["protests"] = json!([]);
        model
    }

    pub(crate) fn warning_model(&self, warning: &WarningRecord) -> Value {
        let creator = warning.creator.as_ref().and_then(|id| self.users.get(id));
        json!({
            "id": warning.id,
            "reason": warning.reason,
            "creator": creator.map_or_else(|| self.system(), user_short),
            "created_on": iso(warning.created_on),
            "active": !warning.disabled,
            "disabled": warning.disabled,
            "user": self.users.get(&warning.user).map(user_short),
            "serverbundle": self.bundle_short(),
        })
    }

    /// Who warns when nobody does: unlike a ban, a warning always has a creator.
    fn system(&self) -> Value {
        json!({
            "id": self.server,
            "username": "System",
            "type": "CENTRAL",
            "identifier": "system",
            "avatar": null,
        })
    }
}

pub(crate) fn user_short(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "type": "STEAM",
        "identifier": user.steam,
        "avatar": null,
    })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be quoted")
}

fn or_null(json: Option<String>) -> String {
    json.unwrap_or_else(|| "null".to_owned())
}
