//! Records as VyHub's answers show them: every optional field is there, null when it has no value.

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
        json!({
            "id": group.id,
            "name": group.name,
            "permission_level": group.level,
            "color": "#ff8800",
            "properties": properties,
            "mappings": [],
            "is_team": true,
            "max_ban_length": group.max_ban_s.map(|seconds| seconds as f64),
        })
    }

    pub(crate) fn bundle_short(&self) -> Value {
        json!({"id": self.bundle, "name": "Fake bundle", "icon": null, "sort_id": 1})
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

    /// `BanModelReduced`.
    pub(crate) fn ban_reduced(&self, ban: &BanRecord) -> Value {
        let user = self.users.get(&ban.user).map(user_short);
        let creator = ban.creator.as_ref().and_then(|id| self.users.get(id));
        json!({
            "length": ban.length_s,
            "reason": ban.reason,
            "id": ban.id,
            "creator": creator.map(user_short),
            "created_on": iso(ban.created_on),
            "status": ban.status,
            "ends_on": ban.ends_on().map(iso),
            "active": ban.is_active(self.now()),
            "user": user,
            "serverbundle": ban.bundle.as_ref().map(|_| self.bundle_short()),
        })
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
