//! How much memory a script and what it has started really use.
//!
//! A process is bounded by its own limit (`vpid_process.py`), which knows nothing of memory that
//! is shared, nor of the other processes of the script. So vpid measures it now and then: in a thread of
//! its own, since the kernel may need long for a large process.

use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::limits::{
    SCRIPT_MEMORY_SLACK_BYTES, SCRIPT_PROCESSES_SEEN_MAX, SCRIPT_THREADS_SEEN_MAX,
};

/// A process to measure: a number of the caller's, its own, and how many bytes it may use.
pub type Bounded = (u64, u32, u64);

/// The thread that measures. It ends with this.
pub struct Watch {
    requested: SyncSender<Vec<Bounded>>,
    found: Receiver<Vec<(u64, u64)>>,
    is_measuring: bool,
}

impl Watch {
    pub fn start() -> io::Result<Self> {
        let (requested, requests) = sync_channel::<Vec<Bounded>>(1);
        let (finds, found) = sync_channel(1);
        let look = move || {
            while let Ok(processes) = requests.recv() {
                let processes = processes.into_iter();
                let found = processes
                    .filter_map(|(number, pid, bytes)| Some((number, beyond(pid, bytes)?)))
                    .collect();
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

    /// The numbers of those that used more than they may at the last measurement, and how many
    /// bytes; begins the next measurement, of these. Does not wait.
    pub fn look(&mut self, next: impl FnOnce() -> Vec<Bounded>) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        if self.is_measuring {
            match self.found.try_recv() {
                Ok(beyond) => found = beyond,
                Err(_) => return found,
            }
        }
        self.is_measuring = self.requested.try_send(next()).is_ok();
        found
    }
}

/// What a process uses with those that it started, where that is beyond its bound; none also where the system
/// does not say.
fn beyond(pid: u32, bound_bytes: u64) -> Option<u64> {
    let most = bound_bytes.saturating_add(SCRIPT_MEMORY_SLACK_BYTES);
    let pids = with_children(pid);
    let used = sum(&pids, quick);
    if used <= most || pids.len() == 1 {
        return (used > most).then_some(used);
    }
    // What a process has from the one that forked it counts for both so far.
    let used = sum(&pids, exact);
    (used > most).then_some(used)
}

fn sum(pids: &[u32], of: impl Fn(u32) -> Option<u64>) -> u64 {
    pids.iter().filter_map(|pid| of(*pid)).sum()
}

/// The process, and those that it and its children have started, as far as that goes back to it.
fn with_children(pid: u32) -> Vec<u32> {
    let mut pids = vec![pid];
    let mut at = 0;
    while let Some(pid) = pids.get(at).copied() {
        at += 1;
        // Each thread has its own children.
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for thread in threads.flatten().take(SCRIPT_THREADS_SEEN_MAX) {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            pids.extend(
                children
                    .split_whitespace()
                    .filter_map(|it| it.parse::<u32>().ok()),
            );
            if pids.len() >= SCRIPT_PROCESSES_SEEN_MAX {
                pids.truncate(SCRIPT_PROCESSES_SEEN_MAX);
                return pids;
            }
        }
    }
    pids
}

/// What is its own or shared memory, without files that are only read: that can be had at any
/// time, but counts fully for each process.
fn quick(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(kib(&text, &["RssAnon:", "RssShmem:", "VmSwap:"]) << 10)
}

/// The same, where what several have together counts once. It takes the kernel longer.
fn exact(pid: u32) -> Option<u64> {
    let read = || {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
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
        assert_eq!(beyond(me, u64::MAX), None);
        assert_eq!(beyond(u32::MAX, 0), None);
    }
}
