//! Who receives each message, and what several parts see of the same thing in their order: game
//! servers first, then the Python scripts, then the community.

use super::community::{Community, VyhubCall, not_of_it};
use super::context::Context;
use super::event::{Now, OperatorRequest};
use super::ids::{Caller, HostId, ServerId, Ticket};
use super::link::game::{Game, Silence};
use super::message::{ForwardedCall, GameEvent, Message};
use super::output::Output;
use super::roster::Person;
use super::scripts::{Input, Scripts};
use super::{Core, links};
use crate::protocol::console::Command;
use crate::protocol::control::NO_SCRIPTS;
use crate::protocol::engine_log::Line;
use crate::protocol::game_report::GameReport;
use crate::protocol::signed::messages::Push;

impl Core {
    /// Gives all messages to their receivers, then writes to games what waits for them.
    pub(super) fn drain(&mut self, now: Now, out: &mut Output) {
        loop {
            while let Some(message) = out.next_message() {
                log::trace!("message: {}", message.kind());
                self.trace_message(&message, out);
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
            Message::Open(accepted) => self.calls.open(*accepted, cx),
            Message::CallCommunity(call) => self.call_community(*call, now, out),
            Message::CallScript(call) => {
                let server = self.server_of_call(&call);
                self.notify_scripts(Input::Call(*call, server), now, out);
            }
            Message::Respond(id, outcome) => self.calls.respond(id, outcome, cx),
            Message::RunBuiltIn(id, call) => self.calls.run_built_in(id, *call, cx),
            Message::Responded(request, response) => {
                self.notify_scripts(Input::Responded(request, response), now, out);
            }
            Message::Completed(request, result) => {
                self.notify_scripts(Input::Completed(request, result), now, out);
            }
            Message::Push { host, push, ticket } => self.links.push(host, push, ticket, false, cx),
            Message::Reported(host, report) => self.reported(host, &report, now, out),
            Message::Happened(server, event) => self.happened(server, event, now, out),
            Message::CommandDone(number, result) => {
                self.for_community(now, out, |community, cx| {
                    community.command_done(number, result, cx);
                });
            }
            Message::Hook { server, name, data } => {
                self.notify_scripts(Input::CommunityHook(server, name, data), now, out);
            }
        }
    }

    /// Does what is due for game servers, the community and the Python scripts.
    fn advance(&mut self, now: Now, out: &mut Output) {
        if !self.acts_on_games {
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

    pub(super) fn notify_scripts(&mut self, input: Input<'_>, now: Now, out: &mut Output) {
        self.for_scripts(now, out, |scripts, cx| scripts.on_input(input, cx));
    }

    /// The game server that a forwarded call is about.
    fn server_of_call<T>(&self, call: &ForwardedCall<T>) -> Option<ServerId> {
        match call.caller {
            Caller::Script(_) | Caller::Operator => call.server,
            Caller::Host(host) => self.shared.server_of(host),
        }
    }

    fn call_community(&mut self, call: ForwardedCall<VyhubCall>, now: Now, out: &mut Output) {
        let keeper = self.shared.functions.keeper();
        let not_of_it = || keeper.unavailable(not_of_it(keeper));
        let server = match (self.server_of_call(&call), call.caller, &self.community) {
            (Some(server), ..) => Ok(server),
            (None, Caller::Script(_) | Caller::Operator, Some(community)) => {
                community.server_for(&call.what, &self.shared.servers)
            }
            _ => Err(not_of_it()),
        };
        match (&mut self.community, server) {
            (Some(community), Ok(server)) => {
                let cx = &mut self.shared.context(now, out);
                community.call(call.id, server, call.what, call.due_ms, cx);
            }
            (_, server) => {
                let error = server.err().unwrap_or_else(not_of_it);
                out.respond(call.id, Err(error));
            }
        }
    }

    /// A line of an engine's log.
    pub(super) fn logged(&mut self, server: ServerId, line: &Line, now: Now, out: &mut Output) {
        let leaver = match line {
            Line::Disconnected { who, .. } => self.person(server, None, who.userid),
            _ => None,
        };
        let event = self.shared.servers.logged(server, line, now);
        self.notify_scripts(Input::Logged(server, line, leaver.as_ref()), now, out);
        if let Some(event) = event {
            self.happened(server, event, now, out);
        }
    }

    /// The script of a game reports something.
    fn reported(&mut self, host: HostId, report: &GameReport, now: Now, out: &mut Output) {
        let Some(server) = self.shared.server_of(host) else {
            return;
        };
        let leaver = match report {
            GameReport::Left { player, .. } => self.person(server, Some(host), player.userid),
            _ => None,
        };
        let servers = &mut self.shared.servers;
        let event = servers.reported(server, host, report, now, out);
        self.notify_scripts(Input::Reported(server, report, leaver.as_ref()), now, out);
        if let Some(event) = event {
            self.happened(server, event, now, out);
        }
    }

    /// A player on a server, where a script may need what is known of them once they are gone. `host`: that
    /// of a report.
    fn person(&self, server: ServerId, host: Option<HostId>, userid: i64) -> Option<Person> {
        self.scripts.as_ref()?;
        let game = self.shared.servers.get(server)?;
        let roster = match host.filter(|_| !game.is_one_game()) {
            Some(host) => game.roster_of(host)?,
            None => &game.roster,
        };
        roster.person(userid).cloned()
    }

    fn happened(&mut self, server: ServerId, event: GameEvent, now: Now, out: &mut Output) {
        self.notify_scripts(Input::Happened(server, &event), now, out);
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
        if let Some(problem) = self.reaches_none(&request) {
            return out.complete(Some(ticket), Err(problem));
        }
        let cx = &mut self.shared.context(now, out);
        match request {
            OperatorRequest::Push { host, push, keep } => {
                self.operator_push(host, push, (ticket, keep), now, out);
            }
            OperatorRequest::ToConsole { server, push } => {
                if let Err(problem) = cx.servers.to_console(server, push, ticket, cx.out) {
                    cx.out.complete(Some(ticket), Err(problem.to_string()));
                }
            }
            OperatorRequest::Queue(request) => {
                let outcome = match &mut self.community {
                    Some(community) => {
                        let reply = community.queue(&request, cx);
                        reply.map_err(|error| error.to_string())
                    }
                    None => Err("this vpid has no community: there is no queue".into()),
                };
                out.complete(Some(ticket), outcome);
            }
            OperatorRequest::Rewards(request) => {
                let outcome = match &mut self.community {
                    Some(community) => community.rewards(&request, cx),
                    None => Err("this vpid has no community: there are no rewards".into()),
                };
                out.complete(Some(ticket), outcome);
            }
            OperatorRequest::Script(_) | OperatorRequest::Call(_) if self.scripts.is_none() => {
                out.complete(Some(ticket), Err(NO_SCRIPTS.into()));
            }
            OperatorRequest::Call(request) => {
                self.notify_scripts(Input::OperatorCall(request, ticket), now, out);
            }
            OperatorRequest::Script(request) => {
                self.notify_scripts(Input::Operator(request, ticket), now, out);
            }
        }
    }

    /// Why a text of an operator reaches no player: the one whom it is for is not on, where it is known who is.
    fn reaches_none(&self, request: &OperatorRequest) -> Option<String> {
        let servers = &self.shared.servers;
        let (roster, push) = match request {
            OperatorRequest::Push { host, push, .. } => {
                let server = servers.get(self.shared.server_of(*host)?)?;
                (server.roster_of(*host)?, push)
            }
            OperatorRequest::ToConsole { server, push } => (&servers.get(*server)?.roster, push),
            _ => return None,
        };
        let Push::Print {
            to: Some(userid), ..
        } = push
        else {
            return None;
        };
        if !roster.is_whole() || roster.person(i64::from(*userid)).is_some() {
            return None;
        }
        let named = |person: &Person| {
            let name = person.name.replace(char::is_control, "?");
            format!("#{} {name}", person.userid)
        };
        let people = roster.people().filter(|person| !person.bot);
        let people: Vec<String> = people.map(named).collect();
        let there = match people.is_empty() {
            true => "no player is on".to_owned(),
            false => format!("there is: {}", people.join(", ")),
        };
        Some(format!(
            "no player of the userid {userid} is on the server; {there}"
        ))
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
                    out.complete(ticket, Err(problem.to_string()));
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
        let Some(server) = self.shared.server_of(host) else {
            return;
        };
        let Some(game) = self.shared.servers.get(server) else {
            return;
        };
        let console = game.console();
        let roster = game.roster_of(host);
        let players = roster.map_or(0, |roster| roster.players_of_session());
        match links::silence(host, players, console, &mut self.shared.context(now, out)) {
            Silence::No => {}
            Silence::RequestStatus => {
                if let Some(game) = self.shared.servers.get_mut(server) {
                    game.roster.want_status();
                }
            }
            Silence::Missed | Silence::Asleep => self.game_is_silent(server, host, now, out),
        }
    }

    /// A game has been silent for long. One that is empty may sleep, and one that is paused runs.
    fn game_is_silent(&mut self, server: ServerId, host: HostId, now: Now, out: &mut Output) {
        let link = self.shared.hosts.link(host);
        let game = link.and_then(|link| link.game.as_ref());
        if game.is_some_and(Game::is_gone) {
            self.notify_scripts(Input::ServerGone(server), now, out);
        }
        if let Some(game) = self.shared.servers.get_mut(server) {
            game.silent(host);
        }
    }
}
