//! What a test lays down before, and what others do on VyHub's web page meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::FakeVyhub;
use crate::state::{BanRecord, Group, State};

/// SteamID64 of the first player of `grow_bans`.
pub const GROWN_STEAM64: u64 = 76_561_197_970_000_000;

impl FakeVyhub {
    /// A user of VyHub; gives their id.
    pub fn add_user<'a>(
        &self,
        steam64: u64,
        username: impl Into<Option<&'a str>>,
        admin: bool,
    ) -> String {
        let username = username.into();
        self.with(|state| state.add_user(&steam64.to_string(), username, admin))
    }

    /// A group with what it grants and denies; gives its id. `None`: it may ban for any time.
    pub fn add_group(
        &self,
        name: &str,
        level: i64,
        properties: &[(&str, bool)],
        max_ban_s: Option<u64>,
    ) -> String {
        let properties = properties.iter();
        let owned = |(name, granted): &(&str, bool)| ((*name).to_owned(), *granted);
        let properties: BTreeMap<String, bool> = properties.map(owned).collect();
        self.with(|state| {
            let group = Group {
                id: state.new_id(),
                name: name.to_owned(),
                level,
                properties,
                max_ban_s,
                mappings: Vec::new(),
                protected: false,
            };
            let id = group.id.clone();
            state.groups.insert(id.clone(), group);
            id
        })
    }

    /// A group that games call so, in every bundle; gives its id.
    pub fn add_mapped_group(&self, name: &str, level: i64, mapping: &str) -> String {
        let group = self.add_group(name, level, &[], None);
        self.edit_group(&group, |it| it.mappings.push((mapping.to_owned(), None)));
        group
    }

    /// Changes a group in any way.
    #[track_caller]
    pub fn edit_group(&self, group: &str, edit: impl FnOnce(&mut Group)) {
        self.with(|state| edit(state.groups.get_mut(group).expect("a group with this id")));
    }

    #[track_caller]
    pub fn put_in_group(&self, user: &str, group: &str) {
        self.with(|state| {
            assert!(state.users.contains_key(user), "a user with this id");
            let bundle = state.bundle.clone();
            state.add_membership(user, group, &bundle, None);
        });
    }

    /// The same for a time.
    #[track_caller]
    pub fn put_in_group_for(&self, user: &str, group: &str, time: Duration) {
        self.with(|state| {
            let (bundle, now) = (state.bundle.clone(), state.now());
            state.add_membership(user, group, &bundle, now.checked_add(time).ok());
        });
    }

    /// The same in another bundle, of which this server knows nothing.
    #[track_caller]
    pub fn put_in_group_elsewhere(&self, user: &str, group: &str) {
        self.with(|state| {
            let bundle = state.other_bundle.clone();
            state.add_membership(user, group, &bundle, None);
        });
    }

    /// Whether the key has the right to list who is on.
    pub fn set_key_may_list(&self, may: bool) {
        self.with(|state| state.key_may_list = may);
    }

    /// More requests in a second than that are too many.
    pub fn allow_per_second(&self, most: usize) {
        self.with(|state| state.per_second_max = Some(most));
    }

    /// The user is in no group any more.
    #[track_caller]
    pub fn take_out_of_groups(&self, user: &str) {
        self.with(|state| {
            let (bundle, now) = (state.bundle.clone(), state.now());
            for membership in &mut state.memberships {
                if membership.user == user && membership.bundle == bundle {
                    membership.end = membership.end.map_or(Some(now), |end| Some(end.min(now)));
                }
            }
        });
    }

    /// VyHub forgets the user. Their bans stay in the record, but the API does not show them.
    pub fn remove_user(&self, steam64: u64) {
        self.with(|state| {
            if let Some(id) = state.by_steam.remove(&steam64.to_string()) {
                state.users.remove(&id);
            }
            state.rendered = None;
        });
    }

    /// A ban of a user in this bundle by the system, from now on; gives its id.
    #[track_caller]
    pub fn add_ban(&self, user: &str, reason: &str, length_s: Option<u64>) -> String {
        self.with(|state| state.add_ban(user, reason, length_s))
    }

    /// Changes a ban in any way.
    #[track_caller]
    pub fn edit_ban(&self, id: &str, edit: impl FnOnce(&mut BanRecord)) {
        self.with(|state| {
            let mut bans = state.bans.iter_mut();
            edit(bans.find(|ban| ban.id == id).expect("a ban with this id"));
            state.rendered = None;
        });
    }

    /// That many users with a permanent ban each, from `GROWN_STEAM64` upwards.
    pub fn grow_bans(&self, count: u64) {
        self.with(|state| {
            for steam64 in (GROWN_STEAM64..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
                let user = state.add_user(&steam64.to_string(), Some("grown"), false);
                state.add_ban(&user, "grown", None);
            }
        });
    }

    /// A text for all players, with its colour (`#RRGGBB`).
    pub fn add_advert(&self, content: &str, color: &str) {
        self.with(|state| state.adverts.push((content.to_owned(), color.to_owned())));
    }

    /// Options of the owner's for the server.
    pub fn set_server_extra(&self, extra: Value) {
        self.with(|state| state.server_fields.insert("extra".into(), extra));
    }

    /// Another key is right from now on.
    pub fn set_key(&self, key: &str) {
        self.with(|state| state.key = key.to_owned());
    }

    /// Whether the key has the right to act as somebody else.
    pub fn set_key_may_morph(&self, may: bool) {
        self.with(|state| state.key_may_morph = may);
    }
}

impl State {
    #[track_caller]
    fn add_ban(&mut self, user: &str, reason: &str, length_s: Option<u64>) -> String {
        let user = self.users.get(user).expect("a user with this id");
        let (user, steam) = (user.id.clone(), user.steam.clone());
        let ban = BanRecord {
            id: self.new_id(),
            steam,
            user,
            reason: Some(reason.to_owned()),
            length_s: length_s.map(|seconds| seconds as f64),
            bundle: Some(self.bundle.clone()),
            creator: None,
            created_on: self.stamp(),
            status: "ACTIVE".to_owned(),
        };
        let id = ban.id.clone();
        self.push_ban(ban);
        id
    }
}
