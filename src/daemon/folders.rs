//! The watched folders, scriptdata and the one of the signed protocol in it: which files wait in them, and in which order they were written.
//!
//! The scan is the truth: at start, after lost hints, and on a slow sweep. Hints only make it
//! fast. A folder that nobody changed is not read again, so thousands of files of others cost
//! nothing.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::config::Watch;
use crate::core::FolderId;
use crate::io::aside::{self, FileType};
use crate::io::files::{Folder, Links, remote_file_system};
use crate::io::lock::{Lock, LockError};
use crate::limits;
use crate::wire::{names, signed};

use super::poller::Poller;
use super::waiting::{Origin, Waiting, WaitingFiles, What};

/// Which files are in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Those of the stock client, among everybody's.
    Stock,
    Signed,
}

pub struct Watched {
    /// Its own number.
    pub id: FolderId,
    /// The number of the scriptdata folder, which is what the core knows.
    pub of: FolderId,
    pub protocol: Protocol,
    pub path: PathBuf,
    /// `None` while the folder cannot be opened.
    pub folder: Option<Folder>,
    /// That no other vpid serves it; none where that cannot be known.
    lock: Option<Lock>,
    /// The inotify watch; `None`: polled.
    watch: Option<i32>,
    pub waiting: WaitingFiles,
    /// Our own files of an earlier run, found by the first scan.
    pub left: Vec<String>,
    /// When the folder had last changed at the last scan.
    scanned_ns: Option<i64>,
    sweeps: u32,
    must_scan: bool,
    /// Files without their closing NUL, and when they were first seen so.
    pub unfinished: HashMap<String, u64>,
    /// Files that were complained about: once is enough.
    complained: HashSet<String>,
    unreachable: bool,
    /// Files that an earlier run took are still to be looked for. Later on, a name of that kind
    /// is no file of ours.
    recover: bool,
    /// Files wait for room, not for us: nothing is to be done until calls are.
    pub blocked: bool,
}

impl Watched {
    pub fn new(id: FolderId, of: FolderId, protocol: Protocol, path: &Path) -> Self {
        Self {
            id,
            of,
            protocol,
            path: path.to_path_buf(),
            left: Vec::new(),
            folder: None,
            lock: None,
            watch: None,
            waiting: WaitingFiles::default(),
            scanned_ns: None,
            sweeps: 0,
            must_scan: true,
            unfinished: HashMap::new(),
            complained: HashSet::new(),
            unreachable: false,
            recover: true,
            blocked: false,
        }
    }

    /// Opens the folder and watches it. Where it cannot be opened, that is said once and tried
    /// again at each sweep; the error says that another vpid has it.
    pub fn open(&mut self, poller: &Poller, watch: Watch) -> Result<(), String> {
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
        self.lock = match Lock::of_folder(folder.fd()) {
            Ok(lock) => lock,
            Err(error) => return Err(held(&path, &error)),
        };
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
        self.must_scan = true;
        self.recover = true;
        Ok(())
    }

    pub fn close(&mut self, poller: &Poller) {
        if let Some(watch) = self.watch.take() {
            poller.unwatch(watch);
        }
        self.folder = None;
        self.lock = None;
        self.waiting.clear();
    }

    /// Open, and not watched.
    pub fn is_polled(&self) -> bool {
        self.folder.is_some() && self.watch.is_none()
    }

    pub fn has_watch(&self, watch: i32) -> bool {
        self.watch == Some(watch)
    }

    pub fn scan_soon(&mut self) {
        self.must_scan = true;
    }

    /// A file was written or renamed. When it is an input file, its host is given back.
    pub fn hint<'a>(&mut self, name: &'a str) -> Option<&'a str> {
        let (host, found) = look(self.protocol, name)?;
        let (what, client_time) = match found {
            Found::Input => return Some(host),
            // Files of an earlier run are found by the first scan.
            Found::EarlierRun(..) | Found::Ours => return None,
            Found::New(what, client_time) => (what, client_time),
        };
        let mtime_ns = self.folder.as_ref()?.mtime_ns(name)?;
        let name = name.to_string();
        let file = Waiting {
            what,
            mtime_ns,
            client_time,
            name,
        };
        self.waiting.add(host, file);
        if self.waiting.len() > limits::WAITING_FILES_MAX {
            self.waiting.keep_earlier_runs();
            self.must_scan = true;
        }
        None
    }

    /// The slow look at everything: is the folder still there, has it changed?
    pub fn sweep(&mut self, poller: &Poller, watch: Watch) {
        self.sweeps += 1;
        if self
            .folder
            .as_ref()
            .is_some_and(|folder| !folder.is_current())
        {
            self.close(poller);
        }
        if self.folder.is_none()
            && let Err(problem) = self.open(poller, watch)
            && self.complain("")
        {
            log::error!("{problem}");
        }
        let Some(folder) = &self.folder else { return };
        let changed_ns = folder.changed_ns().ok();
        // A change within the granule of the last scan leaves no mark: look once more.
        let fresh = self
            .scanned_ns
            .is_none_or(|scanned| changed_ns.is_none_or(|changed| changed != scanned));
        let patience = if self.is_polled() {
            limits::POLLS_FOR_FULL_SCAN
        } else {
            limits::SWEEPS_FOR_FULL_SCAN
        };
        // Nothing changes in a folder while the grace period of a file runs out.
        if fresh || !self.unfinished.is_empty() || self.sweeps.is_multiple_of(patience) {
            self.must_scan = true;
        }
    }

    /// Scans if there is reason to. `taken` is true for files that this run has taken itself.
    pub fn scan_if_needed(&mut self, is_open: impl Fn(u64) -> bool) {
        let (true, Some(folder)) = (self.must_scan, &self.folder) else {
            return;
        };
        self.must_scan = false;
        let before = folder.changed_ns().ok();
        let recover = self.recover;
        let mut found = Vec::new();
        let (protocol, left) = (self.protocol, &mut self.left);
        let result = folder.scan(|name| {
            let Some((host, file)) = look(protocol, name) else {
                return;
            };
            let (what, client_time) = match file {
                Found::New(what, client_time) => (what, client_time),
                Found::EarlierRun(id, what, client_time) if recover && !is_open(id) => {
                    (what, client_time)
                }
                Found::Ours if recover => return left.push(name.to_string()),
                _ => return,
            };
            found.push((what, client_time, name.to_string(), host.to_string()));
        });
        if let Err(error) = result {
            log::error!(
                "{}: the folder cannot be read ({error}); trying again",
                self.path.display()
            );
            return;
        }
        // Those that wait for room are in no hurry, and are found once only.
        self.recover = false;
        self.waiting.keep_earlier_runs();
        let is_there = |name: &String| found.iter().any(|(_, _, other, _)| other == name);
        self.unfinished.retain(|name, _| is_there(name));
        let mut strange = Vec::new();
        for (what, client_time, name, host) in found {
            if let Some(mtime_ns) = folder.mtime_ns(&name) {
                let file = Waiting {
                    what,
                    mtime_ns,
                    client_time,
                    name,
                };
                self.waiting.add(&host, file);
            } else if strange.len() < limits::STRANGE_THINGS_MAX {
                strange.push(name);
            }
        }
        let strange = strange.into_iter().filter_map(|name| {
            let (kind, words) = aside::kind(folder.fd(), &name)?;
            (kind != FileType::RegularFile).then_some((name, words))
        });
        for (name, words) in strange.collect::<Vec<_>>() {
            if self.complain(&name) {
                let path = self.path.display();
                log::warn!(
                    "{path}/{name}: it is {words} where a game writes a file, and is left alone; \
                     look at who made it, and remove it"
                );
            }
        }
        // Only a folder that has been quiet for a while may be skipped later.
        let quiet = before.filter(|changed| is_older(*changed, limits::SCAN_TRUST_MS));
        self.scanned_ns = quiet;
    }

    /// Whether there are files to be taken at once.
    pub fn has_work(&self) -> bool {
        self.folder.is_some() && (self.must_scan || (self.waiting.len() > 0 && !self.blocked))
    }

    /// Whether this is the first complaint about a file.
    pub fn complain(&mut self, name: &str) -> bool {
        if self.complained.len() > limits::COMPLAINTS_MAX {
            self.complained.clear();
        }
        self.complained.insert(name.to_string())
    }

    pub fn open_folder(&self) -> io::Result<&Folder> {
        self.folder
            .as_ref()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Why a folder is not served.
fn held(path: &impl std::fmt::Display, error: &LockError) -> String {
    match error {
        LockError::Held(Some(pid)) if *pid == std::process::id() => format!(
            "{path}: this vpid serves the same folder under another path already; write one path \
             for all its servers"
        ),
        LockError::Held(Some(pid)) => format!(
            "{path}: another vpid serves this folder (process {pid}); stop it first (one vpid \
             serves all hosts of a folder)"
        ),
        LockError::Held(None) | LockError::Io(_) => format!(
            "{path}: another vpid serves this folder; stop it first (one vpid serves all hosts of a \
             folder)"
        ),
    }
}

/// The folder that holds the files of this protocol for a scriptdata folder.
pub fn opened(folders: &[Watched], of: FolderId, protocol: Protocol) -> Option<&Folder> {
    let is_it = |watched: &&Watched| watched.of == of && watched.protocol == protocol;
    folders.iter().find(is_it)?.folder.as_ref()
}

/// What a name says.
enum Found {
    New(What, (i64, i64)),
    /// Taken under this id, by us or an earlier run.
    EarlierRun(u64, What, (i64, i64)),
    /// An input file of the stock protocol.
    Input,
    /// Written by us for a game to read, or half written when we ended.
    Ours,
}

/// Reads a name in a folder of this protocol, with the host it belongs to.
fn look(protocol: Protocol, name: &str) -> Option<(&str, Found)> {
    if names::is_temporary(name) {
        return Some(("", Found::Ours));
    }
    match protocol {
        Protocol::Stock => {
            let names::Name { host, kind } = names::parse(name)?;
            let found = match kind {
                names::Kind::Input => Found::Input,
                names::Kind::Restart => Found::New(What::Restart, (0, 0)),
                names::Kind::Calls { unix, tick } => {
                    Found::New(What::Calls(Origin::Game), (unix, tick))
                }
                names::Kind::Taken { id, unix, tick } => {
                    Found::EarlierRun(id, What::Calls(Origin::EarlierRun(id)), (unix, tick))
                }
            };
            Some((host, found))
        }
        Protocol::Signed => {
            let signed::Name {
                host,
                session,
                kind,
            } = signed::parse_name(name)?;
            let messages = |n, origin| What::Messages { session, n, origin };
            let found = match kind {
                signed::Kind::Welcome | signed::Kind::Vpid(_) => Found::Ours,
                signed::Kind::Hello => Found::New(What::Hello(session), (0, 0)),
                signed::Kind::Game(n) => Found::New(messages(n, Origin::Game), (0, n as i64)),
                signed::Kind::Taken { n, id } => {
                    Found::EarlierRun(id, messages(n, Origin::EarlierRun(id)), (0, n as i64))
                }
            };
            Some((host, found))
        }
    }
}

fn is_older(unix_ns: i64, age_ms: u64) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.is_ok_and(|now| now.as_nanos() as i128 - unix_ns as i128 > age_ms as i128 * 1_000_000)
}
