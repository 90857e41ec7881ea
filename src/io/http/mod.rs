//! The lane to VyHub: requests in, outcomes out, each exactly once and in no promised order.
//!
//! A few threads wait for VyHub, so that one slow answer does not hold up all others; they come
//! when they are needed and go when they are not. `client` knows what a request looks like and
//! what its failures mean, `answer` reads what comes back, `connect` looks names up and tells
//! whether a request was begun. Nothing is sent twice: whoever wants that submits it again.

mod answer;
mod client;
mod connect;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_faults;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_once;
#[cfg(test)]
mod tests_support;
#[cfg(test)]
mod tests_tls;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config;
use crate::limits::{
    HTTP_JOBS_MAX, HTTP_PATIENCE_MS_MAX, HTTP_STACK_BYTES, HTTP_THREAD_IDLE_MS, HTTP_THREADS_MAX,
};
use crate::protocol::vyhub::{Done, Failure, Job, Outcome};
use client::Client;

/// What other programs take a proxy from. vpid does not: a variable that somebody set for
/// downloads would decide where the key of VyHub goes.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The variable of this process's environment that names a proxy which is not used, where its owner
/// may expect that it is: the API is on another machine, and `vyhub.proxy` says nothing.
pub fn unused_proxy(vyhub: &config::Vyhub) -> Option<&'static str> {
    if vyhub.proxy.is_some() || !vyhub.is_elsewhere() {
        return None;
    }
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    PROXY_VARIABLES.into_iter().find(is_set)
}

/// What an operator should know of it.
pub fn proxy_warning(variable: &str) -> String {
    format!(
        "the environment has {variable}, and vpid takes no proxy from there: VyHub is reached \
         directly; if it can only be reached by a proxy, set proxy = \"http://HOST:PORT\" in [vyhub]"
    )
}

/// A running lane.
pub struct Http {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    on_done: Box<dyn Fn(Done) + Send + Sync>,
    /// A thread that is bored for so long ends, if it is not the last.
    thread_idle: Duration,
    state: Mutex<State>,
    /// For threads without a request.
    work: Condvar,
    /// For whoever waits for the end.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Waiting>,
    threads: usize,
    /// Of them, without a request.
    idle: usize,
    /// What waits is done, then all threads end.
    stopping: bool,
    /// Nothing is reported any more.
    abandoned: bool,
}

struct Waiting {
    job: Job,
    /// The end of its time; waiting here counts.
    until: Instant,
}

impl Http {
    /// Starts the lane. `on_done` is called from its threads, one at a time, and from `submit`
    /// when something is refused; it should only hand over. A proxy is used only where the
    /// configuration names one, never one of the environment: the key is the owner's to give away.
    ///
    /// Errors: a sentence about the configuration, or that the system has no thread to give.
    pub fn start(
        vyhub: &config::Vyhub,
        on_done: impl Fn(Done) + Send + 'static,
    ) -> Result<Self, String> {
        let thread_idle = Duration::from_millis(HTTP_THREAD_IDLE_MS);
        Self::start_by(vyhub, thread_idle, on_done)
    }

    fn start_by(
        vyhub: &config::Vyhub,
        thread_idle: Duration,
        on_done: impl Fn(Done) + Send + 'static,
    ) -> Result<Self, String> {
        let on_done = Mutex::new(on_done);
        let on_done = move |done| on_done.lock().unwrap_or_else(PoisonError::into_inner)(done);
        let shared = Arc::new(Shared {
            client: Client::new(vyhub)?,
            on_done: Box::new(on_done),
            thread_idle,
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
        });
        // This one stays; so there is always one, also when the system has no other to give.
        let mut state = shared.lock();
        start_thread(&shared, &mut state)
            .map_err(|error| format!("no thread could be started for VyHub: {error}"))?;
        drop(state);
        Ok(Self { shared })
    }

    /// Hands a request over. Its time begins now.
    pub fn submit(&self, job: Job) {
        let patience = Duration::from_millis(job.patience_ms.min(HTTP_PATIENCE_MS_MAX));
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        if state.queue.len() >= HTTP_JOBS_MAX || state.stopping {
            drop(state);
            let why = "too many requests to VyHub wait already, or vpid is about to stop";
            self.shared.refuse(job.ticket, why);
            return;
        }
        state.queue.push_back(Waiting { job, until });
        if state.queue.len() > state.idle && state.threads < HTTP_THREADS_MAX {
            // Without it, the others do what there is.
            let _ = start_thread(&self.shared, &mut state);
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Does what was submitted, for as long as `patience`. What is not done then is broken off,
    /// and nothing is reported of it. True: all was done.
    pub fn stop(self, patience: Duration) -> bool {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.work.notify_all();
        let ended = &self.shared.ended;
        let waited = ended.wait_timeout_while(state, patience, |state| state.threads > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.threads == 0
    }
}

/// The end of what is still under way.
impl Drop for Http {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        state.abandoned = true;
        state.queue.clear();
        drop(state);
        self.shared.client.cut();
        self.shared.work.notify_all();
    }
}

fn start_thread(shared: &Arc<Shared>, state: &mut State) -> std::io::Result<()> {
    let mine = Arc::clone(shared);
    thread::Builder::new()
        .name("vyhub".into())
        .stack_size(HTTP_STACK_BYTES)
        .spawn(move || mine.work())?;
    state.threads += 1;
    Ok(())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn work(&self) {
        while let Some(Waiting { job, until }) = self.next() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.refuse(job.ticket, "its time was over before its turn came");
                continue;
            }
            let outcome = self.client.ask(&job.request, left);
            self.report(job.ticket, outcome);
        }
    }

    /// Sleeps until there is a request. `None`: this thread has ended.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        let mut bored = false;
        loop {
            if let Some(waiting) = state.queue.pop_front() {
                return Some(waiting);
            }
            if state.stopping || (bored && state.threads > 1) {
                state.threads -= 1;
                self.ended.notify_all();
                return None;
            }
            state.idle += 1;
            if state.threads > 1 && !bored {
                let waited = self.work.wait_timeout(state, self.thread_idle);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                (state, bored) = (woken, timeout.timed_out());
            } else {
                let waited = self.work.wait(state);
                (state, bored) = (waited.unwrap_or_else(PoisonError::into_inner), false);
            }
            state.idle -= 1;
        }
    }

    fn refuse(&self, ticket: u64, why: &str) {
        let outcome = Outcome {
            result: Err(Failure::Unreachable(why.into())),
            api_s: None,
        };
        self.report(ticket, outcome);
    }

    fn report(&self, ticket: u64, outcome: Outcome) {
        if !self.lock().abandoned {
            (self.on_done)(Done { ticket, outcome });
        }
    }
}
