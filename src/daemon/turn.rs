//! One turn of the loop: wait, gather what happened, let the core decide, hand the work over.
//!
//! Every part of a turn has a bound in time or number. What is left over waits for the next turn,
//! before which the loop does not sleep.
//!
//! Everything that happened is an event of the core, everything to be done an effect. Time and what is
//! on disk reach the core as values, so that tests play whole histories without a file or a clock. The
//! bounds of a turn's parts are `TURN_*` in `limits`, which asserts that they stay below 20 ms
//! together.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use super::folders::opened;
use super::poller::Wake;
use super::take::known;
use super::waiting::Protocol;
use super::{Daemon, Due, RunError};
use crate::core::{Event, HostId, InputState, RunId};
use crate::io::sql::Report;
use crate::limits;

/// What the core has decided on in a turn: kinds of events, and how many of each.
#[derive(Default)]
pub(super) struct Decided(Vec<(&'static str, usize)>);

impl Decided {
    fn count(&mut self, kind: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.0.push((kind, 1)),
        }
    }
}

impl Display for Decided {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut all = self.0.iter();
        all.try_for_each(|(kind, count)| write!(out, ", {count} {kind}"))
    }
}

impl Daemon {
    /// Sleeps until something happens or the next timer is due; not at all while something is left
    /// over.
    pub(super) fn wait(&mut self) -> Result<Wake, RunError> {
        let now_ms = self.now().mono_ms;
        let of_folders = match self.stopping {
            true => None,
            false => self.folders_due(),
        };
        let is_busy = !self.events.is_empty() || self.is_left_over || !self.unsettled.is_empty();
        let timer = self.wheel.next_due();
        // Rounded down, the last millisecond would be spent looking at the clock.
        let round_up = |due: Duration| due.as_micros().div_ceil(1_000) as u64;
        let timeout_ms = match is_busy {
            true => Some(0),
            false => timer
                .map(|due| due.saturating_sub(now_ms))
                .into_iter()
                .chain(of_folders.map(round_up))
                .min(),
        };
        let timeout_ms = self.services.wait_ms(timeout_ms);
        let logs = self.services.fds().map(|fd| (fd, false));
        let mut fds: Vec<_> = self.control.fds().into_iter().chain(logs).collect();
        let others = fds.len();
        let mut runs = Vec::new();
        for (run, fd, write) in self.scripts.fds() {
            runs.push(run);
            fds.push((fd, write));
        }
        let mut wake = self.poller.wait(timeout_ms, &fds).map_err(RunError::Wait)?;
        wake.control = wake.ready[..others].contains(&true);
        let runs = runs.into_iter().zip(&wake.ready[others..]);
        wake.scripts = runs
            .filter(|(_, ready)| **ready)
            .map(|(run, _)| run)
            .collect();
        wake.scripts.dedup();
        Ok(wake)
    }

    pub(super) fn turn(&mut self, mut wake: Wake) {
        let began = Instant::now();
        self.is_left_over = false;
        self.decided.0.clear();
        let control = wake.control;
        let scripts = std::mem::take(&mut wake.scripts);
        // What clients have fetched comes first: else it is written for them once more.
        self.take_hints(wake);
        self.look_at_some_inputs();
        self.drain_events();
        self.take_reports();
        let events = self.services.events();
        self.is_left_over |= events.len() >= limits::TURN_REPORTS_MAX;
        self.events.extend(events);
        self.drain_events();
        self.read_some_scripts(scripts);
        self.take_timers();
        if control {
            self.serve_control();
        }
        self.drain_events();
        let mut files = 0;
        if !self.stopping {
            self.scan_folders();
            files = self.take_files();
        }
        self.hand_over();
        let took = began.elapsed();
        if took.as_millis() as u64 > limits::SLOW_TURN_MS {
            log::warn!(
                "a turn took {} ms ({files} files{}); is the disk slow?",
                took.as_millis(),
                self.decided
            );
        }
    }

    fn take_hints(&mut self, wake: Wake) {
        if wake.overflow {
            log::warn!("the system dropped file notices: scanning");
            self.scan_all();
            self.unsettled.extend(self.inputs.unsettled());
            self.look_at_interfaces();
        }
        self.take_edits(&wake.hints);
        let ours = (self.first_file, self.last_file);
        let now_ms = self.now().mono_ms;
        let known = known(&self.core, &self.open_files, ours, now_ms);
        let mut emptied = BTreeSet::new();
        let mut place = 0;
        for hint in &wake.hints {
            // Mostly of the same folder as the one before.
            let is_it = |watched: &super::folders::Watched| watched.has_watch(hint.watch);
            if !self.folders.get(place).is_some_and(is_it) {
                match self.folders.iter().position(is_it) {
                    Some(of_hint) => place = of_hint,
                    None => continue,
                }
            }
            let folder = &mut self.folders[place];
            let waiting = self.queues.waiting.entry(folder.of).or_default();
            if let Some(host) = folder.hint(hint, waiting, &known)
                && let Some(host) = self.core.find_host(folder.of, host)
            {
                emptied.insert(host);
            }
        }
        for host in emptied {
            self.look_at_input(host);
        }
    }

    /// Every folder is to be read, whatever was noticed of it.
    pub(super) fn scan_all(&mut self) {
        for folder in &mut self.folders {
            folder.scans.wanted(true);
        }
    }

    /// What the workers of the databases report.
    fn take_reports(&mut self) {
        let until = Instant::now() + Duration::from_micros(limits::TURN_PART_US);
        while let Ok(report) = self.lane_reports.try_recv() {
            match report {
                Report::Done(done) => self.events.push_back(Event::SqlDone(done)),
                Report::Prepared {
                    database,
                    ticket,
                    verdict,
                } => self.prepared(database, ticket, verdict),
            }
            self.drain_events();
            if Instant::now() >= until {
                // The workers have woken the loop for it already.
                self.is_left_over = true;
                return;
            }
        }
    }

    /// Takes what scripts have told, beginning behind the one that was read last.
    fn read_some_scripts(&mut self, mut runs: Vec<RunId>) {
        let until = Instant::now() + Duration::from_micros(limits::TURN_SCRIPTS_US);
        runs.sort_unstable();
        let behind = runs.partition_point(|run| *run <= self.last_run);
        runs.rotate_left(behind);
        for run in runs {
            self.read_scripts(vec![run]);
            self.drain_events();
            self.last_run = run;
            if Instant::now() >= until {
                // Those behind it are ready in the next turn, too.
                return;
            }
        }
    }

    fn take_timers(&mut self) {
        let now = self.now();
        let until = Instant::now() + Duration::from_micros(limits::TURN_PART_US);
        // Those that are left are due in the next turn.
        while Instant::now() < until
            && let Some((due, ())) = self.wheel.pop_due(now.mono_ms)
        {
            match due {
                Due::Core(timer) => self.events.push_back(Event::Timer(timer)),
                Due::Sweep => {
                    self.sweep(|_| true);
                    self.set_poll_timer();
                    self.look_at_configuration();
                    self.look_at_interfaces();
                    // Counts of lines that were left out.
                    log::logger().flush();
                    self.wheel
                        .insert(Due::Sweep, (), now.mono_ms + limits::SWEEP_MS);
                }
                Due::Poll => {
                    self.sweep(|folder| folder.is_polled());
                    self.set_poll_timer();
                }
                Due::Edit => self.look_at_configuration(),
                Due::Look => self.look_at_scripts(),
                Due::Input(host) => self.look_at_input(host),
                Due::Unfinished => self.look_at_overdue(),
                // Being gone from the wheel is the message.
                Due::Stop => {}
            }
            self.drain_events();
        }
    }

    fn sweep(&mut self, which: impl Fn(&super::folders::Watched) -> bool) {
        let now_ms = self.now().mono_ms;
        for folder in self.folders.iter_mut().filter(|folder| which(folder)) {
            let waiting = self.queues.waiting.entry(folder.of).or_default();
            folder.sweep(&self.poller, self.config.watch, waiting, now_ms);
        }
        if self.unsettled.is_empty() {
            self.unsettled = self.inputs.unsettled();
        }
        // Before files are taken, as after a notice.
        self.look_at_some_inputs();
    }

    /// Looks at input files that may have been emptied without a notice.
    fn look_at_some_inputs(&mut self) {
        for _ in 0..limits::TURN_INPUTS_MAX {
            let Some(host) = self.unsettled.pop() else {
                return;
            };
            self.look_at_input(host);
        }
    }

    /// Tells the core what stands in an input file, where that is news.
    pub(super) fn look_at_input(&mut self, host: HostId) {
        if let Some(state) = self.input_state(host)
            && state != InputState::Ours
        {
            self.events.push_back(Event::Input { host, state });
        }
    }

    pub(super) fn input_state(&mut self, host: HostId) -> Option<InputState> {
        let Some((folder, name)) = self.core.host(host) else {
            self.inputs.forget(host);
            return None;
        };
        let folder = opened(&self.folders, folder, Protocol::Stock)?;
        let state = self.inputs.look(host, name, folder);
        if state == InputState::Foreign {
            let again = self.now().mono_ms + limits::FOREIGN_INPUT_MS;
            self.wheel.insert(Due::Input(host), (), again);
        }
        Some(state)
    }

    /// Lets the core decide on everything that has come together.
    pub(super) fn drain_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            self.queues.has_news = true;
            self.decide(event);
        }
    }

    /// Lets the core decide on one event, at once.
    pub(super) fn decide(&mut self, event: Event) {
        self.decided.count(event.kind());
        for effect in self.core.handle(event, self.now()) {
            self.carry_out(effect);
        }
    }

    /// Hands the gathered work over: identities are written down before their calls run.
    pub(super) fn hand_over(&mut self) {
        if !self.remember.is_empty() {
            if let Err(error) = self.remembered_log.add(&self.remember) {
                log::error!(
                    "{}: identities cannot be written down ({error}); after a restart a copied file could pass; free some space",
                    self.config.state_dir.display()
                );
            }
            self.remember.clear();
        }
        self.remove_restarts();
        self.services.hand_over();
        if self.jobs.is_empty() {
            return;
        }
        if let [lane] = &self.lanes[..] {
            return lane.submit(self.jobs.drain(..));
        }
        let mut of_each: Vec<Vec<_>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for job in self.jobs.drain(..) {
            of_each[job.database].push(job);
        }
        for (lane, jobs) in self.lanes.iter().zip(of_each) {
            if !jobs.is_empty() {
                lane.submit(jobs);
            }
        }
    }
}
