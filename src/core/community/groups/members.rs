//! Who is in which groups, by bundles, until when, and what was applied of that on each server. It is kept on disk,
//! so that nothing is applied once more after a start, and ends are known also while the backend is unreachable.
//!
//! What is about to be applied is on disk before a command runs (`begun`), so that a crash leaves no group in a game
//! of which nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Ticket;
use crate::core::community::Cx;
use crate::core::community::directory::Key;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::Group;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

const NAME: &str = "groups-";

/// Names of mappings.
pub type Names = BTreeSet<String>;

#[derive(Default)]
pub struct Members {
    bundles: BTreeMap<Uuid, OfBundle>,
    /// The bundles of all servers are known.
    all_known: bool,
    /// Something has changed since [`Members::take_changed`].
    changed: bool,
}

#[derive(Default)]
struct OfBundle {
    document: Document,
    /// The bundle has a server here.
    is_ready: bool,
    /// When the next group ends, by the backend's clock, unix seconds.
    next_end_s: Option<i64>,
    /// It must be recomputed: once for all changes of a moment.
    stale: bool,
    /// It differs from what is on disk; and this cannot wait for the writes under way, since a stop would have it
    /// applied once more.
    unsaved: bool,
    urgent: bool,
    /// Writes under way.
    busy: u32,
    /// Not before this, on the daemon's clock.
    due_ms: u64,
    /// How often it was written, and the number of the write with which what is begun is on disk.
    writes: u64,
    unwritten: BTreeMap<(SteamId, Uuid), u64>,
    /// That it cannot be written was reported.
    refused: bool,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    /// A player has all of their groups, and not only the highest.
    multigroup: bool,
    players: BTreeMap<SteamId, Member>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            version: 1,
            multigroup: false,
            players: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// When something was known of them last, unix seconds.
    seen_s: i64,
    /// Those with mappings, the highest first.
    groups: Vec<Mapped>,
    /// On each server, by its id in the backend.
    #[serde(default)]
    applied: BTreeMap<Uuid, Names>,
    /// Names whose commands were begun since: whether they ran is not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    begun: BTreeMap<Uuid, Names>,
}

/// A group of a player, with its names in games.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mapped {
    id: Uuid,
    names: Names,
    /// By the backend's clock, unix seconds. `None`: no end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_s: Option<i64>,
}

impl Mapped {
    fn stands(&self, now_s: i64) -> bool {
        self.until_s.is_none_or(|until_s| until_s > now_s)
    }
}

impl Member {
    /// The names that count now.
    fn names(&self, multigroup: bool, now_s: i64) -> Names {
        let stand = self.groups.iter().filter(|group| group.stands(now_s));
        let count = if multigroup { usize::MAX } else { 1 };
        let names = stand
            .take(count)
            .flat_map(|group| group.names.iter().cloned());
        names.take(limits::GROUPS_OF_PLAYER_MAX).collect()
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.applied.is_empty() && self.begun.is_empty()
    }
}

/// Groups with names in this bundle, the highest first.
fn mapped(groups: &[Group], bundle: Uuid, ends: &BTreeMap<Uuid, Option<i64>>) -> Vec<Mapped> {
    let mut groups: Vec<&Group> = groups.iter().collect();
    groups.sort_by_key(|it| {
        (
            std::cmp::Reverse(it.permission_level),
            it.name.to_lowercase(),
            it.id,
        )
    });
    let mapped = groups.into_iter().map(|group| Mapped {
        id: group.id,
        names: names_in(group, bundle),
        until_s: ends.get(&group.id).copied().flatten(),
    });
    let mapped = mapped.filter(|group| !group.names.is_empty());
    mapped.take(limits::GROUPS_OF_PLAYER_MAX).collect()
}

/// What a group is called in the games of a bundle.
pub fn names_in(group: &Group, bundle: Uuid) -> Names {
    let here = group
        .mappings
        .iter()
        .filter(|it| it.bundle.is_none_or(|of| of == bundle));
    let names = here.map(|mapping| mapping.name.trim());
    let good = |name: &&str| {
        (1..=limits::GROUP_NAME_CHARS_MAX).contains(&name.chars().count())
            && !name.contains(char::is_control)
    };
    names.filter(good).map(str::to_owned).collect()
}

impl Members {
    /// A document of an earlier run; others are passed over.
    pub fn restore(&mut self, name: &str, text: &str, now_s: i64) -> serde_json::Result<()> {
        let Some(bundle) = name.strip_prefix(NAME).and_then(|id| id.parse().ok()) else {
            return Ok(());
        };
        let of = self.bundles.entry(bundle).or_default();
        of.document = serde_json::from_str(text)?;
        of.plan(now_s);
        Ok(())
    }

    /// These bundles have servers here that are ready, and whether a player has all of their groups in them.
    /// `all_known`: no server is in another bundle.
    pub fn set_ready(&mut self, ready: &BTreeMap<Uuid, bool>, all_known: bool, now_s: i64) {
        self.changed |= std::mem::replace(&mut self.all_known, all_known) != all_known;
        for bundle in ready.keys() {
            self.bundles.entry(*bundle).or_default();
        }
        for (bundle, of) in &mut self.bundles {
            let multigroup = ready.get(bundle).copied();
            let is_ready = multigroup.is_some();
            let multigroup = multigroup.unwrap_or(of.document.multigroup);
            if (of.is_ready, of.document.multigroup) != (is_ready, multigroup) {
                (of.is_ready, of.document.multigroup) = (is_ready, multigroup);
                of.plan(now_s);
                self.changed = true;
            }
        }
    }

    /// Whether something has changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The names of a player's groups that count now; `None`: nothing is known.
    pub fn names(&self, (steam, bundle): Key, now_s: i64) -> Option<Names> {
        let of = self.bundles.get(&bundle)?;
        let member = of.document.players.get(&steam)?;
        Some(member.names(of.document.multigroup, now_s))
    }

    /// What was applied on a server, also while it was in another bundle.
    pub fn applied(&self, steam: SteamId, server: Uuid) -> Names {
        let members = self.bundles.values();
        let members = members.filter_map(|of| of.document.players.get(&steam));
        let applied = members.filter_map(|member| member.applied.get(&server));
        applied.flatten().cloned().collect()
    }

    /// Names whose commands were begun on a server since then.
    pub fn begun(&self, steam: SteamId, server: Uuid) -> Names {
        let members = self.bundles.values();
        let members = members.filter_map(|of| of.document.players.get(&steam));
        let begun = members.filter_map(|member| member.begun.get(&server));
        begun.flatten().cloned().collect()
    }

    /// The commands of these names are about to run on a server. Gives whether that is on disk: else they wait.
    pub fn begin(&mut self, key: Key, server: Uuid, names: &Names, now_s: i64) -> bool {
        let is_new = self.edit(key, now_s, |member| {
            let begun = member.begun.entry(server).or_default();
            begun.extend(names.iter().cloned());
        });
        let Some(of) = self.bundles.get_mut(&key.1) else {
            return false;
        };
        if is_new {
            // With the next one that is begun.
            of.unwritten.insert((key.0, server), of.writes + 1);
            of.urgent = true;
        }
        !of.unwritten.contains_key(&(key.0, server))
    }

    /// The names of all players' groups that count now, in bundles of servers of ours: also in those of an
    /// earlier run, as long as it is not known of each server in which it is.
    pub fn all(&self, now_s: i64) -> impl Iterator<Item = (SteamId, Names)> {
        let ours = |of: &&OfBundle| of.is_ready || !self.all_known;
        let ready = self.bundles.values().filter(ours);
        ready.flat_map(move |of| {
            let players = of.document.players.iter();
            players.map(move |(steam, it)| (*steam, it.names(of.document.multigroup, now_s)))
        })
    }

    /// Whether a server of ours is ready.
    pub fn any_ready(&self) -> bool {
        self.bundles.values().any(|of| of.is_ready)
    }

    /// The groups of a player have come.
    pub fn learn(
        &mut self,
        (steam, bundle): Key,
        groups: &[Group],
        ends: &BTreeMap<Uuid, Option<i64>>,
        now_s: i64,
    ) {
        self.edit((steam, bundle), now_s, |member| {
            let mut mapped = mapped(groups, bundle, ends);
            for group in mapped
                .iter_mut()
                .filter(|group| !ends.contains_key(&group.id))
            {
                let before = member.groups.iter().find(|it| it.id == group.id);
                group.until_s = before
                    .and_then(|it| it.until_s)
                    .filter(|end_s| *end_s > now_s);
            }
            member.groups = mapped;
        });
    }

    /// When memberships end is known. Gives whether that changes something.
    pub fn set_ends(&mut self, key: Key, ends: &BTreeMap<Uuid, Option<i64>>, now_s: i64) -> bool {
        self.edit(key, now_s, |member| {
            for group in &mut member.groups {
                if let Some(end_s) = ends.get(&group.id) {
                    group.until_s = *end_s;
                }
            }
        })
    }

    /// Groups may be called otherwise now, or gone. Gives whose groups that changes. Players with a group that is in
    /// neither list keep theirs: it may be younger than the lists.
    pub fn redefine(
        &mut self,
        (before, groups): (&BTreeMap<Uuid, Group>, &BTreeMap<Uuid, Group>),
        now_s: i64,
    ) -> Vec<Key> {
        let is_listed = |it: &Mapped| before.contains_key(&it.id) || groups.contains_key(&it.id);
        let keys = |(bundle, of): (&Uuid, &OfBundle)| {
            let players = of.document.players.iter();
            let listed = players.filter(|(_, member)| member.groups.iter().all(is_listed));
            listed
                .map(|(steam, _)| (*steam, *bundle))
                .collect::<Vec<Key>>()
        };
        let keys: Vec<Key> = self.bundles.iter().flat_map(keys).collect();
        let mut changed = Vec::new();
        for key in keys {
            let differs = self.edit(key, now_s, |member| {
                let own = member
                    .groups
                    .iter()
                    .filter_map(|it| groups.get(&it.id).cloned());
                let own: Vec<Group> = own.collect();
                let ends = member.groups.iter().map(|it| (it.id, it.until_s)).collect();
                member.groups = mapped(&own, key.1, &ends);
            });
            changed.extend(differs.then_some(key));
        }
        changed
    }

    /// These were applied on a server.
    pub fn set_applied(&mut self, key: Key, server: Uuid, names: Names, now_s: i64) {
        let is_of = |member: &Member| {
            member.applied.contains_key(&server) || member.begun.contains_key(&server)
        };
        let others = self.bundles.iter().filter(|(bundle, of)| {
            **bundle != key.1 && of.document.players.get(&key.0).is_some_and(is_of)
        });
        let others: Vec<Uuid> = others.map(|(bundle, _)| *bundle).collect();
        for bundle in others {
            self.edit((key.0, bundle), now_s, |member| {
                member.applied.remove(&server);
                member.begun.remove(&server);
            });
        }
        self.edit(key, now_s, |member| {
            member.begun.remove(&server);
            match names.is_empty() {
                true => member.applied.remove(&server),
                false => member.applied.insert(server, names),
            };
        });
        if let Some(of) = self.bundles.get_mut(&key.1) {
            of.urgent = true;
        }
    }

    /// Changes what is known of a player; gives whether that made a difference.
    fn edit(&mut self, (steam, bundle): Key, now_s: i64, edit: impl FnOnce(&mut Member)) -> bool {
        let of = self.bundles.entry(bundle).or_default();
        let players = &mut of.document.players;
        let before = players.get(&steam).cloned().unwrap_or_default();
        let mut member = before.clone();
        edit(&mut member);
        let differs = member != before;
        member.seen_s = now_s;
        match member.is_empty() {
            true => drop(players.remove(&steam)),
            false => drop(players.insert(steam, member)),
        }
        if differs {
            of.make_room();
            (of.stale, of.unsaved) = (true, true);
            self.changed = true;
        }
        differs
    }

    /// Whose groups have ended since this was asked last.
    pub fn pop_ended(&mut self, now_s: i64) -> Vec<Key> {
        let mut ended = Vec::new();
        for (bundle, of) in &mut self.bundles {
            if std::mem::take(&mut of.stale) {
                of.plan(now_s);
            }
            if of.next_end_s.is_none_or(|end_s| end_s > now_s) {
                continue;
            }
            let has_ended = |(_, member): &(&SteamId, &Member)| {
                member.groups.iter().any(|group| !group.stands(now_s))
            };
            let players = of.document.players.iter().filter(has_ended);
            ended.extend(players.map(|(steam, _)| (*steam, *bundle)));
            of.plan(now_s);
            self.changed = true;
        }
        ended
    }

    /// Writes what has changed.
    pub fn store(&mut self, cx: &mut Cx<'_>) {
        for (bundle, of) in &mut self.bundles {
            let may = of.urgent || of.busy == 0;
            if !of.unsaved || !may || of.due_ms > cx.now.mono_ms {
                continue;
            }
            (of.unsaved, of.urgent) = (false, false);
            of.busy += 1;
            of.prune(cx.time_s());
            let text = serde_json::to_string(&of.document).unwrap_or_default();
            of.writes += 1;
            let ticket = super::super::Ticket::Groups(Ticket::Kept(*bundle, of.writes));
            let name = format!("{NAME}{bundle}");
            cx.store(Shelf::Cache, name, Some(Content::Json(text)), Some(ticket));
        }
    }

    /// The players of a bundle are on disk, by the number of their write, or not. Gives whose commands may run now.
    pub fn kept(
        &mut self,
        (bundle, write): (Uuid, u64),
        result: Result<(), StoreError>,
        now_ms: u64,
    ) -> Vec<Key> {
        let Some(of) = self.bundles.get_mut(&bundle) else {
            return Vec::new();
        };
        of.busy -= 1;
        if let Err(why) = result {
            (of.unsaved, of.due_ms) = (true, now_ms + limits::VYHUB_ROUND_MS);
            // All of it is in the next write.
            let next = of.writes + 1;
            let lost = of.unwritten.values_mut().filter(|at| **at <= write);
            lost.for_each(|at| *at = next);
            if !std::mem::replace(&mut of.refused, true) {
                log::error!(
                    "groups of players cannot be kept on disk: {why}; `on_add` and `on_remove` wait until they can; \
                     it is tried again each minute"
                );
            }
            return Vec::new();
        }
        if std::mem::take(&mut of.refused) {
            log::info!("groups of players can be kept on disk again");
        }
        let written = of.unwritten.iter().filter(|(_, at)| **at <= write);
        let ready: Vec<Key> = written.map(|((steam, _), _)| (*steam, bundle)).collect();
        of.unwritten.retain(|_, at| *at > write);
        ready
    }

    pub fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let now_s = cx.time_s();
        let dues = self.bundles.values().flat_map(|of| {
            let left_s = of
                .next_end_s
                .map(|end_s| end_s.saturating_sub(now_s).max(0) as u64);
            let end_ms =
                left_s.map(|left_s| cx.now.mono_ms.saturating_add(left_s.saturating_mul(1_000)));
            let unsaved = (of.unsaved && of.busy == 0).then_some(of.due_ms);
            [end_ms, unsaved]
        });
        dues.flatten().min()
    }
}

impl OfBundle {
    /// Finds out when the next group ends.
    fn plan(&mut self, now_s: i64) {
        let ends = self.document.players.values().flat_map(|member| {
            let ends = member.groups.iter().filter_map(|group| group.until_s);
            ends.filter(|end_s| *end_s > now_s)
        });
        self.next_end_s = ends.min();
    }

    /// Forgets groups that ended long ago: a clock that is wrong for a while takes nothing away for good.
    fn prune(&mut self, now_s: i64) {
        let players = &mut self.document.players;
        for member in players.values_mut() {
            let long_ago_s = now_s.saturating_sub(limits::GROUP_ENDED_S);
            member.groups.retain(|group| group.stands(long_ago_s));
        }
        players.retain(|_, member| !member.is_empty());
    }

    /// Forgets who was not seen for longest, when there are too many; last, whose commands have no result.
    fn make_room(&mut self) {
        let players = &mut self.document.players;
        if players.len() > limits::GROUP_PLAYERS_MAX {
            let order = |member: &Member| (!member.begun.is_empty(), member.seen_s);
            let oldest = players.iter().min_by_key(|(_, member)| order(member));
            let oldest = oldest.map(|(steam, _)| *steam);
            oldest.and_then(|steam| players.remove(&steam));
        }
    }
}
