//! One vpid for each state folder and each scriptdata folder: locks that the kernel drops when
//! their holder dies.
//!
//! What is locked is a file of our own that no other user can open, not the folder: a process that can open
//! something for reading can lock it. A lock file that others could open proves nothing by being
//! locked; it is moved aside, and a new one is made.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::aside::move_aside;
use crate::limits::LOCK_TRIES_MAX;
use crate::protocol::names;

/// In the state folder.
const STATE_LOCK: &str = "vpid.lock";

/// Why a lock was not obtained.
#[derive(Debug)]
pub enum LockError {
    /// Held; by this process, as far as it said.
    Held(Option<u32>),
    Io(io::Error),
}

impl From<Errno> for LockError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// A lock. Dropped with its file.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Whether a vpid has ever run on a state folder.
pub fn was_held(state_dir: &Path) -> bool {
    state_dir.join(STATE_LOCK).symlink_metadata().is_ok()
}

/// Whether a vpid holds the lock of a state folder. It is not tried, which could keep one from starting.
pub fn is_held(state_dir: &Path) -> bool {
    let Ok(file) = state_dir.join(STATE_LOCK).symlink_metadata() else {
        return false;
    };
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else {
        return true;
    };
    // proc_locks(5): "1: FLOCK ADVISORY WRITE 4711 08:01:12345 0 EOF"
    let inode = format!(":{} ", file.ino());
    let mut locks = locks.lines();
    locks.any(|line| line.contains(" FLOCK ") && line.contains(&inode))
}

impl Lock {
    /// That of a state folder.
    pub fn of_state(state_dir: &Path) -> Result<Self, LockError> {
        let folder = File::open(state_dir).map_err(LockError::Io)?;
        Self::take(folder.as_fd(), STATE_LOCK)
    }

    /// That of a folder in which games write. `None`: it knows no locks, or cannot be written; then
    /// nothing keeps another vpid out.
    pub fn of_folder(folder: impl AsFd) -> Result<Option<Self>, LockError> {
        match Self::take(folder.as_fd(), names::LOCK) {
            Ok(lock) => Ok(Some(lock)),
            Err(LockError::Io(error)) => {
                log::debug!("a folder cannot be locked: {error}");
                Ok(None)
            }
            Err(held) => Err(held),
        }
    }

    /// Takes the lock and writes this process's number into its file.
    fn take(folder: BorrowedFd<'_>, name: &str) -> Result<Self, LockError> {
        for _ in 0..LOCK_TRIES_MAX {
            let Some((mut file, private)) = open(folder, name)? else {
                move_aside(folder, name).map_err(LockError::Io)?;
                continue;
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // No vpid makes it so that others can open it.
                Err(Errno::WOULDBLOCK) if !private => {
                    move_aside(folder, name).map_err(LockError::Io)?;
                    continue;
                }
                Err(Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    let _ = file.take(32).read_to_string(&mut text);
                    return Err(LockError::Held(text.trim().parse().ok()));
                }
                other => other?,
            }
            fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
            // Moved away meanwhile, it would lock nothing.
            if !is_at(folder, name, &file) {
                continue;
            }
            let write = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| writeln!(file, "{}", std::process::id()));
            // The number is for people; a full disk is no reason not to run.
            let _ = write;
            return Ok(Self { _file: file });
        }
        Err(LockError::Io(io::Error::other(format!(
            "{name} is replaced again and again by another process"
        ))))
    }
}

/// Makes the system send SIGTERM to this process when its parent ends, which is this one.
pub fn end_with(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have ended before.
    let is_it = getppid().is_some_and(|pid| pid.as_raw_nonzero().get() as u32 == parent);
    match is_it {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "process {parent} is not the parent of this one"
        ))),
    }
}

/// Opens a lock file, or makes it; and whether no other user can open it. `None`: what lies there is
/// no file of ours.
fn open(folder: BorrowedFd<'_>, name: &str) -> Result<Option<(File, bool)>, LockError> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => File::from(fd),
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
        // Another user's, unless it is the folder that cannot be written.
        Err(error @ (Errno::ACCESS | Errno::PERM)) => {
            let there = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
            return if there { Ok(None) } else { Err(error.into()) };
        }
        Err(error) => return Err(error.into()),
    };
    let stat = fs::fstat(&file)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let us = rustix::process::geteuid();
    // Root meets that of the user whose folder it is, whom it must not be taken from.
    let is_owners = us.is_root() && stat.st_uid == fs::fstat(folder)?.st_uid;
    if !is_file || (stat.st_uid != us.as_raw() && !is_owners) {
        return Ok(None);
    }
    Ok(Some((file, stat.st_mode & 0o077 == 0)))
}

fn is_at(folder: BorrowedFd<'_>, name: &str, file: &File) -> bool {
    let there = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(there), Ok(ours)) = (there, fs::fstat(file)) else {
        return false;
    };
    (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_held(root.path()));
        let lock = Lock::of_state(root.path()).unwrap();
        assert!(is_held(root.path()));
        let held = Lock::of_state(root.path()).unwrap_err();
        let us = std::process::id();
        assert!(matches!(held, LockError::Held(Some(pid)) if pid == us));
        let mode = root.path().join(STATE_LOCK).metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert!(!is_held(root.path()));
        Lock::of_state(root.path()).unwrap();
    }

    /// Where this runs as root.
    #[test]
    fn root_meets_the_lock_of_the_user_whose_folder_it_is() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let _held = Lock::of_state(root.path()).unwrap();
        for path in [root.path(), &root.path().join(STATE_LOCK)] {
            std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
        }
        let held = Lock::of_state(root.path()).unwrap_err();
        assert!(matches!(held, LockError::Held(Some(_))), "{held:?}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_open_does_not_lock() {
        let root = tempfile::tempdir().unwrap();
        let folder = File::open(root.path()).unwrap();
        let path = root.path().join(names::LOCK);
        // The folder itself, and a file that was made for this.
        flock(&folder, FlockOperation::NonBlockingLockExclusive).unwrap();
        std::fs::write(&path, "1").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let theirs = File::open(&path).unwrap();
        flock(&theirs, FlockOperation::NonBlockingLockExclusive).unwrap();
        let lock = Lock::of_folder(&folder).unwrap().unwrap();
        assert!(matches!(Lock::of_folder(&folder), Err(LockError::Held(_))));
        drop(lock);

        // Links lead nowhere.
        std::fs::remove_file(&path).unwrap();
        let target = root.path().join("target");
        std::fs::write(&target, "kept").unwrap();
        symlink(&target, &path).unwrap();
        let lock = Lock::of_folder(&folder).unwrap();
        assert!(lock.is_some() && !path.is_symlink());
        assert_eq!(std::fs::read_to_string(target).unwrap(), "kept");
    }
}
