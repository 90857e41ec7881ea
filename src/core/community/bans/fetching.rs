//! When the list of a bundle is fetched: every minute, and soon after a change that the one under way may not have.

use crate::core::Now;
use crate::limits;
use crate::protocol::uuid::Uuid;

/// The list of a bundle, and when it was requested, on the daemon's clock.
#[derive(Clone, Copy)]
pub struct Asked {
    pub bundle: Uuid,
    pub at_ms: u64,
}

/// Of one list; the first fetch is due at once.
#[derive(Default)]
pub struct Fetching {
    /// When the next fetch is due, on the daemon's clock.
    due_ms: u64,
    is_under_way: bool,
    /// The list under way may be older than a change.
    refresh_soon: bool,
    /// The next one has to have all changes until then.
    newest: bool,
    /// The last list that came was empty, and the one before was not.
    doubted: bool,
}

impl Fetching {
    /// Something has changed: the list is fetched then at the latest.
    pub fn refresh_at(&mut self, due_ms: u64) {
        self.refresh_soon |= self.is_under_way;
        self.due_ms = self.due_ms.min(due_ms);
    }

    /// An order depends on what others have changed until now.
    pub fn refresh_newest(&mut self, now: Now) {
        self.newest = true;
        self.refresh_at(now.mono_ms);
    }

    /// Gives, where the list is due, whether it has to have all changes until now. It is under way then.
    pub fn begin(&mut self, now: Now) -> Option<bool> {
        let begins = !self.is_under_way && self.due_ms <= now.mono_ms;
        self.is_under_way |= begins;
        begins.then(|| std::mem::take(&mut self.newest))
    }

    /// What was requested at this moment has its reply.
    pub fn ended(&mut self, asked_ms: u64, now: Now) {
        self.is_under_way = false;
        self.due_ms = match std::mem::take(&mut self.refresh_soon) {
            true => now.mono_ms + limits::VYHUB_SOON_MS,
            false => asked_ms + limits::VYHUB_ROUND_MS,
        };
    }

    /// The next fetch is due then, and not before.
    pub fn again_at(&mut self, due_ms: u64) {
        self.due_ms = due_ms;
    }

    /// Whether a list that has come counts. One that `lifts_all` bans does when it comes twice.
    pub fn believes(&mut self, lifts_all: bool, now: Now) -> bool {
        let counts = !lifts_all || self.doubted;
        self.doubted = !counts;
        if !counts {
            self.due_ms = now.mono_ms + limits::VYHUB_SOON_MS;
        }
        counts
    }

    pub fn next_due(&self) -> Option<u64> {
        (!self.is_under_way).then_some(self.due_ms)
    }
}
