//! One turn of the loop: wait, gather what happened, let the core decide, hand the work over.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::folders::{Protocol, opened};
use super::poller::Wake;
use super::waiting::{Origin, Waiting, What};
use super::{Daemon, Due, OpenFile};
use crate::core::{Event, FileId, HostId, InputState, TakenFile};
use crate::io::files::Take;
use crate::io::sql::Report;
use crate::limits;
use crate::wire::names;

impl Daemon {
    /// Sleeps until something happens or the next timer is due; not at all while files wait.
    pub(super) fn wait(&mut self) -> Result<Wake, String> {
        let now_ms = self.now().mono_ms;
        let busy = !self.stopping && self.folders.iter().any(|folder| folder.has_work());
        let timeout_ms = match self.wheel.next_ms() {
            _ if busy || !self.events.is_empty() => Some(0),
            next => next.map(|due| due.saturating_sub(now_ms)),
        };
        let timeout_ms = self.attended.wait_ms(timeout_ms);
        let logs = self.attended.fds().map(|fd| (fd, false));
        let mut fds: Vec<_> = self.control.fds().into_iter().chain(logs).collect();
        let others = fds.len();
        let mut runs = Vec::new();
        for (run, fd, write) in self.scripts.fds() {
            runs.push(run);
            fds.push((fd, write));
        }
        let mut wake = self
            .poller
            .wait(timeout_ms, &fds)
            .map_err(|error| format!("waiting for events failed ({error})"))?;
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
        // What clients have fetched comes first: else it is written for them once more.
        let control = wake.control;
        let scripts = std::mem::take(&mut wake.scripts);
        self.take_hints(wake);
        while let Ok(report) = self.lane_reports.try_recv() {
            match report {
                Report::Done(done) => self.events.push_back(Event::SqlDone(done)),
                Report::Prepared {
                    database,
                    ticket,
                    verdict,
                } => self.prepared(database, ticket, verdict),
            }
        }
        self.events.extend(self.attended.events());
        self.read_scripts(scripts);
        self.take_timers();
        if control {
            self.serve_control();
        }
        self.drain_events();
        let files = if self.stopping { 0 } else { self.take_files() };
        self.hand_over();
        let took = began.elapsed();
        if took.as_millis() as u64 > limits::SLOW_TURN_MS {
            log::warn!(
                "a turn took {} ms ({files} files); is the disk slow?",
                took.as_millis()
            );
        }
    }

    fn take_hints(&mut self, wake: Wake) {
        if wake.overflow {
            log::warn!("the system dropped file notices: scanning");
            self.folders
                .iter_mut()
                .for_each(|folder| folder.scan_soon());
            self.look_at_unsettled_inputs();
            self.look_at_interfaces();
        }
        self.take_edits(&wake.hints);
        for hint in wake.hints {
            let watched = self
                .folders
                .iter_mut()
                .find(|folder| folder.has_watch(hint.watch));
            let Some(folder) = watched else {
                continue;
            };
            let id = folder.of;
            let input_of = folder.hint(&hint.name);
            // Games empty their input file in place; it is we who rename to its name.
            if let Some(host) = input_of.filter(|_| !hint.renamed)
                && let Some(host) = self.core.find_host(id, host)
            {
                self.look_at_input(host);
            }
        }
    }

    fn take_timers(&mut self) {
        let now = self.now();
        while let Some(due) = self.wheel.pop_due(now.mono_ms) {
            match due {
                Due::Core(timer) => self.events.push_back(Event::Timer(timer)),
                Due::Sweep => {
                    self.sweep(|_| true);
                    self.set_poll_timer();
                    self.look_at_configuration();
                    self.look_at_interfaces();
                    self.wheel.set(Due::Sweep, now.mono_ms + limits::SWEEP_MS);
                }
                Due::Poll => {
                    self.sweep(|folder| folder.is_polled());
                    self.set_poll_timer();
                }
                Due::Edit => self.look_at_configuration(),
                Due::Look => self.look_at_scripts(),
                Due::Input(host) => self.look_at_input(host),
                // Being gone from the wheel is the message.
                Due::Stop => {}
            }
        }
    }

    fn sweep(&mut self, which: impl Fn(&super::folders::Watched) -> bool) {
        for folder in self.folders.iter_mut().filter(|folder| which(folder)) {
            folder.sweep(&self.poller, self.config.watch);
        }
        self.look_at_unsettled_inputs();
    }

    fn look_at_unsettled_inputs(&mut self) {
        for host in self.inputs.unsettled() {
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
        let (folder, name) = self.core.host(host)?;
        let folder = opened(&self.folders, folder, Protocol::Stock)?;
        let state = self.inputs.look(host, name, folder);
        if state == InputState::Foreign {
            let again = self.now().mono_ms + limits::FOREIGN_INPUT_MS;
            self.wheel.set(Due::Input(host), again);
        }
        Some(state)
    }

    /// Lets the core decide on everything that has come together.
    pub(super) fn drain_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let effects = self.core.on(event, self.now());
            for effect in effects {
                self.carry_out(effect);
            }
        }
    }

    /// Takes waiting files, some of each host in turn, while there is room for their calls.
    fn take_files(&mut self) -> usize {
        let mut taken = 0;
        for place in 0..self.folders.len() {
            let open_files = &self.open_files;
            self.folders[place].scan_if_needed(|id| open_files.contains_key(&id));
            self.recover_sent(place);
            let hosts = self.folders[place].waiting.hosts();
            let mut progress = true;
            while progress && taken < limits::TURN_FILES_MAX {
                progress = false;
                for host in &hosts {
                    let count = self.take_files_of(place, host, limits::TURN_FILES_MAX - taken);
                    taken += count;
                    progress |= count > 0;
                }
            }
            // Without progress there is nothing to be done until calls are.
            self.folders[place].blocked = !progress;
        }
        taken
    }

    /// Takes a few files of one host.
    fn take_files_of(&mut self, place: usize, host: &str, most: usize) -> usize {
        let folder = self.folders[place].of;
        let signed = self.folders[place].protocol == Protocol::Signed;
        if !self.core.serves(folder, host, signed) {
            self.folders[place].waiting.forget(host);
            return 0;
        }
        let mut taken = 0;
        while taken < most.min(limits::HOST_TURN_FILES_MAX) && self.core.has_room(folder, host) {
            let Some(file) = self.folders[place].waiting.next_of(host) else {
                break;
            };
            taken += 1;
            self.take_file(place, host, file);
            self.drain_events();
            if self.jobs.len() >= limits::SUBMIT_JOBS_MIN {
                self.hand_over();
            }
        }
        taken
    }

    fn take_file(&mut self, place: usize, host: &str, waiting: Waiting) {
        let host = host.to_string();
        match waiting.what {
            What::Restart => self.take_restart(place, &waiting.name, host, waiting.mtime_ns),
            What::Calls(origin) => self.take_calls(place, host, origin, waiting.name),
            What::Hello(session) => self.take_hello(place, host, session, waiting.name),
            What::Messages { session, n, origin } => {
                self.take_messages(place, host, (session, n, origin), waiting);
            }
        }
    }

    /// Under which id and name a file is taken, and whether an earlier run took it.
    pub(super) fn claim(&mut self, origin: Origin, name: &str) -> (FileId, String, bool) {
        match origin {
            Origin::Game => {
                let file = self.next_file_id();
                (file, names::taken(name, file), false)
            }
            Origin::EarlierRun(id) => (id, name.to_string(), true),
        }
    }

    /// A call file of the stock client.
    fn take_calls(&mut self, place: usize, host: String, origin: Origin, name: String) {
        let (id, folder_id) = (self.folders[place].id, self.folders[place].of);
        let (file, taken_name, recovered) = self.claim(origin, &name);
        let Ok(folder) = self.folders[place].open_folder() else {
            return;
        };
        let take = if recovered {
            folder.read_taken(&name)
        } else {
            folder.take(&name, &taken_name)
        };
        match take {
            Ok(Take::Taken { bytes, mtime_ns }) => {
                self.folders[place].unfinished.remove(&name);
                self.open_files.insert(
                    file,
                    OpenFile {
                        folder: id,
                        name: taken_name,
                    },
                );
                let file = TakenFile {
                    folder: folder_id,
                    host,
                    file,
                    bytes,
                    mtime_ns,
                    recovered,
                };
                self.events.push_back(Event::Calls(file));
            }
            Ok(Take::Unfinished { .. }) => self.wait_for_the_end(place, &name, &taken_name, file),
            Ok(Take::TooLarge { size }) => {
                let max = limits::CALL_FILE_BYTES_MAX;
                self.set_aside(
                    place,
                    &name,
                    file,
                    &format!("it has {size} bytes, more than {max}"),
                );
            }
            Ok(Take::NotAFile) => {
                self.complain(place, &name, "it is not a plain file, and is left alone")
            }
            Ok(Take::Gone) => {}
            Err(error) => self.complain(place, &name, &format!("it cannot be taken ({error})")),
        }
    }

    /// A map began. The file goes when that is written down, so that no crash forgets it.
    fn take_restart(&mut self, place: usize, name: &str, host: String, mtime_ns: i64) {
        let folder = self.folders[place].of;
        self.events.push_back(Event::Restart {
            folder,
            host,
            mtime_ns,
        });
        self.drain_events();
        self.hand_over();
        let removed = self.folders[place]
            .open_folder()
            .and_then(|folder| folder.remove(name));
        if let Err(error) = removed {
            self.complain(place, name, &format!("it cannot be removed ({error})"));
        }
    }

    /// Whether a file has this name, which it got when it was taken.
    pub(super) fn is_taken(&self, place: usize, taken_name: &str) -> bool {
        let folder = self.folders[place].open_folder();
        folder.is_ok_and(|folder| folder.mtime_ns(taken_name).is_some())
    }

    /// A file without its closing NUL: the game is writing it, or died over it.
    pub(super) fn wait_for_the_end(
        &mut self,
        place: usize,
        name: &str,
        taken_name: &str,
        file: FileId,
    ) {
        let now_ms = self.now().mono_ms;
        let is_taken = self.is_taken(place, taken_name);
        let folder = &mut self.folders[place];
        let first = *folder.unfinished.entry(name.to_string()).or_insert(now_ms);
        if !is_taken && now_ms - first < limits::UNFINISHED_MS {
            return;
        }
        folder.unfinished.remove(name);
        let present = if is_taken { taken_name } else { name };
        let reason = "it has no closing NUL: its writing was cut short";
        self.set_aside(place, present, file, reason);
        self.tell_of_cut(place, name);
    }

    /// A new id: the time, but never one that was used before. It is even: odd ones are for calls
    /// that come from no file.
    pub(super) fn next_file_id(&mut self) -> FileId {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_micros() as u64);
        self.last_file = (now & !1).max(self.last_file + 2);
        while self.open_files.contains_key(&self.last_file) {
            self.last_file += 2;
        }
        self.last_file
    }

    /// Hands the gathered work over: identities are written down before their calls run.
    fn hand_over(&mut self) {
        if !self.remember.is_empty() {
            if let Err(error) = self.seen.add(&self.remember) {
                log::error!(
                    "{}: identities cannot be written down ({error}); after a restart a copied file could pass; free some space",
                    self.config.state_dir.display()
                );
            }
            self.remember.clear();
        }
        self.attended.hand_over();
        if self.jobs.is_empty() {
            return;
        }
        let jobs = std::mem::take(&mut self.jobs);
        if let [lane] = &self.lanes[..] {
            return lane.submit(jobs);
        }
        let mut of_each: Vec<Vec<_>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for job in jobs {
            of_each[job.database].push(job);
        }
        for (lane, jobs) in self.lanes.iter().zip(of_each) {
            if !jobs.is_empty() {
                lane.submit(jobs);
            }
        }
    }
}
