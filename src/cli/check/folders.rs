//! Folders of any kind: room, file system, and the state folder with its lock.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::Report;
use crate::io::backup::{OF_DATABASE, kept};
use crate::io::private;
use crate::limits::{FREE_BYTES_ADVISED, FREE_BYTES_MIN};
use crate::protocol::names::LOCK;

/// Whether a vpid runs on this state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    Running,
    NotRunning,
}

/// By the file or by the environment.
const CORRECT_STATE_DIR: &str = "correct state_dir (VPID_STATE_DIR)";

/// Tries the state folder without making it, and looks who holds it.
pub(super) fn state(folder: &Path, report: &mut Report<'_>) -> Daemon {
    let shown = folder.display();
    let Some(there) = folder.ancestors().find(|folder| folder.exists()) else {
        report.bad(
            format!("state: {shown} is a broken link"),
            CORRECT_STATE_DIR,
        );
        return Daemon::NotRunning;
    };
    if !there.is_dir() {
        let there = there.display();
        report.bad(
            format!("state: {there} is not a folder"),
            format!("remove it, or {CORRECT_STATE_DIR}"),
        );
        return Daemon::NotRunning;
    }
    if private::is_of_all(folder) {
        report.bad(
            format!("state: {shown} is a folder that others need, and vpid would close it to them"),
            format!("name one for vpid alone: {CORRECT_STATE_DIR}"),
        );
        return Daemon::NotRunning;
    }
    // The lock comes first: who holds it has shown that the folder works.
    if let Some(holder) = state_holder(folder) {
        report.ok(format!("state: {shown}, running as {holder}"));
        private(folder, report);
        free_space("state", there, report);
        return Daemon::Running;
    }
    match try_file(there) {
        Err(error) => report.bad(
            format!("state: {} cannot be written: {error}", there.display()),
            format!("make the user of vpid its owner (chown), or {CORRECT_STATE_DIR}"),
        ),
        Ok(()) if there != folder => report.ok(format!("state: {shown} will be created")),
        Ok(()) => report.ok(format!("state: {shown} can be written")),
    }
    private(folder, report);
    free_space("state", there, report);
    Daemon::NotRunning
}

/// What vpid stores in the state folder is private: identities, bans that wait, players.
fn private(state: &Path, report: &mut Report<'_>) {
    let Ok(metadata) = state.metadata() else {
        return;
    };
    let shown = state.display();
    if metadata.mode() & 0o022 != 0 {
        report.bad(
            format!(
                "state: other users can write into {shown}, and so issue bans and lock vpid out"
            ),
            format!("chmod 700 '{shown}'"),
        );
    } else if metadata.mode() & 0o077 != 0 {
        report.warn(format!(
            "state: other users can read {shown}, where rejected files reveal secrets; run: \
             chmod 700 '{shown}'"
        ));
    }
    if metadata.mode() & 0o011 == 0 {
        // Other users cannot reach what is in it.
        return;
    }
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name
            .to_str()
            .is_some_and(|name| kept().any(|it| it == name))
        {
            continue;
        }
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if !metadata.is_symlink() && metadata.mode() & 0o077 != 0 {
            let mode = if metadata.is_dir() { "700" } else { "600" };
            let path = entry.path();
            let path = path.display();
            report.warn(format!(
                "state: other users can read {path}; the next start of vpid corrects this, or run: chmod \
                 {mode} '{path}'"
            ));
        }
    }
}

/// Warns where others can read a database: the file, and those that SQLite keeps beside it.
pub(super) fn private_database(path: &Path, report: &mut Report<'_>) {
    for ending in OF_DATABASE {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let file = Path::new(&file);
        let others = file.metadata().is_ok_and(|it| it.mode() & 0o077 != 0);
        if others {
            let file = file.display();
            report.warn(format!(
                "database: other users can read {file}, which contains players' data; if no other \
                 program needs that, run: chmod 600 '{file}'"
            ));
        }
    }
}

/// The vpid that runs on a state folder, as it wrote itself; none where none runs.
pub(super) fn state_holder(folder: &Path) -> Option<String> {
    lock_holder(&folder.join("vpid.lock"))
}

/// The vpid that serves a folder in which games write, likewise. A lock file that others can open is none of vpid's.
pub(super) fn folder_holder(folder: &Path) -> Option<String> {
    let lock = folder.join(LOCK);
    let metadata = lock.symlink_metadata().ok()?;
    let is_private = metadata.is_file() && metadata.mode() & 0o077 == 0;
    is_private.then(|| lock_holder(&lock)).flatten()
}

/// The holder of the lock, as it wrote itself; none where it is free.
fn lock_holder(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => {}
        // Closing the file gives the lock back.
        _ => return None,
    }
    let mut pid = String::new();
    let _ = file.take(32).read_to_string(&mut pid);
    let pid = pid.trim();
    let known = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    Some(if known {
        format!("pid {pid}")
    } else {
        "a process whose id is unknown".into()
    })
}

/// Makes, renames and removes a file, as the daemon does all the time. Its name is none that
/// the daemon or the game looks at.
pub(super) fn try_file(folder: &Path) -> std::io::Result<()> {
    let file = tempfile::Builder::new()
        .prefix(".vpid-check-")
        .tempfile_in(folder)?;
    let renamed = file.path().with_extension("renamed");
    std::fs::rename(file.path(), &renamed)?;
    std::fs::remove_file(&renamed)
}

/// Room for what is to come, on the file system of a folder that may have yet to be made.
pub(super) fn free_space(subject: &str, folder: &Path, report: &mut Report<'_>) {
    let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else {
        return;
    };
    match rustix::fs::statvfs(there) {
        Ok(room) => judge_room(
            subject,
            there,
            room.f_bavail.saturating_mul(room.f_frsize),
            report,
        ),
        Err(error) => {
            report.warn(format!(
                "{subject}: the free space of {} cannot be determined: {error}",
                there.display()
            ));
        }
    }
}

pub(super) fn judge_room(subject: &str, folder: &Path, free: u64, report: &mut Report<'_>) {
    let text = format!(
        "{subject}: {} MiB free for {}",
        free >> 20,
        folder.display()
    );
    if free < FREE_BYTES_MIN {
        report.bad(
            text,
            "make room: on a full disk, calls wait and responses fail",
        );
    } else if free < FREE_BYTES_ADVISED {
        report.warn(format!("{text}; make room before it is full"));
    } else {
        report.ok(text);
    }
}
