//! What an event has led to so far: effects for outside, messages for other parts of the core, and
//! hosts for which something may have to be written.

use std::collections::VecDeque;

use serde_json::Value;

use super::ended::EndedCall;
use super::event::{Effect, Effects, Timer};
use super::ids::{HostId, ServerId, Ticket};
use super::message::{Message, NotDone};
use super::trace::Trace;
use crate::jobs::CallId;
use crate::protocol::call_error::CallError;
use crate::protocol::console::Command;
use crate::protocol::rcon;
use crate::protocol::signed::messages::Push;

#[derive(Default)]
pub struct Output {
    pub effects: Effects,
    /// Calls that ended in this event.
    pub ended: Vec<EndedCall>,
    /// What operators see of it, while they trace.
    pub trace: Trace,
    messages: VecDeque<Message>,
    unsettled: VecDeque<HostId>,
}

impl Output {
    pub fn send(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    pub fn next_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    pub fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// What waits for this host is written when nothing else is left to be done: so all of it goes
    /// into one file.
    pub fn settle(&mut self, host: HostId) {
        if !self.unsettled.contains(&host) {
            self.unsettled.push_back(host);
        }
    }

    pub fn next_unsettled(&mut self) -> Option<HostId> {
        self.unsettled.pop_front()
    }

    /// Something that was sent to a game or a console has ended; reports it to who waits for that.
    pub fn complete(&mut self, ticket: Option<Ticket>, outcome: Result<Value, String>) {
        match ticket {
            Some(Ticket::Operator(ticket)) => self.effects.push(Effect::Pushed { ticket, outcome }),
            Some(Ticket::Script(request)) => {
                let outcome = outcome.map_err(|why| CallError::new("GameError", why));
                self.send(Message::Completed(request, outcome));
            }
            Some(Ticket::Community(number)) => {
                let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
                let result = outcome.map(text).map_err(NotDone::Unclear);
                self.send(Message::CommandDone(number, result));
            }
            None => {}
        }
    }

    /// The same of what was surely not sent.
    pub fn not_sent(&mut self, ticket: Option<Ticket>, why: String) {
        match ticket {
            Some(Ticket::Community(number)) => {
                self.send(Message::CommandDone(number, Err(NotDone::NotSent(why))));
            }
            ticket => self.complete(ticket, Err(why)),
        }
    }

    /// Responds to a forwarded call.
    pub fn respond(&mut self, call: CallId, outcome: Result<Value, CallError>) {
        self.send(Message::Respond(call, outcome));
    }

    pub fn push(&mut self, host: HostId, push: Push, ticket: Option<Ticket>) {
        self.send(Message::Push { host, push, ticket });
    }

    /// Sends a command that is known to fit into a line.
    pub fn rcon(&mut self, server: ServerId, ticket: u64, command: &Command) {
        if let Ok(line) = command.line() {
            let is_urgent = command.is_urgent();
            let job = rcon::Job {
                ticket,
                line,
                is_urgent,
            };
            self.effects.push(Effect::Rcon { server, job });
        }
    }

    pub fn timer(&mut self, timer: Timer, at_ms: Option<u64>) {
        self.effects.push(match at_ms {
            Some(at_ms) => Effect::SetTimer { timer, at_ms },
            None => Effect::CancelTimer(timer),
        });
    }
}
