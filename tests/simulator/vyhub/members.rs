//! Groups and who is in them: memberships that begin and end, and what groups are called in games.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vpid::protocol::backend::Request;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{
    Activity, Failure, Group, Mapping, Membership, NewMembership, Property, Reply,
};

use super::{Api, BUNDLE, OTHER_BUNDLE, listing, next_id, status};

pub const ADMINS: Uuid = Uuid(0x61);
pub const VIP: Uuid = Uuid(0x62);
pub const SUPPORTER: Uuid = Uuid(0x63);
const ELSEWHERE: Uuid = Uuid(0x64);
pub const FIRST_OF_MANY: u128 = 0x1_0000;

#[derive(Default)]
pub struct Members {
    pub multigroup: bool,
    /// So many more groups, with ids from [`FIRST_OF_MANY`] on.
    pub many: u128,
    pub all: Vec<Membership>,
}

fn time(s: i64) -> Timestamp {
    Timestamp::from_second(s).expect("a time")
}

fn is_active(membership: &Membership, now_s: i64) -> bool {
    let over = |end: Timestamp| end.as_second() <= now_s;
    membership.begin.as_second() <= now_s && !membership.end.is_some_and(over)
}

fn group(id: Uuid) -> Group {
    let many = id.0.checked_sub(FIRST_OF_MANY);
    let name_of_many = many.map(|n| format!("group{n}")).unwrap_or_default();
    let mapping = |name: &str, bundle| Mapping {
        name: name.into(),
        bundle,
    };
    let (name, permission_level, mappings) = match id {
        ADMINS => ("Admins", 100, vec![]),
        VIP => ("VIP", 10, vec![mapping("vip", None)]),
        SUPPORTER => (
            "Supporter",
            20,
            vec![
                mapping("supporter", Some(BUNDLE)),
                mapping("supporter_elsewhere", Some(OTHER_BUNDLE)),
            ],
        ),
        _ if many.is_some() => (&*name_of_many, 1, vec![mapping(&name_of_many, None)]),
        _ => (
            "Elsewhere",
            30,
            vec![mapping("elsewhere", Some(OTHER_BUNDLE))],
        ),
    };
    let property = |name: &str| Property {
        name: name.into(),
        granted: id == ADMINS,
    };
    Group {
        id,
        name: name.into(),
        permission_level,
        properties: ["ban_edit", "warning_edit"].map(property).into(),
        max_ban_s: None,
        mappings,
    }
}

impl Members {
    /// Of a user in a bundle. `begin_s`, `end_s`: by VyHub's clock.
    pub fn add(
        &mut self,
        id: Uuid,
        (user, bundle): (Uuid, Uuid),
        group: Uuid,
        begin_s: i64,
        end_s: Option<i64>,
    ) {
        self.all.push(Membership {
            id,
            user,
            group,
            bundle,
            begin: time(begin_s),
            end: end_s.map(time),
            active: None,
        });
    }

    fn of(&self, user: Uuid) -> impl Iterator<Item = &Membership> {
        self.all.iter().filter(move |it| it.user == user)
    }

    fn active(&self, user: Uuid, bundle: Uuid, now_s: i64) -> BTreeSet<Uuid> {
        let here = self.of(user).filter(|it| it.bundle == bundle);
        let active = here.filter(|it| is_active(it, now_s));
        active.map(|it| it.group).collect()
    }

    /// What a user's groups are called in the games of our bundle, as far as they count there.
    pub fn names(&self, user: Uuid, now_s: i64) -> BTreeSet<String> {
        let here = |group: &Group| {
            let here = |it: &&Mapping| it.bundle.is_none_or(|bundle| bundle == BUNDLE);
            let names = group.mappings.iter().filter(here);
            names.map(|it| it.name.clone()).collect::<Vec<_>>()
        };
        let groups = self.active(user, BUNDLE, now_s).into_iter().map(group);
        let mut groups: Vec<Group> = groups.filter(|group| !here(group).is_empty()).collect();
        groups.sort_by_key(|group| -group.permission_level);
        if !self.multigroup {
            groups.truncate(1);
        }
        groups.iter().flat_map(here).collect()
    }

    /// Whether any of a user's memberships begins or ends then.
    pub fn changes_between(&self, user: Uuid, from_s: i64, until_s: i64) -> bool {
        self.of(user).any(|it| {
            let times = [Some(it.begin), it.end].into_iter().flatten();
            let mut times = times.map(Timestamp::as_second);
            times.any(|s| (from_s..=until_s).contains(&s))
        })
    }

    /// Ends what is chosen and has not ended; tells whether there was any.
    pub fn end(&mut self, now_s: i64, is_chosen: impl Fn(&Membership) -> bool) -> bool {
        let mut any = false;
        for membership in self.all.iter_mut().filter(|it| is_chosen(it)) {
            any = true;
            let end = membership
                .end
                .map_or(now_s, |end| end.as_second().min(now_s));
            membership.end = Some(time(end));
        }
        any
    }
}

impl Api {
    pub(super) fn answer_members(
        &mut self,
        request: &Request,
        now_s: i64,
    ) -> Result<Reply, Failure> {
        Ok(match request {
            Request::GroupsOfUser { user, bundle } => {
                self.knows(*user)?;
                let groups = self.members.active(*user, *bundle, now_s);
                Reply::Groups(listing(groups.into_iter().map(group).collect()))
            }
            Request::ListGroups => {
                let many = (0..self.members.many).map(|n| Uuid(FIRST_OF_MANY + n));
                let all = [ADMINS, VIP, SUPPORTER, ELSEWHERE].into_iter().chain(many);
                Reply::Groups(listing(all.map(group).collect()))
            }
            Request::ListMemberships { user, bundle } => {
                self.knows(*user)?;
                Reply::Memberships(listing(self.memberships(*user, *bundle, now_s)))
            }
            Request::CreateMembership { membership, .. } => self.create_membership(membership)?,
            Request::EndMembership { membership, .. } => {
                match self.members.end(now_s, |it| it.id == *membership) {
                    true => Reply::Nothing,
                    false => return Err(status(404, None)),
                }
            }
            Request::EndMemberships { user, bundle, .. } => {
                self.knows(*user)?;
                let is_of = |it: &Membership| (it.user, it.bundle) == (*user, *bundle);
                self.members.end(now_s, is_of);
                Reply::Nothing
            }
            Request::EndMembershipsOfGroup {
                user,
                bundle,
                group,
                ..
            } => {
                self.knows(*user)?;
                let of = (*user, *bundle, *group);
                let is_of = |it: &Membership| (it.user, it.bundle, it.group) == of;
                self.members.end(now_s, is_of);
                Reply::Nothing
            }
            other => panic!("{other:?} is not about groups"),
        })
    }

    fn create_membership(&mut self, new: &NewMembership) -> Result<Reply, Failure> {
        self.knows(new.user)?;
        let id = next_id(&mut self.last_id);
        let (begin_s, end) = (new.begin.as_second(), new.end);
        let end_s = end.map(|end| end.as_second());
        let of = (new.user, new.bundle);
        self.members.add(id, of, new.group, begin_s, end_s);
        let made = self.members.all.last().expect("it was made just now");
        Ok(Reply::Membership(made.clone()))
    }

    fn memberships(&self, user: Uuid, bundle: Uuid, now_s: i64) -> Vec<Membership> {
        let of = self.members.of(user).filter(|it| it.bundle == bundle);
        let all = of.map(|it| Membership {
            active: Some(is_active(it, now_s)),
            ..it.clone()
        });
        all.collect()
    }

    /// Past and coming memberships too, as they stand, and those in other bundles.
    pub(super) fn activity(&self, server: Uuid) -> Reply {
        let on = self.on.get(&server).into_iter().flatten();
        let about = |user: &Uuid| {
            let (steam, _) = self.users.iter().find(|(_, of)| *of == user)?;
            Some(Activity {
                user: *user,
                steam: *steam,
                username: None,
                memberships: self.members.of(*user).cloned().collect(),
                warnings: 0,
                bans: 0,
            })
        };
        Reply::Activity(listing(on.filter_map(about).collect()))
    }
}
