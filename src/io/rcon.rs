//! The lane to one game's RCON: a thread that connects when there is something to say, stays
//! connected, and runs one line after the other.
//!
//! What it reports of a line is meant for whoever must not do anything twice: the reply, or that
//! the line was surely not run, or that this is unclear.

mod connection;
#[cfg(test)]
mod tests;
mod worker;

use crate::config::Rcon;
use crate::limits::{
    RCON_CLOSED_RETRY_MS, RCON_CONNECT_MS, RCON_CUT_MS, RCON_QUEUE_MAX, RCON_REPLY_MS,
    RCON_RETRY_MS, RCON_STACK_BYTES,
};
use crate::protocol::rcon::{Done, Job};
use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines for one game, first in, first out.
#[derive(Debug)]
pub struct Lane {
    inbox: Arc<Inbox>,
}

impl Lane {
    /// Starts the thread; nothing is connected yet. Every job is reported once, on that thread.
    pub fn start(
        server: usize,
        rcon: &Rcon,
        on_done: impl Fn(Done) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with(server, rcon, Pace::default(), on_done)
    }

    fn start_with(
        server: usize,
        rcon: &Rcon,
        pace: Pace,
        on_done: impl Fn(Done) + Send + 'static,
    ) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let worker = worker::Worker::new(server, rcon.clone(), pace, Arc::clone(&inbox), on_done);
        thread::Builder::new()
            .name(format!("rcon {server}"))
            .stack_size(RCON_STACK_BYTES)
            .spawn(move || worker.run())?;
        Ok(Self { inbox })
    }

    /// Puts a line at the end of the queue. Beyond [`RCON_QUEUE_MAX`] it is reported as away.
    pub fn submit(&self, job: Job) {
        self.inbox.submit(job);
    }

    /// Runs what waits, for so long at most; then cuts the connection off. A name that is being
    /// looked up is not waited for.
    pub fn stop(self, patience: Duration) {
        if !self.inbox.finish(patience) {
            self.inbox.cut();
            self.inbox.finish(Duration::from_millis(RCON_CUT_MS));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.inbox.cut();
    }
}

/// Deadlines and pauses.
#[derive(Debug, Clone, Copy)]
struct Pace {
    connect: Duration,
    reply: Duration,
    retry: Duration,
    closed_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(RCON_CONNECT_MS),
            reply: Duration::from_millis(RCON_REPLY_MS),
            retry: Duration::from_millis(RCON_RETRY_MS),
            closed_retry: Duration::from_millis(RCON_CLOSED_RETRY_MS),
        }
    }
}

/// What the lane and its thread share.
#[derive(Debug, Default)]
struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Tickets of jobs that found no room.
    turned_away: Vec<u64>,
    /// What the thread may be waiting for, to be shut down by others.
    stream: Option<TcpStream>,
    stopping: bool,
    cut: bool,
    ended: bool,
}

/// What the thread does next.
enum Next {
    Run(Job),
    /// These are not run: for want of room, or because of the end.
    TurnAway(Vec<u64>),
    End,
}

impl Inbox {
    fn submit(&self, job: Job) {
        let mut state = self.lock();
        if state.jobs.len() < RCON_QUEUE_MAX && !state.stopping {
            state.jobs.push_back(job);
        } else {
            state.turned_away.push(job.ticket);
        }
        self.changed.notify_all();
    }

    /// Waits for something to do.
    fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            if state.cut {
                let rest: Vec<u64> = state.jobs.drain(..).map(|job| job.ticket).collect();
                state.turned_away.extend(rest);
            }
            if !state.turned_away.is_empty() {
                return Next::TurnAway(std::mem::take(&mut state.turned_away));
            }
            if let Some(job) = state.jobs.pop_front() {
                return Next::Run(job);
            }
            if state.stopping {
                return Next::End;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets others shut this down. False: they want no further connection.
    fn keep(&self, stream: &TcpStream) -> bool {
        let mut state = self.lock();
        state.stream = stream.try_clone().ok();
        !state.cut && state.stream.is_some()
    }

    fn forget(&self) {
        self.lock().stream = None;
    }

    fn ended(&self) {
        let mut state = self.lock();
        state.stream = None;
        state.ended = true;
        self.changed.notify_all();
    }

    /// Asks for the end and waits for it.
    fn finish(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_timeout_while(state, within, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    fn cut(&self) {
        let mut state = self.lock();
        (state.stopping, state.cut) = (true, true);
        if let Some(stream) = state.stream.take() {
            // It fails where the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
