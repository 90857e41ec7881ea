//! One connection, as an engine serves it.

use super::packet::{self, ADMITTED, COMMAND, PASSWORD, Packet, RESPONSE};
use super::{Shared, Trouble, Writes};
use std::io::{self, Write};
use std::net::TcpStream;

struct Connection<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    admitted: bool,
    /// Packets that wait for those behind them.
    held: Vec<u8>,
    mute: bool,
}

/// Serves it until it is closed or to be dropped.
pub fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let held = Vec::new();
    let mut connection = Connection {
        stream,
        shared,
        admitted: false,
        held,
        mute: false,
    };
    loop {
        let packet = packet::read(&mut &*stream)?;
        let goes_on = match packet.kind {
            PASSWORD => connection.password(&packet)?,
            COMMAND if connection.admitted => connection.command(&packet)?,
            RESPONSE if connection.admitted => connection.mark(&packet)?,
            _ => false,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

impl Connection<'_> {
    fn password(&mut self, packet: &Packet) -> io::Result<bool> {
        let mut state = self.shared.lock();
        state.passwords += 1;
        let right = packet.body == state.password.as_bytes();
        state.failures += usize::from(!right);
        let trouble = state.take_trouble(&[Trouble::DropAtPassword, Trouble::HangAtPassword]);
        drop(state);
        self.shared.changed.notify_all();
        match trouble {
            Some(Trouble::DropAtPassword) => return Ok(false),
            Some(_) => {
                self.mute = true;
                return Ok(true);
            }
            None => {}
        }
        self.send(&packet::bytes(packet.id, RESPONSE, b""))?;
        let id = if right { packet.id } else { -1 };
        self.send(&packet::bytes(id, ADMITTED, b""))?;
        self.admitted = right;
        Ok(right)
    }

    fn command(&mut self, packet: &Packet) -> io::Result<bool> {
        use Trouble::{DropAfter, DropBefore, Garbage, Hang};
        let mut state = self.shared.lock();
        let trouble = state.take_trouble(&[DropBefore, DropAfter, Hang, Garbage]);
        let shape = state.shape;
        drop(state);
        if trouble == Some(DropBefore) {
            return Ok(false);
        }
        let reply = self.shared.run(&String::from_utf8_lossy(&packet.body));
        match trouble {
            Some(DropAfter) => return Ok(false),
            Some(Garbage) => self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")?,
            Some(_) => self.mute = true,
            None => {}
        }
        // A command that prints nothing is answered with an empty packet.
        let mut bodies: Vec<&[u8]> = reply.as_bytes().chunks(shape.packet_bytes).collect();
        if bodies.is_empty() {
            bodies.push(b"");
        }
        for body in bodies {
            self.send(&packet::bytes(packet.id, RESPONSE, body))?;
        }
        Ok(true)
    }

    /// What is no request is sent back, and something strange behind it.
    fn mark(&mut self, packet: &Packet) -> io::Result<bool> {
        self.send(&packet::bytes(packet.id, RESPONSE, b""))?;
        self.send(&packet::bytes(packet.id, RESPONSE, &[0, 1, 0, 0]))?;
        let held = std::mem::take(&mut self.held);
        self.stream.write_all(&held)?;
        Ok(true)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mute {
            return Ok(());
        }
        let writes = self.shared.lock().shape.writes;
        match writes {
            Writes::Together if self.admitted => self.held.extend_from_slice(bytes),
            Writes::Bytes => {
                for byte in bytes {
                    self.stream.write_all(&[*byte])?;
                }
            }
            _ => self.stream.write_all(bytes)?,
        }
        Ok(())
    }
}
