//! How the rest of the core meets game servers, VyHub and the owner's scripts: what games tell goes
//! there, and what they ask for is handed on.

use serde_json::Value;

use super::calls::{Asked, AskedCall};
use super::community::{Community, Turn};
use super::outgoing::Outgoing;
use super::players::{Console, Game, Silence};
use super::roster::Person;
use super::scripts::{self, Coming, Scripts, TICKETS};
use super::servers::{Seen, ServerId};
use super::{Core, Effect, Effects, Event, HostId, Now, Timer, links};
use crate::protocol::call_error::CallError;
use crate::protocol::console::Command;
use crate::protocol::engine_log::Line;
use crate::protocol::signed::messages::{FromGame, Push};

impl Core {
    /// Decides on what only game servers, VyHub and the owner's scripts know of.
    pub(super) fn decide_attended(&mut self, event: Event, now: Now, effects: &mut Effects) {
        let mut out = Outgoing::default();
        match event {
            Event::Rcon(done) => self.servers.rcon_done(done, now, &mut out),
            Event::Timer(Timer::Servers) => self.servers.timer_rang(),
            Event::Logged { server, lines } => {
                for line in lines {
                    self.logged(server, &line, now, &mut out);
                }
            }
            Event::Queue { request, ticket } => {
                let outcome = match self.vyhub(now, &mut out) {
                    Some((vyhub, mut cx)) => vyhub.queue(&request, &mut cx),
                    None => Err("this vpid has no VyHub: there is no queue".into()),
                };
                out.effects.push(Effect::Pushed { ticket, outcome });
            }
            Event::Script { script, run, what } => {
                if let Some((scripts, mut cx)) = self.scripts(now, &mut out) {
                    scripts.news(script, run, what, &mut cx);
                }
            }
            Event::ToConsole {
                server,
                push,
                ticket,
            } => {
                if let Err(problem) = self.servers.to_console(server, push, ticket, &mut out) {
                    let outcome = Err(problem);
                    out.effects.push(Effect::Pushed { ticket, outcome });
                }
            }
            Event::ScriptRequest { request, ticket } => match self.scripts(now, &mut out) {
                Some((scripts, mut cx)) => scripts.request(request, ticket, &mut cx),
                None => {
                    let outcome = Err("this vpid has no [scripts]".into());
                    out.effects.push(Effect::Pushed { ticket, outcome });
                }
            },
            Event::InterfacesEdited => {
                if let Some((scripts, mut cx)) = self.scripts(now, &mut out) {
                    scripts.interfaces_edited(&mut cx);
                }
            }
            Event::Timer(Timer::Scripts) => {
                if let Some(scripts) = &mut self.scripts {
                    scripts.timer_rang();
                }
            }
            event => {
                if let Some((vyhub, mut cx)) = self.vyhub(now, &mut out) {
                    match event {
                        Event::Api(done) => vyhub.answered(done, &mut cx),
                        Event::Stored(written) => {
                            for written in written {
                                vyhub.written(written, &mut cx);
                            }
                        }
                        Event::Timer(Timer::Vyhub) => vyhub.timer_rang(&mut cx),
                        _ => {}
                    }
                }
            }
        }
        self.hand_on(out, now, effects);
    }

    /// VyHub's client, with what is around it.
    fn vyhub<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Outgoing,
    ) -> Option<(&'a mut Community, Turn<'a>)> {
        let servers = &mut self.servers;
        let cx = Turn { servers, now, out };
        Some((self.vyhub.as_mut()?, cx))
    }

    /// The owner's scripts, with what is around them.
    pub(super) fn scripts<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Outgoing,
    ) -> Option<(&'a mut Scripts, scripts::Cx<'a>)> {
        let cx = scripts::Cx {
            servers: &mut self.servers,
            vyhub: self.vyhub.as_ref(),
            hosts: &self.hosts,
            functions: &mut self.functions,
            now,
            out,
        };
        Some((self.scripts.as_mut()?, cx))
    }

    /// The game server that a host is.
    fn server_of(&self, host: HostId) -> Option<ServerId> {
        let known = self.hosts.get(host)?;
        self.servers.of_host(known.folder, &known.name)
    }

    /// An operator's command for a console goes by RCON, where there is that.
    pub(super) fn by_rcon(
        &mut self,
        event: Event,
        now: Now,
        effects: &mut Effects,
    ) -> Option<Event> {
        let Event::Push {
            host,
            push: Push::Command(line),
            ticket,
            keep,
        } = event
        else {
            return Some(event);
        };
        let server = self.server_of(host);
        let Some(server) = server.filter(|server| self.servers.has_rcon(*server)) else {
            let push = Push::Command(line);
            return Some(Event::Push {
                host,
                push,
                ticket,
                keep,
            });
        };
        let mut out = Outgoing::default();
        let command = Command::Console(line);
        let sent = self
            .servers
            .command(server, command, Some(ticket), &mut out);
        if let Err(problem) = sent {
            let outcome = Err(problem);
            out.effects.push(Effect::Pushed { ticket, outcome });
        }
        self.hand_on(out, now, effects);
        None
    }

    /// A line of an engine's log.
    fn logged(&mut self, server: ServerId, line: &Line, now: Now, out: &mut Outgoing) {
        let leaver = match line {
            Line::Disconnected(who) => self.person(server, who.userid),
            _ => None,
        };
        let seen = self.servers.logged(server, line, now);
        if let Some((scripts, mut cx)) = self.scripts(now, out) {
            scripts.logged(server, line, leaver.as_ref(), &mut cx);
        }
        self.seen(server, seen, now, out);
    }

    /// The script of a game has told something.
    fn told(&mut self, host: HostId, message: &FromGame, now: Now, out: &mut Outgoing) {
        let Some(server) = self.server_of(host) else {
            return;
        };
        let leaver = match message {
            FromGame::Event { name, data } if name == "player_disconnect" => {
                let userid = data["userid"].as_i64();
                userid.and_then(|userid| self.person(server, userid))
            }
            _ => None,
        };
        let seen = self.servers.told(server, host, message, now, out);
        if let Some((scripts, mut cx)) = self.scripts(now, out) {
            scripts.told(server, message, leaver.as_ref(), &mut cx);
        }
        self.seen(server, seen, now, out);
    }

    /// Somebody on a server, if a script may want to know of them once they are gone.
    fn person(&self, server: ServerId, userid: i64) -> Option<Person> {
        self.scripts.as_ref()?;
        self.servers.get(server)?.roster.person(userid).cloned()
    }

    /// A message of a game's scripts is overdue. Its console may show more.
    pub(super) fn may_be_silent(&mut self, host: HostId, now: Now, effects: &mut Effects) {
        let server = self.server_of(host);
        let console = server.map_or(Console::Unknown, |server| self.servers.console(server));
        match links::silence(host, &mut self.hosts, console, now, effects) {
            Silence::No => {}
            Silence::AskConsole => {
                let server = server.and_then(|server| self.servers.get_mut(server));
                server.into_iter().for_each(|it| it.roster.want_status());
                let mut out = Outgoing::default();
                self.servers.advance(now, &mut out);
                self.hand_on(out, now, effects);
            }
            Silence::Missed | Silence::Asleep => self.game_is_silent(host, now, effects),
        }
    }

    /// A game has been silent for long. One that is empty may sleep, and one that is paused runs.
    fn game_is_silent(&mut self, host: HostId, now: Now, effects: &mut Effects) {
        let game = self.hosts.get(host).and_then(|host| host.link.as_ref());
        let missed = game.is_some_and(|link| link.game.as_ref().is_some_and(Game::is_gone));
        let mut out = Outgoing::default();
        if missed && let Some((scripts, mut cx)) = self.scripts(now, &mut out) {
            scripts.missed(host, &mut cx);
        }
        self.servers.silent(host);
        self.hand_on(out, now, effects);
    }

    fn seen(&mut self, server: ServerId, seen: Option<Seen>, now: Now, out: &mut Outgoing) {
        let Some(seen) = seen else { return };
        if let (Seen::Chat(..) | Seen::HeldChat(..), Some((scripts, mut cx))) =
            (&seen, self.scripts(now, out))
        {
            match &seen {
                Seen::Chat(speaker, text) => scripts.heard(server, speaker, text, &mut cx),
                Seen::HeldChat(speaker, text) => scripts.held(server, speaker, text, &mut cx),
                _ => {}
            }
        }
        if let Some((vyhub, mut cx)) = self.vyhub(now, out) {
            vyhub.seen(server, seen, &mut cx);
        }
    }

    /// What follows from an event for game servers, VyHub and scripts: what games told in it, and
    /// calls that these are to answer.
    pub(super) fn follow_up(&mut self, now: Now, effects: &mut Effects) {
        let asked = self.calls.take_asked();
        if asked.is_empty() && !self.links.attended {
            return;
        }
        let mut out = Outgoing::default();
        for (host, message) in std::mem::take(&mut self.links.told) {
            self.told(host, &message, now, &mut out);
        }
        for asked in asked {
            self.pass_to(asked, now, &mut out);
        }
        for held in self.servers.take_held(now) {
            let seen = Seen::HeldChat(held.speaker, held.text);
            self.seen(held.server, Some(seen), now, &mut out);
        }
        if self.servers.has_news()
            && let Some((vyhub, mut cx)) = self.vyhub(now, &mut out)
        {
            vyhub.advance(&mut cx);
        }
        self.servers.advance(now, &mut out);
        if !out.is_empty() {
            self.hand_on(out, now, effects);
        }
        if self.scripts.is_some() {
            self.follow_scripts(now, effects);
        }
    }

    /// Hands a call to whoever is to answer it.
    fn pass_to(&mut self, asked: Asked, now: Now, out: &mut Outgoing) {
        let server = match asked.own {
            Some(server) => server,
            None => self.server_of(asked.host),
        };
        match asked.what {
            AskedCall::Vyhub(call) => match (self.vyhub(now, out), server) {
                (Some((vyhub, mut cx)), Some(server)) => {
                    vyhub.call(asked.id, server, call, asked.due_ms, &mut cx);
                }
                _ => {
                    let detail = "this server has no vyhub_server_id";
                    let error = CallError::new("VyHubUnavailable", detail);
                    out.answers.push((asked.id, Err(error)));
                }
            },
            AskedCall::Script(call) => {
                let host = self.hosts.get(asked.host).map(|host| host.name.clone());
                let coming = Coming {
                    id: asked.id,
                    call: *call,
                    server,
                    host,
                    due_ms: asked.due_ms,
                    callback: asked.callback,
                    recovered: asked.recovered,
                    durable: asked.own.is_none(),
                };
                if let Some((scripts, mut cx)) = self.scripts(now, out) {
                    scripts.call(coming, &mut cx);
                }
            }
        }
    }

    /// Lets scripts go on: what they asked for is answered, and they get what waits for them. What
    /// they ask for in turn comes with their next words, so this ends.
    fn follow_scripts(&mut self, now: Now, effects: &mut Effects) {
        loop {
            let mut out = Outgoing::default();
            let replies = self.calls.take_replies();
            let pushed = take_pushed(effects);
            let asked = self.calls.take_asked();
            let more = !(replies.is_empty() && pushed.is_empty() && asked.is_empty());
            for asked in asked {
                self.pass_to(asked, now, &mut out);
            }
            let Some((scripts, mut cx)) = self.scripts(now, &mut out) else {
                return;
            };
            for (key, outcome) in replies {
                scripts.answered(key, outcome);
            }
            for (ticket, outcome) in pushed {
                scripts.pushed(ticket, outcome);
            }
            scripts.advance(&mut cx);
            let nothing = out.is_empty();
            self.hand_on(out, now, effects);
            if nothing && !more {
                return;
            }
        }
    }

    /// Hands on what game servers, VyHub and scripts ask for.
    pub(super) fn hand_on(&mut self, out: Outgoing, now: Now, effects: &mut Effects) {
        if let Some(scripts) = &mut self.scripts {
            for (server, name, data) in out.hooks {
                scripts.vyhub_tells(server, &name, data);
            }
        }
        let Self {
            hosts,
            calls,
            functions,
            ..
        } = self;
        effects.extend(out.effects);
        let mut touched = Vec::new();
        for (host, push, ticket) in out.pushes {
            // What was meant for this moment is not to reach another one: userids begin anew.
            let outcome = match hosts.link(host) {
                Some(link) => link.push(push, ticket, false, now),
                None => Err("no game of this name is connected".into()),
            };
            if let Err(problem) = outcome {
                let outcome = Err(problem);
                effects.push(Effect::Pushed { ticket, outcome });
            }
            if !touched.contains(&host) {
                touched.push(host);
            }
        }
        for host in touched {
            calls.refresh(host, hosts, now, effects);
        }
        calls.asked_done(out.answers, hosts, functions, now, effects);
        calls.again(out.again, hosts, functions, now, effects);
        for opening in out.openings {
            calls.open(opening, hosts, functions, now, effects);
        }
    }
}

/// What came of things that were handed on for scripts, by their tickets.
fn take_pushed(effects: &mut Effects) -> Vec<(u64, Result<Value, String>)> {
    let is_theirs =
        |effect: &mut Effect| matches!(effect, Effect::Pushed { ticket, .. } if *ticket > TICKETS);
    let theirs = effects.extract_if(.., is_theirs);
    theirs
        .filter_map(|effect| match effect {
            Effect::Pushed { ticket, outcome } => Some((ticket, outcome)),
            _ => None,
        })
        .collect()
}
