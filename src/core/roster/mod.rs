//! Who is on one server, out of three sources: its script, the engine's log, and `status`.
//!
//! What the engine says is believed, and what a script says fills the gaps: a script cannot change
//! the name or id of somebody whom the engine has told of, let them vanish, or keep somebody of
//! whom the engine does not know. Where no engine source is live, scripts are believed.
//!
//! `status` outranks the log: a map's script can make the engine log an arrival, a departure or
//! another name (`SendGlobalGameEvent`), and cannot change what `status` prints. So a line that
//! contradicts what `status` has confirmed changes nothing, and makes vpid look again.

mod engine;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use super::Now;
use crate::limits;
use crate::protocol::steam_id::SteamId;

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
    /// On this map, or since the game cleared its scoreboard.
    pub deaths: u64,
    /// Milliseconds.
    pub ping: i64,
    pub alive: bool,
    /// With its port, as `status` tells it; `None` also where it is one of Steam's relays.
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
    /// When the engine mentioned this one last, and when its log did for the first time.
    told_ms: u64,
    logged_ms: Option<u64>,
    /// When `status` listed this userid with this id last, see [`Roster::confirmed_by_status`].
    confirmed_ms: Option<u64>,
    /// When `status` listed this userid with its present name last.
    named_ms: Option<u64>,
    /// Another name than that of `status`, by the log; a look at `status` was asked for.
    doubted_name: String,
    /// Since when a script claims it.
    claimed_ms: u64,
    /// The map on which a script mentioned it last, by [`Roster::map_number`].
    claimed_on: u64,
    /// When that was.
    mentioned_ms: u64,
    /// A death that was counted because a script told it.
    died_ms: Option<u64>,
    /// When a death was counted last.
    counted_ms: Option<u64>,
}

/// Somebody whom the engine says not to be there.
#[derive(Debug)]
struct Departed {
    at_ms: u64,
    by_log: bool,
    /// By `status`, of somebody whom the log had told of: a line that tells of them again was not
    /// borne out.
    disproved: bool,
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
    /// Since when the server may have begun anew, and given its userids again.
    run_ms: u64,
    max_players: i64,
    /// What the owner lets players see, where that is set.
    visible_slots: Option<i64>,
    heard_ms: Option<u64>,
    status_ms: Option<u64>,
    log_ms: Option<u64>,
    wants_status: bool,
    /// A look that is not to come earlier.
    recheck_ms: Option<u64>,
    /// Somebody was confirmed since this was asked last.
    newly_confirmed: bool,
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

    /// Whoever has this id: by `status`, else by the log, else as a script claims; and the latest
    /// one, since who lost the connection and came back is there twice for a while.
    pub fn by_steam(&self, steam: SteamId) -> Option<&Person> {
        let all = self.people.values();
        let same = all.filter(|known| known.person.steam == Some(steam));
        let rank = |known: &&Known| {
            let confirmed = known.confirmed_ms.is_some();
            (confirmed, known.id_told, known.person.userid)
        };
        same.max_by_key(rank).map(|known| &known.person)
    }

    /// Whether `status` has said lately, and since the server's last start or map, that this
    /// userid is the player with this id: in a row that can only be read so, or in any where the
    /// engine's log had told the same.
    ///
    /// False where `status` is not asked for: see [`Roster::status_is_live`].
    pub fn confirmed_by_status(&self, userid: i64, id: SteamId, now: Now) -> bool {
        let known = self.people.get(&userid);
        known.is_some_and(|known| {
            known.person.steam == Some(id)
                && within(known.confirmed_ms, limits::ROSTER_LIVE_MS, now)
        })
    }

    /// Whether `status` can be waited for: it was answered lately.
    pub fn status_is_live(&self, now: Now) -> bool {
        within(self.status_ms, limits::ROSTER_LIVE_MS, now)
    }

    /// Whether somebody was confirmed by `status` who was not before, since this was asked last.
    pub fn take_newly_confirmed(&mut self) -> bool {
        std::mem::take(&mut self.newly_confirmed)
    }

    /// The same, and it stays.
    pub fn has_newly_confirmed(&self) -> bool {
        self.newly_confirmed
    }

    /// Empty until it is known.
    pub fn map(&self) -> &str {
        &self.map
    }

    /// How many maps have begun, as far as it was told.
    pub fn map_number(&self) -> u64 {
        self.map_number
    }

    /// The slots for players, 0 until they are known: without that of SourceTV, and no more than the
    /// server shows (`sv_visiblemaxplayers`), since the others are reserved.
    pub fn max_players(&self) -> i64 {
        let all = self.max_players;
        let visible = self
            .visible_slots
            .filter(|visible| all == 0 || *visible < all);
        visible.unwrap_or(all)
    }

    /// When `status` was answered last.
    pub fn status_ms(&self) -> Option<u64> {
        self.status_ms
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

    /// Something waits for what `status` says.
    pub fn want_status(&mut self) {
        self.wants_status = true;
    }

    /// When a look at `status` would settle something that it cannot settle before.
    pub fn recheck_ms(&self) -> Option<u64> {
        self.recheck_ms
    }

    /// Somebody has asked for it.
    pub fn status_taken(&mut self, now: Now) {
        self.wants_status = false;
        self.recheck_ms = self.recheck_ms.filter(|ms| *ms > now.mono_ms);
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
        known.confirmed_ms = None;
        if id.is_some() {
            self.arrivals.insert(userid);
            self.wants_status = true;
        }
    }

    fn leave(&mut self, userid: i64) {
        self.id_is(userid, None);
        self.people.remove(&userid);
    }

    /// Everybody for whom this holds leaves; gives them.
    fn leave_where(&mut self, gone: impl Fn(&Known) -> bool) -> Vec<Known> {
        let gone = self.people.values().filter(|known| gone(known));
        let gone: Vec<_> = gone.map(|known| known.person.userid).collect();
        let leave = |userid: &i64| {
            self.id_is(*userid, None);
            self.people.remove(userid)
        };
        gone.iter().filter_map(leave).collect()
    }

    /// The server may have begun anew, and then gives the same userids to others: who left before
    /// is forgotten, and who is on is confirmed by the next `status` or by nothing.
    pub fn may_begin_anew(&mut self, now: Now) {
        self.run_ms = now.mono_ms;
        self.departed.clear();
        for known in self.people.values_mut() {
            known.confirmed_ms = None;
            known.named_ms = None;
        }
        self.wants_status = true;
    }

    /// A map begins; whoever is on stays on, unless it is the first map of a server.
    fn map_begins(&mut self, map: &str, now: Now) {
        self.may_begin_anew(now);
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

    /// `sv_visiblemaxplayers`, which is -1 where it is not set.
    pub fn visible_slots_are(&mut self, slots: Option<i64>) {
        self.visible_slots = slots.filter(|slots| *slots > 0);
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
