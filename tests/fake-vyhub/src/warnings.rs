//! Warnings: given and listed.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::call::Call;
use crate::servers::no_bundle;
use crate::state::{State, WarningRecord};
use crate::users::no_user;

impl State {
    pub(crate) fn create_warning(&mut self, call: &Call) -> Answer {
        let morph = match self.morph(call, Some("warning_edit")) {
            Ok(morph) => morph,
            Err(refused) => return refused,
        };
        let user = call.text("user_id").and_then(|id| self.users.get(id));
        let Some(user) = user.cloned() else {
            return no_user();
        };
        if call.text("serverbundle_id") != Some(&self.bundle) {
            return no_bundle();
        }
        let warning = WarningRecord {
            id: self.new_id(),
            steam: user.steam,
            user: user.id,
            reason: call.text("reason").map(str::to_owned),
            bundle: self.bundle.clone(),
            creator: morph,
            created_on: self.stamp(),
            disabled: false,
        };
        let answer = Answer::ok(&self.warning_model(&warning));
        self.warnings.push(warning);
        answer
    }

    pub(crate) fn list_warnings(&self, call: &Call) -> Answer {
        let meant = |warning: &&WarningRecord| {
            self.users.contains_key(&warning.user)
                && call.means(
                    &warning.user,
                    Some(&warning.bundle),
                    warning.reason.as_deref(),
                )
        };
        let mut warnings: Vec<&WarningRecord> = self.warnings.iter().filter(meant).collect();
        match call.parameter("sort_by") {
            Some("reason") => warnings.sort_by(|a, b| a.reason.cmp(&b.reason)),
            _ => warnings.sort_by_key(|warning| warning.created_on),
        }
        call.page(warnings, |warning| self.warning_model(warning))
    }

    /// The list of a bundle, by SteamID64.
    pub(crate) fn bundle_warnings(&self, call: &Call) -> Answer {
        if call.id != self.bundle {
            return no_bundle();
        }
        let active = call.parameter("active").map(|active| active == "true");
        let mut by_steam = Map::new();
        for warning in &self.warnings {
            let is_meant = active.is_none_or(|active| active != warning.disabled);
            if is_meant && self.users.contains_key(&warning.user) {
                let of_user = by_steam
                    .entry(&warning.steam)
                    .or_insert_with(|| Value::Array(vec![]));
                if let Value::Array(list) = of_user {
                    list.push(self.warning_model(warning));
                }
            }
        }
        Answer::ok(&by_steam.into())
    }
}
