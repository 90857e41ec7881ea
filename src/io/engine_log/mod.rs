//! The engine's log, as it comes by UDP.
//!
//! Anybody who reaches the address can send there, so nothing is answered, and what does not carry
//! the secret is counted and reported once a minute. Who tries secrets gets few tries: see
//! [`Guard`]. A flood costs little, since the kernel then drops what is not from the game (the
//! socket is connected to it for most of the time), or keeps it unread.

mod guard;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::net::{connect_unspec, sockopt};

use crate::config::{LogListen, Rcon};
use crate::limits;
use crate::protocol::engine_log::{self, Datagram, Line, LogSecret};
use guard::{Guard, Near};

pub struct EngineLog {
    socket: UdpSocket,
    address: SocketAddr,
    secret: Option<LogSecret>,
    guard: Guard,
    began: Instant,
    /// The kernel drops what others send, until then.
    connected_until_ms: Option<u64>,
    /// Nothing is read until then.
    paused_until_ms: u64,
}

impl EngineLog {
    /// `rcon`: where the same game's console is. The error says which address it is about.
    pub fn open(listen: &LogListen, rcon: Option<&Rcon>) -> io::Result<Self> {
        let address = listen.address;
        let said = |error: io::Error| {
            let kind = error.kind();
            let what = format!("the engine's log cannot be received at {address}: {error}");
            io::Error::new(kind, what)
        };
        let socket = UdpSocket::bind(address).map_err(said)?;
        socket.set_nonblocking(true).map_err(said)?;
        let kept = sockopt::socket_recv_buffer_size(&socket).unwrap_or(0);
        if kept < limits::LOG_RECEIVE_BYTES {
            // With less, a burst loses lines, and a look at `status` finds out.
            let _ = sockopt::set_socket_recv_buffer_size(&socket, limits::LOG_RECEIVE_BYTES);
        }
        Ok(Self {
            socket,
            address,
            secret: listen.secret,
            guard: Guard::new(rcon.and_then(|rcon| Near::of(&rcon.address))),
            began: Instant::now(),
            connected_until_ms: None,
            paused_until_ms: 0,
        })
    }

    /// What to wait for; `None` while nothing is to be read.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        (self.paused_until_ms <= self.now_ms()).then(|| self.socket.as_fd())
    }

    /// In how many milliseconds [`EngineLog::read`] has something to do, whatever comes.
    pub fn due_in_ms(&self) -> Option<u64> {
        let now_ms = self.now_ms();
        let paused = Some(self.paused_until_ms).filter(|ms| *ms > now_ms);
        let dues = [self.connected_until_ms, paused, self.guard.report_ms()];
        let due_ms = dues.into_iter().flatten().min();
        due_ms.map(|ms| ms.saturating_sub(now_ms))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What has come, in order, from at most `max` datagrams, whatever they were.
    pub fn read(&mut self, max: usize) -> Vec<Line> {
        let now_ms = self.now_ms();
        self.let_others_in(now_ms);
        if let Some(report) = self.guard.report(now_ms) {
            log::warn!("log_listen {}: {report}", self.address);
        }
        let mut lines = Vec::new();
        if self.paused_until_ms > now_ms {
            return lines;
        }
        // A longer datagram is cut to one byte too many, and so refused.
        let mut buffer = [0; limits::LOG_LINE_BYTES_MAX + 1];
        for _ in 0..max {
            let (count, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            lines.extend(self.line(&buffer[..count], from, now_ms));
        }
        if self.guard.is_flooded(now_ms) {
            self.keep_others_out(now_ms);
        }
        lines
    }

    fn line(&mut self, packet: &[u8], from: SocketAddr, now_ms: u64) -> Option<Line> {
        if !engine_log::looks_like_one(packet) || !self.guard.admits(from, now_ms) {
            self.guard.dropped(now_ms);
            return None;
        }
        match engine_log::read_datagram(packet, self.secret) {
            Datagram::Line(line) => {
                self.guard.right(from);
                Some(line)
            }
            Datagram::WrongSecret => {
                self.guard.wrong(from, now_ms);
                None
            }
            Datagram::Foreign => {
                self.guard.dropped(now_ms);
                None
            }
        }
    }

    /// A game that was started again may send from another port.
    fn let_others_in(&mut self, now_ms: u64) {
        if self.connected_until_ms.is_some_and(|ms| ms <= now_ms) {
            self.connected_until_ms = None;
            // Where it fails, the game's own lines still come, and the next turn tries again.
            if connect_unspec(&self.socket).is_err() {
                self.connected_until_ms = Some(now_ms + limits::LOG_CLOSED_MS);
            }
        }
    }

    fn keep_others_out(&mut self, now_ms: u64) {
        let until_ms = now_ms + limits::LOG_CLOSED_MS;
        match self.guard.proven() {
            Some(_) if self.connected_until_ms.is_some() => {}
            Some(game) if self.socket.connect(game).is_ok() => {
                self.connected_until_ms = Some(until_ms);
            }
            _ => self.paused_until_ms = now_ms + limits::LOG_PAUSE_MS,
        }
        self.guard.begins_to_count(now_ms);
    }

    /// Datagrams that were no line of the log, or did not carry the secret, as far as they were
    /// read.
    pub fn refused(&self) -> u64 {
        self.guard.refused()
    }
}
