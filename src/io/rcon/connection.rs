//! One connection to a game: opening it with the password, and a line with its reply.

use super::Pace;
use crate::config::Rcon;
use crate::limits::RCON_REPLY_BYTES_MAX;
use crate::protocol::rcon::{AUTH, Decoder, Exchange, Packet, Progress, is_admitted};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    next_id: i32,
}

/// A connection's stream, for who shuts it down from outside.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    stream: Option<TcpStream>,
    cut: bool,
}

impl Line {
    /// Lets others shut this down. False: they want no further connection.
    pub(super) fn keep(&self, stream: &TcpStream) -> bool {
        let mut held = self.lock();
        held.stream = stream.try_clone().ok();
        !held.cut && held.stream.is_some()
    }

    pub(super) fn forget(&self) {
        self.lock().stream = None;
    }

    /// Ends what is waited for, and every later connection.
    pub(super) fn cut(&self) {
        let mut held = self.lock();
        held.cut = true;
        if let Some(stream) = held.stream.take() {
            // It fails where the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.lock().cut
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no connection. Texts are parts of a sentence.
#[derive(Debug)]
pub(super) enum NoConnection {
    Unreachable(String),
    /// Closed between the password and the answer to it.
    Closed,
    Refused,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The game cannot have got the whole line.
    NotSent(String),
    Unclear(String),
}

/// Why no packet came.
enum NoPacket {
    Closed,
    Silence,
    Strange(String),
}

impl Connection {
    /// Connects and logs in. `keep` is shown the stream first, and may say no.
    pub(super) fn open(
        rcon: &Rcon,
        pace: &Pace,
        keep: impl FnOnce(&TcpStream) -> bool,
    ) -> Result<Self, NoConnection> {
        let unreachable = |error: io::Error| NoConnection::Unreachable(error.to_string());
        let stream = connect(&rcon.address, pace.connect).map_err(unreachable)?;
        if !keep(&stream) {
            return Err(NoConnection::Unreachable("vpid is stopping".into()));
        }
        // A line and its mark are written at once, so nothing is gained by waiting for more.
        stream.set_nodelay(true).map_err(unreachable)?;
        stream
            .set_write_timeout(Some(pace.reply))
            .map_err(unreachable)?;
        let decoder = Decoder::default();
        let mut connection = Self {
            stream,
            decoder,
            next_id: 1,
        };
        connection.log_in(&rcon.password.0, pace.reply)?;
        Ok(connection)
    }

    fn log_in(&mut self, password: &str, within: Duration) -> Result<(), NoConnection> {
        let id = self.ids(1);
        let deadline = Instant::now() + within;
        let request = Packet::new(id, AUTH, password.as_bytes()).encode();
        if self.stream.write_all(&request).is_err() {
            return Err(NoConnection::Closed);
        }
        loop {
            let packet = self
                .receive(deadline)
                .map_err(|no_packet| match no_packet {
                    NoPacket::Closed => NoConnection::Closed,
                    NoPacket::Silence => NoConnection::Unreachable(format!(
                        "it did not answer within {} s",
                        within.as_secs_f32()
                    )),
                    NoPacket::Strange(what) => NoConnection::Unreachable(what),
                })?;
            match is_admitted(&packet, id) {
                Some(true) => return Ok(()),
                Some(false) => return Err(NoConnection::Refused),
                None => {}
            }
        }
    }

    /// Whether nothing is known to be wrong with it. What came since the last reply belongs to
    /// nobody.
    pub(super) fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).is_ok()
            && self.pass_over_strays()
            && self.stream.set_nonblocking(false).is_ok()
    }

    fn pass_over_strays(&mut self) -> bool {
        let mut passed = 0;
        let mut buffer = [0; 4_096];
        while passed <= RCON_REPLY_BYTES_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    passed += count;
                    self.decoder.push(&buffer[..count]);
                    while let Ok(Some(_)) = self.decoder.take() {}
                    if self.decoder.take().is_err() {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Runs a line. After an error the connection is of no use any more.
    pub(super) fn run(&mut self, line: &str, within: Duration) -> Result<String, NoReply> {
        let deadline = Instant::now() + within;
        let mut exchange = Exchange::new(self.ids(2));
        let [line, mark] = exchange.request(line);
        self.send(&[line.as_slice(), &mark].concat(), line.len())?;
        loop {
            let packet = self
                .receive(deadline)
                .map_err(|no_packet| match no_packet {
                    NoPacket::Closed => NoReply::Unclear("the connection was closed".into()),
                    NoPacket::Silence => NoReply::Unclear(format!(
                        "there was no complete reply within {} s",
                        within.as_secs_f32()
                    )),
                    NoPacket::Strange(what) => NoReply::Unclear(what),
                })?;
            match exchange.on(&packet) {
                Progress::More => {}
                Progress::Done(text) => return Ok(text),
                Progress::TooLong => {
                    let what = format!("the reply is longer than {RCON_REPLY_BYTES_MAX} bytes");
                    return Err(NoReply::Unclear(what));
                }
            }
        }
    }

    /// Sends a line of so many bytes and the mark behind it.
    fn send(&mut self, request: &[u8], line_bytes: usize) -> Result<(), NoReply> {
        let mut sent = 0;
        while sent < request.len() {
            let what = match self.stream.write(&request[sent..]) {
                Ok(0) => "the connection was closed".to_string(),
                Ok(count) => {
                    sent += count;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error.to_string(),
            };
            return Err(match sent < line_bytes {
                true => NoReply::NotSent(what),
                false => NoReply::Unclear(what),
            });
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Packet, NoPacket> {
        let strange = |error: io::Error| NoPacket::Strange(error.to_string());
        let mut buffer = [0; 4_096];
        loop {
            let packet = self.decoder.take();
            if let Some(packet) = packet.map_err(|wrong| NoPacket::Strange(wrong.to_string()))? {
                return Ok(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoPacket::Silence);
            }
            self.stream.set_read_timeout(Some(left)).map_err(strange)?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(NoPacket::Closed),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(NoPacket::Silence),
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                        return Err(NoPacket::Closed);
                    }
                    _ => return Err(strange(error)),
                },
            }
        }
    }

    /// The first of so many numbers that no line has had for long.
    fn ids(&mut self, count: i32) -> i32 {
        let id = self.next_id;
        self.next_id = id
            .checked_add(count)
            .filter(|next| *next < i32::MAX - 2)
            .unwrap_or(1);
        id
    }
}

/// Tries the addresses of a name, all within one deadline.
fn connect(address: &str, within: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + within;
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
