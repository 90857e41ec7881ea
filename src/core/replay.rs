//! The replay guard: an identity is good for one file, once.
//!
//! The guard holds the latest identities in memory; the daemon writes each down before the calls
//! beside it run, so that it knows them after `kill -9` too. How far back it must reach is
//! bounded by the comparison of times in `sessions`.

use std::collections::{HashMap, VecDeque};

use super::FileId;
use crate::limits;

/// Stands for the file of an identity when that file is finished: no file has this number.
pub const FINISHED: FileId = 0;

/// What the guard says of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// The same file as before: taken by an earlier run that did not finish it.
    Known,
    Replay,
}

#[derive(Default)]
pub struct ReplayGuard {
    files: HashMap<u64, FileId>,
    order: VecDeque<u64>,
}

impl ReplayGuard {
    /// Judges an identity that stands in `file`, and remembers it.
    pub fn judge(&mut self, identity: u64, file: FileId, recovered: bool) -> Verdict {
        match self.files.get(&identity) {
            Some(known) if *known == file && recovered && file != FINISHED => Verdict::Known,
            Some(_) => Verdict::Replay,
            None => {
                self.remember(identity, file);
                Verdict::New
            }
        }
    }

    /// The number that was remembered with a fingerprint.
    pub fn recall(&self, identity: u64) -> Option<u64> {
        self.files.get(&identity).copied()
    }

    pub fn remember(&mut self, identity: u64, file: FileId) {
        if self.files.insert(identity, file).is_some() {
            return;
        }
        self.order.push_back(identity);
        if self.order.len() > limits::IDENTITIES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_good_once_and_for_the_recovery_of_its_own_file() {
        let mut guard = ReplayGuard::default();
        assert_eq!(guard.judge(1, 10, false), Verdict::New);
        assert_eq!(guard.judge(1, 11, false), Verdict::Replay);
        assert_eq!(guard.judge(1, 11, true), Verdict::Replay);
        assert_eq!(guard.judge(1, 10, true), Verdict::Known);
        assert_eq!(guard.judge(1, 10, false), Verdict::Replay);
        guard.remember(1, FINISHED);
        assert_eq!(guard.judge(1, 10, true), Verdict::Replay);
        assert_eq!(guard.judge(1, FINISHED, true), Verdict::Replay);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut guard = ReplayGuard::default();
        let count = limits::IDENTITIES_MAX as u64 + 10;
        for identity in 0..count {
            guard.judge(identity, identity, false);
        }
        assert_eq!(guard.files.len(), limits::IDENTITIES_MAX);
        assert_eq!(guard.judge(count - 1, 0, false), Verdict::Replay);
        assert_eq!(guard.judge(0, 0, false), Verdict::New);
    }
}
