//! Lists of bans on disk. Each is a snapshot (`.bans`) and a journal of what has changed since (`.changes`), so that one
//! ban more or less costs one line. The journal names its snapshot, and each of its lines says what the list is after it.
//!
//! **A list is written as a whole** when nothing of it is on disk that could be gone on from, when most of it has
//! changed, and, after what waited is reported, when the journal has become long. The order survives `kill -9` and a
//! power cut at any point:
//!
//! 1. The snapshot is written beside its place, synced, renamed, and its folder is synced. Until then the former snapshot
//!    and its journal stand; from then on, the former journal names another snapshot and does not count.
//! 2. The former journal is removed.
//! 3. The first change makes a journal in the same way; further ones are appended and synced. What is cut in the middle
//!    of a line was not reported yet, and does not count.
//!
//! Where a step fails, nothing of what is on disk is gone on from: the next write makes a snapshot.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::{BANS, CHANGES, SyncRef, Unreadable, bounded, keep, remove, write_whole};
use crate::io::random;
use crate::jobs::store::StoreError;
use crate::limits::{
    STORE_CHANGES_BYTES_MAX, STORE_CHANGES_MAX, STORE_JOURNAL_BYTES, STORE_JOURNAL_BYTES_MAX,
    STORE_LIST_BYTES_MAX,
};
use crate::protocol::ban_list::{BanList, Journal, Snapshot, Torn};

/// What is on disk, by name: that of which a change can be appended.
#[derive(Default)]
pub struct Lists(HashMap<String, OnDisk>);

struct OnDisk {
    list: Arc<BanList>,
    snapshot: Snapshot,
    /// How long the journal is; 0: there is none.
    journal_bytes: u64,
    /// It is made a snapshot when it is longer.
    journal_bytes_max: u64,
}

impl Lists {
    /// Brings a list to disk. It is durable when the folder is synced after it.
    pub fn put(
        &mut self,
        folder: &Path,
        name: &str,
        list: &Arc<BanList>,
        sync: SyncRef<'_>,
    ) -> Result<(), StoreError> {
        // Where anything fails, it stays out.
        let Some(on_disk) = self.0.remove(name) else {
            return self.write_all(folder, name, list, sync);
        };
        let changes = list.changes_since(&on_disk.list, STORE_CHANGES_MAX);
        let line = match &changes {
            Some(changes) if changes.is_empty() => {
                // It shares more with the lists to come.
                let list = Arc::clone(list);
                self.0.insert(name.to_owned(), OnDisk { list, ..on_disk });
                return Ok(());
            }
            Some(changes) => list.journal_line(changes),
            None => return self.write_all(folder, name, list, sync),
        };
        let bytes = on_disk.journal_bytes + line.len() as u64;
        if line.len() > STORE_CHANGES_BYTES_MAX || bytes > STORE_JOURNAL_BYTES_MAX {
            return self.write_all(folder, name, list, sync);
        }
        let path = journal(folder, name);
        let is_changed = || io::Error::other("it was changed by another program");
        let journal_bytes = match on_disk.journal_bytes {
            0 => begin(&path, on_disk.snapshot, &line),
            bytes => append(&path, bytes, &line).and_then(|done| done.ok_or_else(is_changed)),
        };
        let journal_bytes =
            journal_bytes.map_err(StoreError::refused(&path, "could not be written"))?;
        let list = Arc::clone(list);
        let on_disk = OnDisk {
            list,
            journal_bytes,
            ..on_disk
        };
        self.0.insert(name.to_owned(), on_disk);
        Ok(())
    }

    fn write_all(
        &mut self,
        folder: &Path,
        name: &str,
        list: &Arc<BanList>,
        sync: SyncRef<'_>,
    ) -> Result<(), StoreError> {
        let path = snapshot(folder, name);
        let mut random = random::bytes();
        // Never 0.
        let number = u64::from_be_bytes(std::array::from_fn(|_| random())) | 1;
        let mut snapshot = None;
        let written = write_whole(&path, |file| {
            snapshot = Some(list.write(file, number)?);
            Ok(())
        });
        written.map_err(StoreError::refused(&path, "could not be written"))?;
        // From here on, a change that is appended to the former journal would not count.
        self.0.remove(name);
        let journal = journal(folder, name);
        if fs::symlink_metadata(&journal).is_ok() {
            // It must not go before the snapshot is there for good.
            sync(folder).map_err(StoreError::refused(folder, "could not be synced"))?;
            remove(&journal)?;
        }
        if let Some(snapshot) = snapshot {
            let on_disk = OnDisk {
                list: Arc::clone(list),
                snapshot,
                journal_bytes: 0,
                journal_bytes_max: STORE_JOURNAL_BYTES,
            };
            self.0.insert(name.to_owned(), on_disk);
        }
        Ok(())
    }

    /// Makes snapshots of lists with long journals. No part of the core waits for its result, and what is on disk is the
    /// same.
    pub fn tidy(&mut self, folder: &Path, sync: SyncRef<'_>) {
        let long = self.0.iter();
        let long = long.filter(|(_, it)| it.journal_bytes > it.journal_bytes_max);
        let long: Vec<(String, Arc<BanList>)> = long
            .map(|(name, it)| (name.clone(), Arc::clone(&it.list)))
            .collect();
        for (name, list) in long {
            if let Err(why) = self.write_all(folder, &name, &list, sync) {
                log::warn!("{why}; it is tried again with later changes");
                if let Some(on_disk) = self.0.get_mut(&name) {
                    on_disk.journal_bytes_max += STORE_JOURNAL_BYTES;
                }
            }
        }
    }

    /// A list is not on disk any more.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What was written last may not be durable.
    pub fn doubt(&mut self) {
        self.0.clear();
    }

    /// What is on disk of a list; none where it had to be rejected.
    pub fn read(&mut self, folder: &Path, name: &str) -> Option<Arc<BanList>> {
        let (_, (list, snapshot)) = keep(name.to_owned(), &snapshot(folder, name), whole)?;
        let path = journal(folder, name);
        if fs::symlink_metadata(&path).is_err() {
            let list = Arc::new(list);
            self.found(name, &list, (snapshot, 0));
            return Some(list);
        }
        let Some((_, bytes)) = keep(name.to_owned(), &path, journal_bytes) else {
            return Some(Arc::new(list));
        };
        let read = Journal::read(&bytes, snapshot, list);
        let list = Arc::new(read.list);
        let place = path.display();
        match read.torn {
            None => self.found(name, &list, (snapshot, bytes.len() as u64)),
            // The next write makes a snapshot, and removes it.
            Some(why @ Torn::Cut) => log::info!(
                "{place} does not count in whole: {why}; vpid was stopped before it was done"
            ),
            Some(why) => log::warn!(
                "{place} does not count in whole: {why}; what it lacks is in the list that is fetched next"
            ),
        }
        Some(list)
    }

    fn found(
        &mut self,
        name: &str,
        list: &Arc<BanList>,
        (snapshot, journal_bytes): (Snapshot, u64),
    ) {
        if snapshot.number == 0 {
            // Of an earlier version.
            return;
        }
        let on_disk = OnDisk {
            list: Arc::clone(list),
            snapshot,
            journal_bytes,
            journal_bytes_max: STORE_JOURNAL_BYTES,
        };
        self.0.insert(name.to_owned(), on_disk);
    }
}

fn snapshot(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{BANS}"))
}

fn journal(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{CHANGES}"))
}

/// Makes a journal with a first change. Gives how long it is.
fn begin(path: &Path, of: Snapshot, line: &[u8]) -> io::Result<u64> {
    let mut bytes = Journal::head(of);
    bytes.extend_from_slice(line);
    write_whole(path, |file| file.write_all(&bytes))?;
    Ok(bytes.len() as u64)
}

/// Appends a change to a journal that is so long. Gives how long it is then; `None`: it was not so long.
fn append(path: &Path, bytes: u64, line: &[u8]) -> io::Result<Option<u64>> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.append(true).custom_flags(flags.bits() as i32);
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != bytes {
        return Ok(None);
    }
    file.write_all(line)?;
    file.sync_data()?;
    Ok(Some(bytes + line.len() as u64))
}

fn whole(file: File, size: u64) -> Result<(BanList, Snapshot), Unreadable> {
    bounded(size, STORE_LIST_BYTES_MAX)?;
    Ok(BanList::read_cached(file.take(STORE_LIST_BYTES_MAX))?)
}

fn journal_bytes(file: File, size: u64) -> Result<Vec<u8>, Unreadable> {
    bounded(size, STORE_JOURNAL_BYTES_MAX)?;
    let mut bytes = Vec::new();
    file.take(STORE_JOURNAL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether this list has a snapshot.
pub fn has_snapshot(folder: &Path, name: &str) -> bool {
    fs::symlink_metadata(snapshot(folder, name)).is_ok()
}

#[cfg(test)]
mod tests;
