//! Texts for players: by the game's signed scripts where they are connected; else by RCON, through the
//! game's script engine (`script <code>`), which shows a text to one player and in any place; and where
//! the game has none, as chat of the console, which all players read.

use super::changing::Sent;
use super::{GameServer, ServerId, Servers};
use crate::core::ids::Ticket;
use crate::core::output::Output;
use crate::limits;
use crate::protocol::console::{Command, plain};
use crate::protocol::player_text;
use crate::protocol::script_line::{Reader, ScriptLine};
use crate::protocol::signed::messages::{Place, Push};

impl Servers {
    /// Says something to one player, or to all.
    pub fn say(
        &mut self,
        id: ServerId,
        to: Option<i64>,
        text: &str,
        place: Place,
        out: &mut Output,
    ) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        self.show(id, to, text, place, out);
    }

    /// The same, with the text as it is.
    pub fn show(
        &mut self,
        id: ServerId,
        to: Option<i64>,
        text: String,
        place: Place,
        out: &mut Output,
    ) {
        let Some(server) = self.get(id) else {
            return;
        };
        let userid = to.and_then(|userid| i32::try_from(userid).ok());
        if let Some(host) = server.host {
            let to = userid;
            return out.push(host, Push::Print { text, to, place }, None);
        }
        let said = server.as_said(to, &text);
        if !server.may_have_script() || to.is_some() && userid.is_none() {
            return self.say_as_console(id, said, out);
        }
        let reader = userid.map(|userid| server.reader(userid));
        let mut instead = Some(said);
        for line in ScriptLine::prints(reader, place, &text) {
            self.run_script(id, line, instead.take(), out);
        }
    }

    /// The same in the middle of the screen, where that can be had.
    pub fn say_center(&mut self, id: ServerId, to: i64, text: &str, out: &mut Output) {
        let (Some(server), Ok(to)) = (self.get(id), i32::try_from(to)) else {
            return;
        };
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let place = Place::Center;
        if let Some(host) = server.host {
            let to = Some(to);
            out.push(host, Push::Print { text, to, place }, None);
        } else if server.may_have_script() {
            let reader = server.reader(to);
            for line in ScriptLine::prints(Some(reader), place, &text) {
                self.run_script(id, line, None, out);
            }
        }
    }

    /// Sends what an operator wants to a server that only RCON reaches. `ticket` is completed when the
    /// game has replied. Errors are sentences.
    pub fn to_console(
        &mut self,
        id: ServerId,
        push: Push,
        ticket: Ticket,
        out: &mut Output,
    ) -> Result<(), String> {
        let server = self.get(id).ok_or("there is no such server")?;
        if !self.has_rcon(id) {
            return Err(format!("{}: RCON refused the password", server.label));
        }
        let (text, to, place) = match push {
            Push::Print { text, to, place } => (text, to, place),
            Push::Command(line) => {
                return self.command(id, Command::Console(line), Some(ticket), out);
            }
            _ => return Err(format!("{}: no game's script is connected", server.label)),
        };
        let said = server.as_said(to.map(i64::from), &text);
        if !server.may_have_script() {
            return self.command(id, Command::Say(said), Some(ticket), out);
        }
        let reader = to.map(|userid| server.reader(userid));
        // The first line stands for the others: the same engine runs them.
        let (mut waiter, mut instead) = (Some(ticket), Some(said));
        for line in ScriptLine::prints(reader, place, &text) {
            let server = self.get(id).ok_or("there is no such server")?;
            let mut sent = Sent::new(Command::Script(line), waiter.take(), &server.roster);
            sent.instead = instead.take();
            self.send(id, sent, out)?;
        }
        Ok(())
    }

    /// `instead`: what the console says where the game has no script engine.
    fn run_script(
        &mut self,
        id: ServerId,
        line: ScriptLine,
        instead: Option<String>,
        out: &mut Output,
    ) {
        let Some(server) = self.get(id) else {
            return;
        };
        let mut sent = Sent::new(Command::Script(line), None, &server.roster);
        sent.instead = instead;
        if let Err(why) = self.send(id, sent, out) {
            log::debug!("a text is not shown: {why}");
        }
    }

    fn say_as_console(&mut self, id: ServerId, said: String, out: &mut Output) {
        if let Err(why) = self.command(id, Command::Say(said), None, out) {
            log::debug!("a text is not shown: {why}");
        }
    }

    /// Reads what a game replied to a line for its script engine. Where the line did nothing, the console
    /// says it.
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
            (Some(road), true) => {
                road.no_script = true;
                if !std::mem::replace(&mut road.no_script_told, true) {
                    log::warn!(
                        "{label}: this game has no console command `script`, so answers to players \
                         are said by the console, and all players read them; texts in the centre \
                         are not shown"
                    );
                }
            }
            _ => log::debug!("{label}: the script engine did not show a text: {reply:.200}"),
        }
        let Some(said) = instead else { return };
        if let Err(why) = self.command(id, Command::Say(said), waiter, out) {
            log::debug!("a text is not shown: {why}");
            out.complete(waiter, Err(why));
        }
    }
}

impl GameServer {
    /// Whether texts are sent to the script engine by RCON: until the game says that it has none.
    fn may_have_script(&self) -> bool {
        let road = self.rcon.as_ref();
        road.is_some_and(|road| !road.refused && !road.no_script)
    }

    fn reader(&self, userid: i32) -> Reader {
        let person = self.roster.person(userid.into());
        Reader {
            userid,
            steam: person.and_then(|person| person.steam),
        }
    }

    /// A text as the console says it.
    fn as_said(&self, to: Option<i64>, text: &str) -> String {
        let text = player_text::without_colours(text);
        let person = to.and_then(|userid| self.roster.person(userid));
        match person {
            Some(person) => plain(&format!("{}: {text}", person.name), limits::SAY_BYTES_MAX),
            None => plain(&text, limits::SAY_BYTES_MAX),
        }
    }
}
