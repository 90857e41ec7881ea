//! The life of a call: taken, admitted, running, answered or expired.
//!
//! A call file is held until each of its calls is done and each answer was in the input file
//! once; only then is it removed. So whatever happens to the daemon in between, the file is
//! found again.
//!
//! A call that a database's lane has is answered at its deadline, whatever the lane does (`late`).

mod late;

use super::accepted_file::{AcceptedFile, Chain, OpenCall, Parked, Proof, Route, open_calls};
use super::answers::Answers;
use super::context::Context;
use super::counters::Counters;
use super::ended::{EndedCall, ShortName};
use super::functions::{Functions, Task, is_python_name, unknown};
use super::hosts::Hosts;
use super::ids::{Caller, HostId, ScriptId, ServerId, Source, Ticket};
use super::message::{ForwardedCall, Message, ScriptCall};
use super::shares::{Kind, Owner, Shares};
use super::trace::{self, BegunCall};
use super::{Effect, FileId, FolderId, InputState, Now, TakenFile, Timer};
use crate::config::Config;
use crate::jobs::{CallId, Done, IdMap, Job};
use crate::limits;
use crate::protocol::call::{Call, CallResult};
use crate::protocol::call_error::CallError;
use crate::protocol::cut::cut;
use crate::protocol::response_text::{Decoder, push_text, push_value};
use crate::protocol::stock::call_file::{self, Span};
use crate::protocol::stock::response_file;
use crate::sql::{DatabaseId, SqlCall};
use late::Late;
use serde_json::{Value, json};
use std::collections::VecDeque;

struct OpenFile {
    proof: Proof,
    caller: Caller,
    /// Whose share it is counted in; `None` for calls of the owner's scripts.
    owner: Option<Owner>,
    /// The bytes that are counted for it while it is open, besides those of calls that run.
    held_bytes: usize,
    /// Where calls stand that are not read yet, and how many those are.
    text: Vec<u8>,
    unread: usize,
    route: Route,
    arrived_ms: u64,
    recovered: bool,
    /// Why it is rejected when it is done, instead of removed.
    rejected: Option<&'static str>,
    /// The nearest deadline of a call that a lane has.
    due_ms: Option<u64>,
    calls: Vec<OpenCall>,
    /// Calls that are not done.
    running: usize,
    /// Answers that were not in the input file yet.
    unshown: usize,
}

#[derive(Default)]
pub struct Calls {
    files: IdMap<Source, OpenFile>,
    running: usize,
    running_of: IdMap<Caller, usize>,
    /// What hosts hold of what is for all.
    shares: Shares,
    /// The same for the owner's scripts, which hold bytes alone.
    of_scripts: Shares,
    /// Calls that are to be started.
    starting: Starting,
    deadline_ms: u64,
    late: Late,
    /// What has ended.
    pub counters: Counters,
}

pub type Outcome = Result<String, CallError>;

impl Calls {
    pub fn new(config: &Config) -> Self {
        let mut calls = Self::default();
        calls.reconfigure(config);
        calls
    }

    pub fn reconfigure(&mut self, config: &Config) {
        self.deadline_ms = config.call_deadline_ms;
    }

    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether one more file may be taken. `backlog`: answers that the host has not fetched; a
    /// client that does not fetch is not given more. `reads`: it has fetched some. A stock host that has
    /// not may be made up, by anyone who knows the secret, and many of them would hold all that the others
    /// share. One that has fetched all of its answers holds them for repetitions only, which make room for
    /// new ones. The file's calls are not counted yet: the bounds leave room for the largest file.
    pub fn has_room(&self, owner: Owner, backlog: usize, reads: bool) -> bool {
        if owner.stock && !reads && backlog >= limits::UNREAD_ANSWERS_MAX {
            return false;
        }
        let held = owner
            .host
            .map_or(0, |host| self.shares.of_host(host, Kind::Calls));
        held + backlog < limits::HOST_CALLS_OPEN_MAX
            && self.shares.left(owner, Kind::Calls) > backlog
            && self.shares.left(owner, Kind::Files) > 0
            && self.shares.left(owner, Kind::Bytes) > 0
            && (reads && backlog == 0 || self.shares.left(owner, Kind::Answers) > 0)
    }

    /// Whether a script may make one more call, by the memory that its others take.
    fn script_has_room(&self, script: ScriptId) -> bool {
        self.of_scripts.left(script_owner(script), Kind::Bytes) > 0
    }

    #[cfg(test)]
    pub fn held_bytes(&self, host: HostId) -> usize {
        self.shares.of_host(host, Kind::Bytes)
    }

    /// Whether calls of a host are not done, or answers not shown.
    pub fn is_open(&self, host: HostId) -> bool {
        self.shares.is_open(host)
    }

    /// A call file was read: check it, and start its calls.
    pub fn file_taken(&mut self, file: TakenFile, cx: &mut Context<'_>) {
        let id = file.file;
        let accepted = match authentic(file, cx) {
            Ok(accepted) => accepted,
            Err(reason) => return cx.out.effects.push(Effect::Reject { file: id, reason }),
        };
        if let Caller::Host(host) = accepted.caller {
            cx.out.settle(host);
        }
        self.open(accepted, cx);
    }

    /// Starts the calls of a file that is authenticated.
    pub fn open(&mut self, accepted: AcceptedFile, cx: &mut Context<'_>) {
        if let Route::Script { request, .. } = accepted.route
            && !self.script_has_room(request.script)
        {
            let error = CallError::new("QueueFull", "its calls take too much memory already");
            return cx.out.send(Message::Responded(request, Err(error)));
        }
        if let Route::Operator { ticket, .. } = accepted.route
            && !self.script_has_room(OPERATORS)
        {
            let problem =
                "calls of operators take too much memory already; wait until some are done";
            return cx
                .out
                .complete(Some(Ticket::Operator(ticket)), Err(problem.into()));
        }
        let AcceptedFile { source, caller, .. } = accepted;
        let is_signed = matches!(accepted.proof, Proof::Signed { .. });
        let owner = caller.host().and_then(|host| cx.hosts.owner_of(host));
        let owner = owner.map(|owner| Owner {
            stock: !is_signed,
            ..owner
        });
        let (calls, starts) = open_calls(accepted.singles, accepted.chains, is_signed);
        self.running += calls.len();
        *self.running_of.entry(caller).or_default() += calls.len();
        let waiting: usize = calls.iter().map(OpenCall::waiting_bytes).sum();
        let is_raw = |call: &&OpenCall| matches!(call.parked, Some(Parked::Raw(_)));
        let open = OpenFile {
            proof: accepted.proof,
            caller,
            owner,
            held_bytes: waiting + accepted.text.len(),
            text: accepted.text,
            unread: calls.iter().filter(is_raw).count(),
            route: accepted.route,
            arrived_ms: cx.now.mono_ms,
            recovered: accepted.recovered,
            rejected: None,
            due_ms: None,
            running: calls.len(),
            unshown: 0,
            calls,
        };
        if let Some(owner) = owner_of_channel(caller) {
            self.of_scripts.take(owner, Kind::Bytes, open.held_bytes);
        }
        if let Some(owner) = owner {
            self.shares.take(owner, Kind::Files, 1);
            self.shares.take(owner, Kind::Calls, open.calls.len());
            self.shares.take(owner, Kind::Bytes, open.held_bytes);
        }
        if matches!(open.route, Route::Stock { .. })
            && let Some(answers) = caller.host().and_then(|host| cx.hosts.answers(host))
        {
            answers.hold_repeats(cx.now);
            let waited_for = open.calls.iter().filter(|call| call.callback);
            waited_for.for_each(|call| answers.expect(&call.token, cx.now));
        }
        self.files.insert(source, open);
        for index in starts {
            self.starting.add(caller, CallId { source, index });
        }
        self.start_some(cx);
        self.finish(source, cx);
    }

    /// Starts a call. `None`: it runs now, and its outcome comes with a later event.
    fn start(&mut self, id: CallId, cx: &mut Context<'_>) -> Option<Outcome> {
        let call = match self.unpark(id)? {
            Ok(call) => call,
            Err(bad) => return Some(Err(bad.error)),
        };
        if let Some(redactor) = cx.out.trace.redactor() {
            let script = cx.functions.script_of(&call.function).unwrap_or_default();
            let begun = BegunCall::new(&call, script, redactor);
            let open = self.files.get_mut(&id.source)?;
            open.calls[id.index as usize].traced = Some(Box::new(begun));
        }
        let file = self.files.get(&id.source)?;
        let decoder = file.route.decoder();
        let own = match file.caller {
            Caller::Host(_) => false,
            Caller::Script(_) => true,
            // An operator may call as any script; the rights are those of its name.
            Caller::Operator => is_python_name(&call.script),
        };
        let task = match cx.functions.resolve(&call, own) {
            Ok(task) => task,
            Err(error) => return Some(Err(error)),
        };
        match task {
            Task::Answer(value) => {
                let mut text = String::new();
                push_value(&mut text, &value, decoder);
                Some(Ok(text))
            }
            Task::Vyhub(what) => {
                let waits = (call.timeout_ms, call.callback);
                let call = self.forwarded(id, *what, waits, cx.now)?;
                cx.out.send(Message::CallCommunity(call));
                None
            }
            Task::Script { script, function } => {
                let waits = (call.timeout_ms, call.callback);
                let called = ScriptCall {
                    script,
                    function,
                    call,
                };
                let call = self.forwarded(id, called, waits, cx.now)?;
                cx.out.send(Message::CallScript(call));
                None
            }
            Task::Sql {
                database,
                call: sql_call,
            } => {
                if !self.late.has_room(database) {
                    return Some(Err(CallError::word("DatabaseUnavailable")));
                }
                let job = self.sql_job(id, database, call, *sql_call, cx.now)?;
                self.lane_has(id, database, job.deadline_ms, &mut cx.out.effects);
                cx.out.effects.push(Effect::Sql(Box::new(job)));
                None
            }
        }
    }

    /// A call as a database's lane gets it.
    fn sql_job(
        &self,
        id: CallId,
        database: DatabaseId,
        call: Call,
        sql_call: SqlCall,
        now: Now,
    ) -> Option<Job> {
        let file = self.files.get(&id.source)?;
        let chain = file.calls[id.index as usize].chain;
        let goes_on = chain.filter(|chain| !chain.stops);
        // Each call of such a chain has time of its own, however long those before it took.
        let since_ms = match goes_on {
            Some(chain) if chain.first < id.index => now.mono_ms,
            _ => file.arrived_ms,
        };
        let own_ms = sql_call.deadline_ms();
        // Where no caller waits for the answer there is no hurry, and it must be done.
        let patience = [call.timeout_ms, own_ms].into_iter().flatten();
        let patience = patience.fold(self.deadline_ms, u64::min);
        Some(Job {
            id,
            database,
            caller: file.caller,
            function: call.function,
            call: sql_call,
            deadline_ms: call.callback.then_some(since_ms + patience),
            limit_ms: own_ms.unwrap_or(limits::SQL_STATEMENT_MS_MAX),
            recovered: file.recovered,
            notes_failure: goes_on.is_some(),
            tries: self.late.tries(id, file.recovered),
            decoder: file.route.decoder(),
        })
    }

    /// What the SQL lane did. Answers go out together afterwards.
    pub fn sql_done(&mut self, done: Vec<Done>, cx: &mut Context<'_>) {
        for Done { id, outcome } in done {
            if self.lane_has_done(id, &outcome) {
                self.done(id, outcome, cx);
                self.finish(id.source, cx);
            }
        }
        self.start_some(cx);
    }

    /// A call is done: answer, or let the next of its chain start.
    fn done(&mut self, id: CallId, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(file) = self.files.get_mut(&id.source) else {
            return;
        };
        let caller = file.caller;
        let host = caller.host();
        if let Some(host) = host {
            cx.out.settle(host);
        }
        let owner = file.owner;
        let took_ms = cx.now.mono_ms.saturating_sub(file.arrived_ms);
        let server = owner.map(|owner| owner.server);
        self.counters.finished(server, outcome.is_ok(), took_ms);
        let open = &mut file.calls[id.index as usize];
        let cost = std::mem::take(&mut open.cost);
        note_end(open, (caller, took_ms), &outcome, cx);
        if let Err(error) = &outcome {
            let host = host.and_then(|host| cx.hosts.get(host));
            let host = match (host, caller) {
                (Some(host), _) => host.name.as_str(),
                (None, Caller::Operator) => "of an operator",
                (None, _) => "of a script",
            };
            log::warn!(
                host:% = host; "host {host}: a call failed: {}",
                error.to_answer(&open.function)
            );
        }
        let (mut next, mut dropped, mut answered) = (None, 0, id.index);
        if let Some(chain) = open.chain {
            (next, dropped) = onward(file, id.index, chain, outcome.is_err(), cx.functions);
            answered = chain.last;
        }
        let finished = 1 + dropped as usize;
        file.running -= finished;
        self.running -= finished;
        if let Some(running) = self.running_of.get_mut(&caller) {
            *running -= finished;
            if *running == 0 {
                self.running_of.remove(&caller);
            }
        }
        if let Some(owner) = owner {
            self.shares.give_back(owner, Kind::Calls, finished);
            self.give_back_cost(owner, cost);
        }
        match next {
            Some(index) => self.starting.add_first(caller, CallId { index, ..id }),
            None => self.answer(id, answered, outcome, cx),
        }
    }

    /// Lets a file go when nothing of it is left to do.
    fn finish(&mut self, id: Source, cx: &mut Context<'_>) {
        let is_done = |file: &OpenFile| file.running == 0 && file.unshown == 0;
        if !self.files.get(&id).is_some_and(is_done) {
            return;
        }
        let Some(file) = self.files.remove(&id) else {
            return;
        };
        self.late.forget(id, file.due_ms);
        if let Some(owner) = owner_of_channel(file.caller) {
            self.of_scripts
                .give_back(owner, Kind::Bytes, file.held_bytes);
        }
        if let Some(owner) = file.owner {
            self.shares.give_back(owner, Kind::Files, 1);
            self.shares.give_back(owner, Kind::Bytes, file.held_bytes);
        }
        if let Source::File(file_id) = id {
            cx.out.effects.push(match file.rejected {
                None => Effect::Remove { file: file_id },
                Some(reason) => Effect::Reject {
                    file: file_id,
                    reason: reason.to_owned(),
                },
            });
        }
        cx.hosts.file_is_done(file.proof, &mut cx.out.effects);
    }
}

/// By which what a script holds is counted: as a server of one host.
fn script_owner(ScriptId(script): ScriptId) -> Owner {
    Owner {
        host: Some(HostId(script)),
        server: ServerId(script as usize),
        stock: false,
    }
}

/// By which the calls of operators are counted.
const OPERATORS: ScriptId = ScriptId(u32::MAX);

fn owner_of_channel(caller: Caller) -> Option<Owner> {
    match caller {
        Caller::Host(_) => None,
        Caller::Script(script) => Some(script_owner(script)),
        Caller::Operator => Some(script_owner(OPERATORS)),
    }
}

/// Looks who wrote a stock file, and only then what is in it. The error says why it is rejected.
fn authentic(file: TakenFile, cx: &mut Context<'_>) -> Result<AcceptedFile, String> {
    let identity = call_file::scan(&file.bytes).map_err(|error| error.to_string())?;
    let effects = &mut cx.out.effects;
    let authenticated = cx
        .hosts
        .authenticate(&file, identity.as_ref(), cx.now, effects);
    let authenticated = authenticated.map_err(|reason| reason.to_string())?;
    let host = authenticated.host;
    if authenticated.new_input {
        cx.out.effects.push(Effect::LookAtInput { host });
    }
    let outline = call_file::outline(&file.bytes).map_err(|error| error.to_string())?;
    let known = cx.hosts.get(host);
    let session = known.map(|host| host.session).unwrap_or_default();
    let opened = |calls: Vec<call_file::Sketch>| calls.into_iter().map(OpenCall::from).collect();
    Ok(AcceptedFile {
        source: Source::File(file.file),
        caller: Caller::Host(host),
        proof: authenticated.identity.map_or(Proof::None, Proof::Identity),
        route: match authenticated.stale {
            true => Route::Nowhere,
            false => Route::Stock { session },
        },
        recovered: file.recovered,
        text: file.bytes,
        singles: opened(outline.singles),
        chains: outline.chains.into_iter().map(opened).collect(),
    })
}

// What comes behind a call of a chain.
//
// Our own client's chains (`VPI.ChainCall`) end at the first error, and that is their answer. A
// chain of the stock protocol runs every call, as the servers did for which such clients were
// written (vpi.py until January 2025, and forks of it to this day): one that fails ends itself
// alone, one whose function does not exist is passed over, and the answer is the result of the
// last call that was not passed over.

/// When a call of a chain has ended: the call that starts now (without one, the call that has ended
/// gives the answer), and how many behind it will not run, and are done too.
fn onward(
    file: &OpenFile,
    index: u32,
    chain: Chain,
    failed: bool,
    functions: &Functions,
) -> (Option<u32>, u32) {
    if failed && chain.stops {
        return (None, chain.last - index);
    }
    let behind = index + 1..=chain.last;
    // What has no name at all is answered for what it is.
    let runs = |at: &u32| {
        let function = file.calls[*at as usize].function.as_str();
        chain.stops || function.is_empty() || functions.is_known(function)
    };
    let next = behind.clone().find(runs);
    let dropped = next.unwrap_or(chain.last + 1) - behind.start();
    for at in behind.take(dropped as usize) {
        let function = &file.calls[at as usize].function;
        let error = unknown(function).to_answer(function);
        log::warn!("a call of a chain is passed over: {error}");
    }
    (next, dropped)
}

impl Calls {
    /// `waits`: for how long its caller does, where it says so, and whether at all.
    fn forwarded<T>(
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
                Route::Script { server, .. } | Route::Operator { server, .. } => server,
                _ => None,
            },
            what,
            due_ms: now.mono_ms + patience_ms.min(self.deadline_ms),
            callback,
            recovered: file.recovered,
        }))
    }

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
            Self::Signed { .. } | Self::Operator { .. } => Decoder::Own,
            Self::Script { .. } => Decoder::Exact,
            Self::Nowhere | Self::Stock { .. } => Decoder::Stock,
        }
    }
}

// Calls on their way from their file to their executor: some with each event, hosts in turn, so
// that a large file delays no other host; and no more than there is memory for. Until then they stay the
// bytes that they came in.
//
// Calls of one host start in the order in which they came.

#[derive(Default)]
pub struct Starting {
    queues: IdMap<Caller, VecDeque<CallId>>,
    /// Hosts in whose queue something is, the next first.
    turns: VecDeque<Caller>,
    /// What calls of each host that were read cost while they run, and of all.
    costs: IdMap<Caller, usize>,
    cost: usize,
}

impl Starting {
    /// A call is to be started after those before it.
    pub fn add(&mut self, caller: Caller, call: CallId) {
        self.queue(caller).push_back(call);
    }

    /// The next of a chain goes on where the one before it ended.
    pub fn add_first(&mut self, caller: Caller, call: CallId) {
        self.queue(caller).push_front(call);
    }

    fn queue(&mut self, caller: Caller) -> &mut VecDeque<CallId> {
        let queue = self.queues.entry(caller).or_default();
        if queue.is_empty() {
            self.turns.push_back(caller);
        }
        queue
    }

    fn first(&self, caller: Caller) -> Option<CallId> {
        self.queues.get(&caller)?.front().copied()
    }

    /// Whether the host at the front has another turn; it is at the back then.
    fn next_turn(&mut self) {
        let Some(host) = self.turns.pop_front() else {
            return;
        };
        match self
            .queues
            .get(&host)
            .is_some_and(|queue| !queue.is_empty())
        {
            true => self.turns.push_back(host),
            false => drop(self.queues.remove(&host)),
        }
    }
}

impl Calls {
    /// Starts calls that wait, as many as one event has time for. The others come with a timer, or
    /// with the end of calls whose memory they need.
    pub fn start_some(&mut self, cx: &mut Context<'_>) {
        let mut left = limits::EVENT_START_BYTES;
        // Hosts in a row that have no memory for their next call.
        let mut blocked = 0;
        while left > 0 && blocked < self.starting.turns.len() {
            let host = self.starting.turns[0];
            let mut turn = left.min(limits::HOST_START_BYTES);
            blocked += 1;
            while turn > 0
                && let Some(id) = self.starting.first(host)
            {
                let span = self.span(id);
                if span.is_some_and(|span| !self.may_start(id, span)) {
                    break;
                }
                if let Some(queue) = self.starting.queues.get_mut(&host) {
                    queue.pop_front();
                }
                blocked = 0;
                let bytes = span
                    .map_or(0, |span| span.bytes())
                    .max(limits::CALL_START_BYTES_MIN);
                (turn, left) = (turn.saturating_sub(bytes), left.saturating_sub(bytes));
                if let Some(outcome) = self.start(id, cx) {
                    self.done(id, outcome, cx);
                    self.finish(id.source, cx);
                }
            }
            self.starting.next_turn();
        }
        if blocked < self.starting.turns.len() {
            cx.out.timer(Timer::Starts, Some(cx.now.mono_ms));
        }
    }

    /// Where a call stands that is not read yet.
    fn span(&self, id: CallId) -> Option<Span> {
        match self.files.get(&id.source)?.calls[id.index as usize].parked {
            Some(Parked::Raw(span)) => Some(span),
            _ => None,
        }
    }

    /// Whether there is memory for a call: in its host's share, or because nothing else of the host
    /// runs.
    fn may_start(&self, id: CallId, span: Span) -> bool {
        let Some(file) = self.files.get(&id.source) else {
            return true;
        };
        let Some(owner) = file.owner else { return true };
        let cost = span.cost();
        let alone = !self.starting.costs.contains_key(&file.caller);
        self.shares.left(owner, Kind::Bytes) >= cost
            || alone && self.starting.cost + cost <= limits::CALL_BYTES_MAX / 2
    }

    /// Gives a call that starts, read.
    fn unpark(&mut self, id: CallId) -> Option<CallResult> {
        let file = self.files.get_mut(&id.source)?;
        let open = &mut file.calls[id.index as usize];
        let span = match open.parked.take()? {
            Parked::Read(call) => return Some(*call),
            Parked::Raw(span) => span,
        };
        let call = span.read(&file.text);
        open.cost = span.cost();
        file.unread -= 1;
        let text = match file.unread {
            0 => std::mem::take(&mut file.text).len(),
            _ => 0,
        };
        file.held_bytes -= text;
        if let Some(owner) = file.owner {
            let cost = open.cost;
            self.shares.give_back(owner, Kind::Bytes, text);
            self.shares.take(owner, Kind::Bytes, cost);
            self.starting.cost += cost;
            *self.starting.costs.entry(file.caller).or_default() += cost;
        }
        Some(call)
    }

    /// A call does not run any more.
    fn give_back_cost(&mut self, owner: Owner, cost: usize) {
        self.shares.give_back(owner, Kind::Bytes, cost);
        self.starting.cost -= cost;
        let caller = owner.host.map(Caller::Host);
        if let Some(caller) = caller
            && let Some(costs) = self.starting.costs.get_mut(&caller)
        {
            *costs -= cost;
            if *costs == 0 {
                self.starting.costs.remove(&caller);
            }
        }
    }
}

impl Calls {
    fn answer(&mut self, id: CallId, answered: u32, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(file) = self.files.get_mut(&id.source) else {
            return;
        };
        let function = std::mem::take(&mut file.calls[id.index as usize].function);
        let receiver = &mut file.calls[answered as usize];
        if !receiver.callback || receiver.token.is_empty() {
            return;
        }
        let token = std::mem::take(&mut receiver.token);
        let taken = match file.route {
            Route::Nowhere => false,
            Route::Script { request, .. } => {
                cx.out.send(Message::Responded(request, outcome));
                false
            }
            Route::Operator { ticket, .. } => {
                let text = outcome.map_err(|error| error.to_answer(&function));
                let response = text.map_or_else(Value::String, |json| {
                    serde_json::from_str(&json).unwrap_or(Value::Null)
                });
                let reply = json!({ "response": response });
                cx.out.complete(Some(Ticket::Operator(ticket)), Ok(reply));
                false
            }
            Route::Stock { session } => {
                let (Some(host), Source::File(file_id)) = (file.caller.host(), id.source) else {
                    return;
                };
                let present = cx.hosts.get(host).map(|host| host.session);
                if present != Some(session) || token.ends_with('\\') {
                    return;
                }
                let secret_bytes = cx.hosts.secret(host).map_or(0, <[u8]>::len);
                let value = encode(&token, &function, outcome, secret_bytes);
                let answers = cx.hosts.answers(host);
                answers.is_some_and(|answers| {
                    answers.push(token, value, file_id, file.arrived_ms, cx.now)
                })
            }
            Route::Signed { session } => {
                let (Some(host), Source::File(file_id)) = (file.caller.host(), id.source) else {
                    return;
                };
                let room = file.owner.map_or(0, |owner| self.shares.answers_of(owner));
                cx.hosts.link(host).is_some_and(|link| {
                    let text = link.encode_answer(&token, &function, outcome);
                    let expires_ms = file.arrived_ms + limits::ANSWER_EXPIRES_MS;
                    link.answer(session, text, (file_id, expires_ms), room)
                })
            }
        };
        file.unshown += usize::from(taken);
    }

    /// These files' answers were in the input file, each name once per answer; or they never will be.
    pub fn answers_shown(&mut self, files: &[FileId], cx: &mut Context<'_>) {
        for id in files {
            let source = Source::File(*id);
            if let Some(file) = self.files.get_mut(&source) {
                file.unshown -= 1;
            }
            self.finish(source, cx);
        }
    }

    /// Writes what there is to write for a host, and sets its timers. When nothing of it runs,
    /// repetitions may go on.
    pub fn settle(&mut self, host: HostId, cx: &mut Context<'_>) {
        let running = self.running_of.get(&Caller::Host(host));
        if running.is_none_or(|running| *running == 0)
            && let Some(answers) = cx.hosts.answers(host)
        {
            answers.release_repeats();
        }
        if let Some(link) = cx.hosts.link(host) {
            let expired = link.flush(cx.now, cx.out);
            link.set_timer(cx.now, cx.out);
            self.answers_shown(&expired, cx);
        }
        self.count_answers(host, cx.hosts);
        let Some(secret_bytes) = cx.hosts.secret(host).map(<[u8]>::len) else {
            return;
        };
        let owner = cx.hosts.owner_of(host);
        let room = owner.map_or(0, |owner| self.shares.answers_of(owner));
        let Some(answers) = cx.hosts.answers(host) else {
            return;
        };
        let may_plan = self.running < limits::PLAN_CALLS_RUNNING_MAX;
        let dropped = answers.expire(cx.now, room);
        if let Some(content) = answers.next_content(cx.now, secret_bytes, may_plan) {
            cx.out.effects.push(Effect::WriteAnswers {
                host,
                answers: content,
            });
        }
        self.answers_shown(&dropped, cx);
        self.set_timer(host, cx);
    }

    /// A restart file was found: a map of a host began then.
    pub fn map_began(&mut self, folder: FolderId, name: &str, mtime_ns: i64, cx: &mut Context<'_>) {
        if let Some((host, remember)) = cx.hosts.restarted(folder, name, mtime_ns, cx.now) {
            cx.out.effects.push(remember);
            // Of a host that is not known there is nothing to be dropped.
            if let Some(host) = host {
                self.drop_answers(host, cx);
                cx.out.effects.push(Effect::LookAtInput { host });
            }
        }
    }

    pub fn drop_answers(&mut self, host: HostId, cx: &mut Context<'_>) {
        let dropped = cx.hosts.answers(host).map(Answers::clear);
        self.answers_shown(&dropped.unwrap_or_default(), cx);
    }

    pub fn input_is(&mut self, host: HostId, state: InputState, cx: &mut Context<'_>) {
        if let Some(answers) = cx.hosts.answers(host) {
            answers.input_is(state, cx.now);
        }
        cx.out.settle(host);
    }

    pub fn answers_written(&mut self, host: HostId, ok: bool, cx: &mut Context<'_>) {
        let answers = cx.hosts.answers(host);
        let shown = answers.map(|answers| answers.written(ok, cx.now));
        self.answers_shown(&shown.unwrap_or_default(), cx);
        self.set_timer(host, cx);
    }

    /// What answers of a host take is counted in its share.
    fn count_answers(&mut self, host: HostId, hosts: &mut Hosts) {
        let owner = hosts.owner_of(host);
        let of_link = hosts.link(host).map_or(0, |link| link.waiting_bytes());
        let of_stock = hosts.answers(host).map_or(0, |answers| answers.bytes());
        self.shares.answers_are(host, owner, of_link + of_stock);
    }

    pub fn set_timer(&mut self, host: HostId, cx: &mut Context<'_>) {
        self.count_answers(host, cx.hosts);
        let secret_bytes = cx.hosts.secret(host).map_or(0, <[u8]>::len);
        let answers = cx.hosts.answers(host);
        let due = answers.and_then(|answers| answers.next_due_ms(cx.now, secret_bytes));
        cx.out.timer(Timer::Answers(host), due);
    }
}

/// Notes that a call has ended.
fn note_end(
    call: &mut OpenCall,
    (caller, took_ms): (Caller, u64),
    outcome: &Outcome,
    cx: &mut Context<'_>,
) {
    let ended = EndedCall {
        caller,
        function: ShortName::new(&call.function),
        took_ms,
        bytes: outcome.as_ref().map_or(0, String::len),
        failed: outcome.is_err(),
    };
    if let Some(redactor) = cx.out.trace.redactor() {
        let begun = call.traced.take().map(|begun| *begun);
        let traced = trace::call((&call.function, &ended), begun, outcome, redactor);
        cx.out.trace.push(traced);
    }
    cx.out.ended.push(ended);
}

/// The encoded answer; one that can never fit into a file becomes an error.
fn encode(token: &str, function: &str, outcome: Outcome, secret_bytes: usize) -> String {
    let error_text = |error: CallError| {
        let mut text = String::new();
        push_text(&mut text, &error.to_answer(function), Decoder::Stock);
        text
    };
    let value = outcome.unwrap_or_else(error_text);
    let room = limits::ANSWER_FILE_BYTES_MAX - response_file::frame_bytes(secret_bytes);
    if response_file::entry_bytes(token, &value) <= room {
        return value;
    }
    let error = CallError::word("Response size exceeds maximum");
    let mut text = String::new();
    // It fits beside the longest secret.
    let function = cut(function, limits::OVERSIZE_NAME_BYTES_MAX);
    push_text(&mut text, &error.to_answer(function), Decoder::Stock);
    text
}

#[cfg(test)]
mod tests;
