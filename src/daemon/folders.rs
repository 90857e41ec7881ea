//! The watched folders, scriptdata and the one of the signed protocol in it: which files are in them.
//!
//! The scan is the truth: at start, after lost hints, and on a slow sweep. Hints only make it
//! fast. A folder that nobody changed is not read again, so thousands of files of others cost
//! nothing. A scan is done in steps (`scan`), so that a large folder stops nobody.

use super::poller::{Hint, Poller};
use super::scan::Scans;
use super::scan::{Found, Known, read_name};
use super::waiting::{Kind, Of, Protocol, Taking, Waiting, WaitingFiles};
use crate::config::Watch;
use crate::core::FolderId;
use crate::io::aside;
use crate::io::files::{Folder, Links, Stamp, remote_file_system};
use crate::io::lock::{Lock, LockError};
use crate::limits;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

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

    /// A fresh game has none until it writes its first file.
    fn report_unopened(&self, error: &io::Error) {
        let scriptdata = match self.protocol {
            Protocol::Stock => Some(self.path.as_path()),
            Protocol::Signed => self.path.parent(),
        };
        let scriptdata = scriptdata.unwrap_or(&self.path).display();
        if error.kind() == io::ErrorKind::NotFound {
            log::warn!(
                "{scriptdata}: the folder cannot be opened, since it does not exist; the game makes it when it first \
                 writes a file, and vpid looks for it every few seconds. If the game is elsewhere, correct scriptdata"
            );
        } else if error.get_ref().is_some() {
            // A sentence of ours, with its own remedy.
            let path = self.path.display();
            log::error!(
                "{path}: the folder cannot be opened: {error}. vpid tries again every few seconds"
            );
        } else {
            let path = self.path.display();
            log::error!(
                "{path}: the folder cannot be opened ({error}); correct its owner and mode, or scriptdata. vpid tries \
                 again every few seconds"
            );
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
                    self.report_unopened(&error);
                }
                return Ok(());
            }
        };
        self.lock =
            Lock::of_folder(folder.fd()).map_err(|by| FolderHeld::new(self.path.clone(), by))?;
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
        let (host, found) = read_name(self.protocol, name)?;
        let (what, client_time) = match found {
            Found::Input => return Some(host),
            Found::Taken(..) => {
                // Taken while its game was still writing: now it has been.
                self.wait_again(self.unfinished.get(name)?, waiting);
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
    pub fn wait_again(&self, entry: &Entry, waiting: &mut WaitingFiles) -> bool {
        let (host, folder) = (&entry.host, self.folder.as_ref());
        let (kind, proven) = (entry.kind, entry.proven);
        let of = Of { host, kind, proven };
        waiting.add(of, entry.file.clone(), |name| folder?.mtime_ns(name))
    }

    /// Looks once more at unfinished files whose time is over.
    pub fn wait_for_overdue(&mut self, waiting: &mut WaitingFiles, now_ms: u64) {
        while let Some(entry) = self.unfinished.next_overdue(now_ms) {
            if !self.wait_again(&entry, waiting) {
                return self.unfinished.put_back(entry);
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
        for entry in self.unfinished.changed(is_changed) {
            self.wait_again(entry, waiting);
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
#[derive(Debug, thiserror::Error)]
pub enum FolderHeld {
    #[error(
        "{0}: this vpid serves the same folder under another path already; write one path for all its \
         servers"
    )]
    Here(PathBuf),
    /// By which process, where that is known.
    #[error(
        "{0}: another vpid serves this folder{1}; stop it first (one vpid serves all hosts of a folder)"
    )]
    Elsewhere(PathBuf, String),
}

impl FolderHeld {
    fn new(path: PathBuf, by: LockError) -> Self {
        match by {
            LockError::Held(Some(pid)) if pid == std::process::id() => Self::Here(path),
            LockError::Held(Some(pid)) => Self::Elsewhere(path, format!(" (process {pid})")),
            LockError::Held(None) | LockError::Io(_) => Self::Elsewhere(path, String::new()),
        }
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

// Files of one folder without their closing NUL: their games are writing them, or died over it.
//
// Such a file is looked at again when the system reports it, when a sweep finds it changed, and
// when its time is over. Those of proven hosts and all others are bounded each by themselves.

/// A file that is not whole yet.
#[derive(Debug, Clone)]
pub struct Entry {
    pub host: Rc<str>,
    pub kind: Kind,
    pub proven: bool,
    /// As it is to be looked at the next time.
    pub file: Waiting,
    /// As it was found.
    pub stamp: Stamp,
    since_ms: u64,
    /// It is not waited for any longer.
    overdue: bool,
}

#[derive(Default)]
pub struct Unfinished {
    files: HashMap<Rc<str>, Entry>,
    /// In the order of their times: of proven hosts, and of the others. Some may be gone.
    order: [VecDeque<(u64, Rc<str>)>; 2],
}

impl Entry {
    pub fn new(taking: &Taking, file: Waiting, stamp: Stamp) -> Self {
        Self {
            host: Rc::clone(&taking.host),
            kind: taking.kind,
            proven: taking.proven,
            file,
            stamp,
            since_ms: 0,
            overdue: false,
        }
    }
}

impl Unfinished {
    /// A file was found so. False: its time is over, and it is forgotten here.
    pub fn wait(&mut self, entry: Entry, now_ms: u64) -> bool {
        let name = Rc::clone(&entry.file.name);
        if let Some(known) = self.files.get_mut(&name) {
            let goes_on = !known.overdue && now_ms - known.since_ms < limits::UNFINISHED_MS;
            known.stamp = entry.stamp;
            if !goes_on {
                self.files.remove(&name);
            }
            return goes_on;
        }
        self.order[usize::from(!entry.proven)].push_back((now_ms, Rc::clone(&name)));
        let since_ms = now_ms;
        self.files.insert(name, Entry { since_ms, ..entry });
        true
    }

    /// A file is whole, or gone.
    pub fn remove(&mut self, name: &str) {
        if !self.files.is_empty() {
            self.files.remove(name);
        }
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.files.get(name)
    }

    /// Takes the next file whose time is over, or for which there is no room any more: it is to be
    /// looked at once more.
    pub fn next_overdue(&mut self, now_ms: u64) -> Option<Entry> {
        let is_due = |order: &VecDeque<(u64, Rc<str>)>| {
            let first = order.front();
            order.len() > limits::UNFINISHED_FILES_MAX
                || first.is_some_and(|(since, _)| now_ms - since >= limits::UNFINISHED_MS)
        };
        for order in &mut self.order {
            while is_due(order)
                && let Some((since_ms, name)) = order.pop_front()
            {
                if let Some(entry) = self.files.get_mut(&name)
                    && entry.since_ms == since_ms
                    && !entry.overdue
                {
                    entry.overdue = true;
                    return Some(entry.clone());
                }
            }
        }
        None
    }

    /// One that was overdue could not be looked at: it is overdue again.
    pub fn put_back(&mut self, entry: Entry) {
        let name = entry.file.name;
        if let Some(entry) = self.files.get_mut(&name) {
            entry.overdue = false;
            self.order[usize::from(!entry.proven)].push_front((entry.since_ms, name));
        }
    }

    /// When the time of the next one is over.
    pub fn due_ms(&self) -> Option<u64> {
        let firsts = self.order.iter().filter_map(|order| order.front());
        firsts
            .map(|(since_ms, _)| since_ms + limits::UNFINISHED_MS)
            .min()
    }

    /// Those for which `is_changed` says so.
    pub fn changed(
        &self,
        is_changed: impl Fn(&str, Stamp) -> bool,
    ) -> impl Iterator<Item = &Entry> {
        let files = self.files.values();
        files.filter(move |entry| is_changed(&entry.file.name, entry.stamp))
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::waiting::{Origin, What};

    fn wait(unfinished: &mut Unfinished, name: &str, proven: bool, now_ms: u64) -> bool {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "").unwrap();
        let folder =
            crate::io::files::Folder::open(dir.path(), crate::io::files::Links::Followed).unwrap();
        let stamp = folder.stamp("x").unwrap();
        let what = What::Calls(Origin::Game);
        let file = Waiting {
            what,
            client_time: (0, 0),
            name: name.into(),
        };
        let taking = Taking {
            place: 0,
            host: "host".into(),
            kind: Kind::Stock,
            proven,
            file,
        };
        let file = taking.file.clone();
        unfinished.wait(Entry::new(&taking, file, stamp), now_ms)
    }

    #[test]
    fn a_file_has_its_time_and_no_more() {
        let mut unfinished = Unfinished::default();
        assert!(wait(&mut unfinished, "a", true, 10));
        assert!(wait(&mut unfinished, "b", true, 20));
        assert!(wait(&mut unfinished, "a", true, 9 + limits::UNFINISHED_MS));
        assert_eq!(unfinished.due_ms(), Some(10 + limits::UNFINISHED_MS));
        let end = 10 + limits::UNFINISHED_MS;
        let name = unfinished.next_overdue(end).map(|entry| entry.file.name);
        assert_eq!(name.as_deref(), Some("a"));
        assert!(unfinished.next_overdue(end).is_none());
        assert!(!wait(&mut unfinished, "a", true, end), "its time is over");
        assert!(
            wait(&mut unfinished, "a", true, end),
            "another file of its name"
        );
        unfinished.remove("b");
        assert!(unfinished.next_overdue(end + 10).is_none());
    }

    #[test]
    fn of_very_many_the_oldest_go_early_and_those_of_proven_hosts_have_their_time() {
        let mut unfinished = Unfinished::default();
        wait(&mut unfinished, "proven", true, 0);
        let mut gone = 0;
        for n in 0..3 * limits::UNFINISHED_FILES_MAX {
            let name = n.to_string();
            assert!(wait(&mut unfinished, &name, false, 1));
            while let Some(entry) = unfinished.next_overdue(1) {
                let name = entry.file.name;
                assert!(!entry.proven);
                assert_eq!(*name, *gone.to_string());
                gone += 1;
                assert!(!wait(&mut unfinished, &name, false, 1));
            }
        }
        assert_eq!(gone, 2 * limits::UNFINISHED_FILES_MAX);
        assert_eq!(unfinished.files.len(), limits::UNFINISHED_FILES_MAX + 1);
    }
}
