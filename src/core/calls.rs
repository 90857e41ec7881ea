//! The life of a call: taken, admitted, running, answered or expired.
//!
//! A call file is held until each of its calls is done and each answer was in the input file
//! once; only then is it removed. So whatever happens to the daemon in between, the file is
//! found again.
//!
//! A call that a database's lane has is answered at its deadline, whatever the lane does (`late`).

mod answering;
mod asked;
mod late;

use std::collections::HashMap;

pub use asked::{Asked, AskedCall, ScriptCall};

use super::cache::Cache;
use super::functions::{Functions, Task};
use super::opening::{AskKey, OpenCall, Opening, Proof, Route, open_calls};
use super::sessions::Hosts;
use super::{Effect, Effects, FileId, HostId, Now, TakenFile};
use crate::config::Config;
use crate::limits;
use crate::wire::answer_text::push_value;
use crate::wire::call_error::CallError;
use crate::wire::call_file;
use crate::wire::sql::{self, CallId};
use late::Late;

struct OpenFile {
    proof: Proof,
    host: HostId,
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
    pub fn has_room(&self, host: Option<HostId>, backlog: usize) -> bool {
        let of_host = host
            .and_then(|host| self.running_of.get(&host))
            .copied()
            .unwrap_or(0);
        self.running < limits::CALLS_RUNNING_MAX
            && of_host + backlog < limits::HOST_CALLS_OPEN_MAX
            && self.files.len() < limits::FILES_OPEN_MAX
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
        let content = match call_file::parse(&file.bytes) {
            Ok(content) => content,
            Err(error) => {
                return effects.push(Effect::Reject {
                    file: id,
                    reason: error.to_string(),
                });
            }
        };
        let believed = match hosts.believe(&file, content.identity.as_ref(), now) {
            Ok(believed) => believed,
            Err(reason) => return effects.push(Effect::Reject { file: id, reason }),
        };
        let host = believed.host;
        let new = believed.identity.filter(|_| believed.is_new);
        effects.extend(new.map(|identity| Effect::Remember { identity, file: id }));
        if believed.new_host {
            effects.push(Effect::LookAtInput { host });
        }
        let session = hosts.get(host).map_or(0, |host| host.session);
        let opening = Opening {
            file: id,
            host,
            proof: believed.identity.map_or(Proof::None, Proof::Identity),
            route: match believed.stale {
                true => Route::Nowhere,
                false => Route::Stock { session },
            },
            recovered: file.recovered,
            singles: content.singles,
            chains: content.chains,
        };
        self.open(opening, hosts, functions, now, effects);
        self.settle(host, hosts, now, effects);
    }

    /// Starts the calls of a file that is believed.
    pub fn open(
        &mut self,
        opening: Opening,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        let Opening { file: id, host, .. } = opening;
        let (calls, starts) = open_calls(opening.singles, opening.chains);
        self.running += calls.len();
        *self.running_of.entry(host).or_default() += calls.len();
        let open = OpenFile {
            proof: opening.proof,
            host,
            route: opening.route,
            arrived_ms: now.mono_ms,
            recovered: opening.recovered,
            rejected: None,
            due_ms: None,
            running: calls.len(),
            unshown: 0,
            calls,
        };
        if let (Route::Stock { .. }, Some(answers)) = (open.route, hosts.answers(host)) {
            answers.hold_repeats(now);
            let waited_for = open.calls.iter().filter(|call| call.callback);
            waited_for.for_each(|call| answers.expect(&call.token, now));
        }
        self.files.insert(id, open);
        for index in starts {
            self.run(CallId { file: id, index }, hosts, functions, now, effects);
        }
        self.finish(id, effects);
    }

    /// Runs a call and, as far as they can be answered at once, those behind it in its chain.
    fn run(
        &mut self,
        first: CallId,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        let mut next = Some(first);
        while let Some(id) = next {
            let Some(outcome) = self.start(id, functions, now, effects) else {
                return;
            };
            next = self.done(id, outcome, hosts, now);
        }
    }

    /// Starts a call. `None`: it runs now, and its outcome comes with a later event.
    fn start(
        &mut self,
        id: CallId,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) -> Option<Outcome> {
        let file = self.files.get_mut(&id.file)?;
        let call = match file.calls[id.index as usize].parked.take()? {
            Ok(call) => call,
            Err(bad) => return Some(Err(bad.error)),
        };
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
                let own_ms = sql_call.deadline_ms();
                // Where nobody waits for the answer there is no hurry, and it must be done.
                let patience = [call.timeout_ms, own_ms].into_iter().flatten();
                let patience = patience.fold(self.deadline_ms, u64::min);
                if !self.late.has_room(database) {
                    return Some(Err(CallError::word("DatabaseUnavailable")));
                }
                let job = sql::Job {
                    id,
                    database,
                    host: file.host,
                    function: call.function,
                    call: *sql_call,
                    deadline_ms: call.callback.then_some(file.arrived_ms + patience),
                    limit_ms: own_ms.unwrap_or(limits::SQL_STATEMENT_MS_MAX),
                    recovered: file.recovered,
                    tries: self.late.tries(id, file.recovered),
                    decoder,
                };
                self.cache.begins(&job);
                self.lane_has(id, database, job.deadline_ms, effects);
                effects.push(Effect::Sql(Box::new(job)));
                None
            }
        }
    }

    /// What the SQL lane did. Answers go out together afterwards.
    pub fn sql_done(
        &mut self,
        done: Vec<sql::Done>,
        hosts: &mut Hosts,
        functions: &Functions,
        now: Now,
        effects: &mut Effects,
    ) {
        let mut touched = Vec::new();
        for sql::Done { id, outcome } in done {
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
            if let Some(next) = self.done(id, outcome, hosts, now) {
                self.run(next, hosts, functions, now, effects);
            }
            self.finish(id.file, effects);
        }
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

    /// A call is done: answer, or give the next of its chain.
    fn done(
        &mut self,
        id: CallId,
        outcome: Outcome,
        hosts: &mut Hosts,
        now: Now,
    ) -> Option<CallId> {
        let file = self.files.get_mut(&id.file)?;
        let open = &file.calls[id.index as usize];
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
            match &outcome {
                Ok(_) => next = chain.next,
                // The rest of the chain does not run; its last call stands for all of it.
                Err(_) => finished += (chain.last - id.index) as usize,
            }
            answered = chain.last;
        }
        file.running -= finished;
        self.running -= finished;
        if let Some(running) = self.running_of.get_mut(&file.host) {
            *running -= finished;
        }
        if next.is_none() {
            self.answer(id, answered, outcome, hosts, now);
        }
        next.map(|index| CallId { index, ..id })
    }

    /// Lets a file go when nothing of it is left to do.
    fn finish(&mut self, id: FileId, effects: &mut Effects) {
        let is_done = |file: &OpenFile| file.running == 0 && file.unshown == 0;
        if self.files.get(&id).is_some_and(is_done)
            && let Some(file) = self.files.remove(&id)
        {
            self.late.forget(id, file.due_ms);
            if matches!(file.route, Route::Script { .. }) {
                return;
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
    }

    /// What proved files that are finished, and proves nothing any more.
    pub fn take_finished(&mut self) -> Vec<Proof> {
        std::mem::take(&mut self.finished)
    }
}
