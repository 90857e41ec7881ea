//! Files of the signed protocol: reading what games and earlier runs left, writing ours.

use std::rc::Rc;
use std::time::Instant;

use super::Daemon;
use super::folders::opened;
use super::waiting::{Origin, Protocol, Taking};
use crate::core::{Event, FileId, FolderId, SignedFile};
use crate::io::files::Take;
use crate::limits;
use crate::protocol::signed::session_log::Note;
use crate::protocol::signed::{self, Id, Kind};

impl Daemon {
    pub(super) fn note(&mut self, note: &Note) {
        if let Err(error) = self.sessions.add(note) {
            log::error!(
                "{}: signed sessions cannot be written down ({error}); after a restart games \
                 would have to begin anew; free some space",
                self.config.state_dir.display()
            );
        }
    }

    pub(super) fn write_signed(&mut self, folder: FolderId, name: &str, text: String) -> bool {
        let Some(folder) = opened(&self.folders, folder, Protocol::Signed) else {
            return false;
        };
        self.poller.changed();
        let mut bytes = text.into_bytes();
        bytes.push(0);
        match folder.replace(name, &bytes) {
            Ok(_) => true,
            Err(error) => {
                log::error!(
                    "{}: {name} cannot be written ({error}); trying again; check space and \
                     permissions",
                    folder.path().display()
                );
                false
            }
        }
    }

    pub(super) fn remove_signed(&self, folder: FolderId, name: &str) {
        let Some(folder) = opened(&self.folders, folder, Protocol::Signed) else {
            return;
        };
        if let Err(error) = folder.remove(name) {
            log::error!(
                "{}: {name} cannot be removed ({error})",
                folder.path().display()
            );
        }
    }

    /// Tells the core of our own files that an earlier run left and that are still wanted, in the
    /// order of their numbers; until this time, and of one at least.
    pub(super) fn recover_sent(&mut self, place: usize, until: Instant) {
        while !self.folders[place].scans.is_reading()
            && let Some((m, name)) = self.folders[place].scans.left.pop()
        {
            let watched = &self.folders[place];
            let (Ok(folder), Some(parsed)) = (watched.open_folder(), signed::parse_name(&name))
            else {
                continue;
            };
            // With the NUL.
            let bytes = match folder.read(&name, limits::SIGNED_FILE_BYTES_MAX + 1) {
                Ok(Take::Taken { bytes, .. }) => bytes,
                _ => Vec::new(),
            };
            let file = SignedFile {
                folder: watched.of,
                host: parsed.host.to_string(),
                session: parsed.session,
                file: FileId::default(),
                bytes,
                recovered: true,
            };
            let kind = Kind::Vpid(m);
            self.events.push_back(Event::SentFound { file, kind });
            self.drain_events();
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// A game asks for a session. Its file is read where it is.
    pub(super) fn take_hello(&mut self, taking: Taking, session: Id) {
        let (place, name) = (taking.place, &taking.file.name);
        // It stays in its place until its welcome is written.
        if self.folders[place].hellos.contains(name) {
            return;
        }
        let file = self.next_file_id();
        let Ok(folder) = self.folders[place].open_folder() else {
            return;
        };
        let bytes = match folder.read(name, limits::SIGNED_HELLO_BYTES_MAX) {
            Ok(Take::Taken { bytes, .. }) => bytes,
            Ok(Take::Unfinished { stamp, .. }) => {
                return self.wait_for_the_end(&taking, stamp, None);
            }
            other => {
                self.folders[place].unfinished.remove(name);
                return match other {
                    Ok(Take::TooLarge { size }) => {
                        let reason = too_large(size, limits::SIGNED_HELLO_BYTES_MAX);
                        self.reject_file(place, name, file, &reason);
                    }
                    Ok(Take::NotAFile) => self.complain_of_thing(place, name),
                    Err(error) => {
                        self.complain(place, name, &format!("it cannot be read ({error})"));
                    }
                    Ok(_) => {}
                };
            }
        };
        self.queues.taken_bytes += bytes.len();
        let watched = &mut self.folders[place];
        watched.unfinished.remove(name);
        watched.hellos.insert(Rc::clone(name));
        let folder = watched.of;
        self.holds(place, file, name.to_string());
        let file = SignedFile {
            folder,
            host: taking.host.to_string(),
            session,
            file,
            bytes,
            recovered: false,
        };
        let nonce = Id::from_random(std::array::from_fn(|_| (self.random)()));
        self.events.push_back(Event::Hello { file, nonce });
    }

    /// The game's file `n` of a session.
    pub(super) fn take_messages(&mut self, taking: Taking, session: Id, n: u64, origin: Origin) {
        let max = limits::SIGNED_GAME_BYTES_MAX;
        let place = taking.place;
        let folder = self.folders[place].of;
        let Some((file, name, recovered, take)) = self.claim(&taking, origin, max) else {
            return;
        };
        let host = taking.host.to_string();
        match take {
            Take::Taken { bytes, .. } => {
                self.holds(place, file, name);
                let file = SignedFile {
                    folder,
                    host,
                    session,
                    file,
                    bytes,
                    recovered,
                };
                self.events.push_back(Event::Signed { file, n });
            }
            Take::TooLarge { size } => {
                self.reject_file(place, &name, file, &too_large(size, max));
                self.events.push_back(Event::SignedCut {
                    folder,
                    host,
                    session,
                    n,
                });
            }
            Take::Unfinished { .. } | Take::NotAFile | Take::Gone => {}
        }
    }

    /// A file was rejected because its end never came: its game may write it again.
    pub(super) fn report_cut(&mut self, place: usize, name: &str) {
        let watched = &self.folders[place];
        if watched.protocol == Protocol::Signed
            && let Some(parsed) = signed::parse_name(name)
            && let Kind::Game(n) | Kind::Taken { n, .. } = parsed.kind
        {
            self.events.push_back(Event::SignedCut {
                folder: watched.of,
                host: parsed.host.to_string(),
                session: parsed.session,
                n,
            });
        }
    }
}

fn too_large(size: u64, max: usize) -> String {
    format!("it has {size} bytes, more than {max}")
}
