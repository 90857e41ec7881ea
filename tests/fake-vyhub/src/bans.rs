//! Bans: given, changed, lifted, listed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::servers::no_bundle;
use crate::state::{BanRecord, RenderedList, State, sent_date};
use crate::users::no_user;

fn too_long() -> Answer {
    let msg = "The length exceeds what the group may give.";
    Answer::refused(403, "ban_length_exceeded", msg)
}

fn no_ban() -> Answer {
    Answer::refused(404, "ban_not_found", "This ban does not exist.")
}

impl State {
    /// The same request again is another ban: there is no key that would tell.
    pub(crate) fn create_ban(&mut self, call: &Call) -> Answer {
        let morph = match self.morph(call, Some("ban_edit")) {
            Ok(morph) => morph,
            Err(refused) => return refused,
        };
        let user = call.text("user_id").and_then(|id| self.users.get(id));
        let Some(user) = user.cloned() else {
            return no_user();
        };
        let bundle = call.text("serverbundle_id");
        if bundle.is_some_and(|bundle| bundle != self.bundle) {
            return no_bundle();
        }
        let length_s = call.body.get("length").and_then(Value::as_f64);
        if !self.may_ban_for(morph.as_deref(), length_s) {
            return too_long();
        }
        let sent = call.body.get("created_on").and_then(sent_date);
        let ban = BanRecord {
            id: self.new_id(),
            steam: user.steam,
            user: user.id,
            reason: call.text("reason").map(str::to_owned),
            length_s,
            bundle: bundle.map(str::to_owned),
            creator: morph.or_else(|| call.text("creator_id").map(str::to_owned)),
            created_on: sent.unwrap_or_else(|| self.stamp()),
            status: call.text("status").unwrap_or("ACTIVE").to_owned(),
        };
        let answer = Answer::ok(&self.ban_model(&ban));
        self.push_ban(ban);
        answer
    }

    pub(crate) fn push_ban(&mut self, ban: BanRecord) {
        self.rendered = None;
        self.bans.push(ban);
    }

    pub(crate) fn get_ban(&self, call: &Call) -> Answer {
        match self.bans.iter().find(|ban| ban.id == call.id) {
            Some(ban) => Answer::ok(&self.ban_model(ban)),
            None => no_ban(),
        }
    }

    pub(crate) fn edit_ban(&mut self, call: &Call) -> Answer {
        let morph = match self.morph(call, Some("ban_edit")) {
            Ok(morph) => morph,
            Err(refused) => return refused,
        };
        let length = call.body.get("length").map(Value::as_f64);
        if length.is_some_and(|length_s| !self.may_ban_for(morph.as_deref(), length_s)) {
            return too_long();
        }
        let bundle = call.text("serverbundle_id");
        if bundle.is_some_and(|bundle| bundle != self.bundle) {
            return no_bundle();
        }
        let Some(at) = self.bans.iter().position(|ban| ban.id == call.id) else {
            return no_ban();
        };
        let ban = &mut self.bans[at];
        if let Some(length_s) = length {
            ban.length_s = length_s;
        }
        if let Some(reason) = call.body.get("reason") {
            ban.reason = reason.as_str().map(str::to_owned);
        }
        if let Some(bundle) = call.body.get("serverbundle_id") {
            ban.bundle = bundle.as_str().map(str::to_owned);
        }
        if let Some(status) = call.text("status") {
            ban.status = status.to_owned();
        }
        self.rendered = None;
        Answer::ok(&self.ban_model(&self.bans[at]))
    }

    /// Lifts the user's bans of the bundle; all of them, everywhere, when none is named.
    pub(crate) fn unban(&mut self, call: &Call) -> Answer {
        if let Err(refused) = self.morph(call, Some("ban_edit")) {
            return refused;
        }
        let bundle = call.parameter("serverbundle_id");
        if bundle.is_some_and(|bundle| bundle != self.bundle) {
            return no_bundle();
        }
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let now = self.now();
        for ban in &mut self.bans {
            let meant = bundle.is_none() || ban.bundle.as_deref() == bundle;
            if ban.user == call.id && meant && ban.is_active(now) {
                ban.status = "UNBANNED".to_owned();
            }
        }
        self.rendered = None;
        Answer::ok(&Value::Null)
    }

    pub(crate) fn list_bans(&self, call: &Call) -> Answer {
        let now = self.now();
        let active = call.parameter("active").map(|active| active == "true");
        let meant = |ban: &&BanRecord| {
            let is_active = active.is_none_or(|active| ban.is_active(now) == active);
            is_active
                && self.users.contains_key(&ban.user)
                && call.means(&ban.user, ban.bundle.as_deref(), ban.reason.as_deref())
        };
        let mut bans: Vec<&BanRecord> = self.bans.iter().filter(meant).collect();
        match call.parameter("sort_by") {
            Some("length") => bans.sort_by(|a, b| seconds(a).total_cmp(&seconds(b))),
            Some("reason") => bans.sort_by(|a, b| a.reason.cmp(&b.reason)),
            Some("status") => bans.sort_by(|a, b| a.status.cmp(&b.status)),
            _ => bans.sort_by_key(|ban| ban.created_on),
        }
        call.page(bans, |ban| self.ban_model(ban))
    }

    /// The list of a bundle, by SteamID64. It is made once and kept for as long as it is true.
    pub(crate) fn bundle_bans(&mut self, call: &Call) -> Answer {
        if call.id != self.bundle {
            return no_bundle();
        }
        let active = call.parameter("active").map(|active| active == "true");
        let now = self.now();
        let still_true = |list: &&RenderedList| {
            let same = (list.active, list.skew_ms) == (active, self.skew_ms);
            same && list.until.is_none_or(|until| now < until)
        };
        let kept = self.rendered.as_ref().filter(still_true);
        let body = match kept.map(|list| Arc::clone(&list.body)) {
            Some(body) => body,
            None => self.render_list(active),
        };
        let mut answer = Answer::ok(&json!(null));
        answer.body = body;
        answer
    }

    fn render_list(&mut self, active: Option<bool>) -> Arc<Vec<u8>> {
        let now = self.now();
        let mut by_steam: BTreeMap<&str, Vec<&BanRecord>> = BTreeMap::new();
        for ban in &self.bans {
            let here = ban.bundle.is_none() || ban.bundle.as_ref() == Some(&self.bundle);
            let is_meant = active.is_none_or(|active| ban.is_active(now) == active);
            if here && is_meant && self.users.contains_key(&ban.user) {
                by_steam.entry(&ban.steam).or_default().push(ban);
            }
        }
        let mut body = b"{".to_vec();
        for (steam, bans) in by_steam {
            let comma = if body.len() > 1 { "," } else { "" };
            let bans: Vec<String> = bans
                .into_iter()
                .map(|ban| self.ban_text(ban, now))
                .collect();
            let _ = write!(body, "{comma}\"{steam}\":[{}]", bans.join(","));
        }
        body.push(b'}');
        let standing = self.bans.iter().filter(|ban| ban.is_active(now));
        let body = Arc::new(body);
        self.rendered = Some(RenderedList {
            active,
            skew_ms: self.skew_ms,
            until: standing.filter_map(BanRecord::ends_on).min(),
            body: Arc::clone(&body),
        });
        body
    }
}

/// For sorting: permanent is longest.
fn seconds(ban: &BanRecord) -> f64 {
    ban.length_s.unwrap_or(f64::INFINITY)
}
