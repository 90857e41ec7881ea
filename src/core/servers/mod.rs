//! The game servers of the configuration: which host belongs to which (`registry`), who is on each, and how
//! a command or a text reaches it.
//!
//! Commands go by RCON where it is configured and works, else through the game's script, which can
//! run them only where the engine lets scripts do so. How texts for players go is in `texts`.

mod rcon;
pub mod registry;
#[cfg(test)]
mod tests;
mod texts;

pub use super::ids::ServerId;
pub use super::message::{GameEvent, Speaker};
pub use texts::ChatVerdict;

use std::collections::{BTreeMap, BTreeSet};

use super::chat_guard::{ChatGuard, ChatSource};
use super::ids::{HostId, Ticket};
use super::output::Output;
use super::roster::Roster;
use super::{Now, Timer};
use crate::config::Config;
use crate::limits;
use crate::protocol::console::{Command, Unfit};
use crate::protocol::engine_log::Line;
use crate::protocol::game_report::GameReport;
use crate::protocol::observable::Rcon;
use crate::protocol::signed::messages::Push;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

use rcon::{RconState, Sent};
use texts::PendingChat;

pub struct GameServer {
    /// For sentences.
    pub label: String,
    pub community: Option<Uuid>,
    pub roster: Roster,
    /// Whose reports the roster is made of.
    roster_host: Option<HostId>,
    /// The rosters of other hosts: see [`GameServer::use_roster_of`].
    parked: BTreeMap<HostId, Roster>,
    pub guard: ChatGuard,
    hostname: Option<String>,
    /// Whether the present configuration has it.
    is_served: bool,
    /// The host whose script can be reached: the one that reported last.
    host: Option<HostId>,
    log: Option<LogState>,
    rcon: Option<RconState>,
}

#[derive(Default)]
struct LogState {
    came: bool,
    /// That nothing comes was reported.
    missed: bool,
}

/// Why nothing was sent to a game, with the server's label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    #[error("there is no such server")]
    NoServer,
    #[error("this cannot be a console command: {0}")]
    Unfit(Unfit),
    #[error("{0}: there is no RCON, and no game's script is connected")]
    Unreachable(String),
    #[error(
        "{0}: the game refuses the RCON password; make it the game's rcon_password in vpid's configuration, and \
         restart vpid"
    )]
    Refused(String),
    /// This cannot be done by RCON.
    #[error("{0}: no game's script is connected")]
    NoScript(String),
    #[error(
        "{0}: a map has just started, and {most} commands wait until the game is ready",
        most = limits::RCON_QUEUE_MAX
    )]
    Full(String),
}

#[derive(Default)]
pub struct Servers {
    all: Vec<GameServer>,
    last_ticket: u64,
    timer_ms: Option<u64>,
    pending: Vec<PendingChat>,
}

impl Servers {
    /// Applies a configuration, whose servers have these ids. One that is new has no RCON, log or
    /// VyHub: those come with the start alone.
    pub fn reconfigure(&mut self, config: &Config, ids: &[ServerId]) {
        let prefixes = config.chat_prefixes();
        for known in &mut self.all {
            known.is_served = false;
        }
        for (server, id) in config.servers.iter().zip(ids) {
            if let Some(known) = self.get_mut(*id) {
                known.guard.has_key = server.key.is_some();
                known.is_served = true;
                continue;
            }
            self.all.push(GameServer {
                label: server.label(),
                community: None,
                roster: Roster::default(),
                roster_host: None,
                parked: BTreeMap::new(),
                guard: ChatGuard::new(server.chat, server.key.is_some(), &prefixes),
                hostname: server.hostname.clone(),
                is_served: true,
                host: None,
                log: None,
                rcon: None,
            });
        }
    }

    /// Drops what servers know by hosts that do not report to them any more.
    pub fn keep_hosts(&mut self, reports: impl Fn(ServerId, HostId) -> bool) {
        for (id, server) in (0..).map(ServerId).zip(&mut self.all) {
            let known = [server.host, server.roster_host, server.guard.host()];
            let known = known.into_iter().flatten();
            let known: BTreeSet<HostId> = known.chain(server.parked.keys().copied()).collect();
            for host in known.into_iter().filter(|host| !reports(id, *host)) {
                server.drop_host(host);
            }
        }
    }

    /// vpid starts with the servers of this configuration, which have these ids. Gives whether anything
    /// follows from what games report.
    pub fn connect(&mut self, config: &Config, ids: &[ServerId]) -> bool {
        for (server, id) in config.servers.iter().zip(ids) {
            if let Some(game) = self.get_mut(*id) {
                game.community = server.community_id;
                game.log = server.log.map(|_| LogState::default());
                game.rcon = server.rcon.as_ref().map(|_| RconState::default());
            }
        }
        self.all.iter().any(GameServer::is_connected)
    }

    pub fn get(&self, server: ServerId) -> Option<&GameServer> {
        self.all.get(server.0)
    }

    pub fn get_mut(&mut self, server: ServerId) -> Option<&mut GameServer> {
        self.all.get_mut(server.0)
    }

    /// Those of the present configuration.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &GameServer)> {
        self.iter_all().filter(|(_, server)| server.is_served)
    }

    /// With those that a reload has removed. Their RCON and log stay until the next start.
    fn iter_all(&self) -> impl Iterator<Item = (ServerId, &GameServer)> {
        (0..).map(ServerId).zip(&self.all)
    }

    /// Where a player is, by userid.
    pub fn find(&self, steam: SteamId) -> impl Iterator<Item = (ServerId, i64)> {
        let there = move |(id, server): (ServerId, &GameServer)| {
            Some((id, server.roster.by_steam(steam)?.userid))
        };
        self.iter_all().filter_map(there)
    }

    /// The script of a game reports something.
    pub fn reported(
        &mut self,
        id: ServerId,
        host: HostId,
        report: &GameReport,
        now: Now,
        out: &mut Output,
    ) -> Option<GameEvent> {
        let server = self.get_mut(id)?;
        server.use_roster_of(host);
        server.host = Some(host);
        server.check_chat(host, report, now, out);
        server.roster.reported(report, now);
        match report {
            GameReport::MapStarted { .. } => {
                server.map_began(now);
                Some(GameEvent::SessionBegan)
            }
            GameReport::MapEnded { .. } => {
                // No script reads there any more.
                server.host = None;
                None
            }
            GameReport::Said {
                userid,
                text,
                doubtful,
            } => server.script_chat(*userid, text, (host, *doubtful)),
            _ => None,
        }
    }

    /// The engine's own log.
    pub fn logged(&mut self, server: ServerId, line: &Line, now: Now) -> Option<GameEvent> {
        let server = self.get_mut(server)?;
        if let Some(log) = &mut server.log {
            log.came = true;
        }
        server.roster.log_line(line, now);
        match line {
            Line::MapStarted(map) => {
                server.map_began(now);
                if server.guard.map_started(map, now) {
                    // The next session reports itself.
                    server.host = None;
                }
                Some(GameEvent::MapStarted)
            }
            Line::Said { who, text, .. } => {
                let speaker = Speaker {
                    userid: who.userid,
                    name: who.name.clone(),
                    steam: who.id,
                    source: ChatSource::Log,
                };
                Some(GameEvent::Chat(speaker, text.clone()))
            }
            _ => None,
        }
    }

    /// Does what is due: above all, requests `status` of each server.
    pub fn advance(&mut self, now: Now, out: &mut Output) {
        self.release_pending(now, out);
        let changes_ms = self.end_map_changes(now, out);
        let delayed_ms = self.send_delayed(now, out);
        let dues = [changes_ms, delayed_ms, self.pending_due_ms()];
        let mut next_ms = dues.into_iter().flatten().min();
        for id in (0..self.all.len()).map(ServerId) {
            let Some(due_ms) = self.all[id.0].status_due_ms() else {
                continue;
            };
            if due_ms > now.mono_ms {
                next_ms = Some(next_ms.map_or(due_ms, |next| next.min(due_ms)));
                continue;
            }
            self.request_slots(id, out);
            let ticket = self.ticket();
            let server = &mut self.all[id.0];
            if let Some(rcon) = &mut server.rcon {
                rcon.requests_status(ticket, now);
                server.roster.status_requested(now);
            }
            out.rcon(id, ticket, &Command::Status);
        }
        if next_ms != self.timer_ms {
            self.timer_ms = next_ms;
            out.timer(Timer::Servers, next_ms);
        }
    }

    /// The timer has rung.
    pub fn timer_rang(&mut self) {
        self.timer_ms = None;
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Runs a command on a server, by RCON or by the game's script.
    pub fn command(
        &mut self,
        id: ServerId,
        command: Command,
        ticket: Option<Ticket>,
        out: &mut Output,
    ) -> Result<(), NotSent> {
        let line = command.line().map_err(NotSent::Unfit)?;
        let server = self.get(id).ok_or(NotSent::NoServer)?;
        let sent = Sent::new(command, ticket, &server.roster);
        if self.has_rcon(id) {
            return self.send(id, sent, out);
        }
        match server.host {
            Some(host) => {
                out.push(host, Push::Command(line), ticket);
                Ok(())
            }
            None => Err(NotSent::Unreachable(server.label.clone())),
        }
    }

    /// Whether something happened to a player that the community has not seen yet.
    pub fn has_news(&self) -> bool {
        let news = |server: &GameServer| {
            let roster = &server.roster;
            roster.has_arrivals() || roster.has_newly_confirmed() || roster.has_news()
        };
        self.all.iter().any(news)
    }

    /// Whether commands go by RCON.
    pub fn has_rcon(&self, id: ServerId) -> bool {
        let rcon = self.get(id).and_then(|server| server.rcon.as_ref());
        rcon.is_some_and(|rcon| !rcon.refused)
    }

    /// Those that can be reached by RCON, by their `hostname`.
    pub fn consoles(&self) -> impl Iterator<Item = (ServerId, Option<&str>)> {
        let all = self.iter_all().filter(|(id, _)| self.has_rcon(*id));
        all.map(|(id, server)| (id, server.hostname.as_deref()))
    }

    /// Those whose RCON has refused the password, by their `hostname`.
    pub fn refused_consoles(&self) -> impl Iterator<Item = (ServerId, Option<&str>)> {
        let all = self.iter_all();
        let all = all.filter(|(_, server)| server.rcon_state() == Some(Rcon::Refused));
        all.map(|(id, server)| (id, server.hostname.as_deref()))
    }

    /// The host whose script can be reached.
    pub fn host(&self, id: ServerId) -> Option<HostId> {
        self.get(id)?.host
    }
}

impl GameServer {
    /// Whether anything can come from it, or reach it.
    pub fn exists(&self) -> bool {
        self.is_served || self.is_connected()
    }

    /// Whether it is reached besides its files.
    fn is_connected(&self) -> bool {
        self.community.is_some() || self.rcon.is_some() || self.log.is_some()
    }

    /// A server without `hostname` that nothing but files connects can be several games. Each host has a
    /// roster of its own then; that of the last report is the server's.
    pub fn is_one_game(&self) -> bool {
        self.hostname.is_some() || self.is_connected()
    }

    fn use_roster_of(&mut self, host: HostId) {
        let before = self.roster_host.replace(host);
        if before == Some(host) || self.is_one_game() {
            return;
        }
        let own = match self.parked.remove(&host) {
            Some(own) => own,
            // A game can have another name on its next map, and its players stay.
            None if self.host.is_none() => return,
            None => Roster::default(),
        };
        let other = std::mem::replace(&mut self.roster, own);
        self.parked.extend(before.map(|before| (before, other)));
    }

    /// Who is in the game of a host; `None` where it has reported nothing, or another host has since.
    pub fn roster_of(&self, host: HostId) -> Option<&Roster> {
        match self.roster_host == Some(host) {
            true => Some(&self.roster),
            false => self.parked.get(&host),
        }
    }

    /// Of all its games: one, but for a server that several hosts report to.
    pub fn rosters(&self) -> impl Iterator<Item = &Roster> {
        std::iter::once(&self.roster).chain(self.parked.values())
    }

    /// Whether the engine's log has come; `None`: it is not configured.
    pub fn has_logged(&self) -> Option<bool> {
        self.log.as_ref().map(|log| log.came)
    }

    /// What is known of its RCON; `None`: it is not configured.
    pub fn rcon_state(&self) -> Option<Rcon> {
        let rcon = self.rcon.as_ref()?;
        Some(match (rcon.refused, rcon.unreachable, rcon.replied) {
            (true, ..) => Rcon::Refused,
            (false, true, _) => Rcon::Unreachable,
            (false, false, true) => Rcon::Reachable,
            (false, false, false) => Rcon::Unknown,
        })
    }

    /// The script of a host has fallen silent.
    pub fn silent(&mut self, host: HostId) {
        self.parked.remove(&host);
        if self.host == Some(host) {
            self.host = None;
            self.guard.silent();
            self.roster.script_gone();
        }
    }

    /// A host does not report to this server any more.
    fn drop_host(&mut self, host: HostId) {
        self.silent(host);
        if self.guard.host() == Some(host) {
            self.guard.silent();
        }
        if self.roster_host == Some(host) {
            self.roster_host = None;
            match self.is_one_game() {
                true => self.roster.script_gone(),
                false => self.roster = Roster::default(),
            }
        }
    }

    /// Whether the game runs, as far as is known: an empty server sleeps, and so does its
    /// script.
    pub fn is_alive(&self, now: Now) -> bool {
        let asleep =
            self.rcon.is_none() && self.log.is_none() && self.roster.last_sign_ms().is_some();
        self.roster.alive(now) || (asleep && self.roster.people().all(|person| person.bot))
    }
}
