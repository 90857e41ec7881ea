//! The life of a call: taken, admitted, running, answered or expired.
//!
//! A call file is held until each of its calls is done and each answer was in the input file
//! once; only then is it removed. So whatever happens to the daemon in between, the file is
//! found again.
//!
//! A call that a database's lane has is answered at its deadline, whatever the lane does (`late`).

mod answering;
mod chains;
mod forwarded;
mod late;
mod starting;

use starting::Starting;

use super::accepted_file::{AcceptedFile, OpenCall, Parked, Pending, Proof, Route, open_calls};
use super::context::Context;
use super::functions::Task;
use super::ids::{CallId, Caller, HostId, ScriptId, ServerId, Source};
use super::message::{Message, ScriptCall};
use super::shares::{Kind, Owner, Shares};
use super::{Effect, Now, TakenFile};
use crate::config::Config;
use crate::jobs::{Done, IdMap, Job};
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::push_value;
use crate::protocol::stock::call_file;
use crate::sql::{DatabaseId, SqlCall};
use chains::Onward;
use late::Late;

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
        if let Caller::Script(script) = caller {
            let owner = script_owner(script);
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
        let file = self.files.get(&id.source)?;
        let decoder = file.route.decoder();
        let own = matches!(file.caller, Caller::Script(_));
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
        let open = &mut file.calls[id.index as usize];
        let cost = std::mem::take(&mut open.cost);
        if let Err(error) = &outcome {
            let host = host.and_then(|host| cx.hosts.get(host));
            let host = host.map_or("of a script", |host| host.name.as_str());
            log::warn!(
                "host {host}: a call failed: {}",
                error.to_answer(&open.function)
            );
        }
        let mut finished = 1;
        let mut next = None;
        let mut answered = id.index;
        if let Some(chain) = open.chain {
            let onward = Onward::of(file, id.index, chain, outcome.is_err(), cx.functions);
            next = onward.next;
            finished += onward.dropped as usize;
            answered = chain.last;
        }
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
        if let Caller::Script(script) = file.caller {
            self.of_scripts
                .give_back(script_owner(script), Kind::Bytes, file.held_bytes);
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
    let pending = |calls: Vec<call_file::Sketch>| calls.into_iter().map(Pending::from).collect();
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
        singles: pending(outline.singles),
        chains: outline.chains.into_iter().map(pending).collect(),
    })
}

#[cfg(test)]
mod tests;
