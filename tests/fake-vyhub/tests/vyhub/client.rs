//! The simplest client there is: bytes over a connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fake_vyhub::FakeVyhub;
use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection that stays.
pub struct Client {
    stream: TcpStream,
    key: String,
    host: String,
}

impl Client {
    pub fn of(vyhub: &FakeVyhub) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", vyhub.port())).expect("a connection");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a time-out");
        Self {
            stream,
            key: vyhub.key(),
            host: format!("127.0.0.1:{}", vyhub.port()),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The bytes of a request as it should be.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> String {
        let mut head = format!(
            "{method} /test/v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n",
            self.host, self.key
        );
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() || method != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !body.is_empty() {
            head += "Content-Type: application/json\r\n";
        }
        format!("{head}\r\n{body}")
    }

    pub fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let request = self.request(method, path, body);
        self.send_bytes(&request)
    }

    pub fn send_bytes(&mut self, request: &str) -> io::Result<Reply> {
        self.stream.write_all(request.as_bytes())?;
        read_reply(&mut self.stream)
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Value {
        let reply = self.send("GET", path, None).expect("a reply");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.json()
    }
}

fn read_reply(stream: &mut TcpStream) -> io::Result<Reply> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head in UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.filter_map(|line| line.split_once(": "));
    let lower = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
    let mut reply = Reply {
        status: status
            .and_then(|status| status.parse().ok())
            .expect("a status"),
        headers: headers.map(lower).collect(),
        body: Vec::new(),
    };
    match reply.header("content-length") {
        Some(length) => {
            reply.body = vec![0; length.parse().expect("a length")];
            stream.read_exact(&mut reply.body)?;
        }
        None => read_chunks(stream, &mut reply.body)?,
    }
    Ok(reply)
}

fn read_chunks(stream: &mut TcpStream, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let size = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let size = usize::from_str_radix(&size, 16).expect("the size of a chunk");
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk)?;
        body.extend(&chunk[..size]);
        if size == 0 {
            return Ok(());
        }
    }
}
