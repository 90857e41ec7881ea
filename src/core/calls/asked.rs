//! Calls that another part of the core answers.

use serde_json::Value;

use super::Calls;
use crate::core::functions::Functions;
use crate::core::opening::Route;
use crate::core::sessions::Hosts;
use crate::core::vyhub::VyhubCall;
use crate::core::{Effects, HostId, Now};
use crate::wire::answer_text::{Decoder, push_value};
use crate::wire::call_error::CallError;
use crate::wire::sql::CallId;

/// A call that somebody else answers.
pub struct Asked {
    pub id: CallId,
    pub host: HostId,
    pub call: VyhubCall,
    /// Until when its caller waits.
    pub due_ms: u64,
}

impl Calls {
    /// Calls that VyHub's part is to answer.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// What it has answered.
    pub fn asked_done(
        &mut self,
        answers: Vec<(CallId, Result<Value, CallError>)>,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        for (id, answer) in answers {
            let Some(file) = self.files.get(&id.file) else {
                continue;
            };
            let (host, signed) = (file.host, matches!(file.route, Route::Signed { .. }));
            let decoder = if signed { Decoder::Own } else { Decoder::Stock };
            let outcome = answer.map(|value| {
                let mut text = String::new();
                push_value(&mut text, &value, decoder);
                text
            });
            if let Some(next) = self.done(id, outcome, hosts, now) {
                self.run(next, hosts, functions, now, effects);
            }
            self.finish(id.file, effects);
            self.settle(host, hosts, now, effects);
        }
    }
}
