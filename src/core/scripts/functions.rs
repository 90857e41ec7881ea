//! Calls of functions of scripts, each until it is answered. What can be called is in `core/functions.rs`, which
//! this file keeps up to date.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::journal::{ERROR, INFO};
use super::queue::Item;
use super::{Cx, Message};
use crate::core::deadlines::{Expiring, NEVER};
use crate::core::functions::{Offer, OfferState};
use crate::core::ids::{RunId, ScriptId, ServerId};
use crate::core::message::{self, ForwardedCall, ScriptCall};
use crate::core::{Effect, LaunchKind};
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::script_channel::{self as channel, Caller, MessageId};

#[derive(Default)]
pub struct Functions {
    open: Expiring<MessageId, OpenCall>,
    /// Calls that an earlier run of vpid has begun.
    begun: HashSet<CallId>,
    /// Its functions have changed since those that vpid has as well were logged.
    changed: Option<ScriptId>,
    /// What was logged last of functions that both vpid and the owner's file have: those that are vpid's, and
    /// those that take the place of vpid's.
    overlap: (Vec<String>, Vec<String>),
}

/// A call that waits for a script, or for its result.
struct OpenCall {
    id: CallId,
    call: ScriptCall,
    caller: Caller,
    /// In which process it runs, once it does.
    run: Option<RunId>,
    /// It must be known after a restart that it was begun.
    durable: bool,
}

impl Functions {
    pub fn start(begun: HashSet<CallId>) -> Self {
        Self {
            begun,
            ..Self::default()
        }
    }

    pub fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Loading(id, _) => offer(*id, OfferState::Loading, Vec::new(), cx),
            Message::Functions(id, functions) => {
                offer(*id, OfferState::Loaded, functions.clone(), cx);
                if cx.scripts[*id].kind == LaunchKind::Interfaces {
                    self.changed = Some(*id);
                }
            }
            Message::Unloaded(id) => {
                offer(*id, OfferState::Unloaded, Vec::new(), cx);
                let error = CallError::new("ScriptUnavailable", "the script is not loaded");
                self.end_where(|call| call.call.script == *id, &error, cx);
            }
            Message::ProcessEnded(_, run) => {
                let error = CallError::new("Interrupted", "the script ended while it ran");
                self.end_where(|call| call.run == Some(*run), &error, cx);
            }
            Message::Loaded(..) | Message::StatsRequested(..) => {}
        }
    }

    /// A script offers one more function.
    pub fn register(&mut self, id: ScriptId, name: String, cx: &mut Cx<'_>) {
        let offer = cx.functions.scripts.get_mut(&id);
        let fits = channel::is_name(&name);
        match offer.filter(|it| fits && it.functions.len() < limits::SCRIPT_FUNCTIONS_MAX) {
            Some(offer) => {
                offer.functions.insert(name);
                if cx.scripts[id].kind == LaunchKind::Interfaces {
                    self.changed = Some(id);
                }
            }
            None => {
                let text = format!(
                    "{name:.64} is not registered: its name is too long, or there are too many"
                );
                cx.scripts[id].log(ERROR, &text, cx.now);
            }
        }
    }

    pub fn unregister(&self, id: ScriptId, name: &str, cx: &mut Cx<'_>) {
        if let Some(offer) = cx.functions.scripts.get_mut(&id) {
            offer.functions.remove(name);
        }
    }

    /// A function of a script is called, about this game server.
    pub fn call(
        &mut self,
        call: ForwardedCall<ScriptCall>,
        server: Option<ServerId>,
        cx: &mut Cx<'_>,
    ) {
        let ForwardedCall { id, what, .. } = call;
        if self.begun.contains(&id) && call.recovered {
            let detail = "vpid ended while it ran; it is not run twice";
            return cx
                .out
                .respond(id, Err(CallError::new("Interrupted", detail)));
        }
        let message = cx.scripts.next_message();
        let script = cx.scripts.get_mut(what.script);
        let Some(script) = script.filter(|script| script.is_wanted()) else {
            let error = CallError::new("ScriptUnavailable", "the script is not loaded");
            return cx.out.respond(id, Err(error));
        };
        script.queue.push_call(message);
        // A call without a callback has time, but its file is not kept for ever.
        let due_ms = match call.callback {
            true => call.due_ms,
            false => cx.now.mono_ms + limits::SCRIPT_PATIENCE_MS,
        };
        let host = call.caller.host();
        let known = host.and_then(|host| cx.hosts.get(host));
        let caller = Caller {
            script: what.call.script.clone(),
            server,
            host: known.map(|host| host.name.clone()),
            token: what.call.token.clone(),
            callback: call.callback,
        };
        let open = OpenCall {
            id,
            call: what,
            caller,
            run: None,
            durable: host.is_some(),
        };
        self.open.insert(message, open, due_ms);
    }

    /// Ends calls that are overdue, and sends scripts what they have room for.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        if let Some(id) = self.changed.take() {
            self.log_overlap(id, cx);
        }
        self.expire(cx);
        for id in cx.scripts.ids() {
            while cx.scripts[id].is_running()
                && let Some(item) = cx.scripts[id].next_item()
            {
                let message = match item {
                    Item::Event(event) => Some(event),
                    Item::Call(message) => self.begin(id, message, cx),
                };
                if let Some(message) = message {
                    cx.scripts[id].queue.send_counted(&message, cx.now);
                }
            }
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        self.open.next_due()
    }

    /// The message of a call that begins; none where the script has no such function.
    fn begin(&mut self, id: ScriptId, message: MessageId, cx: &mut Cx<'_>) -> Option<String> {
        let open = self.open.get_mut(message)?;
        let function = &open.call.function;
        if !cx.functions.has(id, function) {
            self.turn_away(message, cx);
            return None;
        }
        open.run = cx.scripts.run(id);
        if open.durable {
            cx.out.effects.push(Effect::Begun(open.id));
        }
        let Call { args, kwargs, .. } = &open.call.call;
        Some(channel::call(message, function, args, kwargs, &open.caller))
    }

    /// A script that was being loaded turned out to have no such function; vpid may have one.
    fn turn_away(&mut self, message: MessageId, cx: &mut Cx<'_>) {
        let Some(open) = self.open.remove(message) else {
            return;
        };
        let ScriptCall {
            script,
            function,
            call,
        } = open.call;
        cx.scripts[script].queue.call_ended(message);
        cx.out.send(match cx.functions.is_built_in(&call.function) {
            true => message::Message::RunBuiltIn(open.id, Box::new(call)),
            false => {
                let detail = format!("the script has no function {function}");
                let error = CallError::new("UnknownFunction", detail);
                message::Message::Respond(open.id, Err(error))
            }
        });
    }

    /// A script has answered.
    pub fn on_result(
        &mut self,
        run: RunId,
        message: MessageId,
        outcome: Result<Value, CallError>,
        cx: &mut Cx<'_>,
    ) {
        let open = self.open.get(message);
        if open.is_some_and(|call| call.run == Some(run))
            && let Some(call) = self.open.remove(message)
        {
            end(message, &call, outcome, cx);
        }
    }

    fn end_where(&mut self, is_it: impl Fn(&OpenCall) -> bool, error: &CallError, cx: &mut Cx<'_>) {
        for (message, call) in self.open.remove_where(|_, call| is_it(call)) {
            end(message, &call, Err(error.clone()), cx);
        }
    }

    fn expire(&mut self, cx: &mut Cx<'_>) {
        while let Some((message, call)) = self.open.pop_due(cx.now.mono_ms) {
            let detail = match call.run {
                Some(_) if !call.caller.callback => {
                    // It is begun, and no caller waits.
                    self.open.insert(message, call, NEVER);
                    continue;
                }
                Some(_) => {
                    let script = &mut cx.scripts[call.call.script];
                    script.queue.send(&channel::cancel(message));
                    "the script has not answered in time"
                }
                None => "the script has not come to it in time",
            };
            end(message, &call, Err(CallError::new("Timeout", detail)), cx);
        }
    }

    /// Logs once which functions that both vpid and the owner's file have are called.
    pub fn log_overlap(&mut self, id: ScriptId, cx: &mut Cx<'_>) {
        if cx.scripts[id].kind != LaunchKind::Interfaces {
            return;
        }
        let both = cx.functions.called(id);
        let both = both.filter(|function| cx.functions.is_built_in(function));
        let overlap: (Vec<_>, Vec<_>) = both.partition(|function| cx.functions.keeps(function));
        let (kept, replaced) = &overlap;
        if overlap == self.overlap || kept.is_empty() && replaced.is_empty() {
            return;
        }
        let script = &mut cx.scripts[id];
        if !kept.is_empty() {
            let kept = kept.join(", ");
            let text = format!("vpid has {kept} of its own and takes those; see vpi_override");
            script.log(INFO, &text, cx.now);
        }
        if !replaced.is_empty() {
            let replaced = replaced.join(", ");
            let text = format!("{replaced} of this file answer in the place of vpid's own");
            script.log(INFO, &text, cx.now);
        }
        self.overlap = overlap;
    }
}

fn end(message: MessageId, call: &OpenCall, outcome: Result<Value, CallError>, cx: &mut Cx<'_>) {
    cx.scripts[call.call.script].queue.call_ended(message);
    cx.out.respond(call.id, outcome);
}

/// What a script offers. Nothing is kept of one that is forgotten.
fn offer(id: ScriptId, state: OfferState, functions: Vec<String>, cx: &mut Cx<'_>) {
    let script = &cx.scripts[id];
    if script.is_forgotten() {
        cx.functions.scripts.remove(&id);
        return;
    }
    let offer = Offer {
        script: script.name.clone(),
        kind: script.kind,
        state,
        functions: BTreeSet::from_iter(functions),
    };
    cx.functions.scripts.insert(id, offer);
}
