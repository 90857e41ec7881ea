//! What an SQLite lane, its thread and the supervisor of that thread share: what waits, what
//! runs, and who may go on.

use super::Preparation;
use super::tries::Tries;
use crate::jobs::Job;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    pub changed: Condvar,
    /// For the supervisor.
    pub time: Condvar,
    /// Beside the state, so that SQLite's callbacks can look without the lock.
    abandoned: AtomicBool,
    pub tries: Arc<Tries>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub jobs: VecDeque<Job>,
    pub preparation: Option<Preparation>,
    /// The batch that runs.
    pub running: Option<Arc<Vec<Job>>>,
    pub stopping: bool,
    /// The thread has ended, by itself only when nothing was left to do.
    pub ended: bool,
    /// Which thread the lane's is; those before it were given up.
    pub generation: u64,
    /// How many of the first jobs ran in time and were undone by another's fault, for the thread
    /// that takes over.
    pub undone: usize,
    /// Threads that were given up and have not ended.
    pub stuck: usize,
}

impl Inbox {
    pub(super) fn new(tries: Arc<Tries>) -> Self {
        Self {
            tries,
            ..Self::default()
        }
    }

    pub(super) fn submit(&self, jobs: Vec<Job>) {
        self.lock().jobs.extend(jobs);
        self.changed.notify_all();
    }

    pub(super) fn prepare(&self, preparation: Preparation) {
        self.lock().preparation = Some(preparation);
        self.changed.notify_all();
    }

    /// Asks for the end and waits for it.
    pub(super) fn finish(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_timeout_while(state, within, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    /// Ends the thread at the next opportunity, a running statement included.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
        // The lock orders this after a look at the flag that is about to become a wait.
        self.lock().stopping = true;
        self.changed.notify_all();
        self.time.notify_all();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// A call has begun, and the supervisor sleeps.
    pub(super) fn wake_supervisor(&self) {
        // Without the lock it might be about to sleep.
        let _state = self.lock();
        self.time.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
