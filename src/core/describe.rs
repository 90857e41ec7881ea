//! Messages as operators see them while they trace: whose they are, and what they are about, without players' texts.

use super::Core;
use super::ids::{Caller, ScriptId};
use super::message::{ForwardedCall, GameEvent, Message};
use super::output::Output;
use super::trace::Traced;
use crate::protocol::redact::Redactor;
use crate::protocol::signed::messages::Push;

impl Core {
    pub(super) fn trace_message(&self, message: &Message, out: &mut Output) {
        if let Some(redactor) = out.trace.redactor() {
            let traced = self.describe(message, redactor);
            out.trace.push(traced);
        }
    }

    fn describe(&self, message: &Message, redactor: &Redactor) -> Traced {
        let traced = Traced {
            what: "message",
            name: message.kind().to_owned(),
            args: subject(message, redactor),
            ..Traced::default()
        };
        let result = |failed: bool| match failed {
            false => Some(Ok(String::new())),
            true => Some(Err(String::new())),
        };
        match message {
            Message::Open(accepted) => self.of_caller(accepted.caller, traced),
            Message::CallCommunity(call) => self.of_call(call, traced),
            Message::CallScript(call) => Traced {
                script: self.script_named(call.what.script),
                ..self.of_call(call, traced)
            },
            Message::RunBuiltIn(..) => traced,
            Message::Respond(_, outcome) => Traced {
                outcome: result(outcome.is_err()),
                ..traced
            },
            Message::CommandDone(_, outcome) => Traced {
                outcome: result(outcome.is_err()),
                ..traced
            },
            Message::Responded(request, outcome) => Traced {
                script: self.script_named(request.script),
                outcome: result(outcome.is_err()),
                ..traced
            },
            Message::Completed(request, outcome) => Traced {
                script: self.script_named(request.script),
                outcome: result(outcome.is_err()),
                ..traced
            },
            Message::Push { host, .. } | Message::Reported(host, _) => Traced {
                host: Some(*host),
                ..traced
            },
            Message::Happened(server, _) | Message::Hook { server, .. } => Traced {
                server: Some(*server),
                ..traced
            },
        }
    }

    fn of_call<T>(&self, call: &ForwardedCall<T>, traced: Traced) -> Traced {
        Traced {
            server: call.server,
            ..self.of_caller(call.caller, traced)
        }
    }

    fn of_caller(&self, caller: Caller, traced: Traced) -> Traced {
        match caller {
            Caller::Host(host) => Traced {
                host: Some(host),
                ..traced
            },
            Caller::Script(script) => Traced {
                caller: format!("{}.py", self.script_named(script)),
                ..traced
            },
            Caller::Operator => traced,
        }
    }

    fn script_named(&self, script: ScriptId) -> String {
        self.script_name(script).unwrap_or_default().to_owned()
    }
}

/// What a message is about: names, and no texts of players.
fn subject(message: &Message, redactor: &Redactor) -> String {
    let named = |name: &str| redactor.text(name);
    match message {
        Message::Open(accepted) => {
            let chained = accepted.chains.iter().map(Vec::len).sum::<usize>();
            match accepted.singles.len() + chained {
                1 => "1 call".into(),
                count => format!("{count} calls"),
            }
        }
        Message::CallScript(call) => named(&call.what.function),
        Message::RunBuiltIn(_, call) => named(&call.function),
        Message::Push { push, .. } => match push {
            Push::Call { function: name, .. }
            | Push::Message { name, .. }
            | Push::Hook { name, .. } => format!("{} {}", push.kind(), named(name)),
            Push::Print { .. } | Push::Command(_) | Push::Prefixes(_) => push.kind().into(),
        },
        Message::Reported(_, report) => report.kind().into(),
        Message::Happened(_, event) => match event {
            GameEvent::MapStarted => "map_started".into(),
            GameEvent::SessionBegan => "session_began".into(),
            GameEvent::Chat(..) => "chat".into(),
            GameEvent::HeldChat(..) => "held_chat".into(),
        },
        Message::Hook { name, .. } => named(name),
        Message::CallCommunity(_)
        | Message::Respond(..)
        | Message::Responded(..)
        | Message::Completed(..)
        | Message::CommandDone(..) => String::new(),
    }
}
