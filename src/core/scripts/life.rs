//! The life of scripts: started one after the other, started again when they end, unloaded,
//! loaded anew, and interrupted when they hang.
//!
//! Queued, starting (one at a time), running, draining (what it has is finished), stopping
//! (`OnUnLoad`). A process that ends by itself is started again, ever later; one that could not be
//! loaded waits for an operator or an edit. While it is away, its queue stays. Each process has the
//! number of its run, so that what an earlier one sent last is not taken for the next one's.
//!
//! A script that has something to do and has acknowledged nothing for `call_ms` gets SIGINT, which
//! raises `game.Interrupted` in what runs; the host program guards the moments in which it reads and
//! writes. Two seconds later its process group is killed.

use super::journal::{ERROR, INFO, lacks_memory, memory_advice};
use super::script::{Script, State, Stuck};
use super::{Scripts, Waiter};
use crate::config::is_script_name;
use crate::core::context::Context;
use crate::core::{Launch, LaunchKind, ScriptAct, ScriptId};
use crate::limits;
use crate::protocol::script_channel as channel;
use crate::protocol::signed::messages::Place;

/// What the file of VPI functions is called.
pub const INTERFACES: &str = "vpi_interfaces";

/// What somebody may want with a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Load,
    Unload,
    Reload,
}

/// When something is due for a script.
pub fn due_ms(script: &Script) -> Option<u64> {
    let of_state = match script.state {
        State::Waiting { until_ms } => Some(until_ms),
        State::Starting { due_ms, .. }
        | State::Draining { due_ms, .. }
        | State::Stopping { due_ms, .. } => Some(due_ms),
        _ => None,
    };
    let checking = script.checking.map(|(_, due_ms)| due_ms);
    [of_state, checking, script.stuck_due_ms()]
        .into_iter()
        .flatten()
        .min()
}

impl Scripts {
    pub(super) fn add(&mut self, name: String, kind: LaunchKind) -> ScriptId {
        let settings = self.config.of(&name).clone();
        self.all.push(Script::new(name, kind, settings))
    }

    pub(super) fn queue_start(&mut self, id: ScriptId) {
        let script = &mut self.all[id];
        script.settings = self.config.of(&script.name).clone();
        script.journal.start(script.settings.memory_bytes);
        script.state = State::Queued;
        self.offer_due = true;
        self.to_start.push_back(id);
    }

    /// Starts whoever's turn it is; one loads at a time.
    pub(super) fn start_due(&mut self, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        for id in self.all.ids() {
            if matches!(self.all[id].state, State::Waiting { until_ms } if until_ms <= now_ms) {
                self.queue_start(id);
            }
        }
        let loading = |script: &Script| matches!(script.state, State::Starting { .. });
        if self.stopping || self.all.iter().any(loading) {
            return;
        }
        let Some(id) = self.to_start.pop_front() else {
            return;
        };
        if self.all[id].state != State::Queued {
            return self.start_due(cx);
        }
        self.last_run.0 += 1;
        let servers = cx.servers.iter();
        let servers = servers.map(|(server, game)| (server, game.label.clone()));
        let servers = servers.collect();
        let script = &mut self.all[id];
        script.started_ms = now_ms;
        script.problem = None;
        script.condemned = None;
        script.state = State::Starting {
            run: self.last_run,
            due_ms: now_ms + limits::SCRIPT_LOAD_MS,
        };
        let launch = Launch {
            kind: script.kind,
            name: script.name.clone(),
            servers,
        };
        self.act(id, ScriptAct::Start(launch), cx);
    }

    /// It has loaded.
    pub(super) fn ready(
        &mut self,
        id: ScriptId,
        hooks: Vec<String>,
        functions: Vec<String>,
        python: String,
        cx: &mut Context<'_>,
    ) {
        let script = &mut self.all[id];
        let State::Starting { run, .. } = script.state else {
            return;
        };
        script.state = State::Running { run };
        script.hooks = hooks.into_iter().collect();
        script.functions = functions.into_iter().collect();
        script.python = python;
        script.problem = None;
        script.was_ready = true;
        let (hooks, functions) = (script.hooks.len(), script.functions.len());
        let text = format!("loaded: {hooks} hooks, {functions} functions");
        script.journal.add(&script.name, INFO, &text, cx.now);
        self.offer(cx);
        self.settle(id, Ok("is loaded"), cx);
    }

    /// It could not be loaded: the process ends by itself.
    pub(super) fn failed(&mut self, id: ScriptId, why: &str, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        let text = format!("cannot be loaded:\n{why}");
        script.journal.add(&script.name, ERROR, &text, cx.now);
        // The last line of a traceback says what it is about.
        let last = why
            .trim_end()
            .lines()
            .last()
            .unwrap_or("no reason is known");
        let mut problem = last.trim().to_owned();
        let memory_mb = script.settings.memory_bytes >> 20;
        if memory_mb > 0 && lacks_memory(why) {
            problem += &format!("; {}", memory_advice(&script.name, memory_mb));
        }
        script.problem = Some(problem);
    }

    /// Its process is gone. `ran`: there was one.
    pub(super) fn ended(&mut self, id: ScriptId, how: &str, ran: bool, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        let script = &mut self.all[id];
        let state = script.state;
        let how = script.condemned.take().unwrap_or_else(|| how.to_owned());
        script.process_ended();
        let next = match state {
            State::Draining { again: true, .. } | State::Stopping { again: true, .. } => {
                State::Queued
            }
            State::Draining { .. } | State::Stopping { .. } => State::Unloaded,
            // What did not load will not load the next time either.
            State::Starting { .. } => State::Failed,
            _ => {
                let steady = now_ms.saturating_sub(script.started_ms) >= limits::SCRIPT_STEADY_MS;
                if steady {
                    script.pause_ms = limits::SCRIPT_RESTART_MS_MIN;
                }
                let until_ms = now_ms + script.pause_ms;
                script.pause_ms = (script.pause_ms * 2).min(limits::SCRIPT_RESTART_MS_MAX);
                script.restarts += 1;
                State::Waiting { until_ms }
            }
        };
        script.state = next;
        match next {
            State::Waiting { until_ms } => {
                let pause_s = (until_ms - now_ms) / 1_000;
                let text = format!("{how}; it is started again in {pause_s} s");
                script.problem = Some(how);
                script.journal.add(&script.name, ERROR, &text, cx.now);
            }
            State::Failed => {
                let problem = script.problem.get_or_insert(how);
                if !ran {
                    let text = problem.clone();
                    script.journal.add(&script.name, ERROR, &text, cx.now);
                }
            }
            State::Unloaded => script.journal.add(&script.name, INFO, "unloaded", cx.now),
            _ => {}
        }
        self.process_gone(id, state.run(), cx);
        match next {
            State::Queued => self.queue_start(id),
            State::Waiting { .. } => {}
            _ => {
                self.withdraw(id, cx);
                let problem = self.all[id].problem.clone();
                let outcome = match (next, &problem) {
                    (State::Failed, Some(problem)) => Err(problem.as_str()),
                    _ => Ok("is unloaded"),
                };
                self.settle(id, outcome, cx);
            }
        }
    }

    /// It has done something that nobody may: its process ends.
    pub(super) fn condemn(&mut self, id: ScriptId, what: &str, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        script.condemned = Some(format!("it {what}, and was killed"));
        self.act(id, ScriptAct::Kill, cx);
    }

    /// Does what is due for a script.
    pub(super) fn live(&mut self, id: ScriptId, cx: &mut Context<'_>) {
        let now_ms = cx.now.mono_ms;
        match self.all[id].state {
            State::Starting { due_ms, run } if due_ms <= now_ms => {
                let seconds = limits::SCRIPT_LOAD_MS / 1_000;
                self.condemn(id, &format!("did not load within {seconds} s"), cx);
                // The end of it is on its way.
                let due_ms = now_ms + limits::SCRIPT_LOAD_MS;
                self.all[id].state = State::Starting { run, due_ms };
            }
            State::Draining { run, due_ms, again } => {
                let busy = !self.all[id].is_idle() || self.has_calls(run);
                if !busy || due_ms <= now_ms {
                    let script = &mut self.all[id];
                    script.tell(&channel::unload());
                    let due_ms = now_ms + limits::SCRIPT_UNLOAD_MS;
                    script.state = State::Stopping { run, due_ms, again };
                }
            }
            State::Stopping { run, due_ms, again } if due_ms <= now_ms => {
                self.act(id, ScriptAct::Kill, cx);
                let due_ms = now_ms + limits::SCRIPT_UNLOAD_MS;
                self.all[id].state = State::Stopping { run, due_ms, again };
            }
            _ => {}
        }
        match self.all[id].stuck(cx.now) {
            Some(Stuck::Interrupt) => {
                let script = &mut self.all[id];
                let ms = script.settings.call_ms;
                let text = format!("one of its functions has run for {ms} ms: it is interrupted");
                script.journal.add(&script.name, ERROR, &text, cx.now);
                self.act(id, ScriptAct::Interrupt, cx);
            }
            Some(Stuck::Kill) => self.condemn(id, "could not be interrupted", cx),
            None => {}
        }
        if let Some((_, due_ms)) = self.all[id].checking
            && due_ms <= now_ms
        {
            self.all[id].checking = None;
            self.begin_unload(id, true, cx);
        }
    }

    /// Lets a script finish what it has, and go.
    pub(super) fn begin_unload(&mut self, id: ScriptId, again: bool, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        script.checking = None;
        let due_ms = cx.now.mono_ms + limits::SCRIPT_UNLOAD_MS;
        match script.state {
            State::Running { run } => script.state = State::Draining { run, due_ms, again },
            State::Starting { run, .. } => {
                script.state = State::Stopping { run, due_ms, again };
                self.act(id, ScriptAct::Kill, cx);
            }
            State::Draining { run, due_ms, .. } => {
                script.state = State::Draining { run, due_ms, again };
            }
            State::Stopping { run, due_ms, .. } => {
                script.state = State::Stopping { run, due_ms, again };
            }
            State::Waiting { .. } | State::Queued | State::Unloaded | State::Failed if again => {
                self.queue_start(id);
            }
            State::Waiting { .. } | State::Queued => {
                script.state = State::Unloaded;
                self.withdraw(id, cx);
                self.settle(id, Ok("is unloaded"), cx);
            }
            State::Unloaded | State::Failed => {}
        }
        if !again {
            self.offer(cx);
        }
    }

    /// Does what somebody wants with a script, and tells them what comes of it.
    pub(super) fn change(&mut self, verb: Verb, name: &str, waiter: Waiter, cx: &mut Context<'_>) {
        let id = match verb {
            Verb::Load => self.loadable(name),
            Verb::Unload => self.unloadable(name),
            Verb::Reload => self.known(name),
        };
        let id = match id {
            Ok(id) => id,
            Err(problem) => return tell(waiter, Err(problem), cx),
        };
        self.waiters.push((id, waiter));
        match verb {
            Verb::Load => self.load(id, cx),
            Verb::Unload => self.begin_unload(id, false, cx),
            Verb::Reload => self.reload(id, cx),
        }
    }

    /// A script that is not loaded, which may not have been heard of. The error is a sentence.
    fn loadable(&mut self, name: &str) -> Result<ScriptId, String> {
        let Some(id) = self.all.find(name) else {
            if !is_script_name(name) {
                return Err(format!(
                    "{name:?} is no name of a script: letters, digits and _, as in NAME.py"
                ));
            }
            if self.config.dir.is_none() {
                return Err("there is no folder of scripts; set dir in [scripts]".into());
            }
            if self.all.ids().count() >= limits::SCRIPTS_MAX {
                return Err(format!("there are {} scripts already", limits::SCRIPTS_MAX));
            }
            return Ok(self.add(name.to_owned(), LaunchKind::Script));
        };
        match self.all[id].state {
            State::Running { .. } => Err(format!("{name} is loaded already")),
            _ => Ok(id),
        }
    }

    fn unloadable(&self, name: &str) -> Result<ScriptId, String> {
        let id = self.known(name)?;
        match self.all[id].takes() {
            true => Ok(id),
            false => Err(format!("{name} is not loaded")),
        }
    }

    fn load(&mut self, id: ScriptId, cx: &mut Context<'_>) {
        match self.all[id].state {
            State::Unloaded | State::Failed | State::Waiting { .. } => {
                self.all[id].pause_ms = limits::SCRIPT_RESTART_MS_MIN;
                self.queue_start(id);
            }
            State::Draining { .. } | State::Stopping { .. } => self.begin_unload(id, true, cx),
            State::Running { .. } | State::Starting { .. } | State::Queued => {}
        }
    }

    /// Loads a script anew. One that runs is asked first whether its file is in order.
    fn reload(&mut self, id: ScriptId, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        script.pause_ms = limits::SCRIPT_RESTART_MS_MIN;
        let call_ms = script.settings.call_ms;
        match (script.state, script.kind) {
            (State::Running { .. }, LaunchKind::Interfaces) => {
                self.look_at_file(id, channel::reload, call_ms, cx);
            }
            (State::Running { .. }, LaunchKind::Script) => {
                let patience_ms = call_ms.min(limits::SCRIPT_KILL_MS);
                self.look_at_file(id, channel::check, patience_ms, cx);
            }
            _ => self.begin_unload(id, true, cx),
        }
    }

    /// The file of VPI functions was edited.
    pub fn interfaces_edited(&mut self, cx: &mut Context<'_>) {
        let Some(id) = self.all.find(INTERFACES) else {
            return;
        };
        match self.all[id].state {
            State::Running { .. } => {
                self.look_at_file(id, channel::reload, limits::SCRIPT_LOAD_MS, cx);
            }
            State::Failed => self.queue_start(id),
            _ => {}
        }
    }

    /// Lets the process of a script look at its file.
    fn look_at_file(
        &mut self,
        id: ScriptId,
        message: fn(u64) -> String,
        patience_ms: u64,
        cx: &Context<'_>,
    ) {
        let number = self.number();
        let script = &mut self.all[id];
        script.checking = Some((number, cx.now.mono_ms + patience_ms));
        script.tell(&message(number));
    }

    fn known(&self, name: &str) -> Result<ScriptId, String> {
        self.all.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.all.iter().map(|script| &*script.name).collect();
            match names.is_empty() {
                true => format!("there is no script {name}, nor any other"),
                false => format!("there is no script {name}; there is: {}", names.join(", ")),
            }
        })
    }

    /// Tells those who wait for it what came of a script.
    pub(super) fn settle(
        &mut self,
        id: ScriptId,
        outcome: Result<&str, &str>,
        cx: &mut Context<'_>,
    ) {
        let name = self.all[id].name.clone();
        let waiters = std::mem::take(&mut self.waiters);
        for (of, waiter) in waiters {
            if of != id {
                self.waiters.push((of, waiter));
                continue;
            }
            let outcome = match outcome {
                Ok(what) => Ok(format!("{name} {what}")),
                Err(why) => Err(format!("{name} cannot be loaded: {why}")),
            };
            tell(waiter, outcome, cx);
        }
    }

    /// vpid ends: every script is told, and none starts any more.
    pub fn stop(&mut self, cx: &mut Context<'_>) {
        self.stopping = true;
        for id in self.all.ids() {
            self.begin_unload(id, false, cx);
        }
    }
}

/// Tells somebody what came of their wish.
pub(super) fn tell(waiter: Waiter, outcome: Result<String, String>, cx: &mut Context<'_>) {
    match waiter {
        Waiter::Operator(ticket) => {
            let outcome = outcome.map(|text| serde_json::json!({ "ok": text }));
            cx.out.complete(Some(ticket), outcome);
        }
        Waiter::Admin { server, userid } => {
            let (Ok(text) | Err(text)) = outcome;
            cx.servers
                .say(server, Some(userid), &text, Place::Chat, cx.out);
        }
    }
}
