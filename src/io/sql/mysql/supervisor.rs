//! Who keeps the time of a server's workers: ends what runs too long, answers what waits too long,
//! notes calls that run for a while.

use super::pool::Pool;
use crate::io::sql::post::Suspect;
use crate::jobs::Done;
use crate::limits::SQL_LOOK_MS;
use crate::protocol::call_error::CallError;

pub(super) struct Supervisor {
    pub pool: Pool,
    /// One for each worker.
    pub suspects: Vec<Suspect>,
    /// Something ran at the last look.
    pub was_busy: bool,
}

impl Supervisor {
    /// Gives the time until the next look in milliseconds; None while nothing runs, and nothing waits
    /// for the server.
    pub(super) fn look(&mut self) -> Option<u64> {
        let now_ms = self.pool.now_ms();
        let watches = self.pool.watches.iter().zip(&mut self.suspects);
        let limits = watches.map(|(watch, suspect)| {
            let (running, limit_ms) = watch.look(now_ms);
            suspect.look(running, now_ms, &self.pool.run.tries);
            limit_ms
        });
        let limit_ms = limits.flatten().min();
        let (expired, word, waiting_ms) = self.pool.with(|state| {
            state.note_snapshots(now_ms);
            let expired = state.queue.expired(now_ms);
            // The sentence of an outage names the owner's server: it is for the log.
            let word = match state.outage {
                Some(_) => "DatabaseUnavailable",
                None => "DeadlineExceeded",
            };
            (expired, word, state.nearest())
        });
        let expired = expired.into_iter().map(|task| Done {
            id: task.job.id,
            outcome: Err(CallError::word(word)),
        });
        self.pool.report(expired.collect());
        let nearest = limit_ms.into_iter().chain(waiting_ms).min();
        let was_busy = std::mem::replace(&mut self.was_busy, nearest.is_some());
        match nearest {
            Some(at_ms) => Some(at_ms.saturating_sub(now_ms).clamp(1, SQL_LOOK_MS)),
            None => was_busy.then_some(SQL_LOOK_MS),
        }
    }
}
