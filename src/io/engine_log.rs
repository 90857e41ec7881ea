//! The engine's log, as it comes by UDP.
//!
//! Anybody who reaches the address can send there, so nothing is answered, and what is not
//! believed is only counted.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::sockopt;

use crate::config::LogListen;
use crate::limits;
use crate::wire::engine_log::{self, Line, LogSecret};

pub struct EngineLog {
    socket: UdpSocket,
    secret: Option<LogSecret>,
    refused: Cell<u64>,
}

impl EngineLog {
    /// The error says which address it is about.
    pub fn open(listen: &LogListen) -> io::Result<Self> {
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
            secret: listen.secret,
            refused: Cell::new(0),
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What has come, in order, from at most `max` datagrams, whatever they were.
    pub fn read(&self, max: usize) -> Vec<Line> {
        // A longer datagram is cut to one byte too many, and so refused.
        let mut buffer = [0; limits::LOG_LINE_BYTES_MAX + 1];
        let mut lines = Vec::new();
        for _ in 0..max {
            let count = match self.socket.recv(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            match engine_log::parse(&buffer[..count], self.secret) {
                Some(line) => lines.push(line),
                None => self.refused.set(self.refused.get().saturating_add(1)),
            }
        }
        lines
    }

    /// Datagrams that were no line of the log, or did not carry the secret.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn open(secret: Option<&str>) -> (EngineLog, SocketAddr) {
        let secret = secret.map(|digits| digits.parse().unwrap());
        let address = "127.0.0.1:0".parse().unwrap();
        let log = EngineLog::open(&LogListen { address, secret }).unwrap();
        let address = log.socket.local_addr().unwrap();
        (log, address)
    }

    fn started(kind: &str, map: &str) -> Vec<u8> {
        let line = format!("{kind}L 11/20/2026 - 08:00:00: Started map \"{map}\"\n\0");
        [b"\xff\xff\xff\xff", line.as_bytes()].concat()
    }

    fn send(to: SocketAddr, packets: &[Vec<u8>]) {
        let game = UdpSocket::bind("127.0.0.1:0").unwrap();
        for packet in packets {
            game.send_to(packet, to).unwrap();
        }
    }

    /// Whether something has come, or comes within some seconds.
    fn is_ready(log: &EngineLog) -> bool {
        let patience = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let fd = log.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        poll(&mut fds, Some(&patience)).unwrap() == 1
    }

    fn maps(log: &EngineLog, count: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        while lines.len() < count && is_ready(log) {
            lines.extend(log.read(2));
        }
        lines
    }

    #[test]
    fn lines_come_in_order_and_some_at_a_time() {
        let (log, address) = open(None);
        assert_eq!(log.read(8), [], "nothing has come, and nobody waits");
        let names = ["a", "b", "c", "d", "e"];
        send(address, &names.map(|map| started("R", map)));
        assert!(is_ready(&log));
        assert_eq!(log.read(0), []);
        let mut lines = log.read(2);
        assert!(lines.len() <= 2);
        send(address, &names.map(|map| started("R", map)));
        lines.extend(maps(&log, 10 - lines.len()));
        let expected = names.iter().chain(&names);
        let expected: Vec<_> = expected.map(|m| Line::MapStarted(m.to_string())).collect();
        assert_eq!(lines, expected);
        assert_eq!((log.read(8).len(), log.refused()), (0, 0));
    }

    #[test]
    fn what_is_not_believed_is_counted_and_takes_its_turn() {
        let (log, address) = open(Some("1234"));
        let mut long = started("S1234", "x");
        long.truncate(long.len() - 2);
        long.resize(limits::LOG_LINE_BYTES_MAX + 500, b' ');
        let packets = [
            started("R", "a"),
            started("S1235", "b"),
            Vec::new(),
            b"rubbish".to_vec(),
            long,
            started("S1234", "c"),
        ];
        send(address, &packets);
        assert_eq!(maps(&log, 1), [Line::MapStarted("c".into())]);
        assert_eq!(log.refused(), 5);
    }

    #[test]
    fn a_taken_address_is_named() {
        let (_log, address) = open(None);
        let error = EngineLog::open(&LogListen {
            address,
            secret: None,
        });
        let error = error.err().expect("the address is taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[test]
    fn there_is_room_for_a_burst() {
        let (log, address) = open(None);
        let given = sockopt::socket_recv_buffer_size(&log.socket).unwrap();
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let plain = sockopt::socket_recv_buffer_size(&plain).unwrap();
        assert!(
            given > plain || plain >= limits::LOG_RECEIVE_BYTES,
            "{given}"
        );
        // As many as fit into what every system grants.
        let burst: Vec<_> = (0..100).map(|n| started("R", &n.to_string())).collect();
        send(address, &burst);
        assert_eq!(maps(&log, 100).len(), 100);
    }
}
