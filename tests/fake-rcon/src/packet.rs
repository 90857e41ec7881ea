//! Packets of RCON, on a stream.

use std::io::{self, ErrorKind, Read};

pub const PASSWORD: i32 = 3;
pub const COMMAND: i32 = 2;
pub const ADMITTED: i32 = 2;
pub const RESPONSE: i32 = 0;

pub struct Packet {
    pub id: i32,
    pub kind: i32,
    pub body: Vec<u8>,
}

/// The next packet.
pub fn read(stream: &mut impl Read) -> io::Result<Packet> {
    let mut number = || -> io::Result<i32> {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    };
    let (length, id, kind) = (number()?, number()?, number()?);
    if !(10..=4_106).contains(&length) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize - 8];
    stream.read_exact(&mut body)?;
    if !body.ends_with(&[0, 0]) {
        return Err(ErrorKind::InvalidData.into());
    }
    body.truncate(body.len() - 2);
    Ok(Packet { id, kind, body })
}

pub fn bytes(id: i32, kind: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [body.len() as i32 + 10, id, kind] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&[0, 0]);
    bytes
}
