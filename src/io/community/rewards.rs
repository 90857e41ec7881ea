//! Rewards: commands for the members of a group, or for every player. One is owed for each membership (or to each
//! player, where it has no group), under an id that follows from both; what was executed is in a table.

use std::collections::HashMap;
use std::sync::Arc;

use super::changes::Topic;
use super::groups::Groups;
use super::members::{Memberships, OneMembership};
use super::people::{known_groups, memberships};
use super::reward_definitions::Definition;
use super::row::{Row, id_value, places, steam_value};
use super::work::{Answer, Work};
use crate::io::sql::own::{OwnError, Value};
use crate::limits::{LOCAL_ENDED_S, LOCAL_VALUES_MAX, REWARDS_MAX};
use crate::protocol::backend::{Action, Reply, Reward, RewardEvent, RewardList};
use crate::protocol::local_ids;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// What these players are owed on a server.
pub(super) fn list(work: &mut Work, server: Uuid, users: &[Uuid]) -> Answer {
    let definitions = work.kept(
        Topic::Rewards,
        |known| &mut known.rewards,
        Definition::read_all,
    )?;
    let mut list = RewardList::default();
    if definitions.is_empty() {
        return Ok(Reply::Rewards(list));
    }
    let players = users.iter().filter_map(|user| local_ids::steam(*user));
    let players: Vec<SteamId> = players.collect();
    let groups = known_groups(work)?;
    let memberships = memberships(work, &players)?;
    let executed = executed(work, &players)?;
    let now_us = work.now_us()?;
    for steam in players {
        let none = (Arc::default(), Arc::default());
        let memberships = memberships.get(&steam).unwrap_or(&none.0);
        let executed = executed.get(&steam).unwrap_or(&none.1);
        for definition in definitions.iter() {
            for (to, group) in definition.owed(steam, memberships, &groups, now_us) {
                let reward = definition.applied(steam, to, group, executed);
                let Some(reward) = reward.filter(|it| definition.is_open(it, server)) else {
                    continue;
                };
                match list.items.len() < REWARDS_MAX {
                    true => list.items.push(reward),
                    false => drop(list.unread.insert((steam, Some(reward.id)))),
                }
            }
        }
    }
    Ok(Reply::Rewards(list))
}

impl Definition {
    /// For what a player is owed it: memberships, or the player; with the name of the group.
    fn owed(
        &self,
        steam: SteamId,
        memberships: &Memberships,
        groups: &Groups,
        now_us: i64,
    ) -> Vec<(Uuid, String)> {
        let Some(group) = self.group else {
            return match self.event {
                RewardEvent::Disable => Vec::new(),
                _ => vec![(local_ids::user(steam), self.name.clone())],
            };
        };
        let Some(name) = groups.get(group).map(|group| group.name.clone()) else {
            return Vec::new();
        };
        let of_group = |it: &&OneMembership| it.group == group;
        let mut active: Vec<_> = memberships.active(now_us).filter(of_group).collect();
        active.sort_by_key(|it| (it.begin, it.id));
        let owed: Vec<&OneMembership> = match self.event {
            RewardEvent::Disable if !active.is_empty() => Vec::new(),
            RewardEvent::Disable => {
                let ended = memberships.all().iter().filter(of_group);
                let ended = ended.filter(|it| self.ended_lately(it, now_us));
                ended.max_by_key(|it| (it.end, it.id)).into_iter().collect()
            }
            // What comes with each event comes once, in however many ways somebody is in the group.
            _ if !self.once => active.into_iter().take(1).collect(),
            _ => active,
        };
        owed.into_iter().map(|it| (it.id, name.clone())).collect()
    }

    /// It ended while this reward was there, and not too long ago.
    fn ended_lately(&self, membership: &OneMembership, now_us: i64) -> bool {
        let since_us = now_us.saturating_sub(LOCAL_ENDED_S * 1_000_000);
        let began = membership.begin.as_microsecond() < now_us;
        membership.end.is_some_and(|end| {
            let end_us = end.as_microsecond();
            began && end_us <= now_us && end_us > since_us && end > self.created
        })
    }

    fn applied(
        &self,
        steam: SteamId,
        to: Uuid,
        group: String,
        executed: &[(Uuid, Uuid)],
    ) -> Option<Reward> {
        let id = local_ids::applied(self.id, to);
        let on = executed.iter().filter(|(applied, _)| *applied == id);
        Some(Reward {
            id,
            of: self.id,
            name: self.name.clone(),
            steam,
            user: local_ids::user(steam),
            action: Action::Command(self.command.clone()),
            on: self.event,
            order: self.position as f64,
            once: self.once,
            once_from_all: self.once_from_all,
            reactivates: false,
            is_fulfilled: true,
            applied_packet: to,
            packet_title: group,
            amount: None,
            executed_on: on.map(|(_, server)| *server).collect(),
        })
    }

    /// Whether a server has still to execute it.
    fn is_open(&self, reward: &Reward, server: Uuid) -> bool {
        match (self.once, self.once_from_all) {
            (false, _) => true,
            (true, false) => !reward.executed_on.contains(&server),
            (true, true) => reward.executed_on.is_empty(),
        }
    }
}

type Executed = Vec<(Uuid, Uuid)>;

/// What was executed for players, from memory as far as nothing has changed.
fn executed(
    work: &mut Work,
    players: &[SteamId],
) -> Result<HashMap<SteamId, Arc<Executed>>, OwnError> {
    let counter = work.counters()?.of(Topic::Executed);
    let mut all = HashMap::new();
    let mut unread = Vec::new();
    let mut known = work.known();
    for steam in players {
        match known.person(*steam).executed.at(counter) {
            Some(kept) => drop(all.insert(*steam, kept)),
            None => unread.push(*steam),
        }
    }
    drop(known);
    for some in unread.chunks(LOCAL_VALUES_MAX) {
        let mut read: HashMap<SteamId, Executed> =
            some.iter().map(|it| (*it, Executed::new())).collect();
        let select = format!(
            "SELECT steam, applied, server FROM vpid_executed WHERE steam IN ({})",
            places(some.len())
        );
        let values: Vec<Value> = some.iter().map(|it| steam_value(*it)).collect();
        for row in work.own()?.rows(&select, &values)? {
            let mut row = Row::new("vpid_executed", row);
            let steam = row.steam()?;
            let entry = (row.id()?, row.id()?);
            read.entry(steam).or_default().push(entry);
        }
        let mut known = work.known();
        for (steam, executed) in read {
            let executed = Arc::new(executed);
            let kept = &mut known.person(steam).executed;
            kept.keep(counter, Arc::clone(&executed));
            all.insert(steam, executed);
        }
    }
    Ok(all)
}

/// It was executed on a server. That may be reported more than once.
pub(super) fn report(work: &mut Work, reward: Uuid, server: Uuid, steam: SteamId) -> Answer {
    let definitions = work.kept(
        Topic::Rewards,
        |known| &mut known.rewards,
        Definition::read_all,
    )?;
    let memberships = memberships(work, &[steam])?;
    let of_player = memberships.get(&steam);
    let of_player = of_player.into_iter().flat_map(|all| all.all());
    let mut all = of_player
        .map(|it| it.id)
        .chain([local_ids::user(steam)])
        .flat_map(|to| definitions.iter().map(move |of| (of.id, to)));
    // Where it was deleted since, only what it was owed for is known.
    let of = all.find(|(of, to)| local_ids::applied(*of, *to) == reward);
    let of = of.map(|(of, _)| of.to_string()).unwrap_or_default();
    work.change(|change| {
        let values: [Value; 5] = [
            id_value(reward),
            id_value(server),
            steam_value(steam),
            of.as_str().into(),
            change.now_us.into(),
        ];
        change.count(Topic::Executed)?;
        let into = "vpid_executed (applied, server, steam, reward, at_us) VALUES (?, ?, ?, ?, ?)";
        change.own.insert_new(into, &values)?;
        Ok(Ok(Reply::Nothing))
    })
}
