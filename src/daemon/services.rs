//! What serves game servers and the community: the workers of RCON, VyHub's API or the community's database, and
//! the state folder, and the sockets on which engines log.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::poller::{Poller, Waker};
use super::{Daemon, RunError};
use crate::config::{self, Config};
use crate::core::servers::ServerId;
use crate::core::{Event, RequestId};
use crate::io::community::{self, Local};
use crate::io::engine_log::EngineLog;
use crate::io::geoip::{self, Geoip};
use crate::io::http::{self, Http};
use crate::io::rcon::Console;
use crate::io::store::Store;
use crate::io::worker::Occupancy;
use crate::jobs::store::{Found, Write, Written};
use crate::limits;
use crate::protocol::backend::{self, Topics};
use crate::protocol::call_error::CallError;
use crate::protocol::rcon;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub;

/// What a worker reports.
enum Report {
    Answered(backend::Done),
    Changed(Topics),
    Rcon(rcon::Done),
    Stored(Vec<Written>),
    Located(RequestId, Result<Value, CallError>),
}

/// What answers the community's requests.
enum Backend {
    Vyhub(Http),
    Local(Local),
}

impl Backend {
    /// Whether all that was submitted is done.
    fn stop(self, patience: Duration) -> bool {
        match self {
            Self::Vyhub(http) => http.stop(patience),
            Self::Local(local) => local.stop(patience),
        }
    }
}

pub struct Services {
    backend: Option<Backend>,
    store: Option<Store>,
    geoip: Option<Geoip>,
    /// By the numbers of their servers.
    rcon: Vec<Option<Console>>,
    logs: Vec<(ServerId, EngineLog)>,
    /// Which of them is read first in the next turn.
    first_log: usize,
    /// Gathered in a turn and handed over together.
    writes: Vec<Write>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    waker: Waker,
}

impl Services {
    /// Starts what this configuration needs, and gives what an earlier run has kept. `instance`: of this vpid.
    pub fn start(
        config: &Config,
        instance: u64,
        poller: &Poller,
    ) -> Result<(Self, Found), RunError> {
        let (reporter, reports) = mpsc::channel();
        let mut services = Self {
            backend: None,
            store: None,
            geoip: None,
            rcon: Vec::new(),
            logs: Vec::new(),
            first_log: 0,
            writes: Vec::new(),
            reports,
            reporter,
            waker: poller.waker(),
        };
        for (number, server) in config.servers.iter().enumerate() {
            let console = server.rcon.as_ref().map(|rcon| {
                let report = services.reporter();
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
        let geoip = config.geoip.as_ref().map(Geoip::start).transpose();
        services.geoip = geoip.map_err(RunError::Geoip)?;
        let mut found = Found::default();
        let is_served = config
            .servers
            .iter()
            .any(|server| server.community_id.is_some());
        if let Some(community) = config.community.as_ref().filter(|_| is_served) {
            let backend = services.backend(community, config, instance)?;
            services.backend = Some(backend);
            let report = services.reporter();
            let state = &config.state_dir;
            let admins_file = community.admins_file.clone();
            let keeper = community.keeper();
            let opened = Store::open(state, keeper, admins_file, move |done| {
                report(Report::Stored(done));
            });
            let (store, kept) = opened.map_err(|error| RunError::State(state.clone(), error))?;
            services.store = Some(store);
            found = kept;
        }
        Ok((services, found))
    }

    /// Starts what answers the community's requests.
    fn backend(
        &self,
        community: &config::Community,
        config: &Config,
        instance: u64,
    ) -> Result<Backend, RunError> {
        let report = self.reporter();
        match &community.backend {
            config::Backend::Vyhub(vyhub) => {
                if let Some(name) = http::unused_proxy(vyhub) {
                    log::warn!("{}", http::proxy_warning(name));
                }
                let http = Http::start(vyhub, move |done| {
                    report(Report::Answered(vyhub::done(done)))
                });
                Ok(Backend::Vyhub(http.map_err(RunError::Http)?))
            }
            config::Backend::Local(database) => {
                let servers = config.servers.iter();
                let servers: Vec<(Uuid, String)> = servers
                    .filter_map(|server| {
                        Some((server.community_id?, server.community_name.clone()))
                    })
                    .collect();
                let database = &config.databases[*database];
                let local = Local::start(database, instance, servers, move |done| {
                    report(match done {
                        community::Report::Done(done) => Report::Answered(*done),
                        community::Report::Changed(topics) => Report::Changed(topics),
                    });
                });
                Ok(Backend::Local(local))
            }
        }
    }

    fn reporter(&self) -> impl Fn(Report) + Send + Sync + use<> {
        let (reporter, waker) = (self.reporter.clone(), self.waker.clone());
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
        match &self.backend {
            Some(Backend::Local(local)) => local.submit(job),
            Some(Backend::Vyhub(http)) => match vyhub::job(job) {
                Ok(job) => http.submit(job),
                Err(done) => self.reporter()(Report::Answered(done)),
            },
            None => log::error!("there is no community: a request is dropped"),
        }
    }

    /// Looks up where an address is, for this request of a script.
    pub fn locate(&self, request: RequestId, address: IpAddr) {
        let report = self.reporter();
        let report = move |result| report(Report::Located(request, result));
        match &self.geoip {
            Some(geoip) => geoip.submit(geoip::Job {
                address,
                report: Box::new(report),
            }),
            None => {
                let detail = "no database is configured; name one in city, country or asn of [geoip], then restart vpid";
                report(Err(CallError::new("GeoipUnavailable", detail)));
            }
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

    /// Begins no write of documents for a moment. True: none is under way either.
    pub fn hold(&self) -> bool {
        self.store.as_ref().is_none_or(Store::hold)
    }

    /// Writes documents again. True: none was written since [`hold`](Self::hold).
    pub fn release(&self) -> bool {
        self.store.as_ref().is_none_or(Store::release)
    }

    /// What workers and engines have reported. As many as the bound, or more: there may be more of it.
    pub fn events(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .reports
            .try_iter()
            .take(limits::TURN_REPORTS_MAX)
            .map(|report| match report {
                Report::Answered(done) => Event::Api(done),
                Report::Changed(topics) => Event::CommunityChanged(topics),
                Report::Rcon(done) => Event::Rcon(done),
                Report::Stored(written) => Event::Stored(written),
                Report::Located(request, result) => Event::Located { request, result },
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

    /// What the workers are at.
    pub fn occupancy(&self) -> Vec<(&'static str, Occupancy)> {
        let backend = self.backend.as_ref().map(|it| match it {
            Backend::Vyhub(http) => http.occupancy(),
            Backend::Local(local) => local.occupancy(),
        });
        let consoles = self.rcon.iter().flatten().map(Console::occupancy);
        let all = [
            ("community", backend),
            ("state", self.store.as_ref().map(Store::occupancy)),
            ("rcon", consoles.reduce(Occupancy::plus)),
            ("geoip", self.geoip.as_ref().map(Geoip::occupancy)),
        ];
        all.into_iter()
            .filter_map(|(name, occupancy)| Some((name, occupancy?)))
            .collect()
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
        if let Some(geoip) = self.geoip {
            geoip.stop(patience());
        }
        if let Some(backend) = self.backend {
            backend.stop(patience());
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
