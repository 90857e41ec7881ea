//! How the rest of the core meets game servers and VyHub: what games tell goes there, and what
//! they ask for is handed on.

use super::outgoing::Outgoing;
use super::vyhub::Cx;
use super::{Core, Effect, Effects, Event, Now, Timer};
use crate::wire::call_error::CallError;
use crate::wire::console::Command;
use crate::wire::messages::Push;

impl Core {
    /// Decides on what only game servers and VyHub know of.
    pub(super) fn decide_attended(&mut self, event: Event, now: Now, effects: &mut Effects) {
        let mut out = Outgoing::default();
        let Self { servers, vyhub, .. } = self;
        match event {
            Event::Rcon(done) => servers.rcon_done(done, now, &mut out),
            Event::Timer(Timer::Servers) => servers.timer_rang(),
            Event::Logged { server, lines } => {
                for line in lines {
                    let seen = servers.logged(server, &line, now);
                    let mut cx = Cx {
                        servers,
                        now,
                        out: &mut out,
                    };
                    if let (Some(vyhub), Some(seen)) = (vyhub.as_mut(), seen) {
                        vyhub.seen(server, seen, &mut cx);
                    }
                }
            }
            Event::Queue { request, ticket } => {
                let mut cx = Cx {
                    servers,
                    now,
                    out: &mut out,
                };
                let outcome = match vyhub {
                    Some(vyhub) => vyhub.queue(&request, &mut cx),
                    None => Err("this vpid has no VyHub: there is no queue".into()),
                };
                out.effects.push(Effect::Pushed { ticket, outcome });
            }
            event => {
                let mut cx = Cx {
                    servers,
                    now,
                    out: &mut out,
                };
                if let Some(vyhub) = vyhub {
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
        let known = self.hosts.get(host);
        let server = known.and_then(|host| self.servers.of_host(host.folder, &host.name));
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

    /// What follows from an event for game servers and VyHub: what games told in it, and calls.
    pub(super) fn follow_up(&mut self, now: Now, effects: &mut Effects) {
        let asked = self.calls.take_asked();
        if asked.is_empty() && !self.links.attended {
            return;
        }
        let mut out = Outgoing::default();
        for (host, message) in std::mem::take(&mut self.links.told) {
            let Some(known) = self.hosts.get(host) else {
                continue;
            };
            let Some(server) = self.servers.of_host(known.folder, &known.name) else {
                continue;
            };
            let seen = self.servers.told(server, host, &message, now);
            let mut cx = Cx {
                servers: &mut self.servers,
                now,
                out: &mut out,
            };
            if let (Some(vyhub), Some(seen)) = (&mut self.vyhub, seen) {
                vyhub.seen(server, seen, &mut cx);
            }
        }
        for asked in asked {
            let known = self.hosts.get(asked.host);
            let server = known.and_then(|host| self.servers.of_host(host.folder, &host.name));
            let mut cx = Cx {
                servers: &mut self.servers,
                now,
                out: &mut out,
            };
            if let (Some(vyhub), Some(server)) = (&mut self.vyhub, server) {
                vyhub.call(asked.id, server, asked.call, asked.due_ms, &mut cx);
            } else {
                let detail = "this server has no vyhub_server_id";
                let error = CallError::new("VyHubUnavailable", detail);
                out.answers.push((asked.id, Err(error)));
            }
        }
        if self.servers.has_news()
            && let Some(vyhub) = &mut self.vyhub
        {
            let mut cx = Cx {
                servers: &mut self.servers,
                now,
                out: &mut out,
            };
            vyhub.advance(&mut cx);
        }
        self.servers.advance(now, &mut out);
        if !out.is_empty() {
            self.hand_on(out, now, effects);
        }
    }

    /// Hands on what game servers and VyHub ask for.
    pub(super) fn hand_on(&mut self, out: Outgoing, now: Now, effects: &mut Effects) {
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
    }
}
