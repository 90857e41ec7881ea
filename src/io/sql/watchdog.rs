//! Keeps the time of a database's workers, which cannot do so themselves while they wait for
//! SQLite or a server: a worker of its own, which looks several times a second while something runs.
//!
//! While nothing runs, it sleeps, and after a while it has no thread. Who begins a call when nobody
//! watches wakes it, and then it looks by itself, so that a call wakes it seldom.

use crate::io::worker::{Next, Options, Pool, Queue, Workers};
use crate::limits::WATCHDOG_STACK_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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
