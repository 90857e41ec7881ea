//! Files of the signed protocol: reading what games and earlier runs left, writing ours.

use super::folders::{Protocol, opened};
use super::waiting::{Origin, Waiting};
use super::{Daemon, OpenFile};
use crate::core::{Event, FolderId, SignedFile};
use crate::io::files::Take;
use crate::io::random;
use crate::limits;
use crate::wire::session_log::Note;
use crate::wire::signed::{self, Id, Kind};

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

    pub(super) fn write_signed(&self, folder: FolderId, name: &str, text: String) -> bool {
        let Some(folder) = opened(&self.folders, folder, Protocol::Signed) else {
            return false;
        };
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

    /// Tells the core of our own files that an earlier run left, in the order of their numbers.
    pub(super) fn recover_sent(&mut self, place: usize) {
        let left = std::mem::take(&mut self.folders[place].left);
        let mut files = Vec::new();
        for name in left {
            let of = self.folders[place].of;
            let Ok(folder) = self.folders[place].open_folder() else {
                return;
            };
            let Some(parsed) = signed::parse_name(&name) else {
                // Half written when an earlier run ended.
                let _ = folder.remove(&name);
                continue;
            };
            let bytes = match folder.read_taken(&name) {
                Ok(Take::Taken { bytes, .. }) => bytes,
                _ => Vec::new(),
            };
            let file = SignedFile {
                folder: of,
                host: parsed.host.to_string(),
                session: parsed.session,
                file: 0,
                bytes,
                recovered: true,
            };
            files.push((parsed.kind, file));
        }
        files.sort_by_key(|(kind, _)| match kind {
            Kind::Vpid(m) => *m,
            _ => 0,
        });
        for (kind, file) in files {
            self.events.push_back(Event::SentFound { file, kind });
        }
        self.drain_events();
    }

    /// A game asks for a session. Its file is read where it is.
    pub(super) fn take_hello(&mut self, place: usize, host: String, session: Id, name: String) {
        // It stays in its place until its welcome is written.
        if self.open_files.values().any(|open| open.name == name) {
            return;
        }
        let file = self.next_file_id();
        let Ok(folder) = self.folders[place].open_folder() else {
            return;
        };
        let bytes = match folder.read_taken(&name) {
            Ok(Take::Taken { bytes, .. }) => bytes,
            Ok(Take::Unfinished { .. }) => return self.wait_for_the_end(place, &name, "", file),
            _ => return,
        };
        let watched = &self.folders[place];
        let (id, folder) = (watched.id, watched.of);
        let recovered = false;
        let file = SignedFile {
            folder,
            host,
            session,
            file,
            bytes,
            recovered,
        };
        self.open_files
            .insert(file.file, OpenFile { folder: id, name });
        let mut random = random::bytes();
        let nonce = Id::from_random(std::array::from_fn(|_| random()));
        self.events.push_back(Event::Hello { file, nonce });
    }

    /// The game's file `n` of a session.
    pub(super) fn take_messages(
        &mut self,
        place: usize,
        host: String,
        (session, n, origin): (Id, u64, Origin),
        waiting: Waiting,
    ) {
        let name = waiting.name;
        let (file, taken_name, recovered) = self.claim(origin, &name);
        let watched = &self.folders[place];
        let (id, folder_id) = (watched.id, watched.of);
        let Ok(folder) = watched.open_folder() else {
            return;
        };
        let take = if recovered {
            folder.read_taken(&name)
        } else {
            folder.take(&name, &taken_name)
        };
        let cut = |reason: String| (reason, Vec::new());
        let (problem, bytes) = match take {
            Ok(Take::Taken { bytes, .. }) if bytes.len() <= limits::SIGNED_GAME_BYTES_MAX => {
                self.folders[place].unfinished.remove(&name);
                (String::new(), bytes)
            }
            Ok(Take::Taken { bytes, .. }) => cut(too_large(bytes.len() as u64)),
            Ok(Take::TooLarge { size }) => cut(too_large(size)),
            Ok(Take::Unfinished { .. }) => {
                return self.wait_for_the_end(place, &name, &taken_name, file);
            }
            Ok(Take::NotAFile) => {
                return self.complain(place, &name, "it is not a plain file, and is left alone");
            }
            Ok(Take::Gone) => return,
            Err(error) => {
                return self.complain(place, &name, &format!("it cannot be taken ({error})"));
            }
        };
        if !problem.is_empty() {
            let taken = self.is_taken(place, &taken_name);
            let present = if taken { &taken_name } else { &name };
            self.set_aside(place, present, file, &problem);
            let folder = folder_id;
            return self.events.push_back(Event::SignedCut {
                folder,
                host,
                session,
                n,
            });
        }
        let file = SignedFile {
            folder: folder_id,
            host,
            session,
            file,
            bytes,
            recovered,
        };
        let open = OpenFile {
            folder: id,
            name: taken_name,
        };
        self.open_files.insert(file.file, open);
        self.events.push_back(Event::Signed { file, n });
    }

    /// A file was set aside because its end never came: its game may write it again.
    pub(super) fn tell_of_cut(&mut self, place: usize, name: &str) {
        let watched = &self.folders[place];
        if watched.protocol == Protocol::Signed
            && let Some(parsed) = signed::parse_name(name)
            && let Kind::Game(n) = parsed.kind
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

fn too_large(size: u64) -> String {
    let max = limits::SIGNED_GAME_BYTES_MAX;
    format!("it has {size} bytes, more than {max}")
}
