//! Chat of players, as commands are read from it: where it comes from, whether it counts, and lines that
//! wait until it is confirmed who wrote them.

use super::{GameEvent, GameServer, ServerId, Servers, Speaker};
use crate::config::ChatCommands;
use crate::core::chat_guard::{ChatSource, Doubt};
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::roster::Person;
use crate::core::{HostId, Now};
use crate::limits;
use crate::protocol::game_report::GameReport;
use crate::protocol::signed::messages::Push;
use crate::protocol::steam_id::SteamId;

/// A line whose writer is not confirmed yet.
pub(super) struct PendingChat {
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
        let full = self.pending.len() >= limits::CHAT_HELD_MAX;
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
        self.pending.push(PendingChat {
            server,
            speaker,
            text,
            due_ms: now.mono_ms + limits::CHAT_HELD_MS,
        });
    }

    /// Lines that have waited long enough, or need not wait any longer, are reported.
    pub(super) fn release_pending(&mut self, now: Now, out: &mut Output) {
        let all = &self.all;
        let ready = |pending: &mut PendingChat| {
            let userid = pending.speaker.userid;
            let known = pending.speaker.steam.is_some_and(|steam| {
                let server = all.get(pending.server.0);
                server.is_some_and(|server| server.confirms(userid, steam, now))
            });
            known || pending.due_ms <= now.mono_ms
        };
        for chat in self.pending.extract_if(.., ready) {
            let event = GameEvent::HeldChat(chat.speaker, chat.text);
            out.send(Message::Happened(chat.server, event));
        }
    }

    /// When the next of them has waited long enough.
    pub(super) fn pending_due_ms(&self) -> Option<u64> {
        self.pending.iter().map(|chat| chat.due_ms).min()
    }

    /// Whether the game itself has confirmed that a player with this id is on; else `status` is requested. Where
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
}

impl GameServer {
    /// Takes over what a script reports of how far chat can be trusted, and sends it what it needs for that.
    pub(super) fn check_chat(
        &mut self,
        host: HostId,
        report: &GameReport,
        now: Now,
        out: &mut Output,
    ) {
        let (prefixes, doubt) = self.guard.reported(host, report, now);
        if let Some(prefixes) = prefixes {
            out.push(host, Push::Prefixes(prefixes.to_vec()), None);
        }
        if self.guard.is_silent() {
            self.host = None;
        }
        if let Some(doubt) = doubt {
            log::warn!(
                "{}: on map {}, {doubt}; commands in chat that change something do not count there",
                self.label,
                self.roster.map()
            );
        }
    }

    /// Whether chat of the script counts: where the engine's log is configured, it does not.
    pub(super) fn script_chat(
        &mut self,
        userid: i64,
        text: &str,
        (host, doubtful): (HostId, bool),
    ) -> Option<GameEvent> {
        if let Some(log) = &mut self.log {
            if !log.came && !log.missed {
                log.missed = true;
                log::warn!(
                    "{}: players chat, and nothing comes by log_listen, so their commands are not \
                     taken; put `log on` and `logaddress_add` with that address into server.cfg",
                    self.label
                );
            }
            return None;
        }
        let person = self.roster.person(userid)?;
        let speaker = Speaker {
            userid,
            name: person.name.clone(),
            steam: person.steam,
            source: ChatSource::Script { host, doubtful },
        };
        Some(GameEvent::Chat(speaker, text.to_owned()))
    }
}
