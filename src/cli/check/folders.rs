//! Folders of any kind: room, file system, and the state folder with its lock.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::Report;
use crate::limits::{FREE_BYTES_ADVISED, FREE_BYTES_MIN};

/// Whether a vpid runs on this state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    Running,
    NotRunning,
}

/// Tries the state folder without making it, and looks who holds it.
pub(super) fn state(folder: &Path, report: &mut Report<'_>) -> Daemon {
    let shown = folder.display();
    let Some(there) = folder.ancestors().find(|folder| folder.exists()) else {
        report.bad(
            format!("state: {shown} leads nowhere"),
            "name another state_dir",
        );
        return Daemon::NotRunning;
    };
    if !there.is_dir() {
        let there = there.display();
        report.bad(
            format!("state: {there} is not a folder"),
            "remove it or name another state_dir",
        );
        return Daemon::NotRunning;
    }
    // The lock comes first: who holds it has shown that the folder works.
    let lock = folder.join("vpid.lock");
    if let Some(holder) = lock_holder(&lock) {
        report.ok(format!("state: {shown}, running as {holder}"));
        free_space("state", there, report);
        return Daemon::Running;
    }
    match try_file(there) {
        Err(error) => report.bad(
            format!("state: {} cannot be written: {error}", there.display()),
            "give it to the user of vpid (chown), or name another state_dir",
        ),
        Ok(()) if there != folder => report.ok(format!("state: {shown} will be made")),
        Ok(()) => report.ok(format!("state: {shown} can be written")),
    }
    let exposed = folder
        .metadata()
        .is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    if exposed {
        report.warn(format!(
            "state: others can look into {shown}, where rejected files give secrets away; run: \
             chmod 700 '{shown}'"
        ));
    }
    free_space("state", there, report);
    Daemon::NotRunning
}

/// Who holds the lock, as the holder wrote it; none when nobody does.
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
        "a process that did not say its pid".into()
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
                "{subject}: free space of {} is unknown: {error}",
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
            "make room: calls wait and answers fail on a full disk",
        );
    } else if free < FREE_BYTES_ADVISED {
        report.warn(format!("{text}; make room before it is full"));
    } else {
        report.ok(text);
    }
}
