//! Players as users of the backend, their groups and rights: known, wanted, refreshed. Other subjects want a
//! user or rights, and are told once, by a [`Message`]. Rights of those who have any are kept on disk, so
//! that admins can act while the backend is unreachable.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rights::{Right, Rights, Verdict, may};
use super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::Now;
use crate::core::context::About;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf};
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Group, Property, Reply, Request, User};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The file of rights.
const DOCUMENT: &str = "rights";

type Key = (SteamId, Uuid);

#[derive(Default)]
pub struct Directory {
    users: HashMap<SteamId, User>,
    wanted_users: BTreeMap<SteamId, WantedUser>,
    rights: HashMap<Key, Known>,
    wanted_rights: BTreeMap<Key, WantedRights>,
}

struct WantedUser {
    due_ms: u64,
    busy: bool,
}

struct Known {
    user: Uuid,
    rights: Rights,
    /// When they were fetched in this run, on the daemon's clock.
    fetched_ms: Option<u64>,
}

#[derive(Default)]
struct WantedRights {
    busy: bool,
    groups: Option<Vec<Group>>,
    properties: Option<Vec<Property>>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    users: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    steam: SteamId,
    bundle: Uuid,
    user: Uuid,
    rights: Rights,
}

impl Directory {
    pub fn user(&self, steam: SteamId) -> Option<&User> {
        self.users.get(&steam)
    }

    /// The id of a user; of those with rights known also while the backend is unreachable.
    pub fn user_id(&self, steam: SteamId, bundle: Uuid) -> Option<Uuid> {
        let user = self.user(steam).map(|user| user.id);
        user.or_else(|| Some(self.rights.get(&(steam, bundle))?.user))
    }

    pub fn rights(&self, steam: SteamId, bundle: Uuid) -> Option<&Rights> {
        let known = self.rights.get(&(steam, bundle))?;
        Some(&known.rights)
    }

    pub fn may(&self, steam: SteamId, bundle: Uuid, right: Right, now: Now) -> Verdict {
        may(self.rights(steam, bundle), right, now.wall_s)
    }

    /// Whether rights were fetched just now.
    pub fn is_fresh(&self, steam: SteamId, bundle: Uuid, now: Now) -> bool {
        let age_ms = self.age_ms(steam, bundle, now);
        age_ms.is_some_and(|age_ms| age_ms < limits::RIGHTS_FRESH_MS)
    }

    fn age_ms(&self, steam: SteamId, bundle: Uuid, now: Now) -> Option<u64> {
        let fetched_ms = self.rights.get(&(steam, bundle))?.fetched_ms?;
        Some(now.mono_ms - fetched_ms)
    }

    /// Looks a user up; [`Message::User`] or [`Message::NoUser`] follows.
    pub fn want_user(&mut self, steam: SteamId, now: Now) {
        let wanted = self.wanted_users.entry(steam).or_insert(WantedUser {
            due_ms: now.mono_ms,
            busy: false,
        });
        wanted.due_ms = wanted.due_ms.min(now.mono_ms);
    }

    /// Fetches rights afresh; [`Message::Rights`] or [`Message::NoRights`] follows.
    pub fn want_rights(&mut self, steam: SteamId, bundle: Uuid, now: Now) {
        if self.user(steam).is_none() {
            self.want_user(steam, now);
        }
        self.wanted_rights.entry((steam, bundle)).or_default();
    }

    /// The backend does not know this user any more.
    pub fn forget(&mut self, steam: SteamId) {
        self.users.remove(&steam);
    }

    pub fn about(&self, steam: SteamId, bundle: Uuid, now: Now) -> About {
        let may = |right| self.may(steam, bundle, right, now) == Verdict::Yes;
        let mut groups: Vec<&Group> = match self.rights(steam, bundle) {
            Some(rights) => rights.groups.iter().collect(),
            None => Vec::new(),
        };
        groups.sort_by_key(|group| std::cmp::Reverse(group.permission_level));
        About {
            user: self.user_id(steam, bundle),
            admin: may(Right::BanEdit) || may(Right::WarningEdit),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
        }
    }

    pub fn is_administrator(&self, steam: SteamId, bundle: Uuid, now: Now) -> bool {
        let admin = |rights: &Rights| rights.admin;
        // What is known for too long does not count.
        self.rights(steam, bundle).is_some_and(admin)
            && self.may(steam, bundle, Right::BanEdit, now) == Verdict::Yes
    }

    fn document(&self) -> String {
        let kept = self.rights.iter().filter(|(_, known)| known.is_somebody());
        let mut users: Vec<Line> = kept
            .map(|((steam, bundle), known)| Line {
                steam: *steam,
                bundle: *bundle,
                user: known.user,
                rights: known.rights.clone(),
            })
            .collect();
        users.sort_by_key(|line| (std::cmp::Reverse(line.rights.known_s), line.steam));
        users.truncate(limits::VYHUB_RIGHTS_KEPT_MAX);
        let document = Document { version: 1, users };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

impl Known {
    /// Whether there is a right that could be used while the backend is unreachable.
    fn is_somebody(&self) -> bool {
        let granted = |list: &[Property]| list.iter().any(|property| property.granted);
        let rights = &self.rights;
        rights.admin
            || granted(&rights.properties)
            || rights.groups.iter().any(|group| granted(&group.properties))
    }
}

/// Carries out what is wanted of the directory.
#[derive(Default)]
pub struct Lookups {
    refresh_due_ms: u64,
}

pub enum Lookup {
    User(SteamId),
    NewUser(SteamId),
    /// Its groups or its properties.
    Rights(Key),
}

impl Subject for Lookups {
    type Ticket = Lookup;

    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> Result<(), String> {
        if name != DOCUMENT {
            return Ok(());
        }
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for line in document.users {
            let known = Known {
                user: line.user,
                rights: line.rights,
                fetched_ms: None,
            };
            cx.directory.rights.insert((line.steam, line.bundle), known);
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            // No lookup waits any longer.
            Message::Reachable => {
                for wanted in cx.directory.wanted_users.values_mut() {
                    wanted.due_ms = wanted.due_ms.min(cx.now.mono_ms);
                }
            }
            Message::User(steam) => initialize(*steam, cx),
            Message::NoUser(steam, _) if cx.directory.user(*steam).is_none() => {
                cx.directory.wanted_rights.retain(|(of, bundle), _| {
                    if of == steam {
                        cx.messages.push_back(Message::NoRights(*of, *bundle));
                    }
                    of != steam
                });
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, lookup: Lookup, reply: Answer, cx: &mut Cx<'_>) {
        match lookup {
            Lookup::User(steam) => user_replied(steam, false, reply, cx),
            Lookup::NewUser(steam) => user_replied(steam, true, reply, cx),
            Lookup::Rights(key) => rights_replied(key, reply, cx),
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        greet(cx);
        if self.refresh_due_ms <= cx.now.mono_ms && cx.records.ready().next().is_some() {
            self.refresh_due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            refresh_rights(cx);
        }
        look_users_up(cx);
        look_rights_up(cx);
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let ready = cx.records.ready().next();
        let refresh = ready.map(|_| self.refresh_due_ms);
        let users = || cx.directory.wanted_users.values();
        let full = users().filter(|wanted| wanted.busy).count() >= limits::VYHUB_LOOKUPS_MAX;
        let idle = users().filter(|wanted| !wanted.busy && !full);
        idle.map(|wanted| wanted.due_ms).chain(refresh).min()
    }
}

/// Whoever is new on a server is looked up.
fn greet(cx: &mut Cx<'_>) {
    let servers: Vec<ServerId> = cx.records.all().iter().map(|it| it.server).collect();
    for server in servers {
        let Some(game) = cx.servers.get_mut(server) else {
            continue;
        };
        let arrived = game.roster.drain_arrivals();
        if game.roster.take_newly_confirmed() || !arrived.is_empty() {
            cx.messages.push_back(Message::BansChanged);
        }
        for userid in arrived {
            let game = cx.servers.get(server);
            let Some(person) = game.and_then(|game| game.roster.person(userid)) else {
                continue;
            };
            let Some(steam) = person.steam else { continue };
            let data = json!({"userid": userid, "id": steam, "name": person.name});
            cx.hook(server, "vyhub_ply_connected", data);
            match cx.directory.user(steam) {
                Some(_) => cx.send(Message::User(steam)),
                None => cx.directory.want_user(steam, cx.now),
            }
        }
    }
}

/// Reports to scripts who a player is in the backend.
fn initialize(steam: SteamId, cx: &mut Cx<'_>) {
    let Some(user) = cx.directory.user(steam).cloned() else {
        return;
    };
    let present: Vec<(ServerId, i64)> = cx.servers.find(steam).collect();
    for (server, userid) in present {
        if cx.records.get(server).is_none() {
            continue;
        }
        if let Some(bundle) = cx.records.bundle(server) {
            cx.directory.want_rights(steam, bundle, cx.now);
        }
        let data = json!({
            "userid": userid,
            "id": steam,
            "user_id": user.id,
            "username": user.username,
            "admin": user.admin,
        });
        cx.hook(server, "vyhub_ply_initialized", data);
    }
}

fn look_users_up(cx: &mut Cx<'_>) {
    let wanted = &mut cx.directory.wanted_users;
    let busy = wanted.values().filter(|wanted| wanted.busy).count();
    let room = limits::VYHUB_LOOKUPS_MAX.saturating_sub(busy);
    let due = wanted
        .iter_mut()
        .filter(|(_, wanted)| !wanted.busy && wanted.due_ms <= cx.now.mono_ms);
    let mut started = Vec::new();
    for (steam, wanted) in due.take(room) {
        wanted.busy = true;
        started.push(*steam);
    }
    for steam in started {
        cx.request(
            Ticket::Directory(Lookup::User(steam)),
            Request::FindUser(steam),
        );
    }
}

/// Fetches rights that are wanted, once their user is known.
fn look_rights_up(cx: &mut Cx<'_>) {
    let Directory {
        users,
        wanted_rights,
        ..
    } = &mut *cx.directory;
    let busy = wanted_rights.values().filter(|wanted| wanted.busy).count();
    let room = limits::VYHUB_LOOKUPS_MAX.saturating_sub(busy);
    let idle = wanted_rights.iter_mut().filter(|(_, wanted)| !wanted.busy);
    let ready = idle.filter_map(|(key, wanted)| Some((*key, wanted, users.get(&key.0)?.id)));
    let mut started = Vec::new();
    for (key, wanted, user) in ready.take(room) {
        wanted.busy = true;
        started.push((key, user));
    }
    for ((steam, bundle), user) in started {
        let ticket = || Ticket::Directory(Lookup::Rights((steam, bundle)));
        cx.request(ticket(), Request::GroupsOfUser { user, bundle });
        cx.request(ticket(), Request::PropertiesOfUser(user));
    }
}

/// The reply to a lookup, or to the making of a user (`made`).
fn user_replied(steam: SteamId, made: bool, reply: Answer, cx: &mut Cx<'_>) {
    let failure = match reply {
        Ok(Reply::User(user)) if user.steam == steam => {
            cx.directory.wanted_users.remove(&steam);
            make_room(cx);
            cx.directory.users.insert(steam, user);
            return cx.send(Message::User(steam));
        }
        Ok(_) => Failure::unclear("VyHub answered with somebody else"),
        Err(failure) if failure.kind == FailureKind::NotFound && !made => {
            let ticket = Ticket::Directory(Lookup::NewUser(steam));
            return cx.request(ticket, Request::CreateUser(steam));
        }
        Err(failure) => failure,
    };
    cx.backend.report_refusal(&failure, cx.now);
    // Players are looked up until they leave; all others are wanted again when they are needed.
    let plays = cx.servers.find(steam).next().is_some();
    match cx.directory.wanted_users.get_mut(&steam) {
        Some(wanted) if plays => {
            wanted.busy = false;
            wanted.due_ms = cx.now.mono_ms + limits::VYHUB_USER_RETRY_MS;
        }
        _ => drop(cx.directory.wanted_users.remove(&steam)),
    }
    cx.send(Message::NoUser(steam, failure));
}

/// Forgets users who do not play, when there are too many.
fn make_room(cx: &mut Cx<'_>) {
    if cx.directory.users.len() >= limits::VYHUB_USERS_MAX {
        let plays = |steam: &SteamId| cx.servers.find(*steam).next().is_some();
        cx.directory.users.retain(|steam, _| plays(steam));
    }
}

/// Groups or properties of a user have come, or not.
fn rights_replied(key: Key, reply: Answer, cx: &mut Cx<'_>) {
    let (steam, bundle) = key;
    let Some(wanted) = cx.directory.wanted_rights.get_mut(&key) else {
        return;
    };
    match reply {
        Ok(Reply::Groups(groups)) => wanted.groups = Some(groups),
        Ok(Reply::Properties(properties)) => wanted.properties = Some(properties),
        _ => {
            cx.directory.wanted_rights.remove(&key);
            return cx.send(Message::NoRights(steam, bundle));
        }
    }
    if wanted.groups.is_none() || wanted.properties.is_none() {
        return;
    }
    let wanted = cx.directory.wanted_rights.remove(&key).unwrap_or_default();
    let Some(user) = cx.directory.user(steam) else {
        return cx.send(Message::NoRights(steam, bundle));
    };
    let fresh = Known {
        user: user.id,
        rights: Rights {
            admin: user.admin,
            groups: wanted.groups.unwrap_or_default(),
            properties: wanted.properties.unwrap_or_default(),
            known_s: cx.now.wall_s,
        },
        fetched_ms: Some(cx.now.mono_ms),
    };
    let somebody = fresh.is_somebody();
    let before = cx.directory.rights.insert(key, fresh);
    if somebody || before.is_some_and(|known| known.is_somebody()) {
        let content = Some(Content::Json(cx.directory.document()));
        cx.store(Shelf::Cache, DOCUMENT.into(), content, None);
    }
    cx.send(Message::Rights(steam, bundle));
}

/// Rights of those who play grow old; of those who have left, only what is kept stays.
fn refresh_rights(cx: &mut Cx<'_>) {
    for (server, bundle) in cx.records.ready() {
        let Some(game) = cx.servers.get(server) else {
            continue;
        };
        for steam in game.roster.people().filter_map(|person| person.steam) {
            let age_ms = cx.directory.age_ms(steam, bundle, cx.now);
            let old = age_ms.is_none_or(|age_ms| age_ms >= limits::VYHUB_RIGHTS_MS);
            if old && cx.directory.user(steam).is_some() {
                cx.directory.want_rights(steam, bundle, cx.now);
            }
        }
    }
    let plays = |steam: SteamId| cx.servers.find(steam).next().is_some();
    let rights = &mut cx.directory.rights;
    rights.retain(|(steam, _), known| known.is_somebody() || plays(*steam));
}
