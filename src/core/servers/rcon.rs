//! A server's RCON: what is known of it, the results of commands, and when `status` is requested.

use std::collections::HashMap;

use super::map_change::{MapChange, Sent};
use super::pause::Pause;
use super::{GameServer, ServerId, Servers};
use crate::core::Now;
use crate::core::link::game::ConsoleState;
use crate::core::output::Output;
use crate::limits;
use crate::protocol::console::{Command, cvar_value};
use crate::protocol::log_targets;
use crate::protocol::rcon::{self, Failure};
use crate::protocol::server_status::{self, ServerStatus};
use crate::protocol::steam_id::SteamId;

/// What is known of a server's RCON.
#[derive(Default)]
pub(super) struct RconState {
    pub(super) refused: bool,
    pub(super) unreachable: bool,
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

    /// `status` is requested now.
    pub(super) fn requests_status(&mut self, ticket: u64, now: Now) {
        self.status_ticket = Some(ticket);
        self.requested_ms = Some(now.mono_ms);
        self.paused_ms = self.paused_ms.max(now.mono_ms) + limits::STATUS_SOON_MS;
    }

    /// Reports once that `status` cannot be read, until it can.
    fn unreadable(&mut self, label: &str) {
        if !std::mem::replace(&mut self.unreadable, true) {
            log::warn!(
                "{label}: the answer to `status` has no map, no slots or no table of players, so \
                 nothing follows from it; see whether rcon is that of a game"
            );
        }
    }

    /// Reports once that `status` contradicts itself, until it does not.
    fn doubt(&mut self, status: &ServerStatus, label: &str) {
        self.unreadable = false;
        if !status.whole && !self.doubted {
            let rows = status.players.len();
            log::warn!(
                "{label}: the {rows} rows of `status` do not match its own heading, or one can be \
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
            log::warn!("{label}: a command may not have been carried out ({command:?}): {why}");
        }
        let outcome = done.result.map_err(|failure| match failure {
            Failure::Refused(why) | Failure::Away(why) | Failure::Unclear(why) => why,
        });
        out.complete(waiter, outcome.map(Into::into));
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
        match &done.result {
            Err(Failure::Refused(why)) if !rcon.refused => {
                log::error!(target: log_targets::NEWS, "{}: {why}", self.label);
                rcon.refused = true;
            }
            Err(Failure::Away(why)) if !rcon.unreachable => {
                log::warn!(target: log_targets::NEWS, "{}: {why}", self.label);
                rcon.unreachable = true;
            }
            Ok(_) if rcon.unreachable => {
                log::info!("{}: RCON is reachable again", self.label);
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
            true => requested_ms + limits::STATUS_BESIDE_MS,
            false => requested_ms + limits::STATUS_ALONE_MS,
        };
        let due_ms = due_ms.max(ready_ms);
        let recheck = self.roster.recheck_ms().filter(|_| !rcon.unreachable);
        let recheck_ms = recheck.map(|ms| ms.max(soon_ms).max(ready_ms));
        Some(recheck_ms.map_or(due_ms, |ms| ms.min(due_ms)))
    }
}
