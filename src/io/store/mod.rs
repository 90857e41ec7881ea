//! Documents of the state folder, by name: what waits for the community's keeper (`outbox/`), what that has replied
//! (`vyhub/`), and what was done with rewards (`rewards/`); of a keeper other than VyHub in folders of its own. One file each, so that one that is damaged damages no other.
//!
//! A worker carries changes out in the order in which they come. Those that wait together share the
//! sync of their folder, and are reported after it: what is reported survives a power cut.

mod gate;
mod lists;

use super::admins_file;
use super::files::{TEMPORARY, sync_folder, write_whole};
use super::private;
use super::worker::{Fifo, Occupancy, Options, Workers};
use crate::jobs::store::{Content, Found, Shelf, StoreError, Write, Written};
use crate::limits::{
    STORE_BATCH_MAX, STORE_FILE_BYTES_MAX, STORE_FILES_MAX, STORE_NAME_BYTES_MAX,
    STORE_STACK_BYTES, STORE_UNREADABLE_MAX, STORE_WRITES_MAX,
};
use crate::protocol::backend::Keeper;
use crate::protocol::ban_list;
use gate::Gate;
use lists::Lists;
use rustix::fs::OFlags;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

const JSON: &str = "json";
const BANS: &str = "bans";
/// Of a list of bans, beside its whole.
const CHANGES: &str = "changes";

/// Hands changes over. Dropped, it reports nothing any more.
pub struct Store {
    workers: Workers<Fifo<Write>>,
    on_written: OnWritten,
    gate: Arc<Gate>,
}

type OnWritten = Arc<dyn Fn(Vec<Written>) + Send + Sync>;
/// Syncs a folder; other than the usual one in tests.
type SyncFolder = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;
type SyncRef<'a> = &'a dyn Fn(&Path) -> io::Result<()>;

impl Store {
    /// Makes the folders where they are not there, and reads what is in them. What cannot be read is
    /// renamed and warned about. What waits for another keeper stays as it is, and is warned about.
    /// `admins_file`: SourceMod's, where the owner has named it. `on_written` is
    /// called from the worker, and from `submit` when something is refused; it should only hand over.
    ///
    /// Errors: the folders cannot be made or listed.
    pub fn open(
        state_dir: &Path,
        keeper: Keeper,
        admins_file: Option<PathBuf>,
        on_written: impl Fn(Vec<Written>) + Send + Sync + 'static,
    ) -> io::Result<(Self, Found)> {
        warn_of_another(state_dir, keeper);
        let folders = Folders::new(state_dir, keeper, admins_file);
        let on_written = Arc::new(on_written);
        Self::open_with(state_dir, folders, Arc::new(sync_folder), on_written)
    }

    fn open_with(
        state_dir: &Path,
        folders: Folders,
        sync: SyncFolder,
        on_written: OnWritten,
    ) -> io::Result<(Self, Found)> {
        let folders = Arc::new(folders);
        let (found, lists) = read(state_dir, &folders)?;
        let lists = Mutex::new(lists);
        let options = Options::new("store", 1, STORE_STACK_BYTES);
        let fifo = Fifo::new(STORE_WRITES_MAX, STORE_BATCH_MAX);
        let reports = Arc::clone(&on_written);
        let gate = Arc::new(Gate::default());
        let of_worker = Arc::clone(&gate);
        let workers = Workers::new(options, fifo, move |_, _| {
            let (folders, sync) = (Arc::clone(&folders), Arc::clone(&sync));
            let on_written = Arc::clone(&reports);
            let gate = Arc::clone(&of_worker);
            // Another thread in its place begins with snapshots.
            let mut found = lists.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lists = std::mem::take(&mut *found);
            Box::new(move |pool, writes: Vec<Write>| {
                let _work = gate.enter();
                let written = carry_out(&folders, &mut lists, &writes, &*sync);
                if !written.is_empty() && !pool.is_abandoned() {
                    on_written(written);
                }
                // What waits goes first.
                if pool.finish(|fifo| fifo.jobs.is_empty()) && !pool.is_abandoned() {
                    lists.tidy(&folders.cache, &*sync);
                }
            })
        });
        let store = Self {
            workers,
            on_written,
            gate,
        };
        Ok((store, found))
    }

    /// Hands changes over; each that has a ticket is reported once.
    pub fn submit(&self, writes: Vec<Write>) {
        let refused: Vec<Write> = self.workers.with(|fifo| {
            let pushed = writes
                .into_iter()
                .filter_map(|write| fifo.push(write).err());
            pushed.collect()
        });
        let refused = refused.into_iter().filter_map(|write| {
            write.ticket.map(|ticket| Written {
                ticket,
                result: Err(StoreError::TooManyWait),
            })
        });
        let refused: Vec<Written> = refused.collect();
        if !refused.is_empty() {
            (self.on_written)(refused);
        }
    }

    /// Begins no write from now on, for a moment. True: none is under way either.
    pub fn hold(&self) -> bool {
        self.gate.close()
    }

    /// Writes again. True: nothing was written since the last [`hold`](Self::hold).
    pub fn release(&self) -> bool {
        self.gate.open()
    }

    pub fn occupancy(&self) -> Occupancy {
        self.workers.fifo_occupancy()
    }

    /// Writes what waits, for as long as `patience`; nothing is reported after that. True: all was
    /// written.
    pub fn stop(self, patience: Duration) -> bool {
        self.gate.open();
        self.workers.stop(patience)
    }
}

/// The result of a change so far.
struct Changed {
    ticket: Option<u64>,
    shelf: Shelf,
    result: Result<(), StoreError>,
}

fn carry_out(
    folders: &Folders,
    lists: &mut Lists,
    writes: &[Write],
    sync: SyncRef<'_>,
) -> Vec<Written> {
    let changes = writes.iter();
    let changes = changes.map(|write| folders.change(write, lists, sync));
    let mut changes: Vec<Changed> = changes.collect();
    for shelf in [Shelf::Outbox, Shelf::Cache, Shelf::Rewards] {
        let ours = || changes.iter().filter(|change| change.shelf == shelf);
        if !ours().any(|change| change.result.is_ok()) {
            continue;
        }
        let Some(folder) = folders.of(shelf) else {
            continue;
        };
        if let Err(error) = sync(folder) {
            lists.doubt();
            let refused = StoreError::refused(folder, "could not be synced")(error);
            let ours = changes.iter_mut().filter(|change| change.shelf == shelf);
            ours.filter(|change| change.result.is_ok())
                .for_each(|change| change.result = Err(refused.clone()));
        }
    }
    let written = changes.into_iter().filter_map(|change| {
        let result = change.result;
        if let (Err(why), None) = (&result, change.ticket) {
            // No part of the core reports it.
            log::warn!("{why}");
        }
        change.ticket.map(|ticket| Written { ticket, result })
    });
    written.collect()
}

/// Where documents are.
struct Folders {
    outbox: PathBuf,
    cache: PathBuf,
    admins_file: Option<PathBuf>,
    rewards: PathBuf,
}

impl Folders {
    fn new(state_dir: &Path, keeper: Keeper, admins_file: Option<PathBuf>) -> Self {
        let [outbox, cache, rewards] = keeper.folders().map(|name| state_dir.join(name));
        Self {
            outbox,
            cache,
            admins_file,
            rewards,
        }
    }

    /// Where documents of a shelf are; `None`: in no folder of vpid's.
    fn of(&self, shelf: Shelf) -> Option<&Path> {
        match shelf {
            Shelf::Outbox => Some(&self.outbox),
            Shelf::Cache => Some(&self.cache),
            Shelf::Admins => None,
            Shelf::Rewards => Some(&self.rewards),
        }
    }

    fn change(&self, write: &Write, lists: &mut Lists, sync: SyncRef<'_>) -> Changed {
        Changed {
            ticket: write.ticket,
            shelf: write.shelf,
            result: self.try_change(write, lists, sync),
        }
    }

    fn try_change(
        &self,
        write: &Write,
        lists: &mut Lists,
        sync: SyncRef<'_>,
    ) -> Result<(), StoreError> {
        let Write { shelf, name, .. } = write;
        if !is_name(name) {
            return Err(StoreError::NoName(name.clone()));
        }
        let Some(folder) = self.of(*shelf) else {
            return match (&write.content, &self.admins_file) {
                (Some(Content::Admins(lines)), Some(path)) => admins_file::write(path, lines),
                _ => Err(StoreError::OtherKind(name.clone())),
            };
        };
        let path = |ending: &str| folder.join(format!("{name}.{ending}"));
        match (&write.content, shelf) {
            (Some(Content::Json(text)), _) if text.len() as u64 > STORE_FILE_BYTES_MAX => {
                // It could not be read again.
                Err(StoreError::TooLarge(path(JSON)))
            }
            (Some(Content::Json(text)), _) => {
                let path = path(JSON);
                let written = write_whole(&path, |file| file.write_all(text.as_bytes()));
                written.map_err(StoreError::refused(&path, "could not be written"))
            }
            (Some(Content::Bans(list)), Shelf::Cache) => lists.put(folder, name, list, sync),
            (Some(Content::Bans(_) | Content::Admins(_)), _) => {
                Err(StoreError::OtherKind(name.clone()))
            }
            (Some(Content::SetAside), _) => {
                reject(&path(JSON), &Unreadable::Content);
                Ok(())
            }
            (None, Shelf::Cache) => {
                lists.forget(name);
                // Without its whole, the changes count for nothing.
                let all = [JSON, BANS, CHANGES].map(|ending| remove(&path(ending)));
                all.into_iter().collect()
            }
            (None, _) => remove(&path(JSON)),
        }
    }
}

/// A file that is not there is removed.
fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::refused(path, "could not be removed")(error))
        }
        _ => Ok(()),
    }
}

/// `a-z`, `0-9` and dashes, so that nothing leads elsewhere.
fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=STORE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(good)
}

// What is there at the start. A file that cannot be read is renamed, and the others are read as if it
// were not there.

/// The owner has changed what keeps the community while something was not sent yet.
fn warn_of_another(state_dir: &Path, keeper: Keeper) {
    let (other, kind) = match keeper {
        Keeper::Vyhub => (Keeper::Database, "local"),
        Keeper::Database => (Keeper::Vyhub, "vyhub"),
    };
    let [outbox, ..] = other.folders().map(|name| state_dir.join(name));
    let left = list(&outbox).map_or(0, |files| files.len());
    if left > 0 {
        log::warn!(
            "{} has {left} changes that wait for {other}. They stay there, and are sent once [community] has type = \
             {kind:?} again; to drop them, remove their files",
            outbox.display()
        );
    }
}

fn read(state_dir: &Path, folders: &Folders) -> io::Result<(Found, Lists)> {
    for folder in [&folders.outbox, &folders.cache, &folders.rewards] {
        // Players' names and reasons are in it.
        private::folder(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
    }
    sync_folder(state_dir)?;
    let mut found = Found {
        outbox: texts(&folders.outbox)?,
        rewards: texts(&folders.rewards)?,
        ..Found::default()
    };
    let mut lists = Lists::default();
    for (name, ending, path) in list(&folders.cache)? {
        match ending.as_str() {
            JSON => found.cache.extend(keep(name, &path, text)),
            BANS => {
                let list = lists.read(&folders.cache, &name);
                found.bans.extend(list.map(|list| (name, list)));
            }
            // Read with its list, or as if it were not there.
            _ if lists::has_snapshot(&folders.cache, &name) => {}
            _ => reject(&path, &Unreadable::NoList),
        }
    }
    Ok((found, lists))
}

/// The texts of a folder.
fn texts(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let all = list(folder)?.into_iter();
    let texts = all.filter(|(_, ending, _)| ending == JSON);
    Ok(texts
        .filter_map(|(name, _, path)| keep(name, &path, text))
        .collect())
}

/// The documents of a folder in the order of their names, each with its ending; what a crash left
/// over is removed, and other files are left alone.
fn list(folder: &Path) -> io::Result<Vec<(String, String, PathBuf)>> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(file) = entry?.file_name().into_string() else {
            continue;
        };
        let path = folder.join(&file);
        if file.starts_with(TEMPORARY) {
            let _ = fs::remove_file(&path);
            continue;
        }
        let Some((name, ending)) = file.rsplit_once('.') else {
            continue;
        };
        if is_name(name) && matches!(ending, JSON | BANS | CHANGES) {
            documents.push((name.to_string(), ending.to_string(), path));
        }
    }
    documents.sort();
    if documents.len() > STORE_FILES_MAX {
        log::warn!(
            "{} holds {} files; vpid reads the first {STORE_FILES_MAX} by their names, and others \
             after its next start",
            folder.display(),
            documents.len()
        );
        documents.truncate(STORE_FILES_MAX);
    }
    Ok(documents)
}

/// Why a document cannot be used, as a sentence about it.
#[derive(Debug, Error)]
enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no file")]
    NoFile,
    /// It may have so many bytes.
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    #[error("it is no text")]
    NotText,
    #[error(transparent)]
    Bans(#[from] ban_list::Unreadable),
    #[error("it has changes of a list of bans that is not there")]
    NoList,
    #[error("its content cannot be used")]
    Content,
}

/// A document with its name; none where it had to be rejected.
fn keep<T>(
    name: String,
    path: &Path,
    read: fn(File, u64) -> Result<T, Unreadable>,
) -> Option<(String, T)> {
    match open(path).and_then(|(file, size)| read(file, size)) {
        Ok(content) => Some((name, content)),
        Err(why) => {
            reject(path, &why);
            None
        }
    }
}

/// Follows no link, and does not wait for the other end of a pipe.
fn open(path: &Path) -> Result<(File, u64), Unreadable> {
    let file = private::open_plain(path, OFlags::NONBLOCK)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(Unreadable::NoFile),
    }
}

fn text(file: File, size: u64) -> Result<String, Unreadable> {
    bounded(size, STORE_FILE_BYTES_MAX)?;
    let mut bytes = Vec::new();
    file.take(STORE_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Unreadable::NotText)
}

fn bounded(size: u64, most: u64) -> Result<(), Unreadable> {
    match size > most {
        true => Err(Unreadable::TooLarge(most)),
        false => Ok(()),
    }
}

fn reject(path: &Path, why: &Unreadable) {
    let place = path.display();
    let mut aside = (1..=STORE_UNREADABLE_MAX).map(|number| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".unreadable");
        if number > 1 {
            aside.push(format!("-{number}"));
        }
        PathBuf::from(aside)
    });
    // Nothing that was rejected before is overwritten.
    let free = aside.find(|aside| fs::symlink_metadata(aside).is_err());
    let renamed = free.and_then(|aside| fs::rename(path, &aside).ok().map(|()| aside));
    match renamed {
        Some(aside) => log::warn!(
            "{place} cannot be read: {why}; it is {} now, and vpid goes on without it",
            aside.display()
        ),
        None => log::warn!(
            "{place} cannot be read: {why}; it cannot be renamed either, so vpid leaves it there \
             and goes on without it"
        ),
    }
}

#[cfg(test)]
mod tests;
