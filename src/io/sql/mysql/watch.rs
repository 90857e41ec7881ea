//! What a worker is at and until when, for the watchdog: the worker notes it twice for each statement,
//! so it does not take the lock that all workers share.

use super::session::Socket;
use crate::io::sql::watchdog::Running;
use crate::jobs::CallId;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// The connection's.
    socket: Option<Socket>,
    /// The call that runs, and how many there were.
    running: Option<Running>,
    calls: u64,
    /// When what runs is ended with its connection.
    limit_ms: Option<u64>,
    /// It was.
    is_over: bool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, limit_ms: u64, call: Option<CallId>) {
        let mut watched = self.lock();
        watched.limit_ms = Some(limit_ms);
        watched.calls += 1;
        let number = watched.calls;
        watched.running = call.map(|id| Running::new(number, id));
    }

    /// Whether the connection was ended.
    pub(super) fn end(&self) -> bool {
        let mut watched = self.lock();
        (watched.limit_ms, watched.running) = (None, None);
        std::mem::take(&mut watched.is_over)
    }

    pub(super) fn connected(&self, socket: Option<Socket>) {
        self.lock().socket = socket;
    }

    /// Ends the connection now, whatever runs.
    pub(super) fn cut(&self) {
        self.lock().cut();
    }

    /// Ends what is over. Gives the call that runs, and when what runs is over.
    pub(super) fn look(&self, now_ms: u64) -> (Option<Running>, Option<u64>) {
        let mut watched = self.lock();
        if watched.limit_ms.is_some_and(|limit_ms| limit_ms <= now_ms) {
            watched.cut();
        }
        (watched.running, watched.limit_ms)
    }
}

impl Watched {
    fn cut(&mut self) {
        self.is_over |= self.limit_ms.take().is_some();
        if let Some(socket) = &self.socket {
            socket.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_over_once_and_its_worker_is_notified() {
        let watch = Watch::default();
        watch.begin(100, Some(CallId::of_number(7, 3)));
        let (running, limit_ms) = watch.look(99);
        assert!(running.is_some() && limit_ms == Some(100));
        assert!(!watch.end() && watch.look(1_000) == (None, None));
        watch.begin(100, None);
        assert_eq!(watch.look(100), (None, None));
        assert!(watch.end() && !watch.end());
        watch.cut();
        assert!(!watch.end(), "nothing ran");
        watch.begin(100, None);
        watch.cut();
        assert!(watch.end());
    }
}
