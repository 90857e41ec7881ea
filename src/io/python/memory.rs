//! How much memory a script and what it has started really use.
//!
//! A process is bounded by its own limit (`vpid_process.py`), which knows nothing of memory that
//! is shared, nor of the other processes of the script. So vpid measures it now and then: in a thread of
//! its own, since the kernel may need long for a large process.

use std::fs;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::limits::{
    SCRIPT_MEMORY_SLACK_BYTES, SCRIPT_PROCESSES_SEEN_MAX, SCRIPT_THREADS_SEEN_MAX,
};

/// Processes to measure: a number of the caller's, that of the first process, and how many bytes it and all that
/// descend from it may use.
pub type Bounded = (u64, u32, u64);

/// The thread that measures. It ends with this.
pub struct Watch {
    requested: SyncSender<Vec<Bounded>>,
    found: Receiver<Found>,
    is_measuring: bool,
}

/// What a measurement has found.
#[derive(Debug, Default)]
pub struct Found {
    /// The numbers of those that used more than they may, and how many bytes.
    pub beyond: Vec<(u64, u64)>,
    /// Bytes that all together used; what several share may count for each.
    pub used: u64,
}

impl Watch {
    pub fn start() -> io::Result<Self> {
        let (requested, requests) = sync_channel::<Vec<Bounded>>(1);
        let (finds, found) = sync_channel(1);
        let look = move || {
            while let Ok(processes) = requests.recv() {
                let mut found = Found::default();
                for (number, pid, bytes) in processes {
                    let (used, beyond) = measure(pid, bytes);
                    found.used += used;
                    found.beyond.extend(beyond.map(|used| (number, used)));
                }
                if finds.send(found).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("vpid-script-memory".into())
            .spawn(look)?;
        Ok(Self {
            requested,
            found,
            is_measuring: false,
        })
    }

    /// What the last measurement has found, where it has ended since the last look; begins the next one, of these.
    /// Does not wait.
    pub fn look(&mut self, next: impl FnOnce() -> Vec<Bounded>) -> Option<Found> {
        let mut found = None;
        if self.is_measuring {
            found = Some(self.found.try_recv().ok()?);
        }
        self.is_measuring = self.requested.try_send(next()).is_ok();
        found
    }
}

/// Bytes that a process uses with those that it started, and the same again where that is beyond its bound: none also
/// where the system does not say.
fn measure(pid: u32, bound_bytes: u64) -> (u64, Option<u64>) {
    let most = bound_bytes.saturating_add(SCRIPT_MEMORY_SLACK_BYTES);
    let mut used = 0;
    let pids = walk(pid, |pid| {
        let status = read(&format!("/proc/{pid}/status")).unwrap_or_default();
        used += quick_of(&status);
        status.contains("\nThreads:\t1\n")
    });
    if used <= most {
        return (used, None);
    }
    // What a process has from the one that forked it, as every script has from its interpreter, counts for both so far.
    let exactly: u64 = pids.iter().filter_map(|pid| exact(*pid)).sum();
    (used, (exactly > most).then_some(exactly))
}

/// The process, and those that it and its children have started, as far as that goes back to it.
pub fn with_children(pid: u32) -> Vec<u32> {
    walk(pid, |_| false)
}

/// The same. `visit` gets each of them, and gives whether it is known to have one thread only.
fn walk(pid: u32, mut visit: impl FnMut(u32) -> bool) -> Vec<u32> {
    let mut pids = vec![pid];
    let mut at = 0;
    while let Some(pid) = pids.get(at).copied() {
        at += 1;
        // Each thread has its own children.
        let folder = format!("/proc/{pid}/task");
        let threads: Vec<String> = match visit(pid) {
            true => vec![pid.to_string()],
            false => {
                let threads = fs::read_dir(&folder).into_iter().flatten().flatten();
                let names = threads.filter_map(|thread| thread.file_name().into_string().ok());
                names.take(SCRIPT_THREADS_SEEN_MAX).collect()
            }
        };
        for thread in threads {
            let children = read(&format!("{folder}/{thread}/children")).unwrap_or_default();
            let children = children.split_whitespace();
            pids.extend(children.filter_map(|it| it.parse::<u32>().ok()));
            if pids.len() >= SCRIPT_PROCESSES_SEEN_MAX {
                pids.truncate(SCRIPT_PROCESSES_SEEN_MAX);
                return pids;
            }
        }
    }
    pids
}

/// What the system says in one of its small files, with as few system calls as that takes: there are many of them.
fn read(path: &str) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let (mut text, mut part) = (Vec::new(), [0; 8192]);
    loop {
        let count = file.read(&mut part).ok()?;
        text.extend_from_slice(&part[..count]);
        // The kernel fills a page before it ends a part.
        if count < 2048 || text.len() > FILE_BYTES_MAX {
            // A script can give its processes names of any bytes.
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

/// More than all children have that are looked at.
const FILE_BYTES_MAX: usize = 64 << 10;

/// What is its own or shared memory, without files that are only read: that can be had at any
/// time, but counts fully for each process.
fn quick(pid: u32) -> Option<u64> {
    Some(quick_of(&read(&format!("/proc/{pid}/status"))?))
}

fn quick_of(status: &str) -> u64 {
    kib(status, &["RssAnon:", "RssShmem:", "VmSwap:"]) << 10
}

/// The same, where what several have together counts once. It takes the kernel longer.
fn exact(pid: u32) -> Option<u64> {
    let read = || {
        let text = read(&format!("/proc/{pid}/smaps_rollup"))?;
        text.contains("Pss_Anon:")
            .then(|| kib(&text, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]) << 10)
    };
    read().or_else(|| quick(pid))
}

fn kib(text: &str, fields: &[&str]) -> u64 {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let counts = fields.contains(&name);
        counts.then(|| value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())?
    });
    lines.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_summed() {
        let text = "Name:\tRssAnon:\nVmRSS:\t    900 kB\nRssAnon:\t     100 kB\nVmSwap:\t 20 kB\n";
        assert_eq!(kib(text, &["RssAnon:", "RssShmem:", "VmSwap:"]), 120);
        assert_eq!(kib("", &["RssAnon:"]), 0);
    }

    #[test]
    fn this_process_uses_something_and_one_that_is_gone_nothing() {
        let me = std::process::id();
        assert!(quick(me).unwrap() > 0 && exact(me).unwrap() > 0);
        let (used, beyond) = measure(me, u64::MAX);
        assert!(used > 0 && beyond.is_none());
        assert_eq!(measure(u32::MAX, 0), (0, None));
    }
}
