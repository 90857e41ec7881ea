//! The game servers of the configuration: who is on each, and the one road by which something is
//! done there.
//!
//! Commands go by RCON where it is configured and works, else through the game's script, which can
//! run them only where the engine lets scripts do so. How texts for players go is in `texts`.

mod changing;
mod chat;
mod road;
mod settling;
#[cfg(test)]
mod tests;
mod texts;

pub use super::ids::ServerId;
pub use super::message::{GameEvent, Speaker};
pub use chat::ChatVerdict;

use super::chat_guard::{ChatGuard, ChatSource};
use super::ids::{FolderId, HostId, Ticket};
use super::output::Output;
use super::roster::Roster;
use super::{Now, Timer};
use crate::config::Config;
use crate::protocol::console::Command;
use crate::protocol::engine_log::Line;
use crate::protocol::signed::messages::{FromGame, Push};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

use changing::Sent;
use chat::HeldChat;
use road::Road;

pub struct GameServer {
    /// For sentences.
    pub label: String,
    pub vyhub: Option<Uuid>,
    pub roster: Roster,
    pub guard: ChatGuard,
    folder: FolderId,
    hostname: Option<String>,
    /// Whose script speaks here: the host that was heard last.
    host: Option<HostId>,
    log: Option<LogState>,
    rcon: Option<Road>,
}

#[derive(Default)]
struct LogState {
    heard: bool,
    /// It was said that nothing comes.
    missed: bool,
}

#[derive(Default)]
pub struct Servers {
    all: Vec<GameServer>,
    last_ticket: u64,
    timer_ms: Option<u64>,
    held: Vec<HeldChat>,
}

impl Servers {
    /// `folders` are the numbers of the folders of `config.servers`, in that order. Servers about
    /// which nobody asks stay out.
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        let prefixes = config.chat_prefixes();
        let server = |(server, folder): (&crate::config::Server, &FolderId)| GameServer {
            label: match &server.hostname {
                Some(host) => host.clone(),
                None => server.scriptdata.display().to_string(),
            },
            vyhub: server.vyhub_id,
            roster: Roster::default(),
            guard: ChatGuard::new(server.chat, server.key.is_some(), &prefixes),
            folder: *folder,
            hostname: server.hostname.clone(),
            host: None,
            log: server.log.map(|_| LogState::default()),
            rcon: server.rcon.as_ref().map(|_| Road::default()),
        };
        Self {
            all: config.servers.iter().zip(folders).map(server).collect(),
            ..Self::default()
        }
    }

    pub fn get(&self, server: ServerId) -> Option<&GameServer> {
        self.all.get(server.0)
    }

    pub fn get_mut(&mut self, server: ServerId) -> Option<&mut GameServer> {
        self.all.get_mut(server.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &GameServer)> {
        (0..).map(ServerId).zip(&self.all)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ServerId, &mut GameServer)> {
        (0..).map(ServerId).zip(&mut self.all)
    }

    /// Whether anything here follows from what games tell.
    pub fn attends(&self) -> bool {
        let attended = |server: &GameServer| {
            server.vyhub.is_some() || server.rcon.is_some() || server.log.is_some()
        };
        self.all.iter().any(attended)
    }

    /// The server that a host is: the one that names it, else the one that takes every host.
    pub fn of_host(&self, folder: FolderId, name: &str) -> Option<ServerId> {
        let here = |wanted: Option<&str>| {
            let is = |server: &GameServer| {
                server.folder == folder && server.hostname.as_deref() == wanted
            };
            self.all.iter().position(is).map(ServerId)
        };
        here(Some(name)).or_else(|| here(None))
    }

    /// Where somebody is, by userid.
    pub fn find(&self, steam: SteamId) -> impl Iterator<Item = (ServerId, i64)> {
        let there = move |(id, server): (ServerId, &GameServer)| {
            Some((id, server.roster.by_steam(steam)?.userid))
        };
        self.iter().filter_map(there)
    }

    /// A game's script tells something.
    pub fn told(
        &mut self,
        server: ServerId,
        host: HostId,
        message: &FromGame,
        now: Now,
        out: &mut Output,
    ) -> Option<GameEvent> {
        self.get_mut(server)?.host = Some(host);
        self.script_guards(server, host, message, now, out);
        let server = self.get_mut(server)?;
        match message {
            FromGame::Event { name, data } => {
                server.roster.script_event(name, data, now);
                match name.as_str() {
                    "map_start" => {
                        server.map_began(now);
                        Some(GameEvent::SessionBegan)
                    }
                    "map_end" => {
                        // Nobody reads there any more.
                        server.host = None;
                        None
                    }
                    "player_chat" => server.script_chat(host, data),
                    _ => None,
                }
            }
            FromGame::Heartbeat(data) => {
                server.roster.script_heartbeat(data, now);
                None
            }
            _ => None,
        }
    }

    /// The script of a host has fallen silent.
    pub fn silent(&mut self, host: HostId) {
        for server in &mut self.all {
            if server.host == Some(host) {
                server.host = None;
                server.guard.silent();
                server.roster.script_gone();
            }
        }
    }

    /// The engine's own log.
    pub fn logged(&mut self, server: ServerId, line: &Line, now: Now) -> Option<GameEvent> {
        let server = self.get_mut(server)?;
        if let Some(log) = &mut server.log {
            log.heard = true;
        }
        server.roster.log_line(line, now);
        match line {
            Line::MapStarted(map) => {
                server.map_began(now);
                if server.guard.map_started(map, now) {
                    // The next one says so when it is there.
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

    /// Does what is due: above all, asks each server who is on.
    pub fn advance(&mut self, now: Now, out: &mut Output) {
        self.release_held(now, out);
        let changes_ms = self.settle_changes(now, out);
        let settled_ms = self.send_settled(now, out);
        let dues = [changes_ms, settled_ms, self.held_due_ms()];
        let mut next_ms = dues.into_iter().flatten().min();
        for id in (0..self.all.len()).map(ServerId) {
            let Some(due_ms) = self.all[id.0].status_due_ms() else {
                continue;
            };
            if due_ms > now.mono_ms {
                next_ms = Some(next_ms.map_or(due_ms, |next| next.min(due_ms)));
                continue;
            }
            self.ask_for_slots(id, out);
            let ticket = self.ticket();
            let server = &mut self.all[id.0];
            if let Some(road) = &mut server.rcon {
                road.asks(ticket, now);
                server.roster.status_taken(now);
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

    /// Does something on a server. Errors are sentences: it cannot be reached.
    pub fn command(
        &mut self,
        id: ServerId,
        command: Command,
        ticket: Option<Ticket>,
        out: &mut Output,
    ) -> Result<(), String> {
        let line = command
            .line()
            .map_err(|unfit| format!("this cannot be a console command: {unfit}"))?;
        let server = self.get(id).ok_or("there is no such server")?;
        let sent = Sent::new(command, ticket, &server.roster);
        if self.has_rcon(id) {
            return self.send(id, sent, out);
        }
        match server.host {
            Some(host) => {
                out.push(host, Push::Command(line), ticket);
                Ok(())
            }
            None => Err(format!(
                "{}: there is no RCON, and no game's script is connected",
                server.label
            )),
        }
    }

    /// Whether somebody has come, or was confirmed, whom nobody has looked at.
    pub fn has_news(&self) -> bool {
        let news = |server: &GameServer| {
            server.roster.has_arrivals() || server.roster.has_newly_confirmed()
        };
        self.all.iter().any(news)
    }

    /// Whether commands go by RCON.
    pub fn has_rcon(&self, id: ServerId) -> bool {
        let road = self.get(id).and_then(|server| server.rcon.as_ref());
        road.is_some_and(|road| !road.refused)
    }

    /// Those that can be reached by RCON, by their `hostname`.
    pub fn consoles(&self) -> impl Iterator<Item = (ServerId, Option<&str>)> {
        let all = self.iter().filter(|(id, _)| self.has_rcon(*id));
        all.map(|(id, server)| (id, server.hostname.as_deref()))
    }

    /// The host whose script can be reached.
    pub fn host(&self, id: ServerId) -> Option<HostId> {
        self.get(id)?.host
    }
}

impl GameServer {
    /// Whether the game runs, as far as can be told: an empty server sleeps, and so does its
    /// script.
    pub fn is_alive(&self, now: Now) -> bool {
        let asleep = self.rcon.is_none() && self.log.is_none() && self.roster.heard_ms().is_some();
        self.roster.alive(now) || (asleep && self.roster.people().all(|person| person.bot))
    }
}
