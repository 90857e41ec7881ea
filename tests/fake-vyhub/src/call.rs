//! A request that was checked, on its way to what carries it out.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::Name;
use crate::state::State;

/// One request.
pub struct Call<'a> {
    pub name: Name,
    /// What stands in the path's braces.
    pub id: &'a str,
    pub query: &'a [(String, String)],
    pub body: &'a Value,
}

impl Call<'_> {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        let same = query.find(|(known, _)| known == name);
        same.map(|(_, value)| value.as_str())
    }

    /// A text of the body, null being none.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }

    /// Whether a record of a list belongs to what the query asks for.
    pub fn means(&self, user: &str, bundle: Option<&str>, reason: Option<&str>) -> bool {
        let mut bundles = self.all("serverbundle_id").peekable();
        let in_bundle = bundles.peek().is_none() || bundles.any(|asked| Some(asked) == bundle);
        let of_user = self.parameter("user_id").is_none_or(|asked| asked == user);
        let has = |asked: &str| reason.is_some_and(|reason| reason.contains(asked));
        in_bundle && of_user && self.parameter("query").is_none_or(has)
    }

    /// One page of records that are sorted upwards.
    pub fn page<T>(&self, mut records: Vec<T>, model: impl Fn(T) -> Value) -> Answer {
        if self.parameter("sort_desc") == Some("true") {
            records.reverse();
        }
        let number = |name, default| {
            let given = self.parameter(name).and_then(|text| text.parse().ok());
            given.unwrap_or(default)
        };
        let (page, size): (usize, usize) = (number("page", 1), number("size", 50));
        let total = records.len();
        let items = records.into_iter().skip((page - 1).saturating_mul(size));
        let items: Vec<Value> = items.take(size).map(model).collect();
        Answer::ok(&json!({"items": items, "total": total, "page": page, "size": size}))
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.query.iter().filter(move |(known, _)| known == name);
        same.map(|(_, value)| value.as_str())
    }

    pub fn carry_out(&self, state: &mut State) -> Answer {
        match self.name {
            Name::OpenApi => state.open_api(),
            Name::FrontendUrl => state.frontend_url(),
            Name::GetServer => state.get_server(self),
            Name::EditServer => state.edit_server(self),
            Name::UserActivity => state.user_activity(self),
            Name::GetBundle => state.get_bundle(self),
            Name::BundleBans => state.bundle_bans(self),
            Name::BundleWarnings => state.bundle_warnings(self),
            Name::GetUser => state.get_user(self),
            Name::CreateUser => state.create_user(self),
            Name::UserGroups => state.user_groups(self),
            Name::UserProperties => state.user_properties(self),
            Name::Unban => state.unban(self),
            Name::ListBans => state.list_bans(self),
            Name::CreateBan => state.create_ban(self),
            Name::GetBan => state.get_ban(self),
            Name::EditBan => state.edit_ban(self),
            Name::ListWarnings => state.list_warnings(self),
            Name::CreateWarning => state.create_warning(self),
            Name::AllGroups => state.all_groups(),
            Name::EndMemberships => state.end_memberships(self),
            Name::CreateMembership => state.create_membership(self),
            Name::ListMemberships => state.list_memberships(self),
            Name::EndMembershipsOfGroup => state.end_memberships_of_group(self),
            Name::EndMembership => state.end_membership(self),
            Name::ListAdverts => state.list_adverts(self),
            Name::GetDefinition => state.get_definition(self),
            Name::CreateDefinition => state.create_definition(self),
            Name::CreateAttribute => state.create_attribute(self),
            Name::CurrentAttributes => state.current_attributes(self),
            Name::ConfirmLogin => state.confirm_login(self),
            Name::AppliedRewards => state.applied_rewards(self),
            Name::EditAppliedReward => state.edit_applied_reward(self),
        }
    }
}
