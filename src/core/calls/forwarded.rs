//! Calls that another part of the core answers: the community's, and the Python scripts.

use serde_json::Value;

use super::{Calls, Route};
use crate::core::Now;
use crate::core::accepted_file::Parked;
use crate::core::context::Context;
use crate::core::message::ForwardedCall;
use crate::jobs::CallId;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::{Decoder, push_value};

impl Calls {
    /// `waits`: for how long its caller does, where it says so, and whether at all.
    pub(super) fn forwarded<T>(
        &self,
        id: CallId,
        what: T,
        (timeout_ms, callback): (Option<u64>, bool),
        now: Now,
    ) -> Option<Box<ForwardedCall<T>>> {
        let file = self.files.get(&id.source)?;
        let patience_ms = timeout_ms.unwrap_or(self.deadline_ms);
        Some(Box::new(ForwardedCall {
            id,
            caller: file.caller,
            server: match file.route {
                Route::Script { server, .. } => server,
                _ => None,
            },
            what,
            due_ms: now.mono_ms + patience_ms.min(self.deadline_ms),
            callback,
            recovered: file.recovered,
        }))
    }

    /// A forwarded call was answered.
    pub fn respond(&mut self, id: CallId, answer: Result<Value, CallError>, cx: &mut Context<'_>) {
        let Some(file) = self.files.get(&id.source) else {
            return;
        };
        let decoder = file.route.decoder();
        let outcome = answer.map(|value| {
            let mut text = String::new();
            push_value(&mut text, &value, decoder);
            text
        });
        self.done(id, outcome, cx);
        self.start_some(cx);
        self.finish(id.source, cx);
    }

    /// A forwarded call begins once more: its receiver turned out to have no such function.
    pub fn run_built_in(&mut self, id: CallId, call: Call, cx: &mut Context<'_>) {
        let Some(file) = self.files.get_mut(&id.source) else {
            return;
        };
        let caller = file.caller;
        file.calls[id.index as usize].parked = Some(Parked::Read(Box::new(Ok(call))));
        self.starting.add_first(caller, id);
        self.start_some(cx);
        self.finish(id.source, cx);
    }
}

impl Route {
    /// Who will read the answers.
    pub fn decoder(&self) -> Decoder {
        match self {
            Self::Signed { .. } => Decoder::Own,
            Self::Script { .. } => Decoder::Exact,
            Self::Nowhere | Self::Stock { .. } => Decoder::Stock,
        }
    }
}
