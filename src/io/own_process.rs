//! What this process takes of the machine.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// The memory that is in use, where the system says it.
pub fn resident_bytes() -> Option<u64> {
    resident_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The memory in `/proc/PID/status` of a process, in bytes.
pub fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// Seconds of processors since the start.
pub fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_those_of_this_process() {
        assert_eq!(
            resident_of("Name:\tx\nVmRSS:\t    8124 kB\n"),
            Some(8_318_976)
        );
        assert_eq!(resident_of("Name:\tx\n"), None);
        assert!(resident_bytes() > Some(100_000));
        assert!(cpu_s() > 0.0);
    }
}
