//! Random choices from a seed, so that what failed can be played again.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and good enough to choose what goes wrong next.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in `VPID_SEED`, else one from the clock.
    pub fn seed() -> u64 {
        if let Ok(text) = std::env::var("VPID_SEED") {
            return text.trim().parse().expect("VPID_SEED is a number");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
