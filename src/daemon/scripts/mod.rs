//! The processes of the owner's scripts: carries out what the core decides about them, and gives it their reports.

mod launch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use serde_json::Value;

use super::poller::Hint;
use super::reload::{Stamp, stamp};
use super::{Daemon, Due};
use crate::config::{self, Config};
use crate::core::{Event, FileId, RunId, ScriptAct, ScriptId, ScriptReport, StartScripts};
use crate::io::begun::Begun;
use crate::io::python::memory::Watch;
use crate::io::python::{Interpreters, Process, Received};
use crate::io::script_files;
use crate::jobs::CallId;
use crate::limits;
use launch::LaunchError;

/// A process, and whose it is.
struct Running {
    script: ScriptId,
    process: Process,
}

/// The file of `vpi_interfaces`, whose edits are noticed.
struct Edited {
    path: PathBuf,
    /// That of its folder, where inotify has room for one.
    watch: Option<i32>,
    /// As the file was when it was last checked.
    stamp: Stamp,
}

pub struct Scripts {
    /// By the numbers of their runs.
    running: BTreeMap<RunId, Running>,
    interpreters: Interpreters,
    interfaces: Option<Edited>,
    /// Started with the first script that has a bound.
    memory: Option<Watch>,
    /// What scripts used together at the last measurement.
    used_bytes: u64,
    /// They have received or sent something since the last look, or use more than before.
    is_active: bool,
    /// So many looks in a row have found that they are not.
    quiet_looks: u32,
    begun: Begun,
    /// Calls that an earlier run has begun, until the core gets them.
    begun_earlier: Vec<CallId>,
}

impl Scripts {
    pub fn new(begun: Begun, begun_earlier: Vec<CallId>) -> Self {
        Self {
            running: BTreeMap::new(),
            interpreters: Interpreters::default(),
            interfaces: None,
            memory: None,
            used_bytes: 0,
            is_active: false,
            quiet_looks: 0,
            begun,
            begun_earlier,
        }
    }

    /// Whether no process is left.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What to wait for: whose it is, a descriptor, and whether for room to write as well.
    pub fn fds(&self) -> impl Iterator<Item = (RunId, BorrowedFd<'_>, bool)> {
        self.running.iter().flat_map(|(run, running)| {
            let fds = running.process.fds();
            fds.map(|(fd, write)| (*run, fd, write))
        })
    }

    /// Does something with a process.
    pub fn act(
        &mut self,
        config: &Config,
        script: ScriptId,
        run: RunId,
        act: ScriptAct,
    ) -> Option<Event> {
        self.is_active = true;
        // One that has ended is still known to the core until that gets the report.
        let process = self.running.get_mut(&run).map(|it| &mut it.process);
        match (act, process) {
            (ScriptAct::Start(launch), _) => {
                let spec = launch::spec(config, script, &launch);
                let start = |spec| self.interpreters.start(&spec).map_err(LaunchError::Process);
                match spec.and_then(start) {
                    Ok(process) => drop(self.running.insert(run, Running { script, process })),
                    Err(problem) => {
                        let what = ScriptReport::NotStarted {
                            why: problem.to_string(),
                            has_file: problem.has_file(),
                        };
                        return Some(Event::Script { script, run, what });
                    }
                }
            }
            (ScriptAct::Look(name), _) => {
                let scripts = config.scripts.as_ref();
                let dir = scripts.and_then(|scripts| scripts.dir.as_deref());
                let has_file = dir.is_some_and(|dir| script_files::is_there(dir, &name));
                let what = ScriptReport::Looked(has_file);
                return Some(Event::Script { script, run, what });
            }
            (ScriptAct::Send(bytes), Some(process)) => process.send(bytes),
            (ScriptAct::Interrupt, Some(process)) => process.interrupt(),
            (ScriptAct::Kill, Some(process)) => process.kill(),
            (_, None) => {}
        }
        None
    }

    /// Reads what these processes have sent.
    pub fn read(&mut self, runs: impl IntoIterator<Item = RunId>) -> Vec<Event> {
        let mut events = Vec::new();
        for run in runs {
            let Some(Running { script, process }) = self.running.get_mut(&run) else {
                continue;
            };
            process.flush();
            let (script, received) = (*script, self.interpreters.read(process));
            if received.ended.is_some() || received.not_started.is_some() {
                self.running.remove(&run);
            }
            let reports = reports(received).into_iter();
            self.is_active |= reports.len() > 0;
            events.extend(reports.map(|what| Event::Script { script, run, what }));
        }
        events
    }

    /// At the end of vpid: kills those that have not ended in time.
    pub fn kill_all(&mut self) {
        for it in self.running.values_mut() {
            it.process.kill();
        }
        if !self.running.is_empty() {
            match self.running.len() {
                1 => log::warn!("1 script has not ended in time, and is killed"),
                count => log::warn!("{count} scripts have not ended in time, and are killed"),
            }
        }
        self.running.clear();
    }

    /// Kills those that use more memory than they may.
    fn look_at_memory(&mut self) {
        let Self {
            running, memory, ..
        } = self;
        if memory.is_none() {
            match Watch::start() {
                Ok(watch) => *memory = Some(watch),
                Err(error) => {
                    return log::error!(
                        "the memory that scripts share and that of what they start cannot be \
                         watched ({error}); see what the system lacks: memory, processes"
                    );
                }
            }
        }
        let bounded = || {
            let bounded = running.iter().filter_map(|(run, it)| {
                let (keeper, bytes) = it.process.memory_bound()?;
                Some((run.0, keeper, bytes))
            });
            bounded.collect()
        };
        let Some(found) = memory.as_mut().and_then(|it| it.look(bounded)) else {
            return;
        };
        let used_before = std::mem::replace(&mut self.used_bytes, found.used);
        self.is_active |= found.used > used_before.saturating_add(limits::SCRIPT_GROWTH_BYTES);
        for (run, used_bytes) in found.beyond {
            if let Some(it) = running.get_mut(&RunId(run)) {
                it.process.uses_too_much(used_bytes);
            }
        }
    }

    /// How long it is until the next look.
    fn look_after_ms(&self) -> u64 {
        match self.unseen().is_empty() {
            true => limits::SCRIPT_LOOK_MS << self.quiet_looks,
            false => limits::SCRIPT_LOOK_MS,
        }
        .min(limits::SCRIPT_LOOK_QUIET_MS)
    }

    /// Processes whose end no descriptor reports.
    fn unseen(&self) -> Vec<RunId> {
        let unseen = self
            .running
            .iter()
            .filter(|(_, it)| it.process.needs_polling());
        unseen.map(|(run, _)| *run).collect()
    }
}

/// In the order in which the core gets them.
fn reports(received: Received) -> Vec<ScriptReport> {
    let sent = (!received.lines.is_empty()).then_some(ScriptReport::Sent(received.lines));
    let too_long = received.too_long.then_some(ScriptReport::TooLong);
    let printed = (!received.printed.is_empty()).then_some(ScriptReport::Printed(received.printed));
    let ended = received.ended.map(ScriptReport::Ended);
    // Its file was there: an interpreter was to run it.
    let not_started = received.not_started.map(|why| ScriptReport::NotStarted {
        why,
        has_file: true,
    });
    [printed, sent, too_long, ended, not_started]
        .into_iter()
        .flatten()
        .collect()
}

/// The names of the scripts in their folder, and sentences about what is wrong there.
fn found_scripts(dir: &Path, scripts: &config::Scripts) -> (Vec<String>, Vec<String>) {
    let shown = dir.display();
    let found = match script_files::find(dir) {
        Ok(found) => found,
        Err(error) => {
            let sentence = format!(
                "{shown}: the folder of scripts cannot be read ({error}); make it, or correct dir in \
                 [scripts]"
            );
            return (Vec::new(), vec![sentence]);
        }
    };
    let mut sentences = found.sentences(scripts);
    if found.more {
        let what = "has so many files that not all were read; keep data elsewhere";
        sentences.push(format!("{shown} {what}"));
    }
    if let Some(first) = found.scripts.get(limits::SCRIPTS_MAX) {
        sentences.push(format!(
            "{shown}: {} scripts are in there, and at most {} run: {} and those behind it in the \
             alphabet are not started; put several into one",
            found.scripts.len(),
            limits::SCRIPTS_MAX,
            first.name
        ));
    }
    let scripts = found.scripts.into_iter().take(limits::SCRIPTS_MAX);
    (scripts.map(|script| script.name).collect(), sentences)
}

impl Daemon {
    /// Starts the scripts of the configuration.
    pub(super) fn begin_scripts(&mut self) {
        self.watch_interfaces();
        let (names, wrong) = self.found_scripts();
        for sentence in wrong {
            log::warn!("{sentence}");
        }
        let start = StartScripts {
            config: Arc::clone(&self.config),
            found: names,
            begun: std::mem::take(&mut self.scripts.begun_earlier),
            number: self.next_file_id().0 / 2,
        };
        self.decide(Event::StartScripts(Box::new(start)));
    }

    /// Of the folder of the configuration, where there is one.
    fn found_scripts(&self) -> (Vec<String>, Vec<String>) {
        let scripts = self.config.scripts.as_ref();
        let dir = scripts.and_then(|scripts| Some((scripts.dir.as_ref()?, scripts)));
        dir.map(|(dir, scripts)| found_scripts(dir, scripts))
            .unwrap_or_default()
    }

    /// What is in the folder of scripts and is not started, in sentences.
    pub(super) fn scripts_passed_over(&self) -> Vec<String> {
        self.found_scripts().1
    }

    /// Adds to a list of scripts where those of the folder lie.
    pub(super) fn add_script_paths(&self, list: &mut Value) {
        let scripts = self.config.scripts.as_ref();
        let Some(dir) = scripts.and_then(|scripts| scripts.dir.as_ref()) else {
            return;
        };
        let all = list.get_mut("scripts").and_then(Value::as_array_mut);
        for script in all.into_iter().flatten() {
            let name = script["name"].as_str().unwrap_or_default();
            if let Ok(file) = script_files::find_one(dir, name) {
                let path = absolute(&file.main).unwrap_or(file.main);
                script["path"] = path.to_string_lossy().into();
            }
        }
    }

    pub(super) fn script_act(&mut self, script: ScriptId, run: RunId, act: ScriptAct) {
        let event = self.scripts.act(&self.config, script, run, act);
        self.events.extend(event);
        self.look_later();
    }

    /// Records at once that a call is begun, before it is sent to the script.
    pub(super) fn note_begun(&mut self, call: CallId) {
        let Self {
            scripts,
            open_files,
            ..
        } = self;
        let noted = scripts
            .begun
            .add(call, |file| open_files.contains_key(&FileId(file)));
        if let Err(error) = noted {
            log::error!(
                "{}: that a call is begun cannot be recorded ({error}); after a crash it \
                 could run again; free some space",
                self.config.state_dir.display()
            );
        }
    }

    /// Reads what scripts have sent.
    pub(super) fn read_scripts(&mut self, runs: Vec<RunId>) {
        if !runs.is_empty() {
            let events = self.scripts.read(runs);
            self.events.extend(events);
            self.look_later();
        }
    }

    /// Checks what no descriptor reports: the memory of processes, and the end of some.
    pub(super) fn look_at_scripts(&mut self) {
        self.scripts.look_at_memory();
        let unseen = self.scripts.unseen();
        self.read_scripts(unseen);
        let is_active = std::mem::take(&mut self.scripts.is_active);
        let quiet_looks = &mut self.scripts.quiet_looks;
        *quiet_looks = if is_active {
            0
        } else {
            10.min(*quiet_looks + 1)
        };
        self.look_later();
    }

    fn look_later(&mut self) {
        // After quiet, the next look is far.
        let is_sooner = self.scripts.is_active && self.scripts.quiet_looks > 0;
        if is_sooner {
            self.scripts.quiet_looks = 0;
        }
        let mut running = self.scripts.running.values();
        let is_watched =
            |it: &Running| it.process.needs_polling() || it.process.memory_bound().is_some();
        let look = running.any(is_watched) || self.scripts.interpreters.end_unused();
        if look && (is_sooner || !self.wheel.contains(Due::Look)) {
            let at_ms = self.now().mono_ms + self.scripts.look_after_ms();
            self.wheel.insert(Due::Look, (), at_ms);
        }
    }

    /// Watches the folder of `vpi_interfaces`, of the configuration.
    pub(super) fn watch_interfaces(&mut self) {
        let scripts = self.config.scripts.as_ref();
        let wanted = scripts.and_then(|scripts| scripts.vpi_interfaces.clone());
        let watched = self.scripts.interfaces.as_ref().map(|it| &it.path);
        if watched == wanted.as_ref() {
            return;
        }
        let before = self.scripts.interfaces.take();
        let shared = |watch: &i32| self.folders.iter().any(|folder| folder.has_watch(*watch));
        if let Some(watch) = before.and_then(|it| it.watch).filter(|it| !shared(it)) {
            self.poller.unwatch(watch);
        }
        self.scripts.interfaces = wanted.map(|path| Edited {
            watch: path.parent().and_then(|folder| self.poller.watch(folder)),
            stamp: stamp(&path),
            path,
        });
    }

    /// Reports to the core where one of these hints is that `vpi_interfaces`, or a file beside it, was edited.
    pub(super) fn take_edits(&mut self, hints: &[Hint]) {
        let Some(interfaces) = &mut self.scripts.interfaces else {
            return;
        };
        let is_edit = |hint: &Hint| {
            let name = hint.name.as_str();
            let is_python = name.ends_with(".py") && !name.starts_with('.');
            interfaces.watch == Some(hint.watch) && is_python
        };
        if hints.iter().any(is_edit) {
            interfaces.stamp = stamp(&interfaces.path);
            self.events.push_back(Event::InterfacesEdited);
        }
    }

    /// Finds edits of which no hint came.
    pub(super) fn look_at_interfaces(&mut self) {
        if let Some(interfaces) = &mut self.scripts.interfaces {
            let before = std::mem::replace(&mut interfaces.stamp, stamp(&interfaces.path));
            if before != interfaces.stamp && interfaces.stamp.is_some() {
                self.events.push_back(Event::InterfacesEdited);
            }
        }
    }
}
