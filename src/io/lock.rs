//! One vpid for each state folder and each scriptdata folder: locks that the kernel drops when
//! their holder dies.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Why a lock was not had.
#[derive(Debug)]
pub enum LockError {
    /// Held; by this process, as far as it said.
    Held(Option<u32>),
    Io(io::Error),
}

/// The lock of a state folder. Dropped with its file.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the lock and writes this process's number into it.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join("vpid.lock");
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(path).map_err(LockError::Io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut text = String::new();
            let _ = (&file).take(32).read_to_string(&mut text);
            return Err(LockError::Held(text.trim().parse().ok()));
        }
        let write = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        write.map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

/// Locks a folder by its own descriptor. False when another process holds it; file systems that
/// know no locks are let pass.
pub fn lock_folder(folder: impl AsFd) -> bool {
    flock(folder, FlockOperation::NonBlockingLockExclusive) != Err(rustix::io::Errno::WOULDBLOCK)
}
