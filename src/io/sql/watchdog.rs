//! Keeps the time of a database's workers, which cannot do so themselves while they wait for
//! SQLite or a server: a worker of its own, which looks several times a second while something runs.
//!
//! While nothing runs, it sleeps, and after a while it has no thread. Who begins a call when nobody
//! watches wakes it, and then it looks by itself, so that a call wakes it seldom.

use super::tries::Tries;
use crate::io::worker::{Next, Options, Pool, Queue, Workers};
use crate::jobs::CallId;
use crate::limits::{SQL_SUSPECT_MS, WATCHDOG_STACK_BYTES};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// Looks at what runs; gives the time until it is to look again in milliseconds, `None` while nothing
/// runs.
pub(super) type Look = Box<dyn FnMut() -> Option<u64> + Send>;

/// Dropped, it looks no more.
pub(super) struct Watchdog {
    workers: Workers<Clock>,
    is_watching: Arc<AtomicBool>,
}

/// When to look; and what looks, while it does not.
#[derive(Default)]
struct Clock {
    look_at: Option<Instant>,
    look: Option<Look>,
}

/// Wakes the watchdog.
#[derive(Clone)]
pub(super) struct Waker {
    pool: Arc<Pool<Clock>>,
    is_watching: Arc<AtomicBool>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        let is_watching = Arc::<AtomicBool>::default();
        let options = Options::new("sql-time", 1, WATCHDOG_STACK_BYTES);
        let watching = Arc::clone(&is_watching);
        let workers = Workers::new(options, Clock::default(), move |_, _| {
            let watching = Arc::clone(&watching);
            Box::new(move |pool, look| watch(pool, look, &watching))
        });
        Self {
            workers,
            is_watching,
        }
    }

    pub(super) fn begin(&self, look: Look) {
        self.workers.with(|clock| clock.look = Some(look));
    }

    pub(super) fn waker(&self) -> Waker {
        Waker {
            pool: Arc::clone(&self.workers),
            is_watching: Arc::clone(&self.is_watching),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.workers.abandon();
        // It holds what it looks at, which holds the waker.
        let look = self.workers.with(|clock| clock.look.take());
        drop(look);
    }
}

fn watch(pool: &Arc<Pool<Clock>>, mut look: Look, is_watching: &AtomicBool) {
    is_watching.store(true, SeqCst);
    let mut next_ms = look();
    if next_ms.is_none() {
        is_watching.store(false, SeqCst);
        // Either this sees what began meanwhile, or that sees that no thread watches.
        next_ms = look();
        is_watching.store(next_ms.is_some(), SeqCst);
    }
    let unwanted = pool.with(|clock| {
        if let Some(next_ms) = next_ms {
            clock.look_at = Some(Instant::now() + Duration::from_millis(next_ms));
        }
        match pool.is_abandoned() {
            true => Some(look),
            false => {
                clock.look = Some(look);
                None
            }
        }
    });
    drop(unwanted);
}

impl Waker {
    /// Something begins, and it is where the watchdog looks.
    pub(super) fn begins(&self) {
        if !self.is_watching.load(SeqCst) {
            self.wake();
        }
    }

    /// Looks now.
    pub(super) fn wake(&self) {
        self.pool.with(|clock| clock.look_at = Some(Instant::now()));
    }
}

impl Queue for Clock {
    type Work = Look;

    fn next(&mut self, _: usize) -> Next<Look> {
        match self.look_at {
            Some(at) if Instant::now() < at => Next::At(at),
            Some(_) => {
                self.look_at = None;
                self.look.take().map_or(Next::Nothing, Next::Work)
            }
            None => Next::Nothing,
        }
    }

    fn is_ready(&self) -> bool {
        self.look_at.is_some_and(|at| at <= Instant::now())
    }

    fn is_done(&self) -> bool {
        true
    }
}

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
    use super::*;
    use crate::io::sql::tries;
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
