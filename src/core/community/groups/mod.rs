//! Groups of the backend in the game: who is in which, by the names that their mappings have for games, and what
//! follows when that changes.
//!
//! Once a minute the memberships of all who are on a server are listed in one request, and only those whose
//! memberships have changed, or who have just come, have their groups fetched. What is known is in `members`, what
//! happens on servers in `apply`, SourceMod's file in `sourcemod`, and orders to change groups in `change`.
//!
//! What is not known changes nothing: a list that does not come, or a record in it that cannot be read.

mod apply;
mod change;
mod members;
mod sourcemod;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::directory::Key;
use super::{Answer, Cx, Message, Subject};
use crate::config;
use crate::core::message::NotDone;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{
    Activity, Failure, FailureKind, Group, Listing, Membership, Reply, Request,
};
use crate::protocol::console::{is_unknown, plain};
use crate::protocol::log_targets::log_server;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

use apply::Runs;
use members::Members;
use sourcemod::SourceMod;

/// The file of all groups of the backend.
const DEFINITIONS: &str = "group-definitions";

/// How often a difference between a player's memberships and groups is looked into. The backend may give out
/// groups for which there is no membership.
const LOOKS_MAX: u32 = 2;

#[derive(Default)]
pub struct Groups {
    polls: BTreeMap<ServerId, Poll>,
    definitions: Definitions,
    members: Members,
    /// Memberships of those who are on, by the last list.
    seen: HashMap<Key, Seen>,
    runs: Runs,
    sourcemod: SourceMod,
}

/// When a server's players are listed.
#[derive(Default)]
struct Poll {
    due_ms: u64,
    busy: bool,
    /// The backend has reported since the last list that memberships have changed.
    is_after_change: bool,
    /// The log has that the key may not.
    refused: bool,
}

/// All groups of the backend.
#[derive(Default)]
struct Definitions {
    known: BTreeMap<Uuid, Group>,
    due_ms: u64,
    busy: bool,
}

/// What a list has of a player in a bundle.
#[derive(Default)]
struct Seen {
    /// Groups whose memberships stand, and when the last of each ends; `None`: never.
    ends: BTreeMap<Uuid, Option<i64>>,
    /// How often the player's groups have come since that changed.
    looks: u32,
}

pub enum Ticket {
    Activity(ServerId),
    Definitions,
    /// The players of a bundle are on disk, by the number of the write.
    Kept(Uuid, u64),
    /// SourceMod's file is written.
    Admins,
    /// A command for a player's groups, by the number of the run.
    Command(ServerId, SteamId, u64),
}

impl Subject for Groups {
    type Ticket = Ticket;

    fn configure(&mut self, config: &config::Community) {
        self.runs.commands = config.groups.clone();
        self.sourcemod.configure(config);
    }

    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> serde_json::Result<()> {
        if name == DEFINITIONS {
            let groups: Vec<Group> = serde_json::from_str(text)?;
            self.definitions.known = groups.into_iter().map(|it| (it.id, it)).collect();
            return Ok(());
        }
        self.members.restore(name, text, cx.time_s())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Rights(steam, bundle) => self.learn((*steam, *bundle), cx),
            Message::Initialized(server, userid) => {
                let game = cx.servers.get(*server);
                let person = game.and_then(|game| game.roster.person(*userid));
                if let Some(steam) = person.and_then(|person| person.steam) {
                    self.runs.look_at((*server, steam), cx.now.mono_ms);
                }
            }
            Message::Left(server, person) => {
                let Some(steam) = person.steam else { return };
                self.runs.forget((*server, steam));
                if cx.servers.find(steam).next().is_none() {
                    self.seen.retain(|(of, _), _| *of != steam);
                }
            }
            Message::BansChanged | Message::SessionBegan(_) | Message::MapStarted(_) => {
                self.runs.hurry(cx.now.mono_ms);
                self.sourcemod.hurry(cx.now.mono_ms);
            }
            Message::Changed(topics) => {
                let due_ms = &mut self.definitions.due_ms;
                if topics.groups {
                    *due_ms = (*due_ms).min(cx.now.mono_ms);
                }
                for poll in self.polls.values_mut().filter(|_| topics.members) {
                    poll.due_ms = poll.due_ms.min(cx.now.mono_ms);
                    poll.is_after_change = true;
                }
            }
            Message::Order(order) => self.order(order, cx),
            _ => {}
        }
    }

    fn on_reply(&mut self, ticket: Ticket, reply: Answer, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Activity(server) => self.listed(server, reply, cx),
            Ticket::Definitions => self.defined(reply, cx),
            Ticket::Kept(..) | Ticket::Admins | Ticket::Command(..) => {}
        }
    }

    fn on_stored(&mut self, ticket: Ticket, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Kept(bundle, write) => {
                let ready = self.members.kept((bundle, write), result, cx.now.mono_ms);
                for key in ready {
                    self.look_everywhere(key, cx);
                }
            }
            Ticket::Admins => self.sourcemod.written(result, cx),
            Ticket::Activity(_) | Ticket::Definitions | Ticket::Command(..) => {}
        }
    }

    fn on_command(&mut self, ticket: Ticket, result: Result<String, NotDone>, cx: &mut Cx<'_>) {
        if let Ticket::Command(server, steam, run) = ticket {
            let result = match result {
                // As while a plugin is not loaded.
                Ok(reply) if is_unknown(&reply) => {
                    Err(plain(&reply, limits::ERROR_DETAIL_BYTES_MAX))
                }
                Ok(_) => Ok(()),
                Err(why) => Err(why.to_string()),
            };
            self.command_done((server, steam), run, result, cx);
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.poll(cx);
        let bundles = cx.records.all().iter().map(|record| record.bundle());
        let ready = bundles.clone().flatten();
        let ready = ready.map(|bundle| (bundle.id, bundle.multigroup)).collect();
        let all_known = bundles.clone().all(|bundle| bundle.is_some());
        self.members.set_ready(&ready, all_known, cx.time_s());
        for key in self.members.pop_ended(cx.time_s()) {
            self.look_everywhere(key, cx);
        }
        self.apply_due(cx);
        self.members.store(cx);
        self.sourcemod.advance(&mut self.members, cx);
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let polls = self.polls.values().filter(|poll| !poll.busy);
        let polls = polls.map(|poll| poll.due_ms).min();
        let is_ready = cx.records.ready().next().is_some();
        let definitions = (is_ready && !self.definitions.busy).then_some(self.definitions.due_ms);
        let dues = [
            polls,
            definitions,
            self.members.next_due(cx),
            self.runs.next_due(),
            self.sourcemod.next_due(),
        ];
        dues.into_iter().flatten().min()
    }
}

impl Groups {
    /// Requests what is due.
    fn poll(&mut self, cx: &mut Cx<'_>) {
        let ready: Vec<ServerId> = cx.records.ready().map(|(server, _)| server).collect();
        let definitions = &mut self.definitions;
        if !ready.is_empty() && !definitions.busy && definitions.due_ms <= cx.now.mono_ms {
            definitions.busy = true;
            definitions.due_ms = cx.now.mono_ms + limits::VYHUB_RIGHTS_MS;
            let ticket = super::Ticket::Groups(Ticket::Definitions);
            cx.request(ticket, Request::ListGroups);
        }
        for server in ready {
            // The first list comes when the first report of the state has arrived.
            let first_ms = cx.now.mono_ms + limits::VYHUB_FULL_REPORT_MS;
            let poll = self.polls.entry(server).or_insert_with(|| Poll {
                due_ms: first_ms,
                ..Poll::default()
            });
            if poll.busy || poll.due_ms > cx.now.mono_ms {
                continue;
            }
            poll.due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            let game = cx.servers.get(server);
            let is_on = game.is_some_and(|game| game.roster.people().any(|person| !person.bot));
            if let Some(record) = cx.records.get(server).filter(|_| is_on) {
                poll.busy = true;
                let request = Request::ListActivity { server: record.id };
                cx.request(super::Ticket::Groups(Ticket::Activity(server)), request);
            }
        }
    }

    /// The memberships of all who are on a server have come, or not.
    fn listed(&mut self, server: ServerId, reply: Answer, cx: &mut Cx<'_>) {
        let poll = self.polls.entry(server).or_default();
        poll.busy = false;
        let users = match reply {
            Ok(Reply::Activity(Listing { items, .. })) => items,
            Ok(_) => return,
            Err(failure) => {
                let pause_ms = match failure.kind {
                    FailureKind::Forbidden(_) => limits::VYHUB_RECORD_MS,
                    _ => limits::VYHUB_ROUND_MS,
                };
                poll.due_ms = cx.backend.again_ms(pause_ms, cx.now);
                return report_refused(poll, &failure, cx.label(server));
            }
        };
        if std::mem::take(&mut poll.refused) {
            log_server!(
                info,
                cx.label(server),
                "{} lists the memberships of players again",
                cx.backend.keeper
            );
        }
        let Some(bundle) = cx.records.bundle(server) else {
            return;
        };
        if std::mem::take(&mut poll.is_after_change) {
            // Who has come since the last report of the state is in no list yet.
            let game = cx.servers.get(server);
            let people = game.into_iter().flat_map(|game| game.roster.people());
            let on: BTreeSet<SteamId> = people.filter_map(|person| person.steam).collect();
            let listed: BTreeSet<SteamId> = users.iter().map(|user| user.steam).collect();
            for steam in on.difference(&listed) {
                cx.directory.want_rights(*steam, bundle, cx.now);
            }
        }
        for user in users {
            let plays = cx.servers.find(user.steam).any(|(at, _)| at == server);
            if plays && cx.directory.user(user.steam).map(|it| it.id) == Some(user.user) {
                self.see(&user, bundle, cx);
            }
        }
    }

    /// What a list has of a player.
    fn see(&mut self, user: &Activity, bundle: Uuid, cx: &mut Cx<'_>) {
        let key = (user.steam, bundle);
        let here = user.memberships.iter().filter(|it| it.bundle == bundle);
        // What has begun a moment ago stands, as far as that is certain.
        let latest_s = cx.backend.moment(cx.now).latest_s;
        let ends = standing(here, (latest_s, cx.time_s()));
        let is_new = !self.seen.contains_key(&key);
        let seen = self.seen.entry(key).or_default();
        if is_new || !seen.ends.keys().eq(ends.keys()) {
            seen.looks = 0;
        }
        seen.ends = ends;
        let rights = cx.directory.rights(user.steam, bundle);
        let known: BTreeSet<Uuid> = match rights {
            Some(rights) => rights.groups.iter().map(|group| group.id).collect(),
            None => return,
        };
        let agrees = known.iter().eq(seen.ends.keys());
        if !agrees && seen.looks < LOOKS_MAX {
            return cx.directory.want_rights(user.steam, bundle, cx.now);
        }
        cx.directory.confirm(user.steam, bundle, cx.now);
        if self
            .members
            .set_ends(key, &self.seen[&key].ends, cx.time_s())
        {
            self.look_everywhere(key, cx);
        }
    }

    /// A player's groups have come, or are called otherwise now.
    fn learn(&mut self, key: Key, cx: &mut Cx<'_>) {
        let Some(rights) = cx.directory.rights(key.0, key.1) else {
            return;
        };
        let no_ends = BTreeMap::new();
        let ends = match self.seen.get_mut(&key) {
            Some(seen) => {
                seen.looks = seen.looks.saturating_add(1);
                &seen.ends
            }
            None => &no_ends,
        };
        self.members.learn(key, &rights.groups, ends, cx.time_s());
        self.look_everywhere(key, cx);
    }

    /// All groups of the backend have come, or not.
    fn defined(&mut self, reply: Answer, cx: &mut Cx<'_>) {
        self.definitions.busy = false;
        let Listing { items, skipped } = match reply {
            Ok(Reply::Groups(groups)) => groups,
            Ok(_) => return,
            Err(failure) => {
                self.definitions.due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
                return log::debug!("groups could not be listed: {failure}");
            }
        };
        let mut known: BTreeMap<Uuid, Group> = items.into_iter().map(|it| (it.id, it)).collect();
        if skipped > 0 {
            // What cannot be read stays as it was known.
            let before = self.definitions.known.clone().into_iter();
            known = before.chain(known).collect();
        }
        // That there are none any more would take everybody's groups away.
        if known.is_empty() || known == self.definitions.known {
            return;
        }
        let groups: Vec<&Group> = known.values().collect();
        let text = serde_json::to_string(&groups).unwrap_or_default();
        cx.store(
            Shelf::Cache,
            DEFINITIONS.into(),
            Some(Content::Json(text)),
            None,
        );
        let before = std::mem::replace(&mut self.definitions.known, known);
        let known = &self.definitions.known;
        cx.directory.redefine(known);
        for key in self.members.redefine((&before, known), cx.time_s()) {
            self.look_everywhere(key, cx);
        }
    }

    /// Looks at a player wherever they play.
    fn look_everywhere(&mut self, (steam, bundle): Key, cx: &mut Cx<'_>) {
        let places: Vec<ServerId> = cx.servers.find(steam).map(|(server, _)| server).collect();
        for server in places {
            if cx.records.bundle(server) == Some(bundle) {
                self.runs.look_at((server, steam), cx.now.mono_ms);
            }
        }
    }
}

/// Groups of memberships that stand now, and when the last of each ends. `latest_s`: the latest that it may be by
/// the backend's clock; `now_s`: what it probably is.
fn standing<'m>(
    memberships: impl Iterator<Item = &'m Membership>,
    (latest_s, now_s): (i64, i64),
) -> BTreeMap<Uuid, Option<i64>> {
    let mut ends: BTreeMap<Uuid, Option<i64>> = BTreeMap::new();
    for membership in memberships {
        let end_s = membership.end.map(|end| end.as_second());
        let stands = membership.active != Some(false)
            && membership.begin.as_second() <= latest_s
            && end_s.is_none_or(|end_s| end_s > now_s);
        if stands {
            let last = ends.entry(membership.group).or_insert(Some(i64::MIN));
            *last = last.and_then(|last_s| Some(last_s.max(end_s?)));
        }
    }
    ends
}

fn report_refused(poll: &mut Poll, failure: &Failure, label: &str) {
    let refused = matches!(failure.kind, FailureKind::Forbidden(_));
    if refused && !std::mem::replace(&mut poll.refused, true) {
        log_server!(
            warn,
            label,
            "VyHub does not let this key list who is on ({failure}), so each player's groups are fetched \
             every {} minutes, and purchases take effect later; give the key the right to list user activity",
            limits::VYHUB_RIGHTS_MS / 60_000
        );
    } else {
        log_server!(debug, label, "who is on could not be listed: {failure}");
    }
}
