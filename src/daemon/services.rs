//! What serves game servers and VyHub: the workers of RCON, VyHub's API and the state folder, and
//! the sockets on which engines log.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::poller::Poller;
use super::{Daemon, RunError};
use crate::config::Config;
use crate::core::Event;
use crate::core::servers::ServerId;
use crate::io::engine_log::EngineLog;
use crate::io::http::{self, Http};
use crate::io::rcon::Console;
use crate::io::store::Store;
use crate::jobs::store::{Found, Write, Written};
use crate::limits;
use crate::protocol::backend;
use crate::protocol::rcon;
use crate::protocol::vyhub;

/// What a worker reports.
enum Report {
    Api(vyhub::Done),
    Rcon(rcon::Done),
    Stored(Vec<Written>),
}

pub struct Services {
    http: Option<Http>,
    store: Option<Store>,
    /// By the numbers of their servers.
    rcon: Vec<Option<Console>>,
    logs: Vec<(ServerId, EngineLog)>,
    /// Which of them is read first in the next turn.
    first_log: usize,
    /// Gathered in a turn and handed over together.
    writes: Vec<Write>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
}

impl Services {
    /// Starts what this configuration needs, and gives what an earlier run has kept.
    pub fn start(config: &Config, poller: &Poller) -> Result<(Self, Found), RunError> {
        let (reporter, reports) = mpsc::channel();
        let mut services = Self {
            http: None,
            store: None,
            rcon: Vec::new(),
            logs: Vec::new(),
            first_log: 0,
            writes: Vec::new(),
            reports,
            reporter,
        };
        for (number, server) in config.servers.iter().enumerate() {
            let console = server.rcon.as_ref().map(|rcon| {
                let report = services.reporter(poller);
                Console::start(ServerId(number), rcon, move |done| {
                    report(Report::Rcon(done))
                })
            });
            services.rcon.push(console);
            if let Some(listen) = &server.log {
                let log = EngineLog::open(listen, server.rcon.as_ref());
                let log = log.map_err(|error| RunError::Log(listen.address, error))?;
                services.logs.push((ServerId(number), log));
            }
        }
        let mut found = Found::default();
        let is_served = config
            .servers
            .iter()
            .any(|server| server.vyhub_id.is_some());
        if let Some(vyhub) = config.vyhub.as_ref().filter(|_| is_served) {
            if let Some(name) = http::unused_proxy(vyhub) {
                log::warn!("{}", http::proxy_warning(name));
            }
            let report = services.reporter(poller);
            let http = Http::start(vyhub, move |done| report(Report::Api(done)));
            services.http = Some(http.map_err(RunError::Http)?);
            let report = services.reporter(poller);
            let state = &config.state_dir;
            let admins_file = vyhub.admins_file.clone();
            let opened = Store::open(state, admins_file, move |done| report(Report::Stored(done)));
            let (store, kept) = opened.map_err(|error| RunError::State(state.clone(), error))?;
            services.store = Some(store);
            found = kept;
        }
        Ok((services, found))
    }

    fn reporter(&self, poller: &Poller) -> impl Fn(Report) + Send + Sync + use<> {
        let (reporter, waker) = (self.reporter.clone(), poller.waker());
        move |report| {
            // The loop is gone only when the program ends.
            let _ = reporter.send(report);
            waker.wake();
        }
    }

    /// What to wait for besides the workers.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.logs.iter().filter_map(|(_, log)| log.fd())
    }

    /// How long to wait at most, where that is so long at most already.
    pub fn wait_ms(&self, timeout_ms: Option<u64>) -> Option<u64> {
        let due = self.logs.iter().filter_map(|(_, log)| log.due_in_ms());
        due.chain(timeout_ms).min()
    }

    pub fn command(&self, server: ServerId, job: rcon::Job) {
        match self.rcon.get(server.0) {
            Some(Some(console)) => console.submit(job),
            _ => log::error!(
                "there is no RCON for server {}: a command is dropped",
                server.0
            ),
        }
    }

    pub fn request(&self, job: backend::Job) {
        match &self.http {
            Some(http) => http.submit(vyhub::job(job)),
            None => log::error!("VyHub is not configured: a request is dropped"),
        }
    }

    pub fn keep(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Hands the gathered writes over.
    pub fn hand_over(&mut self) {
        if let Some(store) = self.store.as_ref().filter(|_| !self.writes.is_empty()) {
            store.submit(std::mem::take(&mut self.writes));
        }
    }

    /// What workers and engines have reported. As many as the bound, or more: there may be more of it.
    pub fn events(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .reports
            .try_iter()
            .take(limits::TURN_REPORTS_MAX)
            .map(|report| match report {
                Report::Api(done) => Event::Api(vyhub::done(done)),
                Report::Rcon(done) => Event::Rcon(done),
                Report::Stored(written) => Event::Stored(written),
            })
            .collect();
        let until = Instant::now() + Duration::from_micros(limits::TURN_LOG_US);
        let count = self.logs.len();
        for nth in 0..count {
            if nth > 0 && Instant::now() >= until {
                // What was not read is ready in the next turn, too.
                break;
            }
            let (server, log) = &mut self.logs[(self.first_log + nth) % count];
            let lines = log.read(limits::TURN_LOG_LINES_MAX);
            if !lines.is_empty() {
                let server = *server;
                events.push(Event::Logged { server, lines });
            }
        }
        self.first_log = (self.first_log + 1) % count.max(1);
        events
    }

    /// Ends the workers; what waits for the disk is still written, as far as that can be until `end`.
    pub fn stop(mut self, end: Instant) {
        self.hand_over();
        let kept = Duration::from_millis(limits::STORE_STOP_MS);
        let workers_end = end.checked_sub(kept).unwrap_or(end);
        let workers_end =
            workers_end.min(Instant::now() + Duration::from_millis(limits::LANE_STOP_MS));
        let patience = || workers_end.saturating_duration_since(Instant::now());
        for console in self.rcon.into_iter().flatten() {
            console.stop(patience());
        }
        if let Some(http) = self.http {
            http.stop(patience());
        }
        if let Some(store) = self.store {
            store.stop(end.saturating_duration_since(Instant::now()));
        }
    }
}

impl Daemon {
    pub(super) fn begin_services(&mut self, found: Found) {
        let seed = u64::from_le_bytes(std::array::from_fn(|_| (self.random)()));
        let config = Arc::clone(&self.config);
        self.decide(Event::start(config, found, seed));
        self.services.hand_over();
    }
}
