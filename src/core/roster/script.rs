//! What the scripts of a game report of who is on. Any script of the map may have made it up.

use std::collections::BTreeSet;

use super::{Known, News, Roster, push_news, within};
use crate::core::Now;
use crate::limits;
use crate::protocol::game_report::{GameReport, PlayerReport};

/// Whether a script's word is enough for a player to be gone.
fn may_be_removed(known: &Known, now: Now) -> bool {
    let confirmed = within(Some(known.by_engine_ms), limits::ROSTER_UNCONFIRMED_MS, now);
    !(known.person.from_engine && confirmed)
}

impl Roster {
    pub fn reported(&mut self, report: &GameReport, now: Now) {
        self.last_sign_ms = Some(now.mono_ms);
        match report {
            GameReport::MapStarted { map, max_players } => {
                self.map_begins(map, now);
                self.session_number += 1;
                let is_unknown = self.max_players == 0 || !self.status_is_live(now);
                if let Some(slots) = max_players.filter(|_| is_unknown) {
                    self.slots_are(slots);
                }
            }
            GameReport::Spawned(player) => {
                self.claim(player, now);
                let known = self.person(player.userid);
                if known.is_some_and(|person| person.steam.is_some()) {
                    push_news(&mut self.news, News::Spawned(player.userid));
                }
            }
            GameReport::Active(player)
            | GameReport::TeamChanged { player, .. }
            | GameReport::ClassChosen(player) => self.claim(player, now),
            GameReport::Left { player, .. } => self.script_reports_leave(player.userid, now),
            GameReport::Died { victim, .. } => self.script_reports_death(victim.userid, now),
            GameReport::Heartbeat { map, players, .. } => {
                if let Some(map) = map.as_ref().filter(|_| !self.status_is_live(now)) {
                    self.map_is(map);
                }
                if let Some(players) = players {
                    self.script_lists(players, now);
                }
            }
            _ => {}
        }
    }

    /// The whole list, every ten seconds.
    fn script_lists(&mut self, players: &[PlayerReport], now: Now) {
        let mut listed = BTreeSet::new();
        for player in players {
            listed.insert(player.userid);
            self.claim(player, now);
        }
        // A list is made over several ticks: who came meanwhile, to the server or to a new map, may
        // not stand in it.
        let just_came =
            |known: &Known| within(Some(known.claimed_ms), limits::ROSTER_OVERTAKEN_MS, now);
        // After a map change, players load; they are missed when they were there, or take too long.
        let loaded = now.mono_ms.saturating_sub(self.map_ms) >= limits::ROSTER_MAP_CHANGE_MS;
        let map = self.map_number;
        self.leave_where(|known| {
            let was_here = loaded || known.claimed_on == map;
            let missed = was_here && !listed.contains(&known.person.userid);
            missed && !just_came(known) && may_be_removed(known, now)
        });
    }

    /// The script has fallen silent or is gone, and its claims with it.
    pub fn script_gone(&mut self) {
        self.leave_where(|known| !known.person.from_engine);
    }

    /// Of a player whom the engine knows, a script can only make us look at `status`.
    fn script_reports_leave(&mut self, userid: i64, now: Now) {
        match self.people.get(&userid) {
            Some(known) if may_be_removed(known, now) => self.leave(userid),
            Some(_) => self.wants_status = true,
            None => {}
        }
    }

    /// The log has deaths too; while it comes, only those are counted. Where the game has a count of its
    /// own, that corrects ours with each heartbeat.
    fn script_reports_death(&mut self, userid: i64, now: Now) {
        let counts = !self.log_is_live(now);
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.alive = false;
            if counts {
                known.person.deaths += 1;
                known.died_ms = Some(now.mono_ms);
                known.counted_ms = Some(now.mono_ms);
                if known.person.steam.is_some() {
                    push_news(&mut self.news, News::Died(userid));
                }
            }
        }
    }

    /// A script reports something of a player.
    fn claim(&mut self, player: &PlayerReport, now: Now) {
        let userid = player.userid;
        let engine_is_live = self.engine_is_live(now);
        let denied = engine_is_live && self.departed.contains_key(&userid);
        // The same userid of another run of the server, of whose start nothing was seen.
        self.wants_status |= denied;
        if denied || self.entry(userid, now).is_none() {
            return;
        }
        self.claim_id(player, engine_is_live);
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        known.claimed_on = self.map_number;
        known.claimed_in = Some(self.session_number);
        known.claimed_ms = now.mono_ms;
        let person = &mut known.person;
        if let Some(name) = player.name.as_ref().filter(|_| !known.has_engine_name) {
            person.name.clone_from(name);
        }
        person.team = player.team.unwrap_or(person.team);
        person.score = player.score.unwrap_or(person.score);
        person.ping = player.ping.unwrap_or(person.ping).max(0);
        // A list is made over several ticks: who died meanwhile may stand in it with the count of before.
        let overtaken = within(known.counted_ms, limits::ROSTER_OVERTAKEN_MS, now);
        let deaths = player.deaths.filter(|_| !overtaken);
        person.deaths = deaths.unwrap_or(person.deaths);
        person.alive = player.alive.unwrap_or(person.alive);
    }

    fn claim_id(&mut self, player: &PlayerReport, engine_is_live: bool) {
        let bot = player.bot == Some(true);
        let id = player.steam;
        let Some(known) = self.people.get_mut(&player.userid) else {
            return;
        };
        if id.is_none() && !bot {
            return;
        }
        if known.has_engine_id {
            let same = known.person.steam == id.filter(|_| !bot) && known.person.bot == bot;
            self.wants_status |= !same;
            return;
        }
        // The engine knows who has which id, and it has not reported that it is this one.
        let doubtful = engine_is_live
            && (known.person.from_engine
                || id.is_some_and(|id| self.by_steam(id).is_some_and(|one| one.from_engine)));
        if doubtful {
            self.wants_status = true;
            return;
        }
        if let Some(known) = self.people.get_mut(&player.userid) {
            known.person.bot = bot;
        }
        self.id_is(player.userid, id.filter(|_| !bot));
    }
}
