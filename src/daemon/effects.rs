//! Carrying out what the core decided, and rejecting files.

use super::folders::{opened, place_of};
use super::waiting::Protocol;
use super::{Daemon, Due};
use crate::core::{Effect, Event, FileId, HostId, InputState};
use crate::io::files::{Folder, Input, Stamp};
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::names;
use crate::protocol::stock::{legacy, response_file};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

impl Daemon {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Remember(what) => self.remember.push(what),
            Effect::Sql(job) => self.jobs.push(*job),
            Effect::WriteAnswers { host, answers } => {
                let ok = self.write_answers(host, &answers);
                self.events.push_back(Event::AnswersWritten { host, ok });
            }
            Effect::LookAtInput { host } => {
                if let Some(state) = self.input_state(host) {
                    self.events.push_back(Event::Input { host, state });
                }
            }
            Effect::Remove { file } => self.remove(file),
            Effect::Reject { file, reason } => {
                if let Some(open) = self.open_files.remove(&file)
                    && let Some(place) = place_of(&self.folders, open.folder, open.protocol)
                {
                    self.folders[place].hellos.remove(open.name.as_str());
                    self.reject_file(place, &open.name, file, &reason);
                }
            }
            Effect::Note(note) => self.note(&note),
            Effect::WriteSigned {
                folder,
                name,
                text,
                of,
            } => {
                let ok = self.write_signed(folder, &name, text);
                let event = of.map(|(host, what)| Event::SignedWritten { host, what, ok });
                self.events.extend(event);
            }
            Effect::RemoveSigned { folder, name } => self.remove_signed(folder, &name),
            Effect::Pushed { ticket, outcome } => self.pushed(ticket, outcome),
            Effect::Heard { host, message } => self.heard(host, &message),
            Effect::Rcon { server, job } => self.services.command(server, job),
            Effect::Api(job) => self.services.request(*job),
            Effect::Store(write) => self.services.keep(*write),
            Effect::Script { script, run, act } => self.script_act(script, run, act),
            Effect::Locate { request, address } => self.services.locate(request, address),
            Effect::Begun(call) => self.note_begun(call),
            Effect::SetTimer { timer, at_ms } => self.wheel.insert(Due::Core(timer), (), at_ms),
            Effect::CancelTimer(timer) => _ = self.wheel.remove(Due::Core(timer)),
        }
    }

    fn write_answers(&mut self, host: HostId, answers: &[(String, String)]) -> bool {
        let wall_s = self.now().wall_s;
        let Some((folder_id, name)) = self.core.host(host) else {
            return false;
        };
        let Some(secret) = self.core.secret(host) else {
            return false;
        };
        let Some(folder) = opened(&self.folders, folder_id, Protocol::Stock) else {
            return false;
        };
        let text = if answers.is_empty() {
            String::new()
        } else {
            let identity = legacy::seal(secret, wall_s, &mut self.random);
            let answers = answers
                .iter()
                .map(|(token, value)| (token.as_str(), value.as_str()));
            response_file::pack(answers, &identity)
        };
        self.poller.changed();
        match self.inputs.write(host, name, folder, &text) {
            Ok(()) => true,
            Err(error) => {
                log::error!(
                    "{}: answers for {name} cannot be written ({error}); trying again; check space and permissions",
                    folder.path().display()
                );
                false
            }
        }
    }

    fn remove(&mut self, file: FileId) {
        let Some(open) = self.open_files.remove(&file) else {
            return;
        };
        let Some(place) = place_of(&self.folders, open.folder, open.protocol) else {
            return;
        };
        let watched = &mut self.folders[place];
        watched.hellos.remove(open.name.as_str());
        let Some(folder) = &watched.folder else {
            return;
        };
        if let Err(error) = folder.remove(&open.name) {
            // It comes back at the next start, where the journal knows what it did.
            log::error!(
                "{}: {} cannot be removed ({error})",
                folder.path().display(),
                open.name
            );
        }
    }

    /// Moves a file to `rejected/`; where that fails it stays where it is, and is not read again
    /// in this run.
    pub(super) fn reject_file(&mut self, place: usize, name: &str, stamp: FileId, reason: &str) {
        let Ok(folder) = self.folders[place].open_folder() else {
            return;
        };
        self.observer.rejected += 1;
        match self.rejected.keep(folder, name, stamp.0, reason) {
            Ok(kept) => log::warn!(
                "{name} was rejected: {reason}; it is kept as {}",
                kept.display()
            ),
            Err(error) => {
                let problem = format!(
                    "{reason}; and it cannot be moved to rejected/ ({error}): it stays where it is until the next \
                     start, which tries again"
                );
                self.complain(place, name, &problem);
            }
        }
    }

    /// Says once that something else than a file is in a game's file's place.
    pub(super) fn complain_of_thing(&mut self, place: usize, name: &str) {
        let now_ms = self.now().mono_ms;
        self.folders[place].complain_of_thing(name, now_ms);
    }

    /// Says once what is wrong with a file.
    pub(super) fn complain(&mut self, place: usize, name: &str, problem: &str) {
        let now_ms = self.now().mono_ms;
        let watched = &mut self.folders[place];
        if watched.complain(name, now_ms) {
            log::warn!("{}/{name}: {problem}", watched.path.display());
        }
    }
}

/// Answer files by host. A host stands here while something may be in its file.
#[derive(Default)]
pub struct Inputs {
    hosts: IdMap<HostId, Option<Stamp>>,
}

impl Inputs {
    /// Writes a host's input file; an empty text empties it.
    pub fn write(
        &mut self,
        host: HostId,
        name: &str,
        folder: &Folder,
        text: &str,
    ) -> io::Result<()> {
        let stamp = folder.replace(&names::input(name), text.as_bytes())?;
        if text.is_empty() {
            self.hosts.remove(&host);
        } else {
            self.hosts.insert(host, Some(stamp));
        }
        Ok(())
    }

    pub fn look(&mut self, host: HostId, name: &str, folder: &Folder) -> InputState {
        let found = folder.input(&names::input(name)).unwrap_or_else(|error| {
            log::warn!(
                "{}: {} cannot be read: {error}",
                folder.path().display(),
                names::input(name)
            );
            Input::Empty
        });
        let state = match found {
            Input::Empty => InputState::Empty,
            Input::Holds(stamp) if self.hosts.get(&host) == Some(&Some(stamp)) => InputState::Ours,
            // Too large for the engine: no game will ever read or empty it.
            Input::Holds(stamp) if stamp.size() > limits::ENGINE_READ_BYTES_MAX as u64 => {
                InputState::Empty
            }
            Input::Holds(stamp) if age_ms(stamp.mtime_ns) > limits::FOREIGN_INPUT_MS => {
                InputState::Empty
            }
            Input::Holds(_) => InputState::Foreign,
        };
        match state {
            InputState::Empty => drop(self.hosts.remove(&host)),
            InputState::Foreign => drop(self.hosts.insert(host, None)),
            InputState::Ours => {}
        }
        state
    }

    /// A host is not known any more.
    pub fn forget(&mut self, host: HostId) {
        self.hosts.remove(&host);
    }

    /// Hosts whose files may have been emptied without a report.
    pub fn unsettled(&self) -> Vec<HostId> {
        self.hosts.keys().copied().collect()
    }
}

fn age_ms(unix_ns: i64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as i64);
    (now - unix_ns / 1_000_000).max(0) as u64
}
