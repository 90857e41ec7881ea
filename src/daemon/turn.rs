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
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::about::About;
use super::folders::opened;
use super::poller::Wake;
use super::ring::{Note, What};
use super::spent::Step;
use super::take::known;
use super::waiting::Protocol;
use super::{Daemon, Due, RunError};
use crate::core::ended::ShortName;
use crate::core::{Effect, Event, HostId, InputState, RunId};
use crate::io::sql::Report;
use crate::limits;

impl Daemon {
    /// Sleeps until something happens or the next timer is due; not at all while something is left
    /// over.
    pub(super) fn wait(&mut self) -> Result<Wake, RunError> {
        let now_ms = self.now().mono_ms;
        let of_folders = match self.stopping {
            true => None,
            false => self.folders_due(),
        };
        let is_left_over = self.is_left_over || self.control.has_requests();
        let is_busy = !self.events.is_empty() || is_left_over || !self.unsettled.is_empty();
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
        let logs = self.services.fds().map(|fd| (fd, PollFlags::IN));
        let mut fds: Vec<_> = self.control.fds().into_iter().chain(logs).collect();
        let others = fds.len();
        let mut runs = Vec::new();
        for (run, fd, write) in self.scripts.fds() {
            runs.push(run);
            let write = if write {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            fds.push((fd, PollFlags::IN | write));
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
        self.spent.clear();
        let control = wake.control;
        let scripts = std::mem::take(&mut wake.scripts);
        // What clients have fetched comes first: else it is written for them once more.
        self.step(Step::Notices, |daemon| {
            daemon.take_hints(wake);
            daemon.look_at_some_inputs();
            daemon.drain_events();
        });
        self.step(Step::Reports, |daemon| {
            daemon.take_reports();
            let events = daemon.services.events();
            daemon.is_left_over |= events.len() >= limits::TURN_REPORTS_MAX;
            daemon.events.extend(events);
            daemon.drain_events();
        });
        self.step(Step::Scripts, |daemon| daemon.read_some_scripts(scripts));
        self.step(Step::Reports, Self::take_timers);
        if control || self.control.has_requests() {
            self.step(Step::Control, Self::serve_control);
        }
        self.look_at_tracing();
        self.drain_events();
        let mut files = 0;
        if !self.stopping {
            let found = self.step(Step::Scan, Self::scan_folders);
            files = self.step(Step::Claim, |daemon| daemon.take_found(found));
        }
        self.step(Step::HandOver, Self::hand_over);
        let took = began.elapsed();
        self.record_step("turn", began, took);
        if took.as_millis() as u64 > limits::SLOW_TURN_MS {
            self.spent.report(took, files);
            self.observer.slow_turns += 1;
            // It ends by itself.
            drop(self.recorder.turn_took(took, &self.config.state_dir));
        }
    }

    /// Takes files, and before that the notices that came before a scan that has found some, so that none is
    /// taken before an older one of its host that the scan has missed.
    fn take_found(&mut self, has_found: bool) -> usize {
        if has_found {
            let wake = self.poller.catch_up();
            self.take_hints(wake);
            self.drain_events();
        }
        // While there are more of them, no file of the stock protocol is taken.
        self.is_left_over |= self.poller.is_behind();
        self.take_files()
    }

    /// Does a step of a turn, of which the time is counted.
    fn step<T>(&mut self, step: Step, act: impl FnOnce(&mut Self) -> T) -> T {
        let begun = self.spent.begin();
        let result = act(self);
        let took = self.spent.end(step, begun);
        self.record_step(step.name(), begun.0, took);
        result
    }

    fn record_step(&self, step: &'static str, began: Instant, took: Duration) {
        if took.as_micros() as u64 >= limits::RING_STEP_US_MIN {
            let note = Note::of_turn(step);
            self.recorder.ring().add(note, began, took, 0);
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
                    self.core.close_minutes(now);
                    self.write_state();
                    self.wheel
                        .insert(Due::Sweep, (), now.mono_ms + limits::SWEEP_MS);
                }
                Due::Poll => {
                    self.sweep(|folder| folder.is_polled());
                    self.set_poll_timer();
                }
                Due::State => self.write_state(),
                Due::Edit => self.look_at_configuration(),
                Due::Look => self.look_at_scripts(),
                Due::Watchdog => self.feed_watchdog(),
                Due::Accept => self.control.listen_again(),
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
            self.state_changed();
        }
    }

    /// Lets the core decide on one event, at once.
    pub(super) fn decide(&mut self, event: Event) {
        let (kind, began) = (event.kind(), Instant::now());
        let about = About::event(&event);
        let note = self.ring_note(What::Event, kind, &about);
        self.recorder.ring().begin(note, began, about.bytes);
        let is_traced = self.control.is_traced();
        let line = is_traced.then(|| self.line_about("event", &about));
        let effects = self.core.handle(event, self.now());
        let mut until = self.spent.decision(kind, began);
        self.record_decision(until - began, until);
        if let Some(line) = line {
            self.trace_event(kind, line, until - began);
        }
        for effect in effects {
            let kind = effect.kind();
            let is_timer = matches!(effect, Effect::SetTimer { .. } | Effect::CancelTimer(_));
            let about = (!is_timer).then(|| About::effect(&effect));
            let note = about.map(|about| (self.ring_note(What::Effect, kind, &about), about.bytes));
            let about = about.filter(|_| is_traced);
            let line = about.map(|about| self.line_about("effect", &about));
            self.carry_out(effect);
            let from = until;
            until = self.spent.effect(kind, from);
            // Those of timers say nothing, and are many.
            if let Some((note, bytes)) = note {
                self.recorder.ring().add(note, from, until - from, bytes);
            }
            if let Some(line) = line {
                self.trace_effect(kind, line, until - from);
            }
        }
    }

    fn ring_note(&self, what: What, kind: &'static str, about: &About<'_>) -> Note {
        let (host, name) = about.short(&self.core);
        Note {
            what,
            kind,
            host,
            name,
            failed: false,
        }
    }

    /// An event is decided, and these calls have ended with it.
    fn record_decision(&self, took: Duration, now: Instant) {
        let mut ring = self.recorder.ring();
        ring.end(took);
        for call in self.core.ended() {
            let host = call.caller.host().and_then(|host| self.core.host(host));
            let host = ShortName::new(host.map_or("", |(_, name)| name));
            ring.add_call(call, host, now);
        }
    }

    /// Hands the gathered work over: identities are written down before their calls run.
    pub(super) fn hand_over(&mut self) {
        if !self.remember.is_empty() {
            let written = self.remembered_log.add(&self.remember);
            if let Err(error) = &written {
                log::error!(
                    "{}: identities and starts of maps cannot be written down ({error}); after a restart a copied \
                     file could pass, and files of map starts stay where they are; free some space",
                    self.config.state_dir.display()
                );
            }
            self.remember.clear();
            self.finish_restarts(written.is_ok());
        } else {
            self.finish_restarts(true);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::core::FolderId;
    use crate::daemon::reload::Reloading;
    use crate::daemon::waiting::{Kind, Of, Origin, Waiting, What};
    use std::path::Path;

    /// A vpid that serves `scriptdata` of this folder, and has nothing left to do.
    fn daemon(dir: &Path) -> Daemon {
        let text = "[database]\npath = \"calls.db\"\n\
                    [[server]]\nscriptdata = \"scriptdata\"\nlegacy_secret = \"0123456789abcdef\"\n";
        std::fs::create_dir(dir.join("scriptdata")).unwrap();
        let config = config::parse(text, dir, |_| None).expect("a configuration");
        let reloading = Reloading::new(None, Box::new(|_| None), &config);
        let mut daemon = Daemon::start(config, reloading).unwrap();
        daemon.prepare_at_start().unwrap();
        while daemon.folders.iter().any(|it| !it.scans.is_idle()) {
            daemon.turn(Wake::default());
        }
        daemon
    }

    #[test]
    fn what_a_scan_has_found_is_taken_after_an_older_file_that_it_has_missed() {
        let dir = tempfile::tempdir().unwrap();
        let mut daemon = daemon(dir.path());
        let calls = |unix: u32| format!("a_vpi_{unix}_1_output.interface");
        for unix in [1, 2] {
            std::fs::write(dir.path().join("scriptdata").join(calls(unix)), b"{}\0").unwrap();
        }
        // Only the second was found, and no notice was read yet.
        let of = Of {
            host: "a",
            kind: Kind::Stock,
            proven: false,
        };
        let file = Waiting {
            what: What::Calls(Origin::Game),
            client_time: (2, 1),
            name: calls(2).into(),
        };
        let waiting = daemon.queues.waiting.entry(FolderId(0)).or_default();
        assert!(waiting.add(of, file, |_| None));
        // A turn may have time for one of them only.
        let mut taken = daemon.take_found(true);
        for _ in 0..1_000 {
            taken += daemon.take_files();
        }
        assert_eq!(taken, 2);
        // Both are rejected, under names that begin with their ids.
        let rejected = std::fs::read_dir(dir.path().join("state/rejected")).unwrap();
        let names = rejected.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".reason")).collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(
            names[0].contains("a_vpi_1_1") && names[1].contains("a_vpi_2_1"),
            "{names:?}"
        );
    }
    #[test]
    fn a_file_of_a_map_start_goes_when_that_is_written_down_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut daemon = daemon(dir.path());
        let file = dir.path().join("scriptdata/a_vpi_restart.interface");
        let closed = std::fs::File::open("/dev/null").unwrap();
        let log = daemon.remembered_log.swap_maps_for_test(closed);
        std::fs::write(&file, b"\0").unwrap();
        daemon.take_found(true);
        daemon.hand_over();
        assert!(file.exists());
        daemon.remembered_log.swap_maps_for_test(log);
        daemon.hand_over();
        assert!(file.exists(), "it is not written down yet");
        daemon.sweep(|_| true);
        while daemon.folders.iter().any(|it| !it.scans.is_idle()) {
            daemon.turn(Wake::default());
        }
        assert!(!file.exists());
        let maps = std::fs::metadata(dir.path().join("state/maps")).unwrap();
        assert!(maps.len() > 0);
    }
}
