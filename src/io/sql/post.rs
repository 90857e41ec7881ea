//! Which call a worker is at, for the watchdog. The worker notes it at each
//! call and takes no lock to do so.

use super::tries::Tries;
use crate::jobs::CallId;
use crate::limits::SQL_SUSPECT_MS;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

#[derive(Debug, Default)]
pub(super) struct Post {
    /// Another number for each call; odd while one runs.
    number: AtomicU64,
    /// The call that runs, or ran last.
    file: AtomicU64,
    index: AtomicU32,
}

/// A call that runs, one time that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    number: u64,
    pub id: CallId,
}

impl Running {
    /// The so-and-so-many-th call of a worker.
    #[cfg(feature = "mysql")]
    pub(super) fn new(number: u64, id: CallId) -> Self {
        Self { number, id }
    }
}

impl Post {
    pub(super) fn begin(&self, id: CallId) {
        self.file.store(id.number(), Relaxed);
        self.index.store(id.index, Relaxed);
        let number = self.number.load(Relaxed);
        self.number.store(number.wrapping_add(1) | 1, SeqCst);
    }

    pub(super) fn end(&self) {
        let number = self.number.load(Relaxed);
        self.number.store(number.wrapping_add(1) & !1, SeqCst);
    }

    /// The call that runs now.
    pub(super) fn running(&self) -> Option<Running> {
        let number = self.number.load(SeqCst);
        let id = CallId::of_number(self.file.load(Relaxed), self.index.load(Relaxed));
        let is_whole = number % 2 == 1 && self.number.load(SeqCst) == number;
        is_whole.then_some(Running { number, id })
    }
}

/// Notes calls that run long, for one thread.
#[derive(Debug, Default)]
pub(super) struct Suspect {
    /// The call that ran at the last look, and since when.
    seen: Option<(Running, u64)>,
    noted: Option<Running>,
}

impl Suspect {
    /// Looks at what runs, and notes what has run since an earlier look that was long ago.
    pub(super) fn look(&mut self, running: Option<Running>, now_ms: u64, tries: &Tries) {
        if let Some(noted) = self.noted.take_if(|noted| Some(*noted) != running) {
            tries.ended(noted.id);
        }
        self.seen.take_if(|(seen, _)| Some(*seen) != running);
        self.seen = self.seen.or(running.map(|running| (running, now_ms)));
        let due =
            |(_, since_ms): &(Running, u64)| now_ms >= since_ms.saturating_add(SQL_SUSPECT_MS);
        if let Some((seen, _)) = self.seen.filter(due)
            && self.noted.is_none()
        {
            self.noted = Some(seen);
            tries.begun(seen.id);
        }
    }

    /// Whether a call runs long.
    pub(super) fn has_noted(&self) -> bool {
        self.noted.is_some()
    }

    /// The call that was seen was answered, and its thread given up.
    pub(super) fn forget(&mut self, tries: &Tries) {
        if let Some((seen, _)) = self.seen.take() {
            tries.ended(seen.id);
        }
        self.noted = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tries;
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_call_is_seen_while_it_runs_and_each_time_is_another() {
        let post = Post::default();
        assert_eq!(post.running(), None);
        let id = CallId::of_number(7, 3);
        post.begin(id);
        let first = post.running().unwrap();
        assert_eq!(first.id, id);
        post.end();
        assert_eq!(post.running(), None);
        post.begin(id);
        assert_ne!(post.running().unwrap(), first);
    }

    #[test]
    fn only_a_call_that_runs_long_is_noted_and_no_more_when_it_has_ended() {
        let state = tempfile::tempdir().unwrap();
        let (tries, _) = Tries::open(state.path()).unwrap();
        let (post, mut suspect) = (Post::default(), Suspect::default());
        let ids = [0, 1].map(|index| CallId::of_number(7, index));
        suspect.look(post.running(), 0, &tries);
        post.begin(ids[0]);
        suspect.look(post.running(), 1_000, &tries);
        post.end();
        post.begin(ids[1]);
        let later = 1_000 + SQL_SUSPECT_MS;
        suspect.look(post.running(), later, &tries);
        let later = later + SQL_SUSPECT_MS;
        suspect.look(post.running(), later - 1, &tries);
        assert!(tries::noted(state.path()).is_empty());
        suspect.look(post.running(), later, &tries);
        assert_eq!(tries::noted(state.path()), HashMap::from([(ids[1], 1)]));
        suspect.look(post.running(), later, &tries);
        assert_eq!(tries::noted(state.path()), HashMap::from([(ids[1], 1)]));
        post.end();
        suspect.look(post.running(), later, &tries);
        assert!(tries::noted(state.path()).is_empty() && !suspect.has_noted());
    }
}
