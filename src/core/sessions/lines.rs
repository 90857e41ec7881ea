//! Lines in the log about things that whoever writes files can make up: some of them, and then how
//! many more there were.

use crate::core::Now;
use crate::limits;

#[derive(Default)]
pub struct Lines {
    since_ms: u64,
    written: u32,
    left_out: u32,
}

impl Lines {
    /// Whether one more line may be written.
    pub fn may(&mut self, now: Now) -> bool {
        if now.mono_ms >= self.since_ms + limits::HOST_LINES_MS {
            if self.left_out > 0 {
                log::warn!(
                    "{} more lines about new hosts and maps were left out of the log: somebody \
                     may be making hosts up",
                    self.left_out
                );
            }
            *self = Self {
                since_ms: now.mono_ms,
                ..Self::default()
            };
        }
        let may = self.written < limits::HOST_LINES_MAX;
        self.written += u32::from(may);
        self.left_out += u32::from(!may);
        may
    }
}
