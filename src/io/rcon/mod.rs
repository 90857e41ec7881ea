//! One game's RCON: a worker that connects when there is something to say, stays connected, and
//! runs one line after the other.
//!
//! What it reports of a line is for callers that must not do anything twice: the reply, or that
//! the line was surely not run, or that this is unclear.

mod client;
mod connection;
#[cfg(test)]
mod tests;

use crate::config::Rcon;
use crate::io::worker::{Fifo, Options, Workers};
use crate::limits::{
    RCON_CLOSED_RETRY_MS, RCON_CONNECT_MS, RCON_CUT_MS, RCON_QUEUE_MAX, RCON_REPLY_MS,
    RCON_RETRY_MS, RCON_STACK_BYTES,
};
use crate::protocol::rcon::{Done, Failure, Job};
use crate::protocol::server_id::ServerId;
use client::Client;
use connection::Line;
use std::sync::Arc;
use std::time::Duration;

/// Runs lines on one game, first in, first out. Dropped, it cuts the connection off.
pub struct Console {
    rcon: Rcon,
    line: Arc<Line>,
    report: Report,
    workers: Workers<Fifo<Job>>,
}

/// Takes the result of the line that had this ticket.
type Report = Arc<dyn Fn(u64, Result<String, Failure>) + Send + Sync>;

impl Console {
    /// Nothing is connected yet. Every job is reported once; `on_done` should only hand over.
    pub fn start(
        server: ServerId,
        rcon: &Rcon,
        on_done: impl Fn(Done) + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(server, rcon, Pace::default(), on_done)
    }

    fn start_with(
        server: ServerId,
        rcon: &Rcon,
        pace: Pace,
        on_done: impl Fn(Done) + Send + Sync + 'static,
    ) -> Self {
        let report: Report = Arc::new(move |ticket, result| {
            on_done(Done {
                server,
                ticket,
                result,
            });
        });
        let line = Arc::<Line>::default();
        let options = Options::new(format!("rcon {}", server.0), 1, RCON_STACK_BYTES);
        let (at, open, reports) = (rcon.clone(), Arc::clone(&line), Arc::clone(&report));
        let workers = Workers::new(options, Fifo::new(RCON_QUEUE_MAX, 1), move |_, _| {
            let mut client = Client::new(at.clone(), pace, Arc::clone(&open));
            let report = Arc::clone(&reports);
            Box::new(move |_, jobs: Vec<Job>| {
                for job in jobs {
                    report(job.ticket, client.run(&job.line));
                }
            })
        });
        Self {
            rcon: rcon.clone(),
            line,
            report,
            workers,
        }
    }

    /// Puts a line at the end of the queue. Beyond [`RCON_QUEUE_MAX`] it is reported as away.
    pub fn submit(&self, job: Job) {
        if let Err(job) = self.workers.with(|fifo| fifo.push(job)) {
            (self.report)(job.ticket, Err(not_run(&self.rcon)));
        }
    }

    /// Runs what waits, for so long at most; then cuts the connection off. A name that is being
    /// looked up is not waited for.
    pub fn stop(self, patience: Duration) {
        if !self.workers.stop(patience) {
            self.line.cut();
            self.workers.stop(Duration::from_millis(RCON_CUT_MS));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.line.cut();
    }
}

fn not_run(rcon: &Rcon) -> Failure {
    Failure::Away(format!(
        "too many commands wait for the game at {}, or vpid is stopping; this one was not run",
        rcon.address
    ))
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
