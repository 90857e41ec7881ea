//! VyHub's books against what the games remember: rewards, groups, and how long players were on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::Value;
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::RewardEvent;

use super::{Run, Season};
use crate::disk::START_S;
use crate::engine::{Engine, Visit};
use crate::vyhub::Applied;
use crate::world::Outside;

/// How much of what a player was on may not be counted: where a run of vpid begins, where the player comes or
/// leaves, and at midnight.
const BEGIN_MS: u64 = 20_000;
const NOTICED_MS: u64 = 4_000;
const MIDNIGHT_MS: u64 = 62_000;
/// From one sign of life of an engine to the next.
const SIGN_MS: u64 = 62_000;
/// How long an engine that broke down may not have been missed.
const MISSED_MS: u64 = 150_000;
/// Memberships that begin or end this shortly before may not have reached the games.
const SYNC_S: i64 = 150;
/// How long RCON does not reach an engine, at most, with two faults in a row.
const AWAY_MS_MAX: u64 = 1_200_000;
/// From the first moment to the last.
const ALWAYS: (u64, u64) = (0, u64::MAX);
const HOUR_MS: f64 = 3_600_000.0;

/// What a command of a reward has told the game: packet, name of the reward.
type Execution = (String, String);

fn executions(engine: &Engine) -> BTreeMap<Execution, u32> {
    let mut all = BTreeMap::new();
    for (_, line) in &engine.ran {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["sm_reward", packet, name, _steam, _nick] = words[..] {
            *all.entry((packet.to_owned(), name.to_owned())).or_default() += 1;
        }
    }
    all
}

/// A group of a player: SteamID and name.
type InGroup = (String, String);

/// Of each, whether the game has it by the last command, and when that was run; and how often a command did
/// nothing.
fn groups(engine: &Engine) -> (BTreeMap<InGroup, (bool, u64)>, usize) {
    let mut of: BTreeMap<InGroup, (bool, u64)> = BTreeMap::new();
    let mut repeated = 0;
    for (ms, line) in &engine.ran {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["sm_group", what, steam, group] = words[..] {
            let is_in = what == "add";
            let before = of.insert((steam.into(), group.into()), (is_in, *ms));
            repeated += usize::from(before.is_some_and(|(was_in, _)| was_in == is_in));
        }
    }
    (of, repeated)
}

/// Rewards of servers of which vpid does not know whether they were executed.
fn unclear(out: &Outside) -> BTreeSet<(Uuid, usize)> {
    let records = out.disk.rewards.values();
    let records = records.map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    let id = |record: &Value, key: &str| -> Uuid {
        let id = record[key].as_str().expect("an id");
        id.parse().expect("an id")
    };
    let unclear = records.filter(|record| record["state"] == "unclear");
    let unclear = unclear.map(|it| (id(&it, "id"), id(&it, "server")));
    let place = |of: Uuid| (0..out.engines.len()).find(|place| out.api.server(*place) == of);
    unclear
        .map(|(reward, server)| (reward, place(server).expect("a server")))
        .collect()
}

impl Season {
    /// The groups of all who are on are those that VyHub has.
    pub fn check_who_is_on(&self, out: &Outside) {
        let now_s = out.now.right_s() + out.api.skew_s;
        for (place, engine) in out.engines.iter().enumerate() {
            let (groups, _) = groups(engine);
            for (steam, _) in engine.present.values().filter(|it| self.is_ours(it.0)) {
                let Some(user) = out.api.users.get(steam) else {
                    panic!("{} was on and is not registered", steam.steam3());
                };
                if out
                    .api
                    .members
                    .changes_between(*user, now_s - SYNC_S, now_s)
                {
                    continue;
                }
                let names = out.api.members.names(*user, now_s);
                for name in ["vip", "supporter", "supporter_elsewhere", "elsewhere"] {
                    let key = (steam.to_string(), name.to_owned());
                    let (is_in, ms) = groups.get(&key).copied().unwrap_or_default();
                    assert!(
                        is_in == names.contains(name) || self.may_be_unsaved(ms),
                        "{} on server {place}, group {name}: {is_in} since {ms} ms, and VyHub has {names:?}",
                        steam.steam3(),
                    );
                }
            }
        }
    }

    /// A run of vpid ended before what it did then was on disk: the next one does not know of it.
    fn may_be_unsaved(&self, ms: u64) -> bool {
        let lost = |run: &Run| (run.saved_ms..=run.until_ms).contains(&ms);
        self.runs.iter().any(lost)
    }

    pub fn check(&self, out: &Outside) {
        self.check_rewards(out);
        self.check_groups(out);
        self.check_sourcemod(out);
        self.check_playtime(out);
    }

    fn check_rewards(&self, out: &Outside) {
        let ran: Vec<_> = out.engines.iter().map(executions).collect();
        let unclear = unclear(out);
        let mut known = BTreeSet::new();
        for applied in &out.api.shop.applied {
            let bought = &out.api.shop.bought[applied.bought];
            let key = (bought.id.to_string(), applied.offer.name.to_owned());
            let of = |place: usize| ran[place].get(&key).copied().unwrap_or(0);
            let counts: Vec<u32> = (0..ran.len()).map(of).collect();
            check_reward(applied, &counts, &unclear, out);
            known.insert(key);
            let place = self.last_place(bought.user, out);
            if let Some(place) = place.filter(|place| self.was_due(applied, *place, out)) {
                assert!(
                    counts[place] > 0 || unclear.contains(&(applied.id, place)),
                    "{} of {:?} ({}) was not executed on server {place}: {counts:?}",
                    applied.offer.name,
                    bought.packet,
                    applied.id
                );
            }
        }
        let made_up = ran.iter().flat_map(|it| it.keys());
        let made_up: Vec<_> = made_up.filter(|key| !known.contains(key)).collect();
        assert!(made_up.is_empty(), "nobody is owed {made_up:?}");
    }

    /// Where a user was in the end.
    fn last_place(&self, user: Uuid, out: &Outside) -> Option<usize> {
        let steam = out.api.users.iter().find(|(_, of)| **of == user)?.0;
        let waves = self.waves.iter().flatten();
        waves.into_iter().find(|it| it.0 == *steam).map(|it| it.1)
    }

    /// When the user was on in the end, it was to be executed there.
    fn was_due(&self, applied: &Applied, place: usize, out: &Outside) -> bool {
        let (offer, shop) = (applied.offer, &out.api.shop);
        // All came after this.
        let end_s = shop.bought[applied.bought].end_s;
        let over = end_s < self.waves_s + out.api.skew_s;
        // Not all will have left when it was over.
        let ends = end_s < out.now.right_s() + out.api.skew_s;
        match offer.on {
            _ if offer.name == "unfulfilled" || offer.once_from_all => false,
            // The others have no game scripts.
            RewardEvent::Spawn => place == 0 && !ends,
            RewardEvent::Disable => over,
            _ => !ends,
        }
    }

    fn check_groups(&self, out: &Outside) {
        for engine in &out.engines {
            let (_, repeated) = groups(engine);
            // Of each run, the last command before a crash or an unclear reply.
            let most = self.runs.len() * super::PLAYERS_ON_MAX;
            assert!(
                repeated <= most,
                "{repeated} commands of groups for nothing"
            );
        }
    }

    /// SourceMod's file has those who have a group.
    fn check_sourcemod(&self, out: &Outside) {
        let now_s = out.now.right_s() + out.api.skew_s;
        let text = out.disk.admins.values().next().map_or("", String::as_str);
        for steam in self.players() {
            let Some(user) = out.api.users.get(&steam) else {
                continue;
            };
            if out
                .api
                .members
                .changes_between(*user, now_s - SYNC_S, now_s)
            {
                continue;
            }
            let id = format!("\"{}\"", steam.steam2());
            let names = out.api.members.names(*user, now_s);
            let grants = names.iter().map(|name| match name.as_str() {
                "vip" => "@VIP",
                _ => "99:z",
            });
            let expected: BTreeSet<&str> = grants.collect();
            let lines = text.lines().filter(|line| line.starts_with(&id));
            let is = lines.filter_map(|line| line.rsplit('"').nth(1));
            let is: BTreeSet<&str> = is.collect();
            assert_eq!(is, expected, "SourceMod's file about {id}:\n{text}");
        }
    }

    fn check_playtime(&self, out: &Outside) {
        // Days are those of VyHub's clock. For how long they are not while vpid's clock was set is not modelled.
        let at_ms = |s: i64| {
            let s = s - out.api.skew_s - START_S;
            u64::try_from(s * 1_000).unwrap_or(0)
        };
        for steam in self.players() {
            let user = out.api.users.get(&steam);
            let hours = user.map_or(0.0, |user| out.api.attributes.total(*user));
            self.check_time((steam, hours), ALWAYS, out);
            let days = user.map(|user| out.api.attributes.days(*user));
            for (day, hours) in days.into_iter().flatten().filter(|_| !out.clock_was_set) {
                let begins = day.to_zoned(TimeZone::UTC).expect("a day").timestamp();
                let begins_s = begins.as_second();
                let between = (at_ms(begins_s), at_ms(begins_s + 86_400));
                self.check_time((steam, hours), between, out);
            }
        }
    }

    /// So many hours were counted of a player between these moments.
    fn check_time(&self, (steam, hours): (SteamId, f64), between: (u64, u64), out: &Outside) {
        let (mut least_ms, mut most_ms, mut seen) = (0, 0, Vec::new());
        for engine in &out.engines {
            let visits = engine.visits.iter().filter(|it| it.steam == steam);
            for (visit, run) in visits.flat_map(|it| self.runs.iter().map(move |run| (it, run))) {
                let (mut least, mut most) = counts(visit, run, engine, between);
                if between != ALWAYS {
                    let undated_ms = undated_ms(visit, run, engine, out);
                    least = least.saturating_sub(undated_ms);
                    most += undated_ms;
                }
                least_ms += least.saturating_sub(ROUNDED_MS);
                most_ms += most;
                if most > 0 {
                    seen.push((visit, run, least, most));
                }
            }
        }
        let counted_ms = (hours * HOUR_MS).round() as u64;
        assert!(
            (least_ms..=most_ms).contains(&counted_ms),
            "{} was on for {least_ms} to {most_ms} ms between {between:?} ms, and {counted_ms} were counted: \
             {seen:#?}",
            steam.steam3()
        );
    }
}

/// How much of a visit may be missing where `status` shows since when a player is connected: it has full seconds, and
/// comes late.
const ROUNDED_MS: u64 = 5_000;

/// How much may be counted beyond the end of a visit.
fn beyond_ms(visit: &Visit, engine: &Engine) -> u64 {
    if !visit.cut {
        return NOTICED_MS;
    }
    // Only `status` tells that those are gone who have not left.
    let later_ms = visit.until_ms + AWAY_MS_MAX;
    MISSED_MS + engine.unreachable_ms(visit.until_ms, later_ms, 0)
}

/// How much of a visit may have been counted by another clock than VyHub's, in a run of vpid.
fn undated_ms(visit: &Visit, run: &Run, engine: &Engine, out: &Outside) -> u64 {
    let seen_ms = visit.from_ms.max(run.from_ms);
    let gone_ms = visit.until_ms + beyond_ms(visit, engine);
    let gone_ms = gone_ms.min(run.until_ms);
    let within = |(from_ms, until_ms): &(u64, u64)| {
        // What was before is counted when it is known that the player was on.
        let away_ms = engine.unreachable_ms(from_ms.saturating_sub(AWAY_MS_MAX), *from_ms, SIGN_MS);
        let from_ms = from_ms.saturating_sub(MISSED_MS + away_ms);
        let until_ms = (*until_ms).min(gone_ms);
        until_ms.saturating_sub(from_ms.max(seen_ms))
    };
    out.undated_ms.iter().map(within).sum()
}

/// How much of a visit a run of vpid counts between two moments, at least and at most.
fn counts(visit: &Visit, run: &Run, engine: &Engine, between: (u64, u64)) -> (u64, u64) {
    let mut more_ms = beyond_ms(visit, engine);
    let (seen_ms, gone_ms) = (
        visit.from_ms.max(run.from_ms),
        visit.until_ms.min(run.until_ms),
    );
    if seen_ms > gone_ms {
        return (0, 0);
    }
    let (from_ms, until_ms) = (seen_ms.max(between.0), gone_ms.min(between.1));
    let is_split = between.0 > visit.from_ms || between.1 < visit.until_ms;
    if is_split {
        more_ms += MIDNIGHT_MS;
    }
    let Some(ms) = until_ms.checked_sub(from_ms) else {
        // What is counted beyond the visit, or by another clock, may be of this day.
        let is_near = from_ms - until_ms <= more_ms;
        return (0, if is_near { more_ms } else { 0 });
    };
    let unreachable_ms = engine.unreachable_ms(from_ms.saturating_sub(SIGN_MS), until_ms, SIGN_MS);
    let mut unsure_ms = NOTICED_MS + unreachable_ms;
    if visit.cut {
        unsure_ms += SIGN_MS;
    }
    if visit.from_ms < run.from_ms {
        unsure_ms += BEGIN_MS;
    }
    let saved_ms = run.saved_ms.saturating_sub(SIGN_MS);
    unsure_ms += until_ms.saturating_sub(from_ms.max(saved_ms));
    if is_split {
        unsure_ms += MIDNIGHT_MS;
    }
    (ms.saturating_sub(unsure_ms), ms + more_ms)
}

/// `counts`: how often each server has executed it.
fn check_reward(
    applied: &Applied,
    counts: &[u32],
    unclear: &BTreeSet<(Uuid, usize)>,
    out: &Outside,
) {
    let (id, name) = (applied.id, applied.offer.name);
    let sum: u32 = counts.iter().sum();
    if applied.offer.once_from_all {
        assert!(sum <= 1, "{name} ({id}) was executed {counts:?} times");
    }
    if name == "unfulfilled" {
        assert_eq!(sum, 0, "{name} ({id}) was executed");
    }
    for (place, count) in counts.iter().enumerate() {
        let reported = applied
            .reports
            .get(&out.api.server(place))
            .copied()
            .unwrap_or(0);
        let unsure = u32::from(unclear.contains(&(id, place)));
        if applied.offer.once {
            assert!(
                (reported..=reported + unsure).contains(count),
                "{name} ({id}) was executed {count} times on server {place}, and reported {reported} times"
            );
        } else {
            assert_eq!(reported, 0, "{name} ({id}) was reported");
        }
        if name == "always" {
            assert!(*count <= 1, "{name} ({id}) was executed {count} times");
        }
    }
}
