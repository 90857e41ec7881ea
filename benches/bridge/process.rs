//! What the kernel says: of a process its processor time, its memory, how often it woke up; of
//! a folder its file system.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// A count of each thread of a process, by its id.
#[derive(Debug, Clone, Default)]
pub struct PerThread(BTreeMap<OsString, u64>);

impl PerThread {
    fn of(pid: u32, read: impl Fn(&Path) -> io::Result<u64>) -> io::Result<Self> {
        let mut counts = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            counts.insert(task.file_name(), read(&task.path())?);
        }
        Ok(Self(counts))
    }

    /// How much was added. What a thread did that has ended since is not known.
    pub fn since(&self, before: &Self) -> u64 {
        let added = |(id, now): (&OsString, &u64)| {
            now.saturating_sub(before.0.get(id).copied().unwrap_or(0))
        };
        self.0.iter().map(added).sum()
    }
}

/// Processor time, in nanoseconds.
pub fn cpu_ns(pid: u32) -> io::Result<PerThread> {
    PerThread::of(pid, |task| {
        let text = fs::read_to_string(task.join("schedstat"))?;
        let ns = text.split_whitespace().next();
        ns.and_then(|ns| ns.parse().ok())
            .ok_or_else(|| io::Error::other("schedstat is not readable"))
    })
}

/// User and system time in clock ticks (usually 10 ms), as `ps` and `top` count it.
pub fn cpu_ticks(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold blanks; utime and stime are the 12th and 13th
    // field behind it.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    Ok(fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum())
}

/// How often the threads of a process went to sleep and so were woken.
pub fn wakeups(pid: u32) -> io::Result<PerThread> {
    PerThread::of(pid, |task| {
        let text = fs::read_to_string(task.join("status"))?;
        Ok(field(&text, "voluntary_ctxt_switches:"))
    })
}

/// Memory now and at its highest, in KiB.
pub fn memory_kib(pid: u32) -> io::Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok((field(&text, "VmRSS:"), field(&text, "VmHWM:")))
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The file system of a folder, by name or number.
pub fn file_system(folder: &Path) -> io::Result<String> {
    // The width of f_type differs between machines; magic numbers have 32 bits.
    let magic = rustix::fs::statfs(folder)?.f_type as u32;
    Ok(match magic {
        0x0102_1994 => "tmpfs".to_string(),
        0xef53 => "ext4".to_string(),
        0x5846_5342 => "xfs".to_string(),
        0x9123_683e => "btrfs".to_string(),
        0x794c_7630 => "overlayfs".to_string(),
        0x2fc1_2fc1 => "zfs".to_string(),
        _ => format!("file system {magic:#x}"),
    })
}
