//! What the scripts of a game say of who is on. Each may be somebody else's, or lie.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Known, Roster, bounded, is_userid, within};
use crate::core::Now;
use crate::limits;
use crate::protocol::steam_id::SteamId;

/// Whether a script's word is enough for somebody to be gone.
fn may_be_removed(known: &Known, now: Now) -> bool {
    let confirmed = within(Some(known.told_ms), limits::ROSTER_UNCONFIRMED_MS, now);
    !(known.person.from_engine && confirmed)
}

impl Roster {
    /// Takes an event over. What does not look as it should is passed over.
    pub fn script_event(&mut self, name: &str, data: &Value, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        let userid = data["userid"].as_i64().filter(|userid| is_userid(*userid));
        match (name, userid) {
            ("map_start", _) => {
                self.map_begins(data["map"].as_str().unwrap_or_default(), now);
                self.script_says_slots(data, now);
            }
            ("player_disconnect", Some(userid)) => self.script_says_left(userid, now),
            ("player_active" | "player_team" | "player_class", Some(userid)) => {
                self.claim(userid, data, None, now);
            }
            ("player_spawn", Some(userid)) => self.claim(userid, data, Some(true), now),
            ("player_death", Some(userid)) => self.script_says_died(userid, now),
            _ => {}
        }
    }

    /// The whole list, every ten seconds.
    pub fn script_heartbeat(&mut self, heartbeat: &Value, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        if let Some(map) = heartbeat["map"]
            .as_str()
            .filter(|_| !self.status_is_live(now))
        {
            self.map_is(map);
        }
        let Some(list) = heartbeat["players"].as_array() else {
            return;
        };
        let mut listed = BTreeSet::new();
        for data in list {
            let userid = data["userid"].as_i64();
            if let Some(userid) = userid.filter(|userid| is_userid(*userid)) {
                listed.insert(userid);
                self.claim(userid, data, None, now);
            }
        }
        // A list is made over several ticks: who came meanwhile, to the server or to a new map, may
        // not stand in it.
        let just_came =
            |known: &Known| within(Some(known.mentioned_ms), limits::ROSTER_OVERTAKEN_MS, now);
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

    fn script_says_slots(&mut self, data: &Value, now: Now) {
        let unknown = self.max_players == 0 || !self.status_is_live(now);
        if let Some(slots) = data["max_players"].as_i64().filter(|_| unknown) {
            self.slots_are(slots);
        }
    }

    /// Of somebody whom the engine knows, a script can only make us look.
    fn script_says_left(&mut self, userid: i64, now: Now) {
        match self.people.get(&userid) {
            Some(known) if may_be_removed(known, now) => self.leave(userid),
            Some(_) => self.wants_status = true,
            None => {}
        }
    }

    /// The log tells of deaths too; while it does, only what it tells is counted. Where the game has
    /// a count of its own, that corrects ours with each heartbeat.
    fn script_says_died(&mut self, userid: i64, now: Now) {
        let counts = !self.log_is_live(now);
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.alive = false;
            if counts {
                known.person.deaths += 1;
                known.died_ms = Some(now.mono_ms);
                known.counted_ms = Some(now.mono_ms);
            }
        }
    }

    /// A script says something about a player.
    fn claim(&mut self, userid: i64, data: &Value, alive: Option<bool>, now: Now) {
        let Value::Object(data) = data else {
            return;
        };
        let engine_is_live = self.engine_is_live(now);
        let denied = engine_is_live && self.departed.contains_key(&userid);
        // The same userid of another run of the server, of whose start nothing was seen.
        self.wants_status |= denied;
        if denied || self.entry(userid, now).is_none() {
            return;
        }
        self.claim_id(userid, data, engine_is_live);
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        known.claimed_on = self.map_number;
        known.mentioned_ms = now.mono_ms;
        let person = &mut known.person;
        if let Some(Value::String(name)) = data.get("name").filter(|_| !known.name_told) {
            person.name = bounded(name);
        }
        let number = |key: &str| data.get(key).and_then(Value::as_i64);
        person.team = number("team").unwrap_or(person.team);
        person.score = number("score").unwrap_or(person.score);
        person.ping = number("ping").unwrap_or(person.ping).max(0);
        // A list is made over several ticks: who died meanwhile may stand in it with the count of before.
        let overtaken = within(known.counted_ms, limits::ROSTER_OVERTAKEN_MS, now);
        let deaths = number("deaths").and_then(|deaths| u64::try_from(deaths).ok());
        person.deaths = deaths.filter(|_| !overtaken).unwrap_or(person.deaths);
        let listed_alive = data.get("alive").and_then(Value::as_bool);
        person.alive = alive.or(listed_alive).unwrap_or(person.alive);
    }

    fn claim_id(&mut self, userid: i64, data: &Map<String, Value>, engine_is_live: bool) {
        let text = data.get("id").and_then(Value::as_str).unwrap_or_default();
        let id: Option<SteamId> = text.parse().ok();
        let marked = data.get("bot").and_then(Value::as_bool);
        let bot = text == "BOT" || marked == Some(true);
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        if id.is_none() && !bot {
            return;
        }
        if known.id_told {
            let same = known.person.steam == id.filter(|_| !bot) && known.person.bot == bot;
            self.wants_status |= !same;
            return;
        }
        // The engine knows who has which id, and it has not told that it is this one.
        let doubtful = engine_is_live
            && (known.person.from_engine
                || id.is_some_and(|id| self.by_steam(id).is_some_and(|one| one.from_engine)));
        if doubtful {
            self.wants_status = true;
            return;
        }
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.bot = bot;
        }
        self.id_is(userid, id.filter(|_| !bot));
    }
}
