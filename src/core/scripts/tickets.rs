//! What was sent to a game or a console for scripts, until its result is here.

use serde_json::Value;

use super::Scripts;
use crate::core::context::Context;
use crate::core::deadlines::Expiring;
use crate::core::ids::{RequestId, RunId, Ticket};
use crate::protocol::call_error::CallError;
use crate::protocol::console::cvar_value;

/// How the result of a request is read.
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

/// Requests under way, by the numbers of their tickets.
#[derive(Default)]
pub struct Requests {
    last: u64,
    open: Expiring<u64, (RequestId, Form)>,
}

impl Requests {
    pub fn begin(&mut self, request: RequestId, form: Form, due_ms: u64) -> Ticket {
        self.last += 1;
        self.open.insert(self.last, (request, form), due_ms);
        Ticket::Script(self.last)
    }

    /// The request with this ticket is answered otherwise.
    pub fn cancel(&mut self, ticket: Ticket) {
        if let Ticket::Script(number) = ticket {
            self.open.remove(number);
        }
    }

    /// The process that runs so has ended: it waits for nothing any more.
    pub fn forget(&mut self, run: Option<RunId>) {
        self.open
            .remove_where(|_, (request, _)| Some(request.run) == run);
    }

    pub fn next_due(&self) -> Option<u64> {
        self.open.next_due()
    }
}

impl Scripts {
    pub fn completed(&mut self, number: u64, outcome: Result<Value, String>) {
        let Some((request, form)) = self.requests.open.remove(number) else {
            return;
        };
        let outcome = outcome.map_err(|why| CallError::new("GameError", why));
        let value = outcome.and_then(|value| read(form, value));
        self.answered(request, value.map(|value| value.to_string()));
    }

    /// A game that has gone for good answers nothing any more, and a script must not wait for ever.
    pub(super) fn expire_requests(&mut self, cx: &Context<'_>) {
        while let Some((_, (request, _))) = self.requests.open.pop_due(cx.now.mono_ms) {
            let detail = "the game has not answered in time; it may still do what was asked";
            self.answered(request, Err(CallError::new("Timeout", detail)));
        }
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
