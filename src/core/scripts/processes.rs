//! Which scripts there are, and their processes: started, started again when they end, unloaded, reloaded, and
//! interrupted when they hang.
//!
//! A script is queued, starting, running, and unloading: it finishes what it has, then its `OnUnLoad` runs. At the
//! start of vpid a few start at once, those in `order` one after the other; one that does not say for some seconds that
//! it is loaded holds up no other. What starts later waits for nothing. A process that ends by itself is started again, after a pause that doubles each time; one that
//! could not be loaded waits for an operator or an edit. While it has no process, its queue stays. Each process has
//! the number of its run, so that what an earlier one sent last is not taken for the next one's.
//!
//! A script that has something to do and has acknowledged nothing for `call_ms` gets SIGINT, which
//! raises `game.Interrupted` in what runs; the host program guards the moments in which it reads and
//! writes. Two seconds later its process group is killed.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use serde_json::{Value, json};

use super::hook_names;
use super::journal::{ERROR, INFO, Journal, WARNING, lacks_memory, memory_advice};
use super::orders::{self, Issuer, OrderError};
use super::queue::{Item, Queue, Stuck};
use super::stats::Stats;
use super::{Cx, Message};
use crate::config::{self, INTERFACES_NAME, ScriptSettings, is_script_name};
use crate::core::event::Epoch;
use crate::core::ids::{RunId, ScriptId};
use crate::core::{Effect, Launch, LaunchKind, Now, ScriptAct};
use crate::limits;
use crate::protocol::control::ScriptRequest;
use crate::protocol::counted::counted;
use crate::protocol::observable;
use crate::protocol::script_channel::{self as channel, Contents, FunctionError, MessageId};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unloaded,
    /// It cannot be loaded, until that is ordered again.
    Failed,
    /// It has no process and is to be unloaded: whether it still has a file decides whether it is forgotten.
    Looking {
        run: RunId,
        was_failed: bool,
    },
    /// It has neither a file nor a process: no trace of it stays.
    Forgotten,
    /// Its process ended, and is started again then.
    Waiting {
        until_ms: u64,
    },
    /// It will be started; the least run comes first. `in_turn`: with those that start with vpid.
    Queued {
        run: RunId,
        in_turn: bool,
    },
    Starting {
        run: RunId,
        due_ms: u64,
    },
    Running {
        run: RunId,
    },
    Unloading {
        run: RunId,
        due_ms: u64,
        /// It is loaded again then.
        again: bool,
        /// It finishes what it has before it gets the message to unload.
        finishes: bool,
    },
}

#[derive(Default)]
pub struct Script {
    pub name: String,
    pub kind: LaunchKind,
    pub settings: ScriptSettings,
    pub queue: Queue,
    journal: Journal,
    pub stats: Stats,
    state: State,
    /// Its hooks and functions are known, as they were when it was loaded last.
    is_known: bool,
    /// It was loaded at some time.
    was_loaded: bool,
    python: String,
    /// What it says of itself in `__version__`; may be empty.
    version: String,
    problem: Option<String>,
    /// Why its process was killed.
    kill_reason: Option<String>,
    /// How often it was started again after its process ended by itself.
    restarts: u64,
    started_ms: u64,
    /// The pause before the next start.
    pause_ms: u64,
    /// Its file is checked before it is reloaded: the message, and until when.
    check: Option<(MessageId, u64)>,
}

impl Script {
    /// The name of its file, as permissions and other scripts know it.
    pub fn file(&self) -> String {
        format!("{}.py", self.name)
    }

    /// Its process, if there is one.
    pub fn run(&self) -> Option<RunId> {
        match self.state {
            State::Starting { run, .. }
            | State::Running { run }
            | State::Unloading { run, .. }
            | State::Looking { run, .. } => Some(run),
            _ => None,
        }
    }

    pub fn is_forgotten(&self) -> bool {
        self.state == State::Forgotten
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether events and calls may wait for it.
    pub fn is_wanted(&self) -> bool {
        use State::{Failed, Forgotten, Looking, Unloaded};
        !matches!(self.state, Unloaded | Failed | Looking { .. } | Forgotten)
    }

    /// Whether it was started so short a time ago that those behind it wait until it is loaded.
    fn is_starting_lately(&self, now: Now) -> bool {
        let ran_ms = now.mono_ms.saturating_sub(self.started_ms);
        matches!(self.state, State::Starting { .. }) && ran_ms < limits::SCRIPT_START_PATIENCE_MS
    }

    pub fn state(&self) -> &'static str {
        match self.state {
            State::Unloaded | State::Forgotten => "unloaded",
            State::Looking { was_failed, .. } if !was_failed => "unloaded",
            State::Failed | State::Looking { .. } => "failed",
            State::Waiting { .. } => "waiting",
            State::Queued { .. } | State::Starting { .. } => "starting",
            State::Running { .. } => "running",
            State::Unloading { .. } => "stopping",
        }
    }

    pub fn log(&mut self, level: u8, text: &str, now: Now) {
        self.journal.add(&self.name, level, text, now);
    }

    pub fn push_event(&mut self, event: String) -> bool {
        let most = self.settings.queue;
        self.queue.push_event(event, most, &self.name)
    }

    /// What its process has room for.
    pub fn next_item(&mut self) -> Option<Item> {
        self.queue.next(&self.name)
    }

    /// As `vpid script list` shows it; but where a script of the folder lies, only a look into that can tell.
    pub fn describe(&self, id: ScriptId, cx: &Cx<'_>) -> Value {
        let path = match self.kind {
            LaunchKind::Interfaces => cx.config.vpi_interfaces.as_ref(),
            LaunchKind::Script => None,
        };
        let seconds = cx.now.mono_ms.saturating_sub(self.started_ms) / 1_000;
        json!({
            "name": self.name,
            "state": self.state(),
            "path": path,
            "python": self.python,
            "version": self.version,
            "hooks": cx.hooks.of(id),
            "functions": cx.functions.called(id).collect::<Value>(),
            "restarts": self.restarts,
            "waiting": self.queue.len(),
            "dropped": self.queue.dropped,
            "seconds": self.run().map(|_| seconds),
            "problem": self.problem,
        })
    }

    /// What `vpid script stats` shows of it beside what it has counted.
    pub fn describe_briefly(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state(),
            "restarts": self.restarts,
            "waiting": self.queue.len(),
            "dropped": self.queue.dropped,
        })
    }

    /// The same, for the state of vpid.
    pub fn observe(&self, epoch: Epoch) -> observable::Script {
        let (calls, busy_s) = self.stats.sums();
        observable::Script {
            name: self.name.clone(),
            state: self.state().to_owned(),
            since_s: self.run().map(|_| epoch.date_s(self.started_ms)),
            starts: self.stats.starts,
            restarts: self.restarts,
            waiting: self.queue.len(),
            dropped: self.queue.dropped,
            calls,
            busy_s,
            memory_bytes: self.stats.memory_bytes(),
            problem: self.problem.as_deref().map(first_line),
        }
    }

    fn stuck_due_ms(&self) -> Option<u64> {
        let finishes = matches!(self.state, State::Unloading { finishes: true, .. });
        let is_watched = self.is_running() || finishes;
        is_watched.then(|| self.queue.stuck_due_ms(self.settings.call_ms))?
    }

    fn due_ms(&self) -> Option<u64> {
        let of_state = match self.state {
            State::Waiting { until_ms: due_ms }
            | State::Starting { due_ms, .. }
            | State::Unloading { due_ms, .. } => Some(due_ms),
            _ => None,
        };
        let check = self.check.map(|(_, due_ms)| due_ms);
        let all = [of_state, check, self.stuck_due_ms()];
        all.into_iter().flatten().min()
    }

    /// Its process has ended by itself and is started again after a pause.
    fn wait(&mut self, now: Now) -> State {
        let ran_ms = now.mono_ms.saturating_sub(self.started_ms);
        if ran_ms >= limits::SCRIPT_STEADY_MS {
            self.pause_ms = limits::SCRIPT_RESTART_MS_MIN;
        }
        let until_ms = now.mono_ms + self.pause_ms;
        self.pause_ms = (self.pause_ms * 2).min(limits::SCRIPT_RESTART_MS_MAX);
        self.restarts += 1;
        State::Waiting { until_ms }
    }
}

/// A traceback goes on for many lines.
fn first_line(problem: &str) -> String {
    let line = problem.trim().lines().next().unwrap_or_default();
    line.chars()
        .take(limits::STATUS_PROBLEM_BYTES_MAX / 4)
        .collect()
}

/// All scripts that are known, by their ids, which are never used twice.
#[derive(Default)]
pub struct List {
    all: BTreeMap<ScriptId, Script>,
    next_id: u32,
    last_message: MessageId,
}

impl List {
    fn add(&mut self, name: String, kind: LaunchKind, config: &config::Scripts) -> ScriptId {
        let id = ScriptId(self.next_id);
        self.next_id += 1;
        let script = Script {
            settings: config.of(&name).clone(),
            name,
            kind,
            pause_ms: limits::SCRIPT_RESTART_MS_MIN,
            ..Script::default()
        };
        self.all.insert(id, script);
        id
    }

    pub fn find(&self, name: &str) -> Result<ScriptId, OrderError> {
        let found = self.iter().find(|(_, script)| script.name == name);
        found.map(|(id, _)| id).ok_or_else(|| OrderError::Unknown {
            name: name.to_owned(),
            known: self.all.values().map(|it| it.name.clone()).collect(),
        })
    }

    pub fn ids(&self) -> impl Iterator<Item = ScriptId> + use<> {
        let ids: Vec<ScriptId> = self.all.keys().copied().collect();
        ids.into_iter()
    }

    pub fn iter(&self) -> impl Iterator<Item = (ScriptId, &Script)> {
        self.all.iter().map(|(id, script)| (*id, script))
    }

    /// None for one that was forgotten meanwhile.
    pub fn get(&self, id: ScriptId) -> Option<&Script> {
        self.all.get(&id)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ScriptId) -> Option<&mut Script> {
        self.all.get_mut(&id)
    }

    /// The process of a script, if there is one.
    pub fn run(&self, id: ScriptId) -> Option<RunId> {
        self.all.get(&id)?.run()
    }

    /// The number for a message that is answered.
    pub fn next_message(&mut self) -> MessageId {
        self.last_message.0 += 1;
        self.last_message
    }
}

impl Index<ScriptId> for List {
    type Output = Script;

    fn index(&self, id: ScriptId) -> &Script {
        &self.all[&id]
    }
}

impl IndexMut<ScriptId> for List {
    fn index_mut(&mut self, id: ScriptId) -> &mut Script {
        let script = self.all.get_mut(&id);
        script.expect("a script that was not forgotten")
    }
}

impl Cx<'_> {
    fn act(&mut self, script: ScriptId, act: ScriptAct) {
        if let Some(run) = self.scripts.run(script) {
            self.out.effects.push(Effect::Script { script, run, act });
        }
    }

    /// Kills the process of a script. `why` goes on behind "it".
    pub(super) fn kill(&mut self, id: ScriptId, why: &str) {
        self.scripts[id].kill_reason = Some(format!("it {why}, and was killed"));
        self.act(id, ScriptAct::Kill);
    }
}

#[derive(Default)]
pub struct Processes {
    /// Those who get the result of loading or unloading.
    issuers: Vec<(ScriptId, Issuer)>,
    last_run: RunId,
    is_stopping: bool,
}

impl Processes {
    /// With the scripts that are in their folder, in the order of their names.
    pub fn start(&mut self, found: &[String], cx: &mut Cx<'_>) {
        let order = &cx.config.order;
        let first = order.iter().filter(|name| found.contains(name));
        let rest = found.iter().filter(|name| !order.contains(name));
        if cx.config.vpi_interfaces.is_some() {
            let name = INTERFACES_NAME.to_owned();
            cx.scripts.add(name, LaunchKind::Interfaces, cx.config);
        }
        for name in first.chain(rest).filter(|name| *name != INTERFACES_NAME) {
            cx.scripts.add(name.clone(), LaunchKind::Script, cx.config);
        }
        for id in cx.scripts.ids() {
            match cx.scripts[id].settings.start {
                true => self.queue_start(id, true, cx),
                false => cx.send(Message::Unloaded(id)),
            }
        }
    }

    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        // By now every subject knows that they are unloaded.
        let all = &mut cx.scripts.all;
        all.retain(|_, script| script.state != State::Forgotten);
        for id in cx.scripts.ids() {
            self.check_deadlines(id, cx);
        }
        self.start_queued(cx);
    }

    pub fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let due = cx.scripts.iter().filter_map(|(_, script)| script.due_ms());
        due.chain(self.turn_ms(cx)).min()
    }

    /// When the next one in turn may start although those before it are not loaded.
    fn turn_ms(&self, cx: &Cx<'_>) -> Option<u64> {
        let waits = |script: &Script| matches!(script.state, State::Queued { .. });
        if self.is_stopping || !cx.scripts.iter().any(|(_, script)| waits(script)) {
            return None;
        }
        let starting = cx.scripts.iter();
        let starting = starting.filter(|(_, script)| script.is_starting_lately(cx.now));
        let until_ms = |script: &Script| script.started_ms + limits::SCRIPT_START_PATIENCE_MS;
        starting.map(|(_, script)| until_ms(script)).min()
    }

    /// Writes to all processes what there is for them.
    pub fn write(&self, cx: &mut Cx<'_>) {
        for id in cx.scripts.ids() {
            if let Some(line) = cx.scripts[id].queue.take_line() {
                cx.act(id, ScriptAct::Send(line));
            }
        }
    }

    /// vpid ends: every script is unloaded, and none starts any more.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        self.is_stopping = true;
        for id in cx.scripts.ids() {
            if cx.scripts[id].is_wanted() {
                self.unload(id, false, cx);
            }
        }
    }

    fn queue_start(&mut self, id: ScriptId, in_turn: bool, cx: &mut Cx<'_>) {
        self.last_run.0 += 1;
        let script = &mut cx.scripts[id];
        script.settings = cx.config.of(&script.name).clone();
        script.journal.start(script.settings.memory_bytes);
        let run = self.last_run;
        script.state = State::Queued { run, in_turn };
        if !script.is_known {
            let kind = script.kind;
            cx.send(Message::Loading(id, kind));
        }
    }

    /// Starts those that were queued, as far as they may.
    fn start_queued(&self, cx: &mut Cx<'_>) {
        if self.is_stopping {
            return;
        }
        let queued = cx.scripts.iter().filter_map(|(id, it)| match it.state {
            State::Queued { run, in_turn } => Some((in_turn, run, id)),
            _ => None,
        });
        let mut queued: Vec<_> = queued.collect();
        queued.sort_unstable();
        for (in_turn, run, id) in queued {
            if in_turn && !Self::is_next_free(cx) {
                return;
            }
            Self::launch(id, run, cx);
        }
    }

    /// Whether one more of those that start with vpid may start now.
    fn is_next_free(cx: &Cx<'_>) -> bool {
        let all = cx.scripts.iter().map(|(_, script)| script);
        let starting = all.filter(|script| script.is_starting_lately(cx.now));
        let (mut count, mut in_order) = (0, false);
        for script in starting {
            count += 1;
            in_order |= cx.config.order.contains(&script.name);
        }
        !in_order && count < limits::SCRIPT_STARTS_MAX
    }

    fn launch(id: ScriptId, run: RunId, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        script.started_ms = cx.now.mono_ms;
        script.stats.starts += 1;
        script.problem = None;
        script.kill_reason = None;
        let due_ms = cx.now.mono_ms + limits::SCRIPT_LOAD_MS;
        script.state = State::Starting { run, due_ms };
        let servers = cx.servers.iter();
        let launch = Launch {
            kind: script.kind,
            name: script.name.clone(),
            servers: servers.map(|(id, game)| (id, game.label.clone())).collect(),
        };
        cx.act(id, ScriptAct::Start(launch));
    }

    /// The script is loaded.
    pub fn ready(&mut self, id: ScriptId, contents: Contents, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        let State::Starting { run, .. } = script.state else {
            return;
        };
        script.state = State::Running { run };
        script.python = contents.python;
        script.problem = None;
        script.is_known = true;
        script.was_loaded = true;
        script.version = contents.version;
        let (mut hooks, functions) = (contents.hooks, contents.functions);
        let complaints: Vec<String> = hooks
            .iter()
            .filter_map(|name| hook_names::complaint(name))
            .collect();
        hooks.retain(|name| hook_names::is_hook(name));
        let counts = [(hooks.len(), "hook"), (functions.len(), "function")];
        let [hook_count, function_count] = counts.map(|(count, what)| counted(count, what));
        let text = format!("loaded: {hook_count}, {function_count}");
        script.log(INFO, &text, cx.now);
        for complaint in complaints.iter().take(limits::SCRIPT_COMPLAINTS_MAX) {
            script.log(WARNING, complaint, cx.now);
        }
        if let Some((first, count)) = contents.left_out {
            let text = format!(
                "{count} of its functions cannot be called, {first:.64} the first of them: at most {} can, with \
                 names of up to {} bytes; begin the names of others with _, or list in __all__ what is called",
                limits::SCRIPT_FUNCTIONS_MAX,
                limits::SCRIPT_FUNCTION_BYTES_MAX
            );
            script.log(WARNING, &text, cx.now);
        }
        cx.send(Message::Loaded(id, hooks));
        cx.send(Message::Functions(id, functions));
        self.report(id, Ok("is loaded"), cx);
    }

    /// The script cannot be loaded: its process ends by itself.
    pub fn failed(&self, id: ScriptId, why: &str, sentence: Option<&str>, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        script.log(ERROR, &format!("cannot be loaded:\n{why}"), cx.now);
        // The last line of a traceback is the error.
        let sentence = sentence.or(why.trim_end().lines().last());
        let mut problem = sentence.unwrap_or("no reason is known").trim().to_owned();
        let memory_mb = script.settings.memory_bytes >> 20;
        if memory_mb > 0 && lacks_memory(why) {
            problem += &format!("; {}", memory_advice(&script.name, memory_mb));
        }
        script.problem = Some(problem);
    }

    /// The process could not be started at all. Of a name that never was a script nothing stays.
    pub fn not_started(
        &mut self,
        id: ScriptId,
        run: RunId,
        (why, has_file): (&str, bool),
        cx: &mut Cx<'_>,
    ) {
        cx.scripts[id].log(ERROR, why, cx.now);
        self.ended(id, run, why, cx);
        let script = &mut cx.scripts[id];
        let was_never_one = !has_file && !script.was_loaded && script.kind == LaunchKind::Script;
        if was_never_one && script.state == State::Failed {
            script.state = State::Forgotten;
        }
    }

    /// A script without a process is unloaded: whether it still has a file.
    pub fn looked(&mut self, id: ScriptId, has_file: bool, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        let State::Looking { was_failed, .. } = script.state else {
            return;
        };
        script.state = match has_file {
            true => State::Unloaded,
            false => State::Forgotten,
        };
        script.problem = None;
        let name = script.name.clone();
        if !has_file {
            cx.send(Message::Unloaded(id));
        }
        match (has_file, was_failed) {
            (true, true) => self.report(id, Ok("is unloaded"), cx),
            (false, _) => self.report(id, Ok("is unloaded, and forgotten: it has no file"), cx),
            (true, false) => {
                for (_, issuer) in self.issuers.extract_if(.., |(script, _)| *script == id) {
                    cx.reply(issuer, Err(OrderError::NotLoaded(name.clone())));
                }
            }
        }
    }

    /// The process has ended.
    pub fn ended(&mut self, id: ScriptId, run: RunId, how: &str, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        let before = script.state;
        let how = script.kill_reason.take().unwrap_or_else(|| how.to_owned());
        script.queue.process_ended();
        script.check = None;
        script.state = match before {
            State::Unloading { .. } => State::Unloaded,
            // What did not load will not load the next time either.
            State::Starting { .. } => State::Failed,
            _ => script.wait(cx.now),
        };
        cx.messages.push_back(Message::ProcessEnded(id, run));
        match (script.state, before) {
            (State::Waiting { until_ms }, _) => {
                let pause_s = (until_ms - cx.now.mono_ms) / 1_000;
                let text = format!("{how}; it is started again in {pause_s} s");
                script.problem = Some(how);
                script.log(ERROR, &text, cx.now);
            }
            (_, State::Unloading { again: true, .. }) => self.queue_start(id, false, cx),
            (State::Failed, _) => {
                let problem = script.problem.get_or_insert(how).clone();
                self.withdraw(id, Err(&problem), cx);
            }
            _ => {
                script.log(INFO, "unloaded", cx.now);
                self.withdraw(id, Ok("is unloaded"), cx);
            }
        }
    }

    /// The script is unloaded or failed: nothing waits for it any more.
    fn withdraw(&mut self, id: ScriptId, outcome: Result<&str, &str>, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        script.is_known = false;
        script.queue.clear();
        let is_unloaded = script.state == State::Unloaded;
        cx.send(Message::Unloaded(id));
        self.report(id, outcome, cx);
        if is_unloaded && !self.is_stopping {
            self.look(id, cx);
        }
    }

    /// Whether a script without a process still has a file decides whether it is forgotten.
    fn look(&mut self, id: ScriptId, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        if script.kind == LaunchKind::Interfaces {
            return;
        }
        self.last_run.0 += 1;
        let was_failed = script.state == State::Failed;
        let run = self.last_run;
        script.state = State::Looking { run, was_failed };
        let name = script.name.clone();
        cx.act(id, ScriptAct::Look(name));
    }

    fn check_deadlines(&mut self, id: ScriptId, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let script = &mut cx.scripts[id];
        let next_ms = now_ms + limits::SCRIPT_UNLOAD_MS;
        match &mut script.state {
            State::Waiting { until_ms } if *until_ms <= now_ms => self.queue_start(id, false, cx),
            State::Starting { due_ms, .. } if *due_ms <= now_ms => {
                // The report of its end is on its way.
                *due_ms = now_ms + limits::SCRIPT_LOAD_MS;
                let seconds = limits::SCRIPT_LOAD_MS / 1_000;
                cx.kill(id, &format!("did not load within {seconds} s"));
            }
            State::Unloading {
                due_ms,
                finishes: finishes @ true,
                ..
            } if *due_ms <= now_ms || script.queue.is_idle() => {
                (*due_ms, *finishes) = (next_ms, false);
                script.queue.send(&channel::unload());
            }
            State::Unloading { due_ms, .. } if *due_ms <= now_ms => {
                *due_ms = next_ms;
                cx.act(id, ScriptAct::Kill);
            }
            _ => {}
        }
        let script = &mut cx.scripts[id];
        let call_ms = script.settings.call_ms;
        let stuck = script.stuck_due_ms().is_some();
        match stuck.then(|| script.queue.stuck(call_ms, cx.now)).flatten() {
            Some(Stuck::Interrupt) => {
                let text =
                    format!("one of its functions has run for {call_ms} ms: it is interrupted");
                script.log(ERROR, &text, cx.now);
                cx.act(id, ScriptAct::Interrupt);
            }
            Some(Stuck::Kill) => cx.kill(id, "could not be interrupted"),
            None => {}
        }
        if let Some((_, due_ms)) = cx.scripts[id].check
            && due_ms <= now_ms
        {
            self.unload(id, true, cx);
        }
    }

    /// Lets a script finish what it has, and unloads it.
    fn unload(&mut self, id: ScriptId, then_again: bool, cx: &mut Cx<'_>) {
        let due_ms = cx.now.mono_ms + limits::SCRIPT_UNLOAD_MS;
        let script = &mut cx.scripts[id];
        script.check = None;
        let unloading = |run, finishes| State::Unloading {
            run,
            due_ms,
            again: then_again,
            finishes,
        };
        match &mut script.state {
            State::Running { run } => script.state = unloading(*run, true),
            State::Starting { run, .. } => {
                script.state = unloading(*run, false);
                cx.act(id, ScriptAct::Kill);
            }
            State::Unloading { again, .. } => *again = then_again,
            _ if then_again => self.queue_start(id, false, cx),
            State::Waiting { .. } | State::Queued { .. } => {
                script.state = State::Unloaded;
                self.withdraw(id, Ok("is unloaded"), cx);
            }
            State::Unloaded | State::Failed if script.kind == LaunchKind::Script => {
                self.look(id, cx);
            }
            State::Failed => {
                script.state = State::Unloaded;
                self.report(id, Ok("is unloaded"), cx);
            }
            State::Unloaded | State::Looking { .. } | State::Forgotten => {}
        }
    }

    /// Carries out what an operator or an admin requests; they get the result, at once or later.
    pub fn on_request(&mut self, request: &ScriptRequest, issuer: Issuer, cx: &mut Cx<'_>) {
        let result = self.carry_out(request, issuer, cx);
        if let Some(result) = result.transpose() {
            cx.reply(issuer, result);
        }
    }

    fn carry_out(
        &mut self,
        request: &ScriptRequest,
        issuer: Issuer,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Value>, OrderError> {
        let id = match request {
            ScriptRequest::List => return Ok(Some(orders::list(issuer, cx))),
            ScriptRequest::Stats { name } => {
                let shown = match name {
                    Some(name) => vec![cx.scripts.find(name)?],
                    None => cx.scripts.ids().collect(),
                };
                cx.send(Message::StatsRequested(shown, issuer));
                return Ok(None);
            }
            ScriptRequest::Load { name } => find_or_add(name, cx)?,
            ScriptRequest::Unload { name }
            | ScriptRequest::Reload { name }
            | ScriptRequest::Level { name, .. }
            | ScriptRequest::Log { name, .. } => cx.scripts.find(name)?,
        };
        let script = &mut cx.scripts[id];
        match request {
            ScriptRequest::Log { after, .. } => {
                let (log, lines) = script.journal.to_json(*after);
                return Ok(Some(json!({ "log": log, "lines": lines })));
            }
            ScriptRequest::Level { name, level } => {
                script.journal.level_is(*level);
                let text = match level {
                    Some(level) => {
                        format!("{name} logs lines up to level {level}, until vpid ends")
                    }
                    None => format!("{name} logs lines as VPID_LOG says"),
                };
                return Ok(Some(json!({ "ok": text })));
            }
            ScriptRequest::Load { name } if script.is_running() => {
                return Err(OrderError::LoadedAlready(name.clone()));
            }
            // Of one of the folder, the file must be looked for.
            ScriptRequest::Unload { name }
                if script.kind == LaunchKind::Interfaces && script.state == State::Unloaded =>
            {
                return Err(OrderError::NotLoaded(name.clone()));
            }
            _ => {}
        }
        self.issuers.push((id, issuer));
        match (request, script.state) {
            (ScriptRequest::Unload { .. }, _) => self.unload(id, false, cx),
            (ScriptRequest::Load { .. }, State::Starting { .. } | State::Queued { .. }) => {}
            _ => self.reload(id, cx),
        }
        Ok(None)
    }

    /// A script that runs checks its file first.
    fn reload(&mut self, id: ScriptId, cx: &mut Cx<'_>) {
        let script = &mut cx.scripts[id];
        script.pause_ms = limits::SCRIPT_RESTART_MS_MIN;
        let call_ms = script.settings.call_ms;
        match script.kind {
            _ if !script.is_running() => self.unload(id, true, cx),
            LaunchKind::Interfaces => check_file(id, channel::reload, call_ms, cx),
            LaunchKind::Script => {
                let patience_ms = call_ms.min(limits::SCRIPT_KILL_MS);
                check_file(id, channel::check, patience_ms, cx);
            }
        }
    }

    /// The file of VPI functions was edited.
    pub fn interfaces_edited(&mut self, cx: &mut Cx<'_>) {
        let Ok(id) = cx.scripts.find(INTERFACES_NAME) else {
            return;
        };
        match cx.scripts[id].state {
            State::Running { .. } => {
                check_file(id, channel::reload, limits::SCRIPT_LOAD_MS, cx);
            }
            State::Failed => self.queue_start(id, false, cx),
            _ => {}
        }
    }

    /// The script has answered a message. Gives back what is not the answer to a check of its file.
    pub fn on_result(
        &mut self,
        id: ScriptId,
        message: MessageId,
        outcome: Result<Value, FunctionError>,
        cx: &mut Cx<'_>,
    ) -> Option<Result<Value, FunctionError>> {
        let script = &mut cx.scripts[id];
        if script.check.is_none_or(|(check, _)| check != message) {
            return Some(outcome);
        }
        script.check = None;
        match outcome {
            // The file of VPI functions is loaded again in the same process.
            Ok(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let names = channel::bounded(names.map(str::to_owned));
                let text = format!("reloaded: {}", counted(names.len(), "function"));
                script.log(INFO, &text, cx.now);
                script.problem = None;
                cx.send(Message::Functions(id, names));
                self.report(id, Ok("is reloaded"), cx);
            }
            Ok(_) => self.unload(id, true, cx),
            Err(error) => {
                let problem = format!("{}: {}", error.kind, error.text);
                let text = format!("cannot be reloaded, and stays as it was:\n{problem}");
                script.log(ERROR, &text, cx.now);
                script.problem = Some(problem.clone());
                self.report(id, Err(&format!("{problem}; what was loaded stays")), cx);
            }
        }
        None
    }

    /// Reports to the issuers of orders what became of a script.
    fn report(&mut self, id: ScriptId, outcome: Result<&str, &str>, cx: &mut Cx<'_>) {
        let name = cx.scripts[id].name.clone();
        for (_, issuer) in self.issuers.extract_if(.., |(script, _)| *script == id) {
            let outcome = match outcome {
                Ok(what) => Ok(json!({ "ok": format!("{name} {what}") })),
                Err(why) => Err(OrderError::Failed(name.clone(), why.to_owned())),
            };
            cx.reply(issuer, outcome);
        }
    }
}

/// A script that may not have been known.
fn find_or_add(name: &str, cx: &mut Cx<'_>) -> Result<ScriptId, OrderError> {
    if let Ok(id) = cx.scripts.find(name) {
        return Ok(id);
    }
    if !is_script_name(name) {
        return Err(OrderError::NoName(name.to_owned()));
    }
    if cx.config.dir.is_none() {
        return Err(OrderError::NoFolder);
    }
    if cx.scripts.all.len() >= limits::SCRIPTS_MAX {
        return Err(OrderError::TooMany);
    }
    let kind = LaunchKind::Script;
    Ok(cx.scripts.add(name.to_owned(), kind, cx.config))
}

/// Lets the process of a script read its file. Without an answer in time, the process is replaced.
fn check_file(id: ScriptId, message: fn(MessageId) -> String, patience_ms: u64, cx: &mut Cx<'_>) {
    let number = cx.scripts.next_message();
    let script = &mut cx.scripts[id];
    script.check = Some((number, cx.now.mono_ms + patience_ms));
    script.queue.send(&message(number));
}
