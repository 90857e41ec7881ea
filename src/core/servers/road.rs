//! A server's RCON: what is known of it, what came of commands, and when `status` is asked for.

use std::collections::HashMap;

use super::changing::{Changing, Sent};
use super::settling::Settling;
use super::{GameServer, ServerId, Servers};
use crate::core::Now;
use crate::core::output::Output;
use crate::core::players::Console;
use crate::limits;
use crate::protocol::console::{Command, cvar_value};
use crate::protocol::log_targets;
use crate::protocol::rcon::{self, Failure};
use crate::protocol::server_status::{self, ServerStatus};
use crate::protocol::steam_id::SteamId;

/// What is known of a server's RCON.
#[derive(Default)]
pub(super) struct Road {
    pub(super) refused: bool,
    pub(super) away: bool,
    /// `status` contradicted itself the last time, or could not be read at all.
    pub(super) doubted: bool,
    pub(super) unreadable: bool,
    /// The game does not know the command `script`, as far as this map goes: what it replies is also
    /// what a script of the map prints meanwhile.
    pub(super) no_script: bool,
    /// The operator knows that.
    pub(super) no_script_told: bool,
    /// The slots that players see were asked for on this map; else they are with the next `status`.
    pub(super) slots_asked: bool,
    asking_slots: Option<u64>,
    /// A map has just started.
    pub(super) settling: Settling,
    /// A `status` is under way.
    pub(super) asking: Option<u64>,
    pub(super) asked_ms: Option<u64>,
    /// When the pauses of all that were asked for are over.
    paused_ms: u64,
    /// Commands under way, and what an operator waits for.
    pub(super) sent: HashMap<u64, Sent>,
    /// A change of the map whose reply did not come.
    pub(super) changing: Option<Changing>,
}

impl Road {
    /// `status` is asked for now.
    pub(super) fn asks(&mut self, ticket: u64, now: Now) {
        self.asking = Some(ticket);
        self.asked_ms = Some(now.mono_ms);
        self.paused_ms = self.paused_ms.max(now.mono_ms) + limits::STATUS_SOON_MS;
    }

    /// Says once that `status` cannot be read, until it can.
    fn unreadable(&mut self, label: &str) {
        if !std::mem::replace(&mut self.unreadable, true) {
            log::warn!(
                "{label}: the answer to `status` has no map, no slots or no table of players, so \
                 nothing follows from it; see whether rcon is that of a game"
            );
        }
    }

    /// Says once that `status` contradicts itself, until it does not.
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
    /// What came of a command. An operator's is to be told of.
    pub fn rcon_done(&mut self, done: rcon::Done, now: Now, out: &mut Output) {
        let Some(server) = self.get_mut(done.server) else {
            return;
        };
        server.rcon_works(&done, now);
        if server.took_state(&done, now) {
            return;
        }
        let Some(road) = &mut server.rcon else { return };
        let Some(sent) = road.sent.remove(&done.ticket) else {
            return;
        };
        let (done, sent) = match Changing::of(done, sent, now) {
            Ok(changing) => {
                server.roster.want_status();
                // An earlier one has not been seen, and is not any more.
                let earlier = road.changing.replace(changing);
                return earlier
                    .into_iter()
                    .for_each(|it| it.fails(&server.label, out));
            }
            Err(both) => *both,
        };
        if let (Command::Script(_), Ok(reply)) = (&sent.command, &done.result) {
            return self.script_replied(done.server, reply, sent, out);
        }
        let Sent {
            command, waiter, ..
        } = sent;
        // That a console is away or refuses was said once.
        if let Err(Failure::Unclear(why)) = &done.result {
            let label = &server.label;
            log::warn!("{label}: a command may not have been carried out ({command:?}): {why}");
        }
        let outcome = done.result.map_err(|failure| match failure {
            Failure::Refused(why) | Failure::Away(why) | Failure::Unclear(why) => why,
        });
        out.complete(waiter, outcome.map(Into::into));
    }
}

impl Servers {
    /// What is known of a game's console.
    pub fn console(&self, id: ServerId) -> Console {
        let works = |road: &Road| !(road.refused || road.away || road.unreadable);
        match self.get(id) {
            Some(server) if server.rcon.as_ref().is_some_and(works) => {
                Console::Answered(server.roster.status_ms())
            }
            _ => Console::Unknown,
        }
    }

    /// Asks how many slots players see, once on a map.
    pub(super) fn ask_for_slots(&mut self, id: ServerId, out: &mut Output) {
        let ticket = self.ticket();
        let road = self.get_mut(id).and_then(|server| server.rcon.as_mut());
        if let Some(road) = road.filter(|road| !road.slots_asked) {
            road.slots_asked = true;
            road.asking_slots = Some(ticket);
            out.rcon(id, ticket, &Command::VisibleSlots);
        }
    }
}

impl GameServer {
    /// What the result of any command says of RCON itself.
    fn rcon_works(&mut self, done: &rcon::Done, now: Now) {
        let Some(road) = &mut self.rcon else { return };
        match &done.result {
            Err(Failure::Refused(why)) if !road.refused => {
                log::error!(target: log_targets::NEWS, "{}: {why}", self.label);
                road.refused = true;
            }
            Err(Failure::Away(why)) if !road.away => {
                log::warn!(target: log_targets::NEWS, "{}: {why}", self.label);
                road.away = true;
            }
            Ok(_) if road.away => {
                log::info!("{}: RCON works again", self.label);
                road.away = false;
                // Players who joined meanwhile are not known; and it may be another run.
                road.asked_ms = None;
                road.no_script = false;
                road.no_script_told = false;
                self.roster.may_begin_anew(now);
            }
            _ => {}
        }
    }

    /// Takes the answer over where it was asked for to know how the server is. Gives whether it was.
    fn took_state(&mut self, done: &rcon::Done, now: Now) -> bool {
        let Some(road) = &mut self.rcon else {
            return false;
        };
        if road.asking_slots == Some(done.ticket) {
            road.asking_slots = None;
            match &done.result {
                Ok(reply) => {
                    let slots = cvar_value(reply).and_then(|value| value.trim().parse().ok());
                    self.roster.visible_slots_are(slots);
                }
                Err(_) => road.slots_asked = false,
            }
            return true;
        }
        if road.asking != Some(done.ticket) {
            return false;
        }
        road.asking = None;
        let Ok(text) = &done.result else { return true };
        let Some(status) = server_status::parse(text) else {
            road.unreadable(&self.label);
            return true;
        };
        road.doubt(&status, &self.label);
        self.guard.status_map(&status.map, road.asked_ms);
        let before = self.roster.map().to_owned();
        self.roster.status(&status, now);
        if !before.is_empty() && before != self.roster.map() {
            self.map_began(now);
        }
        true
    }

    /// Whether the game has confirmed that this userid has this id: by `status` where that can be
    /// asked, else by the signed scripts.
    pub fn confirms(&self, userid: i64, steam: SteamId, now: Now) -> bool {
        let works = |road: &Road| !(road.refused || road.away || road.unreadable);
        match self.rcon.as_ref().is_some_and(works) {
            true => self.roster.confirmed_by_status(userid, steam, now),
            false => self.host.is_some() && self.guard.id_of(userid) == Some(steam),
        }
    }

    /// Whether it is sure who this is, so that something may be done to them because of their id.
    /// Where nothing can be done, that is said elsewhere.
    pub fn may_act_on(&self, userid: i64, now: Now) -> bool {
        let can_act = self.rcon.is_some() || self.host.is_some();
        let steam = self.roster.person(userid).and_then(|person| person.steam);
        !can_act || steam.is_some_and(|steam| self.confirms(userid, steam, now))
    }

    /// When `status` is to be asked for.
    pub(super) fn status_due_ms(&self) -> Option<u64> {
        let road = self
            .rcon
            .as_ref()
            .filter(|road| !road.refused && road.asking.is_none())?;
        let Some(asked_ms) = road.asked_ms else {
            return Some(road.settling.until_ms().unwrap_or(0));
        };
        let heard = self.host.is_some() || self.log.as_ref().is_some_and(|log| log.heard);
        let soon_ms = road
            .paused_ms
            .saturating_sub(limits::STATUS_BURST * limits::STATUS_SOON_MS);
        let settled_ms = road.settling.until_ms().unwrap_or(0);
        let due_ms = match heard {
            _ if road.changing.is_some() => asked_ms + limits::STATUS_SOON_MS,
            _ if road.away => asked_ms + limits::STATUS_ALONE_MS,
            _ if self.roster.wants_status() => soon_ms,
            true => asked_ms + limits::STATUS_BESIDE_MS,
            false => asked_ms + limits::STATUS_ALONE_MS,
        };
        let due_ms = due_ms.max(settled_ms);
        let recheck = self.roster.recheck_ms().filter(|_| !road.away);
        let recheck_ms = recheck.map(|ms| ms.max(soon_ms).max(settled_ms));
        Some(recheck_ms.map_or(due_ms, |ms| ms.min(due_ms)))
    }
}
