//! Calls that another part of the core answers: VyHub's, and the owner's scripts.

use serde_json::Value;

use super::{Calls, Outcome, Route};
use crate::core::community::VyhubCall;
use crate::core::functions::Functions;
use crate::core::opening::{AskKey, Parked};
use crate::core::servers::ServerId;
use crate::core::sessions::Hosts;
use crate::core::{Effects, HostId, Now, ScriptId};
use crate::protocol::answer_text::{Decoder, push_value};
use crate::protocol::call_error::CallError;
use crate::protocol::stock::call_file::Call;
use crate::sql::CallId;

/// A call that somebody else answers.
pub struct Asked {
    pub id: CallId,
    pub host: HostId,
    /// Of a script in Python: the game server that it means.
    pub own: Option<Option<ServerId>>,
    pub what: AskedCall,
    /// Until when its caller waits.
    pub due_ms: u64,
    /// Whether its caller waits at all.
    pub callback: bool,
    /// An earlier run may have begun it.
    pub recovered: bool,
}

pub enum AskedCall {
    Vyhub(VyhubCall),
    Script(Box<ScriptCall>),
}

/// A function of a script is called.
pub struct ScriptCall {
    pub script: ScriptId,
    /// Without the script's name.
    pub function: String,
    pub call: Call,
}

impl Calls {
    /// A call that is begun is somebody else's to answer. `waits`: for how long its caller does,
    /// where it says so, and whether at all.
    pub(super) fn pass(
        &mut self,
        id: CallId,
        what: AskedCall,
        (timeout_ms, callback): (Option<u64>, bool),
        now: Now,
    ) {
        let Some(file) = self.files.get(&id.file) else {
            return;
        };
        let patience_ms = timeout_ms.unwrap_or(self.deadline_ms);
        self.asked.push(Asked {
            id,
            host: file.host,
            own: match file.route {
                Route::Script { server, .. } => Some(server),
                _ => None,
            },
            what,
            due_ms: now.mono_ms + patience_ms.min(self.deadline_ms),
            callback,
            recovered: file.recovered,
        });
    }

    /// Calls that others are to answer.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// What they have answered.
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
            let (host, decoder) = (file.host, file.route.decoder());
            let outcome = answer.map(|value| {
                let mut text = String::new();
                push_value(&mut text, &value, decoder);
                text
            });
            self.done(id, outcome, hosts, functions, now);
            self.start_some(hosts, functions, now, effects);
            self.finish(id.file, effects);
            self.settle(host, hosts, now, effects);
        }
    }

    /// Calls for which others turned out to have no function begin once more.
    pub fn again(
        &mut self,
        calls: Vec<(CallId, Call)>,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        for (id, call) in calls {
            let Some(file) = self.files.get_mut(&id.file) else {
                continue;
            };
            let host = file.host;
            file.calls[id.index as usize].parked = Some(Parked::Read(Box::new(Ok(call))));
            self.starting.add_first(host, id);
            self.start_some(hosts, functions, now, effects);
            self.finish(id.file, effects);
            self.settle(host, hosts, now, effects);
        }
    }

    /// What calls of scripts came to.
    pub fn take_replies(&mut self) -> Vec<(AskKey, Outcome)> {
        std::mem::take(&mut self.replies)
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
