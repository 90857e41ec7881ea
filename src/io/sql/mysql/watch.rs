//! Until when each thread of a pool may take for what it is at. A thread says so twice for each
//! statement, so it takes no lock to do it.

use crate::io::sql::post::Post;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const NONE: u64 = u64::MAX;
const OVER: u64 = u64::MAX - 1;

#[derive(Debug)]
pub(super) struct Watch {
    /// By thread.
    limits: Vec<AtomicU64>,
    posts: Vec<Post>,
    /// When the watchdog looks again by itself.
    looks_at_ms: AtomicU64,
}

impl Watch {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            limits: (0..threads).map(|_| AtomicU64::new(NONE)).collect(),
            posts: (0..threads).map(|_| Post::default()).collect(),
            looks_at_ms: AtomicU64::new(NONE),
        }
    }

    /// Whether the watchdog would look too late. Either this sees when it will, or it sees this:
    /// it looks at all limits once more after [`Watch::will_look`].
    pub(super) fn begin(&self, thread: usize, limit_ms: u64) -> bool {
        self.limits[thread].store(limit_ms.min(OVER - 1), SeqCst);
        self.is_before_look(limit_ms)
    }

    /// What a thread tells of the call that it is at.
    pub(super) fn post(&self, thread: usize) -> &Post {
        &self.posts[thread]
    }

    pub(super) fn is_before_look(&self, at_ms: u64) -> bool {
        at_ms < self.looks_at_ms.load(SeqCst)
    }

    /// Whether the time was over before.
    pub(super) fn end(&self, thread: usize) -> bool {
        self.limits[thread].swap(NONE, SeqCst) == OVER
    }

    /// Whether the time of a thread is over now; true once for each time.
    pub(super) fn is_over(&self, thread: usize, now_ms: u64) -> bool {
        let limit_ms = self.limits[thread].load(SeqCst);
        limit_ms <= now_ms
            && self.limits[thread]
                .compare_exchange(limit_ms, OVER, SeqCst, SeqCst)
                .is_ok()
    }

    /// Its time is over now, whenever it would be.
    pub(super) fn cut(&self, thread: usize) {
        let over = |limit_ms| (limit_ms < OVER).then_some(OVER);
        let _ = self.limits[thread].fetch_update(SeqCst, SeqCst, over);
    }

    pub(super) fn will_look(&self, at_ms: Option<u64>) {
        self.looks_at_ms.store(at_ms.unwrap_or(NONE), SeqCst);
    }

    /// The nearest limit of all.
    pub(super) fn nearest(&self) -> Option<u64> {
        let limits = self.limits.iter().map(|limit| limit.load(SeqCst));
        limits.filter(|limit| *limit < OVER).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_over_once_and_its_thread_is_told() {
        let watch = Watch::new(2);
        assert!(watch.begin(0, 100));
        watch.will_look(watch.nearest());
        assert!(!watch.begin(1, 200) && watch.begin(1, 50));
        assert_eq!(watch.nearest(), Some(50));
        assert!(!watch.is_over(1, 49) && watch.is_over(1, 50) && !watch.is_over(1, 51));
        assert_eq!(watch.nearest(), Some(100));
        assert!(watch.end(1) && !watch.end(1));
        assert!(!watch.end(0) && !watch.is_over(0, 1_000));
        assert_eq!(watch.nearest(), None);
        watch.cut(0);
        assert!(!watch.end(0));
        watch.begin(0, 100);
        watch.cut(0);
        assert!(watch.end(0));
    }
}
