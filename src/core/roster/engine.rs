//! What the engine says of who is on: by `status`, and by its log.

use std::collections::BTreeSet;

use super::{Departed, Known, Roster, as_ms, bounded, is_userid, within};
use crate::core::Now;
use crate::limits;
use crate::wire::engine_log::{Line, Who};
use crate::wire::server_status::{ServerStatus, StatusPlayer};

impl Roster {
    /// Takes a line of the log over.
    pub fn log_line(&mut self, line: &Line, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        self.log_ms = Some(now.mono_ms);
        match line {
            Line::Connected(who) => self.connected(who, now),
            Line::Validated(who) | Line::Entered(who) => {
                self.departed.remove(&who.userid);
                self.mentioned(who, &who.name, now);
            }
            Line::Disconnected(who) => {
                self.leave(who.userid);
                self.departs(who.userid, true, now);
            }
            Line::Said { who, .. } => self.mentioned(who, &who.name, now),
            Line::Renamed { who, to } => self.mentioned(who, to, now),
            Line::Killed { who, victim } => {
                self.mentioned(who, &who.name, now);
                self.mentioned(victim, &victim.name, now);
                self.log_says_died(victim.userid, now);
            }
            Line::MapStarted(map) => self.map_begins(map, now),
            Line::Ambiguous => self.wants_status = true,
            Line::Other => {}
        }
    }

    /// Takes an answer to `status` over. It lists everybody, also those who are still connecting;
    /// what happened while it was on its way is not undone by it.
    pub fn status(&mut self, status: &ServerStatus, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        self.status_ms = Some(now.mono_ms);
        self.map_is(&status.map);
        self.slots_are(status.max_players);
        let overtaken = |at_ms| within(at_ms, limits::ROSTER_OVERTAKEN_MS, now);
        let mut listed = BTreeSet::new();
        for player in &status.players {
            let departed = self.departed.get(&player.userid);
            let left = departed.is_some_and(|one| one.by_log && overtaken(Some(one.at_ms)));
            if !left {
                listed.insert(player.userid);
                self.listed(player, now);
            }
        }
        let gone = self.leave_where(|known| {
            let told_meanwhile = match known.person.from_engine {
                true => overtaken(known.logged_ms),
                false => overtaken(Some(known.claimed_ms)),
            };
            !told_meanwhile && !listed.contains(&known.person.userid)
        });
        for userid in gone {
            self.departs(userid, false, now);
        }
    }

    fn listed(&mut self, player: &StatusPlayer, now: Now) {
        self.departed.remove(&player.userid);
        let who = Who {
            userid: player.userid,
            name: player.name.clone(),
            id: player.id,
            bot: player.bot,
        };
        let connected_ms = i64::try_from(player.connected_s.saturating_mul(1_000));
        let since_ms = as_ms(now).saturating_sub(connected_ms.unwrap_or(i64::MAX));
        if let Some((known, is_new)) = self.tell(&who, &who.name, now) {
            known.listed = player.id.map(|id| (id, bounded(&player.name)));
            let person = &mut known.person;
            person.ping = player.ping.max(0);
            person.address = player.address.clone().or(person.address.take());
            // Full seconds jitter; the earliest is the nearest.
            person.since_ms = match is_new {
                true => since_ms,
                false => person.since_ms.min(since_ms),
            };
        }
    }

    fn connected(&mut self, who: &Who, now: Now) {
        self.departed.remove(&who.userid);
        if let Some((known, is_new)) = self.tell(who, &who.name, now) {
            known.logged_ms = Some(now.mono_ms);
            if is_new {
                known.person.since_ms = as_ms(now);
            }
        }
    }

    /// Lines of the log can arrive in another order: what names somebody who has just left does
    /// not bring them back.
    fn mentioned(&mut self, who: &Who, name: &str, now: Now) {
        if let Some(departed) = self.departed.get(&who.userid) {
            let just = within(Some(departed.at_ms), limits::ROSTER_OVERTAKEN_MS, now);
            if departed.by_log && just {
                return;
            }
            self.departed.remove(&who.userid);
        }
        if let Some((known, _)) = self.tell(who, name, now) {
            known.logged_ms = Some(now.mono_ms);
        }
    }

    /// The engine says that somebody is on, and who. Gives whether that is new.
    fn tell(&mut self, who: &Who, name: &str, now: Now) -> Option<(&mut Known, bool)> {
        let userid = who.userid;
        if !is_userid(userid) {
            return None;
        }
        let known = self.people.get(&userid);
        let other = |known: &Known| match who.id {
            Some(id) => known.person.steam != Some(id),
            None => who.bot && !known.person.bot,
        };
        // Userids begin anew with the server: this is somebody else.
        if known.is_some_and(|known| known.id_told && other(known)) {
            self.leave(userid);
        }
        self.make_room(userid);
        let known = self.entry(userid, now)?;
        let is_new = !known.person.from_engine;
        known.person.from_engine = true;
        known.told_ms = now.mono_ms;
        if !name.is_empty() {
            known.person.name = bounded(name);
            known.name_told = true;
        }
        known.id_told |= who.id.is_some() || who.bot;
        if who.id.is_some() || who.bot || !known.id_told {
            known.person.bot = who.bot;
            // What only a script has told does not stand beside the engine's not knowing it yet.
            self.wants_status |= known.person.steam.is_some() && who.id.is_none();
            self.id_is(userid, who.id.filter(|_| !who.bot));
            self.no_other_claims(userid);
        }
        Some((self.people.get_mut(&userid)?, is_new))
    }

    /// Whose id the engine tells, nobody else can be by a script's word.
    fn no_other_claims(&mut self, userid: i64) {
        let Some(id) = self.person(userid).and_then(|person| person.steam) else {
            return;
        };
        let same = self.people.values().filter(|one| {
            one.person.steam == Some(id) && !one.id_told && one.person.userid != userid
        });
        for other in same.map(|one| one.person.userid).collect::<Vec<_>>() {
            self.id_is(other, None);
        }
    }

    /// Scripts can fill the list with claims; the engine's players come before them.
    fn make_room(&mut self, userid: i64) {
        if self.people.len() < limits::PLAYERS_MAX || self.people.contains_key(&userid) {
            return;
        }
        let mut claimed = self.people.values().filter(|one| !one.person.from_engine);
        if let Some(claimed) = claimed.next_back().map(|one| one.person.userid) {
            self.leave(claimed);
        }
    }

    /// Somebody is not there, whatever a script goes on to claim.
    fn departs(&mut self, userid: i64, by_log: bool, now: Now) {
        if !is_userid(userid) {
            return;
        }
        let at_ms = now.mono_ms;
        self.departed.insert(userid, Departed { at_ms, by_log });
        while self.departed.len() > limits::PLAYERS_MAX {
            let oldest = self.departed.iter().min_by_key(|(_, one)| one.at_ms);
            let Some(oldest) = oldest.map(|(userid, _)| *userid) else {
                return;
            };
            self.departed.remove(&oldest);
        }
    }

    fn log_says_died(&mut self, userid: i64, now: Now) {
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.alive = false;
            // The log has just begun, and this is what the script told already.
            let counted = within(known.died_ms.take(), limits::ROSTER_OVERTAKEN_MS, now);
            known.person.deaths += u64::from(!counted);
        }
    }
}
