//! What the core's turns cost, where it is measured: `benches/community.rs` does.

use std::time::Duration;

#[derive(Default)]
pub struct Costs {
    pub turns: u64,
    pub all: Duration,
    /// The longest turn, and the kind of its event.
    pub longest: Duration,
    pub longest_kind: &'static str,
}

impl Costs {
    pub fn add(&mut self, kind: &'static str, took: Duration) {
        self.turns += 1;
        self.all += took;
        if took > self.longest {
            (self.longest, self.longest_kind) = (took, kind);
        }
    }
}
