//! What was handed on for scripts, to a game or a console, until it is answered.

use serde_json::Value;

use super::{Cx, Scripts};
use crate::core::opening::AskKey;
use crate::protocol::call_error::CallError;
use crate::protocol::console::cvar_value;

/// Something that was handed on for a script, which waits for the answer until then.
pub struct Ticket {
    key: AskKey,
    form: Form,
    due_ms: u64,
}

/// How the answer to something that was handed on is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    AsItIs,
    /// What a console replied, if it is a text.
    Reply,
    /// The value of a console variable.
    Cvar,
    /// That it was done.
    Nothing,
}

impl Scripts {
    /// What came of something that was handed on.
    pub fn pushed(&mut self, ticket: u64, outcome: Result<Value, String>) {
        let Some(Ticket { key, form, .. }) = self.take_ticket(ticket) else {
            return;
        };
        let outcome = outcome.map_err(|why| CallError::new("GameError", why));
        let value = outcome.and_then(|value| read(form, value));
        self.answered(key, value.map(|value| value.to_string()));
    }

    pub(super) fn ticket(&mut self, key: AskKey, form: Form, cx: &Cx<'_>) -> u64 {
        self.last_ticket += 1;
        let due_ms = cx.now.mono_ms + self.all[key.script as usize].settings.call_ms;
        self.ticket_dues.insert((due_ms, self.last_ticket));
        let ticket = Ticket { key, form, due_ms };
        self.tickets.insert(self.last_ticket, ticket);
        self.last_ticket
    }

    pub(super) fn take_ticket(&mut self, number: u64) -> Option<Ticket> {
        let ticket = self.tickets.remove(&number)?;
        self.ticket_dues.remove(&(ticket.due_ms, number));
        Some(ticket)
    }

    /// A game that has gone for good answers nothing any more, and a script must not wait for ever.
    pub(super) fn expire_tickets(&mut self, cx: &Cx<'_>) {
        while let Some((due_ms, number)) = self.ticket_dues.first().copied() {
            if due_ms > cx.now.mono_ms {
                return;
            }
            if let Some(Ticket { key, .. }) = self.take_ticket(number) {
                let detail = "the game has not answered in time; it may still do what was asked";
                self.answered(key, Err(CallError::new("Timeout", detail)));
            }
        }
    }

    /// Nobody waits for what this process has asked for.
    pub(super) fn forget_tickets(&mut self, run: Option<u64>) {
        let of_run = |ticket: &Ticket| Some(ticket.key.run) == run;
        self.tickets.retain(|number, ticket| {
            let forgotten = of_run(ticket);
            if forgotten {
                self.ticket_dues.remove(&(ticket.due_ms, *number));
            }
            !forgotten
        });
    }
}

fn read(form: Form, value: Value) -> Result<Value, CallError> {
    match (form, value) {
        (Form::AsItIs, value) => Ok(value),
        (Form::Reply, Value::String(text)) => Ok(text.into()),
        (Form::Reply | Form::Nothing, _) => Ok(Value::Null),
        (Form::Cvar, value) => match value.as_str().and_then(cvar_value) {
            Some(value) => Ok(value.into()),
            None => Err(CallError::new(
                "GameError",
                "the game knows no such variable",
            )),
        },
    }
}
