//! The observable state: put together when an operator requests it, and for the status page and the metrics while
//! something changes.
//!
//! What is counted is counted where it happens; a state is a look at all of it. Nothing here wakes an idle daemon: only
//! an event sets the timer of the files, and what changes by the passing of time is noticed when the daemon looks at
//! its folders anyway. A worker renders and writes them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::core::{Epoch, Now};
use crate::io::published::Published;
use crate::io::status_files::{Job, Rendering, StatusFiles};
use crate::io::worker::Occupancy;
use crate::io::{own_process, recent_log};
use crate::limits;
use crate::protocol::observable::{Database, Files, ObservableState, Process, Server, Workers};

use super::waiting::WaitingFiles;
use super::{Daemon, Due};

/// What the daemon itself counts, and what it has written of its state.
#[derive(Default)]
pub(super) struct Observer {
    epoch: Option<Epoch>,
    pub slow_turns: u64,
    pub rejected: u64,
    worker: Option<StatusFiles>,
    metrics: Written,
    page: Written,
    /// Files that the configuration does not name any more, and that the worker has not taken yet.
    left: Vec<Published>,
}

/// The state in a file.
#[derive(Default)]
struct Written {
    /// When the next one may be written, on the daemon's clock.
    next_ms: u64,
    last: Option<(Rendering, Arc<ObservableState>)>,
    /// The last one did not get there: it is written again, in its time.
    failed: Arc<AtomicBool>,
}

impl Observer {
    /// Ends the worker; what waits is written, as far as there is time.
    pub fn stop(self, patience: Duration) {
        if let Some(worker) = self.worker {
            worker.stop(patience);
        }
    }

    /// The same as long as the clock of the machine is not set.
    fn epoch(&mut self, now: Now) -> Epoch {
        let present = now.wall_s - (now.mono_ms / 1_000) as i64;
        let known = self.epoch.filter(|known| known.0.abs_diff(present) <= 2);
        *self.epoch.insert(known.unwrap_or(Epoch(present)))
    }
}

impl Written {
    /// Notes that it is written, where the state is news there and enough time has passed, or where the configuration
    /// has changed what is written.
    fn is_wanted(
        &mut self,
        rendering: &Rendering,
        state: &Arc<ObservableState>,
        (interval_ms, now_ms): (u64, u64),
    ) -> bool {
        let last = self.last.as_ref().filter(|(known, _)| known == rendering);
        let is_new = last.is_none();
        let is_news = last.is_none_or(|(_, last)| state.differs(last));
        let is_news = is_news || self.failed.load(Ordering::Relaxed);
        let is_wanted = is_new || (is_news && now_ms >= self.next_ms);
        if is_wanted {
            self.failed.store(false, Ordering::Relaxed);
            self.next_ms = now_ms + interval_ms;
            self.last = Some((rendering.clone(), Arc::clone(state)));
        }
        is_wanted
    }

    /// The file that was written, where this is another one.
    fn left(&mut self, path: Option<&Path>) -> Option<Published> {
        let is_other = |(known, _): &mut (Rendering, _)| Some(&*known.file().path) != path;
        let (left, _) = self.last.take_if(is_other)?;
        Some(left.file().clone())
    }
}

impl Daemon {
    /// Something has happened: what is written of the state may be old.
    pub(super) fn state_changed(&mut self) {
        let metrics = self.config.metrics_file.as_ref();
        let metrics = metrics.map(|_| self.observer.metrics.next_ms);
        let page = self.config.status_page.as_ref();
        let page = page.map(|_| self.observer.page.next_ms);
        if let Some(next_ms) = metrics.into_iter().chain(page).min()
            && !self.wheel.contains(Due::State)
        {
            let at_ms = next_ms.max(self.now().mono_ms + limits::STATUS_SETTLES_MS);
            self.wheel.insert(Due::State, (), at_ms);
        }
    }

    /// The timer has rung, or everything is looked at anyway: has the files written that would not be what they are.
    pub(super) fn write_state(&mut self) {
        let config = Arc::clone(&self.config);
        let observer = &mut self.observer;
        let page = config.status_page.as_ref().map(|it| &*it.file);
        let left = [
            observer.metrics.left(config.metrics_file.as_deref()),
            observer.page.left(page),
        ];
        let left = observer.left.drain(..).chain(left.into_iter().flatten());
        let mut wanted: Vec<Rendering> = left.map(Rendering::Removed).collect();
        if wanted.is_empty() && config.metrics_file.is_none() && page.is_none() {
            return;
        }
        let state = Arc::new(self.observe());
        let now_ms = self.now().mono_ms;
        let observer = &mut self.observer;
        if let Some(path) = &config.metrics_file {
            let metrics = Rendering::Metrics(Published::metrics(path));
            let times = (limits::METRICS_INTERVAL_MS, now_ms);
            let is_wanted = observer.metrics.is_wanted(&metrics, &state, times);
            wanted.extend(is_wanted.then_some(metrics));
        }
        if let Some(settings) = &config.status_page {
            let page = Rendering::Page {
                file: Published::page(&settings.file),
                public: settings.public,
                refresh_s: settings.interval_ms.div_ceil(1_000),
            };
            let times = (settings.interval_ms, now_ms);
            let is_wanted = observer.page.is_wanted(&page, &state, times);
            wanted.extend(is_wanted.then_some(page));
        }
        for rendering in wanted {
            self.submit_file(rendering, &state);
        }
    }

    fn submit_file(&mut self, rendering: Rendering, state: &Arc<ObservableState>) {
        let scriptdata = self.config.servers.iter().map(|it| it.scriptdata.clone());
        let observer = &mut self.observer;
        let path = rendering.file().path.display().to_string();
        let failed = match &rendering {
            Rendering::Metrics(_) => Arc::clone(&observer.metrics.failed),
            Rendering::Page { .. } => Arc::clone(&observer.page.failed),
            Rendering::Removed(_) => Arc::default(),
        };
        let left = match &rendering {
            Rendering::Removed(file) => Some(file.clone()),
            Rendering::Metrics(_) | Rendering::Page { .. } => None,
        };
        let job = Job {
            state: Arc::clone(state),
            rendering,
            scriptdata: scriptdata.collect(),
            failed: Arc::clone(&failed),
        };
        let worker = observer.worker.get_or_insert_with(StatusFiles::start);
        if !worker.submit(job) {
            failed.store(true, Ordering::Relaxed);
            observer.left.extend(left);
            log::warn!("{path}: those before it still wait to be written; is the disk slow?");
        }
    }

    /// The files may be others, may have to show less, and may be due earlier.
    pub(super) fn written_state_reconfigured(&mut self) {
        self.wheel.remove(Due::State);
        self.write_state();
    }

    /// vpid is about to end, which the files are to say.
    pub(super) fn write_last_state(&mut self) {
        (self.observer.metrics.next_ms, self.observer.page.next_ms) = (0, 0);
        self.write_state();
    }

    /// All that operators can see.
    pub(super) fn observe(&mut self) -> ObservableState {
        let now = self.now();
        self.core.close_minutes(now);
        let epoch = self.observer.epoch(now);
        let core = self.core.observe(now, epoch);
        let config = &self.config;
        let (workers, databases) = self.observe_workers();
        ObservableState {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            at_s: now.wall_s,
            started_s: epoch.date_s(0),
            uptime_ms: now.mono_ms,
            stopping: self.stopping,
            config: config.path.as_ref().map(|path| {
                let whole = std::path::absolute(path);
                whole.as_ref().unwrap_or(path).display().to_string()
            }),
            state_dir: config.state_dir.display().to_string(),
            process: Process {
                memory_bytes: own_process::resident_bytes(),
                cpu_s: own_process::cpu_s(),
                slow_turns: self.observer.slow_turns,
            },
            servers: self.named(core.servers),
            calls: core.calls,
            files: Files {
                waiting: self.queues.waiting.values().map(WaitingFiles::len).sum(),
                held: self.open_files.len(),
                rejected: self.observer.rejected,
                rejected_kept: self.rejected.count(),
            },
            workers,
            databases,
            scripts: core.scripts,
            community: core.community,
            log: recent_log::recent(),
            history: core.history,
        }
    }

    /// Adds what the configuration says of servers, which are in its order.
    fn named(&self, servers: Vec<Server>) -> Vec<Server> {
        let all = &self.config.servers;
        let labels: Vec<String> = all.iter().map(|it| it.label()).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for label in &labels {
            *counts.entry(label).or_default() += 1;
        }
        let named = all.iter().zip(servers).enumerate();
        let named = named.map(|(number, (config, server))| {
            let scriptdata = config.scriptdata.display().to_string();
            let label = labels[number].clone();
            // A `hostname` can stand in several folders.
            let is_alone = counts[label.as_str()] == 1;
            let is_path = config.community_name == scriptdata || config.community_name.is_empty();
            let folder = self.numbers.get(&config.scriptdata);
            let mut watched = self.folders.iter();
            Server {
                title: match (is_path, &config.hostname) {
                    (false, _) => config.community_name.clone(),
                    (true, Some(hostname)) => hostname.clone(),
                    (true, None) => format!("Server {}", number + 1),
                },
                name: match is_alone {
                    true => label,
                    false => format!("{label} in {scriptdata}"),
                },
                folder_open: watched.any(|it| Some(&it.of) == folder && it.folder.is_some()),
                scriptdata,
                ..server
            }
        });
        named.collect()
    }

    fn observe_workers(&self) -> (Vec<Workers>, Vec<Database>) {
        let mut workers = Vec::new();
        let mut databases = Vec::new();
        for (lane, config) in self.lanes.iter().zip(&self.config.databases) {
            let (occupancy, problem) = lane.look();
            let name = match config.name.as_str() {
                "" => "database".to_owned(),
                name => format!("database.{name}"),
            };
            workers.push(workers_of(&name, occupancy));
            let name = config.name.clone();
            databases.push(Database { name, problem });
        }
        let others = self.services.occupancy().into_iter();
        workers.extend(others.map(|(name, occupancy)| workers_of(name, occupancy)));
        (workers, databases)
    }
}

fn workers_of(name: &str, occupancy: Occupancy) -> Workers {
    Workers {
        name: name.to_owned(),
        busy: occupancy.busy,
        size: occupancy.size,
        waiting: occupancy.waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::core::Event;
    use crate::daemon::poller::Wake;
    use crate::daemon::reload::Reloading;

    #[test]
    fn what_failed_is_written_again_in_its_time_and_what_is_to_be_hidden_at_once() {
        let mut written = Written::default();
        let state = Arc::new(ObservableState::default());
        let page = |public| Rendering::Page {
            file: Published::page(Path::new("page.html")),
            public,
            refresh_s: 5,
        };
        assert!(written.is_wanted(&page(false), &state, (1_000, 0)));
        assert!(!written.is_wanted(&page(false), &state, (1_000, 5_000)));
        written.failed.store(true, Ordering::Relaxed);
        assert!(!written.is_wanted(&page(false), &state, (1_000, 999)));
        assert!(written.is_wanted(&page(false), &state, (1_000, 1_000)));
        assert!(!written.is_wanted(&page(false), &state, (1_000, 5_000)));
        assert!(written.is_wanted(&page(true), &state, (1_000, 1_001)));
        assert_eq!(written.left(Some(Path::new("page.html"))), None);
        let left = written.left(Some(Path::new("other.html")));
        assert_eq!(left, Some(Published::page(Path::new("page.html"))));
        assert_eq!(written.left(None), None);
    }

    #[test]
    fn what_is_as_it_was_is_not_written_and_wakes_no_one() {
        let dir = tempfile::tempdir().unwrap();
        let text = "metrics_file = 'm.prom'\n[status_page]\nfile = 'page.html'\ninterval_s = 1\n\
                    [[server]]\nscriptdata = 'scriptdata'\nlegacy_secret = '0123456789abcdef'\n";
        std::fs::create_dir(dir.path().join("scriptdata")).unwrap();
        let config = config::parse(text, dir.path(), |_| None).expect("a configuration");
        let reloading = Reloading::new(None, Box::new(|_| None), &config);
        let mut daemon = Daemon::start(config, reloading).unwrap();
        daemon.prepare_at_start().unwrap();
        // What it does at its start is over.
        let is_busy = |it: &Workers| it.busy + it.waiting > 0;
        while daemon.folders.iter().any(|it| !it.scans.is_idle())
            || daemon.observe_workers().0.iter().any(is_busy)
        {
            daemon.turn(Wake::default());
        }
        daemon.wheel.remove(Due::State);
        daemon.write_state();
        let written = |daemon: &Daemon| {
            let both = [&daemon.observer.metrics, &daemon.observer.page];
            both.map(|it| it.last.as_ref().map(|(_, state)| Arc::as_ptr(state)))
        };
        let first = written(&daemon);
        assert!(first.iter().all(Option::is_some));
        // The look at the folders, when any time has passed.
        (
            daemon.observer.metrics.next_ms,
            daemon.observer.page.next_ms,
        ) = (0, 0);
        daemon.write_state();
        assert_eq!(written(&daemon), first);
        assert!(!daemon.wheel.contains(Due::State), "nothing has happened");
        // Something happens, and changes nothing: it is looked at once.
        daemon.events.push_back(Event::InterfacesEdited);
        daemon.drain_events();
        assert!(daemon.wheel.contains(Due::State));
        daemon.wheel.remove(Due::State);
        daemon.write_state();
        assert!(!daemon.wheel.contains(Due::State));
        assert_eq!(written(&daemon), first);
        // What has changed is written, but not before its time.
        daemon.observer.rejected += 1;
        (
            daemon.observer.metrics.next_ms,
            daemon.observer.page.next_ms,
        ) = (u64::MAX, 0);
        daemon.write_state();
        let second = written(&daemon);
        assert_eq!(second[0], first[0]);
        assert_ne!(second[1], first[1]);
    }
}
