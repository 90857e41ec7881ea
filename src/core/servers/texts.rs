//! Texts for players: by the game's signed scripts where they are connected; else by RCON, through the
//! game's script engine (`script <code>`), which shows a text to one player and in any place; and where
//! the game has none, as chat of the console, which all players read.

use super::rcon::Sent;
use super::{GameEvent, GameServer, NotSent, ServerId, Servers, Speaker};
use crate::config::ChatCommands;
use crate::core::chat_guard::{ChatSource, Doubt};
use crate::core::ids::Ticket;
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::roster::Person;
use crate::core::{HostId, Now};
use crate::limits;
use crate::protocol::console::{Command, plain};
use crate::protocol::game_report::GameReport;
use crate::protocol::log_targets::log_server;
use crate::protocol::player_text;
use crate::protocol::script_line::{Reader, ScriptLine};
use crate::protocol::signed::messages::{Place, Push};
use crate::protocol::steam_id::SteamId;

impl Servers {
    /// Shows a text without control characters to one player, or to all.
    pub fn say(
        &mut self,
        id: ServerId,
        to: Option<i64>,
        text: &str,
        place: Place,
        out: &mut Output,
    ) {
        self.print(id, (to, place), without_controls(text), true, out);
    }

    /// Shows a text as it is.
    pub fn show(
        &mut self,
        id: ServerId,
        to: Option<i64>,
        text: String,
        place: Place,
        out: &mut Output,
    ) {
        self.print(id, (to, place), text, true, out);
    }

    /// Shows a text to a player in the middle of the screen, where the game can do that.
    pub fn say_center(&mut self, id: ServerId, to: i64, text: &str, out: &mut Output) {
        let whom = (Some(to), Place::Center);
        self.print(id, whom, without_controls(text), false, out);
    }

    /// Shows a text to a player in their console, where the game can do that.
    pub fn say_console(&mut self, id: ServerId, to: i64, text: &str, out: &mut Output) {
        let whom = (Some(to), Place::Console);
        self.print(id, whom, without_controls(text), false, out);
    }

    /// `by_say`: where the game has no script engine, `say` of the console takes its place.
    fn print(
        &mut self,
        id: ServerId,
        (to, place): (Option<i64>, Place),
        text: String,
        by_say: bool,
        out: &mut Output,
    ) {
        let Some(server) = self.get(id) else {
            return;
        };
        let Ok(userid) = to.map(i32::try_from).transpose() else {
            return;
        };
        if let Some(host) = server.host {
            let to = userid;
            return out.push(host, Push::Print { text, to, place }, None);
        }
        let mut instead = by_say.then(|| server.as_said(to, &text));
        let lines = match server.may_have_script() {
            true => {
                let reader = userid.map(|userid| server.reader(userid));
                ScriptLine::prints(reader, place, &text)
            }
            false => Vec::new(),
        };
        for line in lines {
            if let Err(why) = self.run_script(id, line, (None, instead.take()), out) {
                log::debug!("a text is not shown: {why}");
            }
        }
        if let Some(said) = instead {
            self.say_as_console(id, said, out);
        }
    }

    /// Sends what an operator wants to a server that only RCON reaches. `ticket` is completed when the
    /// game has replied.
    pub fn to_console(
        &mut self,
        id: ServerId,
        push: Push,
        ticket: Ticket,
        out: &mut Output,
    ) -> Result<(), NotSent> {
        let server = self.get(id).ok_or(NotSent::NoServer)?;
        if !self.has_rcon(id) {
            return Err(NotSent::Refused(server.label.clone()));
        }
        let (text, to, place) = match push {
            Push::Print { text, to, place } => (text, to, place),
            Push::Command(line) => {
                return self.command(id, Command::Console(line), Some(ticket), out);
            }
            _ => return Err(NotSent::NoScript(server.label.clone())),
        };
        let said = server.as_said(to.map(i64::from), &text);
        if !server.may_have_script() {
            return self.command(id, Command::Say(said), Some(ticket), out);
        }
        let reader = to.map(|userid| server.reader(userid));
        // The first line stands for the others: the same engine runs them.
        let (mut waiter, mut instead) = (Some(ticket), Some(said));
        for line in ScriptLine::prints(reader, place, &text) {
            self.run_script(id, line, (waiter.take(), instead.take()), out)?;
        }
        Ok(())
    }

    /// `instead`: the text for the console's `say` where the game has no script engine.
    fn run_script(
        &mut self,
        id: ServerId,
        line: ScriptLine,
        (waiter, instead): (Option<Ticket>, Option<String>),
        out: &mut Output,
    ) -> Result<(), NotSent> {
        let server = self.get(id).ok_or(NotSent::NoServer)?;
        let mut sent = Sent::new(Command::Script(line), waiter, &server.roster);
        sent.instead = instead;
        self.send(id, sent, out)
    }

    fn say_as_console(&mut self, id: ServerId, said: String, out: &mut Output) {
        if let Err(why) = self.command(id, Command::Say(said), None, out) {
            log::debug!("a text is not shown: {why}");
        }
    }

    /// Reads what a game replied to a line for its script engine. Where the line did nothing, `say` of the
    /// console takes its place.
    pub(super) fn script_replied(
        &mut self,
        id: ServerId,
        reply: &str,
        sent: Sent,
        out: &mut Output,
    ) {
        let Sent {
            waiter, instead, ..
        } = sent;
        let Some(server) = self.get_mut(id) else {
            return;
        };
        let is_unknown = reply.contains("Unknown command");
        // vscript_shared.cpp of source-sdk-2013; the other is what a script prints that throws.
        let failed = reply.contains("Scripting disabled or no server running")
            || reply.contains("AN ERROR HAS OCCUR");
        if !is_unknown && !failed {
            return out.complete(waiter, Ok("".into()));
        }
        let label = &server.label;
        match (&mut server.rcon, is_unknown) {
            (Some(rcon), true) => {
                rcon.no_script = true;
                if !std::mem::replace(&mut rcon.no_script_reported, true) {
                    log_server!(
                        warn,
                        label,
                        "this game has no console command `script`, so answers to players \
                         are said by the console, and all players read them; texts in the centre \
                         are not shown"
                    );
                }
            }
            _ => {
                log_server!(
                    debug,
                    label,
                    "the script engine did not show a text: {reply:.200}"
                )
            }
        }
        let Some(said) = instead else { return };
        if let Err(why) = self.command(id, Command::Say(said), waiter, out) {
            log::debug!("a text is not shown: {why}");
            out.complete(waiter, Err(why.to_string()));
        }
    }
}

/// Without colours, which are control characters, some with digits behind them.
fn without_controls(text: &str) -> String {
    let text = player_text::without_colours(text);
    text.chars().filter(|c| !c.is_control()).collect()
}

impl GameServer {
    /// Whether texts are sent to the script engine by RCON: until the game replies that it has none.
    fn may_have_script(&self) -> bool {
        let rcon = self.rcon.as_ref();
        rcon.is_some_and(|rcon| !rcon.refused && !rcon.no_script)
    }

    fn reader(&self, userid: i32) -> Reader {
        let person = self.roster.person(userid.into());
        Reader {
            userid,
            steam: person.and_then(|person| person.steam),
        }
    }

    /// A text as `say` of the console has it.
    fn as_said(&self, to: Option<i64>, text: &str) -> String {
        let text = player_text::without_colours(text);
        let person = to.and_then(|userid| self.roster.person(userid));
        match person {
            Some(person) => plain(&format!("{}: {text}", person.name), limits::SAY_BYTES_MAX),
            None => plain(&text, limits::SAY_BYTES_MAX),
        }
    }
}

// Chat of players, as commands are read from it: where it comes from, whether it counts, and lines that
// wait until it is confirmed who wrote them.

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
            log_server!(
                warn,
                self.label,
                "on map {}, {doubt}; commands in chat that change something do not count there",
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
                log_server!(
                    warn,
                    self.label,
                    "players chat, and nothing comes by log_listen, so their commands are not \
                     taken; put `log on` and `logaddress_add` with that address into server.cfg"
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
