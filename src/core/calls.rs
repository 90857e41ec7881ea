//! The life of a call: taken, admitted, running, answered or expired.
//!
//! A call file is held until each of its calls is done and each answer was in the input file
//! once; only then is it removed. So whatever happens to the daemon in between, the file is
//! found again.
//!
//! A call that a database's lane has is answered at its deadline, whatever the lane does (`late`).

mod answering;
mod asked;
mod chains;
mod late;
mod starting;

use std::collections::HashMap;

pub use asked::{Asked, AskedCall, ScriptCall};
use starting::Starting;

use super::cache::Cache;
use super::functions::{Functions, Task};
use super::opening::{AskKey, OpenCall, Opening, Parked, Pending, Proof, Route, open_calls};
use super::sessions::Hosts;
use super::shares::{Kind, Owner, Shares};
use super::{Effect, Effects, FileId, HostId, Now, TakenFile};
use crate::config::Config;
use crate::jobs::{Done, Job};
use crate::limits;
use crate::protocol::answer_text::push_value;
use crate::protocol::call_error::CallError;
use crate::protocol::stock::call_file::{self, Call};
use crate::sql::{CallId, DatabaseId, SqlCall};
use chains::Onward;
use late::Late;

struct OpenFile {
    proof: Proof,
    host: HostId,
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

pub struct Calls {
    files: HashMap<FileId, OpenFile>,
    /// Files that are finished since this was last asked.
    finished: Vec<Proof>,
    running: usize,
    running_of: HashMap<HostId, usize>,
    /// What hosts hold of what is for all.
    shares: Shares,
    /// The same for the owner's scripts, which hold bytes alone.
    of_scripts: Shares,
    /// Calls that are to be started.
    starting: Starting,
    deadline_ms: u64,
    late: Late,
    cache: Cache,
    /// Calls for others since this was last taken.
    asked: Vec<Asked>,
    /// Answers for scripts since this was last taken.
    replies: Vec<(AskKey, Outcome)>,
}

pub type Outcome = Result<String, CallError>;

impl Calls {
    pub fn new(config: &Config) -> Self {
        let mut calls = Self {
            files: HashMap::new(),
            finished: Vec::new(),
            running: 0,
            running_of: HashMap::new(),
            shares: Shares::default(),
            of_scripts: Shares::default(),
            starting: Starting::default(),
            deadline_ms: 0,
            late: Late::default(),
            cache: Cache::default(),
            asked: Vec::new(),
            replies: Vec::new(),
        };
        calls.reconfigure(config);
        calls
    }

    pub fn reconfigure(&mut self, config: &Config) {
        self.deadline_ms = config.call_deadline_ms;
        self.cache.reconfigure(config);
    }

    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether one more file may be taken. `backlog`: answers that the host has not fetched; a
    /// client that does not fetch is not given more. The file's calls are not counted yet: the
    /// bounds leave room for the largest file.
    pub fn has_room(&self, owner: Owner, backlog: usize) -> bool {
        let held = owner
            .host
            .map_or(0, |host| self.shares.of_host(host, Kind::Calls));
        held + backlog < limits::HOST_CALLS_OPEN_MAX
            && self.shares.left(owner, Kind::Calls) > backlog
            && self.shares.left(owner, Kind::Files) > 0
            && self.shares.left(owner, Kind::Bytes) > 0
            && self.shares.left(owner, Kind::Answers) > 0
    }

    /// Whether a script may make one more call, by the memory that its others take.
    fn script_has_room(&self, script: HostId) -> bool {
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
    pub fn file_taken(
        &mut self,
        file: TakenFile,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        let id = file.file;
        let opening = match authentic(file, hosts, now, effects) {
            Ok(opening) => opening,
            Err(reason) => return effects.push(Effect::Reject { file: id, reason }),
        };
        let host = opening.host;
        self.open(opening, hosts, functions, now, effects);
        self.settle(host, hosts, now, effects);
    }

    /// Starts the calls of a file that is authenticated.
    pub fn open(
        &mut self,
        opening: Opening,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Route::Script { ask, .. } = opening.route
            && !self.script_has_room(opening.host)
        {
            let error = CallError::new("QueueFull", "its calls take too much memory already");
            return self.replies.push((ask, Err(error)));
        }
        let Opening { file: id, host, .. } = opening;
        let is_signed = matches!(opening.proof, Proof::Signed { .. });
        let owner = match opening.route {
            Route::Script { .. } => None,
            _ => hosts.owner_of(host).map(|owner| Owner {
                stock: !is_signed,
                ..owner
            }),
        };
        let (calls, starts) = open_calls(opening.singles, opening.chains, is_signed);
        self.running += calls.len();
        *self.running_of.entry(host).or_default() += calls.len();
        let waiting: usize = calls.iter().map(OpenCall::waiting_bytes).sum();
        let is_raw = |call: &&OpenCall| matches!(call.parked, Some(Parked::Raw(_)));
        let open = OpenFile {
            proof: opening.proof,
            host,
            owner,
            held_bytes: waiting + opening.text.len(),
            text: opening.text,
            unread: calls.iter().filter(is_raw).count(),
            route: opening.route,
            arrived_ms: now.mono_ms,
            recovered: opening.recovered,
            rejected: None,
            due_ms: None,
            running: calls.len(),
            unshown: 0,
            calls,
        };
        if matches!(open.route, Route::Script { .. }) {
            let owner = script_owner(host);
            self.of_scripts.take(owner, Kind::Bytes, open.held_bytes);
        }
        if let Some(owner) = owner {
            self.shares.take(owner, Kind::Files, 1);
            self.shares.take(owner, Kind::Calls, open.calls.len());
            self.shares.take(owner, Kind::Bytes, open.held_bytes);
        }
        if let (Route::Stock { .. }, Some(answers)) = (open.route, hosts.answers(host)) {
            answers.hold_repeats(now);
            let waited_for = open.calls.iter().filter(|call| call.callback);
            waited_for.for_each(|call| answers.expect(&call.token, now));
        }
        self.files.insert(id, open);
        for index in starts {
            self.starting.add(host, CallId { file: id, index });
        }
        self.start_some(hosts, functions, now, effects);
        self.finish(id, effects);
    }

    /// Starts a call. `None`: it runs now, and its outcome comes with a later event.
    fn start(
        &mut self,
        id: CallId,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) -> Option<Outcome> {
        let call = match self.unpark(id)? {
            Ok(call) => call,
            Err(bad) => return Some(Err(bad.error)),
        };
        let file = self.files.get(&id.file)?;
        let decoder = file.route.decoder();
        let own = matches!(file.route, Route::Script { .. });
        let task = match functions.resolve(&call, own) {
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
                let what = AskedCall::Vyhub(*what);
                self.pass(id, what, (call.timeout_ms, call.callback), now);
                None
            }
            Task::Script { script, function } => {
                let waits = (call.timeout_ms, call.callback);
                let what = ScriptCall {
                    script,
                    function,
                    call,
                };
                self.pass(id, AskedCall::Script(Box::new(what)), waits, now);
                None
            }
            Task::Sql {
                database,
                call: sql_call,
            } => {
                if let Some(kept) = self.cache.find(&sql_call, decoder, now.mono_ms) {
                    return Some(Ok(kept));
                }
                if !self.late.has_room(database) {
                    return Some(Err(CallError::word("DatabaseUnavailable")));
                }
                let job = self.sql_job(id, database, call, *sql_call, now)?;
                self.cache.begins(&job);
                self.lane_has(id, database, job.deadline_ms, effects);
                effects.push(Effect::Sql(Box::new(job)));
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
        let file = self.files.get(&id.file)?;
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
            host: file.host,
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
    pub fn sql_done(
        &mut self,
        done: Vec<Done>,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        let mut touched = Vec::new();
        for Done { id, outcome } in done {
            let answer = outcome.as_deref().ok();
            self.cache.ends(id, answer, now.mono_ms);
            if !self.lane_has_done(id, &outcome) {
                continue;
            }
            let Some(file) = self.files.get(&id.file) else {
                continue;
            };
            if !touched.contains(&file.host) {
                touched.push(file.host);
            }
            self.done(id, outcome, hosts, functions, now);
            self.finish(id.file, effects);
        }
        self.start_some(hosts, functions, now, effects);
        for host in touched {
            self.settle(host, hosts, now, effects);
        }
    }

    /// Something of this host is done: repetitions may go on when nothing else runs.
    pub fn settle(&mut self, host: HostId, hosts: &mut Hosts, now: Now, effects: &mut Effects) {
        let idle = self
            .running_of
            .get(&host)
            .is_none_or(|running| *running == 0);
        if idle && let Some(answers) = hosts.answers(host) {
            answers.release_repeats();
        }
        self.refresh(host, hosts, now, effects);
    }

    /// A call is done: answer, or let the next of its chain start.
    fn done(
        &mut self,
        id: CallId,
        outcome: Outcome,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
    ) {
        let Some(file) = self.files.get_mut(&id.file) else {
            return;
        };
        let owner = file.owner;
        let open = &mut file.calls[id.index as usize];
        let cost = std::mem::take(&mut open.cost);
        if let Err(error) = &outcome {
            let host = hosts.get(file.host);
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
            let onward = Onward::of(file, id.index, chain, outcome.is_err(), functions);
            next = onward.next;
            finished += onward.dropped as usize;
            answered = chain.last;
        }
        file.running -= finished;
        let host = file.host;
        self.running -= finished;
        if let Some(running) = self.running_of.get_mut(&host) {
            *running -= finished;
            if *running == 0 {
                self.running_of.remove(&host);
            }
        }
        if let Some(owner) = owner {
            self.shares.give_back(owner, Kind::Calls, finished);
            self.give_back_cost(owner, cost);
        }
        match next {
            Some(index) => self.starting.add_first(host, CallId { index, ..id }),
            None => self.answer(id, answered, outcome, hosts, now),
        }
    }

    /// Lets a file go when nothing of it is left to do.
    fn finish(&mut self, id: FileId, effects: &mut Effects) {
        let is_done = |file: &OpenFile| file.running == 0 && file.unshown == 0;
        if !self.files.get(&id).is_some_and(is_done) {
            return;
        }
        let Some(file) = self.files.remove(&id) else {
            return;
        };
        self.late.forget(id, file.due_ms);
        // What a Python script has asked for is in no file.
        if matches!(file.route, Route::Script { .. }) {
            let owner = script_owner(file.host);
            self.of_scripts
                .give_back(owner, Kind::Bytes, file.held_bytes);
            return;
        }
        if let Some(owner) = file.owner {
            self.shares.give_back(owner, Kind::Files, 1);
            self.shares.give_back(owner, Kind::Bytes, file.held_bytes);
        }
        self.finished.push(file.proof);
        effects.push(match file.rejected {
            None => Effect::Remove { file: id },
            Some(reason) => Effect::Reject {
                file: id,
                reason: reason.to_owned(),
            },
        });
    }

    /// What proved files that are finished, and proves nothing any more.
    pub fn take_finished(&mut self) -> Vec<Proof> {
        std::mem::take(&mut self.finished)
    }
}

/// By which what a script holds is counted: as a server of one host.
fn script_owner(script: HostId) -> Owner {
    Owner {
        host: Some(script),
        server: script.into(),
        stock: false,
    }
}

/// Looks who wrote a stock file, and only then what is in it. The error says why it is rejected.
fn authentic(
    file: TakenFile,
    hosts: &mut Hosts,
    now: Now,
    effects: &mut Effects,
) -> Result<Opening, String> {
    let identity = call_file::scan(&file.bytes).map_err(|error| error.to_string())?;
    let believed = hosts.believe(&file, identity.as_ref(), now)?;
    let host = believed.host;
    effects.extend(believed.remember);
    if believed.new_input {
        effects.push(Effect::LookAtInput { host });
    }
    let outline = call_file::outline(&file.bytes).map_err(|error| error.to_string())?;
    let session = hosts.get(host).map_or(0, |host| host.session);
    let pending = |calls: Vec<call_file::Sketch>| calls.into_iter().map(Pending::from).collect();
    Ok(Opening {
        file: file.file,
        host,
        proof: believed.identity.map_or(Proof::None, Proof::Identity),
        route: match believed.stale {
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
