//! Documents of the state folder, by name: what waits for VyHub (`outbox/`) and what VyHub has
//! answered (`vyhub/`). One file each, so that one that is spoiled spoils no other.
//!
//! A thread carries changes out in the order in which they come. Those that wait together share the
//! sync of their folder, and are reported after it: what is reported survives a power cut. `found`
//! reads what is there at the start.

mod found;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::files::{sync_folder, write_whole};
use crate::limits::{
    STORE_BATCH_MAX, STORE_FILE_BYTES_MAX, STORE_NAME_BYTES_MAX, STORE_WRITES_MAX,
};
use crate::protocol::store::{Content, Found, Shelf, Write, Written};

const JSON: &str = "json";
const BANS: &str = "bans";

/// A running lane.
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    folders: Folders,
    state: Mutex<State>,
    /// For the thread.
    work: Condvar,
    /// For whoever waits for the end.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Waiting>,
    /// What waits is written, then the thread ends.
    stopping: bool,
    ended: bool,
    /// Nothing is reported any more.
    abandoned: bool,
}

enum Waiting {
    Change(Write),
    /// Too many waited.
    Refused(u64),
}

type OnWritten = Box<dyn Fn(Vec<Written>) + Send>;
/// Syncs a folder; other than the usual one in tests.
type Sync = Box<dyn Fn(&Path) -> io::Result<()> + Send>;

impl Store {
    /// Makes the folders where they are not there, reads what is in them, and starts the lane.
    /// What cannot be read is renamed and warned about. `on_written` is called from the lane's
    /// thread and should only hand over.
    ///
    /// Errors: the folders cannot be made or listed, or there is no thread to be had.
    pub fn open(
        state_dir: &Path,
        on_written: impl Fn(Vec<Written>) + Send + 'static,
    ) -> io::Result<(Self, Found)> {
        Self::open_by(state_dir, Box::new(sync_folder), Box::new(on_written))
    }

    fn open_by(state_dir: &Path, sync: Sync, on_written: OnWritten) -> io::Result<(Self, Found)> {
        let folders = Folders::new(state_dir);
        let found = found::read(state_dir, &folders)?;
        let shared = Arc::new(Shared {
            folders,
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            sync,
            on_written,
        };
        thread::Builder::new()
            .name("store".into())
            .spawn(move || worker.work())?;
        Ok((Self { shared }, found))
    }

    /// Hands changes over; each that has a ticket is reported once.
    pub fn submit(&self, writes: Vec<Write>) {
        let mut state = self.shared.lock();
        for write in writes {
            if state.queue.len() < STORE_WRITES_MAX {
                state.queue.push_back(Waiting::Change(write));
            } else if let Some(ticket) = write.ticket {
                state.queue.push_back(Waiting::Refused(ticket));
            }
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Writes what waits, for as long as `patience`; nothing is reported after that. True: all was
    /// written.
    pub fn stop(self, patience: Duration) -> bool {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.work.notify_one();
        let ended = &self.shared.ended;
        let waited = ended.wait_timeout_while(state, patience, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended
    }
}

/// What waits is written all the same, if the process lives for as long.
impl Drop for Store {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        state.abandoned = true;
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, as far as it is carried out together. `None`: that was all, for ever.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        loop {
            let count = state.queue.len().min(STORE_BATCH_MAX);
            if count > 0 {
                return Some(state.queue.drain(..count).collect());
            }
            if state.stopping {
                state.ended = true;
                self.ended.notify_all();
                return None;
            }
            let waited = self.work.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread's own.
struct Worker {
    shared: Arc<Shared>,
    sync: Sync,
    on_written: OnWritten,
}

/// What came of a change so far.
struct Changed {
    ticket: Option<u64>,
    shelf: Shelf,
    result: Result<(), String>,
}

impl Worker {
    fn work(&self) {
        while let Some(batch) = self.shared.next() {
            let written = self.carry_out(batch);
            if !written.is_empty() && !self.shared.lock().abandoned {
                (self.on_written)(written);
            }
        }
    }

    fn carry_out(&self, batch: Vec<Waiting>) -> Vec<Written> {
        let mut written = Vec::new();
        let mut changes = Vec::new();
        for waiting in batch {
            match waiting {
                Waiting::Change(write) => changes.push(self.shared.folders.change(&write)),
                Waiting::Refused(ticket) => written.push(Written {
                    ticket,
                    result: Err("too many changes of the state folder wait already".into()),
                }),
            }
        }
        for shelf in [Shelf::Outbox, Shelf::Cache] {
            let ours = || changes.iter().filter(|change| change.shelf == shelf);
            if !ours().any(|change| change.result.is_ok()) {
                continue;
            }
            let folder = self.shared.folders.of(shelf);
            if let Err(error) = (self.sync)(folder) {
                let sentence = sentence(folder, "could not be synced", &error);
                let ours = changes.iter_mut().filter(|change| change.shelf == shelf);
                ours.filter(|change| change.result.is_ok())
                    .for_each(|change| change.result = Err(sentence.clone()));
            }
        }
        written.extend(changes.into_iter().filter_map(|change| {
            let result = change.result;
            if let (Err(why), None) = (&result, change.ticket) {
                // Else nobody would hear of it.
                log::warn!("{why}");
            }
            change.ticket.map(|ticket| Written { ticket, result })
        }));
        written
    }
}

/// Where documents are.
struct Folders {
    outbox: PathBuf,
    cache: PathBuf,
}

impl Folders {
    fn new(state_dir: &Path) -> Self {
        Self {
            outbox: state_dir.join("outbox"),
            cache: state_dir.join("vyhub"),
        }
    }

    fn of(&self, shelf: Shelf) -> &Path {
        match shelf {
            Shelf::Outbox => &self.outbox,
            Shelf::Cache => &self.cache,
        }
    }

    fn change(&self, write: &Write) -> Changed {
        Changed {
            ticket: write.ticket,
            shelf: write.shelf,
            result: self.try_change(write),
        }
    }

    fn try_change(&self, write: &Write) -> Result<(), String> {
        let Write { shelf, name, .. } = write;
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no name for a file of the state folder"
            ));
        }
        let path = |ending: &str| self.of(*shelf).join(format!("{name}.{ending}"));
        match (&write.content, shelf) {
            (Some(Content::Json(text)), _) if text.len() as u64 > STORE_FILE_BYTES_MAX => {
                // It could not be read again.
                let most = STORE_FILE_BYTES_MAX >> 20;
                let path = path(JSON);
                Err(format!(
                    "{} would be larger than {most} MiB",
                    path.display()
                ))
            }
            (Some(Content::Json(text)), _) => {
                let path = path(JSON);
                let written = write_whole(&path, |file| file.write_all(text.as_bytes()));
                written.map_err(|error| sentence(&path, "could not be written", &error))
            }
            (Some(Content::Bans(list)), Shelf::Cache) => {
                let path = path(BANS);
                let written = write_whole(&path, |file| list.write(file));
                written.map_err(|error| sentence(&path, "could not be written", &error))
            }
            (Some(Content::Bans(_)), Shelf::Outbox) => {
                Err(format!("{name}: lists of bans are not kept in outbox/"))
            }
            (Some(Content::SetAside), _) => {
                found::set_aside(&path(JSON), "its content cannot be used");
                Ok(())
            }
            (None, Shelf::Outbox) => remove(&path(JSON)),
            (None, Shelf::Cache) => remove(&path(JSON)).and(remove(&path(BANS))),
        }
    }
}

/// A file that is not there is removed.
fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(sentence(path, "could not be removed", &error))
        }
        _ => Ok(()),
    }
}

/// `a-z`, `0-9` and dashes, so that nothing leads elsewhere.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=STORE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(good)
}

/// What happened, and what to do.
fn sentence(path: &Path, what: &str, error: &io::Error) -> String {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let remedy = match error.kind() {
        StorageFull | QuotaExceeded => "; make room on its disk",
        PermissionDenied | ReadOnlyFilesystem => "; vpid's user must be able to write there",
        _ => "",
    };
    format!("{} {what}: {error}{remedy}", path.display())
}
