//! Chat of players, as commands are read from it: where it comes from, whether it counts, and lines that
//! wait until it is confirmed who wrote them.

use serde_json::Value;

use super::{GameEvent, GameServer, ServerId, Servers, Speaker};
use crate::config::ChatCommands;
use crate::core::chat_guard::{ChatSource, Doubt};
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::roster::Person;
use crate::core::{HostId, Now};
use crate::limits;
use crate::protocol::signed::messages::{FromGame, Push};
use crate::protocol::steam_id::SteamId;

/// A line whose writer is not confirmed yet.
pub(super) struct HeldChat {
    server: ServerId,
    speaker: Speaker,
    text: String,
    due_ms: u64,
}

/// Whether a command in chat that changes something counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatVerdict {
    Counts,
    /// It is to be held: who wrote it is not confirmed yet.
    Wait,
    Refused(Doubt),
}

impl Servers {
    /// Whether a command in chat counts that changes something. `held`: it has waited already.
    pub fn chat_verdict(
        &mut self,
        id: ServerId,
        speaker: &Speaker,
        held: bool,
        now: Now,
    ) -> ChatVerdict {
        let full = self.held.len() >= limits::CHAT_HELD_MAX;
        let Some(server) = self.get_mut(id) else {
            return ChatVerdict::Refused(Doubt::NoSession);
        };
        if let Some(doubt) = server.guard.doubt(speaker.source) {
            return ChatVerdict::Refused(doubt);
        }
        let known = speaker
            .steam
            .is_some_and(|steam| server.confirms(speaker.userid, steam, now));
        if known || server.guard.policy == ChatCommands::Log {
            return ChatVerdict::Counts;
        }
        server.roster.want_status();
        match held || full {
            true => ChatVerdict::Refused(Doubt::Unconfirmed),
            false => ChatVerdict::Wait,
        }
    }

    /// Keeps a line until its writer is confirmed, or no longer.
    pub fn hold(&mut self, server: ServerId, speaker: Speaker, text: String, now: Now) {
        self.held.push(HeldChat {
            server,
            speaker,
            text,
            due_ms: now.mono_ms + limits::CHAT_HELD_MS,
        });
    }

    /// Lines that have waited long enough, or need not wait any longer, are reported.
    pub(super) fn release_held(&mut self, now: Now, out: &mut Output) {
        let all = &self.all;
        let ready = |held: &mut HeldChat| {
            let known = held.speaker.steam.is_some_and(|steam| {
                let server = all.get(held.server.0);
                server.is_some_and(|server| server.confirms(held.speaker.userid, steam, now))
            });
            known || held.due_ms <= now.mono_ms
        };
        for held in self.held.extract_if(.., ready) {
            let event = GameEvent::HeldChat(held.speaker, held.text);
            out.send(Message::Happened(held.server, event));
        }
    }

    /// When the next of them has waited long enough.
    pub(super) fn held_due_ms(&self) -> Option<u64> {
        self.held.iter().map(|held| held.due_ms).min()
    }

    /// Whether the game itself has confirmed that a player with this id is on; else it is asked. Where
    /// chat counts by the log alone, that is enough.
    pub fn is_confirmed(&mut self, id: ServerId, steam: SteamId, now: Now) -> bool {
        let Some(server) = self.get_mut(id) else {
            return false;
        };
        let is_it = |person: &Person| {
            person.steam == Some(steam) && server.confirms(person.userid, steam, now)
        };
        let confirmed =
            server.guard.policy == ChatCommands::Log || server.roster.people().any(is_it);
        if !confirmed {
            server.roster.want_status();
        }
        confirmed
    }

    /// Takes over what a game's script tells of how chat stands. It is told what it needs to know.
    pub(super) fn script_guards(
        &mut self,
        id: ServerId,
        host: HostId,
        message: &FromGame,
        now: Now,
        out: &mut Output,
    ) {
        let Some(server) = self.get_mut(id) else {
            return;
        };
        let label = &server.label;
        let (prefixes, news) = server.guard.script(host, message, now);
        if let Some(prefixes) = prefixes {
            out.push(host, Push::Prefixes(prefixes.to_vec()), None);
        }
        if server.guard.is_silent() {
            server.host = None;
        }
        if let Some(doubt) = news {
            log::warn!(
                "{label}: on map {}, {doubt}; commands in chat that change something do not count \
                 there",
                server.roster.map()
            );
        }
    }
}

impl GameServer {
    /// Whether chat of the script counts: where the engine's log is configured, it does not.
    pub(super) fn script_chat(&mut self, host: HostId, data: &Value) -> Option<GameEvent> {
        if let Some(log) = &mut self.log {
            if !log.heard && !log.missed {
                log.missed = true;
                log::warn!(
                    "{}: players chat, and nothing comes by log_listen, so their commands are not \
                     taken; put `log on` and `logaddress_add` with that address into server.cfg",
                    self.label
                );
            }
            return None;
        }
        let userid = data["userid"].as_i64()?;
        let text = data["text"].as_str()?;
        let person = self.roster.person(userid)?;
        let doubtful = data["doubtful"].as_bool().unwrap_or(false);
        let speaker = Speaker {
            userid,
            name: person.name.clone(),
            steam: person.steam,
            source: ChatSource::Script { host, doubtful },
        };
        Some(GameEvent::Chat(speaker, text.to_owned()))
    }
}
