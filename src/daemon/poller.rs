//! What wakes the loop: changes in folders, signals, results from lanes, and the clock.
//!
//! Everything is a descriptor. The watch is a hint only: what it misses, a later scan finds.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::scan::is_of_ours;
use crate::core::RunId;
use crate::limits;
use crate::protocol::names;

/// What one read of notices gives at most.
const BUFFER_BYTES: usize = 16 * 1024;
/// A notice without its name, with what that may be padded with; and the longest name.
const HEADER_BYTES: usize = 16 + 16;
const NAME_BYTES: usize = 256;

/// What happened while the loop slept.
#[derive(Default)]
pub struct Wake {
    pub stop: bool,
    pub reload: bool,
    /// A lane has results.
    pub lanes: bool,
    /// Which of the other descriptors are ready, in their order.
    pub ready: Vec<bool>,
    /// Something happened at the control socket, or at the socket of an engine's log.
    pub control: bool,
    /// Runs of scripts that have told something.
    pub scripts: Vec<RunId>,
    pub hints: Vec<Hint>,
    /// Hints were lost: everything must be scanned.
    pub overflow: bool,
}

/// A file was written, or renamed to this name, and not by us.
pub struct Hint {
    /// The number of the watch.
    pub watch: i32,
    pub name: String,
}

/// Wakes the loop from another thread.
#[derive(Clone)]
pub struct Waker(Arc<Lanes>);

/// How lanes wake the loop.
struct Lanes {
    fd: OwnedFd,
    /// The loop has been woken and has not looked yet.
    woken: AtomicBool,
}

impl Waker {
    /// What was handed over before is looked at after this.
    pub fn wake(&self) {
        if !self.0.woken.swap(true, Ordering::SeqCst) {
            // A full counter wakes as well.
            let _ = rustix::io::write(&self.0.fd, &1u64.to_ne_bytes());
        }
    }
}

struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (stop, reload) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        for (signal, flag) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &reload)] {
            // The flag first: whoever is woken finds it set.
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { wake, stop, reload })
    }
}

pub struct Poller {
    inotify: Option<OwnedFd>,
    /// We have renamed or written files in watched folders since notices were read.
    changed: bool,
    /// Bytes of notices that came before the last scan and are still to be read.
    behind_bytes: u64,
    signals: Signals,
    lanes: Arc<Lanes>,
}

impl Poller {
    /// `watch` false: no inotify, the caller polls.
    pub fn new(watch: bool) -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = match watch.then(|| inotify::init(flags)) {
            None => None,
            Some(Ok(fd)) => Some(fd),
            Some(Err(error)) => {
                log::warn!(
                    "inotify is not available ({error}); folders are polled instead, every poll_ms"
                );
                None
            }
        };
        let lanes = Lanes {
            fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            woken: AtomicBool::new(false),
        };
        Ok(Self {
            inotify,
            changed: false,
            behind_bytes: 0,
            signals: Signals::register()?,
            lanes: Arc::new(lanes),
        })
    }

    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.lanes))
    }

    /// Watches a folder; gives the number that its hints carry. `None`: it must be polled.
    pub fn watch(&self, path: &Path) -> Option<i32> {
        let inotify = self.inotify.as_ref()?;
        self.add(inotify, path, path)
    }

    fn add(&self, inotify: &OwnedFd, path: &Path, shown: &Path) -> Option<i32> {
        let flags = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::ONLYDIR;
        match inotify::add_watch(inotify, path, flags) {
            Ok(watch) => Some(watch),
            Err(error) => {
                log::warn!(
                    "{} cannot be watched ({error}): it is polled instead",
                    shown.display()
                );
                None
            }
        }
    }

    /// The same of a folder that is open: whatever lies under its path now.
    pub fn watch_open(&self, folder: BorrowedFd<'_>, path: &Path) -> Option<i32> {
        let inotify = self.inotify.as_ref()?;
        let itself = format!("/proc/self/fd/{}", folder.as_raw_fd());
        self.add(inotify, Path::new(&itself), path)
    }

    pub fn unwatch(&self, watch: i32) {
        if let Some(inotify) = &self.inotify {
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// Something in a watched folder was changed by ourselves.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    /// Reads notices that have come already, after a scan has found names. What the scan found may be younger
    /// than a file that it missed, since a file that is created during a scan may be left out; but the notice
    /// of the older file came first.
    pub fn catch_up(&mut self) -> Wake {
        let mut wake = Wake::default();
        // What is owed already is not made more by each scan: else a flood of files would hold up all others.
        if let Some(inotify) = self.inotify.as_ref().filter(|_| self.behind_bytes == 0) {
            self.behind_bytes = rustix::io::ioctl_fionread(inotify).unwrap_or(0);
        }
        if self.behind_bytes > 0 {
            self.read_hints(&mut wake);
        }
        wake
    }

    /// Whether notices from before the last scan are still to be read.
    pub fn is_behind(&self) -> bool {
        self.behind_bytes > 0
    }

    /// Sleeps until something happens, at most for so long; `None`: without bound.
    /// `others` are waited for too, each for what goes with it.
    pub fn wait(
        &mut self,
        timeout_ms: Option<u64>,
        others: &[(BorrowedFd<'_>, PollFlags)],
    ) -> io::Result<Wake> {
        let mut wake = Wake::default();
        // What is noticed of our own changes would only end the sleep.
        if std::mem::take(&mut self.changed) {
            self.read_hints(&mut wake);
        }
        let is_awake = wake.overflow || !wake.hints.is_empty();
        let timeout_ms = if is_awake { Some(0) } else { timeout_ms };
        let mut fds = vec![
            PollFd::new(&self.signals.wake, PollFlags::IN),
            PollFd::new(&self.lanes.fd, PollFlags::IN),
        ];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify, PollFlags::IN));
        }
        let ours = fds.len();
        fds.extend(others.iter().map(|(fd, what)| PollFd::new(fd, *what)));
        let timeout = timeout_ms.map(|ms| Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: (ms % 1000 * 1_000_000) as i64,
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[0] {
            drain(&self.signals.wake);
            wake.stop = self.signals.stop.swap(false, Ordering::Relaxed);
            wake.reload = self.signals.reload.swap(false, Ordering::Relaxed);
        }
        if ready[1] {
            drain(&self.lanes.fd);
            // Results of whoever wakes in between were handed over before, and are looked at.
            self.lanes.woken.store(false, Ordering::SeqCst);
            wake.lanes = true;
        }
        wake.ready = ready[ours..].to_vec();
        match ours > 2 && ready[2] {
            true => self.read_hints(&mut wake),
            false => self.behind_bytes = 0,
        }
        Ok(wake)
    }

    fn read_hints(&mut self, wake: &mut Wake) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        let (mut bytes, mut count) = (0, 0);
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_bytes());
            bytes += HEADER_BYTES + name.map_or(0, <[u8]>::len);
            count += 1;
            self.behind_bytes = self.behind_bytes.saturating_sub(notice_bytes(name));
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                wake.overflow = true;
            } else if let Some(name) = name {
                let name = names::text(name);
                let renamed = event.events().contains(inotify::ReadFlags::MOVED_TO);
                if !is_of_ours(&name, renamed) {
                    wake.hints.push(Hint {
                        watch: event.wd(),
                        name: name.into_owned(),
                    });
                }
            }
            if reader.is_buffer_empty() {
                // What is left wakes the next turn at once. A buffer with room was all there is.
                let is_full = std::mem::take(&mut bytes) + HEADER_BYTES + NAME_BYTES > BUFFER_BYTES;
                if !is_full {
                    self.behind_bytes = 0;
                    break;
                }
                if count >= limits::TURN_HINTS_MAX {
                    break;
                }
            }
        }
    }
}

/// What a notice takes: a header, and the name with a NUL, padded to a multiple of the header's size (inotify(7)).
fn notice_bytes(name: Option<&[u8]>) -> u64 {
    const HEADER_BYTES: usize = 16;
    let name_bytes = name.map_or(0, |name| (name.len() + 1).next_multiple_of(HEADER_BYTES));
    (HEADER_BYTES + name_bytes) as u64
}

fn drain(fd: impl AsFd) {
    let mut buffer = [0; 64];
    while rustix::io::read(&fd, &mut buffer).is_ok_and(|read| read == buffer.len()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::files::{Folder, Links, Take};
    use std::time::{Duration, Instant};

    #[test]
    fn after_a_scan_all_notices_that_had_come_are_read_however_many_and_none_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut poller = Poller::new(true).unwrap();
        poller.watch(dir.path()).unwrap();
        let count = 2 * limits::TURN_HINTS_MAX + 10;
        for n in 0..count {
            let name = format!("{}{n}", "a".repeat(n % 40));
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let mut found = poller.catch_up().hints.len();
        assert!(poller.is_behind() && found < count);
        // Of what comes later, nothing is owed.
        std::fs::write(dir.path().join("later"), b"").unwrap();
        while poller.is_behind() {
            found += poller.wait(Some(0), &[]).unwrap().hints.len();
            assert!(found <= count + 1);
        }
        assert!(found >= count, "{found} of {count}");
        poller.wait(Some(0), &[]).unwrap();
        assert!(poller.catch_up().hints.is_empty() && !poller.is_behind());
    }

    #[test]
    fn our_own_renames_and_responses_do_not_wake_the_loop_and_what_a_game_writes_does() {
        let dir = tempfile::tempdir().unwrap();
        let calls = dir.path().join("a_vpi_1_2_output.interface");
        std::fs::write(&calls, b"{}\0").unwrap();
        let folder = Folder::open(dir.path(), Links::Followed).unwrap();
        let mut poller = Poller::new(true).unwrap();
        poller.watch(dir.path()).unwrap();
        let claimed = names::taken("a_vpi_1_2_output.interface", 6);
        let take = folder.take("a_vpi_1_2_output.interface", &claimed, 100);
        assert!(matches!(take, Ok(Take::Taken { .. })));
        folder.replace(&names::input("a"), b"{}").unwrap();
        poller.changed();
        let began = Instant::now();
        let wake = poller.wait(Some(30), &[]).unwrap();
        assert!(wake.hints.is_empty() && !wake.overflow);
        assert!(began.elapsed() >= Duration::from_millis(30), "it was woken");

        folder.replace(&names::input("a"), b"{}").unwrap();
        std::fs::write(dir.path().join(names::input("a")), b"\0").unwrap();
        std::fs::write(&calls, b"{}\0").unwrap();
        poller.changed();
        let began = Instant::now();
        let wake = poller.wait(Some(60_000), &[]).unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "it slept");
        let names: Vec<&str> = wake.hints.iter().map(|hint| &*hint.name).collect();
        assert_eq!(names, [&*names::input("a"), "a_vpi_1_2_output.interface"]);
    }
}
