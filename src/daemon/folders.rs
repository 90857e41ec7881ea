//! The watched folders, scriptdata and the one of the signed protocol in it: which files are in them.
//!
//! The scan is the truth: at start, after lost hints, and on a slow sweep. Hints only make it
//! fast. A folder that nobody changed is not read again, so thousands of files of others cost
//! nothing. A scan is done in steps (`scan`), so that a large folder stops nobody.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use crate::config::Watch;
use crate::core::FolderId;
use crate::io::aside;
use crate::io::files::{Folder, Links, remote_file_system};
use crate::io::lock::{Lock, LockError};
use crate::limits;

use super::found::{Found, Known, look};
use super::poller::{Hint, Poller};
use super::scan::Scans;
use super::unfinished::{Entry, Unfinished};
use super::waiting::{Of, Protocol, Waiting, WaitingFiles};

pub struct Watched {
    /// The scriptdata folder: this one, or the one around it.
    pub of: FolderId,
    pub protocol: Protocol,
    pub path: PathBuf,
    /// `None` while the folder cannot be opened.
    pub folder: Option<Folder>,
    /// That no other vpid serves it; none where that cannot be known.
    lock: Option<Lock>,
    /// The inotify watch; `None`: polled.
    watch: Option<i32>,
    pub scans: Scans,
    sweeps: u32,
    pub unfinished: Unfinished,
    /// Hellos that stay in their place until their welcomes are written.
    pub hellos: HashSet<Rc<str>>,
    complaints: Complaints,
    unreachable: bool,
}

/// File names that were complained about: once is enough.
#[derive(Default)]
struct Complaints {
    names: HashSet<String>,
    since_ms: u64,
    uncounted: bool,
}

impl Watched {
    pub fn new(of: FolderId, protocol: Protocol, path: &Path) -> Self {
        Self {
            of,
            protocol,
            path: path.to_path_buf(),
            folder: None,
            lock: None,
            watch: None,
            scans: Scans::default(),
            sweeps: 0,
            unfinished: Unfinished::default(),
            hellos: HashSet::new(),
            complaints: Complaints::default(),
            unreachable: false,
        }
    }

    /// Opens the folder and watches it. Where it cannot be opened, that is said once and tried
    /// again at each sweep; the error says that another vpid has it.
    pub fn open(&mut self, poller: &Poller, watch: Watch) -> Result<(), FolderHeld> {
        let path = self.path.display();
        let opened = match self.protocol {
            Protocol::Stock => Folder::open(&self.path, Links::Followed),
            Protocol::Signed => Folder::make(&self.path),
        };
        let folder = match opened {
            Ok(folder) => folder,
            Err(error) => {
                if !std::mem::replace(&mut self.unreachable, true) {
                    let remedy = match self.protocol {
                        Protocol::Stock => "make it or correct `scriptdata`",
                        Protocol::Signed => "vpid makes it in scriptdata, which must be there",
                    };
                    log::error!(
                        "{path}: the folder cannot be opened ({error}); {remedy}; vpid goes on \
                         looking for it"
                    );
                }
                return Ok(());
            }
        };
        self.lock = Lock::of_folder(folder.fd()).map_err(|by| FolderHeld {
            path: self.path.clone(),
            by,
        })?;
        if std::mem::take(&mut self.unreachable) {
            log::info!("{path}: the folder is there");
        }
        let may_watch = match watch {
            Watch::Auto => remote_file_system(&self.path).is_none(),
            Watch::Inotify => true,
            Watch::Poll => false,
        };
        self.watch = may_watch
            .then(|| poller.watch_open(folder.fd(), &self.path))
            .flatten();
        self.folder = Some(folder);
        self.scans = Scans::default();
        Ok(())
    }

    pub fn close(&mut self, poller: &Poller, waiting: Option<&mut WaitingFiles>) {
        if let Some(watch) = self.watch.take() {
            poller.unwatch(watch);
        }
        self.folder = None;
        self.lock = None;
        self.unfinished.clear();
        if let Some(waiting) = waiting {
            waiting.clear(self.protocol);
        }
    }

    /// Open, and not watched.
    pub fn is_polled(&self) -> bool {
        self.folder.is_some() && self.watch.is_none()
    }

    pub fn has_watch(&self, watch: i32) -> bool {
        self.watch == Some(watch)
    }

    /// A file was written, or renamed to its name. Where it is an input file, which only games write in
    /// place, its host is given back.
    pub fn hint<'a>(
        &mut self,
        hint: &'a Hint,
        waiting: &mut WaitingFiles,
        known: &Known<'_>,
    ) -> Option<&'a str> {
        let name = hint.name.as_str();
        let (host, found) = look(self.protocol, name)?;
        let (what, client_time) = match found {
            Found::Input => return Some(host),
            Found::Taken(..) => {
                // Taken while its game was still writing: now it has been.
                let entry = self.unfinished.get(name)?.clone();
                self.wait_again(name.into(), &entry, waiting);
                return None;
            }
            Found::Ours(_) | Found::HalfWritten => return None,
            Found::New(what, client_time) => (what, client_time),
        };
        let folder = self.folder.as_ref()?;
        let of = known.of(self.of, self.protocol, host, what)?;
        let file = Waiting {
            what,
            client_time,
            name: name.into(),
        };
        if !waiting.add(of, file, |name| folder.mtime_ns(name)) {
            self.scans.refused(of.proven);
        }
        None
    }

    /// An unfinished file is to be looked at once more. False: there is no room for it.
    pub fn wait_again(&self, name: Rc<str>, entry: &Entry, waiting: &mut WaitingFiles) -> bool {
        let of = Of {
            host: &entry.host,
            kind: entry.kind,
            proven: entry.proven,
        };
        let file = Waiting {
            what: entry.what,
            client_time: entry.client_time,
            name,
        };
        let folder = self.folder.as_ref();
        waiting.add(of, file, |name| folder?.mtime_ns(name))
    }

    /// Looks once more at unfinished files whose time is over.
    pub fn wait_for_overdue(&mut self, waiting: &mut WaitingFiles, now_ms: u64) {
        while let Some((name, entry)) = self.unfinished.next_overdue(now_ms) {
            let entry = entry.clone();
            if !self.wait_again(Rc::clone(&name), &entry, waiting) {
                self.unfinished.put_back(name);
                return;
            }
        }
    }

    /// The slow look at everything: is the folder still there, has it changed?
    pub fn sweep(
        &mut self,
        poller: &Poller,
        watch: Watch,
        waiting: &mut WaitingFiles,
        now_ms: u64,
    ) {
        self.sweeps += 1;
        if self
            .folder
            .as_ref()
            .is_some_and(|folder| !folder.is_current())
        {
            self.close(poller, Some(waiting));
        }
        if self.folder.is_none()
            && let Err(problem) = self.open(poller, watch)
            && self.complain("", now_ms)
        {
            log::error!("{problem}");
        }
        let Some(folder) = &self.folder else { return };
        let patience = if self.is_polled() {
            limits::POLLS_FOR_FULL_SCAN
        } else {
            limits::SWEEPS_FOR_FULL_SCAN
        };
        // A change within the granule of the last scan leaves no mark: look once more.
        let fresh = self.scans.is_news(folder.changed_ns().ok());
        if fresh || self.sweeps.is_multiple_of(patience) {
            self.scans.wanted(self.watch.is_none());
        }
        // The folder does not change when a file in it does.
        let is_changed = |name: &str, before| folder.stamp(name) != Some(before);
        for (name, entry) in self.unfinished.changed(is_changed) {
            self.wait_again(name, &entry, waiting);
        }
    }

    /// Makes steps of the passes over the folder until this time, and one at least where one is due.
    pub fn scan(&mut self, waiting: &mut WaitingFiles, known: &Known<'_>, until: Instant) {
        let Some(folder) = &self.folder else {
            return self.scans.skip();
        };
        let of = (self.of, self.protocol);
        for name in self.scans.scan(folder, of, waiting, known, until) {
            self.complain_of_thing(&name, known.now_ms);
        }
    }

    /// Says once what lies in the place of a game's file, and is none.
    pub fn complain_of_thing(&mut self, name: &str, now_ms: u64) {
        if !self.complain(name, now_ms) {
            return;
        }
        let kind = self.folder.as_ref();
        let kind = kind.and_then(|folder| aside::kind(folder.fd(), name));
        let words = kind.map_or("no plain file", |(_, words)| words);
        let path = self.path.display();
        log::warn!(
            "{path}/{name}: it is {words} where a game writes a file, and is left alone; look at \
             who made it, and remove it"
        );
    }

    /// Whether this is the first complaint about a file.
    pub fn complain(&mut self, name: &str, now_ms: u64) -> bool {
        let complaints = &mut self.complaints;
        if now_ms - complaints.since_ms > limits::COMPLAINTS_MS {
            *complaints = Complaints {
                since_ms: now_ms,
                ..Complaints::default()
            };
        }
        if complaints.names.contains(name) {
            return false;
        }
        if complaints.names.len() >= limits::COMPLAINTS_MAX {
            if !std::mem::replace(&mut complaints.uncounted, true) {
                log::warn!(
                    "{}: more files than {} cannot be taken; no further ones are named for an \
                     hour; look into the folder",
                    self.path.display(),
                    limits::COMPLAINTS_MAX
                );
            }
            return false;
        }
        complaints.names.insert(name.to_string())
    }

    pub fn open_folder(&self) -> io::Result<&Folder> {
        self.folder
            .as_ref()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Why a folder is not served.
#[derive(Debug)]
pub struct FolderHeld {
    path: PathBuf,
    by: LockError,
}

impl Display for FolderHeld {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let other = match &self.by {
            LockError::Held(Some(pid)) if *pid == std::process::id() => {
                return write!(
                    f,
                    "{path}: this vpid serves the same folder under another path already; write one \
                     path for all its servers"
                );
            }
            LockError::Held(Some(pid)) => format!(" (process {pid})"),
            LockError::Held(None) | LockError::Io(_) => String::new(),
        };
        write!(
            f,
            "{path}: another vpid serves this folder{other}; stop it first (one vpid serves all hosts \
             of a folder)"
        )
    }
}

/// Which of them holds the files of this protocol for a scriptdata folder.
pub fn place_of(folders: &[Watched], of: FolderId, protocol: Protocol) -> Option<usize> {
    let is_it = |watched: &Watched| (watched.of, watched.protocol) == (of, protocol);
    folders.iter().position(is_it)
}

/// The same, where it is open.
pub fn opened(folders: &[Watched], of: FolderId, protocol: Protocol) -> Option<&Folder> {
    folders[place_of(folders, of, protocol)?].folder.as_ref()
}
