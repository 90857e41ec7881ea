//! The machine: clock, descriptors, inotify.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::inotify;

use super::Report;
use crate::limits::OPEN_FILES_ADVISED;

/// 2024-01-01. A clock before it was never set: vpid did not exist.
const YEAR_2024_S: u64 = 1_704_067_200;

/// Dates of bans and the guard against replays depend on the clock.
pub(super) fn clock(now: SystemTime, report: &mut Report<'_>) {
    if now < UNIX_EPOCH + Duration::from_secs(YEAR_2024_S) {
        report.bad(
            "clock: it is before 2024",
            "set the clock, with timedatectl or NTP",
        );
    } else {
        report.ok("clock: plausible");
    }
}

pub(super) fn open_files(report: &mut Report<'_>) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < OPEN_FILES_ADVISED => report.warn(format!(
            "open files: only {limit} are allowed; raise it to {OPEN_FILES_ADVISED} or more \
             (ulimit -n, LimitNOFILE= in the unit)"
        )),
        Some(limit) => report.ok(format!("open files: {limit} allowed")),
        None => report.ok("open files: no limit"),
    }
}

/// Whether a watch on this folder can be made now. Errors say which limit is in the way.
pub(super) fn try_inotify(folder: &Path) -> Result<(), String> {
    let limit = |name: &str| {
        let path = format!("/proc/sys/fs/inotify/{name}");
        std::fs::read_to_string(path).map_or("unknown".into(), |text| text.trim().to_owned())
    };
    let inotify = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(|error| {
        let instances = limit("max_user_instances");
        format!("{error}; fs.inotify.max_user_instances is {instances}, raise it with sysctl")
    })?;
    let events = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::ONLYDIR;
    inotify::add_watch(&inotify, folder, events)
        .map(|_| ())
        .map_err(|error| {
            let watches = limit("max_user_watches");
            format!("{error}; fs.inotify.max_user_watches is {watches}, raise it with sysctl")
        })
}
