//! A server's RCON: what is known of it, the results of commands, and when `status` is requested.

use super::{GameServer, NotSent, ServerId, Servers};
use crate::core::Now;
use crate::core::ids::Ticket;
use crate::core::link::game::ConsoleState;
use crate::core::output::Output;
use crate::core::roster::Roster;
use crate::limits;
use crate::protocol::console::{Command, cvar_value};
use crate::protocol::log_targets::{NEWS, log_server};
use crate::protocol::rcon::{self, Done, Failure};
use crate::protocol::server_status::{self, ServerStatus};
use crate::protocol::steam_id::SteamId;
use std::collections::{HashMap, VecDeque};

/// What is known of a server's RCON.
#[derive(Default)]
pub(super) struct RconState {
    pub(super) refused: bool,
    pub(super) unreachable: bool,
    /// It has replied in this run.
    pub(super) replied: bool,
    /// `status` contradicted itself the last time, or could not be read at all.
    pub(super) doubted: bool,
    pub(super) unreadable: bool,
    /// The game does not know the command `script`, as far as this map goes: what it replies is also
    /// what a script of the map prints meanwhile.
    pub(super) no_script: bool,
    /// The operator knows that.
    pub(super) no_script_reported: bool,
    /// The slots that players see were requested on this map; else they are with the next `status`.
    pub(super) slots_requested: bool,
    slots_ticket: Option<u64>,
    /// A map has just started.
    pub(super) pause: Pause,
    /// A `status` is under way.
    pub(super) status_ticket: Option<u64>,
    /// The last `status` failed: what it was wanted for is still open.
    status_failed: bool,
    /// When `status` was requested last.
    pub(super) requested_ms: Option<u64>,
    /// When the pauses of all that were requested are over.
    paused_ms: u64,
    /// Commands under way, by their tickets.
    pub(super) sent: HashMap<u64, Sent>,
    /// A change of the map whose reply did not come.
    pub(super) map_change: Option<MapChange>,
}

impl RconState {
    /// Whether the console can be relied on.
    fn works(&self) -> bool {
        !(self.refused || self.unreachable || self.unreadable)
    }

    pub(super) fn requests_status(&mut self, ticket: u64, now: Now) {
        self.status_ticket = Some(ticket);
        self.requested_ms = Some(now.mono_ms);
        self.paused_ms = self.paused_ms.max(now.mono_ms) + limits::STATUS_SOON_MS;
    }

    /// Reports once that `status` cannot be read, until it can.
    fn unreadable(&mut self, label: &str) {
        if !std::mem::replace(&mut self.unreadable, true) {
            log_server!(
                warn,
                label,
                "the answer to `status` has no map, no slots or no table of players, so \
                 nothing follows from it; see whether rcon is that of a game"
            );
        }
    }

    /// Reports once that `status` contradicts itself, until it does not.
    fn doubt(&mut self, status: &ServerStatus, label: &str) {
        self.unreadable = false;
        if !status.whole && !self.doubted {
            let rows = status.players.len();
            log_server!(
                warn,
                label,
                "the {rows} rows of `status` do not match its own heading, or one can be \
                 read in several ways: until they do, nobody is removed from the players because \
                 of it, and nothing is done to a player of a doubtful row"
            );
        }
        self.doubted = !status.whole;
    }
}

impl Servers {
    /// The result of a command.
    pub fn rcon_done(&mut self, done: rcon::Done, now: Now, out: &mut Output) {
        let Some(server) = self.get_mut(done.server) else {
            return;
        };
        server.rcon_works(&done, now);
        if server.takes_state(&done, now) {
            return;
        }
        let Some(rcon) = &mut server.rcon else { return };
        let Some(sent) = rcon.sent.remove(&done.ticket) else {
            return;
        };
        if let Some(map_change) = MapChange::of(&done, &sent, now) {
            server.roster.want_status();
            // An earlier one has not been seen, and is not any more.
            if let Some(earlier) = rcon.map_change.replace(map_change) {
                earlier.fails(&server.label, out);
            }
            return;
        }
        if let (Command::Script(_), Ok(reply)) = (&sent.command, &done.result) {
            return self.script_replied(done.server, reply, sent, out);
        }
        let Sent {
            command, waiter, ..
        } = sent;
        // That a console is unreachable or refuses was reported once.
        if let Err(Failure::Unclear(why)) = &done.result {
            let label = &server.label;
            log_server!(
                warn,
                label,
                "a command may not have been carried out ({command:?}): {why}"
            );
        }
        match done.result {
            Ok(reply) => out.complete(waiter, Ok(reply.into())),
            Err(Failure::Unclear(why)) => out.complete(waiter, Err(why)),
            Err(Failure::Refused(why) | Failure::Away(why)) => out.not_sent(waiter, why),
        }
    }

    /// Whether a command would reach the game now, as far as is known.
    pub fn is_within_reach(&self, id: ServerId) -> bool {
        let rcon = |server: &GameServer| Some(!server.rcon.as_ref()?.unreachable);
        match self.has_rcon(id) {
            true => self.get(id).and_then(rcon).unwrap_or(false),
            false => self.host(id).is_some(),
        }
    }

    /// Requests how many slots players see, once on a map.
    pub(super) fn request_slots(&mut self, id: ServerId, out: &mut Output) {
        let ticket = self.ticket();
        let rcon = self.get_mut(id).and_then(|server| server.rcon.as_mut());
        if let Some(rcon) = rcon.filter(|rcon| !rcon.slots_requested) {
            rcon.slots_requested = true;
            rcon.slots_ticket = Some(ticket);
            out.rcon(id, ticket, &Command::VisibleSlots);
        }
    }
}

impl GameServer {
    fn console_works(&self) -> bool {
        self.rcon.as_ref().is_some_and(RconState::works)
    }

    pub fn console(&self) -> ConsoleState {
        match self.console_works() {
            true => ConsoleState::Replied(self.roster.status_ms()),
            false => ConsoleState::Unknown,
        }
    }

    /// What the result of any command shows of RCON itself.
    fn rcon_works(&mut self, done: &rcon::Done, now: Now) {
        let Some(rcon) = &mut self.rcon else { return };
        rcon.replied |= done.result.is_ok();
        match &done.result {
            Err(Failure::Refused(why)) if !rcon.refused => {
                log_server!(error at NEWS, self.label, "{why}");
                rcon.refused = true;
            }
            Err(Failure::Away(why)) if !rcon.unreachable => {
                log_server!(warn at NEWS, self.label, "{why}");
                rcon.unreachable = true;
            }
            Ok(_) if rcon.unreachable => {
                log_server!(info, self.label, "RCON is reachable again");
                rcon.unreachable = false;
                // Players who joined meanwhile are not known; and it may be another run.
                rcon.requested_ms = None;
                rcon.no_script = false;
                rcon.no_script_reported = false;
                self.roster.may_have_restarted(now);
            }
            _ => {}
        }
    }

    /// Takes the reply over where it was requested to know the state of the server. Gives whether it was.
    fn takes_state(&mut self, done: &rcon::Done, now: Now) -> bool {
        let Some(rcon) = &mut self.rcon else {
            return false;
        };
        if rcon.slots_ticket == Some(done.ticket) {
            rcon.slots_ticket = None;
            match &done.result {
                Ok(reply) => {
                    let slots = cvar_value(reply).and_then(|value| value.trim().parse().ok());
                    self.roster.visible_slots_are(slots);
                }
                Err(_) => rcon.slots_requested = false,
            }
            return true;
        }
        if rcon.status_ticket != Some(done.ticket) {
            return false;
        }
        rcon.status_ticket = None;
        rcon.status_failed = done.result.is_err();
        let Ok(text) = &done.result else { return true };
        let Some(status) = server_status::parse(text) else {
            rcon.unreadable(&self.label);
            return true;
        };
        rcon.doubt(&status, &self.label);
        self.guard.status_map(&status.map, rcon.requested_ms);
        let before = self.roster.map().to_owned();
        self.roster.status(&status, now);
        if !before.is_empty() && before != self.roster.map() {
            self.map_began(now);
        }
        true
    }

    /// Whether the game has confirmed that this userid has this id: by `status` where that can be
    /// requested, else by the signed scripts.
    pub fn confirms(&self, userid: i64, steam: SteamId, now: Now) -> bool {
        match self.console_works() {
            true => self.roster.confirmed_by_status(userid, steam, now),
            false => self.host.is_some() && self.guard.id_of(userid) == Some(steam),
        }
    }

    /// Whether it is sure who this is, so that something may be done to them because of their id.
    /// Where nothing can be done, another part reports that.
    pub fn may_act_on(&self, userid: i64, now: Now) -> bool {
        let can_act = self.rcon.is_some() || self.host.is_some();
        let steam = self.roster.person(userid).and_then(|person| person.steam);
        !can_act || steam.is_some_and(|steam| self.confirms(userid, steam, now))
    }

    /// When `status` is to be requested.
    pub(super) fn status_due_ms(&self) -> Option<u64> {
        let rcon = self
            .rcon
            .as_ref()
            .filter(|rcon| !rcon.refused && rcon.status_ticket.is_none())?;
        let Some(requested_ms) = rcon.requested_ms else {
            return Some(rcon.pause.until_ms().unwrap_or(0));
        };
        let has_reports = self.host.is_some() || self.log.as_ref().is_some_and(|log| log.came);
        let soon_ms = rcon
            .paused_ms
            .saturating_sub(limits::STATUS_BURST * limits::STATUS_SOON_MS);
        let ready_ms = rcon.pause.until_ms().unwrap_or(0);
        let due_ms = match has_reports {
            _ if rcon.map_change.is_some() => requested_ms + limits::STATUS_SOON_MS,
            _ if rcon.unreachable => requested_ms + limits::STATUS_ALONE_MS,
            _ if self.roster.wants_status() => soon_ms,
            _ if rcon.status_failed => requested_ms + limits::STATUS_ALONE_MS,
            true => requested_ms + limits::STATUS_BESIDE_MS,
            false => requested_ms + limits::STATUS_ALONE_MS,
        };
        let due_ms = due_ms.max(ready_ms);
        let recheck = self.roster.recheck_ms().filter(|_| !rcon.unreachable);
        let recheck_ms = recheck.map(|ms| ms.max(soon_ms).max(ready_ms));
        Some(recheck_ms.map_or(due_ms, |ms| ms.min(due_ms)))
    }
}

// A map has just started: server.cfg runs, and where it sets rcon_password, the engine closes the
// connections of RCON. What was sent then might have been run or not, so it waits for a moment.

/// What waits for the moment to pass.
#[derive(Default)]
pub(super) struct Pause {
    until_ms: Option<u64>,
    began_ms: Option<u64>,
    waiting: VecDeque<Sent>,
}

impl Pause {
    /// Until when nothing is sent.
    pub(super) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }

    /// Several sources report the same map; gives whether it is a new one.
    fn begin(&mut self, now: Now) -> bool {
        let lately = |began_ms: u64| now.mono_ms.saturating_sub(began_ms) < limits::RCON_SETTLED_MS;
        if self.began_ms.is_some_and(lately) {
            return false;
        }
        self.began_ms = Some(now.mono_ms);
        self.until_ms = Some(now.mono_ms + limits::RCON_SETTLE_MS);
        true
    }

    /// What may be sent now.
    fn end(&mut self, now: Now) -> VecDeque<Sent> {
        if self.until_ms.is_none_or(|until_ms| until_ms > now.mono_ms) {
            return VecDeque::new();
        }
        self.until_ms = None;
        std::mem::take(&mut self.waiting)
    }
}

impl GameServer {
    /// A source has reported that a map has begun.
    pub(super) fn map_began(&mut self, now: Now) {
        if let Some(rcon) = &mut self.rcon {
            let is_new = rcon.pause.begin(now);
            rcon.slots_requested &= !is_new;
            rcon.no_script &= !is_new;
        }
    }
}

impl Servers {
    /// Sends a command by RCON, or keeps it for a moment. It is known to fit into a line.
    pub(super) fn send(
        &mut self,
        id: ServerId,
        sent: Sent,
        out: &mut Output,
    ) -> Result<(), NotSent> {
        let ticket = self.ticket();
        let server = self.get_mut(id).ok_or(NotSent::NoServer)?;
        let label = &server.label;
        let rcon = server.rcon.as_mut();
        let rcon = rcon.ok_or_else(|| NotSent::Unreachable(label.clone()))?;
        if rcon.pause.until_ms.is_none() {
            out.rcon(id, ticket, &sent.command);
            rcon.sent.insert(ticket, sent);
            return Ok(());
        }
        if rcon.pause.waiting.len() >= limits::RCON_QUEUE_MAX {
            return Err(NotSent::Full(label.clone()));
        }
        rcon.pause.waiting.push_back(sent);
        Ok(())
    }

    /// Sends what has waited long enough; gives when to look again.
    pub(super) fn send_delayed(&mut self, now: Now, out: &mut Output) -> Option<u64> {
        let mut next_ms = None::<u64>;
        for id in (0..self.all.len()).map(ServerId) {
            let Some(rcon) = &mut self.all[id.0].rcon else {
                continue;
            };
            let waited = rcon.pause.end(now);
            next_ms = [next_ms, rcon.pause.until_ms].into_iter().flatten().min();
            for sent in waited {
                // It is sent at once now, or there is no RCON any more.
                let _ = self.send(id, sent, out);
            }
        }
        next_ms
    }
}

// A change of the map by RCON. Some servers close the connection in the middle of it, so that no
// reply comes: then the new map shows that the command was run.

/// A command under way.
pub struct Sent {
    pub command: Command,
    /// To whom the result is reported.
    pub waiter: Option<Ticket>,
    /// The text for the console's `say` where the game has no script engine.
    pub instead: Option<String>,
    /// The map when it was sent, and its number.
    before: (String, u64),
}

/// Waits for its map.
pub struct MapChange {
    map: String,
    before: (String, u64),
    waiter: Option<Ticket>,
    /// Why there is no reply.
    why: String,
    pub due_ms: u64,
}

impl Sent {
    pub fn new(command: Command, waiter: Option<Ticket>, roster: &Roster) -> Self {
        Self {
            command,
            waiter,
            instead: None,
            before: (roster.map().to_owned(), roster.map_number()),
        }
    }

    /// The map that it changes to.
    fn map(&self) -> Option<&str> {
        let Command::Console(line) = &self.command else {
            return None;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["changelevel" | "map", map] if !map.contains([';', '"']) => Some(map),
            _ => None,
        }
    }
}

impl MapChange {
    /// `None` where there is no map to wait for.
    pub fn of(done: &Done, sent: &Sent, now: Now) -> Option<Self> {
        let Err(Failure::Unclear(why)) = &done.result else {
            return None;
        };
        Some(Self {
            why: why.clone(),
            map: sent.map()?.to_owned(),
            before: sent.before.clone(),
            waiter: sent.waiter,
            due_ms: now.mono_ms + limits::CHANGE_MAP_MS,
        })
    }

    /// Whether the new map is there; the same one again has to have begun.
    fn is_done(&self, roster: &Roster) -> bool {
        let (map, number) = &self.before;
        let is_new = map != roster.map() || *number != roster.map_number();
        roster.map().eq_ignore_ascii_case(&self.map) && is_new
    }

    /// It was not seen.
    pub fn fails(self, label: &str, out: &mut Output) {
        let seconds = limits::CHANGE_MAP_MS / 1_000;
        let why = format!(
            "{}; a change of the map closes it on some servers, but {} was not seen within \
             {seconds} s",
            self.why, self.map
        );
        log_server!(warn, label, "the map may not have been changed: {why}");
        out.complete(self.waiter, Err(why));
    }
}

impl Servers {
    /// Ends what waits for a map that is there, or for too long; gives when to look again.
    pub(super) fn end_map_changes(&mut self, now: Now, out: &mut Output) -> Option<u64> {
        let mut next_ms = None::<u64>;
        for server in &mut self.all {
            let Some(rcon) = &mut server.rcon else {
                continue;
            };
            let roster = &server.roster;
            if let Some(done) = rcon.map_change.take_if(|it| it.is_done(roster)) {
                log_server!(info, server.label, "the map is {} now", done.map);
                out.complete(done.waiter, Ok("".into()));
            }
            if let Some(late) = rcon.map_change.take_if(|it| it.due_ms <= now.mono_ms) {
                late.fails(&server.label, out);
            }
            let due_ms = rcon.map_change.as_ref().map(|it| it.due_ms);
            next_ms = [next_ms, due_ms].into_iter().flatten().min();
        }
        next_ms
    }
}
