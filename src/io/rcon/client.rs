//! Whether there is a connection, and what becomes of each line.

use super::connection::{Connection, Line, NoConnection, NoReply};
use super::{Pace, not_run};
use crate::config::Rcon;
use crate::protocol::rcon::Failure;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Client {
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
    pub(super) fn new(rcon: Rcon, pace: Pace, line: Arc<Line>) -> Self {
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
    pub(super) fn run(&mut self, line: &str) -> Result<String, Failure> {
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
