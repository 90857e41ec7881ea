//! Who keeps the time of the pool's threads: ends what runs too long, answers what waits too long,
//! notes calls that run for a while.

use super::Pool;
use crate::io::sql::Report;
use crate::io::sql::mysql::queue::Task;
use crate::io::sql::mysql::state::State;
use crate::io::sql::post::Suspect;
use crate::jobs::Done;
use crate::limits::SQL_SUSPECT_MS;
use crate::protocol::call_error::CallError;
use crate::sql::CallId;
use std::sync::PoisonError;
use std::time::Duration;

impl Pool {
    /// From here to `unwatch`, the thread's connection is ended at this time.
    pub(in crate::io::sql::mysql) fn watch(&self, thread: usize, limit_ms: u64) {
        if self.watch.begin(thread, limit_ms) {
            // Without the lock it might be about to sleep.
            let _state = self.lock();
            self.time.notify_one();
        }
        if self.is_abandoned() {
            self.watch.cut(thread);
            self.lock().slots[thread].end();
        }
    }

    /// The same for a call, which the watchdog notes when it runs long.
    pub(in crate::io::sql::mysql) fn watch_call(
        &self,
        thread: usize,
        id: CallId,
        now_ms: u64,
        limit_ms: u64,
    ) {
        self.watch.post(thread).begin(id);
        self.watch(thread, limit_ms);
        let suspect_ms = now_ms.saturating_add(SQL_SUSPECT_MS);
        if self.watch.is_before_look(suspect_ms) {
            let _state = self.lock();
            self.time.notify_one();
        }
    }

    /// Whether the connection was ended.
    pub(in crate::io::sql::mysql) fn unwatch_call(&self, thread: usize) -> bool {
        self.watch.post(thread).end();
        self.unwatch(thread)
    }

    /// Whether the connection was ended.
    pub(in crate::io::sql::mysql) fn unwatch(&self, thread: usize) -> bool {
        self.watch.end(thread)
    }

    /// The watchdog: ends what runs too long, answers what waits too long.
    pub(in crate::io::sql::mysql) fn watchdog(&self) {
        let mut state = self.lock();
        let mut suspects: Vec<_> = state.slots.iter().map(|_| Suspect::default()).collect();
        while !self.is_abandoned() && state.threads > 0 {
            let now_ms = self.now_ms();
            drop(state);
            let suspect = self.note(&mut suspects, now_ms);
            state = self.lock();
            for (thread, slot) in state.slots.iter_mut().enumerate() {
                if self.watch.is_over(thread, now_ms) {
                    slot.end();
                }
            }
            let expired = state.queue.expired(now_ms);
            if !expired.is_empty() {
                // The sentence of an outage names the owner's server: it is for the log.
                let word = match state.outage {
                    Some(_) => "DatabaseUnavailable",
                    None => "DeadlineExceeded",
                };
                let over = |task: Task| Done {
                    id: task.job.id,
                    outcome: Err(CallError::word(word)),
                };
                drop(state);
                (self.on_report)(Report::Done(expired.into_iter().map(over).collect()));
                // They may have stood before something that can be begun, or be the last.
                self.wake_all();
                state = self.lock();
                continue;
            }
            let readers = state.readers();
            let head_start = state.queue.head_start_ends(&readers, now_ms);
            if head_start.is_none() && state.has_work(now_ms) {
                self.work.notify_one();
            }
            let known = state.nearest().into_iter().chain(head_start).chain(suspect);
            let next = known.chain(self.watch.nearest()).min();
            self.watch.will_look(next);
            // What began meanwhile may have counted on a look that was to come earlier.
            let newer = self.watch.nearest().into_iter().chain(next).min();
            let mut posts = suspects.iter().enumerate();
            let is_new = |(thread, it): (usize, &Suspect)| !it.knows(self.watch.post(thread));
            if newer != next || posts.any(is_new) {
                continue;
            }
            state = match next {
                None => self
                    .time
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = Duration::from_millis(next.saturating_sub(now_ms).max(1));
                    let waited = self.time.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Notes calls that run long, without the lock, since it writes a file. Gives when the next one
    /// may do.
    fn note(&self, suspects: &mut [Suspect], now_ms: u64) -> Option<u64> {
        let looked = suspects.iter_mut().enumerate().filter_map(|(thread, it)| {
            let running = self.watch.post(thread).running();
            it.look(running, now_ms, &self.run.tries)
        });
        looked.min()
    }

    /// Wakes the watchdog where it would come too late.
    pub(super) fn watch_until(&self, _lock: &State, at_ms: Option<u64>) {
        if at_ms.is_some_and(|at_ms| self.watch.is_before_look(at_ms)) {
            self.time.notify_one();
        }
    }

    pub(super) fn watch_head_start(&self, state: &State, now_ms: u64) {
        if !state.queue.is_empty() {
            let ends = state.queue.head_start_ends(&state.readers(), now_ms);
            self.watch_until(state, ends);
        }
    }
}
