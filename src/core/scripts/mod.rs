//! The owner's Python beside the game: scripts in processes of their own, the events they receive, the functions
//! they offer, and what they request.
//!
//! | subject | what it owns |
//! | --- | --- |
//! | `processes` | which scripts there are; their processes, from start to restart |
//! | `orders` | what operators and admins request of scripts; lines of chat that await a script's verdict |
//! | `queue` | what waits for a script, and what its process has not finished |
//! | `events` | what happens on game servers, as calls of hooks; players and servers, as scripts see them |
//! | `hook_names` | which hooks there are, and what is said of others |
//! | `functions` | calls of scripts' functions, until they are answered |
//! | `requests` | what scripts request, until it is answered |
//! | `journal` | what scripts log |
//! | `stats` | how often what of them ran, and for how long, as operators see it |
//!
//! A subject changes its own state, and what [`Cx`] lends: a script's queue and journal, effects, messages to the
//! rest of the core. What concerns several subjects is a [`Message`], delivered before the entrance returns.
//! Nothing waits for a script: when its queue is full, events are dropped and counted; calls wait as long as their
//! callers.

mod events;
mod functions;
mod hook_names;
mod journal;
mod orders;
mod processes;
mod queue;
mod requests;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde_json::Value;

use super::context::{Context, Directory};
use super::event::{Epoch, LaunchKind, ScriptReport, StartScripts};
use super::functions::Functions;
use super::hosts::Hosts;
use super::ids::{RequestId, RunId, ScriptId, ServerId, Ticket};
use super::message::{ForwardedCall, GameEvent, ScriptCall};
use super::output::Output;
use super::roster::Person;
use super::servers::Servers;
use super::trace::Traced;
use super::{Now, Timer};
use crate::config;
use crate::protocol::call_error::CallError;
use crate::protocol::control::{CallRequest, ScriptRequest};
use crate::protocol::engine_log::Line;
use crate::protocol::game_report::{GameReport, PlayerReport};
use crate::protocol::observable;
use crate::protocol::script_channel::{self as channel, FromScript, Ran, RanKind};

use events::Hooks;
use orders::{ChatLine, Issuer};
use processes::{List, Processes};

/// What the rest of the core brings to the scripts.
pub enum Input<'a> {
    /// A function of a script is called, about this game server.
    Call(ForwardedCall<ScriptCall>, Option<ServerId>),
    /// The response to a call that a script requested, as JSON text.
    Responded(RequestId, Result<String, CallError>),
    /// The result of what a script sent to a game or a console.
    Completed(RequestId, Result<Value, CallError>),
    /// From the game script of a server; with the player who leaves, as they were known.
    Reported(ServerId, &'a GameReport, Option<&'a Person>),
    /// A line of the engine's log; likewise.
    Logged(ServerId, &'a Line, Option<&'a Person>),
    /// A server has not reported anything for too long.
    ServerGone(ServerId),
    Happened(ServerId, &'a GameEvent),
    /// A hook of the community, by its name in the game.
    CommunityHook(ServerId, String, Value),
    Operator(ScriptRequest, Ticket),
    /// An operator calls a function.
    OperatorCall(CallRequest, Ticket),
    /// The file of VPI functions was edited.
    InterfacesEdited,
    /// An operator traces, or none does any more.
    Tracing(bool),
    /// vpid ends.
    Stop,
}

/// What subjects report to each other.
enum Message {
    /// A script will be loaded; its hooks and functions are not known yet.
    Loading(ScriptId, LaunchKind),
    /// A script is loaded, and has these hooks.
    Loaded(ScriptId, Vec<String>),
    /// It offers these functions.
    Functions(ScriptId, Vec<String>),
    /// What ran in it is interrupted; what waits for the script goes on waiting.
    ProcessEnded(ScriptId, RunId),
    /// A script is unloaded or could not be loaded: nothing waits for it any more.
    Unloaded(ScriptId),
    /// An operator wants to see what these scripts have counted.
    StatsRequested(Vec<ScriptId>, Issuer),
}

/// What subjects work with.
struct Cx<'a> {
    now: Now,
    out: &'a mut Output,
    hosts: &'a Hosts,
    servers: &'a mut Servers,
    functions: &'a mut Functions,
    directory: Option<&'a dyn Directory>,
    config: &'a config::Scripts,
    scripts: &'a mut List,
    hooks: &'a mut Hooks,
    messages: &'a mut VecDeque<Message>,
}

impl Cx<'_> {
    fn send(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    /// A hook, a function or a timer of a script has run, while an operator traces.
    fn trace_run(&mut self, script: ScriptId, ran: Ran) {
        if let Some(redactor) = self.out.trace.redactor() {
            let outcome = match ran.error {
                None => Ok(String::new()),
                Some(error) => {
                    // Its text may have a secret of the call, whose line shows what of it may be shown.
                    let shown = match ran.kind {
                        RanKind::Function => error.split(':').next().unwrap_or_default(),
                        RanKind::Hook | RanKind::Timer => &error,
                    };
                    Err(redactor.text(shown))
                }
            };
            let traced = Traced {
                what: ran.kind.word(),
                name: redactor.text(&ran.name),
                server: ran.server,
                script: self.scripts[script].name.clone(),
                took_us: Some((ran.seconds.max(0.0) * 1e6) as u64),
                outcome: Some(outcome),
                ..Traced::default()
            };
            self.out.trace.push(traced);
        }
    }
}

pub struct Scripts {
    config: config::Scripts,
    list: List,
    hooks: Hooks,
    messages: VecDeque<Message>,
    subjects: Subjects,
    timer_ms: Option<u64>,
}

#[derive(Default)]
struct Subjects {
    processes: Processes,
    events: events::Events,
    chat: orders::Chat,
    functions: functions::Functions,
    requests: requests::Requests,
    inquiries: stats::Inquiries,
}

impl Subjects {
    fn deliver(&mut self, cx: &mut Cx<'_>) {
        while let Some(message) = cx.messages.pop_front() {
            cx.hooks.on_message(&message);
            self.functions.on_message(&message, cx);
            self.requests.on_message(&message);
            self.chat.on_message(&message, cx);
            self.inquiries.on_message(&message, cx);
        }
    }

    /// A line of the channel.
    fn on_line(&mut self, id: ScriptId, run: RunId, line: &[u8], cx: &mut Cx<'_>) {
        let messages = match channel::parse(line) {
            Ok(messages) => messages,
            Err(what) => return cx.kill(id, &format!("sent something that {what}")),
        };
        for message in messages {
            match message {
                FromScript::Ready(contents) => {
                    self.processes.ready(id, contents, cx);
                    if cx.out.trace.is_on() {
                        cx.scripts[id].queue.send(&channel::trace(true));
                    }
                }
                FromScript::Failed(why, sentence) => {
                    self.processes.failed(id, &why, sentence.as_deref(), cx);
                }
                FromScript::Ack(count) => {
                    if !cx.scripts[id].queue.finished(count, cx.now) {
                        return cx.kill(id, "claims to have finished more than it had");
                    }
                }
                FromScript::Verdict { message, pass } => {
                    self.chat.on_verdict(id, message, pass, cx);
                }
                FromScript::Result { message, outcome } => {
                    if let Some(outcome) = self.processes.on_result(id, message, outcome, cx) {
                        let outcome = outcome.map_err(|it| CallError::new(it.kind, it.text));
                        self.functions.on_result(run, message, outcome, cx);
                    }
                }
                FromScript::Request(request) => {
                    let events = &self.events;
                    self.requests.on_request(id, run, request, events, cx);
                }
                FromScript::Log(level, text) => cx.scripts[id].log(level, &text, cx.now),
                FromScript::Register(name) => self.functions.register(id, name, cx),
                FromScript::Counted {
                    inquiry,
                    memory_bytes,
                    counted,
                } => {
                    let sent = (counted.as_slice(), memory_bytes);
                    self.inquiries.counted(id, inquiry, sent, cx);
                }
                FromScript::Unregister(name) => self.functions.unregister(id, &name, cx),
                FromScript::Ran(ran) => cx.trace_run(id, ran),
                // Its process ends by itself, and else at its deadline.
                FromScript::Unloaded => {}
            }
            self.deliver(cx);
        }
    }
}

impl Scripts {
    pub fn start(config: &config::Scripts, start: StartScripts, cx: &mut Context<'_>) -> Self {
        let mut scripts = Self {
            config: config.clone(),
            list: List::default(),
            hooks: Hooks::default(),
            messages: VecDeque::new(),
            subjects: Subjects {
                functions: functions::Functions::start(start.begun.into_iter().collect()),
                requests: requests::Requests::start(start.number),
                ..Subjects::default()
            },
            timer_ms: None,
        };
        let (subjects, cx) = &mut scripts.open(cx);
        subjects.processes.start(&start.found, cx);
        subjects.deliver(cx);
        scripts
    }

    /// Scripts that run have the settings with which they were started.
    pub fn reconfigure(&mut self, config: &config::Scripts, cx: &mut Context<'_>) {
        self.config = config::Scripts {
            dir: self.config.dir.take(),
            vpi_interfaces: self.config.vpi_interfaces.take(),
            ..config.clone()
        };
        let (subjects, cx) = &mut self.open(cx);
        for id in cx.scripts.ids() {
            subjects.functions.log_overlap(id, cx);
        }
    }

    fn open<'b>(&'b mut self, cx: &'b mut Context<'_>) -> (&'b mut Subjects, Cx<'b>) {
        let context = Cx {
            now: cx.now,
            out: cx.out,
            hosts: cx.hosts,
            servers: cx.servers,
            functions: cx.functions,
            directory: cx.directory,
            config: &self.config,
            scripts: &mut self.list,
            hooks: &mut self.hooks,
            messages: &mut self.messages,
        };
        (&mut self.subjects, context)
    }

    pub fn on_input(&mut self, input: Input<'_>, cx: &mut Context<'_>) {
        let (subjects, cx) = &mut self.open(cx);
        let Subjects {
            processes,
            events,
            chat,
            functions,
            requests,
            inquiries: _,
        } = subjects;
        match input {
            Input::Call(call, server) => functions.call(call, server, cx),
            Input::Responded(id, response) => requests.answer(id, response, cx),
            Input::Completed(id, result) => requests.completed(id, result, cx),
            Input::Reported(server, report, leaver) => {
                events.reported(server, report, leaver, cx);
            }
            Input::Logged(server, line, leaver) => events.logged(server, line, leaver, cx),
            Input::ServerGone(server) => events.server_gone(server, cx),
            Input::Happened(server, event) => {
                let (speaker, text, held) = match event {
                    GameEvent::Chat(speaker, text) => (speaker, text, false),
                    GameEvent::HeldChat(speaker, text) => (speaker, text, true),
                    GameEvent::MapStarted | GameEvent::SessionBegan => return,
                };
                match orders::chat(server, speaker, text, held, cx) {
                    // A line that had to wait was a command, maybe another part's.
                    ChatLine::Other if held => {}
                    ChatLine::Other => {
                        let about = PlayerReport::from(speaker);
                        if events::is_another(server, &about, cx) {
                            return;
                        }
                        let is_met = events.meet(server, &about, cx);
                        if is_met || !speaker.name.is_empty() {
                            chat.on_chat(server, &about, text, cx);
                        }
                    }
                    ChatLine::Request(request, by) => processes.on_request(&request, by, cx),
                    ChatLine::Answered => {}
                }
            }
            Input::CommunityHook(server, name, data) => {
                events::community_hook(server, &name, data, cx);
            }
            Input::Operator(request, ticket) => {
                processes.on_request(&request, Issuer::Operator(ticket), cx);
            }
            Input::OperatorCall(call, ticket) => requests.operator_call(call, ticket, cx),
            Input::InterfacesEdited => processes.interfaces_edited(cx),
            Input::Tracing(is_on) => {
                for id in cx.scripts.ids() {
                    if cx.scripts[id].is_running() {
                        cx.scripts[id].queue.send(&channel::trace(is_on));
                    }
                }
            }
            Input::Stop => processes.stop(cx),
        }
        subjects.deliver(cx);
    }

    /// What a process has sent, or its end.
    pub fn on_report(
        &mut self,
        id: ScriptId,
        run: RunId,
        report: ScriptReport,
        cx: &mut Context<'_>,
    ) {
        let (subjects, cx) = &mut self.open(cx);
        if cx.scripts.run(id) != Some(run) {
            return;
        }
        let processes = &mut subjects.processes;
        match report {
            ScriptReport::Sent(lines) => {
                for line in lines {
                    subjects.on_line(id, run, &line, cx);
                }
            }
            ScriptReport::Printed(lines) => {
                for (is_error, line) in lines {
                    let level = if is_error {
                        journal::WARNING
                    } else {
                        journal::INFO
                    };
                    cx.scripts[id].log(level, &line, cx.now);
                }
            }
            ScriptReport::TooLong => cx.kill(id, "sent a line that is too long"),
            ScriptReport::Ended(how) => processes.ended(id, run, &format!("it ended {how}"), cx),
            ScriptReport::NotStarted { why, has_file } => {
                processes.not_started(id, run, (&why, has_file), cx);
            }
            ScriptReport::Looked(has_file) => processes.looked(id, has_file, cx),
        }
        subjects.deliver(cx);
    }

    /// Does what is due, sends scripts what they have room for, and sets the timer.
    pub fn advance(&mut self, cx: &mut Context<'_>) {
        let before_ms = self.timer_ms;
        let (subjects, cx) = &mut self.open(cx);
        subjects.processes.advance(cx);
        subjects.deliver(cx);
        subjects.events.advance(cx);
        subjects.chat.advance(cx);
        subjects.requests.advance(cx);
        subjects.functions.advance(cx);
        subjects.inquiries.advance(cx);
        subjects.processes.write(cx);
        let due = [
            subjects.processes.next_due(cx),
            subjects.chat.next_due(),
            subjects.functions.next_due(),
            subjects.requests.next_due(),
            subjects.inquiries.next_due(),
        ];
        let next_ms = due.into_iter().flatten().min();
        if next_ms != before_ms {
            cx.out.timer(Timer::Scripts, next_ms);
        }
        self.timer_ms = next_ms;
    }

    pub fn timer_rang(&mut self) {
        self.timer_ms = None;
    }

    /// As operators see them.
    pub fn observe(&self, epoch: Epoch) -> Vec<observable::Script> {
        let known = self.list.iter().filter(|(_, it)| !it.is_forgotten());
        known.map(|(_, script)| script.observe(epoch)).collect()
    }

    /// The names of those that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let known = self.list.iter().filter(|(_, it)| !it.is_forgotten());
        known.map(|(_, script)| script.name.as_str())
    }

    /// The name of a script; `None` for one that was forgotten.
    pub fn name(&self, script: ScriptId) -> Option<&str> {
        Some(&self.list.get(script)?.name)
    }

    /// Whether no process is left.
    pub fn is_over(&self) -> bool {
        self.list.iter().all(|(_, script)| script.run().is_none())
    }
}
