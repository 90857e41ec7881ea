//! What was sent to a game or a console for scripts, until its result is here.

use serde_json::Value;

use crate::core::Now;
use crate::core::deadlines::Expiring;
use crate::core::ids::{RequestId, RunId};
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
    pub fn begin(&mut self, request: RequestId, form: Form, due_ms: u64) -> u64 {
        self.last += 1;
        self.open.insert(self.last, (request, form), due_ms);
        self.last
    }

    pub fn take(&mut self, number: u64) -> Option<(RequestId, Form)> {
        self.open.remove(number)
    }

    pub fn pop_due(&mut self, now: Now) -> Option<RequestId> {
        let (_, (request, _)) = self.open.pop_due(now.mono_ms)?;
        Some(request)
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

/// What a script gets of a result.
pub fn read(form: Form, value: Value) -> Result<Value, CallError> {
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
