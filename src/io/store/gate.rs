//! A moment without writes, for a backup: what the documents say together must be of one moment.
//!
//! It is requested until it is granted, since nothing waits for the worker here, and ends by itself after
//! [`STORE_HOLD_MS`], or with the store. What was submitted meanwhile is written after it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::STORE_HOLD_MS;

#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed_until: Option<Instant>,
    /// The worker is at work.
    is_busy: bool,
}

impl Gate {
    /// No work begins from now on. True: none is being done either.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        state.closed_until = Instant::now().checked_add(Duration::from_millis(STORE_HOLD_MS));
        !state.is_busy
    }

    /// Work may begin. True: it could not since [`close`](Self::close).
    pub fn open(&self) -> bool {
        let mut state = self.lock();
        let until = state.closed_until.take();
        self.changed.notify_all();
        !state.is_busy && until.is_some_and(|until| Instant::now() < until)
    }

    /// Waits while it is closed; then work begins, until this is dropped.
    pub fn enter(&self) -> Work<'_> {
        let mut state = self.lock();
        while let Some(until) = state.closed_until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.closed_until = None;
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_busy = true;
        Work(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is done while the gate is open.
pub struct Work<'a>(&'a Gate);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.lock().is_busy = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn no_work_begins_while_it_is_closed_and_it_is_closed_only_when_none_is_done() {
        let gate = Arc::new(Gate::default());
        let work = gate.enter();
        assert!(!gate.close(), "work is being done");
        drop(work);
        assert!(gate.close());
        let (sender, entered) = mpsc::channel();
        let of_worker = Arc::clone(&gate);
        let worker = std::thread::spawn(move || {
            let _work = of_worker.enter();
            sender.send(()).unwrap();
        });
        assert!(entered.try_recv().is_err());
        assert!(gate.open());
        entered.recv().unwrap();
        worker.join().unwrap();
        // It was open all the time.
        assert!(!gate.open());
    }

    #[test]
    fn it_opens_by_itself_and_that_is_noticed() {
        let gate = Gate::default();
        assert!(gate.close());
        // As if the time were over.
        gate.lock().closed_until = Some(Instant::now());
        drop(gate.enter());
        assert!(!gate.open());
    }
}
