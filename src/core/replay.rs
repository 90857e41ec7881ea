//! The replay guard: an identity is good for one file, once.
//!
//! The guard holds the latest identities in memory; the daemon records each before the calls
//! beside it run, so that it knows them after `kill -9` too. How far back it must reach is
//! bounded by the comparison of times in `hosts`. An identity is known wherever it is shown
//! again; but those of one server push out no other's.

use super::FileId;
use crate::jobs::remembered::Share;
use crate::limits;
use crate::protocol::fair_map::FairMap;

/// Stands for the file of an identity when that file is finished: no file has this number.
pub const FINISHED: FileId = FileId(0);

/// Whether an identity is good for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// The same file as before: claimed by an earlier run that did not finish it.
    Known,
    Replay,
}

pub struct ReplayGuard {
    files: FairMap<u64, FileId>,
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self {
            files: FairMap::new(limits::IDENTITIES_MAX),
        }
    }
}

impl ReplayGuard {
    /// Judges an identity that stands in `file`. A new one is to be remembered.
    pub fn judge(&self, identity: u64, file: FileId, recovered: bool) -> Verdict {
        match self.files.get(identity) {
            Some(known) if *known == file && recovered && file != FINISHED => Verdict::Known,
            Some(_) => Verdict::Replay,
            None => Verdict::New,
        }
    }

    /// Whose identities this one is counted with.
    pub fn share(&self, identity: u64) -> Share {
        self.files.owner(identity).unwrap_or_default() as Share
    }

    pub fn remember(&mut self, share: Share, identity: u64, file: FileId) {
        match self.files.get_mut(identity) {
            Some(known) => *known = file,
            None => self.files.put(share.into(), identity, file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ReplayGuard {
        fn judges(&self, identity: u64, file: u64, recovered: bool) -> Verdict {
            self.judge(identity, FileId(file), recovered)
        }
    }

    #[test]
    fn an_identity_is_good_once_and_for_the_recovery_of_its_own_file() {
        let mut guard = ReplayGuard::default();
        assert_eq!(guard.judges(1, 10, false), Verdict::New);
        guard.remember(0, 1, FileId(10));
        assert_eq!(guard.judges(1, 11, false), Verdict::Replay);
        assert_eq!(guard.judges(1, 11, true), Verdict::Replay);
        assert_eq!(guard.judges(1, 10, true), Verdict::Known);
        assert_eq!(guard.judges(1, 10, false), Verdict::Replay);
        guard.remember(3, 1, FINISHED);
        assert_eq!(guard.judges(1, 10, true), Verdict::Replay);
        assert_eq!(guard.judge(1, FINISHED, true), Verdict::Replay);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_of_whoever_has_most_go_first() {
        let mut guard = ReplayGuard::default();
        guard.remember(1, u64::MAX, FileId(7));
        let count = limits::IDENTITIES_MAX as u64 + 10;
        for identity in 0..count {
            guard.remember(0, identity, FileId(identity + 1));
        }
        assert_eq!(guard.files.len(), limits::IDENTITIES_MAX);
        assert_eq!(guard.judges(count - 1, 1, false), Verdict::Replay);
        assert_eq!(guard.judges(0, 1, false), Verdict::New);
        assert_eq!(guard.judges(u64::MAX, 8, false), Verdict::Replay);
    }
}
