//! Who receives each message, and what several parts see of the same thing in their order: game
//! servers first, then the Python scripts, then the community.

use super::community::{Community, VyhubCall};
use super::context::Context;
use super::event::{Now, OperatorRequest};
use super::ids::{Caller, HostId, ServerId, Ticket};
use super::message::{ForwardedCall, GameEvent, Message};
use super::output::Output;
use super::players::{Console, Game, Silence};
use super::roster::Person;
use super::scripts::Scripts;
use super::{Core, links};
use crate::protocol::call_error::CallError;
use crate::protocol::console::Command;
use crate::protocol::engine_log::Line;
use crate::protocol::signed::messages::{FromGame, Push};

impl Core {
    /// Gives all messages to their receivers, then writes to games what waits for them.
    pub(super) fn drain(&mut self, now: Now, out: &mut Output) {
        loop {
            while let Some(message) = out.next_message() {
                log::trace!("message: {}", message.kind());
                self.dispatch(message, now, out);
            }
            self.advance(now, out);
            if out.has_messages() {
                continue;
            }
            while let Some(host) = out.next_unsettled() {
                self.calls.settle(host, &mut self.shared.context(now, out));
            }
            if !out.has_messages() {
                return;
            }
        }
    }

    fn dispatch(&mut self, message: Message, now: Now, out: &mut Output) {
        let cx = &mut self.shared.context(now, out);
        match message {
            Message::Open(opening) => self.calls.open(*opening, cx),
            Message::CallCommunity(call) => self.call_community(*call, now, out),
            Message::CallScript(call) => {
                let server = self.server_of_call(&call);
                self.for_scripts(now, out, |scripts, cx| scripts.call(*call, server, cx));
            }
            Message::Respond(id, outcome) => self.calls.respond(id, outcome, cx),
            Message::RunBuiltIn(id, call) => self.calls.run_built_in(id, *call, cx),
            Message::Responded(request, outcome) => {
                if let Some(scripts) = &mut self.scripts {
                    scripts.answered(request, outcome);
                }
            }
            Message::Completed(ticket, outcome) => {
                if let Some(scripts) = &mut self.scripts {
                    scripts.completed(ticket, outcome);
                }
            }
            Message::Push { host, push, ticket } => self.links.push(host, push, ticket, false, cx),
            Message::Reported(host, message) => self.reported(host, &message, now, out),
            Message::Happened(server, event) => self.happened(server, event, now, out),
            Message::Hook { server, name, data } => {
                if let Some(scripts) = &mut self.scripts {
                    scripts.vyhub_tells(server, &name, data);
                }
            }
        }
    }

    /// Does what is due for game servers, the community and the Python scripts.
    fn advance(&mut self, now: Now, out: &mut Output) {
        if !self.links.followed {
            return;
        }
        if self.shared.servers.has_news() {
            self.for_community(now, out, |community, cx| community.advance(cx));
        }
        self.shared.servers.advance(now, out);
        self.for_scripts(now, out, |scripts, cx| scripts.advance(cx));
    }

    /// Does something with the community, where there is one.
    pub(super) fn for_community(
        &mut self,
        now: Now,
        out: &mut Output,
        act: impl FnOnce(&mut Community, &mut Context<'_>),
    ) {
        if let Some(community) = &mut self.community {
            act(community, &mut self.shared.context(now, out));
        }
    }

    /// Does something with the Python scripts, where there are any.
    pub(super) fn for_scripts(
        &mut self,
        now: Now,
        out: &mut Output,
        act: impl FnOnce(&mut Scripts, &mut Context<'_>),
    ) {
        if let Some(scripts) = &mut self.scripts {
            let mut cx = self.shared.context(now, out);
            cx.directory = self.community.as_ref().map(|community| community as _);
            act(scripts, &mut cx);
        }
    }

    /// The game server that a forwarded call is about.
    fn server_of_call<T>(&self, call: &ForwardedCall<T>) -> Option<ServerId> {
        match call.caller {
            Caller::Script(_) => call.server,
            Caller::Host(host) => self.shared.server_of(host),
        }
    }

    fn call_community(&mut self, call: ForwardedCall<VyhubCall>, now: Now, out: &mut Output) {
        let server = self.server_of_call(&call);
        match (&mut self.community, server) {
            (Some(community), Some(server)) => {
                let cx = &mut self.shared.context(now, out);
                community.call(call.id, server, call.what, call.due_ms, cx);
            }
            _ => {
                let detail = "this server has no vyhub_server_id";
                out.respond(call.id, Err(CallError::new("VyHubUnavailable", detail)));
            }
        }
    }

    /// A line of an engine's log.
    pub(super) fn logged(&mut self, server: ServerId, line: &Line, now: Now, out: &mut Output) {
        let leaver = match line {
            Line::Disconnected(who) => self.person(server, who.userid),
            _ => None,
        };
        let event = self.shared.servers.logged(server, line, now);
        self.for_scripts(now, out, |scripts, cx| {
            scripts.logged(server, line, leaver.as_ref(), cx);
        });
        if let Some(event) = event {
            self.happened(server, event, now, out);
        }
    }

    /// The script of a game reports something.
    fn reported(&mut self, host: HostId, message: &FromGame, now: Now, out: &mut Output) {
        let Some(server) = self.shared.server_of(host) else {
            return;
        };
        let leaver = match message {
            FromGame::Event { name, data } if name == "player_disconnect" => {
                let userid = data["userid"].as_i64();
                userid.and_then(|userid| self.person(server, userid))
            }
            _ => None,
        };
        let servers = &mut self.shared.servers;
        let event = servers.told(server, host, message, now, out);
        self.for_scripts(now, out, |scripts, cx| {
            scripts.told(server, message, leaver.as_ref(), cx);
        });
        if let Some(event) = event {
            self.happened(server, event, now, out);
        }
    }

    /// A player on a server, where a script may need what is known of them once they are gone.
    fn person(&self, server: ServerId, userid: i64) -> Option<Person> {
        self.scripts.as_ref()?;
        self.shared
            .servers
            .get(server)?
            .roster
            .person(userid)
            .cloned()
    }

    fn happened(&mut self, server: ServerId, event: GameEvent, now: Now, out: &mut Output) {
        self.for_scripts(now, out, |scripts, cx| match &event {
            GameEvent::Chat(speaker, text) => scripts.heard(server, speaker, text, cx),
            GameEvent::HeldChat(speaker, text) => scripts.held(server, speaker, text, cx),
            GameEvent::MapStarted | GameEvent::SessionBegan => {}
        });
        self.for_community(now, out, |community, cx| {
            community.happened(server, event, cx)
        });
    }

    pub(super) fn operator(
        &mut self,
        ticket: Ticket,
        request: OperatorRequest,
        now: Now,
        out: &mut Output,
    ) {
        let cx = &mut self.shared.context(now, out);
        match request {
            OperatorRequest::Push { host, push, keep } => {
                self.operator_push(host, push, (ticket, keep), now, out);
            }
            OperatorRequest::ToConsole { server, push } => {
                if let Err(problem) = cx.servers.to_console(server, push, ticket, cx.out) {
                    cx.out.complete(Some(ticket), Err(problem));
                }
            }
            OperatorRequest::Queue(request) => {
                let outcome = match &mut self.community {
                    Some(community) => community.queue(&request, cx),
                    None => Err("this vpid has no VyHub: there is no queue".into()),
                };
                out.complete(Some(ticket), outcome);
            }
            OperatorRequest::Script(_) if self.scripts.is_none() => {
                out.complete(Some(ticket), Err("this vpid has no [scripts]".into()));
            }
            OperatorRequest::Script(request) => {
                self.for_scripts(now, out, |scripts, cx| scripts.request(request, ticket, cx));
            }
        }
    }

    /// A command for the console goes by RCON, where there is that.
    fn operator_push(
        &mut self,
        host: HostId,
        push: Push,
        (ticket, keep): (Ticket, bool),
        now: Now,
        out: &mut Output,
    ) {
        let ticket = Some(ticket);
        let server = self.shared.server_of(host);
        let servers = &mut self.shared.servers;
        match (push, server.filter(|server| servers.has_rcon(*server))) {
            (Push::Command(line), Some(server)) => {
                let sent = servers.command(server, Command::Console(line), ticket, out);
                if let Err(problem) = sent {
                    out.complete(ticket, Err(problem));
                }
            }
            (push, _) => {
                let cx = &mut self.shared.context(now, out);
                self.links.push(host, push, ticket, keep, cx);
            }
        }
    }

    /// A message of a game's scripts is overdue. Its console may show more.
    pub(super) fn may_be_silent(&mut self, host: HostId, now: Now, out: &mut Output) {
        let server = self.shared.server_of(host);
        let servers = &self.shared.servers;
        let console = server.map_or(Console::Unknown, |server| servers.console(server));
        match links::silence(host, console, &mut self.shared.context(now, out)) {
            Silence::No => {}
            Silence::AskConsole => {
                let servers = &mut self.shared.servers;
                let server = server.and_then(|server| servers.get_mut(server));
                server.into_iter().for_each(|it| it.roster.want_status());
            }
            Silence::Missed | Silence::Asleep => self.game_is_silent(host, now, out),
        }
    }

    /// A game has been silent for long. One that is empty may sleep, and one that is paused runs.
    fn game_is_silent(&mut self, host: HostId, now: Now, out: &mut Output) {
        let link = self.shared.hosts.link(host);
        let game = link.and_then(|link| link.game.as_ref());
        if game.is_some_and(Game::is_gone) {
            self.for_scripts(now, out, |scripts, cx| scripts.missed(host, cx));
        }
        self.shared.servers.silent(host);
    }
}
