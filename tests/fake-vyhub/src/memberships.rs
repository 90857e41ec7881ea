//! Groups, and who is in which of them for how long.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::servers::no_bundle;
use crate::state::{Group, MembershipRecord, State, User, iso, sent_date};
use crate::users::no_user;

/// What the user of a `morph_user_id` needs.
const RIGHT: Option<&str> = Some("user_edit");

fn no_group() -> Answer {
    Answer::refused(404, "group_not_found", "There is no such group.")
}

fn protected() -> Answer {
    let msg = "This group is protected and cannot be changed by this user.";
    Answer::refused(403, "group_protected", msg)
}

impl State {
    pub(crate) fn user_groups(&mut self, call: &Call) -> Answer {
        let Some(user) = self.users.get(call.id) else {
            return no_user();
        };
        let everywhere = call.parameter("serverbundle_id").is_none();
        let groups = self.groups_of(user, everywhere);
        let groups: Vec<Value> = groups.iter().map(|group| self.group_model(group)).collect();
        Answer::ok(&groups.into())
    }

    pub(crate) fn all_groups(&self) -> Answer {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        let groups: Vec<Value> = groups.iter().map(|group| self.group_model(group)).collect();
        Answer::ok(&groups.into())
    }

    pub(crate) fn list_memberships(&self, call: &Call) -> Answer {
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let asked = call.parameter("serverbundle_id");
        let own = self
            .memberships
            .iter()
            .filter(|it| it.user == call.id && asked.is_none_or(|bundle| bundle == it.bundle));
        let own: Vec<Value> = own.map(|it| self.membership_model(it)).collect();
        Answer::ok(&own.into())
    }

    pub(crate) fn create_membership(&mut self, call: &Call) -> Answer {
        if let Err(refused) = self.morph(call, RIGHT) {
            return refused;
        }
        if call.text("serverbundle_id") != Some(&self.bundle) {
            return no_bundle();
        }
        let group = call.text("group_id").and_then(|id| self.groups.get(id));
        let Some(group) = group else {
            return no_group();
        };
        if group.protected {
            return protected();
        }
        let group = group.id.clone();
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let date = |name: &str| call.body.get(name).and_then(sent_date);
        let membership = MembershipRecord {
            id: self.new_id(),
            user: call.id.to_owned(),
            group,
            bundle: self.bundle.clone(),
            begin: date("begin").unwrap_or_else(|| self.stamp()),
            end: date("end"),
        };
        let model = self.membership_model(&membership);
        self.memberships.push(membership);
        Answer::ok(&model)
    }

    /// All that stand, in the bundle where one is named.
    pub(crate) fn end_memberships(&mut self, call: &Call) -> Answer {
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let bundle = call.parameter("serverbundle_id");
        self.end_where(call, &|it| {
            it.user == call.id && bundle.is_none_or(|bundle| bundle == it.bundle)
        })
    }

    pub(crate) fn end_memberships_of_group(&mut self, call: &Call) -> Answer {
        if !self.users.contains_key(call.id) {
            return no_user();
        }
        let (group, bundle) = (
            call.parameter("group_id"),
            call.parameter("serverbundle_id"),
        );
        if group.is_none_or(|group| !self.groups.contains_key(group)) {
            return no_group();
        }
        self.end_where(call, &|it| {
            it.user == call.id
                && Some(it.group.as_str()) == group
                && bundle.is_none_or(|bundle| bundle == it.bundle)
        })
    }

    pub(crate) fn end_membership(&mut self, call: &Call) -> Answer {
        if !self.memberships.iter().any(|it| it.id == call.id) {
            let msg = "This membership does not exist.";
            return Answer::refused(404, "membership_not_found", msg);
        }
        self.end_where(call, &|it| it.id == call.id)
    }

    fn end_where(&mut self, call: &Call, is_meant: &dyn Fn(&MembershipRecord) -> bool) -> Answer {
        if let Err(refused) = self.morph(call, RIGHT) {
            return refused;
        }
        let now = self.now();
        let groups = &self.groups;
        let mut meant = self
            .memberships
            .iter()
            .filter(|it| it.is_active(now) && is_meant(it));
        if meant.any(|it| groups.get(&it.group).is_some_and(|group| group.protected)) {
            return protected();
        }
        for membership in &mut self.memberships {
            if membership.is_active(now) && is_meant(membership) {
                membership.end = Some(now);
            }
        }
        Answer::ok(&json!({"success": true}))
    }

    /// In this bundle, or in all bundles; each group once.
    pub(crate) fn groups_of(&self, user: &User, everywhere: bool) -> Vec<&Group> {
        let now = self.now();
        let standing = self.memberships.iter().filter(|it| {
            it.user == user.id && it.is_active(now) && (everywhere || it.bundle == self.bundle)
        });
        let mut groups: Vec<&Group> = Vec::new();
        for membership in standing {
            if let Some(group) = self.groups.get(&membership.group)
                && !groups.iter().any(|known| known.id == group.id)
            {
                groups.push(group);
            }
        }
        groups
    }

    /// `MembershipModel`
    fn membership_model(&self, membership: &MembershipRecord) -> Value {
        let mut model = self.membership_short(membership);
        model["active"] = membership.is_active(self.now()).into();
        let bundle = match membership.bundle == self.bundle {
            true => self.bundle_short(),
            false => json!({"id": membership.bundle, "name": "Other", "icon": null, "sort_id": 2}),
        };
        let model_of = model.as_object_mut().expect("an object");
        model_of.remove("serverbundle_id");
        model_of.insert("serverbundle".into(), bundle);
        model
    }

    /// `MembershipModelShort`
    pub(crate) fn membership_short(&self, membership: &MembershipRecord) -> Value {
        let group = self.groups.get(&membership.group);
        let (name, level) = group.map_or(("", 0), |group| (&*group.name, group.level));
        json!({
            "id": membership.id,
            "bounds": "[)",
            "begin": iso(membership.begin),
            "end": membership.end.map(iso),
            "group": {
                "id": membership.group,
                "name": name,
                "color": "#ff8800",
                "permission_level": level,
            },
            "user_id": membership.user,
            "serverbundle_id": membership.bundle,
        })
    }

    pub(crate) fn add_membership(
        &mut self,
        user: &str,
        group: &str,
        bundle: &str,
        end: Option<Timestamp>,
    ) -> String {
        let membership = MembershipRecord {
            id: self.new_id(),
            user: user.to_owned(),
            group: group.to_owned(),
            bundle: bundle.to_owned(),
            // Long ago, whatever is done to the clock.
            begin: Timestamp::UNIX_EPOCH,
            end,
        };
        let id = membership.id.clone();
        self.memberships.push(membership);
        id
    }
}
