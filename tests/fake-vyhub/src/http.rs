//! Requests as they come over a connection, and answers as they go. Knows nothing of VyHub.
//!
//! The last byte of a request stays in the socket until `finish`: a socket that is closed with
//! something unread resets its connection, and this is how resets are played.

use std::io::{self, Read, Write};
use std::net::TcpStream;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request, whole.
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Why it is not a request of HTTP/1.1 that could be read; nothing else is to be believed then.
    pub malformed: Option<String>,
}

impl Received {
    /// All values of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.headers.iter().filter(move |(known, _)| known == name);
        same.map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn parse(head: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(head).map_err(|_| "the head is not UTF-8".to_owned())?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap_or_default();
        let parts: Vec<&str> = first.split(' ').collect();
        let [method, target, "HTTP/1.1"] = parts[..] else {
            return Err(format!("{first:?} is not a request line of HTTP/1.1"));
        };
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{target:?} is not a path"));
        }
        let mut headers = Vec::new();
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Err(format!("{line:?} is not a header"));
            };
            let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
                return Err(format!("{line:?} is not a header"));
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
            malformed: None,
        })
    }

    fn malformed(why: String) -> Self {
        Self {
            method: String::new(),
            target: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            malformed: Some(why),
        }
    }

    /// How long the body is.
    fn content_length(&self) -> Result<usize, String> {
        if self.header("transfer-encoding").is_some() {
            return Err("a body needs a Content-Length, not a Transfer-Encoding".to_owned());
        }
        let mut lengths = self.all("content-length");
        let Some(length) = lengths.next() else {
            return Ok(0);
        };
        if lengths.next().is_some() {
            return Err("two Content-Length headers".to_owned());
        }
        match length.parse() {
            Ok(length) if length <= BODY_BYTES_MAX => Ok(length),
            _ => Err(format!("Content-Length {length:?} is no length for a body")),
        }
    }
}

/// Waits for a request; `None` when the connection was closed instead.
pub fn receive(stream: &TcpStream) -> io::Result<Option<Received>> {
    let Some(head) = receive_head(stream)? else {
        return Ok(None);
    };
    let parsed = Received::parse(&head).and_then(|received| {
        let length = received.content_length()?;
        Ok((received, length))
    });
    let (mut received, length) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return Ok(Some(Received::malformed(why))),
    };
    if length > 0 {
        finish(stream)?;
        if received.header("expect").is_some() {
            write(stream, b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        received.body = vec![0; length];
        let mut reader = stream;
        let (rest, last) = received.body.split_at_mut(length - 1);
        reader.read_exact(rest)?;
        if stream.peek(last)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(received))
}

fn receive_head(stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head: Vec<u8> = Vec::new();
    let mut buffer = [0; 8 * 1024];
    while head.len() < HEAD_BYTES_MAX {
        let seen = stream.peek(&mut buffer)?;
        if seen == 0 {
            return Ok(None);
        }
        let before = head.len();
        head.extend(&buffer[..seen]);
        if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            head.truncate(at + 4);
            consume(stream, head.len() - 1 - before)?;
            return Ok(Some(head));
        }
        consume(stream, seen)?;
    }
    Ok(Some(b"a head without an end".to_vec()))
}

/// Takes the last byte of a request.
pub fn finish(stream: &TcpStream) -> io::Result<()> {
    consume(stream, 1)
}

fn consume(mut stream: &TcpStream, count: usize) -> io::Result<()> {
    stream.read_exact(&mut vec![0; count])
}

pub fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

/// Reads until the other side closes, or this one is shut down.
pub fn hang(mut stream: &TcpStream) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer), Ok(count) if count > 0) {}
}
