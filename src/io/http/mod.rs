//! Requests to VyHub in, outcomes out, each exactly once and in no promised order.
//!
//! A few workers wait for VyHub, so that one slow response does not hold up all others. `client`
//! knows what a request looks like and what its failures mean, looks names up, and notices whether a request was
//! begun; `reply` reads what comes back, and puts errors into words.
//! Nothing is sent twice: whoever wants that submits it again.

mod client;
mod reply;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::worker::{Fifo, Occupancy, Options, Workers};
use crate::config;
use crate::limits::{HTTP_JOBS_MAX, HTTP_PATIENCE_MS_MAX, HTTP_STACK_BYTES, HTTP_THREADS_MAX};
use crate::protocol::vyhub::{Done, Failure, Job, Outcome};
use client::Client;
pub use client::SetupError;

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

/// Hands requests over. Dropped, it breaks off what is under way.
pub struct Http {
    client: Arc<Client>,
    on_done: OnDone,
    workers: Workers<Fifo<Waiting>>,
}

type OnDone = Arc<dyn Fn(Done) + Send + Sync>;

struct Waiting {
    job: Job,
    /// The end of its time; waiting here counts.
    until: Instant,
}

impl Http {
    /// `on_done` is called from the workers, and from `submit` when something is refused; it should
    /// only hand over. A proxy is used only where the configuration names one, never one of the
    /// environment: the key is the owner's to give away.
    pub fn start(
        vyhub: &config::Vyhub,
        on_done: impl Fn(Done) + Send + Sync + 'static,
    ) -> Result<Self, SetupError> {
        let options = Options::new("vyhub", HTTP_THREADS_MAX, HTTP_STACK_BYTES);
        Self::start_with(vyhub, options, on_done)
    }

    fn start_with(
        vyhub: &config::Vyhub,
        options: Options,
        on_done: impl Fn(Done) + Send + Sync + 'static,
    ) -> Result<Self, SetupError> {
        let client = Arc::new(Client::new(vyhub)?);
        let on_done: OnDone = Arc::new(on_done);
        let (asks, reports) = (Arc::clone(&client), Arc::clone(&on_done));
        let workers = Workers::new(options, Fifo::new(HTTP_JOBS_MAX, 1), move |_, _| {
            let (client, on_done) = (Arc::clone(&asks), Arc::clone(&reports));
            Box::new(move |pool, waiting: Vec<Waiting>| {
                for Waiting { job, until } in waiting {
                    let left = until.saturating_duration_since(Instant::now());
                    let outcome = match left.is_zero() {
                        true => unreached("its time was over before its turn came"),
                        false => client.ask(&job.request, left),
                    };
                    if !pool.is_abandoned() {
                        let ticket = job.ticket;
                        on_done(Done { ticket, outcome });
                    }
                }
            })
        });
        Ok(Self {
            client,
            on_done,
            workers,
        })
    }

    /// Hands a request over. Its time begins now.
    pub fn submit(&self, job: Job) {
        let patience = Duration::from_millis(job.patience_ms.min(HTTP_PATIENCE_MS_MAX));
        let until = Instant::now() + patience;
        let waiting = Waiting { job, until };
        if let Err(refused) = self.workers.with(|fifo| fifo.push(waiting)) {
            let ticket = refused.job.ticket;
            let outcome = unreached("too many requests to VyHub wait already");
            (self.on_done)(Done { ticket, outcome });
        }
    }

    pub fn occupancy(&self) -> Occupancy {
        self.workers.fifo_occupancy()
    }

    /// Does what was submitted, for as long as `patience`. What is not done then is broken off,
    /// and nothing is reported of it. True: all was done.
    pub fn stop(self, patience: Duration) -> bool {
        self.workers.stop(patience)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.workers.abandon();
        self.client.cut();
    }
}

fn unreached(why: &str) -> Outcome {
    Outcome {
        result: Err(Failure::Unreachable(why.into())),
        api_s: None,
    }
}
