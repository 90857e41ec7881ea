//! Who is on one server, out of three sources: its script, the engine's log, and `status`.
//!
//! What the engine says is believed, and what a script says fills the gaps: a script cannot change
//! the name or id of somebody whom the engine has told of, let them vanish, or keep somebody of
//! whom the engine does not know. Where no engine source is live, scripts are believed.

mod engine;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use super::Now;
use crate::limits;
use crate::wire::steam_id::SteamId;

/// Somebody on the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    pub userid: i64,
    pub name: String,
    /// `None`: a bot, or not known yet.
    pub steam: Option<SteamId>,
    pub bot: bool,
    /// The engine's number.
    pub team: i64,
    pub score: i64,
    /// On this map.
    pub deaths: u64,
    /// Milliseconds.
    pub ping: i64,
    pub alive: bool,
    /// With its port, as `status` tells it.
    pub address: Option<String>,
    /// Connected since, on the daemon's clock; negative: before the daemon started.
    pub since_ms: i64,
    /// The engine has told of this one; else only a script claims it.
    pub from_engine: bool,
}

impl Person {
    /// For how many seconds.
    pub fn connected_s(&self, now: Now) -> u64 {
        u64::try_from(as_ms(now).saturating_sub(self.since_ms) / 1_000).unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Known {
    person: Person,
    /// What of it the engine has told.
    name_told: bool,
    id_told: bool,
    /// When the engine mentioned this one last, and when its log did.
    told_ms: u64,
    logged_ms: Option<u64>,
    /// Since when a script claims it.
    claimed_ms: u64,
    /// The map on which a script mentioned it last, by [`Roster::map_number`].
    claimed_on: u64,
    /// When that was.
    mentioned_ms: u64,
    /// Under which id and name `status` listed this one last.
    listed: Option<(SteamId, String)>,
    /// A death that was counted because a script told it.
    died_ms: Option<u64>,
}

/// Somebody whom the engine says not to be there.
#[derive(Debug)]
struct Departed {
    at_ms: u64,
    by_log: bool,
}

#[derive(Debug, Default)]
pub struct Roster {
    /// By userid. No userid is used twice in a run of a server.
    people: BTreeMap<i64, Known>,
    departed: BTreeMap<i64, Departed>,
    map: String,
    /// Counts the maps.
    map_number: u64,
    map_ms: u64,
    max_players: i64,
    heard_ms: Option<u64>,
    status_ms: Option<u64>,
    log_ms: Option<u64>,
    wants_status: bool,
    wants_status_for_kick: bool,
    arrivals: BTreeSet<i64>,
    departures: Vec<(SteamId, Person)>,
}

/// Whether something happened less than so many milliseconds ago.
fn within(at_ms: Option<u64>, bound_ms: u64, now: Now) -> bool {
    at_ms.is_some_and(|at_ms| now.mono_ms.saturating_sub(at_ms) < bound_ms)
}

fn bounded(text: &str) -> String {
    text.chars().take(limits::PLAYER_TEXT_CHARS_MAX).collect()
}

/// The engine's numbers of players; the console is 0.
fn is_userid(userid: i64) -> bool {
    (1..=i64::from(i32::MAX)).contains(&userid)
}

/// What is asked.
impl Roster {
    /// In the order of their userids, bots too.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values().map(|known| &known.person)
    }

    pub fn person(&self, userid: i64) -> Option<&Person> {
        Some(&self.people.get(&userid)?.person)
    }

    /// Whoever has this id: surely, else as a script claims; and the latest one, since who lost
    /// the connection and came back is there twice for a while.
    pub fn by_steam(&self, steam: SteamId) -> Option<&Person> {
        let all = self.people.values();
        let same = all.filter(|known| known.person.steam == Some(steam));
        let best = same.max_by_key(|known| (known.id_told, known.person.userid));
        best.map(|known| &known.person)
    }

    /// Empty until it is known.
    pub fn map(&self) -> &str {
        &self.map
    }

    /// 0 until it is known.
    pub fn max_players(&self) -> i64 {
        self.max_players
    }

    /// When anything was heard of the server last.
    pub fn heard_ms(&self) -> Option<u64> {
        self.heard_ms
    }

    /// Whether the server is up, as far as can be told. One that is empty sleeps, and then only
    /// its `status` tells.
    pub fn alive(&self, now: Now) -> bool {
        within(self.heard_ms, limits::ROSTER_LIVE_MS, now)
    }

    /// Whether [`Roster::drain_arrivals`] would give somebody.
    pub fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// The userids whose id has become known, or another, since this was asked last.
    pub fn drain_arrivals(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.arrivals).into_iter().collect()
    }

    /// Those who arrived and are gone, as they were last; who never came up as an arrival does not
    /// come up here either. The same player may still be there under another userid.
    pub fn drain_departures(&mut self) -> Vec<(SteamId, Person)> {
        std::mem::take(&mut self.departures)
    }

    /// A look at `status` would tell what is true. Scripts can cause this at will: who asks keeps
    /// a pause of its own between two looks.
    pub fn wants_status(&self) -> bool {
        self.wants_status
    }

    /// Something hangs on a `status`: who wrote a command, or whom one means.
    pub fn want_status(&mut self) {
        self.wants_status = true;
    }

    /// The same at once: a banned player may be on.
    pub fn want_status_for_kick(&mut self) {
        self.wants_status = true;
        self.wants_status_for_kick = true;
    }

    pub fn wants_status_for_kick(&self) -> bool {
        self.wants_status_for_kick
    }

    /// Whether `status` has listed this userid with this id, and nothing has said otherwise since.
    pub fn is_listed(&self, userid: i64, steam: SteamId) -> bool {
        self.people.get(&userid).is_some_and(|known| {
            let listed = known.listed.as_ref();
            known.person.steam == Some(steam) && listed.is_some_and(|(id, _)| *id == steam)
        })
    }

    /// Whether `status` has listed this userid under the name that is known, of which it may show the
    /// beginning only.
    pub fn has_listed_name(&self, userid: i64) -> bool {
        self.people.get(&userid).is_some_and(|known| {
            let listed = known.listed.as_ref();
            listed.is_some_and(|(_, name)| known.person.name.starts_with(name.as_str()))
        })
    }

    /// Somebody has asked for it.
    pub fn status_taken(&mut self) {
        self.wants_status = false;
        self.wants_status_for_kick = false;
    }

    fn status_is_live(&self, now: Now) -> bool {
        within(self.status_ms, limits::ROSTER_LIVE_MS, now)
    }

    fn log_is_live(&self, now: Now) -> bool {
        within(self.log_ms, limits::ROSTER_LIVE_MS, now)
    }

    fn engine_is_live(&self, now: Now) -> bool {
        self.status_is_live(now) || self.log_is_live(now)
    }
}

/// What follows, whoever said it.
impl Roster {
    /// The entry of a userid, made if it is new. `None`: the list is full.
    fn entry(&mut self, userid: i64, now: Now) -> Option<&mut Known> {
        if self.people.len() >= limits::PLAYERS_MAX && !self.people.contains_key(&userid) {
            return None;
        }
        Some(self.people.entry(userid).or_insert_with(|| Known {
            person: Person {
                userid,
                since_ms: as_ms(now),
                ..Person::default()
            },
            claimed_ms: now.mono_ms,
            ..Known::default()
        }))
    }

    /// Somebody's id is this one from now on.
    fn id_is(&mut self, userid: i64, id: Option<SteamId>) {
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        let before = known.person.steam;
        if before == id {
            return;
        }
        let announced = !self.arrivals.remove(&userid);
        if let Some(before) = before.filter(|_| announced) {
            self.departures.push((before, known.person.clone()));
        }
        known.person.steam = id;
        if id.is_some() {
            self.arrivals.insert(userid);
        }
    }

    fn leave(&mut self, userid: i64) {
        self.id_is(userid, None);
        self.people.remove(&userid);
    }

    /// Everybody for whom this holds leaves; gives who they were.
    fn leave_where(&mut self, gone: impl Fn(&Known) -> bool) -> Vec<i64> {
        let gone = self.people.values().filter(|known| gone(known));
        let gone: Vec<_> = gone.map(|known| known.person.userid).collect();
        gone.iter().for_each(|userid| self.leave(*userid));
        gone
    }

    /// A map begins; whoever is on stays on.
    fn map_begins(&mut self, map: &str, now: Now) {
        self.map_number += 1;
        self.map_ms = now.mono_ms;
        self.map_is(map);
    }

    /// Counts begin anew on another map.
    fn map_is(&mut self, map: &str) {
        let map = bounded(map);
        if map.is_empty() || map == self.map {
            return;
        }
        self.map = map;
        for known in self.people.values_mut() {
            known.person.deaths = 0;
            known.person.score = 0;
        }
    }

    fn slots_are(&mut self, slots: i64) {
        if slots > 0 {
            self.max_players = slots.min(limits::PLAYERS_MAX as i64);
        }
    }
}

fn as_ms(now: Now) -> i64 {
    i64::try_from(now.mono_ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
