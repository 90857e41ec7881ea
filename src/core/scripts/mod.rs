//! The owner's Python beside the game: scripts in processes of their own, what they hear, what
//! they are asked and what they ask for.
//!
//! A script has a process (`life`), a queue (`script`), and functions that others call (`calls`).
//! What happens on game servers becomes calls of its hooks (`events`, `chat`); what it wants is
//! done or handed on (`asks`). What its process says comes in by `news`.

mod asks;
mod calls;
mod chat;
mod events;
mod journal;
mod life;
mod news;
mod operator;
mod people;
mod script;
#[cfg(test)]
mod tests;
mod tickets;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::community::Community;
use super::event::ScriptNews;
use super::functions::Functions;
use super::outgoing::Outgoing;
use super::servers::Servers;
use super::sessions::Hosts;
use super::{Effect, FileId, LaunchKind, Now, ScriptAct, ScriptId, Timer};
use crate::config;
use crate::sql::CallId;

pub use calls::Coming;
use calls::OpenCall;
use chat::Judged;
use events::Watched;
use script::Script;
use tickets::Ticket;

/// Tickets of what scripts wait for; those of operators are below.
pub const TICKETS: u64 = 1 << 62;

/// What is around.
pub struct Cx<'a> {
    pub servers: &'a mut Servers,
    pub vyhub: Option<&'a Community>,
    pub hosts: &'a Hosts,
    pub functions: &'a mut Functions,
    pub now: Now,
    pub out: &'a mut Outgoing,
}

/// Who is told what came of loading or unloading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    Operator(u64),
    Admin { server: usize, userid: i64 },
}

pub struct Scripts {
    config: config::Scripts,
    /// By their numbers; none is ever taken out.
    all: Vec<Script>,
    waiters: Vec<(ScriptId, Waiter)>,
    last_run: u64,
    /// Numbers messages that are answered: calls, verdicts, checks.
    last_number: u64,
    last_ticket: u64,
    /// The file of the last call of a script.
    last_file: FileId,
    /// Who listens to a hook, in the order of the start.
    listeners: HashMap<String, Vec<ScriptId>>,
    /// Of whose hooks nothing is known yet: what happens meanwhile waits for them.
    loading: Vec<ScriptId>,
    calls: HashMap<u64, OpenCall>,
    /// Of calls whose callers wait no longer than that.
    dues: BTreeSet<(u64, u64)>,
    judged: HashMap<u64, Judged>,
    /// What was handed on for a script, by its ticket.
    tickets: HashMap<u64, Ticket>,
    ticket_dues: BTreeSet<(u64, u64)>,
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
    /// With the scripts that stand in their folder, in the order of their names. `file` is a
    /// number of a file that nobody else uses, odd; calls of scripts go on from there by two.
    pub fn start(
        config: &config::Scripts,
        found: Vec<String>,
        file: FileId,
        begun: HashSet<CallId>,
        servers: usize,
    ) -> Self {
        let mut scripts = Self {
            config: config.clone(),
            all: Vec::new(),
            waiters: Vec::new(),
            last_run: 0,
            last_number: 0,
            last_ticket: TICKETS,
            last_file: file | 1,
            listeners: HashMap::new(),
            loading: Vec::new(),
            calls: HashMap::new(),
            dues: BTreeSet::new(),
            judged: HashMap::new(),
            tickets: HashMap::new(),
            ticket_dues: BTreeSet::new(),
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
        for id in 0..scripts.all.len() as ScriptId {
            if scripts.all[id as usize].settings.start {
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

    fn script(&mut self, id: ScriptId) -> Option<&mut Script> {
        self.all.get_mut(id as usize)
    }

    fn find(&self, name: &str) -> Option<ScriptId> {
        let place = self.all.iter().position(|script| script.name == name)?;
        Some(place as ScriptId)
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn act(&self, script: ScriptId, act: ScriptAct, cx: &mut Cx<'_>) {
        if let Some(run) = self.all[script as usize].state.run() {
            cx.out.effects.push(Effect::Script { script, run, act });
        }
    }

    /// Something is heard of a process.
    pub fn news(&mut self, id: ScriptId, run: u64, what: ScriptNews, cx: &mut Cx<'_>) {
        let present = self.script(id).and_then(|script| script.state.run());
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
                let script = &mut self.all[id as usize];
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
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        self.start_due(cx);
        if self.offer_due {
            self.offer(cx);
        }
        self.expire_calls(cx);
        self.expire_verdicts(cx);
        self.expire_tickets(cx);
        for id in 0..self.all.len() as ScriptId {
            self.live(id, cx);
            self.give(id, cx);
            if let Some(line) = self.all[id as usize].flush() {
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
        let calls = self.dues.first().map(|(due_ms, _)| *due_ms);
        let lines = self.judged.values().map(|judged| judged.due_ms).min();
        let tickets = self.ticket_dues.first().map(|(due_ms, _)| *due_ms);
        [scripts, calls, lines, tickets].into_iter().flatten().min()
    }

    /// Whether a process is left.
    pub fn is_over(&self) -> bool {
        self.all.iter().all(|script| script.state.run().is_none())
    }
}
