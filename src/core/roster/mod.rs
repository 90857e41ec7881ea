//! Who is on one server, out of three sources: its script, the engine's log, and `status`.
//!
//! The engine is believed, and what a script reports fills the gaps: a script cannot change the name or id
//! of a player whom the engine has reported, let them vanish, or keep one whom the engine does not know.
//! Where no engine source is live, scripts are believed.
//!
//! `status` outranks the log: a map's script can make the engine log an arrival, a departure or
//! another name (`SendGlobalGameEvent`), and cannot change what `status` prints. So a line that
//! contradicts what `status` has confirmed changes nothing, and makes vpid request `status` again.

mod engine;

use super::Now;
use crate::limits;
use crate::protocol::game_report::{GameReport, PlayerReport, bounded};
use crate::protocol::steam_id::SteamId;
use ::core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A player on the server, or a bot.
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
    /// With its port, as the engine has it; `None` also where it is one of Steam's relays.
    pub address: Option<String>,
    /// Connected since, on the daemon's clock; negative: before the daemon started.
    pub since_ms: i64,
    /// The engine has reported this one; else only a script claims it.
    pub from_engine: bool,
    /// Since when the player has done nothing, by the last list of a script, on the daemon's clock.
    pub idle_since_ms: Option<i64>,
}

impl Person {
    /// Where they come from, in the form in which addresses are banned.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        let address: SocketAddrV4 = self.address.as_deref()?.parse().ok()?;
        Some(*address.ip())
    }

    /// For how many seconds.
    pub fn connected_s(&self, now: Now) -> u64 {
        u64::try_from(as_ms(now).saturating_sub(self.since_ms) / 1_000).unwrap_or(0)
    }
}

#[derive(Debug, Clone, Default)]
struct Known {
    person: Person,
    /// What of it comes from the engine.
    has_engine_name: bool,
    has_engine_id: bool,
    /// The address is that of the log.
    has_logged_address: bool,
    /// When the engine mentioned this one last, and when its log did for the first time.
    by_engine_ms: u64,
    logged_ms: Option<u64>,
    /// When `status` listed this userid with this id last, see [`Roster::confirmed_by_status`].
    confirmed_ms: Option<u64>,
    /// When `status` listed this userid with its present name last.
    named_ms: Option<u64>,
    /// Another name than that of `status`, by the log; `status` was requested because of it.
    doubted_name: String,
    /// Since when a script claims it.
    came_ms: u64,
    /// The map on which a script mentioned it last, by [`Roster::map_number`].
    claimed_on: u64,
    /// Likewise its session, by [`Roster::session_number`].
    claimed_in: Option<u64>,
    /// When that was, and since when it mentions them in this session.
    claimed_ms: u64,
    session_since_ms: u64,
    /// The engine's log had the connection.
    has_connected: bool,
    /// Since when they are connected by the last row of `status`, and when that came.
    row: Option<(i64, u64)>,
    /// They were on before the script fell silent.
    has_returned: bool,
    /// A death that was counted because a script reported it.
    died_ms: Option<u64>,
    /// When a death was counted last.
    counted_ms: Option<u64>,
}

/// A player who has left, by the engine.
#[derive(Debug)]
struct Departed {
    at_ms: u64,
    by_log: bool,
    /// By `status`, of a player whom the log had reported: a line that names them again was not
    /// confirmed.
    disproved: bool,
}

#[derive(Debug, Default)]
pub struct Roster {
    /// By userid. No userid is used twice in a run of a server.
    people: BTreeMap<i64, Known>,
    /// Who left because the script fell silent, which may go on.
    silenced: BTreeMap<i64, Known>,
    knowledge: Knowledge,
    departed: BTreeMap<i64, Departed>,
    map: String,
    /// Counts the maps.
    map_number: u64,
    map_ms: u64,
    /// Counts the maps of which a script has reported the start.
    session_number: u64,
    /// Since when the server may have restarted, and given its userids again.
    run_ms: u64,
    max_players: i64,
    /// The same by `status`: a script reports what players see, which may be fewer, and a map's script what it likes.
    slots: i64,
    /// What the owner lets players see, where that is set.
    visible_slots: Option<i64>,
    last_sign_ms: Option<u64>,
    /// When all who are on were listed last.
    listed_ms: Option<u64>,
    status_ms: Option<u64>,
    log_ms: Option<u64>,
    wants_status: bool,
    /// When `status` is to be requested once more, and not earlier.
    recheck_ms: Option<u64>,
    /// A player or an address was confirmed since [`Roster::take_newly_confirmed`].
    newly_confirmed: bool,
    arrivals: BTreeSet<i64>,
    /// What else happened since [`Roster::drain_news`], the oldest first.
    news: VecDeque<News>,
}

/// Since when vpid has known who is on, on the daemon's clock.
#[derive(Debug, Default)]
struct Knowledge {
    /// The first report of a script, the first player, and the first list of all.
    report_ms: Option<u64>,
    player_ms: Option<u64>,
    list_ms: Option<u64>,
    /// A map began before that: players whom vpid has never seen may load.
    map_ms: Option<u64>,
}

impl Knowledge {
    /// Whether somebody of whom a script reported first at this moment has come then, or was on when vpid started.
    fn has_come(&self, at_ms: u64) -> bool {
        // A game with players reports more often.
        let was_empty = |ms: u64| ms >= limits::ROSTER_ASLEEP_MS;
        if self.report_ms.is_some_and(was_empty) {
            return true;
        }
        let loads = |ms: u64| at_ms < ms + limits::ROSTER_MAP_CHANGE_MS;
        if self.map_ms.is_some_and(loads) {
            return false;
        }
        match (self.list_ms, self.player_ms) {
            (Some(list_ms), _) => list_ms < at_ms,
            // Lists can be turned off.
            (None, Some(player_ms)) => player_ms + limits::REWARD_FOUND_ON_MS < at_ms,
            (None, None) => false,
        }
    }
}

/// What happened to a player whose id is known.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// As they were known.
    Left(Person),
    /// By userid.
    Spawned(i64),
    Died(i64),
}

/// Whether something happened less than so many milliseconds ago.
fn within(at_ms: Option<u64>, bound_ms: u64, now: Now) -> bool {
    at_ms.is_some_and(|at_ms| now.mono_ms.saturating_sub(at_ms) < bound_ms)
}

/// What the roster has.
impl Roster {
    /// In the order of their userids, bots too.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values().map(|known| &known.person)
    }

    /// How many players the script has reported since its session began, without bots. The engine can log
    /// the start of a map whose script never reports.
    pub fn players_of_session(&self) -> usize {
        let session = Some(self.session_number);
        let here = |known: &&Known| !known.person.bot && known.claimed_in == session;
        self.people.values().filter(here).count()
    }

    /// Whether all who are on are known: they were listed since the map began, and the script has not fallen silent.
    pub fn is_whole(&self) -> bool {
        let is_of_this_map = |listed_ms: u64| listed_ms >= self.map_ms;
        self.silenced.is_empty() && self.listed_ms.is_some_and(is_of_this_map)
    }

    pub fn person(&self, userid: i64) -> Option<&Person> {
        Some(&self.people.get(&userid)?.person)
    }

    /// The player with this id: by `status`, else by the log, else as a script claims; and the latest
    /// one, since a player who lost the connection and came back is there twice for a while.
    pub fn by_steam(&self, steam: SteamId) -> Option<&Person> {
        let all = self.people.values();
        let same = all.filter(|known| known.person.steam == Some(steam));
        let rank = |known: &&Known| {
            let confirmed = known.confirmed_ms.is_some();
            (confirmed, known.has_engine_id, known.person.userid)
        };
        same.max_by_key(rank).map(|known| &known.person)
    }

    /// Whether `status` has listed lately, and since the server's last start or map, that this
    /// userid is the player with this id: in a row that can only be read so, or in any where the
    /// engine's log had reported the same.
    ///
    /// False where `status` is not requested: see [`Roster::status_is_live`].
    pub fn confirmed_by_status(&self, userid: i64, id: SteamId, now: Now) -> bool {
        let known = self.people.get(&userid);
        known.is_some_and(|known| {
            known.person.steam == Some(id)
                && within(known.confirmed_ms, limits::ROSTER_LIVE_MS, now)
        })
    }

    /// Whether a player has connected since vpid started: by `status`, by the engine's log, else by what scripts
    /// reported before. `None`: `status` will tell.
    pub fn has_come(&self, userid: i64, now: Now) -> Option<bool> {
        let known = self.people.get(&userid)?;
        if known.row.is_some() {
            return Some(known.person.since_ms >= 0);
        }
        if known.has_connected || known.has_returned {
            return Some(known.has_connected);
        }
        let is_told = self.status_is_live(now);
        (!is_told).then(|| self.knowledge.has_come(known.came_ms))
    }

    /// Of the time between two moments, from when on a player was there without a break; the second moment: not
    /// at all. By `status`, which has since when they are connected, or by a session of the scripts that has gone
    /// on since the first moment; one is over when the game ends. `None`: not known.
    pub fn was_on_since(&self, userid: i64, (from_ms, to_ms): (u64, u64)) -> Option<u64> {
        let known = self.people.get(&userid)?;
        // `status` has full seconds, of when it was written and not read.
        let near_ms = from_ms.saturating_add(limits::ROSTER_OVERTAKEN_MS);
        if let Some((since_ms, _)) = known.row.filter(|(_, at_ms)| *at_ms >= to_ms) {
            let since_ms = u64::try_from(since_ms).unwrap_or(0);
            return Some(match since_ms <= near_ms {
                true => from_ms,
                false => since_ms.min(to_ms),
            });
        }
        let in_session = known.claimed_in == Some(self.session_number)
            && known.claimed_ms >= to_ms
            && known.session_since_ms <= near_ms;
        in_session.then_some(from_ms)
    }

    /// When `status` showed a player last.
    pub fn row_ms(&self, userid: i64) -> Option<u64> {
        let (_, at_ms) = self.people.get(&userid)?.row?;
        Some(at_ms)
    }

    /// Whether `status` can be waited for: it was answered lately.
    pub fn status_is_live(&self, now: Now) -> bool {
        within(self.status_ms, limits::ROSTER_LIVE_MS, now)
    }

    /// Whether a player was confirmed by `status` who was not before, or another address of one, since this was
    /// taken last.
    pub fn take_newly_confirmed(&mut self) -> bool {
        std::mem::take(&mut self.newly_confirmed)
    }

    /// The same, and it stays.
    pub fn has_newly_confirmed(&self) -> bool {
        self.newly_confirmed
    }

    #[cfg(test)]
    pub fn push_news_for_test(&mut self, news: News) {
        push_news(&mut self.news, news);
    }

    /// Empty until it is known.
    pub fn map(&self) -> &str {
        &self.map
    }

    /// How many maps have begun, as far as it was reported.
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

    /// All slots for players, also those that are not shown; 0 until `status` has said how many.
    pub fn slots(&self) -> i64 {
        self.slots
    }

    /// When `status` was answered last.
    pub fn status_ms(&self) -> Option<u64> {
        self.status_ms
    }

    /// When any source reported last.
    pub fn last_sign_ms(&self) -> Option<u64> {
        self.last_sign_ms
    }

    /// Whether the server is up, as far as is known. One that is empty sleeps, and then only `status`
    /// shows it.
    pub fn alive(&self, now: Now) -> bool {
        within(self.last_sign_ms, limits::ROSTER_LIVE_MS, now)
    }

    /// Whether [`Roster::drain_arrivals`] would give a player.
    pub fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// The userids whose id has become known, or another, since this was drained last.
    pub fn drain_arrivals(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.arrivals).into_iter().collect()
    }

    /// Whether [`Roster::drain_news`] would give something.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What happened since this was drained last. If it is not drained, the oldest is dropped.
    pub fn drain_news(&mut self) -> VecDeque<News> {
        std::mem::take(&mut self.news)
    }

    /// `status` would show what is true. Scripts can cause this at will: the caller keeps a pause between
    /// two requests.
    pub fn wants_status(&self) -> bool {
        self.wants_status
    }

    /// Something waits for `status`.
    pub fn want_status(&mut self) {
        self.wants_status = true;
    }

    /// When `status` would settle something that it cannot settle before.
    pub fn recheck_ms(&self) -> Option<u64> {
        self.recheck_ms
    }

    pub fn status_requested(&mut self, now: Now) {
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

/// What follows from a report of any source.
impl Roster {
    /// The entry of a userid, made if it is new. `None`: the list is full.
    fn entry(&mut self, userid: i64, now: Now) -> Option<&mut Known> {
        if self.people.len() >= limits::PLAYERS_MAX && !self.people.contains_key(&userid) {
            return None;
        }
        self.knowledge.player_ms.get_or_insert(now.mono_ms);
        Some(self.people.entry(userid).or_insert_with(|| Known {
            person: Person {
                userid,
                since_ms: as_ms(now),
                ..Person::default()
            },
            came_ms: now.mono_ms,
            ..Known::default()
        }))
    }

    /// A player's id is this one from now on.
    fn id_is(&mut self, userid: i64, id: Option<SteamId>) {
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        if known.person.steam == id {
            return;
        }
        if known.person.steam.is_some() {
            let person = known.person.clone();
            push_news(&mut self.news, News::Left(person));
        }
        self.arrivals.remove(&userid);
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

    /// All for whom this holds leave; gives them.
    fn leave_where(&mut self, gone: impl Fn(&Known) -> bool) -> Vec<Known> {
        let gone = self.people.values().filter(|known| gone(known));
        let gone: Vec<_> = gone.map(|known| known.person.userid).collect();
        let leave = |userid: &i64| {
            self.id_is(*userid, None);
            self.people.remove(userid)
        };
        gone.iter().filter_map(leave).collect()
    }

    /// The server may have restarted, and then gives the same userids to others: who left before
    /// is forgotten, and who is on is confirmed by the next `status` or by nothing.
    pub fn may_have_restarted(&mut self, now: Now) {
        self.run_ms = now.mono_ms;
        self.departed.clear();
        for known in self.people.values_mut() {
            known.confirmed_ms = None;
            known.named_ms = None;
        }
        self.wants_status = true;
    }

    /// A map begins; the players stay on, unless it is the first map of a server.
    fn map_begins(&mut self, map: &str, now: Now) {
        self.may_have_restarted(now);
        for known in self.people.values_mut() {
            known.person.idle_since_ms = None;
        }
        self.map_number += 1;
        self.map_ms = now.mono_ms;
        if self.knowledge.list_ms.is_none() {
            self.knowledge.map_ms = Some(now.mono_ms);
        }
        self.map_is(map);
    }

    /// Scores and deaths begin at 0 on another map.
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

fn push_news(news: &mut VecDeque<News>, one: News) {
    if news.len() >= limits::ROSTER_NEWS_MAX {
        news.pop_front();
    }
    news.push_back(one);
}

fn as_ms(now: Now) -> i64 {
    i64::try_from(now.mono_ms).unwrap_or(i64::MAX)
}

// What the scripts of a game report of who is on. Any script of the map may have made it up.

/// Whether a script's word is enough for a player to be gone.
fn may_be_removed(known: &Known, now: Now) -> bool {
    let confirmed = within(Some(known.by_engine_ms), limits::ROSTER_UNCONFIRMED_MS, now);
    !(known.person.from_engine && confirmed)
}

impl Roster {
    pub fn reported(&mut self, report: &GameReport, now: Now) {
        self.last_sign_ms = Some(now.mono_ms);
        self.knowledge.report_ms.get_or_insert(now.mono_ms);
        match report {
            GameReport::MapStarted { map, max_players } => {
                self.map_begins(map, now);
                self.session_number += 1;
                self.silenced.clear();
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
            if let Some(known) = self.people.get_mut(&player.userid) {
                let idle_ms = player.idle_s.map(|idle_s| idle_s.saturating_mul(1_000));
                let idle_ms = idle_ms.and_then(|idle_ms| i64::try_from(idle_ms).ok());
                known.person.idle_since_ms = idle_ms.map(|ms| as_ms(now).saturating_sub(ms));
            }
        }
        self.knowledge.list_ms.get_or_insert(now.mono_ms);
        self.listed_ms = Some(now.mono_ms);
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
        let gone = self.people.iter();
        let gone = gone.filter(|(_, known)| !known.person.from_engine);
        let gone: Vec<(i64, Known)> = gone.map(|(userid, it)| (*userid, it.clone())).collect();
        self.silenced.extend(gone);
        while self.silenced.len() > limits::PLAYERS_MAX {
            self.silenced.pop_first();
        }
        // Nobody says who is idle any more.
        for known in self.people.values_mut() {
            known.person.idle_since_ms = None;
        }
        self.leave_where(|known| !known.person.from_engine);
    }

    /// A script that was silent goes on, and reports a player who was on before.
    fn comes_back(&mut self, player: &PlayerReport) {
        if self.people.contains_key(&player.userid) {
            return;
        }
        let Some(mut known) = self.silenced.remove(&player.userid) else {
            return;
        };
        // No userid is given twice in a session.
        let is_same = player.steam.is_some() && known.person.steam == player.steam;
        if is_same && known.claimed_in == Some(self.session_number) {
            (known.person.steam, known.has_returned) = (None, true);
            self.people.insert(player.userid, known);
        }
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
        if denied {
            return;
        }
        if self.people.len() < limits::PLAYERS_MAX {
            self.comes_back(player);
        }
        if self.entry(userid, now).is_none() {
            return;
        }
        self.claim_id(player, engine_is_live);
        let Some(known) = self.people.get_mut(&userid) else {
            return;
        };
        known.claimed_on = self.map_number;
        if known.claimed_in.replace(self.session_number) != Some(self.session_number) {
            known.session_since_ms = now.mono_ms;
        }
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

#[cfg(test)]
mod tests;
