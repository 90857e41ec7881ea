//! The owner's Python beside the game: scripts in processes of their own, what they hear, what
//! they are asked and what they ask for.
//!
//! A script has a process (`life`), a queue (`script`), and functions that others call (`calls`).
//! What happens on game servers becomes calls of its hooks (`events`, `chat`); what it wants is
//! done or handed on (`asks`). What its process says comes in by `news`.
//!
//! What a script requests (`game.tell`, `game.call`) is answered at once, or gets a ticket (games,
//! RCON), or becomes a call like those of games, so permissions, deadlines and the database's order are
//! the same. Nothing waits for a script: when its queue is full, events are dropped and counted; calls
//! wait as long as their callers. Chat lines go to one script after the other.
//!
//! Functions and hooks of all scripts are one map each, made anew when one of them changes: an event
//! that no script handles costs a look into a map.

mod asks;
mod calls;
mod chat;
mod events;
mod journal;
mod life;
mod news;
mod operator;
mod people;
mod requests;
mod script;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};

use super::context::Context;
use super::deadlines::Expiring;
use super::event::ScriptNews;
use super::ids::{CallId, RunId, ScriptId, ServerId, Ticket};
use super::{Effect, LaunchKind, ScriptAct, Timer};
use crate::config;

use calls::OpenCall;
use chat::Judged;
use events::Watched;
use requests::Requests;
use script::List;

/// Who is told what came of loading or unloading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    Operator(Ticket),
    Admin { server: ServerId, userid: i64 },
}

pub struct Scripts {
    config: config::Scripts,
    all: List,
    waiters: Vec<(ScriptId, Waiter)>,
    last_run: RunId,
    /// Numbers messages that are answered: calls, verdicts, checks.
    last_number: u64,
    /// Of the last call of a script: see [`Source::Channel`].
    last_source: u64,
    /// Who listens to a hook, in the order of the start.
    listeners: HashMap<String, Vec<ScriptId>>,
    /// Of whose hooks nothing is known yet: what happens meanwhile waits for them.
    loading: Vec<ScriptId>,
    /// By the numbers of their messages.
    calls: Expiring<u64, OpenCall>,
    judged: Expiring<u64, Judged>,
    requests: Requests,
    to_start: VecDeque<ScriptId>,
    /// Calls that an earlier run has begun.
    begun: HashSet<CallId>,
    watched: Vec<Watched>,
    /// Others are to hear anew what scripts offer.
    offer_due: bool,
    stopping: bool,
    timer_ms: Option<u64>,
}

impl Scripts {
    /// With the scripts that stand in their folder, in the order of their names. `number`: behind
    /// those of all calls of scripts before.
    pub fn start(
        config: &config::Scripts,
        found: Vec<String>,
        number: u64,
        begun: HashSet<CallId>,
        servers: usize,
    ) -> Self {
        let mut scripts = Self {
            config: config.clone(),
            all: List::default(),
            waiters: Vec::new(),
            last_run: RunId::default(),
            last_number: 0,
            last_source: number,
            listeners: HashMap::new(),
            loading: Vec::new(),
            calls: Expiring::default(),
            judged: Expiring::default(),
            requests: Requests::default(),
            to_start: VecDeque::new(),
            begun,
            watched: (0..servers).map(|_| Watched::default()).collect(),
            offer_due: true,
            stopping: false,
            timer_ms: None,
        };
        if config.vpi_interfaces.is_some() {
            scripts.add(life::INTERFACES.to_owned(), LaunchKind::Interfaces);
        }
        let first = config.order.iter().filter(|name| found.contains(name));
        let rest = found.iter().filter(|name| !config.order.contains(name));
        for name in first.chain(rest) {
            if name != life::INTERFACES {
                scripts.add(name.clone(), LaunchKind::Script);
            }
        }
        for id in scripts.all.ids() {
            if scripts.all[id].settings.start {
                scripts.queue_start(id);
            }
        }
        scripts
    }

    /// What the configuration says now; scripts that run have what they were started with.
    pub fn reconfigure(&mut self, config: &config::Scripts) {
        // Which built-in functions give way may have changed.
        self.offer_due = true;
        self.config = config::Scripts {
            dir: self.config.dir.take(),
            vpi_interfaces: self.config.vpi_interfaces.take(),
            ..config.clone()
        };
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn act(&self, script: ScriptId, act: ScriptAct, cx: &mut Context<'_>) {
        if let Some(run) = self.all[script].state.run() {
            cx.out.effects.push(Effect::Script { script, run, act });
        }
    }

    /// Something is heard of a process.
    pub fn news(&mut self, id: ScriptId, run: RunId, what: ScriptNews, cx: &mut Context<'_>) {
        let present = self.all.get_mut(id).and_then(|script| script.state.run());
        if present != Some(run) {
            return;
        }
        match what {
            ScriptNews::Said(lines) => {
                for line in lines {
                    self.said(id, run, &line, cx);
                }
            }
            ScriptNews::Printed(lines) => {
                let script = &mut self.all[id];
                for (is_error, line) in lines {
                    let level = if is_error {
                        journal::WARNING
                    } else {
                        journal::INFO
                    };
                    script.journal.add(&script.name, level, &line, cx.now);
                }
            }
            ScriptNews::TooLong => self.condemn(id, "said a line that is too long", cx),
            ScriptNews::Ended(how) => self.ended(id, &format!("it ended {how}"), true, cx),
            ScriptNews::NotStarted(why) => self.ended(id, &why, false, cx),
        }
    }

    /// Does what is due, gives scripts what they have room for, and sets the timer.
    pub fn advance(&mut self, cx: &mut Context<'_>) {
        self.start_due(cx);
        if self.offer_due {
            self.offer(cx);
        }
        self.expire_calls(cx);
        self.expire_verdicts(cx);
        self.expire_requests(cx);
        for id in self.all.ids() {
            self.live(id, cx);
            self.give(id, cx);
            if let Some(line) = self.all[id].flush() {
                self.act(id, ScriptAct::Send(line), cx);
            }
        }
        let next_ms = self.due_ms();
        if next_ms != self.timer_ms {
            self.timer_ms = next_ms;
            cx.out.timer(Timer::Scripts, next_ms);
        }
    }

    pub fn timer_rang(&mut self) {
        self.timer_ms = None;
    }

    fn due_ms(&self) -> Option<u64> {
        let scripts = self.all.iter().filter_map(life::due_ms).min();
        let others = [
            self.calls.next_due(),
            self.judged.next_due(),
            self.requests.next_due(),
        ];
        scripts
            .into_iter()
            .chain(others.into_iter().flatten())
            .min()
    }

    /// Whether a process is left.
    pub fn is_over(&self) -> bool {
        self.all.iter().all(|script| script.state.run().is_none())
    }
}
