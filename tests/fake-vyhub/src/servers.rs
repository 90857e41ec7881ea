//! The API itself, the server and its bundle.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::models::user_short;
use crate::state::{State, StatusRecord, iso};
use crate::users::no_user;

pub(crate) fn no_bundle() -> Answer {
    Answer::refused(404, "serverbundle_not_found", "This bundle does not exist.")
}

fn no_server() -> Answer {
    Answer::refused(404, "server_not_found", "This server does not exist.")
}

impl State {
    pub(crate) fn open_api(&self) -> Answer {
        let info = json!({"title": "VyHub API", "version": "0.0.0-fake"});
        Answer::ok(&json!({"openapi": "3.1.0", "info": info, "paths": {}}))
    }

    pub(crate) fn frontend_url(&self) -> Answer {
        Answer::ok(&json!({"frontend_url": "https://fake.vyhub.example"}))
    }

    pub(crate) fn get_server(&self, call: &Call) -> Answer {
        if call.id != self.server {
            return no_server();
        }
        Answer::ok(&self.server_model())
    }

    pub(crate) fn edit_server(&mut self, call: &Call) -> Answer {
        if call.id != self.server {
            return no_server();
        }
        let activities = call.body.get("user_activities").and_then(Value::as_array);
        let mut users = activities
            .into_iter()
            .flatten()
            .map(|one| one["user_id"].as_str());
        if users.any(|user| user.is_none_or(|user| !self.users.contains_key(user))) {
            return no_user();
        }
        let at = self.stamp();
        let body = call.body.clone();
        if let Value::Object(fields) = &body {
            self.server_fields.extend(fields.clone());
        }
        self.statuses.push(StatusRecord { at, body });
        Answer::ok(&self.server_model())
    }

    pub(crate) fn get_bundle(&self, call: &Call) -> Answer {
        if call.id != self.bundle {
            return no_bundle();
        }
        Answer::ok(&self.bundle_model())
    }

    pub(crate) fn list_adverts(&self, call: &Call) -> Answer {
        if call.parameter("serverbundle_id") != Some(&self.bundle) {
            return Answer::ok(&json!([]));
        }
        let advert = |(number, (content, color)): (usize, &(String, String))| {
            json!({
                "id": format!("00000000-0000-0000-0000-{number:012}"), "title": "advert",
                "content": content, "sort_id": number, "color": color, "enabled": true,
                "serverbundles": [],
            })
        };
        let adverts: Vec<Value> = self.adverts.iter().enumerate().map(advert).collect();
        Answer::ok(&adverts.into())
    }

    /// Who was in the last status.
    pub(crate) fn user_activity(&self, call: &Call) -> Answer {
        if call.id != self.server {
            return no_server();
        }
        if let Err(refused) = self.morph(call, None) {
            return refused;
        }
        if !self.key_may_list {
            let msg = "The key needs the right server_user_activity_show.";
            return Answer::refused(403, "permission_denied", msg);
        }
        let told = self.server_fields.get("user_activities");
        let activities = told.and_then(Value::as_array);
        let last_online = self.statuses.last().map(|status| iso(status.at));
        let model = |activity: &Value| {
            let user = self.users.get(activity["user_id"].as_str()?)?;
            let mut model = user_short(user);
            let bans = self.bans.iter().filter(|ban| ban.user == user.id);
            let bans: Vec<Value> = bans.map(|ban| self.ban_reduced(ban)).collect();
            let warnings = self.warnings.iter();
            let warnings: Vec<Value> = warnings
                .filter(|warning| warning.user == user.id)
                .map(|warning| self.warning_model(warning))
                .collect();
            let own = self.memberships.iter().filter(|it| it.user == user.id);
            let own: Vec<Value> = own.map(|it| self.membership_short(it)).collect();
            model["memberships"] = own.into();
            model["warnings"] = warnings.into();
            model["bans"] = bans.into();
            model["activities"] = json!([{"extra": activity["extra"], "last_online": last_online}]);
            Some(model)
        };
        let users: Vec<Value> = activities.into_iter().flatten().filter_map(model).collect();
        Answer::ok(&users.into())
    }
}
