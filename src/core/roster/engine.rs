//! What the engine reports of who is on: by `status`, and by its log.

use ::core::net::SocketAddrV4;
use std::collections::BTreeSet;

use super::{Departed, Known, News, Roster, as_ms, push_news, within};
use crate::core::Now;
use crate::limits;
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::game_report::{bounded, is_userid};
use crate::protocol::server_status::{ServerStatus, StatusPlayer};

/// A character in UTF-8.
const UTF8_BYTES_MAX: usize = 4;

/// Whether this cannot be the one who is known.
fn is_other(known: &Known, who: &Who) -> bool {
    match who.id {
        Some(id) => known.person.steam != Some(id),
        None => who.bot && !known.person.bot,
    }
}

/// Whether a name is the beginning of a longer one, cut where the engine cuts: at its longest, or
/// inside of a character, which then cannot be read.
fn is_cut(short: &str, long: &str) -> bool {
    let kept = short.trim_end_matches(char::REPLACEMENT_CHARACTER);
    let inside = kept.len() < short.len();
    let full = short.len() + UTF8_BYTES_MAX > limits::ENGINE_NAME_BYTES_MAX;
    (inside || full) && !kept.is_empty() && kept.len() < long.len() && long.starts_with(kept)
}

impl Known {
    /// By the log: until `status` has confirmed who this is, and from where.
    fn comes_from(&mut self, address: SocketAddrV4) {
        let is_known = self.person.address.is_some() && !self.has_logged_address;
        if self.has_engine_id && !is_known && self.confirmed_ms.is_none() {
            self.person.address = Some(address.to_string());
            self.has_logged_address = true;
        }
    }
}

impl Roster {
    /// Takes a line of the log over.
    pub fn log_line(&mut self, line: &Line, now: Now) {
        self.last_sign_ms = Some(now.mono_ms);
        self.log_ms = Some(now.mono_ms);
        match line {
            Line::Connected(who, address) => self.connected(who, *address, now),
            Line::Validated(who) | Line::Entered(who) => {
                if !self.contradicts_status(who, now) {
                    self.departed.remove(&who.userid);
                }
                self.mentioned(who, &who.name, now);
            }
            Line::Disconnected { who, .. } => self.disconnected(who, now),
            Line::Said { who, .. } => {
                self.mentioned(who, &who.name, now);
            }
            Line::Renamed { who, to } => {
                self.mentioned(who, to, now);
            }
            Line::JoinedTeam { who, team } => {
                if self.mentioned(who, &who.name, now) {
                    self.team_is(who.userid, *team);
                }
            }
            Line::ChoseClass { who, .. } => {
                self.mentioned(who, &who.name, now);
            }
            Line::RoundStarted { .. } | Line::RoundWon { .. } => {}
            Line::Killed { who, victim, .. } => {
                self.mentioned(who, &who.name, now);
                if self.mentioned(victim, &victim.name, now) {
                    self.log_reports_death(victim.userid, now);
                }
            }
            Line::Suicide { who, .. } => {
                if self.mentioned(who, &who.name, now) {
                    self.log_reports_death(who.userid, now);
                }
            }
            Line::MapStarted(map) => self.map_begins(map, now),
            Line::Ambiguous => self.wants_status = true,
            Line::Other => {}
        }
    }

    /// Takes a reply to `status` over. One that is whole lists all players, also those who are
    /// still connecting; one that contradicts itself adds and updates, and removes no player. What
    /// happened while it was on its way is not undone by it.
    pub fn status(&mut self, status: &ServerStatus, now: Now) {
        self.last_sign_ms = Some(now.mono_ms);
        self.status_ms = Some(now.mono_ms);
        self.map_is(&status.map);
        self.slots_are(status.max_players);
        if status.max_players > 0 {
            self.slots = self.max_players;
        }
        let wants_status = self.wants_status;
        let listed = self.all_listed(status, now);
        // What it has shown need not be requested.
        self.wants_status = wants_status;
        if status.whole {
            self.knowledge.list_ms.get_or_insert(now.mono_ms);
            self.listed_ms = Some(now.mono_ms);
            self.only_those_stay(&listed, now);
        }
    }

    /// Takes the rows over; gives whose they are.
    fn all_listed(&mut self, status: &ServerStatus, now: Now) -> BTreeSet<i64> {
        let overtaken = |at_ms| within(at_ms, limits::ROSTER_OVERTAKEN_MS, now);
        let mut listed = BTreeSet::new();
        for player in &status.players {
            let departed = self.departed.get(&player.userid);
            let left = departed.is_some_and(|one| one.by_log && overtaken(Some(one.at_ms)));
            if left {
                let again_ms = now.mono_ms + limits::ROSTER_OVERTAKEN_MS;
                self.recheck_ms = self.recheck_ms.or(Some(again_ms));
                continue;
            }
            listed.insert(player.userid);
            match player.sure {
                true => self.listed(player, now),
                false => self.listed_doubtfully(player, now),
            }
        }
        listed
    }

    fn only_those_stay(&mut self, listed: &BTreeSet<i64>, now: Now) {
        let overtaken = |at_ms| within(at_ms, limits::ROSTER_OVERTAKEN_MS, now);
        let run_ms = self.run_ms;
        let came_meanwhile = |known: &Known| match known.person.from_engine {
            true => overtaken(known.logged_ms),
            false => overtaken(Some(known.came_ms)),
        };
        let is_listed = |known: &Known| listed.contains(&known.person.userid);
        let gone = self.leave_where(|known| !came_meanwhile(known) && !is_listed(known));
        // Anybody may have made up whom only the log knows.
        if self.people.values().any(|known| !is_listed(known)) {
            let again_ms = now.mono_ms + limits::ROSTER_OVERTAKEN_MS;
            self.recheck_ms = self.recheck_ms.or(Some(again_ms));
        }
        for known in gone {
            // Who was not seen since the server may have restarted was of an earlier run.
            if known.by_engine_ms.max(known.claimed_ms) > run_ms {
                let departed = Departed {
                    at_ms: now.mono_ms,
                    by_log: false,
                    disproved: known.person.from_engine,
                };
                self.departs(known.person.userid, departed);
            }
        }
    }

    fn listed(&mut self, player: &StatusPlayer, now: Now) {
        self.departed.remove(&player.userid);
        let who = Who {
            userid: player.userid,
            name: player.name.clone(),
            id: player.id,
            bot: player.bot,
            ..Who::default()
        };
        let connected_ms = i64::try_from(player.connected_s.saturating_mul(1_000));
        let since_ms = as_ms(now).saturating_sub(connected_ms.unwrap_or(i64::MAX));
        let known = self.people.get(&player.userid);
        let same = known.filter(|known| known.has_engine_name && known.person.steam == player.id);
        let longer = same.filter(|known| is_cut(&player.name, &known.person.name));
        let name = longer.map_or(&player.name, |known| &known.person.name);
        let name = name.clone();
        let mut newly = false;
        if let Some((known, is_new)) = self.engine_reports(&who, &name, now) {
            known.row = Some((since_ms, now.mono_ms));
            if player.id.is_some() || player.bot {
                newly = known.confirmed_ms.is_none() && !player.bot;
                known.confirmed_ms = Some(now.mono_ms);
            }
            known.named_ms = Some(now.mono_ms);
            let before = known.person.address.take();
            // A map's script can make the engine log any address.
            let kept = before.clone().filter(|_| !known.has_logged_address);
            known.has_logged_address = false;
            let person = &mut known.person;
            person.ping = player.ping.max(0);
            person.address = player.address.clone().or(kept);
            newly |= person.address.is_some() && person.address != before;
            // Full seconds jitter; the earliest is the nearest.
            person.since_ms = match is_new {
                true => since_ms,
                false => person.since_ms.min(since_ms),
            };
        }
        self.newly_confirmed |= newly;
    }

    /// A row that may be another player's. It shows that a player is there, and not who; but where the
    /// engine has reported the same before, it confirms that.
    fn listed_doubtfully(&mut self, player: &StatusPlayer, now: Now) {
        match self.people.get_mut(&player.userid) {
            Some(known) if known.has_engine_id => {
                if (known.person.steam, known.person.bot) == (player.id, player.bot) {
                    self.newly_confirmed |= known.confirmed_ms.is_none();
                    known.confirmed_ms = Some(now.mono_ms);
                    known.by_engine_ms = now.mono_ms;
                    known.person.ping = player.ping.max(0);
                }
            }
            _ => {
                let who = Who {
                    userid: player.userid,
                    name: player.name.clone(),
                    ..Who::default()
                };
                self.engine_reports(&who, &player.name, now);
            }
        }
    }

    /// Whether `status` has shown lately that this userid is another player, or none.
    fn contradicts_status(&self, who: &Who, now: Now) -> bool {
        if !self.status_is_live(now) {
            return false;
        }
        let departed = self.departed.get(&who.userid);
        if departed.is_some_and(|departed| departed.disproved) {
            return true;
        }
        let known = self.people.get(&who.userid);
        let confirmed =
            known.filter(|known| within(known.confirmed_ms, limits::ROSTER_LIVE_MS, now));
        confirmed.is_some_and(|known| is_other(known, who))
    }

    fn connected(&mut self, who: &Who, address: Option<SocketAddrV4>, now: Now) {
        if self.contradicts_status(who, now) {
            self.wants_status = true;
            return;
        }
        self.departed.remove(&who.userid);
        let name = self.name_by_log(who.userid, &who.name, now);
        if let Some((known, is_new)) = self.engine_reports(who, &name, now)
            && is_new
        {
            known.logged_ms = Some(now.mono_ms);
            known.person.since_ms = as_ms(now);
            known.has_connected = true;
        }
        if let (Some(address), Some(known)) = (address, self.people.get_mut(&who.userid)) {
            known.comes_from(address);
        }
        self.look_for_the_same_id(who);
    }

    fn team_is(&mut self, userid: i64, team: i64) {
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.team = team;
        }
    }

    /// A departure of a player whom `status` has confirmed is checked once more when `status`
    /// can have no older answer.
    fn disconnected(&mut self, who: &Who, now: Now) {
        if self.contradicts_status(who, now) {
            self.wants_status = true;
            return;
        }
        let known = self.people.get(&who.userid);
        if known.is_some_and(|known| known.confirmed_ms.is_some()) {
            let at_ms = now.mono_ms + limits::ROSTER_OVERTAKEN_MS;
            self.recheck_ms = Some(self.recheck_ms.map_or(at_ms, |ms| ms.max(at_ms)));
        }
        self.leave(who.userid);
        let departed = Departed {
            at_ms: now.mono_ms,
            by_log: true,
            disproved: false,
        };
        self.departs(who.userid, departed);
    }

    /// Lines of the log can arrive in another order: what names a player who has just left does
    /// not bring them back. Gives whether the line holds.
    fn mentioned(&mut self, who: &Who, name: &str, now: Now) -> bool {
        if self.contradicts_status(who, now) {
            self.wants_status = true;
            return false;
        }
        if let Some(departed) = self.departed.get(&who.userid) {
            let just = within(Some(departed.at_ms), limits::ROSTER_OVERTAKEN_MS, now);
            if departed.by_log && just {
                return false;
            }
            self.departed.remove(&who.userid);
        }
        let name = self.name_by_log(who.userid, name, now);
        if let Some((known, is_new)) = self.engine_reports(who, &name, now)
            && is_new
        {
            known.logged_ms = Some(now.mono_ms);
        }
        if let Some(team) = who.team {
            self.team_is(who.userid, team);
        }
        self.look_for_the_same_id(who);
        true
    }

    /// The name that a line of the log leads to: that of `status` stays until `status` has
    /// another, unless it was only cut.
    fn name_by_log(&mut self, userid: i64, name: &str, now: Now) -> String {
        let status_is_live = self.status_is_live(now);
        let Some(known) = self.people.get_mut(&userid) else {
            return name.to_owned();
        };
        let by_status = status_is_live && known.named_ms.is_some();
        let mine = &known.person.name;
        if !by_status || name.is_empty() || name == mine || is_cut(mine, name) {
            return name.to_owned();
        }
        if known.doubted_name != name {
            known.doubted_name = bounded(name);
            self.wants_status = true;
        }
        known.person.name.clone()
    }

    /// One id at two userids: a player came back, or a script made the line.
    fn look_for_the_same_id(&mut self, who: &Who) {
        let Some(id) = who.id else { return };
        let confirmed = |known: &Known| {
            known.person.steam == Some(id)
                && known.person.userid != who.userid
                && known.confirmed_ms.is_some()
        };
        if self.people.values().any(confirmed) {
            self.wants_status = true;
        }
    }

    /// The engine reports that a player is on, and who. Gives whether that is new.
    fn engine_reports(&mut self, who: &Who, name: &str, now: Now) -> Option<(&mut Known, bool)> {
        let userid = who.userid;
        if !is_userid(userid) {
            return None;
        }
        let known = self.people.get(&userid);
        // Userids begin at 1 with a restart of the server: this is another player.
        if known.is_some_and(|known| known.has_engine_id && is_other(known, who)) {
            self.leave(userid);
        }
        self.make_room(userid, now);
        let known = self.entry(userid, now)?;
        let is_new = !known.person.from_engine;
        known.person.from_engine = true;
        known.by_engine_ms = now.mono_ms;
        if !name.is_empty() {
            known.person.name = bounded(name);
            known.has_engine_name = true;
        }
        known.has_engine_id |= who.id.is_some() || who.bot;
        if who.id.is_some() || who.bot || !known.has_engine_id {
            known.person.bot = who.bot;
            // What only a script has reported does not count while the engine does not know it.
            self.wants_status |= known.person.steam.is_some() && who.id.is_none();
            self.id_is(userid, who.id.filter(|_| !who.bot));
            self.no_other_claims(userid);
        }
        Some((self.people.get_mut(&userid)?, is_new))
    }

    /// An id that the engine reports is no other player's by a script's word.
    fn no_other_claims(&mut self, userid: i64) {
        let Some(id) = self.person(userid).and_then(|person| person.steam) else {
            return;
        };
        let same = self.people.values().filter(|one| {
            one.person.steam == Some(id) && !one.has_engine_id && one.person.userid != userid
        });
        for other in same.map(|one| one.person.userid).collect::<Vec<_>>() {
            self.id_is(other, None);
        }
    }

    /// Scripts can fill the list with claims; the engine's players come before them. Where
    /// `status` never lists all players, those whom the engine has long not reported make room.
    fn make_room(&mut self, userid: i64, now: Now) {
        if self.people.len() < limits::PLAYERS_MAX || self.people.contains_key(&userid) {
            return;
        }
        let mut claimed = self.people.values().filter(|one| !one.person.from_engine);
        let claimed = claimed.next_back();
        let oldest = || {
            let oldest = self.people.values().min_by_key(|one| one.by_engine_ms)?;
            let recent = within(
                Some(oldest.by_engine_ms),
                limits::ROSTER_UNCONFIRMED_MS,
                now,
            );
            (!recent).then_some(oldest)
        };
        if let Some(userid) = claimed.or_else(oldest).map(|one| one.person.userid) {
            self.leave(userid);
        }
    }

    /// A player is not there, whatever a script goes on to claim.
    fn departs(&mut self, userid: i64, departed: Departed) {
        if !is_userid(userid) {
            return;
        }
        self.departed.insert(userid, departed);
        while self.departed.len() > limits::PLAYERS_MAX {
            let oldest = self.departed.iter().min_by_key(|(_, one)| one.at_ms);
            let Some(oldest) = oldest.map(|(userid, _)| *userid) else {
                return;
            };
            self.departed.remove(&oldest);
        }
    }

    fn log_reports_death(&mut self, userid: i64, now: Now) {
        if let Some(known) = self.people.get_mut(&userid) {
            known.person.alive = false;
            // The log has just begun, and this is what the script reported already.
            let counted = within(known.died_ms.take(), limits::ROSTER_OVERTAKEN_MS, now);
            known.person.deaths += u64::from(!counted);
            known.counted_ms = Some(now.mono_ms);
            if !counted && known.person.steam.is_some() {
                push_news(&mut self.news, News::Died(userid));
            }
        }
    }
}
