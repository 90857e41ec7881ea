//! Users and their rights.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::schema::is_steam64;
use crate::state::State;

pub(crate) fn no_user() -> Answer {
    Answer::refused(404, "user_not_found", "This user does not exist.")
}

impl State {
    pub(crate) fn get_user(&mut self, call: &Call) -> Answer {
        let id = match call.parameter("type") {
            None => Some(call.id),
            Some("STEAM") => self.by_steam.get(call.id).map(String::as_str),
            Some(_) => None,
        };
        match id.and_then(|id| self.users.get(id)) {
            Some(user) => Answer::ok(&self.user_model(user)),
            None => no_user(),
        }
    }

    /// Who is there already is answered, not doubled.
    pub(crate) fn create_user(&mut self, call: &Call) -> Answer {
        let steam = call.text("identifier").unwrap_or_default();
        if call.text("type") != Some("STEAM") || !is_steam64(steam) {
            return Answer::refused(400, "user_invalid", "Steam does not know this identifier.");
        }
        let known = self.by_steam.get(steam).cloned();
        let created = known.is_none();
        let id = known.unwrap_or_else(|| self.add_user(steam, call.text("username"), false));
        let mut answer = Answer::ok(&self.user_model(&self.users[&id]));
        answer.applied = created;
        answer
    }

    pub(crate) fn user_properties(&mut self, call: &Call) -> Answer {
        let Some(user) = self.users.get(call.id) else {
            return no_user();
        };
        // All groups of the user together, whatever their bundles.
        let properties = Self::properties(self.groups_of(user, true)).into_iter();
        let model = |(name, granted)| json!({"name": name, "granted": granted, "values": []});
        let properties: Vec<Value> = properties.map(model).collect();
        Answer::ok(&properties.into())
    }

    /// As whom a request is to be carried out: `None` is the server itself. The error is the answer.
    pub(crate) fn morph(&self, call: &Call, right: Option<&str>) -> Result<Option<String>, Answer> {
        let Some(id) = call.parameter("morph_user_id") else {
            return Ok(None);
        };
        if !self.key_may_morph {
            let msg = "The key needs the right user_morph.";
            return Err(Answer::refused(403, "user_morph_not_allowed", msg));
        }
        let Some(user) = self.users.get(id) else {
            return Err(no_user());
        };
        if let Some(right) = right
            && !user.admin
            && Self::properties(self.groups_of(user, false)).get(right) != Some(&true)
        {
            let msg = format!("The user lacks the property {right}.");
            return Err(Answer::refused(403, "permission_denied", &msg));
        }
        Ok(Some(id.to_owned()))
    }

    /// Whether somebody may ban for so long: the most generous of their groups that may ban at all.
    pub(crate) fn may_ban_for(&self, creator: Option<&str>, length_s: Option<f64>) -> bool {
        let Some(user) = creator.and_then(|id| self.users.get(id)) else {
            return true;
        };
        let groups = self.groups_of(user, false).into_iter();
        let mut banning = groups.filter(|group| group.properties.get("ban_edit") == Some(&true));
        user.admin
            || banning.any(|group| match (group.max_ban_s, length_s) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(max), Some(length)) => length <= max as f64,
            })
    }
}
