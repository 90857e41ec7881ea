//! What is there at the start. A file that cannot be read is renamed, and the others are read as if it
//! were not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use thiserror::Error;

use super::{BANS, Folders, JSON, is_name};
use crate::io::files::{TEMPORARY, sync_folder};
use crate::io::private;
use crate::jobs::store::Found;
use crate::limits::{
    STORE_FILE_BYTES_MAX, STORE_FILES_MAX, STORE_LIST_BYTES_MAX, STORE_UNREADABLE_MAX,
};
use crate::protocol::ban_list;
use crate::protocol::ban_list::BanList;

pub(super) fn read(state_dir: &Path, folders: &Folders) -> io::Result<Found> {
    for folder in [&folders.outbox, &folders.cache] {
        // Players' names and reasons are in it.
        private::folder(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
    }
    sync_folder(state_dir)?;
    let mut found = Found::default();
    for (name, ending, path) in list(&folders.outbox)? {
        if ending == JSON {
            found.outbox.extend(keep(name, &path, text));
        }
    }
    for (name, ending, path) in list(&folders.cache)? {
        match ending == JSON {
            true => found.cache.extend(keep(name, &path, text)),
            false => found.bans.extend(keep(name, &path, bans)),
        }
    }
    Ok(found)
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
        if is_name(name) && matches!(ending, JSON | BANS) {
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
pub(super) enum Unreadable {
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
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
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

fn bans(file: File, size: u64) -> Result<BanList, Unreadable> {
    bounded(size, STORE_LIST_BYTES_MAX)?;
    Ok(BanList::read_cached(file.take(STORE_LIST_BYTES_MAX))?)
}

fn bounded(size: u64, most: u64) -> Result<(), Unreadable> {
    match size > most {
        true => Err(Unreadable::TooLarge(most)),
        false => Ok(()),
    }
}

pub(super) fn reject(path: &Path, why: &Unreadable) {
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
