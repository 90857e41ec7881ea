//! Source RCON: packets, and what crosses between the core and the worker of one server.

#[cfg(test)]
mod tests;

use crate::limits::{RCON_PACKET_BYTES_MAX, RCON_REPLY_BYTES_MAX};
use crate::protocol::server_id::ServerId;

/// A line for one server's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub ticket: u64,
    /// Made by [`crate::protocol::console`].
    pub line: String,
    /// It goes before those that are not.
    pub is_urgent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Which of the configuration's servers.
    pub server: ServerId,
    pub ticket: u64,
    pub result: Result<String, Failure>,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The password is wrong, or this address is banned: no further try until the next start. A
    /// sentence.
    Refused(String),
    /// It was surely not run. A sentence.
    Away(String),
    /// It was sent, and no reply came. A sentence.
    Unclear(String),
}

/// A packet as it stands on the connection: its length (of what follows), a number that its
/// responses repeat, its kind, its body, two NULs. Numbers are little endian, of 32 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub id: i32,
    /// [`AUTH`], [`EXEC`], [`AUTH_ANSWER`] or [`RESPONSE`]; two of them share a number.
    pub kind: i32,
    pub body: Vec<u8>,
}

/// To the server: the password.
pub const AUTH: i32 = 3;
/// To the server: a line for its console.
pub const EXEC: i32 = 2;
/// From the server: whether the password is right.
pub const AUTH_ANSWER: i32 = 2;
/// From the server: what a line has printed. To the server: a mark, which it sends back.
pub const RESPONSE: i32 = 0;

/// The number of a response that refuses the password.
const REFUSED: i32 = -1;
/// Number, kind and the two NULs, in bytes.
const AROUND_BODY_BYTES: usize = 10;

impl Packet {
    pub fn new(id: i32, kind: i32, body: &[u8]) -> Self {
        let body = body.to_vec();
        Self { id, kind, body }
    }

    pub fn encode(&self) -> Vec<u8> {
        let length = (self.body.len() + AROUND_BODY_BYTES) as i32;
        let numbers = [length, self.id, self.kind].map(i32::to_le_bytes);
        [numbers.as_flattened(), &self.body, &[0, 0]].concat()
    }

    /// What stands behind the length. A body may lack the NULs behind it.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let body = rest.strip_suffix(b"\0").unwrap_or(rest);
        let body = body.strip_suffix(b"\0").unwrap_or(body);
        let (id, kind) = (i32::from_le_bytes(*id), i32::from_le_bytes(*kind));
        Some(Self::new(id, kind, body))
    }
}

/// This is no RCON, or its packets are lost: nothing of this connection can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet with the length {0} is no RCON")]
pub struct WrongLength(pub i32);

/// Packets out of bytes that come cut and joined as they like.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How many of the bytes are read.
    taken: usize,
}

impl Decoder {
    /// Keeps these bytes: less than one packet, if all packets are taken before more is pushed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet that is complete. After an error there is never another one.
    pub fn take(&mut self) -> Result<Option<Packet>, WrongLength> {
        let Some((length, rest)) = self.bytes[self.taken..].split_first_chunk() else {
            return Ok(None);
        };
        let length = i32::from_le_bytes(*length);
        let allowed = AROUND_BODY_BYTES..=RCON_PACKET_BYTES_MAX;
        let length_bytes = usize::try_from(length)
            .ok()
            .filter(|length| allowed.contains(length));
        let length_bytes = length_bytes.ok_or(WrongLength(length))?;
        let Some(bytes) = rest.get(..length_bytes) else {
            return Ok(None);
        };
        let packet = Packet::read(bytes).ok_or(WrongLength(length))?;
        self.taken += 4 + length_bytes;
        Ok(Some(packet))
    }
}

/// Whether a server admits the password that was sent with this number; `None`: this packet does not
/// decide it, such as the empty response that comes first.
pub fn is_admitted(packet: &Packet, id: i32) -> Option<bool> {
    match packet.kind {
        AUTH_ANSWER if packet.id == id => Some(true),
        AUTH_ANSWER if packet.id == REFUSED => Some(false),
        _ => None,
    }
}

/// One line and its reply, which comes in any number of packets without a mark at its end. So a
/// mark is sent behind the line: the server sends it back when the reply is complete, and a
/// strange packet of the same number behind it, which the next exchange passes over.
#[derive(Debug)]
pub struct Exchange {
    /// The number of the line; the mark has the next one.
    id: i32,
    reply: Vec<u8>,
}

/// How far the reply to a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    More,
    /// All of it. What was no UTF-8 is U+FFFD.
    Done(String),
    /// Longer than [`RCON_REPLY_BYTES_MAX`]; nothing of it is given.
    TooLong,
}

impl Exchange {
    /// With a number that the connection has not used for two before, of 0 or more.
    pub fn new(id: i32) -> Self {
        let reply = Vec::new();
        Self { id, reply }
    }

    /// What is to be sent: the line, and the mark.
    pub fn request(&self, line: &str) -> [Vec<u8>; 2] {
        let line = Packet::new(self.id, EXEC, line.as_bytes());
        let mark = Packet::new(self.mark(), RESPONSE, b"");
        [line.encode(), mark.encode()]
    }

    /// Takes what the server has sent; packets with other numbers belong to earlier lines.
    pub fn on(&mut self, packet: &Packet) -> Progress {
        if packet.kind != RESPONSE {
            return Progress::More;
        }
        if packet.id == self.mark() {
            return Progress::Done(String::from_utf8_lossy(&self.reply).into_owned());
        }
        if packet.id == self.id {
            if self.reply.len() + packet.body.len() > RCON_REPLY_BYTES_MAX {
                return Progress::TooLong;
            }
            self.reply.extend_from_slice(&packet.body);
        }
        Progress::More
    }

    fn mark(&self) -> i32 {
        self.id.wrapping_add(1)
    }
}
