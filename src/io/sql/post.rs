//! Which call a thread of a lane is at, for whoever keeps its time. The thread tells it at each
//! call and takes no lock to do so.

use super::tries::Tries;
use crate::limits::SQL_SUSPECT_MS;
use crate::sql::CallId;
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
    /// Looks at what runs. Gives when the next look is due, where something runs that is not
    /// noted.
    pub(super) fn look(
        &mut self,
        running: Option<Running>,
        now_ms: u64,
        tries: &Tries,
    ) -> Option<u64> {
        if let Some(noted) = self.noted.take_if(|noted| Some(*noted) != running) {
            tries.ended(noted.id);
        }
        self.seen.take_if(|(seen, _)| Some(*seen) != running);
        self.seen = self.seen.or(running.map(|running| (running, now_ms)));
        let (seen, since_ms) = self.seen?;
        let due_ms = since_ms.saturating_add(SQL_SUSPECT_MS);
        if self.noted.is_some() {
            return None;
        }
        if now_ms < due_ms {
            return Some(due_ms);
        }
        self.noted = Some(seen);
        tries.begun(seen.id);
        None
    }

    /// Whether what runs is what ran at the last look, or nothing.
    #[cfg(feature = "mysql")]
    pub(super) fn knows(&self, post: &Post) -> bool {
        let running = post.running();
        running.is_none() || running == self.seen.map(|(seen, _)| seen)
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
        assert_eq!(suspect.look(post.running(), 0, &tries), None);
        post.begin(ids[0]);
        assert_eq!(
            suspect.look(post.running(), 1_000, &tries),
            Some(1_000 + SQL_SUSPECT_MS)
        );
        post.end();
        post.begin(ids[1]);
        let later = 1_000 + SQL_SUSPECT_MS;
        assert!(suspect.look(post.running(), later, &tries).is_some());
        assert!(tries::noted(state.path()).is_empty());
        let later = later + SQL_SUSPECT_MS;
        assert_eq!(suspect.look(post.running(), later, &tries), None);
        assert_eq!(tries::noted(state.path()), HashMap::from([(ids[1], 1)]));
        assert_eq!(suspect.look(post.running(), later, &tries), None);
        post.end();
        suspect.look(post.running(), later, &tries);
        assert!(tries::noted(state.path()).is_empty() && !suspect.has_noted());
    }
}
