//! Functions of scripts that others call: what is offered, and each call until it is answered.

use crate::core::ids::{RunId, ServerId};
use serde_json::Value;

use super::Scripts;
use super::journal::INFO;
use super::script::{Item, Script};
use crate::config;
use crate::core::context::Context;
use crate::core::deadlines::NEVER;
use crate::core::functions::{Loading, Offer, ScriptFunction};
use crate::core::message::{ForwardedCall, Message, ScriptCall};
use crate::core::{Effect, LaunchKind, ScriptId};
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::script_channel::{self as channel, Caller};

/// How the names of VPI's functions begin.
const VPI_PREFIX: &str = "VPI_";

/// A call that waits for a script, or for its answer.
pub struct OpenCall {
    id: CallId,
    call: ScriptCall,
    caller: Caller,
    /// In which process it runs, once it does.
    run: Option<RunId>,
    /// Whether it is to be known after a restart that it was begun.
    durable: bool,
}

impl Scripts {
    /// Tells the rest of the core which functions there are, and who listens to what.
    pub(super) fn offer(&mut self, cx: &mut Context<'_>) {
        self.offer_due = false;
        let mut offer = Offer::default();
        self.listeners.clear();
        self.loading.clear();
        for (id, script) in self.all.iter_mut() {
            if !script.takes() {
                if script.kind == LaunchKind::Interfaces {
                    offer.absent = Some((VPI_PREFIX.to_owned(), script.name.clone()));
                }
                continue;
            }
            for hook in &script.hooks {
                self.listeners.entry(hook.clone()).or_default().push(id);
            }
            if !script.was_ready {
                let (prefix, whole, overrides) = match script.kind {
                    LaunchKind::Script => {
                        self.loading.push(id);
                        (format!("{}.", script.name), false, Vec::new())
                    }
                    // It has no hooks.
                    LaunchKind::Interfaces => {
                        (VPI_PREFIX.into(), true, self.config.vpi_override.clone())
                    }
                };
                offer.loading.push(Loading {
                    script: id,
                    prefix,
                    whole,
                    overrides,
                });
            }
            for function in &script.functions {
                let (name, overrides) = match script.kind {
                    LaunchKind::Script => (format!("{}.{function}", script.name), false),
                    LaunchKind::Interfaces => (function.clone(), self.config.overrides(function)),
                };
                let function = ScriptFunction {
                    script: id,
                    function: function.clone(),
                    overrides,
                };
                offer.functions.insert(name, function);
            }
            if script.kind == LaunchKind::Interfaces {
                say_which_is_in_force(script, &self.config, cx);
            }
        }
        cx.functions.scripts_offer(offer);
    }

    /// A script is not there any more: what waits for it is answered.
    pub(super) fn withdraw(&mut self, id: ScriptId, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        script.hooks.clear();
        script.was_ready = false;
        script.functions.clear();
        script.forget_waiting();
        self.offer(cx);
        let of_script = |_: &u64, call: &OpenCall| call.call.script == id;
        for (_, call) in self.calls.remove_where(of_script) {
            let error = CallError::new("ScriptUnavailable", "the script is not loaded");
            self.end_call(call, Err(error), cx);
        }
    }

    pub(super) fn has_calls(&self, run: RunId) -> bool {
        self.calls.iter().any(|(_, call)| call.run == Some(run))
    }

    /// A function of a script is called, about this game server.
    pub fn call(
        &mut self,
        call: ForwardedCall<ScriptCall>,
        server: Option<ServerId>,
        cx: &mut Context<'_>,
    ) {
        let ForwardedCall { id, what, .. } = call;
        if self.begun.contains(&id) && call.recovered {
            let detail = "vpid ended while it ran; it is not run twice";
            let error = CallError::new("Interrupted", detail);
            return cx.out.respond(id, Err(error));
        }
        let number = self.number();
        let script = &mut self.all[what.script];
        if !script.takes() {
            let error = CallError::new("ScriptUnavailable", "the script is not loaded");
            return cx.out.respond(id, Err(error));
        }
        script.enqueue_call(number);
        // Where nobody waits for the answer there is no hurry, but its file is not held for ever.
        let due_ms = match call.callback {
            true => call.due_ms,
            false => cx.now.mono_ms + limits::SCRIPT_PATIENCE_MS,
        };
        let host = call.caller.host();
        let name = host
            .and_then(|host| cx.hosts.get(host))
            .map(|host| host.name.clone());
        let caller = Caller {
            script: what.call.script.clone(),
            server,
            host: name,
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
        self.calls.insert(number, open, due_ms);
    }

    /// Gives a script what it has room for.
    pub(super) fn give(&mut self, id: ScriptId, cx: &mut Context<'_>) {
        let Some(run) = self.all[id].state.run() else {
            return;
        };
        while let Some(item) = self.all[id].next() {
            match item {
                Item::Event(text) => self.all[id].give(&text, cx.now),
                Item::Call(number) => {
                    // One whose caller has given up is gone.
                    let Some(open) = self.calls.get_mut(number) else {
                        self.all[id].one_less_stale();
                        continue;
                    };
                    let function = &open.call.function;
                    if !self.all[id].functions.contains(function) {
                        self.turn_away(number, cx);
                        continue;
                    }
                    open.run = Some(run);
                    if open.durable {
                        cx.out.effects.push(Effect::Begun(open.id));
                    }
                    let Call { args, kwargs, .. } = &open.call.call;
                    let text = channel::call(number, function, args, kwargs, &open.caller);
                    self.all[id].give(&text, cx.now);
                }
            }
        }
    }

    /// A script that was being loaded turned out to have no such function; vpid may have one.
    fn turn_away(&mut self, number: u64, cx: &mut Context<'_>) {
        let Some(open) = self.calls.remove(number) else {
            return;
        };
        let ScriptCall { function, call, .. } = open.call;
        if cx.functions.is_built_in(&call.function) {
            return cx.out.send(Message::RunBuiltIn(open.id, Box::new(call)));
        }
        let detail = format!("the script has no function {function}");
        let error = CallError::new("UnknownFunction", detail);
        cx.out.respond(open.id, Err(error));
    }

    /// A script has answered.
    pub(super) fn call_done(
        &mut self,
        number: u64,
        run: RunId,
        outcome: Result<Value, CallError>,
        cx: &mut Context<'_>,
    ) {
        let ours = self.calls.get(number);
        if ours.is_some_and(|call| call.run == Some(run))
            && let Some(call) = self.calls.remove(number)
        {
            self.end_call(call, outcome, cx);
        }
    }

    fn end_call(
        &mut self,
        call: OpenCall,
        outcome: Result<Value, CallError>,
        cx: &mut Context<'_>,
    ) {
        if call.run.is_none() {
            let calls = &self.calls;
            let script = &mut self.all[call.call.script];
            script.call_is_over(|number| calls.contains(number));
        }
        cx.out.respond(call.id, outcome);
    }

    /// Callers wait no longer.
    pub(super) fn expire_calls(&mut self, cx: &mut Context<'_>) {
        while let Some((number, call)) = self.calls.pop_due(cx.now.mono_ms) {
            let detail = match call.run {
                Some(_) if !call.caller.callback => {
                    // It is begun, and nobody waits.
                    self.calls.insert(number, call, NEVER);
                    continue;
                }
                Some(_) => {
                    let script = call.call.script;
                    self.all[script].tell(&channel::cancel(number));
                    "the script has not answered in time"
                }
                None => "the script has not come to it in time",
            };
            self.end_call(call, Err(CallError::new("Timeout", detail)), cx);
        }
    }

    /// A process is gone, and what ran in it.
    pub(super) fn process_gone(&mut self, id: ScriptId, run: Option<RunId>, cx: &mut Context<'_>) {
        let of_run = |_: &u64, call: &OpenCall| call.run.is_some() && call.run == run;
        for (_, call) in self.calls.remove_where(of_run) {
            let detail = "the script ended while it ran";
            self.end_call(call, Err(CallError::new("Interrupted", detail)), cx);
        }
        self.requests.forget(run);
        self.pass_all_of(id, cx);
    }
}

/// Of functions that both vpid and the owner's file have, the log says once whose are called.
fn say_which_is_in_force(script: &mut Script, config: &config::Scripts, cx: &Context<'_>) {
    let both = script.functions.iter();
    let both = both.filter(|function| cx.functions.is_built_in(function));
    let (kept, taken): (Vec<String>, Vec<String>) = both
        .cloned()
        .partition(|function| cx.functions.keeps(function) && !config.overrides(function));
    let is_said = (&kept, &taken) == (&script.shadowed, &script.taken);
    if is_said || kept.is_empty() && taken.is_empty() {
        return;
    }
    let mut sentences = Vec::new();
    if !kept.is_empty() {
        sentences.push(format!(
            "vpid has {} of its own and takes those; see vpi_override",
            kept.join(", ")
        ));
    }
    if !taken.is_empty() {
        sentences.push(format!(
            "{} of this file answer in the place of vpid's own",
            taken.join(", ")
        ));
    }
    for text in sentences {
        script.journal.add(&script.name, INFO, &text, cx.now);
    }
    (script.shadowed, script.taken) = (kept, taken);
}
