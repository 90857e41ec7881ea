//! When changes may be sent, and how many at once.
//!
//! While sending is in trouble, one change at a time is tried, each later than the one before. After
//! that, what waited goes out in a steady stream and not all at once.

use crate::limits;

#[derive(Debug, Default)]
pub struct Gate {
    /// Troubles in a row.
    failures: u32,
    /// Not before this, on the daemon's clock.
    open_ms: u64,
    /// Of that, what VyHub has asked for.
    asked_ms: u64,
    busy: usize,
    /// For the jitter.
    drawn: u64,
}

impl Gate {
    /// `seed`: another one for each vpid, so that they do not come back in step.
    pub fn new(seed: u64) -> Self {
        Self {
            drawn: seed,
            ..Self::default()
        }
    }

    pub fn is_open(&self, now_ms: u64) -> bool {
        let room = match self.failures {
            0 => limits::OUTBOX_BUSY_MAX,
            _ => 1,
        };
        self.busy < room && self.open_ms <= now_ms
    }

    /// When it may be open; `None`: not before something under way has ended.
    pub fn open_ms(&self) -> Option<u64> {
        let full = self.busy >= limits::OUTBOX_BUSY_MAX || (self.failures > 0 && self.busy > 0);
        (!full).then_some(self.open_ms)
    }

    pub fn pass(&mut self, now_ms: u64) {
        self.busy += 1;
        self.open_ms = self.open_ms.max(now_ms + limits::OUTBOX_GAP_MS);
    }

    /// What passed has come back. VyHub has answered it, whatever it said.
    pub fn answered(&mut self) {
        self.busy -= 1;
        self.failures = 0;
    }

    /// What passed met trouble on the way.
    pub fn trouble(&mut self, after_s: u64, now_ms: u64) {
        self.busy -= 1;
        let pause_ms = self.back_off_ms(self.failures, limits::OUTBOX_RETRY_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        self.asked_ms = self.asked_ms.max(now_ms + after_s * 1_000);
        self.open_ms = self.open_ms.max(now_ms + pause_ms).max(self.asked_ms);
    }

    /// What passed was refused, as everything would be until somebody has done something.
    pub fn refused(&mut self, now_ms: u64) {
        self.busy -= 1;
        self.failures = self.failures.saturating_add(1);
        self.open_ms = self.open_ms.max(now_ms + limits::OUTBOX_HELD_MS);
    }

    /// An operator does not want to wait any longer; but not sooner than VyHub asks for.
    pub fn insist(&mut self, now_ms: u64) {
        self.open_ms = self.open_ms.min(now_ms.max(self.asked_ms));
    }

    /// VyHub is there, somebody else has found; but not sooner than it asks for.
    pub fn encourage(&mut self, now_ms: u64) {
        let soon_ms = (now_ms + limits::OUTBOX_RETRY_MS_MIN).max(self.asked_ms);
        if self.failures > 0 {
            self.open_ms = self.open_ms.min(soon_ms);
        }
    }

    /// Doubles with each failure, give or take a quarter.
    pub fn back_off_ms(&mut self, failures: u32, max_ms: u64) -> u64 {
        let doubled = limits::OUTBOX_RETRY_MS_MIN.saturating_mul(1 << failures.min(20));
        let pause_ms = doubled.min(max_ms);
        // The generator of Knuth's MMIX: any spread will do.
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let spread = pause_ms / 2;
        pause_ms - spread / 2 + (self.drawn >> 33) % (spread + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_slows_down_and_an_answer_frees_the_way() {
        let mut gate = Gate::new(1);
        let mut now_ms = 0;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert!(gate.is_open(now_ms));
            gate.pass(now_ms);
            gate.trouble(0, now_ms);
            assert!(!gate.is_open(now_ms));
            pauses.push(gate.open_ms().unwrap() - now_ms);
            now_ms = gate.open_ms().unwrap();
        }
        assert!(pauses[0] < limits::OUTBOX_RETRY_MS_MIN * 2);
        assert!(pauses[11] > limits::OUTBOX_RETRY_MS_MAX / 2);
        assert!(
            pauses
                .iter()
                .all(|ms| *ms <= limits::OUTBOX_RETRY_MS_MAX * 5 / 4)
        );
        // One at a time as long as there is trouble.
        gate.pass(now_ms);
        assert!(!gate.is_open(now_ms + 1_000_000));
        gate.answered();
        now_ms += limits::OUTBOX_GAP_MS;
        gate.pass(now_ms);
        assert!(gate.is_open(now_ms + limits::OUTBOX_GAP_MS));
    }

    #[test]
    fn what_the_api_asks_for_is_kept() {
        let mut gate = Gate::new(2);
        gate.pass(0);
        gate.trouble(900, 0);
        assert_eq!(gate.open_ms(), Some(900_000));
        assert!(!gate.is_open(899_999));
    }

    #[test]
    fn an_operator_opens_it_but_not_sooner_than_the_api_asks_for() {
        let mut gate = Gate::new(4);
        for _ in 0..10 {
            gate.pass(0);
            gate.trouble(0, 0);
        }
        gate.pass(0);
        gate.refused(0);
        assert!(!gate.is_open(1_000));
        gate.insist(1_000);
        assert!(gate.is_open(1_000));
        gate.pass(1_000);
        gate.trouble(900, 1_000);
        gate.insist(1_000);
        assert_eq!(gate.open_ms(), Some(901_000));
    }

    #[test]
    fn good_news_open_it_and_not_before_the_api_wants() {
        let mut gate = Gate::new(4);
        gate.pass(0);
        gate.refused(0);
        gate.encourage(1_000);
        assert_eq!(gate.open_ms(), Some(1_000 + limits::OUTBOX_RETRY_MS_MIN));
        gate.pass(10_000);
        gate.trouble(120, 10_000);
        gate.encourage(11_000);
        assert_eq!(gate.open_ms(), Some(130_000));
    }

    #[test]
    fn a_recovery_is_no_flood() {
        let mut gate = Gate::new(3);
        let mut passed = 0;
        for now_ms in 0..10_000 {
            if gate.is_open(now_ms) {
                gate.pass(now_ms);
                gate.answered();
                passed += 1;
            }
        }
        assert!(passed <= 10_000 / limits::OUTBOX_GAP_MS + 1, "{passed}");
    }
}
