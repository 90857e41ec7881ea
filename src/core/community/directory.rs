//! Players as users of the backend, and their groups in each bundle, from which rights follow: known, wanted,
//! refreshed. Other subjects want a user or rights, and get one [`Message`] of it. Rights of those who have
//! any are kept on disk, so that admins can act while the backend is unreachable.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rights::{Right, Rights, Verdict, may};
use super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::Now;
use crate::core::context::About;
use crate::core::roster::News;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf};
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Group, Listing, Reply, Request, User};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The file of rights.
const DOCUMENT: &str = "rights";

pub type Key = (SteamId, Uuid);

#[derive(Default)]
pub struct Directory {
    users: HashMap<SteamId, User>,
    /// Known users whom the backend may not know any more.
    doubted: BTreeSet<SteamId>,
    wanted_users: BTreeMap<SteamId, WantedUser>,
    rights: HashMap<Key, Known>,
    /// Whether they are being fetched.
    wanted_rights: BTreeMap<Key, bool>,
    /// Rights that are wanted when the reply about their user has come: whether that is an administrator
    /// stands in it.
    rights_after_users: BTreeSet<Key>,
}

struct WantedUser {
    due_ms: u64,
    busy: bool,
}

struct Known {
    user: Uuid,
    rights: Rights,
    /// When they were fetched, on the daemon's clock; `None`: not since the player came, or not in this run.
    fetched_ms: Option<u64>,
    /// When they were found to be so still.
    confirmed_ms: u64,
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

    /// A user whom the backend surely knows, as far as its last replies go.
    pub fn sure_user(&self, steam: SteamId) -> Option<&User> {
        self.user(steam).filter(|_| !self.doubted.contains(&steam))
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

    /// Whether rights were fetched since the player came.
    pub fn is_current(&self, steam: SteamId, bundle: Uuid) -> bool {
        let known = self.rights.get(&(steam, bundle));
        known.is_some_and(|known| known.fetched_ms.is_some())
    }

    /// A player has come: what was known of them may be so no longer.
    fn arrived(&mut self, steam: SteamId) {
        for ((of, _), known) in &mut self.rights {
            known.fetched_ms = known.fetched_ms.filter(|_| *of != steam);
        }
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

    /// The backend says that a player does not have a right, whatever is known: until the rights are fetched.
    pub fn refute(&mut self, steam: SteamId, bundle: Uuid, right: Right) {
        if let Some(known) = self.rights.get_mut(&(steam, bundle)) {
            known.rights.admin = false;
            let groups = known.rights.groups.iter_mut();
            let properties = groups.flat_map(|group| &mut group.properties);
            for property in properties.filter(|property| property.name == right.property()) {
                property.granted = false;
            }
            known.fetched_ms = None;
        }
    }

    /// A lookup that waits does not wait any longer.
    pub fn hurry(&mut self, steam: SteamId, now: Now) {
        if self.wanted_users.contains_key(&steam) {
            self.want_user(steam, now);
        }
    }

    /// Fetches rights afresh; [`Message::Rights`] or [`Message::NoRights`] follows.
    pub fn want_rights(&mut self, steam: SteamId, bundle: Uuid, now: Now) {
        if self.user(steam).is_none() {
            self.want_user(steam, now);
        }
        self.wanted_rights.entry((steam, bundle)).or_insert(false);
    }

    /// Looks a user up and fetches their rights then, whatever is known or under way; [`Message::Rights`] or
    /// [`Message::NoRights`] follows.
    pub fn want_all(&mut self, steam: SteamId, bundle: Uuid, now: Now) {
        self.want_user(steam, now);
        self.rights_after_users.insert((steam, bundle));
    }

    /// The rights that waited for a reply about this user.
    fn take_rights_after(&mut self, steam: SteamId) -> BTreeSet<Key> {
        let all = std::mem::take(&mut self.rights_after_users).into_iter();
        let (waiting, others) = all.partition(|key| key.0 == steam);
        self.rights_after_users = others;
        waiting
    }

    /// The backend does not know this user any more: looks the player up again.
    pub fn forget(&mut self, steam: SteamId, now: Now) {
        self.users.remove(&steam);
        self.want_user(steam, now);
    }

    /// The backend may not know this user any more: looks the player up again, and keeps what is known.
    pub fn doubt(&mut self, steam: SteamId, now: Now) {
        if self.users.contains_key(&steam) && self.doubted.insert(steam) {
            self.want_user(steam, now);
        }
    }

    /// What is known of a player's groups is so still: they need not be fetched.
    pub fn confirm(&mut self, steam: SteamId, bundle: Uuid, now: Now) {
        let known = self.rights.get_mut(&(steam, bundle));
        if let Some(known) = known.filter(|known| known.fetched_ms.is_some()) {
            known.rights.known_s = now.wall_s;
            known.confirmed_ms = now.mono_ms;
        }
    }

    /// Groups may have other names and grant other things now.
    pub fn redefine(&mut self, groups: &BTreeMap<Uuid, Group>) {
        // What the backend has refuted stays so until it is fetched.
        let fetched = self.rights.values_mut();
        let fetched = fetched.filter(|known| known.fetched_ms.is_some());
        for group in fetched.flat_map(|known| &mut known.rights.groups) {
            if let Some(new) = groups.get(&group.id).filter(|new| *new != group) {
                *group = new.clone();
            }
        }
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
        let grants = |group: &Group| group.properties.iter().any(|property| property.granted);
        self.rights.admin || self.rights.groups.iter().any(grants)
    }
}

/// Carries out what is wanted of the directory.
#[derive(Default)]
pub struct Lookups {
    refresh_due_ms: u64,
    /// Of which players scripts know who they are in the backend.
    reported: BTreeMap<(ServerId, i64), Uuid>,
}

pub enum Lookup {
    User(SteamId),
    NewUser(SteamId),
    Rights(Key),
}

impl Subject for Lookups {
    type Ticket = Lookup;

    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> serde_json::Result<()> {
        if name != DOCUMENT {
            return Ok(());
        }
        let document: Document = serde_json::from_str(text)?;
        for line in document.users {
            let known = Known {
                user: line.user,
                rights: line.rights,
                fetched_ms: None,
                confirmed_ms: 0,
            };
            cx.directory.rights.insert((line.steam, line.bundle), known);
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::User(steam) => self.initialize(*steam, cx),
            // Who is an administrator stands with the user; groups are in the list of who is on.
            Message::Changed(topics) if topics.members => {
                let servers = cx.records.all().iter();
                let games = servers.filter_map(|record| cx.servers.get(record.server));
                let people = games.flat_map(|game| game.roster.people());
                let on: Vec<SteamId> = people.filter_map(|person| person.steam).collect();
                for steam in on {
                    cx.directory.want_user(steam, cx.now);
                }
            }
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
        self.greet(cx);
        if self.refresh_due_ms <= cx.now.mono_ms && cx.records.ready().next().is_some() {
            self.refresh_due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            refresh_rights(cx);
            let servers = &cx.servers;
            self.reported.retain(|(server, userid), _| {
                let game = servers.get(*server);
                game.is_some_and(|game| game.roster.person(*userid).is_some())
            });
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

impl Lookups {
    #[cfg(test)]
    pub fn reported_count(&self) -> usize {
        self.reported.len()
    }

    /// Looks up who is new on a server.
    fn greet(&mut self, cx: &mut Cx<'_>) {
        let servers: Vec<ServerId> = cx.records.all().iter().map(|it| it.server).collect();
        for server in servers {
            let Some(game) = cx.servers.get_mut(server) else {
                continue;
            };
            for news in game.roster.drain_news() {
                cx.messages.push_back(match news {
                    News::Left(person) => Message::Left(server, Box::new(person)),
                    News::Spawned(userid) => Message::Spawned(server, userid),
                    News::Died(userid) => Message::Died(server, userid),
                });
            }
            let arrived = game.roster.drain_arrivals();
            if game.roster.take_newly_confirmed() || !arrived.is_empty() {
                cx.messages.push_back(Message::BansChanged);
            }
            for userid in arrived {
                self.reported.remove(&(server, userid));
                let game = cx.servers.get(server);
                let Some(person) = game.and_then(|game| game.roster.person(userid)) else {
                    continue;
                };
                let Some(steam) = person.steam else { continue };
                let data = json!({"userid": userid, "id": steam, "name": person.name});
                cx.directory.arrived(steam);
                cx.hook(server, "vyhub_ply_connected", data);
                if cx.directory.user(steam).is_some() {
                    cx.send(Message::User(steam));
                }
                // A lookup of one who is doubted may have ended when they left.
                if cx.directory.sure_user(steam).is_none() {
                    cx.directory.want_user(steam, cx.now);
                }
            }
        }
    }

    /// Reports to scripts who a player is in the backend, once.
    fn initialize(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let Some(user) = cx.directory.user(steam).cloned() else {
            return;
        };
        let present: Vec<(ServerId, i64)> = cx.servers.find(steam).collect();
        for (server, userid) in present {
            let before = self.reported.get(&(server, userid));
            if cx.records.get(server).is_none() || before == Some(&user.id) {
                continue;
            }
            self.reported.insert((server, userid), user.id);
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
            cx.send(Message::Initialized(server, userid));
        }
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
    let busy = wanted_rights.values().filter(|busy| **busy).count();
    let room = limits::VYHUB_LOOKUPS_MAX.saturating_sub(busy);
    let idle = wanted_rights.iter_mut().filter(|(_, busy)| !**busy);
    let ready = idle.filter_map(|(key, busy)| Some((*key, busy, users.get(&key.0)?.id)));
    let mut started = Vec::new();
    for (key, busy, user) in ready.take(room) {
        *busy = true;
        started.push((key, user));
    }
    for (key, user) in started {
        let request = Request::GroupsOfUser {
            user,
            bundle: key.1,
        };
        cx.request(Ticket::Directory(Lookup::Rights(key)), request);
    }
}

/// The reply to a lookup, or to the making of a user (`made`).
fn user_replied(steam: SteamId, made: bool, reply: Answer, cx: &mut Cx<'_>) {
    let failure = match reply {
        Ok(Reply::User(user)) if user.steam == steam => {
            cx.directory.wanted_users.remove(&steam);
            cx.directory.doubted.remove(&steam);
            make_room(cx);
            let mut raised = Vec::new();
            for ((of, bundle), known) in &mut cx.directory.rights {
                if *of == steam && user.admin && !known.rights.admin {
                    raised.push((steam, *bundle));
                }
                known.rights.admin &= *of != steam || user.admin;
            }
            cx.directory.users.insert(steam, user);
            let after = cx.directory.take_rights_after(steam).into_iter();
            for (steam, bundle) in after.chain(raised) {
                cx.directory.want_rights(steam, bundle, cx.now);
            }
            return cx.send(Message::User(steam));
        }
        Ok(_) => Failure::unclear("the reply is another user"),
        Err(failure) if failure.kind == FailureKind::NotFound && !made => {
            let ticket = Ticket::Directory(Lookup::NewUser(steam));
            return cx.request(ticket, Request::CreateUser(steam));
        }
        Err(failure) => failure,
    };
    cx.backend.report_refusal(&failure, cx.now);
    // Players are looked up until they leave; all others are wanted again when they are needed.
    let plays = cx.servers.find(steam).next().is_some();
    let again_ms = cx.backend.again_ms(limits::VYHUB_USER_RETRY_MS, cx.now);
    match cx.directory.wanted_users.get_mut(&steam) {
        Some(wanted) if plays => {
            wanted.busy = false;
            wanted.due_ms = again_ms;
        }
        _ => drop(cx.directory.wanted_users.remove(&steam)),
    }
    for (steam, bundle) in cx.directory.take_rights_after(steam) {
        cx.send(Message::NoRights(steam, bundle));
    }
    cx.send(Message::NoUser(steam, failure));
}

/// Forgets users who do not play, when there are too many.
fn make_room(cx: &mut Cx<'_>) {
    if cx.directory.users.len() >= limits::VYHUB_USERS_MAX {
        let plays = |steam: &SteamId| cx.servers.find(*steam).next().is_some();
        cx.directory.users.retain(|steam, _| plays(steam));
        cx.directory.doubted.retain(plays);
    }
}

/// The groups of a user in a bundle have come, or not.
fn rights_replied(key: Key, reply: Answer, cx: &mut Cx<'_>) {
    let (steam, bundle) = key;
    cx.directory.wanted_rights.remove(&key);
    if cx.directory.rights_after_users.contains(&key) {
        // They are fetched once more, and this reply may be older.
        return;
    }
    if let Err(failure) = &reply
        && failure.kind == FailureKind::NotFound
    {
        cx.directory.forget(steam, cx.now);
    }
    // A group that cannot be read may deny what others grant.
    let (Ok(Reply::Groups(Listing { items, skipped: 0 })), Some(user)) =
        (reply, cx.directory.user(steam))
    else {
        return cx.send(Message::NoRights(steam, bundle));
    };
    let fresh = Known {
        user: user.id,
        rights: Rights {
            admin: user.admin,
            groups: items,
            known_s: cx.now.wall_s,
        },
        fetched_ms: Some(cx.now.mono_ms),
        confirmed_ms: cx.now.mono_ms,
    };
    let somebody = fresh.is_somebody();
    let before = cx.directory.rights.insert(key, fresh);
    if somebody || before.is_some_and(|known| known.is_somebody()) {
        let content = Some(Content::Json(cx.directory.document()));
        cx.store(Shelf::Cache, DOCUMENT.into(), content, None);
    }
    cx.send(Message::Rights(steam, bundle));
}

/// Rights of those who play grow old, where it is not known that nothing has changed; of those who have left, only
/// what is kept stays.
fn refresh_rights(cx: &mut Cx<'_>) {
    for (server, bundle) in cx.records.ready() {
        let Some(game) = cx.servers.get(server) else {
            continue;
        };
        for steam in game.roster.people().filter_map(|person| person.steam) {
            let known = cx.directory.rights.get(&(steam, bundle));
            let is_known = |known: &Known| {
                let until_ms = known.confirmed_ms + limits::VYHUB_RIGHTS_MS;
                known.fetched_ms.is_some() && cx.now.mono_ms < until_ms
            };
            if !known.is_some_and(is_known) && cx.directory.user(steam).is_some() {
                cx.directory.want_rights(steam, bundle, cx.now);
            }
        }
    }
    let plays = |steam: SteamId| cx.servers.find(steam).next().is_some();
    let rights = &mut cx.directory.rights;
    rights.retain(|(steam, _), known| known.is_somebody() || plays(*steam));
}
