//! One game's RCON: a worker that connects when there is something to say, stays connected, and
//! runs one line after the other.
//!
//! What it reports of a line is for callers that must not do anything twice: the reply, or that
//! the line was surely not run, or that this is unclear.

mod connection;

use super::worker::{Fifo, Occupancy, Options, Workers};
use crate::config::Rcon;
use crate::limits::{
    RCON_CLOSED_RETRY_MS, RCON_CONNECT_MS, RCON_CUT_MS, RCON_QUEUE_MAX, RCON_REPLY_MS,
    RCON_RETRY_MS, RCON_STACK_BYTES,
};
use crate::protocol::rcon::{Done, Failure, Job};
use crate::protocol::server_id::ServerId;
use connection::{Connection, Line, NoConnection, NoReply};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs lines on one game, first in, first out, the urgent ones first. Dropped, it cuts the connection off.
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

    /// Puts a line at the end of the queue, an urgent one before all that are not. Beyond [`RCON_QUEUE_MAX`], this one
    /// or the last is reported as away.
    pub fn submit(&self, job: Job) {
        let pushed = self.workers.with(|fifo| match job.is_urgent {
            true => fifo.push_urgent(job, |other| other.is_urgent),
            false => fifo.push(job),
        });
        if let Err(job) = pushed {
            (self.report)(job.ticket, Err(not_run(&self.rcon)));
        }
    }

    pub fn occupancy(&self) -> Occupancy {
        self.workers.fifo_occupancy()
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

struct Client {
    rcon: Rcon,
    pace: Pace,
    /// The connection's, for others.
    line: Arc<Line>,
    connection: Option<Connection>,
    /// The password is wrong: this is said of every line, and nothing is tried.
    refused: Option<String>,
    away: Option<Away>,
    /// The game has let it in, and since then no connection was closed at the password.
    was_let_in: bool,
}

/// The last try failed.
struct Away {
    sentence: String,
    retry_at: Instant,
}

impl Client {
    fn new(rcon: Rcon, pace: Pace, line: Arc<Line>) -> Self {
        Self {
            rcon,
            pace,
            line,
            connection: None,
            refused: None,
            away: None,
            was_let_in: false,
        }
    }

    /// Runs a line once; on a second connection only where the first surely did not carry it.
    fn run(&mut self, line: &str) -> Result<String, Failure> {
        if let Some(connection) = &mut self.connection
            && !connection.is_open()
        {
            self.disconnect();
        }
        let was_connected = self.connection.is_some();
        let mut ran = self.run_on_connection(line)?;
        if was_connected && matches!(ran, Err(NoReply::NotSent(_))) {
            ran = self.run_on_connection(line)?;
        }
        let address = &self.rcon.address;
        ran.map_err(|no_reply| match no_reply {
            NoReply::NotSent(what) => Failure::Away(format!(
                "the command did not reach the game at {address}: {what}"
            )),
            NoReply::Unclear(what) => Failure::Unclear(format!(
                "it is unclear whether the game at {address} ran the command: {what}"
            )),
        })
    }

    /// The outer error: there is no connection.
    fn run_on_connection(&mut self, line: &str) -> Result<Result<String, NoReply>, Failure> {
        let within = self.pace.reply;
        let ran = self.connected()?.run(line, within);
        if ran.is_err() {
            self.disconnect();
        }
        Ok(ran)
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.line.forget();
    }

    fn connected(&mut self) -> Result<&mut Connection, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        Ok(self.connection.insert(connection))
    }

    fn connect(&mut self) -> Result<Connection, Failure> {
        if self.line.is_cut() {
            return Err(not_run(&self.rcon));
        }
        if let Some(sentence) = &self.refused {
            return Err(Failure::Refused(sentence.clone()));
        }
        if let Some(away) = &self.away
            && Instant::now() < away.retry_at
        {
            return Err(Failure::Away(away.sentence.clone()));
        }
        let open = || Connection::open(&self.rcon, &self.pace, |stream| self.line.keep(stream));
        let mut opened = open();
        // server.cfg sets rcon_password on every map, which closes all connections, also those that are
        // being let in: no sign of a ban where it has let vpid in before.
        if matches!(opened, Err(NoConnection::Closed)) && std::mem::take(&mut self.was_let_in) {
            self.line.forget();
            opened = open();
        }
        match opened {
            Ok(connection) => {
                self.away = None;
                self.was_let_in = true;
                Ok(connection)
            }
            Err(no_connection) => {
                self.line.forget();
                Err(self.unconnected(no_connection))
            }
        }
    }

    fn unconnected(&mut self, no_connection: NoConnection) -> Failure {
        let address = &self.rcon.address;
        match no_connection {
            NoConnection::Refused => {
                let sentence = format!(
                    "the game at {address} refuses the RCON password; make it the game's \
                     rcon_password in vpid's configuration, and restart vpid (it does not try \
                     again before, since games shut out who tries too often)"
                );
                self.refused = Some(sentence.clone());
                Failure::Refused(sentence)
            }
            NoConnection::Closed => {
                let sentence = format!(
                    "the game at {address} closes RCON connections before it answers to the \
                     password; see whether rcon_password is set in the game, and whether it has \
                     shut out this address (listip, removeip)"
                );
                self.is_away(sentence, self.pace.closed_retry)
            }
            NoConnection::Unreachable(what) => {
                let sentence = format!(
                    "the game at {address} is not reached by RCON: {what}; see whether it runs, \
                     and whether its address in vpid's configuration is right"
                );
                self.is_away(sentence, self.pace.retry)
            }
        }
    }

    /// The core says so in the log, once for each reason.
    fn is_away(&mut self, sentence: String, pause: Duration) -> Failure {
        let retry_at = Instant::now() + pause;
        self.away = Some(Away {
            sentence: sentence.clone(),
            retry_at,
        });
        Failure::Away(sentence)
    }
}

#[cfg(test)]
mod tests;
